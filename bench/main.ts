/** `npm run bench`: measures Reelmap on this machine beside whichever peers are installed, and keeps the results. */
import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command, InvalidArgumentError } from 'commander';
import { MiB } from '../src/bytes/units.ts';
import { fullPath } from '../tools/system-tools.mjs';
import { benchWalk } from './filesystem/walk.bench.ts';
import { benchBrowse } from './scenarios/browse.ts';
import { benchFullBackup } from './scenarios/full-backup.ts';
import { benchGrowth } from './scenarios/growth.ts';
import { type BenchContext, grouped, type ScenarioResult } from './support/context.ts';
import { appendHistory, type HistoryLine, lastLines, tableOf } from './support/history.ts';
import { largeFilesImage, smallFilesImage } from './support/images.ts';
import { commit, describeMachine, load, settle } from './support/machine.ts';

interface Sizes {
  readonly small: boolean;
  readonly files: number;
  readonly growth: readonly number[];
  readonly large: readonly [count: number, bytes: number];
  /** Names of the path that is restored. */
  readonly depth: number;
}

const REAL: Sizes = { small: false, files: 200_000, growth: [50_000, 200_000, 1_000_000], large: [6, 500e6], depth: 6 };
/** Seconds, so that the tests run it. */
const SMALL: Sizes = { small: true, files: 300, growth: [200, 400], large: [2, MiB], depth: 2 };

type ScenarioName = 'small-files' | 'large-files' | 'browse' | 'growth';
type Scenario = (context: BenchContext, sizes: Sizes) => ScenarioResult;

/** In the order in which they run. */
const SCENARIOS: Readonly<Record<ScenarioName, Scenario>> = {
  'small-files': (context, { files, small }) =>
    benchFullBackup(context, {
      scenario: 'small-files',
      about: `Full backup of ${grouped(files)} small files`,
      image: smallFilesImage(context.work, files),
      files,
      targets: { 'e2image -rap, sync': 0.85, 'partclone, sync': 0.45, 'GNU tar, sync': 0.067 },
      indexTarget: 24,
      ...(small && { without: ['partclone without'] }),
    }),
  'large-files': (context, { small, large: [count, bytes] }) =>
    benchFullBackup(context, {
      scenario: 'large-files',
      about: `Full backup of ${count} files of ${grouped(bytes)} bytes`,
      image: largeFilesImage(context.work, count, bytes),
      files: count,
      targets: { 'e2image -rap, sync': 1 },
      without: small ? ['dar', 'partclone'] : ['dar'],
    }),
  browse: (context, { files, depth, small }) =>
    benchBrowse({ ...context, rounds: context.rounds * (small ? 1 : 3) }, files, depth),
  growth: (context, { growth }) => benchGrowth(context, growth),
};

interface Options {
  readonly small: boolean;
  readonly table: boolean;
  readonly rounds: number;
  readonly slowRounds: number;
  readonly work: string;
  readonly keep: boolean;
  readonly dryRun: boolean;
  readonly part?: string;
}

const here = fileURLToPath(import.meta.url);
/** `dist/`, or wherever this was built to. */
const built = dirname(dirname(here));
const project = process.cwd();
const historyFile = join(project, 'bench', 'history.ndjson');

const countOf = (text: string): number => {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1) throw new InvalidArgumentError('a count, 1 or more');
  return count;
};

function define(): Command {
  return new Command('npm run bench --')
    .description('measures Reelmap beside e2image, partclone, tar, dar and dd, where they are installed')
    .argument('[scenarios...]', `which of ${Object.keys(SCENARIOS).join(', ')}; all by default`)
    .option('--small', 'a small run, to see that everything works; nothing is recorded', false)
    .option('--table', 'only print the table of the last results, as Markdown', false)
    .option('--rounds <n>', 'measurements of each', countOf, 5)
    .option('--slow-rounds <n>', 'measurements of tar and dar, which take a minute each', countOf, 5)
    .option('--work <dir>', 'scratch folder, 10 GB for all scenarios', '/var/tmp/reelmap-bench')
    .option('--keep', 'keep the images in the scratch folder', false)
    .option('--dry-run', 'record nothing', false)
    .option('--part <name>', 'for this program itself: run one part alone');
}

function contextFor(options: Options): BenchContext {
  mkdirSync(options.work, { recursive: true });
  return {
    work: options.work,
    reelmap: [process.execPath, join(built, 'main.js')],
    parts: [process.execPath, here],
    rounds: options.small ? 1 : options.rounds,
    slowRounds: options.small ? 1 : options.slowRounds,
    // The tests' neighbours keep their caches.
    settle: options.small ? () => {} : settle,
    say: (text) => process.stderr.write(`${text}\n`),
  };
}

function measure(names: readonly ScenarioName[], options: Options): void {
  const context = contextFor(options);
  const lines: HistoryLine[] = [];
  try {
    for (const name of names) {
      const before = load();
      const result = SCENARIOS[name](context, options.small ? SMALL : REAL);
      const line: HistoryLine = {
        date: new Date().toISOString(),
        commit: commit(project),
        machine: describeMachine(options.work),
        load: [before, load()],
        ...result,
      };
      if (!options.small && !options.dryRun) appendHistory(historyFile, line);
      lines.push(line);
    }
  } finally {
    if (!options.keep) rmSync(options.work, { recursive: true, force: true });
  }
  console.log(tableOf(lines));
}

async function main(): Promise<void> {
  process.env.PATH = fullPath();
  const command = define().parse();
  const options = command.opts<Options>();
  if (options.part === 'walk') console.log(JSON.stringify(await benchWalk(command.args[0])));
  else if (options.table) console.log(tableOf(lastLines(historyFile)));
  else {
    const unknown = command.args.filter((name) => !Object.hasOwn(SCENARIOS, name));
    if (unknown.length > 0) command.error(`no such scenario: ${unknown.join(', ')}`);
    const names = (command.args.length > 0 ? command.args : Object.keys(SCENARIOS)) as ScenarioName[];
    measure(names, options);
  }
}

if (process.argv[1] === here) await main();
