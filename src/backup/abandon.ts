/** Gives a run up that was begun and not sealed: its rows go; what it has on tape stays there, of no use, until the cartridge is labelled anew. */
import type { KvStore } from '../tape-index/kv-store.ts';
import { dropRun } from '../tape-index/records.ts';
import { dropUnsealedSet, getSet } from '../tape-index/sets.ts';

/** @param set the set that the run was to make */
export async function abandonRun(store: KvStore, set: string): Promise<void> {
  // The run goes last: a crash in between leaves no rows that nobody knows of.
  if ((await getSet(store, set)) === undefined) await dropUnsealedSet(store, set);
  await store.batch([dropRun(set)], { sync: true });
}
