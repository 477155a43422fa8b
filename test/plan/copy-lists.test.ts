import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Runs, runsOf, totalBytes } from '../../src/bytes/extents.ts';
import { type ChunkPlan, cutChunk, cutChunks } from '../../src/plan/chunk.ts';
import { type ChunkStep, chunkSteps, dataSegments, type Piece } from '../../src/plan/copy-lists.ts';
import { storedRuns } from '../../src/plan/stored-runs.ts';
import type { CopyLimits } from '../../src/scsi/copy/list.ts';

const BLOCK = 512;
const designator = { codeSet: 1, association: 0, type: 3, value: new Uint8Array(16) };

const volumes = fc
  .tuple(
    fc.integer({ min: 1, max: 4000 }),
    fc.array(fc.tuple(fc.nat(3999), fc.integer({ min: 1, max: 60 })), { maxLength: 60 }),
    fc.nat(511),
  )
  .map(([blocks, pairs, odd]) => {
    const volumeBytes = blocks * BLOCK - odd;
    const allocated = runsOf(
      pairs
        .map(([start, length]) => [start * BLOCK, length * BLOCK] as const)
        .filter(([start]) => start < volumeBytes)
        .map(([start, length]) => [start, Math.min(length, volumeBytes - start)] as const),
    );
    return { volumeBytes, allocated };
  });

const limitsOf = fc.record({
  segmentsMax: fc.integer({ min: 1, max: 9 }),
  segmentBytesMax: fc.constantFrom(0, 512, 1024, 5000, 65536),
  inlineBytesMax: fc.constantFrom(0, 1000, 4096, 1 << 20),
  descriptorListBytesMax: fc.constantFrom(64 + 28, 64 + 56, 65536),
  types: fc.constantFrom([0x00, 0x04, 0x10, 0xe4], [0x00, 0x08, 0x10, 0xe4], [0x08, 0xe4], [0x00, 0xe4]),
});

function planOf(
  volumeBytes: number,
  allocated: Runs,
  limits: CopyLimits,
  recordSize: number,
  storedBytesMax: number,
): ChunkPlan[] {
  const data = dataSegments(limits, BLOCK, recordSize);
  const admitted = data !== undefined && data.segmentsMax * data.pieceBytesMax >= recordSize;
  const volumeEnd = Math.ceil(volumeBytes / BLOCK) * BLOCK;
  const runs = storedRuns(allocated, { volumeBytes, blockLength: BLOCK, gapBytes: 2 * BLOCK });
  return [
    ...cutChunks(runs, volumeEnd, volumeBytes, {
      recordSize,
      storedBytesMax,
      extentsMax: 20,
      piecesMax: admitted ? data.segmentsMax : Number.POSITIVE_INFINITY,
      pieceBytesMax: admitted ? data.pieceBytesMax : Number.MAX_SAFE_INTEGER,
    }),
  ];
}

function piecesOf(steps: readonly ChunkStep[]): Piece[] {
  return steps.flatMap((step): Piece[] => {
    if (step.kind === 'host-copy') return [...step.extents];
    if (step.kind !== 'copy') return [];
    return step.segments.flatMap((segment) => {
      if (segment.type === 'block-to-stream') return [{ offset: segment.lba * BLOCK, length: segment.blocks * BLOCK }];
      if (segment.type === 'block-bytes-to-stream') return [{ offset: segment.lba * BLOCK, length: segment.byteCount }];
      return [];
    });
  });
}

describe('chunk plan and copy lists', () => {
  it('store every allocated byte once, in order, in lists that move whole records within the limits', () => {
    fc.assert(
      fc.property(
        volumes,
        limitsOf,
        fc.constantFrom(512, 1024, 4096),
        fc.constantFrom(4096, 20_000, 1 << 20),
        (volume, l, recordSize, stored) => {
          const limits: CopyLimits = {
            cscdsMax: 2,
            segmentsMax: l.segmentsMax,
            descriptorListBytesMax: l.descriptorListBytesMax,
            segmentBytesMax: l.segmentBytesMax,
            inlineBytesMax: l.inlineBytesMax,
            streamTransferBytesMax: 1 << 20,
            descriptorTypes: l.types,
          };
          const chunks = planOf(volume.volumeBytes, volume.allocated, limits, recordSize, stored);
          let at = 0;
          for (const chunk of chunks) {
            expect(chunk.volumeOffset).toBe(at);
            at += chunk.byteLength;
            expect(totalBytes(chunk.extents)).toBe(chunk.storedBytes);
            expect(chunk.storedBytes).toBeLessThanOrEqual(Math.max(recordSize, stored));
            checkSteps(chunk, limits, recordSize);
          }
          expect(at).toBe(volume.volumeBytes);
          expectCovered(volume.allocated, chunks);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('a chunk can be planned anew from any chunk boundary with other limits', () => {
    const runs = runsOf([[0, 512 * 100]]);
    const limits = { recordSize: 4096, storedBytesMax: 16384, extentsMax: 10, piecesMax: 4, pieceBytesMax: 1 << 20 };
    const first = cutChunk(runs, 0, 512 * 100, 512 * 100, limits);
    expect(first.byteLength).toBe(16384);
    const second = cutChunk(runs, 16384, 512 * 100, 512 * 100, { ...limits, storedBytesMax: 8192 });
    expect([second.volumeOffset, second.byteLength, second.storedBytes]).toEqual([16384, 8192, 8192]);
  });
});

function checkSteps(chunk: ChunkPlan, limits: CopyLimits, recordSize: number): void {
  const padding = (recordSize - (chunk.storedBytes % recordSize)) % recordSize;
  const steps = [
    ...chunkSteps({
      extents: chunk.extents,
      recordSize,
      header: new Uint8Array(recordSize * 2),
      extraRecords: padding < 1024 ? 1 : 0,
      disk: { designator, blockLength: BLOCK },
      tape: { designator },
      limits,
    }),
  ];
  const moved = runsOf(piecesOf(steps).map((piece) => [piece.offset, piece.length] as const));
  expect([...moved.starts]).toEqual([...chunk.extents.starts]);
  expect([...moved.lengths]).toEqual([...chunk.extents.lengths]);
  const records = steps.reduce((sum, step) => sum + (step.kind === 'filemark' ? 0 : step.records), 0);
  expect(records).toBe(2 + Math.ceil(chunk.storedBytes / recordSize) + (padding < 1024 ? 1 : 0));
  const data = steps.filter((step) => step.kind === 'copy' && step.cscds.length === 2);
  for (const [i, step] of data.entries()) {
    if (step.kind !== 'copy') continue;
    expect(step.segments.length).toBeLessThanOrEqual(limits.segmentsMax);
    expect(step.segments.length * 28 + 64).toBeLessThanOrEqual(limits.descriptorListBytesMax);
    const last = i === data.length - 1;
    if (!last) expect(step.bytes % recordSize).toBe(0);
    expect(step.cscds[1].pad).toBe(last && padding > 0);
    for (const [n, segment] of step.segments.entries()) {
      if (!('cat' in segment)) continue;
      expect(segment.cat).toBe(n < step.segments.length - 1);
    }
  }
}

function expectCovered(allocated: Runs, chunks: readonly ChunkPlan[]): void {
  const stored = runsOf(
    chunks.flatMap((chunk) => [...chunk.extents.starts].map((start, i) => [start, chunk.extents.lengths[i]] as const)),
  );
  for (let i = 0; i < allocated.count; i++) {
    const start = allocated.starts[i];
    const end = start + allocated.lengths[i];
    const covered = [...stored.starts].some((s, n) => s <= start && end <= s + stored.lengths[n]);
    expect(covered, `${start} to ${end} is stored`).toBe(true);
  }
}
