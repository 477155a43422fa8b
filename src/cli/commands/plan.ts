/** `reelmap plan SET PATH...`: what a restore would do: cartridges, positions in tape order, records; no tape moves. */
import { type DriveModel, gapThreshold } from '../../plan/restore-plan.ts';
import { planFiles } from '../../restore/restore.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { ExitStatus } from '../exit.ts';
import { filesystemNumber, openSet } from '../open-set.ts';
import { printPlan } from '../plan-text.ts';
import { restoreIndexOf, type SelectionOptions, selectionOf } from '../restore-index.ts';
import type { SetRecord } from '../services.ts';

interface Options extends SelectionOptions {
  readonly partition?: string;
}

export const define: CommandModule['define'] = (command, act) => {
  command
    .argument('<set>', 'an id, a prefix of one, NAME, NAME@latest, NAME@DATE, or latest')
    .argument('[paths...]', 'files and directories')
    .option('--full-paths', 'as for restore')
    .option('--files-from <file>', 'paths from a file, one a line; - is standard input')
    .option('-0, --null', 'with --files-from: paths end with a NUL byte')
    .option('--partition <part>', 'the filesystem of one partition (2) or logical volume (vg/lv), as if it were all')
    .addHelpText('after', '\nExample:\n  reelmap plan home@latest /alice/letters')
    .action((set: string, paths: string[], options: Options) => {
      act((context) => plan(context, set, paths, options));
    });
};

/** Also `restore -n`. */
export async function plan(
  context: CommandContext,
  word: string,
  paths: readonly string[],
  options: Options,
): Promise<ExitStatus> {
  const selection = selectionOf(paths, options);
  await using open = await openSet(async () => (await context.services()).openIndex(context.home), word);
  const model = await modelOf(context, open.record);
  const gapBytesMax = model === undefined ? 0 : gapThreshold(model.bytesPerSecond, model.repositionSeconds);
  const index = restoreIndexOf(open.view, filesystemNumber(open.record, options.partition));
  const planned = await planFiles(index, selection, { gapBytesMax });
  printPlan(context.output, open.record, planned, model);
  const { missing, withoutCopy, unknown } = planned.plan;
  const lost = planned.job.lostCount + missing.count + withoutCopy.count + unknown.count;
  return lost > 0 ? ExitStatus.partial : ExitStatus.done;
}

/** A plan can be had without any drive; then it tells no time. */
async function modelOf(context: CommandContext, record: SetRecord): Promise<DriveModel | undefined> {
  try {
    await using tapes = await (await context.services()).openTapes(context.home, record, { note: context.output.note });
    return tapes.model;
  } catch {
    return undefined;
  }
}
