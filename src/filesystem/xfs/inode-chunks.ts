/**
 * The inodes of a walk: chunks of 64 numbers as the inode btrees list them, and three bits for each inode met. Inode numbers
 * of XFS are addresses, far apart, so a bit for every number there could be would not do.
 * Memory: 32 bytes a chunk, half a byte an inode.
 */
import { INODES_PER_CHUNK } from './layouts.ts';

/** A set of inodes. */
export const Mark = {
  /** Given out in a batch. */
  listed: 0,
  /** A directory. */
  directory: 1,
  /** A directory that has got its name. */
  named: 2,
} as const;
const MARKS = 3;

export class InodeChunks {
  /** First inode number of each chunk, ascending. */
  #start = new Float64Array(256);
  /** MARKS pairs of words a chunk. */
  #bits = new Int32Array(256 * MARKS * 2);
  #count = 0;
  #last = 0;

  get count(): number {
    return this.#count;
  }

  /** Adds a chunk behind the last. */
  add(start: number): void {
    if (this.#count === this.#start.length) {
      const old = [this.#start, this.#bits] as const;
      this.#start = new Float64Array(old[0].length * 2);
      this.#start.set(old[0]);
      this.#bits = new Int32Array(old[1].length * 2);
      this.#bits.set(old[1]);
    }
    this.#start[this.#count++] = start;
  }

  mark(inode: number, mark: number): void {
    const chunk = this.#find(inode);
    if (chunk < 0) return;
    const index = inode - this.#start[chunk];
    this.#bits[(chunk * MARKS + mark) * 2 + (index >>> 5)] |= 1 << (index & 31);
  }

  has(inode: number, mark: number): boolean {
    const chunk = this.#find(inode);
    if (chunk < 0) return false;
    const index = inode - this.#start[chunk];
    return ((this.#bits[(chunk * MARKS + mark) * 2 + (index >>> 5)] >>> (index & 31)) & 1) === 1;
  }

  /** All marks of an inode, bit n for mark n. */
  marksOf(inode: number): number {
    const chunk = this.#find(inode);
    if (chunk < 0) return 0;
    const index = inode - this.#start[chunk];
    const at = chunk * MARKS * 2 + (index >>> 5);
    const bits = this.#bits;
    const bit = index & 31;
    return ((bits[at] >>> bit) & 1) | (((bits[at + 2] >>> bit) & 1) << 1) | (((bits[at + 4] >>> bit) & 1) << 2);
  }

  /** The chunk that has the number, or -1. Neighbours are asked for one after the other. */
  #find(inode: number): number {
    const start = this.#start;
    const last = this.#last;
    if (last < this.#count && inode >= start[last] && inode < start[last] + INODES_PER_CHUNK) return last;
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (start[middle] <= inode) low = middle + 1;
      else high = middle;
    }
    const chunk = low - 1;
    if (chunk < 0 || inode >= start[chunk] + INODES_PER_CHUNK) return -1;
    this.#last = chunk;
    return chunk;
  }
}
