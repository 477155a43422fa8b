/** A KvStore in memory: for tests, and for an index that is looked at once. */
import { compareBytes } from './keys.ts';
import type { KeyRange, KvOperation, KvStore } from './kv-store.ts';

/** Rows of one batch of a scan. */
const SCAN_ROWS = 256;

export class MemoryStore implements KvStore {
  #rows = new Map<string, readonly [Uint8Array, Uint8Array]>();
  #sorted: (readonly [Uint8Array, Uint8Array])[] | null = null;

  get size(): number {
    return this.#rows.size;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#rows.get(text(key))?.[1];
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return keys.map((key) => this.#rows.get(text(key))?.[1]);
  }

  async *scan(range: KeyRange): AsyncGenerator<readonly (readonly [Uint8Array, Uint8Array])[]> {
    this.#sorted ??= [...this.#rows.values()].sort((a, b) => compareBytes(a[0], b[0]));
    const from = range.gte === undefined ? 0 : lowerBound(this.#sorted, range.gte);
    const to = range.lt === undefined ? this.#sorted.length : lowerBound(this.#sorted, range.lt);
    let rows = this.#sorted.slice(from, Math.max(from, to));
    if (range.reverse === true) rows.reverse();
    rows = rows.slice(0, range.limit);
    for (let at = 0; at < rows.length; at += SCAN_ROWS) yield rows.slice(at, at + SCAN_ROWS);
  }

  async batch(operations: readonly KvOperation[]): Promise<void> {
    for (const operation of operations) {
      if (operation.type === 'put')
        this.#rows.set(text(operation.key), [operation.key.slice(), operation.value.slice()]);
      else this.#rows.delete(text(operation.key));
    }
    this.#sorted = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

const text = (key: Uint8Array): string => Buffer.from(key).toString('latin1');

function lowerBound(rows: readonly (readonly [Uint8Array, Uint8Array])[], key: Uint8Array): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes(rows[middle][0], key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
