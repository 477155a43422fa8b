/** What the parts of one walk share, and the blocks that a batch still has to read before it is whole. */
import type { Bytes } from '../../bytes/units.ts';
import { ExtentKind } from '../filesystem.ts';
import type { Overlay } from '../overlay.ts';
import type { ReadAt } from '../volume.ts';
import { DirectoryList, InodeSet } from './directory-list.ts';
import type { Groups } from './groups.ts';
import type { InodeRows } from './inode-rows.ts';
import type { Patches } from './patches.ts';
import type { Geometry } from './superblock.ts';
import { XattrReader } from './xattr.ts';

export interface WalkState {
  readonly g: Geometry;
  readonly groups: Groups;
  readonly readAt: ReadAt;
  /** Blocks that a journal has newer copies of; content in them is given by the place of the copy. */
  readonly overlay: Overlay | undefined;
  /** What fast commits changed. */
  readonly patches: Patches | undefined;
  readonly signal: AbortSignal | undefined;
  readonly directories: DirectoryList;
  /** Inodes given out in a batch. */
  readonly listed: InodeSet;
  /** Those of them that are directories. */
  readonly directorySet: InodeSet;
  readonly xattrs: XattrReader;
  /** What no row and no directory can tell of: inodes that cannot be read. Grows. */
  readonly damage: string[];
  /** Tree blocks that may still be read: each belongs to one file, so there are fewer than the volume has blocks. */
  treeBlocksLeft: number;
}

export interface WalkOptions {
  readonly overlay?: Overlay | undefined;
  readonly patches?: Patches | undefined;
  readonly damage?: string[];
  /** Inodes to keep bits for; 0 for a look at single inodes. */
  readonly inodes: number;
}

export const newWalkState = (
  g: Geometry,
  groups: Groups,
  readAt: ReadAt,
  { overlay, patches, damage = [], inodes }: WalkOptions,
  signal?: AbortSignal,
): WalkState => ({
  g,
  groups,
  readAt,
  overlay,
  patches,
  signal,
  directories: new DirectoryList(),
  listed: new InodeSet(inodes),
  directorySet: new InodeSet(inodes),
  xattrs: new XattrReader(),
  damage,
  treeBlocksLeft: g.blocksCount,
});

/** Codes of `PendingBlocks.level`: 0 to 4 are extent nodes of that depth. */
export const PendingLevel = {
  /** 17 to 19: single, double, triple indirect block. */
  indirect: 16,
  xattr: 32,
  symlink: 33,
} as const;

/** Blocks to be read before the batch is whole, in columns that grow by doubling. */
export class PendingBlocks {
  row = new Uint32Array(256);
  /** Byte addresses. */
  at = new Float64Array(256);
  level = new Uint8Array(256);
  /** File blocks that the node covers: `first` to `limit` - 1. */
  first = new Float64Array(256);
  limit = new Float64Array(256);
  count = 0;
  /** About how many extents will come of it. */
  weight = 0;

  add(row: number, at: Bytes, level: number, first: number, limit: number): void {
    if (this.count === this.row.length) this.#grow();
    this.row[this.count] = row;
    this.at[this.count] = at;
    this.level[this.count] = level;
    this.first[this.count] = first;
    this.limit[this.count] = limit;
    this.count++;
  }

  reset(): void {
    this.count = 0;
    this.weight = 0;
  }

  #grow(): void {
    const size = this.row.length * 2;
    const old = [this.row, this.at, this.level, this.first, this.limit] as const;
    this.row = new Uint32Array(size);
    this.at = new Float64Array(size);
    this.level = new Uint8Array(size);
    this.first = new Float64Array(size);
    this.limit = new Float64Array(size);
    this.row.set(old[0]);
    this.at.set(old[1]);
    this.level.set(old[2]);
    this.first.set(old[3]);
    this.limit.set(old[4]);
  }
}

/** Whether `count` blocks from `block` lie in the filesystem and not on its superblock. */
export const blocksInside = (g: Geometry, block: number, count: number): boolean =>
  block > g.firstDataBlock && block + count <= g.blocksCount;

/**
 * `count` blocks of one row's content: extents of a file, or blocks of a directory. `later`: found in a tree block.
 * The range is checked by the caller.
 */
export function addMapped(
  walk: WalkState,
  rows: InodeRows,
  row: number,
  fileBlock: number,
  count: number,
  diskBlock: number,
  kind: number,
  later: boolean,
): void {
  const bs = walk.g.blockSize;
  const directory = rows.directory[row];
  if (directory >= 0) {
    addDirectoryBlocks(walk, directory, fileBlock, count, diskBlock, kind);
  } else if (walk.overlay !== undefined && kind === ExtentKind.stored) {
    addOverlaid(walk.overlay, rows, row, fileBlock * bs, count * bs, diskBlock * bs, later);
  } else if (later) {
    rows.addLaterExtent(kind, fileBlock * bs, count * bs, diskBlock * bs);
  } else {
    rows.addExtent(row, kind, fileBlock * bs, count * bs, diskBlock * bs);
  }
}

/** An extent on a volume whose journal holds data too: blocks with a newer copy there are extents of their own. */
function addOverlaid(
  overlay: Overlay,
  rows: InodeRows,
  row: number,
  fileOffset: Bytes,
  length: Bytes,
  volumeOffset: Bytes,
  later: boolean,
): void {
  const add = (kind: number, from: Bytes, bytes: Bytes, at: Bytes): void => {
    if (later) rows.addLaterExtent(kind, from, bytes, at);
    else rows.addExtent(row, kind, from, bytes, at);
  };
  for (let done = 0; done < length; ) {
    const next = Math.min(length, overlay.nextFrom(volumeOffset + done) - volumeOffset);
    if (next > done) add(ExtentKind.stored, fileOffset + done, next - done, volumeOffset + done);
    done = next;
    for (; done < length; done += overlay.unit) {
      const source = overlay.sourceOf(volumeOffset + done);
      if (source === undefined) break;
      if (source instanceof Uint8Array) {
        // A block of inodes that a fast commit changed: no file's content, whatever a damaged extent says.
        add(ExtentKind.stored, fileOffset + done, overlay.unit, volumeOffset + done);
        continue;
      }
      const kind = source.head === undefined ? ExtentKind.stored : ExtentKind.escaped;
      add(kind, fileOffset + done, overlay.unit, source.at);
    }
  }
}

function addDirectoryBlocks(
  walk: WalkState,
  directory: number,
  fileBlock: number,
  count: number,
  diskBlock: number,
  kind: number,
): void {
  if (kind !== 0) return; // an unwritten block of a directory is a hole; the count of its blocks will tell
  const list = walk.directories;
  const end = Math.min(count, list.blocksExpected[directory] - fileBlock);
  for (let i = 0; i < end; i++) {
    if (list.blockCount >= walk.g.blocksCount) {
      list.problem(directory, 'the directories claim more blocks than the volume has');
      return;
    }
    list.addBlock(directory, (diskBlock + i) * walk.g.blockSize);
  }
}
