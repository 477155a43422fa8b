/**
 * One inode from the table into the batch's columns. Linux fs/ext4/inode.c `__ext4_iget`. The hot loop of the walk:
 * fields come as 32-bit words, whose places are those of the layout.
 */
import { bytesOf } from '../../bytes/layout.ts';
import { ExtentKind, InodeFlag } from '../filesystem.ts';
import type { InodeWords } from './checksum.ts';
import { NamesFlag } from './directory-list.ts';
import { readExtentRoot } from './extents.ts';
import { Compat, Incompat } from './features.ts';
import { readBlockMap } from './indirect.ts';
import type { InodeRows } from './inode-rows.ts';
import type { FileExtent } from './journal/fast-commits.ts';
import {
  EXT4_EXT_MAGIC,
  EXT4_XATTR_MAGIC,
  Ext4InodeFlag,
  ext4_extent_header,
  ext4_inode,
  GOOD_OLD_INODE_SIZE,
} from './layouts.ts';
import { noKeyTarget } from './no-key-name.ts';
import { wordsOf } from './read-pieces.ts';
import type { Geometry } from './superblock.ts';
import { addMapped, blocksInside, type PendingBlocks, PendingLevel, type WalkState } from './walk-state.ts';
import type { ParsedXattrs, ValueInInode } from './xattr.ts';

const I = ext4_inode;
const word = (field: { readonly offset: number }): number => field.offset >>> 2;
const W_MODE_UID = word(I.i_mode);
const W_SIZE_LO = word(I.i_size_lo);
const W_ATIME = word(I.i_atime);
const W_CTIME = word(I.i_ctime);
const W_MTIME = word(I.i_mtime);
export const W_GID_LINKS = word(I.i_gid);
const W_FLAGS = word(I.i_flags);
const W_BLOCK = word(I.i_block);
const W_GENERATION = word(I.i_generation);
const W_FILE_ACL = word(I.i_file_acl_lo);
const W_SIZE_HIGH = word(I.i_size_high);
const W_FILE_ACL_HIGH = word(I.i_file_acl_high);
const W_UID_GID_HIGH = word(I.i_uid_high);
const W_EXTRA = word(I.i_extra_isize);
const W_CTIME_EXTRA = word(I.i_ctime_extra);
const W_MTIME_EXTRA = word(I.i_mtime_extra);
const W_ATIME_EXTRA = word(I.i_atime_extra);
const I_BLOCK_BYTES = I.i_block.length;

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;
const S_IFCHR = 0o020000;
const S_IFBLK = 0o060000;
const S_IFIFO = 0o010000;
const S_IFSOCK = 0o140000;

/** Values that a row waits for. */
export interface PendingValue {
  readonly row: number;
  readonly value: ValueInInode;
}

/** A piece of inode table in memory, for words and for structures. */
export interface InodeTablePiece extends InodeWords {
  readonly view: DataView;
}

/** The bytes of inode table in `view`. */
export function tablePiece(view: DataView): InodeTablePiece {
  const words = wordsOf(view);
  return { view, words, bytes: words.buffer === view.buffer ? bytesOf(view) : undefined };
}

/** Where the newest row's inode is. One object for all: measured, an object for each inode is a tenth of the walk. */
interface Place {
  piece: InodeTablePiece;
  /** Word and byte of the inode. */
  base: number;
  at: number;
  flags: number;
  row: number;
}
const place: Place = {
  piece: tablePiece(new DataView(new ArrayBuffer(0))),
  base: 0,
  at: 0,
  flags: 0,
  row: 0,
};

/** Everything a batch waits for. */
export interface Pending {
  readonly blocks: PendingBlocks;
  readonly values: PendingValue[];
}

/** Whether an inode that is in use is a file of the user's. */
export function isListed(g: Geometry, inode: number, flags: number): boolean {
  if (inode < g.firstInode) return inode === 2;
  if ((flags & Ext4InodeFlag.eaInode) !== 0 && (g.incompat & Incompat.eaInode) !== 0) return false;
  return inode > g.hiddenInodeMax || !g.hiddenInodes.has(inode);
}

export const linksOf = (words: Int32Array, base: number): number => words[base + W_GID_LINKS] >>> 16;
export const flagsOf = (words: Int32Array, base: number): number => words[base + W_FLAGS];

/**
 * Adds a row for the inode at word `base`. `intact`: its checksum is right or there is none; else its attributes are
 * given as they are, and its content is not, but for a directory, whose blocks have checksums of their own.
 */
export function addInode(
  walk: WalkState,
  rows: InodeRows,
  pending: Pending,
  piece: InodeTablePiece,
  base: number,
  inode: number,
  intact: boolean,
): void {
  const row = rows.startRow();
  const { words } = piece;
  const flags = words[base + W_FLAGS];
  place.piece = piece;
  place.base = base;
  place.at = base * 4;
  place.flags = flags;
  place.row = row;
  takeAttributes(walk.g, rows, row, words, base, inode);
  if (!intact) rows.problem(row, 'inode checksum wrong');
  const type = rows.mode[row] & S_IFMT;
  const xattrs = intact ? takeXattrs(walk, rows, pending, place) : undefined;
  if (type === S_IFREG) {
    if (intact) takeFile(walk, rows, pending, place, xattrs);
  } else if (type === S_IFDIR) takeDirectory(walk, rows, pending, place, xattrs);
  else if (type === S_IFLNK) {
    if (intact) takeSymlink(walk, rows, pending, place, xattrs);
  } else if (type === S_IFCHR || type === S_IFBLK) rows.device[row] = deviceOf(words, base);
  else if (type !== S_IFIFO && type !== S_IFSOCK) rows.problem(row, `file type ${type.toString(8)} is unknown`);
}

function takeAttributes(
  g: Geometry,
  rows: InodeRows,
  row: number,
  words: Int32Array,
  base: number,
  inode: number,
): void {
  const modeUid = words[base + W_MODE_UID];
  const gidLinks = words[base + W_GID_LINKS];
  const high = g.isHurd ? 0 : words[base + W_UID_GID_HIGH];
  const mode = modeUid & 0xffff;
  rows.inode[row] = inode;
  rows.generation[row] = words[base + W_GENERATION];
  rows.mode[row] = mode;
  rows.linkCount[row] = gidLinks >>> 16;
  rows.uid[row] = (modeUid >>> 16) | (high << 16);
  rows.gid[row] = (gidLinks & 0xffff) | (high & 0xffff_0000);
  rows.size[row] = sizeOf(g, rows, row, words, base, mode & S_IFMT);
  const flags = words[base + W_FLAGS];
  if ((flags & Ext4InodeFlag.encrypt) !== 0) rows.flags[row] |= InodeFlag.encrypted;
  if ((flags & Ext4InodeFlag.verity) !== 0) rows.flags[row] |= InodeFlag.verity;
  takeTimes(g, rows, row, words, base);
}

function sizeOf(g: Geometry, rows: InodeRows, row: number, words: Int32Array, base: number, type: number): number {
  const hasHigh = type === S_IFREG || (type === S_IFDIR && (g.incompat & Incompat.largedir) !== 0);
  const high = hasHigh ? words[base + W_SIZE_HIGH] >>> 0 : 0;
  if (high >= 0x20_0000) {
    rows.problem(row, 'size is above 2^53');
    return 0;
  }
  return high * 0x1_0000_0000 + (words[base + W_SIZE_LO] >>> 0);
}

/** Bits 0 and 1 of the extra word extend the seconds to 2446, the others are nanoseconds. */
function takeTimes(g: Geometry, rows: InodeRows, row: number, words: Int32Array, base: number): void {
  const extraSize = g.inodeSize > GOOD_OLD_INODE_SIZE ? words[base + W_EXTRA] & 0xffff : 0;
  const ctimeExtra = extraSize >= 8 ? words[base + W_CTIME_EXTRA] : 0;
  const mtimeExtra = extraSize >= 12 ? words[base + W_MTIME_EXTRA] : 0;
  const atimeExtra = extraSize >= 16 ? words[base + W_ATIME_EXTRA] : 0;
  rows.ctimeSeconds[row] = words[base + W_CTIME] + (ctimeExtra & 3) * 0x1_0000_0000;
  rows.mtimeSeconds[row] = words[base + W_MTIME] + (mtimeExtra & 3) * 0x1_0000_0000;
  rows.atimeSeconds[row] = words[base + W_ATIME] + (atimeExtra & 3) * 0x1_0000_0000;
  rows.ctimeNanoseconds[row] = nanosecondsOf(ctimeExtra);
  rows.mtimeNanoseconds[row] = nanosecondsOf(mtimeExtra);
  rows.atimeNanoseconds[row] = nanosecondsOf(atimeExtra);
}

/** 30 bits hold more than a second has; what is above is damage and counts as none. */
function nanosecondsOf(extra: number): number {
  const nanoseconds = extra >>> 2;
  return nanoseconds < 1_000_000_000 ? nanoseconds : 0;
}

/** Linux `old_decode_dev` in i_block[0], else `new_decode_dev` in i_block[1]. */
function deviceOf(words: Int32Array, base: number): number {
  const old = words[base + W_BLOCK];
  if (old !== 0) return ((old >>> 8) & 0xff) * 0x1_0000_0000 + (old & 0xff);
  const now = words[base + W_BLOCK + 1];
  const minor = (now & 0xff) | ((now >>> 12) & 0xf_ff00);
  return ((now >>> 8) & 0xfff) * 0x1_0000_0000 + minor;
}

function takeXattrs(walk: WalkState, rows: InodeRows, pending: Pending, place: Place): ParsedXattrs | undefined {
  const { g } = walk;
  const { row, base, at } = place;
  const { words, view } = place.piece;
  const aclHigh = g.isHurd ? 0 : words[base + W_FILE_ACL_HIGH] >>> 16;
  const aclBlock = aclHigh * 0x1_0000_0000 + (words[base + W_FILE_ACL] >>> 0);
  if (aclBlock !== 0) {
    if (blocksInside(g, aclBlock, 1)) pending.blocks.add(row, aclBlock * g.blockSize, PendingLevel.xattr, 0, 0);
    else rows.problem(row, `extended attribute block ${aclBlock} is outside the filesystem`);
  }
  if (g.inodeSize === GOOD_OLD_INODE_SIZE) return undefined;
  const extraSize = words[base + W_EXTRA] & 0xffff;
  if (extraSize === 0) return undefined;
  const start = GOOD_OLD_INODE_SIZE + extraSize;
  if (start > g.inodeSize || extraSize % 4 !== 0) {
    rows.problem(row, `extra size ${extraSize} of an inode of ${g.inodeSize} bytes`);
    return undefined;
  }
  if (start + 8 > g.inodeSize || view.getUint32(at + start, true) !== EXT4_XATTR_MAGIC) return undefined;
  if (view.getUint32(at + start + 4, true) === 0) return undefined;
  const first = at + start + 4;
  const parsed = walk.xattrs.inInode(new DataView(view.buffer, view.byteOffset + first, g.inodeSize - start - 4));
  takeParsed(rows, pending, row, parsed);
  return parsed;
}

/** Attributes of one area to the row. */
export function takeParsed(rows: InodeRows, pending: Pending, row: number, parsed: ParsedXattrs): void {
  if (parsed.list.length > 0) rows.addXattrs(row, parsed.list);
  for (const value of parsed.elsewhere) pending.values.push({ row, value });
  for (const problem of parsed.problems) rows.problem(row, problem);
}

function takeFile(
  walk: WalkState,
  rows: InodeRows,
  pending: Pending,
  place: Place,
  xattrs: ParsedXattrs | undefined,
): void {
  const { row, flags } = place;
  const size = rows.size[row];
  const bs = walk.g.blockSize;
  if ((flags & Ext4InodeFlag.inlineData) !== 0) {
    takeInlineData(rows, place, xattrs, size);
    return;
  }
  rows.extentLimit[row] =
    (flags & Ext4InodeFlag.verity) !== 0
      ? Number.POSITIVE_INFINITY
      : (flags & Ext4InodeFlag.encrypt) !== 0
        ? Math.ceil(size / bs) * bs // the cipher needs its last block whole
        : size;
  mapBlocks(walk, rows, pending, place, Math.ceil(rows.extentLimit[row] / bs));
}

function mapBlocks(walk: WalkState, rows: InodeRows, pending: Pending, place: Place, limit: number): void {
  const at = place.at + I.i_block.offset;
  const patched = walk.patches?.extents.get(rows.inode[place.row]);
  if (patched !== undefined) addPatched(walk, rows, place.row, patched);
  else if ((place.flags & Ext4InodeFlag.extents) !== 0) {
    const base = place.base + W_BLOCK;
    readExtentRoot(walk, rows, pending.blocks, place.row, place.piece.words, base, place.piece.view, at);
  } else readBlockMap(walk, rows, pending.blocks, place.row, place.piece.view, at, limit);
}

/** The extents that fast commits gave a file. */
function addPatched(walk: WalkState, rows: InodeRows, row: number, extents: readonly FileExtent[]): void {
  for (const { fileBlock, count, block, written } of extents) {
    if (blocksInside(walk.g, block, count)) {
      addMapped(walk, rows, row, fileBlock, count, block, written ? ExtentKind.stored : ExtentKind.zero, false);
    } else rows.problem(row, `fast commit: extent at block ${block} + ${count} is outside the filesystem`);
  }
}

/** Up to 60 bytes in i_block, the rest in the attribute `system.data`. */
function inlineBytes(place: Place, xattrs: ParsedXattrs | undefined): Uint8Array {
  const head = bytesOf(place.piece.view, place.at + I.i_block.offset, I_BLOCK_BYTES);
  const rest = xattrs?.inlineData;
  if (rest === undefined || rest.length === 0) return head;
  const whole = new Uint8Array(I_BLOCK_BYTES + rest.length);
  whole.set(head);
  whole.set(rest, I_BLOCK_BYTES);
  return whole;
}

function takeInlineData(rows: InodeRows, place: Place, xattrs: ParsedXattrs | undefined, size: number): void {
  const data = inlineBytes(place, xattrs);
  if (size > data.length) rows.problem(place.row, `inline data of ${data.length} bytes, the size is ${size}`);
  rows.addLiteralNow(place.row, data.subarray(0, Math.min(size, data.length)));
}

function takeSymlink(
  walk: WalkState,
  rows: InodeRows,
  pending: Pending,
  place: Place,
  xattrs: ParsedXattrs | undefined,
): void {
  const { row, flags } = place;
  const size = rows.size[row];
  if (size === 0 || size > walk.g.blockSize) {
    rows.problem(row, `symbolic link of ${size} bytes`);
    return;
  }
  if ((flags & Ext4InodeFlag.inlineData) !== 0) {
    takeInlineData(rows, place, xattrs, size);
    return;
  }
  const { view } = place.piece;
  const at = place.at + I.i_block.offset;
  const mapped = (flags & Ext4InodeFlag.extents) !== 0 && ext4_extent_header.eh_magic.get(view, at) === EXT4_EXT_MAGIC;
  if (!mapped && size < I_BLOCK_BYTES) {
    const target = shownTarget(rows, row, bytesOf(view, at, size));
    if (target !== undefined) rows.addLiteralNow(row, target);
    return;
  }
  const block = mapped ? firstExtentBlock(view, at) : view.getUint32(at, true);
  if (!blocksInside(walk.g, block, 1)) rows.problem(row, `symbolic link's block ${block} is outside the filesystem`);
  else pending.blocks.add(row, block * walk.g.blockSize, PendingLevel.symlink, 0, 0);
}

/** The target as the user sees it: without the key, of ciphertext, the kernel's name for it. Else a problem of the row. */
export function shownTarget(rows: InodeRows, row: number, data: Uint8Array): Uint8Array | undefined {
  if ((rows.flags[row] & InodeFlag.encrypted) !== 0) {
    const target = noKeyTarget(data);
    if (target === undefined) rows.problem(row, 'encrypted symbolic link without a target');
    else rows.size[row] = target.length;
    return target;
  }
  if (!data.includes(0)) return data;
  rows.problem(row, 'symbolic link target has a NUL in it');
  return undefined;
}

/** Block of the first extent of a root that is a leaf and begins at file block 0; 0 when it is not so. */
function firstExtentBlock(view: DataView, at: number): number {
  const H = ext4_extent_header;
  if (H.eh_depth.get(view, at) !== 0 || H.eh_entries.get(view, at) === 0) return 0;
  if (view.getUint32(at + 12, true) !== 0) return 0;
  return view.getUint16(at + 18, true) * 0x1_0000_0000 + view.getUint32(at + 20, true);
}

function takeDirectory(
  walk: WalkState,
  rows: InodeRows,
  pending: Pending,
  place: Place,
  xattrs: ParsedXattrs | undefined,
): void {
  const { row, flags } = place;
  const inode = rows.inode[row];
  const size = rows.size[row];
  const list = walk.directories;
  const intact = (rows.flags[row] & InodeFlag.damaged) === 0;
  const patched = walk.patches?.names.has(inode) === true; // names.ts has them
  const blocks = patched || (flags & Ext4InodeFlag.inlineData) !== 0 ? 0 : Math.ceil(size / walk.g.blockSize);
  rows.directory[row] = list.add(
    inode,
    rows.generation[row],
    Math.min(blocks, 0xffff_ffff),
    namesFlag(walk.g, flags, size),
  );
  rows.extentLimit[row] = size;
  walk.directorySet.add(inode);
  if (blocks > 0) mapBlocks(walk, rows, pending, place, blocks);
  else if (patched) return;
  else if (intact && (flags & Ext4InodeFlag.inlineData) !== 0) {
    const data = inlineBytes(place, xattrs);
    list.inline.push({ directory: rows.directory[row], bytes: data.slice(0, Math.min(size, data.length)) });
  } else rows.problem(row, 'the directory has no blocks');
}

/** Linux fs/ext4/dir.c `is_dx_dir`, ext4.h `ext4_hash_in_dirent`. */
function namesFlag(g: Geometry, flags: number, size: number): number {
  if ((flags & Ext4InodeFlag.encrypt) === 0) return 0;
  const isIndexed = (flags & (Ext4InodeFlag.index | Ext4InodeFlag.inlineData)) !== 0;
  const isHashed = (g.compat & Compat.dirIndex) !== 0 && (isIndexed || Math.floor(size / g.blockSize) === 1);
  const inEntry = (flags & Ext4InodeFlag.casefold) !== 0 && (g.incompat & Incompat.casefold) !== 0;
  return NamesFlag.ciphertext | (isHashed ? NamesFlag.hashed : 0) | (inEntry ? NamesFlag.hashInEntry : 0);
}
