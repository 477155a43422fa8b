/** `reelmap tape files BARCODE`: every tape file of a cartridge, read from the cartridge itself. */
import { UserError } from '../../bytes/errors.ts';
import type { TapeObject } from '../../bytes/units.ts';
import { type ScannedFile, scanForwards } from '../../catalog/scan.ts';
import type { TapeDrive } from '../../initiator/tape-drive.ts';
import { readCartridge } from '../../library/label-cartridge.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { ExitStatus } from '../exit.ts';
import { noProgress } from '../progress.ts';
import { safeText } from '../quoting.ts';
import { SHORT_ID } from '../set-spec.ts';
import { loadInto, openDrive, requireCartridge, requireLibrary } from '../tape-library.ts';

export const define: CommandModule['define'] = (command, act) => {
  command
    .argument('<barcode>', 'the cartridge')
    .option('--wait', 'wait for a busy drive')
    .addHelpText('after', '\nExample:\n  reelmap tape files RM0001L9')
    .action((barcode: string, options: { readonly wait?: boolean }) => {
      act((context) => list(context, barcode, options.wait === true));
    });
};

interface Row {
  /** First object, and records up to the filemark. */
  readonly object: TapeObject;
  readonly records: number;
  readonly kind: string;
  readonly set: string | null;
  readonly chunk: number | null;
  /** Why it cannot be used, or null. */
  readonly problem: string | null;
}

async function list(context: CommandContext, word: string, wait: boolean): Promise<ExitStatus> {
  const { output } = context;
  const cartridge = requireCartridge(requireLibrary(context.home), word);
  const { barcode } = cartridge;
  await using place = await openDrive(context, `tape files ${barcode}`, wait);
  await loadInto(place, cartridge);
  const { drive } = place.station;
  const content = await readCartridge(drive, barcode);
  if (content.kind === 'foreign') {
    const remedy = `\`reelmap tape label ${barcode} --overwrite\` makes it ready, and what is on it is gone`;
    throw new UserError(`cartridge ${barcode}`, `was not written by reelmap: ${safeText(content.what)}`, remedy);
  }
  const rows =
    content.kind === 'blank'
      ? []
      : [labelRow(content.labelEnd), ...(await filesOf(context, drive, barcode, content.labelEnd))];
  if (output.json) await output.array(rows);
  else print(context, barcode, rows);
  return rows.some((row) => row.problem !== null) ? ExitStatus.partial : ExitStatus.done;
}

const labelRow = (labelEnd: TapeObject): Row => ({
  object: 0,
  records: labelEnd - 1,
  kind: 'label',
  set: null,
  chunk: null,
  problem: null,
});

async function filesOf(
  { output, progress: made, signal }: CommandContext,
  drive: TapeDrive,
  barcode: string,
  labelEnd: TapeObject,
): Promise<Row[]> {
  // With --json the result is one value, which has no room for progress.
  const progress = output.json ? noProgress : made();
  const files: ScannedFile[] = [];
  for await (const file of scanForwards(drive, barcode, labelEnd)) {
    signal().throwIfAborted();
    files.push(file);
    progress.update({ phase: `reading cartridge ${barcode}:`, done: files.length, unit: 'tape files' });
  }
  progress.end();
  await drive.locateEndOfData();
  const { object: end } = await drive.position();
  return files.map((file, i) => ({
    object: file.object,
    records: (files[i + 1]?.object ?? end) - file.object - 1,
    kind: file.what.kind,
    set: 'set' in file.what ? file.what.set : null,
    chunk: file.what.kind === 'chunk' ? file.what.chunk : null,
    problem: file.damage ?? problemOf(file),
  }));
}

function problemOf({ what }: ScannedFile): string | null {
  if (what.kind === 'unknown') return what.reason;
  return what.kind === 'foreign-tar' ? `not reelmap's: begins with ${what.firstMember}` : null;
}

function print({ output }: CommandContext, barcode: string, rows: readonly Row[]): void {
  if (rows.length === 0) {
    output.note(`cartridge ${barcode} is blank`);
    return;
  }
  output.line('  object   records  kind   set       chunk');
  for (const { object, records, kind, set, chunk, problem } of rows) {
    const columns = [
      String(object).padStart(8),
      String(records).padStart(8),
      kind.padEnd(5),
      (set?.slice(0, SHORT_ID) ?? '').padEnd(SHORT_ID),
      String(chunk ?? '').padStart(5),
      problem === null ? '' : `(${safeText(problem)})`,
    ];
    output.line(columns.join('  ').trimEnd());
  }
}
