/**
 * Which directories and inode records a set holds itself, when it builds on another: a directory that is on the roster and
 * has no page is lost, and the base's older page must not stand in for it. index-format/FORMAT.md, "Rosters".
 */
import { FormatError } from '../bytes/errors.ts';
import { decodeFrame, REMEDY } from './frame.ts';
import { getU64, type KeyKind, keysOf, rosterKey, successor } from './keys.ts';
import type { KvStore } from './kv-store.ts';
import { Roster } from './messages.ts';

const PAGE_NUMBERS = 4096;
export type RosterKind = typeof KeyKind.directoryRoster | typeof KeyKind.recordRoster;

/** Pages of ascending `numbers`; at least one. */
export async function writeRoster(
  kind: RosterKind,
  set: Uint8Array,
  filesystem: number,
  numbers: readonly number[],
  put: (key: Uint8Array, raw: Uint8Array) => Promise<void>,
): Promise<void> {
  for (let from = 0; from === 0 || from < numbers.length; from += PAGE_NUMBERS) {
    const roster = new Roster();
    let before = 0;
    roster.numberStep = numbers.slice(from, from + PAGE_NUMBERS).map((number) => {
      const step = number - before;
      before = number;
      return step;
    });
    if (from + PAGE_NUMBERS < numbers.length) roster.next = numbers[from + PAGE_NUMBERS];
    await put(rosterKey(kind, set, filesystem, from === 0 ? 0 : numbers[from]), Roster.encode(roster).finish());
  }
}

/** Whether the set's roster has `number`. @throws FormatError when the page that would tell is lost or damaged */
export async function isOnRoster(
  store: KvStore,
  kind: RosterKind,
  set: Uint8Array,
  filesystem: number,
  number: number,
): Promise<boolean> {
  const where = `set ${Buffer.from(set).toString('hex', 0, 4)} roster`;
  const { gte } = keysOf(kind, set, filesystem);
  const lt = successor(rosterKey(kind, set, filesystem, number));
  for await (const rows of store.scan({ gte, lt, reverse: true, limit: 1 })) {
    for (const [key, value] of rows) {
      const raw = decodeFrame(key, value, where);
      const first = getU64(key, 19);
      const { numbers, next } = decodeRoster(raw, where);
      if (first !== 0 && numbers[0] !== first) throw new FormatError('corrupt', where, `page out of place ${REMEDY}`);
      if (next !== null && number >= next) throw new FormatError('corrupt', where, `a page is lost ${REMEDY}`);
      return numbers.includes(number);
    }
  }
  throw new FormatError('corrupt', where, `is lost ${REMEDY}`);
}

function decodeRoster(raw: Uint8Array, where: string): { numbers: Float64Array; next: number | null } {
  let roster: { numberStep: number[]; next?: number | null };
  try {
    roster = Roster.decode(raw);
  } catch (cause) {
    throw new FormatError('corrupt', where, `is no protobuf message ${REMEDY}`, { cause });
  }
  const numbers = new Float64Array(roster.numberStep.length);
  let number = 0;
  for (let i = 0; i < numbers.length; i++) {
    number += roster.numberStep[i];
    if (!Number.isSafeInteger(number)) throw new FormatError('corrupt', where, `number beyond 2^53 ${REMEDY}`);
    numbers[i] = number;
  }
  return { numbers, next: roster.next ?? null };
}
