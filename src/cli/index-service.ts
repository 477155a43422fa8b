/** The index of a state directory as the commands see it. */
import { FormatError, UserError } from '../bytes/errors.ts';
import { chunkExtentsAt, findChunk, listChunks, readableExtents } from '../tape-index/chunks.ts';
import type { KvStore } from '../tape-index/kv-store.ts';
import { proofOf } from '../tape-index/proofs.ts';
import type { SetIndex } from '../tape-index/reader.ts';
import { dropSet, getSet, listSets, openSet, type StoredSet } from '../tape-index/sets.ts';
import { storeExists } from '../tape-index/store-files.ts';
import type { IndexService, SetRecord, SetView } from './services.ts';
import { SHORT_ID } from './set-spec.ts';

/** A store that has never been made has no sets; that is no error. */
export const emptyIndex: IndexService = {
  sets: async () => [],
  open: async (set) => missing(set),
  drop: async (set) => missing(set),
  async [Symbol.asyncDispose]() {},
};

function missing(set: SetRecord): never {
  const remedy = '`reelmap sets` lists what there is';
  throw new UserError(`set ${set.set.slice(0, SHORT_ID)}`, 'is not in the index any more', remedy);
}

/** Opens the store in `folder`, or none where none was ever made. */
export async function openIndexService(folder: string, command: string): Promise<IndexService> {
  if (!storeExists(folder)) return emptyIndex;
  const { openStore } = await import('../tape-index/level-store.ts');
  return indexService(await openStore(folder, { command }));
}

/** Over an open store, which is closed with it. */
export function indexService(store: KvStore): IndexService {
  return {
    sets: async (unreadable) =>
      (await listSets(store, unreadable)).map(({ manifest, damaged }) => ({ ...manifest, damaged })),
    async open(record) {
      const set = await getSet(store, record.set);
      return set === undefined ? missing(record) : viewOf(store, record, set, await openSet(store, set));
    },
    async drop(record) {
      const dependents = await dropSet(store, record.set);
      if (dependents.length === 0) return;
      const names = dependents.map((one) => one.slice(0, SHORT_ID)).join(', ');
      throw new UserError(`set ${record.set.slice(0, SHORT_ID)}`, `sets build on it: ${names}`, 'drop those first');
    },
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

function viewOf(store: KvStore, record: SetRecord, { manifest }: StoredSet, index: SetIndex): SetView {
  const { set, recordSize, volume } = manifest;
  // Of a set rebuilt without its last cartridges the chunks end before the volume does.
  let end: Promise<number> | undefined;
  const storedEnd = (): Promise<number> => {
    end ??= manifest.complete ? Promise.resolve(volume.byteLength) : endOfChunks(store, set);
    return end;
  };
  return {
    record,
    recordSize,
    chunkAt: async (at) => (at < (await storedEnd()) ? findChunk(store, set, at) : undefined),
    async chunkExtents({ number }, from, to) {
      // A file is mostly within one page of the map; a tree is not.
      const page = await chunkExtentsAt(store, set, number, from).catch(damaged);
      if (page !== undefined && (page.next === null || to <= page.next)) return page;
      return { ...(await readableExtents(store, set, number)), storedBefore: 0 };
    },
    root: (filesystem) => index.root(filesystem),
    resolve: (names, filesystem) => index.resolve(names, filesystem),
    list: (directory, told) => (told === undefined ? index.list(directory) : index.listReadable(directory, told)),
    walk: (directory, told) => index.walk(directory, told),
    proof: (entry) => proofOf(store, set, entry),
  };
}

async function endOfChunks(store: KvStore, set: string): Promise<number> {
  const last = (await listChunks(store, set)).at(-1);
  return last === undefined ? 0 : 'lost' in last ? last.end : last.volumeOffset + last.byteLength;
}

/** Damage is no failure here: what is whole is looked for elsewhere. */
function damaged(error: unknown): undefined {
  if (!(error instanceof FormatError)) throw error;
}
