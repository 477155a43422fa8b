/** `reelmap restore-volume SET TARGET`: the whole volume, by the data mover. */
import type { CommandContext, CommandModule } from '../command.ts';
import { ExitStatus } from '../exit.ts';
import { findSet } from '../open-set.ts';
import { formatBytes } from '../progress.ts';
import type { VolumeRestoreOutcome } from '../services.ts';
import { textPath } from '../text-path.ts';

interface Options {
  readonly overwrite?: boolean;
  readonly zero?: boolean;
  readonly wait?: boolean;
}

export const define: CommandModule['define'] = (command, act) => {
  command
    .argument('<set>', 'an id, a prefix of one, NAME, NAME@latest, NAME@DATE, or latest')
    .argument('<target>', 'a block device, or an image file; a missing file is made, sparse; disk.img#2: a part of one')
    .option('--overwrite', 'replace what is on a target that is not blank')
    .option('--zero', 'with --overwrite of a device: zeros also where the volume had nothing, instead of what is there')
    .option('--wait', 'wait for a drive or cartridge that another process uses')
    .addHelpText(
      'after',
      '\nEvery block that the volume used comes back. The others are zeros in an image file; a device keeps what it holds\n' +
        'there unless --zero is given, or the volume was one that could not be indexed.\n\nExample:\n  reelmap restore-volume home@2026-03-14 /dev/vg0/home-back',
    )
    .action((set: string, target: string, options: Options) => {
      act((context) => restoreVolume(context, set, target, options));
    });
};

const STOPPED =
  'the volume is not restored; run the same command again, with --overwrite if the target was there before';

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
      target: textPath(target),
      overwrite: options.overwrite === true,
      zero: options.zero === true,
      wait: options.wait === true,
      signal: context.signal(STOPPED),
      note: (text) => output.note(text),
      progress: ({ phase, bytes, totalBytes, label }) =>
        progress.update({ phase, done: bytes, total: totalBytes, unit: 'bytes', detail: label }),
    });
    progress.end();
    if (output.json) output.value({ event: 'result', set: set.set, ...outcome });
    else {
      for (const line of lostLines(outcome.lost)) output.note(line);
      output.line(`restored ${formatBytes(outcome.bytes)} in ${outcome.chunks} chunks`);
    }
    return outcome.lost.length > 0 ? ExitStatus.partial : ExitStatus.done;
  } finally {
    progress.end();
  }
}

/** One line for each reason: a cartridge that cannot be had costs many ranges for one. */
function lostLines(lost: VolumeRestoreOutcome['lost']): string[] {
  const byReason = new Map<string, { ranges: number; bytes: number; first: number; end: number }>();
  for (const { volumeOffset, byteLength, reason } of lost) {
    const end = volumeOffset + byteLength;
    const known = byReason.get(reason) ?? { ranges: 0, bytes: 0, first: volumeOffset, end };
    known.ranges++;
    known.bytes += byteLength;
    known.end = Math.max(known.end, end);
    byReason.set(reason, known);
  }
  return [...byReason].map(([reason, { ranges, bytes, first, end }]) => {
    const within = ranges === 1 ? '' : `${formatBytes(bytes)} in ${ranges} ranges within `;
    return `not restored: ${within}volume bytes ${first} to ${end}: ${reason}`;
  });
}
