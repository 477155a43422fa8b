/**
 * Sequential reading of a store in large aligned reads ahead of the reader. The window opens gradually: 1 MiB first, then
 * whole buffers, one more under way each time, so that a few records in a row do not cost a whole ring.
 */
import { DIRECT_ALIGNMENT } from '../bytes/aligned.ts';
import type { BlockStore } from '../bytes/block-store.ts';
import { alignDown, alignUp, bytes, MiB } from '../bytes/units.ts';

const FIRST_READ_BYTES = MiB;

interface Part {
  readonly start: number;
  readonly end: number;
  readonly buffer: number;
  readonly read: Promise<void>;
}

export class ReadAhead {
  readonly #store: BlockStore;
  readonly #buffers: readonly Uint8Array[];
  #parts: Part[] = []; // in order, touching each other
  #issued = 0;
  #limit = 0;

  /** @param buffers of one size, a multiple of `DIRECT_ALIGNMENT` */
  constructor(store: BlockStore, buffers: readonly Uint8Array[]) {
    this.#store = store;
    this.#buffers = buffers;
  }

  /** Fills `into` from `offset`; reads ahead up to `limit`. @throws FormatError `io` */
  async read(offset: number, into: Uint8Array, limit: number): Promise<void> {
    this.#limit = limit;
    const first = this.#parts[0];
    if (!first || offset < first.start || offset > this.#parts[this.#parts.length - 1].end) await this.#restart(offset);
    let at = 0;
    while (at < into.length) {
      const part = await this.#partAt(offset + at);
      this.#extend();
      await part.read;
      const from = offset + at - part.start;
      const length = Math.min(part.end - part.start - from, into.length - at);
      into.set(this.#buffers[part.buffer].subarray(from, from + length), at);
      at += length;
    }
  }

  /** Forgets what was read; the buffers are in nobody's hands when this resolves. */
  async stop(): Promise<void> {
    const parts = this.#parts;
    this.#parts = [];
    this.#issued = 0;
    await Promise.allSettled(parts.map((part) => part.read));
  }

  async #restart(offset: number): Promise<void> {
    await this.stop();
    this.#issue(alignDown(offset, DIRECT_ALIGNMENT));
  }

  /** The part that holds `offset`; those before it are let go. */
  async #partAt(offset: number): Promise<Part> {
    for (;;) {
      const first = this.#parts[0];
      if (offset < first.end) return first;
      await first.read.catch(() => {}); // its buffer is filled anew
      if (this.#parts.length === 1) this.#issue(first.end);
      this.#parts.shift();
    }
  }

  #extend(): void {
    while (this.#parts.length < Math.min(this.#issued, this.#buffers.length)) {
      const end = this.#parts[this.#parts.length - 1].end;
      if (end >= this.#limit) return;
      this.#issue(end);
    }
  }

  /** Buffers are used in turn; `partAt` lets at most their number stand at once. */
  #issue(start: number): void {
    const buffer = this.#issued % this.#buffers.length;
    const size = this.#buffers[buffer].length;
    const length = this.#issued === 0 ? Math.min(size, FIRST_READ_BYTES) : size;
    const end = Math.min(start + length, Math.max(alignUp(this.#limit, DIRECT_ALIGNMENT), start + DIRECT_ALIGNMENT));
    const read = this.#store.read(bytes(start), this.#buffers[buffer].subarray(0, end - start));
    read.catch(() => {}); // seen by whoever needs the part
    this.#parts.push({ start, end, buffer, read });
    this.#issued++;
  }
}
