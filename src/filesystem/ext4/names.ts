/**
 * The second half of a walk: all directory blocks in disk order, as batches of names.
 *
 * A name that comes out is valid, and the only one if its inode is a directory. All others are reported as problems of
 * their directory. Names of inodes that are not in use come out too: such a file is lost, by name.
 */
import { bytesOf, viewOf } from '../../bytes/layout.ts';
import type { NameBatch } from '../filesystem.ts';
import { directoryChecksumTrouble, type NameSink, readEntries } from './directory.ts';
import { type DirectoryHash, directoryHash } from './directory-hash.ts';
import { InodeSet, NamesFlag } from './directory-list.ts';
import { Incompat } from './features.ts';
import { isListed } from './inode.ts';
import { noKeyName } from './no-key-name.ts';
import { ascendingOrder, readPieces } from './read-pieces.ts';
import type { Geometry } from './superblock.ts';
import type { WalkState } from './walk-state.ts';

/** Rows of a batch, and bytes of names that close one; a block's worth may come on top. */
const NAMES_MAX = 16384;
const NAME_BYTES_MAX = 512 * 1024;
/** Problems told one by one; a directory of garbage has as many as it likes. */
const PROBLEMS_PER_DIRECTORY_MAX = 20;

const SLASH = 0x2f;

class NameRows implements NameSink {
  count = 0;
  readonly #walk: WalkState;
  readonly #seenDirectories: InodeSet;
  readonly #parent: Float64Array;
  readonly #child: Float64Array;
  readonly #nameStart: Uint32Array;
  readonly #names: Uint8Array;
  /** The directory that rows are added for, as a row of the directory list. */
  #directory = 0;
  #parentInode = 0;
  /** NamesFlag bits of the directory. */
  #flags = 0;
  #told = 0;

  constructor(walk: WalkState) {
    const entries = walk.g.blockSize / 12 + 1; // an entry takes at least 12 bytes
    this.#walk = walk;
    this.#seenDirectories = new InodeSet(walk.g.inodesCount);
    this.#seenDirectories.add(2); // the root has no name
    this.#parent = new Float64Array(NAMES_MAX + entries);
    this.#child = new Float64Array(NAMES_MAX + entries);
    this.#nameStart = new Uint32Array(NAMES_MAX + entries + 1);
    this.#names = new Uint8Array(NAME_BYTES_MAX + walk.g.blockSize * 2);
  }

  get isFull(): boolean {
    return this.count >= NAMES_MAX || this.#nameStart[this.count] >= NAME_BYTES_MAX;
  }

  startDirectory(directory: number): void {
    if (directory !== this.#directory) this.#told = 0;
    this.#directory = directory;
    this.#parentInode = this.#walk.directories.inode[directory];
    this.#flags = this.#walk.directories.flags[directory];
  }

  add(child: number, bytes: Uint8Array, start: number, length: number): void {
    const walk = this.#walk;
    // A name whose inode is not in use is given out: the index tells it from the others.
    if (!walk.listed.has(child) && !isListed(walk.g, child, 0)) return;
    if (walk.directorySet.has(child)) {
      if (this.#seenDirectories.has(child)) {
        this.problem(`entry ${shown(bytes, start, length)} is a second name of directory inode ${child}`);
        return;
      }
      this.#seenDirectories.add(child);
    }
    const from = this.#nameStart[this.count];
    let end = from;
    if (this.#flags !== 0) end = this.#addCiphertext(from, bytes, start, length);
    else {
      const names = this.#names;
      for (let i = start; i < start + length; i++) {
        const c = bytes[i];
        if (c === SLASH || c === 0) {
          this.problem(`entry ${shown(bytes, start, length)} has a slash or NUL in its name`);
          return;
        }
        names[end++] = c;
      }
    }
    this.#parent[this.count] = this.#parentInode;
    this.#child[this.count] = child;
    this.#nameStart[++this.count] = end;
  }

  /** Ciphertext may have any byte in it: shown as the kernel shows it without the key, in at most 252 letters. */
  #addCiphertext(from: number, bytes: Uint8Array, start: number, length: number): number {
    const name = bytes.subarray(start, start + length);
    const text = noKeyName(name, this.#hashOf(name, bytes, start + length));
    for (let i = 0; i < text.length; i++) this.#names[from + i] = text.charCodeAt(i);
    return from + text.length;
  }

  #hashOf(name: Uint8Array, bytes: Uint8Array, end: number): DirectoryHash {
    if ((this.#flags & NamesFlag.hashed) === 0) return { major: 0, minor: 0 };
    if ((this.#flags & NamesFlag.hashInEntry) === 0) {
      const { version, seed } = this.#walk.g.hash;
      return directoryHash(name, version, seed);
    }
    const at = end + ((4 - (end % 4)) % 4); // entries begin at multiples of 4
    if (at + 8 > bytes.length) return { major: 0, minor: 0 };
    const view = viewOf(bytes);
    return { major: view.getUint32(at, true), minor: view.getUint32(at + 4, true) };
  }

  problem(reason: string): void {
    const list = this.#walk.directories;
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
      problems: this.#walk.directories.problems.splice(0),
    };
    this.count = 0;
    return batch;
  }
}

/** @throws whatever is not a FormatError */
export async function* readNames(walk: WalkState): AsyncGenerator<NameBatch> {
  const { g, directories } = walk;
  const rows = new NameRows(walk);
  const mask = (g.incompat & Incompat.filetype) !== 0 ? 0xff : 0xffff;
  for (const { directory, bytes } of directories.inline) {
    rows.startDirectory(directory);
    readInline(g, rows, bytes, mask);
    if (rows.isFull) yield rows.take();
  }
  yield* patchedNames(walk, rows);
  const at = directories.blockAt;
  const order = ascendingOrder(at, directories.blockCount);
  const pieces = { at, count: directories.blockCount, length: g.blockSize, order };
  for await (const piece of readPieces(walk.readAt, pieces, walk.signal)) {
    const bytes = piece.view === undefined ? new Uint8Array(0) : bytesOf(piece.view);
    for (let i = piece.from; i < piece.to; i++) {
      rows.startDirectory(directories.blockOwner[order[i]]);
      const address = at[order[i]];
      const trouble =
        piece.view === undefined
          ? `cannot be read: ${piece.reason}`
          : readBlock(walk, rows, bytes, piece.view, address - piece.base, directories.blockOwner[order[i]], mask);
      if (trouble !== undefined) rows.problem(`directory block ${address / g.blockSize}: ${trouble}`);
      if (rows.isFull) yield rows.take();
    }
  }
  for (let d = 0; d < directories.count; d++) {
    const missing = directories.blocksExpected[d] - directories.blocksFound[d];
    if (missing > 0)
      directories.problem(d, `${missing} of ${directories.blocksExpected[d]} directory blocks are missing`);
  }
  if (rows.count > 0 || directories.problems.length > 0) yield rows.take();
}

/** Directories that fast commits changed. */
function* patchedNames(walk: WalkState, rows: NameRows): Generator<NameBatch> {
  const { directories, patches } = walk;
  if (patches === undefined) return;
  for (let d = 0; d < directories.count; d++) {
    const names = patches.names.get(directories.inode[d]);
    if (names === undefined) continue;
    rows.startDirectory(d);
    for (const [name, child] of names) {
      const bytes = Buffer.from(name, 'latin1');
      rows.add(child, bytes, 0, bytes.length);
      if (rows.isFull) yield rows.take();
    }
  }
}

function readBlock(
  walk: WalkState,
  rows: NameRows,
  bytes: Uint8Array,
  view: DataView,
  at: number,
  directory: number,
  mask: number,
): string | undefined {
  const { g, directories } = walk;
  if (g.checksumSeed !== undefined) {
    const inode = directories.inode[directory];
    const generation = directories.generation[directory];
    const trouble = directoryChecksumTrouble(view, at, g.blockSize, g.checksumSeed, inode, generation);
    if (trouble !== undefined) return trouble;
  }
  return readEntries(bytes, view, at, at + g.blockSize, g.blockSize, mask, g.inodesCount, rows);
}

/** An inline directory: the parent's inode number, entries to byte 60, then entries in the rest. */
function readInline(g: Geometry, rows: NameRows, bytes: Uint8Array, mask: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const split = Math.min(60, bytes.length);
  for (const [from, to] of [
    [4, split],
    [split, bytes.length],
  ]) {
    const trouble = readEntries(bytes, view, from, to, g.blockSize, mask, g.inodesCount, rows);
    if (trouble !== undefined) rows.problem(`inline directory: ${trouble}`);
  }
}

const shown = (bytes: Uint8Array, start: number, length: number): string =>
  JSON.stringify(new TextDecoder().decode(bytes.subarray(start, start + length)));
