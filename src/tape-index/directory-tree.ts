/**
 * The directories of one walk and how they hang together: which runs of names belong to each, which name leads to it from
 * the root, and which cannot be reached. Breadth first from the root, so that a directory with two names (a damaged
 * filesystem) has its place under the one nearest to the root, and a cycle ends.
 */
import type { Breather } from './breather.ts';
import type { InodeColumns } from './inode-columns.ts';
import type { NameColumns } from './name-columns.ts';

/** In place of a row or entry: there is none. */
export const NOTHING = 0xffff_ffff;
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
    for (let run = 0; run < names.runCount; run++) {
      ordinals[run] = this.ordinalOf(names.runParent[run]);
      this.runsStart[ordinals[run] + 1]++;
      if (run % QUIET === 0 && breather.due) await breather.breathe();
    }
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
    for (let entry = 0; entry < this.#names.count; entry++) {
      const row = this.#inodes.rowOf(this.#names.child[entry]);
      this.childRow[entry] = row < 0 ? NOTHING : row;
      if (row >= 0) named[row] = 1;
      if (entry % QUIET === 0 && breather.due) await breather.breathe();
    }
  }

  /** Gives every directory its place; the ordinals of those that the root does not lead to. */
  async connect(breather: Breather): Promise<readonly number[]> {
    const root = this.ordinalOf(this.rootInode);
    const reached = new Uint8Array(this.numbers.length);
    const queue = new Uint32Array(this.numbers.length);
    let head = 0;
    let tail = 0;
    queue[tail++] = root;
    reached[root] = 1;
    let looked = 0;
    while (head < tail) {
      const directory = queue[head++];
      for (let k = this.runsStart[directory]; k < this.runsStart[directory + 1]; k++) {
        const end = this.#names.runEnd(this.runs[k]);
        for (let entry = this.#names.runStart[this.runs[k]]; entry < end; entry++) {
          if (++looked % QUIET === 0 && breather.due) await breather.breathe();
          const child = this.#directoryAt(entry);
          if (child === NOTHING || reached[child] === 1) continue;
          reached[child] = 1;
          this.parent[child] = directory;
          this.entry[child] = entry;
          queue[tail++] = child;
        }
      }
    }
    const unreached: number[] = [];
    for (let d = 0; d < reached.length; d++) if (reached[d] === 0) unreached.push(d);
    return unreached;
  }

  /** Whether the name leads to a directory that has its place under another name (or is the root). */
  isSecondName(entry: number): boolean {
    const child = this.#directoryAt(entry);
    if (child === NOTHING) return false;
    return this.numbers[child] === this.rootInode || (this.entry[child] !== NOTHING && this.entry[child] !== entry);
  }

  /** Names from the root (or the topmost directory that leads here) down to directory `d`. */
  pathOf(d: number): { readonly names: Uint8Array[]; readonly fromRoot: boolean } {
    const names: Uint8Array[] = [];
    let at = d;
    while (this.entry[at] !== NOTHING) {
      names.push(this.#names.name(this.entry[at]));
      at = this.parent[at];
    }
    return { names: names.reverse(), fromRoot: this.numbers[at] === this.rootInode };
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
  const found: number[] = [rootInode];
  for (let row = 0; row < inodes.count; row++) {
    if (inodes.isDirectory(row)) found.push(inodes.inode(row));
    if (row % QUIET === 0 && breather.due) await breather.breathe();
  }
  for (let run = 0; run < names.runCount; run++) {
    const row = inodes.rowOf(names.runParent[run]);
    if (row < 0 || !inodes.isDirectory(row)) found.push(names.runParent[run]);
    if (run % QUIET === 0 && breather.due) await breather.breathe();
  }
  const sorted = Float64Array.from(found).sort();
  let count = 0;
  for (let i = 0; i < sorted.length; i++) if (i === 0 || sorted[i] !== sorted[i - 1]) sorted[count++] = sorted[i];
  return sorted.slice(0, count);
}
