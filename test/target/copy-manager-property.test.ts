// The copy manager against the byte-at-a-time model of SPC-4's tables, on random lists, devices and buffer sizes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CopyOutcome, openCopyManager } from '../../src/initiator/copy-manager.ts';
import { SenseKey, sense } from '../../src/scsi/common/sense.ts';
import type { Segment } from '../../src/scsi/copy/list.ts';
import { checkCondition, type ScsiCommand, type ScsiResult } from '../../src/scsi/execute.ts';
import { type ModelTape, runModel } from '../support/copy-model.ts';
import { disk, faulty, list, mover, patterned, putObjects, tape, tapeObjects } from '../support/mover.ts';

const BLOCK = 512;
const BLOCKS = 24; // that segments name; a disk has more, for residue of other segments
const DISK_BLOCKS = 48;

const blockId = fc.constantFrom(0, 1);
const tapeId = fc.constantFrom(2, 3);
const transfer = fc.oneof(fc.constantFrom(512, 1024, 4096), fc.integer({ min: 1, max: 5000 }));
const run = fc
  .integer({ min: 0, max: BLOCKS - 1 })
  .chain((lba) => fc.record({ lba: fc.constant(lba), blocks: fc.integer({ min: 0, max: BLOCKS - lba }) }));
const range = fc.integer({ min: 0, max: BLOCKS - 1 }).chain((lba) =>
  fc.integer({ min: 0, max: 600 }).chain((byteOffset) =>
    fc.record({
      lba: fc.constant(lba),
      byteOffset: fc.constant(Math.min(byteOffset, (BLOCKS - lba) * BLOCK)),
      byteCount: fc.integer({ min: 0, max: Math.max(0, (BLOCKS - lba) * BLOCK - byteOffset) }),
    }),
  ),
);
const inline = patterned(4096, 99);

/** Mostly disk to tape, as a backup sends it, and everything else now and then. */
const segment: fc.Arbitrary<Segment> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.boolean(), blockId, tapeId, transfer, run)
      .map(([cat, source, destination, streamTransferLength, at]) => ({
        type: 'block-to-stream' as const,
        cat,
        source,
        destination,
        streamTransferLength,
        ...at,
      })),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(fc.boolean(), blockId, tapeId, transfer, range)
      .map(([cat, source, destination, streamTransferLength, at]) => ({
        type: 'block-bytes-to-stream' as const,
        cat,
        source,
        destination,
        streamTransferLength,
        ...at,
      })),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.boolean(), tapeId, blockId, transfer, run)
      .map(([cat, source, destination, streamTransferLength, at]) => ({
        type: 'stream-to-block' as const,
        cat,
        source,
        destination,
        streamTransferLength,
        ...at,
      })),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.boolean(), tapeId, blockId, transfer, range)
      .map(([cat, source, destination, streamTransferLength, at]) => ({
        type: 'stream-to-block-bytes' as const,
        cat,
        source,
        destination,
        streamTransferLength,
        ...at,
      })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.boolean(),
        fc.boolean(),
        blockId,
        fc.integer({ min: 0, max: 8 }),
        fc.integer({ min: 0, max: 15 }),
        fc.integer({ min: 0, max: 15 }),
      )
      .map(([cat, dc, source, blocks, sourceLba, destinationLba]) => ({
        type: 'block-to-block' as const,
        cat,
        dc,
        source,
        destination: 1 - source,
        blocks,
        sourceLba,
        destinationLba,
      })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.boolean(), tapeId, transfer, transfer, fc.integer({ min: 0, max: 6000 }))
      .map(([cat, source, sourceTransferLength, destinationTransferLength, byteCount]) => ({
        type: 'stream-to-stream' as const,
        cat,
        source,
        destination: 5 - source,
        sourceTransferLength,
        destinationTransferLength,
        byteCount,
      })),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.boolean(), tapeId, transfer, fc.integer({ min: 0, max: 512 }), fc.integer({ min: 0, max: 2048 }))
      .map(([cat, destination, streamTransferLength, words, byteCount]) => ({
        type: 'inline-to-stream' as const,
        cat,
        destination,
        streamTransferLength,
        inlineOffset: words * 4,
        byteCount,
      })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.boolean(), tapeId, transfer, fc.integer({ min: 0, max: 3000 }))
      .map(([cat, source, streamTransferLength, byteCount]) => ({
        type: 'stream-to-discard' as const,
        cat,
        source,
        streamTransferLength,
        byteCount,
      })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(tapeId, fc.integer({ min: 0, max: 2 }))
      .map(([destination, count]) => ({ type: 'write-filemarks' as const, destination, immediate: true, count })),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(tapeId, fc.integer({ min: 0, max: 4 }))
      .map(([destination, object]) => ({ type: 'locate' as const, destination, object })),
  },
);

const scenario = fc.record({
  segments: fc.array(segment, { minLength: 1, maxLength: 12 }),
  pads: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
  allCat: fc.boolean(),
  records: fc.array(fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 1, max: 3000 }) }, fc.constant(0)), {
    maxLength: 12,
  }),
  warnAtWrite: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 1, max: 12 })),
  bufferBytes: fc.constantFrom(4096, 8192, 65536),
  blockTransferBytesMax: fc.constantFrom(4096, 8192, 65536),
});

const WARNING = sense(SenseKey.noSense, 0x00, 0x02, { endOfMedium: true, information: 0 });

/** Turns the n-th WRITE(6) of the copy manager into one past early warning. */
function warnings(at: number) {
  let writes = 0;
  return (command: ScsiCommand, result: ScsiResult): ScsiResult =>
    command.cdb[0] === 0x0a && ++writes >= at ? checkCondition(WARNING) : result;
}

const hex2 = (n: number): string => n.toString(16).padStart(2, '0');
function codeOf(outcome: CopyOutcome): string | undefined {
  if (outcome.kind === 'done') return undefined;
  if (outcome.kind !== 'failed') return `0d/01 destination ${outcome.sense.key}`;
  const side = outcome.source === undefined ? 'destination' : 'source';
  const inner = outcome.source ?? outcome.destination;
  const code = `${hex2(outcome.sense.asc)}/${hex2(outcome.sense.ascq)}`;
  return inner === undefined ? code : `${code} ${side} ${inner.filemark ? 'filemark' : inner.key}`;
}

describe('copy manager against the model', () => {
  it('puts the same bytes in the same places and ends the same way', async () => {
    await fc.assert(
      fc.asyncProperty(scenario, async (given) => {
        const contents = [patterned(DISK_BLOCKS * BLOCK, 1), patterned(DISK_BLOCKS * BLOCK, 2)];
        const objects = given.records.map((length, i) => (length === 0 ? null : patterned(length, 10 + i)));
        const segments = given.segments.map((s, i) =>
          'cat' in s && given.allCat && i < given.segments.length - 1 ? { ...s, cat: true } : s,
        );
        const [a, b, c, d] = given.pads;
        const cscds = [
          disk(0, { pad: a }),
          disk(1, { pad: b, blockLength: BLOCK }),
          tape(0, { pad: c }),
          tape(1, { pad: d }),
        ];
        const copyList = list(cscds, segments, inline);

        const tapes: ModelTape[] = [
          { objects: [], position: 0 },
          { objects: [...objects], position: 0 },
        ];
        const disks = contents.map((content) => ({ bytes: content.slice() }));
        const world = { blockLength: BLOCK, devices: [...disks, ...tapes], warnAtWrite: given.warnAtWrite };
        const expected = runModel(copyList, world);

        const after = warnings(given.warnAtWrite);
        const { stores, media, router } = await mover({
          disks: contents,
          tapes: [{}, {}],
          bufferBytes: given.bufferBytes,
          blockTransferBytesMax: given.blockTransferBytesMax,
          wrap: (unit) => faulty(unit, { after }),
        });
        await putObjects(media[1], objects);
        const outcome = await (await openCopyManager(router.lun('a', 3))).copy(copyList);

        expect(codeOf(outcome)).toBe(expected?.code);
        if (outcome.kind !== 'done') {
          expect(outcome.segment).toBe(expected?.segment);
          expect(outcome.residue !== undefined).toBe((expected?.written ?? 0) > 0);
        }
        expect(await tapeObjects(media[0])).toEqual(tapes[0].objects);
        expect(await tapeObjects(media[1])).toEqual(tapes[1].objects);
        for (const [i, store] of stores.entries()) expect(Buffer.compare(store.content(), disks[i].bytes)).toBe(0);
      }),
      { numRuns: Number(process.env.COPY_RUNS ?? 120) },
    );
  });
});
