/**
 * The frame around every value of the index, in the store and in the index file on tape. index-format/FORMAT.md, "Frames".
 *
 *     0      version (1)
 *     1      codec: 0 raw, 1 zstd
 *     2..5   CRC-32C, little-endian, over the row's key, bytes 0 and 1, and everything from byte 6
 *     6..    raw length, varint (at most RAW_LENGTH_MAX)
 *     ...    payload. raw: the raw bytes. zstd: length of the tail, varint; a Zstandard frame without its magic number;
 *            the tail, raw bytes that do not compress and follow those in the frame
 *
 * The key is under the checksum: a value that stands under another key is as damaged as one with a flipped bit.
 */
import { crc32cUpdate } from '../bytes/crc32c.ts';
import { check, FormatError } from '../bytes/errors.ts';
import { CodecId, type Compress, decompressZstd } from './codec.ts';

export const FRAME_VERSION = 1;
/** RFC 8878 section 3.1.1: every Zstandard frame begins with these, so rows go without. */
const MAGIC = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd);
const MAGIC_BYTES = MAGIC.length;
/** Bytes of one row before compression, at most. Pages have 4 to 16 KiB; inode records and manifests may have more. */
export const RAW_LENGTH_MAX = 1 << 22;
/** Bytes of frame before the payload, at most. */
export const FRAME_OVERHEAD_MAX = 10;

/**
 * The row's value for `raw`, smaller where `compress` is given and gains.
 * @param tail so many bytes at the end of `raw` that do not compress
 */
export function encodeFrame(key: Uint8Array, raw: Uint8Array, compress?: Compress, tail = 0): Uint8Array {
  if (raw.length > RAW_LENGTH_MAX) throw new RangeError(`a row of ${raw.length} bytes, at most ${RAW_LENGTH_MAX}`);
  const packed = compress?.(tail === 0 ? raw : raw.subarray(0, raw.length - tail));
  const lengthBytes = varintBytes(raw.length);
  const packedBytes = packed === undefined ? raw.length : varintBytes(tail) + packed.length - MAGIC_BYTES + tail;
  if (packed === undefined || packedBytes >= raw.length) {
    const out = start(6 + lengthBytes + raw.length, CodecId.raw, raw.length);
    out.set(raw, 6 + lengthBytes);
    return sealed(key, out);
  }
  const out = start(6 + lengthBytes + packedBytes, CodecId.zstd, raw.length);
  const at = putVarint(out, 6 + lengthBytes, tail);
  out.set(packed.subarray(MAGIC_BYTES), at);
  if (tail > 0) out.set(raw.subarray(raw.length - tail), out.length - tail);
  return sealed(key, out);
}

const varintBytes = (value: number): number => (value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : 4);

function putVarint(out: Uint8Array, at: number, value: number): number {
  let rest = value;
  let next = at;
  while (rest > 0x7f) {
    out[next++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  out[next++] = rest;
  return next;
}

/** Values are cut from pieces of this size: an array of its own for each costs more than its compression gains. */
const ARENA_BYTES = 64 * 1024;
let arena = new Uint8Array(0);
let arenaUsed = 0;

function start(length: number, codec: number, rawLength: number): Uint8Array {
  if (arenaUsed + length > arena.length) {
    arena = new Uint8Array(Math.max(ARENA_BYTES, length));
    arenaUsed = 0;
  }
  const out = arena.subarray(arenaUsed, arenaUsed + length);
  arenaUsed += length;
  out[0] = FRAME_VERSION;
  out[1] = codec;
  putVarint(out, 6, rawLength);
  return out;
}

function sealed(key: Uint8Array, out: Uint8Array): Uint8Array {
  const crc = frameCrc(key, out);
  out[2] = crc;
  out[3] = crc >>> 8;
  out[4] = crc >>> 16;
  out[5] = crc >>> 24;
  return out;
}

/**
 * The raw bytes of a value; a view of it when it is not compressed.
 * @param where names the row for the error
 * @throws FormatError `corrupt`, or `unsupported` for a version or codec of a later release
 */
export function decodeFrame(key: Uint8Array, value: Uint8Array, where: string): Uint8Array {
  check(value.length >= 7, where, `${value.length} bytes are no index row ${REMEDY}`);
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  if (view.getUint32(2, true) !== frameCrc(key, value))
    throw new FormatError('corrupt', where, `checksum wrong ${REMEDY}`);
  if (value[0] !== FRAME_VERSION)
    throw new FormatError(
      'unsupported',
      where,
      `index format version ${value[0]}, this program reads ${FRAME_VERSION}`,
    );
  const [rawLength, at] = getVarint(value, 6, where, 'raw length');
  check(rawLength <= RAW_LENGTH_MAX, where, `raw length ${rawLength}, at most ${RAW_LENGTH_MAX} ${REMEDY}`);
  switch (value[1]) {
    case CodecId.raw:
      check(value.length - at === rawLength, where, `${value.length - at} bytes instead of ${rawLength} ${REMEDY}`);
      return value.subarray(at);
    case CodecId.zstd: {
      const [tail, from] = getVarint(value, at, where, 'tail');
      check(tail <= rawLength && from + tail <= value.length, where, `a tail of ${tail} bytes ${REMEDY}`);
      const out = new Uint8Array(rawLength);
      const frame = new Uint8Array(MAGIC_BYTES + value.length - tail - from);
      frame.set(MAGIC);
      frame.set(value.subarray(from, value.length - tail), MAGIC_BYTES);
      decompressZstd(frame, rawLength - tail, where, out.subarray(0, rawLength - tail));
      out.set(value.subarray(value.length - tail), rawLength - tail);
      return out;
    }
    default:
      throw new FormatError('unsupported', where, `codec ${value[1]}`);
  }
}

/** A length of at most four bytes, and where it ends. */
function getVarint(value: Uint8Array, start: number, where: string, what: string): readonly [number, number] {
  let at = start;
  let length = 0;
  for (let shift = 0; ; shift += 7) {
    check(at < value.length && shift <= 21, where, `${what} is too long ${REMEDY}`);
    const byte = value[at++];
    length |= (byte & 0x7f) << shift;
    if (byte < 0x80) return [length, at];
  }
}

/** What every message about a damaged index ends with. */
export const REMEDY = '(run `reelmap index rebuild`)';

function frameCrc(key: Uint8Array, value: Uint8Array): number {
  const head = crc32cUpdate(crc32cUpdate(-1, key, 0, key.length), value, 0, 2);
  return ~crc32cUpdate(head, value, 6, value.length) >>> 0;
}
