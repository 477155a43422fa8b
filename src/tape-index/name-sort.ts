/**
 * Sorts the names of one directory by their bytes: by six bytes after the common prefix as one number, by the rest where
 * those are equal. Merge sort from the bottom, so that a directory of a million names lets others run in between.
 */
import type { Breather } from './breather.ts';
import { grown } from './inode-columns.ts';
import type { NameColumns } from './name-columns.ts';

/** Names sorted without looking at the clock, and so many at a time in larger directories. */
const QUIET = 4096;
/** Names sorted by insertion before merging begins; QUIET is a multiple. */
const RUN = 16;

export class NameSorter {
  readonly #names: NameColumns;
  readonly #breather: Breather;
  #entries: Uint32Array = new Uint32Array(256);
  #keys: Float64Array = new Float64Array(256);
  #otherEntries: Uint32Array = new Uint32Array(256);
  #otherKeys: Float64Array = new Float64Array(256);
  #count = 0;
  #prefix = 0;
  /** Whether a name stands twice among those sorted last. */
  repeated = false;

  constructor(names: NameColumns, breather: Breather) {
    this.#names = names;
    this.#breather = breather;
  }

  clear(): void {
    this.#count = 0;
    this.repeated = false;
  }

  add(from: number, to: number): void {
    this.#entries = grown(this.#entries, this.#count + to - from);
    const entries = this.#entries;
    let count = this.#count;
    for (let entry = from; entry < to; entry++) entries[count++] = entry;
    this.#count = count;
  }

  /** The entries added since `clear`, sorted, equal ones as they were added; valid until the next call. */
  sorted(): Uint32Array | Promise<Uint32Array> {
    const n = this.#count;
    if (n > QUIET) return this.#sortedLarge();
    if (ascendUntil(this.#names, this.#entries, 1, n) === n) return this.#entries.subarray(0, n);
    this.#reserve();
    this.#prefix = commonPrefix(this.#names, this.#entries, prefixAtMost(this.#names, this.#entries), 1, n);
    makeKeys(this.#names, this.#entries, this.#keys, this.#prefix, 0, n);
    sortRuns(this.#names, this.#entries, this.#keys, this.#prefix, 0, n);
    for (let width = RUN; width < n; width *= 2) {
      for (let from = 0; from < n; from += width * 2) {
        const middle = Math.min(from + width, n);
        const end = Math.min(from + width * 2, n);
        this.#merge(from, middle, end, from, from, end);
      }
      this.#swap();
    }
    this.repeated = repeats(this.#names, this.#entries, this.#keys, this.#prefix, 1, n);
    return this.#entries.subarray(0, n);
  }

  /** The same in steps. */
  async #sortedLarge(): Promise<Uint32Array> {
    const n = this.#count;
    const names = this.#names;
    let ascending = 1;
    while (ascending < n) {
      const until = Math.min(n, ascending + QUIET);
      const reached = ascendUntil(names, this.#entries, ascending, until);
      if (reached < until) break;
      ascending = until;
      if (this.#breather.due) await this.#breather.breathe();
    }
    if (ascending >= n) return this.#entries.subarray(0, n);
    this.#reserve();
    this.#prefix = prefixAtMost(names, this.#entries);
    await this.#inSteps((from, to) => {
      this.#prefix = commonPrefix(names, this.#entries, this.#prefix, from, to);
    });
    await this.#inSteps((from, to) => makeKeys(names, this.#entries, this.#keys, this.#prefix, from, to));
    await this.#inSteps((from, to) => sortRuns(names, this.#entries, this.#keys, this.#prefix, from, to));
    for (let width = RUN; width < n; width *= 2) {
      for (let from = 0; from < n; from += width * 2) await this.#mergeInSteps(from, width);
      this.#swap();
    }
    await this.#inSteps((from, to) => {
      this.repeated ||= repeats(names, this.#entries, this.#keys, this.#prefix, Math.max(1, from), to);
    });
    return this.#entries.subarray(0, n);
  }

  async #inSteps(step: (from: number, to: number) => void): Promise<void> {
    for (let from = 0; from < this.#count; from += QUIET) {
      step(from, Math.min(this.#count, from + QUIET));
      if (this.#breather.due) await this.#breather.breathe();
    }
  }

  async #mergeInSteps(from: number, width: number): Promise<void> {
    const middle = Math.min(from + width, this.#count);
    const end = Math.min(from + width * 2, this.#count);
    let left = from;
    for (let out = from; out < end; ) {
      const until = Math.min(end, out + QUIET);
      left = this.#merge(from, middle, end, left, out, until);
      out = until;
      if (this.#breather.due) await this.#breather.breathe();
    }
  }

  /**
   * Merges `from` to `middle - 1` and `middle` to `end - 1` into the other arrays: positions `out` to `until - 1`, with
   * `left` as the next of the first. Returns the next of the first.
   */
  #merge(from: number, middle: number, end: number, left: number, out: number, until: number): number {
    const entries = this.#entries;
    const keys = this.#keys;
    const otherEntries = this.#otherEntries;
    const otherKeys = this.#otherKeys;
    let a = left;
    let b = middle + (out - from) - (left - from);
    for (let at = out; at < until; at++) {
      const takeA =
        a < middle &&
        (b >= end ||
          keys[a] < keys[b] ||
          (keys[a] === keys[b] && compareFrom(this.#names, this.#prefix, entries[a], entries[b]) <= 0));
      const next = takeA ? a++ : b++;
      otherEntries[at] = entries[next];
      otherKeys[at] = keys[next];
    }
    return a;
  }

  #swap(): void {
    [this.#entries, this.#otherEntries] = [this.#otherEntries, this.#entries];
    [this.#keys, this.#otherKeys] = [this.#otherKeys, this.#keys];
  }

  #reserve(): void {
    this.#keys = grown(this.#keys, this.#entries.length);
    this.#otherEntries = grown(this.#otherEntries, this.#entries.length);
    this.#otherKeys = grown(this.#otherKeys, this.#entries.length);
  }
}

/** Byte order of two names whose first `prefix` bytes are known to be equal. */
function compareFrom(names: NameColumns, prefix: number, a: number, b: number): number {
  const { bytes, start } = names;
  let i = start[a] + prefix;
  let k = start[b] + prefix;
  const endA = start[a + 1];
  const endB = start[b + 1];
  while (i < endA && k < endB) {
    const difference = bytes[i++] - bytes[k++];
    if (difference !== 0) return difference;
  }
  return endA - i - (endB - k);
}

/** The first of `from` to `to` whose name is not above the one before; `to` when all are. */
function ascendUntil(names: NameColumns, entries: Uint32Array, from: number, to: number): number {
  for (let i = from; i < to; i++) if (compareFrom(names, 0, entries[i - 1], entries[i]) >= 0) return i;
  return to;
}

const prefixAtMost = ({ start }: NameColumns, entries: Uint32Array): number =>
  start[entries[0] + 1] - start[entries[0]];

/** Bytes, at most `prefix`, that the names have in common with the first one. */
function commonPrefix(names: NameColumns, entries: Uint32Array, prefix: number, from: number, to: number): number {
  const { bytes, start } = names;
  const first = start[entries[0]];
  let common = prefix;
  for (let i = from; i < to && common > 0; i++) {
    const at = start[entries[i]];
    const most = Math.min(common, start[entries[i] + 1] - at);
    let same = 0;
    while (same < most && bytes[first + same] === bytes[at + same]) same++;
    common = same;
  }
  return common;
}

function makeKeys(
  names: NameColumns,
  entries: Uint32Array,
  keys: Float64Array,
  prefix: number,
  from: number,
  to: number,
): void {
  const { bytes, start } = names;
  for (let i = from; i < to; i++) {
    const end = start[entries[i] + 1];
    const at = start[entries[i]] + prefix;
    let high = 0;
    let low = 0;
    for (let k = at; k < at + 3; k++) high = (high << 8) | (k < end ? bytes[k] : 0);
    for (let k = at + 3; k < at + 6; k++) low = (low << 8) | (k < end ? bytes[k] : 0);
    keys[i] = high * 0x100_0000 + low;
  }
}

/** Sorts runs of RUN names by insertion. */
function sortRuns(
  names: NameColumns,
  entries: Uint32Array,
  keys: Float64Array,
  prefix: number,
  from: number,
  to: number,
): void {
  for (let i = from; i < to; i++) {
    const least = i - (i % RUN);
    const key = keys[i];
    const entry = entries[i];
    let k = i - 1;
    for (; k >= least; k--) {
      if (keys[k] < key || (keys[k] === key && compareFrom(names, prefix, entries[k], entry) <= 0)) break;
      keys[k + 1] = keys[k];
      entries[k + 1] = entries[k];
    }
    keys[k + 1] = key;
    entries[k + 1] = entry;
  }
}

function repeats(
  names: NameColumns,
  entries: Uint32Array,
  keys: Float64Array,
  prefix: number,
  from: number,
  to: number,
): boolean {
  for (let i = from; i < to; i++) {
    if (keys[i] === keys[i - 1] && compareFrom(names, prefix, entries[i - 1], entries[i]) === 0) return true;
  }
  return false;
}
