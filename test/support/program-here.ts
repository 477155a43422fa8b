/**
 * The whole program inside the test's process: `main` with real state directories, its output caught at the descriptors.
 * For suites that run hundreds of commands; `reelmap` of program.ts is the same program as a process of its own.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { main } from '../../src/cli/main.ts';
import type { Ended } from './program.ts';

type WriteSync = typeof fs.writeSync;

/** Runs `reelmap` to its end. Output is taken as bytes: one character of the strings is one byte. */
export async function reelmapHere(args: readonly string[], home: string): Promise<Ended> {
  const out = { 1: '', 2: '' };
  const real = fs.writeSync;
  const caught = (descriptor: 1 | 2, data: Uint8Array, at = 0): number => {
    out[descriptor] += Buffer.from(data.subarray(at)).toString('latin1');
    return data.length - at;
  };
  const listeners = SIGNALS.map((name) => process.listeners(name));
  fs.writeSync = ((descriptor: number, data: Uint8Array, ...rest: unknown[]) =>
    descriptor === 1 || descriptor === 2
      ? caught(descriptor, data, rest[0] as number | undefined)
      : (real as (...all: unknown[]) => number)(descriptor, data, ...rest)) as WriteSync;
  syncBuiltinESMExports();
  try {
    const status = await main([...args, '--home', home]);
    return { status, stdout: out[1], stderr: out[2] };
  } finally {
    fs.writeSync = real;
    syncBuiltinESMExports();
    for (const [i, name] of SIGNALS.entries()) {
      for (const one of process.listeners(name)) if (!listeners[i].includes(one)) process.off(name, one);
    }
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
