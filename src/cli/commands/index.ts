/** `reelmap index rebuild` and `reelmap index check`: the index again from the cartridges; the index against its seals. */
import { UserError } from '../../bytes/errors.ts';
import { checkChunks, checkRecords, checkSet } from '../../tape-index/check.ts';
import { listSets } from '../../tape-index/sets.ts';
import { rebuildIndex } from '../../verify/rebuild.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { ExitStatus } from '../exit.ts';
import { requireIndex } from '../lost-index.ts';
import { safeText } from '../quoting.ts';
import { requireLibrary } from '../tape-library.ts';
import { PROGRAM } from '../version.ts';
import { filesystemOpeners, openIndexStore, openWorkplace } from '../workplace.ts';

interface Options {
  readonly cartridge?: string[];
  readonly wait?: boolean;
}

export const define: CommandModule['define'] = (command, act) => {
  command
    .argument(
      '<action>',
      'rebuild: make the index again from the cartridges; check: read all of it and compare with its seals',
    )
    .option('--cartridge <barcode...>', 'with rebuild: only these cartridges, in any order')
    .option('--wait', 'wait for a busy drive or index')
    .addHelpText('after', '\nExample:\n  reelmap index rebuild')
    .action((action: string, options: Options) => {
      if (action === 'rebuild') act((context) => rebuild(context, options));
      else if (action === 'check') act(checkAll);
      else
        throw new UserError(
          `index ${action}`,
          'there is no such action',
          'write `reelmap index rebuild` or `reelmap index check`',
          { kind: 'usage' },
        );
    });
};

async function rebuild(context: CommandContext, options: Options): Promise<ExitStatus> {
  const { output } = context;
  requireLibrary(context.home);
  await using place = await openWorkplace(context.home, {
    command: 'index rebuild',
    wait: options.wait === true,
    disks: [],
    rebuild: true,
    note: (text) => output.note(text),
    signal: context.signal(),
  });
  // One that another process has is waited for, or named: without it the index would be less than it can be.
  const inventory = place.library.inventory();
  const named = options.cartridge?.map((word) => word.toUpperCase());
  const unknown = named?.find((barcode) => inventory.every((one) => one.barcode !== barcode));
  if (unknown !== undefined)
    throw new UserError(`cartridge ${unknown}`, 'not in the library', 'put it in and run the command again');
  const barcodes = named ?? inventory.flatMap(({ barcode, type }) => (type === 'outside' ? [] : [barcode]));
  const progress = context.progress();
  const result = await rebuildIndex(barcodes, {
    store: place.store,
    station: place.station,
    openers: filesystemOpeners,
    clock: context.clock,
    program: PROGRAM,
    note: (text) => output.note(text),
    at: (phase, done, unit = 'inodes') => progress.update({ phase, unit, ...(done !== undefined && { done }) }),
    signal: context.signal(),
  });
  progress.end();
  if (output.json) output.value({ event: 'result', ...result });
  else {
    for (const { set, volume, how } of result.sets) output.line(`set ${set.slice(0, 8)} of ${volume}: from the ${how}`);
    for (const words of result.incomplete) output.line(`incomplete: ${words}`);
    output.line(`${result.sets.length} sets from ${result.cartridges} cartridges`);
  }
  return result.incomplete.length > 0 ? ExitStatus.partial : ExitStatus.done;
}

async function checkAll(context: CommandContext): Promise<ExitStatus> {
  const { output } = context;
  await requireIndex(context.home);
  await using store = await openIndexStore(context.home, { command: 'index check' });
  const problems: string[] = [];
  const sets = await listSets(store, ({ reason }) => problems.push(reason));
  const signal = context.signal();
  const progress = context.progress();
  let whole = true;
  for (const set of sets) {
    const record = set.manifest;
    const phase = `checking set ${record.set.slice(0, 8)}`;
    const checked = (rows: number): void => progress.update({ phase, done: rows, unit: 'rows' });
    const { rows, problems: found } = await checkSet(store, record, { checked, signal });
    const all = [...found, ...(await checkChunks(store, set))];
    whole &&= all.length === 0;
    if (output.json) {
      output.value({ set: record.set, volume: record.volume.name, whole: all.length === 0, rows, problems: all });
      continue;
    }
    const verdict = all.length === 0 ? `${rows} rows, whole` : all.join('; ');
    output.line(`set ${record.set.slice(0, 8)} of ${safeText(record.volume.name)}: ${safeText(verdict)}`);
  }
  problems.push(...(await checkRecords(store)));
  if (output.json && problems.length > 0) output.value({ problems });
  else for (const problem of problems) output.line(safeText(problem));
  return whole && problems.length === 0 ? ExitStatus.done : ExitStatus.partial;
}
