/**
 * The extents of a fork: packed records in the inode, or in the leaves of a btree whose root is in the inode. Linux
 * fs/xfs/libxfs/xfs_bmap_btree.c. A record is 128 bits, most significant first: 1 unwritten, 54 file block, 52 disk block
 * (group above, block below), 21 count.
 */
import type { Bytes } from '../../bytes/units.ts';
import { ExtentKind } from '../filesystem.ts';
import { equalsU64, selfTrouble } from './checksum.ts';
import { BMAP_MAGIC, BMBT_REC, LONG_HEADER, xfs_btree_long } from './layouts.ts';
import { fsBlockAddress, type Geometry } from './superblock.ts';

const B = xfs_btree_long;
const KEY = 8;
const POINTER = 8;
/** `struct xfs_bmdr_block`: level and count, then keys, then pointers with room for as many as fit. */
const ROOT_HEADER = 4;
/** No fork's tree is deeper: 2^48 extents at two entries a node would be, at the fan-out of 512-byte blocks 9 are ample. */
const DEPTH_MAX = 9;

/** Takes a run of `count` blocks at byte `address`; says what is wrong with it. */
export type TakeExtent = (
  fileBlock: number,
  count: number,
  address: Bytes,
  kind: 0 | 1, // ExtentKind stored or zero
) => string | undefined;
/** Takes a node below, `level` above the leaves, that covers file blocks `first` to `limit` - 1. */
export type TakeNode = (address: Bytes, level: number, first: number, limit: number) => string | undefined;

/** File blocks beyond this have byte offsets above 2^53. */
export const fileBlocksMax = (g: Geometry): number => Math.floor(Number.MAX_SAFE_INTEGER / g.blockSize);

/** A record's fields. One object serves a whole walk: measured, an object for each is a tenth of it. */
export class ExtentRecord {
  fileBlock = 0;
  count = 0;
  /** Byte address. */
  address = 0;
  kind: 0 | 1 = ExtentKind.stored;

  /** Takes the record at byte `at`; it has to lie in file blocks `from` to `limit` - 1. Says what is wrong with it. */
  read(g: Geometry, view: DataView, at: number, from: number, limit: number): string | undefined {
    const word0 = view.getUint32(at);
    const word1 = view.getUint32(at + 4);
    const word3 = view.getUint32(at + 12);
    const fileBlock = (word0 & 0x7fff_ffff) * 0x80_0000 + (word1 >>> 9);
    const fsBlock = (word1 & 0x1ff) * 0x800_0000_0000 + view.getUint32(at + 8) * 0x800 + (word3 >>> 21);
    const count = word3 & 0x1f_ffff;
    if (count === 0 || fileBlock < from || fileBlock + count > limit) {
      return `extent of ${count} blocks at file block ${fileBlock}, expected within ${from} to ${limit}`;
    }
    const address = fsBlockAddress(g, fsBlock, count);
    if (address < 0) return `extent at block ${fsBlock} + ${count} is outside the filesystem`;
    this.fileBlock = fileBlock;
    this.count = count;
    this.address = address;
    this.kind = word0 >>> 31 === 0 ? ExtentKind.stored : ExtentKind.zero;
    return undefined;
  }
}

/** Gives `count` records at byte `at` to `take`: ascending, within `[first, limit)`, or says what is wrong. */
export function readRecords(
  g: Geometry,
  view: DataView,
  at: number,
  count: number,
  first: number,
  limit: number,
  take: TakeExtent,
): string | undefined {
  const record = new ExtentRecord();
  let from = first;
  for (let i = 0; i < count; i++) {
    const trouble =
      record.read(g, view, at + i * BMBT_REC, from, limit) ??
      take(record.fileBlock, record.count, record.address, record.kind);
    if (trouble !== undefined) return trouble;
    from = record.fileBlock + record.count;
  }
  return undefined;
}

/** The root of a fork's tree, in `bytes` bytes of the inode at `at`. */
export function readTreeRoot(
  g: Geometry,
  view: DataView,
  at: number,
  bytes: number,
  limit: number,
  take: TakeNode,
): string | undefined {
  const level = view.getUint16(at);
  const count = view.getUint16(at + 2);
  const room = Math.floor((bytes - ROOT_HEADER) / (KEY + POINTER));
  if (level === 0 || level > DEPTH_MAX) return `extent tree depth ${level}, at most ${DEPTH_MAX}`;
  if (count === 0 || count > room) return `${count} entries in the extent tree's root, room for ${room}`;
  return readPointers(g, view, at + ROOT_HEADER, count, room, level, 0, limit, take);
}

/** A node or leaf that a fork of `inode` has; undefined: of any. @param first file block where its parent says that it begins */
export function readTreeBlock(
  g: Geometry,
  view: DataView,
  at: number,
  address: Bytes,
  inode: number | undefined,
  level: number,
  first: number,
  limit: number,
  takeNode: TakeNode,
  takeExtent: TakeExtent,
): string | undefined {
  if (B.bb_magic.get(view, at) !== BMAP_MAGIC[g.version - 4]) return 'wrong magic';
  if (g.version === 5) {
    const fields = { crc: B.bb_crc, uuid: B.bb_uuid, blkno: B.bb_blkno };
    const trouble = selfTrouble(view, at, g.blockSize, address, fields, g.metaUuid);
    if (trouble !== undefined) return trouble;
    if (inode !== undefined && !equalsU64(view, at + B.bb_owner.offset, inode)) return 'belongs to another inode';
  }
  if (B.bb_level.get(view, at) !== level) return `level ${B.bb_level.get(view, at)}, its parent says ${level}`;
  const header = LONG_HEADER[g.version - 4];
  const count = B.bb_numrecs.get(view, at);
  const room = Math.floor((g.blockSize - header) / (level === 0 ? BMBT_REC : KEY + POINTER));
  if (count === 0 || count > room) return `${count} entries, room for ${room}`;
  if (level === 0) return readRecords(g, view, at + header, count, first, limit, takeExtent);
  return readPointers(g, view, at + header, count, room, level, first, limit, takeNode);
}

function readPointers(
  g: Geometry,
  view: DataView,
  keys: number,
  count: number,
  room: number,
  level: number,
  first: number,
  limit: number,
  take: TakeNode,
): string | undefined {
  const pointers = keys + room * KEY;
  let from = first;
  for (let i = 0; i < count; i++) {
    const fileBlock = numberAt(view, keys + i * KEY);
    const end = i + 1 < count ? numberAt(view, keys + (i + 1) * KEY) : limit;
    if (fileBlock < from || end <= fileBlock || end > limit) {
      return `index entry at file block ${fileBlock}, expected within ${from} to ${limit}`;
    }
    const block = numberAt(view, pointers + i * POINTER);
    const address = fsBlockAddress(g, block, 1);
    if (address < 0) return `index entry names block ${block}, outside the filesystem`;
    const trouble = take(address, level - 1, fileBlock, end);
    if (trouble !== undefined) return trouble;
    from = end;
  }
  return undefined;
}

/** 64 bits, rounded above 2^53: such a number fits no bound. */
const numberAt = (view: DataView, at: number): number => view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4);
