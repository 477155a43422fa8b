/**
 * Standard output and standard error, written synchronously by descriptor: process.stdout loads sockets and terminals that a
 * short command does not need. Results go to standard output, everything else to standard error.
 */
import { writeSync } from 'node:fs';
import type { Failure } from './exit.ts';
import { safeText } from './quoting.ts';

const FLUSH_BYTES = 64 * 1024;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

/**
 * Writes all of it. False when the reader has gone (EPIPE); a full non-blocking pipe is waited for. Of standard error that
 * cannot be written nobody can be told.
 */
export function writeAll(descriptor: number, data: Uint8Array): boolean {
  for (let at = 0; at < data.length; ) {
    try {
      at += writeSync(descriptor, data, at);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EAGAIN') Atomics.wait(sleeper, 0, 0, 2);
      else if (code === 'EPIPE' || descriptor === 2) return false;
      else throw Object.assign(error as Error, descriptor === 1 && { path: 'standard output' });
    }
  }
  return true;
}

/** Where a command's results go. */
export interface Output {
  /** `--json` was given: nothing but JSON goes out. */
  readonly json: boolean;
  /** Nobody reads any more; a listing may stop. */
  readonly closed: boolean;
  /** A line of text that is safe to print. */
  line(text: string): void;
  /** Bytes as they are: `-0` listings. */
  raw(data: Uint8Array): void;
  /** A value on a line of its own. */
  value(value: unknown): void;
  /** The values as one JSON array, each on a line, as they come; it stops when nobody reads any more. */
  array(values: AsyncIterable<unknown> | Iterable<unknown>): Promise<void>;
  /** A line for people, on standard error; nothing with --json. */
  note(text: string): void;
  /** Something failed and the command goes on: a line on standard error, with --json as JSON. */
  error(failure: Failure): void;
  flush(): void;
  /** Called before anything else is printed: a progress bar goes first. */
  beforeText(clear: () => void): void;
  /** Flushes for the last time. @throws what kept results from being written; a reader that has gone is none */
  finish(): void;
}

/** A failure on one line, for people or for programs. */
export const failureText = ({ line, json }: Failure, asJson: boolean): string =>
  asJson ? JSON.stringify(json) : `reelmap: ${line}`;

export interface OutputOptions {
  readonly json: boolean;
  /** For tests: what takes the bytes; false when its reader has gone. */
  readonly write?: (descriptor: 1 | 2, data: Uint8Array) => boolean;
}

/** Buffered output; `flush` before the process ends. Holds at most FLUSH_BYTES and one line. */
export function createOutput(options: OutputOptions): Output {
  const write = options.write ?? writeAll;
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let closed = false;
  let failure: { readonly error: unknown } | undefined;
  let before = (): void => {};
  const flush = (): void => {
    if (waitingBytes === 0) return;
    before();
    const all = Buffer.concat(waiting);
    waiting = [];
    waitingBytes = 0;
    if (closed) return;
    try {
      closed = !write(1, all);
    } catch (error) {
      // Long work is not given up for its report.
      failure = { error };
      closed = true;
    }
  };
  const raw = (data: Uint8Array): void => {
    if (closed) return;
    waiting.push(data);
    waitingBytes += data.byteLength;
    if (waitingBytes >= FLUSH_BYTES) flush();
  };
  const text = (words: string): void => raw(Buffer.from(words, 'utf8'));
  return {
    json: options.json,
    get closed() {
      return closed;
    },
    line: (words) => text(`${words}\n`),
    raw,
    value: (value) => text(`${JSON.stringify(value)}\n`),
    async array(values) {
      let separator = '[\n';
      for await (const value of values) {
        text(`${separator}${JSON.stringify(value)}`);
        separator = ',\n';
        if (closed) return;
      }
      text(separator === '[\n' ? '[]\n' : '\n]\n');
    },
    error(failure) {
      flush();
      before();
      write(2, Buffer.from(`${failureText(failure, options.json)}\n`, 'utf8'));
    },
    note(words) {
      if (options.json) return;
      flush();
      before();
      write(2, Buffer.from(`${safeText(words)}\n`, 'utf8'));
    },
    flush,
    beforeText(clear) {
      before = clear;
    },
    finish() {
      flush();
      if (failure !== undefined) throw failure.error;
    },
  };
}
