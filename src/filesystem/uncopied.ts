/**
 * Files that claim blocks which the filesystem calls free: damage that no checksum shows. A full backup does not copy such
 * blocks, so the file must not look whole.
 */
import type { Runs } from '../bytes/extents.ts';
import { ExtentKind, type InodeBatch, InodeFlag, type Problem } from '../bytes/walk-batch.ts';

/** The batch, its rows marked that have extents outside `copied`. */
export function markUncopied(batch: InodeBatch, copied: Runs): InodeBatch {
  const found: Problem[] = [];
  let run = 0;
  for (let row = 0; row < batch.count; row++) {
    for (let i = batch.extentStart[row]; i < batch.extentStart[row + 1]; i++) {
      if (batch.extentKind[i] !== ExtentKind.stored && batch.extentKind[i] !== ExtentKind.escaped) continue;
      const at = batch.extentVolumeOffset[i];
      run = runOf(copied, at, run);
      const end = run < 0 ? at : copied.starts[run] + copied.lengths[run];
      run = Math.max(0, run);
      if (at + batch.extentLength[i] <= end) continue;
      found.push({
        row,
        reason: `its blocks at byte ${Math.max(at, end)} are free as the filesystem has it: not copied`,
      });
      break;
    }
  }
  if (found.length === 0) return batch;
  for (const { row } of found) batch.flags[row] |= InodeFlag.damaged;
  return { ...batch, problems: [...batch.problems, ...found].sort((a, b) => a.row - b.row) };
}

/** The last run that starts at or before `at`, or -1; neighbours of `hint` first, since files lie near each other. */
function runOf(runs: Runs, at: number, hint: number): number {
  const isIt = (i: number): boolean => i < runs.count && runs.starts[i] <= at && !(runs.starts[i + 1] <= at);
  if (isIt(hint)) return hint;
  if (isIt(hint + 1)) return hint + 1;
  let low = 0;
  let high = runs.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (runs.starts[middle] <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
