/** What a measurement was made on, and the state it was made in. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';
import { GiB } from '../../src/bytes/units.ts';

export interface Machine {
  readonly cores: number;
  readonly processor: string;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly node: string;
  /** Device and file system under the work folder. */
  readonly disk: string;
  readonly cache: 'cold' | 'warm';
}

export const isRoot = process.getuid?.() === 0;

export function describeMachine(work: string): Machine {
  return {
    cores: availableParallelism(),
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    memoryGiB: Math.round((totalmem() / GiB) * 10) / 10,
    kernel: release(),
    node: process.version,
    disk: answerOf('findmnt', ['-n', '-o', 'SOURCE,FSTYPE', '-T', work]).replace(/\s+/g, ' '),
    cache: isRoot ? 'cold' : 'warm',
  };
}

export const commit = (folder: string): string =>
  answerOf('git', ['-C', folder, 'describe', '--always', '--dirty', '--exclude', '*']);

/** Others that want the processor just now, on the average of the last minute. */
export const load = (): number => Math.round(loadavg()[0] * 10) / 10;

/** What was written is on the disk; as root nothing is cached either. */
export function settle(): void {
  execFileSync('sync');
  if (isRoot) writeFileSync('/proc/sys/vm/drop_caches', '3\n');
}

/** Processor time of the whole machine that others took meanwhile, for a note beside a measurement. */
export function stolenSeconds(): number {
  const fields = readFileSync('/proc/stat', 'utf8').split('\n')[0].trim().split(/\s+/);
  return Number(fields[8] ?? 0) / 100; // USER_HZ is 100
}

function answerOf(command: string, args: readonly string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'unknown';
  }
}
