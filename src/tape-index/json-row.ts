/** Small rows (sets, chunks, cartridges, runs, proofs) as JSON in the index's frame: a checksum over key and text. */
import { FormatError } from '../bytes/errors.ts';
import { decodeFrame, encodeFrame, REMEDY } from './frame.ts';
import type { KvOperation, KvStore } from './kv-store.ts';

export function putJson(key: Uint8Array, value: object): KvOperation {
  return { type: 'put', key, value: encodeFrame(key, Buffer.from(JSON.stringify(value), 'utf8')) };
}

/**
 * The object in a row. Its fields are trusted as far as the checksum goes: we wrote it.
 * @throws FormatError
 */
export function parseJson<T extends object>(key: Uint8Array, value: Uint8Array, where: string): T {
  const raw = decodeFrame(key, value, where);
  try {
    const object: unknown = JSON.parse(Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength).toString('utf8'));
    if (typeof object === 'object' && object !== null) return object as T;
  } catch (cause) {
    throw new FormatError('corrupt', where, `is no JSON ${REMEDY}`, { cause });
  }
  throw new FormatError('corrupt', where, `is no JSON object ${REMEDY}`);
}

export async function getJson<T extends object>(
  store: KvStore,
  key: Uint8Array,
  where: string,
): Promise<T | undefined> {
  const value = await store.get(key);
  return value && parseJson<T>(key, value, where);
}

/** Operations in one batch of a range that is deleted, at most. */
const DELETE_ROWS = 4096;

/** Deletes every row of a range. */
export async function deleteRange(store: KvStore, range: { gte: Uint8Array; lt: Uint8Array }): Promise<number> {
  let count = 0;
  let operations: KvOperation[] = [];
  for await (const rows of store.scan(range)) {
    for (const [key] of rows) operations.push({ type: 'del', key });
    count += rows.length;
    if (operations.length < DELETE_ROWS) continue;
    await store.batch(operations);
    operations = [];
  }
  if (operations.length > 0) await store.batch(operations);
  return count;
}
