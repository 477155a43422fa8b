/**
 * A filesystem as it is to be read: the disk as it is, or through the overlay that its journal makes. What is allocated is
 * then what either of the two says: the restored volume replays its journal by itself.
 */
import { check, FormatError } from '../../bytes/errors.ts';
import { type Runs, runsOf, unionRuns } from '../../bytes/extents.ts';
import type { Bytes } from '../../bytes/units.ts';
import type { Filesystem, FilesystemIdentity } from '../filesystem.ts';
import type { Overlay } from '../overlay.ts';
import type { ReadAt } from '../volume.ts';
import { diskAllocated, readAllocated } from './allocation.ts';
import { featuresRefused } from './features.ts';
import { type Groups, readGroups } from './groups.ts';
import { readFastCommits } from './journal/fast-commits.ts';
import { type FastReplayed, replayFast } from './journal/fast-replay.ts';
import { type Replayed, replayJournal } from './journal/replay.ts';
import { ext4_super_block, SUPERBLOCK_OFFSET } from './layouts.ts';
import { countOrphans } from './orphans.ts';
import type { Patches } from './patches.ts';
import { checkFits, decodeSuperblock, type Geometry, hasExt4Magic } from './superblock.ts';
import { walkExt4 } from './walk.ts';

export const ROOT_INODE = 2;
const STATE_VALID = 1;
const STATE_ERRORS = 2;

/** The superblock that is used. */
export interface Superblock {
  readonly geometry: Geometry;
  readonly view: DataView;
  /** Said of it. */
  readonly notes: readonly string[];
}

/** The filesystem as it is to be read: through the overlay of its journal, if it has one. */
interface View {
  readonly geometry: Geometry;
  readonly groups: Groups;
  readonly readAt: ReadAt;
  readonly overlay: Overlay | undefined;
  readonly patches: Patches | undefined;
  readonly notes: string[];
  readonly damage: string[];
}

/** A filesystem that was unmounted. @throws FormatError when its descriptors cannot be read at all */
export async function openClean(
  { geometry, notes: before }: Superblock,
  readAt: ReadAt,
  volumeBytes: Bytes,
  signal?: AbortSignal,
): Promise<Filesystem> {
  const notes = [...before];
  const damage: string[] = [];
  const groups = await readGroups(geometry, readAt, { notes, damage }, signal);
  const view = { geometry, groups, readAt, overlay: undefined, patches: undefined, notes, damage };
  return filesystemOf(view, volumeBytes, signal);
}

/** A filesystem that was in use: what its journal makes of it. @throws FormatError when that cannot be known */
export async function openDirty(
  { geometry: onDisk, view: superblock, notes: before }: Superblock,
  readAt: ReadAt,
  volumeBytes: Bytes,
  signal?: AbortSignal,
): Promise<Filesystem> {
  const groupsOnDisk = await readGroups(onDisk, readAt, { notes: [], damage: [] }, signal);
  const replayed = await replayJournal(onDisk, groupsOnDisk, superblock, readAt, signal);
  const { overlay } = replayed;
  const geometry = await geometryAfter(onDisk, overlay, volumeBytes, signal);
  const notes = [...before, ...notesOfReplay(replayed)];
  const damage =
    replayed.damage === undefined ? [] : [`the journal is damaged and was replayed up to there: ${replayed.damage}`];
  const groups = await readGroups(geometry, overlay.readAt, { notes, damage }, signal);
  const fast = await replayFastCommits(geometry, groups, replayed, notes, signal);
  const view = { geometry, groups, readAt: overlay.readAt, overlay, patches: fast?.patches, notes, damage };
  // What the disk alone calls allocated is copied too, and the journal: the restored volume replays by itself.
  const alsoCopied = async (allocatedSignal?: AbortSignal): Promise<Runs> =>
    [
      runsOfJournal(replayed),
      fast?.allocated ?? runsOf([]),
      await diskAllocated(onDisk, groupsOnDisk, readAt, volumeBytes, allocatedSignal),
    ].reduce(unionRuns);
  return filesystemOf(view, volumeBytes, signal, alsoCopied);
}

/** The superblock that the journal has, or else the one on the disk, which may be a backup. */
async function geometryAfter(
  onDisk: Geometry,
  overlay: Overlay,
  volumeBytes: Bytes,
  signal?: AbortSignal,
): Promise<Geometry> {
  if (overlay.sourceOf(SUPERBLOCK_OFFSET) === undefined) return onDisk;
  const after = await overlay.readAt(SUPERBLOCK_OFFSET, ext4_super_block.byteLength, signal);
  check(hasExt4Magic(after), 'ext4 superblock', 'the journal has one without its magic number');
  const geometry = decodeSuperblock(after);
  const refused = featuresRefused(after);
  if (refused !== undefined) throw new FormatError('unsupported', 'ext4 superblock', refused);
  checkFits(geometry, volumeBytes);
  return geometry;
}

/** What was committed since the last transaction, if anything was. */
async function replayFastCommits(
  g: Geometry,
  groups: Groups,
  { journal, log, overlay, endSequence, damage }: Replayed,
  notes: string[],
  signal?: AbortSignal,
): Promise<FastReplayed | undefined> {
  if (journal.start === 0 || damage !== undefined) return undefined;
  const { operations, torn } = await readFastCommits(journal, log, endSequence, g.inodeSize);
  if (torn !== undefined) notes.push(torn);
  if (operations.length === 0) return undefined;
  notes.push(`fast commits were replayed in memory: ${operations.length} changes`);
  return replayFast(g, groups, overlay, operations, signal);
}

async function filesystemOf(
  view: View,
  volumeBytes: Bytes,
  signal?: AbortSignal,
  alsoCopied?: (signal?: AbortSignal) => Promise<Runs>,
): Promise<Filesystem> {
  const { geometry, groups, readAt, overlay, patches, notes, damage } = view;
  notes.unshift(...notesOf(geometry));
  const orphans = await countOrphans(geometry, groups, readAt, signal);
  if (orphans > 0)
    notes.push(`${orphans} ${orphans === 1 ? 'file was' : 'files were'} open without a name: not listed`);
  return {
    identity: identityOf(geometry),
    rootInode: ROOT_INODE,
    inodeEstimate: geometry.inodesCount - geometry.freeInodesCount,
    notes,
    damage,
    async allocated(allocatedSignal) {
      const runs = await readAllocated(geometry, groups, readAt, volumeBytes, notes, allocatedSignal);
      return alsoCopied === undefined ? runs : unionRuns(runs, await alsoCopied(allocatedSignal));
    },
    walk: (walkSignal) => walkExt4(geometry, groups, readAt, { overlay, patches, damage }, walkSignal),
  };
}

const runsOfJournal = ({ journalRuns: { count, volumeOffset, length } }: Replayed): Runs =>
  runsOf(Array.from({ length: count }, (_, i) => [volumeOffset[i], length[i]]));

const notesOfReplay = ({ journal, transactions, overlay, notes }: Replayed): string[] =>
  journal.start === 0
    ? [...notes]
    : [`the journal was replayed in memory: ${transactions} transactions, ${overlay.count} blocks`, ...notes];

function notesOf(g: Geometry): string[] {
  const notes: string[] = [];
  if ((g.state & STATE_ERRORS) !== 0) notes.push('the filesystem is marked as having errors: e2fsck is advised');
  if ((g.state & STATE_VALID) === 0) notes.push('the filesystem was not cleanly unmounted');
  return notes;
}

export function identityOf(g: Geometry): FilesystemIdentity {
  const hex = Buffer.from(g.uuid).toString('hex');
  return {
    type: g.type,
    uuid: hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
    label: g.label,
    blockSize: g.blockSize,
    byteLength: g.blocksCount * g.blockSize,
  };
}
