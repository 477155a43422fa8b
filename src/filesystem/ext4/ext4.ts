/**
 * ext2, ext3 and ext4 volumes: what they are, what is allocated, and the walk over their metadata.
 * Linux Documentation/filesystems/ext4; fs/ext4. Everything is read through `ReadAt`, so that an overlay can lie under it.
 */
import { check, FormatError } from '../../bytes/errors.ts';
import { type Runs, runsOf, unionRuns } from '../../bytes/extents.ts';
import type { Bytes } from '../../bytes/units.ts';
import type { Filesystem, FilesystemIdentity, OpenFilesystem } from '../filesystem.ts';
import type { Overlay } from '../overlay.ts';
import type { ReadAt } from '../volume.ts';
import { diskAllocated, readAllocated } from './allocation.ts';
import { Incompat, unreadFeatures } from './features.ts';
import { type Groups, readGroups } from './groups.ts';
import { readFastCommits } from './journal/fast-commits.ts';
import { type FastReplayed, replayFast } from './journal/fast-replay.ts';
import { type Replayed, replayJournal } from './journal/replay.ts';
import { ext4_super_block, SUPERBLOCK_OFFSET } from './layouts.ts';
import { countOrphans } from './orphans.ts';
import type { Patches } from './patches.ts';
import { checkFits, decodeSuperblock, type Geometry, hasExt4Magic } from './superblock.ts';
import { walkExt4 } from './walk.ts';

const ROOT_INODE = 2;
const STATE_VALID = 1;
const STATE_ERRORS = 2;

/**
 * An ext2/3/4 filesystem, its journal replayed in memory where it needs that; why it cannot be walked (a damaged
 * superblock, an unknown feature, a journal that cannot be replayed); or `undefined` when there is no such superblock.
 * @throws FormatError `corrupt` when the volume is shorter than the filesystem, `io` when it cannot be read
 */
export const openExt4: OpenFilesystem = async (readAt, volumeBytes, signal) => {
  if (volumeBytes < SUPERBLOCK_OFFSET + ext4_super_block.byteLength) return undefined;
  const superblock = await readAt(SUPERBLOCK_OFFSET, ext4_super_block.byteLength, signal);
  if (!hasExt4Magic(superblock)) return undefined;
  const refused = featuresRefused(superblock);
  let geometry: Geometry;
  try {
    geometry = decodeSuperblock(superblock);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { reason: refused ?? `${error.where}: ${error.what}` };
  }
  const identity = identityOf(geometry);
  if (refused !== undefined) return { identity, reason: refused };
  checkFits(geometry, volumeBytes);
  if ((geometry.incompat & Incompat.recover) === 0) {
    const notes: string[] = [];
    const groups = await readGroups(geometry, readAt, notes, signal);
    return filesystemOf(
      { geometry, groups, readAt, overlay: undefined, patches: undefined, notes, damage: [] },
      volumeBytes,
      signal,
    );
  }
  try {
    return await openDirty(geometry, superblock, readAt, volumeBytes, signal);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { identity, reason: `the journal needs recovery and cannot be replayed: ${error.message}` };
  }
};

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

/** A filesystem that was in use: what its journal makes of it. @throws FormatError when that cannot be known */
async function openDirty(
  onDisk: Geometry,
  superblock: DataView,
  readAt: ReadAt,
  volumeBytes: Bytes,
  signal?: AbortSignal,
): Promise<Filesystem> {
  const groupsOnDisk = await readGroups(onDisk, readAt, [], signal);
  const replayed = await replayJournal(onDisk, groupsOnDisk, superblock, readAt, signal);
  const { overlay } = replayed;
  const after = await overlay.readAt(SUPERBLOCK_OFFSET, ext4_super_block.byteLength, signal);
  check(hasExt4Magic(after), 'ext4 superblock', 'the journal has one without its magic number');
  const geometry = decodeSuperblock(after);
  const refused = featuresRefused(after);
  if (refused !== undefined) throw new FormatError('unsupported', 'ext4 superblock', refused);
  checkFits(geometry, volumeBytes);
  const notes = notesOfReplay(replayed);
  const groups = await readGroups(geometry, overlay.readAt, notes, signal);
  const damage =
    replayed.damage === undefined ? [] : [`the journal is damaged and was replayed up to there: ${replayed.damage}`];
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
    walk: (walkSignal) => walkExt4(geometry, groups, readAt, { overlay, patches, notes }, walkSignal),
  };
}

const runsOfJournal = ({ journalRuns: { count, volumeOffset, length } }: Replayed): Runs =>
  runsOf(Array.from({ length: count }, (_, i) => [volumeOffset[i], length[i]]));

const notesOfReplay = ({ transactions, overlay, notes }: Replayed): string[] => [
  `the journal was replayed in memory: ${transactions} transactions, ${overlay.count} blocks`,
  ...notes,
];

/** Why the features forbid a walk, one clause, in the order in which it matters to the user. */
function featuresRefused(view: DataView): string | undefined {
  const { s_feature_incompat, s_rev_level } = ext4_super_block;
  const incompat = s_rev_level.get(view, 0) > 0 ? s_feature_incompat.get(view, 0) : 0;
  if ((incompat & Incompat.journalDev) !== 0) return 'it is an external journal (journal_dev), not a filesystem';
  const names = unreadFeatures(incompat);
  if (names.length === 0) return undefined;
  return `it has ${names.length === 1 ? 'the feature' : 'the features'} ${names.join(', ')}, which this version cannot read`;
}

function notesOf(g: Geometry): string[] {
  const notes: string[] = [];
  if ((g.state & STATE_ERRORS) !== 0) notes.push('the filesystem is marked as having errors: e2fsck is advised');
  if ((g.state & STATE_VALID) === 0) notes.push('the filesystem was not cleanly unmounted');
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
