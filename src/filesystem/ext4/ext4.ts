/**
 * ext2, ext3 and ext4 volumes: what they are, what is allocated, and the walk over their metadata.
 * Linux Documentation/filesystems/ext4; fs/ext4. Everything is read through `ReadAt`, so that an overlay can lie under it.
 */
import { FormatError } from '../../bytes/errors.ts';
import type { Bytes } from '../../bytes/units.ts';
import type { Filesystem, FilesystemIdentity, NotWalkable, OpenFilesystem } from '../filesystem.ts';
import type { ReadAt } from '../volume.ts';
import { readAllocated } from './allocation.ts';
import { Incompat, RoCompat, unreadFeatures } from './features.ts';
import { readGroups } from './groups.ts';
import { ext4_super_block, SUPERBLOCK_OFFSET } from './layouts.ts';
import { checkFits, decodeSuperblock, type Geometry, hasExt4Magic } from './superblock.ts';
import { walkExt4 } from './walk.ts';

const ROOT_INODE = 2;
const STATE_VALID = 1;
const STATE_ERRORS = 2;

/**
 * An ext2/3/4 filesystem; why it cannot be walked (a damaged superblock, an unknown feature, a journal to be replayed); or
 * `undefined` when there is no such superblock.
 * @throws FormatError `corrupt` when the volume is shorter than the filesystem, `io` when it cannot be read
 */
export const openExt4: OpenFilesystem = async (readAt, volumeBytes, signal) => {
  if (volumeBytes < SUPERBLOCK_OFFSET + ext4_super_block.byteLength) return undefined;
  const view = await readAt(SUPERBLOCK_OFFSET, ext4_super_block.byteLength, signal);
  if (!hasExt4Magic(view)) return undefined;
  const refused = featuresRefused(view);
  let geometry: Geometry;
  try {
    geometry = decodeSuperblock(view);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { reason: refused ?? `${error.where}: ${error.what}` };
  }
  const identity = identityOf(geometry);
  if (refused !== undefined) return { identity, reason: refused };
  checkFits(geometry, volumeBytes);
  return openGeometry(geometry, identity, readAt, volumeBytes, signal);
};

async function openGeometry(
  geometry: Geometry,
  identity: FilesystemIdentity,
  readAt: ReadAt,
  volumeBytes: Bytes,
  signal?: AbortSignal,
): Promise<Filesystem | NotWalkable> {
  const notes = notesOf(geometry);
  const groups = await readGroups(geometry, readAt, notes, signal);
  return {
    identity,
    rootInode: ROOT_INODE,
    inodeEstimate: geometry.inodesCount - geometry.freeInodesCount,
    notes,
    allocated: (allocatedSignal) => readAllocated(geometry, groups, readAt, volumeBytes, notes, allocatedSignal),
    walk: (walkSignal) => walkExt4(geometry, groups, readAt, notes, walkSignal),
  };
}

/** Why the features forbid a walk, one clause, in the order in which it matters to the user. */
function featuresRefused(view: DataView): string | undefined {
  const { s_feature_incompat, s_rev_level } = ext4_super_block;
  const incompat = s_rev_level.get(view, 0) > 0 ? s_feature_incompat.get(view, 0) : 0;
  if ((incompat & Incompat.journalDev) !== 0) return 'it is an external journal (journal_dev), not a filesystem';
  if ((incompat & Incompat.recover) !== 0) return 'the journal needs recovery (needs_recovery is set)';
  const names = unreadFeatures(incompat);
  if (names.length === 0) return undefined;
  return `it has ${names.length === 1 ? 'the feature' : 'the features'} ${names.join(', ')}, which this version cannot read`;
}

function notesOf(g: Geometry): string[] {
  const notes: string[] = [];
  if ((g.state & STATE_ERRORS) !== 0) notes.push('the filesystem is marked as having errors: e2fsck is advised');
  if ((g.state & STATE_VALID) === 0) notes.push('the filesystem was not cleanly unmounted');
  if (g.lastOrphan !== 0 || (g.roCompat & RoCompat.orphanPresent) !== 0) {
    notes.push('files that were open after their last name was removed are not listed');
  }
  return notes;
}

function identityOf(g: Geometry): FilesystemIdentity {
  const hex = Buffer.from(g.uuid).toString('hex');
  return {
    type: g.type,
    uuid: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
    label: g.label,
    blockSize: g.blockSize,
    byteLength: g.blocksCount * g.blockSize,
  };
}
