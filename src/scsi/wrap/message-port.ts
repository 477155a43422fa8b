/**
 * `Execute` through a MessagePort: a device server in another thread of this process. Commands and results go as they are;
 * data buffers change hands instead of being copied where they can.
 *
 * Memory: as many commands as the callers have under way; nothing is kept.
 */
import type { MessagePort } from 'node:worker_threads';
import { FormatError } from '../../bytes/errors.ts';
import { errorOf, type PlainError, plainError } from '../../bytes/plain-error.ts';
import type { Execute, ScsiCommand, ScsiResult } from '../execute.ts';

type ToServer =
  | {
      readonly kind: 'execute';
      readonly id: number;
      readonly unit: number;
      readonly command: Omit<ScsiCommand, 'dataIn' | 'dataOutLender'>;
    }
  | { readonly kind: 'abort'; readonly id: number };
type ToClient =
  | { readonly kind: 'result'; readonly id: number; readonly result: ScsiResult }
  | { readonly kind: 'thrown'; readonly id: number; readonly error: PlainError };

interface Waiting {
  readonly command: ScsiCommand;
  readonly resolve: (result: ScsiResult) => void;
  readonly reject: (error: unknown) => void;
}

/** The client's end. */
export class PortClient {
  readonly #port: MessagePort;
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;
  #lost: unknown;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (message: ToClient) => this.#answer(message));
  }

  /** The way to unit number `unit` of the server. */
  unit(unit: number): Execute {
    return (command, signal) => {
      if (this.#lost !== undefined) return Promise.reject(this.#lost);
      signal?.throwIfAborted();
      const id = this.#next++;
      const { dataIn: _, dataOutLender: __, ...rest } = command; // the other thread gets a copy
      const abort = (): void => this.#port.postMessage({ kind: 'abort', id } satisfies ToServer);
      signal?.addEventListener('abort', abort, { once: true });
      return new Promise<ScsiResult>((resolve, reject) => {
        this.#waiting.set(id, { command, resolve, reject });
        this.#port.postMessage({ kind: 'execute', id, unit, command: rest } satisfies ToServer);
      }).finally(() => signal?.removeEventListener('abort', abort));
    };
  }

  /** The server is gone: every command under way and to come fails. */
  lose(cause: unknown): void {
    this.#lost = new FormatError('io', 'data mover', 'its thread ended', { cause });
    for (const { reject } of this.#waiting.values()) reject(this.#lost);
    this.#waiting.clear();
  }

  #answer(message: ToClient): void {
    const waiting = this.#waiting.get(message.id);
    if (waiting === undefined) return;
    this.#waiting.delete(message.id);
    if (message.kind === 'result') {
      waiting.resolve(intoBuffer(message.result, waiting.command.dataIn));
      return;
    }
    waiting.reject(errorOf(message.error));
  }
}

/** The data in the caller's own Data-In Buffer, as `ScsiCommand.dataIn` promises. */
function intoBuffer(result: ScsiResult, buffer: Uint8Array | undefined): ScsiResult {
  if (buffer === undefined || !('dataIn' in result)) return result;
  buffer.set(result.dataIn);
  return { ...result, dataIn: buffer.subarray(0, result.dataIn.length) };
}

/** The server's end: runs what comes over `port` on `units`. */
export function servePort(port: MessagePort, units: readonly Execute[]): void {
  const running = new Map<number, AbortController>();
  port.on('message', (message: ToServer) => {
    if (message.kind === 'abort') running.get(message.id)?.abort();
    if (message.kind !== 'execute') return;
    const { id, unit, command } = message;
    const controller = new AbortController();
    running.set(id, controller);
    void serve(units[unit], command, controller.signal, id).then((answer) => {
      running.delete(id);
      port.postMessage(answer, transferable(answer));
    });
  });
}

async function serve(
  execute: Execute | undefined,
  command: ScsiCommand,
  signal: AbortSignal,
  id: number,
): Promise<ToClient> {
  try {
    if (execute === undefined) throw new FormatError('io', 'data mover', 'no such unit');
    return { kind: 'result', id, result: await execute(command, signal) };
  } catch (error) {
    return { kind: 'thrown', id, error: plainError(error) };
  }
}

/** A result's buffer goes over whole when it is nothing but the data. */
function transferable(message: ToClient): ArrayBuffer[] {
  if (message.kind !== 'result' || !('dataIn' in message.result)) return [];
  const { buffer, byteLength } = message.result.dataIn;
  return buffer instanceof ArrayBuffer && byteLength > 0 && buffer.byteLength === byteLength ? [buffer] : [];
}
