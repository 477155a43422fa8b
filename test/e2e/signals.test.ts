// ^C and SIGTERM in the middle of everything long: one line, the documented status, nothing harmed, and the run goes on or is
// given up.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { complaints, expectBaseIntact, type Ground, homeCopy, makeGround, makeVolume } from '../support/ground.ts';
import { patterned } from '../support/mover.ts';
import { type Ended, reelmap, startReelmap } from '../support/program.ts';
import { describeWithTools } from '../support/tools.ts';

const SIGNALS = [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const;
const BIG_BYTES = 120 * 2 ** 20;
const FILES = 300;
const BACKUP = ['--name', 'big', '--chunk-size', '4M', '--commit-every', '4M'];

let ground: Ground;
let tree: string;
let big: string;
/** A home with a set of each volume. */
let home: string;

interface Stopping {
  readonly args: readonly string[];
  readonly home: string;
  readonly signal: NodeJS.Signals;
  /** Whether the command is where it is to be stopped. */
  readonly when: () => boolean;
}

type Stopped = Ended & { readonly sent: boolean };

/** Starts a command and stops it in the middle. */
async function stopped({ args, home: at, signal, when }: Stopping): Promise<Stopped> {
  const { child, ended } = startReelmap(args, { home: at });
  let sent = false;
  const watch = setInterval(() => {
    if (!sent && when()) sent = child.kill(signal);
  }, 2);
  const result = await ended;
  clearInterval(watch);
  return { ...result, sent };
}

function expectStopped(ended: Stopped, status: number, line: RegExp): void {
  // Work that takes its time to stop says so first.
  const lines = complaints(ended).filter((one) => !one.endsWith('stopping at a safe point; once more to end at once'));
  expect({ sent: ended.sent, status: ended.status, lines }).toEqual({
    sent: true,
    status,
    lines: [expect.stringMatching(line)],
  });
}

function tapeBytes(at: string): number {
  const cartridges = join(at, 'library/cartridges');
  return readdirSync(cartridges).reduce((sum, name) => sum + statSync(join(cartridges, name, 'data')).size, 0);
}

describeWithTools(['mke2fs', 'diff', 'cmp'], 'stopped by a signal', () => {
  beforeAll(() => {
    ground = makeGround();
    tree = mkdtempSync(join(ground.folder, 'big-'));
    for (let i = 0; i < FILES; i++) writeFileSync(join(tree, `f${i}`), patterned(2000 + i, i));
    writeFileSync(join(tree, 'large'), Buffer.alloc(BIG_BYTES, patterned(65_521, 11)));
    big = join(ground.folder, 'big.img');
    makeVolume(big, tree, BIG_BYTES + 24 * 2 ** 20);
    home = homeCopy(ground);
    reelmap(['backup', big, ...BACKUP], { home });
  });

  describe.each(SIGNALS)('%s', (signal, status) => {
    it('a backup: what is on tape stays, it goes on or is given up, and earlier sets are as they were', async () => {
      const own = homeCopy(ground);
      const run = (...args: string[]): Ended => reelmap(args, { home: own });
      const args = ['backup', big, ...BACKUP];
      const before = tapeBytes(own);
      const when = (): boolean => tapeBytes(own) > before + 16 * 2 ** 20;
      const line = `^reelmap: stopped by ${signal}; run the same command again to go on, or with --abandon to give it up$`;
      expectStopped(await stopped({ args, home: own, signal, when }), status, new RegExp(line));
      expect(run('status').stdout).toMatch(/backup {5}of big .*stopped; the same `reelmap backup` goes on with it/);
      if (signal === 'SIGINT') {
        const again = run(...args);
        expect(again.status).toBe(0);
        expect(again.stderr).toMatch(/^going on with the run that stopped: [1-9]\d* chunks are on tape$/m);
        expect(run('verify', 'big', '--against', big).stdout).toMatch(/equal-to-snapshot$/m);
      } else {
        expect(run('backup', '--abandon', big).stdout).toMatch(/^gave up the backup of big that was begun /);
        expect(run('sets').stdout).not.toContain(' big ');
      }
      expect(run('status').stdout).not.toContain('stopped');
      expectBaseIntact(own, ground);
    });

    it('a restore: no half file has its name, and the same command goes on', async () => {
      const to = mkdtempSync(join(ground.folder, 'to-'));
      const args = ['restore', 'big', '/', '--to', to];
      const when = (): boolean => readdirSync(to).some((name) => /^\.reelmap-\d+-\d+$/.test(name));
      const line = `^reelmap: stopped by ${signal}; run the same command again to go on$`;
      expectStopped(await stopped({ args, home, signal, when }), status, new RegExp(line));
      for (const name of readdirSync(to).filter((one) => /^f\d+$/.test(one)))
        expect(spawnSync('cmp', [join(to, name), join(tree, name)]).status).toBe(0);
      expect(reelmap(args, { home })).toMatchObject({ status: 0 });
      expect(spawnSync('diff', ['-r', '-x', 'lost+found', to, tree], { encoding: 'utf8' }).stdout).toBe('');
      rmSync(to, { recursive: true });
    });

    it('a restore of the volume: the image has no name yet, and nothing of it is left', async () => {
      const to = mkdtempSync(join(ground.folder, 'to-'));
      const args = ['restore-volume', 'big', join(to, 'v.img')];
      const when = (): boolean => readdirSync(to).some((name) => statSync(join(to, name)).blocks * 512 > 10e6);
      const line = `^reelmap: stopped by ${signal}; the volume is not restored; run the same command again`;
      expectStopped(await stopped({ args, home, signal, when }), status, new RegExp(line));
      expect(readdirSync(to)).toEqual([]);
      expect(reelmap(args, { home })).toMatchObject({ status: 0 });
      expect(spawnSync('cmp', [join(to, 'v.img'), big]).status).toBe(0);
      rmSync(to, { recursive: true });
    });

    it.each([[['verify', 'big']], [['index', 'rebuild']]])('%j: the index is as it was', async (args) => {
      const locks = ['256', '257'].map((drive) => join(home, `library/drives/${drive}.lock`));
      const sets = reelmap(['sets'], { home }).stdout;
      const ended = await stopped({ args, home, signal, when: () => locks.some((lock) => existsSync(lock)) });
      // A quick machine may be done before the signal is looked at.
      if (ended.status !== 0)
        expectStopped(ended, status, new RegExp(`^reelmap: stopped by ${signal}; run the same command again$`));
      expect(reelmap(['sets'], { home }).stdout).toBe(sets);
      expect(reelmap(['index', 'check'], { home }).status).toBe(0);
    });
  });
});
