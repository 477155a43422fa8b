/** Restores as a process of their own: killed, interrupted, and run by somebody who is not root. */
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireRoot, requireTools, tempFolder } from '../support/tools.ts';

const root = resolve(import.meta.dirname, '../..');
const program = join(root, '.test-work', `restore-process-${process.pid}.mjs`);

beforeAll(async () => {
  mkdirSync(join(root, '.test-work'), { recursive: true });
  await build({
    entryPoints: [join(root, 'test/support/restore-process.ts')],
    outfile: program,
    bundle: true,
    format: 'esm',
    target: 'node20.19',
    platform: 'node',
    packages: 'external',
    define: { REELMAP_VERSION: '"0"' },
    logLevel: 'silent',
  });
});

afterAll(() => rmSync(program, { force: true }));

const FILES = 40;
const content = (i: number): Buffer => {
  const out = Buffer.alloc(4000);
  for (let at = 0; at < 4000; at++) out[at] = ((i * 4096 + at) * 31 + ((i * 4096 + at) >> 9)) & 0xff;
  return out;
};

/** Checks every file that has its name, and answers how many have. */
function wholeFiles(to: string): number {
  const folder = join(to, 'd');
  if (!existsSync(folder)) return 0;
  const names = readdirSync(folder).filter((name) => name.startsWith('f'));
  for (const name of names) expect(readFileSync(join(folder, name)).equals(content(Number(name.slice(1))))).toBe(true);
  return names.length;
}

const leftOver = (to: string): string[] =>
  readdirSync(to, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('.reelmap'));
const words = (to: string): string[] => [program, 'restore', 'latest', '/d', '/link', '--to', to];
const again = (to: string) => spawnSync(process.execPath, words(to), { encoding: 'utf8' });

/** Runs slowly and sends `signal` when some files are there. */
function stopped(to: string, signal: NodeJS.Signals): Promise<{ status: number | null; stderr: string }> {
  const child = spawn(process.execPath, words(to), {
    env: { ...process.env, READ_MS: '40' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  const watch = setInterval(() => {
    if (existsSync(join(to, 'd')) && readdirSync(join(to, 'd')).length >= 3) {
      clearInterval(watch);
      child.kill(signal);
    }
  }, 10);
  return new Promise((done) =>
    child.on('exit', (status) => {
      clearInterval(watch);
      done({ status, stderr });
    }),
  );
}

describe('a restore that is stopped', () => {
  it('by kill -9 leaves no half file under its name, and goes on', async () => {
    const to = tempFolder();
    await stopped(to, 'SIGKILL');
    expect(wholeFiles(to)).toBeLessThan(FILES);
    const { status, stderr } = again(to);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(wholeFiles(to)).toBe(FILES);
    expect(leftOver(to)).toEqual([]);
    expect(lstatSync(join(to, 'link')).isSymbolicLink()).toBe(true);
    expect(statSync(join(to, 'd')).mtimeMs).toBe(1_500_000_000_987.6543);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('by %s ends at a safe point, says how to go on, and goes on', async (signal, expected) => {
    const to = tempFolder();
    const { status, stderr } = await stopped(to, signal);
    expect(status).toBe(expected);
    expect(stderr).toContain(`reelmap: stopped by ${signal}; run the same command again to go on\n`);
    const before = wholeFiles(to);
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(FILES);
    expect(leftOver(to)).toHaveLength(1); // the mark of a restore under way
    const { stdout } = again(to);
    expect(stdout).toContain(`${before} were there from an earlier run`);
    expect(wholeFiles(to)).toBe(FILES);
    expect(leftOver(to)).toEqual([]);
  });

  it('SIGHUP does not stop it', async () => {
    const to = tempFolder();
    const { status } = await stopped(to, 'SIGHUP');
    expect(status).toBe(0);
    expect(wholeFiles(to)).toBe(FILES);
  });
});

describe('a listing', () => {
  it('whose reader goes away ends quietly', () => {
    const pipe = `set -o pipefail; "$0" "$1" find '*' --set latest | head -1`;
    const { status, stdout, stderr } = spawnSync('bash', ['-c', pipe, process.execPath, program], { encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
  });

  it('takes a path that is not UTF-8 as the shell gives it', () => {
    const run = `"$0" "$1" ls latest $'/no\\xff'`;
    const { status, stderr } = spawnSync('bash', ['-c', run, process.execPath, program], { encoding: 'utf8' });
    expect(status).toBe(1);
    expect(stderr).toContain("reelmap: $'/no\\xff': no such file or directory in set ab000000");
  });
});

describe('somebody who is not root', () => {
  it('gets the content, and is told what could not be set', (context) => {
    requireRoot(context); // to become somebody else
    requireTools(context, 'setpriv');
    const folder = tempFolder();
    chmodSync(folder, 0o755);
    const to = join(folder, 'to');
    mkdirSync(to);
    chownSync(to, 65534, 65534);
    const as = ['--reuid=65534', '--regid=65534', '--clear-groups', '--inh-caps=-all'];
    const all = [...as, process.execPath, program, 'restore', 'latest', '/', '--to', to];
    const { status, stdout, stderr } = spawnSync('setpriv', all, {
      encoding: 'utf8',
      env: { ...process.env, HOME: to },
    });
    if (stderr.includes('EACCES') || stderr.includes('Cannot find module'))
      context.skip('the tree is not readable for others');
    expect(wholeFiles(to)).toBe(FILES);
    expect(status).toBe(3);
    const { uid, mode } = statSync(join(to, 'owned'));
    expect([uid, mode & 0o7777]).toEqual([65534, 0o755]);
    expect(stderr).toContain('not exact: owned: set-user-ID and set-group-ID bits left off');
    expect(stderr).toContain('not restored: device: cannot be made: not permitted');
    expect(stderr).toContain('not exact: secured: xattr trusted.x not set: not permitted');
    expect(stderr).toMatch(/the owner of \d+ could not be set: only root can give files away/);
    expect(stdout).toContain('1 not restored');
  });
});
