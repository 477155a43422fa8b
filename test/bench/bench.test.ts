// Every scenario of `npm run bench` at a small size, so that none rots. Nothing is said about times.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { appendHistory, type HistoryLine, lastLines, tableOf } from '../../bench/support/history.ts';
import { spread } from '../../bench/support/measure.ts';
import { plainEnvironment } from '../support/environment.ts';
import { describeWithTools, tempFolder } from '../support/tools.ts';

const root = process.cwd();

describeWithTools(['mke2fs', 'debugfs'], 'the benchmark of the whole program', () => {
  let built = '';

  beforeAll(() => {
    mkdirSync(join(root, '.test-work'), { recursive: true });
    built = mkdtempSync(join(root, '.test-work', 'bench-'));
    execFileSync(process.execPath, ['tools/build.mjs', built], { cwd: root });
  });
  afterAll(() => rmSync(built, { recursive: true, force: true }));

  const bench = (...words: string[]): string =>
    execFileSync(process.execPath, [join(built, 'bench', 'main.mjs'), ...words], {
      cwd: root,
      env: plainEnvironment(),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });

  it('runs every scenario, restores what it backed up, prints a table, and leaves nothing behind', () => {
    const history = join(root, 'bench', 'history.ndjson');
    const before = existsSync(history) ? readFileSync(history, 'utf8') : undefined;
    const work = join(tempFolder(), 'work');
    const table = bench('--small', '--work', work);
    for (const name of ['reelmap backup', 'reelmap restore', 'walk alone', '400 files: backup', 'dd, whole image'])
      expect(table).toContain(`${name}`);
    expect(table).toMatch(/records read \| 1 records \|.*✓/);
    expect(existsSync(work)).toBe(false);
    expect(existsSync(history) ? readFileSync(history, 'utf8') : undefined).toBe(before);
  });

  it('refuses a scenario that there is none of', () => {
    expect(() => bench('no-such')).toThrow();
  });
});

const line = (scenario: string, median: number): HistoryLine => ({
  scenario,
  about: `About ${scenario}`,
  date: '2026-03-14T00:00:00.000Z',
  commit: 'abc1234',
  machine: { cores: 2, processor: 'P', memoryGiB: 8, kernel: '6', node: 'v20', disk: 'd ext4', cache: 'cold' },
  load: [0, 0.1],
  rows: [
    { name: 'ours', unit: 'ms', median, min: 1000, max: 4000, n: 5 },
    { name: 'theirs', unit: 'ms', median: 2500, min: 2000, max: 3000, n: 5, ours: 0.8, target: 0.85 },
  ],
});

it('the table shows the last line of each scenario, in seconds where they are many', () => {
  const file = join(tempFolder(), 'history.ndjson');
  for (const one of [line('a', 3000), line('b', 10), line('a', 2000)]) appendHistory(file, one);
  const lines = lastLines(file);
  expect(lines.map(({ scenario, rows }) => [scenario, rows[0].median])).toEqual([
    ['a', 2000],
    ['b', 10],
  ]);
  const table = tableOf(lines);
  expect(table).toContain('| ours | 2.00 s | 1.00 to 4.00, n=5 |  |  |');
  expect(table).toContain('| theirs | 2.50 s | 2.00 to 3.00, n=5 | 0.8 | 0.85 ✓ |');
});

it('the median of an even number of values is the mean of the middle two', () => {
  expect(spread([4, 1, 2, 10])).toEqual({ median: 3, min: 1, max: 10, n: 4 });
});
