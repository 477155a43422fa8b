// A directory with an index of three levels (large_dir), written by the kernel; and entries with Lustre's data behind the
// name (dirdata), made by hand since no tool here makes them. The first only for root where loop mounts work.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { crc32cRaw } from '../../../src/bytes/crc32c.ts';
import { viewOf } from '../../../src/bytes/layout.ts';
import { Incompat } from '../../../src/filesystem/ext4/features.ts';
import { ext4_super_block as SB } from '../../../src/filesystem/ext4/layouts.ts';
import { canMount, withMount } from '../../support/mount.ts';
import { describeWithTools, hasTools } from '../../support/tools.ts';
import { pathsOf, walkToMap } from '../../support/walked.ts';
import { debugfs, imageFolder, loaded, makeImage, openImage, openMemory } from './support/images.ts';

const folder = imageFolder();
const mountPoint = join(folder, 'mnt');
mkdirSync(mountPoint);
const MIB = 2 ** 20;
const LARGE = ['-t', 'ext4', '-b', '1024', '-N', '256', '-O', 'large_dir,^has_journal'];
const mountable =
  hasTools('mke2fs', 'debugfs', 'python3', 'mount') &&
  canMount(makeImage(folder, { size: 8 * MIB, mke2fs: LARGE }).path, mountPoint, 'ro');

const LINKS = `
import os, sys
os.chdir(sys.argv[1]); os.mkdir('d'); os.chdir('d')
for i in range(60000):
    if i % 30000 == 0: open('file%d' % i, 'w').close(); first = 'file%d' % i
    else: os.link(first, '%0250d' % i)
`;

describe.skipIf(!mountable)('a directory with an index of three levels', () => {
  it('has all its names', async () => {
    const image = makeImage(folder, { size: 64 * MIB, mke2fs: LARGE });
    withMount(image.path, mountPoint, 'rw', () => execFileSync('python3', ['-c', LINKS, mountPoint]));
    expect(debugfs(image.path, ['htree_dump /d']).slice(0, 600)).toMatch(/Indirect levels: 2/);
    const walked = await walkToMap(await openImage(image));
    expect(walked.directoryProblems).toEqual([]);
    const directory = walked.names.find(({ name }) => name === 'd')?.child;
    const names = walked.names.filter(({ parent }) => parent === directory).map(({ name }) => name);
    const expected = Array.from({ length: 60_000 }, (_, i) =>
      i % 30_000 === 0 ? `file${i}` : `${i}`.padStart(250, '0'),
    );
    expect(names.length).toBe(expected.length);
    const found = new Set(names);
    expect(expected.filter((name) => !found.has(name)).slice(0, 3)).toEqual([]);
  });
});

describeWithTools(['mke2fs', 'debugfs'], 'entries with data behind the name', () => {
  it('have their names', async () => {
    const tree = join(folder, 'tree');
    mkdirSync(join(tree, 'd'), { recursive: true });
    for (const name of ['one', 'two', 'three']) writeFileSync(join(tree, 'd', name), name);
    const image = makeImage(folder, {
      size: 4 * MIB,
      mke2fs: ['-t', 'ext4', '-b', '1024', '-N', '64', '-O', '^metadata_csum'],
      tree,
    });
    const volume = loaded(image);
    const superblock = volume.bytes.subarray(1024, 2048);
    const view = viewOf(superblock);
    SB.s_feature_incompat.set(view, 0, SB.s_feature_incompat.get(view, 0) | Incompat.dirdata);
    SB.s_checksum.set(view, 0, crc32cRaw(0xffff_ffff, superblock.subarray(0, 0x3fc)));
    // Lustre's `struct ext4_dirent_data_header` and a FID behind the last name, told by a bit of the file type.
    const block = Number(/\(0\):(\d+)/.exec(debugfs(image.path, ['stat /d']))?.[1]);
    const entry = Math.max(...['one', 'two', 'three'].map((name) => volume.bytes.indexOf(name, block * 1024))) - 8;
    volume.bytes[entry + 7] |= 0x10;
    const end = entry + 8 + volume.bytes[entry + 6];
    volume.bytes.set([17, 0, 0, 0, 2, 0, 0x40, 0, 1, 0, 0, 0, 5, 0, 0, 0, 0], end + 1);
    const walked = await walkToMap(await openMemory(volume));
    expect([...pathsOf(walked, 2).keys()]).toEqual(expect.arrayContaining(['/d/one', '/d/two', '/d/three']));
    const directory = pathsOf(walked, 2).get('/d');
    expect(walked.names.filter(({ parent }) => parent === directory)).toHaveLength(3);
    expect(walked.directoryProblems).toEqual([]);
  });
});
