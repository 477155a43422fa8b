// The index again from the cartridges alone: whole, in any order, with some missing, and where index files are damaged.
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { Manifest } from '../../src/bytes/manifest.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { listCartridges } from '../../src/tape-index/records.ts';
import { imageFolder, makeImage } from '../filesystem/ext4/support/images.ts';
import { expectSetWhole, expectTapesWellFormed } from '../support/judge.ts';
import { patterned } from '../support/mover.ts';
import { answers, damage } from '../support/set-answers.ts';
import { RECORD, Site, type SiteCartridge } from '../support/site.ts';
import { describeWithTools, tempFolder } from '../support/tools.ts';

const cartridges = (count: number, more: Omit<SiteCartridge, 'barcode'> = {}): SiteCartridge[] =>
  Array.from({ length: count }, (_, i) => ({ barcode: `RM${i + 1}`, ...more }));

let image: Uint8Array;
const content = (size: number, seed: number): Uint8Array => patterned(size, seed);

function makeVolume(): Uint8Array {
  const tree = tempFolder();
  mkdirSync(join(tree, 'a/b/c'), { recursive: true });
  for (let i = 0; i < 30; i++) writeFileSync(join(tree, `a/b/file-${i}`), content(i * 700, i));
  writeFileSync(join(tree, 'a/large'), content(200_000, 77));
  symlinkSync('a/large', join(tree, 'link'));
  const made = makeImage(imageFolder(), { size: 2 << 20, mke2fs: ['-t', 'ext4', '-b', '1024'], tree });
  return readFileSync(made.path);
}

interface Backed {
  readonly site: Site;
  readonly manifest: Manifest;
  readonly answers: readonly string[];
}

async function backedUp(specs: readonly SiteCartridge[], times = 1): Promise<Backed[]> {
  const site = await Site.make({ cartridges: specs });
  const sets: string[] = [];
  for (let i = 0; i < times; i++)
    sets.push((await site.backup(new MemoryStore({ content: image }), { chunkBytes: 40 * RECORD })).manifest.set);
  await using session = await site.open();
  const out: Backed[] = [];
  for (const set of sets)
    out.push({ site, manifest: await session.manifest(set), answers: await answers(session, set) });
  return out;
}

/** One site over several cartridges, with an index copy on each that is full. */
const SPANNING = cartridges(6, { capacity: 300 * RECORD, earlyWarningZone: 60 * RECORD });

describeWithTools(['mke2fs'], 'index rebuild', () => {
  beforeAll(() => {
    image = makeVolume();
  });

  it('answers the same as the index that was lost, whatever the order of the cartridges', async () => {
    const [{ site, manifest, answers: before }] = await backedUp(SPANNING);
    expect(manifest.cartridges.length).toBeGreaterThan(2);
    for (const order of [
      ['RM1', 'RM2', 'RM3', 'RM4', 'RM5', 'RM6'],
      ['RM6', 'RM5', 'RM4', 'RM3', 'RM2', 'RM1'],
      ['RM2', 'RM4', 'RM1', 'RM6', 'RM3', 'RM5'],
    ]) {
      const fresh = await site.copy({ newIndex: true });
      await using session = await fresh.open();
      const result = await session.rebuild(order);
      expect(result.incomplete).toEqual([]);
      expect(result.sets).toEqual([{ set: manifest.set, volume: 'volume', how: 'index file' }]);
      const again = await session.manifest(manifest.set);
      const { previousIndexObject: _, ...rest } = manifest;
      expect(again).toMatchObject(rest);
      expect(await answers(session, manifest.set)).toEqual(before);
    }
  });

  it('knows cartridges again: which are full, where the next set goes, and what closes them', async () => {
    const [{ site }] = await backedUp(cartridges(12, { capacity: 300 * RECORD, earlyWarningZone: 60 * RECORD }), 2);
    const before = await listCartridges(site.kv);
    const fresh = await site.copy({ newIndex: true });
    {
      await using session = await fresh.open();
      await session.rebuild([...fresh.media.keys()]);
    }
    const after = await listCartridges(fresh.kv);
    const plain = (all: typeof before) =>
      all
        .filter(({ state }) => state !== 'blank')
        .map(({ id, barcode, state, lastIndexObject, endObject, indexFiles }) => ({
          id,
          barcode,
          state,
          lastIndexObject,
          endObject,
          indexFiles,
        }));
    expect(plain(after)).toEqual(plain(before));
    const { manifest } = await fresh.backup(new MemoryStore({ content: image }));
    await expectTapesWellFormed(fresh);
    for (const set of await fresh.sets()) await expectSetWhole(fresh, set.manifest.set, image);
    expect((await fresh.sets()).length).toBe(3);
    expect(manifest.volume.name).toBe('volume');
  });

  it('a second rebuild over a whole index changes nothing', async () => {
    const [{ site, manifest, answers: before }] = await backedUp(cartridges(2));
    await using session = await site.open();
    const result = await session.rebuild(['RM1', 'RM2']);
    expect(result.incomplete).toEqual([]);
    expect(await session.manifest(manifest.set)).toEqual(manifest);
    expect(await answers(session, manifest.set)).toEqual(before);
  });

  it('with a cartridge in the middle missing: the tree is whole, what is on the others comes back, the rest is named', async () => {
    const [{ site, manifest, answers: before }] = await backedUp(SPANNING);
    const fresh = await site.copy({ newIndex: true });
    fresh.remove('RM2');
    {
      await using session = await fresh.open();
      const result = await session.rebuild(['RM1', 'RM3', 'RM4', 'RM5', 'RM6']);
      expect(result.incomplete.join('\n')).toMatch(/cartridge RM2 not read/);
      expect(await answers(session, manifest.set)).toEqual(before);
    }
    const { volume, lost } = await fresh.restoreVolume(manifest.set);
    expect(lost.length).toBeGreaterThan(0);
    for (const { reason } of lost) expect(reason).toMatch(/RM2: not in the library/);
    expectEqualBut(volume, image, lost);
  });

  it('only the first cartridge of a set: the tree is listed, and what is on it comes back', async () => {
    const [{ site, manifest, answers: before }] = await backedUp(SPANNING);
    const fresh = await site.copy({ newIndex: true });
    for (const barcode of ['RM2', 'RM3', 'RM4', 'RM5', 'RM6']) fresh.remove(barcode);
    await using session = await fresh.open();
    const result = await session.rebuild(['RM1']);
    expect(result.sets[0].how).toBe('copy at the end of a cartridge');
    expect(result.incomplete.join('\n')).toMatch(/the cartridge with its end is missing/);
    const paths = (lines: readonly string[]): string[] => lines.map((line) => line.split(' ')[0]);
    const view = await session.view(manifest.set);
    const root = await view.root();
    const listed: string[] = [];
    if (root !== undefined)
      for await (const { parents, entries } of view.walk(root))
        for (const { name } of entries) listed.push(`/${[...parents, name].map((one) => Buffer.from(one)).join('/')}`);
    expect(listed.sort()).toEqual(paths(before));
    const to = tempFolder();
    const outcome = await session.restore(manifest.set, ['/'], to);
    expect(outcome.files).toBeGreaterThan(0);
    expect(outcome.lost).toBeGreaterThan(0);
    expect(outcome.files + outcome.lost).toBeGreaterThanOrEqual(31);
    let same = 0;
    for (let i = 0; i < 30; i++) {
      const lost = outcome.problems.some(({ path }) => Buffer.from(path).toString().endsWith(`/file-${i}`));
      if (lost) continue;
      expect(readFileSync(join(to, `a/b/file-${i}`)).equals(content(i * 700, i)), `file ${i}`).toBe(true);
      same++;
    }
    expect(same).toBeGreaterThan(0);
  });

  it('the missing cartridges found later make the set whole', async () => {
    const [{ site, manifest, answers: before }] = await backedUp(SPANNING);
    const fresh = await site.copy({ newIndex: true });
    {
      await using session = await fresh.open();
      await session.rebuild(['RM1']);
      expect((await session.manifest(manifest.set)).complete).toBe(false);
    }
    await using session = await fresh.open();
    const result = await session.rebuild([...fresh.media.keys()]);
    expect(result.incomplete).toEqual([]);
    expect(await answers(session, manifest.set)).toEqual(before);
    await expectSetWhole(await fresh.copy(), manifest.set, image);
  });

  it('an index file that is damaged: the metadata on tape is walked again and gives the same tree', async () => {
    const [{ site, manifest, answers: before }] = await backedUp(cartridges(2));
    for (const record of [0, 1, 3]) {
      const fresh = await site.copy({ newIndex: true });
      await damage(fresh, 'RM1', ({ kind }) => kind === 'index', record);
      {
        await using session = await fresh.open();
        const result = await session.rebuild(['RM1', 'RM2']);
        expect(result.sets, `record ${record}`).toEqual([
          { set: manifest.set, volume: 'volume', how: 'metadata walked again' },
        ]);
        expect(result.incomplete.join('\n')).toMatch(/RM1, object \d+.*damaged/);
        const again = await session.manifest(manifest.set);
        expect(again.indexDigest).toBe(manifest.indexDigest);
        const withoutHash = (text: string): string => text.replaceAll(/"sha256":"[0-9a-f]+"/g, '"sha256":null');
        expect(await answers(session, manifest.set)).toEqual(before.map(withoutHash));
      }
      await expectSetWhole(await fresh.copy(), manifest.set, image, ['index file']);
      // The next backup does not overwrite the set that has no index file.
      await fresh.backup(new MemoryStore({ content: image }));
      await expectSetWhole(await fresh.copy(), manifest.set, image, ['index file']);
    }
  });

  it('index files damaged on every cartridge of a spanning set: walked again over all of them', async () => {
    const [{ site, manifest, answers: before }] = await backedUp(SPANNING);
    const fresh = await site.copy({ newIndex: true });
    for (const { barcode } of manifest.cartridges) await damage(fresh, barcode, ({ kind }) => kind === 'index');
    await using session = await fresh.open();
    const result = await session.rebuild(['RM3', 'RM1', 'RM2', 'RM4', 'RM5', 'RM6']);
    expect(result.sets).toEqual([{ set: manifest.set, volume: 'volume', how: 'metadata walked again' }]);
    const withoutHash = (text: string): string => text.replaceAll(/"sha256":"[0-9a-f]+"/g, '"sha256":null');
    expect(await answers(session, manifest.set)).toEqual(before.map(withoutHash));
  });

  it('end files damaged: nothing is lost, and the damage is named', async () => {
    const [{ site, manifest, answers: before }] = await backedUp(SPANNING);
    const fresh = await site.copy({ newIndex: true });
    await damage(fresh, 'RM1', ({ kind }) => kind === 'end', 0);
    await using session = await fresh.open();
    const result = await session.rebuild([...fresh.media.keys()]);
    expect(result.incomplete.join('\n')).toMatch(/RM1, object \d+: a tape file is damaged/);
    expect(await answers(session, manifest.set)).toEqual(before);
  });

  it('a damaged label: the cartridge is known by what is on it', async () => {
    const [{ site, manifest, answers: before }] = await backedUp(cartridges(2));
    for (const record of [0, 2]) {
      const fresh = await site.copy({ newIndex: true });
      await damage(fresh, 'RM1', ({ kind }) => kind === 'label', record);
      {
        await using session = await fresh.open();
        const result = await session.rebuild(['RM1', 'RM2']);
        expect(result.incomplete.join('\n')).toMatch(/cartridge RM1: .*damaged/);
        expect(await answers(session, manifest.set)).toEqual(before);
        expect(await session.manifest(manifest.set)).toMatchObject({ set: manifest.set, chunks: manifest.chunks });
      }
      await expectSetWhole(await fresh.copy(), manifest.set, image, ['label']);
      // It is not written to any more.
      const next = await fresh.backup(new MemoryStore({ content: image }));
      expect(next.manifest.cartridges.map(({ barcode }) => barcode)).toEqual(['RM2']);
    }
  });

  it('a blank and a foreign cartridge are passed over, the foreign one is named', async () => {
    const [{ site, manifest }] = await backedUp(cartridges(3));
    const fresh = await site.copy({ newIndex: true });
    {
      await using medium = await fresh.openMedium('RM3');
      await medium.append(patterned(4096, 1));
      await medium.writeFilemarks(1);
    }
    await using session = await fresh.open();
    const result = await session.rebuild(['RM3', 'RM2', 'RM1']);
    expect(result.sets.map(({ set }) => set)).toEqual([manifest.set]);
    expect(result.incomplete.join('\n')).toMatch(/cartridge RM3: .*left out/);
  });
});

function expectEqualBut(
  found: Uint8Array,
  expected: Uint8Array,
  lost: readonly { readonly volumeOffset: number; readonly byteLength: number }[],
): void {
  const masked = Buffer.from(expected);
  for (const { volumeOffset, byteLength } of lost) masked.fill(0, volumeOffset, volumeOffset + byteLength);
  expect(Buffer.from(found).equals(masked)).toBe(true);
}
