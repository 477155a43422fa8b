/** What every filesystem walker offers: identity, the allocated runs, and the walk (its batches: bytes/walk-batch.ts). */
import type { Runs } from '../bytes/extents.ts';
import type { Bytes } from '../bytes/units.ts';
import type { WalkBatch } from '../bytes/walk-batch.ts';
import type { ReadAt } from './volume.ts';

export interface FilesystemIdentity {
  /** `ext2`, `ext3`, `ext4`, `xfs`, ... */
  readonly type: string;
  /** As the filesystem's own tools print it; empty when it has none. */
  readonly uuid: string;
  readonly label: string;
  readonly blockSize: Bytes;
  /** Bytes from the volume's start that the filesystem covers. */
  readonly byteLength: Bytes;
}

/** Why a filesystem cannot be walked here; the volume is then copied whole. */
export interface NotWalkable {
  readonly identity?: FilesystemIdentity;
  /** One clause for the user: `the journal needs recovery and cannot be replayed: ...`. */
  readonly reason: string;
  /** It is known to hold no files (swap): to have copied it whole is to have backed it up exactly. */
  readonly holdsNoFiles?: boolean;
}

export interface Filesystem {
  readonly identity: FilesystemIdentity;
  /** Inode number of the root directory. */
  readonly rootInode: number;
  /** About how many inodes are in use; for progress. */
  readonly inodeEstimate: number;
  /** Things the user must be told that cost nothing: `primary superblock damaged, backup in group 1 used`. */
  readonly notes: readonly string[];
  /**
   * Damage that no single inode or directory of the walk tells of, one clause each: it makes the backup a partial one. Grows
   * while the walk goes on.
   */
  readonly damage?: readonly string[];
  /**
   * Every byte run of the volume that may hold something, ascending, boot blocks and whatever lies past the last
   * filesystem block included: what a full backup copies. @throws FormatError
   */
  allocated(signal?: AbortSignal): Promise<Runs>;
  /** Byte runs of metadata alone (superblocks, descriptors, bitmaps, inode tables, journal, directories ...), if known cheaply. */
  walk(signal?: AbortSignal): AsyncIterable<WalkBatch>;
}

/** Opens a filesystem or says why not; `undefined`: not this format at all. */
export type OpenFilesystem = (
  readAt: ReadAt,
  volumeBytes: Bytes,
  signal?: AbortSignal,
) => Promise<Filesystem | NotWalkable | undefined>;

export type { InodeBatch, NameBatch, Problem, WalkBatch, Xattr } from '../bytes/walk-batch.ts';
export { ExtentKind, InodeFlag } from '../bytes/walk-batch.ts';
