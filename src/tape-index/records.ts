/** Rows beside the sets: cartridges, runs in progress. index-format/FORMAT.md, "Other rows". */
import { FormatError } from '../bytes/errors.ts';
import { getJson, parseJson, putJson } from './json-row.ts';
import { KeyKind, successorOfPrefix, textKey } from './keys.ts';
import type { KvOperation, KvStore } from './kv-store.ts';
import type { Manifest, VolumeIdentity } from './manifest.ts';

/**
 * What may be done with a cartridge:
 * blank: no label yet; append: more can be written; full: closed at early warning or by the user; error: closed after a
 * write error, what is before its last committed mark can be read; read-only: foreign, write-protected or retired;
 * missing: not found where it was.
 */
export type CartridgeState = 'blank' | 'append' | 'full' | 'error' | 'read-only' | 'missing';

export interface CartridgeRecord {
  /** From the label; lasting. 32 hexadecimal digits. */
  readonly id: string;
  readonly barcode: string;
  readonly state: CartridgeState;
  /** Why it is in state error, read-only or missing; else null. */
  readonly reason: string | null;
  readonly worm: boolean;
  /** Bytes of record data that it holds in all, if known, and that are written. */
  readonly capacity: number | null;
  readonly used: number;
  /** First object of its last index or end-of-cartridge file; null: none. */
  readonly lastIndexObject: number | null;
  /** Every index file on it, ascending; missing: none was noted. */
  readonly indexFiles?: readonly { readonly object: number; readonly set: string }[];
  /** End of data as the store last knew it, after a synchronous filemark: logical object and tape file. */
  readonly endObject: number;
  readonly endFile: number;
  /** ISO 8601. */
  readonly labelledAt: string;
  readonly updatedAt: string;
}

export const putCartridge = (cartridge: CartridgeRecord): KvOperation =>
  putJson(textKey(KeyKind.cartridge, cartridge.id), cartridge);

export const getCartridge = (store: KvStore, id: string): Promise<CartridgeRecord | undefined> =>
  getJson(store, textKey(KeyKind.cartridge, id), `cartridge ${id}`);

/** All cartridges, by barcode. `damaged` is told of records that cannot be read; without it that is thrown. */
export async function listCartridges(
  store: KvStore,
  damaged?: (error: FormatError) => void,
): Promise<CartridgeRecord[]> {
  const out = await listText<CartridgeRecord>(store, KeyKind.cartridge, 'cartridge', damaged);
  return out.sort((a, b) => (a.barcode < b.barcode ? -1 : a.barcode > b.barcode ? 1 : 0));
}

export const dropCartridge = (id: string): KvOperation => ({ type: 'del', key: textKey(KeyKind.cartridge, id) });

/** A backup that was begun and is not sealed: what it needs to go on. */
export interface RunRecord {
  readonly id: string;
  /** The set it writes; its rows are kept while this record is there. */
  readonly set: string;
  readonly volume: VolumeIdentity;
  readonly snapshot: Manifest['snapshot'];
  /** ISO 8601. */
  readonly startedAt: string;
  readonly updatedAt: string;
  /** The process that works or worked on it. */
  readonly pid: number;
  /** Chunks before a synchronous filemark. */
  readonly committedChunks: number;
  /** Whatever else backup/ wants back. */
  readonly detail: Readonly<Record<string, unknown>>;
}

export const putRun = (run: RunRecord): KvOperation => putJson(textKey(KeyKind.run, run.id), run);
export const dropRun = (id: string): KvOperation => ({ type: 'del', key: textKey(KeyKind.run, id) });
export const getRun = (store: KvStore, id: string): Promise<RunRecord | undefined> =>
  getJson(store, textKey(KeyKind.run, id), `run ${id}`);
export const listRuns = (store: KvStore): Promise<RunRecord[]> => listText<RunRecord>(store, KeyKind.run, 'run');

async function listText<T extends object>(
  store: KvStore,
  kind: number,
  what: string,
  damaged?: (error: FormatError) => void,
): Promise<T[]> {
  const out: T[] = [];
  const prefix = Uint8Array.of(kind);
  for await (const rows of store.scan({ gte: prefix, lt: successorOfPrefix(prefix) })) {
    for (const [key, value] of rows) {
      try {
        out.push(parseJson<T>(key, value, `${what} ${Buffer.from(key.subarray(1)).toString('utf8')}`));
      } catch (error) {
        if (!(error instanceof FormatError) || damaged === undefined) throw error;
        damaged(error);
      }
    }
  }
  return out;
}
