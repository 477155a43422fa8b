import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isHeld, lockHolder, tryLock } from '../../src/storage/process-lock.ts';

const folder = fs.mkdtempSync(join(tmpdir(), 'reelmap-lock-'));
const module = join(folder, 'process-lock.mjs');
let names = 0;
const newPath = (): string => join(folder, `lock${names++}`);
const children: ChildProcess[] = [];

beforeAll(async () => {
  const source = new URL('../../src/storage/process-lock.ts', import.meta.url).pathname;
  await build({
    entryPoints: [source],
    outfile: module,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
  });
});
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
  fs.rmSync(folder, { recursive: true });
});

/** A process that runs `script` with the lock functions; resolves with what it printed when it has ended. */
function run(script: string): { child: ChildProcess; ended: Promise<string>; said: Promise<void> } {
  const code = `import { tryLock, isHeld, lockHolder } from ${JSON.stringify(module)}; import fs from 'node:fs';\n${script}`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  let output = '';
  const said = new Promise<void>((resolve) => {
    child.stdout?.on('data', (data) => {
      output += data;
      resolve();
    });
  });
  return {
    child,
    said,
    ended: new Promise((resolve) => child.on('close', (code) => resolve(`${output}exit ${code}`))),
  };
}

describe('a lock between processes', () => {
  it('is held by one at a time, and says who and since when', () => {
    const path = newPath();
    const lock = tryLock(path, 'backup /dev/vg0/home');
    if (!isHeld(lock)) throw new Error('not held');
    const second = tryLock(path, 'other');
    expect(second).toMatchObject({ pid: process.pid, command: 'backup /dev/vg0/home' });
    expect(isHeld(second) || Number.isNaN(Date.parse(second.since))).toBe(false);
    expect(lockHolder(path)).toMatchObject({ pid: process.pid });
    lock[Symbol.dispose]();
    expect(fs.existsSync(path)).toBe(false);
    expect(lockHolder(path)).toBeUndefined();
  });

  it('released twice does not release the next holder', () => {
    const path = newPath();
    const first = tryLock(path, 'a');
    if (!isHeld(first)) throw new Error('not held');
    first[Symbol.dispose]();
    const second = tryLock(path, 'b');
    first[Symbol.dispose]();
    expect(lockHolder(path)).toMatchObject({ command: 'b' });
    if (isHeld(second)) second[Symbol.dispose]();
  });

  it('of another process stays while that lives, is released when it exits, and is taken over when it was killed', async () => {
    const path = newPath();
    const take = `if (!isHeld(tryLock(${JSON.stringify(path)}, 'child'))) process.exit(1); console.log('held');`;
    const stays = run(`${take} setInterval(() => {}, 1000);`);
    await stays.said;
    expect(tryLock(path, 'me')).toMatchObject({ pid: stays.child.pid, command: 'child' });
    stays.child.kill('SIGKILL');
    await stays.ended;
    expect(fs.existsSync(path)).toBe(true);
    expect(lockHolder(path)).toBeUndefined();
    const mine = tryLock(path, 'me');
    if (!isHeld(mine)) throw new Error('not taken over');
    mine[Symbol.dispose]();
    await run(`${take} process.exit(0);`).ended;
    expect(fs.existsSync(path)).toBe(false);
  });

  it('of a process whose id came again, or of an earlier boot, is stale', () => {
    const path = newPath();
    const lock = tryLock(path, 'me');
    const holder = JSON.parse(fs.readFileSync(path, 'utf8')) as { startTime: string };
    if (isHeld(lock)) lock[Symbol.dispose]();
    const [boot, ticks] = holder.startTime.split(' ');
    for (const startTime of [`${boot} ${Number(ticks) - 1}`, `00000000-0000-0000-0000-000000000000 ${ticks}`]) {
      fs.writeFileSync(path, JSON.stringify({ ...holder, startTime }));
      const taken = tryLock(path, 'me');
      expect(isHeld(taken)).toBe(true);
      if (isHeld(taken)) taken[Symbol.dispose]();
    }
  });

  it.each(['', '{', 'null', '{"pid":"x"}'])('that is torn (%j) is stale', (text) => {
    const path = newPath();
    fs.writeFileSync(path, text);
    const lock = tryLock(path, 'me');
    expect(isHeld(lock)).toBe(true);
    if (isHeld(lock)) lock[Symbol.dispose]();
  });

  it('of another machine counts as held', () => {
    const path = newPath();
    const holder = { pid: 1, startTime: '', command: 'backup', since: '2026-01-01T00:00:00Z', host: 'elsewhere' };
    fs.writeFileSync(path, JSON.stringify(holder));
    expect(tryLock(path, 'me')).toEqual(holder);
  });

  it('a folder that is not there is an error that names the lock', () => {
    expect(() => tryLock(join(folder, 'no/lock'), 'me')).toThrow('no/lock: the lock cannot be made: ENOENT');
  });

  it('is never held by two of many processes that take it, release it and are killed with it', async () => {
    const path = newPath();
    const inside = `${path}.inside`;
    const script = `
      const [path, inside] = ${JSON.stringify([path, inside])};
      const end = Date.now() + 1200;
      let times = 0;
      while (Date.now() < end) {
        const lock = tryLock(path, 'child');
        if (!isHeld(lock)) continue;
        fs.mkdirSync(inside); // throws when another is inside
        times++;
        fs.rmdirSync(inside);
        if (Math.random() < 0.05) process.kill(process.pid, 'SIGKILL');
        lock[Symbol.dispose]();
      }
      console.log('times ' + times);`;
    const ended: string[] = [];
    const worker = async (): Promise<void> => {
      for (const stop = Date.now() + 1200; Date.now() < stop; ) ended.push(await run(script).ended);
    };
    await Promise.all([worker(), worker(), worker()]);
    expect(fs.existsSync(inside)).toBe(false);
    const last = tryLock(path, 'me');
    expect(isHeld(last)).toBe(true);
    if (isHeld(last)) last[Symbol.dispose]();
    expect(ended.filter((end) => end.endsWith('exit 1'))).toEqual([]);
    expect(ended.length).toBeGreaterThan(2);
  });
});
