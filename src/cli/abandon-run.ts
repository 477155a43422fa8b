/** `backup --abandon VOLUME`: gives up the unfinished backup of a volume. */
import { abandonRun } from '../backup/abandon.ts';
import { UserError } from '../bytes/errors.ts';
import { listRuns, type RunRecord } from '../tape-index/records.ts';
import { encodeArgument } from './argv.ts';
import type { CommandContext } from './command.ts';
import { ExitStatus } from './exit.ts';
import { requireIndex } from './lost-index.ts';
import { quote, safeText } from './quoting.ts';
import { libraryOf } from './tape-library.ts';
import { locateVolume } from './volume.ts';
import { openIndexStore } from './workplace.ts';

/** @param words each a volume, or the name that its backup has */
export async function abandonAll(context: CommandContext, words: readonly string[]): Promise<ExitStatus> {
  const { home, output } = context;
  await requireIndex(home);
  await using store = await openIndexStore(home, { command: 'backup --abandon' });
  for (const word of words) {
    const path = pathOf(word);
    const runs = (await listRuns(store)).filter(({ volume }) => volume.name === word || volume.source === path);
    const thing = quote(encodeArgument(word));
    if (runs.length === 0)
      throw new UserError(thing, 'has no unfinished backup', '`reelmap status` lists those there are');
    for (const run of runs) {
      refuseIfActive(home, thing, run);
      await abandonRun(store, run.set);
      if (output.json) output.value({ abandoned: run.set, volume: run.volume.name });
      else output.line(`gave up the backup of ${safeText(run.volume.name)} that was begun ${run.startedAt}`);
    }
  }
  return ExitStatus.done;
}

/** A volume that is not to be found any more is known by its name, or by the path that it had. */
function pathOf(word: string): string {
  try {
    return locateVolume(word).name;
  } catch {
    return word;
  }
}

function refuseIfActive(home: string, thing: string, run: RunRecord): void {
  const library = libraryOf(home);
  const busy = library?.driveAddresses.some((address) => library.driveHolder(address)?.pid === run.pid);
  if (busy === true)
    throw new UserError(thing, `process ${run.pid} works on its backup`, `stop that first: kill ${run.pid}`);
}
