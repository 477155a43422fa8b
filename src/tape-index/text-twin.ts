/**
 * `files.tsv`: the index as text, for a person with zcat and grep and for restore.py. index-format/FORMAT.md, "Text twin".
 *
 * One line a name: path, type, size, extents, mode, owner, group, mtime, inode, separated by tabs. Written as bytes, since
 * paths are bytes; compressed in the thread pool into gzip members that may be concatenated.
 */
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import { ExtentKind } from '../bytes/walk-batch.ts';
import { FileType, fileTypeOf } from './entry.ts';
import type { PageRows } from './page-rows.ts';

const gzipAsync = promisify(gzip);

/** Bytes of text in one part; a part is then under 8 MiB whatever they are. */
const PART_BYTES = 4 << 20;
/** A longer path is cut at the front and begins with `?/`; bytes. */
const PATH_BYTES_MAX = 65_536;

export type TextSink = (part: Uint8Array) => Promise<void>;

const TYPE_LETTERS = new Map<number, string>([
  [FileType.regular, 'f'],
  [FileType.directory, 'd'],
  [FileType.symlink, 'l'],
  [FileType.blockDevice, 'b'],
  [FileType.characterDevice, 'c'],
  [FileType.fifo, 'p'],
  [FileType.socket, 's'],
]);
const KIND_LETTERS = Buffer.from('szle', 'latin1');

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
  #buffer: Buffer = Buffer.allocUnsafe(PART_BYTES + 65_536);
  #at = 0;
  #pending: Promise<void> = Promise.resolve();
  #directory: Buffer = Buffer.allocUnsafe(4096);
  #directoryLength = 0;
  /** Mode, owner, group and time of the last line, and where their text stands in the buffer. */
  readonly #last = new Float64Array(5);
  #repeatAt = 0;
  #repeatLength = 0;

  constructor(sink: TextSink, filesystem: number) {
    this.#sink = sink;
    this.#text(`#reelmap files.tsv 1\tfilesystem ${filesystem}\n`);
    this.#text('#path\ttype\tsize\textents\tmode\tuid\tgid\tmtime\tinode\n');
  }

  /** The directory of the lines that follow: its names from the root down. `known`: the first one is under the root. */
  directory(names: readonly Uint8Array[], known: boolean): void {
    this.#directoryLength = 0;
    let bytes = 0;
    let from = names.length;
    while (from > 0 && bytes + names[from - 1].length + 1 < PATH_BYTES_MAX) bytes += names[--from].length + 1;
    const start = known && from === 0 ? '/' : '?/';
    this.#directory = need(this.#directory, bytes * 4 + 8, 0);
    this.#directoryLength = this.#directory.write(start, 0, 'latin1');
    for (let i = from; i < names.length; i++) {
      this.#directoryLength = escapeInto(this.#directory, this.#directoryLength, names[i], 0, names[i].length);
      this.#directory[this.#directoryLength++] = 0x2f;
    }
  }

  /** Begins a line with the path of a name in the current directory; an empty one stands for the directory itself. */
  path(names: Uint8Array, start: number, end: number): void {
    const length = this.#directoryLength;
    this.#buffer = need(this.#buffer, this.#at + length + (end - start) * 4 + 512, this.#at);
    const buffer = this.#buffer;
    const directory = this.#directory;
    let at = this.#at;
    // measured: Buffer.copy takes 0.3 us, the loop a tenth for most directories
    for (let i = 0; i < length; i++) buffer[at++] = directory[i];
    this.#at = escapeInto(this.#buffer, this.#at + length, names, start, end);
  }

  /** Type, size and extents; `only`: volume address of the single stored extent of `onlyLength` bytes, -1 when `page` has them. */
  content(mode: number, size: number, only: number, onlyLength: number, page: PageRows, own: number): void {
    const buffer = this.#buffer;
    buffer[this.#at++] = 9;
    buffer[this.#at++] = (TYPE_LETTERS.get(fileTypeOf(mode)) ?? '?').charCodeAt(0);
    buffer[this.#at++] = 9;
    this.#number(size);
    buffer[this.#at++] = 9;
    if (only >= 0) {
      buffer[this.#at++] = 0x73; // s
      this.#number(only);
      buffer[this.#at++] = 0x2b;
      this.#number(onlyLength);
      buffer[this.#at++] = 0x40;
      buffer[this.#at++] = 0x30;
    } else this.#extents(page, own);
  }

  /** Mode, owner, group, mtime, inode, and the end of the line. */
  attributes(mode: number, uid: number, gid: number, seconds: number, nanoseconds: number, inode: number): void {
    if (!this.#sameAsBefore(mode, uid, gid, seconds, nanoseconds)) {
      this.#repeatAt = this.#at;
      this.#owner(mode, uid, gid);
      this.#time(seconds, nanoseconds);
      this.#repeatLength = this.#at - this.#repeatAt;
    }
    this.#buffer[this.#at++] = 9;
    this.#number(inode);
    this.#buffer[this.#at++] = 10;
  }

  /** Neighbours often have the same mode, owner and time: then their text is copied from the line before. */
  #sameAsBefore(mode: number, uid: number, gid: number, seconds: number, nanoseconds: number): boolean {
    const last = this.#last;
    const same =
      this.#repeatLength > 0 &&
      last[0] === mode &&
      last[1] === uid &&
      last[2] === gid &&
      last[3] === seconds &&
      last[4] === nanoseconds;
    if (same) {
      const buffer = this.#buffer;
      const end = this.#repeatAt + this.#repeatLength;
      let at = this.#at;
      for (let i = this.#repeatAt; i < end; i++) buffer[at++] = buffer[i];
      this.#at = at;
      return true;
    }
    last[0] = mode;
    last[1] = uid;
    last[2] = gid;
    last[3] = seconds;
    last[4] = nanoseconds;
    return false;
  }

  #owner(mode: number, uid: number, gid: number): void {
    const buffer = this.#buffer;
    buffer[this.#at++] = 9;
    for (let shift = 9; shift >= 0; shift -= 3) buffer[this.#at++] = 0x30 + ((mode >>> shift) & 7);
    buffer[this.#at++] = 9;
    this.#number(uid);
    buffer[this.#at++] = 9;
    this.#number(gid);
  }

  #time(seconds: number, nanoseconds: number): void {
    const buffer = this.#buffer;
    buffer[this.#at++] = 9;
    if (seconds < 0) buffer[this.#at++] = 0x2d;
    this.#number(Math.abs(seconds));
    if (nanoseconds === 0) return;
    buffer[this.#at++] = 0x2e;
    let rest = nanoseconds;
    for (let at = this.#at + 8; at >= this.#at; at--) {
      const next = (rest / 10) >>> 0;
      buffer[at] = 0x30 + (rest - next * 10);
      rest = next;
    }
    this.#at += 9;
  }

  /** Whether a part is full; `await flush()` then. */
  get full(): boolean {
    return this.#at >= PART_BYTES;
  }

  /** Hands the lines so far to the compressor; waits for the part before. */
  async flush(): Promise<void> {
    await this.#pending;
    if (this.#at === 0) return;
    const text = this.#buffer;
    const length = this.#at;
    this.#buffer = Buffer.allocUnsafe(PART_BYTES + 65_536);
    this.#at = 0;
    this.#repeatLength = 0;
    this.#pending = this.#send(text, length);
    this.#pending.catch(() => {}); // thrown by the next flush or by finish
  }

  /** Everything is with the sink when this resolves. */
  async finish(): Promise<void> {
    await this.flush();
    await this.#pending;
  }

  async #send(text: Buffer, length: number): Promise<void> {
    // A line may be longer than a part (a file of a million extents): cut into members, which join again.
    for (let at = 0; at < length; at += PART_BYTES) {
      const piece = text.subarray(at, Math.min(at + PART_BYTES, length));
      await this.#sink(await gzipAsync(piece, { level: constants.Z_BEST_SPEED }));
    }
  }

  #extents(page: PageRows, own: number): void {
    for (let e = page.extentStart[own]; e < page.extentStart[own + 1]; e++) {
      const kind = page.extentKind[e];
      const literal = kind === ExtentKind.literal;
      const length = page.extentLength[e];
      this.#buffer = need(this.#buffer, this.#at + 512 + (literal ? length * 2 : 0), this.#at);
      if (e > page.extentStart[own]) this.#buffer[this.#at++] = 0x2c;
      this.#buffer[this.#at++] = KIND_LETTERS[kind];
      const at = page.extentVolumeOffset[e];
      if (literal) this.#text(base64(page.literals, at, at + length));
      else {
        if (kind !== ExtentKind.zero) this.#number(at);
        this.#buffer[this.#at++] = 0x2b;
        this.#number(length);
      }
      this.#buffer[this.#at++] = 0x40;
      this.#number(page.extentFileOffset[e]);
    }
    this.#buffer = need(this.#buffer, this.#at + 512, this.#at);
  }

  #text(text: string): void {
    this.#at += this.#buffer.write(text, this.#at, 'latin1');
  }

  #number(value: number): void {
    const buffer = this.#buffer;
    let digits = 1;
    for (let power = 10; value >= power; power *= 10) digits++;
    let rest = value;
    let at = this.#at + digits;
    this.#at = at;
    while (rest > 0xffff_ffff) {
      const next = Math.floor(rest / 10);
      buffer[--at] = 0x30 + (rest - next * 10);
      rest = next;
    }
    rest >>>= 0;
    do {
      const next = (rest / 10) >>> 0;
      buffer[--at] = 0x30 + (rest - next * 10);
      rest = next;
    } while (--digits > 0 && rest > 0);
  }
}

const base64 = (bytes: Uint8Array, from: number, to: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).subarray(from, to).toString('base64');

function need(buffer: Buffer, length: number, used: number): Buffer {
  if (buffer.length >= length) return buffer;
  const out = Buffer.allocUnsafe(length * 2);
  buffer.copy(out, 0, 0, used);
  return out;
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
