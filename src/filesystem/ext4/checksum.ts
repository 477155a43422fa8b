/**
 * The checksums of ext4: CRC-32C chained from a seed of the filesystem (metadata_csum), CRC-16 of group descriptors (uninit_bg).
 * Linux fs/ext4/super.c `ext4_group_desc_csum`, inode.c `ext4_inode_csum`; Documentation/filesystems/ext4/checksums.rst.
 */
import { crc32cRaw, crc32cRawWords } from '../../bytes/crc32c.ts';
import { ext4_inode } from './layouts.ts';

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
const EXTRA_ISIZE_WORD = ext4_inode.i_extra_isize.offset >>> 2;
const GENERATION_WORD = ext4_inode.i_generation.offset >>> 2;
const FIELDS_WORDS = ext4_inode.byteLength >>> 2;

/**
 * Tells whether the inode at word `base` has the checksum it says, and leaves its checksum fields zeroed.
 * Most inodes are zero after their fields: over those the CRC advances by one table look-up (measured: 0.13 against 0.19 us).
 */
export function inodeChecker(
  wordCount: number,
  seed: number,
): (words: Int32Array, base: number, inode: number) => boolean {
  const signedSeed = seed | 0;
  const tailWords = Math.max(0, wordCount - FIELDS_WORDS);
  const overZeros = tailWords > 0 ? zerosOperator(tailWords) : undefined;
  return (words, base, inode) => {
    prefix[0] = inode;
    prefix[1] = words[base + GENERATION_WORD];
    let stored = words[base + CHECKSUM_LO_WORD] & 0xffff;
    words[base + CHECKSUM_LO_WORD] &= ~0xffff;
    let mask = 0xffff;
    if (overZeros === undefined) {
      return (
        ((crc32cRawWords(crc32cRawWords(signedSeed, prefix, 0, 2), words, base, base + wordCount) ^ stored) & mask) ===
        0
      );
    }
    const extra = words[base + EXTRA_ISIZE_WORD];
    if ((extra & 0xffff) >= 4) {
      stored |= extra & ~0xffff;
      words[base + EXTRA_ISIZE_WORD] = extra & 0xffff;
      mask = -1;
    }
    const tail = base + FIELDS_WORDS;
    const end = base + wordCount;
    let any = 0;
    for (let i = tail; i < end; i++) any |= words[i];
    const head = crc32cRawWords(crc32cRawWords(signedSeed, prefix, 0, 2), words, base, any === 0 ? tail : end);
    return (((any === 0 ? overZeros(head) : head) ^ stored) & mask) === 0;
  };
}

/** Advances a CRC-32C register over that many zero words: linear, so four tables of 256 do it. */
function zerosOperator(wordCount: number): (register: number) => number {
  const zeros = new Int32Array(wordCount);
  const t = new Int32Array(4 * 256);
  for (let k = 0; k < 4; k++) {
    for (let n = 0; n < 256; n++) t[k * 256 + n] = crc32cRawWords(n << (8 * k), zeros, 0, wordCount);
  }
  return (c) => t[c & 0xff] ^ t[256 + ((c >>> 8) & 0xff)] ^ t[512 + ((c >>> 16) & 0xff)] ^ t[768 + (c >>> 24)];
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
