/**
 * Compression of index rows: Zstandard (RFC 8878) at level 3, or none where it does not gain.
 *
 * Two libraries, because of their start-up: zstd-codec compresses (its WebAssembly takes 30 ms to start, which a backup
 * can afford), fzstd decompresses (plain JavaScript, 2 ms). The frames are the same. One compressor only, so that the
 * same tree gives the same bytes on every Node.
 */
import { decompress } from 'fzstd';
import type { Binding } from 'zstd-codec/lib/module.js';
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

/**
 * One source and one target vector for all rows, through the binding under zstd-codec's `Simple`, which makes two of them
 * for each row and clears them: measured 15 instead of 37 us for a page of 400 bytes. A vector that shrinks and grows
 * within its capacity stays where it is (C++ std::vector), and the heap of the module does not grow.
 */
async function startCompressor(): Promise<Compress> {
  const { default: module } = await import('zstd-codec/lib/module.js');
  const { binding } = await new Promise<{ binding: Binding }>((resolve) => {
    module.run((ready) => resolve({ binding: ready })); // in an object: it has a `then` of its own, which never ends
  });
  const codec = new binding.ZstdCodec();
  const source = new binding.VectorU8();
  const target = new binding.VectorU8();
  source.resize(COMPRESSED_MAX, 0);
  target.resize(codec.compressBound(COMPRESSED_MAX), 0);
  const from = binding.toTypedArrayView(source);
  const to = binding.toTypedArrayView(target);
  return (raw) => {
    if (raw.length < COMPRESSED_MIN || raw.length > COMPRESSED_MAX) return undefined;
    source.resize(raw.length, 0);
    from.set(raw);
    const length = codec.compress(target, source, LEVEL);
    return length < 0 || length >= raw.length ? undefined : to.subarray(0, length);
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
