/**
 * The directories of one walk and how they hang together: which runs of names belong to each, which name leads to it from
 * the root, and which cannot be reached. Breadth first from the root, so that a directory with two names (a damaged
 * filesystem) has its place under the one nearest to the root, and a cycle ends.
 */
import type { Breather } from './breather.ts';
import { grown, type InodeColumns, NOTHING } from './inode-columns.ts';
import type { NameColumns } from './name-columns.ts';

/** Entries looked at between two looks at the clock. */
const QUIET = 2048;

export class DirectoryTree {
  /** Inode numbers of the directories, ascending. Position in it: the directory's ordinal. */
  readonly numbers: Float64Array;
  /** Runs of names of directory d: runs[runsStart[d]] to runs[runsStart[d + 1] - 1]. */
  readonly runs: Uint32Array;
  readonly runsStart: Uint32Array;
  /** Ordinal of the parent, and the name that leads here; NOTHING for the root and what cannot be reached. */
  readonly parent: Uint32Array;
  readonly entry: Uint32Array;
  /** Row of each name's inode, or NOTHING. */
  readonly childRow: Uint32Array;
  readonly rootInode: number;
  readonly #inodes: InodeColumns;
  readonly #names: NameColumns;
  #path: Uint32Array = new Uint32Array(64);

  private constructor(inodes: InodeColumns, names: NameColumns, rootInode: number, numbers: Float64Array) {
    this.#inodes = inodes;
    this.#names = names;
    this.rootInode = rootInode;
    this.numbers = numbers;
    this.parent = new Uint32Array(numbers.length).fill(NOTHING);
    this.entry = new Uint32Array(numbers.length).fill(NOTHING);
    this.childRow = new Uint32Array(names.count);
    this.runsStart = new Uint32Array(numbers.length + 1);
    this.runs = new Uint32Array(names.runCount);
  }

  /** The directories with their runs; `resolve` and `connect` come next. */
  static async create(
    inodes: InodeColumns,
    names: NameColumns,
    rootInode: number,
    breather: Breather,
  ): Promise<DirectoryTree> {
    const numbers = await directoryNumbers(inodes, names, rootInode, breather);
    const tree = new DirectoryTree(inodes, names, rootInode, numbers);
    await tree.#groupRuns(breather);
    return tree;
  }

  /** A counting sort of the runs by directory. */
  async #groupRuns(breather: Breather): Promise<void> {
    const names = this.#names;
    const ordinals = new Uint32Array(names.runCount);
    await inSteps(names.runCount, breather, (from, to) => {
      for (let run = from; run < to; run++) {
        const d = this.ordinalOf(names.runParent[run]);
        ordinals[run] = d;
        this.runsStart[d + 1]++;
      }
    });
    for (let d = 0; d < this.numbers.length; d++) this.runsStart[d + 1] += this.runsStart[d];
    const next = this.runsStart.slice();
    for (let run = 0; run < names.runCount; run++) this.runs[next[ordinals[run]]++] = run;
  }

  /** Ordinal of a directory's inode number, or NOTHING. */
  ordinalOf(inode: number): number {
    let low = 0;
    let high = this.numbers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.numbers[middle] < inode) low = middle + 1;
      else high = middle;
    }
    return low < this.numbers.length && this.numbers[low] === inode ? low : NOTHING;
  }

  /** Resolves every name to its inode's row; `named[row]` becomes 1. */
  async resolve(named: Uint8Array, breather: Breather): Promise<void> {
    const { childRow } = this;
    await inSteps(this.#names.count, breather, (from, to) => {
      this.#inodes.rowsOf(this.#names.child, childRow, from, to);
      for (let entry = from; entry < to; entry++) if (childRow[entry] !== NOTHING) named[childRow[entry]] = 1;
    });
  }

  /** Gives every directory its place; the ordinals of those that the root does not lead to. */
  async connect(breather: Breather): Promise<readonly number[]> {
    const root = this.ordinalOf(this.rootInode);
    const reached = new Uint8Array(this.numbers.length);
    const queue = new Uint32Array(this.numbers.length);
    const names = this.#names;
    let tail = 0;
    queue[tail++] = root;
    reached[root] = 1;
    for (let head = 0; head < tail; head++) {
      const directory = queue[head];
      for (let k = this.runsStart[directory]; k < this.runsStart[directory + 1]; k++) {
        const run = this.runs[k];
        tail = this.#connectRun(directory, names.runStart[run], names.runStart[run + 1], reached, queue, tail);
        if (breather.due) await breather.breathe();
      }
    }
    const unreached: number[] = [];
    for (let d = 0; d < reached.length; d++) if (reached[d] === 0) unreached.push(d);
    return unreached;
  }

  /** Queues the directories among the names of one block; the queue's new end. */
  #connectRun(
    directory: number,
    from: number,
    to: number,
    reached: Uint8Array,
    queue: Uint32Array,
    queued: number,
  ): number {
    let tail = queued;
    for (let entry = from; entry < to; entry++) {
      const row = this.childRow[entry];
      if (row === NOTHING || !this.#inodes.isDirectory(row)) continue;
      const child = this.ordinalOf(this.#names.child[entry]);
      if (child === NOTHING || reached[child] === 1) continue;
      reached[child] = 1;
      this.parent[child] = directory;
      this.entry[child] = entry;
      queue[tail++] = child;
    }
    return tail;
  }

  /** Whether the name leads to a directory that has its place under another name (or is the root). */
  isSecondName(entry: number): boolean {
    const child = this.#directoryAt(entry);
    if (child === NOTHING) return false;
    return this.numbers[child] === this.rootInode || (this.entry[child] !== NOTHING && this.entry[child] !== entry);
  }

  /** The names that lead to directory `d`, its own first, up to the root or the topmost directory that leads here. */
  pathOf(d: number): { readonly path: Uint32Array; readonly length: number; readonly fromRoot: boolean } {
    let length = 0;
    let at = d;
    while (this.entry[at] !== NOTHING) {
      if (length === this.#path.length) this.#path = grown(this.#path, length + 1);
      this.#path[length++] = this.entry[at];
      at = this.parent[at];
    }
    return { path: this.#path, length, fromRoot: this.numbers[at] === this.rootInode };
  }

  #directoryAt(entry: number): number {
    const row = this.childRow[entry];
    if (row === NOTHING || !this.#inodes.isDirectory(row)) return NOTHING;
    return this.ordinalOf(this.#names.child[entry]);
  }
}

/** Inode numbers of all directories: inodes of that type, and whatever has names in it. */
async function directoryNumbers(
  inodes: InodeColumns,
  names: NameColumns,
  rootInode: number,
  breather: Breather,
): Promise<Float64Array> {
  let found: Float64Array = new Float64Array(QUIET);
  let count = 0;
  await inSteps(inodes.count, breather, (from, to) => {
    found = grown(found, count + to - from);
    for (let row = from; row < to; row++) if (inodes.isDirectory(row)) found[count++] = inodes.numbers[row];
  });
  const others: number[] = [];
  const isOther = (inode: number): boolean => {
    const row = inodes.rowOf(inode);
    return row < 0 || !inodes.isDirectory(row);
  };
  if (isOther(rootInode)) others.push(rootInode);
  await inSteps(names.runCount, breather, (from, to) => {
    for (let run = from; run < to; run++) if (isOther(names.runParent[run])) others.push(names.runParent[run]);
  });
  if (others.length === 0) return found.slice(0, count);
  const sorted = Float64Array.from(new Set([...found.subarray(0, count), ...others]));
  return sorted.sort();
}

async function inSteps(count: number, breather: Breather, step: (from: number, to: number) => void): Promise<void> {
  for (let from = 0; from < count; from += QUIET) {
    step(from, Math.min(count, from + QUIET));
    if (breather.due) await breather.breathe();
  }
}
