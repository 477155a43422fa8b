/** Whole commands, timed from outside: start to exit, wall clock. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { plainEnvironment } from '../../test/support/environment.ts';

export interface Timed {
  readonly ms: number;
  readonly output: string;
}

/** Runs a command to its end. @throws when it fails, with its last words */
export function timed(command: readonly string[], environment: NodeJS.ProcessEnv = {}): Timed {
  const [program, ...args] = command;
  const begin = performance.now();
  const { status, signal, error, stdout, stderr } = spawnSync(program, args, {
    env: { ...plainEnvironment(), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const ms = performance.now() - begin;
  if (status !== 0) {
    const why = error?.message ?? `status ${status ?? signal}: ${stderr.trim().split('\n').at(-1)}`;
    throw new Error(`${command.join(' ')}: ${why}`);
  }
  return { ms, output: stdout };
}

export interface Used {
  /** Most memory that was resident at once. */
  readonly peakBytes: number;
  /** Processor time of all threads. */
  readonly cpuMs: number;
}

/** Loaded into a child: at its end it writes what getrusage(2) says of it. CommonJS, since that loads faster. */
const HOOK = `
if (require('node:worker_threads').isMainThread) {
  const file = process.env.REELMAP_BENCH_USAGE;
  process.on('exit', () => {
    const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
    const used = { peakBytes: maxRSS * 1024, cpuMs: (userCPUTime + systemCPUTime) / 1000 };
    require('node:fs').writeFileSync(file, JSON.stringify(used));
  });
}
`;

/** As \`timed\`, for a program of Node's: what it used as well (2 ms more). \`scratch\`: a folder to write in. */
export function timedNode(
  command: readonly string[],
  scratch: string,
  environment: NodeJS.ProcessEnv = {},
): Timed & Used {
  const [node, ...rest] = command;
  const hook = join(scratch, 'usage.cjs');
  const file = join(scratch, 'usage.json');
  writeFileSync(hook, HOOK);
  const result = timed([node, '--require', hook, ...rest], { ...environment, REELMAP_BENCH_USAGE: file });
  return { ...result, ...(JSON.parse(readFileSync(file, 'utf8')) as Used) };
}

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly n: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  return { median: round(median), min: round(sorted[0]), max: round(sorted[sorted.length - 1]), n: sorted.length };
}

const round = (value: number): number => Math.round(value * 100) / 100;

/** The same elements in random order. */
export function shuffled<T>(values: readonly T[]): T[] {
  const out = [...values];
  for (let i = out.length - 1; i > 0; i--) {
    const k = Math.floor(Math.random() * (i + 1));
    [out[i], out[k]] = [out[k], out[i]];
  }
  return out;
}
