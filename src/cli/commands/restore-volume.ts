/** `reelmap restore-volume SET TARGET`: the whole volume, by the data mover. */
import { encodeArgument } from '../argv.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { ExitStatus } from '../exit.ts';
import { findSet } from '../open-set.ts';
import { formatBytes } from '../progress.ts';

interface Options {
  readonly overwrite?: boolean;
}

export const define: CommandModule['define'] = (command, act) => {
  command
    .argument('<set>', 'an id, a prefix of one, NAME, NAME@latest, NAME@DATE, or latest')
    .argument('<target>', 'a block device, or an image file; a missing file is made, sparse; disk.img#2: a part of one')
    .option('--overwrite', 'replace what is on a target that is not blank')
    .addHelpText('after', '\nExample:\n  reelmap restore-volume home@2026-03-14 /dev/vg0/home-back')
    .action((set: string, target: string, options: Options) => {
      act((context) => restoreVolume(context, set, target, options));
    });
};

async function restoreVolume(
  context: CommandContext,
  word: string,
  target: string,
  options: Options,
): Promise<ExitStatus> {
  const { output, home } = context;
  const services = await context.services();
  await using index = await services.openIndex(home);
  const set = await findSet(index, word);
  const progress = context.progress();
  try {
    const outcome = await services.restoreVolume(home, index, {
      set,
      target: encodeArgument(target),
      overwrite: options.overwrite === true,
      signal: context.signal(),
      note: (text) => output.note(text),
      progress: ({ bytes, totalBytes, label }) =>
        progress.update({ phase: 'restoring', done: bytes, total: totalBytes, unit: 'bytes', detail: label }),
    });
    progress.end();
    if (output.json) output.value({ event: 'result', set: set.set, ...outcome });
    else {
      for (const { volumeOffset, byteLength, reason } of outcome.lost)
        output.note(`not restored: volume bytes ${volumeOffset} to ${volumeOffset + byteLength}: ${reason}`);
      output.line(`restored ${formatBytes(outcome.bytes)} in ${outcome.chunks} chunks`);
    }
    return outcome.lost.length > 0 ? ExitStatus.partial : ExitStatus.done;
  } finally {
    progress.end();
  }
}
