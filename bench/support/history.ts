/** bench/history.ndjson: one line for each scenario of a run; and the table that the README shows, from the last lines. */
import { appendFileSync, readFileSync } from 'node:fs';
import type { Row, ScenarioResult } from './context.ts';
import type { Machine } from './machine.ts';

export interface HistoryLine extends ScenarioResult {
  readonly date: string;
  readonly commit: string;
  readonly machine: Machine;
  /** Load average before and after: others at work make a measurement worth less. */
  readonly load: readonly [before: number, after: number];
}

export const appendHistory = (file: string, line: HistoryLine): void =>
  appendFileSync(file, `${JSON.stringify(line)}\n`);

/** The last line of each scenario, in the order of their first ones. */
export function lastLines(file: string): HistoryLine[] {
  const last = new Map<string, HistoryLine>();
  for (const text of readFileSync(file, 'utf8').split('\n')) {
    if (text === '') continue;
    const line = JSON.parse(text) as HistoryLine;
    last.set(line.scenario, line);
  }
  return [...last.values()];
}

/** Markdown, one table a scenario. */
export function tableOf(lines: readonly HistoryLine[]): string {
  return lines.map(scenarioTable).join('\n\n');
}

function scenarioTable({ about, date, commit, machine, load, rows }: HistoryLine): string {
  const head = ['| | median | spread | Reelmap / this | target |', '| --- | ---: | ---: | ---: | ---: |'];
  const body = rows.map(
    (row) => `| ${[row.name, value(row.median, row), range(row), ratio(row), target(row)].join(' | ')} |`,
  );
  const where = `${machine.cores} cores (${machine.processor}), ${machine.memoryGiB} GiB, ${machine.disk}, Linux ${machine.kernel}, Node ${machine.node}, ${machine.cache} cache`;
  return [
    `**${about}** (${date.slice(0, 10)}, ${commit}; ${where}; load ${load[0]} before, ${load[1]} after)`,
    '',
    ...head,
    ...body,
  ].join('\n');
}

const range = (row: Row): string => `${number(row.min, row)} to ${number(row.max, row)}, n=${row.n}`;
const ratio = ({ ours }: Row): string => (ours === undefined ? '' : String(ours));
const value = (amount: number, row: Row): string =>
  `${number(amount, row)} ${row.unit === 'ms' ? unitOf(row) : row.unit}`;

/** Long times are told in seconds. */
const unitOf = (row: Row): string => (row.unit === 'ms' && row.median >= 1000 ? 's' : row.unit);

function number(amount: number, row: Row): string {
  if (unitOf(row) === 's') return (amount / 1000).toFixed(2);
  return row.unit === 'bytes/file' ? amount.toFixed(1) : String(Math.round(amount));
}

function target(row: Row): string {
  if (row.target === undefined) return '';
  const reached = (row.ours ?? row.median) <= row.target;
  return `${row.target} ${reached ? '✓' : '✗'}`;
}
