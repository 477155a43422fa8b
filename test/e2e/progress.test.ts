// Anything that takes longer than two seconds says how far it is: a bar on a terminal, plain lines elsewhere, JSON lines with
// --json. The commands here are quick; they are made to last by stopping the process in the middle of its work.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Ground, homeCopy, makeGround, makeVolume } from '../support/ground.ts';
import { patterned } from '../support/mover.ts';
import { mainPath, reelmap, startReelmap } from '../support/program.ts';
import { describeWithTools, requireTools } from '../support/tools.ts';

const BIG_BYTES = 64 * 2 ** 20;
const ESCAPE = '\u001b';
const CLEAR = `\r${ESCAPE}[K`;
const LINE_MS = 2300;
const BAR_MS = 600;

let ground: Ground;
let big: string;
/** A home with a set of each volume. */
let home: string;

interface Work {
  readonly args: readonly string[];
  /** What is said, on a line of its own. */
  readonly says: RegExp;
}

beforeAll(() => {
  ground = makeGround();
  const tree = mkdtempSync(join(ground.folder, 'big-'));
  for (let i = 0; i < 1500; i++) writeFileSync(join(tree, `f${i}`), patterned(100, i));
  writeFileSync(join(tree, 'large'), Buffer.alloc(BIG_BYTES, patterned(65_521, 11)));
  big = join(ground.folder, 'big.img');
  makeVolume(big, tree, BIG_BYTES + 48 * 2 ** 20);
  home = homeCopy(ground);
  reelmap(['backup', big, '--name', 'big', '--chunk-size', '4M'], { home });
});

/** Each with a home of its own: they run side by side. */
function works(): Record<string, Work> {
  const to = mkdtempSync(join(ground.folder, 'to-'));
  return {
    backup: {
      args: ['backup', big, '--name', 'again', '--chunk-size', '4M'],
      says: /^(reading the metadata, \d s|copying [\d.]+ \w+ of [\d.]+ MiB.*|(walking|indexing|writing the index).*)$/m,
    },
    restore: {
      args: ['restore', 'big', '/', '--to', join(to, 'files')],
      says: /^(looking up \d+ entries.*|restoring [\d.]+ \w+ of [\d.]+ MiB.*|(making|finishing) .* entries.*)$/m,
    },
    'restore-volume': {
      args: ['restore-volume', 'big', join(to, 'v.img')],
      says: /^restoring [\d.]+ \w+ of [\d.]+ MiB.*$/m,
    },
    verify: {
      args: ['verify', 'big', '--against', big],
      says: /^(checking the index \d+ rows.*|verifying [\d.]+ \w+ of [\d.]+ MiB.*)$/m,
    },
    'index rebuild': {
      args: ['index', 'rebuild'],
      says: /^(loading cartridge RM0001L9, \d s|reading cartridge RM0001L9: \d+ tape files.*|reading the index of set .*)$/m,
    },
    'tape files': { args: ['tape', 'files', 'RM0001L9'], says: /^reading cartridge RM0001L9: \d+ tape files.*$/m },
    'tape export-files': {
      args: ['tape', 'export-files', 'big', join(to, 'tape')],
      says: /^copying [\d.]+ \w+ of [\d.]+ MiB.*$/m,
    },
  };
}

const atWork = (at: string): boolean =>
  ['256', '257'].some((drive) => existsSync(join(at, `library/drives/${drive}.lock`)));

/** Stops a process for a while, as soon as it has a drive. */
async function lengthen(pid: () => number | undefined, at: string, ms: number): Promise<void> {
  while (!atWork(at)) await sleep(2);
  const found = pid();
  if (found === undefined) throw new Error('nobody is at work');
  process.kill(found, 'SIGSTOP');
  await sleep(ms);
  process.kill(found, 'SIGCONT');
}

describeWithTools(['mke2fs'], 'progress', () => {
  it('of everything that is long, as plain lines where there is no terminal', async () => {
    const all = Object.entries(works()).map(async ([name, { args, says }]) => {
      const own = homeCopy({ ...ground, home });
      const { child, ended } = startReelmap(args, { home: own });
      await lengthen(() => child.pid, own, LINE_MS);
      const { status, stderr } = await ended;
      return {
        name,
        status,
        told: says.exec(stderr)?.[0] ?? stderr,
        control: stderr.includes(ESCAPE) || stderr.includes('\r'),
      };
    });
    for (const { name, status, told, control } of await Promise.all(all)) {
      expect({ name, status, control }).toEqual({ name, status: 0, control: false });
      expect(told).toMatch(works()[name].says);
    }
  });

  it('with --json as JSON lines before the result', async () => {
    const own = homeCopy({ ...ground, home });
    const { child, ended } = startReelmap(['verify', 'big', '--json'], { home: own });
    await lengthen(() => child.pid, own, LINE_MS);
    const { status, stdout, stderr } = await ended;
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines[0]).toMatchObject({ event: 'progress', phase: expect.any(String), done: expect.any(Number) });
    expect(lines.at(-1)).toMatchObject({ event: 'result', level: expect.any(String) });
  });

  describe('on a terminal', () => {
    /** A pseudo-terminal of 100 columns; what is printed on it. */
    async function onTerminal(args: readonly string[], own: string): Promise<string> {
      const pidFile = join(own, 'pid');
      const words = [process.execPath, mainPath(), ...args].map((word) => `'${word}'`).join(' ');
      const command = `stty cols 100; echo $$ >'${pidFile}'; exec ${words}`;
      const child = spawn('script', ['-qefc', command, '/dev/null'], {
        env: { ...process.env, REELMAP_HOME: own },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      const ended = new Promise((done) => child.on('close', done));
      const pid = (): number | undefined =>
        existsSync(pidFile) ? Number(readFileSync(pidFile, 'utf8')) || undefined : undefined;
      await lengthen(pid, own, BAR_MS);
      child.kill('SIGCONT'); // it stops with what it runs
      expect(await ended).toBe(0);
      return text;
    }

    it('a bar, redrawn in its line and cleared before anything else is printed', async (context) => {
      requireTools(context, 'script');
      const all = Object.entries(works())
        .filter(([name]) => ['backup', 'restore-volume', 'verify'].includes(name))
        .map(async ([name, { args }]) => ({ name, text: await onTerminal(args, homeCopy({ ...ground, home })) }));
      for (const { name, text } of await Promise.all(all)) {
        expect(text, name).toContain(CLEAR);
        // What stays on a line is what was printed after it was cleared last: no bar, and no piece of one.
        const drawn = text.split(CLEAR).slice(1);
        expect(drawn.filter((one) => /^(\[[#.]+\] +\d+% )?\w+ing /.test(one)).length, name).toBeGreaterThan(0);
        const stays = text.split('\n').map((line) => line.replace(/\r$/, '').split(CLEAR).at(-1) ?? '');
        expect(stays.join('\n'), name).not.toMatch(/\[#|% /);
        expect(stays.join('\n'), name).not.toContain(ESCAPE);
        expect(stays.join('\n'), name).toMatch(/^(set |restored )/m);
        for (const bar of drawn.filter((one) => one.startsWith('[')))
          expect(bar.split('\r')[0].length).toBeLessThan(100);
      }
    });
  });
});
