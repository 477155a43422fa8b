/** Where the content of one inode lies, looked up outside of a walk: the journal, and files that a fast commit changes. */
import { FormatError } from '../../bytes/errors.ts';
import { viewOf } from '../../bytes/layout.ts';
import type { Bytes } from '../../bytes/units.ts';
import type { ReadAt } from '../volume.ts';
import { inodeTableChecker } from './checksum.ts';
import { GroupFlag, type Groups, inodeAddress } from './groups.ts';
import { addInode, type Pending, tablePiece } from './inode.ts';
import { InodeRows } from './inode-rows.ts';
import { resolveBlocks } from './resolve.ts';
import type { Geometry } from './superblock.ts';
import { newWalkState, PendingBlocks } from './walk-state.ts';

/** Runs of a file, ascending by `fileOffset`, all in bytes. `kind`: ExtentKind. */
export interface ContentRuns {
  readonly size: Bytes;
  readonly count: number;
  readonly kind: Uint8Array;
  readonly fileOffset: Float64Array;
  readonly length: Float64Array;
  readonly volumeOffset: Float64Array;
}

/** The inode as it stands in its table, a copy. @throws FormatError when it cannot be read or has no table */
export async function readInode(
  g: Geometry,
  groups: Groups,
  readAt: ReadAt,
  inode: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const where = `ext4 inode ${inode}`;
  if (inode < 1 || inode > g.inodesCount) throw new FormatError('corrupt', where, `there are ${g.inodesCount} inodes`);
  if ((groups.flags[Math.floor((inode - 1) / g.inodesPerGroup)] & GroupFlag.lost) !== 0) {
    throw new FormatError('corrupt', where, 'the descriptor of its group is lost');
  }
  const view = await readAt(inodeAddress(g, groups, inode), g.inodeSize, signal);
  return new Uint8Array(view.buffer, view.byteOffset, g.inodeSize).slice();
}

/** The runs of `bytes`, inode number `inode`. Leaves `bytes` with its checksum zeroed. @throws FormatError when anything of it is damaged */
export async function contentRuns(
  g: Geometry,
  groups: Groups,
  readAt: ReadAt,
  inode: number,
  bytes: Uint8Array,
  signal?: AbortSignal,
  checked = true,
): Promise<ContentRuns> {
  const walk = newWalkState(g, groups, readAt, { inodes: 0 }, signal);
  const rows = new InodeRows(1);
  const pending: Pending = { blocks: new PendingBlocks(), values: [] };
  const piece = tablePiece(viewOf(bytes));
  const wrong = new Uint8Array(1);
  if (checked && g.checksumSeed !== undefined) {
    inodeTableChecker(g.inodeSize >>> 2, g.checksumSeed)(piece, inode, 0, 1, wrong);
  }
  addInode(walk, rows, pending, piece, 0, inode, wrong[0] === 0);
  await resolveBlocks(walk, rows, pending);
  const batch = rows.finish();
  if (batch.problems.length > 0) throw new FormatError('corrupt', `ext4 inode ${inode}`, batch.problems[0].reason);
  return {
    size: batch.size[0],
    count: batch.extentStart[1],
    kind: batch.extentKind,
    fileOffset: batch.extentFileOffset,
    length: batch.extentLength,
    volumeOffset: batch.extentVolumeOffset,
  };
}

/** Volume address of byte `at` of the content, or -1 in a hole. */
export function addressOf(runs: ContentRuns, at: Bytes): number {
  const i = runIndex(runs, at);
  return i >= 0 && at < runs.fileOffset[i] + runs.length[i] ? runs.volumeOffset[i] + at - runs.fileOffset[i] : -1;
}

/** Bytes from `at` on that lie one after the other on the volume too. */
export function contiguousFrom(runs: ContentRuns, at: Bytes): Bytes {
  const i = runIndex(runs, at);
  return i < 0 ? 0 : Math.max(0, runs.fileOffset[i] + runs.length[i] - at);
}

/** The last run that starts at or before `at`, or -1. */
function runIndex({ fileOffset, count }: ContentRuns, at: Bytes): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (fileOffset[middle] <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
