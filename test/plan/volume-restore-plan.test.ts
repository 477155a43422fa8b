import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Runs, runsOf } from '../../src/bytes/extents.ts';
import {
  type VolumeRestoreInput,
  type VolumeRestoreStep,
  volumeRestoreSteps,
} from '../../src/plan/volume-restore-plan.ts';
import type { CopyLimits, Designator } from '../../src/scsi/copy/list.ts';

const designator = (last: number): Designator => ({
  codeSet: 1,
  association: 0,
  type: 3,
  value: Uint8Array.of(0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last),
});

const wide: CopyLimits = {
  cscdsMax: 16,
  segmentsMax: 1000,
  descriptorListBytesMax: 65_536,
  segmentBytesMax: 0,
  inlineBytesMax: 65_536,
  streamTransferBytesMax: 0xff_ffff,
  descriptorTypes: [0x00, 0x01, 0x09, 0x12, 0xe4],
};

const inputOf = (extents: Runs, limits: CopyLimits, recordSize = 4096, blockLength = 512): VolumeRestoreInput => ({
  extents,
  recordSize,
  dataObject: 40,
  disk: { designator: designator(1), blockLength },
  tape: { designator: designator(2) },
  limits,
});

/**
 * Carries one list out as SPC-4 5.17.7.2 tells, on a tape of whole records: source residue is used first, records are read
 * as needed, CAT=0 with leftovers and no PAD is 26h/0Ah. Answers the tape position behind the list.
 */
function execute(
  step: Extract<VolumeRestoreStep, { kind: 'copy' }>,
  tape: readonly Uint8Array[],
  disk: Uint8Array,
  at: number,
): number {
  const [source, target] = step.cscds;
  if (source.kind !== 'stream' || target.kind !== 'block') throw new Error('wrong CSCDs');
  let position = at;
  let residue = Buffer.alloc(0);
  for (const segment of step.segments) {
    if (segment.type === 'locate') {
      position = segment.object;
      continue;
    }
    const blocks = segment.type === 'stream-to-block';
    if (!blocks && segment.type !== 'stream-to-block-bytes') throw new Error(`segment ${segment.type}`);
    const bytes = blocks ? segment.blocks * target.blockLength : segment.byteCount;
    const to = segment.lba * target.blockLength + (blocks ? 0 : segment.byteOffset);
    while (residue.length < bytes) {
      const record = tape[position++];
      if (record.length !== segment.streamTransferLength) throw new Error('length');
      residue = Buffer.concat([residue, record]);
    }
    disk.set(residue.subarray(0, bytes), to);
    residue = residue.subarray(bytes);
    if (!segment.cat) {
      if (residue.length > 0 && !source.pad) throw new Error('26h/0Ah unexpected inexact segment');
      residue = Buffer.alloc(0);
    }
  }
  if (residue.length > 0) throw new Error('residue lost with the command');
  return position;
}

const volumeBytes = 200_000;
const volume = Uint8Array.from({ length: volumeBytes }, (_, i) => (i * 13 + (i >> 6)) & 0xff);

/** The chunk's records, objects 40 and up. */
function tapeOf(extents: Runs, recordSize: number): Uint8Array[] {
  const parts = Array.from({ length: extents.count }, (_, i) =>
    volume.subarray(extents.starts[i], extents.starts[i] + extents.lengths[i]),
  );
  const data = Buffer.concat(parts);
  const records: Uint8Array[] = Array.from({ length: 40 }, () => new Uint8Array(0));
  for (let at = 0; at < data.length; at += recordSize) {
    const record = new Uint8Array(recordSize);
    record.set(data.subarray(at, at + recordSize));
    records.push(record);
  }
  return records;
}

function restoreAll(input: VolumeRestoreInput): { disk: Uint8Array; steps: VolumeRestoreStep[] } {
  const disk = new Uint8Array(volumeBytes);
  const tape = tapeOf(input.extents, input.recordSize);
  const steps = [...volumeRestoreSteps(input)];
  for (const step of steps) {
    if (step.kind === 'copy') {
      expect(execute(step, tape, disk, step.object)).toBe(step.object + step.records);
      continue;
    }
    const data = Buffer.concat(tape.slice(step.object, step.object + step.records));
    let at = 0;
    for (const piece of step.pieces) {
      disk.set(data.subarray(at, at + piece.length), piece.offset);
      at += piece.length;
    }
  }
  return { disk, steps };
}

/** Extents that are whole blocks. */
const blockRuns = (blockLength: number) =>
  fc
    .array(fc.tuple(fc.nat(Math.floor(volumeBytes / blockLength) - 1), fc.integer({ min: 1, max: 40 })), {
      minLength: 1,
      maxLength: 25,
    })
    .map((pairs) =>
      runsOf(
        pairs.map(
          ([start, count]) =>
            [
              start * blockLength,
              Math.min(count * blockLength, Math.floor(volumeBytes / blockLength) * blockLength - start * blockLength),
            ] as const,
        ),
      ),
    );

const limits = fc.record({
  cscdsMax: fc.constantFrom(2, 16),
  segmentsMax: fc.constantFrom(1, 2, 3, 7, 100),
  descriptorListBytesMax: fc.constantFrom(64 + 24, 64 + 28, 64 + 12 + 28, 256, 65_536),
  segmentBytesMax: fc.constantFrom(0, 512, 1000, 8192, 65_536),
  inlineBytesMax: fc.constant(0),
  streamTransferBytesMax: fc.constant(0xff_ffff),
  descriptorTypes: fc.constantFrom(
    [0x01, 0xe4],
    [0x09, 0xe4],
    [0x01, 0x09, 0xe4],
    [0x01, 0x09, 0x12, 0xe4],
    [0xe4],
    [0x01],
  ),
});

describe('a volume restore', () => {
  it('of one run is one list that ends the chunk, with PAD for the padding of the last record', () => {
    const { disk, steps } = restoreAll(inputOf(runsOf([[1024, 10_240]]), wide));
    expect(steps).toHaveLength(1);
    expect(steps[0]).toMatchObject({
      kind: 'copy',
      object: 40,
      records: 3,
      bytes: 10_240,
      locates: true,
      cscds: [{ pad: true }, { pad: false }],
    });
    expect(Buffer.from(disk.subarray(1024, 11_264)).equals(volume.subarray(1024, 11_264))).toBe(true);
  });

  it('has no PAD where the last record is full', () => {
    const [step] = volumeRestoreSteps(inputOf(runsOf([[0, 8192]]), wide));
    expect(step).toMatchObject({ cscds: [{ pad: false }, { pad: false }] });
  });

  it('keeps leftovers between segments and not behind the last', () => {
    const [step] = volumeRestoreSteps(
      inputOf(
        runsOf([
          [0, 512],
          [1024, 512],
          [4096, 3072],
        ]),
        { ...wide, descriptorTypes: [0x01, 0xe4] },
      ),
    );
    if (step.kind !== 'copy') throw new Error(step.kind);
    expect(step.locates).toBe(false);
    expect(step.segments.map((one) => ('cat' in one ? one.cat : undefined))).toEqual([true, true, false]);
  });

  it('uses byte ranges where the target has larger blocks than the source had', () => {
    const { disk, steps } = restoreAll(inputOf(runsOf([[512, 4096]]), wide, 4096, 4096));
    expect(steps[0]).toMatchObject({
      segments: [{ type: 'locate' }, { type: 'stream-to-block-bytes', lba: 0, byteOffset: 512, byteCount: 4096 }],
    });
    expect(Buffer.from(disk.subarray(512, 4608)).equals(volume.subarray(512, 4608))).toBe(true);
  });

  it('moves no more than 65535 blocks by one 01h segment', () => {
    const [step] = volumeRestoreSteps(inputOf(runsOf([[0, 65_536 * 512]]), { ...wide, descriptorTypes: [0x01, 0xe4] }));
    if (step.kind !== 'copy') throw new Error(step.kind);
    expect(step.segments.map((one) => (one.type === 'stream-to-block' ? one.blocks : 0))).toEqual([65_535, 1]);
  });

  it('splits into lists of at most 256 MiB', () => {
    const steps = [...volumeRestoreSteps(inputOf(runsOf([[0, 600 * 2 ** 20]]), wide, 262_144))];
    expect(steps.map((step) => step.bytes / 2 ** 20)).toEqual([256, 256, 88]);
    expect(steps.map((step) => step.object)).toEqual([40, 40 + 1024, 40 + 2048]);
  });

  it('goes by the host, record by record, only where a record does not fit a list', () => {
    const scattered: [number, number][] = Array.from({ length: 8 }, (_, i) => [i * 1024, 512]);
    const steps = [
      ...volumeRestoreSteps(
        inputOf(runsOf([...scattered, [20_480, 8192]]), { ...wide, segmentsMax: 3, descriptorTypes: [0x01, 0xe4] }),
      ),
    ];
    expect(steps.map((step) => step.kind)).toEqual(['host-copy', 'copy']);
  });

  it('of a chunk that stores nothing is no step', () => {
    expect([...volumeRestoreSteps(inputOf(runsOf([]), wide))]).toEqual([]);
  });

  it('for any extents and limits: every list ends on a record boundary, stays within the limits, and the disk is right', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(512, 4096),
        fc.constantFrom(512, 1024, 1536, 4096, 10_240),
        limits,
        blockRuns(512),
        (blockLength, recordSize, limit, extents) => {
          const input = inputOf(extents, limit, recordSize, blockLength);
          const { disk, steps } = restoreAll(input);
          const expected = new Uint8Array(volumeBytes);
          for (let i = 0; i < extents.count; i++) {
            const end = extents.starts[i] + extents.lengths[i];
            expected.set(volume.subarray(extents.starts[i], end), extents.starts[i]);
          }
          expect(Buffer.from(disk).equals(expected)).toBe(true);
          let object = 40;
          for (const [i, step] of steps.entries()) {
            expect(step.object).toBe(object);
            object += step.records;
            if (i < steps.length - 1) expect(step.bytes).toBe(step.records * recordSize);
            if (step.kind !== 'copy') continue;
            const size = { locate: 12, 'stream-to-block': 24, 'stream-to-block-bytes': 28 } as Record<string, number>;
            const list = step.segments.reduce((sum, one) => sum + size[one.type], 64);
            expect(list).toBeLessThanOrEqual(limit.descriptorListBytesMax);
            expect(step.segments.length).toBeLessThanOrEqual(limit.segmentsMax);
            for (const segment of step.segments) {
              const code = { locate: 0x12, 'stream-to-block': 0x01, 'stream-to-block-bytes': 0x09 } as Record<
                string,
                number
              >;
              expect(limit.descriptorTypes).toContain(code[segment.type]);
              const moved =
                segment.type === 'stream-to-block'
                  ? segment.blocks * blockLength
                  : segment.type === 'stream-to-block-bytes'
                    ? segment.byteCount
                    : 0;
              if (limit.segmentBytesMax > 0) expect(moved).toBeLessThanOrEqual(limit.segmentBytesMax);
            }
            if (i < steps.length - 1) expect(step.cscds[0].pad).toBe(false);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
