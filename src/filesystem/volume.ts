/** A volume as a walker sees it: bytes at addresses, read-only. */
import type { BlockStore } from '../bytes/block-store.ts';
import { FormatError } from '../bytes/errors.ts';
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
    if (offset < 0 || length < 0 || offset + length > store.byteLength) {
      throw new FormatError(
        'corrupt',
        name,
        `bytes ${offset} to ${offset + length} end past the volume of ${store.byteLength} bytes`,
      );
    }
    const into = buffer === undefined ? new Uint8Array(length) : buffer.subarray(0, length);
    await store.read(offset, into);
    return new DataView(into.buffer, into.byteOffset, length);
  };
}
