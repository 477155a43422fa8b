/**
 * Destination residue: bytes that were processed and do not make a whole write yet. SPC-4, 5.17.7.2.
 *
 * Held as a view of the slab they lie in as long as what comes next lies right behind them; copied together otherwise.
 */

import { assert } from '../../bytes/errors.ts';
import type { Bytes } from '../../bytes/units.ts';
import type { Sink } from './sinks.ts';
import type { Slab } from './slab.ts';

/** Bytes on their way; with a slab, the queue takes over the caller's hold on it. */
export interface Part {
  readonly bytes: Uint8Array;
  readonly slab: Slab | undefined;
}

export class DestinationQueue {
  readonly #capacity: Bytes;
  /** Either a view of a slab ... */
  #held: { readonly slab: Slab; readonly start: Bytes; readonly end: Bytes } | undefined;
  /** ... or bytes of its own. */
  #own: Uint8Array | undefined;
  #ownBytes = 0;

  /** `capacity`: the longest whole write of the list; there is never more in the queue than that. */
  constructor(capacity: Bytes) {
    this.#capacity = capacity;
  }

  get length(): Bytes {
    return this.#held === undefined ? this.#ownBytes : this.#held.end - this.#held.start;
  }

  /** Appends a part and writes what is whole, at most `room` bytes. Resolves to the bytes written. */
  async push(part: Part, sink: Sink, write: Bytes, room: Bytes): Promise<Bytes> {
    const { slab, bytes } = part;
    if (slab === undefined) return this.#pushOwn(bytes, sink, write, room);
    const start = bytes.byteOffset - slab.memory.byteOffset;
    const end = start + bytes.length;
    if (this.#held?.slab === slab && this.#held.end === start) {
      this.#held = { slab, start: this.#held.start, end };
      slab.release(); // held already
      return this.settle(sink, write, room);
    }
    if (this.length === 0) {
      this.#held = { slab, start, end };
      return this.settle(sink, write, room);
    }
    try {
      const used = this.#complete(bytes, write);
      const written = await this.settle(sink, write, room);
      if (used === bytes.length) return written;
      assert(this.length === 0, 'a completed write stayed in the queue');
      slab.retain();
      this.#held = { slab, start: start + used, end };
      return written + (await this.settle(sink, write, room - written));
    } finally {
      slab.release();
    }
  }

  /** Writes whole writes from the queue, at most `room` bytes of them. */
  async settle(sink: Sink, write: Bytes, room: Bytes): Promise<Bytes> {
    if (write === 0) return 0;
    const { length } = this;
    const whole = Math.min(room, length - (length % write));
    if (whole <= 0) return 0;
    if (this.#held !== undefined) {
      const { slab, start, end } = this.#held;
      await sink.write(slab.memory.subarray(start, start + whole), slab);
      this.#held = { slab, start: start + whole, end };
      if (start + whole === end) this.clear();
      return whole;
    }
    const own = this.#owned();
    await sink.write(own.subarray(0, whole), undefined);
    own.copyWithin(0, whole, this.#ownBytes);
    this.#ownBytes -= whole;
    return whole;
  }

  /** Completes the queue to one whole write with zeros, and writes it. */
  async pad(sink: Sink, write: Bytes): Promise<void> {
    this.#copyHeld();
    const own = this.#owned();
    own.fill(0, this.#ownBytes, write);
    await sink.write(own.subarray(0, write), undefined);
    this.#ownBytes = 0;
  }

  clear(): void {
    this.#held?.slab.release();
    this.#held = undefined;
    this.#ownBytes = 0;
  }

  async #pushOwn(bytes: Uint8Array, sink: Sink, write: Bytes, room: Bytes): Promise<Bytes> {
    let at = this.length > 0 ? this.#complete(bytes, write) : 0;
    let written = await this.settle(sink, write, room);
    const whole = write === 0 ? 0 : Math.min(room - written, bytes.length - at - ((bytes.length - at) % write));
    if (whole > 0) {
      assert(this.length === 0, 'a completed write stayed in the queue');
      await sink.write(bytes.subarray(at, at + whole), undefined);
      written += whole;
      at += whole;
    }
    if (at < bytes.length) this.#append(bytes.subarray(at));
    return written;
  }

  /** Copies as many bytes as complete the queue's last write; answers how many. */
  #complete(bytes: Uint8Array, write: Bytes): Bytes {
    const missing = write === 0 ? bytes.length : write - (this.length % write);
    const count = Math.min(bytes.length, missing);
    this.#append(bytes.subarray(0, count));
    return count;
  }

  #append(bytes: Uint8Array): void {
    this.#copyHeld();
    const own = this.#owned();
    assert(this.#ownBytes + bytes.length <= own.length, 'destination residue above the longest write');
    own.set(bytes, this.#ownBytes);
    this.#ownBytes += bytes.length;
  }

  #copyHeld(): void {
    if (this.#held === undefined) return;
    const { slab, start, end } = this.#held;
    this.#owned().set(slab.memory.subarray(start, end));
    this.#held = undefined;
    this.#ownBytes = end - start;
    slab.release();
  }

  #owned(): Uint8Array {
    this.#own ??= new Uint8Array(this.#capacity);
    return this.#own;
  }
}
