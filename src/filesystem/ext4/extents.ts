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
import { addMapped, blocksInside, type PendingBlocks, type WalkState } from './walk-state.ts';

const { eh_magic, eh_entries, eh_max, eh_depth } = ext4_extent_header;
const { ee_block, ee_len, ee_start_hi, ee_start_lo } = ext4_extent;
const { ei_block, ei_leaf_lo, ei_leaf_hi } = ext4_extent_idx;

/** File blocks that an extent tree can address. */
const FILE_BLOCKS_MAX = 2 ** 32;
const ENTRY = ext4_extent.byteLength;
const HEADER = ext4_extent_header.byteLength;

/** The root: `i_block` at byte `at` of `view`, 60 bytes. */
export function readExtentRoot(
  walk: WalkState,
  rows: InodeRows,
  pending: PendingBlocks,
  row: number,
  view: DataView,
  at: number,
): void {
  const depth = eh_depth.get(view, at);
  const trouble =
    eh_magic.get(view, at) !== EXT4_EXT_MAGIC
      ? 'extent tree root: wrong magic'
      : depth > EXTENT_DEPTH_MAX
        ? `extent tree depth ${depth}, at most ${EXTENT_DEPTH_MAX}`
        : entriesTrouble(view, at, 4);
  if (trouble !== undefined) {
    rows.problem(row, trouble);
    return;
  }
  const found =
    depth === 0
      ? readLeaf(walk, rows, row, view, at, 0, FILE_BLOCKS_MAX, false)
      : readIndex(walk, pending, row, view, at, 0, FILE_BLOCKS_MAX, depth);
  if (found !== undefined) rows.problem(row, found);
  if (depth > 0) {
    const perBlock = Math.floor((walk.g.blockSize - HEADER) / ENTRY);
    pending.weight += eh_entries.get(view, at) * (depth === 1 ? perBlock : perBlock * perBlock);
  }
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
  return readLeaf(walk, rows, row, view, at, first, limit, true);
}

/** Takes the entries of a leaf in `[first, limit)`, ascending; stops at the first bad one and says what is wrong. */
function readLeaf(
  walk: WalkState,
  rows: InodeRows,
  row: number,
  view: DataView,
  at: number,
  first: number,
  limit: number,
  later: boolean,
): string | undefined {
  const entries = eh_entries.get(view, at);
  let from = first;
  for (let i = 0; i < entries; i++) {
    const entry = at + HEADER + i * ENTRY;
    const fileBlock = ee_block.get(view, entry);
    const raw = ee_len.get(view, entry);
    const written = raw <= EXT_INIT_MAX_LEN;
    const count = written ? raw : raw - EXT_INIT_MAX_LEN;
    const block = joinU64(ee_start_hi.get(view, entry), ee_start_lo.get(view, entry));
    if (count === 0 || fileBlock < from || fileBlock + count > limit) {
      return `extent of ${count} blocks at file block ${fileBlock}, expected within ${from} to ${limit}`;
    }
    if (!blocksInside(walk.g, block, count)) return `extent at block ${block} + ${count} is outside the filesystem`;
    addMapped(walk, rows, row, fileBlock, count, block, written ? ExtentKind.stored : ExtentKind.zero, later);
    from = fileBlock + count;
  }
  return undefined;
}

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
