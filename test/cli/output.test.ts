import { describe, expect, it } from 'vitest';
import { createOutput } from '../../src/cli/output.ts';
import { createProgress, formatBytes, formatSeconds, progressBar, progressLine } from '../../src/cli/progress.ts';

function collected(json: boolean, accept = () => true) {
  const out = { 1: '', 2: '' };
  const write = (descriptor: 1 | 2, data: Uint8Array): boolean => {
    if (!accept()) return false;
    out[descriptor] += Buffer.from(data).toString();
    return true;
  };
  return { out, write, output: createOutput({ json, write }) };
}

describe('output', () => {
  it('lines are kept together until flush', () => {
    const { out, output } = collected(false);
    output.line('a');
    expect(out[1]).toBe('');
    output.line('b');
    output.flush();
    expect(out[1]).toBe('a\nb\n');
  });

  it('when the reader has gone the output says so and swallows the rest', () => {
    const { output } = collected(false, () => false);
    output.line('a');
    output.flush();
    expect(output.closed).toBe(true);
    expect(() => output.line('b')).not.toThrow();
  });

  it('with --json a note for people is not printed', () => {
    const { out, output } = collected(true);
    output.note('hello');
    output.value({ a: 1 });
    output.flush();
    expect(out).toEqual({ 1: '{"a":1}\n', 2: '' });
  });

  it('a note cannot move the cursor', () => {
    const { out, output } = collected(false);
    output.note('\x1b[2J');
    expect(out[2]).toBe('\\x1b[2J\n');
  });
});

describe('progress', () => {
  const state = {
    phase: 'restoring',
    done: 3 * 1024 ** 2,
    total: 12 * 1024 ** 2,
    unit: 'bytes',
    floor: 1024 ** 2,
  } as const;

  it('a line names done, total, rate, floor and time left', () => {
    expect(progressLine(state, { rate: 1.5 * 1024 ** 2, secondsLeft: 6 })).toBe(
      "restoring 3.0 MiB of 12.0 MiB, 1.5 MiB/s (drive's floor 1.0 MiB/s), 6 s left",
    );
  });

  it.each([20, 40, 80, 200])('a bar fits %d columns', (columns) => {
    expect(progressBar({ ...state, detail: '/a\nb' }, { rate: 1, secondsLeft: 1 }, columns).length).toBeLessThan(
      columns,
    );
  });

  it('sizes and times read well', () => {
    expect([0, 1023, 1024, 1536, 150 * 1024 ** 2, 3 * 1024 ** 4].map(formatBytes)).toEqual([
      '0 B',
      '1023 B',
      '1.0 KiB',
      '1.5 KiB',
      '150 MiB',
      '3.0 TiB',
    ]);
    expect([0.4, 59, 65, 3 * 3600 + 4 * 60].map(formatSeconds)).toEqual(['0 s', '59 s', '1 min 05 s', '3 h 04 min']);
  });

  function run(json: boolean, columns: number, seconds: number) {
    const { out, write, output } = collected(json);
    let now = 0;
    const progress = createProgress({ output, clock: () => now, columns: () => columns, write });
    for (now = 0; now <= seconds * 1000; now += 50) progress.update({ ...state, done: (now / 1000) * 2 ** 20 });
    progress.end();
    output.flush();
    return out;
  }

  it('work under two seconds prints nothing where there is no terminal', () => {
    expect(run(false, 0, 1.9)).toEqual({ 1: '', 2: '' });
    expect(run(true, 0, 1.9)).toEqual({ 1: '', 2: '' });
  });

  it('elsewhere than on a terminal there is a plain line about every five seconds', () => {
    const lines = run(false, 0, 12.1)[2].trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[2]).toMatch(/^restoring 12\.0 MiB of 12\.0 MiB, 1\.0 MiB\/s/);
    expect(lines.join()).not.toContain('\x1b');
  });

  it('with --json progress is JSON lines on standard output', () => {
    const lines = run(true, 0, 8)[1]
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines[0]).toMatchObject({ event: 'progress', phase: 'restoring', total: 12 * 2 ** 20 });
  });

  it('on a terminal the bar is redrawn and cleared at the end', () => {
    const text = run(false, 100, 3)[2];
    expect(text).toContain('[###.');
    expect(text.endsWith('\r\x1b[K')).toBe(true);
  });
});
