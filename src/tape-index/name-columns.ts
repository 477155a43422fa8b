/**
 * The names of one walk, kept until all are known: 12 bytes a name and the name itself.
 *
 *     bytes a name   column
 *      8             inode number of the child
 *      4             where the name begins
 *      its length    the name
 *     12 a run       parent directory and first name; names come in runs of one directory block
 *
 * Columns are open to the loops that go over all of them; they are replaced as they grow, so nobody keeps one.
 */
import { assert } from '../bytes/errors.ts';
import type { NameBatch } from '../bytes/walk-batch.ts';
import { grown } from './inode-columns.ts';

export class NameColumns {
  count = 0;
  runCount = 0;
  child: Float64Array;
  /** count + 1 entries. */
  start: Uint32Array;
  bytes: Uint8Array;
  runParent: Float64Array = new Float64Array(1024);
  /** runCount + 1 entries. */
  runStart: Uint32Array = new Uint32Array(1024);

  constructor(expected: number) {
    const size = Math.max(1024, Math.ceil(expected));
    this.child = new Float64Array(size);
    this.start = new Uint32Array(size + 1);
    this.bytes = new Uint8Array(size * 16);
  }

  add(batch: NameBatch): void {
    const n = batch.count;
    if (n === 0) return;
    const from = this.count;
    const used = this.start[from];
    const { nameStart } = batch;
    const first = nameStart[0];
    const length = nameStart[n] - first;
    assert(used + length <= 0xffff_ffff, 'names of more than 4 GiB');
    this.child = grown(this.child, from + n);
    this.start = grown(this.start, from + n + 1);
    this.bytes = grown(this.bytes, used + length);
    this.child.set(batch.child.subarray(0, n), from);
    this.bytes.set(batch.names.subarray(first, first + length), used);
    this.#addStarts(batch, used - first);
    this.count += n;
    this.runStart[this.runCount] = this.count;
  }

  /** Nothing follows the loop: V8 keeps code that it made for a loop of a long first call, even if what follows was never run. */
  #addStarts({ nameStart, parent, count }: NameBatch, move: number): void {
    const { start, count: from } = this;
    let before = this.runCount > 0 ? this.runParent[this.runCount - 1] : -1;
    for (let i = 0; i < count; i++) {
      const end = nameStart[i + 1];
      const size = end - nameStart[i];
      if (size === 0 || size > 255) assert(false, 'a walker gave a name of no length or over 255 bytes');
      start[from + i + 1] = end + move;
      if (parent[i] === before) continue;
      before = parent[i];
      this.#addRun(before, from + i);
    }
  }

  name(entry: number): Uint8Array {
    return this.bytes.subarray(this.start[entry], this.start[entry + 1]);
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
    this.runParent = grown(this.runParent, this.runCount + 1);
    this.runStart = grown(this.runStart, this.runCount + 2);
    this.runParent[this.runCount] = parent;
    this.runStart[this.runCount] = entry;
    this.runCount++;
  }
}
