/**
 * The frame around every value of the index, in the store and in the index file on tape. index-format/FORMAT.md, "Frames".
 *
 *     0      version (1)
 *     1      codec: 0 raw, 1 zstd
 *     2..5   CRC-32C, little-endian, over the row's key, bytes 0 and 1, and everything from byte 6
 *     6..    raw length, varint (at most RAW_LENGTH_MAX)
 *     ...    payload
 *
 * The key is under the checksum: a value that stands under another key is as damaged as one with a flipped bit.
 */
import { crc32c } from '../bytes/crc32c.ts';
import { check, FormatError } from '../bytes/errors.ts';
import { CodecId, type Compress, decompressZstd } from './codec.ts';

export const FRAME_VERSION = 1;
/** Bytes of one row before compression, at most. Pages have 4 to 16 KiB; inode records and manifests may have more. */
export const RAW_LENGTH_MAX = 1 << 22;
/** Bytes of frame before the payload, at most. */
export const FRAME_OVERHEAD_MAX = 10;

/** The row's value for `raw`, smaller where `compress` is given and gains. */
export function encodeFrame(key: Uint8Array, raw: Uint8Array, compress?: Compress): Uint8Array {
  if (raw.length > RAW_LENGTH_MAX) throw new RangeError(`a row of ${raw.length} bytes, at most ${RAW_LENGTH_MAX}`);
  const packed = compress?.(raw);
  const payload = packed ?? raw;
  const lengthBytes = raw.length < 0x80 ? 1 : raw.length < 0x4000 ? 2 : raw.length < 0x20_0000 ? 3 : 4;
  const out = new Uint8Array(6 + lengthBytes + payload.length);
  out[0] = FRAME_VERSION;
  out[1] = packed === undefined ? CodecId.raw : CodecId.zstd;
  let rest = raw.length;
  for (let i = 0; i < lengthBytes; i++) {
    out[6 + i] = (rest & 0x7f) | (i < lengthBytes - 1 ? 0x80 : 0);
    rest >>>= 7;
  }
  out.set(payload, 6 + lengthBytes);
  new DataView(out.buffer).setUint32(2, frameCrc(key, out), true);
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
  let at = 6;
  let rawLength = 0;
  for (let shift = 0; ; shift += 7) {
    check(at < value.length && shift <= 21, where, `raw length is too long ${REMEDY}`);
    const byte = value[at++];
    rawLength |= (byte & 0x7f) << shift;
    if (byte < 0x80) break;
  }
  check(rawLength <= RAW_LENGTH_MAX, where, `raw length ${rawLength}, at most ${RAW_LENGTH_MAX} ${REMEDY}`);
  const payload = value.subarray(at);
  switch (value[1]) {
    case CodecId.raw:
      check(payload.length === rawLength, where, `${payload.length} bytes instead of ${rawLength} ${REMEDY}`);
      return payload;
    case CodecId.zstd:
      return decompressZstd(payload, rawLength, where);
    default:
      throw new FormatError('unsupported', where, `codec ${value[1]}`);
  }
}

/** What every message about a damaged index ends with. */
export const REMEDY = '(run `reelmap index rebuild`)';

function frameCrc(key: Uint8Array, value: Uint8Array): number {
  return crc32c(value.subarray(6), crc32c(value.subarray(0, 2), crc32c(key)));
}
