/** The store's own row: which store it is, and a generation that every synchronous batch raises: an age for records. */
import { FormatError } from '../bytes/errors.ts';
import { REMEDY } from './frame.ts';
import { KeyKind } from './keys.ts';
import type { KvStore } from './kv-store.ts';

export const STORE_KEY = Uint8Array.of(KeyKind.store);

export interface StoreMeta {
  /** 32 hexadecimal digits. */
  readonly id: string;
  readonly generation: number;
}

export const metaRow = (id: string, generation: number): Uint8Array => Buffer.from(JSON.stringify({ id, generation }));

/** @throws FormatError */
export function parseMeta(value: Uint8Array, where: string): StoreMeta {
  try {
    const meta: unknown = JSON.parse(Buffer.from(value).toString('utf8'));
    const { id, generation } = meta as { id: unknown; generation: unknown };
    if (typeof id === 'string' && /^[0-9a-f]{32}$/.test(id) && Number.isSafeInteger(generation))
      return { id, generation: Number(generation) };
  } catch {
    // said below
  }
  throw new FormatError('corrupt', where, `its own record is damaged ${REMEDY}`);
}

/** The store's generation; 0 in stores that keep none. */
export async function storeGeneration(store: KvStore): Promise<number> {
  const value = await store.get(STORE_KEY);
  return value === undefined ? 0 : parseMeta(value, 'index store').generation;
}
