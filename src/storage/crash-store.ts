/**
 * A BlockStore for simulations of crashes: it remembers what was not flushed, and can say what a disk might hold after the
 * power went. Nothing but a resolved `flush` makes a write durable, and only writes that had resolved before it was called;
 * of the rest any sectors may be there or not, in any order, and so may cuts and growths of the file.
 */
import type { BlockStore } from '../bytes/block-store.ts';
import { FormatError } from '../bytes/errors.ts';
import type { Bytes } from '../bytes/units.ts';
import { MemoryStore } from './memory-store.ts';

/** A whole number from 0 to `below - 1`. */
export type Pick = (below: number) => number;

/** A small seeded generator (mulberry32), for runs that can be repeated. */
export function seededPick(seed: number): Pick {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000) * below);
  };
}

/** One power supply for any number of stores: after a chosen number of writes everything on it fails. */
export class PowerSwitch {
  #left = Number.POSITIVE_INFINITY;
  #writes = 0;

  /** Writes, cuts and flushes so far, those that failed left out. */
  get writes(): number {
    return this.#writes;
  }

  get on(): boolean {
    return this.#left > 0;
  }

  /** The power goes with the `count`th write, cut or flush from here: its change is made, but nobody hears of it. */
  stopAfter(count: number): void {
    this.#left = count;
  }

  /** Power for ever. */
  restore(): void {
    this.#left = Number.POSITIVE_INFINITY;
  }

  /** Counts one write. @throws FormatError `io` when the power is off */
  use(name: string): void {
    this.mustBeOn(name);
    this.#left--;
    this.#writes++;
  }

  mustBeOn(name: string): void {
    if (!this.on) throw new FormatError('io', name, 'the power is off (simulated)');
  }
}

type Change =
  | { readonly kind: 'write'; readonly offset: number; readonly data: Uint8Array; done: boolean }
  | { readonly kind: 'truncate'; readonly byteLength: number; done: boolean }
  | { readonly kind: 'unmap'; readonly offset: number; readonly length: number; done: boolean };

export interface CrashStoreOptions {
  /** What is on the disk at the start; empty by default. Not changed. */
  readonly content?: MemoryStore;
  readonly power?: PowerSwitch;
  readonly name?: string;
}

export class CrashStore implements BlockStore {
  readonly writable = true;
  readonly power: PowerSwitch;
  readonly #name: string;
  readonly #durable: MemoryStore;
  readonly #now: MemoryStore;
  #changes: Change[] = [];

  constructor(options: CrashStoreOptions = {}) {
    this.#name = options.name ?? 'crash store';
    this.power = options.power ?? new PowerSwitch();
    this.#durable = options.content?.clone() ?? new MemoryStore();
    this.#now = this.#durable.clone();
  }

  get byteLength(): Bytes {
    return this.#now.byteLength;
  }

  async read(offset: Bytes, into: Uint8Array): Promise<void> {
    this.power.mustBeOn(this.#name);
    await tick();
    this.#now.readSync(offset, into);
  }

  write(offset: Bytes, from: Uint8Array): Promise<void> {
    return this.#change({ kind: 'write', offset, data: from.slice(), done: false });
  }

  truncate(byteLength: Bytes): Promise<void> {
    return this.#change({ kind: 'truncate', byteLength, done: false });
  }

  unmap(offset: Bytes, length: Bytes): Promise<void> {
    return this.#change({ kind: 'unmap', offset, length, done: false });
  }

  async flush(): Promise<void> {
    this.power.use(this.#name);
    const covered = new Set(this.#changes.filter((change) => change.done));
    await tick();
    this.power.mustBeOn(this.#name);
    for (const change of this.#changes) if (covered.has(change)) apply(this.#durable, change);
    this.#changes = this.#changes.filter((change) => !covered.has(change));
  }

  /** The stores outlive the process that used them. */
  async [Symbol.asyncDispose](): Promise<void> {}

  /**
   * What the disk may hold if the power goes now: all that was flushed, and of the rest what `pick` chooses.
   * @param sector bytes that are written whole or not at all
   */
  afterCrash(pick: Pick, sector = 512): MemoryStore {
    const store = this.#durable.clone();
    const keep = pick(4); // in quarters, of this crash: sometimes nothing, never surely all
    for (const change of this.#changes) {
      if (change.kind !== 'write') {
        if (pick(2) === 0) apply(store, change);
        continue;
      }
      const { offset, data } = change;
      const end = offset + data.length;
      if (end > store.byteLength && pick(4) === 0) store.truncateSync(end); // the size came, the data perhaps not
      const whole = pick(3) === 0;
      for (let at = offset; at < end; ) {
        const next = Math.min(end, at - (at % sector) + sector);
        if (whole || pick(4) < keep) store.writeSync(at, data.subarray(at - offset, next - offset));
        at = next;
      }
    }
    return store;
  }

  async #change(change: Change): Promise<void> {
    this.power.use(this.#name);
    apply(this.#now, change);
    this.#changes.push(change);
    await tick();
    change.done = true; // where only the process died, the kernel has it
    this.power.mustBeOn(this.#name);
  }
}

function apply(store: MemoryStore, change: Change): void {
  if (change.kind === 'write') store.writeSync(change.offset, change.data);
  else if (change.kind === 'truncate') store.truncateSync(change.byteLength);
  else {
    const end = Math.min(store.byteLength, change.offset + change.length);
    if (end > change.offset) store.writeSync(change.offset, new Uint8Array(end - change.offset));
  }
}

/** Lets other work go first, as a disk would. */
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
