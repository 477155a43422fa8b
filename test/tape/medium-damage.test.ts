// Flipped bits, cut files and failing disks: what is lost is named, nothing wrong is read, the rest comes back.
import { describe, expect, it } from 'vitest';
import { bytes, tapeFile, tapeObject } from '../../src/bytes/units.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { type FileMedium, formatMedium, openMedium } from '../../src/tape/file-medium.ts';
import { MAP_ENTRIES, MAP_ENTRY_BYTES } from '../../src/tape/map-format.ts';
import type { ReadOutcome } from '../../src/tape/medium.ts';
import { ObjectMap } from '../../src/tape/object-map.ts';
import { recordOf } from '../support/tape-model.ts';

const OBJECTS = [100, 'mark', 50, 70, 'mark', 'mark', 200] as const;

interface Cartridge {
  readonly data: MemoryStore;
  readonly map: MemoryStore;
}

async function newCartridge(): Promise<Cartridge> {
  const stores = { data: new MemoryStore(), map: new MemoryStore() };
  await formatMedium({ ...stores, name: 'RM0001L9' }, { capacity: bytes(1e6), id: new Uint8Array(16).fill(7) });
  const medium = await open(stores);
  for (const [i, object] of OBJECTS.entries()) {
    if (object === 'mark') await medium.writeFilemarks(1);
    else await medium.append(recordOf(i, object));
    if (i === 3) await medium.flush();
  }
  await medium.flush();
  return stores;
}

const open = (stores: Cartridge, writable = true): Promise<FileMedium> =>
  openMedium({ ...stores, name: 'RM0001L9', writable, bufferBytes: bytes(4096) });

async function readAll(medium: FileMedium): Promise<ReadOutcome[]> {
  const outcomes: ReadOutcome[] = [];
  await medium.locate(tapeObject(0));
  for (;;) {
    const outcome = await medium.read(new Uint8Array(300));
    if (outcome.kind === 'end-of-data') return outcomes;
    outcomes.push(outcome);
  }
}

/** Numbers of the damaged objects. All others must be what was written. */
function damagedOf(outcomes: readonly ReadOutcome[]): number[] {
  expect(outcomes.length).toBe(OBJECTS.length);
  return outcomes.flatMap((outcome, i) => {
    if (outcome.kind === 'damaged') return [i];
    const object = OBJECTS[i];
    if (object === 'mark') expect(outcome).toEqual({ kind: 'filemark' });
    else expect(outcome).toEqual({ kind: 'record', length: object, data: recordOf(i, object) });
    return [];
  });
}

function flip(store: MemoryStore, at: number): void {
  const byte = new Uint8Array(1);
  store.readSync(at, byte);
  byte[0] ^= 1 << (at % 8);
  store.writeSync(at, byte);
}

describe('a damaged cartridge', () => {
  it('a flipped bit anywhere in the data is found in its record, and all others come back', async () => {
    const cartridge = await newCartridge();
    for (let at = 0; at < cartridge.data.byteLength; at += 7) {
      const data = cartridge.data.clone();
      flip(data, at);
      const outcomes = await readAll(await open({ ...cartridge, data }, false));
      expect(damagedOf(outcomes)).toEqual([at < 100 ? 0 : at < 150 ? 2 : at < 220 ? 3 : 6]);
      const reasons = outcomes.flatMap((outcome) => (outcome.kind === 'damaged' ? [outcome.reason] : []));
      expect(reasons[0]).toContain('record checksum');
    }
  });

  it('a flipped bit anywhere in the entries is found in its object: a record is lost with its length known, a filemark is not lost', async () => {
    const cartridge = await newCartridge();
    for (let at = 0; at < OBJECTS.length * MAP_ENTRY_BYTES; at += 3) {
      const map = cartridge.map.clone();
      flip(map, MAP_ENTRIES + at);
      const object = Math.floor(at / MAP_ENTRY_BYTES);
      const outcomes = await readAll(await open({ ...cartridge, map }, false));
      const known = OBJECTS[object] === 'mark';
      expect(damagedOf(outcomes)).toEqual(known ? [] : [object]);
      const found = [];
      for await (const one of (await ObjectMap.open(map, 'RM0001L9', 420, false)).damaged()) found.push(one);
      expect(found).toEqual([{ index: object, known }]);
      if (known) continue;
      expect(outcomes[object]).toEqual({
        kind: 'damaged',
        length: OBJECTS[object],
        reason: `map entry ${object}: checksum does not match`,
      });
    }
  });

  it('a flipped bit anywhere in the head of the map is named and costs nothing', async () => {
    const cartridge = await newCartridge();
    const places = [...Array(16).keys()].map((i) => i * 4 + 1).concat(1000, 4095); // used, spare, checksum
    for (const at of [0, 4096, 8192, 12288].flatMap((block) => places.map((place) => block + place))) {
      const slot = at >= 4096 && at < 12288;
      const spare = slot && at % 4096 > 63;
      const map = cartridge.map.clone();
      flip(map, at);
      const medium = await open({ ...cartridge, map }, false);
      expect(damagedOf(await readAll(medium))).toEqual([]);
      const words = !slot ? 'RM0001L9 map header: ' : `commit slot at byte ${at - (at % 4096)}`;
      expect(medium.warnings).toEqual(spare ? [] : [expect.stringContaining(words)]);
    }
  });

  it('with both commit slots lost the objects are found by their entries', async () => {
    const cartridge = await newCartridge();
    const { map } = cartridge;
    flip(map, 4096);
    flip(map, 8192);
    const medium = await open(cartridge, false);
    expect(damagedOf(await readAll(medium))).toEqual([]);
    expect(medium.warnings.length).toBe(2);
  });

  it('with both headers lost it is refused, by name', async () => {
    const cartridge = await newCartridge();
    flip(cartridge.map, 20);
    flip(cartridge.map, 12288 + 20);
    await expect(open(cartridge)).rejects.toMatchObject({
      kind: 'corrupt',
      where: 'RM0001L9 map header, and its copy',
    });
  });

  it('a cut map or data file is found in the objects that it cost', async () => {
    const cartridge = await newCartridge();
    for (let objects = 0; objects < OBJECTS.length; objects++) {
      const map = cartridge.map.clone();
      map.truncateSync(MAP_ENTRIES + objects * MAP_ENTRY_BYTES + 5);
      const lost = OBJECTS.map((_, i) => i).slice(objects);
      expect(damagedOf(await readAll(await open({ ...cartridge, map }, false)))).toEqual(lost);
    }
    for (const [length, lost] of [
      [0, [0, 2, 3, 6]],
      [149, [2, 3, 6]],
      [419, [6]],
    ] as const) {
      const data = cartridge.data.clone();
      data.truncateSync(length);
      const outcomes = await readAll(await open({ ...cartridge, data }, false));
      expect(damagedOf(outcomes)).toEqual(lost);
      expect(outcomes[6]).toMatchObject({
        kind: 'damaged',
        length: 200,
        reason: expect.stringContaining('data file ends'),
      });
    }
  });

  it('finding a file across a damaged filemark finds the right place; across several it fails by name', async () => {
    const cartridge = await newCartridge();
    for (let object = 0; object < OBJECTS.length; object++) {
      const map = cartridge.map.clone();
      flip(map, MAP_ENTRIES + object * MAP_ENTRY_BYTES);
      const medium = await open({ ...cartridge, map }, false);
      for (const [file, start] of [0, 2, 5, 6].entries()) {
        await medium.locateFile(tapeFile(file));
        expect(medium.position.object).toBe(start);
      }
    }
    // Two marks side by side: nothing tells any more where the files begin.
    flip(cartridge.map, MAP_ENTRIES + 4 * MAP_ENTRY_BYTES);
    flip(cartridge.map, MAP_ENTRIES + 5 * MAP_ENTRY_BYTES);
    const medium = await open(cartridge, false);
    for (const [file, start] of [0, 2, -1, -1].entries()) {
      const found = await medium.locateFile(tapeFile(file)).then(
        () => medium.position.object,
        (error: unknown) => error,
      );
      if (start >= 0) expect(found).toBe(start);
      else
        expect(found).toMatchObject({
          kind: 'corrupt',
          where: 'RM0001L9',
          what: expect.stringContaining('map entries'),
        });
    }
  });

  it('is not written behind objects whose place is unknown, but from an intact place on it is', async () => {
    const cartridge = await newCartridge();
    flip(cartridge.map, MAP_ENTRIES + 2 * MAP_ENTRY_BYTES);
    flip(cartridge.map, MAP_ENTRIES + 3 * MAP_ENTRY_BYTES);
    const medium = await open(cartridge);
    await medium.locate(tapeObject(3));
    await expect(medium.append(recordOf(0, 10))).rejects.toMatchObject({ kind: 'corrupt' });
    await medium.locateEndOfData();
    expect(await medium.append(recordOf(0, 10))).toBe('written');
    await medium.locate(tapeObject(2));
    expect(await medium.append(recordOf(0, 10))).toBe('written');
    expect(medium.position).toMatchObject({ object: 3, file: 1, atEndOfData: true });
  });
});

describe('a full disk', () => {
  it('surfaces at a later write, by its code; the tape ends at its last flush and can be read', async () => {
    const data = new MemoryStore({ byteLengthMax: bytes(100_000), name: 'data of RM0002L9' });
    const cartridge = { data, map: new MemoryStore() };
    await formatMedium({ ...cartridge, name: 'RM0002L9' }, { capacity: bytes(1e6) });
    const medium = await open(cartridge);
    for (let i = 0; i < 5; i++) await medium.append(recordOf(i, 10_000));
    await medium.writeFilemarks(1);
    await medium.flush();
    let failure: unknown;
    for (let i = 5; i < 30 && failure === undefined; i++) {
      failure = await medium.append(recordOf(i, 10_000)).then(
        () => undefined,
        (error: unknown) => error,
      );
    }
    expect(failure).toMatchObject({ kind: 'io', where: 'data of RM0002L9', cause: { code: 'ENOSPC' } });
    await expect(medium.flush()).rejects.toBe(failure);
    await expect(medium.writeFilemarks(1)).rejects.toBe(failure);
    expect(medium.position).toMatchObject({ object: 6, file: 1, atEndOfData: true });
    await medium.locate(tapeObject(4));
    const into = new Uint8Array(10_000);
    expect(await medium.read(into)).toEqual({ kind: 'record', length: 10_000, data: recordOf(4, 10_000) });
    await medium[Symbol.asyncDispose](); // nothing more to say
    const again = await open(cartridge, false);
    expect(again.end.objects).toBe(6);
  });

  it('that is found only by a flush fails the flush', async () => {
    const cartridge = { data: new MemoryStore({ byteLengthMax: bytes(50) }), map: new MemoryStore() };
    await formatMedium({ ...cartridge, name: 'RM0002L9' }, { capacity: bytes(1e6) });
    const medium = await open(cartridge);
    expect(await medium.append(recordOf(0, 60))).toBe('written');
    await expect(medium.flush()).rejects.toMatchObject({ kind: 'io', cause: { code: 'ENOSPC' } });
    expect(medium.position.object).toBe(0);
  });
});

describe('a write-protected cartridge', () => {
  it('is read and not written', async () => {
    const cartridge = await newCartridge();
    const medium = await open(cartridge, false);
    expect(medium.writable).toBe(false);
    expect(damagedOf(await readAll(medium))).toEqual([]);
    for (const write of [() => medium.append(recordOf(0, 1)), () => medium.writeFilemarks(1), () => medium.erase()]) {
      await expect(write()).rejects.toMatchObject({ kind: 'unsupported', what: 'write-protected' });
    }
  });
});
