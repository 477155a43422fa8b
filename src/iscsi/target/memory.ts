/**
 * Data buffers of commands, kept for the next one: a new buffer of 256 KiB costs more than a read of 256 KiB from the page
 * cache (measured: 60 to 90 us to make and fault in, bench/iscsi).
 *
 * A buffer holds what an earlier command left in it: nothing of it goes out but what the unit filled.
 */
import type { Bytes } from '../../bytes/units.ts';
import { KiB, MiB } from '../../bytes/units.ts';

const SMALLEST: Bytes = 4 * KiB;
/** Bytes that stay allocated while nobody uses them. */
const KEPT_BYTES_MAX: Bytes = 64 * MiB;

export class Memory {
  readonly #free = new Map<number, Uint8Array[]>();
  #kept: Bytes = 0;

  /** A buffer of exactly `byteLength` bytes, whatever is in it. */
  take(byteLength: Bytes): Uint8Array {
    const size = sizeClass(byteLength);
    const kept = this.#free.get(size)?.pop();
    if (kept !== undefined) this.#kept -= size;
    const whole = kept ?? new Uint8Array(size);
    return byteLength === size ? whole : whole.subarray(0, byteLength);
  }

  /** Gives a buffer of `take` back. */
  give(buffer: Uint8Array): void {
    const size = buffer.buffer.byteLength;
    if (size !== sizeClass(size) || this.#kept + size > KEPT_BYTES_MAX) return;
    const free = this.#free.get(size) ?? [];
    free.push(new Uint8Array(buffer.buffer));
    this.#free.set(size, free);
    this.#kept += size;
  }
}

/** The power of two that a buffer is allocated as. */
function sizeClass(byteLength: Bytes): number {
  let size: number = SMALLEST;
  while (size < byteLength) size *= 2;
  return size;
}
