// A damaged primary superblock: the same files are found by a backup, and it is said aloud.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { filesystemOpeners } from '../../../src/cli/workplace.ts';
import { openExt4, openExt4Backup } from '../../../src/filesystem/ext4/ext4.ts';
import type { Filesystem, NotWalkable } from '../../../src/filesystem/filesystem.ts';
import { type MemoryVolume, memoryVolume } from '../../support/memory-volume.ts';
import { describeWithTools } from '../../support/tools.ts';
import { mustWalk, type Walked, walkToMap } from '../../support/walked.ts';
import { debugfs, imageFolder, makeImage, openMemory, run } from './support/images.ts';
import { noise } from './support/tree.ts';

const MIB = 2 ** 20;
const folder = imageFolder();
const tree = join(folder, 'tree');
beforeAll(() => {
  mkdirSync(join(tree, 'd', 'e'), { recursive: true });
  for (let i = 0; i < 60; i++) writeFileSync(join(tree, 'd', `file${i}`), noise(i * 700, i));
});

async function openFirst(volume: MemoryVolume): Promise<Filesystem | NotWalkable | undefined> {
  for (const open of filesystemOpeners) {
    const opened = await open(volume.readAt, volume.bytes.length);
    if (opened !== undefined) return opened;
  }
  return undefined;
}

const KINDS: Record<string, { readonly size: number; readonly mke2fs: readonly string[]; readonly group: number }> = {
  'ext2, 1 KiB blocks': { size: 20 * MIB, mke2fs: ['-t', 'ext2', '-b', '1024'], group: 1 },
  'ext4, 1 KiB blocks': { size: 20 * MIB, mke2fs: ['-t', 'ext4', '-b', '1024'], group: 1 },
  'ext4, 2 KiB blocks': { size: 40 * MIB, mke2fs: ['-t', 'ext4', '-b', '2048'], group: 1 },
  'ext4, 4 KiB blocks': { size: 160 * MIB, mke2fs: ['-t', 'ext4', '-b', '4096'], group: 1 },
  'bigalloc, 1 KiB blocks': {
    size: 80 * MIB,
    mke2fs: ['-t', 'ext4', '-b', '1024', '-O', 'bigalloc', '-C', '8192'],
    group: 1,
  },
};

describeWithTools(['mke2fs', 'debugfs', 'mkswap'], 'a volume without its primary superblock', () => {
  const all = ({ inodes, names }: Walked): unknown => ({ inodes: [...inodes], names: [...names] });

  it.each(Object.entries(KINDS))('is read by a backup: %s', async (_title, { group, ...options }) => {
    const volume = memoryVolume(readFileSync(makeImage(folder, { ...options, tree }).path));
    const whole = all(await walkToMap(await openMemory(volume)));
    const blank = memoryVolume(Buffer.from(volume.bytes));
    blank.bytes.fill(0, 1024, 2048);
    expect(await openExt4(blank.readAt, blank.bytes.length)).toBeUndefined();
    const found = mustWalk(await openFirst(blank));
    expect(found.notes).toContain(`primary superblock damaged (there is none), backup in group ${group} used`);
    expect(found.damage).toEqual([]);
    expect(all(await walkToMap(found))).toEqual(whole);
    expect(await found.allocated()).toEqual(await (await openMemory(volume)).allocated());
  });

  it('with a wrong checksum, or nonsense in it, is read by a backup', async () => {
    const options = { size: 20 * MIB, mke2fs: ['-t', 'ext4', '-b', '1024', '-g', '1024'], tree };
    const volume = memoryVolume(readFileSync(makeImage(folder, options).path));
    const whole = all(await walkToMap(await openMemory(volume)));
    for (const [at, says] of [
      [0x68, /damaged \(checksum [0-9a-f]{8}, stored [0-9a-f]{8}\), backup in group 1 used/],
      [0x60, /damaged \(checksum/], // a feature that no one knows, but for the checksum
    ] as const) {
      const damaged = memoryVolume(Buffer.from(volume.bytes));
      damaged.bytes[1024 + at] ^= 0x80;
      const filesystem = mustWalk(await openExt4(damaged.readAt, damaged.bytes.length));
      expect(filesystem.notes.join()).toMatch(says);
      expect(all(await walkToMap(filesystem))).toEqual(whole);
    }
  });

  it('and without the first backups is read by a later one', async () => {
    const volume = memoryVolume(
      readFileSync(makeImage(folder, { ...KINDS['ext4, 1 KiB blocks'], size: 60 * MIB, tree }).path),
    );
    const whole = all(await walkToMap(await openMemory(volume)));
    for (const at of [1024, 8193 * 1024, 3 * 8192 * 1024 + 1024]) volume.bytes.fill(0, at, at + 1024);
    const filesystem = mustWalk(await openFirst(volume));
    expect(filesystem.notes.join()).toMatch(/backup in group 5 used/);
    expect(all(await walkToMap(filesystem))).toEqual(whole);
  });

  it('and without a backup that is whole is copied whole, for the reason that the primary one gives', async () => {
    const volume = memoryVolume(readFileSync(makeImage(folder, { size: 4 * MIB, mke2fs: ['-t', 'ext4'], tree }).path));
    volume.bytes[1024 + 0x68] ^= 1;
    expect(await openExt4(volume.readAt, volume.bytes.length)).toMatchObject({
      reason: expect.stringMatching(/checksum/),
    });
    volume.bytes.fill(0, 1024, 2048);
    expect(await openExt4Backup(volume.readAt, volume.bytes.length)).toBeUndefined();
  });

  it('and with a journal that holds the newest changes is read with them', async () => {
    const { path } = makeImage(folder, { ...KINDS['ext4, 1 KiB blocks'], tree });
    const block = Number(/\(0\):(\d+)/.exec(debugfs(path, ['stat /d/file1']))?.[1]);
    const data = join(folder, 'new-content');
    writeFileSync(data, noise(1024, 99));
    debugfs(path, ['jo -c -v 3', `jw -b ${block} ${data}`, 'jc'], true);
    const volume = memoryVolume(readFileSync(path));
    volume.bytes.fill(0, 1024, 2048);
    const filesystem = mustWalk(await openFirst(volume));
    expect(filesystem.notes.join()).toMatch(/backup in group 1 used.*replayed in memory: 1 transactions, 1 blocks/);
  });

  it('but with another filesystem over it is that filesystem', async () => {
    const { path } = makeImage(folder, { ...KINDS['ext4, 1 KiB blocks'], tree });
    run('mkswap', [path]);
    const volume = memoryVolume(readFileSync(path));
    expect(mustWalk(await openExt4Backup(volume.readAt, volume.bytes.length)).identity.type).toBe('ext4');
    const opened = await openFirst(volume);
    expect(opened?.identity?.type).toBe('swap');
  });

  it('and with backups of an older filesystem without a root is none', async () => {
    const { path } = makeImage(folder, { ...KINDS['ext4, 1 KiB blocks'], tree });
    const volume = memoryVolume(readFileSync(path));
    volume.bytes.fill(0, 0, 8192 * 1024);
    expect(await openFirst(volume)).toBeUndefined();
  });
});
