import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runsOf } from '../../src/bytes/extents.ts';
import { checkSet, sealDigest } from '../../src/tape-index/check.ts';
import {
  chunkAt,
  chunkExtents,
  chunkExtentsAt,
  PAGE_RUNS_MAX,
  putChunk,
  putChunkExtents,
} from '../../src/tape-index/chunks.ts';
import { chunkKey, KeyKind, keysOf, setBytes } from '../../src/tape-index/keys.ts';
import { MemoryStore } from '../../src/tape-index/memory-store.ts';
import {
  type CartridgeRecord,
  dropRun,
  getCartridge,
  listCartridges,
  listRuns,
  putCartridge,
  putRun,
  type RunRecord,
} from '../../src/tape-index/records.ts';
import { chooseSet, lookUpSet } from '../../src/tape-index/set-words.ts';
import {
  dropSet,
  dropUnsealed,
  getSet,
  listSets,
  openSet,
  type StoredSet,
  sealSet,
  verifySealedSince,
  wholeManifest,
} from '../../src/tape-index/sets.ts';
import { createIndexWriter, type IndexSummary } from '../../src/tape-index/writer.ts';
import { putMaps, testManifest } from './manifests.ts';
import { bytesOfText, inodeBatch, nameBatch, plainInode, type TestInode, type TestName } from './trees.ts';

const A = 'a'.repeat(32);
const B = 'b'.repeat(32);
const path = (text: string): Uint8Array[] => text.split('/').map(bytesOfText);
const name = (parent: number, child: number, text: string): TestName => ({ parent, child, name: bytesOfText(text) });

async function index(
  store: MemoryStore,
  set: string,
  inodes: TestInode[],
  names: TestName[],
  changedDirectories?: ReadonlySet<number>,
): Promise<IndexSummary> {
  const writer = createIndexWriter({
    store,
    set: setBytes(set),
    filesystem: 0,
    rootInode: 2,
    ...(changedDirectories && { changedDirectories }),
  });
  writer.addInodes(inodeBatch(inodes));
  writer.addNames(nameBatch(names));
  return writer.finish();
}

const seal = (summary: IndexSummary): { indexDigest: string; indexRows: number } => ({
  indexDigest: sealDigest([{ filesystem: 0, ...summary }]),
  indexRows: summary.rows,
});

/** /etc/{hosts,linked}, /var/log, and linked again in /var. */
const fullInodes = [
  plainInode(2, 0o040755),
  plainInode(11, 0o040755),
  plainInode(12, 0o100644, { size: 7 }),
  plainInode(13, 0o100600, { size: 9, linkCount: 2 }),
  plainInode(14, 0o040755),
  plainInode(15, 0o040700),
];
const fullNames = [
  name(2, 11, 'etc'),
  name(11, 12, 'hosts'),
  name(11, 13, 'linked'),
  name(2, 14, 'var'),
  name(14, 13, 'again'),
  name(14, 15, 'log'),
];

async function twoSets(): Promise<MemoryStore> {
  const store = new MemoryStore();
  await sealSet(store, testManifest(A, seal(await index(store, A, fullInodes, fullNames))));
  // In B /etc/hosts has grown and /var is as it was.
  const inodes = fullInodes.map((inode) => (inode.inode === 12 ? { ...inode, size: 77 } : inode));
  const changed = [name(11, 12, 'hosts'), name(11, 13, 'linked')];
  const summary = await index(store, B, inodes, changed, new Set([11]));
  const more = { base: A, kind: 'incremental' as const, startedAt: '2026-03-15T10:00:00.000Z' };
  await sealSet(store, testManifest(B, { ...more, ...seal(summary) }));
  return store;
}

describe('a set that builds on another', () => {
  it('costs only the directories that changed, and shows the whole tree', async () => {
    const store = await twoSets();
    const older = await openSet(store, (await getSet(store, A)) as StoredSet);
    const newer = await openSet(store, (await getSet(store, B)) as StoredSet);
    expect((await older.resolve(path('etc/hosts')))?.size).toBe(7);
    expect((await newer.resolve(path('etc/hosts')))?.size).toBe(77);
    expect((await newer.resolve(path('var/again')))?.size).toBe(9);
    expect(await newer.resolve(path('var/log/none'))).toBeUndefined();
    let pages = 0;
    for await (const rows of store.scan(keysOf(KeyKind.page, setBytes(B)))) pages += rows.length;
    expect(pages).toBe(1);
  });

  it('never falls back to an older page when its own is lost', async () => {
    const store = await twoSets();
    for await (const rows of store.scan(keysOf(KeyKind.page, setBytes(B))))
      await store.batch(rows.map(([key]) => ({ type: 'del', key })));
    const newer = await openSet(store, (await getSet(store, B)) as StoredSet);
    await expect(newer.resolve(path('etc/hosts'))).rejects.toThrow(/directory 11 first page: is lost/);
    for await (const rows of store.scan(keysOf(KeyKind.directoryRoster, setBytes(B))))
      await store.batch(rows.map(([key]) => ({ type: 'del', key })));
    await expect(newer.resolve(path('var'))).rejects.toThrow(/roster: is lost/);
  });

  it('keeps its base from being dropped; dropped itself, it leaves the base whole', async () => {
    const store = await twoSets();
    expect(await dropSet(store, A)).toEqual([B]);
    expect(await listSets(store)).toHaveLength(2);
    expect(await dropSet(store, B)).toEqual([]);
    const [older] = await listSets(store);
    expect((await checkSet(store, older.manifest)).whole).toBe(true);
    expect(await dropSet(store, A)).toEqual([]);
    expect(store.size).toBe(0);
  });

  it('whose base is gone says so', async () => {
    const store = await twoSets();
    const set = (await getSet(store, B)) as StoredSet;
    await expect(openSet(new MemoryStore(), set)).rejects.toThrow(/its base aaaaaaaa is not in the index/);
  });
});

describe('sets', () => {
  it('are there once sealed, with their chunks, and not before', async () => {
    const store = new MemoryStore();
    const manifest = testManifest(A, seal(await index(store, A, fullInodes, fullNames)));
    await store.batch([putChunk(A, manifest.chunks[0])]);
    expect(await listSets(store)).toEqual([]);
    await sealSet(store, manifest);
    const [set] = await listSets(store);
    expect(await wholeManifest(store, set)).toEqual(manifest);
    expect((await chunkAt(store, A, 1999)).number).toBe(1);
    expect((await chunkAt(store, A, 2000)).number).toBe(2);
    await expect(chunkAt(store, A, 3000)).rejects.toThrow(/no chunk stores it/);
  });

  it('miss a chunk record aloud', async () => {
    for (const lost of [0, 1, 2]) {
      const store = new MemoryStore();
      await sealSet(store, testManifest(A));
      await store.batch([{ type: 'del', key: chunkKey(setBytes(A), lost * 1000) }]);
      await expect(chunkAt(store, A, lost * 1000 + 5)).rejects.toThrow(/no chunk stores it/);
      const set = (await getSet(store, A)) as StoredSet;
      await expect(wholeManifest(store, set)).rejects.toThrow(/chunk/);
    }
  });

  it('that died unsealed go, those of a run in progress and sealed ones stay', async () => {
    const store = await twoSets();
    const before = store.size;
    const dead = 'd'.repeat(32);
    const alive = 'e'.repeat(32);
    await index(store, dead, fullInodes, fullNames);
    await putChunkExtents(store, dead, 0, runsOf([[0, 4096]]));
    await index(store, alive, fullInodes, fullNames);
    const run: RunRecord = {
      id: 'r1',
      set: alive,
      volume: testManifest(A).volume,
      snapshot: testManifest(A).snapshot,
      startedAt: '2026-01-01T00:00:00.000Z',
      updatedAt: '2026-01-01T00:00:00.000Z',
      pid: 1,
      committedChunks: 0,
      detail: { plan: [1, 2] },
    };
    await store.batch([putRun(run)]);
    expect(await dropUnsealed(store)).toEqual([dead]);
    expect(await listRuns(store)).toEqual([run]);
    await store.batch([dropRun('r1')]);
    expect(await dropUnsealed(store)).toEqual([alive]);
    expect(store.size).toBe(before);
  });

  it('that lost rows before they were checked after an unclean end are marked', async () => {
    const store = await twoSets();
    for (const set of [A, B]) await putMaps(store, testManifest(set));
    for await (const rows of store.scan(keysOf(KeyKind.page, setBytes(A))))
      await store.batch([{ type: 'del', key: rows[0][0] }]);
    expect(await verifySealedSince(store, 5)).toEqual([]);
    expect(await verifySealedSince(store, 0)).toEqual([A]);
    const [a, b] = await listSets(store);
    expect(a.damaged).toMatch(/index rows instead of/);
    expect(b.damaged).toBeNull();
    await sealSet(store, testManifest(A, seal(await index(store, A, fullInodes, fullNames))));
    expect((await getSet(store, A))?.damaged).toBeNull();
  });

  it('are found by the words of the command line', () => {
    const set = (id: string, volume: string, startedAt: string): StoredSet => ({
      manifest: testManifest(id.padEnd(32, '0'), { startedAt, volume: { ...testManifest(A).volume, name: volume } }),
      chunkCount: 0,
      generation: 1,
      damaged: null,
    });
    const sets = [
      set('3f2a', 'home', '2026-03-13T22:00:00'),
      set('3f2b', 'home', '2026-03-14T23:59:59'),
      set('77', 'mail@host', '2026-03-14T09:00:00'),
      set('c0ffee', 'beef', '2026-03-16T09:00:00'),
    ];
    const find = (words: string, among = sets): string => {
      const answer = chooseSet(among, words);
      return 'found' in answer ? answer.found.manifest.set.replace(/0+$/, '') : answer.problem;
    };
    expect(find('3f2a')).toBe('3f2a');
    expect(find('3F2B')).toBe('3f2b');
    expect(find('3f2')).toMatch(/beginning of 2 sets: 3f2a/);
    expect(find('home')).toBe('3f2b');
    expect(find('home@latest')).toBe('3f2b');
    expect(find('home@2026-03-14')).toBe('3f2b');
    expect(find('home@2026-03-13')).toBe('3f2a');
    expect(find('home@2026-03-14T12:00')).toBe('3f2a');
    expect(find('home@2026-03-12')).toMatch(/no set of "home" at or before 2026-03-12; the first is of 2026-03-13/);
    expect(find('home@yesterday')).toMatch(/is no date/);
    expect(find('home@2026-02-30')).toMatch(/is no date/);
    expect(find('mail@host@latest')).toBe('77');
    expect(find('latest')).toMatch(/latest" of which volume\? There are home, mail@host, beef/);
    expect(find('latest', sets.slice(0, 2))).toBe('3f2b');
    expect(find('nothing')).toMatch(/no set "nothing"; there are volumes home, mail@host, beef, sets 3f2a0000/);
    expect(find('other@latest')).toMatch(/no set of a volume named "other"/);
    expect(find('beef', [...sets, set('beef1', 'home', '2026-03-17T00:00:00')])).toMatch(
      /is a volume and the beginning/,
    );
    expect(find('x', [])).toMatch(/no backup set yet/);
  });

  it('are looked up in the store', async () => {
    const answer = await lookUpSet(await twoSets(), 'latest');
    expect('found' in answer && answer.found.manifest.set).toBe(B);
  });
});

describe('extent maps', () => {
  const runs = fc
    .array(fc.tuple(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 5000 })), {
      maxLength: 9000,
      size: 'max',
    })
    .map((list) => {
      let at = 0;
      return runsOf(
        list.map(([gap, length]): [number, number] => {
          const start = at + gap * 4096;
          at = start + length * 4096;
          return [start, length * 4096];
        }),
      );
    });

  it('come back whole, and any page gives the stored bytes before it', async () => {
    await fc.assert(
      fc.asyncProperty(runs, fc.nat(), async (map, seed) => {
        const store = new MemoryStore();
        await putChunkExtents(store, A, 6, runsOf([[0, 1]]));
        await putChunkExtents(store, A, 7, map);
        await putChunkExtents(store, A, 8, runsOf([]));
        const back = await chunkExtents(store, A, 7);
        expect(back.count).toBe(map.count);
        expect(Buffer.compare(Buffer.from(back.starts.slice().buffer), Buffer.from(map.starts.slice().buffer))).toBe(0);
        expect(Buffer.compare(Buffer.from(back.lengths.slice().buffer), Buffer.from(map.lengths.slice().buffer))).toBe(
          0,
        );
        expect((await chunkExtents(store, A, 8)).count).toBe(0);
        if (map.count === 0) return;
        const which = seed % map.count;
        const page = await chunkExtentsAt(store, A, 7, map.starts[which]);
        const within = page.runs.starts.indexOf(map.starts[which]);
        expect(within).toBeGreaterThanOrEqual(0);
        let stored = page.storedBefore;
        for (let i = 0; i < within; i++) stored += page.runs.lengths[i];
        let want = 0;
        for (let i = 0; i < which; i++) want += map.lengths[i];
        expect(stored).toBe(want);
      }),
      { numRuns: 8 },
    );
  });

  it('with a page lost are refused', async () => {
    const pairs = Array.from({ length: 9000 }, (_, i): [number, number] => [i * 8192, 4096]);
    for (const lost of [0, 1, 2]) {
      const store = new MemoryStore();
      await putChunkExtents(store, A, 0, runsOf(pairs));
      for await (const rows of store.scan(keysOf(KeyKind.chunkExtents, setBytes(A))))
        await store.batch([{ type: 'del', key: rows[lost][0] }]);
      await expect(chunkExtents(store, A, 0)).rejects.toThrow(/a page is lost/);
      await expect(chunkExtentsAt(store, A, 0, lost * PAGE_RUNS_MAX * 8192 + 5)).rejects.toThrow(/is lost/);
    }
  });
});

describe('records', () => {
  it('of cartridges and proofs come back', async () => {
    const store = new MemoryStore();
    const cartridge: CartridgeRecord = {
      id: 'c1',
      barcode: 'RM0002L9',
      state: 'append',
      reason: null,
      worm: false,
      capacity: 1e12,
      used: 5,
      lastIndexObject: null,
      endObject: 12,
      endFile: 1,
      labelledAt: '2026-01-01T00:00:00.000Z',
      updatedAt: '2026-01-01T00:00:00.000Z',
    };
    await store.batch([putCartridge(cartridge), putCartridge({ ...cartridge, id: 'c2', barcode: 'RM0001L9' })]);
    expect(await getCartridge(store, 'c1')).toEqual(cartridge);
    expect((await listCartridges(store)).map(({ id }) => id)).toEqual(['c2', 'c1']);
  });
});
