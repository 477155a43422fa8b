/** A BlockStore in memory, sparse: only chunks that were written take room. For tests and for media that need not last. */
import type { BlockStore } from '../bytes/block-store.ts';
import { FormatError } from '../bytes/errors.ts';
import { type Bytes, bytes } from '../bytes/units.ts';

const CHUNK = 65536;

export interface MemoryStoreOptions {
  /** Bytes at the start; zeros by default. */
  readonly content?: Uint8Array;
  /** Size at the start, if it is not that of `content`. */
  readonly byteLength?: Bytes;
  readonly writable?: boolean;
  /** The store cannot grow past this; writes beyond fail as a full disk does. */
  readonly byteLengthMax?: Bytes;
  readonly name?: string;
}

export class MemoryStore implements BlockStore {
  readonly writable: boolean;
  readonly #name: string;
  readonly #max: number;
  readonly #chunks = new Map<number, Uint8Array>();
  #byteLength: number;

  constructor(options: MemoryStoreOptions = {}) {
    this.#name = options.name ?? 'memory';
    this.#max = options.byteLengthMax ?? Number.MAX_SAFE_INTEGER;
    this.#byteLength = options.byteLength ?? 0;
    this.writable = options.writable ?? true;
    if (options.content) this.writeSync(0, options.content);
  }

  get byteLength(): Bytes {
    return bytes(this.#byteLength);
  }

  async read(offset: Bytes, into: Uint8Array): Promise<void> {
    this.readSync(offset, into);
  }

  async write(offset: Bytes, from: Uint8Array): Promise<void> {
    this.#mustBeWritable();
    this.writeSync(offset, from);
  }

  async flush(): Promise<void> {}

  async truncate(byteLength: Bytes): Promise<void> {
    this.#mustBeWritable();
    this.truncateSync(byteLength);
  }

  async unmap(offset: Bytes, length: Bytes): Promise<void> {
    this.#mustBeWritable();
    this.#zero(offset, Math.min(this.#byteLength, offset + length));
  }

  /** Chunks that were never written are holes. */
  async runAt(offset: Bytes): Promise<{ stored: boolean; end: Bytes }> {
    const first = Math.floor(offset / CHUNK);
    const stored = this.#chunks.has(first);
    let end = first + 1;
    while (end * CHUNK < this.#byteLength && this.#chunks.has(end) === stored) end++;
    return { stored, end: Math.min(end * CHUNK, this.#byteLength) };
  }

  async [Symbol.asyncDispose](): Promise<void> {}

  /** `read` without a promise, for tests and models. */
  readSync(offset: number, into: Uint8Array): void {
    let at = 0;
    while (at < into.length) {
      const inChunk = (offset + at) % CHUNK;
      const length = Math.min(CHUNK - inChunk, into.length - at);
      const chunk = this.#chunks.get((offset + at - inChunk) / CHUNK);
      if (chunk) into.set(chunk.subarray(inChunk, inChunk + length), at);
      else into.fill(0, at, at + length);
      at += length;
    }
  }

  /** `write` without a promise, and whether writable or not. */
  writeSync(offset: number, from: Uint8Array): void {
    if (from.length === 0) return; // as pwrite(2): the size stays
    this.#mustFit(offset + from.length);
    let at = 0;
    while (at < from.length) {
      const inChunk = (offset + at) % CHUNK;
      const length = Math.min(CHUNK - inChunk, from.length - at);
      this.#chunk((offset + at - inChunk) / CHUNK).set(from.subarray(at, at + length), inChunk);
      at += length;
    }
    this.#byteLength = Math.max(this.#byteLength, offset + from.length);
  }

  /** `truncate` without a promise. */
  truncateSync(byteLength: number): void {
    this.#mustFit(byteLength);
    if (byteLength < this.#byteLength) this.#zero(byteLength, this.#byteLength);
    this.#byteLength = byteLength;
  }

  /** A copy that later writes do not reach. */
  clone(): MemoryStore {
    const copy = new MemoryStore({ name: this.#name, writable: this.writable, byteLengthMax: this.#max });
    for (const [index, chunk] of this.#chunks) copy.#chunks.set(index, chunk.slice());
    copy.#byteLength = this.#byteLength;
    return copy;
  }

  /** All bytes. */
  content(): Uint8Array {
    const out = new Uint8Array(this.#byteLength);
    this.readSync(0, out);
    return out;
  }

  #chunk(index: number): Uint8Array {
    const found = this.#chunks.get(index);
    if (found) return found;
    const made = new Uint8Array(CHUNK);
    this.#chunks.set(index, made);
    return made;
  }

  /** Chunks past the end hold only zeros, so that growing shows zeros. */
  #zero(start: number, end: number): void {
    if (end <= start) return;
    for (const [index, chunk] of this.#chunks) {
      const from = Math.max(0, start - index * CHUNK);
      const to = Math.min(CHUNK, end - index * CHUNK);
      if (from === 0 && to === CHUNK) this.#chunks.delete(index);
      else if (from < to) chunk.fill(0, from, to);
    }
  }

  #mustBeWritable(): void {
    if (!this.writable) throw new FormatError('io', this.#name, 'opened for reading only');
  }

  #mustFit(end: number): void {
    if (end <= this.#max) return;
    const cause = Object.assign(new Error('no space left'), { code: 'ENOSPC' });
    throw new FormatError('io', this.#name, `no space left: ${end} bytes wanted, ${this.#max} there are`, { cause });
  }
}
