// Version 4, which no kernel of today mounts: made by mkfs.xfs from a prototype, attributes set by xfs_db, judged by both.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { expectWalkConforms } from '../../conformance/filesystem.ts';
import { describeWithTools } from '../../support/tools.ts';
import { contentOf, pathsOf, type Walked, type WalkedInode, walkToMap } from '../../support/walked.ts';
import { imageFolder } from '../ext4/support/images.ts';
import { noise } from '../ext4/support/tree.ts';
import { notFree, usedRuns } from './support/free-space.ts';
import { type Image, makeImage, openImage, xfsDb } from './support/images.ts';

const folder = imageFolder();
const LONG = 'x'.repeat(900);
const CONTENT = noise(100_000, 4);

/** A prototype: mkfs.xfs(8), "-p". */
function prototype(): string {
  const host = join(folder, 'content');
  const empty = join(folder, 'empty');
  writeFileSync(host, CONTENT);
  writeFileSync(empty, '');
  const files = (count: number, length: number): string[] =>
    Array.from({ length: count }, (_, i) => `${'n'.repeat(length)}${i} ---640 7 8 ${empty}`);
  return [
    '/dummy',
    '0 0',
    'd--755 3 4',
    `file -u-644 5 6 ${host}`,
    'short l--777 1 2 ../a',
    `long l--777 1 2 ${LONG}`,
    'character c--600 0 0 5 1',
    'block b--660 0 0 259 7000',
    'fifo p--600 0 0',
    'sf d--700 9 9',
    ...files(3, 3),
    '$',
    'blk d--700 9 9',
    ...files(30, 20),
    '$',
    'leaf d--700 9 9',
    ...files(300, 40),
    '$',
    'node d--700 9 9',
    ...files(1200, 100),
    'deeper d--711 0 0',
    `inner ---600 1 1 ${host}`,
    '$',
    '$',
    '$',
    '',
  ].join('\n');
}

const IMAGES: Record<string, readonly string[]> = {
  'as mkfs.xfs makes it': [],
  'without types in directories': ['-n', 'ftype=0'],
  'with blocks of 1 KiB, inodes of 256 bytes, directory blocks of 4 KiB': [
    '-b',
    'size=1024',
    '-i',
    'size=256',
    '-n',
    'size=4096',
  ],
  'with a log of version 1': ['-l', 'version=1'],
};

/** The core as xfs_db prints it. */
function coreOf(image: Image, inode: number): (field: string) => string {
  const text = xfsDb(image.path, [`inode ${inode}`, 'print']);
  return (field) => new RegExp(`^core\\.${field} = (.*)$`, 'm').exec(text)?.[1] ?? '';
}

describeWithTools(['mkfs.xfs', 'xfs_db', 'xfs_repair'], 'XFS of version 4', () => {
  for (const [title, args] of Object.entries(IMAGES)) {
    it(`is walked as it was made: ${title}`, async () => {
      mkdirSync(folder, { recursive: true });
      const proto = join(folder, 'proto');
      writeFileSync(proto, prototype());
      const image = makeImage(folder, 48 << 20, ['-m', 'crc=0', ...args, '-p', proto]);
      const before = pathsOf(await walkToMap(await openImage(image)), (await openImage(image)).rootInode);
      for (const [path, ...commands] of [
        ['/file', 'attr_set -v 20 small', 'attr_set -r -v 3000 medium', 'attr_set -s -v 30000 large'],
        ['/sf', 'attr_set -v 10 one', 'attr_set -r -v 12 two', 'attr_set -s -v 1 none'],
        ['/blk', ...Array.from({ length: 40 }, (_, i) => `attr_set -v ${1 + i * 20} many${i}`)],
      ]) {
        xfsDb(image.path, [`inode ${before.get(path)}`, ...commands], true);
      }
      const filesystem = await openImage(image);
      const walked = await walkToMap(filesystem);
      const paths = pathsOf(walked, filesystem.rootInode);
      const at = (path: string): WalkedInode => walked.inodes.get(paths.get(path) ?? 0) as WalkedInode;
      expect(paths.size).toBe(1 + 6 + 4 + 3 + 30 + 300 + 1200 + 2);
      expect([at('/file').mode, at('/file').uid, at('/file').gid]).toEqual([0o104644, 5, 6]);
      expect(await contentOf(at('/file'), image.readAt)).toEqual(CONTENT);
      expect(await contentOf(at('/node/deeper/inner'), image.readAt)).toEqual(CONTENT);
      expect(at('/short').extents[0].literal?.toString()).toBe('../a');
      expect(at('/long').extents[0].literal?.toString()).toBe(LONG);
      expect([at('/character').major, at('/character').minor]).toEqual([5, 1]);
      expect([at('/block').major, at('/block').minor]).toEqual([259, 7000]);
      expect(at('/fifo').mode).toBe(0o010600);
      expectAttributes(at);
      expectCores(
        image,
        walked,
        [...paths.values()].filter((_, i) => i % 50 === 0 || i < 20),
      );
      expect((await expectWalkConforms(filesystem, image.byteLength)).problems).toEqual([]);
      expect(await usedRuns(filesystem)).toEqual(notFree(image));
      expect(filesystem.identity).toMatchObject({ type: 'xfs', uuid: image.uuid });
    });
  }
});

function expectAttributes(at: (path: string) => WalkedInode): void {
  const sizes = (path: string): Record<string, number> =>
    Object.fromEntries([...at(path).xattrs].map(([name, value]) => [name, value.length]).sort());
  expect(sizes('/file')).toEqual({ 'security.large': 30000, 'trusted.medium': 3000, 'user.small': 20 });
  expect(sizes('/sf')).toEqual({ 'security.none': 1, 'trusted.two': 12, 'user.one': 10 });
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`user.many${i}`, 1 + i * 20]));
  expect(sizes('/blk')).toEqual(Object.fromEntries(Object.entries(many).sort()));
  for (const value of at('/file').xattrs.values()) expect(value.every((byte) => byte === 0x76)).toBe(true); // v
}

function expectCores(image: Image, walked: Walked, inodes: readonly number[]): void {
  for (const number of new Set(inodes)) {
    const core = coreOf(image, number);
    const inode = walked.inodes.get(number) as WalkedInode;
    expect(`0${inode.mode.toString(8)}`).toBe(core('mode'));
    expect([inode.uid, inode.gid, inode.size, inode.linkCount].map(String)).toEqual(
      ['uid', 'gid', 'size', 'nlinkv2'].map(core),
    );
    expect(`${inode.mtime % 1_000_000_000n}`).toBe(core('mtime.nsec'));
    expect(Number(inode.mtime / 1_000_000_000n)).toBe(Date.parse(`${core('mtime.sec')} UTC`) / 1000);
  }
}
