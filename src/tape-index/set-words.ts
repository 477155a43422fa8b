/**
 * Which set the user means: an id or a unique prefix of it, `NAME@latest`, `NAME@2026-03-14` (the last at or before that
 * day's end; also with a time), `NAME` (its latest), bare `latest` while there is one volume.
 */
import type { KvStore } from './kv-store.ts';
import { listSets, type SetManifest, type StoredSet, type UnreadableSet } from './sets.ts';

/** What of a set its words are about. */
export interface NamedSet {
  readonly manifest: Pick<SetManifest, 'set' | 'startedAt'> & { readonly volume: { readonly name: string } };
}

export type SetLookup<T extends NamedSet = StoredSet> =
  | { readonly found: T }
  /** One line: what was not found or not clear, and what is there. */
  | { readonly problem: string };

/** Names listed in a message, at most. */
const LISTED_MAX = 10;

export async function lookUpSet(store: KvStore, words: string): Promise<SetLookup> {
  const unreadable: UnreadableSet[] = [];
  const sets = await listSets(store, (set) => unreadable.push(set));
  return chooseSet(sets, words, unreadable);
}

/**
 * As `lookUpSet`, among `sets` in order of their start. While the record of a set is unreadable only an id says for sure
 * which one is meant: the set of the damaged record may be the latest.
 */
export function chooseSet<T extends NamedSet>(
  sets: readonly T[],
  words: string,
  unreadable: readonly UnreadableSet[] = [],
): SetLookup<T> {
  if (unreadable.length === 0) return chooseReadable(sets, words);
  const [{ id, reason }] = unreadable;
  const lost = unreadable.find((one) => isPrefix(words) && one.id.startsWith(words.toLowerCase()));
  if (lost !== undefined) return { problem: lost.reason };
  const chosen = chooseReadable(sets, words);
  if (!('found' in chosen)) return { problem: `${chosen.problem}; ${reason}` };
  if (isPrefix(words) && chosen.found.manifest.set.startsWith(words.toLowerCase())) return chosen;
  return {
    problem: `set ${id.slice(0, 8)} may be the one meant, and cannot be read (${reason}): name a set by its id`,
  };
}

function chooseReadable<T extends NamedSet>(sets: readonly T[], words: string): SetLookup<T> {
  if (sets.length === 0) return { problem: 'there is no backup set yet' };
  const at = words.lastIndexOf('@');
  const byName = (name: string): T[] => sets.filter(({ manifest }) => manifest.volume.name === name);
  if (byName(words).length > 0 && at < 0) return clear(sets, words, last(byName(words)));
  if (at > 0) {
    const name = words.slice(0, at);
    const ofName = byName(name);
    if (ofName.length > 0) return chooseByTime(ofName, name, words.slice(at + 1));
    return { problem: `no set of a volume named "${name}"; there are ${listed(namesOf(sets))}` };
  }
  if (words === 'latest') {
    const names = namesOf(sets);
    if (names.length === 1) return { found: sets[sets.length - 1] };
    return { problem: `"latest" of which volume? There are ${listed(names)}: say NAME@latest` };
  }
  const ids = byPrefix(sets, words);
  if (ids.length === 1) return { found: ids[0] };
  if (ids.length > 1) return { problem: `"${words}" is the beginning of ${ids.length} sets: ${listed(ids.map(idOf))}` };
  return {
    problem: `no set "${words}"; there are volumes ${listed(namesOf(sets))}, sets ${listed(sets.map(shortId))}`,
  };
}

/** A name that is also the beginning of an id is not clear. */
function clear<T extends NamedSet>(sets: readonly T[], words: string, found: T): SetLookup<T> {
  const ids = byPrefix(sets, words).filter((set) => set !== found);
  if (ids.length === 0) return { found };
  return {
    problem: `"${words}" is a volume and the beginning of set ${idOf(ids[0])}: say ${words}@latest or more of the id`,
  };
}

function chooseByTime<T extends NamedSet>(sets: readonly T[], name: string, time: string): SetLookup<T> {
  if (time === 'latest') return { found: last(sets) };
  const until = endOf(time);
  if (until === undefined)
    return { problem: `"${time}" is no date: say ${name}@2026-03-14, ${name}@2026-03-14T18:00 or ${name}@latest` };
  const before = sets.filter(({ manifest }) => Date.parse(manifest.startedAt) <= until);
  if (before.length > 0) return { found: last(before) };
  return { problem: `no set of "${name}" at or before ${time}; the first is of ${sets[0].manifest.startedAt}` };
}

/** Last millisecond of a day, minute or second in local time (or in the zone it names). */
function endOf(time: string): number | undefined {
  const match = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?(Z|[+-]\d\d:\d\d)?)?$/.exec(time);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, zone] = match;
  const date = `${year}-${month}-${day}`;
  const clock = hour === undefined ? '23:59:59' : `${hour}:${minute}:${second ?? '59'}`;
  const at = Date.parse(`${date}T${clock}.999${zone ?? ''}`);
  // Dates that do not exist roll over (February 30): refuse them.
  if (Number.isNaN(at) || new Date(`${date}T00:00:00Z`).toISOString().slice(0, 10) !== date) return undefined;
  return at;
}

function byPrefix<T extends NamedSet>(sets: readonly T[], words: string): T[] {
  return isPrefix(words) ? sets.filter(({ manifest }) => manifest.set.startsWith(words.toLowerCase())) : [];
}

const isPrefix = (words: string): boolean => /^[0-9a-f]{1,32}$/i.test(words);

const last = <T>(sets: readonly T[]): T => sets[sets.length - 1];
const idOf = ({ manifest }: NamedSet): string => manifest.set;
const shortId = (set: NamedSet): string => idOf(set).slice(0, 8);
const namesOf = (sets: readonly NamedSet[]): string[] => [...new Set(sets.map(({ manifest }) => manifest.volume.name))];

function listed(names: readonly string[]): string {
  const shown = names.slice(0, LISTED_MAX).join(', ');
  return names.length > LISTED_MAX ? `${shown} and ${names.length - LISTED_MAX} more` : shown;
}
