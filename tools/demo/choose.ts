/** A file of the set that is worth restoring, by what the index says. */
import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import type { Demo } from './run.ts';

export interface Chosen {
  readonly path: string;
  readonly inode: number;
  readonly size: number;
}

const LOOKED_AT_MAX = 20_000;
const [SIZE_MIN, SIZE_MAX] = [20_000, 2_000_000];
const NEIGHBOURS_MAX = 400;

/** Undefined: the set's files are not indexed, or there are none. */
export async function chooseFile(demo: Demo): Promise<Chosen | undefined> {
  const child = spawn(process.execPath, [demo.program, 'find', '*', '--set', 'demo@latest', '--json'], {
    env: demo.env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const good: Chosen[] = [];
  const neighbours = new Map<string, number>();
  let looked = 0;
  let any: Chosen | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.startsWith('{')) continue;
    const one = JSON.parse(line.replace(/,$/, '')) as Chosen & { readonly type: string };
    const folder = dirname(one.path);
    neighbours.set(folder, (neighbours.get(folder) ?? 0) + 1);
    if (one.type === 'file' && one.size > 0 && /^[\w./+-]+$/.test(one.path)) {
      any ??= one;
      if (one.size >= SIZE_MIN && one.size <= SIZE_MAX && folder !== '/') good.push(one);
    }
    if (++looked >= LOOKED_AT_MAX) break;
  }
  child.kill();
  const fit = good.filter(({ path }) => (neighbours.get(dirname(path)) ?? 0) <= NEIGHBOURS_MAX);
  return fit[Math.floor(fit.length / 2)] ?? good[0] ?? any;
}
