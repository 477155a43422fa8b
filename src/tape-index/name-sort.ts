/**
 * Sorts the names of one directory by their bytes: by six bytes after the common prefix as one number, by the rest where
 * those are equal. Merge sort from the bottom, so that a directory of a million names lets others run in between.
 */
import type { Breather } from './breather.ts';
import { grown } from './inode-columns.ts';
import type { NameColumns } from './name-columns.ts';

/** Entries merged without looking at the clock. */
const QUIET = 4096;

export class NameSorter {
  readonly #names: NameColumns;
  readonly #breather: Breather;
  #order: Uint32Array = new Uint32Array(256);
  #other: Uint32Array = new Uint32Array(256);
  #keys: Float64Array = new Float64Array(256);
  #entries: Uint32Array = new Uint32Array(256);
  #count = 0;

  constructor(names: NameColumns, breather: Breather) {
    this.#names = names;
    this.#breather = breather;
  }

  clear(): void {
    this.#count = 0;
  }

  add(from: number, to: number): void {
    this.#entries = grown(this.#entries, this.#count + to - from);
    for (let entry = from; entry < to; entry++) this.#entries[this.#count++] = entry;
  }

  /** The entries added since `clear`, sorted; valid until the next call. */
  async sorted(): Promise<Uint32Array> {
    const n = this.#count;
    if (await this.#isSorted()) return this.#entries.subarray(0, n);
    this.#order = grown(this.#order, n);
    this.#other = grown(this.#other, n);
    this.#keys = grown(this.#keys, n);
    await this.#makeKeys();
    for (let i = 0; i < n; i++) this.#order[i] = i;
    for (let i = 0; i < n; i += RUN) {
      this.#insertionSort(i, Math.min(i + RUN, n));
      if ((i / RUN) % 256 === 255) await this.#pause(i / RUN);
    }
    for (let width = RUN; width < n; width *= 2) {
      for (let at = 0; at < n; at += width * 2) {
        await this.#merge(at, Math.min(at + width, n), Math.min(at + width * 2, n));
      }
      [this.#order, this.#other] = [this.#other, this.#order];
    }
    for (let i = 0; i < n; i++) this.#other[i] = this.#entries[this.#order[i]];
    return this.#other.subarray(0, n);
  }

  /** Lets others run, if it is time; looks at the clock at every 256th step. */
  #pause(step: number): Promise<void> | undefined {
    return step % 256 === 255 && this.#breather.due ? this.#breather.breathe() : undefined;
  }

  async #isSorted(): Promise<boolean> {
    const entries = this.#entries;
    for (let i = 1; i < this.#count; i++) {
      if (this.#names.compare(entries[i - 1], entries[i]) > 0) return false;
      if (i % 256 === 255) await this.#pause(i);
    }
    return true;
  }

  async #makeKeys(): Promise<void> {
    const { bytes } = this.#names;
    const first = this.#names.start[this.#entries[0]];
    let prefix = this.#names.end(this.#entries[0]) - first;
    for (let i = 1; i < this.#count; i++) {
      const start = this.#names.start[this.#entries[i]];
      const most = Math.min(prefix, this.#names.end(this.#entries[i]) - start);
      let same = 0;
      while (same < most && bytes[first + same] === bytes[start + same]) same++;
      prefix = same;
      if (prefix === 0) break;
      if (i % 256 === 255) await this.#pause(i);
    }
    for (let i = 0; i < this.#count; i++) {
      const end = this.#names.end(this.#entries[i]);
      let at = this.#names.start[this.#entries[i]] + prefix;
      let key = 0;
      for (let k = 0; k < 6; k++) key = key * 256 + (at < end ? bytes[at++] : 0);
      this.#keys[i] = key;
      if (i % 256 === 255) await this.#pause(i);
    }
  }

  #compare(a: number, b: number): number {
    const difference = this.#keys[a] - this.#keys[b];
    return difference !== 0 ? difference : this.#names.compare(this.#entries[a], this.#entries[b]);
  }

  #insertionSort(from: number, to: number): void {
    const order = this.#order;
    for (let i = from + 1; i < to; i++) {
      const value = order[i];
      let k = i - 1;
      while (k >= from && this.#compare(order[k], value) > 0) {
        order[k + 1] = order[k];
        k--;
      }
      order[k + 1] = value;
    }
  }

  async #merge(from: number, middle: number, to: number): Promise<void> {
    const order = this.#order;
    const other = this.#other;
    let left = from;
    let right = middle;
    for (let out = from; out < to; ) {
      const until = Math.min(to, out + QUIET);
      for (; out < until; out++) {
        const takeLeft = left < middle && (right >= to || this.#compare(order[left], order[right]) <= 0);
        other[out] = takeLeft ? order[left++] : order[right++];
      }
      if (this.#breather.due) await this.#breather.breathe();
    }
  }
}

/** Entries sorted by insertion before merging begins. */
const RUN = 12;
