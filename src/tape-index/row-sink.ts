/**
 * Takes the finished rows of one filesystem in key order: into the store in large sorted batches, one of them in flight;
 * to the index file on tape; and under the digest. index-format/FORMAT.md, "Seal".
 */
import { createHash } from 'node:crypto';
import { assert } from '../bytes/errors.ts';
import { compareBytes } from './keys.ts';
import type { KvOperation, KvStore } from './kv-store.ts';

/** A batch is written when it has this many rows or bytes. */
const BATCH_ROWS = 5000;
const BATCH_BYTES = 1 << 20;

export type OnRow = (key: Uint8Array, value: Uint8Array) => void | Promise<void>;

/** SHA-256 over rows in key order: key length (u32, little-endian), key, value length, value. */
export class RowDigest {
  readonly #hash = createHash('sha256');
  #scratch = Buffer.alloc(64 * 1024);
  rows = 0;

  add(key: Uint8Array, value: Uint8Array): void {
    const length = 8 + key.length + value.length;
    if (this.#scratch.length < length) this.#scratch = Buffer.alloc(length * 2);
    const out = this.#scratch;
    out.writeUInt32LE(key.length, 0);
    out.set(key, 4);
    out.writeUInt32LE(value.length, 4 + key.length);
    out.set(value, 8 + key.length);
    this.#hash.update(out.subarray(0, length));
    this.rows++;
  }

  digest(): Uint8Array {
    return this.#hash.digest();
  }
}

export class RowSink {
  readonly #store: KvStore;
  readonly #onRow: OnRow | undefined;
  readonly #digest = new RowDigest();
  #operations: KvOperation[] = [];
  #batchBytes = 0;
  #inFlight: Promise<void> = Promise.resolve();
  #lastKey: Uint8Array = new Uint8Array(0);
  bytes = 0;

  constructor(store: KvStore, onRow: OnRow | undefined) {
    this.#store = store;
    this.#onRow = onRow;
  }

  get rows(): number {
    return this.#digest.rows;
  }

  async put(key: Uint8Array, value: Uint8Array): Promise<void> {
    assert(compareBytes(this.#lastKey, key) < 0, 'index rows out of key order');
    this.#lastKey = key;
    this.#digest.add(key, value);
    this.bytes += key.length + value.length;
    this.#operations.push({ type: 'put', key, value });
    this.#batchBytes += key.length + value.length;
    const told = this.#onRow?.(key, value);
    if (told !== undefined) await told;
    if (this.#operations.length >= BATCH_ROWS || this.#batchBytes >= BATCH_BYTES) await this.#flush();
  }

  /** Writes what is left; the digest over all rows. */
  async finish(): Promise<Uint8Array> {
    await this.#flush();
    await this.#inFlight;
    return this.#digest.digest();
  }

  async #flush(): Promise<void> {
    await this.#inFlight;
    if (this.#operations.length === 0) return;
    this.#inFlight = this.#store.batch(this.#operations);
    this.#inFlight.catch(() => {}); // thrown by the next flush
    this.#operations = [];
    this.#batchBytes = 0;
  }
}
