/**
 * Standard output and standard error, written synchronously by descriptor: process.stdout loads sockets and terminals that a
 * short command does not need. Results go to standard output, everything else to standard error.
 */
import { writeSync } from 'node:fs';
import { safeText } from './quoting.ts';

const FLUSH_BYTES = 64 * 1024;
const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Writes all of it. False when the reader has gone (EPIPE); a full non-blocking pipe is waited for. */
export function writeAll(descriptor: number, data: Uint8Array): boolean {
  for (let at = 0; at < data.length; ) {
    try {
      at += writeSync(descriptor, data, at);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EAGAIN') Atomics.wait(sleeper, 0, 0, 2);
      else if (code === 'EPIPE') return false;
      else throw error;
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
  /** Something failed and the command goes on: a line on standard error, with --json too. */
  error(text: string): void;
  flush(): void;
}

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
  const flush = (): void => {
    if (waitingBytes === 0) return;
    const all = Buffer.concat(waiting);
    waiting = [];
    waitingBytes = 0;
    if (!closed) closed = !write(1, all);
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
    error(words) {
      flush();
      write(2, Buffer.from(`reelmap: ${safeText(words)}\n`, 'utf8'));
    },
    note(words) {
      if (options.json) return;
      flush();
      write(2, Buffer.from(`${safeText(words)}\n`, 'utf8'));
    },
    flush,
  };
}
