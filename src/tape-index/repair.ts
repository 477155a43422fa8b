/** Damaged records of the store that would keep it from being listed: taken out before the index is made again. */
import { FormatError } from '../bytes/errors.ts';
import { decodeFrame } from './frame.ts';
import { KeyKind, successorOfPrefix } from './keys.ts';
import type { KvOperation, KvStore } from './kv-store.ts';

const RECORDS = [
  [KeyKind.set, 'set', 'hex'],
  [KeyKind.damage, 'damage note of set', 'hex'],
  [KeyKind.proof, 'proof of set', 'hex'],
  [KeyKind.cartridge, 'cartridge', 'utf8'],
  [KeyKind.run, 'run', 'utf8'],
] as const;

/** Deletes records of sets, proofs, cartridges and runs whose checksum is wrong. @returns what each was, in words */
export async function dropDamagedRecords(store: KvStore): Promise<string[]> {
  const dropped: string[] = [];
  for (const [kind, what, encoding] of RECORDS) {
    const prefix = Uint8Array.of(kind);
    const operations: KvOperation[] = [];
    for await (const rows of store.scan({ gte: prefix, lt: successorOfPrefix(prefix) })) {
      for (const [key, value] of rows) {
        const where = `${what} ${Buffer.from(key.subarray(1)).toString(encoding).slice(0, 12)}`;
        if (isWhole(key, value, where)) continue;
        dropped.push(where);
        operations.push({ type: 'del', key: key.slice() });
      }
    }
    await store.batch(operations);
  }
  return dropped;
}

function isWhole(key: Uint8Array, value: Uint8Array, where: string): boolean {
  try {
    decodeFrame(key, value, where);
    return true;
  } catch (error) {
    if (error instanceof FormatError) return false;
    throw error;
  }
}
