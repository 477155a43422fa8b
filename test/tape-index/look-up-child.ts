/** A fresh process that opens a store, resolves one path of a set and finds its chunk: what the start of a restore costs. */
const begin = performance.now();
const { openStore } = await import('../../src/tape-index/level-store.ts');
const { getSet, openSet } = await import('../../src/tape-index/sets.ts');
const { chunkAt } = await import('../../src/tape-index/chunks.ts');
const imported = performance.now();
const [folder, set, path] = process.argv.slice(2);
const store = await openStore(folder, { command: 'look up' });
const opened = performance.now();
const stored = await getSet(store, set);
if (stored === undefined) throw new Error('no such set');
const index = await openSet(store, stored);
const entry = await index.resolve(path.split('/').map((name) => Buffer.from(name)));
const chunk = await chunkAt(store, set, entry?.extents[0]?.volumeOffset ?? 0);
const found = performance.now();
await store[Symbol.asyncDispose]();
console.log(
  JSON.stringify({
    inode: entry?.inode ?? null,
    chunk: chunk.number,
    importMs: imported - begin,
    openMs: opened - imported,
    lookUpMs: found - opened,
    closeMs: performance.now() - found,
  }),
);
