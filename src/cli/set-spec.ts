/** What a user may write for a set; see tape-index/set-words.ts. */
import { UserError } from '../bytes/errors.ts';
import type { KvStore } from '../tape-index/kv-store.ts';
import { chooseSet, type NamedSet } from '../tape-index/set-words.ts';
import type { StoredSet, UnreadableSet } from '../tape-index/sets.ts';

/** Digits of an id in print. Any unique beginning is understood. */
export const SHORT_ID = 8;

/**
 * The one set meant. `sets`: oldest first. `unreadable`: of damaged records, any of which may be the one meant by a name.
 * @throws UserError when there is none, or more than one could be meant
 */
export function resolveSet<T extends NamedSet['manifest']>(
  word: string,
  sets: readonly T[],
  unreadable: readonly UnreadableSet[] = [],
): T {
  const chosen = chooseSet(
    sets.map((manifest) => ({ manifest })),
    word,
    unreadable,
  );
  if ('found' in chosen) return chosen.found.manifest;
  if (unreadable.length > 0) throw new UserError(`set ${word}`, chosen.problem, '');
  const remedy = sets.length === 0 ? '`reelmap backup VOLUME` makes one' : '`reelmap sets` lists them';
  throw new UserError(`set ${word}`, chosen.problem, remedy);
}

/** As `resolveSet`, in a store. */
export async function findStoredSet(store: KvStore, word: string): Promise<StoredSet> {
  const { listSets } = await import('../tape-index/sets.ts');
  const unreadable: UnreadableSet[] = [];
  const sets = await listSets(store, (set) => unreadable.push(set));
  const { set } = resolveSet(
    word,
    sets.map(({ manifest }) => manifest),
    unreadable,
  );
  return sets.find(({ manifest }) => manifest.set === set) as StoredSet;
}
