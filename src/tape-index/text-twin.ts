/**
 * `files.tsv`: the index as text, for a person with zcat and grep and for restore.py. index-format/FORMAT.md, "Text twin".
 *
 * One line a name: path, type, size, extents, mode, owner, group, mtime, inode, separated by tabs. Written as bytes, since
 * paths are bytes; compressed in the thread pool into gzip members that may be concatenated.
 *
 * Invariant: `#line` is the place of all that most lines need, in one function over columns. measured: half the processor
 * time of a method for each field (bench/tape-index).
 */
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import { alignUp } from '../bytes/units.ts';
import { ExtentKind } from '../bytes/walk-batch.ts';
import { FileType } from './entry.ts';
import { type InodeColumns, NOTHING, TIME_ELSEWHERE } from './inode-columns.ts';
import type { NameColumns } from './name-columns.ts';

const gzipAsync = promisify(gzip);

/** Bytes of text in one part; a part is then under 8 MiB whatever they are. */
const PART_BYTES = 4 << 20;
/** A part may end so much later, with its last page. */
const PART_SPARE = 256 << 10;
/** A longer path is cut at the front and begins with `?/`; bytes. */
const PATH_BYTES_MAX = 65_536;
/** Everything of a line but its path and literal extents, at most. */
const LINE_BYTES = 512;
/** Compressed bytes come in pieces of this size, each of which is a call into JavaScript; by default 16 KiB. */
const GZIP_PIECE = 1 << 20;

export type TextSink = (part: Uint8Array) => Promise<void>;

/** By the upper four bits of st_mode. */
const TYPE_LETTERS = new Uint8Array(16).fill(0x3f); // ?
for (const [type, letter] of [
  [FileType.regular, 'f'],
  [FileType.directory, 'd'],
  [FileType.symlink, 'l'],
  [FileType.blockDevice, 'b'],
  [FileType.characterDevice, 'c'],
  [FileType.fifo, 'p'],
  [FileType.socket, 's'],
] as const)
  TYPE_LETTERS[type >>> 12] = letter.charCodeAt(0);
const KIND_LETTERS = Buffer.from('szle', 'latin1');
/** All but path and inode of a name whose inode is not there. */
const MISSING = new Uint8Array(Buffer.from('\t?\t0\t\t0000\t0\t0\t0\t', 'latin1'));

/** 0: as it is; else the byte after the backslash, or `x` for two hexadecimal digits. */
const ESCAPES = new Uint8Array(256);
for (let c = 0; c < 0x20; c++) ESCAPES[c] = 0x78;
ESCAPES[0x7f] = 0x78;
ESCAPES[0x09] = 0x74;
ESCAPES[0x0a] = 0x6e;
ESCAPES[0x5c] = 0x5c;
const HEX = '0123456789abcdef';

export class TextTwin {
  readonly #sink: TextSink;
  readonly #inodes: InodeColumns;
  #out = new Uint8Array(PART_BYTES + PART_SPARE);
  #spare: Uint8Array<ArrayBuffer> | null = null;
  #at = 0;
  #pending: Promise<void> = Promise.resolve();
  #directory = new Uint8Array(4096);
  #directoryLength = 0;
  /** Class and packed time of the last line, and where their text stands in the buffer; neighbours often have the same. */
  #lastClass = -1;
  #lastSeconds = 0;
  #lastNanoseconds = 0;
  #repeatAt = 0;
  #repeatEnd = 0;

  constructor(sink: TextSink, filesystem: number, inodes: InodeColumns) {
    this.#sink = sink;
    this.#inodes = inodes;
    this.#text(`#reelmap files.tsv 1\tfilesystem ${filesystem}\n`);
    this.#text('#path\ttype\tsize\textents\tmode\tuid\tgid\tmtime\tinode\n');
  }

  /**
   * The directory of the lines that follow: the first `length` names of `path` lead to it, its own first. `known`: the
   * last one is under the root.
   */
  directory(names: NameColumns, path: Uint32Array, length: number, known: boolean): void {
    const { bytes, start } = names;
    let size = 0;
    let kept = 0;
    for (; kept < length; kept++) {
      const more = start[path[kept] + 1] - start[path[kept]] + 1;
      if (size + more >= PATH_BYTES_MAX) break;
      size += more;
    }
    if (this.#directory.length < size * 4 + 8) this.#directory = new Uint8Array(size * 8);
    const out = this.#directory;
    let at = 0;
    if (!known || kept < length) out[at++] = 0x3f;
    out[at++] = 0x2f;
    for (let i = kept - 1; i >= 0; i--) {
      at = escapeInto(out, at, bytes, start[path[i]], start[path[i] + 1]);
      out[at++] = 0x2f;
    }
    this.#directoryLength = at;
  }

  /** The directory itself, as a line. */
  self(row: number, inode: number): void {
    this.#line(row, this.#directory, 0, 0, inode);
  }

  /** The lines of names `entries[from]` to `entries[to - 1]`, all in the current directory. */
  lines(names: NameColumns, childRow: Uint32Array, entries: Uint32Array, from: number, to: number): void {
    const { bytes, start, child } = names;
    for (let i = from; i < to; i++) {
      const entry = entries[i];
      this.#line(childRow[entry], bytes, start[entry], start[entry + 1], child[entry]);
    }
  }

  #line(row: number, name: Uint8Array, start: number, end: number, inode: number): void {
    const length = this.#directoryLength;
    if (this.#at + length + (end - start) * 4 + LINE_BYTES > this.#out.length)
      this.#grow(length + (end - start) * 4 + LINE_BYTES);
    let out = this.#out;
    let at = this.#at;
    const directory = this.#directory;
    for (let i = 0; i < length; i++) out[at++] = directory[i];
    at = escapeInto(out, at, name, start, end);
    if (row === NOTHING) {
      out.set(MISSING, at);
      at += MISSING.length;
    } else {
      const columns = this.#inodes;
      const size = columns.size[row];
      const place = columns.place[row];
      const ofClass = columns.classOf[row];
      out[at++] = 9;
      out[at++] = TYPE_LETTERS[columns.classes.mode[ofClass] >>> 12];
      out[at++] = 9;
      at = putNumber(out, at, size);
      out[at++] = 9;
      if (place >= 0) {
        out[at++] = 0x73; // s
        at = putNumber(out, at, place);
        out[at++] = 0x2b;
        at = putNumber(out, at, alignUp(size, columns.blockSize));
        out[at++] = 0x40;
        out[at++] = 0x30;
      } else if (place < -1) {
        at = this.#extents(row, at);
        out = this.#out;
      }
      const seconds = columns.seconds[row * 3 + 1];
      const nanoseconds = columns.nanoseconds[row * 3 + 1];
      if (
        ofClass === this.#lastClass &&
        seconds === this.#lastSeconds &&
        nanoseconds === this.#lastNanoseconds &&
        nanoseconds !== TIME_ELSEWHERE
      ) {
        const repeatEnd = this.#repeatEnd;
        for (let i = this.#repeatAt; i < repeatEnd; i++) out[at++] = out[i];
      } else {
        this.#repeatAt = at;
        at = this.#attributes(out, at, row);
        this.#repeatEnd = at;
        this.#lastClass = ofClass;
        this.#lastSeconds = seconds;
        this.#lastNanoseconds = nanoseconds;
      }
      out[at++] = 9;
    }
    at = putNumber(out, at, inode);
    out[at++] = 10;
    this.#at = at;
  }

  /** Mode, owner, group and mtime. */
  #attributes(out: Uint8Array, from: number, row: number): number {
    const { classes, classOf } = this.#inodes;
    const mode = classes.mode[classOf[row]];
    let at = from;
    out[at++] = 9;
    for (let shift = 9; shift >= 0; shift -= 3) out[at++] = 0x30 + ((mode >>> shift) & 7);
    out[at++] = 9;
    at = putNumber(out, at, classes.uid[classOf[row]]);
    out[at++] = 9;
    at = putNumber(out, at, classes.gid[classOf[row]]);
    out[at++] = 9;
    const seconds = this.#inodes.mtimeSeconds(row);
    if (seconds < 0) out[at++] = 0x2d;
    at = putNumber(out, at, Math.abs(seconds));
    const nanoseconds = this.#inodes.mtimeNanoseconds(row);
    if (nanoseconds === 0) return at;
    out[at++] = 0x2e;
    return putNineDigits(out, at, nanoseconds);
  }

  /** Whether a part is full; `await flush()` then. */
  get full(): boolean {
    return this.#at >= PART_BYTES;
  }

  /** Hands the lines so far to the compressor; waits for the part before. */
  async flush(): Promise<void> {
    await this.#pending;
    if (this.#at === 0) return;
    const text = this.#out;
    const length = this.#at;
    this.#out = this.#spare ?? new Uint8Array(PART_BYTES + PART_SPARE);
    this.#spare = null;
    this.#at = 0;
    this.#lastClass = -1;
    this.#pending = this.#send(text, length);
    this.#pending.catch(() => {}); // thrown by the next flush or by finish
  }

  /** Everything is with the sink when this resolves. */
  async finish(): Promise<void> {
    await this.flush();
    await this.#pending;
  }

  async #send(text: Uint8Array<ArrayBuffer>, length: number): Promise<void> {
    // A line may be longer than a part (a file of a million extents): cut into members, which join again.
    for (let at = 0; at < length; at += PART_BYTES) {
      const piece = text.subarray(at, Math.min(at + PART_BYTES, length));
      await this.#sink(await gzipAsync(piece, { level: constants.Z_BEST_SPEED, chunkSize: GZIP_PIECE }));
    }
    if (text.length === PART_BYTES + PART_SPARE) this.#spare = text;
  }

  /** Extents of a file that is not one run, from `from` on in the buffer, which may be another one afterwards. */
  #extents(row: number, from: number): number {
    const lists = this.#inodes.extents;
    const list = -2 - this.#inodes.place[row];
    let at = from;
    const first = lists.start[list];
    for (let e = first; e < lists.start[list + 1]; e++) {
      const kind = lists.kind[e];
      const literal = kind === ExtentKind.literal;
      const length = lists.length[e];
      const needed = LINE_BYTES + (literal ? length * 2 : 0);
      if (at + needed > this.#out.length) {
        this.#at = at;
        this.#grow(needed);
      }
      const out = this.#out;
      if (e > first) out[at++] = 0x2c;
      out[at++] = KIND_LETTERS[kind];
      const place = lists.volumeOffset[e];
      if (literal) at += base64Into(out, at, lists.literals, place, length);
      else {
        if (kind !== ExtentKind.zero) at = putNumber(out, at, place);
        out[at++] = 0x2b;
        at = putNumber(out, at, length);
      }
      out[at++] = 0x40;
      at = putNumber(out, at, lists.fileOffset[e]);
    }
    if (at + LINE_BYTES > this.#out.length) {
      this.#at = at;
      this.#grow(LINE_BYTES);
    }
    return at;
  }

  #text(text: string): void {
    this.#at += Buffer.from(this.#out.buffer).write(text, this.#at, 'latin1');
  }

  #grow(more: number): void {
    const grown = new Uint8Array((this.#at + more) * 2);
    grown.set(this.#out.subarray(0, this.#at));
    this.#out = grown;
  }
}

/** Base64 of `length` bytes, with padding; the letters written. */
function base64Into(out: Uint8Array, at: number, bytes: Uint8Array, from: number, length: number): number {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + from, length).toString('base64');
  return Buffer.from(out.buffer, out.byteOffset, out.byteLength).write(text, at, 'latin1');
}

const BILLION = 1_000_000_000;

/** A whole number from 0 to 2^53 in decimal; where it ends. */
function putNumber(out: Uint8Array, at: number, value: number): number {
  if (value < BILLION) return putDigits(out, at, value);
  const high = Math.floor(value / BILLION);
  return putNineDigits(out, putDigits(out, at, high), value - high * BILLION);
}

/** As above, below 10^9. */
function putDigits(out: Uint8Array, at: number, value: number): number {
  let rest = value | 0;
  let end = at + 1;
  for (let left = (rest / 10) | 0; left > 0; left = (left / 10) | 0) end++;
  for (let i = end - 1; i > at; i--) {
    const next = (rest / 10) | 0;
    out[i] = 0x30 + (rest - next * 10);
    rest = next;
  }
  out[at] = 0x30 + rest;
  return end;
}

function putNineDigits(out: Uint8Array, at: number, value: number): number {
  let rest = value | 0;
  for (let i = at + 8; i >= at; i--) {
    const next = (rest / 10) | 0;
    out[i] = 0x30 + (rest - next * 10);
    rest = next;
  }
  return at + 9;
}

function escapeInto(out: Uint8Array, at: number, name: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) {
    const c = name[i];
    const code = ESCAPES[c];
    if (code === 0) {
      out[at++] = c;
      continue;
    }
    out[at++] = 0x5c;
    out[at++] = code;
    if (code !== 0x78) continue;
    out[at++] = HEX.charCodeAt(c >>> 4);
    out[at++] = HEX.charCodeAt(c & 15);
  }
  return at;
}
