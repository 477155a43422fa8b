// `reelmap mover serve` as a process of its own, on a port that nobody has.
import type { ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import { startReelmap } from './program.ts';

export const IQN = 'iqn.2026-11.net.reelmap:test';

export interface ServedMover extends AsyncDisposable {
  readonly port: number;
  readonly child: ChildProcess;
  /** `iscsi://127.0.0.1:PORT/IQN`. */
  readonly url: string;
  /** What it printed before it served. */
  readonly announced: string;
  /** SIGTERM, and how it ended. */
  stop(): Promise<{ readonly status: number | null; readonly stderr: string }>;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  await new Promise((done) => server.close(done));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

export async function serveMover(home: string, args: readonly string[]): Promise<ServedMover> {
  const port = await freePort();
  const words = ['mover', 'serve', '--listen', `127.0.0.1:${port}`, '--iqn', IQN, ...args];
  const { child, ended } = startReelmap(words, { home });
  let announced = '';
  await new Promise<void>((done, failed) => {
    child.stdout?.on('data', (text: string) => {
      announced += text;
      if (/^serving |"listen"/m.test(announced)) done();
    });
    void ended.then(({ stderr }) => failed(new Error(`the mover ended: ${stderr}`)));
  });
  const stop = async () => {
    child.kill('SIGTERM');
    return ended;
  };
  return {
    port,
    child,
    url: `iscsi://127.0.0.1:${port}/${IQN}`,
    announced,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}
