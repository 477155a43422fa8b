/** `reelmap restore SET PATH... --to DIR`: files and directories, straight from tape. */
import { UserError } from '../../bytes/errors.ts';
import { gapThreshold } from '../../plan/restore-plan.ts';
import { type RestoreOutcome, restoreFiles } from '../../restore/restore.ts';
import { encodeArgument } from '../argv.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { ExitStatus } from '../exit.ts';
import { filesystemNumber, openSet } from '../open-set.ts';
import { formatBytes } from '../progress.ts';
import { jsonBytes, quote } from '../quoting.ts';
import { restoreIndexOf, type SelectionOptions, selectionOf } from '../restore-index.ts';
import type { SetRecord } from '../services.ts';

interface Options extends SelectionOptions {
  readonly to?: string;
  readonly overwrite?: boolean;
  readonly wait?: boolean;
  readonly dryRun?: boolean;
  readonly partition?: string;
}

export const define: CommandModule['define'] = (command, act) => {
  command
    .argument('<set>', 'an id, a prefix of one, NAME, NAME@latest, NAME@DATE, or latest')
    .argument('[paths...]', 'files and directories; /a/b becomes DIR/b, / fills DIR')
    .option('--to <dir>', 'where to; made when it is not there')
    .option('--overwrite', 'replace what is there')
    .option('--full-paths', '/a/b becomes DIR/a/b')
    .option('--files-from <file>', 'paths from a file, one a line; - is standard input')
    .option('-0, --null', 'with --files-from: paths end with a NUL byte')
    .option('-n, --dry-run', 'only tell what would be done, as `reelmap plan`')
    .option('--partition <part>', 'the filesystem of one partition (2) or logical volume (vg/lv), as if it were all')
    .option('--wait', 'wait for a drive or cartridge that another process uses')
    .addHelpText(
      'after',
      '\nAn interrupted restore goes on when the same command is run again.\n\n' +
        'Example:\n  reelmap restore home@latest /alice/letters/will.odt --to /tmp/back',
    )
    .action((set: string, paths: string[], options: Options) => {
      act((context) => restore(context, set, paths, options));
    });
};

async function restore(
  context: CommandContext,
  word: string,
  paths: readonly string[],
  options: Options,
): Promise<ExitStatus> {
  if (options.dryRun) return (await import('./plan.ts')).plan(context, word, paths, options);
  if (!options.to)
    throw new UserError('restore', '--to is missing', 'name the folder to restore to', { kind: 'usage' });
  const selection = selectionOf(paths, options);
  const services = await context.services();
  await using open = await openSet(() => services.openIndex(context.home), word);
  const filesystem = filesystemNumber(open.record, options.partition);
  const signal = context.signal('run the same command again to go on');
  await using tapes = await services.openTapes(context.home, open.record, {
    note: context.output.note,
    wait: options.wait === true,
    signal,
  });
  const progress = context.progress();
  try {
    const outcome = await restoreFiles({
      index: restoreIndexOf(open.view, filesystem),
      cartridges: tapes,
      set: open.record.set,
      selection,
      destination: encodeArgument(options.to),
      overwrite: options.overwrite === true,
      gapBytesMax: gapThreshold(tapes.model.bytesPerSecond, tapes.model.repositionSeconds),
      rank: (cartridge) => tapes.rank(cartridge),
      signal,
      progress: ({ label, ...state }) => progress.update({ ...state, ...(label !== undefined && { detail: label }) }),
    });
    progress.end();
    report(context, open.record, outcome);
    return outcome.lost + outcome.inexact > 0 ? ExitStatus.partial : ExitStatus.done;
  } finally {
    progress.end();
  }
}

/** Problems shown to people; --json has them all. */
const SHOWN_MAX = 100;

function report({ output }: CommandContext, record: SetRecord, outcome: RestoreOutcome): void {
  const { problems, lost, inexact, ownersNotSet, bytes, records, gapRecords, recordSize } = outcome;
  const barcode = (id: string): string => record.cartridges.find((one) => one.id === id)?.barcode ?? id;
  if (output.json) {
    output.value({
      event: 'result',
      set: record.set,
      ...outcome,
      cartridges: outcome.cartridges.map(barcode),
      tapeBytes: records * recordSize,
      problems: problems.map(({ path, ...rest }) => ({ ...jsonBytes('path', path), ...rest })),
    });
    return;
  }
  // What a whole cartridge costs is said once.
  const told = outcome.unreached.map((reason) => ({ reason, all: problems.filter((one) => one.reason === reason) }));
  for (const { reason, all } of told) {
    const more = all.length > 1 ? ` and ${all.length - 1} more` : '';
    if (all.length > 0) output.note(`not restored: ${quote(all[0].path)}${more}: ${reason}`);
  }
  const rest = problems.filter(({ reason }) => !outcome.unreached.includes(reason));
  for (const { path, kind, reason } of rest.slice(0, SHOWN_MAX))
    output.note(`${kind === 'lost' ? 'not restored' : 'not exact'}: ${quote(path)}: ${reason}`);
  const untold = lost + inexact - problems.length + Math.max(0, rest.length - SHOWN_MAX);
  if (untold > 0) output.note(`... ${untold} more (--json lists them)`);
  if (ownersNotSet > 0) output.note(`the owner of ${ownersNotSet} could not be set: only root can give files away`);
  const kept = outcome.kept > 0 ? `, ${outcome.kept} were there from an earlier run` : '';
  output.line(
    `restored ${outcome.files} files, ${outcome.directories} directories, ${outcome.links + outcome.specials} others${kept}: ` +
      `${formatBytes(bytes)}, ${records} records read${gapRecords > 0 ? ` (${gapRecords} only passed)` : ''}`,
  );
  if (lost > 0) output.line(`${lost} not restored; the same command tries those again`);
  if (inexact > 0) output.line(`${inexact} not exactly as they were`);
}
