/** A BlockStore that is pieces of another, one after the other: a partition, a linear logical volume. It does not grow. */
import type { BlockStore } from '../bytes/block-store.ts';
import { FormatError } from '../bytes/errors.ts';
import { type Segment, SegmentMap } from '../bytes/segments.ts';
import type { Bytes } from '../bytes/units.ts';

/** Closing it closes `store`. */
export function segmentStore(store: BlockStore, segments: readonly Segment[], name: string): BlockStore {
  const map = new SegmentMap(segments);
  const { byteLength } = map;
  /** Calls with each piece of the store, and where it is in the `length` bytes from `offset`. */
  const each = async (
    offset: Bytes,
    length: Bytes,
    use: (volumeOffset: Bytes, from: number, to: number) => Promise<void>,
  ): Promise<void> => {
    let at = 0;
    if (length === 0) return;
    for (const piece of map.pieces(offset, length)) {
      await use(piece.volumeOffset, at, at + piece.byteLength);
      at += piece.byteLength;
    }
  };
  const refuse = (end: Bytes): never => {
    throw new FormatError('io', name, `has ${byteLength} bytes and cannot have ${end}`);
  };
  return {
    byteLength,
    writable: store.writable,
    async read(offset, into) {
      const there = Math.max(0, Math.min(into.length, byteLength - offset));
      into.fill(0, there);
      await each(offset, there, (at, from, to) => store.read(at, into.subarray(from, to)));
    },
    async write(offset, data) {
      if (offset + data.length > byteLength) refuse(offset + data.length);
      await each(offset, data.length, (at, from, to) => store.write(at, data.subarray(from, to)));
    },
    flush: () => store.flush(),
    async truncate(length) {
      if (length !== byteLength) refuse(length);
    },
    async unmap(offset, length) {
      const there = Math.max(0, Math.min(length, byteLength - offset));
      await each(offset, there, (at, from, to) => store.unmap(at, to - from));
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
