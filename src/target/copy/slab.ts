/**
 * Page-aligned buffers that bytes pass through on their way from source to destination, counted and reused.
 *
 * Invariants
 * - A slab is filled from its start on; what lies in it is one run of the byte stream, so that a tape record which is
 *   whole in it goes out as it is.
 * - A slab is free again when it is closed (nothing more will be filled in) and every holder has let go. A tape drive may
 *   hold it until its bytes are on the medium, past the end of the copy.
 */

import { alignedBuffer } from '../../bytes/aligned.ts';
import { assert } from '../../bytes/errors.ts';
import type { Lender } from '../../bytes/lender.ts';
import type { Bytes } from '../../bytes/units.ts';

/** Bytes of a slab; whoever keeps them past the call retains the slab. */
export interface Chunk {
  readonly slab: Slab;
  readonly start: Bytes;
  readonly end: Bytes;
}
export const chunkBytes = (chunk: Chunk): Uint8Array => chunk.slab.memory.subarray(chunk.start, chunk.end);

export class Slab implements Lender {
  readonly memory: Uint8Array;
  filled: Bytes = 0;
  #holders = 1; // whoever fills it
  readonly #freed: (slab: Slab) => void;

  constructor(memory: Uint8Array, freed: (slab: Slab) => void) {
    this.memory = memory;
    this.#freed = freed;
  }

  get room(): Bytes {
    return this.memory.length - this.filled;
  }
  retain(): void {
    assert(this.#holders > 0, 'a free slab is retained');
    this.#holders++;
  }
  release(): void {
    assert(this.#holders > 0, 'a free slab is released');
    if (--this.#holders === 0) this.#freed(this);
  }
}

/** Free memory of the manager, kept between copies. */
export class SlabPool {
  readonly slabBytes: Bytes;
  readonly #kept: Uint8Array[] = [];
  readonly #keepMax: number;

  constructor(slabBytes: Bytes, keepMax: number) {
    this.slabBytes = slabBytes;
    this.#keepMax = keepMax;
  }
  /** Memory of at least `byteLength` bytes. */
  take(byteLength: Bytes): Uint8Array {
    if (byteLength > this.slabBytes) return alignedBuffer(byteLength);
    return this.#kept.pop() ?? alignedBuffer(this.slabBytes);
  }
  give(memory: Uint8Array): void {
    if (memory.length === this.slabBytes && this.#kept.length < this.#keepMax) this.#kept.push(memory);
  }
}

/** The slabs of one copy: at most `count` at a time. */
export class Slabs {
  readonly #pool: SlabPool;
  readonly #count: number;
  readonly #byteLength: Bytes;
  readonly #free: Uint8Array[] = [];
  readonly #waiting: (() => void)[] = [];
  #made = 0;
  #closed = false;

  constructor(pool: SlabPool, count: number, byteLength: Bytes) {
    this.#pool = pool;
    this.#count = count;
    this.#byteLength = Math.max(byteLength, pool.slabBytes);
  }

  /** An empty slab that the caller fills, or `undefined` while all are in use. */
  tryTake(): Slab | undefined {
    const memory = this.#free.pop() ?? this.#make();
    return memory === undefined ? undefined : new Slab(memory, (slab) => this.#freed(slab));
  }
  async take(): Promise<Slab> {
    for (;;) {
      const slab = this.tryTake();
      if (slab !== undefined) return slab;
      await this.freed();
    }
  }
  /** Resolves when a slab becomes free. */
  freed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
  /** Hands the memory back for the next copy; that of slabs still held follows when they are let go. */
  close(): void {
    this.#closed = true;
    for (const memory of this.#free.splice(0)) this.#pool.give(memory);
  }

  #make(): Uint8Array | undefined {
    if (this.#made === this.#count) return undefined;
    this.#made++;
    return this.#pool.take(this.#byteLength);
  }
  #freed(slab: Slab): void {
    if (this.#closed) this.#pool.give(slab.memory);
    else this.#free.push(slab.memory);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
