// libiscsi's conformance suite against the disk unit of `reelmap mover serve`. peers: tgt 1.0.85 fails 8 and skips in 62, LIO 6.1 fails 33.
import { spawn } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { serveMover } from '../support/mover-process.ts';
import { describeWithTools, tempFolder } from '../support/tools.ts';

/** Tests of the suite that skip, and why. */
const SKIPPED: Readonly<Record<string, number>> = {
  'Logical unit is not removable': 8, // PreventAllow.*
  'Media is not removable': 1, // StartStopUnit.Simple
  'Logical unit is not write-protected': 1, // ReadOnly.ReadOnlySBC; the read-only unit below runs it
  '--allow-sanitize flag is not set': 11, // Sanitize.*: SANITIZE is not implemented
  'Multipath unavailable': 4, // the suite wants a second address of the unit
};

interface Outcome {
  readonly tests: string[];
  readonly failed: string[];
  readonly skipped: Map<string, string>;
}

/** What the suite printed, test by test. */
function outcomeOf(text: string): Outcome {
  const out: Outcome = { tests: [], failed: [], skipped: new Map() };
  let suite = '';
  let test = '';
  for (const line of text.split('\n')) {
    suite = /^Suite: (\S+)/.exec(line)?.[1] ?? suite;
    const started = /^ {2}Test: (\S+)/.exec(line)?.[1];
    if (started !== undefined) {
      test = `${suite}.${started}`;
      out.tests.push(test);
    }
    if (/(^|\.\.\.)FAILED$/.test(line)) out.failed.push(test);
    const why = /\[SKIPPED\] (.*)/.exec(line)?.[1];
    if (why !== undefined && !out.skipped.has(test)) out.skipped.set(test, why.replace(/\.?( Skipping test\.?)?$/, ''));
  }
  return out;
}

function conformance(args: readonly string[]): Promise<{ status: number | null; text: string }> {
  const child = spawn('iscsi-test-cu', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('latin1').on('data', (part) => (text += part));
  const timer = setTimeout(() => child.kill(), 240_000);
  return new Promise((done) =>
    child.on('close', (status) => {
      clearTimeout(timer);
      done({ status, text });
    }),
  );
}

describeWithTools(['iscsi-test-cu'], 'libiscsi', () => {
  it('finds no failure in 230 tests and skips 25, for known reasons', { timeout: 300_000 }, async () => {
    const folder = tempFolder();
    const images = ['1.img', '2.img'].map((name) => join(folder, name));
    for (const image of images) {
      writeFileSync(image, '');
      truncateSync(image, 256 * 2 ** 20);
    }
    await using mover = await serveMover(join(folder, 'home'), ['--disk', images[0], '--disk', `${images[1]}:ro`]);
    const { status, text } = await conformance(['-v', '-d', '-t', 'ALL', `${mover.url}/1`]);
    const { tests, failed, skipped } = outcomeOf(text);
    expect(failed).toEqual([]);
    expect(status).toBe(0);
    expect(tests.length).toBe(230);
    const reasons: Record<string, number> = {};
    for (const why of skipped.values()) reasons[why] = (reasons[why] ?? 0) + 1;
    expect(reasons).toEqual(SKIPPED);
    for (const suite of ['ExtendedCopy', 'ReceiveCopyResults'])
      expect([...skipped.keys()].filter((test) => test.startsWith(suite))).toEqual([]);
    const readOnly = outcomeOf((await conformance(['-v', '-d', '-t', 'ALL.ReadOnly', `${mover.url}/2`])).text);
    expect([readOnly.tests, readOnly.failed, [...readOnly.skipped.keys()]]).toEqual([['ReadOnly.ReadOnlySBC'], [], []]);
    expect((await mover.stop()).status).toBe(0);
  });
});
