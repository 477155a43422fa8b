/**
 * File content as it comes off the tape, in any order of files: temporary files are filled, and each appears under its name
 * when all of it is there, with its attributes, and on stable storage.
 *
 * Invariants
 * - A file is renamed only after it was synced: one by one where there are few, else a whole batch by syncfs.
 * - At most OPEN_FILES_MAX descriptors are open; a file whose turn is over is closed and opened again later.
 */
import { closeSync, fstatSync, fsyncSync, ftruncateSync, writeSync } from 'node:fs';
import type { Bytes } from '../bytes/units.ts';
import { ExtentKind } from '../filesystem/filesystem.ts';
import { type Destination, reasonOf } from './destination.ts';
import type { RestoreJob } from './job.ts';

/** Files open at once. A file in one piece is opened once whatever this is. */
export const OPEN_FILES_MAX = 128;
/** Files, and bytes written, that wait for one sync. */
const BATCH_FILES_MAX = 4096;
const BATCH_BYTES_MAX = 256 * 1024 * 1024;
/** Below this each file is synced alone: syncfs waits for what other programs wrote, too. */
const FEW_FILES = 8;

/** First bytes of a journal block; an escaped block has zeros in their place. Linux include/linux/jbd2.h, JBD2_MAGIC_NUMBER. */
const JOURNAL_MAGIC = Uint8Array.of(0xc0, 0x3b, 0x39, 0x98);

export class FileSink {
  readonly #job: RestoreJob;
  readonly #destination: Destination;
  /** Node to descriptor, least recently written first. */
  readonly #open = new Map<number, number>();
  /** Made in this run, not finished. */
  readonly #begun = new Set<number>();
  /** Content and attributes are right; not yet synced and renamed. */
  #waiting: number[] = [];
  #waitingBytes = 0;
  /** Files under their names. */
  finished = 0;

  constructor(job: RestoreJob, destination: Destination) {
    this.#job = job;
    this.#destination = destination;
  }

  /** Writes content of a file that is not lost; `data` is copied before the call ends. */
  write(node: number, kind: number, fileOffset: Bytes, data: Uint8Array): void {
    if (this.#job.lost.has(node)) return;
    try {
      const descriptor = this.#descriptor(node);
      writeAt(descriptor, data, fileOffset);
      if (kind === ExtentKind.escaped) this.#unescape(node, descriptor, fileOffset, data.length);
      this.#waitingBytes += data.length;
    } catch (error) {
      this.fail(node, error);
    }
  }

  /** An escaped copy in a journal has zeros for the first four bytes of each block: they were the journal's own mark. */
  #unescape(node: number, descriptor: number, fileOffset: Bytes, length: Bytes): void {
    const blockSize = this.#job.blockSize(node);
    const end = fileOffset + length;
    for (let block = fileOffset - (fileOffset % blockSize); block < end; block += blockSize) {
      const from = Math.max(block, fileOffset);
      const to = Math.min(block + JOURNAL_MAGIC.length, end);
      if (from < to) writeAt(descriptor, JOURNAL_MAGIC.subarray(from - block, to - block), from);
    }
  }

  #descriptor(node: number): number {
    const known = this.#open.get(node);
    if (known !== undefined) {
      this.#open.delete(node);
      this.#open.set(node, known);
      return known;
    }
    const descriptor = this.#begun.has(node) ? this.#destination.reopenFile(node) : this.#destination.createFile(node);
    this.#begun.add(node);
    this.#open.set(node, descriptor);
    if (this.#open.size > OPEN_FILES_MAX) {
      for (const oldest of this.#open.keys()) {
        this.#close(oldest);
        break;
      }
    }
    return descriptor;
  }

  #close(node: number): void {
    const descriptor = this.#open.get(node);
    if (descriptor === undefined) return;
    this.#open.delete(node);
    closeSync(descriptor);
  }

  /** All content of the file has been written: size and attributes, then it waits for the sync. */
  complete(node: number): void {
    if (this.#job.lost.has(node)) return;
    try {
      const descriptor = this.#descriptor(node);
      const size = this.#job.size(node);
      if (fstatSync(descriptor).size !== size) ftruncateSync(descriptor, size);
      this.#destination.setAttributes(node, descriptor);
      if (this.#job.count <= FEW_FILES) fsyncSync(descriptor);
      this.#close(node);
      this.#begun.delete(node);
      this.#waiting.push(node);
    } catch (error) {
      this.fail(node, error);
    }
  }

  /** Whether `flush` is due. */
  get full(): boolean {
    return this.#waiting.length >= BATCH_FILES_MAX || this.#waitingBytes >= BATCH_BYTES_MAX;
  }

  /** Syncs what is complete and gives it its names. */
  async flush(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (batch.length === 0) return;
    if (this.#job.count > FEW_FILES) await this.#destination.sync();
    for (const node of batch) {
      try {
        this.#destination.publish(node);
        this.finished++;
      } catch (error) {
        this.fail(node, error);
      }
    }
  }

  /** Gives a file up. @throws UserError when nothing more can be written at all */
  fail(node: number, error: unknown): void {
    this.#destination.fatal(error);
    this.lose(node, `cannot be written: ${reasonOf(error)}`);
  }

  /** Gives a file up, with the reason for the user. */
  lose(node: number, reason: string): void {
    this.#job.lose(node, reason);
    this.#close(node);
    if (this.#begun.delete(node)) this.#destination.discard(node);
  }

  /** Stops: nothing of what is unfinished stays. Files that wait for their names are dropped, too. */
  abandon(): void {
    for (const node of [...this.#open.keys()]) this.#close(node);
    for (const node of [...this.#begun, ...this.#waiting]) this.#destination.discard(node);
    this.#begun.clear();
    this.#waiting = [];
  }
}

function writeAt(descriptor: number, data: Uint8Array, offset: Bytes): void {
  for (let at = 0; at < data.length; ) at += writeSync(descriptor, data, at, data.length - at, offset + at);
}
