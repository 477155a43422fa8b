/** One name in the index, as a look-up gives it: for single entries and pages of a listing, never for millions at once. */

/** st_mode file types (sys/stat.h). */
export const FileType = {
  fifo: 0o010000,
  characterDevice: 0o020000,
  directory: 0o040000,
  blockDevice: 0o060000,
  regular: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
} as const;
export const fileTypeOf = (mode: number): number => mode & 0o170000;

export interface Timestamp {
  /** Since 1970, may be negative. */
  readonly seconds: number;
  /** 0 to 999,999,999. */
  readonly nanoseconds: number;
}

export interface IndexedExtent {
  readonly kind: 'stored' | 'zero' | 'literal' | 'escaped';
  /** Byte offset in the file. */
  readonly fileOffset: number;
  readonly byteLength: number;
  /** Byte address in the volume; for `stored` and `escaped`. */
  readonly volumeOffset: number;
  /** For `literal`. */
  readonly literal?: Uint8Array;
}

export interface IndexEntry {
  /** Bytes, as in the filesystem. Empty for a root directory. */
  readonly name: Uint8Array;
  readonly filesystem: number;
  readonly inode: number;
  readonly generation: number;
  /** st_mode. */
  readonly mode: number;
  readonly linkCount: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly atime: Timestamp;
  readonly mtime: Timestamp;
  readonly ctime: Timestamp;
  readonly device: { readonly major: number; readonly minor: number } | null;
  readonly encrypted: boolean;
  readonly compressed: boolean;
  readonly verity: boolean;
  /** Why it could not be backed up exactly; empty: it was. */
  readonly problems: readonly string[];
  readonly extents: readonly IndexedExtent[];
  readonly xattrs: readonly { readonly name: Uint8Array; readonly value: Uint8Array }[];
}
