/**
 * Compression of index rows: Zstandard (RFC 8878) at level 3, or none where it does not gain.
 *
 * Two libraries, because of their start-up: zstd-codec compresses (its WebAssembly takes 30 ms to start, which a backup
 * can afford), fzstd decompresses (plain JavaScript, 2 ms). The frames are the same. One compressor only, so that the
 * same tree gives the same bytes on every Node.
 */
import { decompress } from 'fzstd';
import type { Simple } from 'zstd-codec';
import { FormatError } from '../bytes/errors.ts';

/** Codec numbers in frames. index-format/FORMAT.md, "Frames". */
export const CodecId = { raw: 0, zstd: 1 } as const;

/** Compresses one row; `undefined` when it would not become smaller. */
export type Compress = (raw: Uint8Array) => Uint8Array | undefined;

const LEVEL = 3;
/** zstd-codec has a heap of 16 MiB: at level 3 it takes at most 4 MiB. */
const COMPRESSED_MAX = 1 << 20;

let loaded: Promise<Compress> | undefined;

/** Starts the compressor, once for the process (its heap is 16 MiB and is never given back). */
export function loadCompressor(): Promise<Compress> {
  loaded ??= startCompressor();
  return loaded;
}

async function startCompressor(): Promise<Compress> {
  const { ZstdCodec } = (await import('zstd-codec')).default;
  const simple = await new Promise<Simple>((resolve) => {
    ZstdCodec.run((zstd) => resolve(new zstd.Simple()));
  });
  return (raw) => {
    if (raw.length < 16 || raw.length > COMPRESSED_MAX) return undefined;
    const packed = simple.compress(raw, LEVEL);
    return packed === null || packed.length >= raw.length ? undefined : packed;
  };
}

const MAGIC = 0xfd2f_b528;

/**
 * The bytes of one Zstandard frame that must hold exactly `rawLength` bytes; the frame's own content size is checked
 * first, so that a lying frame cannot make the decompressor reserve more.
 * @throws FormatError `corrupt`
 */
export function decompressZstd(packed: Uint8Array, rawLength: number, where: string): Uint8Array {
  if (contentSize(packed) !== rawLength) throw new FormatError('corrupt', where, 'zstd frame of another length');
  const out = new Uint8Array(rawLength);
  try {
    const result = decompress(packed, out);
    if (result.length !== rawLength) throw new RangeError(`${result.length} bytes came out`);
    return result;
  } catch (cause) {
    throw new FormatError('corrupt', where, 'zstd frame cannot be decompressed', { cause });
  }
}

/** RFC 8878 section 3.1.1.1: frame header descriptor, window descriptor, dictionary id, frame content size. */
function contentSize(packed: Uint8Array): number | undefined {
  if (packed.length < 9) return undefined;
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
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
      return at + 4 <= packed.length ? view.getUint32(at, true) : undefined;
    default:
      return undefined; // 64 bits: longer than any row
  }
}
