/**
 * Pieces of one volume that, in order, make another: a partition of a disk is one, a linear logical volume one or more.
 * Addresses go from the volume that is made (here: offsets) to the one it lies in (volume addresses).
 */
import { assert } from './errors.ts';
import { type Runs, RunsBuilder } from './extents.ts';
import { type Bytes, bytes } from './units.ts';

export interface Segment {
  /** Address in the volume that it lies in. */
  readonly volumeOffset: Bytes;
  readonly byteLength: Bytes;
}

/** Segments that follow each other without gap; none is empty. */
export class SegmentMap {
  readonly segments: readonly Segment[];
  readonly byteLength: Bytes;
  /** Where each segment begins in the volume that they make. */
  readonly #offsets: Float64Array;

  constructor(segments: readonly Segment[]) {
    this.segments = segments;
    this.#offsets = new Float64Array(segments.length);
    let at = 0;
    for (const [i, { byteLength }] of segments.entries()) {
      assert(byteLength > 0, 'an empty segment');
      this.#offsets[i] = at;
      at += byteLength;
    }
    this.byteLength = bytes(at);
  }

  /** Number of the segment that has the byte at `offset`, which is below `byteLength`. */
  segmentAt(offset: Bytes): number {
    let low = 0;
    let high = this.#offsets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#offsets[middle] <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Offset at which a segment begins. */
  offsetOf(segment: number): Bytes {
    return bytes(this.#offsets[segment]);
  }

  /** Where `length` bytes from `offset` lie, in order; both within the map. */
  pieces(offset: Bytes, length: Bytes): Segment[] {
    const out: Segment[] = [];
    let segment = this.segmentAt(offset);
    for (let at = offset; at < offset + length || out.length === 0; segment++) {
      const { volumeOffset, byteLength } = this.segments[segment];
      const inside = at - this.#offsets[segment];
      const take = Math.min(byteLength - inside, offset + length - at);
      out.push({ volumeOffset: bytes(volumeOffset + inside), byteLength: bytes(take) });
      at += take;
    }
    return out;
  }

  /** Runs of offsets as runs of volume addresses. No two segments may overlap. */
  runs(runs: Runs): Runs {
    const out = new RunsBuilder();
    for (const segment of this.#inVolumeOrder()) {
      const { volumeOffset, byteLength } = this.segments[segment];
      const offset = this.#offsets[segment];
      for (let i = firstRunAfter(runs, offset); i < runs.count && runs.starts[i] < offset + byteLength; i++) {
        const from = Math.max(offset, runs.starts[i]);
        const to = Math.min(offset + byteLength, runs.starts[i] + runs.lengths[i]);
        out.add(volumeOffset + from - offset, to - from);
      }
    }
    return out.finish();
  }

  /** Runs of volume addresses as runs of offsets: what of them lies in the segments. */
  offsets(runs: Runs): Runs {
    const out = new RunsBuilder();
    for (const [segment, { volumeOffset, byteLength }] of this.segments.entries()) {
      const offset = this.#offsets[segment];
      const end = volumeOffset + byteLength;
      for (let i = firstRunAfter(runs, volumeOffset); i < runs.count && runs.starts[i] < end; i++) {
        const from = Math.max(volumeOffset, runs.starts[i]);
        out.add(offset + from - volumeOffset, Math.min(end, runs.starts[i] + runs.lengths[i]) - from);
      }
    }
    return out.finish();
  }

  /** All of it, as runs of volume addresses. */
  whole(): Runs {
    const all = new RunsBuilder();
    all.add(0, this.byteLength);
    return this.runs(all.finish());
  }

  #inVolumeOrder(): number[] {
    const order = Array.from(this.segments.keys());
    return order.sort((a, b) => this.segments[a].volumeOffset - this.segments[b].volumeOffset);
  }
}

/** Index of the first run that ends behind `at`. */
function firstRunAfter(runs: Runs, at: Bytes): number {
  let low = 0;
  let high = runs.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (runs.starts[middle] + runs.lengths[middle] <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}
