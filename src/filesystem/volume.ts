/** A volume as a walker sees it: bytes at addresses, read-only. Whole, or put together from pieces of a disk. */
import type { BlockStore } from '../bytes/block-store.ts';
import { FormatError } from '../bytes/errors.ts';
import { bytesOf } from '../bytes/layout.ts';
import type { Segment, SegmentMap } from '../bytes/segments.ts';
import type { Bytes } from '../bytes/units.ts';

/**
 * Reads `length` bytes at `offset`. The view is the caller's own. `into`, of at least `length` bytes, may be used for them
 * or not: the view says where they are. (Measured: fresh memory for each read is a fifth of a walk.)
 * @throws FormatError `io` when they cannot be had, `corrupt` when the range ends past the volume
 */
export type ReadAt = (offset: Bytes, length: Bytes, signal?: AbortSignal, into?: Uint8Array) => Promise<DataView>;

/** A BlockStore as a volume to walk. */
export function readAtOf(store: BlockStore, name: string): ReadAt {
  return async (offset, length, signal, buffer) => {
    signal?.throwIfAborted();
    checkRange(offset, length, store.byteLength, name);
    const into = buffer === undefined ? new Uint8Array(length) : buffer.subarray(0, length);
    await store.read(offset, into);
    return new DataView(into.buffer, into.byteOffset, length);
  };
}

/** The volume that segments of another make: a partition, a linear logical volume. */
export function readAtOfSegments(readAt: ReadAt, map: SegmentMap, name: string): ReadAt {
  return async (offset, length, signal, buffer) => {
    checkRange(offset, length, map.byteLength, name);
    const pieces = map.pieces(offset, length);
    if (pieces.length === 1) return readAt(pieces[0].volumeOffset, length, signal, buffer);
    return readPieces(readAt, pieces, buffer?.subarray(0, length) ?? new Uint8Array(length), signal);
  };
}

async function readPieces(
  readAt: ReadAt,
  pieces: readonly Segment[],
  into: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<DataView> {
  let at = 0;
  for (const { volumeOffset, byteLength } of pieces) {
    into.set(bytesOf(await readAt(volumeOffset, byteLength, signal)), at);
    at += byteLength;
  }
  return new DataView(into.buffer, into.byteOffset, into.byteLength);
}

function checkRange(offset: Bytes, length: Bytes, byteLength: Bytes, name: string): void {
  if (offset >= 0 && length >= 0 && offset + length <= byteLength) return;
  const what = `bytes ${offset} to ${offset + length} end past the volume of ${byteLength} bytes`;
  throw new FormatError('corrupt', name, what);
}
