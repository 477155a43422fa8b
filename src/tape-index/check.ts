/** Checks a set's index as a whole: every row under the seal's digest. index-format/FORMAT.md, "Seal". */
import { createHash } from 'node:crypto';
import { FormatError } from '../bytes/errors.ts';
import { totalBytes } from '../bytes/extents.ts';
import { listChunks, readableExtents } from './chunks.ts';
import { decodeFrame, REMEDY } from './frame.ts';
import { KeyKind, keysOf, SEALED_KINDS, setBytes, successorOfPrefix } from './keys.ts';
import type { KvStore } from './kv-store.ts';
import type { Manifest } from './manifest.ts';
import { decodePage } from './page-decode.ts';
import { RowDigest } from './row-sink.ts';
import type { StoredSet } from './sets.ts';

/** Damaged rows that are named one by one, at most. */
const NAMED_MAX = 20;

export interface SetCheck {
  readonly whole: boolean;
  readonly rows: number;
  /** What is wrong, a clause each; empty when whole. */
  readonly problems: readonly string[];
}

/** The seal's digest: SHA-256 over, for each filesystem in order of number, number u16, rows u64 (big-endian), digest. */
export function sealDigest(
  parts: readonly { readonly filesystem: number; readonly rows: number; readonly digest: Uint8Array }[],
): string {
  const hash = createHash('sha256');
  for (const part of [...parts].sort((a, b) => a.filesystem - b.filesystem)) {
    const head = Buffer.alloc(10);
    head.writeUInt16BE(part.filesystem, 0);
    head.writeBigUInt64BE(BigInt(part.rows), 2);
    hash.update(head).update(part.digest);
  }
  return hash.digest('hex');
}

/** Reads all index rows of a set and compares them with its seal; says which are damaged if they differ. */
export async function checkSet(
  store: KvStore,
  set: Pick<Manifest, 'set' | 'indexDigest' | 'indexRows'> & {
    readonly filesystems: readonly { readonly number: number; readonly indexed: boolean }[];
  },
  options: { readonly checked?: (rows: number) => void; readonly signal?: AbortSignal } = {},
): Promise<SetCheck> {
  const id = setBytes(set.set);
  const parts: { filesystem: number; rows: number; digest: Uint8Array }[] = [];
  const problems: string[] = [];
  let rows = 0;
  for (const { number, indexed } of set.filesystems) {
    if (!indexed) continue;
    const digest = new RowDigest();
    for (const kind of SEALED_KINDS) {
      for await (const batch of store.scan(keysOf(kind, id, number))) {
        options.signal?.throwIfAborted();
        options.checked?.(rows + digest.rows);
        for (const [key, value] of batch) {
          digest.add(key, value);
          if (problems.length < NAMED_MAX) checkRow(kind, key, value, problems);
        }
      }
    }
    rows += digest.rows;
    parts.push({ filesystem: number, rows: digest.rows, digest: digest.digest() });
  }
  if (rows !== set.indexRows) problems.push(`${rows} index rows instead of ${set.indexRows}`);
  else if (sealDigest(parts) !== set.indexDigest) problems.push('the digest over all index rows is wrong');
  return { whole: problems.length === 0, rows, problems };
}

/** What is wrong with the rows that say where a set's bytes lie: its chunks and their extent maps. */
export async function checkChunks(store: KvStore, { manifest, chunkCount }: StoredSet): Promise<readonly string[]> {
  const problems: string[] = [];
  const list = await listChunks(store, manifest.set);
  for (const chunk of list) {
    if ('lost' in chunk) {
      problems.push(`the chunk of volume byte ${chunk.volumeOffset}: ${chunk.lost}`);
      continue;
    }
    const { runs, lost } = await readableExtents(store, manifest.set, chunk.number);
    const stored = totalBytes(runs);
    if (lost.length > 0) problems.push(`the extent map of chunk ${chunk.number}: ${lost[0].reason}`);
    else if (stored !== chunk.storedBytes || runs.count !== chunk.extentCount)
      problems.push(`the extent map of chunk ${chunk.number} is not the one that its record tells of ${REMEDY}`);
  }
  const known = list.filter((chunk) => !('lost' in chunk)).length;
  if (known !== chunkCount) problems.push(`${known} chunk records instead of ${chunkCount} ${REMEDY}`);
  return problems;
}

/** What is wrong with the records beside the sets: cartridges, runs, proofs, notes. */
export async function checkRecords(store: KvStore): Promise<readonly string[]> {
  const problems: string[] = [];
  for (const [kind, what] of RECORD_KINDS) {
    const prefix = Uint8Array.of(kind);
    for await (const rows of store.scan({ gte: prefix, lt: successorOfPrefix(prefix) }))
      for (const [key, value] of rows)
        if (problems.length < NAMED_MAX) checkRow(kind, key, value, problems, `${what} ${nameOf(kind, key)}`);
  }
  return problems;
}

const RECORD_KINDS = [
  [KeyKind.proof, 'proof of set'],
  [KeyKind.damage, 'damage note of set'],
  [KeyKind.cartridge, 'cartridge'],
  [KeyKind.run, 'run'],
] as const;

function nameOf(kind: number, key: Uint8Array): string {
  const id = Buffer.from(key.subarray(1));
  return kind === KeyKind.cartridge || kind === KeyKind.run
    ? id
        .toString('latin1')
        .replace(/[^\x20-\x7e]/g, '?')
        .slice(0, 12)
    : id.toString('hex', 0, 4);
}

function checkRow(
  kind: number,
  key: Uint8Array,
  value: Uint8Array,
  problems: string[],
  where = `index row ${Buffer.from(key).toString('hex')}`,
): void {
  try {
    if (kind === KeyKind.page || kind === KeyKind.inodeRecord) decodePage(key, value, where);
    else decodeFrame(key, value, where);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    problems.push(error.message);
  }
}
