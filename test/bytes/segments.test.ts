// Segments: addresses there and back, runs cut at their ends, by comparison with a byte by byte map.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gapsOf, intersectRuns, type Runs, runsOf, totalBytes, unionAll, unionRuns } from '../../src/bytes/extents.ts';
import { SegmentMap } from '../../src/bytes/segments.ts';

const SIZE = 60;

/** Segments of a volume of SIZE bytes, apart from each other, in any order. */
const segments = fc.uniqueArray(fc.integer({ min: 0, max: SIZE }), { minLength: 2, maxLength: 12 }).chain((cuts) => {
  const ordered = cuts.sort((a, b) => a - b);
  const all = ordered.slice(1).map((end, i) => ({ volumeOffset: ordered[i], byteLength: end - ordered[i] }));
  return fc.shuffledSubarray(all, { minLength: 1 });
});

const runs = fc
  .array(fc.tuple(fc.integer({ min: 0, max: SIZE - 1 }), fc.integer({ min: 1, max: 10 })))
  .map((pairs) => runsOf(pairs.map(([start, length]): [number, number] => [start, Math.min(length, SIZE - start)])));

const bytesOfRuns = (all: Runs): Set<number> => {
  const out = new Set<number>();
  for (let i = 0; i < all.count; i++) for (let k = 0; k < all.lengths[i]; k++) out.add(all.starts[i] + k);
  return out;
};

/** Volume address of each offset. */
const addresses = (list: readonly { readonly volumeOffset: number; readonly byteLength: number }[]): number[] =>
  list.flatMap(({ volumeOffset, byteLength }) => Array.from({ length: byteLength }, (_, i) => volumeOffset + i));

function expectApart(all: Runs): void {
  for (let i = 1; i < all.count; i++) expect(all.starts[i]).toBeGreaterThan(all.starts[i - 1] + all.lengths[i - 1]);
}

describe('segments of a volume', () => {
  it('give each offset its address', () => {
    fc.assert(
      fc.property(segments, fc.nat(), fc.nat(), (list, a, b) => {
        const map = new SegmentMap(list);
        const there = addresses(list);
        expect(map.byteLength).toBe(there.length);
        const offset = a % there.length;
        const length = 1 + (b % (there.length - offset));
        expect(addresses(map.pieces(offset, length))).toEqual(there.slice(offset, offset + length));
        expect(map.offsetOf(map.segmentAt(offset))).toBeLessThanOrEqual(offset);
      }),
    );
  });

  it('carry runs of offsets to runs of addresses, and back', () => {
    fc.assert(
      fc.property(segments, runs, (list, some) => {
        const map = new SegmentMap(list);
        const there = addresses(list);
        const offsets = bytesOfRuns(some);
        const mapped = map.runs(some);
        expectApart(mapped);
        expect(bytesOfRuns(mapped)).toEqual(new Set(there.filter((_, offset) => offsets.has(offset))));
        const back = map.offsets(some);
        expectApart(back);
        const wanted = there.flatMap((address, offset) => (offsets.has(address) ? [offset] : []));
        expect(bytesOfRuns(back)).toEqual(new Set(wanted));
        expect(totalBytes(map.whole())).toBe(there.length);
      }),
    );
  });

  it('an empty piece is the place where it would begin', () => {
    const map = new SegmentMap([{ volumeOffset: 10, byteLength: 5 }]);
    expect(map.pieces(2, 0)).toEqual([{ volumeOffset: 12, byteLength: 0 }]);
  });
});

describe('runs', () => {
  it('unite, intersect and leave gaps as sets of bytes do', () => {
    fc.assert(
      fc.property(runs, runs, runs, (a, b, c) => {
        const [one, two, three] = [a, b, c].map(bytesOfRuns);
        const union = unionRuns(a, b);
        expectApart(union);
        expect(bytesOfRuns(union)).toEqual(new Set([...one, ...two]));
        expect(bytesOfRuns(unionAll([a, b, c]))).toEqual(new Set([...one, ...two, ...three]));
        const both = intersectRuns(a, b);
        expectApart(both);
        expect(bytesOfRuns(both)).toEqual(new Set([...one].filter((byte) => two.has(byte))));
        const gaps = gapsOf(a, SIZE);
        expectApart(gaps);
        expect(bytesOfRuns(gaps)).toEqual(
          new Set(Array.from({ length: SIZE }, (_, i) => i).filter((i) => !one.has(i))),
        );
      }),
    );
    expect(unionAll([]).count).toBe(0);
  });
});
