/**
 * XFS volumes: what they are, what is allocated, and the walk over their metadata. "XFS Algorithms & Data Structures";
 * Linux fs/xfs. Everything is read through `ReadAt`, so that an overlay can lie under it.
 */
import { FormatError } from '../../bytes/errors.ts';
import { type Runs, unionRuns } from '../../bytes/extents.ts';
import type { Bytes } from '../../bytes/units.ts';
import type { Filesystem, FilesystemIdentity, OpenFilesystem } from '../filesystem.ts';
import type { ReadAt } from '../volume.ts';
import { readAllocated, readAllocatedBefore } from './allocation.ts';
import { Incompat, unreadFeatures } from './features.ts';
import { type Group, readGroup } from './groups.ts';
import { xfs_dsb } from './layouts.ts';
import { NOTHING_UNFINISHED } from './log/intents.ts';
import { type Replayed, replayLog } from './log/replay.ts';
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
  try {
    const replayed = await replayLog(geometry, readAt, signal);
    if (replayed === undefined) return openClean(geometry, readAt, volumeBytes, signal);
    return await openReplayed(geometry, replayed, readAt, volumeBytes, signal);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { identity, reason: `its log cannot be replayed: ${error.where}: ${error.what}` };
  }
};

async function openClean(
  geometry: Geometry,
  readAt: ReadAt,
  volumeBytes: Bytes,
  signal?: AbortSignal,
): Promise<Filesystem> {
  const groups = await readGroups(geometry, readAt, signal);
  const notes = notesOf(groups);
  return filesystemOf(
    { geometry, groups, readAt, notes, replayed: { unfinished: NOTHING_UNFINISHED, reowned: new Set() } },
    (ofSignal) => readAllocated(geometry, groups, readAt, volumeBytes, notes, ofSignal),
  );
}

/** The volume as it will be after its log was replayed: what the walk sees, and what decides which blocks are copied. */
async function openReplayed(
  before: Geometry,
  replayed: Replayed,
  raw: ReadAt,
  volumeBytes: Bytes,
  signal?: AbortSignal,
): Promise<Filesystem> {
  const { readAt } = replayed;
  const geometry = decodeSuperblock(await readAt(0, before.sectorSize, signal));
  checkFits(geometry, volumeBytes);
  const groups = await readGroups(geometry, readAt, signal);
  const rawGroups = await readGroups(before, raw, signal);
  const notes = ['the log was replayed in memory', ...notesOf(groups)];
  return filesystemOf({ geometry, groups, readAt, notes, replayed }, async (ofSignal) => {
    const now = await readAllocated(geometry, groups, readAt, volumeBytes, notes, ofSignal);
    return unionRuns(now, await readAllocatedBefore(before, rawGroups, raw, ofSignal));
  });
}

interface Opened {
  readonly geometry: Geometry;
  readonly groups: readonly Group[];
  readonly readAt: ReadAt;
  readonly notes: string[];
  readonly replayed: Pick<Replayed, 'unfinished' | 'reowned'>;
}

function filesystemOf(opened: Opened, readRuns: (signal?: AbortSignal) => Promise<Runs>): Filesystem {
  const { geometry, groups, readAt, notes, replayed } = opened;
  let runs: Runs | undefined; // asked for before the walk, and needed by it: read once
  const allocated = async (signal?: AbortSignal): Promise<Runs> => {
    runs ??= await readRuns(signal);
    return runs;
  };
  return {
    identity: identityOf(geometry),
    rootInode: geometry.rootInode,
    inodeEstimate: groups.reduce((sum, { usedInodes }) => sum + usedInodes, 0),
    notes,
    allocated,
    async *walk(signal) {
      yield* walkXfs(geometry, groups, readAt, notes, replayed, await allocated(signal), signal);
    },
  };
}

async function readGroups(g: Geometry, readAt: ReadAt, signal?: AbortSignal): Promise<Group[]> {
  const groups: Group[] = [];
  for (let ag = 0; ag < g.agCount; ag++) groups.push(await readGroup(g, readAt, ag, signal));
  return groups;
}

const notesOf = (groups: readonly Group[]): string[] =>
  groups.some(({ hasUnlinked }) => hasUnlinked)
    ? ['files that were open after their last name was removed are not listed']
    : [];

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
