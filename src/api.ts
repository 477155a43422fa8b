/** The public API: reading an index and a volume, and the seams to bring devices and filesystems of one's own. The only list of exports. */
export { FormatError, UserError } from './bytes/errors.ts';
export { type ChunkRecord, type FilesystemRecord, FORMAT_VERSION, type Manifest } from './bytes/manifest.ts';
export { openExt4 } from './filesystem/ext4/ext4.ts';
export type { Filesystem, NotWalkable, OpenFilesystem, WalkBatch } from './filesystem/filesystem.ts';
export { type ReadAt, readAtOf } from './filesystem/volume.ts';
export { openXfs } from './filesystem/xfs/xfs.ts';
export { openCopyManager } from './initiator/copy-manager.ts';
export { openTapeDrive, type TapeDrive } from './initiator/tape-drive.ts';
export type { Execute, ScsiCommand, ScsiResult } from './scsi/execute.ts';
export { openFileStore } from './storage/file-store.ts';
export type { IndexEntry } from './tape-index/entry.ts';
export { openStore } from './tape-index/level-store.ts';
export { getSet, listSets, openSet, type StoredSet, wholeManifest } from './tape-index/sets.ts';
