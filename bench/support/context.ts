/** What every scenario is given, and what it answers. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Spread } from './measure.ts';

export interface BenchContext {
  /** Scratch folder; images are kept in it from one scenario to the next. */
  readonly work: string;
  /** Node and the built program, to which a command's words are added. */
  readonly reelmap: readonly string[];
  /** Node and this program, for parts of Reelmap that are measured alone. */
  readonly parts: readonly string[];
  /** Measurements of each competitor; of those that take a minute each, at most `slowRounds`. */
  readonly rounds: number;
  readonly slowRounds: number;
  /** Called before what is to be measured cold. */
  readonly settle: () => void;
  readonly say: (text: string) => void;
}

/** One line of a scenario's result. */
export interface Row extends Spread {
  /** `reelmap backup`, `e2image -rap, sync` */
  readonly name: string;
  readonly unit: 'ms' | 'MB' | 'bytes/file' | 'records';
  /** Ours against this row's, the median of the rounds' own quotients: below 1 is faster. */
  readonly ours?: number;
  /** What Reelmap is to reach: the most that `ours` (or, without it, the median) may be. */
  readonly target?: number;
}

export interface ScenarioResult {
  readonly scenario: string;
  /** The sizes that were measured, for people: `200,000 small files, 1.2 GB used of 2 GiB`. */
  readonly about: string;
  readonly rows: readonly Row[];
}

/** A new folder under the work folder, for one use; remove it. */
export function scratchFolder(context: BenchContext, name: string): string {
  mkdirSync(context.work, { recursive: true });
  return mkdtempSync(join(context.work, `${name}-`));
}

export const remove = (path: string): void => rmSync(path, { recursive: true, force: true });

/** Bytes of the files below a folder. */
export function folderBytes(folder: string): number {
  let bytes = 0;
  for (const item of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (item.isFile()) bytes += statSync(join(item.parentPath ?? item.path, item.name)).size;
  }
  return bytes;
}

export const grouped = (count: number): string => count.toLocaleString('en-US');
