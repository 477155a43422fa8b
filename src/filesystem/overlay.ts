/**
 * A volume as it would be after its journal was replayed: an overlay over a `ReadAt` that the volume itself never sees.
 * DESIGN decision 3. Made by a format's replay, read by its walk.
 *
 * The overlay holds units, aligned pieces of one size. A unit is either bytes in memory (a log that changes parts of
 * blocks, as XFS's does) or the place of its copy on the volume (a log of whole blocks, as jbd2's is).
 * Memory: about 40 bytes a redirected unit, a unit's own size besides for those in memory; the format's replay bounds both.
 */
import { assert } from '../bytes/errors.ts';
import { type Runs, RunsBuilder } from '../bytes/extents.ts';
import { bytesOf } from '../bytes/layout.ts';
import type { Bytes } from '../bytes/units.ts';
import type { ReadAt } from './volume.ts';

/** Where the content of a unit is now: bytes of its own, or a copy elsewhere on the volume. */
export type UnitSource = Uint8Array | CopyOnVolume;

export interface CopyOnVolume {
  /** Byte address of the copy. */
  readonly at: Bytes;
  /** What its first bytes are in truth: a jbd2 journal keeps its own mark out of what it copies. Missing: as they stand there. */
  readonly head?: Uint8Array;
}

export class Overlay {
  /** Bytes of a unit. */
  readonly unit: Bytes;
  readonly #under: ReadAt;
  readonly #units = new Map<number, UnitSource>();
  /** Numbers of the units, ascending; undefined when one was added since. */
  #sorted: Float64Array | undefined;

  constructor(under: ReadAt, unit: Bytes) {
    this.#under = under;
    this.unit = unit;
  }

  /** Units that are other than on the volume. */
  get count(): number {
    return this.#units.size;
  }

  /** Lays `data`, whole units, over the volume at `address`, a unit's start. The bytes are kept, not copied. */
  put(address: Bytes, data: Uint8Array): void {
    assert(address % this.unit === 0 && data.length % this.unit === 0, 'an overlay takes whole units');
    for (let at = 0; at < data.length; at += this.unit) {
      this.#set((address + at) / this.unit, data.subarray(at, at + this.unit));
    }
  }

  /** The unit at `address` is from now on what stands at another place of the volume. */
  redirect(address: Bytes, copy: CopyOnVolume): void {
    assert(address % this.unit === 0, 'an overlay takes whole units');
    this.#set(address / this.unit, copy);
  }

  #set(unit: number, source: UnitSource): void {
    if (!this.#units.has(unit)) this.#sorted = undefined;
    this.#units.set(unit, source);
  }

  /** Where the unit that holds byte `address` is, if it is in the overlay. */
  sourceOf(address: Bytes): UnitSource | undefined {
    return this.#units.get(Math.floor(address / this.unit));
  }

  /** Address of the first overlaid unit that starts at or after `address`; Infinity when there is none. */
  nextFrom(address: Bytes): Bytes {
    const sorted = this.#numbers();
    let low = 0;
    let high = sorted.length;
    const wanted = address / this.unit;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (sorted[middle] < wanted) low = middle + 1;
      else high = middle;
    }
    return low < sorted.length ? sorted[low] * this.unit : Number.POSITIVE_INFINITY;
  }

  /** The overlaid byte runs. */
  runs(): Runs {
    const builder = new RunsBuilder();
    for (const unit of this.#numbers()) builder.add(unit * this.unit, this.unit);
    return builder.finish();
  }

  /** The volume with the overlay on it. */
  readonly readAt: ReadAt = async (offset, length, signal, into) => {
    const view = await this.#under(offset, length, signal, into);
    const { unit } = this;
    const end = offset + length;
    let at = this.nextFrom(offset - (offset % unit));
    while (at < end) {
      const source = this.#units.get(at / unit);
      assert(source !== undefined, 'the overlay knows its units');
      const from = Math.max(at, offset);
      const to = Math.min(at + unit, end);
      const target = bytesOf(view, from - offset, to - from);
      if (source instanceof Uint8Array) {
        target.set(source.subarray(from - at, to - at));
        at = this.nextFrom(at + unit);
        continue;
      }
      // Copies that follow each other, as a log's do, are one read.
      const count = this.#neighbours(at, source.at, end);
      await this.#takeCopies(view, offset, at, source.at, count, signal);
      at = this.nextFrom(at + count * unit);
    }
    return view;
  };

  /** How many units from `at`, before `end`, have copies that follow each other on the volume from `copyAt`. */
  #neighbours(at: Bytes, copyAt: Bytes, end: Bytes): number {
    const { unit } = this;
    let count = 1;
    while (at + count * unit < end) {
      const next = this.#units.get(at / unit + count);
      if (next === undefined || next instanceof Uint8Array || next.at !== copyAt + count * unit) break;
      count++;
    }
    return count;
  }

  async #takeCopies(
    view: DataView,
    offset: Bytes,
    at: Bytes,
    copyAt: Bytes,
    count: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const { unit } = this;
    const end = offset + view.byteLength;
    const copies = bytesOf(await this.#under(copyAt, count * unit, signal));
    for (let i = 0; i < count; i++) {
      const start = at + i * unit;
      const copy = copies.subarray(i * unit, (i + 1) * unit);
      const source = this.#units.get(start / unit) as CopyOnVolume;
      if (source.head !== undefined) copy.set(source.head);
      const from = Math.max(start, offset);
      const to = Math.min(start + unit, end);
      bytesOf(view, from - offset, to - from).set(copy.subarray(from - start, to - start));
    }
  }

  #numbers(): Float64Array {
    this.#sorted ??= Float64Array.from(this.#units.keys()).sort();
    return this.#sorted;
  }
}
