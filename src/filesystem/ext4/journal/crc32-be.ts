/** CRC-32 with the most significant bit first and no inversion: Linux `crc32_be`, the journal's checksum of version 1. */

const POLYNOMIAL = 0x04c1_1db7;
let table: Uint32Array | undefined;

/** `seed` gone on over `data`. */
export function crc32Be(seed: number, data: Uint8Array): number {
  table ??= makeTable();
  let c = seed >>> 0;
  for (const byte of data) c = ((c << 8) ^ table[(c >>> 24) ^ byte]) >>> 0;
  return c;
}

function makeTable(): Uint32Array {
  const t = new Uint32Array(256);
  for (let n = 0; n < 256; n++) {
    let c = n << 24;
    for (let k = 0; k < 8; k++) c = (c & 0x8000_0000) !== 0 ? (c << 1) ^ POLYNOMIAL : c << 1;
    t[n] = c >>> 0;
  }
  return t;
}
