/**
 * Directory blocks and short forms. Linux fs/xfs/libxfs/xfs_dir2_data.c `__xfs_dir3_data_check`, xfs_dir2_sf.c. A block that
 * is a directory's only one has its hash index at its end; those of larger directories lie elsewhere and are not needed.
 */
import type { Bytes } from '../../bytes/units.ts';
import { equalsU64, selfTrouble } from './checksum.ts';
import {
  DIR_BLOCK_MAGIC,
  DIR_DATA_MAGIC,
  DIR_DATA_START,
  DIR_FREE_TAG,
  DIR_LEAF_ENTRY,
  xfs_dir2_block_tail,
  xfs_dir3_blk_hdr,
} from './layouts.ts';
import type { Geometry } from './superblock.ts';

/** Where names go. */
export interface NameSink {
  /** A name of `length` bytes at `start`; `child` may be any number. */
  add(child: number, bytes: Uint8Array, start: number, length: number): void;
}

/** What is wrong with the head of the directory block at `at`, if anything. Its address is that of its first block. */
export function directoryBlockTrouble(
  g: Geometry,
  view: DataView,
  at: number,
  address: Bytes,
  inode: number,
): string | undefined {
  const H = xfs_dir3_blk_hdr;
  const magic = H.magic.get(view, at);
  if (magic !== DIR_BLOCK_MAGIC[g.version - 4] && magic !== DIR_DATA_MAGIC[g.version - 4]) return 'wrong magic';
  if (g.version === 4) return undefined;
  const trouble = selfTrouble(view, at, g.dirBlockSize, address, H, g.metaUuid);
  if (trouble !== undefined) return trouble;
  return equalsU64(view, at + H.owner.offset, inode) ? undefined : 'belongs to another inode';
}

/** An entry: inode (8), length of name (1), name, type (0 or 1), its own place (2); in steps of 8. */
const ENTRY_FIXED = 8 + 1 + 2;
/** An unused stretch: mark (2), length (2), ..., its own place (2). */
const FREE_LEAST = 8;

/**
 * Gives the names of the block at byte `at` to `sink`, `.` and `..` left out. Stops at the first entry that does not fit
 * and says what is wrong; names before it have been given.
 */
export function readDirectoryBlock(
  g: Geometry,
  bytes: Uint8Array,
  view: DataView,
  at: number,
  sink: NameSink,
): string | undefined {
  const start = DIR_DATA_START[g.version - 4];
  let end = g.dirBlockSize;
  if (view.getUint32(at) === DIR_BLOCK_MAGIC[g.version - 4]) {
    const tail = at + g.dirBlockSize - xfs_dir2_block_tail.byteLength;
    const indexed = xfs_dir2_block_tail.count.get(view, tail);
    end = g.dirBlockSize - xfs_dir2_block_tail.byteLength - indexed * DIR_LEAF_ENTRY;
    if (end < start) return `index of ${indexed} entries`;
  }
  const fixed = ENTRY_FIXED + (g.hasFtype ? 1 : 0);
  let entry = start;
  while (entry < end) {
    if (entry + FREE_LEAST > end) return `entry at byte ${entry} ends past the block`;
    const high = view.getUint32(at + entry);
    if (high >>> 16 === DIR_FREE_TAG) {
      const length = high & 0xffff;
      if (length < FREE_LEAST || length % 8 !== 0 || entry + length > end) {
        return `unused stretch of ${length} bytes at byte ${entry}`;
      }
      entry += length;
      continue;
    }
    const nameLength = entry + 9 <= end ? view.getUint8(at + entry + 8) : 0;
    const size = (nameLength + fixed + 7) & ~7;
    if (nameLength === 0 || entry + size > end) return `entry at byte ${entry} has a name of ${nameLength} bytes`;
    if (view.getUint16(at + entry + size - 2) !== entry) return `entry at byte ${entry} says it is elsewhere`;
    const name = at + entry + 9;
    if (!isDot(bytes, name, nameLength)) {
      sink.add(high * 0x1_0000_0000 + view.getUint32(at + entry + 4), bytes, name, nameLength);
    }
    entry += size;
  }
  return undefined;
}

/** A short form, bytes `start` to `end` - 1: counts of entries, of those with 64-bit numbers; the parent; the entries. */
export function readShortDirectory(
  g: Geometry,
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
  sink: NameSink,
): string | undefined {
  if (end - start < 6) return `${end - start} bytes`;
  const isWide = view.getUint8(start + 1) !== 0;
  const numberBytes = isWide ? 8 : 4;
  const count = view.getUint8(start);
  const type = g.hasFtype ? 1 : 0;
  let at = start + 2 + numberBytes;
  for (let i = 0; i < count; i++) {
    const nameLength = at < end ? view.getUint8(at) : 0;
    const number = at + 3 + nameLength + type; // length of name, and where the entry would be in a block
    if (nameLength === 0 || number + numberBytes > end) return `entry ${i} of ${count} ends past it`;
    const low = view.getUint32(number + numberBytes - 4);
    const child = isWide ? view.getUint32(number) * 0x1_0000_0000 + low : low;
    if (!isDot(bytes, at + 3, nameLength)) sink.add(child, bytes, at + 3, nameLength);
    at = number + numberBytes;
  }
  return undefined;
}

const isDot = (bytes: Uint8Array, at: number, length: number): boolean =>
  length <= 2 && bytes[at] === 0x2e && (length === 1 || bytes[at + 1] === 0x2e);
