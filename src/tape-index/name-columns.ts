/**
 * The names of one walk, kept until all are known: 12 bytes a name and the name itself.
 *
 *     bytes a name   column
 *      8             inode number of the child
 *      4             where the name begins
 *      its length    the name
 *     12 a run       parent directory and first name; names come in runs of one directory block
 */
import { assert } from '../bytes/errors.ts';
import type { NameBatch } from '../bytes/walk-batch.ts';
import { grown } from './inode-columns.ts';

export class NameColumns {
  #count = 0;
  #runs = 0;
  child: Float64Array;
  start: Uint32Array;
  bytes: Uint8Array;
  #used = 0;
  runParent: Float64Array = new Float64Array(1024);
  runStart: Uint32Array = new Uint32Array(1024);

  constructor(expected: number) {
    const size = Math.max(1024, Math.ceil(expected));
    this.child = new Float64Array(size);
    this.start = new Uint32Array(size + 1);
    this.bytes = new Uint8Array(size * 16);
  }

  get count(): number {
    return this.#count;
  }

  get runCount(): number {
    return this.#runs;
  }

  add(batch: NameBatch): void {
    const n = batch.count;
    if (n === 0) return;
    const from = this.#count;
    const first = batch.nameStart[0];
    const length = batch.nameStart[n] - first;
    assert(this.#used + length <= 0xffff_ffff, 'names of more than 4 GiB');
    this.child = grown(this.child, from + n);
    this.start = grown(this.start, from + n + 1);
    this.bytes = grown(this.bytes, this.#used + length);
    this.child.set(batch.child.subarray(0, n), from);
    this.bytes.set(batch.names.subarray(first, first + length), this.#used);
    for (let i = 0; i < n; i++) {
      const end = batch.nameStart[i + 1] - first;
      const size = batch.nameStart[i + 1] - batch.nameStart[i];
      assert(size > 0 && size <= 255, 'a walker gave a name of no length or over 255 bytes');
      this.start[from + i + 1] = this.#used + end;
      const parent = batch.parent[i];
      if (this.#runs === 0 || this.runParent[this.#runs - 1] !== parent) this.#addRun(parent, from + i);
    }
    this.#used += length;
    this.#count += n;
  }

  end(entry: number): number {
    return this.start[entry + 1];
  }

  name(entry: number): Uint8Array {
    return this.bytes.subarray(this.start[entry], this.start[entry + 1]);
  }

  runEnd(run: number): number {
    return run + 1 < this.#runs ? this.runStart[run + 1] : this.#count;
  }

  /** Byte order of two names. */
  compare(a: number, b: number): number {
    const bytes = this.bytes;
    let i = this.start[a];
    let k = this.start[b];
    const lengthA = this.start[a + 1] - i;
    const lengthB = this.start[b + 1] - k;
    for (let left = Math.min(lengthA, lengthB); left > 0; left--) {
      const difference = bytes[i++] - bytes[k++];
      if (difference !== 0) return difference;
    }
    return lengthA - lengthB;
  }

  #addRun(parent: number, entry: number): void {
    this.runParent = grown(this.runParent, this.#runs + 1);
    this.runStart = grown(this.runStart, this.#runs + 1);
    this.runParent[this.#runs] = parent;
    this.runStart[this.#runs] = entry;
    this.#runs++;
  }
}
