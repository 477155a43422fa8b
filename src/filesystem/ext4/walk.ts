/**
 * The walk: inode tables group by group in large reads, then directory blocks in disk order. File data is never read.
 *
 * Memory: one batch (inode-rows.ts), reads under way (read-pieces.ts), the directory list, and three bits an inode.
 */
import { loadNativeCrc32c } from '../../bytes/crc32c.ts';
import { bytesOf } from '../../bytes/layout.ts';
import type { InodeBatch, WalkBatch } from '../filesystem.ts';
import type { ReadAt } from '../volume.ts';
import { inodeTableChecker } from './checksum.ts';
import { GroupFlag, type Groups } from './groups.ts';
import { addInode, flagsOf, type InodeTablePiece, isListed, linksOf, type Pending, tablePiece } from './inode.ts';
import { InodeRows } from './inode-rows.ts';
import { readNames } from './names.ts';
import { readAhead } from './read-pieces.ts';
import { resolveBlocks } from './resolve.ts';
import type { Geometry } from './superblock.ts';
import { newWalkState, PendingBlocks, type WalkOptions, type WalkState } from './walk-state.ts';
import { resolveValues } from './xattr-values.ts';

const ROOT_INODE = 2;
/** Bytes of inode table read at once, and such reads under way. */
const TABLE_READ_MAX = 1024 * 1024;
const TABLE_READS = 3;
/** A batch is closed once its rows lead to about this many extents in tree blocks: 25 bytes each, twice. */
const EXTENTS_PER_BATCH = 1024 * 1024;

/**
 * @param readAt through the overlay, where a journal was replayed
 * @throws whatever is not a FormatError: damage is told in batches and `damage`
 */
export async function* walkExt4(
  g: Geometry,
  groups: Groups,
  readAt: ReadAt,
  options: Omit<WalkOptions, 'inodes'>,
  signal?: AbortSignal,
): AsyncGenerator<WalkBatch> {
  loadNativeCrc32c();
  const walk = newWalkState(g, groups, readAt, { ...options, inodes: g.inodesCount }, signal);
  yield* readInodes(walk);
  yield* readNames(walk);
}

interface TableRead {
  readonly offset: number;
  readonly length: number;
  readonly firstInode: number;
  readonly count: number;
}

/** Pieces of inode tables that may hold inodes in use, ascending by inode. */
function* tableReads(g: Geometry, groups: Groups): Generator<TableRead> {
  const perRead = Math.max(1, Math.floor(TABLE_READ_MAX / g.inodeSize));
  for (let group = 0; group < g.groupCount; group++) {
    if ((groups.flags[group] & (GroupFlag.inodeUninit | GroupFlag.lost)) !== 0) continue;
    const used = g.inodesPerGroup - groups.unusedInodes[group];
    for (let index = 0; index < used; index += perRead) {
      const count = Math.min(perRead, used - index);
      yield {
        offset: groups.inodeTable[group] * g.blockSize + index * g.inodeSize,
        length: count * g.inodeSize,
        firstInode: group * g.inodesPerGroup + index + 1,
        count,
      };
    }
  }
}

async function* readInodes(walk: WalkState): AsyncGenerator<InodeBatch> {
  const { g } = walk;
  const rows = new InodeRows();
  const pending: Pending = { blocks: new PendingBlocks(), values: [] };
  const scan = tableScanner(walk, rows, pending);
  for await (const read of readAhead(walk.readAt, tableReads(g, walk.groups), TABLE_READS, walk.signal)) {
    for await (const part of readableParts(walk, read)) {
      const { firstInode, count } = part;
      const piece = part.view === undefined ? undefined : tablePiece(part.view);
      for (let done = 0; ; ) {
        done = piece === undefined ? addUnreadable(walk, rows, part, done) : scan(piece, firstInode, done, count);
        if (done === count) break;
        yield await finishBatch(walk, rows, pending);
        rows.reset();
      }
    }
  }
  if (rows.count > 0) yield await finishBatch(walk, rows, pending);
}

/** Goes through inodes `from` to `to` - 1 of a piece until they or the batch end; returns the first one not looked at. */
function tableScanner(
  walk: WalkState,
  rows: InodeRows,
  pending: Pending,
): (piece: InodeTablePiece, firstInode: number, from: number, to: number) => number {
  const { g } = walk;
  const wordsPerInode = g.inodeSize >>> 2;
  const check = g.checksumSeed === undefined ? undefined : inodeTableChecker(wordsPerInode, g.checksumSeed);
  const wrong = new Uint8Array(Math.max(TABLE_READ_MAX, g.blockSize) / g.inodeSize);
  return (piece, firstInode, from, to) => {
    const { words } = piece;
    if (from === 0) check?.(piece, firstInode, 0, to, wrong);
    for (let i = from; i < to; i++) {
      const base = i * wordsPerInode;
      if (linksOf(words, base) === 0) continue;
      const inode = firstInode + i;
      if (!isListed(g, inode, flagsOf(words, base))) continue;
      if (rows.count === rows.capacity || pending.blocks.weight > EXTENTS_PER_BATCH) return i;
      walk.listed.add(inode);
      addInode(walk, rows, pending, piece, base, inode, wrong[i] === 0);
    }
    return to;
  };
}

async function finishBatch(walk: WalkState, rows: InodeRows, pending: Pending): Promise<InodeBatch> {
  if (pending.blocks.count > 0) await resolveBlocks(walk, rows, pending);
  if (pending.values.length > 0) await resolveValues(walk, rows, pending.values);
  return rows.finish();
}

interface TablePart {
  /** Missing: these inodes cannot be read. */
  readonly view: DataView | undefined;
  readonly firstInode: number;
  readonly count: number;
  readonly reason: string;
  /** Of inodes that cannot be read: whether the bitmap calls each one used. */
  readonly inUse: (inode: number) => boolean;
}

/** The read as it is, or, when it failed, its blocks one by one. */
async function* readableParts(
  walk: WalkState,
  read: { readonly view: DataView | undefined; readonly reason: string; readonly request: TableRead },
): AsyncGenerator<TablePart> {
  const { offset, length, firstInode, count } = read.request;
  const inUse = (): boolean => true;
  if (read.view !== undefined) {
    yield { view: read.view, firstInode, count, reason: '', inUse };
    return;
  }
  const { blockSize, inodeSize } = walk.g;
  for (let at = 0; at < length; at += blockSize) {
    const partBytes = Math.min(blockSize, length - at);
    const part = { firstInode: firstInode + at / inodeSize, count: partBytes / inodeSize };
    const requests = [{ offset: offset + at, length: partBytes }][Symbol.iterator]();
    for await (const { view, reason } of readAhead(walk.readAt, requests, 1, walk.signal)) {
      if (view !== undefined) yield { view, ...part, reason, inUse };
      else {
        walk.damage.push(`inodes ${part.firstInode} to ${part.firstInode + part.count - 1} cannot be read: ${reason}`);
        yield { view, ...part, reason, inUse: await bitmapOf(walk, part.firstInode) };
      }
    }
  }
}

/** Gives out inodes that cannot be read, so that their names have a reason. Returns the first one not looked at. */
function addUnreadable(walk: WalkState, rows: InodeRows, part: TablePart, from: number): number {
  for (let i = from; i < part.count; i++) {
    const inode = part.firstInode + i;
    if (!part.inUse(inode) || !isListed(walk.g, inode, 0) || inode === ROOT_INODE) continue; // no root: the index says so
    if (rows.count === rows.capacity) return i;
    walk.listed.add(inode);
    rows.addUnreadable(inode, `the inode cannot be read: ${part.reason}`);
  }
  return part.count;
}

/** What the inode bitmap of an inode's group says; nothing is in use where it cannot be read or was never written. */
async function bitmapOf(walk: WalkState, firstInode: number): Promise<(inode: number) => boolean> {
  const { g, groups } = walk;
  const group = Math.floor((firstInode - 1) / g.inodesPerGroup);
  const request = { offset: groups.inodeBitmap[group] * g.blockSize, length: g.inodesPerGroup / 8 };
  for await (const { view } of readAhead(walk.readAt, [request][Symbol.iterator](), 1, walk.signal)) {
    if (view === undefined) break;
    const bits = bytesOf(view).slice();
    return (inode) => {
      const place = (inode - 1) % g.inodesPerGroup;
      return ((bits[place >>> 3] >>> (place & 7)) & 1) === 1;
    };
  }
  return () => false;
}
