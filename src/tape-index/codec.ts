/**
 * Compression of index rows: Zstandard (RFC 8878) at level 3, or none where it does not gain.
 *
 * Two libraries, because of their start-up: zstd-codec compresses (its WebAssembly takes 8 ms to start, which a backup
 * can afford), fzstd decompresses (plain JavaScript, 2 ms). The frames are the same. One compressor only, so that the
 * same tree gives the same bytes on every Node.
 */
import { decompress } from 'fzstd';
import { FormatError } from '../bytes/errors.ts';

/** Codec numbers in frames. index-format/FORMAT.md, "Frames". */
export const CodecId = { raw: 0, zstd: 1 } as const;

/** Compresses one row; `undefined` when it would not become smaller. The result is good until the next call. */
export type Compress = (raw: Uint8Array) => Uint8Array | undefined;

const LEVEL = 3;
/** Fewer bytes do not become a smaller frame. */
const COMPRESSED_MIN = 16;
/** zstd-codec has a heap of 16 MiB: at level 3 it takes at most 4 MiB. */
const COMPRESSED_MAX = 1 << 20;

let loaded: Promise<Compress> | undefined;

/** Starts the compressor, once for the process (its heap is 16 MiB and is never given back). */
export function loadCompressor(): Promise<Compress> {
  loaded ??= startCompressor();
  return loaded;
}

async function startCompressor(): Promise<Compress> {
  const { startZstd } = await import('./zstd-module.ts'); // not for a look-up
  const zstd = startZstd(COMPRESSED_MAX);
  const { source, target } = zstd;
  return (raw) => {
    if (raw.length < COMPRESSED_MIN || raw.length > COMPRESSED_MAX) return undefined;
    source.set(raw);
    const length = zstd.compress(raw.length, LEVEL);
    return length < 0 || length >= raw.length ? undefined : target.subarray(0, length);
  };
}

const MAGIC = 0xfd2f_b528;

/**
 * The bytes of one Zstandard frame that must hold exactly `rawLength` bytes; the frame's own content size is checked
 * first, so that a lying frame cannot make the decompressor reserve more.
 * @param out where they go: of that length
 * @throws FormatError `corrupt`
 */
export function decompressZstd(
  frame: Uint8Array,
  rawLength: number,
  where: string,
  out = new Uint8Array(rawLength),
): Uint8Array {
  if (contentSize(frame) !== rawLength) throw new FormatError('corrupt', where, 'zstd frame of another length');
  try {
    const result = decompress(frame, out);
    if (result.length !== rawLength) throw new RangeError(`${result.length} bytes came out`);
    return result;
  } catch (cause) {
    throw new FormatError('corrupt', where, 'zstd frame cannot be decompressed', { cause });
  }
}

/** RFC 8878 section 3.1.1.1: frame header descriptor, window descriptor, dictionary id, frame content size. */
function contentSize(frame: Uint8Array): number | undefined {
  if (frame.length < 9) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (view.getUint32(0, true) !== MAGIC) return undefined;
  const descriptor = view.getUint8(4);
  if ((descriptor & 0x0b) !== 0) return undefined; // reserved bit or a dictionary
  const singleSegment = (descriptor & 0x20) !== 0;
  const at = singleSegment ? 5 : 6;
  switch (descriptor >>> 6) {
    case 0:
      return singleSegment ? view.getUint8(at) : undefined;
    case 1:
      return view.getUint16(at, true) + 256;
    case 2:
      return at + 4 <= frame.length ? view.getUint32(at, true) : undefined;
    default:
      return undefined; // 64 bits: longer than any row
  }
}
