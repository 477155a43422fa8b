/** A volume as a walker sees it: bytes at addresses, read-only. */
import type { BlockStore } from '../bytes/block-store.ts';
import { FormatError } from '../bytes/errors.ts';
import type { Bytes } from '../bytes/units.ts';

/**
 * Reads `length` bytes at `offset`. The view is the caller's own.
 * @throws FormatError `io` when they cannot be had, `corrupt` when the range ends past the volume
 */
export type ReadAt = (offset: Bytes, length: Bytes, signal?: AbortSignal) => Promise<DataView>;

/** A BlockStore as a volume to walk. */
export function readAtOf(store: BlockStore, name: string): ReadAt {
  return async (offset, length, signal) => {
    signal?.throwIfAborted();
    if (offset < 0 || length < 0 || offset + length > store.byteLength) {
      throw new FormatError(
        'corrupt',
        name,
        `bytes ${offset} to ${offset + length} end past the volume of ${store.byteLength} bytes`,
      );
    }
    const into = new Uint8Array(length);
    await store.read(offset, into);
    return new DataView(into.buffer, 0, length);
  };
}
