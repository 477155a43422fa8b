import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runsOf } from '../../src/bytes/extents.ts';
import {
  estimateSeconds,
  gapThreshold,
  planRestore,
  type RestorePlan,
  WantedExtents,
} from '../../src/plan/restore-plan.ts';
import { MemorySet } from '../support/memory-set.ts';

function wantedOf(
  ...rows: readonly (readonly [file: number, fileOffset: number, volumeOffset: number, length: number])[]
) {
  const wanted = new WantedExtents();
  for (const [file, fileOffset, volumeOffset, length] of rows) wanted.add(file, 0, fileOffset, volumeOffset, length);
  return wanted;
}

const volume = Uint8Array.from({ length: 10_000 }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
const gapBytesMax = 0;

/** What the plan would read, record by record. */
const objects = (plan: RestorePlan): string[] =>
  plan.cartridges.flatMap(({ cartridge, reads }) =>
    reads.flatMap((run) => Array.from({ length: run.records }, (_, i) => `${cartridge}:${run.object + i}`)),
  );

describe('a restore plan', () => {
  it('reads exactly the records that hold the extents', async () => {
    const set = new MemorySet({ volume, recordSize: 1000 });
    const plan = await planRestore(wantedOf([0, 0, 999, 2]), set, { gapBytesMax });
    expect(objects(plan)).toEqual(['A:1', 'A:2']);
    expect(plan).toMatchObject({ records: 2, gapRecords: 0, bytes: 2 });
  });

  it('counts what is stored before, not what lies before in the volume', async () => {
    const set = new MemorySet({
      volume,
      recordSize: 1000,
      runs: runsOf([
        [0, 1500],
        [5000, 3000],
      ]),
    });
    const plan = await planRestore(wantedOf([0, 0, 5500, 500]), set, { gapBytesMax });
    expect(objects(plan)).toEqual(['A:3']); // bytes 2000 to 2499 of the chunk's data
    expect(plan.pieces.place[0]).toBe(2000);
  });

  it('reads a record that several files share only once', async () => {
    const set = new MemorySet({ volume, recordSize: 1000 });
    const plan = await planRestore(wantedOf([2, 0, 300, 100], [0, 0, 0, 100], [1, 0, 100, 100]), set, { gapBytesMax });
    expect(plan.records).toBe(1);
    expect([...plan.pieces.file.subarray(0, 3)]).toEqual([0, 1, 2]);
  });

  it('reads through a gap up to the threshold and locates over a longer one', async () => {
    const set = new MemorySet({ volume, recordSize: 1000 });
    const wanted = wantedOf([0, 0, 0, 10], [0, 10, 3000, 10]); // two records lie between
    const through = await planRestore(wanted, set, { gapBytesMax: 2000 });
    expect(through.cartridges[0].reads).toHaveLength(1);
    expect(through).toMatchObject({ records: 4, gapRecords: 2 });
    const over = await planRestore(wanted, set, { gapBytesMax: 1999 });
    expect(over.cartridges[0].reads.map((run) => run.object)).toEqual([1, 4]);
    expect(over).toMatchObject({ records: 2, gapRecords: 0 });
  });

  it('goes through each cartridge once, in ascending order', async () => {
    const set = new MemorySet({ volume, recordSize: 500, chunkBytes: 1000, cartridges: ['B', 'A'] });
    const wanted = wantedOf(...Array.from({ length: 10 }, (_, i) => [i, 0, 9000 - i * 1000, 100] as const));
    const plan = await planRestore(wanted, set, { gapBytesMax });
    expect(plan.cartridges.map((one) => one.cartridge)).toEqual(['B', 'A']);
    for (const { reads } of plan.cartridges) {
      const at = reads.map((run) => run.object);
      expect(at).toEqual([...at].sort((a, b) => a - b));
    }
  });

  it('takes the copy within reach, and the next one at the next attempt', async () => {
    const set = new MemorySet({ volume, recordSize: 1000, cartridges: ['far'], copies: ['near'] });
    const rank = (cartridge: string): number => (cartridge === 'near' ? 0 : 1);
    const wanted = wantedOf([0, 0, 0, 10]);
    expect((await planRestore(wanted, set, { gapBytesMax, rank })).cartridges[0].cartridge).toBe('near');
    expect((await planRestore(wanted, set, { gapBytesMax, rank, attempt: 1 })).cartridges[0].cartridge).toBe('far');
    const none = await planRestore(wanted, set, { gapBytesMax, rank, attempt: 2 });
    expect(none.cartridges).toEqual([]);
    expect(none.withoutCopy.count).toBe(1);
  });

  it('tells what no chunk stores', async () => {
    const set = new MemorySet({
      volume,
      recordSize: 1000,
      runs: runsOf([
        [0, 100],
        [200, 100],
      ]),
    });
    const plan = await planRestore(wantedOf([7, 0, 50, 200], [8, 0, 20_000, 5]), set, { gapBytesMax });
    const { missing } = plan;
    const rows = Array.from({ length: missing.count }, (_, i) => [
      missing.file[i],
      missing.volumeOffset[i],
      missing.length[i],
    ]);
    expect(rows).toEqual([
      [7, 100, 100],
      [8, 20_000, 5],
    ]);
    expect(plan.bytes).toBe(100);
  });

  it('fails on an extent map that holds more than the chunk stores', async () => {
    const set = new MemorySet({ volume, recordSize: 1000 });
    const lying = {
      recordSize: 1000,
      chunkAt: (at: number) => set.chunkAt(at),
      chunkExtents: async () => ({ runs: runsOf([[0, 20_000]]), storedBefore: 0 }),
    };
    const record = set.chunks[0];
    set.chunks[0] = { ...record, storedBytes: 50 };
    await expect(planRestore(wantedOf([0, 0, 0, 100]), lying, { gapBytesMax })).rejects.toThrow(
      /chunk 0: extents hold more/,
    );
  });

  it('fails on a chunk that does not cover what it was asked for', async () => {
    const set = new MemorySet({ volume, recordSize: 1000, chunkBytes: 1000 });
    const lying = {
      recordSize: 1000,
      chunkAt: async () => set.chunks[0],
      chunkExtents: (chunk: (typeof set.chunks)[0]) => set.chunkExtents(chunk, 0, 10_000),
    };
    await expect(planRestore(wantedOf([0, 0, 5000, 100]), lying, { gapBytesMax })).rejects.toThrow(/does not cover/);
  });

  it('estimates loads, locates and bytes', async () => {
    const set = new MemorySet({ volume, recordSize: 1000 });
    const plan = await planRestore(wantedOf([0, 0, 0, 10], [0, 10, 9000, 10]), set, { gapBytesMax });
    expect(estimateSeconds(plan, { bytesPerSecond: 1000, repositionSeconds: 5, loadSeconds: 20 })).toBe(20 + 10 + 2);
    expect(gapThreshold(300e6, 3)).toBe(900e6);
  });

  it('for any extents, runs and record sizes: the planned places hold the wanted bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(9_999), fc.integer({ min: 1, max: 900 })), { maxLength: 12 }),
        fc.array(fc.tuple(fc.nat(9_999), fc.integer({ min: 1, max: 3000 })), { maxLength: 12 }),
        fc.constantFrom(64, 100, 512, 1024, 4096),
        fc.integer({ min: 100, max: 5000 }),
        fc.nat(4000),
        async (runs, extents, recordSize, chunkBytes, gap) => {
          const clip = (list: readonly (readonly [number, number])[]) =>
            list.map(([start, length]) => [start, Math.min(length, 10_000 - start)] as [number, number]);
          const set = new MemorySet({
            volume,
            recordSize,
            chunkBytes,
            runs: runsOf(clip(runs)),
            cartridges: ['A', 'B'],
          });
          const wanted = wantedOf(...clip(extents).map(([start, length], i) => [i, 0, start, length] as const));
          const plan = await planRestore(wanted, set, { gapBytesMax: gap });
          const { pieces } = plan;
          let bytes = 0;
          for (const { cartridge, reads } of plan.cartridges) {
            for (const run of reads) {
              const records = set.tape(cartridge).slice(run.object, run.object + run.records) as Uint8Array[];
              const data = Buffer.concat(records);
              expect(data.length).toBe(run.records * recordSize);
              for (let piece = run.pieceFrom; piece < run.pieceTo; piece++) {
                const at = pieces.place[piece] - run.firstRecord * recordSize;
                const from = pieces.volumeOffset[piece];
                expect(data.subarray(at, at + pieces.length[piece])).toEqual(
                  Buffer.from(volume.subarray(from, from + pieces.length[piece])),
                );
                const [start] = clip(extents)[pieces.file[piece]];
                expect(pieces.fileOffset[piece]).toBe(from - start);
                bytes += pieces.length[piece];
              }
            }
          }
          let missing = 0;
          for (let i = 0; i < plan.missing.count; i++) missing += plan.missing.length[i];
          expect(bytes).toBe(plan.bytes);
          expect(bytes + missing).toBe(clip(extents).reduce((sum, [, length]) => sum + length, 0));
          expect(new Set(objects(plan)).size).toBe(plan.records);
        },
      ),
      { numRuns: 200 },
    );
  });
});
