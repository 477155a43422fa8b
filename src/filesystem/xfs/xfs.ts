/**
 * XFS volumes: what they are, what is allocated, and the walk over their metadata. "XFS Algorithms & Data Structures";
 * Linux fs/xfs. Everything is read through `ReadAt`, so that an overlay can lie under it.
 */
import { FormatError } from '../../bytes/errors.ts';
import type { Bytes } from '../../bytes/units.ts';
import type { Filesystem, FilesystemIdentity, NotWalkable, OpenFilesystem } from '../filesystem.ts';
import type { ReadAt } from '../volume.ts';
import { readAllocated } from './allocation.ts';
import { Incompat, unreadFeatures } from './features.ts';
import { type Group, readGroup } from './groups.ts';
import { xfs_dsb } from './layouts.ts';
import { checkFits, decodeSuperblock, featureWords, type Geometry, hasXfsMagic, sectorSizeOf } from './superblock.ts';
import { walkXfs } from './walk.ts';

/**
 * An XFS filesystem; why it cannot be walked (a damaged superblock, an unknown feature, a log elsewhere); or `undefined`
 * when there is no such superblock.
 * @throws FormatError `corrupt` when the volume is shorter than the filesystem, `io` when it cannot be read
 */
export const openXfs: OpenFilesystem = async (readAt, volumeBytes, signal) => {
  if (volumeBytes < xfs_dsb.byteLength) return undefined;
  const view = await readAt(0, xfs_dsb.byteLength, signal);
  if (!hasXfsMagic(view)) return undefined;
  const refused = featuresRefused(view);
  let geometry: Geometry;
  try {
    geometry = decodeSuperblock(await readAt(0, Math.min(sectorSizeOf(view), volumeBytes), signal));
  } catch (error) {
    if (!(error instanceof FormatError) || error.kind === 'io') throw error;
    return { reason: refused ?? `${error.where}: ${error.what}` };
  }
  const identity = identityOf(geometry);
  if (refused !== undefined) return { identity, reason: refused };
  checkFits(geometry, volumeBytes);
  if (geometry.logStart === 0) {
    return { identity, reason: 'its log is on another device, so that nobody can tell whether the volume is whole' };
  }
  return openGeometry(geometry, identity, readAt, volumeBytes, signal);
};

async function openGeometry(
  geometry: Geometry,
  identity: FilesystemIdentity,
  readAt: ReadAt,
  volumeBytes: Bytes,
  signal?: AbortSignal,
): Promise<Filesystem | NotWalkable> {
  const groups: Group[] = [];
  for (let ag = 0; ag < geometry.agCount; ag++) groups.push(await readGroup(geometry, readAt, ag, signal));
  const notes: string[] = [];
  if (groups.some(({ hasUnlinked }) => hasUnlinked)) {
    notes.push('files that were open after their last name was removed are not listed');
  }
  return {
    identity,
    rootInode: geometry.rootInode,
    inodeEstimate: groups.reduce((sum, { usedInodes }) => sum + usedInodes, 0),
    notes,
    allocated: (allocatedSignal) => readAllocated(geometry, groups, readAt, volumeBytes, notes, allocatedSignal),
    walk: (walkSignal) => walkXfs(geometry, groups, readAt, notes, walkSignal),
  };
}

/** Why the features forbid a walk, one clause. */
function featuresRefused(view: DataView): string | undefined {
  const [version, features2, incompat] = featureWords(view);
  const names = unreadFeatures(version, features2, incompat);
  if (names.length > 0) {
    return `it has ${names.length === 1 ? 'the feature' : 'the features'} ${names.join(', ')}, which this version cannot read`;
  }
  const needsRepair = version === 5 && (incompat & Incompat.needsRepair) !== 0;
  return needsRepair ? 'it is marked as damaged (needsrepair): run xfs_repair' : undefined;
}

function identityOf(g: Geometry): FilesystemIdentity {
  const hex = Buffer.from(g.uuid).toString('hex');
  return {
    type: 'xfs',
    uuid: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
    label: g.label,
    blockSize: g.blockSize,
    byteLength: g.blocksCount * g.blockSize,
  };
}
