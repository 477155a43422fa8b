/** Rows beside the sets: cartridges, runs in progress, proofs. index-format/FORMAT.md, "Other rows". */
import { FormatError } from '../bytes/errors.ts';
import { deleteRange, getJson, parseJson, putJson } from './json-row.ts';
import { fileProofKey, getU64, KeyKind, keysOf, setBytes, setProofKey, successorOfPrefix, textKey } from './keys.ts';
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

/** How well something is proven: not read yet; tape records read and their checksums right; chunk hash right; equal to the snapshot. */
export type ProofLevel = 'unread' | 'record-checked' | 'hash-equal' | 'equal-to-snapshot' | 'damaged';

export interface Proof {
  readonly level: ProofLevel;
  /** ISO 8601. */
  readonly at: string;
  /** What was found when it is damaged; else null. */
  readonly reason: string | null;
}

export const putSetProof = (set: string, proof: Proof): KvOperation => putJson(setProofKey(setBytes(set)), proof);
export const getSetProof = (store: KvStore, set: string): Promise<Proof | undefined> =>
  getJson(store, setProofKey(setBytes(set)), `set ${set.slice(0, 8)} proof`);

/** Proof of one file, where it differs from the set's. */
export const putFileProof = (set: string, filesystem: number, inode: number, proof: Proof): KvOperation =>
  putJson(fileProofKey(setBytes(set), filesystem, inode), proof);

/** The file's proof, else its set's. */
export async function getFileProof(
  store: KvStore,
  set: string,
  filesystem: number,
  inode: number,
): Promise<Proof | undefined> {
  const where = `set ${set.slice(0, 8)} inode ${inode} proof`;
  const own = await getJson<Proof>(store, fileProofKey(setBytes(set), filesystem, inode), where);
  return own ?? getSetProof(store, set);
}

/** Proofs of single files, in order of filesystem and inode. */
export async function* fileProofs(
  store: KvStore,
  set: string,
): AsyncGenerator<{ readonly filesystem: number; readonly inode: number; readonly proof: Proof }> {
  for await (const rows of store.scan(keysOf(KeyKind.proof, setBytes(set)))) {
    for (const [key, value] of rows) {
      if (key[17] !== 1) continue;
      const inode = getU64(key, 20);
      const proof = parseJson<Proof>(key, value, `set ${set.slice(0, 8)} inode ${inode} proof`);
      yield { filesystem: key[18] * 256 + key[19], inode, proof };
    }
  }
}

/**
 * A set's proof and those of the files that it is not true of; all earlier ones go.
 * @param files bounded by the caller
 */
export async function putProofs(
  store: KvStore,
  set: string,
  proof: Proof,
  files: readonly { readonly filesystem: number; readonly inode: number; readonly proof: Proof }[],
): Promise<void> {
  await deleteRange(store, keysOf(KeyKind.proof, setBytes(set)));
  const rows = files.map((one) => putFileProof(set, one.filesystem, one.inode, one.proof));
  await store.batch([...rows, putSetProof(set, proof)], { sync: true });
}

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
