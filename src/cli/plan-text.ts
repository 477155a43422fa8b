/** A restore plan in print. */
import { type DriveModel, estimateSeconds, type RestorePlan } from '../plan/restore-plan.ts';
import type { PlannedRestore } from '../restore/restore.ts';
import { FileType } from '../tape-index/entry.ts';
import type { Output } from './output.ts';
import { formatBytes, formatSeconds } from './progress.ts';
import { quote, safeText } from './quoting.ts';
import type { SetRecord } from './services.ts';

/** Positions shown to people; --json has all. */
const SHOWN_MAX = 50;

/** Writes what a restore would do. `model` missing: no drive could be asked, so no time is told. */
export function printPlan(
  output: Output,
  record: SetRecord,
  planned: PlannedRestore,
  model: DriveModel | undefined,
): void {
  const { plan, job } = planned;
  const counts = countsOf(planned);
  const barcode = (id: string): string => record.cartridges.find((one) => one.id === id)?.barcode ?? id;
  const seconds = model && estimateSeconds(plan, model);
  if (output.json) {
    output.value({
      set: record.set,
      ...counts,
      bytes: plan.bytes,
      recordSize: plan.recordSize,
      records: plan.records,
      gapRecords: plan.gapRecords,
      tapeBytes: plan.records * plan.recordSize,
      seconds: seconds === undefined ? null : Math.round(seconds * 10) / 10,
      cartridges: plan.cartridges.map(({ cartridge, reads }) => ({
        cartridge: barcode(cartridge),
        id: cartridge,
        reads: reads.map(({ object, records, gapRecords }) => ({ object, records, gapRecords })),
      })),
      notOnTape: sum(plan.missing) + sum(plan.withoutCopy),
      placeUnknown: sum(plan.unknown),
      problems: job.problems.map(({ node, kind, reason }) => ({ path: quote(job.path(node)), kind, reason })),
    });
    return;
  }
  output.line(
    `${counts.files} files, ${counts.directories} directories, ${counts.others} others; ${formatBytes(plan.bytes)} from tape`,
  );
  for (const { cartridge, reads } of plan.cartridges) {
    output.line(`cartridge ${safeText(barcode(cartridge))}: ${reads.length} positions`);
    for (const { object, records, gapRecords } of reads.slice(0, SHOWN_MAX))
      output.line(
        `  object ${object}: ${records} records${gapRecords > 0 ? `, ${gapRecords} of them only passed` : ''}`,
      );
    if (reads.length > SHOWN_MAX) output.line(`  ... ${reads.length - SHOWN_MAX} more positions (--json has all)`);
  }
  const passed =
    plan.gapRecords > 0
      ? `, ${plan.gapRecords} of them only passed (${formatBytes(plan.gapRecords * plan.recordSize)})`
      : '';
  output.line(`${plan.records} records read (${formatBytes(plan.records * plan.recordSize)})${passed}`);
  if (seconds !== undefined) output.line(`about ${formatSeconds(seconds)}`);
  const missing = sum(plan.missing) + sum(plan.withoutCopy);
  if (missing > 0) output.line(`${formatBytes(missing)} are not on tape`);
  if (plan.unknown.count > 0)
    output.line(
      `of ${formatBytes(sum(plan.unknown))} the index does not tell where they lie: ${plan.unknownReasons[0]}`,
    );
  for (const { node, reason } of job.problems.slice(0, SHOWN_MAX)) output.line(`${quote(job.path(node))}: ${reason}`);
}

const sum = ({ count, length }: RestorePlan['missing']): number =>
  length.subarray(0, count).reduce((all, one) => all + one, 0);

function countsOf({ job }: PlannedRestore): {
  readonly files: number;
  readonly directories: number;
  readonly others: number;
} {
  let files = 0;
  let directories = 0;
  for (let node = 1; node < job.count; node++) {
    if (job.type(node) === FileType.directory) directories++;
    else if (job.type(node) === FileType.regular) files++;
  }
  return { files, directories, others: job.count - 1 - files - directories };
}
