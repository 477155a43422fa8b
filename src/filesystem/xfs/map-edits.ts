/** Changes that the log has for a file's extents, made to a list of them. Linux fs/xfs/libxfs/xfs_bmap.c `xfs_bmap_finish_one`. */
import { ExtentKind } from '../filesystem.ts';
import type { MapEdit } from './log/intents.ts';
import { fsBlockAddress, type Geometry } from './superblock.ts';

/** A run of blocks of a file. */
export interface MappedRun {
  readonly fileBlock: number;
  readonly count: number;
  /** Byte address. */
  readonly address: number;
  readonly kind: 0 | 1;
}

/** The runs after the edits, ascending; or why an edit cannot be made. */
export function applyEdits(g: Geometry, runs: readonly MappedRun[], edits: readonly MapEdit[]): MappedRun[] | string {
  let list = [...runs];
  for (const edit of edits) {
    const { fileBlock, count, fsBlock, isMap, isUnwritten } = edit;
    list = list.flatMap((run) => without(g, run, fileBlock, fileBlock + count));
    if (!isMap) continue;
    const address = fsBlockAddress(g, fsBlock, count);
    if (address < 0 || count === 0) return `the log maps ${count} blocks at block ${fsBlock}, outside the filesystem`;
    list.push({ fileBlock, count, address, kind: isUnwritten ? ExtentKind.zero : ExtentKind.stored });
  }
  return list.sort((a, b) => a.fileBlock - b.fileBlock);
}

/** What is left of a run without file blocks `from` to `to` - 1. */
function without(g: Geometry, run: MappedRun, from: number, to: number): MappedRun[] {
  const end = run.fileBlock + run.count;
  const left: MappedRun[] = [];
  if (run.fileBlock < from) left.push({ ...run, count: Math.min(end, from) - run.fileBlock });
  if (end > to) {
    const start = Math.max(run.fileBlock, to);
    left.push({
      ...run,
      fileBlock: start,
      count: end - start,
      address: run.address + (start - run.fileBlock) * g.blockSize,
    });
  }
  return left;
}
