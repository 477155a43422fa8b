/**
 * Directory blocks: linear entries, and the htree's index blocks, which look like one unused entry. Linux
 * fs/ext4/dir.c `__ext4_check_dir_entry`, namei.c for the checksums. Inline directories have the same entries in an inode.
 */
import { crc32cRaw } from '../../bytes/crc32c.ts';
import { bytesOf } from '../../bytes/layout.ts';
import { inodeSeed } from './checksum.ts';
import { DIR_TAIL_FILE_TYPE, dx_countlimit, dx_tail, ext4_dir_entry_2, ext4_dir_entry_tail } from './layouts.ts';

const D = ext4_dir_entry_2;
const TAIL = ext4_dir_entry_tail;
const ZERO4 = new Uint8Array(4);

/**
 * What is wrong with the checksum of the directory block at byte `at`, if anything. Leaves end in a tail that looks like
 * an entry; index nodes have theirs after the last entry they have room for.
 */
export function directoryChecksumTrouble(
  view: DataView,
  at: number,
  blockSize: number,
  filesystemSeed: number,
  inode: number,
  generation: number,
): string | undefined {
  const seed = inodeSeed(filesystemSeed, inode, generation);
  const counts = indexCounts(view, at, blockSize); // first: a leaf turned into an index keeps most of its old tail
  if (counts === undefined) {
    const tail = at + blockSize - TAIL.byteLength;
    const isTail =
      TAIL.det_reserved_zero1.get(view, tail) === 0 &&
      TAIL.det_rec_len.get(view, tail) === TAIL.byteLength &&
      TAIL.det_reserved_zero2.get(view, tail) === 0 &&
      TAIL.det_reserved_ft.get(view, tail) === DIR_TAIL_FILE_TYPE;
    if (!isTail) return 'has no checksum';
    const found = crc32cRaw(seed, bytesOf(view, at, blockSize - TAIL.byteLength));
    return found === TAIL.det_checksum.get(view, tail) ? undefined : 'checksum wrong';
  }
  const limit = dx_countlimit.limit.get(view, at + counts);
  const count = dx_countlimit.count.get(view, at + counts);
  const end = counts + limit * DX_ENTRY;
  if (count > limit || end + dx_tail.byteLength > blockSize) return `index of ${count} entries, room for ${limit}`;
  const entries = crc32cRaw(seed, bytesOf(view, at, counts + count * DX_ENTRY));
  const found = crc32cRaw(crc32cRaw(entries, bytesOf(view, at + end, 4)), ZERO4);
  return found === dx_tail.dt_checksum.get(view, at + end) ? undefined : 'index checksum wrong';
}
const DX_ENTRY = 8;

/** Linux `get_dx_countlimit`: where the entry count of an index block is, or undefined when it is none. */
function indexCounts(view: DataView, at: number, blockSize: number): number | undefined {
  const first = recordLength(D.rec_len.get(view, at), blockSize);
  if (first === blockSize) return D.inode.get(view, at) === 0 ? 8 : undefined;
  if (first !== 12 || recordLength(D.rec_len.get(view, at + 12), blockSize) !== blockSize - 12) return undefined;
  return view.getUint32(at + 24, true) === 0 && view.getUint8(at + 29) === 8 ? 32 : undefined;
}

/** `ext4_rec_len_from_disk`: 16 bits for lengths up to 256 KiB. */
export function recordLength(raw: number, blockSize: number): number {
  if (raw === 0xffff || raw === 0) return blockSize;
  return (raw & 0xfffc) | ((raw & 3) << 16);
}

/** Where names go. */
export interface NameSink {
  /** A name of `length` bytes at `start`. */
  add(child: number, bytes: Uint8Array, start: number, length: number): void;
}

/**
 * Gives the names in bytes `from` to `to` - 1 of a block (whole entries, of a block size of `blockSize`) to `sink`, `.` and
 * `..` left out. Stops at the first entry that does not fit and says what is wrong; names before it have been given.
 */
export function readEntries(
  bytes: Uint8Array,
  view: DataView,
  from: number,
  to: number,
  blockSize: number,
  nameLengthMask: number,
  inodesCount: number,
  sink: NameSink,
): string | undefined {
  let at = from;
  while (at < to) {
    if (at + D.byteLength > to) return `entry at byte ${at - from} ends past the block`;
    const child = view.getUint32(at, true);
    const lengths = view.getUint32(at + 4, true);
    const recordBytes = recordLength(lengths & 0xffff, blockSize);
    const nameLength = (lengths >>> 16) & nameLengthMask;
    if (recordBytes < D.byteLength || at + recordBytes > to) {
      return `entry at byte ${at - from} of ${recordBytes} bytes does not fit`;
    }
    if (child !== 0) {
      if (nameLength === 0 || nameLength > 255 || nameLength + D.byteLength > recordBytes) {
        return `entry at byte ${at - from} has a name of ${nameLength} bytes`;
      }
      if (child > inodesCount) return `entry at byte ${at - from} names inode ${child} of ${inodesCount}`;
      if (!isDot(bytes, at + D.byteLength, nameLength)) sink.add(child, bytes, at + D.byteLength, nameLength);
    }
    at += recordBytes;
  }
  return undefined;
}

const isDot = (bytes: Uint8Array, at: number, length: number): boolean =>
  length <= 2 && bytes[at] === 0x2e && (length === 1 || bytes[at + 1] === 0x2e);
