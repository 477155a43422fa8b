/**
 * ext2, ext3 and ext4 volumes: what they are, what is allocated, and the walk over their metadata.
 * Linux Documentation/filesystems/ext4; fs/ext4. Everything is read through `ReadAt`, so that an overlay can lie under it.
 */
import { FormatError } from '../../bytes/errors.ts';
import { viewOf } from '../../bytes/layout.ts';
import type { Bytes } from '../../bytes/units.ts';
import type { Filesystem, NotWalkable, OpenFilesystem } from '../filesystem.ts';
import type { ReadAt } from '../volume.ts';
import { type BackupSuperblock, findBackup } from './backup-superblock.ts';
import { readInode } from './content-runs.ts';
import { Compat, featuresRefused, Incompat } from './features.ts';
import { readGroups } from './groups.ts';
import { ext4_inode, ext4_super_block, SUPERBLOCK_OFFSET } from './layouts.ts';
import { checkFits, decodeSuperblock, type Geometry, hasExt4Magic } from './superblock.ts';
import { identityOf, openClean, openDirty, ROOT_INODE, type Superblock } from './view.ts';

/**
 * An ext2/3/4 filesystem, its journal replayed in memory where it needs that, by a backup superblock where the primary one
 * is damaged; why it cannot be walked (no good superblock, an unknown feature, a journal that cannot be replayed); or
 * `undefined` when there is no such superblock.
 * @throws FormatError `corrupt` when the volume is shorter than the filesystem, `io` when it cannot be read
 */
export const openExt4: OpenFilesystem = async (readAt, volumeBytes, signal) => {
  if (volumeBytes < SUPERBLOCK_OFFSET + ext4_super_block.byteLength) return undefined;
  const view = await readAt(SUPERBLOCK_OFFSET, ext4_super_block.byteLength, signal);
  if (!hasExt4Magic(view)) return undefined;
  let geometry: Geometry;
  try {
    geometry = decodeSuperblock(view);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const backup = await findBackup(readAt, volumeBytes, view, signal);
    if (backup !== undefined) return openBackup(backup, error.what, readAt, volumeBytes, signal);
    return { reason: featuresRefused(view) ?? `${error.where}: ${error.what}` };
  }
  return openBy({ geometry, view, notes: [] }, readAt, volumeBytes, signal);
};

/**
 * The same for a volume without a primary superblock. To be asked last: a volume that was made anew with another
 * filesystem may still have backups of an older one.
 */
export const openExt4Backup: OpenFilesystem = async (readAt, volumeBytes, signal) => {
  const backup = await findBackup(readAt, volumeBytes, undefined, signal);
  if (backup === undefined || !(await hasRoot(backup.geometry, readAt, signal))) return undefined;
  return openBackup(backup, 'there is none', readAt, volumeBytes, signal);
};

async function openBy(
  superblock: Superblock,
  readAt: ReadAt,
  volumeBytes: Bytes,
  signal?: AbortSignal,
): Promise<Filesystem | NotWalkable> {
  const { geometry, view } = superblock;
  const identity = identityOf(geometry);
  const refused = featuresRefused(view);
  if (refused !== undefined) return { identity, reason: refused };
  checkFits(geometry, volumeBytes);
  if ((geometry.incompat & Incompat.recover) === 0) return openClean(superblock, readAt, volumeBytes, signal);
  try {
    return await openDirty(superblock, readAt, volumeBytes, signal);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { identity, reason: `the journal needs recovery and cannot be replayed: ${error.message}` };
  }
}

/** A backup does not say whether the filesystem was in use: an internal journal does. */
function openBackup(
  { geometry, view, group }: BackupSuperblock,
  why: string,
  readAt: ReadAt,
  volumeBytes: Bytes,
  signal?: AbortSignal,
): Promise<Filesystem | NotWalkable> {
  const notes = [`primary superblock damaged (${why}), backup in group ${group} used`];
  const hasJournal = (geometry.compat & Compat.hasJournal) !== 0 && geometry.journalInode !== 0;
  const incompat = geometry.incompat | (hasJournal ? Incompat.recover : 0);
  return openBy({ geometry: { ...geometry, incompat }, view, notes }, readAt, volumeBytes, signal);
}

async function hasRoot(geometry: Geometry, readAt: ReadAt, signal?: AbortSignal): Promise<boolean> {
  try {
    const groups = await readGroups(geometry, readAt, { notes: [], damage: [] }, signal);
    const root = viewOf(await readInode(geometry, groups, readAt, ROOT_INODE, signal));
    return (ext4_inode.i_mode.get(root, 0) & 0o170000) === 0o040000 && ext4_inode.i_links_count.get(root, 0) > 0;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}
