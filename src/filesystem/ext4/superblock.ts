/**
 * The superblock of ext2/3/4: checked, bounded, and turned into a geometry in our units.
 * Linux fs/ext4/super.c `ext4_fill_super` has the checks; e2fsprogs lib/ext2fs/openfs.c agrees.
 */
import { crc32cRaw } from '../../bytes/crc32c.ts';
import { FormatError } from '../../bytes/errors.ts';
import { bytesOf, viewOf } from '../../bytes/layout.ts';
import { type Bytes, joinU64 } from '../../bytes/units.ts';
import { HashVersion } from './directory-hash.ts';
import { Compat, ext4Type, Incompat, RoCompat } from './features.ts';
import { EXT4_SUPER_MAGIC, ext4_super_block, GOOD_OLD_INODE_SIZE } from './layouts.ts';

const SB = ext4_super_block;
const WHERE = 'ext4 superblock';

/** What the superblock says, in our words and units. */
export interface Geometry {
  readonly type: 'ext2' | 'ext3' | 'ext4';
  readonly uuid: Uint8Array;
  readonly label: string;
  readonly compat: number;
  readonly incompat: number;
  readonly roCompat: number;
  readonly blockSize: Bytes;
  readonly blocksCount: number;
  /** Block number of group 0's first block: 1 for 1 KiB blocks without bigalloc. */
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  /** Blocks that one bit of a block bitmap stands for; 1 without bigalloc. */
  readonly clusterRatio: number;
  readonly groupCount: number;
  readonly inodesCount: number;
  readonly freeInodesCount: number;
  readonly inodesPerGroup: number;
  readonly inodeSize: Bytes;
  readonly firstInode: number;
  readonly descriptorSize: Bytes;
  readonly firstMetaGroup: number;
  readonly reservedGdtBlocks: number;
  readonly backupGroups: readonly number[];
  readonly isHurd: boolean;
  readonly state: number;
  readonly lastOrphan: number;
  readonly journalInode: number;
  /** 0: none. */
  readonly orphanFileInode: number;
  /** Inodes at or above `firstInode` that are not files: journal, quota, orphan file, snapshots. */
  readonly hiddenInodes: ReadonlySet<number>;
  readonly hiddenInodeMax: number;
  /** Seed of the CRC-32C checksums, or undefined without metadata_csum. */
  readonly checksumSeed: number | undefined;
  /** Seeds the hashes of attribute values kept in inodes, with or without metadata_csum. */
  readonly valueHashSeed: number;
  readonly hasGdtCsum: boolean;
  /** Of names in indexed directories (directory-hash.ts). */
  readonly hash: { readonly version: number; readonly seed: readonly number[] };
}

/** Whether these 1024 bytes carry the magic number at all. */
export const hasExt4Magic = (view: DataView): boolean =>
  view.byteLength >= SB.byteLength && SB.s_magic.get(view, 0) === EXT4_SUPER_MAGIC;

/** @throws FormatError when a field contradicts another or the checksum is wrong */
export function decodeSuperblock(view: DataView): Geometry {
  const s = SB.decodeAll(view);
  const dynamic = s.s_rev_level > 0;
  const incompat = dynamic ? s.s_feature_incompat : 0;
  const roCompat = dynamic ? s.s_feature_ro_compat : 0;
  const compat = dynamic ? s.s_feature_compat : 0;
  const hasCsum = (roCompat & RoCompat.metadataCsum) !== 0;
  if (hasCsum) checkChecksum(view, s.s_checksum_type, s.s_checksum);

  must(s.s_log_block_size <= 6, `block size 2^${10 + s.s_log_block_size}, at most 64 KiB`);
  const blockSize = 1024 * 2 ** s.s_log_block_size;
  const clusterRatio = clusterRatioOf(s.s_log_block_size, s.s_log_cluster_size, roCompat);
  const is64bit = (incompat & Incompat.is64bit) !== 0;
  const blocksCount = joinBlocks(is64bit ? s.s_blocks_count_hi : 0, s.s_blocks_count_lo);
  const inodeSize = dynamic ? s.s_inode_size : GOOD_OLD_INODE_SIZE;
  must(
    isPowerOfTwo(inodeSize) && inodeSize >= GOOD_OLD_INODE_SIZE && inodeSize <= blockSize,
    `inode size ${inodeSize}, block size ${blockSize}`,
  );
  const descriptorSize = is64bit ? s.s_desc_size : 32;
  must(
    isPowerOfTwo(descriptorSize) && descriptorSize >= (is64bit ? 64 : 32) && descriptorSize <= 1024,
    `group descriptor size ${descriptorSize}`,
  );
  const seed = crc32cRaw(0xffff_ffff, s.s_uuid);
  const chosenSeed = (incompat & Incompat.csumSeed) !== 0 ? s.s_checksum_seed : seed;
  const hiddenInodes = new Set(
    [
      s.s_journal_inum,
      s.s_usr_quota_inum,
      s.s_grp_quota_inum,
      s.s_prj_quota_inum,
      s.s_orphan_file_inum,
      s.s_snapshot_inum,
    ].filter((inode) => inode !== 0),
  );
  const geometry: Geometry = {
    type: ext4Type(compat, incompat, roCompat),
    uuid: s.s_uuid.slice(),
    label: textOf(s.s_volume_name),
    compat,
    incompat,
    roCompat,
    blockSize,
    blocksCount,
    firstDataBlock: s.s_first_data_block,
    blocksPerGroup: s.s_blocks_per_group,
    clusterRatio,
    groupCount: Math.ceil((blocksCount - s.s_first_data_block) / s.s_blocks_per_group),
    inodesCount: s.s_inodes_count,
    freeInodesCount: s.s_free_inodes_count,
    inodesPerGroup: s.s_inodes_per_group,
    inodeSize,
    firstInode: dynamic ? s.s_first_ino : 11,
    descriptorSize,
    firstMetaGroup: (incompat & Incompat.metaBg) !== 0 ? s.s_first_meta_bg : Number.POSITIVE_INFINITY,
    reservedGdtBlocks: s.s_reserved_gdt_blocks,
    backupGroups: [s.s_backup_bgs_0, s.s_backup_bgs_1],
    isHurd: s.s_creator_os === 1,
    state: s.s_state,
    lastOrphan: s.s_last_orphan,
    journalInode: s.s_journal_inum,
    orphanFileInode: (compat & Compat.orphanFile) !== 0 ? s.s_orphan_file_inum : 0,
    hiddenInodes,
    hiddenInodeMax: Math.max(0, ...hiddenInodes),
    checksumSeed: hasCsum ? chosenSeed : undefined,
    valueHashSeed: chosenSeed,
    hash: hashOf(s.s_def_hash_version, (s.s_flags & UNSIGNED_HASH) !== 0, s.s_hash_seed),
    hasGdtCsum: (roCompat & RoCompat.gdtCsum) !== 0,
  };
  checkGeometry(geometry);
  return geometry;
}

/** @throws FormatError `corrupt` when the volume ends before the filesystem does */
export function checkFits(geometry: Geometry, volumeBytes: Bytes): void {
  const needed = geometry.blocksCount * geometry.blockSize;
  if (needed <= volumeBytes) return;
  throw new FormatError(
    'corrupt',
    WHERE,
    `the filesystem has ${needed} bytes, the volume only ${volumeBytes}: the image is cut short; copy it again, whole`,
  );
}

function checkChecksum(view: DataView, type: number, stored: number): void {
  if (type !== 1) throw new FormatError('unsupported', WHERE, `checksum type ${type}, only 1 (crc32c) is known`);
  const found = crc32cRaw(0xffff_ffff, bytesOf(view, 0, SB.s_checksum.offset));
  must(
    found === stored,
    `checksum ${found.toString(16).padStart(8, '0')}, stored ${stored.toString(16).padStart(8, '0')}`,
  );
}

function clusterRatioOf(logBlock: number, logCluster: number, roCompat: number): number {
  if ((roCompat & RoCompat.bigalloc) === 0) return 1;
  must(logCluster >= logBlock && logCluster <= 20, `cluster size 2^${10 + logCluster}`);
  return 2 ** (logCluster - logBlock);
}

function checkGeometry(g: Geometry): void {
  const bitsPerBlock = g.blockSize * 8;
  const firstBlock = g.blockSize === 1024 && g.clusterRatio === 1 ? 1 : 0;
  must(g.firstDataBlock === firstBlock, `first data block ${g.firstDataBlock}, block size ${g.blockSize}`);
  must(g.blocksCount > g.firstDataBlock, `${g.blocksCount} blocks`);
  must(
    g.blocksPerGroup >= 8 && g.blocksPerGroup % (8 * g.clusterRatio) === 0,
    `${g.blocksPerGroup} blocks in a group, ${g.clusterRatio} in a cluster`,
  );
  must(
    g.blocksPerGroup / g.clusterRatio <= bitsPerBlock,
    `${g.blocksPerGroup} blocks in a group, bitmap of ${bitsPerBlock}`,
  );
  must(
    g.inodesPerGroup >= 8 && g.inodesPerGroup % 8 === 0 && g.inodesPerGroup <= bitsPerBlock,
    `${g.inodesPerGroup} inodes in a group, bitmap of ${bitsPerBlock}`,
  );
  const inodes = g.groupCount * g.inodesPerGroup;
  must(g.inodesCount === inodes, `${g.inodesCount} inodes, ${g.groupCount} groups of ${g.inodesPerGroup}`);
  must(g.firstInode >= 11 && g.firstInode <= g.inodesCount, `first inode ${g.firstInode} of ${g.inodesCount}`);
  must(g.freeInodesCount <= g.inodesCount, `${g.freeInodesCount} free inodes of ${g.inodesCount}`);
  must(g.reservedGdtBlocks <= g.blockSize / 4, `${g.reservedGdtBlocks} blocks reserved for descriptors`);
}

const UNSIGNED_HASH = 2;

function hashOf(version: number, isUnsigned: boolean, seed: Uint8Array): Geometry['hash'] {
  const words = viewOf(seed);
  return {
    version: version < HashVersion.unsigned && isUnsigned ? version + HashVersion.unsigned : version,
    seed: [0, 4, 8, 12].map((at) => words.getUint32(at, true)),
  };
}

function joinBlocks(high: number, low: number): number {
  must(high < 0x1_0000, `blocks count high ${high}`); // 48 bits are all an extent can name
  return joinU64(high, low);
}

function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new FormatError('corrupt', WHERE, what);
}

const isPowerOfTwo = (n: number): boolean => n > 0 && (n & (n - 1)) === 0;

function textOf(padded: Uint8Array): string {
  const end = padded.indexOf(0);
  return new TextDecoder().decode(end < 0 ? padded : padded.subarray(0, end));
}
