/**
 * CRC-32C (Castagnoli), as in iSCSI digests, LTO logical block protection, ext4 and XFS.
 * RFC 3720 B.4 has test vectors. Small amounts go through tables in JavaScript, so that a command which checks one record
 * does not load a native addon; bulk users call `loadNativeCrc32c` first.
 */
import { createRequire } from 'node:module';

type Crc = (data: Uint8Array, seed?: number) => number;

const POLYNOMIAL = 0x82f6_3b78; // reflected
let tables: Uint32Array | undefined; // 8 tables of 256: slicing by 8

function makeTables(): Uint32Array {
  const t = new Uint32Array(8 * 256);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ POLYNOMIAL : c >>> 1;
    t[n] = c >>> 0;
  }
  for (let n = 0; n < 256; n++) {
    for (let k = 1; k < 8; k++) {
      const previous = t[(k - 1) * 256 + n];
      t[k * 256 + n] = (t[previous & 0xff] ^ (previous >>> 8)) >>> 0;
    }
  }
  return t;
}

function crcByTables(data: Uint8Array, seed = 0): number {
  tables ??= makeTables();
  const t = tables;
  let c = ~seed;
  let i = 0;
  const end8 = data.length - 7;
  for (; i < end8; i += 8) {
    c ^= data[i] | (data[i + 1] << 8) | (data[i + 2] << 16) | (data[i + 3] << 24);
    c =
      t[1792 + (c & 0xff)] ^
      t[1536 + ((c >>> 8) & 0xff)] ^
      t[1280 + ((c >>> 16) & 0xff)] ^
      t[1024 + (c >>> 24)] ^
      t[768 + data[i + 4]] ^
      t[512 + data[i + 5]] ^
      t[256 + data[i + 6]] ^
      t[data[i + 7]];
  }
  for (; i < data.length; i++) c = t[(c ^ data[i]) & 0xff] ^ (c >>> 8);
  return ~c >>> 0;
}

let current: Crc = crcByTables;

/** CRC-32C of `data`, going on from `seed` (the CRC-32C of what came before; 0 at the start). */
export const crc32c: Crc = (data, seed = 0) => current(data, seed);

/** Raw register form as Linux `crc32c_le`: no inversion before or after. ext4 and jbd2 chain it from a seed. */
export const crc32cRaw = (seed: number, data: Uint8Array): number => ~current(data, ~seed >>> 0) >>> 0;

let signedTables: Int32Array | undefined;

/**
 * Raw register form over 32-bit little-endian words `from` to `to` - 1, in JavaScript: for many small structures, where
 * the call of a native addon costs more than the bytes (measured: 0.19 us for 256 bytes, native 0.5). The count is even.
 * Seed and result are signed, so that they stay small integers to the engine.
 */
export function crc32cRawWords(seed: number, words: Int32Array, from: number, to: number): number {
  signedTables ??= new Int32Array(makeTables().buffer);
  const t = signedTables;
  let c = seed | 0;
  for (let i = from; i < to; i += 2) {
    const low = c ^ words[i];
    const high = words[i + 1];
    c =
      t[1792 + (low & 0xff)] ^
      t[1536 + ((low >>> 8) & 0xff)] ^
      (t[1280 + ((low >>> 16) & 0xff)] ^ t[1024 + (low >>> 24)]) ^
      (t[768 + (high & 0xff)] ^ t[512 + ((high >>> 8) & 0xff)] ^ (t[256 + ((high >>> 16) & 0xff)] ^ t[high >>> 24]));
  }
  return c;
}

/**
 * Raw register form over bytes `from` to `to` - 1, in JavaScript: for rows of some hundred bytes, where views and the call
 * of a native addon cost more than the bytes (measured: 0.6 us for a row of 500 bytes in three parts, native 2.3). Signed.
 */
export function crc32cUpdate(register: number, data: Uint8Array, from: number, to: number): number {
  signedTables ??= new Int32Array(makeTables().buffer);
  const t = signedTables;
  let c = register | 0;
  let i = from;
  for (; i + 7 < to; i += 8) {
    c ^= data[i] | (data[i + 1] << 8) | (data[i + 2] << 16) | (data[i + 3] << 24);
    c =
      t[1792 + (c & 0xff)] ^
      t[1536 + ((c >>> 8) & 0xff)] ^
      (t[1280 + ((c >>> 16) & 0xff)] ^ t[1024 + (c >>> 24)]) ^
      (t[768 + data[i + 4]] ^ t[512 + data[i + 5]] ^ (t[256 + data[i + 6]] ^ t[data[i + 7]]));
  }
  for (; i < to; i++) c = t[(c ^ data[i]) & 0xff] ^ (c >>> 8);
  return c;
}

/** Switches to the processor's instruction (measured: 5.8 GB/s against 0.9). Falls back silently: the result is the same. */
export function loadNativeCrc32c(): void {
  if (current !== crcByTables) return;
  try {
    const native = loadAddon(createRequire(import.meta.url));
    current = (data, seed = 0) => native.crc32c(data, seed);
  } catch {
    current = crcByTables;
  }
}

interface Addon {
  crc32c(data: Uint8Array, seed?: number): number;
}

/** The addon itself where its name is known: the package's own loader (28 KB, and a look at the C library) takes longer than the addon. */
function loadAddon(require: NodeJS.Require): Addon {
  try {
    return require(`@node-rs/crc32-${process.platform}-${process.arch}-gnu`) as Addon;
  } catch {
    return require('@node-rs/crc32') as Addon;
  }
}
