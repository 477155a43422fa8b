/**
 * Block groups: where their descriptors are (one table, or spread by meta_bg), what they say, and which fixed metadata
 * each group holds. Linux fs/ext4/super.c `descriptor_loc`, balloc.c `ext4_num_base_meta_clusters`.
 * Memory: 37 bytes a group; groups are bounded by the volume's size.
 */
import { crc32cRaw } from '../../bytes/crc32c.ts';
import { bytesOf } from '../../bytes/layout.ts';
import { joinU64 } from '../../bytes/units.ts';
import type { ReadAt } from '../volume.ts';
import { crc16, crcU32 } from './checksum.ts';
import { Compat, RoCompat } from './features.ts';
import { BlockGroupFlag, ext4_group_desc_64 } from './layouts.ts';
import { readPieces } from './read-pieces.ts';
import type { Geometry } from './superblock.ts';

const D = ext4_group_desc_64;

/** Columns, one row a group. */
export interface Groups {
  readonly blockBitmap: Float64Array;
  readonly inodeBitmap: Float64Array;
  readonly inodeTable: Float64Array;
  readonly blockBitmapChecksum: Uint32Array;
  /** Clusters that the bitmap has as free, as the descriptor says. */
  readonly freeClusters: Uint32Array;
  /** Inodes at the end of the table that were never used. */
  readonly unusedInodes: Uint32Array;
  readonly flags: Uint8Array;
}

export const GroupFlag = {
  inodeUninit: BlockGroupFlag.inodeUninit,
  blockUninit: BlockGroupFlag.blockUninit,
  /** No copy of the descriptor could be read: nothing is known of the group. */
  lost: 64,
  /** Taken from a backup: right about places, stale about use. */
  fromBackup: 128,
} as const;

export const groupFirstBlock = (g: Geometry, group: number): number => g.firstDataBlock + group * g.blocksPerGroup;

/** Blocks of a group; the last may be short. */
export const groupBlocks = (g: Geometry, group: number): number =>
  Math.min(g.blocksPerGroup, g.blocksCount - groupFirstBlock(g, group));

/** Blocks of an inode table. */
export const inodeTableBlocks = (g: Geometry): number => Math.ceil((g.inodesPerGroup * g.inodeSize) / g.blockSize);

/** Byte address of an inode, 1 to inodesCount. */
export function inodeAddress(g: Geometry, groups: Groups, inode: number): number {
  const group = Math.floor((inode - 1) / g.inodesPerGroup);
  return groups.inodeTable[group] * g.blockSize + ((inode - 1) % g.inodesPerGroup) * g.inodeSize;
}

/** Whether a group starts with a copy of the superblock. */
export function hasSuperblock(g: Geometry, group: number): boolean {
  if (group === 0) return true;
  if ((g.compat & Compat.sparseSuper2) !== 0) return g.backupGroups.includes(group);
  if (group === 1 || (g.roCompat & RoCompat.sparseSuper) === 0) return true;
  return isPowerOf(group, 3) || isPowerOf(group, 5) || isPowerOf(group, 7);
}

function isPowerOf(n: number, base: number): boolean {
  let power = base;
  while (power < n) power *= base;
  return power === n;
}

const descriptorsPerBlock = (g: Geometry): number => g.blockSize / g.descriptorSize;
const descriptorBlocks = (g: Geometry): number => Math.ceil(g.groupCount / descriptorsPerBlock(g));
/** Block of the primary superblock. */
const superblockBlock = (g: Geometry): number => (g.blockSize === 1024 ? 1 : 0);

/** Block of descriptor block `index`, primary copy. */
function descriptorBlockAt(g: Geometry, index: number): number {
  if (index < g.firstMetaGroup) return superblockBlock(g) + index + 1;
  const group = index * descriptorsPerBlock(g);
  let before = hasSuperblock(g, group) ? 1 : 0;
  if (g.blockSize === 1024 && index === 0 && g.firstDataBlock === 0) before++;
  return groupFirstBlock(g, group) + before;
}

/** Blocks of backup copies of descriptor block `index`, nearest first. */
function* descriptorBackups(g: Geometry, index: number): Generator<number> {
  if (index >= g.firstMetaGroup) {
    const first = index * descriptorsPerBlock(g);
    for (const group of [first + 1, first + descriptorsPerBlock(g) - 1]) {
      if (group < g.groupCount) yield groupFirstBlock(g, group) + (hasSuperblock(g, group) ? 1 : 0);
    }
    return;
  }
  let copies = 0;
  for (let group = 1; group < g.groupCount && copies < BACKUPS_TRIED; group++) {
    if (!hasSuperblock(g, group)) continue;
    copies++;
    yield groupFirstBlock(g, group) + 1 + index;
  }
}
const BACKUPS_TRIED = 4;

/** Blocks at a group's start that hold superblock, descriptors and what is reserved for more of them. */
export function baseMetadataBlocks(g: Geometry, group: number): number {
  const inMetaGroups = group >= g.firstMetaGroup * descriptorsPerBlock(g);
  const superblock = hasSuperblock(g, group) ? 1 : 0;
  const boot = group === 0 && g.blockSize === 1024 && g.firstDataBlock === 0 ? 1 : 0;
  if (inMetaGroups) {
    const place = group % descriptorsPerBlock(g);
    const holds = place === 0 || place === 1 || place === descriptorsPerBlock(g) - 1;
    return boot + superblock + (holds ? 1 : 0);
  }
  if (superblock === 0) return 0;
  return boot + 1 + Math.min(descriptorBlocks(g), g.firstMetaGroup) + g.reservedGdtBlocks;
}

/**
 * Reads all descriptors. One that is damaged comes from a backup; where none is whole, the group is `lost`; `notes` says so.
 * @throws FormatError `io` when the descriptor blocks cannot be read at all
 */
export async function readGroups(g: Geometry, readAt: ReadAt, notes: string[], signal?: AbortSignal): Promise<Groups> {
  const groups: Groups = {
    blockBitmap: new Float64Array(g.groupCount),
    inodeBitmap: new Float64Array(g.groupCount),
    inodeTable: new Float64Array(g.groupCount),
    blockBitmapChecksum: new Uint32Array(g.groupCount),
    freeClusters: new Uint32Array(g.groupCount),
    unusedInodes: new Uint32Array(g.groupCount),
    flags: new Uint8Array(g.groupCount),
  };
  const perBlock = descriptorsPerBlock(g);
  const blocks = new Float64Array(descriptorBlocks(g));
  for (let i = 0; i < blocks.length; i++) blocks[i] = descriptorBlockAt(g, i) * g.blockSize;
  const bad: number[] = [];
  for await (const piece of readPieces(readAt, { at: blocks, count: blocks.length, length: g.blockSize }, signal)) {
    const end = Math.min(g.groupCount, piece.to * perBlock);
    for (let group = piece.from * perBlock; group < end; group++) {
      const index = Math.floor(group / perBlock);
      const at = blocks[index] - piece.base + (group % perBlock) * g.descriptorSize;
      if (piece.view === undefined || !takeDescriptor(g, groups, group, piece.view, at)) bad.push(group);
    }
  }
  if (bad.length > 0) await repairGroups(g, groups, bad, readAt, notes, signal);
  return groups;
}

async function repairGroups(
  g: Geometry,
  groups: Groups,
  bad: readonly number[],
  readAt: ReadAt,
  notes: string[],
  signal?: AbortSignal,
): Promise<void> {
  const perBlock = descriptorsPerBlock(g);
  const block = { index: -1, copies: [] as DataView[] };
  for (const group of bad) {
    const index = Math.floor(group / perBlock);
    if (block.index !== index) {
      block.index = index;
      block.copies = [];
      for (const backup of descriptorBackups(g, index)) {
        const copy = await readAt(backup * g.blockSize, g.blockSize, signal).catch(() => undefined);
        if (copy !== undefined) block.copies.push(copy);
      }
      signal?.throwIfAborted();
    }
    const at = (group % perBlock) * g.descriptorSize;
    if (block.copies.some((copy) => takeDescriptor(g, groups, group, copy, at))) {
      groups.flags[group] = GroupFlag.fromBackup;
      groups.unusedInodes[group] = 0;
      notes.push(`descriptor of group ${group} is damaged, its backup was used`);
    } else {
      groups.flags[group] = GroupFlag.lost;
      groups.blockBitmap[group] = groups.inodeBitmap[group] = groups.inodeTable[group] = 0;
      notes.push(`descriptor of group ${group} is damaged and has no good backup: the files of its inodes are lost`);
    }
  }
}

/** Takes one descriptor into the columns; `false` when it is damaged. */
function takeDescriptor(g: Geometry, groups: Groups, group: number, view: DataView, at: number): boolean {
  if (!descriptorChecksumRight(g, group, view, at)) return false;
  const wide = g.descriptorSize >= D.byteLength;
  const blockBitmap = joinLimited(wide ? D.bg_block_bitmap_hi.get(view, at) : 0, D.bg_block_bitmap_lo.get(view, at));
  const inodeBitmap = joinLimited(wide ? D.bg_inode_bitmap_hi.get(view, at) : 0, D.bg_inode_bitmap_lo.get(view, at));
  const inodeTable = joinLimited(wide ? D.bg_inode_table_hi.get(view, at) : 0, D.bg_inode_table_lo.get(view, at));
  const inside = (block: number, count: number): boolean =>
    block > superblockBlock(g) && block + count <= g.blocksCount;
  if (!inside(blockBitmap, 1) || !inside(inodeBitmap, 1) || !inside(inodeTable, inodeTableBlocks(g))) return false;
  const hasFlags = g.hasGdtCsum || g.checksumSeed !== undefined;
  const unusedHigh = wide ? D.bg_itable_unused_hi.get(view, at) * 0x1_0000 : 0;
  const unused = hasFlags ? unusedHigh + D.bg_itable_unused_lo.get(view, at) : 0;
  if (unused > g.inodesPerGroup) return false;
  groups.blockBitmap[group] = blockBitmap;
  groups.inodeBitmap[group] = inodeBitmap;
  groups.inodeTable[group] = inodeTable;
  groups.blockBitmapChecksum[group] =
    D.bg_block_bitmap_csum_lo.get(view, at) + (wide ? D.bg_block_bitmap_csum_hi.get(view, at) * 0x1_0000 : 0);
  groups.freeClusters[group] =
    D.bg_free_blocks_count_lo.get(view, at) + (wide ? D.bg_free_blocks_count_hi.get(view, at) * 0x1_0000 : 0);
  groups.unusedInodes[group] = unused;
  groups.flags[group] = hasFlags ? D.bg_flags.get(view, at) & 3 : 0;
  return true;
}

/** 48 bits and a little more; a hostile high half gives infinity, which is outside of every volume. */
const joinLimited = (high: number, low: number): number =>
  high > 0xf_ffff ? Number.POSITIVE_INFINITY : joinU64(high, low);

const ZERO2 = new Uint8Array(2);

function descriptorChecksumRight(g: Geometry, group: number, view: DataView, at: number): boolean {
  const hole = D.bg_checksum.offset;
  const stored = D.bg_checksum.get(view, at);
  const head = bytesOf(view, at, hole);
  const rest = bytesOf(view, at + hole + 2, g.descriptorSize - hole - 2);
  if (g.checksumSeed !== undefined) {
    const seed = crc32cRaw(crcU32(g.checksumSeed, group), head);
    return (crc32cRaw(crc32cRaw(seed, ZERO2), rest) & 0xffff) === stored;
  }
  if (!g.hasGdtCsum) return true;
  const number = new Uint8Array(4);
  new DataView(number.buffer).setUint32(0, group, true);
  return crc16(crc16(crc16(crc16(0xffff, g.uuid), number), head), rest) === stored;
}
