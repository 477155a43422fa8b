/**
 * Backup sets in the store: sealed, listed, found by words, dropped.
 *
 * Invariants
 * - A set is there when its record is: `sealSet` writes it last, with all chunk records, in one synchronous batch.
 * - Rows of a set without a record belong to a run in progress, or are left over and go with `dropUnsealed`.
 * - A set's record goes before its rows, so that no half set is ever shown; not while another set builds on it.
 */
import { FormatError } from '../bytes/errors.ts';
import { chunks, putChunk } from './chunks.ts';
import { REMEDY } from './frame.ts';
import { deleteRange, parseJson, putJson } from './json-row.ts';
import { damageKey, KeyKind, keysOf, SET_BYTES, setBytes, setKey, successorOfPrefix } from './keys.ts';
import type { KvOperation, KvStore } from './kv-store.ts';
import { FORMAT_VERSION, type Manifest } from './manifest.ts';
import { openSetIndex, type SetIndex } from './reader.ts';
import { listRuns } from './records.ts';
import { storeGeneration } from './store-meta.ts';

/** A manifest as the store keeps it: its chunks are rows of their own (see chunks.ts). */
export type SetManifest = Omit<Manifest, 'chunks'>;

export interface StoredSet {
  readonly manifest: SetManifest;
  readonly chunkCount: number;
  /** The store's generation when it was sealed. */
  readonly generation: number;
  /** What is wrong with its index rows, found after an unclean end; null: nothing is known. */
  readonly damaged: string | null;
}

type SetRow = Pick<StoredSet, 'manifest' | 'chunkCount' | 'generation'>;

/** Seals a set: from now on it is in `listSets`, and on stable storage when this resolves. `more`: rows of the same batch. */
export async function sealSet(store: KvStore, manifest: Manifest, more: readonly KvOperation[] = []): Promise<void> {
  const { chunks: list, ...rest } = manifest;
  const id = setBytes(manifest.set);
  const generation = (await storeGeneration(store)) + 1;
  const row: SetRow = { manifest: rest, chunkCount: list.length, generation };
  const operations: KvOperation[] = list.map((chunk) => putChunk(manifest.set, chunk));
  operations.push(putJson(setKey(id), row), { type: 'del', key: damageKey(id) }, ...more);
  await store.batch(operations, { sync: true });
}

/** A sealed set whose record is damaged: what it is of, and when, is not known. */
export interface UnreadableSet {
  /** As the key has it, which may be what is damaged. */
  readonly id: string;
  readonly reason: string;
}

/**
 * All sealed sets, in order of their start.
 * @param unreadable told of damaged records, and all others come; without it the first is thrown as a FormatError
 */
export async function listSets(store: KvStore, unreadable?: (set: UnreadableSet) => void): Promise<StoredSet[]> {
  const out: StoredSet[] = [];
  const damages = await damagesOf(store);
  const prefix = Uint8Array.of(KeyKind.set);
  for await (const rows of store.scan({ gte: prefix, lt: successorOfPrefix(prefix) })) {
    for (const [key, value] of rows) {
      const id = Buffer.from(key.subarray(1)).toString('hex');
      try {
        out.push({ ...parseSet(key, value, id), damaged: damages.get(id) ?? null });
      } catch (error) {
        if (!(error instanceof FormatError) || unreadable === undefined) throw error;
        unreadable({ id, reason: error.message });
      }
    }
  }
  return out.sort((a, b) => Date.parse(a.manifest.startedAt) - Date.parse(b.manifest.startedAt));
}

/** A sealed set by its id (32 hexadecimal digits). */
export async function getSet(store: KvStore, id: string): Promise<StoredSet | undefined> {
  const key = setKey(setBytes(id));
  const [value, damage] = await store.getMany([key, damageKey(setBytes(id))]);
  if (value === undefined) return undefined;
  const damaged = damage && damageText(damageKey(setBytes(id)), damage, id);
  return { ...parseSet(key, value, id), damaged: damaged ?? null };
}

/** The manifest as it is on tape, with its chunks. @throws FormatError when one is lost */
export async function wholeManifest(store: KvStore, set: StoredSet): Promise<Manifest> {
  const list = await chunks(store, set.manifest.set);
  if (list.length !== set.chunkCount)
    throw new FormatError(
      'corrupt',
      `set ${set.manifest.set.slice(0, 8)}`,
      `${list.length} chunk records instead of ${set.chunkCount} ${REMEDY}`,
    );
  return { ...set.manifest, chunks: list };
}

/** The index of a sealed set, with the sets it builds on. */
export async function openSet(store: KvStore, set: StoredSet): Promise<SetIndex> {
  return openSetIndex(store, set.manifest, async (id) => (await getSet(store, id))?.manifest);
}

/**
 * Drops a set and everything that is only its own.
 * @returns the sets that build on it and so forbid it; empty: it was dropped
 */
export async function dropSet(store: KvStore, id: string): Promise<readonly string[]> {
  const dependents = (await listSets(store)).filter(({ manifest }) => manifest.base === id);
  if (dependents.length > 0) return dependents.map(({ manifest }) => manifest.set);
  await store.batch([{ type: 'del', key: setKey(setBytes(id)) }], { sync: true });
  await dropRows(store, setBytes(id));
  return [];
}

/** Drops all that the store has of a set, sealed or not, also where others build on it: it is put back at once. */
export async function forgetSet(store: KvStore, id: string): Promise<void> {
  await store.batch([{ type: 'del', key: setKey(setBytes(id)) }], { sync: true });
  await dropRows(store, setBytes(id));
}

/** Kinds of rows that a set has beside its record. */
const SET_ROWS = [
  KeyKind.chunk,
  KeyKind.chunkExtents,
  KeyKind.page,
  KeyKind.inodeRecord,
  KeyKind.directoryRoster,
  KeyKind.recordRoster,
  KeyKind.proof,
  KeyKind.damage,
] as const;

async function dropRows(store: KvStore, set: Uint8Array): Promise<void> {
  for (const kind of SET_ROWS) await deleteRange(store, keysOf(kind, set));
}

/** Drops the index rows, chunks and maps written so far for a set that is not sealed: before it is indexed anew. */
export async function dropUnsealedSet(store: KvStore, id: string): Promise<void> {
  if ((await store.get(setKey(setBytes(id)))) !== undefined) throw new RangeError(`set ${id} is sealed`);
  await dropRows(store, setBytes(id));
}

/**
 * Removes what dead runs left: rows of sets that are neither sealed nor of a run in progress.
 * @returns the ids of those sets
 */
export async function dropUnsealed(store: KvStore): Promise<readonly string[]> {
  const keep = new Set((await listRuns(store)).map((run) => run.set));
  const found = new Set<string>();
  for (const kind of SET_ROWS) {
    for (let from = Uint8Array.of(kind); ; ) {
      const id = await firstSet(store, kind, from);
      if (id === undefined) break;
      if (!found.has(id) && !keep.has(id) && (await store.get(setKey(setBytes(id)))) === undefined) found.add(id);
      from = Uint8Array.from(keysOf(kind, setBytes(id)).lt);
    }
  }
  for (const id of found) await dropRows(store, setBytes(id));
  return [...found];
}

async function firstSet(store: KvStore, kind: number, from: Uint8Array): Promise<string | undefined> {
  for await (const rows of store.scan({ gte: from, lt: Uint8Array.of(kind + 1), limit: 1 })) {
    for (const [key] of rows) return Buffer.from(key.subarray(1, 1 + SET_BYTES)).toString('hex');
  }
  return undefined;
}

/**
 * After an unclean end: checks the index of every set sealed since `generation` and notes what is damaged, so that a log
 * that lost rows in its middle does not go unseen. `listSets` and `getSet` then say so.
 */
export async function verifySealedSince(store: KvStore, generation: number): Promise<readonly string[]> {
  const damaged: string[] = [];
  for (const set of await listSets(store)) {
    if (set.generation <= generation) continue;
    const reason = await damageOf(store, set);
    if (reason === undefined) continue;
    damaged.push(set.manifest.set);
    await store.batch([putJson(damageKey(setBytes(set.manifest.set)), { reason })]);
  }
  return damaged;
}

async function damageOf(store: KvStore, set: StoredSet): Promise<string | undefined> {
  try {
    const { checkChunks, checkSet } = await import('./check.ts'); // it needs node:crypto, which a look-up does not
    const problems = [...(await checkChunks(store, set)), ...(await checkSet(store, set.manifest)).problems];
    return problems.length > 0 ? problems.join('; ') : undefined;
  } catch (error) {
    if (error instanceof FormatError) return error.message;
    throw error;
  }
}

async function damagesOf(store: KvStore): Promise<Map<string, string>> {
  const out = new Map<string, string>();
  const prefix = Uint8Array.of(KeyKind.damage);
  for await (const rows of store.scan({ gte: prefix, lt: successorOfPrefix(prefix) })) {
    for (const [key, value] of rows) {
      const id = Buffer.from(key.subarray(1)).toString('hex');
      out.set(id, damageText(key, value, id));
    }
  }
  return out;
}

/** What the note says; a note that is damaged itself still says that something is. */
function damageText(key: Uint8Array, value: Uint8Array, id: string): string {
  try {
    return parseJson<{ reason: string }>(key, value, `set ${id.slice(0, 8)} damage note`).reason;
  } catch (error) {
    if (error instanceof FormatError) return error.message;
    throw error;
  }
}

function parseSet(key: Uint8Array, value: Uint8Array, id: string): SetRow {
  const where = `set ${id.slice(0, 8)}`;
  const row = parseJson<SetRow>(key, value, where);
  if (row.manifest?.format > FORMAT_VERSION)
    throw new FormatError(
      'unsupported',
      where,
      `format version ${row.manifest.format}, this program reads ${FORMAT_VERSION}`,
    );
  if (row.manifest?.set !== id) throw new FormatError('corrupt', where, `its record is out of place ${REMEDY}`);
  return row;
}
