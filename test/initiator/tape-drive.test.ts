import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MiB, tapeFile, tapeObject } from '../../src/bytes/units.ts';
import { ScsiError } from '../../src/initiator/scsi-error.ts';
import { openTapeDrive, type TapeDrive } from '../../src/initiator/tape-drive.ts';
import { illegalRequest, type Sense, SenseKey, sense } from '../../src/scsi/common/sense.ts';
import { naaDesignator } from '../../src/scsi/common/vpd.ts';
import { checkCondition, type Execute, good } from '../../src/scsi/execute.ts';
import {
  cutsData,
  type Fault,
  type FaultAction,
  failsWith,
  operation,
  withFaults,
} from '../../src/scsi/wrap/faults.ts';
import { memoryMedium } from '../../src/target/virtual-library/memory-cartridge.ts';
import { changerOver, MapLibrary } from '../support/changers.ts';
import { CARTRIDGE, emptyDrive, loadedDrive } from '../support/drives.ts';
import { hex, send } from '../support/scsi-send.ts';
import { recordOf, TapeModel } from '../support/tape-model.ts';

const every = (code: number, action: FaultAction): Fault => ({ matches: operation(code), occurrence: 'every', action });
const answers = (result: Awaited<ReturnType<Execute>>): FaultAction => ({ kind: 'answer', result });
const unknown = failsWith(illegalRequest(0x20, 0));

/** A drive with 3 records of 100 bytes, a filemark and a record of 50, rewound; faults apply afterwards. */
async function recorded(
  faults: readonly Fault[],
  test: (drive: TapeDrive, plain: TapeDrive) => Promise<void>,
): Promise<void> {
  await using loaded = await loadedDrive({ capacity: 10 * MiB });
  const plain = await openTapeDrive(loaded.execute);
  for (let i = 0; i < 3; i++) await plain.write(recordOf(i, 100));
  await plain.writeFilemarks(1, { immediate: true });
  await plain.write(recordOf(4, 50));
  await plain.rewind();
  await test(await openTapeDrive(withFaults(loaded.execute, faults)), plain);
}

describe('openTapeDrive', () => {
  it('tells who the drive is, and takes the unit attentions that wait', async () => {
    const drive = await openTapeDrive(emptyDrive().forNexus('a'));
    expect([drive.vendor, drive.product, drive.serialNumber]).toEqual(['REELMAP', 'VIRTUAL-TAPE', 'DRV0']);
    expect(drive.designator).toEqual(naaDesignator('test drive'));
    expect(drive.blockLengthMax).toBe(8 * MiB);
    expect(await drive.ready()).toBe(false);
  });

  it('a maximum block length of 0 means what READ(6) can name', async () => {
    const execute = withFaults(emptyDrive().forNexus('a'), [every(0x05, answers(good(hex('000000000001'))))]);
    expect((await openTapeDrive(execute)).blockLengthMax).toBe(0xff_ffff);
  });

  it('refuses what is no tape drive, and answers cut short', async () => {
    await expect(openTapeDrive(changerOver(new MapLibrary(1, [])).forNexus('a'))).rejects.toThrow('is no tape drive');
    const cut = (code: number, length: number): Execute =>
      withFaults(emptyDrive().forNexus('a'), [every(code, cutsData(length))]);
    await expect(openTapeDrive(cut(0x12, 20))).rejects.toThrow('INQUIRY gave 20 bytes');
    await expect(openTapeDrive(cut(0x05, 5))).rejects.toThrow('READ BLOCK LIMITS gave 5 bytes of 6');
  });

  it('refuses designators cut short', async () => {
    const execute = withFaults(emptyDrive().forNexus('a'), [
      { matches: ({ cdb }) => cdb[0] === 0x12 && cdb[2] === 0x83, occurrence: 'every', action: cutsData(12) },
    ]);
    await expect(openTapeDrive(execute)).rejects.toThrow('ends past the page');
  });

  it('refuses a drive that EXTENDED COPY could not name', async () => {
    const execute = withFaults(emptyDrive().forNexus('a'), [
      { matches: ({ cdb }) => cdb[0] === 0x12 && cdb[2] === 0x83, occurrence: 'every', action: unknown },
    ]);
    await expect(openTapeDrive(execute)).rejects.toThrow('no designator (VPD page 83h)');
  });
});

describe('a tape drive in the hands of the client', () => {
  it('reads records, filemarks and end of data as values, into the buffer given', () =>
    recorded([], async (drive) => {
      const into = new Uint8Array(100);
      const first = await drive.read(into);
      expect(first).toEqual({ kind: 'record', length: 100, data: recordOf(0, 100) });
      expect(first.kind === 'record' && first.data.buffer).toBe(into.buffer);
      const small = await drive.read(new Uint8Array(60));
      expect(small).toEqual({ kind: 'record', length: 100, data: recordOf(1, 100).subarray(0, 60) });
      const large = await drive.read(new Uint8Array(4096));
      expect(large).toEqual({ kind: 'record', length: 100, data: recordOf(2, 100) });
      expect(await drive.read(into)).toEqual({ kind: 'filemark' });
      expect(await drive.read(new Uint8Array(50))).toMatchObject({ kind: 'record', length: 50 });
      expect(await drive.read(into)).toEqual({ kind: 'end-of-data' });
      expect(await drive.read(into)).toEqual({ kind: 'end-of-data' });
    }));

  it('agrees with an array of objects whatever is asked', async () => {
    const action = fc.oneof(
      fc.record({ do: fc.constant('write' as const), length: fc.integer({ min: 1, max: 3000 }), seed: fc.nat(999) }),
      fc.record({ do: fc.constant('marks' as const), count: fc.nat(2) }),
      fc.record({ do: fc.constant('read' as const), room: fc.integer({ min: 1, max: 4000 }) }),
      fc.record({ do: fc.constant('locate' as const), object: fc.nat(20) }),
      fc.record({ do: fc.constant('space' as const), count: fc.integer({ min: -4, max: 4 }) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 25 }), async (actions) => {
        await using loaded = await loadedDrive();
        const drive = await openTapeDrive(loaded.execute);
        const model = new TapeModel();
        for (const step of actions) {
          switch (step.do) {
            case 'write':
              model.cut();
              model.objects.push(step);
              model.at++;
              expect(await drive.write(recordOf(step.seed, step.length))).toBe('written');
              break;
            case 'marks':
              if (step.count > 0) model.cut();
              for (let i = 0; i < step.count; i++, model.at++) model.objects.push('mark');
              expect(await drive.writeFilemarks(step.count, { immediate: true })).toBe('written');
              break;
            case 'read': {
              const read = await drive.read(new Uint8Array(step.room));
              const object = model.objects[model.at];
              if (object !== undefined) model.at++;
              if (object === undefined) expect(read).toEqual({ kind: 'end-of-data' });
              else if (object === 'mark') expect(read).toEqual({ kind: 'filemark' });
              else {
                const data = recordOf(object.seed, object.length).subarray(0, step.room);
                expect(read).toEqual({ kind: 'record', length: object.length, data });
              }
              break;
            }
            case 'locate':
              expect(await drive.locate(tapeObject(step.object))).toBe(step.object <= model.objects.length);
              model.at = Math.min(step.object, model.objects.length);
              break;
            case 'space': {
              const outcome = model.space('filemarks', step.count) as { left?: number };
              expect(await drive.spaceFilemarks(step.count)).toBe(outcome.left ?? 0);
            }
          }
          expect(await drive.position()).toMatchObject({ object: model.at, file: model.file });
        }
      }),
      { numRuns: 40 },
    );
  });

  it('writes until early warning, past it, and to the end', async () => {
    await using loaded = await loadedDrive({ capacity: 1000, earlyWarningZone: 500 });
    const drive = await openTapeDrive(loaded.execute);
    const outcomes: string[] = [];
    for (let i = 0; i < 4; i++) outcomes.push(await drive.write(recordOf(i, 300)));
    outcomes.push(await drive.writeFilemarks(1, { immediate: false }));
    expect(outcomes).toEqual(['written', 'early-warning', 'early-warning', 'end-of-medium', 'early-warning']);
    expect(await drive.position()).toMatchObject({ object: 4, file: 1, pastEarlyWarning: true });
  });

  it('sets variable blocks where another host left fixed ones, and again when that happens in between', () =>
    recorded([], async (drive, plain) => {
      const fixed = hex('00001008 0000000000000200');
      await send(plain.execute, '151000000c00', { out: fixed });
      await drive.locateEndOfData();
      expect(await drive.write(recordOf(9, 77))).toBe('written');
      expect((await send(plain.execute, '1a0000000c00', { take: 12 })).data.subarray(9)).toEqual(hex('000000'));
    }));

  it('tells of the medium: capacity, barcode, write protection, write-once', async () => {
    await using loaded = await loadedDrive({ capacity: 10 * MiB, worm: true });
    const drive = await openTapeDrive(loaded.execute);
    expect(await drive.attributes()).toEqual({
      remainingCapacity: 10 * MiB,
      maximumCapacity: 10 * MiB,
      barcode: 'RM0001L9',
      serialNumber: '0001',
    });
    expect(await drive.medium()).toEqual({ writeProtected: false, worm: true });
    await using locked = await loadedDrive({ writeProtected: true });
    const other = await openTapeDrive(locked.execute);
    expect(await other.medium()).toEqual({ writeProtected: true, worm: false });
    await expect(other.write(new Uint8Array(10))).rejects.toThrow('WRITE: the cartridge is write-protected');
    await expect(drive.write(new Uint8Array(9 * MiB))).rejects.toThrow('at most 8388608');
  });

  it('gives the digest of a file that was written since the load, from its own drives alone', async () => {
    const medium = await memoryMedium();
    const sha256 = (file: number): Uint8Array => recordOf(file + 50, 32);
    const digesting = Object.assign(medium, { fileDigest: async (file: number) => sha256(file) });
    await using loaded = await loadedDrive({}, digesting);
    const drive = await openTapeDrive(loaded.execute);
    for (let file = 0; file < 3; file++) {
      await drive.write(recordOf(file, 100));
      await drive.write(recordOf(file + 10, 200));
      await drive.writeFilemarks(1, { immediate: false });
    }
    expect(await drive.fileDigest(tapeFile(1))).toEqual(sha256(1));
    expect(await drive.fileDigest(tapeFile(7))).toBeUndefined();
    const inquiry: FaultAction = {
      kind: 'replace',
      change: (result, { cdb }) => {
        if ('dataIn' in result && (cdb[1] & 1) === 0) result.dataIn.set(Buffer.from('HP      '), 8);
        return result;
      },
    };
    const foreign = await openTapeDrive(withFaults(loaded.execute, [every(0x12, inquiry)]));
    expect(await foreign.fileDigest(tapeFile(1))).toBeUndefined();
  });
});

describe('what older drives lack', () => {
  it('LOCATE(16): LOCATE(10) serves', () =>
    recorded([every(0x92, unknown)], async (drive) => {
      expect(await drive.locate(tapeObject(4))).toBe(true);
      expect(await drive.position()).toMatchObject({ object: 4, file: 1 });
      expect(await drive.locate(tapeObject(9))).toBe(false);
    }));

  it('the long READ POSITION: the short one serves, and filemarks are counted', () =>
    recorded(
      [
        {
          matches: ({ cdb }) => cdb[0] === 0x34 && cdb[1] === 6,
          occurrence: 'every',
          action: failsWith(illegalRequest(0x24, 0)),
        },
      ],
      async (drive) => {
        await drive.locateEndOfData();
        expect(await drive.position()).toEqual({ object: 5, file: 1, atBeginning: false, pastEarlyWarning: false });
        expect(await drive.position()).toMatchObject({ object: 5 });
        await drive.rewind();
        expect(await drive.position()).toMatchObject({ object: 0, file: 0, atBeginning: true });
      },
    ));

  it('READ ATTRIBUTE: the capacity log page serves; without that nothing is known', async () => {
    await recorded([every(0x8c, unknown)], async (drive) => {
      expect(await drive.attributes()).toEqual({ remainingCapacity: 9 * MiB, maximumCapacity: 10 * MiB });
    });
    await recorded([every(0x8c, unknown), every(0x4d, unknown)], async (drive) => {
      expect(await drive.attributes()).toEqual({});
    });
  });

  it('mode page 1Dh: no WORM then', () =>
    recorded(
      [
        {
          matches: ({ cdb }) => cdb[0] === 0x1a && cdb[2] === 0x1d,
          occurrence: 'every',
          action: failsWith(illegalRequest(0x24, 0)),
        },
      ],
      async (drive) => {
        expect(await drive.medium()).toEqual({ writeProtected: false, worm: false });
      },
    ));
});

describe('trouble', () => {
  it('another cartridge in between is an error to every command but ready()', async () => {
    const unit = emptyDrive();
    const media = [await memoryMedium(), await memoryMedium()];
    await unit.load(media[0], CARTRIDGE);
    const drive = await openTapeDrive(unit.forNexus('a'));
    expect(await drive.ready()).toBe(true);
    await drive.write(recordOf(0, 100));
    const swap = async (): Promise<void> => {
      await unit.unload();
      await unit.load(media[1], CARTRIDGE);
    };
    const attempts: (() => Promise<unknown>)[] = [
      () => drive.write(recordOf(1, 100)),
      () => drive.writeFilemarks(1, { immediate: true }),
      () => drive.locate(tapeObject(0)),
      () => drive.position(),
      () => drive.erase(),
    ];
    for (const attempt of attempts) {
      await swap();
      await expect(attempt()).rejects.toThrow('its medium changed in between');
    }
    expect(media[1].end.objects).toBe(0);
    await swap();
    expect(await drive.ready()).toBe(true);
    expect(await drive.write(recordOf(1, 100))).toBe('written');
  });

  it('no cartridge is said in words', async () => {
    const drive = await openTapeDrive(emptyDrive().forNexus('a'));
    await expect(drive.rewind()).rejects.toThrow(
      'REELMAP VIRTUAL-TAPE DRV0: REWIND: there is no cartridge in the drive',
    );
    await expect(drive.read(new Uint8Array(10))).rejects.toBeInstanceOf(ScsiError);
  });

  it('a reservation of another host is said in words', () =>
    recorded([every(0x0a, answers({ status: 'reservation-conflict' }))], async (drive) => {
      await drive.locateEndOfData();
      await expect(drive.write(recordOf(0, 10))).rejects.toThrow(/reserv/);
    }));

  it('a damaged record is a value with its sense, and the next one comes', () => {
    const bad = sense(SenseKey.mediumError, 0x11, 0, { information: 100 });
    const afterIt: FaultAction = { kind: 'replace', change: () => checkCondition(bad) };
    return recorded([{ matches: operation(0x08), occurrence: 2, action: afterIt }], async (drive) => {
      const into = new Uint8Array(100);
      expect(await drive.read(into)).toMatchObject({ kind: 'record' });
      expect(await drive.read(into)).toEqual({ kind: 'damaged', sense: bad });
      expect(await drive.read(into)).toMatchObject({ kind: 'record', data: recordOf(2, 100) });
    });
  });

  it('a deferred error is never taken for the answer of the command that brings it', () => {
    const deferred = sense(SenseKey.mediumError, 0x0c, 0, { deferred: true });
    const faults = [0x08, 0x0a, 0x10, 0x11, 0x92].map((code) => every(code, failsWith(deferred)));
    return recorded(faults, async (drive) => {
      const attempts = [
        () => drive.read(new Uint8Array(10)),
        () => drive.write(new Uint8Array(10)),
        () => drive.writeFilemarks(0, { immediate: false }),
        () => drive.spaceFilemarks(1),
        () => drive.locate(tapeObject(0)),
      ];
      for (const attempt of attempts)
        await expect(attempt()).rejects.toThrow('a write that had been accepted earlier has failed since');
    });
  });

  it('a lost transport is an io error', () =>
    recorded([every(0x08, { kind: 'lost-after' })], async (drive) => {
      await expect(drive.read(new Uint8Array(10))).rejects.toMatchObject({ name: 'FormatError', kind: 'io' });
    }));
});

describe('a drive that talks nonsense is refused', () => {
  const ili = (information?: number): Sense =>
    sense(SenseKey.noSense, 0, 0, { incorrectLength: true, ...(information !== undefined && { information }) });
  const data = new Uint8Array(100);
  const cases: [string, number, FaultAction, (drive: TapeDrive) => Promise<unknown>, string][] = [
    [
      'READ with less than asked and GOOD',
      0x08,
      cutsData(40),
      (d) => d.read(new Uint8Array(100)),
      '40 of 100 bytes came with GOOD',
    ],
    [
      'READ with ILI and no INFORMATION',
      0x08,
      answers(checkCondition(ili(), data)),
      (d) => d.read(new Uint8Array(100)),
      'INFORMATION does not say',
    ],
    [
      'READ with ILI and no difference',
      0x08,
      answers(checkCondition(ili(0), data)),
      (d) => d.read(new Uint8Array(100)),
      'INFORMATION does not say',
    ],
    [
      'READ with ILI and a record of no length',
      0x08,
      answers(checkCondition(ili(100), data)),
      (d) => d.read(new Uint8Array(100)),
      'a record of 0 bytes',
    ],
    [
      'READ with ILI and a record longer than can be',
      0x08,
      answers(checkCondition(ili(-0x1000000), data)),
      (d) => d.read(new Uint8Array(100)),
      'a record of',
    ],
    [
      'READ with ILI and less data than it says',
      0x08,
      answers(checkCondition(ili(50), data.subarray(0, 20))),
      (d) => d.read(new Uint8Array(100)),
      '20 of 50 bytes',
    ],
    [
      'READ with CHECK CONDITION and no sense',
      0x08,
      failsWith(sense(0, 0, 0)),
      (d) => d.read(new Uint8Array(100)),
      'no sense',
    ],
    ['WRITE with CHECK CONDITION and no sense', 0x0a, failsWith(sense(0, 0, 0)), (d) => d.write(data), 'no sense'],
    [
      'WRITE at early warning with bytes left over',
      0x0a,
      failsWith(sense(0, 0, 2, { endOfMedium: true, information: 100 })),
      (d) => d.write(data),
      '100 was not written',
    ],
    [
      'LOCATE with CHECK CONDITION and no sense',
      0x92,
      failsWith(sense(0, 0, 0)),
      (d) => d.locate(tapeObject(1)),
      'no sense',
    ],
    [
      'SPACE at end of data without INFORMATION',
      0x11,
      failsWith(sense(8, 0, 5)),
      (d) => d.spaceFilemarks(3),
      'does not say where',
    ],
    [
      'SPACE with more left than asked',
      0x11,
      failsWith(sense(8, 0, 5, { information: 9 })),
      (d) => d.spaceFilemarks(3),
      '9 of 3 left',
    ],
    [
      'SPACE with CHECK CONDITION and no sense',
      0x11,
      failsWith(sense(0, 0, 0)),
      (d) => d.spaceFilemarks(3),
      'no sense',
    ],
    ['READ POSITION cut short', 0x34, cutsData(20), (d) => d.position(), 'gave 20 bytes of 32'],
    ['READ POSITION that knows nothing', 0x34, answers(good(hex(`04${'00'.repeat(31)}`))), (d) => d.position(), 'LONU'],
    [
      'READ POSITION above 2^53',
      0x34,
      answers(good(hex(`0000000000000000${'ff'.repeat(8)}${'00'.repeat(16)}`))),
      (d) => d.position(),
      'READ POSITION: 64-bit value',
    ],
    [
      'READ POSITION in another partition',
      0x34,
      answers(good(hex(`0000000000000001${'00'.repeat(24)}`))),
      (d) => d.position(),
      'partition 1',
    ],
    ['READ ATTRIBUTE without a header', 0x8c, cutsData(3), (d) => d.attributes(), 'bytes'],
    ['MODE SENSE cut short', 0x1a, cutsData(3), (d) => d.medium(), 'bytes'],
    [
      'LOG SENSE of another page',
      0x4d,
      answers(good(hex('2e000000'))),
      (d) => d.fileDigest(tapeFile(0)),
      'page 2eh came instead',
    ],
  ];
  for (const [title, code, action, attempt, words] of cases) {
    it(title, () =>
      recorded([every(code, action)], async (drive) => {
        const outcome = attempt(drive);
        await expect(outcome).rejects.toMatchObject({ name: 'FormatError' });
        await expect(outcome).rejects.toThrow(words);
      }),
    );
  }

  it('unit attentions without end are given up', () =>
    recorded([], async (_, plain) => {
      let attentions = 0;
      const execute: Execute = (command) => {
        if (command.cdb[0] !== 0x01) return plain.execute(command);
        attentions++;
        return Promise.resolve(checkCondition(sense(SenseKey.unitAttention, 0x2a, 1)));
      };
      const drive = await openTapeDrive(execute);
      await expect(drive.rewind()).rejects.toBeInstanceOf(ScsiError);
      expect(attentions).toBeLessThan(50);
    }));

  it('LOLU in the short form is an error, not object 0', () =>
    recorded(
      [
        { matches: ({ cdb }) => cdb[0] === 0x34 && cdb[1] === 6, occurrence: 'every', action: unknown },
        {
          matches: ({ cdb }) => cdb[0] === 0x34 && cdb[1] === 0,
          occurrence: 'every',
          action: answers(good(hex(`14${'00'.repeat(19)}`))),
        },
      ],
      async (drive) => {
        await expect(drive.position()).rejects.toThrow('the drive does not know where it stands (LOLU)');
      },
    ));
});
