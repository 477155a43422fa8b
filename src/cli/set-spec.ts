/** What a user may write for a set; see tape-index/set-words.ts. */
import { UserError } from '../bytes/errors.ts';
import { chooseSet, type NamedSet } from '../tape-index/set-words.ts';

/** Digits of an id in print. Any unique beginning is understood. */
export const SHORT_ID = 8;

/**
 * The one set meant. `sets`: oldest first.
 * @throws UserError when there is none, or more than one could be meant
 */
export function resolveSet<T extends NamedSet['manifest']>(word: string, sets: readonly T[]): T {
  const chosen = chooseSet(
    sets.map((manifest) => ({ manifest })),
    word,
  );
  if ('found' in chosen) return chosen.found.manifest;
  const remedy = sets.length === 0 ? '`reelmap backup VOLUME` makes one' : '`reelmap sets` lists them';
  throw new UserError(`set ${word}`, chosen.problem, remedy);
}
