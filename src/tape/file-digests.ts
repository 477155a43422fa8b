/**
 * SHA-256 of the record data of each tape file, computed in a thread of its own from the very buffers that go to the store:
 * the bytes are neither copied nor touched by the main thread.
 *
 * Invariants
 * - Messages are handled in order, and each `update` is answered once, in order: then its buffer may be filled again.
 * - The thread keeps the process alive only while an answer is due.
 */
import type { Worker } from 'node:worker_threads';

/** Digests of that many tape files are kept, the oldest are forgotten. */
export const FILE_DIGESTS_MAX = 64;

// Plain JavaScript in a string: it works as it is from TypeScript sources and from any bundle.
const SOURCE = `
const { parentPort, workerData } = require('node:worker_threads');
const { createHash } = require('node:crypto');
let hash = createHash('sha256');
parentPort.on('message', ({ op, from, to }) => {
  if (op === 'update') hash.update(new Uint8Array(workerData, from, to - from));
  else if (op === 'begin') hash = createHash('sha256');
  parentPort.postMessage(op === 'digest' ? hash.copy().digest() : undefined);
});
`;

type Answer = (digest: Uint8Array | undefined, error?: unknown) => void;

export class FileDigests implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #answers: Answer[] = []; // in the order of the messages
  readonly #done = new Map<number, Promise<Uint8Array | undefined>>();
  #closed = false;
  #error: unknown;
  #file: number | undefined;

  /** @param ring shared memory in which all buffers lie */
  constructor(ring: SharedArrayBuffer) {
    const threads = process.getBuiltinModule('node:worker_threads'); // 4 ms to load, and most media are only read
    this.#worker = new threads.Worker(SOURCE, { eval: true, workerData: ring, name: 'file digests' });
    this.#worker.unref();
    this.#worker.on('message', (digest: Uint8Array | undefined) => this.#answered(digest));
    this.#worker.on('error', (error) => this.#failed(error));
    this.#worker.on('exit', () => this.#failed(new Error('the digest thread ended')));
  }

  /** The tape file whose data comes now, if it is digested. */
  get file(): number | undefined {
    return this.#file;
  }

  /** Tape file `file` begins; `undefined`: what comes is no whole file. */
  begin(file: number | undefined): void {
    this.#file = file;
    if (file !== undefined) this.#post({ op: 'begin' }, () => {});
  }

  /** Its next bytes; `release` is called when they have been read. */
  update(data: Uint8Array, release: () => void): void {
    if (this.#file === undefined) release();
    else this.#post({ op: 'update', from: data.byteOffset, to: data.byteOffset + data.length }, release);
  }

  /** It is complete. */
  end(): void {
    if (this.#file === undefined) return;
    const digest = this.#digest();
    digest.catch(() => {}); // seen by whoever asks for it
    this.#done.set(this.#file, digest);
    this.#file = undefined;
    for (const oldest of this.#done.keys()) {
      if (this.#done.size <= FILE_DIGESTS_MAX) break;
      this.#done.delete(oldest);
    }
  }

  /** Forgets tape files from `file` on. */
  drop(file: number): void {
    for (const done of this.#done.keys()) if (done >= file) this.#done.delete(done);
  }

  /** Of a complete file, or of what came so far of the present one. @throws when the thread failed */
  async get(file: number): Promise<Uint8Array | undefined> {
    return file === this.#file ? this.#digest() : this.#done.get(file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#worker.ref(); // or a process with nothing else to do ends before the promise does
    await this.#worker.terminate();
  }

  #digest(): Promise<Uint8Array | undefined> {
    return new Promise((resolve, reject) => {
      // The bytes come as a copy in memory of their own.
      this.#post({ op: 'digest' }, (digest, error) =>
        error === undefined ? resolve(digest && new Uint8Array(digest)) : reject(error),
      );
    });
  }

  #post(message: object, answer: Answer): void {
    if (this.#error !== undefined) {
      answer(undefined, this.#error);
      return;
    }
    if (this.#answers.push(answer) === 1) this.#worker.ref();
    this.#worker.postMessage(message);
  }

  #answered(digest: Uint8Array | undefined): void {
    const answer = this.#answers.shift();
    if (this.#answers.length === 0 && !this.#closed) this.#worker.unref();
    answer?.(digest);
  }

  #failed(error: unknown): void {
    this.#error ??= error;
    for (const answer of this.#answers.splice(0)) answer(undefined, this.#error);
  }
}
