/**
 * The checksums of ext4: CRC-32C chained from a seed of the filesystem (metadata_csum), CRC-16 of group descriptors (uninit_bg).
 * Linux fs/ext4/super.c `ext4_group_desc_csum`, inode.c `ext4_inode_csum`; Documentation/filesystems/ext4/checksums.rst.
 */
import { crc32cRaw, crc32cRawWords } from '../../bytes/crc32c.ts';
import { viewOf } from '../../bytes/layout.ts';
import { ext4_inode, GOOD_OLD_INODE_SIZE } from './layouts.ts';

const number4 = new Uint8Array(4);
const number8 = new Uint8Array(8);

/** `seed` gone on over a little-endian 32-bit number. */
export function crcU32(seed: number, value: number): number {
  new DataView(number4.buffer).setUint32(0, value, true);
  return crc32cRaw(seed, number4);
}

/** `seed` gone on over a little-endian 64-bit number. */
export function crcU64(seed: number, value: number): number {
  const view = new DataView(number8.buffer);
  view.setUint32(0, value % 0x1_0000_0000, true);
  view.setUint32(4, Math.floor(value / 0x1_0000_0000), true);
  return crc32cRaw(seed, number8);
}

const ZERO4 = new Uint8Array(4);

/** Over `data` as if the 4 bytes at `hole` were zero. */
export function crcWithHole(seed: number, data: Uint8Array, hole: number): number {
  const head = crc32cRaw(crc32cRaw(seed, data.subarray(0, hole)), ZERO4);
  return crc32cRaw(head, data.subarray(hole + 4));
}

const prefix = new Int32Array(2);

/** What seeds the checksums of an inode and of its extent and directory blocks. */
export function inodeSeed(filesystemSeed: number, inode: number, generation: number): number {
  prefix[0] = inode;
  prefix[1] = generation;
  return crc32cRawWords(filesystemSeed | 0, prefix, 0, 2) >>> 0;
}

const CHECKSUM_LO_WORD = ext4_inode.i_checksum_lo.offset >>> 2;
const EXTRA_ISIZE_WORD = ext4_inode.i_extra_isize.offset >>> 2; // and i_checksum_hi above it
const GENERATION_WORD = ext4_inode.i_generation.offset >>> 2;
const LINKS_WORD = ext4_inode.i_links_count.offset >>> 2;

/** Shorter runs of inodes are checked one by one: a call of the native CRC costs as much as two or three. */
const RUN_LEAST = 4;

/** A piece of inode table: the same memory as words and, where the machine's byte order allows, as bytes. */
export interface InodeWords {
  readonly words: Int32Array;
  /** Undefined when `words` is a decoded copy. */
  readonly bytes: Uint8Array | undefined;
}

/**
 * Checks a piece of inode table: sets wrong[i] to 1 for each inode in use whose checksum is wrong, else to 0. Leaves the
 * checksum fields zeroed.
 *
 * CRCs are linear: over neighbouring inodes, the CRC of the whole run follows from the checksums they claim. So a run takes
 * one native CRC and one shift an inode, and single inodes are looked at only where the run does not agree. A wrong run
 * passes with the chance of a wrong inode: 2^-32. Measured: 0.05 us an inode, 0.19 one by one.
 */
export function inodeTableChecker(
  wordCount: number,
  filesystemSeed: number,
): (piece: InodeWords, firstInode: number, from: number, to: number, wrong: Uint8Array) => void {
  const seed = filesystemSeed | 0;
  const shift = zerosOperator(wordCount);
  let stored = new Int32Array(0);
  const check = (words: Int32Array, inode: number, i: number): number => {
    const base = i * wordCount;
    prefix[0] = inode;
    prefix[1] = words[base + GENERATION_WORD];
    const crc = crc32cRawWords(crc32cRawWords(seed, prefix, 0, 2), words, base, base + wordCount);
    return ((crc ^ stored[i]) & (hasHigh(words, base, wordCount) ? -1 : 0xffff)) === 0 ? 0 : 1;
  };
  return ({ words, bytes }, firstInode, from, to, wrong) => {
    if (stored.length < to) stored = new Int32Array(to);
    for (let i = from; i < to; ) {
      let end = i;
      let predicted = 0;
      for (; end < to; end++) {
        const base = end * wordCount;
        if (words[base + LINKS_WORD] >>> 16 === 0 || !hasHigh(words, base, wordCount)) break;
        stored[end] = takeChecksum(words, base, wordCount);
        prefix[0] = firstInode + end;
        prefix[1] = words[base + GENERATION_WORD];
        predicted = shift(predicted ^ crc32cRawWords(seed, prefix, 0, 2)) ^ stored[end];
      }
      const agrees =
        end - i >= RUN_LEAST &&
        bytes !== undefined &&
        (crc32cRaw(0, bytes.subarray(i * wordCount * 4, end * wordCount * 4)) | 0) === predicted;
      for (; i < end; i++) wrong[i] = agrees ? 0 : check(words, firstInode + i, i);
      if (i === to) return;
      wrong[i] = 0;
      const base = i * wordCount;
      if (words[base + LINKS_WORD] >>> 16 !== 0) {
        stored[i] = takeChecksum(words, base, wordCount);
        wrong[i] = check(words, firstInode + i, i);
      }
      i++;
    }
  };
}

/** Whether the inode has the upper half of a checksum. */
const hasHigh = (words: Int32Array, base: number, wordCount: number): boolean =>
  wordCount > GOOD_OLD_INODE_SIZE / 4 && (words[base + EXTRA_ISIZE_WORD] & 0xffff) >= 4;

/** The checksum an inode claims; its fields are zero afterwards, as they were when it was computed. */
function takeChecksum(words: Int32Array, base: number, wordCount: number): number {
  let stored = words[base + CHECKSUM_LO_WORD] & 0xffff;
  words[base + CHECKSUM_LO_WORD] &= ~0xffff;
  if (hasHigh(words, base, wordCount)) {
    stored |= words[base + EXTRA_ISIZE_WORD] & ~0xffff;
    words[base + EXTRA_ISIZE_WORD] &= 0xffff;
  }
  return stored;
}

/** Gives an inode the checksum that is right for it. */
export function sealInode(bytes: Uint8Array, inode: number, filesystemSeed: number): void {
  const view = viewOf(bytes);
  const { i_checksum_lo, i_checksum_hi, i_extra_isize, i_generation } = ext4_inode;
  const isWide = bytes.length > GOOD_OLD_INODE_SIZE && i_extra_isize.get(view, 0) >= 4;
  i_checksum_lo.set(view, 0, 0);
  if (isWide) i_checksum_hi.set(view, 0, 0);
  const crc = crc32cRaw(inodeSeed(filesystemSeed, inode, i_generation.get(view, 0)), bytes);
  i_checksum_lo.set(view, 0, crc & 0xffff);
  if (isWide) i_checksum_hi.set(view, 0, crc >>> 16);
}

/** Advances a CRC-32C register over that many zero words: linear, so four tables of 256 do it. */
function zerosOperator(wordCount: number): (register: number) => number {
  const zeros = new Int32Array(wordCount);
  const t = new Int32Array(4 * 256);
  for (let bit = 0; bit < 32; bit++) {
    const image = crc32cRawWords(1 << bit, zeros, 0, wordCount);
    const first = (bit >>> 3) * 256;
    const mask = 1 << (bit & 7);
    for (let n = mask; n < 2 * mask; n++) t[first + n] = t[first + n - mask] ^ image;
  }
  return (c) => t[c & 0xff] ^ t[256 + ((c >>> 8) & 0xff)] ^ (t[512 + ((c >>> 16) & 0xff)] ^ t[768 + (c >>> 24)]);
}

let crc16Table: Uint16Array | undefined;

/** CRC-16 (ANSI, reflected 8005h) as Linux `crc16`. */
export function crc16(seed: number, data: Uint8Array): number {
  if (crc16Table === undefined) {
    crc16Table = new Uint16Array(256);
    for (let n = 0; n < 256; n++) {
      let c = n;
      for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xa001 : c >>> 1;
      crc16Table[n] = c;
    }
  }
  let c = seed;
  for (const byte of data) c = (c >>> 8) ^ crc16Table[(c ^ byte) & 0xff];
  return c;
}
