// The copy manager's answers, condition by condition: SPC-4, 5.17.7.3, 5.17.7.4, 6.4, 6.20 to 6.26.
import { describe, expect, it } from 'vitest';
import { fromHex } from '../../src/bytes/random.ts';
import { decodeSense, SenseKey, sense } from '../../src/scsi/common/sense.ts';
import { naaDesignator } from '../../src/scsi/common/vpd.ts';
import type { Cscd, Segment } from '../../src/scsi/copy/list.ts';
import { encodeCopyList, extendedCopyLid1 } from '../../src/scsi/copy/parameter-list.ts';
import {
  decodeCopyStatus,
  decodeFailureDetails,
  decodeOperatingParameters,
  decodeThirdPartyCopyPage,
  receiveCopy,
} from '../../src/scsi/copy/receive.ts';
import { checkCondition, type Execute, good, type ScsiResult } from '../../src/scsi/execute.ts';
import {
  disk,
  faulty,
  list,
  type Mover,
  type MoverOptions,
  mover,
  patterned,
  putObjects,
  tape,
  tapeObjects,
} from '../support/mover.ts';

const BLOCK = 512;
const DISK_BYTES = 64 * BLOCK;
const DISK = patterned(DISK_BYTES, 1);
const world = (more: Partial<MoverOptions> = {}): Promise<Mover> =>
  mover({ disks: [DISK, patterned(DISK_BYTES, 2)], ...more });

async function ready(m: Mover, lun = 0): Promise<Execute> {
  const execute = m.lun(lun);
  await execute({ cdb: new Uint8Array(6) }); // the unit attention of a new nexus
  return execute;
}
async function send(m: Mover, cscds: readonly Cscd[], segments: readonly Segment[], lun = 0): Promise<ScsiResult> {
  const data = encodeCopyList(list(cscds, segments));
  return (await ready(m, lun))({ cdb: extendedCopyLid1(data.length), dataOut: data });
}
function sent(result: ScsiResult) {
  if (result.status !== 'check-condition') throw new Error(`status ${result.status}`);
  return result.sense;
}

const toTape = (blocks: number, more: Partial<Extract<Segment, { type: 'block-to-stream' }>> = {}): Segment => ({
  type: 'block-to-stream',
  cat: false,
  source: 0,
  destination: 1,
  streamTransferLength: 1024,
  blocks,
  lba: 0,
  ...more,
});
const mark = (destination = 1): Segment => ({ type: 'write-filemarks', destination, immediate: true, count: 1 });
const EARLY = sense(SenseKey.noSense, 0x00, 0x02, { endOfMedium: true, information: 0 });

describe('a backup list', () => {
  it('puts extents of the disk on tape as whole records and the rest padded', async () => {
    const m = await world();
    const manager = await m.copyManager();
    const cscds = [disk(0, { blockLength: BLOCK }), tape(0, { pad: true })];
    const segments = [toTape(3, { cat: true, lba: 10 }), toTape(2, { lba: 40 }), mark()];
    expect(await manager.copy(list(cscds, segments))).toEqual({ kind: 'done' });
    const stored = Buffer.concat([
      DISK.subarray(10 * BLOCK, 13 * BLOCK),
      DISK.subarray(40 * BLOCK, 42 * BLOCK),
      Buffer.alloc(BLOCK),
    ]);
    const objects = await tapeObjects(m.media[0]);
    expect(objects.map((o) => o?.length ?? null)).toEqual([1024, 1024, 1024, null]);
    expect(Buffer.compare(Buffer.concat(objects.slice(0, 3).map((o) => o ?? Buffer.alloc(0))), stored)).toBe(0);
  });

  it('goes back to another disk by stream to block, and only there', async () => {
    const m = await world();
    const before = m.stores[1].content();
    await putObjects(m.media[0], [DISK.subarray(0, 1024), DISK.subarray(1024, 2048), null]);
    const back: Segment = {
      type: 'stream-to-block',
      cat: false,
      source: 1,
      destination: 0,
      streamTransferLength: 1024,
      blocks: 4,
      lba: 20,
    };
    expect(await (await m.copyManager()).copy(list([disk(1), tape(0)], [back]))).toEqual({ kind: 'done' });
    const expected = before.slice();
    expected.set(DISK.subarray(0, 2048), 20 * BLOCK);
    expect(Buffer.compare(m.stores[1].content(), expected)).toBe(0);
  });

  it('reads and writes a tape in fixed blocks', async () => {
    const m = await world();
    const setBlock = fromHex('00001008' + '00000000' + '00000200');
    const tapeLun = await ready(m, 3);
    await tapeLun({ cdb: new Uint8Array(6) });
    expect((await tapeLun({ cdb: fromHex('151000000c00'), dataOut: setBlock })).status).toBe('good');
    const fixed = [disk(0), tape(0, { fixed: 512 })];
    expect(await (await m.copyManager()).copy(list(fixed, [toTape(6, { streamTransferLength: 3 }), mark()]))).toEqual({
      kind: 'done',
    });
    expect((await tapeObjects(m.media[0])).map((o) => o?.length ?? null)).toEqual([512, 512, 512, 512, 512, 512, null]);
    await m.media[0].locate(0);
    const back: Segment = {
      type: 'stream-to-block',
      cat: false,
      source: 1,
      destination: 0,
      streamTransferLength: 4,
      blocks: 8,
      lba: 0,
    };
    // Six blocks, then the filemark: what came before it is on the disk, and the copy says why it ended.
    const ended = sent(await send(m, [disk(1), tape(0, { fixed: 512 })], [back]));
    expect(ended).toMatchObject({ key: 0xa, asc: 0x0d, ascq: 0x01, information: 2, copy: { segment: 0 } });
    expect(decodeSense(ended.copy?.source?.sense ?? new Uint8Array(0))).toMatchObject({
      filemark: true,
      information: 2,
    });
    expect(Buffer.compare(m.stores[1].content().subarray(0, 6 * BLOCK), DISK.subarray(0, 6 * BLOCK))).toBe(0);
  });

  it('names the unit that got the command by FFFFh', async () => {
    const m = await world();
    const data = encodeCopyList(list([disk(0)], [toTape(2, { destination: 0xffff })]));
    const tapeLun = await ready(m, 3);
    await tapeLun({ cdb: new Uint8Array(6) });
    expect((await tapeLun({ cdb: extendedCopyLid1(data.length), dataOut: data })).status).toBe('good');
    expect((await tapeObjects(m.media[0])).length).toBe(1);
  });

  it('of length 0 does nothing and is GOOD', async () => {
    const m = await world();
    expect((await (await ready(m))({ cdb: extendedCopyLid1(0) })).status).toBe('good');
  });

  it('that does not come whole is refused, 1Ah/00h', async () => {
    const m = await world();
    const data = encodeCopyList(list([disk(0), tape(0)], [toTape(2)]));
    const short = await (await ready(m))({ cdb: extendedCopyLid1(data.length), dataOut: data.subarray(0, 50) });
    expect(sent(short)).toMatchObject({ key: 5, asc: 0x1a, ascq: 0x00 });
    expect(await tapeObjects(m.media[0])).toEqual([]);
  });
});

describe('residue', () => {
  it('never goes from one command to the next', async () => {
    const m = await world();
    const manager = await m.copyManager();
    const cscds = [disk(0), tape(0)];
    expect(await manager.copy(list(cscds, [toTape(3, { cat: true })]))).toEqual({ kind: 'done' });
    expect(await manager.copy(list(cscds, [toTape(2, { lba: 8 })]))).toEqual({ kind: 'done' });
    const [first, second] = await tapeObjects(m.media[0]);
    expect(Buffer.compare(first ?? Buffer.alloc(0), DISK.subarray(0, 1024))).toBe(0);
    expect(Buffer.compare(second ?? Buffer.alloc(0), DISK.subarray(8 * BLOCK, 10 * BLOCK))).toBe(0);
  });

  it('at the end of a list with CAT=0 and no PAD is 26h/0Ah, and all whole records are on tape', async () => {
    const m = await world();
    const ended = sent(await send(m, [disk(0), tape(0)], [toTape(3)]));
    expect(ended).toMatchObject({ key: 0xa, asc: 0x26, ascq: 0x0a, information: 0, copy: { segment: 0 } });
    expect((await tapeObjects(m.media[0])).length).toBe(1);
  });

  it('survives a filemark, which does not flush it', async () => {
    const m = await world();
    const segments = [toTape(3, { cat: true }), mark(), toTape(1, { lba: 3 })];
    expect(await (await m.copyManager()).copy(list([disk(0), tape(0)], segments))).toEqual({ kind: 'done' });
    const objects = await tapeObjects(m.media[0]);
    expect(objects.map((o) => o?.length ?? null)).toEqual([1024, null, 1024]);
    expect(Buffer.compare(objects[2] ?? Buffer.alloc(0), DISK.subarray(1024, 2048))).toBe(0);
  });

  it('is discarded by 06h of no bytes with PAD in the source, and written by 04h of no bytes with PAD in the destination', async () => {
    const discard: Segment = {
      type: 'stream-to-discard',
      cat: false,
      source: 1,
      streamTransferLength: 1024,
      byteCount: 0,
    };
    const flush: Segment = {
      type: 'inline-to-stream',
      cat: false,
      destination: 1,
      streamTransferLength: 1024,
      inlineOffset: 0,
      byteCount: 0,
    };
    for (const [last, records] of [
      [discard, 1],
      [flush, 2],
    ] as const) {
      const m = await world();
      const outcome = await (await m.copyManager()).copy(
        list([disk(0), tape(0, { pad: true })], [toTape(3, { cat: true }), last]),
      );
      expect(outcome).toEqual({ kind: 'done' });
      expect((await tapeObjects(m.media[0])).length).toBe(records);
    }
  });
});

describe('early warning and end of medium', () => {
  it('in the middle of a copy: the record counts, the copy ends with 0Dh/01h, the residue is exact', async () => {
    // 8 records of 1024; the zone begins after 4.
    const m = await world({ tapes: [{ capacity: 8192, earlyWarningZone: 4096 }] });
    const outcome = await (await m.copyManager()).copy(list([disk(0), tape(0)], [toTape(6), toTape(10, { lba: 6 })]));
    expect(outcome.kind).toBe('early-warning');
    const objects = await tapeObjects(m.media[0]);
    const after = objects.length - 3;
    expect(outcome).toMatchObject({
      segment: 1,
      residue: 5 * 1024 - after * 1024,
      sense: { key: 0, endOfMedium: true, asc: 0x00, ascq: 0x02 },
    });
    expect(
      Buffer.compare(Buffer.concat(objects.map((o) => o ?? Buffer.alloc(0))), DISK.subarray(0, objects.length * 1024)),
    ).toBe(0);
  });

  it('at the very last record of the list: told too, with residue 0', async () => {
    const m = await world({
      wrap: (unit) => faulty(unit, { after: (c, r) => (c.cdb[0] === 0x0a ? checkCondition(EARLY) : r) }),
    });
    const outcome = await (await m.copyManager()).copy(list([disk(0), tape(0)], [toTape(2)]));
    expect(outcome).toMatchObject({ kind: 'early-warning', segment: 0, residue: 0 });
  });

  it('at a filemark: it is written, no data has a residue', async () => {
    const m = await world({
      wrap: (unit) => faulty(unit, { after: (c, r) => (c.cdb[0] === 0x10 ? checkCondition(EARLY) : r) }),
    });
    const outcome = await (await m.copyManager()).copy(list([disk(0), tape(0)], [toTape(2), mark(), toTape(2)]));
    expect(outcome).toMatchObject({ kind: 'early-warning', segment: 1, residue: undefined });
    expect((await tapeObjects(m.media[0])).map((o) => o?.length ?? null)).toEqual([1024, null]);
  });

  it('at the physical end the record is not written', async () => {
    const m = await world({ tapes: [{ capacity: 4096, earlyWarningZone: 0 }] });
    const outcome = await (await m.copyManager()).copy(list([disk(0), tape(0)], [toTape(16)]));
    const objects = await tapeObjects(m.media[0]);
    expect(outcome).toMatchObject({ kind: 'end-of-medium', segment: 0, residue: 8192 - objects.length * 1024 });
    expect(objects.length).toBeGreaterThan(2);
  });
});

describe('a copy that ends early says which segment, which device and how much is missing', () => {
  it('a CSCD id that is not in the list: 08h/04h, after the segments before it', async () => {
    const m = await world();
    expect(sent(await send(m, [disk(0), tape(0)], [toTape(2), toTape(2, { destination: 2 })]))).toMatchObject({
      key: 0xa,
      asc: 0x08,
      ascq: 0x04,
      copy: { segment: 1 },
    });
    expect((await tapeObjects(m.media[0])).length).toBe(1);
  });

  it('a designator of no unit here: 08h/04h, pointing at its descriptor', async () => {
    const m = await world();
    const stranger = { ...tape(0), designator: naaDesignator('nobody') };
    expect(sent(await send(m, [disk(0), stranger], [toTape(2)]))).toMatchObject({
      asc: 0x08,
      ascq: 0x04,
      fieldPointer: { in: 'data', byte: 48 },
    });
  });

  it('a designator that differs in its code set is not the same', async () => {
    const m = await world();
    const other = { ...tape(0), designator: { ...tape(0).designator, codeSet: 2 } };
    expect(sent(await send(m, [disk(0), other], [toTape(2)]))).toMatchObject({ asc: 0x08, ascq: 0x04 });
  });

  it('a unit that does not answer INQUIRY: 0Dh/02h', async () => {
    const m = await world({
      wrap: (unit, name) =>
        faulty(
          unit,
          name === 'tape 0'
            ? { before: (c) => (c.cdb[0] === 0x12 && c.cdb[1] === 0 ? { status: 'task-aborted' } : undefined) }
            : {},
        ),
    });
    expect(sent(await send(m, [disk(0), tape(0)], [toTape(2)]))).toMatchObject({
      asc: 0x0d,
      ascq: 0x02,
      fieldPointer: { byte: 48 },
    });
  });

  it('a unit of another device type than the descriptor says: 0Dh/03h', async () => {
    const m = await world();
    const wrong: Cscd = { ...disk(1), kind: 'stream', fixedBlockLength: 0 };
    expect(sent(await send(m, [disk(0), wrong], [toTape(2)]))).toMatchObject({
      asc: 0x0d,
      ascq: 0x03,
      copy: { segment: 0 },
    });
  });

  it('a source that fails: 0Dh/01h with its own sense, and the residue of what had been written', async () => {
    const broken = sense(SenseKey.mediumError, 0x11, 0x00, { information: 4 });
    const m = await world({
      bufferBytes: 4096,
      blockTransferBytesMax: 2048,
      wrap: (unit, name) =>
        faulty(
          unit,
          name === 'disk 0'
            ? { before: (c) => (c.cdb[0] === 0x88 && c.cdb[9] === 4 ? checkCondition(broken) : undefined) }
            : {},
        ),
    });
    // Reads of 2048 bytes; the second one fails: two records of 1024 are on tape.
    const ended = sent(await send(m, [disk(0), tape(0)], [toTape(8)]));
    expect(ended).toMatchObject({
      key: 0xa,
      asc: 0x0d,
      ascq: 0x01,
      information: 2048,
      fieldPointer: { in: 'data', byte: 16 },
    });
    expect(ended.copy?.source?.status).toBe(2);
    expect(decodeSense(ended.copy?.source?.sense ?? new Uint8Array(0))).toEqual(broken);
    expect(ended.copy?.destination).toBeUndefined();
    expect((await tapeObjects(m.media[0])).length).toBe(2);
  });

  it('has no residue when nothing of the segment was written', async () => {
    const m = await world({
      wrap: (unit, name) =>
        faulty(
          unit,
          name === 'disk 0'
            ? { before: (c) => (c.cdb[0] === 0x88 ? checkCondition(sense(4, 0x44, 0)) : undefined) }
            : {},
        ),
    });
    expect(sent(await send(m, [disk(0), tape(0)], [toTape(8)])).information).toBeUndefined();
  });

  it('a destination disk that fails, written behind: its segment, residue in blocks', async () => {
    const full = sense(SenseKey.mediumError, 0x0c, 0x00);
    const m = await world({
      bufferBytes: 4096,
      blockTransferBytesMax: 1024,
      wrap: (unit, name) =>
        faulty(
          unit,
          name === 'disk 1'
            ? { before: (c) => (c.cdb[0] === 0x8a && c.cdb[9] === 4 ? checkCondition(full) : undefined) }
            : {},
        ),
    });
    const segments: Segment[] = [0, 8].map((lba) => ({
      type: 'block-to-block',
      cat: false,
      dc: false,
      source: 0,
      destination: 1,
      blocks: 8,
      sourceLba: lba,
      destinationLba: lba,
    }));
    const ended = sent(await send(m, [disk(0), disk(1)], segments));
    expect(ended).toMatchObject({
      asc: 0x0d,
      ascq: 0x01,
      information: 4,
      copy: { segment: 0, destination: { status: 2 } },
    });
  });

  it('a device that stays busy: its status without sense', async () => {
    const m = await world({
      wrap: (unit, name) =>
        faulty(
          unit,
          name === 'tape 0'
            ? { before: (c) => (c.cdb[0] === 0x0a ? { status: 'reservation-conflict' } : undefined) }
            : {},
        ),
    });
    expect(sent(await send(m, [disk(0), tape(0)], [toTape(2)]))).toMatchObject({
      asc: 0x0d,
      ascq: 0x01,
      copy: { destination: { status: 0x18 } },
    });
  });

  it('GOOD with too little data: 0Dh/04h', async () => {
    const m = await world({
      wrap: (unit, name) =>
        faulty(
          unit,
          name === 'disk 0'
            ? { after: (c, r) => (c.cdb[0] === 0x88 && r.status === 'good' ? good(r.dataIn.subarray(0, 100), 412) : r) }
            : {},
        ),
    });
    expect(sent(await send(m, [disk(0), tape(0)], [toTape(2)]))).toMatchObject({ asc: 0x0d, ascq: 0x04 });
  });

  it('a tape reset in between is not written over: 0Dh/01h with the unit attention', async () => {
    let writes = 0;
    const reset = sense(SenseKey.unitAttention, 0x29, 0x00);
    const m = await world({
      wrap: (unit, name) =>
        faulty(
          unit,
          name === 'tape 0'
            ? { before: (c) => (c.cdb[0] === 0x0a && ++writes === 2 ? checkCondition(reset) : undefined) }
            : {},
        ),
    });
    const ended = sent(await send(m, [disk(0), tape(0)], [toTape(8)]));
    expect(decodeSense(ended.copy?.destination?.sense ?? new Uint8Array(0))).toEqual(reset);
    expect((await tapeObjects(m.media[0])).length).toBe(1);
  });

  it('short records of a source are taken as they are; a filemark or the end of data ends the copy', async () => {
    for (const [objects, key] of [
      [[patterned(300, 7), patterned(212, 8), null], 0],
      [[patterned(300, 7), patterned(212, 8)], 8],
    ] as const) {
      const m = await world();
      await putObjects(m.media[0], objects);
      const back: Segment = {
        type: 'stream-to-block',
        cat: false,
        source: 1,
        destination: 0,
        streamTransferLength: 1024,
        blocks: 3,
        lba: 5,
      };
      const ended = sent(await send(m, [disk(1), tape(0)], [back]));
      expect(ended).toMatchObject({ asc: 0x0d, ascq: 0x01, information: 2, fieldPointer: { byte: 48 } });
      expect(decodeSense(ended.copy?.source?.sense ?? new Uint8Array(0))?.key).toBe(key);
      const expected = Buffer.concat([patterned(300, 7), patterned(212, 8)]);
      expect(Buffer.compare(m.stores[1].content().subarray(5 * BLOCK, 6 * BLOCK), expected)).toBe(0);
    }
  });

  it('a record longer than the transfer is not cut: 0Dh/01h with ILI', async () => {
    const m = await world();
    await putObjects(m.media[0], [patterned(2048, 7)]);
    const back: Segment = {
      type: 'stream-to-block',
      cat: false,
      source: 1,
      destination: 0,
      streamTransferLength: 1024,
      blocks: 2,
      lba: 5,
    };
    const ended = sent(await send(m, [disk(1), tape(0)], [back]));
    expect(decodeSense(ended.copy?.source?.sense ?? new Uint8Array(0))).toMatchObject({
      incorrectLength: true,
      information: -1024,
    });
  });

  it.each<[string, Segment, number, number]>([
    ['a range beyond the end of the disk', toTape(2, { lba: 63 }), 0x08, 0x04],
    ['an address beyond 2^53', toTape(2, { lba: Number.MAX_SAFE_INTEGER }), 0x08, 0x04],
    ['a tape as block source', toTape(2, { source: 1 }), 0x26, 0x0c],
    ['a filemark on a disk', mark(0), 0x26, 0x0c],
    ['a locate on a disk', { type: 'locate', destination: 0, object: 0 }, 0x26, 0x0c],
    [
      'more inline bytes than there are',
      { type: 'inline-to-stream', cat: false, destination: 1, streamTransferLength: 4, inlineOffset: 0, byteCount: 4 },
      0x26,
      0x0b,
    ],
  ])('%s', async (_words, segment, asc, ascq) => {
    const m = await world();
    expect(sent(await send(m, [disk(0), tape(0)], [segment]))).toMatchObject({
      key: 0xa,
      asc,
      ascq,
      copy: { segment: 0 },
    });
  });

  it('a block length other than the disk has: 26h/00h at the field', async () => {
    const m = await world();
    expect(sent(await send(m, [disk(0, { blockLength: 4096 }), tape(0)], [toTape(2)]))).toMatchObject({
      asc: 0x26,
      ascq: 0x00,
      fieldPointer: { in: 'data', byte: 45 },
    });
  });

  it('a segment longer than admitted: 26h/00h at its count', async () => {
    const m = await world({ parameters: { segmentBytesMax: 1024 } });
    expect(sent(await send(m, [disk(0), tape(0)], [toTape(2), toTape(4)]))).toMatchObject({
      asc: 0x26,
      ascq: 0x00,
      fieldPointer: { in: 'segment', byte: 14 },
      copy: { segment: 1 },
    });
  });

  it('LOCATE beyond end of data', async () => {
    const m = await world();
    const ended = sent(await send(m, [disk(0), tape(0)], [{ type: 'locate', destination: 1, object: 9 }]));
    expect(decodeSense(ended.copy?.destination?.sense ?? new Uint8Array(0))?.key).toBe(SenseKey.blankCheck);
  });
});

describe('limits', () => {
  it('are those that RECEIVE COPY OPERATING PARAMETERS states', async () => {
    const m = await world({
      parameters: { cscdsMax: 2, segmentsMax: 1, descriptorListBytesMax: 200, inlineBytesMax: 0 },
    });
    const { limits, copy } = await m.copyManager();
    expect(limits).toMatchObject({ cscdsMax: 2, segmentsMax: 1, inlineBytesMax: 0 });
    await expect(copy(list([disk(0), tape(0)], [toTape(2), toTape(2)]))).rejects.toThrow(
      /too many segment descriptors/,
    );
    await expect(copy(list([disk(0), disk(1), tape(0)], [toTape(2, { destination: 2 })]))).rejects.toThrow(
      /too many target descriptors/,
    );
    await expect(
      copy(list([disk(0), tape(0)], [toTape(2), toTape(2), toTape(2), toTape(2), toTape(2), toTape(2)])),
    ).rejects.toThrow(/parameter list length/);
    expect(await copy(list([disk(0), tape(0)], [toTape(2)]))).toEqual({ kind: 'done' });
  });

  it('stream to stream is offered by tape units alone', async () => {
    const m = await world();
    expect((await m.copyManager(0)).limits.descriptorTypes).not.toContain(0x03);
    expect((await m.copyManager(1)).limits.descriptorTypes).not.toContain(0x03);
    expect((await m.copyManager(3)).limits.descriptorTypes).toContain(0x03);
  });

  it('VPD page 8Fh of each unit tells the same as RECEIVE COPY', async () => {
    const m = await world();
    for (const lun of [0, 1, 3]) {
      const execute = await ready(m, lun);
      const page = await execute({ cdb: fromHex('12018f020000'), dataInLength: 512 });
      const answer = await execute({ cdb: receiveCopy(3, 512), dataInLength: 512 });
      if (page.status !== 'good' || answer.status !== 'good') throw new Error('refused');
      const types = decodeThirdPartyCopyPage(page.dataIn.subarray(4)).get(8) ?? new Uint8Array(0);
      expect([...types.subarray(1, 1 + types[0])]).toEqual(decodeOperatingParameters(answer.dataIn).descriptorTypes);
    }
  });
});

describe('status', () => {
  const status = async (execute: Execute, id: number) => {
    const result = await execute({ cdb: receiveCopy(0, 64, id), dataInLength: 64 });
    return result.status === 'good' ? decodeCopyStatus(result.dataIn) : sent(result);
  };
  const details = async (execute: Execute, id: number) => {
    const result = await execute({ cdb: receiveCopy(4, 512, id), dataInLength: 512 });
    if (result.status !== 'good') throw new Error('refused');
    return decodeFailureDetails(result.dataIn);
  };

  it('of an ended copy is told once; an unknown identifier is 24h/00h', async () => {
    const m = await world();
    const execute = await ready(m);
    expect(await status(execute, 1)).toMatchObject({ key: 5, asc: 0x24 });
    await send(m, [disk(0), tape(0)], [toTape(4), mark()]);
    expect(await status(execute, 1)).toEqual({ status: 1, segmentsProcessed: 2, bytes: 2048 });
    expect(await status(execute, 1)).toMatchObject({ key: 5, asc: 0x24 });
  });

  it('of a failed copy has details: status and the sense that the copy ended with', async () => {
    const m = await world();
    const execute = await ready(m);
    const ended = sent(await send(m, [disk(0), tape(0)], [toTape(4), toTape(3)]));
    expect(await status(execute, 1)).toEqual({ status: 2, segmentsProcessed: 1, bytes: 3072 });
    const told = await details(execute, 1);
    expect(told?.status).toBe(2);
    expect(decodeSense(told?.sense ?? new Uint8Array(0))).toEqual(ended);
    expect(await details(execute, 1)).toBeUndefined();
  });

  it('is each nexus its own', async () => {
    const m = await world();
    await send(m, [disk(0), tape(0)], [toTape(4)]);
    const other = m.router.lun('b', 0);
    await other({ cdb: new Uint8Array(6) });
    expect(await status(other, 1)).toMatchObject({ key: 5, asc: 0x24 });
  });

  it('can be asked while the copy runs, and the same identifier is refused until it ends', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const m = await world({ parameters: { totalConcurrentCopies: 1 } });
    const manager = m.router.copyManager;
    const execute = await ready(m);
    const unit = m.units[2];
    const slow = unit.forNexus('copy-manager');
    unit.forNexus = (nexus, additions) =>
      nexus === 'copy-manager'
        ? async (command, signal) => {
            if (command.cdb[0] === 0x10) await held;
            return slow(command, signal);
          }
        : Object.getPrototypeOf(unit).forNexus.call(unit, nexus, additions);
    const running = send(m, [disk(0), tape(0)], [toTape(4), mark()]);
    while (manager.copies === 0) await new Promise(setImmediate);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await status(execute, 1)).toEqual({ status: 0, segmentsProcessed: 1, bytes: 2048 });
    const data = encodeCopyList(list([disk(0), tape(0)], [toTape(2)]));
    expect(sent(await execute({ cdb: extendedCopyLid1(data.length), dataOut: data }))).toMatchObject({
      key: 5,
      asc: 0x00,
      ascq: 0x16,
    });
    data[0] = 2;
    expect((await execute({ cdb: extendedCopyLid1(data.length), dataOut: data })).status).toBe('task-set-full');
    release();
    expect((await running).status).toBe('good');
    expect(manager.copies).toBe(0);
  });
});

describe('an abort', () => {
  it('stops between records: TASK ABORTED, whole records on tape', async () => {
    const stop = new AbortController();
    let writes = 0;
    const m = await world({
      wrap: (unit) =>
        faulty(unit, {
          after: (c, r) => {
            if (c.cdb[0] === 0x0a && ++writes === 3) stop.abort();
            return r;
          },
        }),
    });
    const manager = await m.copyManager();
    await expect(manager.copy(list([disk(0), tape(0)], [toTape(32)]), stop.signal)).rejects.toThrow(/abort/i);
    expect((await tapeObjects(m.media[0])).length).toBe(3);
    expect(await manager.copy(list([disk(0), tape(0)], [toTape(2)]))).toEqual({ kind: 'done' });
  });
});
