// Proofs of ranges of a volume: what was written comes back for any extents, and what is lost of them is never a better proof.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyKind, keysOf, setBytes } from '../../src/tape-index/keys.ts';
import type { KvOperation } from '../../src/tape-index/kv-store.ts';
import { MemoryStore } from '../../src/tape-index/memory-store.ts';
import {
  getProof,
  PROOF_LEVELS,
  type Proof,
  type ProvenRange,
  proofOf,
  proofRank,
  putProof,
  type SetProof,
} from '../../src/tape-index/proofs.ts';

const SET = 'a'.repeat(32);
const OTHER = 'b'.repeat(32);

const proof: fc.Arbitrary<Proof> = fc.record({
  level: fc.constantFrom(...PROOF_LEVELS),
  at: fc.constantFrom(null, '2026-01-01T00:00:00.000Z', '2026-02-01T00:00:00.000Z'),
  reason: fc.constantFrom(null, 'cartridge RM1, object 7: the record is damaged'),
});

/** Ranges apart or touching, ascending. */
const ranges = (max: number): fc.Arbitrary<ProvenRange[]> =>
  fc.array(fc.tuple(fc.nat(30), fc.integer({ min: 1, max: 40 }), proof), { maxLength: max }).map((list) => {
    let at = 0;
    return list.map(([gap, length, one]) => {
      const from = at + gap;
      at = from + length;
      return { ...one, from, to: at };
    });
  });

const setProof = (max: number): fc.Arbitrary<SetProof> => fc.record({ rest: proof, index: proof, ranges: ranges(max) });

/** Extents of a file, in any order of volume addresses. */
const extents = fc.array(fc.tuple(fc.nat(40_000), fc.integer({ min: 1, max: 200 })), { maxLength: 6 }).map((list) => {
  let fileOffset = 0;
  return list.map(([volumeOffset, byteLength]) => {
    const one = { kind: 'stored' as const, fileOffset, volumeOffset, byteLength };
    fileOffset += byteLength;
    return one;
  });
});

/** Byte by byte. */
function worst(
  { rest, index, ranges: all }: SetProof,
  wanted: readonly { volumeOffset: number; byteLength: number }[],
) {
  let found: Proof | undefined;
  for (const { volumeOffset, byteLength } of wanted) {
    for (let at = volumeOffset; at < volumeOffset + byteLength; at++) {
      const one: Proof = all.find(({ from, to }) => from <= at && at < to) ?? rest;
      if (found === undefined || proofRank(one) < proofRank(found)) found = one;
      else if (proofRank(one) === proofRank(found) && (one.at ?? '') < (found.at ?? '')) found = one;
    }
  }
  return found ?? index;
}

describe('proofs', () => {
  it('a file has that of its worst byte, of equal ones the oldest', async () => {
    await fc.assert(
      fc.asyncProperty(setProof(700), fc.array(extents, { maxLength: 8 }), async (given, files) => {
        const store = new MemoryStore();
        await putProof(store, OTHER, { ...given, rest: { level: 'damaged', at: null, reason: null } });
        await putProof(store, SET, { ...given, ranges: [{ ...given.rest, from: 5, to: 9 }] });
        await putProof(store, SET, given);
        expect(await getProof(store, SET)).toEqual(given);
        for (const one of files) {
          const size = one.reduce((sum, { byteLength }) => sum + byteLength, 0);
          const found = await proofOf(store, SET, { extents: one, size });
          const expected = worst(given, one);
          expect([found?.level, found?.at]).toEqual([expected.level, expected.at]);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('what is past the end of a file does not count, and what stands in the index is proven as the index is', async () => {
    const store = new MemoryStore();
    const at = '2026-01-01T00:00:00.000Z';
    const rest = { level: 'record-checked' as const, at, reason: null };
    const index = { level: 'hash-equal' as const, at, reason: null };
    expect(await proofOf(store, SET, { extents: [], size: 0 })).toBeUndefined();
    await putProof(store, SET, { rest, index, ranges: [{ from: 110, to: 120, level: 'damaged', at, reason: 'x' }] });
    const stored = { kind: 'stored' as const, fileOffset: 0, volumeOffset: 100, byteLength: 50 };
    expect(await proofOf(store, SET, { extents: [stored], size: 10 })).toEqual(rest);
    expect((await proofOf(store, SET, { extents: [stored], size: 11 }))?.level).toBe('damaged');
    expect(await proofOf(store, SET, { extents: [{ ...stored, kind: 'literal' }], size: 10 })).toEqual(index);
  });

  it('of which a row is lost, or any byte of one is flipped, are unread with the reason, never better than they were', async () => {
    const given: SetProof = {
      rest: { level: 'hash-equal', at: '2026-01-01T00:00:00.000Z', reason: null },
      index: { level: 'hash-equal', at: '2026-01-01T00:00:00.000Z', reason: null },
      ranges: Array.from({ length: 600 }, (_, i) => ({
        from: i * 100,
        to: i * 100 + 50,
        level: 'damaged' as const,
        at: '2026-01-01T00:00:00.000Z',
        reason: `object ${i}`,
      })),
    };
    const file = (volumeOffset: number) => ({
      extents: [{ kind: 'stored' as const, fileOffset: 0, volumeOffset, byteLength: 40 }],
      size: 40,
    });
    const store = new MemoryStore();
    await putProof(store, SET, given);
    const rows: (readonly [Uint8Array, Uint8Array])[] = [];
    for await (const some of store.scan(keysOf(KeyKind.proof, setBytes(SET)))) rows.push(...some);
    expect(rows.length).toBe(4);
    const seen = new Set<string>();
    for (const [key, value] of rows) {
      const damages: KvOperation[] = [{ type: 'del', key }];
      for (let at = 0; at < value.length; at += 97)
        damages.push({ type: 'put', key, value: value.map((byte, i) => (i === at ? byte ^ 8 : byte)) });
      for (const damage of damages) {
        await store.batch([damage]);
        for (let i = 0; i < 600; i += 50) {
          const found = await proofOf(store, SET, file(i * 100));
          seen.add(found?.level ?? 'none');
          expect(['damaged', 'unread', undefined]).toContain(found?.level);
        }
      }
      await store.batch([{ type: 'put', key, value }]);
    }
    expect([...seen].sort()).toEqual(['damaged', 'none', 'unread']);
  });
});
