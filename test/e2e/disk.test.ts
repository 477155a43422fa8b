// A whole disk to tape and back: partitions, logical volumes, swap, boot code and gaps. The kernel judges the trees, sfdisk and
// LVM's tools the restored disk, dumpe2fs and e2fsck its filesystems.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { Manifest } from '../../src/bytes/manifest.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { imageFolder, run } from '../filesystem/ext4/support/images.ts';
import { layoutOf } from '../filesystem/ext4/support/truth.ts';
import { LVM_TOOLS, saidByLvs, withLvm } from '../filesystem/lvm/support/groups.ts';
import { MIB, saidBySfdisk } from '../filesystem/partition/support/disks.ts';
import { DISK_BYTES, type DiskImage, gathered, makeDiskImage } from '../support/disk-image.ts';
import { withMount } from '../support/mount.ts';
import { answers, damage } from '../support/set-answers.ts';
import { Site } from '../support/site.ts';
import { describeWithTools, tempFolder } from '../support/tools.ts';

const RECORD = 65_536;
const DUMP = join(import.meta.dirname, '../support/tree-dump.py');
const folder = imageFolder();

let disk: DiskImage;
let source: Buffer;
let site: Site;
let set: string;
let manifest: Manifest;

const isRoot = process.getuid?.() === 0;

const dump = (tree: string): string[] =>
  execFileSync('python3', [DUMP, tree], { encoding: 'utf8', maxBuffer: 1 << 28 })
    .trim()
    .split('\n');

async function restored(...paths: readonly string[]): Promise<{ to: string; problems: string[] }> {
  const to = join(tempFolder(), 'back');
  await using session = await site.open();
  const outcome = await session.restore(set, paths, to);
  expect(outcome.lost).toBe(0);
  return { to, problems: outcome.problems.map(({ path, reason }) => `${Buffer.from(path).toString()}: ${reason}`) };
}

describeWithTools([...LVM_TOOLS, 'mke2fs', 'dumpe2fs', 'e2fsck', 'mkswap', 'python3'], 'a whole disk', () => {
  beforeAll(async () => {
    if (!isRoot) return; // loop devices
    disk = makeDiskImage(folder);
    source = readFileSync(disk.path);
    site = await Site.make({ cartridges: [{ barcode: 'RM1', capacity: 400 * MIB }] });
    const backed = await site.backup(new MemoryStore({ content: source }), { recordSize: RECORD });
    manifest = backed.manifest;
    set = manifest.set;
  });

  const test = (title: string, body: () => Promise<void>): void => {
    it.skipIf(!isRoot)(title, body);
  };

  test('the manifest names every part with its type, label and id', async () => {
    expect(manifest.disk).toEqual({ type: 'gpt', id: '0FA1AFE1-1111-2222-3333-444455556666', notes: [] });
    expect(
      manifest.filesystems.map(({ number, path, type, label, indexed, reason }) => [
        number,
        path,
        type,
        label,
        indexed,
        reason,
      ]),
    ).toEqual([
      [1, '/1', 'ext4', 'part 1', true, null],
      [2, '/2', 'ext3', 'part 2', true, null],
      [3, '/3', 'swap', 'swapped', true, null],
      [4, '/4', 'BIOS boot', '', true, null],
      [5, '/5', 'unknown', '', true, 'no filesystem that can be indexed was recognised'],
      [32_768, '/vg/between', 'unknown', '', true, 'no filesystem that can be indexed was recognised'],
      [32_769, '/vg/first', 'unknown', '', true, 'no filesystem that can be indexed was recognised'],
      [32_770, '/vg/root', 'ext4', 'part 3', true, null],
      [32_771, '/vg/striped', 'unknown', '', true, 'it is of type striped over 2, which cannot be read here'],
    ]);
    for (const { path, file, segments } of disk.filesystems) {
      const found = manifest.filesystems.find((one) => one.path === path);
      const uuid = /Filesystem UUID: +(\S+)/.exec(run('dumpe2fs', ['-h', file]))?.[1];
      expect(found?.uuid).toBe(uuid);
      expect(found?.segments ?? [{ volumeOffset: found?.volumeOffset, byteLength: found?.byteLength }]).toEqual(
        segments,
      );
    }
  });

  test('every filesystem restored is the tree that the kernel sees in it', async () => {
    const { to, problems } = await restored('/');
    for (const { path, file } of disk.filesystems) {
      const mountPoint = join(tempFolder(), 'mount');
      mkdirSync(mountPoint);
      const truth = withMount(file, mountPoint, 'ro,noatime,noload', () => dump(mountPoint));
      expect(truth.length).toBeGreaterThan(25);
      expect(dump(join(to, path))).toEqual(truth);
    }
    expect(problems.every((one) => /^(5|vg\/(first|between|striped))\b/.test(one))).toBe(true);
    expect(readFileSync(join(to, '5/volume.img')).equals(gathered(source, [placed('unknown partition')]))).toBe(true);
    expect(readFileSync(join(to, '3/volume.img')).equals(gathered(source, [placed('swap')]))).toBe(true);
  });

  const placed = (what: string) => {
    const found = disk.whole.find((one) => one.what === what);
    if (found === undefined) throw new Error(what);
    return { volumeOffset: found.start, byteLength: found.byteLength };
  };

  test('files of one name and one inode number in several filesystems are each their own', async () => {
    await using session = await site.open();
    const view = await session.view(set);
    const names = (path: string) => path.split('/').map((name) => Buffer.from(name));
    const entries = await Promise.all(['1/who', '2/who', 'vg/root/who'].map((path) => view.resolve(names(path))));
    expect(new Set(entries.map((entry) => entry?.inode)).size).toBe(1);
    for (const [path, text] of [
      ['/1/etc/hard', 'filesystem 1\n'],
      ['/2/etc/hard', 'filesystem 2\n'],
      ['/vg/root/etc/hard', 'filesystem 3\n'],
    ])
      expect(readFileSync(join((await restored(path)).to, 'hard'), 'latin1')).toBe(text);
    expect(await view.resolve(names('vg'))).toMatchObject({ filesystem: 0xffff });
    expect(await view.resolve(names('vg/none'))).toBeUndefined();
    expect(await view.resolve(names('7'))).toBeUndefined();
    expect((await view.resolve(names('etc/hard'), 2))?.filesystem).toBe(2);
  });

  test('the restored disk has its tables, gaps, boot code, swap and every used block of every filesystem', async () => {
    const { volume, lost } = await site.restoreVolume(set);
    expect(lost).toEqual([]);
    for (const { start, byteLength, what } of disk.whole)
      expect(
        Buffer.compare(volume.subarray(start, start + byteLength), source.subarray(start, start + byteLength)),
        what,
      ).toBe(0);
    const back = join(folder, 'restored.img');
    writeFileSync(back, volume);
    expect(saidBySfdisk(back)).toEqual(saidBySfdisk(disk.path));
    const starts = saidBySfdisk(back)
      .partitions.filter(({ number }) => number >= 6)
      .map(({ start }) => start);
    const root = withLvm(folder, back, [6, 7], (lvm) => saidByLvs(lvm, 'vg', starts)).get('root');
    expect(root).toEqual(disk.filesystems[2].segments);
    for (const { path, file, segments } of disk.filesystems) {
      const part = join(folder, 'part.img');
      const bytes = gathered(volume, segments);
      writeFileSync(part, bytes);
      expect(() => run('e2fsck', ['-fn', part]), path).not.toThrow();
      const { used, blockSize } = layoutOf(file);
      const original = readFileSync(file);
      const differing = [...used].filter((block) => {
        const [from, to] = [block * blockSize, (block + 1) * blockSize];
        return Buffer.compare(original.subarray(from, to), bytes.subarray(from, to)) !== 0;
      });
      expect([used.size > 500, differing], path).toEqual([true, []]);
    }
  });

  test('free blocks of filesystems and free extents of the group are not stored', async () => {
    const free = DISK_BYTES - manifest.storedBytes;
    // 33 MiB of filesystems with some 10 of content and journal, 22 of physical volumes with 16 in volumes.
    expect(free).toBeGreaterThan(25 * MIB);
  });

  test('verify compares with the disk; a damaged record names the files by their whole path', async () => {
    {
      await using session = await site.open();
      const result = await session.verify(set, new MemoryStore({ content: source }));
      expect([result.level, result.unread]).toEqual(['equal-to-snapshot', []]);
    }
    const broken = await site.copy();
    const [chunk] = manifest.chunks;
    await damage(broken, 'RM1', (file) => file.kind === 'chunk', Math.floor(chunk.copies[0].records / 2));
    await using session = await broken.open();
    const result = await session.verify(set);
    expect(result.findings.length).toBeGreaterThan(0);
    const paths = result.files.map(({ path }) => path.map((name) => Buffer.from(name).toString()).join('/'));
    expect(paths.length).toBeGreaterThan(0);
    expect(paths.every((path) => /^(1|2|3|4|5|vg\/\w+)\//.test(path))).toBe(true);
    expect(new Set(result.files.map(({ filesystem }) => filesystem)).size).toBeGreaterThan(0);
  });

  test('the index from the tape, and walked again from the metadata on it, answers the same', async () => {
    await using session = await site.open();
    const before = await answers(session, set);
    expect(before.length).toBeGreaterThan(80);
    const fresh = await site.copy({ newIndex: true });
    {
      await using again = await fresh.open();
      const result = await again.rebuild(['RM1']);
      expect([result.incomplete, result.sets.map(({ how }) => how)]).toEqual([[], ['index file']]);
      expect(await answers(again, set)).toEqual(before);
    }
    const broken = await site.copy({ newIndex: true });
    await damage(broken, 'RM1', (file) => file.kind === 'index');
    await using walked = await broken.open();
    const result = await walked.rebuild(['RM1']);
    expect(result.sets.map(({ how }) => how)).toEqual(['metadata walked again']);
    expect(await answers(walked, set)).toEqual(before);
    const { filesystems, disk: record, indexDigest, indexRows } = await walked.manifest(set);
    expect({ filesystems, record, indexDigest, indexRows }).toEqual({
      filesystems: manifest.filesystems,
      record: manifest.disk,
      indexDigest: manifest.indexDigest,
      indexRows: manifest.indexRows,
    });
  });

  test('a part of which even the superblock is lost costs no other', async () => {
    const broken = Buffer.from(source);
    const [first, second] = disk.filesystems;
    broken.fill(0xff, first.segments[0].volumeOffset, first.segments[0].volumeOffset + 2 * MIB);
    const other = await Site.make({ cartridges: [{ barcode: 'RM1', capacity: 400 * MIB }] });
    const backed = await other.backup(new MemoryStore({ content: broken }), { recordSize: RECORD });
    const reasons = backed.manifest.filesystems.map(({ path, reason }) => [path, reason === null]);
    expect(reasons.slice(0, 2)).toEqual([
      [first.path, false],
      [second.path, true],
    ]);
    expect(backed.partial).toBe(true);
  });
});
