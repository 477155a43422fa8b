/**
 * A backup superblock, for a volume whose primary one is damaged: looked for where mke2fs puts them, in the first groups,
 * for every block size. e2fsprogs e2fsck/util.c `get_backup_sb` looks in the same places.
 */
import { FormatError } from '../../bytes/errors.ts';
import type { Bytes } from '../../bytes/units.ts';
import type { ReadAt } from '../volume.ts';
import { groupFirstBlock } from './groups.ts';
import { ext4_super_block, SUPERBLOCK_OFFSET } from './layouts.ts';
import { checkFits, decodeSuperblock, type Geometry, hasExt4Magic } from './superblock.ts';

const SB = ext4_super_block;

export interface BackupSuperblock {
  readonly geometry: Geometry;
  readonly view: DataView;
  readonly group: number;
}

/** Groups that have a backup with sparse_super, the first of them. Without it they have one too. */
const GROUPS = [1, 3, 5, 7, 9, 25, 27, 49];
/** Groups of mke2fs are 8 MiB (1 KiB blocks) times a power of two. */
const GROUP_BYTES_LEAST = 8 * 1024 * 1024;

/**
 * The first backup that is whole, fits the volume and is where it says.
 * @param primary the damaged one: what it says of the groups is tried first
 * @throws FormatError only `io`, when the signal or the medium ends it
 */
export async function findBackup(
  readAt: ReadAt,
  volumeBytes: Bytes,
  primary: DataView | undefined,
  signal?: AbortSignal,
): Promise<BackupSuperblock | undefined> {
  const tried = new Set<Bytes>();
  for (const address of places(volumeBytes, primary)) {
    if (address + SB.byteLength > volumeBytes || tried.has(address)) continue;
    tried.add(address);
    const found = await backupAt(readAt, address, volumeBytes, signal);
    if (found !== undefined) return found;
  }
  return undefined;
}

function* places(volumeBytes: Bytes, primary: DataView | undefined): Generator<Bytes> {
  if (primary !== undefined && SB.s_log_block_size.get(primary, 0) <= 6) {
    const blockSize = 1024 * 2 ** SB.s_log_block_size.get(primary, 0);
    const groupBytes = SB.s_blocks_per_group.get(primary, 0) * blockSize;
    const first = SB.s_first_data_block.get(primary, 0) * blockSize;
    const groups = [...GROUPS, SB.s_backup_bgs_0.get(primary, 0), SB.s_backup_bgs_1.get(primary, 0)];
    for (const group of groups) if (group > 0 && groupBytes > 0) yield first + group * groupBytes;
  }
  for (const group of GROUPS) {
    for (let groupBytes = GROUP_BYTES_LEAST; groupBytes * group < volumeBytes; groupBytes *= 2) {
      yield group * groupBytes;
      yield group * groupBytes + SUPERBLOCK_OFFSET; // 1 KiB blocks: block 0 belongs to no group
    }
  }
}

async function backupAt(
  readAt: ReadAt,
  address: Bytes,
  volumeBytes: Bytes,
  signal?: AbortSignal,
): Promise<BackupSuperblock | undefined> {
  try {
    const view = await readAt(address, SB.byteLength, signal);
    if (!hasExt4Magic(view)) return undefined;
    const geometry = decodeSuperblock(view);
    const group = SB.s_block_group_nr.get(view, 0);
    if (group === 0 || groupFirstBlock(geometry, group) * geometry.blockSize !== address) return undefined;
    checkFits(geometry, volumeBytes);
    return { geometry: { ...geometry, lastOrphan: 0 }, view, group }; // the list of orphans is not kept in backups
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}
