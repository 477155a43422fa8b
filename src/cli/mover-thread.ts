/**
 * The embedded data mover in a thread of its own, so that walking and indexing do not wait for copying nor the other way
 * round. measured: a backup of 200,000 small files in one thread had 4.0 s of work on it, 1.2 s of that the mover's (bench/).
 * The thread's own end is mover-thread-main.ts.
 */
import { type MessagePort, Worker } from 'node:worker_threads';
import { errorOf, type PlainError } from '../bytes/plain-error.ts';
import { PortClient } from '../scsi/wrap/message-port.ts';
import type { DiskToServe, EmbeddedMover } from './embedded-mover.ts';

/** What the thread is told. The drive is reserved by this process already. */
export interface MoverThreadData {
  readonly libraryFolder: string;
  readonly driveAddress: number;
  readonly command: string;
  readonly digest: boolean;
  readonly disks: readonly Pick<DiskToServe, 'path' | 'writable' | 'segments'>[];
}

/** The message that brings it, once, before any command. */
export interface OpenMessage {
  readonly kind: 'open';
  readonly data: MoverThreadData;
}

/** What the thread says beside its answers to commands. */
export type Control =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly error: PlainError }
  | { readonly kind: 'closed'; readonly error?: PlainError };

/** Whether a thread can be started here: from the built program, not from the sources. */
export const moverThreadAvailable = (): boolean => import.meta.url.endsWith('.js');

/** The thread's bundle: beside this one, which may be a chunk of another. */
const entry = (): URL =>
  new URL(import.meta.url.includes('/chunks/') ? '../mover-thread.js' : './mover-thread.js', import.meta.url);

interface Thread {
  readonly worker: Worker;
  readonly client: PortClient;
  /** Rejects when the thread has ended. */
  readonly ended: Promise<never>;
}

function newThread(): Thread {
  const worker = new Worker(entry(), { workerData: { reelmapMover: true } });
  const client = new PortClient(worker as unknown as MessagePort);
  const ended = new Promise<never>((_, reject) => {
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`the thread ended with status ${code}`)));
  });
  ended.catch((error) => client.lose(error));
  return { worker, client, ended };
}

let prepared: Thread | undefined;

/**
 * Starts the thread before it is known what for: it takes 60 ms and more to load, which the other processor has to spare
 * while this one finds the volume. Does not keep the process from ending.
 */
export function prepareMoverThread(): void {
  if (prepared !== undefined || !moverThreadAvailable()) return;
  prepared = newThread();
  prepared.worker.unref();
}

/** Waits until the thread's units answer. @throws what opening the library or a disk throws */
export async function startMoverThread(data: MoverThreadData): Promise<EmbeddedMover> {
  const { worker, client, ended } = prepared ?? newThread();
  prepared = undefined;
  worker.ref();
  worker.postMessage({ kind: 'open', data } satisfies OpenMessage);
  const told = (kind: Control['kind']): Promise<Control> =>
    new Promise((resolve) => {
      const listen = (message: Control): void => {
        if (message.kind !== kind && message.kind !== 'failed') return;
        worker.off('message', listen);
        resolve(message);
      };
      worker.on('message', listen);
    });
  const first = await Promise.race([told('ready'), ended]);
  if (first.kind === 'failed') {
    await worker.terminate();
    throw errorOf(first.error);
  }
  const disks = data.disks.map((_, i) => client.unit(3 + i));
  return {
    units: { controller: client.unit(0), changer: client.unit(1), drive: client.unit(2), disks },
    async [Symbol.asyncDispose]() {
      const closed = told('closed');
      worker.postMessage({ kind: 'close' });
      const last = await Promise.race([closed, ended]);
      await worker.terminate();
      if ('error' in last && last.error !== undefined) throw errorOf(last.error);
    },
  };
}
