/**
 * One page of the index in memory: sorted siblings of a directory, or one inode record, in columns.
 *
 * Invariants
 * - `nameCount` names in byte order; `rowCount` rows in ascending inode order, `nameRow` maps one to the other, one to one.
 *   An inode record has one row and no name.
 * - Rows whose attributes stand in a record of their own have `own[row] === -1`; for the others `own[row]` is 0, 1, 2, ...
 *   and indexes every attribute column.
 */
import { ExtentKind } from '../bytes/walk-batch.ts';
import { FileType, fileTypeOf } from './entry.ts';

/** Names in a page, at most; one byte says the row of a name. */
export const PAGE_ENTRIES_MAX = 256;

export interface PageXattr {
  /** Index into the attribute columns. */
  readonly own: number;
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

/** Columns of a page. The builder reuses one; the decoder makes one per page. */
export class PageRows {
  /** Pages of the directory, or parts of the record; 0 except in the first. */
  pageCount = 0;
  nextName: Uint8Array | null = null;

  nameCount = 0;
  /** Name i is names[nameStart[i]] to names[nameStart[i + 1] - 1]. */
  readonly nameStart: Uint32Array;
  names: Uint8Array;
  readonly nameRow: Uint16Array;

  rowCount = 0;
  readonly inode: Float64Array;
  readonly own: Int16Array;

  ownCount = 0;
  readonly mode: Uint32Array;
  readonly uid: Uint32Array;
  readonly gid: Uint32Array;
  readonly generation: Uint32Array;
  readonly linkCount: Uint32Array;
  readonly size: Float64Array;
  readonly mtime: Float64Array;
  readonly atime: Float64Array;
  readonly ctime: Float64Array;
  readonly mtimeNs: Uint32Array;
  readonly atimeNs: Uint32Array;
  readonly ctimeNs: Uint32Array;
  readonly deviceMajor: Uint32Array;
  readonly deviceMinor: Uint32Array;
  /** InodeFlag bits, and PageFlag ones. */
  readonly flags: Uint32Array;

  /** ownCount + 1 entries. */
  readonly extentStart: Uint32Array;
  extentKind: Uint8Array;
  extentFileOffset: Float64Array;
  extentLength: Float64Array;
  /** Volume address; for literal ones the offset into `literals`. */
  extentVolumeOffset: Float64Array;
  literals: Uint8Array;
  literalBytes = 0;

  xattrs: PageXattr[] = [];
  problems: { readonly own: number; readonly text: string }[] = [];

  constructor(rows: number, extents: number) {
    this.nameStart = new Uint32Array(rows + 1);
    this.names = new Uint8Array(0);
    this.nameRow = new Uint16Array(rows);
    this.inode = new Float64Array(rows);
    this.own = new Int16Array(rows);
    this.mode = new Uint32Array(rows);
    this.uid = new Uint32Array(rows);
    this.gid = new Uint32Array(rows);
    this.generation = new Uint32Array(rows);
    this.linkCount = new Uint32Array(rows);
    this.size = new Float64Array(rows);
    this.mtime = new Float64Array(rows);
    this.atime = new Float64Array(rows);
    this.ctime = new Float64Array(rows);
    this.mtimeNs = new Uint32Array(rows);
    this.atimeNs = new Uint32Array(rows);
    this.ctimeNs = new Uint32Array(rows);
    this.deviceMajor = new Uint32Array(rows);
    this.deviceMinor = new Uint32Array(rows);
    this.flags = new Uint32Array(rows);
    this.extentStart = new Uint32Array(rows + 1);
    this.extentKind = new Uint8Array(extents);
    this.extentFileOffset = new Float64Array(extents);
    this.extentLength = new Float64Array(extents);
    this.extentVolumeOffset = new Float64Array(extents);
    this.literals = new Uint8Array(0);
  }

  /** Empties it for the next page. */
  clear(): void {
    this.pageCount = 0;
    this.nextName = null;
    this.nameCount = 0;
    this.rowCount = 0;
    this.ownCount = 0;
    this.extentStart[0] = 0;
    this.literalBytes = 0;
    if (this.xattrs.length > 0) this.xattrs = [];
    if (this.problems.length > 0) this.problems = [];
  }

  /** Appends an extent to own row `own`, which must be the last one begun. */
  addExtent(own: number, kind: number, fileOffset: number, length: number, volumeOffset: number): void {
    const at = this.extentStart[own + 1];
    if (at === this.extentKind.length) this.#growExtents();
    this.extentKind[at] = kind;
    this.extentFileOffset[at] = fileOffset;
    this.extentLength[at] = length;
    this.extentVolumeOffset[at] = volumeOffset;
    this.extentStart[own + 1] = at + 1;
  }

  /** Appends a literal extent with its bytes. */
  addLiteral(own: number, fileOffset: number, content: Uint8Array): void {
    if (this.literalBytes + content.length > this.literals.length) {
      const grown = new Uint8Array(Math.max(4096, (this.literalBytes + content.length) * 2));
      grown.set(this.literals.subarray(0, this.literalBytes));
      this.literals = grown;
    }
    this.literals.set(content, this.literalBytes);
    this.addExtent(own, ExtentKind.literal, fileOffset, content.length, this.literalBytes);
    this.literalBytes += content.length;
  }

  #growExtents(): void {
    const size = Math.max(256, this.extentKind.length * 2);
    const grow = <T extends Uint8Array | Float64Array>(old: T, fresh: T): T => {
      fresh.set(old);
      return fresh;
    };
    this.extentKind = grow(this.extentKind, new Uint8Array(size));
    this.extentFileOffset = grow(this.extentFileOffset, new Float64Array(size));
    this.extentLength = grow(this.extentLength, new Float64Array(size));
    this.extentVolumeOffset = grow(this.extentVolumeOffset, new Float64Array(size));
  }
}

/** Flags of a page's row beside InodeFlag; they are of the name, not of the inode. */
export const PageFlag = {
  /** Another name of a directory that has its place elsewhere: its entries are not listed here again. */
  secondName: 0x100,
  /** No inode in use has this number. */
  missingInode: 0x200,
} as const;

/** Extents of a row that says nothing else: one for a file or symlink that is not empty. */
export function usualExtentCount(mode: number, size: number): number {
  const type = fileTypeOf(mode);
  return size > 0 && (type === FileType.regular || type === FileType.symlink) ? 1 : 0;
}

export const usualExtentKind = (mode: number): number =>
  fileTypeOf(mode) === FileType.symlink ? ExtentKind.literal : ExtentKind.stored;

export const usualLinkCount = (mode: number): number => (fileTypeOf(mode) === FileType.directory ? 2 : 1);
