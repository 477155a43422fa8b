// Two commands at once over one state directory. The first is a backup that waits for a cartridge: it holds its drive, its
// cartridge and the index for as long as the test wants.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, expect, it } from 'vitest';
import { isHeld, tryLock } from '../../src/storage/process-lock.ts';
import { openLibrary, type ReservedDrive } from '../../src/target/virtual-library/library.ts';
import { expectBaseIntact, expectFailure, type Ground, homeCopy, makeGround } from '../support/ground.ts';
import { type Ended, reelmap, startReelmap } from '../support/program.ts';
import { describeWithTools } from '../support/tools.ts';

let ground: Ground;
let home: string;
const run = (...args: string[]): Ended => reelmap(args, { home, cwd: ground.folder });

const running: ReturnType<typeof startReelmap>[] = [];

/** A backup of another volume onto a cartridge that is too small for it; answers when it waits for the next. */
async function waitingBackup(volume: string, cartridge: string): Promise<ReturnType<typeof startReelmap>> {
  const args = ['backup', volume, '--name', volume, '--cartridge', cartridge, '--wait-tape'];
  const started = startReelmap(args, { home, cwd: ground.folder });
  running.push(started);
  await saysOf(started, '; waiting');
  return started;
}

/** Until a command says something on standard error. */
async function saysOf({ child }: ReturnType<typeof startReelmap>, words: string): Promise<void> {
  let said = '';
  child.stderr?.on('data', (text: string) => {
    said += text;
  });
  while (!said.includes(words)) {
    if (child.exitCode !== null) throw new Error(`it did not say "${words}": ${said}`);
    await sleep(10);
  }
}

/** A drive for this process, as a command at work has it. */
function reserve(command: string): ReservedDrive {
  const drive = openLibrary(join(home, 'library')).reserveDrive(command);
  if ('busy' in drive) throw new Error('every drive is busy');
  return drive;
}

describeWithTools(['mke2fs', 'tune2fs', 'diff'], 'two at once', () => {
  beforeAll(() => {
    ground = makeGround();
    home = homeCopy(ground);
    for (const name of ['one.img', 'three.img']) copyFileSync(ground.image, join(ground.folder, name));
    // Volumes of their own: a volume is known by its filesystem's UUID.
    for (const name of ['one.img', 'three.img'])
      execFileSync('tune2fs', ['-f', '-U', 'random', join(ground.folder, name)], { stdio: ['ignore', 'pipe', 'pipe'] });
    expect(run('tape', 'label', 'SMALL1', 'SMALL2', '--capacity', '4M').status).toBe(0);
  });

  afterEach(async () => {
    for (const { child, ended } of running.splice(0)) {
      child.kill('SIGTERM');
      expect((await ended).status).toBe(143);
    }
    run('backup', '--abandon', 'one.img');
    expectBaseIntact(home, ground);
  });

  it('backups of one volume: the second says who is at it, since when, and what to do', async () => {
    const { child } = await waitingBackup('one.img', 'SMALL1');
    const line = new RegExp(
      `one\\.img: process ${child.pid} has been backing it up since [-\\dT:.Z]+; wait for it to end$`,
    );
    expectFailure(run('backup', 'one.img'), 1, line);
    const abandon = new RegExp(
      `one\\.img: process ${child.pid} works on its backup; stop that first: kill ${child.pid}$`,
    );
    expectFailure(run('backup', '--abandon', 'one.img'), 1, abandon);
  });

  it('backups of two volumes, a restore and a listing: all go their way', async () => {
    await waitingBackup('one.img', 'SMALL2');
    expect(run('backup', 'three.img', '--name', 'three').status).toBe(0);
    expectBaseIntact(home, ground);
    expect(run('status').stdout).toMatch(/drive \d {4}empty, used by process \d+ \(backup .*one\.img\) since /);
    expect(run('verify', 'three').status).toBe(0);
  });

  it('a third, with every drive in use: refused with who has them, or waits with --wait', async () => {
    const held = [reserve('backup one.img'), reserve('backup two.img')];
    const who = (words: string): string => `process ${process.pid} \\(${words}\\) since [^ ]+`;
    const busy = `every drive is busy: ${who('backup one.img')}; ${who('backup two.img')}; wait for it, or use --wait$`;
    const to = mkdtempSync(join(ground.folder, 'to-'));
    for (const words of [
      ['backup', 'three.img'],
      ['restore', 'base', '/docs', '--to', to],
      ['restore-volume', 'base', join(to, 'v.img')],
      ['verify', 'base'],
      ['index', 'rebuild'],
      ['tape', 'label', 'X9'],
      ['tape', 'files', 'RM0001L9'],
      ['tape', 'export-files', 'base', join(to, 'files')],
    ])
      expectFailure(run(...words), 1, new RegExp(busy));
    expect(readdirSync(to)).toEqual([]);
    const waiting = startReelmap(['restore', 'base', '/docs/sub', '--to', to, '--wait'], { home });
    await saysOf(waiting, 'waiting for a drive: process ');
    for (const drive of held) drive[Symbol.dispose]();
    expect(await waiting.ended).toMatchObject({ status: 0 });
  });

  it('what is on a cartridge that another process has in its drive: refused with who has it, or waited for', async () => {
    expect(run('tape', 'load', 'RM0001L9').status).toBe(0);
    const held = reserve('backup one.img');
    const to = mkdtempSync(join(ground.folder, 'to-'));
    const line = new RegExp(
      `cartridge RM0001L9: in drive \\d, which process ${process.pid} \\(backup one.img\\) uses since .*; wait for it(, or use --wait)?$`,
    );
    for (const words of [
      ['restore', 'base', '/docs', '--to', to],
      ['restore-volume', 'base', join(to, 'v.img')],
      ['verify', 'base'],
      ['index', 'rebuild'],
      ['tape', 'files', 'RM0001L9'],
      ['tape', 'load', 'RM0001L9'],
      ['tape', 'export', 'RM0001L9'],
      ['tape', 'export-files', 'base', join(to, 'files')],
    ])
      expectFailure(run(...words), 1, line);
    // Everything else goes on, with another cartridge.
    expect(run('backup', 'three.img', '--name', 'three').stdout).toMatch(/on RM000[2-9]L9/);
    const waiting = startReelmap(['restore', 'base', '/docs/sub', '--to', to, '--wait'], { home });
    await saysOf(waiting, 'waiting for cartridge RM0001L9: in drive');
    held[Symbol.dispose]();
    expect(await waiting.ended).toMatchObject({ status: 0 });
  });

  it('restores into one folder: the second waits outside', () => {
    const to = mkdtempSync(join(ground.folder, 'to-'));
    const lock = tryLock(join(to, '.reelmap-lock'), 'restore');
    if (!isHeld(lock)) throw new Error('held');
    const line = new RegExp(
      `to-\\w+: process ${process.pid} restores there since .*; wait for it to end, or name another folder`,
    );
    expectFailure(run('restore', 'base', '/docs', '--to', to), 1, line);
    lock[Symbol.dispose]();
    expect(run('restore', 'base', '/docs', '--to', to).status).toBe(0);
    expect(readdirSync(to)).toEqual(['docs']);
  });
});
