// What every TapeMedium must do, whatever is beneath it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytes, tapeFile, tapeObject } from '../../src/bytes/units.ts';
import type { TapeMedium } from '../../src/tape/medium.ts';
import { applyBoth, expectSame, operations, recordOf, TapeModel } from '../support/tape-model.ts';

export interface MediumUnderTest {
  readonly capacity?: number;
  readonly earlyWarningZone?: number;
  readonly worm?: boolean;
}

/** Runs the suite; `open` makes a blank medium. */
export function describeTapeMedium(
  title: string,
  open: (options: MediumUnderTest) => Promise<TapeMedium>,
  runs = 100,
): void {
  const room = new Uint8Array(70_000);

  async function withTape(objects: readonly (number | 'mark')[], options: MediumUnderTest = {}): Promise<TapeMedium> {
    const medium = await open(options);
    for (const [i, object] of objects.entries()) {
      if (object === 'mark') await medium.writeFilemarks(1);
      else await medium.append(recordOf(i, object));
    }
    return medium;
  }

  describe(`${title} is a tape medium`, () => {
    it('agrees with an array of objects whatever is asked', async () => {
      await fc.assert(
        fc.asyncProperty(operations, async (list) => {
          await using medium = await open({});
          const model = new TapeModel();
          for (const operation of list) await applyBoth(medium, model, operation);
          await expectSame(medium, model);
        }),
        { numRuns: runs },
      );
    });

    it('a blank medium is at its beginning and at end of data', async () => {
      await using medium = await open({});
      expect(medium.position).toEqual({
        object: 0,
        file: 0,
        atBeginning: true,
        atEndOfData: true,
        pastEarlyWarning: false,
      });
      expect(await medium.read(room)).toEqual({ kind: 'end-of-data' });
      expect(await medium.locate(tapeObject(1))).toBe(false);
      expect(await medium.locateFile(tapeFile(0))).toBe(true);
      expect(await medium.locateFile(tapeFile(1))).toBe(false);
    });

    it('a record longer than the room is cut, passed and told in full', async () => {
      await using medium = await withTape([5000, 'mark']);
      await medium.locate(tapeObject(0));
      const outcome = await medium.read(room.subarray(0, 100));
      expect(outcome).toEqual({ kind: 'record', length: 5000, data: recordOf(0, 5000).subarray(0, 100) });
      expect(await medium.read(room)).toEqual({ kind: 'filemark' });
    });

    it('spacing records stops behind a filemark forward and before it backward', async () => {
      await using medium = await withTape([10, 'mark', 10, 10]);
      await medium.locate(tapeObject(0));
      expect(await medium.space('records', 3)).toEqual({ kind: 'filemark', left: 2 });
      expect(medium.position.object).toBe(2);
      expect(await medium.space('records', 5)).toEqual({ kind: 'end-of-data', left: 3 });
      expect(await medium.space('records', -3)).toEqual({ kind: 'filemark', left: 1 });
      expect(medium.position.object).toBe(1);
      expect(await medium.space('records', -3)).toEqual({ kind: 'beginning', left: 2 });
    });

    it('early warning begins when more is used than lies before the zone, and stays', async () => {
      await using medium = await open({ capacity: 10_000, earlyWarningZone: 4000 });
      expect(await medium.append(recordOf(0, 6000))).toBe('written');
      expect(medium.position.pastEarlyWarning).toBe(false);
      expect(await medium.append(recordOf(1, 1))).toBe('early-warning');
      expect(medium.position.pastEarlyWarning).toBe(true);
      expect(await medium.writeFilemarks(1)).toBe('early-warning');
      expect(await medium.writeFilemarks(0)).toBe('early-warning');
      expect(await medium.append(recordOf(2, 3999))).toBe('early-warning');
    });

    it('a record that does not fit is not written and nothing before it is lost', async () => {
      await using medium = await open({ capacity: 10_000, earlyWarningZone: 0 });
      expect(await medium.append(recordOf(0, 9999))).toBe('written');
      expect(await medium.append(recordOf(1, 2))).toBe('end-of-medium');
      expect(medium.position.object).toBe(1);
      expect(await medium.append(recordOf(2, 1))).toBe('written');
      await medium.locate(tapeObject(0));
      expect(await medium.read(room)).toMatchObject({ kind: 'record', length: bytes(9999) });
    });

    it('a write-once medium appends, and refuses to overwrite or erase', async () => {
      await using medium = await withTape([100, 'mark'], { worm: true });
      await medium.locate(tapeObject(1));
      await expect(medium.append(recordOf(9, 1))).rejects.toMatchObject({ name: 'FormatError', kind: 'unsupported' });
      await expect(medium.writeFilemarks(1)).rejects.toMatchObject({ kind: 'unsupported' });
      await expect(medium.erase()).rejects.toMatchObject({ kind: 'unsupported' });
      await medium.locateEndOfData();
      expect(await medium.append(recordOf(9, 1))).toBe('written');
      expect(medium.position.object).toBe(3);
    });

    it('long runs of records read in a row are what was written', async () => {
      await using medium = await open({});
      for (let i = 0; i < 100; i++) await medium.append(recordOf(i, 60_000 + i));
      await medium.locate(tapeObject(0));
      for (let i = 0; i < 100; i++) {
        const outcome = await medium.read(room);
        if (outcome.kind !== 'record') throw new Error(outcome.kind);
        expect(Buffer.compare(outcome.data, recordOf(i, 60_000 + i))).toBe(0);
        if (i % 17 === 5) await medium.space('records', 1).then(() => i++);
      }
    });
  });
}
