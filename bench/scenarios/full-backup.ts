/** A full backup, from start to committed set, beside whichever imagers and archivers are installed: one run, order randomised. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Competitor, competitors } from '../support/competitors.ts';
import {
  type BenchContext,
  folderBytes,
  type Row,
  remove,
  type ScenarioResult,
  scratchFolder,
} from '../support/context.ts';
import { mounted } from '../support/images.ts';
import { shuffled, spread, timed, timedNode } from '../support/measure.ts';

/** Targets of the whole job: ours against theirs, at most. */
export type Targets = Readonly<Record<string, number>>;

const OURS = 'reelmap backup';
const OURS_HASHED = 'reelmap backup --chunk-hash';

interface Runner {
  readonly name: string;
  readonly slow: boolean;
  /** Milliseconds of one run. */
  run(): number;
}

/** What backups of ours told beside their time. */
interface Told {
  readonly peakBytes: number[];
  readonly cpuMs: number[];
  readonly indexBytes: number[];
}

export interface FullBackupOptions {
  readonly scenario: string;
  readonly about: string;
  readonly image: string;
  /** Names in the volume; the index's size is told by this. */
  readonly files: number;
  readonly targets: Targets;
  readonly indexTarget?: number;
  /** Competitors to leave out, by the beginning of their names. */
  readonly without?: readonly string[];
}

export function benchFullBackup(context: BenchContext, options: FullBackupOptions): ScenarioResult {
  const told: Told = { peakBytes: [], cpuMs: [], indexBytes: [] };
  const scratch = scratchFolder(context, 'backup');
  const mount = join(scratch, 'mount');
  mkdirSync(mount);
  const others = competitors().filter(({ name }) => !options.without?.some((start) => name.startsWith(start)));
  const runners: Runner[] = [
    { name: OURS, slow: false, run: () => backup(context, options.image, scratch, '--no-chunk-hash', told) },
    { name: OURS_HASHED, slow: false, run: () => backup(context, options.image, scratch, '--chunk-hash') },
    ...others.map((one) => ({
      name: one.name,
      slow: one.slow,
      run: () => peer(context, one, options.image, mount, scratch),
    })),
  ];
  try {
    const rounds = measureAll(context, runners);
    const rows = rowsOf(runners, rounds, options.targets);
    const used: Row[] = [
      { name: `${OURS}: processor time, all threads`, unit: 'ms', ...spread(told.cpuMs) },
      { name: `${OURS}: peak memory`, unit: 'MB', ...spread(told.peakBytes.map((bytes) => bytes / 1e6)), target: 400 },
      {
        name: `${OURS}: index on disk`,
        unit: 'bytes/file',
        ...spread(told.indexBytes.map((bytes) => bytes / options.files)),
        ...(options.indexTarget !== undefined && { target: options.indexTarget }),
      },
    ];
    return { scenario: options.scenario, about: options.about, rows: [...rows, ...used] };
  } finally {
    remove(scratch);
  }
}

/** Milliseconds by name, one map for each round. */
function measureAll(context: BenchContext, runners: readonly Runner[]): Map<string, number>[] {
  const rounds: Map<string, number>[] = [];
  for (let round = 0; round < Math.max(context.rounds, context.slowRounds); round++) {
    const times = new Map<string, number>();
    rounds.push(times);
    for (const { name, slow, run } of shuffled(runners)) {
      if (round >= (slow ? context.slowRounds : context.rounds)) continue;
      const ms = run();
      times.set(name, ms);
      context.say(`round ${round + 1}: ${name}: ${Math.round(ms)} ms`);
    }
  }
  return rounds;
}

function rowsOf(runners: readonly Runner[], rounds: readonly Map<string, number>[], targets: Targets): Row[] {
  return runners.flatMap(({ name }) => {
    const times = rounds.flatMap((times) => times.get(name) ?? []);
    if (times.length === 0) return [];
    const quotients = rounds.flatMap((times) => {
      const [ours, theirs] = [times.get(OURS), times.get(name)];
      return ours === undefined || theirs === undefined ? [] : [ours / theirs];
    });
    const row: Row = { name, unit: 'ms', ...spread(times) };
    if (name === OURS) return [row];
    const ours = quotients.length > 0 ? { ours: Math.round(spread(quotients).median * 1000) / 1000 } : {};
    return [{ ...row, ...ours, ...(targets[name] !== undefined && { target: targets[name] }) }];
  });
}

/** A backup into a new state directory, which is removed. */
function backup(context: BenchContext, image: string, scratch: string, hash: string, told?: Told): number {
  const home = join(scratch, 'home');
  const command = [...context.reelmap, 'backup', image, '--name', 'bench', '--home', home, hash];
  context.settle();
  try {
    const { ms, peakBytes, cpuMs } = timedNode(command, scratch);
    told?.peakBytes.push(peakBytes);
    told?.cpuMs.push(cpuMs);
    told?.indexBytes.push(folderBytes(join(home, 'index')));
    return ms;
  } finally {
    remove(home);
  }
}

function peer(context: BenchContext, one: Competitor, image: string, mount: string, scratch: string): number {
  const output = join(scratch, 'output');
  mkdirSync(output);
  const measure = (): number => {
    context.settle();
    return timed(one.command(image, mount, output)).ms;
  };
  try {
    return one.needsMount ? mounted(image, mount, 'loop,ro,noload', measure) : measure();
  } finally {
    remove(output);
  }
}
