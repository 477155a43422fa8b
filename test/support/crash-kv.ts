/**
 * A KvStore that can lose power, as LevelDB may: batches become durable in order, at the latest with the next synchronous
 * one; of those behind it a crash keeps a beginning of the row of batches, each whole.
 */
import type { Pick, PowerSwitch } from '../../src/storage/crash-store.ts';
import type { KeyRange, KvOperation, KvStore } from '../../src/tape-index/kv-store.ts';
import { MemoryStore } from '../../src/tape-index/memory-store.ts';

export class CrashKv implements KvStore {
  readonly #power: PowerSwitch;
  readonly #now = new MemoryStore();
  #durable: readonly (readonly KvOperation[])[];
  #pending: (readonly KvOperation[])[] = [];

  /** @param content batches that are durable at the start */
  constructor(power: PowerSwitch, content: readonly (readonly KvOperation[])[] = []) {
    this.#power = power;
    this.#durable = content;
    for (const operations of content) void this.#now.batch(operations);
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#power.mustBeOn('store');
    return this.#now.get(key);
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    this.#power.mustBeOn('store');
    return this.#now.getMany(keys);
  }

  async *scan(range: KeyRange): AsyncGenerator<readonly (readonly [Uint8Array, Uint8Array])[]> {
    this.#power.mustBeOn('store');
    yield* this.#now.scan(range);
  }

  async batch(operations: readonly KvOperation[], options?: { readonly sync?: boolean }): Promise<void> {
    this.#power.use('store');
    const kept = operations.map((one) =>
      one.type === 'put'
        ? { type: one.type, key: one.key.slice(), value: one.value.slice() }
        : { type: one.type, key: one.key.slice() },
    );
    await this.#now.batch(kept);
    this.#pending.push(kept);
    // The power that goes with this batch may have let it through or not: nobody heard of it.
    this.#power.mustBeOn('store');
    if (options?.sync !== true) return;
    this.#durable = [...this.#durable, ...this.#pending];
    this.#pending = [];
  }

  /** The store outlives the process. */
  async [Symbol.asyncDispose](): Promise<void> {}

  /** What may be found if the power goes now. */
  afterCrash(pick: Pick): readonly (readonly KvOperation[])[] {
    return [...this.#durable, ...this.#pending.slice(0, pick(this.#pending.length + 1))];
  }

  /** All that was written: a process was killed, the machine goes on. */
  content(): readonly (readonly KvOperation[])[] {
    return [...this.#durable, ...this.#pending];
  }
}
