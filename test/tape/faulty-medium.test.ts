import { describe, expect, it } from 'vitest';
import { tapeObject } from '../../src/bytes/units.ts';
import { FaultyMedium, type MediumFaults } from '../../src/tape/faulty-medium.ts';
import { memoryMedium } from '../../src/target/virtual-library/memory-cartridge.ts';
import { describeTapeMedium } from '../conformance/tape-medium.ts';
import { recordOf } from '../support/tape-model.ts';

describeTapeMedium(
  'a faulty medium without faults',
  async (options) => new FaultyMedium(await memoryMedium({ ...options, bufferBytes: 8192 })),
  30,
);

describe('a faulty medium', () => {
  const open = async (faults: MediumFaults): Promise<FaultyMedium> => new FaultyMedium(await memoryMedium(), faults);

  it('warns from the chosen object on, and its position says so', async () => {
    await using medium = await open({ earlyWarningAt: tapeObject(2) });
    expect(await medium.append(recordOf(0, 10))).toBe('written');
    expect(await medium.writeFilemarks(1)).toBe('written');
    expect(medium.position.pastEarlyWarning).toBe(false);
    expect(await medium.append(recordOf(2, 10))).toBe('early-warning');
    expect(medium.position.pastEarlyWarning).toBe(true);
    expect(await medium.writeFilemarks(1)).toBe('early-warning');
  });

  it('ends at the chosen object, where filemarks still fit', async () => {
    await using medium = await open({ endOfMediumAt: tapeObject(1) });
    expect(await medium.append(recordOf(0, 10))).toBe('written');
    expect(await medium.append(recordOf(1, 10))).toBe('end-of-medium');
    expect(medium.position.object).toBe(1);
    expect(await medium.writeFilemarks(1)).toBe('written');
  });

  it('fails to write the chosen object and writes again elsewhere', async () => {
    await using medium = await open({ writeErrorAt: tapeObject(1) });
    await medium.append(recordOf(0, 10));
    await expect(medium.append(recordOf(1, 10))).rejects.toMatchObject({ name: 'FormatError', kind: 'io' });
    await expect(medium.writeFilemarks(2)).rejects.toMatchObject({ kind: 'io' });
    expect(medium.position.object).toBe(1);
    await medium.locate(tapeObject(0));
    expect(await medium.append(recordOf(2, 10))).toBe('written');
  });

  it('reports the chosen records as damaged and reads the others', async () => {
    await using medium = await open({ damaged: new Set([tapeObject(1)]) });
    for (let i = 0; i < 3; i++) await medium.append(recordOf(i, 10 + i));
    await medium.locate(tapeObject(0));
    const into = new Uint8Array(100);
    expect(await medium.read(into)).toMatchObject({ kind: 'record', length: 10 });
    expect(await medium.read(into)).toMatchObject({ kind: 'damaged', length: 11 });
    expect(await medium.read(into)).toEqual({ kind: 'record', length: 12, data: recordOf(2, 12) });
  });
});
