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

/** Rows are gathered so far: a call of the hash costs as much as some hundred bytes. */
const DIGEST_BYTES = 64 * 1024;

/** SHA-256 over rows in key order: key length (u32, little-endian), key, value length, value. */
export class RowDigest {
  readonly #hash = createHash('sha256');
  #scratch = new Uint8Array(DIGEST_BYTES);
  #at = 0;
  rows = 0;

  add(key: Uint8Array, value: Uint8Array): void {
    const length = 8 + key.length + value.length;
    if (this.#at + length > this.#scratch.length) this.#flush(length);
    this.#bytes(key);
    this.#bytes(value);
    this.rows++;
  }

  digest(): Uint8Array {
    this.#flush(0);
    return this.#hash.digest();
  }

  #bytes(bytes: Uint8Array): void {
    const out = this.#scratch;
    const at = this.#at;
    const { length } = bytes;
    out[at] = length;
    out[at + 1] = length >>> 8;
    out[at + 2] = length >>> 16;
    out[at + 3] = length >>> 24;
    out.set(bytes, at + 4);
    this.#at = at + 4 + length;
  }

  #flush(next: number): void {
    this.#hash.update(this.#scratch.subarray(0, this.#at));
    this.#at = 0;
    if (this.#scratch.length < next) this.#scratch = new Uint8Array(next * 2);
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

  /** Nothing, or what to wait for before the next row. */
  put(key: Uint8Array, value: Uint8Array): Promise<void> | undefined {
    assert(compareBytes(this.#lastKey, key) < 0, 'index rows out of key order');
    this.#lastKey = key;
    this.#digest.add(key, value);
    this.bytes += key.length + value.length;
    this.#operations.push({ type: 'put', key, value });
    this.#batchBytes += key.length + value.length;
    const told = this.#onRow?.(key, value);
    const full = this.#operations.length >= BATCH_ROWS || this.#batchBytes >= BATCH_BYTES;
    if (told === undefined) return full ? this.#flush() : undefined;
    return told.then(() => (full ? this.#flush() : undefined));
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
