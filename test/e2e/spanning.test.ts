// Sets over several small cartridges: wherever early warning, the end of the medium or a write error falls, the set is whole.
import { describe, expect, it } from 'vitest';
import { runsOf } from '../../src/bytes/extents.ts';
import type { Manifest } from '../../src/bytes/manifest.ts';
import type { VolumeSource } from '../../src/catalog/source.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { FaultyMedium } from '../../src/tape/faulty-medium.ts';
import { listCartridges } from '../../src/tape-index/records.ts';
import { expectSetWhole, expectTapesWellFormed, type TapeFileSeen } from '../support/judge.ts';
import { patterned } from '../support/mover.ts';
import { RECORD, Site, type SiteCartridge, sourceOf } from '../support/site.ts';

const barcodes = (count: number): string[] => Array.from({ length: count }, (_, i) => `RM${i + 1}`);
const cartridges = (count: number, more: Omit<SiteCartridge, 'barcode'>): SiteCartridge[] =>
  barcodes(count).map((barcode) => ({ barcode, ...more }));

/** A volume with something in these ranges and zeros elsewhere; the source says that only they are allocated. */
async function volumeOf(
  byteLength: number,
  ranges: readonly (readonly [number, number])[],
): Promise<{ volume: MemoryStore; content: Uint8Array; source: VolumeSource }> {
  const volume = new MemoryStore({ byteLength });
  for (const [start, length] of ranges) volume.writeSync(start, patterned(length, start + 1));
  const source = { ...(await sourceOf(volume)), allocated: runsOf(ranges) };
  return { volume, content: volume.content(), source };
}

/** 32 records in three places, far enough apart that the gaps are not read through. */
const scattered = () =>
  volumeOf(700_001, [
    [0, 20 * RECORD],
    [200_704, 3 * 512],
    [500_224, 11 * RECORD],
  ]);

interface Outcome {
  readonly site: Site;
  readonly set: string;
  readonly content: Uint8Array;
  readonly notes: readonly string[];
}

/** Backs the scattered volume up to cartridges of one size; what is on them then is judged, and the set's cartridges told. */
async function backedUp(options: {
  readonly cartridges: readonly SiteCartridge[];
  readonly chunkBytes?: number;
  readonly commitBytes?: number;
}): Promise<Outcome & { readonly manifest: Manifest; readonly tapes: Map<string, TapeFileSeen[]> }> {
  const { volume, content, source } = await scattered();
  const site = await Site.make({ cartridges: options.cartridges });
  const { chunkBytes, commitBytes } = options;
  let set: string;
  let notes: readonly string[];
  {
    await using session = await site.open(volume);
    const more = { ...(chunkBytes && { chunkBytes }), ...(commitBytes && { commitBytes }) };
    set = (await session.backup(source, more)).manifest.set;
    notes = session.notes;
  }
  const tapes = await expectTapesWellFormed(site);
  const manifest = await expectSetWhole(site, set, content);
  return { site, set, content, notes, manifest, tapes };
}

describe('a set goes on with the next cartridge', () => {
  const sweeps = [
    { zone: 0, from: 15, chunkBytes: undefined, commitBytes: undefined },
    { zone: 1, from: 20, chunkBytes: 6 * RECORD, commitBytes: undefined },
    { zone: 5, from: 24, chunkBytes: 5 * RECORD, commitBytes: RECORD },
    { zone: 16, from: 34, chunkBytes: 7 * RECORD, commitBytes: 14 * RECORD },
  ];
  for (const { zone, from, chunkBytes, commitBytes } of sweeps) {
    it(`wherever a cartridge ends, early warning ${zone} records before it`, async () => {
      let spanning = 0;
      let copies = 0;
      for (let records = from; records < from + 18; records++) {
        try {
          const { manifest, tapes } = await backedUp({
            cartridges: cartridges(30, { capacity: records * RECORD, earlyWarningZone: zone * RECORD }),
            ...(chunkBytes && { chunkBytes }),
            ...(commitBytes && { commitBytes }),
          });
          if (manifest.cartridges.length > 1) spanning++;
          expect([...tapes.keys()]).toEqual(manifest.cartridges.map(({ barcode }) => barcode));
          copies += [...tapes.values()].flat().filter((file) => file.manifest?.complete === false).length;
        } catch (error) {
          throw new Error(`capacity ${records} records: ${(error as Error).stack}`);
        }
      }
      expect(spanning).toBe(18);
      if (zone > 10) expect(copies).toBeGreaterThan(17);
    });
  }

  it('a full cartridge has a copy of the index as far as it is, its table of contents, and the next one by name', async () => {
    const { manifest, tapes } = await backedUp({
      cartridges: cartridges(5, { capacity: 48 * RECORD, earlyWarningZone: 12 * RECORD }),
      chunkBytes: 5 * RECORD,
    });
    expect(manifest.cartridges.length).toBeGreaterThan(1);
    const [first, second] = [...tapes.values()];
    expect(first.map(({ kind }) => kind)).toEqual(['label', 'chunk', 'chunk', 'chunk', 'chunk', 'index', 'end']);
    const copy = first.at(-2)?.manifest;
    expect(copy?.complete).toBe(false);
    expect(copy?.chunks).toEqual(manifest.chunks.slice(0, 4));
    expect(first.at(-1)?.end?.next).toEqual({ id: second[0].label?.cartridge, barcode: 'RM2' });
    expect(second.at(-1)?.manifest?.cartridges).toEqual(manifest.cartridges);
  });

  it('a chunk that fits no empty cartridge is halved until it does', async () => {
    const { manifest } = await backedUp({ cartridges: cartridges(9, { capacity: 30 * RECORD, earlyWarningZone: 0 }) });
    expect(manifest.chunks.length).toBeGreaterThan(1);
    for (const chunk of manifest.chunks) expect(chunk.storedBytes).toBeLessThanOrEqual(16 * RECORD);
  });

  it('a cartridge too small for a label, or for one record, is refused with a word about its size', async () => {
    for (const records of [2, 4, 5]) {
      const run = backedUp({ cartridges: cartridges(3, { capacity: records * RECORD, earlyWarningZone: 0 }) });
      await expect(run).rejects.toThrow(/too small/);
    }
  });
});

describe('a cartridge that cannot be written', () => {
  it('is closed at its last committed mark, wherever it fails, and the run goes on', async () => {
    const { volume, content, source } = await scattered();
    const options = { chunkBytes: 8 * RECORD, commitBytes: 16 * RECORD };
    const clean = await backedUp({ cartridges: cartridges(1, {}), ...options });
    const objects = (await clean.site.objects('RM1')).length;
    for (let object = 0; object < objects; object++) {
      const site = await Site.make({
        cartridges: cartridges(4, {}),
        wrapMedium: (medium, barcode) =>
          barcode === 'RM1' ? new FaultyMedium(medium, { writeErrorAt: object }) : medium,
      });
      let set = '';
      let notes: string[] = [];
      try {
        await using session = await site.open(volume);
        set = (await session.backup(source, options)).manifest.set;
        notes = session.notes;
      } catch (error) {
        throw new Error(`write error at object ${object}: ${(error as Error).stack}`);
      }
      const manifest = await expectSetWhole(site, set, content);
      expect(notes.join('\n'), `write error at object ${object}`).toMatch(/RM1/);
      expect(manifest.cartridges.map(({ barcode }) => barcode)).toContain('RM2');
      for (const record of await listCartridges(site.kv))
        if (record.barcode === 'RM1') expect(record.state).toMatch(/error|blank/);
    }
  });

  it('keeps the sets that were on it', async () => {
    const { volume, content, source } = await scattered();
    const first = await Site.make({ cartridges: cartridges(3, {}) });
    let old = '';
    {
      await using session = await first.open(volume);
      old = (await session.backup(source)).manifest.set;
    }
    const end = (await first.objects('RM1')).length;
    const site = await first.copy({
      wrapMedium: (medium, barcode) =>
        barcode === 'RM1' ? new FaultyMedium(medium, { writeErrorAt: end + 4 }) : medium,
    });
    await using session = await site.open(volume);
    const { manifest } = await session.backup(source);
    expect(manifest.cartridges.map(({ barcode }) => barcode)).toEqual(['RM2']);
    const after = await site.copy();
    await expectSetWhole(after, old, content);
    await expectSetWhole(after, manifest.set, content);
  });
});

describe('appending', () => {
  it('a second and third set go behind the first, and all three come back', async () => {
    const { volume, content, source } = await scattered();
    const site = await Site.make({ cartridges: cartridges(2, {}) });
    const sets: string[] = [];
    for (let i = 0; i < 3; i++) {
      await using session = await site.open(volume);
      sets.push((await session.backup(source)).manifest.set);
    }
    const tapes = await expectTapesWellFormed(site);
    expect(tapes.get('RM1')?.map(({ kind }) => kind)).toEqual([
      'label',
      ...['chunk', 'index'],
      ...['chunk', 'index'],
      ...['chunk', 'index'],
    ]);
    for (const set of sets) await expectSetWhole(site, set, content);
  });

  it('a set that begins on a cartridge with others closes it with a table of all of them', async () => {
    const { volume, content, source } = await scattered();
    const site = await Site.make({
      cartridges: cartridges(5, { capacity: 130 * RECORD, earlyWarningZone: 16 * RECORD }),
    });
    const sets: string[] = [];
    for (let i = 0; i < 4; i++) {
      await using session = await site.open(volume);
      sets.push((await session.backup(source, { chunkBytes: 9 * RECORD })).manifest.set);
    }
    const tapes = await expectTapesWellFormed(site);
    const table = tapes.get('RM1')?.at(-1)?.end?.files ?? [];
    expect(new Set(table.flatMap(({ set }) => set ?? [])).size).toBeGreaterThan(1);
    for (const set of sets) await expectSetWhole(site, set, content);
  });
});

describe('with no next cartridge', () => {
  const tight = cartridges(1, { capacity: 40 * RECORD, earlyWarningZone: 8 * RECORD });

  it('the backup stops with a word about what it wants, and goes on when one was added', async () => {
    const { volume, content, source } = await scattered();
    const site = await Site.make({ cartridges: tight });
    {
      await using session = await site.open(volume);
      const run = session.backup(source, { chunkBytes: 5 * RECORD });
      await expect(run).rejects.toThrow(
        /no cartridge left to write to.*add a blank one and run the same command again/,
      );
    }
    expect(await site.sets()).toEqual([]);
    await site.add({ barcode: 'RM2' });
    await using session = await site.open(volume);
    const { manifest, resumed } = await session.backup(source, { chunkBytes: 5 * RECORD });
    expect(resumed).toBe(true);
    expect(manifest.cartridges.map(({ barcode }) => barcode)).toEqual(['RM1', 'RM2']);
    expect(manifest.chunks[0].copies[0].firstObject).toBe(5);
    await expectSetWhole(await site.copy(), manifest.set, content);
  });

  it('it waits for one if asked to', async () => {
    const { volume, content, source } = await scattered();
    const site = await Site.make({ cartridges: tight });
    let asked = 0;
    await using session = await site.open(volume);
    const { manifest } = await session.backup(source, {
      chunkBytes: 5 * RECORD,
      waitForCartridge: async (message) => {
        expect(message).toContain('no cartridge left');
        if (++asked === 3) await site.add({ barcode: 'RM2' });
        return true;
      },
    });
    expect(asked).toBe(3);
    await expectSetWhole(await site.copy(), manifest.set, content);
  });
});

describe('write-once cartridges', () => {
  it('nothing is overwritten: what was given up stays, and the set is whole all the same', async () => {
    const { volume, content, source } = await scattered();
    for (let records = 25; records <= 70; records += 5) {
      const site = await Site.make({
        cartridges: cartridges(12, { capacity: records * RECORD, earlyWarningZone: 8 * RECORD, worm: true }),
      });
      let set = '';
      try {
        await using session = await site.open(volume);
        set = (await session.backup(source, { chunkBytes: 6 * RECORD })).manifest.set;
      } catch (error) {
        throw new Error(`capacity ${records} records: ${(error as Error).stack}`);
      }
      await expectSetWhole(site, set, content);
      await using session = await site.open(volume);
      const next = await session.backup(source, { chunkBytes: 6 * RECORD });
      await expectSetWhole(await site.copy(), next.manifest.set, content);
      await expectSetWhole(await site.copy(), set, content);
    }
  });

  it('a chunk that fits no empty one is halved and not tried on every cartridge of the library', async () => {
    const { volume, content, source } = await scattered();
    const site = await Site.make({
      cartridges: cartridges(8, { capacity: 34 * RECORD, earlyWarningZone: 8 * RECORD, worm: true }),
    });
    await using session = await site.open(volume);
    const { manifest } = await session.backup(source);
    await expectSetWhole(await site.copy(), manifest.set, content);
  });
});
