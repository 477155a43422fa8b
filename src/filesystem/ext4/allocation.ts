/**
 * What a full backup copies: every cluster that a block bitmap calls used, every block of fixed metadata, and whatever lies
 * before and after the filesystem. Linux fs/ext4/balloc.c; a bitmap that cannot be trusted (a wrong checksum; where there are
 * none, a wrong number of ones) makes its whole group used.
 */
import { crc32cRaw } from '../../bytes/crc32c.ts';
import { clipRuns, type Runs, RunsBuilder, unionRuns } from '../../bytes/extents.ts';
import { bytesOf } from '../../bytes/layout.ts';
import type { Bytes } from '../../bytes/units.ts';
import type { ReadAt } from '../volume.ts';
import {
  baseMetadataBlocks,
  GroupFlag,
  type Groups,
  groupBlocks,
  groupFirstBlock,
  inodeTableBlocks,
} from './groups.ts';
import { ascendingOrder, readPieces, wordsOf } from './read-pieces.ts';
import type { Geometry } from './superblock.ts';

/**
 * Byte runs of all that may hold something. `notes` gets what could not be trusted.
 * Memory: the runs, and one bitmap block a group while bitmaps are out of order on disk (they are in order but for flex_bg).
 */
export async function readAllocated(
  g: Geometry,
  groups: Groups,
  readAt: ReadAt,
  volumeBytes: Bytes,
  notes: string[],
  signal?: AbortSignal,
): Promise<Runs> {
  const used = new RunsBuilder();
  used.add(0, g.firstDataBlock * g.blockSize);
  await eachBitmap(g, groups, readAt, notes, signal, (group, words) => {
    if (words === undefined) used.add(groupFirstBlock(g, group) * g.blockSize, groupBlocks(g, group) * g.blockSize);
    else if (words !== 'empty') addBits(used, g, group, words);
  });
  const end = g.blocksCount * g.blockSize;
  used.add(end, volumeBytes - end);
  return unionRuns(used.finish(), fixedMetadata(g, groups));
}

/**
 * What the bitmaps on the disk call used, of a filesystem whose journal has newer ones: taken as they are, since they only
 * add to what the journal's say. No more memory than above.
 */
export async function diskAllocated(
  g: Geometry,
  groups: Groups,
  readAt: ReadAt,
  volumeBytes: Bytes,
  signal?: AbortSignal,
): Promise<Runs> {
  const used = new RunsBuilder();
  const unchecked = { ...g, checksumSeed: undefined };
  await eachBitmap(unchecked, groups, readAt, [], signal, (group, words) => {
    if (words !== undefined && words !== 'empty') addBits(used, g, group, words);
  });
  return clipRuns(unionRuns(used.finish(), fixedMetadata(g, groups)), 0, volumeBytes);
}

/** Calls with each group's bitmap in ascending order: words, 'empty' for one never written, undefined for a bad one. */
async function eachBitmap(
  g: Geometry,
  groups: Groups,
  readAt: ReadAt,
  notes: string[],
  signal: AbortSignal | undefined,
  take: (group: number, words: Int32Array | 'empty' | undefined) => void,
): Promise<void> {
  for (let start = 0; start < g.groupCount; start += GROUPS_AT_ONCE) {
    const end = Math.min(g.groupCount, start + GROUPS_AT_ONCE);
    const wanted: number[] = [];
    for (let group = start; group < end; group++) if (isWritten(groups, group)) wanted.push(group);
    const at = Float64Array.from(wanted, (group) => groups.blockBitmap[group] * g.blockSize);
    const order = ascendingOrder(at, at.length);
    const bitmaps = new Map<number, Int32Array>();
    for await (const piece of readPieces(readAt, { at, count: at.length, length: g.blockSize, order }, signal)) {
      for (let i = piece.from; i < piece.to; i++) {
        const group = wanted[order[i]];
        if (piece.view === undefined) {
          notes.push(`block bitmap of group ${group} cannot be read (${piece.reason}): all of the group is copied`);
          continue;
        }
        const view = new DataView(piece.view.buffer, piece.view.byteOffset + at[order[i]] - piece.base, g.blockSize);
        const wrong = bitmapTrouble(g, groups, group, view);
        if (wrong === undefined) bitmaps.set(group, wordsOf(view).slice());
        else notes.push(`block bitmap of group ${group} ${wrong}: all of the group is copied`);
      }
    }
    for (let group = start; group < end; group++) {
      const never = (groups.flags[group] & GroupFlag.blockUninit) !== 0;
      take(group, never ? 'empty' : bitmaps.get(group));
    }
  }
}
/** Bitmaps held at once: 4 MiB at a block size of 4 KiB. */
const GROUPS_AT_ONCE = 1024;

const isWritten = (groups: Groups, group: number): boolean =>
  (groups.flags[group] & (GroupFlag.blockUninit | GroupFlag.lost | GroupFlag.fromBackup)) === 0;

/** Why the bitmap cannot be trusted. Without checksums its ones must be as many as the descriptor says. */
function bitmapTrouble(g: Geometry, groups: Groups, group: number, bitmap: DataView): string | undefined {
  if (g.checksumSeed !== undefined)
    return checksumRight(g, g.checksumSeed, groups, group, bitmap) ? undefined : 'has a wrong checksum';
  const bits = Math.ceil(groupBlocks(g, group) / g.clusterRatio);
  const free = bits - countOnes(wordsOf(bitmap), bits);
  const told = groups.freeClusters[group];
  return free === told ? undefined : `has ${free} free ${g.clusterRatio > 1 ? 'clusters' : 'blocks'}, not ${told}`;
}

/** Ones among the first `bits`. */
function countOnes(words: Int32Array, bits: number): number {
  let count = 0;
  for (let i = 0; i * 32 < bits; i++) {
    const left = bits - i * 32;
    let word = left < 32 ? words[i] & ((1 << left) - 1) : words[i];
    // Henry S. Warren, Hacker's Delight, figure 5-2.
    word -= (word >>> 1) & 0x5555_5555;
    word = (word & 0x3333_3333) + ((word >>> 2) & 0x3333_3333);
    count += Math.imul((word + (word >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
  }
  return count;
}

function checksumRight(g: Geometry, seed: number, groups: Groups, group: number, bitmap: DataView): boolean {
  const found = crc32cRaw(seed, bytesOf(bitmap, 0, g.blocksPerGroup / g.clusterRatio / 8));
  const mask = g.descriptorSize >= 64 ? 0xffff_ffff : 0xffff;
  return (found & mask) >>> 0 === groups.blockBitmapChecksum[group];
}

/** Adds the runs of set bits, 32 bits at a step. */
function addBits(used: RunsBuilder, g: Geometry, group: number, words: Int32Array): void {
  const first = groupFirstBlock(g, group);
  const blocks = groupBlocks(g, group);
  const bits = Math.ceil(blocks / g.clusterRatio);
  let at = nextBit(words, 0, bits, 0);
  while (at < bits) {
    const end = nextBit(words, at, bits, -1);
    const from = at * g.clusterRatio;
    const to = Math.min(blocks, end * g.clusterRatio);
    used.add((first + from) * g.blockSize, (to - from) * g.blockSize);
    at = nextBit(words, end, bits, 0);
  }
}

/** First bit at or after `from` that differs from `flip`'s bits (0: finds a one, -1: finds a zero); `bits` when there is none. */
function nextBit(words: Int32Array, from: number, bits: number, flip: 0 | -1): number {
  if (from >= bits) return bits;
  let index = from >>> 5;
  let word = (words[index] ^ flip) & (-1 << (from & 31));
  const last = (bits - 1) >>> 5;
  while (word === 0) {
    if (++index > last) return bits;
    word = words[index] ^ flip;
  }
  return Math.min(bits, index * 32 + 31 - Math.clz32(word & -word));
}

/** Superblocks, descriptors, bitmaps and inode tables of all groups: copied whatever the bitmaps say. */
function fixedMetadata(g: Geometry, groups: Groups): Runs {
  const starts = new Float64Array(g.groupCount * 4);
  const lengths = new Float64Array(g.groupCount * 4);
  let count = 0;
  const add = (block: number, blocks: number): void => {
    starts[count] = block * g.blockSize;
    lengths[count++] = Math.min(blocks, g.blocksCount - block) * g.blockSize;
  };
  const tableBlocks = inodeTableBlocks(g);
  for (let group = 0; group < g.groupCount; group++) {
    add(groupFirstBlock(g, group), baseMetadataBlocks(g, group));
    if ((groups.flags[group] & GroupFlag.lost) !== 0) continue;
    add(groups.blockBitmap[group], 1);
    add(groups.inodeBitmap[group], 1);
    add(groups.inodeTable[group], tableBlocks);
  }
  const runs = new RunsBuilder();
  for (const i of ascendingOrder(starts, count)) runs.add(starts[i], lengths[i]);
  return runs.finish();
}
