/**
 * What a walk of a filesystem yields, in columns: the seam between walkers (filesystem/) and the index writer (tape-index/).
 *
 * Batches are of two kinds, inodes and names, because objects by the million cost more than the disk. A batch is the
 * walker's and is reused: the consumer copies what it keeps before asking for the next.
 */

export type WalkBatch = InodeBatch | NameBatch;

/** Kinds of an indexed extent. From the first index schema on; see index-format/FORMAT.md. */
export const ExtentKind = {
  /** Bytes of the volume at `volumeOffset`. */
  stored: 0,
  /** Reads as zeros: unwritten. Holes are simply absent. */
  zero: 1,
  /** Bytes kept in the index itself (inline data). `volumeOffset` is the offset into the batch's `literals`. */
  literal: 2,
  /** As stored, but the first four bytes of each filesystem block in it are C0 3B 39 98 (escaped copy in a jbd2 journal). */
  escaped: 3,
} as const;

/** Flags of an inode, ours. */
export const InodeFlag = {
  /** Content is ciphertext: restored bytes are not the file's. */
  encrypted: 1,
  compressed: 2,
  /** Content past `size` (a verity Merkle tree) is part of the extents. */
  verity: 4,
  /** Something of it could not be read; see the batch's `problems`. */
  damaged: 8,
} as const;

export interface Xattr {
  /** Full name with its prefix, bytes: `user.tag`, `system.posix_acl_access`. ACLs have the value that setxattr(2) takes. */
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

/** Why something of one inode cannot be backed up exactly. */
export interface Problem {
  /** Row of the batch. */
  readonly row: number;
  /** One clause: `extent tree block 4711: checksum wrong`. */
  readonly reason: string;
}

/** Inodes in use, ascending by inode number over the whole walk. Rows 0 to count - 1 of every column. */
export interface InodeBatch {
  readonly kind: 'inodes';
  readonly count: number;
  readonly inode: Float64Array;
  readonly generation: Uint32Array;
  /** st_mode: type and permission bits. */
  readonly mode: Uint16Array;
  readonly linkCount: Uint32Array;
  readonly uid: Uint32Array;
  readonly gid: Uint32Array;
  /** st_size in bytes. */
  readonly size: Float64Array;
  /** Seconds since 1970, may be negative; nanoseconds 0 to 999,999,999. */
  readonly atimeSeconds: Float64Array;
  readonly atimeNanoseconds: Uint32Array;
  readonly mtimeSeconds: Float64Array;
  readonly mtimeNanoseconds: Uint32Array;
  readonly ctimeSeconds: Float64Array;
  readonly ctimeNanoseconds: Uint32Array;
  /** Device nodes: major in the high, minor in the low 32 bits (`joinU64`); else 0. */
  readonly device: Float64Array;
  /** InodeFlag bits. */
  readonly flags: Uint16Array;
  /** count + 1 entries: extents of row r are extentStart[r] to extentStart[r + 1] - 1. Ascending by fileOffset. */
  readonly extentStart: Uint32Array;
  readonly extentKind: Uint8Array;
  /** Byte offset in the file. */
  readonly extentFileOffset: Float64Array;
  readonly extentLength: Float64Array;
  /** Byte address in the volume; for `literal` an offset into `literals`. Unused for `zero`. */
  readonly extentVolumeOffset: Float64Array;
  /** Inline data and symlink targets (a symlink's target is always one literal extent at file offset 0). */
  readonly literals: Uint8Array;
  /** Rows that have extended attributes. Sparse, ascending. */
  readonly xattrs: readonly { readonly row: number; readonly list: readonly Xattr[] }[];
  readonly problems: readonly Problem[];
}

/** Directory entries, without `.` and `..`, in any order. */
export interface NameBatch {
  readonly kind: 'names';
  readonly count: number;
  /** Inode number of the directory. */
  readonly parent: Float64Array;
  readonly child: Float64Array;
  /** count + 1 entries: the name of row r is names[nameStart[r]] to names[nameStart[r + 1] - 1]; 1 to 255 bytes, no `/`, no NUL. */
  readonly nameStart: Uint32Array;
  readonly names: Uint8Array;
  /** Directories of which something could not be read: `row` is unused, `inode` names the directory. */
  readonly problems: readonly { readonly inode: number; readonly reason: string }[];
}
