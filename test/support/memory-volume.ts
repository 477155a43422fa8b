/** A volume in memory, as walkers see it, that can be damaged. */
import { FormatError } from '../../src/bytes/errors.ts';
import type { ReadAt } from '../../src/filesystem/volume.ts';

export interface MemoryVolume {
  readonly bytes: Buffer;
  readonly readAt: ReadAt;
  /** Byte ranges of which every read fails with `io`. */
  readonly unreadable: { start: number; end: number }[];
}

export function memoryVolume(bytes: Buffer): MemoryVolume {
  const unreadable: { start: number; end: number }[] = [];
  return {
    bytes,
    unreadable,
    readAt: async (offset, length) => {
      if (offset < 0 || length < 0 || offset + length > bytes.length) {
        throw new FormatError('corrupt', 'memory volume', `bytes ${offset} to ${offset + length} of ${bytes.length}`);
      }
      if (unreadable.some(({ start, end }) => offset < end && offset + length > start)) {
        throw new FormatError('io', 'memory volume', `medium error in bytes ${offset} to ${offset + length}`);
      }
      const copy = new Uint8Array(length);
      copy.set(bytes.subarray(offset, offset + length));
      return new DataView(copy.buffer);
    },
  };
}
