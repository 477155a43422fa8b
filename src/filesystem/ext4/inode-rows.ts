/**
 * The inode batch under construction: columns that are reused from batch to batch.
 *
 * Extents of a row come in two ways: those found in the inode itself, in row order, and segments found later in tree
 * blocks, in disk order. `finish` puts them in order and joins neighbours.
 * Memory: 108 bytes a row, 25 bytes an extent; a batch stops taking rows at ROWS_MAX.
 */
import { ExtentKind, type InodeBatch, InodeFlag, type Problem, type Xattr } from '../filesystem.ts';

export const ROWS_MAX = 8192;
/** Most extents one file may have; more is damage or a trap. 100 MiB while such a file is looked at. */
export const EXTENTS_PER_FILE_MAX = 4 * 1024 * 1024;

/** Extents in columns, growing by doubling. */
export class ExtentColumns {
  kind = new Uint8Array(1024);
  fileOffset = new Float64Array(1024);
  length = new Float64Array(1024);
  volumeOffset = new Float64Array(1024);
  count = 0;

  /** Adds an extent, or lengthens the last one if that was added at or after `first` and this goes on where it ended. */
  add(first: number, kind: number, fileOffset: number, length: number, volumeOffset: number): void {
    const last = this.count - 1;
    if (last >= first && this.kind[last] === kind && kind !== ExtentKind.literal) {
      const end = this.length[last];
      if (
        this.fileOffset[last] + end === fileOffset &&
        (kind === ExtentKind.zero || this.volumeOffset[last] + end === volumeOffset)
      ) {
        this.length[last] = end + length;
        return;
      }
    }
    if (this.count === this.kind.length) this.#grow();
    this.kind[this.count] = kind;
    this.fileOffset[this.count] = fileOffset;
    this.length[this.count] = length;
    this.volumeOffset[this.count] = volumeOffset;
    this.count++;
  }

  #grow(): void {
    const size = this.kind.length * 2;
    this.kind = grown(this.kind, new Uint8Array(size));
    this.fileOffset = grown(this.fileOffset, new Float64Array(size));
    this.length = grown(this.length, new Float64Array(size));
    this.volumeOffset = grown(this.volumeOffset, new Float64Array(size));
  }
}

function grown<T extends Uint8Array | Uint32Array | Float64Array>(old: T, bigger: T): T {
  bigger.set(old as never);
  return bigger;
}

export class InodeRows {
  count = 0;
  readonly capacity: number;
  readonly inode: Float64Array;
  readonly generation: Uint32Array;
  readonly mode: Uint16Array;
  readonly linkCount: Uint32Array;
  readonly uid: Uint32Array;
  readonly gid: Uint32Array;
  readonly size: Float64Array;
  readonly atimeSeconds: Float64Array;
  readonly atimeNanoseconds: Uint32Array;
  readonly mtimeSeconds: Float64Array;
  readonly mtimeNanoseconds: Uint32Array;
  readonly ctimeSeconds: Float64Array;
  readonly ctimeNanoseconds: Uint32Array;
  readonly device: Float64Array;
  readonly flags: Uint16Array;
  /** Extents past this byte of the file are left out. */
  readonly extentLimit: Float64Array;
  /** Row of the directory list, or -1. */
  readonly directory: Int32Array;
  /** Found in the inodes: row r has extents rowStart[r] to rowStart[r + 1] - 1. */
  readonly #rowStart: Uint32Array;
  readonly #found = new ExtentColumns();
  /** Found in tree blocks. */
  readonly #later = new ExtentColumns();
  #segments: { readonly row: number; readonly fileOffset: number; readonly from: number; to: number }[] = [];
  #ordered = new ExtentColumns();
  readonly #orderedStart: Uint32Array;
  #literals = new Uint8Array(64 * 1024);
  #literalBytes = 0;
  readonly #xattrs = new Map<number, Xattr[]>();
  #problems: Problem[] = [];
  readonly #laterOfRow = new Map<number, number>();

  constructor(capacity = ROWS_MAX) {
    this.capacity = capacity;
    this.inode = new Float64Array(capacity);
    this.generation = new Uint32Array(capacity);
    this.mode = new Uint16Array(capacity);
    this.linkCount = new Uint32Array(capacity);
    this.uid = new Uint32Array(capacity);
    this.gid = new Uint32Array(capacity);
    this.size = new Float64Array(capacity);
    this.atimeSeconds = new Float64Array(capacity);
    this.atimeNanoseconds = new Uint32Array(capacity);
    this.mtimeSeconds = new Float64Array(capacity);
    this.mtimeNanoseconds = new Uint32Array(capacity);
    this.ctimeSeconds = new Float64Array(capacity);
    this.ctimeNanoseconds = new Uint32Array(capacity);
    this.device = new Float64Array(capacity);
    this.flags = new Uint16Array(capacity);
    this.extentLimit = new Float64Array(capacity);
    this.directory = new Int32Array(capacity);
    this.#rowStart = new Uint32Array(capacity + 1);
    this.#orderedStart = new Uint32Array(capacity + 1);
  }

  reset(): void {
    this.count = 0;
    this.#found.count = 0;
    this.#later.count = 0;
    this.#segments = [];
    this.#literalBytes = 0;
    this.#xattrs.clear();
    this.#laterOfRow.clear();
    this.#problems = [];
  }

  /** Starts the next row; its columns are the caller's to fill. */
  startRow(): number {
    const row = this.count++;
    this.#rowStart[row] = this.#found.count;
    this.#rowStart[row + 1] = this.#found.count;
    this.device[row] = 0;
    this.flags[row] = 0;
    this.directory[row] = -1;
    return row;
  }

  /** A row for an inode of which nothing is known but that it is in use. */
  addUnreadable(inode: number, reason: string): void {
    const row = this.startRow();
    this.inode[row] = inode;
    for (const column of [this.generation, this.mode, this.uid, this.gid, this.size]) column[row] = 0;
    for (const column of [this.atimeSeconds, this.mtimeSeconds, this.ctimeSeconds]) column[row] = 0;
    for (const column of [this.atimeNanoseconds, this.mtimeNanoseconds, this.ctimeNanoseconds]) column[row] = 0;
    this.linkCount[row] = 1;
    this.problem(row, reason);
  }

  /** An extent of the newest row, clipped at its limit. */
  addExtent(row: number, kind: number, fileOffset: number, length: number, volumeOffset: number): void {
    const end = Math.min(this.extentLimit[row], fileOffset + length);
    if (fileOffset >= end) return;
    this.#found.add(this.#rowStart[row], kind, fileOffset, end - fileOffset, volumeOffset);
    this.#rowStart[row + 1] = this.#found.count;
  }

  /** Begins a segment: extents of one tree block, ascending, of any row. `false`: the file has too many extents already. */
  startSegment(row: number, fileOffset: number): boolean {
    const last = this.#segments[this.#segments.length - 1];
    if (last !== undefined) {
      this.#laterOfRow.set(last.row, (this.#laterOfRow.get(last.row) ?? 0) + last.to - last.from);
    }
    if ((this.#laterOfRow.get(row) ?? 0) >= EXTENTS_PER_FILE_MAX) return false;
    this.#segments.push({ row, fileOffset, from: this.#later.count, to: this.#later.count });
    return true;
  }

  /** An extent of the newest segment, clipped as above. */
  addLaterExtent(kind: number, fileOffset: number, length: number, volumeOffset: number): void {
    const segment = this.#segments[this.#segments.length - 1];
    const end = Math.min(this.extentLimit[segment.row], fileOffset + length);
    if (fileOffset >= end) return;
    this.#later.add(segment.from, kind, fileOffset, end - fileOffset, volumeOffset);
    segment.to = this.#later.count;
  }

  /** A symlink's target read from its block, kept in the batch. */
  addLiteral(row: number, data: Uint8Array): void {
    this.startSegment(row, 0);
    this.#later.add(this.#later.count, ExtentKind.literal, 0, data.length, this.#keepLiteral(data));
    this.#segments[this.#segments.length - 1].to = this.#later.count;
  }

  /** Content of the newest row, kept in the batch. */
  addLiteralNow(row: number, data: Uint8Array): void {
    if (data.length === 0) return;
    this.#found.add(this.#found.count, ExtentKind.literal, 0, data.length, this.#keepLiteral(data));
    this.#rowStart[row + 1] = this.#found.count;
  }

  addXattrs(row: number, list: readonly Xattr[]): void {
    const known = this.#xattrs.get(row);
    this.#xattrs.set(row, known === undefined ? [...list] : [...known, ...list]);
  }

  problem(row: number, reason: string): void {
    this.flags[row] |= InodeFlag.damaged;
    this.#problems.push({ row, reason });
  }

  /** The batch; its arrays are views of this and good until `reset`. */
  finish(): InodeBatch {
    const ordered = this.#segments.length > 0;
    if (ordered) this.#order();
    const extents = ordered ? this.#ordered : this.#found;
    const start = ordered ? this.#orderedStart : this.#rowStart;
    if (this.count === 0) start[0] = 0;
    return {
      kind: 'inodes',
      count: this.count,
      inode: this.inode,
      generation: this.generation,
      mode: this.mode,
      linkCount: this.linkCount,
      uid: this.uid,
      gid: this.gid,
      size: this.size,
      atimeSeconds: this.atimeSeconds,
      atimeNanoseconds: this.atimeNanoseconds,
      mtimeSeconds: this.mtimeSeconds,
      mtimeNanoseconds: this.mtimeNanoseconds,
      ctimeSeconds: this.ctimeSeconds,
      ctimeNanoseconds: this.ctimeNanoseconds,
      device: this.device,
      flags: this.flags,
      extentStart: start,
      extentKind: extents.kind,
      extentFileOffset: extents.fileOffset,
      extentLength: extents.length,
      extentVolumeOffset: extents.volumeOffset,
      literals: this.#literals.subarray(0, this.#literalBytes),
      xattrs: [...this.#xattrs].sort((a, b) => a[0] - b[0]).map(([row, list]) => ({ row, list })),
      problems: this.#problems.sort((a, b) => a.row - b.row),
    };
  }

  #keepLiteral(data: Uint8Array): number {
    const at = this.#literalBytes;
    while (at + data.length > this.#literals.length) {
      this.#literals = grown(this.#literals, new Uint8Array(this.#literals.length * 2));
    }
    this.#literals.set(data, at);
    this.#literalBytes += data.length;
    return at;
  }

  /** Merges what was found in inodes with the segments, row by row. */
  #order(): void {
    const segments = this.#segments.sort((a, b) => a.row - b.row || a.fileOffset - b.fileOffset);
    const out = this.#ordered;
    out.count = 0;
    let row = 0;
    for (const segment of segments) {
      const first = this.#copyRows(row, segment.row + 1);
      row = segment.row + 1;
      copyRange(out, first, this.#later, segment.from, segment.to);
    }
    this.#copyRows(row, this.count);
    this.#orderedStart[this.count] = out.count;
  }

  /** Extents found in the inodes of rows `from` to `to` - 1; returns where those of the last row start. */
  #copyRows(from: number, to: number): number {
    const out = this.#ordered;
    const found = this.#found;
    const rowStart = this.#rowStart;
    const orderedStart = this.#orderedStart;
    for (let row = from; row < to; row++) {
      orderedStart[row] = out.count;
      copyRange(out, out.count, found, rowStart[row], rowStart[row + 1]);
    }
    return orderedStart[to - 1] ?? 0;
  }
}

function copyRange(out: ExtentColumns, first: number, from: ExtentColumns, start: number, end: number): void {
  for (let i = start; i < end; i++) {
    out.add(first, from.kind[i], from.fileOffset[i], from.length[i], from.volumeOffset[i]);
  }
}
