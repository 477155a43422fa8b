// Logs that debugfs wrote, replayed in memory and compared byte by byte with what e2fsck's own replay makes of the image;
// logs that are damaged, and what is left of them.
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { crc32cRaw } from '../../../src/bytes/crc32c.ts';
import { bytesOf, viewOf } from '../../../src/bytes/layout.ts';
import { openExt4 } from '../../../src/filesystem/ext4/ext4.ts';
import { readGroups } from '../../../src/filesystem/ext4/groups.ts';
import { crc32Be } from '../../../src/filesystem/ext4/journal/crc32-be.ts';
import { journal_header, journal_superblock } from '../../../src/filesystem/ext4/journal/layouts.ts';
import { type Replayed, replayJournal } from '../../../src/filesystem/ext4/journal/replay.ts';
import { ext4_super_block } from '../../../src/filesystem/ext4/layouts.ts';
import { decodeSuperblock } from '../../../src/filesystem/ext4/superblock.ts';
import { type MemoryVolume, memoryVolume } from '../../support/memory-volume.ts';
import { describeWithTools } from '../../support/tools.ts';
import { mustWalk } from '../../support/walked.ts';
import { debugfs, imageFolder, makeImage, run } from './support/images.ts';
import { noise } from './support/tree.ts';

const BS = 1024;
const SIZE = 16 << 20;
/** Blocks that nothing owns: the log may say what it likes of them. */
const FREE = 9000;
const FREE_BLOCKS = 60;
const folder = imageFolder();

describe('the checksum of version 1', () => {
  it('is the CRC-32 of MPEG-2: the check value of its catalogue', () => {
    expect(crc32Be(0xffff_ffff, Buffer.from('123456789'))).toBe(0x0376_e6e7);
  });
});

async function replay(volume: MemoryVolume): Promise<Replayed> {
  const superblock = await volume.readAt(1024, 1024);
  const g = decodeSuperblock(superblock);
  return replayJournal(g, await readGroups(g, volume.readAt, { notes: [], damage: [] }), superblock, volume.readAt);
}

const overlaid = async (replayed: Replayed): Promise<Buffer> =>
  Buffer.from(bytesOf(await replayed.overlay.readAt(0, SIZE)));

/** Blocks in which two images differ. */
function differing(a: Buffer, b: Buffer): number[] {
  const out: number[] = [];
  for (let block = 0; block < a.length / BS; block++) {
    const at = block * BS;
    if (a.compare(b, at, at + BS, at, at + BS) !== 0) out.push(block);
  }
  return out;
}

/** Numbers that follow from a seed. */
function random(seed: number): (below: number) => number {
  let state = seed * 2654435761 + 12345;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % below;
  };
}

interface Log {
  readonly path: string;
  readonly volume: MemoryVolume;
  /** Block of the journal's superblock. */
  readonly journalAt: number;
}

/** An image with a log of the given transactions, in the words of debugfs. */
function withLog(mke2fs: readonly string[], open: string, transactions: readonly string[]): Log {
  const { path } = makeImage(folder, { size: SIZE, mke2fs: ['-t', 'ext4', '-b', `${BS}`, '-J', 'size=1', ...mke2fs] });
  debugfs(path, [open, ...transactions, 'jc'], true);
  const journalAt = Number(/\(0.*?\):(\d+)/.exec(debugfs(path, ['stat <8>']))?.[1]);
  return { path, volume: memoryVolume(readFileSync(path)), journalAt };
}

let files = 0;
/** A file of blocks, the marked ones beginning as the journal's own do. */
function blocksFile(seed: number, marked: readonly boolean[]): string {
  const content = noise(marked.length * BS, seed);
  for (const [i, mark] of marked.entries()) if (mark) content.writeUInt32BE(0xc03b_3998, i * BS);
  const path = join(folder, `blocks${files++}`);
  writeFileSync(path, content);
  return path;
}

function randomTransactions(seed: number, count: number): string[] {
  const next = random(seed);
  return Array.from({ length: count }, (_, i) => {
    if (i > 0 && next(4) === 0) {
      const revoked = Array.from({ length: 1 + next(5) }, () => FREE + next(FREE_BLOCKS));
      return `jw -r ${[...new Set(revoked)].join(',')}`;
    }
    const length = 1 + next(9);
    const first = FREE + next(FREE_BLOCKS - length);
    return `jw -b ${first}-${first + length - 1} ${blocksFile(
      seed * 100 + i,
      Array.from({ length }, () => next(3) === 0),
    )}`;
  });
}

const VERSIONS = [
  ['without checksums, 32 bits', ['-O', '^metadata_csum,^64bit'], 'jo'],
  ['without checksums, 64 bits', ['-O', '^metadata_csum'], 'jo'],
  ['with checksums of version 2', [], 'jo -c -v 2'],
  ['with checksums of version 2, 32 bits', ['-O', '^64bit'], 'jo -c -v 2'],
  ['with checksums of version 3', [], 'jo -c -v 3'],
  ['with checksums of version 3, 32 bits', ['-O', '^64bit'], 'jo -c -v 3'],
] as const;

describeWithTools(['mke2fs', 'debugfs', 'e2fsck'], 'a log', () => {
  it.each(VERSIONS)('%s is replayed to the bytes that e2fsck makes', async (_title, mke2fs, open) => {
    for (const seed of [1, 2, 3]) {
      const { path, volume, journalAt } = withLog(mke2fs, open, randomTransactions(seed, 25));
      const replayed = await replay(volume);
      expect(replayed.damage).toBeUndefined();
      expect(replayed.transactions).toBe(25);
      expect(replayed.overlay.count).toBeGreaterThan(10);
      const ours = await overlaid(replayed);
      expect(differing(ours, volume.bytes).length).toBeGreaterThan(10);
      copyFileSync(path, `${path}.fsck`);
      run('e2fsck', ['-y', '-E', 'journal_only', `${path}.fsck`]);
      // The superblock loses its flag, the journal's its start.
      expect(
        differing(ours, readFileSync(`${path}.fsck`)).filter((block) => block !== 1 && block !== journalAt),
      ).toEqual([]);
    }
  });

  it('that is empty changes nothing, though the flag is set', async () => {
    const { volume, journalAt } = withLog([], 'jo -c -v 3', randomTransactions(1, 3));
    journal_superblock.s_start.set(viewOf(volume.bytes), journalAt * BS, 0);
    rechecked(volume, journalAt);
    expect((await replay(volume)).overlay.count).toBe(0);
    expect(mustWalk(await openExt4(volume.readAt, SIZE)).damage).toEqual([]);
  });
});

function rechecked(volume: MemoryVolume, journalAt: number): void {
  const superblock = volume.bytes.subarray(journalAt * BS, journalAt * BS + 1024);
  journal_superblock.s_checksum.set(viewOf(superblock), 0, 0);
  journal_superblock.s_checksum.set(viewOf(superblock), 0, crc32cRaw(0xffff_ffff, superblock));
}

describeWithTools(['mke2fs', 'debugfs'], 'a damaged log', () => {
  // Four transactions of one block each: descriptor, copy, commit, from block 1 on; then a revoke block and its commit.
  const commands = (count: number): string[] =>
    [0, 1, 2, 3]
      .map((i) => `jw -b ${FREE + i} ${blocksFile(i, [i === 1])}`)
      .concat(`jw -r ${FREE + 3}`)
      .slice(0, count);
  const made: Record<string, Log> = {};
  const expected: Record<string, Buffer[]> = {};
  const KINDS = { 'jo -c -v 2': [], 'jo -c -v 3': [], jo: ['-O', '^metadata_csum'] };
  beforeAll(async () => {
    for (const [open, mke2fs] of Object.entries(KINDS)) {
      made[open] = withLog(mke2fs, open, commands(5));
      expected[open] = [];
      for (let i = 1; i < 5; i++) {
        expected[open].push(await overlaid(await replay(withLog(mke2fs, open, commands(i)).volume)));
      }
    }
  });

  const descriptor = (transaction: number): number => 1 + 3 * transaction;
  const copy = (transaction: number): number => 2 + 3 * transaction;
  const commit = (transaction: number): number => 3 + 3 * transaction;

  function damaged(open: string, logBlock: number, byte: number): MemoryVolume {
    const volume = memoryVolume(Buffer.from(made[open].volume.bytes));
    volume.bytes[(made[open].journalAt + logBlock) * BS + byte] ^= 0x04;
    return volume;
  }

  /** The blocks under the log are as if it had ended after `transactions` of them. */
  async function expectEnds(volume: MemoryVolume, open: string, transactions: number, damage?: RegExp): Promise<void> {
    const replayed = await replay(volume);
    expect(replayed.transactions).toBe(transactions);
    const blocks = (bytes: Buffer): Buffer => bytes.subarray(FREE * BS, (FREE + FREE_BLOCKS) * BS);
    expect(differing(blocks(await overlaid(replayed)), blocks(expected[open][transactions - 1]))).toEqual([]);
    if (damage === undefined) expect(replayed.damage).toBeUndefined();
    else expect(replayed.damage).toMatch(damage);
  }

  for (const open of ['jo -c -v 2', 'jo -c -v 3']) {
    it(`ends before the first transaction of which anything is wrong: ${open}`, async () => {
      await expectEnds(
        damaged(open, descriptor(2), 30),
        open,
        2,
        /^transaction 3: a descriptor block has a wrong check/,
      );
      await expectEnds(
        damaged(open, copy(1), 700),
        open,
        1,
        /^transaction 2: the copy of block 9001 has a wrong check/,
      );
      await expectEnds(damaged(open, commit(1), 60), open, 1, /^transaction 2: its commit block has a wrong checksum/);
      await expectEnds(damaged(open, 13, 600), open, 4, /^transaction 5: a revoke block has a wrong checksum/);
    });
  }

  it('ends where the crash was: a block without the magic, with another number, of another type', async () => {
    for (const open of Object.keys(KINDS)) {
      for (const byte of [0, 11, 7]) {
        await expectEnds(damaged(open, descriptor(2), byte), open, 2);
        await expectEnds(damaged(open, commit(2), byte), open, 2);
      }
    }
  });

  it('is said aloud, and makes the backup a partial one', async () => {
    const volume = damaged('jo -c -v 3', copy(1), 700);
    const filesystem = mustWalk(await openExt4(volume.readAt, SIZE));
    expect(filesystem.damage).toEqual([
      'the journal is damaged and was replayed up to there: transaction 2: the copy of block 9001 has a wrong checksum',
    ]);
  });

  it('with a copy for a block that does not exist ends there', async () => {
    const { volume, journalAt } = made.jo;
    const copied = memoryVolume(Buffer.from(volume.bytes));
    copied.bytes.writeUInt32BE(0x7fff_ffff, (journalAt + descriptor(1)) * BS + journal_header.byteLength);
    await expectEnds(copied, 'jo', 1, /for block 2147483647, outside/);
  });

  it('of descriptors that never end is gone round once', async () => {
    const { volume, journalAt } = made.jo;
    const copied = memoryVolume(Buffer.from(volume.bytes));
    const first = copied.bytes.subarray((journalAt + 1) * BS, (journalAt + 2) * BS);
    for (let block = 2; block < 1024; block++) copied.bytes.set(first, (journalAt + block) * BS);
    expect((await replay(copied)).transactions).toBe(0);
  });

  async function reasonOf(volume: MemoryVolume): Promise<string> {
    const opened = await openExt4(volume.readAt, volume.bytes.length);
    if (opened === undefined || 'walk' in opened) throw new Error('opened');
    expect(opened.identity?.type).toBe('ext4');
    return opened.reason;
  }

  const S = journal_superblock;
  it.each([
    ['h_magic', 1, /wrong magic/],
    ['h_blocktype', 1, /block type 1/],
    ['s_blocksize', 4096, /block size 4096, the filesystem's is 1024/],
    ['s_maxlen', 5000, /5000 blocks, its file has 1024/],
    ['s_first', 0, /begins at block 0/],
    ['s_first', 1024, /begins at block 1024/],
    ['s_start', 1024, /starts at block 1024/],
    ['s_feature_incompat', 0x92, /unknown features 80h/],
    ['s_feature_incompat', 0x1a, /checksums of several versions/],
    ['s_checksum_type', 1, /checksum type 1/],
  ] as const)('whose superblock has %s of %d cannot be replayed: the volume is copied whole', async (field, value, says) => {
    const { volume, journalAt } = made['jo -c -v 3'];
    const copied = memoryVolume(Buffer.from(volume.bytes));
    S[field].set(viewOf(copied.bytes), journalAt * BS, value);
    rechecked(copied, journalAt);
    const reason = await reasonOf(copied);
    expect(reason).toMatch(/^the journal needs recovery and cannot be replayed: /);
    expect(reason).toMatch(says);
  });

  it('whose superblock has a wrong checksum cannot be replayed', async () => {
    expect(await reasonOf(damaged('jo -c -v 3', 0, 0x300))).toMatch(/journal superblock: checksum wrong/);
  });

  it('that cannot be read is the reason', async () => {
    const { volume, journalAt } = made.jo;
    const copied = memoryVolume(Buffer.from(volume.bytes));
    copied.unreadable.push({ start: journalAt * BS, end: journalAt * BS + 1 });
    expect(await reasonOf(copied)).toMatch(/medium error/);
  });

  it('whose inode is damaged is found by the copy in the superblock, said aloud', async () => {
    const { volume, path } = made['jo -c -v 3'];
    const table = Number(/Inode table at (\d+)/.exec(run('dumpe2fs', [path]))?.[1]);
    const copied = memoryVolume(Buffer.from(volume.bytes));
    copied.bytes[table * BS + 7 * 256 + 0x30] ^= 1;
    const filesystem = mustWalk(await openExt4(copied.readAt, SIZE));
    expect(filesystem.notes.join()).toMatch(/journal's inode is damaged \(inode checksum wrong\): its copy/);
    expect(filesystem.notes.join()).toMatch(/5 transactions/);
  });

  it('on another device is named as missing', async () => {
    const { volume } = made.jo;
    const copied = memoryVolume(Buffer.from(volume.bytes));
    const view = viewOf(copied.bytes);
    ext4_super_block.s_journal_inum.set(view, 1024, 0);
    ext4_super_block.s_journal_dev.set(view, 1024, 0x700);
    ext4_super_block.s_journal_uuid.set(view, 1024, Buffer.from('00112233445566778899aabbccddeeff', 'hex'));
    expect(await reasonOf(copied)).toMatch(
      /lies on another device \(UUID 00112233-4455-6677-8899-aabbccddeeff\), which is missing here/,
    );
  });
});
