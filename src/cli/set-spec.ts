/** What a user may write for a set: an id or a unique prefix of one, `NAME`, `NAME@latest`, `NAME@2026-03-14`, or `latest` while there is one volume. */
import { UserError } from '../bytes/errors.ts';
import { safeText } from './quoting.ts';
import type { SetRecord } from './services.ts';

/** Digits of an id in print: enough while sets are told apart by them (`shortIds`). */
export const SHORT_ID = 8;

const usage = (thing: string, what: string, remedy: string): UserError => new UserError(safeText(thing), what, remedy);

/**
 * The one set meant. `sets`: oldest first.
 * @throws UserError when there is none, or more than one could be meant
 */
export function resolveSet(word: string, sets: readonly SetRecord[]): SetRecord {
  if (sets.length === 0) throw usage(`set ${word}`, 'there are no sets yet', '`reelmap backup VOLUME` makes one');
  if (word === 'latest') return latestOfAll(sets);
  const at = word.lastIndexOf('@');
  if (at > 0) return ofVolume(word.slice(0, at), word.slice(at + 1), sets);
  if (sets.some((one) => one.volume.name === word)) return ofVolume(word, 'latest', sets);
  return byId(word, sets);
}

function latestOfAll(sets: readonly SetRecord[]): SetRecord {
  const names = [...new Set(sets.map((one) => one.volume.name))];
  if (names.length > 1) {
    const some = names.slice(0, 5).map((name) => `${name}@latest`);
    throw usage('set latest', `there are ${names.length} volumes`, `write which one: ${safeText(some.join(', '))}`);
  }
  return sets[sets.length - 1];
}

function byId(word: string, sets: readonly SetRecord[]): SetRecord {
  const found = /^[0-9a-f]{1,32}$/.test(word) ? sets.filter((one) => one.set.startsWith(word)) : [];
  if (found.length === 1) return found[0];
  if (found.length === 0) throw usage(`set ${word}`, 'there is none of that id or name', '`reelmap sets` lists them');
  const some = found.slice(0, 5).map((one) => one.set.slice(0, SHORT_ID + 4));
  throw usage(`set ${word}`, `${found.length} sets begin so`, `write more of it: ${some.join(', ')}`);
}

function ofVolume(name: string, when: string, sets: readonly SetRecord[]): SetRecord {
  const own = sets.filter((one) => one.volume.name === name);
  if (own.length === 0) throw usage(`set ${name}@${when}`, `no volume is named ${name}`, '`reelmap sets` lists them');
  if (when === 'latest') return own[own.length - 1];
  const end = endOf(when);
  if (end === undefined) {
    throw new UserError(
      safeText(`set ${name}@${when}`),
      'is no date',
      'write `latest`, 2026-03-14 or 2026-03-14T12:30',
      {
        kind: 'usage',
      },
    );
  }
  const before = own.filter((one) => Date.parse(one.startedAt) < end);
  if (before.length > 0) return before[before.length - 1];
  throw usage(`set ${name}@${when}`, 'there is none at or before that time', `the first is of ${own[0].startedAt}`);
}

/** The first millisecond after the day, minute or second that was written; local time, as the user's clock. */
export function endOf(when: string): number | undefined {
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?)?(Z)?$/.exec(when);
  if (match === null) return undefined;
  const [, day, minute = '00:00', second = ':00', zone = ''] = match;
  const start = Date.parse(`${day}T${minute}${second}${zone}`);
  if (Number.isNaN(start)) return undefined;
  if (match[3] !== undefined) return start + 1000;
  return match[2] === undefined ? start + 86_400_000 : start + 60_000;
}
