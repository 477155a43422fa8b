/** The built program, run as a process of its own: what a user has, not what the tests import. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = process.cwd();
const work = join(root, '.test-work');
const WATCHED = ['src', 'tools', 'package.json'];

/** Changes with every change to a file that the build reads. */
function stampOf(paths: readonly string[]): string {
  const hash = createHash('sha256');
  const add = (path: string): void => {
    const stat = statSync(path);
    if (stat.isDirectory()) for (const name of readdirSync(path).sort()) add(join(path, name));
    else hash.update(`${path} ${stat.size} ${stat.mtimeMs}\n`);
  };
  for (const path of paths) add(join(root, path));
  return hash.digest('hex').slice(0, 16);
}

/** Builds the program once for this state of the sources, and answers its folder (`main.js`, `tools/demo/main.mjs`). */
export function builtProgram(): string {
  const folder = join(work, `program-${stampOf(WATCHED)}`);
  if (existsSync(join(folder, 'main.js'))) return folder;
  mkdirSync(work, { recursive: true });
  for (const name of readdirSync(work).filter((one) => one.startsWith('program-'))) removeOld(join(work, name));
  // Two workers may build at once: whoever is last finds it there.
  const making = `${folder}.${process.pid}`;
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'tools/build.mjs'), making], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the build failed: ${stderr}`);
  try {
    renameSync(making, folder);
  } catch (error) {
    rmSync(making, { recursive: true, force: true });
    if (!existsSync(join(folder, 'main.js'))) throw error;
  }
  return folder;
}

/** Builds of earlier sources, unless another run may be using them still. */
function removeOld(path: string): void {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat !== undefined && Date.now() - stat.mtimeMs > 3_600_000) rmSync(path, { recursive: true, force: true });
}

export interface Ended {
  /** Exit status; null: ended by a signal. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly home: string;
  readonly cwd?: string;
  /** User and group id; for root only. */
  readonly uid?: number;
  readonly input?: Uint8Array;
  /** A shell's words before the program: `ulimit -f 100`. */
  readonly prelude?: string;
}

const RUN_MS = 50_000;

const environment = (home: string): NodeJS.ProcessEnv => {
  const { NODE_EXTRA_CA_CERTS: _, VITEST: __, NODE_OPTIONS: ___, ...rest } = process.env;
  return { ...rest, REELMAP_HOME: home };
};

/** The program's path, for a shell. */
export const mainPath = (): string => join(builtProgram(), 'main.js');

/** Runs `reelmap` to its end. Output is taken as bytes: one character of the strings is one byte. */
export function reelmap(args: readonly (string | Uint8Array)[], options: RunOptions): Ended {
  const main = join(builtProgram(), 'main.js');
  const { home, cwd, uid, input, prelude } = options;
  const common = {
    env: environment(home),
    cwd,
    input,
    encoding: 'latin1' as const,
    timeout: RUN_MS,
    killSignal: 'SIGKILL' as const,
    uid,
    gid: uid,
  };
  const words = args.map((one) => (typeof one === 'string' ? one : shellWord(one)));
  const result =
    prelude !== undefined || args.some((one) => typeof one !== 'string')
      ? spawnSync(
          'bash',
          ['-c', `${prelude ?? ':'}; exec "$0" "$1" ${words.map(quoted(args)).join(' ')}`, process.execPath, main],
          common,
        )
      : spawnSync(process.execPath, [main, ...words], common);
  if (result.error !== undefined) throw result.error;
  return { status: result.status, stdout: result.stdout, stderr: result.stderr };
}

/** An argument of any bytes, for bash. */
const shellWord = (data: Uint8Array): string =>
  `$'${[...data].map((value) => `\\x${value.toString(16).padStart(2, '0')}`).join('')}'`;

/** Words that are strings yet must be quoted; those of bytes are. */
const quoted =
  (args: readonly (string | Uint8Array)[]) =>
  (word: string, i: number): string =>
    typeof args[i] === 'string' ? shellWord(Buffer.from(word)) : word;

/** Starts `reelmap` and leaves it running. */
export function startReelmap(
  args: readonly string[],
  options: RunOptions,
): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [join(builtProgram(), 'main.js'), ...args], {
    env: environment(options.home),
    cwd: options.cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const out = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('latin1').on('data', (text: string) => {
    out.stdout += text;
  });
  child.stderr?.setEncoding('latin1').on('data', (text: string) => {
    out.stderr += text;
  });
  const ended = new Promise<Ended>((done) => child.on('close', (status) => done({ status, ...out })));
  return { child, ended };
}
