/**
 * Bytes appended to a store through a ring of buffers: callers copy in and go on, full buffers go out in the background as
 * large aligned writes. Bytes whose owner lends them go out from where they lie (measured: a copy costs the thread 0.25 s
 * and more of 1.3 GB, as much again as their CRC-32C).
 *
 * Invariants
 * - A buffer covers `[base, base + its size)` of the store; `base` is a multiple of `DIRECT_ALIGNMENT`, so whole buffers
 *   suit O_DIRECT. The bytes of the last partial block stay in the buffer and are written again with what follows.
 * - A buffer is filled again only when its writes are done and nobody else (a digest) holds it.
 * - Lent bytes begin and end at multiples of `DIRECT_ALIGNMENT` in the store, and are retained until they are written; at
 *   most `LENT_BYTES_MAX` of them. They never wait for more to come once something else is pushed.
 * - After a failed write nothing more goes out; `error` says why and stays.
 */
import { DIRECT_ALIGNMENT, isPageAligned } from '../bytes/aligned.ts';
import type { BlockStore } from '../bytes/block-store.ts';
import { assert } from '../bytes/errors.ts';
import type { Lender } from '../bytes/lender.ts';
import { alignDown, bytes, KiB, MiB } from '../bytes/units.ts';

/** Background writes under way at once. */
const WRITES_MAX = 2;
/** A partial buffer at least this long goes out as an aligned write and a tail, a shorter one as it is. */
const SPLIT_BYTES_MIN = 128 * KiB;
/** Shorter ones are copied: they would make small writes. */
const LENT_BYTES_MIN = 64 * KiB;
/** Lent bytes side by side go out as one write of at most this length ... */
const LENT_WRITE_BYTES = 4 * MiB;
/** ... and of at least this while nothing else is being written. */
const LENT_WRITE_BYTES_MIN = MiB;
const LENT_BYTES_MAX = 12 * MiB;

/** Sees the bytes on their way, in order, in the ring itself; their buffer is filled again only after `release`. */
export type Tap = (data: Uint8Array, release: () => void) => void;

interface Job {
  /** Where in the store. */
  readonly offset: number;
  readonly data: Uint8Array;
  readonly release: () => void;
  done: boolean;
}

/** Lent bytes side by side in memory, not handed to the store yet. */
interface LentRun {
  readonly lender: Lender;
  readonly offset: number;
  data: Uint8Array;
}

export class WriteBehind {
  readonly #store: BlockStore;
  readonly #buffers: readonly Uint8Array[];
  readonly #holds: number[];
  readonly #tap: Tap | undefined;
  readonly #jobs: Job[] = []; // in order of offset; the first of them not done yet
  readonly #queue: Job[] = [];
  readonly #waiting: (() => void)[] = [];
  #active = 0;
  #lent: LentRun | undefined;
  #lentBytes = 0; // retained
  #current = 0;
  #base = 0;
  #fill = 0; // bytes of the current buffer
  #submitted = 0; // ... of them handed to the store
  #tapped = 0; // ... of them shown to the tap
  #written = 0;
  #error: unknown;

  /** @param buffers of one size, a multiple of `DIRECT_ALIGNMENT` */
  constructor(store: BlockStore, buffers: readonly Uint8Array[], tap?: Tap) {
    this.#store = store;
    this.#buffers = buffers;
    this.#holds = buffers.map(() => 0);
    this.#tap = tap;
  }

  /** The first failure of a background write; nothing is written after it. */
  get error(): unknown {
    return this.#error;
  }

  /** The store holds everything before this offset. */
  get written(): number {
    return this.#written;
  }

  /** Begins at `offset` of the store. Nothing may be under way. */
  async start(offset: number): Promise<void> {
    await this.#until(() => this.#holds.every((holds) => holds === 0));
    this.#current = 0;
    this.#base = alignDown(offset, DIRECT_ALIGNMENT);
    this.#fill = offset - this.#base;
    this.#submitted = this.#fill;
    this.#tapped = this.#fill;
    this.#written = offset;
    if (this.#fill > 0) await this.#store.read(bytes(this.#base), this.#buffers[0].subarray(0, this.#fill));
  }

  /** Copies `data` in, or keeps it where `lender` admits that. A promise comes back only where it had to wait for room. */
  push(data: Uint8Array, lender?: Lender): Promise<void> | undefined {
    if (lender !== undefined && this.#canKeep(data)) return this.#keep(data, lender);
    this.#endLent();
    const size = this.#buffers[this.#current].length;
    if (this.#fill + data.length > size) return this.#pushOver(data);
    this.#buffers[this.#current].set(data, this.#fill);
    this.#fill += data.length;
    return undefined;
  }

  /** Shows the tap everything pushed so far. */
  showTap(): void {
    if (!this.#tap || this.#tapped === this.#fill) return;
    const index = this.#current;
    this.#holds[index]++;
    const from = this.#tapped;
    this.#tapped = this.#fill;
    this.#tap(this.#buffers[index].subarray(from, this.#fill), () => this.#release(index));
  }

  /** Everything pushed is in the store (not flushed) when this resolves, or `error` is set. */
  async drain(): Promise<void> {
    this.showTap();
    this.#endLent();
    this.#submit();
    await this.#until(() => this.#active === 0 && this.#queue.length === 0);
  }

  /** The ring is in nobody's hands when this resolves. Call after `drain`. */
  async idle(): Promise<void> {
    await this.#until(() => this.#holds.every((holds) => holds === 0));
  }

  #canKeep(data: Uint8Array): boolean {
    const aligned = (this.#fill | data.length) % DIRECT_ALIGNMENT === 0;
    return aligned && data.length >= LENT_BYTES_MIN && this.#tap === undefined && isPageAligned(data);
  }

  #keep(data: Uint8Array, lender: Lender): Promise<void> | undefined {
    if (this.#error !== undefined) return undefined;
    this.#submit();
    const run = this.#lent;
    const next = run === undefined ? undefined : run.data.byteOffset + run.data.length;
    const goesOn =
      run !== undefined &&
      run.lender === lender &&
      next === data.byteOffset &&
      run.data.length + data.length <= LENT_WRITE_BYTES;
    if (goesOn) run.data = new Uint8Array(data.buffer, run.data.byteOffset, run.data.length + data.length);
    else {
      this.#endLent();
      lender.retain();
      this.#lent = { lender, offset: this.#base + this.#fill, data };
    }
    this.#base += data.length; // what is copied next follows it in the store, and not in the ring
    this.#lentBytes += data.length;
    const length = this.#lent?.data.length ?? 0;
    if (length >= (this.#active === 0 ? LENT_WRITE_BYTES_MIN : LENT_WRITE_BYTES)) this.#endLent();
    return this.#lentBytes > LENT_BYTES_MAX ? this.#until(() => this.#lentBytes <= LENT_BYTES_MAX) : undefined;
  }

  /** Hands the lent bytes over to the store. */
  #endLent(): void {
    const run = this.#lent;
    if (run === undefined) return;
    this.#lent = undefined;
    const release = (): void => {
      this.#lentBytes -= run.data.length;
      run.lender.release();
    };
    this.#enqueue({ offset: run.offset, data: run.data, release, done: false });
    this.#pump();
  }

  async #pushOver(data: Uint8Array): Promise<void> {
    const size = this.#buffers[this.#current].length;
    let at = 0;
    while (at < data.length) {
      if (this.#fill === size) await this.#next();
      if (this.#error !== undefined) return;
      const length = Math.min(size - this.#fill, data.length - at);
      this.#buffers[this.#current].set(data.subarray(at, at + length), this.#fill);
      this.#fill += length;
      at += length;
    }
  }

  async #next(): Promise<void> {
    this.showTap();
    this.#submit();
    this.#base += this.#fill;
    this.#current = (this.#current + 1) % this.#buffers.length;
    this.#fill = 0;
    this.#submitted = 0;
    this.#tapped = 0;
    const index = this.#current;
    await this.#until(() => this.#holds[index] === 0);
  }

  /** Hands over what the store has not got yet, from the start of its first partial block. */
  #submit(): void {
    if (this.#fill === this.#submitted || this.#error !== undefined) return;
    const from = alignDown(this.#submitted, DIRECT_ALIGNMENT);
    const split = alignDown(this.#fill, DIRECT_ALIGNMENT);
    if (split - from >= SPLIT_BYTES_MIN && split < this.#fill) {
      this.#enqueuePart(from, split);
      this.#enqueuePart(split, this.#fill);
    } else this.#enqueuePart(this.#fill - from >= SPLIT_BYTES_MIN ? from : this.#submitted, this.#fill);
    this.#submitted = this.#fill;
    this.#pump();
  }

  /** Of the current buffer. */
  #enqueuePart(from: number, to: number): void {
    const index = this.#current;
    const data = this.#buffers[index].subarray(from, to);
    this.#holds[index]++;
    this.#enqueue({ offset: this.#base + from, data, release: () => this.#letGo(index), done: false });
  }

  #enqueue(job: Job): void {
    this.#jobs.push(job);
    this.#queue.push(job);
  }

  #pump(): void {
    while (this.#active < WRITES_MAX) {
      const job = this.#queue.shift();
      if (!job) return;
      this.#active++;
      void this.#run(job);
    }
  }

  async #run(job: Job): Promise<void> {
    try {
      if (this.#error === undefined) {
        await this.#store.write(bytes(job.offset), job.data);
        job.done = true;
      }
    } catch (error) {
      this.#error ??= error;
    }
    while (this.#jobs.length > 0 && this.#jobs[0].done) {
      this.#written = this.#jobs[0].offset + this.#jobs[0].data.length;
      this.#jobs.shift();
    }
    this.#active--;
    this.#pump();
    job.release();
    this.#wake();
  }

  #release(buffer: number): void {
    this.#letGo(buffer);
    this.#wake();
  }

  #letGo(buffer: number): void {
    this.#holds[buffer]--;
    assert(this.#holds[buffer] >= 0, 'a buffer was released twice');
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((wake) => this.#waiting.push(wake));
  }
}
