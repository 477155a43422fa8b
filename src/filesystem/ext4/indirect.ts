/**
 * Block maps of ext2 and ext3: twelve direct blocks, then one single, one double and one triple indirect block.
 * A zero pointer is a hole, at any level. Linux fs/ext4/indirect.c. There are no checksums; the walk's bound on tree
 * blocks ends what a loop of pointers would start.
 */
import { ExtentKind } from '../filesystem.ts';
import type { InodeRows } from './inode-rows.ts';
import { addMapped, blocksInside, type PendingBlocks, PendingLevel, type WalkState } from './walk-state.ts';

const DIRECT = 12;

/** The fifteen pointers of `i_block` at byte `at`; blocks from `limit` on are not looked at. */
export function readBlockMap(
  walk: WalkState,
  rows: InodeRows,
  pending: PendingBlocks,
  row: number,
  view: DataView,
  at: number,
  limit: number,
): void {
  const trouble = mapPointers(walk, rows, row, view, at, Math.min(DIRECT, limit), 0, false);
  if (trouble !== undefined) rows.problem(row, trouble);
  const perBlock = walk.g.blockSize / 4;
  let first = DIRECT;
  let covers = perBlock;
  for (let level = 1; level <= 3 && first < limit; level++) {
    const block = view.getUint32(at + (DIRECT + level - 1) * 4, true);
    const end = Math.min(limit, first + covers);
    if (block !== 0) {
      if (blocksInside(walk.g, block, 1)) {
        pending.add(row, block * walk.g.blockSize, PendingLevel.indirect + level, first, end);
        pending.weight += end - first;
      } else rows.problem(row, `indirect block ${block} is outside the filesystem`);
    }
    first += covers;
    covers *= perBlock;
  }
}

/** An indirect block of `level` at byte `at` of `view`, covering file blocks `first` to `limit` - 1. */
export function readIndirectBlock(
  walk: WalkState,
  rows: InodeRows,
  next: PendingBlocks,
  row: number,
  view: DataView,
  at: number,
  block: number,
  level: number,
  first: number,
  limit: number,
): void {
  const perBlock = walk.g.blockSize / 4;
  if (level === 1) {
    const count = Math.min(perBlock, limit - first);
    const trouble = rows.startSegment(row, first * walk.g.blockSize)
      ? mapPointers(walk, rows, row, view, at, count, first, true)
      : 'the file has too many extents';
    if (trouble !== undefined) rows.problem(row, `indirect block ${block}: ${trouble}`);
    return;
  }
  const covers = perBlock ** (level - 1);
  for (let i = 0; i < perBlock && first + i * covers < limit; i++) {
    const child = view.getUint32(at + i * 4, true);
    if (child === 0) continue;
    const from = first + i * covers;
    if (!blocksInside(walk.g, child, 1)) {
      rows.problem(row, `indirect block ${block}: pointer to block ${child}, outside the filesystem`);
      return;
    }
    next.add(row, child * walk.g.blockSize, PendingLevel.indirect + level - 1, from, Math.min(limit, from + covers));
  }
}

/** `count` pointers to data blocks as runs; stops at the first bad one and says what is wrong. */
function mapPointers(
  walk: WalkState,
  rows: InodeRows,
  row: number,
  view: DataView,
  at: number,
  count: number,
  fileBlock: number,
  later: boolean,
): string | undefined {
  let start = 0;
  while (start < count) {
    const block = view.getUint32(at + start * 4, true);
    let end = start + 1;
    if (block === 0) {
      start = end;
      continue;
    }
    while (end < count && view.getUint32(at + end * 4, true) === block + (end - start)) end++;
    if (!blocksInside(walk.g, block, end - start)) return `pointer to block ${block}, outside the filesystem`;
    addMapped(walk, rows, row, fileBlock + start, end - start, block, ExtentKind.stored, later);
    start = end;
  }
  return undefined;
}
