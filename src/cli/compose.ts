/** Wires the layers for the commands that read: the index as a service, cartridges for a restore, a volume's way back. */
import { UserError } from '../bytes/errors.ts';
import { type Runs, RunsBuilder } from '../bytes/extents.ts';
import type { ChunkExtents } from '../plan/restore-plan.ts';
import { chunkAt, chunkExtentsAt } from '../tape-index/chunks.ts';
import type { KvStore } from '../tape-index/kv-store.ts';
import { getFileProof } from '../tape-index/records.ts';
import { dropSet, listSets, openSet, type StoredSet } from '../tape-index/sets.ts';
import type { IndexService, Services, SetRecord, SetView } from './services.ts';
import { indexFolder } from './state.ts';

export const services: Services = {
  async openIndex(home) {
    const { openStore } = await import('../tape-index/level-store.ts');
    return indexService(await openStore(indexFolder(home), { command: process.argv.slice(2, 4).join(' ') }));
  },
  async openTapes(home, set, signal) {
    const { openTapes } = await import('./tapes.ts');
    return openTapes(home, set, signal);
  },
  async restoreVolume(home, index, request) {
    const { restoreVolumeOf } = await import('./volume-restore.ts');
    return restoreVolumeOf(home, index, request);
  },
};

export function indexService(store: KvStore): IndexService {
  let stored: readonly StoredSet[] | undefined;
  const all = async (): Promise<readonly StoredSet[]> => {
    stored ??= await listSets(store);
    return stored;
  };
  return {
    sets: async () => (await all()).map(({ manifest }) => manifest),
    open: async (record) =>
      setView(store, record, (await all()).find(({ manifest }) => manifest.set === record.set) as StoredSet),
    async drop(record) {
      const dependents = await dropSet(store, record.set);
      if (dependents.length > 0) {
        const words = dependents.map((id) => id.slice(0, 8)).join(', ');
        throw new UserError(`set ${record.set.slice(0, 8)}`, `others build on it: ${words}`, 'drop those first');
      }
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

async function setView(store: KvStore, record: SetRecord, stored: StoredSet): Promise<SetView> {
  const index = await openSet(store, stored);
  return {
    record,
    recordSize: record.recordSize,
    root: (filesystem) => index.root(filesystem),
    resolve: (names, filesystem) => index.resolve([...names], filesystem),
    list: (directory) => index.list(directory),
    walk: (directory) => index.walk(directory),
    chunkAt: (volumeOffset) => chunkAt(store, record.set, volumeOffset),
    chunkExtents: (chunk, from, to) => extentsBetween(store, record.set, chunk.number, from, to),
    async proof(entry) {
      const proof = await getFileProof(store, record.set, entry.filesystem, entry.inode);
      return proof && { level: proof.level, date: proof.at };
    },
  };
}

/** The pages of a chunk's extent map from the one that covers `from` to the one that covers `to`. */
async function extentsBetween(
  store: KvStore,
  set: string,
  chunk: number,
  from: number,
  to: number,
): Promise<ChunkExtents> {
  const first = await chunkExtentsAt(store, set, chunk, from);
  const all = new RunsBuilder();
  const add = (runs: Runs): void => {
    for (let i = 0; i < runs.count; i++) all.add(runs.starts[i], runs.lengths[i]);
  };
  add(first.runs);
  for (let { next } = first; next !== null && next < to; ) {
    const page = await chunkExtentsAt(store, set, chunk, next);
    add(page.runs);
    next = page.next;
  }
  return { runs: all.finish(), storedBefore: first.storedBefore };
}
