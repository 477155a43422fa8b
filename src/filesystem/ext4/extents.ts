/**
 * Extent trees: the root in the inode, nodes in blocks. Linux fs/ext4/extents.c `ext4_valid_extent_entries`.
 * Every node must lie within the file blocks its parent gives it, so that no block can be met twice in one file.
 */
import { crc32cRaw } from '../../bytes/crc32c.ts';
import { bytesOf } from '../../bytes/layout.ts';
import { joinU64 } from '../../bytes/units.ts';
import { ExtentKind } from '../filesystem.ts';
import { inodeSeed } from './checksum.ts';
import type { InodeRows } from './inode-rows.ts';
import {
  EXT_INIT_MAX_LEN,
  EXT4_EXT_MAGIC,
  EXTENT_DEPTH_MAX,
  ext4_extent,
  ext4_extent_header,
  ext4_extent_idx,
  ext4_extent_tail,
} from './layouts.ts';
import { wordsOf } from './read-pieces.ts';
import { addMapped, blocksInside, type PendingBlocks, type WalkState } from './walk-state.ts';

const { eh_magic, eh_entries, eh_max, eh_depth } = ext4_extent_header;
const { ei_block, ei_leaf_lo, ei_leaf_hi } = ext4_extent_idx;

/** File blocks that an extent tree can address. */
const FILE_BLOCKS_MAX = 2 ** 32;
const ENTRY = ext4_extent.byteLength;
const HEADER = ext4_extent_header.byteLength;

/** The root: `i_block` at word `base` of an inode table; `at` is the same place in bytes. */
export function readExtentRoot(
  walk: WalkState,
  rows: InodeRows,
  pending: PendingBlocks,
  row: number,
  words: Int32Array,
  base: number,
  view: DataView,
  at: number,
): void {
  const entries = words[base] >>> 16;
  const depth = words[base + 1] >>> 16;
  let trouble: string | undefined;
  if ((words[base] & 0xffff) !== EXT4_EXT_MAGIC) trouble = 'extent tree root: wrong magic';
  else if (depth > EXTENT_DEPTH_MAX) trouble = `extent tree depth ${depth}, at most ${EXTENT_DEPTH_MAX}`;
  else if (entries > 4 || entries > (words[base + 1] & 0xffff)) trouble = entriesTrouble(view, at, 4);
  else if (depth === 0) trouble = readLeaf(walk, rows, row, words, base, entries, 0, FILE_BLOCKS_MAX, false);
  else {
    trouble = readIndex(walk, pending, row, view, at, 0, FILE_BLOCKS_MAX, depth);
    const perBlock = Math.floor((walk.g.blockSize - HEADER) / ENTRY);
    pending.weight += entries * (depth === 1 ? perBlock : perBlock * perBlock);
  }
  if (trouble !== undefined) rows.problem(row, trouble);
}

/** A node read from `block`; `next` takes the nodes below it. */
export function readExtentNode(
  walk: WalkState,
  rows: InodeRows,
  next: PendingBlocks,
  row: number,
  view: DataView,
  at: number,
  block: number,
  depth: number,
  first: number,
  limit: number,
): void {
  const trouble =
    nodeTrouble(walk, rows, row, view, at, depth) ??
    (depth === 0
      ? readSegment(walk, rows, row, view, at, first, limit)
      : readIndex(walk, next, row, view, at, first, limit, depth));
  if (trouble !== undefined) rows.problem(row, `extent tree block ${block}: ${trouble}`);
}

function nodeTrouble(
  walk: WalkState,
  rows: InodeRows,
  row: number,
  view: DataView,
  at: number,
  depth: number,
): string | undefined {
  if (eh_magic.get(view, at) !== EXT4_EXT_MAGIC) return 'wrong magic';
  const max = eh_max.get(view, at);
  const fits = Math.floor((walk.g.blockSize - HEADER) / ENTRY);
  if (max > fits) return `room for ${max} entries claimed, ${fits} fit`;
  if (walk.g.checksumSeed !== undefined) {
    const tail = HEADER + max * ENTRY;
    if (tail + ext4_extent_tail.byteLength > walk.g.blockSize) return 'no room for its checksum';
    const seed = inodeSeed(walk.g.checksumSeed, rows.inode[row], rows.generation[row]);
    if (crc32cRaw(seed, bytesOf(view, at, tail)) !== ext4_extent_tail.et_checksum.get(view, at + tail)) {
      return 'checksum wrong';
    }
  }
  if (eh_depth.get(view, at) !== depth) return `depth ${eh_depth.get(view, at)}, its parent says ${depth}`;
  if (eh_entries.get(view, at) === 0) return 'no entries';
  return entriesTrouble(view, at, max);
}

function entriesTrouble(view: DataView, at: number, room: number): string | undefined {
  const entries = eh_entries.get(view, at);
  return entries > room || entries > eh_max.get(view, at) ? `${entries} extent entries, room for ${room}` : undefined;
}

function readSegment(
  walk: WalkState,
  rows: InodeRows,
  row: number,
  view: DataView,
  at: number,
  first: number,
  limit: number,
): string | undefined {
  if (!rows.startSegment(row, first * walk.g.blockSize)) return 'the file has too many extents';
  const words = wordsOf(new DataView(view.buffer, view.byteOffset + at, walk.g.blockSize));
  return readLeaf(walk, rows, row, words, 0, eh_entries.get(view, at), first, limit, true);
}

/**
 * Takes the entries of the leaf at word `base` that lie in `[first, limit)`, ascending; stops at the first bad one and says
 * what is wrong. Words because most files end here: see the layout of ext4_extent.
 */
function readLeaf(
  walk: WalkState,
  rows: InodeRows,
  row: number,
  words: Int32Array,
  base: number,
  entries: number,
  first: number,
  limit: number,
  later: boolean,
): string | undefined {
  let from = first;
  let entry = base + HEADER / 4;
  for (let i = 0; i < entries; i++, entry += ENTRY / 4) {
    const fileBlock = words[entry + EE_BLOCK] >>> 0;
    const lengths = words[entry + EE_LEN];
    const raw = lengths & 0xffff;
    const written = raw <= EXT_INIT_MAX_LEN;
    const count = written ? raw : raw - EXT_INIT_MAX_LEN;
    const block = (lengths >>> 16) * 0x1_0000_0000 + (words[entry + EE_START_LO] >>> 0);
    if (count === 0 || fileBlock < from || fileBlock + count > limit) {
      return `extent of ${count} blocks at file block ${fileBlock}, expected within ${from} to ${limit}`;
    }
    if (!blocksInside(walk.g, block, count)) return `extent at block ${block} + ${count} is outside the filesystem`;
    addMapped(walk, rows, row, fileBlock, count, block, written ? ExtentKind.stored : ExtentKind.zero, later);
    from = fileBlock + count;
  }
  return undefined;
}
const EE_BLOCK = ext4_extent.ee_block.offset >>> 2;
const EE_LEN = ext4_extent.ee_len.offset >>> 2; // and ee_start_hi above it
const EE_START_LO = ext4_extent.ee_start_lo.offset >>> 2;

/** Puts the nodes below on the list, each with the file blocks up to where the next begins. */
function readIndex(
  walk: WalkState,
  next: PendingBlocks,
  row: number,
  view: DataView,
  at: number,
  first: number,
  limit: number,
  depth: number,
): string | undefined {
  const entries = eh_entries.get(view, at);
  let from = first;
  for (let i = 0; i < entries; i++) {
    const entry = at + HEADER + i * ENTRY;
    const fileBlock = ei_block.get(view, entry);
    const end = i + 1 < entries ? ei_block.get(view, entry + ENTRY) : limit;
    if (fileBlock < from || end <= fileBlock || end > limit) {
      return `index entry at file block ${fileBlock}, expected within ${from} to ${limit}`;
    }
    const block = joinU64(ei_leaf_hi.get(view, entry), ei_leaf_lo.get(view, entry));
    if (!blocksInside(walk.g, block, 1)) return `index entry names block ${block}, outside the filesystem`;
    next.add(row, block * walk.g.blockSize, depth - 1, fileBlock, end);
    from = end;
  }
  return undefined;
}
