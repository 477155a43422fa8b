// What every tape drive behind an `Execute` must do: SSC-4 in raw commands. Runs over a device server, a session or a drive.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Execute } from '../../src/scsi/execute.ts';
import { hex, type Sent, send, takeAttentions } from '../support/scsi-send.ts';
import { type ModelObject, recordOf, TapeModel } from '../support/tape-model.ts';

export interface DriveUnderTest {
  /** Bytes of record data. */
  readonly capacity?: number;
  readonly earlyWarningZone?: number;
  readonly worm?: boolean;
  readonly writeProtected?: boolean;
}

export interface OpenedDrive extends AsyncDisposable {
  readonly execute: Execute;
}

const REWIND = '010000000000';
const LONG_POSITION = '34060000000000000000';
const be = (n: number, width: number): string => n.toString(16).padStart(width * 2, '0');
const read = (length: number, flags = 0): string => `08${be(flags, 1)}${be(length, 3)}00`;
const write = (length: number, flags = 0): string => `0a${be(flags, 1)}${be(length, 3)}00`;
const filemarks = (count: number, immediate = false): string => `10${immediate ? '01' : '00'}${be(count, 3)}00`;
const space = (code: number, count: number): string =>
  `11${be(code, 1)}${be(count < 0 ? count + 0x1000000 : count, 3)}00`;
const locate = (object: number): string => `920000000000${be(object, 6)}00000000`;
const modeSelect = '150000000c00';
const blockDescriptor = (blockLength: number): Uint8Array => hex(`00001008 00000000 00${be(blockLength, 3)}`);

/** Runs the suite. `open` makes a drive with a blank cartridge, or `undefined` where such a one cannot be had. */
export function describeTapeDrive(
  title: string,
  open: (options: DriveUnderTest) => Promise<OpenedDrive | undefined>,
  runs = 60,
): void {
  /** A drive with these objects on its tape, rewound, no unit attention waiting. */
  async function onTape(
    objects: readonly (number | 'mark')[],
    test: (execute: Execute) => Promise<void>,
    options: DriveUnderTest = {},
  ): Promise<void> {
    const opened = await open(options);
    if (opened === undefined) return;
    await using drive = opened;
    await takeAttentions(drive.execute);
    for (const [i, object] of objects.entries()) {
      const sent =
        object === 'mark'
          ? await send(drive.execute, filemarks(1, true))
          : await send(drive.execute, write(object), { out: recordOf(i, object) });
      expect(sent.status).toBe('good');
    }
    await send(drive.execute, REWIND);
    await test(drive.execute);
  }

  async function position(execute: Execute): Promise<{ object: number; file: number; bop: boolean; eop: boolean }> {
    const { data } = await send(execute, LONG_POSITION, { take: 32 });
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    return {
      object: Number(view.getBigUint64(8)),
      file: Number(view.getBigUint64(16)),
      bop: (data[0] & 0x80) !== 0,
      eop: (data[0] & 0x40) !== 0,
    };
  }

  const at = async (execute: Execute): Promise<number> => (await position(execute)).object;

  describe(`${title} is a tape drive`, () => {
    describe('READ of a variable block', () => {
      it('of the length asked is GOOD and whole', () =>
        onTape([3000], async (execute) => {
          const sent = await send(execute, read(3000), { take: 3000 });
          expect([sent.status, sent.residual]).toEqual(['good', 0]);
          expect(sent.data).toEqual(recordOf(0, 3000));
        }));

      it('shorter than asked: ILI, INFORMATION asked less actual, the data, behind the block', () =>
        onTape([1000, 10], async (execute) => {
          const sent = await send(execute, read(1500), { take: 1500 });
          expect([sent.code, sent.information, sent.residual]).toEqual(['0h/00/00 ILI', 500, 500]);
          expect(sent.senseBytes).toBe(`f00020000001f40a000000000000000000${'00'}`);
          expect(sent.data).toEqual(recordOf(0, 1000));
          expect(await at(execute)).toBe(1);
        }));

      it('shorter than asked with SILI is GOOD with a short residual', () =>
        onTape([1000], async (execute) => {
          const sent = await send(execute, read(1500, 2), { take: 1500 });
          expect([sent.status, sent.residual]).toEqual(['good', 500]);
          expect(sent.data).toEqual(recordOf(0, 1000));
        }));

      it('longer than asked: ILI, INFORMATION negative, as much as asked, behind the block', () =>
        onTape([1000, 10], async (execute) => {
          const sent = await send(execute, read(600), { take: 600 });
          expect([sent.code, sent.information, sent.residual]).toEqual(['0h/00/00 ILI', -400, 0]);
          expect(sent.senseBytes).toBe('f00020fffffe700a00000000000000000000');
          expect(sent.data).toEqual(recordOf(0, 1000).subarray(0, 600));
          expect(await at(execute)).toBe(1);
        }));

      it('longer than asked with SILI is GOOD while blocks are variable, ILI when the mode has a block length', () =>
        onTape([1000, 1000], async (execute) => {
          expect((await send(execute, read(600, 2), { take: 600 })).status).toBe('good');
          await send(execute, modeSelect, { out: blockDescriptor(512) });
          const sent = await send(execute, read(600, 2), { take: 600 });
          expect([sent.code, sent.information]).toEqual(['0h/00/00 ILI', -400]);
          await send(execute, modeSelect, { out: blockDescriptor(0) });
        }));

      it('at a filemark: FM, the whole length as INFORMATION, no data, behind the mark', () =>
        onTape(['mark', 10], async (execute) => {
          const sent = await send(execute, read(700), { take: 700 });
          expect([sent.code, sent.information, sent.data.length, sent.residual]).toEqual(['0h/00/01 FM', 700, 0, 700]);
          expect(sent.senseBytes).toBe('f00080000002bc0a00000000000100000000');
          expect(await position(execute)).toMatchObject({ object: 1, file: 1 });
        }));

      it('at end of data: BLANK CHECK, the residue, still at end of data', () =>
        onTape([10], async (execute) => {
          await send(execute, space(3, 0));
          const sent = await send(execute, read(700), { take: 700 });
          expect([sent.code, sent.information, sent.residual]).toEqual(['8h/00/05', 700, 700]);
          expect(sent.senseBytes).toBe('f00008000002bc0a00000000000500000000');
          expect(await at(execute)).toBe(1);
        }));

      it('of no bytes moves nothing', () =>
        onTape([10], async (execute) => {
          expect((await send(execute, read(0))).status).toBe('good');
          expect(await at(execute)).toBe(0);
        }));
    });

    describe('READ of fixed blocks', () => {
      const fixed = (objects: readonly (number | 'mark')[], test: (execute: Execute) => Promise<void>): Promise<void> =>
        onTape(objects, async (execute) => {
          expect((await send(execute, modeSelect, { out: blockDescriptor(512) })).status).toBe('good');
          await test(execute);
          await send(execute, modeSelect, { out: blockDescriptor(0) });
        });

      it('gives the blocks one after the other', () =>
        fixed([512, 512, 512], async (execute) => {
          const sent = await send(execute, read(3, 1), { take: 1536 });
          expect(sent.status).toBe('good');
          expect(sent.data).toEqual(new Uint8Array(Buffer.concat([0, 1, 2].map((i) => recordOf(i, 512)))));
        }));

      for (const wrong of [100, 900]) {
        it(`at a block of ${wrong} bytes: ILI, INFORMATION blocks not read with that one, behind it`, () =>
          fixed([512, wrong, 512], async (execute) => {
            const sent = await send(execute, read(3, 1), { take: 1536 });
            expect([sent.code, sent.information, sent.data.length]).toEqual(['0h/00/00 ILI', 2, 512]);
            expect(await at(execute)).toBe(2);
          }));
      }

      it('at a filemark: FM, INFORMATION blocks left', () =>
        fixed([512, 'mark', 512], async (execute) => {
          const sent = await send(execute, read(5, 1), { take: 2560 });
          expect([sent.code, sent.information, sent.residual]).toEqual(['0h/00/01 FM', 4, 2048]);
          expect(await at(execute)).toBe(2);
        }));

      it('at end of data: BLANK CHECK, INFORMATION blocks left', () =>
        fixed([512, 512], async (execute) => {
          const sent = await send(execute, read(5, 1), { take: 2560 });
          expect([sent.code, sent.information]).toEqual(['8h/00/05', 3]);
          expect(sent.data).toEqual(new Uint8Array(Buffer.concat([0, 1].map((i) => recordOf(i, 512)))));
        }));

      it('is refused with SILI, and without a block length', () =>
        fixed([512], async (execute) => {
          expect((await send(execute, read(1, 3), { take: 512 })).code).toBe('5h/24/00');
          await send(execute, modeSelect, { out: blockDescriptor(0) });
          expect((await send(execute, read(1, 1), { take: 512 })).code).toBe('5h/24/00');
          expect((await send(execute, write(1, 1), { out: new Uint8Array(512) })).code).toBe('5h/24/00');
        }));

      it('WRITE of fixed blocks makes records of that length', () =>
        fixed([], async (execute) => {
          const data = recordOf(9, 1536);
          expect((await send(execute, write(3, 1), { out: data })).status).toBe('good');
          await send(execute, REWIND);
          await send(execute, modeSelect, { out: blockDescriptor(0) });
          for (let i = 0; i < 3; i++)
            expect((await send(execute, read(512), { take: 512 })).data).toEqual(data.subarray(i * 512, i * 512 + 512));
        }));
    });

    describe('SPACE', () => {
      it('over records stops behind a filemark: FM, INFORMATION left', () =>
        onTape([10, 20, 'mark', 30], async (execute) => {
          const sent = await send(execute, space(0, 5));
          expect([sent.code, sent.information]).toEqual(['0h/00/01 FM', 3]);
          expect(await at(execute)).toBe(3);
        }));

      it('over records backward stops before the filemark', () =>
        onTape([10, 'mark', 30, 40], async (execute) => {
          await send(execute, space(3, 0));
          const sent = await send(execute, space(0, -4));
          expect([sent.code, sent.information]).toEqual(['0h/00/01 FM', 2]);
          expect(await at(execute)).toBe(1);
        }));

      it('at end of data: BLANK CHECK, INFORMATION requested less done', () =>
        onTape([10, 'mark', 20, 'mark'], async (execute) => {
          const sent = await send(execute, space(1, 0x7fffff));
          expect([sent.code, sent.information]).toEqual(['8h/00/05', 0x7fffff - 2]);
          expect(await position(execute)).toMatchObject({ object: 4, file: 2 });
          expect((await send(execute, space(0, 1))).code).toBe('8h/00/05');
        }));

      it('at the beginning: EOM, no sense, 00/04, INFORMATION left', () =>
        onTape([10, 'mark'], async (execute) => {
          await send(execute, space(3, 0));
          const sent = await send(execute, space(1, -3));
          expect([sent.code, sent.information]).toEqual(['0h/00/04 EOM', 2]);
          expect(await position(execute)).toMatchObject({ object: 0, bop: true });
        }));

      it('over filemarks stands behind the last forward, before it backward', () =>
        onTape([10, 'mark', 20, 'mark', 30], async (execute) => {
          expect((await send(execute, space(1, 2))).status).toBe('good');
          expect(await at(execute)).toBe(4);
          expect((await send(execute, space(1, -1))).status).toBe('good');
          expect(await at(execute)).toBe(3);
        }));

      it('of 16 bytes does the same', () =>
        onTape([10, 'mark', 20], async (execute) => {
          expect((await send(execute, `91010000 0000000000000001 00000000`)).status).toBe('good');
          expect(await at(execute)).toBe(2);
          const back = await send(execute, `91010000 fffffffffffffffe 00000000`);
          expect([back.code, back.information]).toEqual(['0h/00/04 EOM', 1]);
        }));

      it('by sequential filemarks is refused', () =>
        onTape([], async (execute) => {
          expect((await send(execute, space(2, 1))).code).toBe('5h/24/00');
        }));
    });

    describe('LOCATE', () => {
      it('finds objects, files and end of data', () =>
        onTape([10, 'mark', 20, 'mark', 30], async (execute) => {
          expect((await send(execute, locate(2))).status).toBe('good');
          expect((await send(execute, read(20), { take: 20 })).data).toEqual(recordOf(2, 20));
          expect((await send(execute, '92080000 0000000000000002 00000000')).status).toBe('good');
          expect(await position(execute)).toMatchObject({ object: 4, file: 2 });
          expect((await send(execute, '92180000 0000000000000000 00000000')).status).toBe('good');
          expect(await at(execute)).toBe(5);
          expect((await send(execute, '2b000000000002000000')).status).toBe('good');
          expect(await at(execute)).toBe(2);
          expect((await send(execute, '2b040000000004000000')).status).toBe('good');
          expect(await at(execute)).toBe(4);
        }));

      it('beyond end of data: BLANK CHECK, at end of data', () =>
        onTape([10, 20], async (execute) => {
          expect((await send(execute, locate(3))).code).toBe('8h/00/05');
          expect(await at(execute)).toBe(2);
          expect((await send(execute, '2b0000ffffffff000000')).code).toBe('8h/00/05');
          expect((await send(execute, '92080000 0000000000000005 00000000')).code).toBe('8h/00/05');
          expect((await send(execute, locate(2))).status).toBe('good');
        }));

      it('in another partition, or to a place that SSC does not know, is refused', () =>
        onTape([], async (execute) => {
          expect((await send(execute, '92020001 0000000000000000 00000000')).code).toBe('5h/24/00');
          expect((await send(execute, '92100000 0000000000000000 00000000')).code).toBe('5h/24/00');
          expect((await send(execute, '2b020000000000000100')).code).toBe('5h/24/00');
        }));
    });

    describe('WRITE', () => {
      it('in the middle drops everything behind it', () =>
        onTape([10, 20, 'mark', 30], async (execute) => {
          await send(execute, locate(1));
          await send(execute, write(40), { out: recordOf(7, 40) });
          expect((await send(execute, read(40), { take: 40 })).code).toBe('8h/00/05');
          await send(execute, locate(1));
          expect((await send(execute, read(40), { take: 40 })).data).toEqual(recordOf(7, 40));
        }));

      it('past early warning is done, and each says so: EOM, no sense, 00/02, INFORMATION 0', () =>
        onTape(
          [],
          async (execute) => {
            const codes: string[] = [];
            for (let i = 0; i < 4; i++) {
              const sent = await send(execute, write(4000), { out: recordOf(i, 4000) });
              codes.push(sent.code);
              if (sent.code !== '') expect(sent.information).toBe(0);
            }
            expect(codes).toEqual(['', '', '0h/00/02 EOM', '0h/00/02 EOM']);
            expect((await position(execute)).eop).toBe(true);
            const mark = await send(execute, filemarks(1));
            expect([mark.code, mark.information]).toEqual(['0h/00/02 EOM', 0]);
            expect(await at(execute)).toBe(5);
            await send(execute, locate(3));
            expect((await send(execute, read(4000), { take: 4000 })).data).toEqual(recordOf(3, 4000));
          },
          { capacity: 20_000, earlyWarningZone: 9000 },
        ));

      it('at the physical end is not done: VOLUME OVERFLOW, EOM, INFORMATION what was not written', () =>
        onTape(
          [],
          async (execute) => {
            await send(execute, write(4000), { out: recordOf(0, 4000) });
            const sent = await send(execute, write(9000), { out: recordOf(1, 9000) });
            expect([sent.code, sent.information]).toEqual(['Dh/00/02 EOM', 9000]);
            expect(sent.senseBytes).toBe('f0004d000023280a00000000000200000000');
            expect(await at(execute)).toBe(1);
          },
          { capacity: 10_000, earlyWarningZone: 1000 },
        ));

      it('of fixed blocks at the physical end tells how many are left', () =>
        onTape(
          [],
          async (execute) => {
            await send(execute, modeSelect, { out: blockDescriptor(512) });
            const sent = await send(execute, write(10, 1), { out: new Uint8Array(5120) });
            expect([sent.code, sent.information]).toEqual(['Dh/00/02 EOM', 6]);
            await send(execute, modeSelect, { out: blockDescriptor(0) });
          },
          { capacity: 2100, earlyWarningZone: 10 },
        ));

      it('with less data than it says changes nothing', () =>
        onTape([10], async (execute) => {
          expect((await send(execute, write(100), { out: new Uint8Array(99) })).status).toBe('check-condition');
          expect(await at(execute)).toBe(0);
          expect((await send(execute, read(10), { take: 10 })).status).toBe('good');
        }));

      it('of filemarks: count 0 changes nothing; setmarks are refused', () =>
        onTape([10], async (execute) => {
          expect((await send(execute, filemarks(0))).status).toBe('good');
          expect((await send(execute, filemarks(0, true))).status).toBe('good');
          expect((await send(execute, '100200000100')).code).toBe('5h/24/00');
          expect((await send(execute, read(10), { take: 10 })).status).toBe('good');
        }));

      it('is refused on a write-protected cartridge: 7h/27/00', () =>
        onTape(
          [],
          async (execute) => {
            expect((await send(execute, write(10), { out: new Uint8Array(10) })).code).toBe('7h/27/00');
            expect((await send(execute, filemarks(1))).code).toBe('7h/27/00');
            expect((await send(execute, '190000000000')).code).toBe('7h/27/00');
            const mode = await send(execute, '1a0000000c00', { take: 12 });
            expect(mode.data[2] & 0x80).toBe(0x80);
          },
          { writeProtected: true },
        ));

      it('on a write-once cartridge only appends: 7h/30/0C', () =>
        onTape(
          [10, 20],
          async (execute) => {
            expect((await send(execute, write(10), { out: new Uint8Array(10) })).code).toBe('7h/30/0C');
            expect((await send(execute, filemarks(1))).code).toBe('7h/30/0C');
            expect((await send(execute, '190000000000')).code).toBe('7h/30/0C');
            await send(execute, space(3, 0));
            expect((await send(execute, write(10), { out: recordOf(5, 10) })).status).toBe('good');
            const page = await send(execute, '1a081d00ff00', { take: 255 });
            expect([page.data[4], page.data[5], page.data[6] & 1]).toEqual([0x1d, 0x1e, 1]);
          },
          { worm: true },
        ));
    });

    it('ERASE makes the position end of data', () =>
      onTape([10, 20, 30], async (execute) => {
        await send(execute, locate(1));
        expect((await send(execute, '190000000000')).status).toBe('good');
        expect((await send(execute, read(10), { take: 10 })).code).toBe('8h/00/05');
        expect(await at(execute)).toBe(1);
      }));

    it('READ BLOCK LIMITS has a maximum of at least 256 KiB and a minimum', () =>
      onTape([], async (execute) => {
        const { data } = await send(execute, '050000000000', { take: 6 });
        expect(data.length).toBe(6);
        expect((data[1] << 16) | (data[2] << 8) | data[3]).toBeGreaterThanOrEqual(0x40000);
        expect((data[4] << 8) | data[5]).toBeGreaterThanOrEqual(0);
      }));

    it('agrees with an array of objects whatever is asked', () =>
      fc.assert(
        fc.asyncProperty(actions, (list) =>
          onTape([], async (execute) => {
            const model = new TapeModel();
            for (const action of list) {
              await applyBoth(execute, model, action);
              expect(await position(execute)).toEqual({
                object: model.at,
                file: model.file,
                bop: model.at === 0,
                eop: false,
              });
            }
          }),
        ),
        { numRuns: runs },
      ));
  });
}

type Action =
  | { readonly do: 'write'; readonly length: number; readonly seed: number }
  | { readonly do: 'marks'; readonly count: number; readonly immediate: boolean }
  | { readonly do: 'read'; readonly length: number; readonly sili: boolean }
  | { readonly do: 'space'; readonly code: 0 | 1 | 3; readonly count: number; readonly long: boolean }
  | { readonly do: 'locate'; readonly object: number; readonly long: boolean }
  | { readonly do: 'rewind' }
  | { readonly do: 'erase' };

const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('write' as const),
        length: fc.integer({ min: 1, max: 3000 }),
        seed: fc.nat(9999),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ do: fc.constant('marks' as const), count: fc.nat(3), immediate: fc.boolean() }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('read' as const),
        length: fc.integer({ min: 1, max: 4000 }),
        sili: fc.boolean(),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('space' as const),
        code: fc.constantFrom(0 as const, 1 as const, 3 as const),
        count: fc.integer({ min: -5, max: 5 }),
        long: fc.boolean(),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('locate' as const), object: fc.nat(25), long: fc.boolean() }) },
    { weight: 1, arbitrary: fc.constant({ do: 'rewind' } as const) },
    { weight: 1, arbitrary: fc.constant({ do: 'erase' } as const) },
  ),
  { minLength: 1, maxLength: 30 },
);

async function applyBoth(execute: Execute, model: TapeModel, action: Action): Promise<void> {
  switch (action.do) {
    case 'write':
      model.cut();
      model.objects.push({ seed: action.seed, length: action.length });
      model.at++;
      expect((await send(execute, write(action.length), { out: recordOf(action.seed, action.length) })).status).toBe(
        'good',
      );
      return;
    case 'marks':
      if (action.count > 0) model.cut();
      for (let i = 0; i < action.count; i++) model.objects.push('mark');
      model.at += action.count;
      expect((await send(execute, filemarks(action.count, action.immediate))).status).toBe('good');
      return;
    case 'read': {
      const sent = await send(execute, read(action.length, action.sili ? 2 : 0), { take: action.length });
      expectRead(sent, model.objects[model.at], action.length, action.sili);
      if (model.at < model.objects.length) model.at++;
      return;
    }
    case 'space': {
      const cdb = action.long
        ? `91${be(action.code, 1)}0000${BigInt.asUintN(64, BigInt(action.count)).toString(16).padStart(16, '0')}00000000`
        : space(action.code, action.count);
      const sent = await send(execute, cdb);
      if (action.code === 3) model.at = model.objects.length;
      else expectSpace(sent, model.space(action.code === 0 ? 'records' : 'filemarks', action.count));
      return;
    }
    case 'locate': {
      const cdb = action.long ? locate(action.object) : `2b0000${be(action.object, 4)}000000`;
      const there = action.object <= model.objects.length;
      expect((await send(execute, cdb)).code).toBe(there ? '' : '8h/00/05');
      model.at = Math.min(action.object, model.objects.length);
      return;
    }
    case 'rewind':
      await send(execute, REWIND);
      model.at = 0;
      return;
    case 'erase':
      model.cut();
      await send(execute, '190000000000');
  }
}

function expectRead(sent: Sent, object: ModelObject | undefined, length: number, sili: boolean): void {
  if (object === undefined || object === 'mark') {
    expect([sent.code, sent.information]).toEqual([object === 'mark' ? '0h/00/01 FM' : '8h/00/05', length]);
    return;
  }
  const whole = recordOf(object.seed, object.length);
  expect(Buffer.compare(sent.data, whole.subarray(0, Math.min(length, whole.length)))).toBe(0);
  if (object.length === length || sili) expect(sent.status).toBe('good');
  else expect([sent.code, sent.information]).toEqual(['0h/00/00 ILI', length - object.length]);
}

function expectSpace(sent: Sent, expected: unknown): void {
  const { kind, left } = expected as { kind: string; left?: number };
  const codes: Record<string, string> = {
    done: '',
    filemark: '0h/00/01 FM',
    'end-of-data': '8h/00/05',
    beginning: '0h/00/04 EOM',
  };
  expect([sent.code, sent.information]).toEqual([codes[kind], left]);
}
