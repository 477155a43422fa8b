/** A backup that is killed while it writes to tape. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Demo } from './run.ts';

/** A quick machine may be done before it is noticed: then once more. */
const TRIES = 5;
const MiB = 2 ** 20;

/** Bytes on all virtual cartridges. */
function tapeBytes(demo: Demo): number {
  const cartridges = join(demo.home, 'library/cartridges');
  return readdirSync(cartridges).reduce((sum, name) => {
    const data = join(cartridges, name, 'data');
    return sum + (existsSync(data) ? statSync(data).size : 0);
  }, 0);
}

/** Answers the words of the command that was killed: the same goes on with it. */
export async function killedInTheMiddle(demo: Demo, volume: string, usedBytes: number): Promise<string[]> {
  // Small chunks, each committed, so that there is something to keep of a volume of any size.
  const chunk = `${Math.max(1, Math.round(usedBytes / 20 / MiB))}M`;
  const args = ['backup', volume, '--name', 'killed', '--chunk-size', chunk, '--commit-every', chunk];
  for (let tries = 0; tries < TRIES; tries++) {
    if (await killOne(demo, args, (usedBytes * 0.4) / (tries + 1))) {
      demo.show(['reelmap', ...args], 'killed with -9 in the middle');
      return args;
    }
  }
  demo.expect('the backup was killed before it was done', false);
  return args;
}

async function killOne(demo: Demo, args: readonly string[], bytes: number): Promise<boolean> {
  const before = tapeBytes(demo);
  const child = spawn(process.execPath, [demo.program, ...args], { env: demo.env, stdio: 'ignore' });
  const ended = new Promise<boolean>((done) => child.on('exit', (_, signal) => done(signal === 'SIGKILL')));
  while (child.exitCode === null && child.signalCode === null && tapeBytes(demo) - before < bytes) await sleep(1);
  child.kill('SIGKILL');
  return ended;
}
