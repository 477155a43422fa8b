/**
 * Makes a batch whole: reads the blocks its rows wait for (extent nodes, indirect blocks, attribute blocks, slow symlinks)
 * in rounds, each in disk order.
 */
import { bytesOf } from '../../bytes/layout.ts';
import { crcU64, crcWithHole } from './checksum.ts';
import { readExtentNode } from './extents.ts';
import { readIndirectBlock } from './indirect.ts';
import { type Pending, shownTarget, takeParsed } from './inode.ts';
import type { InodeRows } from './inode-rows.ts';
import { EXT4_XATTR_MAGIC, ext4_xattr_header } from './layouts.ts';
import { ascendingOrder, readPieces } from './read-pieces.ts';
import { PendingBlocks, PendingLevel, type WalkState } from './walk-state.ts';
import { type ParsedXattrs, parseXattrs } from './xattr.ts';

/** Nodes waiting at once, 33 bytes each; no tree within the bound on extents has more. */
const WAITING_MAX = 1024 * 1024;

/** Reads all that the rows wait for, level by level. Levels go down, so there are at most six rounds. */
export async function resolveBlocks(walk: WalkState, rows: InodeRows, pending: Pending): Promise<void> {
  let round = pending.blocks;
  let next = new PendingBlocks();
  while (round.count > 0) {
    const order = ascendingOrder(round.at, round.count);
    const pieces = { at: round.at, count: round.count, length: walk.g.blockSize, order };
    const visit = blockVisitor(walk, rows, pending, round, next);
    for await (const piece of readPieces(walk.readAt, pieces, walk.signal)) {
      for (let i = piece.from; i < piece.to; i++) {
        if (piece.view === undefined) unreadable(walk, rows, round, order[i], piece.reason);
        else visit(order[i], piece.view, round.at[order[i]] - piece.base);
      }
    }
    round.reset();
    [round, next] = [next, round];
  }
  pending.blocks.reset();
}

function unreadable(walk: WalkState, rows: InodeRows, round: PendingBlocks, i: number, reason: string): void {
  rows.problem(
    round.row[i],
    `${levelName(round.level[i])} ${round.at[i] / walk.g.blockSize} cannot be read: ${reason}`,
  );
}

function levelName(level: number): string {
  if (level === PendingLevel.xattr) return 'extended attribute block';
  if (level === PendingLevel.symlink) return 'symbolic link block';
  return level > PendingLevel.indirect ? 'indirect block' : 'extent tree block';
}

/** Takes one block of the round; what it leads to goes to `next`. */
function blockVisitor(
  walk: WalkState,
  rows: InodeRows,
  pending: Pending,
  round: PendingBlocks,
  next: PendingBlocks,
): (i: number, view: DataView, at: number) => void {
  const shared = { at: -1, parsed: undefined as ParsedXattrs | string | undefined };
  return (i, view, at) => {
    const row = round.row[i];
    const level = round.level[i];
    const block = round.at[i] / walk.g.blockSize;
    if (level === PendingLevel.xattr) {
      if (shared.at !== round.at[i]) shared.parsed = parseXattrBlock(walk, view, at, block);
      shared.at = round.at[i]; // inodes that share the block are neighbours in disk order
      if (typeof shared.parsed === 'string') rows.problem(row, shared.parsed);
      else if (shared.parsed !== undefined) takeParsed(rows, pending, row, shared.parsed);
      return;
    }
    if (level === PendingLevel.symlink) {
      const target = shownTarget(rows, row, bytesOf(view, at, rows.size[row]));
      if (target !== undefined) rows.addLiteral(row, target);
      return;
    }
    if (walk.treeBlocksLeft <= next.count || next.count > WAITING_MAX) {
      rows.problem(row, `${levelName(level)} ${block}: the files claim more of them than the volume has blocks`);
      return;
    }
    walk.treeBlocksLeft--;
    const first = round.first[i];
    const limit = round.limit[i];
    if (level <= PendingLevel.indirect) readExtentNode(walk, rows, next, row, view, at, block, level, first, limit);
    else readIndirectBlock(walk, rows, next, row, view, at, block, level - PendingLevel.indirect, first, limit);
  };
}

/** The attributes of a block, or what is wrong with it. */
function parseXattrBlock(walk: WalkState, view: DataView, at: number, block: number): ParsedXattrs | string {
  const { g } = walk;
  const H = ext4_xattr_header;
  const where = `extended attribute block ${block}`;
  if (H.h_magic.get(view, at) !== EXT4_XATTR_MAGIC) return `${where}: wrong magic`;
  if (H.h_blocks.get(view, at) !== 1) return `${where}: ${H.h_blocks.get(view, at)} blocks long, only 1 is possible`;
  if (g.checksumSeed !== undefined) {
    const found = crcWithHole(crcU64(g.checksumSeed, block), bytesOf(view, at, g.blockSize), H.h_checksum.offset);
    if (found !== H.h_checksum.get(view, at)) return `${where}: checksum wrong`;
  }
  return parseXattrs(new DataView(view.buffer, view.byteOffset + at, g.blockSize), H.byteLength, 0);
}
