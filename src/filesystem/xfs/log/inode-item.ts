/**
 * Replay of inode items: the core, which the log has in the byte order of the machine, and the forks. Linux
 * fs/xfs/xfs_inode_item_recover.c; new inodes: fs/xfs/xfs_icreate_item.c, libxfs/xfs_ialloc.c `xfs_ialloc_inode_init`.
 */
import { bytesOf, viewOf } from '../../../bytes/layout.ts';
import {
  BASIC_BLOCK,
  DINODE_CORE_V2,
  DINODE_CORE_V3,
  Diflag2,
  Format,
  LONG_HEADER,
  NULLAGINO,
  XFS_DINODE_MAGIC,
  xfs_dinode,
} from '../layouts.ts';
import { agBlocksOf, agFirstBlock, type Geometry } from '../superblock.ts';
import { type ReplayBuffer, type ReplayBuffers, sealAt } from './buffers.ts';
import { Ilog, INODE_LOG_FORMAT_32, Item, join, xfs_icreate_log, xfs_inode_log_format } from './layouts.ts';
import { corruptLog } from './ring.ts';
import type { LogItem } from './transactions.ts';

const D = xfs_dinode;

/** What region 0 of an inode item says. */
export interface InodeItem {
  readonly fields: number;
  readonly regions: number;
  readonly inode: number;
  readonly rdev: number;
  /** Buffer: basic block, and how many; and the inode's byte in it. */
  readonly block: number;
  readonly blocks: number;
  readonly offset: number;
}

/** @throws FormatError when it contradicts itself */
export function inodeItem(item: LogItem): InodeItem {
  const F = xfs_inode_log_format;
  let description = item.regions[0];
  if (description.length === INODE_LOG_FORMAT_32) {
    const padded = new Uint8Array(F.byteLength);
    padded.set(description.subarray(0, 12));
    padded.set(description.subarray(12), 16);
    description = padded;
  }
  if (description.length < F.byteLength) throw corruptLog(`inode item of ${description.length} bytes`);
  const view = viewOf(description);
  return {
    fields: F.ilf_fields.get(view, 0),
    regions: F.ilf_size.get(view, 0),
    inode: join(F.ilf_ino_high.get(view, 0), F.ilf_ino_low.get(view, 0)),
    rdev: F.ilf_rdev.get(view, 0),
    block: join(F.ilf_blkno_high.get(view, 0), F.ilf_blkno_low.get(view, 0)),
    blocks: F.ilf_len.get(view, 0),
    offset: F.ilf_boffset.get(view, 0),
  };
}

/** Replays an item whose buffer is not cancelled. @param lsn of its transaction */
export async function replayInodeItem(
  g: Geometry,
  buffers: ReplayBuffers,
  item: LogItem,
  description: InodeItem,
  lsn: bigint,
): Promise<void> {
  const { inode, offset } = description;
  const buffer = await buffers.get(description.block, description.blocks);
  if (offset % g.inodeSize !== 0 || offset + g.inodeSize > buffer.bytes.length) {
    throw corruptLog(`inode ${inode} at byte ${offset} of a buffer of ${buffer.bytes.length}`);
  }
  const disk = new DataView(buffer.bytes.buffer, buffer.bytes.byteOffset + offset, g.inodeSize);
  const core = item.regions[1];
  if (core === undefined || core.length < DINODE_CORE_V2 - 4) throw corruptLog(`inode ${inode} without its core`);
  const log = viewOf(core);
  if (D.di_magic.get(disk, 0) !== XFS_DINODE_MAGIC) throw corruptLog(`there is no inode where ${inode} should be`);
  if (log.getUint16(0, true) !== XFS_DINODE_MAGIC) throw corruptLog(`inode ${inode}: the core in the log has no magic`);
  if (isNewer(g, disk, log, lsn)) return;
  copyCore(g, log, disk, lsn);
  if ((description.fields & Ilog.dev) !== 0) disk.setUint32(coreBytes(g), description.rdev);
  if (description.regions > 2) copyForks(g, item, description, disk);
  if (g.version === 5) sealAt(disk, 0, g.inodeSize, D.di_crc.offset);
}

const coreBytes = (g: Geometry): number => (g.version === 5 ? DINODE_CORE_V3 : DINODE_CORE_V2);
/** DI_MAX_FLUSH. */
const FLUSHES_MAX = 0xffff;

/** Whether the inode on disk was written later than this: by its age, in version 4 by the count of its writes. */
function isNewer(g: Geometry, disk: DataView, log: DataView, lsn: bigint): boolean {
  if (g.version === 5) {
    const age = D.di_lsn.get(disk, 0);
    return age !== 0n && age !== 0xffff_ffff_ffff_ffffn && age > lsn;
  }
  const inLog = log.getUint16(D.di_flushiter.offset, true);
  const onDisk = D.di_flushiter.get(disk, 0);
  const hasWrapped = onDisk === FLUSHES_MAX && inLog < FLUSHES_MAX >> 1;
  return inLog < onDisk && !hasWrapped;
}

/** Fields of the core that change their byte order: place and bytes. Times and counts of extents are special. */
const PLAIN = [
  [0, 2], [2, 2], [4, 1], [5, 1], [8, 4], [12, 4], [16, 4], [20, 2], [22, 2], [56, 8], [64, 8], [72, 4], [82, 1], [83, 1],
  [84, 4], [88, 2], [90, 2], [92, 4],
] as const; // biome-ignore format: a table
const PLAIN_V3 = [[104, 8], [120, 8], [128, 4], [152, 8]] as const; // biome-ignore format: a table
const TIMES = [32, 40, 48] as const;
const CREATION_TIME = 144;

function copyCore(g: Geometry, log: DataView, disk: DataView, lsn: bigint): void {
  const isV3 = g.version === 5;
  if (isV3 && log.byteLength < DINODE_CORE_V3) throw corruptLog(`inode core of ${log.byteLength} bytes`);
  for (const [at, bytes] of PLAIN) swap(log, disk, at, bytes);
  disk.setUint16(D.di_onlink.offset, 0);
  const flags2 = isV3 ? log.getUint32(120, true) : 0; // the low word
  for (const at of isV3 ? [...TIMES, CREATION_TIME] : TIMES) {
    if ((flags2 & Diflag2.bigtime) !== 0) swap(log, disk, at, 8);
    else {
      swap(log, disk, at, 4);
      swap(log, disk, at + 4, 4);
    }
  }
  disk.setBigUint64(24, 0n); // count of extents, or padding and the count of writes, which begins anew
  if ((flags2 & Diflag2.nrext64) !== 0) swap(log, disk, 24, 8);
  swap(log, disk, 76, 4);
  swap(log, disk, 80, 2);
  if (!isV3) return;
  for (const [at, bytes] of PLAIN_V3) swap(log, disk, at, bytes);
  disk.setBigUint64(D.di_lsn.offset, lsn);
  bytesOf(disk, 132, 12).fill(0);
  bytesOf(disk, D.di_uuid.offset, 16).set(bytesOf(log, D.di_uuid.offset, 16));
}

function swap(from: DataView, to: DataView, at: number, bytes: number): void {
  if (bytes === 1) to.setUint8(at, from.getUint8(at));
  else if (bytes === 2) to.setUint16(at, from.getUint16(at, true));
  else if (bytes === 4) to.setUint32(at, from.getUint32(at, true));
  else to.setBigUint64(at, from.getBigUint64(at, true));
}

function copyForks(g: Geometry, item: LogItem, description: InodeItem, disk: DataView): void {
  const { fields, inode } = description;
  const literal = coreBytes(g);
  const all = g.inodeSize - literal;
  const forkoff = D.di_forkoff.get(disk, 0) * 8;
  if (forkoff > all) throw corruptLog(`inode ${inode}: attribute fork at byte ${forkoff} of ${all}`);
  const dataBytes = forkoff === 0 ? all : forkoff;
  let region = 2;
  const isRoot = (fields & Ilog.dbroot) !== 0;
  if (isRoot || (fields & (Ilog.ddata | Ilog.dext)) !== 0) {
    copyFork(g, item.regions[region++], bytesOf(disk, literal, dataBytes), isRoot, inode);
  }
  const isAttributeRoot = (fields & Ilog.abroot) !== 0;
  if (isAttributeRoot || (fields & (Ilog.adata | Ilog.aext)) !== 0) {
    if (forkoff === 0) throw corruptLog(`inode ${inode}: attributes without a fork for them`);
    copyFork(g, item.regions[region], bytesOf(disk, literal + forkoff, all - forkoff), isAttributeRoot, inode);
  }
}

function copyFork(g: Geometry, data: Uint8Array | undefined, fork: Uint8Array, isRoot: boolean, inode: number): void {
  if (data === undefined) throw corruptLog(`inode ${inode}: a fork is missing`);
  if (isRoot) copyRoot(g, data, fork, inode);
  else if (data.length > fork.length + 3)
    throw corruptLog(`inode ${inode}: fork of ${data.length} in ${fork.length} bytes`);
  else fork.set(data.subarray(0, fork.length)); // regions are rounded up to words
}

/** The root of an extent tree: a whole block's header in the log, level and count alone in the inode. `xfs_bmbt_to_bmdr`. */
function copyRoot(g: Geometry, data: Uint8Array, fork: Uint8Array, inode: number): void {
  const header = LONG_HEADER[g.version - 4];
  const from = viewOf(data);
  const to = viewOf(fork);
  const roomInLog = Math.floor((data.length - header) / 16);
  const room = Math.floor((fork.length - 4) / 16);
  const count = data.length < header ? 0 : from.getUint16(6);
  if (count === 0 || count > roomInLog || count > room) {
    throw corruptLog(`inode ${inode}: root of ${count} entries in ${data.length} bytes, to ${fork.length}`);
  }
  to.setUint16(0, from.getUint16(4));
  to.setUint16(2, count);
  fork.set(data.subarray(header, header + count * 8), 4);
  fork.set(data.subarray(header + roomInLog * 8, header + roomInLog * 8 + count * 8), 4 + room * 8);
}

/** Where an icreate item makes inodes: basic blocks of each of the buffers that they lie in. */
export interface NewInodes {
  readonly ag: number;
  readonly agBlock: number;
  readonly count: number;
  readonly generation: number;
  readonly buffers: readonly { readonly block: number; readonly blocks: number }[];
}

/** @throws FormatError when it contradicts itself or the superblock */
export function newInodes(g: Geometry, item: LogItem): NewInodes {
  const F = xfs_icreate_log;
  const [description] = item.regions;
  if (description.length < F.byteLength) throw corruptLog(`inode creation of ${description.length} bytes`);
  const f = F.decodeAll(viewOf(description));
  const isRight =
    f.icl_type === Item.icreate &&
    f.icl_ag < g.agCount &&
    f.icl_agbno > 0 &&
    f.icl_length > 0 &&
    f.icl_agbno + f.icl_length <= agBlocksOf(g, f.icl_ag) &&
    f.icl_isize === g.inodeSize &&
    f.icl_count > 0 &&
    f.icl_count <= 64 * Math.max(1, g.blockSize / g.inodeSize / 64) &&
    f.icl_count * g.inodeSize === f.icl_length * g.blockSize;
  if (!isRight) throw corruptLog(`creation of ${f.icl_count} inodes at block ${f.icl_agbno} of group ${f.icl_ag}`);
  const perBuffer = clusterBlocks(g);
  const buffers = [];
  for (let i = 0; i < f.icl_length; i += perBuffer) {
    const block = ((agFirstBlock(g, f.icl_ag) + f.icl_agbno + i) * g.blockSize) / BASIC_BLOCK;
    buffers.push({ block, blocks: (Math.min(perBuffer, f.icl_length - i) * g.blockSize) / BASIC_BLOCK });
  }
  return { ag: f.icl_ag, agBlock: f.icl_agbno, count: f.icl_count, generation: f.icl_gen, buffers };
}

/** Blocks of the buffers that inodes are read and written in: XFS_INODE_BIG_CLUSTER_SIZE, larger with larger inodes if they are aligned. */
function clusterBlocks(g: Geometry): number {
  let bytes = 8192;
  if (g.version === 5) {
    const larger = (bytes * g.inodeSize) / 256;
    if (g.inodeAlignment >= Math.floor(larger / g.blockSize)) bytes = larger;
  }
  return Math.max(1, Math.floor(bytes / g.blockSize));
}

/** Makes the inodes: empty, free, and marked as what they are. */
export async function replayNewInodes(g: Geometry, buffers: ReplayBuffers, created: NewInodes): Promise<void> {
  const perBlock = g.blockSize / g.inodeSize;
  let number = created.agBlock * perBlock;
  const first = created.ag * 2 ** (g.agBlockLog + g.inodesPerBlockLog);
  for (const { block, blocks } of created.buffers) {
    const buffer = await buffers.get(block, blocks);
    buffer.bytes.fill(0);
    for (let at = 0; at < buffer.bytes.length; at += g.inodeSize) {
      makeInode(g, buffer, at, first + number++, created.generation);
    }
  }
}

function makeInode(g: Geometry, buffer: ReplayBuffer, at: number, inode: number, generation: number): void {
  const { view } = buffer;
  D.write(view, at, {
    di_magic: XFS_DINODE_MAGIC,
    di_version: g.version === 5 ? 3 : 2,
    di_format: Format.dev,
    di_gen: generation,
    di_next_unlinked: NULLAGINO,
  });
  if (g.version === 4) return;
  D.write(view, at, { di_ino: BigInt(inode), di_uuid: g.metaUuid });
  sealAt(view, at, g.inodeSize, D.di_crc.offset);
}
