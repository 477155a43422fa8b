/**
 * The name batch under construction. A name that comes out is valid, names an inode that was listed, and is the only one if
 * that is a directory; all others are problems of their directory.
 */
import type { NameBatch } from '../filesystem.ts';
import type { NameSink } from './directory.ts';
import type { DirectoryList } from './directory-list.ts';
import { type InodeChunks, Mark } from './inode-chunks.ts';

/** Rows of a batch, and bytes of names that close one; a block's worth may come on top. */
const NAMES_MAX = 16384;
const NAME_BYTES_MAX = 512 * 1024;
/** Problems told one by one; a directory of garbage has as many as it likes. */
const PROBLEMS_PER_DIRECTORY_MAX = 20;
/** Bytes of the largest directory block, and of its smallest entry. */
const BLOCK_MAX = 65536;
const ENTRY_LEAST = 8;

const SLASH = 0x2f;
const LISTED = 1 << Mark.listed;
const DIRECTORY = 1 << Mark.directory;
const NAMED = 1 << Mark.named;

export class NameRows implements NameSink {
  count = 0;
  readonly #chunks: InodeChunks;
  readonly #directories: DirectoryList;
  readonly #parent = new Float64Array(NAMES_MAX + BLOCK_MAX / ENTRY_LEAST);
  readonly #child = new Float64Array(NAMES_MAX + BLOCK_MAX / ENTRY_LEAST);
  readonly #nameStart = new Uint32Array(NAMES_MAX + BLOCK_MAX / ENTRY_LEAST + 1);
  readonly #names = new Uint8Array(NAME_BYTES_MAX + BLOCK_MAX);
  /** The directory that rows are added for, as a row of the directory list. */
  #directory = -1;
  #parentInode = 0;
  #told = 0;

  constructor(chunks: InodeChunks, directories: DirectoryList) {
    this.#chunks = chunks;
    this.#directories = directories;
  }

  get isFull(): boolean {
    return this.count >= NAMES_MAX || this.#nameStart[this.count] >= NAME_BYTES_MAX;
  }

  startDirectory(directory: number): void {
    if (directory === this.#directory) return;
    this.#told = 0;
    this.#directory = directory;
    this.#parentInode = this.#directories.inode[directory];
  }

  add(child: number, bytes: Uint8Array, start: number, length: number): void {
    const marks = this.#chunks.marksOf(child);
    if ((marks & LISTED) === 0) {
      this.problem(`entry ${shown(bytes, start, length)} names inode ${child}, which is not in use`);
      return;
    }
    if ((marks & DIRECTORY) !== 0) {
      if ((marks & NAMED) !== 0) {
        this.problem(`entry ${shown(bytes, start, length)} is a second name of directory inode ${child}`);
        return;
      }
      this.#chunks.mark(child, Mark.named);
    }
    const names = this.#names;
    let end = this.#nameStart[this.count];
    for (let i = start; i < start + length; i++) {
      const c = bytes[i];
      if (c === SLASH || c === 0) {
        this.problem(`entry ${shown(bytes, start, length)} has a slash or NUL in its name`);
        return;
      }
      names[end++] = c;
    }
    this.#parent[this.count] = this.#parentInode;
    this.#child[this.count] = child;
    this.#nameStart[++this.count] = end;
  }

  problem(reason: string): void {
    const list = this.#directories;
    if (this.#told++ < PROBLEMS_PER_DIRECTORY_MAX) list.problem(this.#directory, reason);
    else if (this.#told === PROBLEMS_PER_DIRECTORY_MAX + 1) list.problem(this.#directory, 'and more');
  }

  /** The rows so far and all problems; the arrays are good until the next row. */
  take(): NameBatch {
    const batch: NameBatch = {
      kind: 'names',
      count: this.count,
      parent: this.#parent,
      child: this.#child,
      nameStart: this.#nameStart,
      names: this.#names,
      problems: this.#directories.problems.splice(0),
    };
    this.count = 0;
    return batch;
  }
}

const shown = (bytes: Uint8Array, start: number, length: number): string =>
  JSON.stringify(new TextDecoder().decode(bytes.subarray(start, start + length)));
