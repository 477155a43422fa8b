/**
 * Running data movers of a state directory: each has a file that says who it is and on which socket it can be asked.
 *
 *     MOVER/<pid>.json   { "pid": 12, "socket": "/run/..." }
 */
import { chmodSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import type { SessionStatus } from '../../iscsi/target/portal.ts';
import { replaceFile } from '../../storage/atomic-file.ts';
import { socketPath } from '../../tape-index/store-socket.ts';
import type { ServedLun } from './device.ts';

export interface MoverStatus {
  readonly pid: number;
  /** ISO 8601. */
  readonly since: string;
  readonly listen: string;
  readonly iqn: string;
  readonly luns: readonly ServedLun[];
  readonly sessions: readonly SessionStatus[];
  /** EXTENDED COPY commands under way. */
  readonly copies: number;
}

/** Bytes of a status, at most. */
const STATUS_BYTES_MAX = 4 << 20;
const ASK_MS = 3_000;

/** Answers every connection with the status and ends it. */
export async function serveStatus(folder: string, status: () => MoverStatus): Promise<AsyncDisposable> {
  const path = socketPath(folder);
  const note = join(folder, `${process.pid}.json`);
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.end(JSON.stringify(status()));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  chmodSync(path, 0o600);
  replaceFile(note, `${JSON.stringify({ pid: process.pid, socket: path })}\n`);
  return {
    async [Symbol.asyncDispose]() {
      rmSync(note, { force: true });
      rmSync(path, { force: true });
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The movers that answer. What a killed one left is removed. */
export async function runningMovers(folder: string): Promise<MoverStatus[]> {
  const out: MoverStatus[] = [];
  for (const name of namesIn(folder)) {
    const path = join(folder, name);
    const socket = socketOf(path);
    const status = socket === undefined ? undefined : await ask(socket);
    if (status !== undefined) out.push(status);
    else rmSync(path, { force: true });
  }
  return out;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => /^\d+\.json$/.test(name))
      .sort();
  } catch {
    return []; // there has never been one
  }
}

function socketOf(path: string): string | undefined {
  try {
    const { socket } = JSON.parse(readFileSync(path, 'utf8')) as { socket?: unknown };
    return typeof socket === 'string' ? socket : undefined;
  } catch {
    return undefined;
  }
}

function ask(path: string): Promise<MoverStatus | undefined> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(path);
    socket.setTimeout(ASK_MS, () => socket.destroy());
    socket.setEncoding('utf8');
    socket.on('error', () => socket.destroy());
    socket.on('data', (part: string) => {
      text += part;
      if (text.length > STATUS_BYTES_MAX) socket.destroy();
    });
    socket.on('close', () => resolve(parsed(text)));
  });
}

function parsed(text: string): MoverStatus | undefined {
  try {
    return JSON.parse(text) as MoverStatus;
  } catch {
    return undefined;
  }
}
