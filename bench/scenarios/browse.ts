/**
 * The short commands over a set that is there: one file back, a search through all names; and the walk alone. Warm, each
 * beside `node -e 0` in the same run, since most of their time is Node's start.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type BenchContext,
  grouped,
  type Row,
  remove,
  type ScenarioResult,
  scratchFolder,
} from '../support/context.ts';
import { smallFilesImage } from '../support/images.ts';
import { shuffled, spread, timed } from '../support/measure.ts';

/** One file back, at most, against `node -e 0`. */
const ONE_FILE_TARGET = 4;

interface Restored {
  readonly records: number;
  readonly gapRecords: number;
}

export function benchBrowse(context: BenchContext, files: number, depth: number): ScenarioResult {
  const image = smallFilesImage(context.work, files);
  const scratch = scratchFolder(context, 'browse');
  const home = ['--home', join(scratch, 'home')];
  try {
    timed([...context.reelmap, 'backup', image, '--name', 'bench', ...home]);
    const path = fileToRestore(context, home, depth);
    const content = execFileSync('debugfs', ['-R', `cat ${path}`, image], { stdio: ['ignore', 'pipe', 'ignore'] });
    const records: number[] = [];
    const restore = (): number => {
      const to = join(scratch, 'to');
      const command = [...context.reelmap, 'restore', 'bench', path, '--to', to, '--json', ...home];
      const { ms, output } = timed(command);
      const name = path.split('/').at(-1) ?? '';
      if (!readFileSync(join(to, name)).equals(content)) throw new Error(`${path} came back different`);
      remove(to);
      const result = JSON.parse(output.trim().split('\n').at(-1) ?? '') as Restored;
      records.push(result.records + result.gapRecords);
      return ms;
    };
    const needed = recordsNeeded(context, path, home);
    const find = (): number => timed([...context.reelmap, 'find', '*_7.png', ...home]).ms;
    const walk = (): number => timed([...context.parts, '--part', 'walk', image]).ms;
    const node = (): number => timed([process.execPath, '-e', '0']).ms;
    const times = rounds(context, { node, restore, find, walk });
    return { scenario: 'browse', about: `${grouped(files)} small files, warm`, rows: rowsOf(times, records, needed) };
  } finally {
    remove(scratch);
  }
}

interface Found {
  readonly path: string;
  readonly type: string;
  readonly size: number;
}

/** A file of 1 to 64 KB whose path has at least `depth` names that a shell could take: the middle one of all. */
function fileToRestore(context: BenchContext, home: readonly string[], depth: number): string {
  const pattern = `^(/[a-z0-9_.]+){${depth},}$`;
  const { output } = timed([...context.reelmap, 'find', '--regex', pattern, '--json', ...home]);
  const found = (JSON.parse(output) as readonly Found[]).filter(
    ({ type, size }) => type === 'file' && size > 1024 && size < 65_536,
  );
  const file = found[found.length >> 1];
  if (file === undefined) throw new Error(`no file at a depth of ${depth}`);
  return file.path;
}

/** Records that hold the file's extents, as `stat` tells them. */
function recordsNeeded(context: BenchContext, path: string, home: readonly string[]): number {
  const { output } = timed([...context.reelmap, 'stat', 'bench', path, '--json', ...home]);
  const { tape } = JSON.parse(output) as { readonly tape: readonly { readonly records: number }[] };
  return tape.reduce((sum, { records }) => sum + records, 0);
}

type Times = Readonly<Record<'node' | 'restore' | 'find' | 'walk', number[]>>;

function rounds(context: BenchContext, runs: Readonly<Record<keyof Times, () => number>>): Times & { cold: number[] } {
  const times = {
    node: [] as number[],
    restore: [] as number[],
    find: [] as number[],
    walk: [] as number[],
    cold: [] as number[],
  };
  const names = ['node', 'restore', 'find', 'walk'] as const;
  for (let round = -1; round < context.rounds; round++) {
    for (const name of shuffled(names)) {
      const ms = runs[name]();
      if (round >= 0) times[name].push(ms); // the first round warms the cache
    }
  }
  for (let round = 0; round < Math.min(5, context.rounds); round++) {
    context.settle();
    times.cold.push(runs.walk());
  }
  return times;
}

function rowsOf(times: Times & { readonly cold: number[] }, records: readonly number[], needed: number): Row[] {
  const { median: node } = spread(times.node);
  const restore = spread(times.restore);
  const against = (ms: number): number => Math.round((ms / node) * 100) / 100;
  return [
    { name: 'node -e 0', unit: 'ms', ...spread(times.node) },
    { name: 'one file back: reelmap restore', unit: 'ms', ...restore, target: Math.round(node * ONE_FILE_TARGET) },
    { name: 'one file back: records read', unit: 'records', ...spread(records), target: needed },
    {
      name: `find over all names (${against(spread(times.find).median)} of node -e 0)`,
      unit: 'ms',
      ...spread(times.find),
    },
    { name: 'walk alone, whole process, warm', unit: 'ms', ...spread(times.walk) },
    { name: 'walk alone, whole process, cold', unit: 'ms', ...spread(times.cold) },
  ];
}
