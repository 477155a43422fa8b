/**
 * The superblock of XFS: checked, bounded, and turned into a geometry in our units.
 * Linux fs/xfs/libxfs/xfs_sb.c `xfs_validate_sb_common` has the checks.
 */
import { FormatError } from '../../bytes/errors.ts';
import type { Bytes } from '../../bytes/units.ts';
import { checksumOf } from './checksum.ts';
import { Features2, Incompat, Version4 } from './features.ts';
import { XFS_SB_MAGIC, xfs_dsb } from './layouts.ts';

const SB = xfs_dsb;
const WHERE = 'XFS superblock';
export const SECTOR_MAX = 32 * 1024;

/** What the superblock says, in our words and units. */
export interface Geometry {
  readonly version: 4 | 5;
  readonly uuid: Uint8Array;
  /** Stands in the metadata; the user may have changed the other. */
  readonly metaUuid: Uint8Array;
  readonly label: string;
  readonly blockSize: Bytes;
  readonly blocksCount: number;
  readonly agBlocks: number;
  readonly agCount: number;
  /** Bits of a block number within its group. */
  readonly agBlockLog: number;
  readonly sectorSize: Bytes;
  readonly inodeSize: Bytes;
  /** Blocks that the first inode of a chunk is aligned to. */
  readonly inodeAlignment: number;
  /** Numbers that a group takes up in block numbers with the group in their upper bits: agBlocks rounded up to a power of two. */
  readonly agStride: number;
  /** Bits of an inode number within its block. */
  readonly inodesPerBlockLog: number;
  /** Bytes of a directory block: one or more blocks. */
  readonly dirBlockSize: Bytes;
  readonly rootInode: number;
  /** Inodes that are not files: quota, realtime bitmap and summary. */
  readonly hiddenInodes: ReadonlySet<number>;
  readonly features2: number;
  readonly incompat: number;
  readonly roCompat: number;
  readonly logIncompat: number;
  /** Directory entries have a byte for the file type. */
  readonly hasFtype: boolean;
  readonly hasSparseInodes: boolean;
  readonly hasLogV2: boolean;
  /** Block number (as in an extent) of the log's start; 0: it is on another device. */
  readonly logStart: number;
  readonly logBlocks: number;
  readonly logSectorSize: Bytes;
  readonly logStripeUnit: Bytes;
}

/** Whether there is the magic number at all. */
export const hasXfsMagic = (view: DataView): boolean =>
  view.byteLength >= SB.byteLength && SB.sb_magicnum.get(view, 0) === XFS_SB_MAGIC;

/** Bytes of a sector, as far as they may be one; the checksum covers that many. */
export function sectorSizeOf(view: DataView): Bytes {
  const size = SB.sb_sectsize.get(view, 0);
  must(isPowerOfTwo(size) && size >= 512 && size <= SECTOR_MAX, `sector size ${size}`);
  return size;
}

/** @param view the first sector, whole. @throws FormatError when a field contradicts another or the checksum is wrong */
export function decodeSuperblock(view: DataView): Geometry {
  const s = SB.decodeAll(view);
  const version = s.sb_versionnum & 0xf;
  if (version !== 4 && version !== 5)
    throw new FormatError('unsupported', WHERE, `version ${version}, only 4 and 5 are read`);
  const sectorSize = sectorSizeOf(view);
  if (version === 5) {
    const found = checksumOf(view, 0, sectorSize, SB.sb_crc.offset);
    must(found === s.sb_crc, `checksum ${hex(found)}, stored ${hex(s.sb_crc)}`);
  }
  must(s.sb_inprogress === 0, 'mkfs.xfs has not ended');
  const features2 =
    version === 4 && (s.sb_versionnum & Version4.moreBits) !== 0 ? s.sb_features2 | s.sb_bad_features2 : 0;
  const incompat = version === 5 ? s.sb_features_incompat : 0;
  const hidden = [s.sb_rbmino, s.sb_rsumino, s.sb_uquotino, s.sb_gquotino, version === 5 ? s.sb_pquotino : 0n];
  const uuid = s.sb_uuid.slice();
  const g: Geometry = {
    version,
    uuid,
    metaUuid: (incompat & Incompat.metaUuid) !== 0 ? s.sb_meta_uuid.slice() : uuid,
    label: textOf(s.sb_fname),
    blockSize: s.sb_blocksize,
    blocksCount: small(s.sb_dblocks, 'blocks'),
    agBlocks: s.sb_agblocks,
    agCount: s.sb_agcount,
    agBlockLog: s.sb_agblklog,
    agStride: 2 ** s.sb_agblklog,
    sectorSize,
    inodeSize: s.sb_inodesize,
    inodeAlignment: s.sb_inoalignmt,
    inodesPerBlockLog: s.sb_inopblog,
    dirBlockSize: s.sb_blocksize * 2 ** Math.min(s.sb_dirblklog, 16),
    rootInode: small(s.sb_rootino, 'root inode'),
    hiddenInodes: new Set(hidden.filter((inode) => inode !== 0n && inode !== NULLFSINO).map(Number)),
    features2,
    incompat,
    roCompat: version === 5 ? s.sb_features_ro_compat : 0,
    logIncompat: version === 5 ? s.sb_features_log_incompat : 0,
    hasFtype: version === 5 ? (incompat & Incompat.ftype) !== 0 : (features2 & Features2.ftype) !== 0,
    hasSparseInodes: (incompat & Incompat.sparseInodes) !== 0,
    hasLogV2: version === 5 || (s.sb_versionnum & Version4.logV2) !== 0,
    logStart: small(s.sb_logstart, 'log start'),
    logBlocks: s.sb_logblocks,
    logSectorSize: s.sb_logsectsize === 0 ? 512 : s.sb_logsectsize,
    logStripeUnit: s.sb_logsunit,
  };
  if (version === 4) must((s.sb_versionnum & Version4.dirV2) !== 0, 'directories of version 1');
  checkGeometry(g, s);
  return g;
}
const NULLFSINO = 0xffff_ffff_ffff_ffffn;

/** @throws FormatError `corrupt` when the volume ends before the filesystem does */
export function checkFits(g: Geometry, volumeBytes: Bytes): void {
  const needed = g.blocksCount * g.blockSize;
  if (needed <= volumeBytes) return;
  const what = `the filesystem has ${needed} bytes, the volume only ${volumeBytes}: the image is cut short`;
  throw new FormatError('corrupt', WHERE, what);
}

/** The features that version 4 and 5 forbid reading by. */
export const featureWords = (view: DataView): [version: number, features2: number, incompat: number] => {
  const versionNumber = SB.sb_versionnum.get(view, 0);
  const more = (versionNumber & Version4.moreBits) !== 0;
  const features2 = more ? SB.sb_features2.get(view, 0) | SB.sb_bad_features2.get(view, 0) : 0;
  return [versionNumber & 0xf, features2, SB.sb_features_incompat.get(view, 0)];
};

/** XFS_AG_MIN_BYTES: bounds the number of groups by the volume's size. */
const AG_BYTES_MIN = 16 * 1024 * 1024;

type Fields = ReturnType<typeof SB.decodeAll>;

function checkGeometry(g: Geometry, s: Fields): void {
  must(isPowerOfTwo(g.blockSize) && g.blockSize >= 512 && g.blockSize <= 65536, `block size ${g.blockSize}`);
  must(2 ** s.sb_blocklog === g.blockSize, `block size ${g.blockSize}, its logarithm ${s.sb_blocklog}`);
  must(g.sectorSize <= g.blockSize && 2 ** s.sb_sectlog === g.sectorSize, `sector size ${g.sectorSize}`);
  must(isPowerOfTwo(g.inodeSize) && g.inodeSize >= 256 && g.inodeSize <= 2048, `inode size ${g.inodeSize}`);
  must(g.version === 4 || g.inodeSize >= 512, `inode size ${g.inodeSize}, version 5`);
  must(s.sb_inopblock * g.inodeSize === g.blockSize, `${s.sb_inopblock} inodes a block`);
  must(
    2 ** g.inodesPerBlockLog === s.sb_inopblock,
    `${s.sb_inopblock} inodes a block, logarithm ${g.inodesPerBlockLog}`,
  );
  must(g.dirBlockSize <= 65536, `directory blocks of ${g.dirBlockSize} bytes`);
  must(g.agBlocks <= 2 ** 31 && g.agCount >= 1, `${g.agCount} groups of ${g.agBlocks} blocks`);
  must(g.agBlocks * g.blockSize >= AG_BYTES_MIN, `groups of ${g.agBlocks * g.blockSize} bytes`);
  must(
    2 ** g.agBlockLog >= g.agBlocks && 2 ** (g.agBlockLog - 1) < g.agBlocks,
    `logarithm ${g.agBlockLog} of ${g.agBlocks}`,
  );
  must(g.agBlockLog + g.inodesPerBlockLog <= 32, 'inode numbers of a group do not fit 32 bits');
  must(
    g.blocksCount > (g.agCount - 1) * g.agBlocks && g.blocksCount <= g.agCount * g.agBlocks,
    `${g.blocksCount} blocks in ${g.agCount} groups of ${g.agBlocks}`,
  );
  must(g.blocksCount * g.blockSize <= Number.MAX_SAFE_INTEGER, `${g.blocksCount} blocks: above 2^53 bytes`);
  must(g.agCount * 2 ** (g.agBlockLog + g.inodesPerBlockLog) <= Number.MAX_SAFE_INTEGER, 'inode numbers above 2^53');
}

/** First block of a group, counted over the volume without gaps. */
export const agFirstBlock = (g: Geometry, ag: number): number => ag * g.agBlocks;
/** Blocks of a group: the last may have fewer. */
export const agBlocksOf = (g: Geometry, ag: number): number => Math.min(g.agBlocks, g.blocksCount - ag * g.agBlocks);

/**
 * Byte address of a block number as extents and 64-bit pointers have it, the group in its upper bits; -1 when `count`
 * blocks from there do not lie in one group.
 */
export function fsBlockAddress(g: Geometry, fsBlock: number, count: number): Bytes {
  const ag = Math.floor(fsBlock / g.agStride);
  const block = fsBlock - ag * g.agStride;
  if (ag >= g.agCount || block + count > agBlocksOf(g, ag)) return -1;
  return (ag * g.agBlocks + block) * g.blockSize;
}

function small(value: bigint, name: string): number {
  must(value <= BigInt(Number.MAX_SAFE_INTEGER), `${name} ${value}`);
  return Number(value);
}

function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new FormatError('corrupt', WHERE, what);
}

const isPowerOfTwo = (n: number): boolean => n > 0 && Number.isInteger(Math.log2(n));
const hex = (n: number): string => n.toString(16).padStart(8, '0');

function textOf(padded: Uint8Array): string {
  const end = padded.indexOf(0);
  return new TextDecoder().decode(end < 0 ? padded : padded.subarray(0, end));
}
