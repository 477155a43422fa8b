/**
 * The hash of a name in an indexed directory. Linux fs/ext4/hash.c `__ext4fs_dirhash`; e2fsprogs lib/ext2fs/dirhash.c
 * agrees. Needed for the names that the kernel gives to ciphertext alone: an index is not searched here.
 */

/** `s_def_hash_version`; those from 3 on take characters as unsigned. */
export const HashVersion = { legacy: 0, halfMd4: 1, tea: 2, unsigned: 3 } as const;

export interface DirectoryHash {
  readonly major: number;
  readonly minor: number;
}

/** The largest hash means the end of the directory: it is left out. */
const END_OF_DIRECTORY = 0x7fff_ffff;

/** @param seed `s_hash_seed`; all zero: the default one. Unknown versions give zeros. */
export function directoryHash(name: Uint8Array, version: number, seed: readonly number[]): DirectoryHash {
  const isSigned = version < HashVersion.unsigned;
  const buffer = seed.some((word) => word !== 0) ? [...seed] : [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
  let major = 0;
  let minor = 0;
  switch (version % HashVersion.unsigned) {
    case HashVersion.legacy:
      major = legacyHash(name, isSigned);
      break;
    case HashVersion.halfMd4:
      for (let at = 0; at < name.length; at += 32) halfMd4(buffer, words(name.subarray(at), 8, isSigned));
      [, major, minor] = buffer;
      break;
    default:
      for (let at = 0; at < name.length; at += 16) tea(buffer, words(name.subarray(at), 4, isSigned));
      [major, minor] = buffer;
  }
  major = (major & ~1) >>> 0;
  if (major === (END_OF_DIRECTORY << 1) >>> 0) major = ((END_OF_DIRECTORY - 1) << 1) >>> 0;
  return { major, minor: minor >>> 0 };
}

const charOf = (byte: number, isSigned: boolean): number => (isSigned ? (byte << 24) >> 24 : byte);

/** `str2hashbuf`: the characters as words, the first in the highest byte, padded with the length. */
function words(name: Uint8Array, count: number, isSigned: boolean): Int32Array {
  const twice = name.length | (name.length << 8);
  const pad = twice | (twice << 16);
  const out = new Int32Array(count).fill(pad);
  const length = Math.min(name.length, count * 4);
  let value = pad;
  for (let i = 0; i < length; i++) {
    value = (charOf(name[i], isSigned) + (value << 8)) | 0;
    if (i % 4 === 3) {
      out[i >>> 2] = value;
      value = pad;
    }
  }
  if (length % 4 !== 0) out[length >>> 2] = value;
  return out;
}

function legacyHash(name: Uint8Array, isSigned: boolean): number {
  let hash = 0x12a3_fe2d;
  let before = 0x37ab_e8f9;
  for (const byte of name) {
    let next = (before + (hash ^ Math.imul(charOf(byte, isSigned), 7_152_373))) >>> 0;
    if ((next & 0x8000_0000) !== 0) next = (next - 0x7fff_ffff) >>> 0;
    before = hash;
    hash = next;
  }
  return hash << 1;
}

const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by));

const F = (x: number, y: number, z: number): number => z ^ (x & (y ^ z));
const G = (x: number, y: number, z: number): number => (x & y) + ((x ^ y) & z);
const H = (x: number, y: number, z: number): number => x ^ y ^ z;
/** Function, constant, order of the words, shifts. */
const ROUNDS = [
  [F, 0, [0, 1, 2, 3, 4, 5, 6, 7], [3, 7, 11, 19]],
  [G, 0x5a82_7999, [1, 3, 5, 7, 0, 2, 4, 6], [3, 5, 9, 13]],
  [H, 0x6ed9_eba1, [3, 7, 2, 6, 1, 5, 0, 4], [3, 9, 11, 15]],
] as const;

/** MD4 cut to three rounds of eight steps: `half_md4_transform`. Changes `buffer`. */
function halfMd4(buffer: number[], input: Int32Array): void {
  let [a, b, c, d] = buffer;
  for (const [f, constant, order, shifts] of ROUNDS) {
    for (let step = 0; step < 8; step++) {
      const sum = (a + f(b, c, d) + input[order[step]] + constant) | 0;
      [a, b, c, d] = [d, rotate(sum, shifts[step % 4]), b, c];
    }
  }
  for (const [i, word] of [a, b, c, d].entries()) buffer[i] = (buffer[i] + word) | 0;
}

const TEA_DELTA = 0x9e37_79b9;

/** `TEA_transform`: sixteen rounds. Changes the first two words of `buffer`. */
function tea(buffer: number[], [a, b, c, d]: Int32Array): void {
  let [x, y] = buffer;
  let sum = 0;
  for (let i = 0; i < 16; i++) {
    sum = (sum + TEA_DELTA) | 0;
    x = (x + (((y << 4) + a) ^ (y + sum) ^ ((y >>> 5) + b))) | 0;
    y = (y + (((x << 4) + c) ^ (x + sum) ^ ((x >>> 5) + d))) | 0;
  }
  buffer[0] = (buffer[0] + x) | 0;
  buffer[1] = (buffer[1] + y) | 0;
}
