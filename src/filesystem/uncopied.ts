/**
 * Files that claim blocks which the filesystem calls free: damage that no checksum shows. A full backup does not copy such
 * blocks, so the file must not look whole.
 */
import { type Runs, runAt } from '../bytes/extents.ts';
import { ExtentKind, type InodeBatch, InodeFlag, type Problem } from '../bytes/walk-batch.ts';

/** The batch, its rows marked that have extents outside `copied`. */
export function markUncopied(batch: InodeBatch, copied: Runs): InodeBatch {
  const { starts, lengths, count } = copied;
  const { extentStart, extentKind, extentVolumeOffset, extentLength } = batch;
  const last = extentStart[batch.count];
  let rows: Set<number> | undefined;
  let from = 0; // the run that the extent before lies in: files lie near each other
  let to = -1;
  let row = 0;
  for (let i = 0; i < last; i++) {
    if (extentKind[i] !== ExtentKind.stored && extentKind[i] !== ExtentKind.escaped) continue;
    const at = extentVolumeOffset[i];
    const end = at + extentLength[i];
    if (at >= from && end <= to) continue;
    const run = runAt(copied, at);
    if (run >= 0 && run < count) {
      from = starts[run];
      to = from + lengths[run];
      if (end <= to) continue;
    }
    while (extentStart[row + 1] <= i) row++;
    rows ??= new Set();
    rows.add(row);
  }
  return rows === undefined ? batch : withProblems(batch, [...rows]);
}

function withProblems(batch: InodeBatch, rows: readonly number[]): InodeBatch {
  for (const row of rows) batch.flags[row] |= InodeFlag.damaged;
  const reason = 'some of its blocks are free as the filesystem has it, and are not copied';
  const found: Problem[] = rows.map((row) => ({ row, reason }));
  return { ...batch, problems: [...batch.problems, ...found].sort((a, b) => a.row - b.row) };
}
