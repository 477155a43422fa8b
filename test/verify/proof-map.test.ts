// Tilings of a volume by proofs, against a byte-by-byte model.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  PROOF_LEVELS,
  type Proof,
  type ProvenRange,
  proofRank,
  type SetProof,
  UNREAD,
} from '../../src/tape-index/proofs.ts';
import { bestOf, proofOfSet, tile } from '../../src/verify/proof-map.ts';

const BYTES = 300;
const proof: fc.Arbitrary<Proof> = fc.record({
  level: fc.constantFrom(...PROOF_LEVELS),
  at: fc.constantFrom('2026-01-01T00:00:00.000Z', '2026-02-01T00:00:00.000Z'),
  reason: fc.constantFrom(null, 'a', 'b'),
});
const ranges: fc.Arbitrary<ProvenRange[]> = fc
  .array(fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 40 }), proof), { maxLength: 12 })
  .map((list) => {
    let at = 0;
    return list.flatMap(([gap, length, one]) => {
      const from = at + gap;
      at = Math.min(BYTES, from + length);
      return at > from ? [{ ...one, from, to: at }] : [];
    });
  });

const at = (all: readonly ProvenRange[], byte: number): Proof | undefined => {
  const found = all.find(({ from, to }) => from <= byte && byte < to);
  return found && { level: found.level, at: found.at, reason: found.reason };
};

function expectTiling(all: readonly ProvenRange[], from: number, to: number): void {
  let end = from;
  for (const one of all) {
    expect(one.from).toBe(end);
    expect(one.to).toBeGreaterThan(one.from);
    end = one.to;
  }
  expect(end).toBe(to);
}

describe('proofs of a volume', () => {
  it('a tiling has the exceptions and else the rest, and no more', () => {
    fc.assert(
      fc.property(proof, ranges, fc.nat(BYTES), fc.nat(BYTES), (rest, exceptions, a, b) => {
        const [from, to] = [Math.min(a, b), Math.max(a, b)];
        const all = tile(from, to, rest, exceptions);
        if (to > from) expectTiling(all, from, to);
        for (let byte = from; byte < to; byte++) expect(at(all, byte)).toEqual(at(exceptions, byte) ?? rest);
      }),
    );
  });

  it('of two copies each byte has the better proof', () => {
    fc.assert(
      fc.property(proof, ranges, proof, ranges, (restA, a, restB, b) => {
        const [tilingA, tilingB] = [tile(0, BYTES, restA, a), tile(0, BYTES, restB, b)];
        const best = bestOf(tilingA, tilingB);
        expectTiling(best, 0, BYTES);
        for (let byte = 0; byte < BYTES; byte++) {
          const [x, y] = [at(tilingA, byte) as Proof, at(tilingB, byte) as Proof];
          expect(at(best, byte)).toEqual(proofRank(y) > proofRank(x) ? y : x);
        }
      }),
    );
  });

  it('what was found now counts, else what had been found before, else nothing', () => {
    fc.assert(
      fc.property(
        ranges,
        fc.option(fc.record({ rest: proof, index: proof, ranges })),
        proof,
        (found, earlier, index) => {
          const all: SetProof = proofOfSet(BYTES, found, earlier ?? undefined, index);
          expect(all.index).toEqual(index);
          for (let byte = 0; byte < BYTES; byte++) {
            const before = earlier === null ? UNREAD : (at(earlier.ranges, byte) ?? earlier.rest);
            expect(at(all.ranges, byte) ?? all.rest).toEqual(at(found, byte) ?? before);
          }
        },
      ),
    );
  });
});
