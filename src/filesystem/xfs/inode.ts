/**
 * One inode into the batch's columns. Linux fs/xfs/libxfs/xfs_inode_buf.c `xfs_inode_from_disk`, xfs_inode_fork.c. The hot
 * loop of the walk: fields are read at the places of the layout.
 */
import { bytesOf } from '../../bytes/layout.ts';
import type { Bytes } from '../../bytes/units.ts';
import type { InodeRows } from '../ext4/inode-rows.ts';
import { equalsU64 } from './checksum.ts';
import { ExtentRecord, fileBlocksMax, readRecords, readTreeRoot, type TakeExtent } from './extents.ts';
import { Mark } from './inode-chunks.ts';
import {
  BMBT_REC,
  DIFLAG_REALTIME,
  DINODE_CORE_V2,
  DINODE_CORE_V3,
  DIR_LEAF_OFFSET,
  Diflag2,
  Format,
  XFS_DINODE_MAGIC,
  xfs_dinode,
} from './layouts.ts';
import type { Geometry } from './superblock.ts';
import { ForkMap, type Pending, type WalkState } from './walk-state.ts';

const D = xfs_dinode;
const MAGIC = D.di_magic.offset;
const MODE = D.di_mode.offset;
const VERSION = D.di_version.offset;
const FORMAT = D.di_format.offset;
const ONLINK = D.di_onlink.offset;
const UID = D.di_uid.offset;
const GID = D.di_gid.offset;
const NLINK = D.di_nlink.offset;
const BIG_NEXTENTS = D.di_big_nextents.offset;
const ATIME = D.di_atime_high.offset;
const MTIME = D.di_mtime_high.offset;
const CTIME = D.di_ctime_high.offset;
const SIZE = D.di_size.offset;
const NEXTENTS = D.di_nextents.offset;
const ANEXTENTS = D.di_anextents.offset;
const FORKOFF = D.di_forkoff.offset;
const AFORMAT = D.di_aformat.offset;
const FLAGS = D.di_flags.offset;
const GEN = D.di_gen.offset;
const FLAGS2 = D.di_flags2_low.offset;
const INO = D.di_ino.offset;

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;
const S_IFIFO = 0o010000;
const S_IFSOCK = 0o140000;

/** XFS_SYMLINK_MAXLEN. */
const SYMLINK_MAX = 1024;
/** Bytes of extended attributes that one file may have here; those of more are left out, with a reason. */
export const ATTRIBUTE_BYTES_MAX = 64 * 1024 * 1024;
/** Bytes of an extent in the columns of a batch, twice; of a record on disk. */
const EXTENT_WEIGHT = 50 / BMBT_REC;

/** Where an inode is: one object for all. */
export interface InodePlace {
  view: DataView;
  /** Byte of the inode in the view. */
  at: number;
  /** Byte address in the volume. */
  address: Bytes;
}

/** Link count of the inode at byte `at`, whatever its version. */
export const linksOf = (view: DataView, at: number): number =>
  view.getUint8(at + VERSION) === 1 ? view.getUint16(at + ONLINK) : view.getUint32(at + NLINK);
export const modeOf = (view: DataView, at: number): number => view.getUint16(at + MODE);

/** Why these bytes are not the inode `inode`, if they are not. Its checksum is another matter. */
export function coreTrouble(g: Geometry, view: DataView, at: number, inode: number): string | undefined {
  if (view.getUint16(at + MAGIC) !== XFS_DINODE_MAGIC) return 'wrong magic';
  const version = view.getUint8(at + VERSION);
  if (g.version === 5 ? version !== 3 : version !== 1 && version !== 2) return `version ${version}`;
  if (version === 3 && !equalsU64(view, at + INO, inode)) return 'says it is another inode';
  return undefined;
}

/**
 * Adds a row for the inode at `place`. `intact`: its checksum is right or there is none; else its attributes are given as
 * they are and its content is not, but for a directory, whose blocks have checksums of their own.
 */
export function addInode(
  walk: WalkState,
  rows: InodeRows,
  pending: Pending,
  place: InodePlace,
  inode: number,
  intact: boolean,
): void {
  const row = rows.startRow();
  const { view, at } = place;
  takeAttributes(rows, row, view, at, inode);
  if (!intact) rows.problem(row, 'inode checksum wrong');
  const type = rows.mode[row] & S_IFMT;
  if (type === S_IFDIR) takeDirectory(walk, rows, pending, place, row);
  else if (type === S_IFREG) {
    if (intact) takeFile(walk, rows, pending, place, row);
  } else if (type === S_IFLNK) {
    if (intact) takeSymlink(walk, rows, pending, place, row);
  } else if (type === S_IFCHR || type === S_IFBLK) {
    rows.device[row] = deviceOf(view.getUint32(at + coreBytes(walk.g)));
  } else if (type !== S_IFIFO && type !== S_IFSOCK) rows.problem(row, `file type ${type.toString(8)} is unknown`);
  if (intact) takeAttributeFork(walk, rows, pending, place, row);
  const unfinished = walk.unfinished.reasons.get(inode);
  if (unfinished !== undefined) rows.problem(row, unfinished);
}

export const coreBytes = (g: Geometry): number => (g.version === 5 ? DINODE_CORE_V3 : DINODE_CORE_V2);

function takeAttributes(rows: InodeRows, row: number, view: DataView, at: number, inode: number): void {
  rows.inode[row] = inode;
  rows.generation[row] = view.getUint32(at + GEN);
  rows.mode[row] = view.getUint16(at + MODE);
  rows.linkCount[row] = linksOf(view, at);
  rows.uid[row] = view.getUint32(at + UID);
  rows.gid[row] = view.getUint32(at + GID);
  const sizeHigh = view.getUint32(at + SIZE);
  if (sizeHigh >= 0x20_0000) rows.problem(row, 'size is above 2^53');
  rows.size[row] = sizeHigh >= 0x20_0000 ? 0 : sizeHigh * 0x1_0000_0000 + view.getUint32(at + SIZE + 4);
  const isBig = (flags2Of(view, at) & Diflag2.bigtime) !== 0;
  takeTime(rows.atimeSeconds, rows.atimeNanoseconds, row, view, at + ATIME, isBig);
  takeTime(rows.mtimeSeconds, rows.mtimeNanoseconds, row, view, at + MTIME, isBig);
  takeTime(rows.ctimeSeconds, rows.ctimeNanoseconds, row, view, at + CTIME, isBig);
}

const flags2Of = (view: DataView, at: number): number =>
  view.getUint8(at + VERSION) === 3 ? view.getUint32(at + FLAGS2) : 0;

const NANO = 1_000_000_000;
/** Seconds before 1970 where the nanoseconds of BIGTIME begin: XFS_BIGTIME_EPOCH_OFFSET. */
const BIGTIME_EPOCH = 0x8000_0000;

/** Seconds and nanoseconds, or nanoseconds since 1901 in 64 bits: divided by hand, 16 bits at a step, exact in doubles. */
function takeTime(
  seconds: Float64Array,
  nanoseconds: Uint32Array,
  row: number,
  view: DataView,
  at: number,
  isBig: boolean,
): void {
  if (!isBig) {
    const fraction = view.getUint32(at + 4);
    seconds[row] = view.getInt32(at);
    nanoseconds[row] = fraction < NANO ? fraction : 0; // more is damage and counts as none
    return;
  }
  const high = view.getUint32(at);
  const low = view.getUint32(at + 4);
  const quotient2 = Math.floor(high / NANO);
  const step1 = (high - quotient2 * NANO) * 0x1_0000 + (low >>> 16);
  const quotient1 = Math.floor(step1 / NANO);
  const step0 = (step1 - quotient1 * NANO) * 0x1_0000 + (low & 0xffff);
  const quotient0 = Math.floor(step0 / NANO);
  seconds[row] = quotient2 * 0x1_0000_0000 + quotient1 * 0x1_0000 + quotient0 - BIGTIME_EPOCH;
  nanoseconds[row] = step0 - quotient0 * NANO;
}

/** IRIX's numbers, Linux `sysv_major` and `sysv_minor`, cut by XFS: 9 bits major, 18 minor. */
const deviceOf = (rdev: number): number => ((rdev >>> 18) & 0x1ff) * 0x1_0000_0000 + (rdev & 0x3_ffff);

/** Bytes of the data fork: up to the attribute fork if there is one. */
function dataForkBytes(g: Geometry, view: DataView, at: number): number {
  const all = g.inodeSize - coreBytes(g);
  const forkoff = view.getUint8(at + FORKOFF) * 8;
  return forkoff === 0 ? all : Math.min(forkoff, all);
}

const dataExtentCount = (view: DataView, at: number): number =>
  (flags2Of(view, at) & Diflag2.nrext64) !== 0
    ? view.getUint32(at + BIG_NEXTENTS) * 0x1_0000_0000 + view.getUint32(at + BIG_NEXTENTS + 4)
    : view.getUint32(at + NEXTENTS);

function takeFile(walk: WalkState, rows: InodeRows, pending: Pending, place: InodePlace, row: number): void {
  const { g } = walk;
  if ((place.view.getUint16(place.at + FLAGS) & DIFLAG_REALTIME) !== 0) {
    rows.problem(row, 'its content is on the realtime device, which is not backed up');
    return;
  }
  rows.extentLimit[row] = rows.size[row];
  const { view, at } = place;
  const isEdited = walk.unfinished.edits.has(rows.inode[row]);
  if (!isEdited && view.getUint8(at + FORMAT) === Format.extents) takeExtents(g, rows, place, row);
  else {
    if (isEdited) pending.edited.set(row, []);
    mapData(walk, rows, pending, place, row, fileBlocksMax(g), editedTaker(pending, row));
  }
}

const record = new ExtentRecord();

/** The extents of most files: in the inode, straight to the row. */
function takeExtents(g: Geometry, rows: InodeRows, { view, at }: InodePlace, row: number): void {
  const count = dataExtentCount(view, at);
  const room = dataForkBytes(g, view, at);
  if (count * BMBT_REC > room) {
    rows.problem(row, `${count} extents in an inode's ${room} bytes`);
    return;
  }
  const fork = at + coreBytes(g);
  const limit = fileBlocksMax(g);
  let from = 0;
  for (let i = 0; i < count; i++) {
    const trouble = record.read(g, view, fork + i * BMBT_REC, from, limit);
    if (trouble !== undefined) {
      rows.problem(row, trouble);
      return;
    }
    const { fileBlock, count: blocks, address, kind } = record;
    rows.addExtent(row, kind, fileBlock * g.blockSize, blocks * g.blockSize, address);
    from = fileBlock + blocks;
  }
}

/** Takes the extents of a file that the log has changes for: they come to the row when all are known. */
export function editedTaker(pending: Pending, row: number): TakeExtent {
  const runs = pending.edited.get(row);
  return (fileBlock, count, address, kind) => {
    runs?.push({ fileBlock, count, address, kind });
    return undefined;
  };
}

function takeDirectory(walk: WalkState, rows: InodeRows, pending: Pending, place: InodePlace, row: number): void {
  const { g, directories } = walk;
  const inode = rows.inode[row];
  const directory = directories.add(inode);
  rows.directory[row] = directory;
  walk.chunks.mark(inode, Mark.directory);
  const { view, at } = place;
  if (view.getUint8(at + FORMAT) !== Format.local) {
    mapData(walk, rows, pending, place, row, fileBlocksMax(g), directoryTaker(walk, directory));
    return;
  }
  const size = rows.size[row];
  const room = dataForkBytes(g, view, at);
  if (size > room) rows.problem(row, `directory of ${size} bytes in an inode's ${room}`);
  else directories.addShort(directory, bytesOf(view, at + coreBytes(g), size), place.address);
}

/** The short form of a directory inode at byte `at`, cut to the inode. */
export function shortDirectoryOf(g: Geometry, view: DataView, at: number): Uint8Array {
  const size = view.getUint32(at + SIZE + 4);
  return bytesOf(view, at + coreBytes(g), Math.min(size, dataForkBytes(g, view, at)));
}

/** Takes a directory's extents as far as they hold names: the hash index lies behind. */
export function directoryTaker(
  walk: WalkState,
  directory: number,
): (fileBlock: number, count: number, address: Bytes) => string | undefined {
  const leafBlock = DIR_LEAF_OFFSET / walk.g.blockSize;
  return (fileBlock, count, address) => {
    const blocks = Math.min(count, leafBlock - fileBlock);
    return blocks > 0 ? walk.directories.addExtent(directory, fileBlock, blocks, address) : undefined;
  };
}

/** The data fork's extents, here or in tree blocks that become pending. */
function mapData(
  walk: WalkState,
  rows: InodeRows,
  pending: Pending,
  place: InodePlace,
  row: number,
  limit: number,
  take: TakeExtent,
): void {
  const { g } = walk;
  const { view, at } = place;
  const fork = at + coreBytes(g);
  const room = dataForkBytes(g, view, at);
  const format = view.getUint8(at + FORMAT);
  const count = dataExtentCount(view, at);
  let trouble: string | undefined;
  if (format === Format.extents) {
    if (count * BMBT_REC > room) trouble = `${count} extents in an inode's ${room} bytes`;
    else trouble = readRecords(g, view, fork, count, 0, limit, take);
  } else if (format === Format.btree) {
    pending.extentsLeft.set(row, count);
    trouble = readTreeRoot(g, view, fork, room, limit, (address, level, first, end) => {
      pending.nodes.push({ row, address, level, first, limit: end, isAttributeFork: false });
      pending.weight += g.blockSize * EXTENT_WEIGHT;
      return undefined;
    });
  } else trouble = `data fork of format ${format}`;
  if (trouble !== undefined) rows.problem(row, trouble);
}

function takeSymlink(walk: WalkState, rows: InodeRows, pending: Pending, place: InodePlace, row: number): void {
  const { g } = walk;
  const { view, at } = place;
  const size = rows.size[row];
  if (size === 0 || size > SYMLINK_MAX) {
    rows.problem(row, `symbolic link of ${size} bytes`);
    return;
  }
  if (view.getUint8(at + FORMAT) === Format.local) {
    const room = dataForkBytes(g, view, at);
    if (size > room) rows.problem(row, `symbolic link of ${size} bytes in an inode's ${room}`);
    else {
      const target = bytesOf(view, at + coreBytes(g), size);
      if (target.includes(0)) rows.problem(row, 'symbolic link target has a NUL in it');
      else rows.addLiteralNow(row, target);
    }
    return;
  }
  const map = new ForkMap(g.blockSize);
  mapData(walk, rows, pending, place, row, SYMLINK_MAX, (fileBlock, count, address) => {
    map.add(fileBlock, count, address);
    return undefined;
  });
  pending.links.set(row, map);
}

function takeAttributeFork(walk: WalkState, rows: InodeRows, pending: Pending, place: InodePlace, row: number): void {
  const { g } = walk;
  const { view, at } = place;
  const forkoff = view.getUint8(at + FORKOFF) * 8;
  if (forkoff === 0) return;
  const room = g.inodeSize - coreBytes(g) - forkoff;
  if (room <= 0) {
    rows.problem(row, `attribute fork at byte ${forkoff} of an inode's ${g.inodeSize - coreBytes(g)}`);
    return;
  }
  const fork = at + coreBytes(g) + forkoff;
  const format = view.getUint8(at + AFORMAT);
  const isBig = (flags2Of(view, at) & Diflag2.nrext64) !== 0;
  const count = isBig ? view.getUint32(at + NEXTENTS) : view.getUint16(at + ANEXTENTS);
  let trouble: string | undefined;
  if (format === Format.local) {
    const parsed = walk.attributes.inInode(view, fork, room);
    if (parsed.list.length > 0) rows.addXattrs(row, parsed.list);
    for (const problem of parsed.problems) rows.problem(row, problem);
  } else if (format === Format.extents) {
    if (count === 0) return;
    const map = attributeMap(walk, pending, row);
    if (count * BMBT_REC > room) trouble = `${count} extents of attributes in an inode's ${room} bytes`;
    else trouble = readRecords(g, view, fork, count, 0, 2 ** 32, attributeTaker(walk, pending, map));
  } else if (format === Format.btree) {
    attributeMap(walk, pending, row);
    trouble = readTreeRoot(g, view, fork, room, 2 ** 32, (address, level, first, limit) => {
      pending.nodes.push({ row, address, level, first, limit, isAttributeFork: true });
      return undefined;
    });
  } else trouble = `attribute fork of format ${format}`;
  if (trouble !== undefined) rows.problem(row, `extended attributes: ${trouble}`);
}

function attributeMap(walk: WalkState, pending: Pending, row: number): ForkMap {
  const map = new ForkMap(walk.g.blockSize);
  pending.attributeForks.set(row, map);
  return map;
}

/** Takes extents of an attribute fork, as many as one file may have. */
export function attributeTaker(
  walk: WalkState,
  pending: Pending,
  map: ForkMap,
): (fileBlock: number, count: number, address: Bytes, kind: 0 | 1) => string | undefined {
  const { blockSize } = walk.g;
  return (fileBlock, count, address, kind) => {
    if (kind !== 0) return 'unwritten';
    if ((map.blocks + count) * blockSize > ATTRIBUTE_BYTES_MAX) return `more than ${ATTRIBUTE_BYTES_MAX} bytes`;
    map.add(fileBlock, count, address);
    pending.weight += count * blockSize;
    return undefined;
  };
}
