/** The rows of a set as they travel: from the store to the index file on tape, and back. */
import { check } from '../bytes/errors.ts';
import type { CartridgeFile } from '../tape/archive/end-of-cartridge.ts';
import { equalBytes, KeyKind, keysOf, SEALED_KINDS, setBytes } from '../tape-index/keys.ts';
import type { KvOperation, KvStore } from '../tape-index/kv-store.ts';
import { listSets, wholeManifest } from '../tape-index/sets.ts';

export type RowBatch = readonly (readonly [key: Uint8Array, value: Uint8Array])[];

/** Rows under the seal's digest, in the order in which it takes them. */
export async function* sealedRows(store: KvStore, set: string): AsyncGenerator<RowBatch, void, void> {
  for (const kind of SEALED_KINDS) yield* store.scan(keysOf(kind, setBytes(set)));
}

/** The extent maps of a set's chunks. */
export async function* extentRows(store: KvStore, set: string): AsyncGenerator<RowBatch, void, void> {
  yield* store.scan(keysOf(KeyKind.chunkExtents, setBytes(set)));
}

const IMPORTED: ReadonlySet<number> = new Set([...SEALED_KINDS, KeyKind.chunkExtents]);

/** Puts rows from an index file into the store. @throws FormatError for a row that is not of this set or no index row */
export async function importRows(store: KvStore, set: string, rows: RowBatch, where: string): Promise<void> {
  const id = setBytes(set);
  const operations: KvOperation[] = rows.map(([key, value]) => {
    check(
      IMPORTED.has(key[0]) && key.length > id.length && equalBytes(key.subarray(1, 1 + id.length), id),
      where,
      'a row that is not of this set',
    );
    return { type: 'put', key: key.slice(), value: value.slice() };
  });
  await store.batch(operations);
}

/** Forgets what a walk has written for a set that is not sealed, or for one of its filesystems; its chunks stay. */
export async function dropSealedRows(store: KvStore, set: string, filesystem?: number): Promise<void> {
  for (const kind of SEALED_KINDS) {
    for await (const rows of store.scan(keysOf(kind, setBytes(set), filesystem)))
      await store.batch(rows.map(([key]) => ({ type: 'del', key: Uint8Array.from(key) })));
  }
}

/** The tape files of sealed sets on a cartridge. */
export async function filesOnCartridge(store: KvStore, cartridge: string): Promise<CartridgeFile[]> {
  const out: CartridgeFile[] = [];
  for (const set of await listSets(store)) {
    if (!set.manifest.cartridges.some(({ id }) => id === cartridge)) continue;
    for (const chunk of (await wholeManifest(store, set)).chunks) {
      for (const copy of chunk.copies) {
        if (copy.cartridge === cartridge)
          out.push({ object: copy.firstObject, kind: 'chunk', set: set.manifest.set, chunk: chunk.number });
      }
    }
  }
  return out;
}
