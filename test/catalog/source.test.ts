// What a volume is taken for: a table or the filesystem in its place, each part by itself, and what of it all is copied.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { FormatError } from '../../src/bytes/errors.ts';
import { type Runs, runsOf, totalBytes } from '../../src/bytes/extents.ts';
import { indexVolume } from '../../src/catalog/index-volume.ts';
import { notIndexedReason, openSource, type VolumeSource } from '../../src/catalog/source.ts';
import { filesystemOpeners } from '../../src/cli/workplace.ts';
import type { OpenFilesystem } from '../../src/filesystem/filesystem.ts';
import { checkSet } from '../../src/tape-index/check.ts';
import { MemoryStore as MemoryKv } from '../../src/tape-index/memory-store.ts';
import { imageFolder, makeImage } from '../filesystem/ext4/support/images.ts';
import { MIB, saidBySfdisk, sfdisk, sfdiskDisk } from '../filesystem/partition/support/disks.ts';
import { memoryVolume } from '../support/memory-volume.ts';
import { patterned } from '../support/mover.ts';
import { describeWithTools } from '../support/tools.ts';

const folder = imageFolder();

interface Look {
  readonly dataRuns?: Runs;
  readonly openers?: readonly OpenFilesystem[];
  readonly unreadable?: readonly { readonly start: number; readonly end: number }[];
}

async function sourceOf(bytes: Buffer, look: Look = {}): Promise<VolumeSource> {
  const volume = memoryVolume(bytes);
  volume.unreadable.push(...(look.unreadable ?? []));
  const { dataRuns, openers = filesystemOpeners } = look;
  return openSource(
    {
      readAt: volume.readAt,
      byteLength: bytes.length,
      source: '/images/disk.img',
      changeMark: '1',
      ...(dataRuns && { dataRuns: async () => dataRuns }),
    },
    openers,
  );
}

const ext4 = (size: number): Buffer =>
  readFileSync(makeImage(folder, { size, mke2fs: ['-t', 'ext4', '-b', '1024', '-L', 'old'] }).path);

/** A disk of two partitions with the same small filesystem in each. */
function twoParts(): { bytes: Buffer; starts: number[] } {
  const path = sfdiskDisk(folder, 16 * MIB, 'label: gpt\nsize=4M\nsize=4M\n');
  const bytes = readFileSync(path);
  const starts = saidBySfdisk(path).partitions.map(({ start }) => start);
  for (const start of starts) ext4(4 * MIB).copy(bytes, start);
  return { bytes, starts };
}

const contains = (runs: Runs, start: number, end: number): boolean => {
  for (let i = 0; i < runs.count; i++)
    if (runs.starts[i] <= start && runs.starts[i] + runs.lengths[i] >= end) return true;
  return false;
};

describeWithTools(['mke2fs', 'sfdisk'], 'a volume', () => {
  it('with a master boot record over an older superblock is a disk', async () => {
    const path = join(folder, 'stale.img');
    writeFileSync(path, ext4(16 * MIB));
    sfdisk(path, 'label: dos\nstart=4096,size=8192\n');
    const bytes = readFileSync(path);
    expect(bytes.readUInt16LE(1024 + 0x38)).toBe(0xef53); // the superblock is still there
    ext4(4 * MIB).copy(bytes, 4096 * 512);
    const source = await sourceOf(bytes);
    expect([source.disk?.type, source.parts.map(({ path: name }) => name)]).toEqual(['dos', ['/1']]);
  });

  it('with a filesystem and records that make no sense is the filesystem', async () => {
    const bytes = ext4(8 * MIB);
    bytes.writeUInt16LE(0xaa55, 510);
    bytes[446 + 4] = 0x83;
    bytes.writeUInt32LE(1, 446 + 8);
    bytes.writeUInt32LE(0x7fff_ffff, 446 + 12); // far behind the end
    const source = await sourceOf(bytes);
    expect([source.disk, source.parts.length, source.parts[0].described?.type]).toEqual([undefined, 1, 'ext4']);
  });

  it('with a filesystem before a forgotten backup table is the filesystem; without it, the disk', async () => {
    const old = readFileSync(sfdiskDisk(folder, 16 * MIB, 'label: gpt\nsize=4M\n'));
    const bytes = Buffer.from(old);
    bytes.fill(0, 0, MIB);
    expect((await sourceOf(bytes)).disk?.type).toBe('gpt');
    ext4(15 * MIB).copy(bytes, 0);
    bytes.fill(0, 0, 1024);
    const source = await sourceOf(bytes);
    expect([source.disk, source.parts[0].described?.label]).toEqual([undefined, 'old']);
  });

  it('is known by its table, and is another when that or a superblock changes', async () => {
    const { bytes, starts } = twoParts();
    const source = await sourceOf(bytes);
    expect(source.identity).toMatch(/^disk:gpt:[0-9A-F-]{36}:16777216$/);
    expect(source.defaultName).toBe('disk');
    for (const at of [starts[1] + 1024 + 0x78, 1000, starts[0] + 40_000]) {
      const other = Buffer.from(bytes);
      other[at] ^= 1;
      expect((await sourceOf(other)).fingerprint).not.toBe(source.fingerprint);
    }
    expect((await sourceOf(Buffer.from(bytes))).fingerprint).toBe(source.fingerprint);
  });

  it('a disk without an id is known by its first bytes', async () => {
    const path = sfdiskDisk(folder, 8 * MIB, 'label: dos\nlabel-id: 0x00000000\nsize=1M\n');
    const bytes = readFileSync(path);
    bytes.fill(0, 440, 444);
    expect((await sourceOf(bytes)).identity).toMatch(/^content:/);
  });

  it('free blocks are left out, everything that no filesystem speaks for is copied, holes of the file excepted', async () => {
    const { bytes, starts } = twoParts();
    bytes.fill(0xff, starts[1] + 1024, starts[1] + 2048); // the second is none any more
    const all = await sourceOf(bytes);
    expect(contains(all.allocated, 0, starts[0])).toBe(true);
    expect(contains(all.allocated, starts[1], 16 * MIB)).toBe(true);
    expect(contains(all.allocated, starts[0], starts[0] + 4 * MIB)).toBe(false);
    const hole: [number, number] = [starts[1] + 2 * MIB, starts[1] + 3 * MIB];
    const data = runsOf([
      [0, hole[0]],
      [hole[1], 16 * MIB - hole[1]],
    ]);
    const sparse = await sourceOf(bytes, { dataRuns: data });
    expect(totalBytes(all.allocated) - totalBytes(sparse.allocated)).toBe(MIB);
    expect(contains(sparse.allocated, hole[1], 16 * MIB)).toBe(true);
  });

  it('what two partitions share is copied when either needs it', async () => {
    const { bytes, starts } = twoParts();
    const path = sfdiskDisk(folder, 16 * MIB, 'label: dos\nstart=2048,size=8192\nstart=10240,size=8192\n');
    const disk = readFileSync(path);
    bytes.subarray(starts[0], starts[0] + 4 * MIB).copy(disk, MIB);
    // A third record over the first: unknown content there, so all of it counts.
    disk[446 + 32 + 4] = 0x83;
    disk.writeUInt32LE(2048, 446 + 32 + 8);
    disk.writeUInt32LE(4096, 446 + 32 + 12);
    const openers: OpenFilesystem[] = [
      async (readAt, length, signal) => (length === 2 * MIB ? undefined : filesystemOpeners[1](readAt, length, signal)),
    ];
    const source = await sourceOf(disk, { openers });
    expect(source.disk?.type).toBe('dos');
    expect(contains(source.allocated, MIB, 3 * MIB)).toBe(true);
  });

  it('a part that cannot be read costs no other', async () => {
    const { bytes, starts } = twoParts();
    const source = await sourceOf(bytes, { unreadable: [{ start: starts[0], end: starts[0] + 4096 }] });
    expect(source.parts.map(({ reason }) => reason?.includes('medium error') ?? null)).toEqual([true, null]);
    expect(notIndexedReason(source)).toMatch(/^\/1: .*medium error/);
  });

  it('a filesystem whose walk breaks off is one item; the others keep their files, text and rows', async () => {
    const { bytes, starts } = twoParts();
    const breaking: OpenFilesystem = async (readAt, length, signal) => {
      const opened = await filesystemOpeners[1](readAt, length, signal);
      if (opened === undefined || !('walk' in opened)) return opened;
      const first = (await readAt(0, 512)).getUint8(0) === 1;
      return {
        ...opened,
        allocated: opened.allocated,
        async *walk(stop?: AbortSignal) {
          yield* opened.walk(stop);
          if (first) throw new FormatError('corrupt', 'a block', 'nonsense');
        },
      };
    };
    bytes[starts[0]] = 1;
    const source = await sourceOf(bytes, { openers: [breaking] });
    let text: Uint8Array[] = [];
    const notes: string[] = [];
    const kv = new MemoryKv();
    const set = new Uint8Array(16).fill(5);
    const indexed = await indexVolume({
      store: kv,
      startedAt: '2026-03-14T02:00:00.000Z',
      walked: () => {},
      note: (words) => notes.push(words),
      source,
      stored: source.allocated,
      set,
      text: {
        add: async (part) => void text.push(part.slice()),
        get length() {
          return text.length;
        },
        cut: (length) => {
          text = text.slice(0, length);
        },
      },
    });
    expect(notes).toEqual(['/1: a block: nonsense: indexed as one item']);
    expect(indexed.filesystems.map(({ reason, entries }) => [reason, entries])).toEqual([
      ['a block: nonsense', 1],
      [null, 1],
    ]);
    const lines = execFileSync('gzip', ['-dc'], { input: Buffer.concat(text), encoding: 'latin1' })
      .trim()
      .split('\n');
    expect(lines.filter((line) => line.startsWith('#reelmap')).map((line) => line.split('\t')[1])).toEqual([
      'filesystem 1',
      'filesystem 2',
    ]);
    expect(lines.filter((line) => !line.startsWith('#')).map((line) => line.split('\t')[0])).toEqual([
      '/',
      '/volume.img',
      '/',
      '/lost+found',
    ]);
    const sealed = { set: Buffer.from(set).toString('hex'), ...indexed };
    expect(await checkSet(kv, sealed)).toMatchObject({ whole: true, rows: indexed.indexRows });
  });
});

it('a volume of noise, of zeros, of one byte is one item', async () => {
  for (const bytes of [Buffer.from(patterned(300_001, 3)), Buffer.alloc(100_000), Buffer.alloc(1)]) {
    const source = await sourceOf(bytes);
    expect([source.disk, source.parts.length, source.parts[0].number, source.parts[0].path]).toEqual([
      undefined,
      1,
      0,
      undefined,
    ]);
    expect(notIndexedReason(source)).toBe('no filesystem that can be indexed was recognised');
  }
  await expect(sourceOf(Buffer.alloc(0))).rejects.toThrow(/is empty/);
});
