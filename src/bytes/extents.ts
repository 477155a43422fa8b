/** Runs of bytes of a volume, ascending and apart, in typed arrays: the common currency of walkers, planner and index. */
import type { Bytes } from './units.ts';

/** `count` runs; run i is the bytes `starts[i]` to `starts[i] + lengths[i]`. Ascending, never touching, never empty. */
export interface Runs {
  readonly count: number;
  readonly starts: Float64Array;
  readonly lengths: Float64Array;
}

/** Sum of the lengths. */
export function totalBytes(runs: Runs): Bytes {
  let sum = 0;
  for (let i = 0; i < runs.count; i++) sum += runs.lengths[i];
  return sum;
}

/** Collects runs that come in ascending order and joins those that touch or overlap. Grows by doubling. */
export class RunsBuilder {
  #starts = new Float64Array(64);
  #lengths = new Float64Array(64);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Adds a run. @throws RangeError when it starts before the last one does */
  add(start: Bytes, length: Bytes): void {
    if (length <= 0) return;
    const last = this.#count - 1;
    if (last >= 0) {
      if (start < this.#starts[last]) throw new RangeError(`run at ${start} after one at ${this.#starts[last]}`);
      const end = this.#starts[last] + this.#lengths[last];
      if (start <= end) {
        this.#lengths[last] = Math.max(end, start + length) - this.#starts[last];
        return;
      }
    }
    if (this.#count === this.#starts.length) this.#grow();
    this.#starts[this.#count] = start;
    this.#lengths[this.#count] = length;
    this.#count++;
  }

  finish(): Runs {
    return {
      count: this.#count,
      starts: this.#starts.subarray(0, this.#count),
      lengths: this.#lengths.subarray(0, this.#count),
    };
  }

  #grow(): void {
    const starts = new Float64Array(this.#starts.length * 2);
    const lengths = new Float64Array(this.#lengths.length * 2);
    starts.set(this.#starts);
    lengths.set(this.#lengths);
    this.#starts = starts;
    this.#lengths = lengths;
  }
}

/** Runs from pairs, in any order. For tests and small lists. */
export function runsOf(pairs: Iterable<readonly [start: number, length: number]>): Runs {
  const builder = new RunsBuilder();
  for (const [start, length] of [...pairs].sort((a, b) => a[0] - b[0])) builder.add(start, length);
  return builder.finish();
}

/** Index of the last run that starts at or before `at`, or -1. */
export function runAt(runs: Runs, at: Bytes): number {
  let low = 0;
  let high = runs.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (runs.starts[middle] <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The parts of `runs` inside `[start, end)`. */
export function clipRuns(runs: Runs, start: Bytes, end: Bytes): Runs {
  const builder = new RunsBuilder();
  for (let i = Math.max(0, runAt(runs, start)); i < runs.count && runs.starts[i] < end; i++) {
    const from = Math.max(start, runs.starts[i]);
    builder.add(from, Math.min(end, runs.starts[i] + runs.lengths[i]) - from);
  }
  return builder.finish();
}

/** All bytes of either. */
export function unionRuns(a: Runs, b: Runs): Runs {
  const runs = new RunsBuilder();
  let i = 0;
  let j = 0;
  while (i < a.count || j < b.count) {
    if (j >= b.count || (i < a.count && a.starts[i] <= b.starts[j])) {
      runs.add(a.starts[i], a.lengths[i]);
      i++;
    } else {
      runs.add(b.starts[j], b.lengths[j]);
      j++;
    }
  }
  return runs.finish();
}

/** All bytes of any of them, merged in pairs: each run is looked at once for each doubling of the list. */
export function unionAll(all: readonly Runs[]): Runs {
  if (all.length <= 1) return all[0] ?? runsOf([]);
  const middle = all.length >>> 1;
  return unionRuns(unionAll(all.slice(0, middle)), unionAll(all.slice(middle)));
}

/** The bytes from 0 to `end` that are in none of the runs. */
export function gapsOf(runs: Runs, end: Bytes): Runs {
  const gaps = new RunsBuilder();
  let at = 0;
  for (let i = 0; i < runs.count && at < end; i++) {
    gaps.add(at, Math.min(end, runs.starts[i]) - at);
    at = runs.starts[i] + runs.lengths[i];
  }
  gaps.add(at, end - at);
  return gaps.finish();
}

/** The bytes that are in both. */
export function intersectRuns(a: Runs, b: Runs): Runs {
  const runs = new RunsBuilder();
  let i = 0;
  let j = 0;
  while (i < a.count && j < b.count) {
    const endA = a.starts[i] + a.lengths[i];
    const endB = b.starts[j] + b.lengths[j];
    const from = Math.max(a.starts[i], b.starts[j]);
    runs.add(from, Math.min(endA, endB) - from);
    if (endA <= endB) i++;
    else j++;
  }
  return runs.finish();
}
