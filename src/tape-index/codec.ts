/**
 * Compression of index rows: Zstandard (RFC 8878) at level 3, or none where it does not gain.
 *
 * Two libraries, because of their start-up: zstd-codec compresses (its WebAssembly takes 30 ms to start, which a backup
 * can afford), fzstd decompresses (plain JavaScript, 2 ms). The frames are the same. One compressor only, so that the
 * same tree gives the same bytes on every Node.
 */
import { decompress } from 'fzstd';
import type { Binding, ByteVector } from 'zstd-codec/lib/module.js';
import { FormatError } from '../bytes/errors.ts';

/** Codec numbers in frames. index-format/FORMAT.md, "Frames". */
export const CodecId = { raw: 0, zstd: 1 } as const;

/** Compresses one row; `undefined` when it would not become smaller. */
export type Compress = (raw: Uint8Array) => Uint8Array | undefined;

const LEVEL = 3;
/** zstd-codec has a heap of 16 MiB that does not grow: at level 3 it takes at most 4 MiB. */
const COMPRESSED_MAX = 1 << 20;
/** Rows up to this length go through buffers in the heap that are kept. */
const KEPT_MAX = 1 << 16;

let loaded: Promise<Compress> | undefined;

/** Starts the compressor, once for the process. */
export function loadCompressor(): Promise<Compress> {
  loaded ??= startCompressor();
  return loaded;
}

/**
 * zstd-codec's `Simple` with its two buffers kept. measured: `Simple` makes, copies and drops them for each row and takes
 * twice as long for a page of 25 files (bench/tape-index). The frames are the same.
 */
async function startCompressor(): Promise<Compress> {
  const module = (await import('zstd-codec/lib/module.js')).default;
  const { binding } = await new Promise<{ binding: Binding }>((resolve) => {
    // In an object: the binding has a method `then` of its own, for which a promise would wait for ever.
    module.run((ready) => resolve({ binding: ready }));
  });
  const codec = new binding.ZstdCodec();
  const buffersFor = (length: number): Buffers => {
    const from = new binding.VectorU8();
    const into = new binding.VectorU8();
    from.resize(length, 0);
    into.resize(codec.compressBound(length), 0);
    return { from, into, fromBytes: binding.toTypedArrayView(from), intoBytes: binding.toTypedArrayView(into) };
  };
  const compressIn = (buffers: Buffers, raw: Uint8Array): Uint8Array | undefined => {
    buffers.from.resize(raw.length, 0); // before the copy: growing, it fills with zeros
    buffers.fromBytes.set(raw);
    const length = codec.compress(buffers.into, buffers.from, LEVEL);
    return length <= 0 || length >= raw.length ? undefined : buffers.intoBytes.slice(0, length);
  };
  const kept = buffersFor(KEPT_MAX);
  return (raw) => {
    if (raw.length < 16 || raw.length > COMPRESSED_MAX) return undefined;
    if (raw.length <= KEPT_MAX) return compressIn(kept, raw);
    const buffers = buffersFor(raw.length);
    try {
      return compressIn(buffers, raw);
    } finally {
      buffers.from.delete();
      buffers.into.delete();
    }
  };
}

interface Buffers {
  readonly from: ByteVector;
  readonly into: ByteVector;
  readonly fromBytes: Uint8Array;
  readonly intoBytes: Uint8Array;
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
