/**
 * `npm run demo [-- VOLUME]`: the main job on real files, every command shown with its time, so that a user can go on by
 * hand. Needs no root and no network, and keeps to one folder, ./reelmap-demo, that `rm -rf` removes.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const reelmap = resolve(here, '../../main.js');
const folder = resolve('reelmap-demo');
const home = join(folder, 'home');
const given = process.argv[2];

interface Ran {
  readonly status: number;
  readonly stdout: string;
}

let failures = 0;

const heading = (text: string): void => console.log(`\n\x1b[1m== ${text}\x1b[0m`);
const shown = (word: string): string => (/^[\w./:=@,+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** Runs a command, shows it with its time and the first lines of what it printed. */
function run(
  command: string,
  args: readonly string[],
  options: { lines?: number; expect?: readonly number[]; cwd?: string } = {},
): Ran {
  const { lines = 8, expect = [0] } = options;
  const started = performance.now();
  const result = spawnSync(command, args, {
    cwd: options.cwd,
    env: { ...process.env, REELMAP_HOME: home },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const ms = Math.round(performance.now() - started);
  const name = command === process.execPath ? ['reelmap', ...args.slice(1)] : [command, ...args];
  console.log(`\n$ ${name.map(shown).join(' ')}   \x1b[2m# ${ms} ms, exit status ${result.status}\x1b[0m`);
  const text = `${result.stdout ?? ''}${result.stderr ?? ''}`.trimEnd();
  const all = text === '' ? [] : text.split('\n');
  for (const line of all.slice(0, lines)) console.log(`  ${line}`);
  if (all.length > lines) console.log(`  ... ${all.length - lines} more lines`);
  if (!expect.includes(result.status ?? -1)) {
    failures++;
    console.log(`  \x1b[31mexpected exit status ${expect.join(' or ')}\x1b[0m`);
  }
  return { status: result.status ?? -1, stdout: result.stdout ?? '' };
}

const rm = (...args: string[]): Ran => run(process.execPath, [reelmap, ...args]);
const rmExpecting = (expect: readonly number[], ...args: string[]): Ran =>
  run(process.execPath, [reelmap, ...args], { expect });

function compare(what: string, same: boolean): void {
  console.log(`  ${same ? 'the same' : '\x1b[31mDIFFERENT\x1b[0m'}: ${what}`);
  if (!same) failures++;
}

const cmp = (a: string, b: string): boolean => spawnSync('cmp', ['-s', a, b]).status === 0;
const sameTree = (a: string, b: string): boolean => spawnSync('diff', ['-r', '--no-dereference', a, b]).status === 0;

/** Real files of this machine, at most some 200 MB, and a volume made of them. */
function makeVolume(): { volume: string; tree: string } {
  const tree = join(folder, 'files');
  mkdirSync(tree, { recursive: true });
  const copy = ['/usr/share/doc', '/usr/share/perl5', '/usr/lib/python3', '/usr/include'].filter((path) =>
    existsSync(path),
  );
  for (const path of copy) {
    try {
      cpSync(path, join(tree, basename(path)), {
        recursive: true,
        dereference: false,
        verbatimSymlinks: true,
        errorOnExist: false,
      });
    } catch (error) {
      console.log(`  (${path}: ${(error as Error).message})`);
    }
  }
  const volume = join(folder, 'volume.img');
  run('truncate', ['-s', '1G', volume]);
  run('mke2fs', ['-q', '-t', 'ext4', '-L', 'demo', '-F', '-d', tree, volume]);
  return { volume, tree };
}

function need(tool: string, packageName: string): void {
  if (
    spawnSync('sh', ['-c', `command -v ${tool}`], {
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` },
    }).status === 0
  )
    return;
  console.error(`demo: ${tool} is missing; install it with: apt-get install ${packageName}`);
  process.exit(1);
}

/** A file and a directory of the set that are worth restoring, by what the index says. */
function pick(): { file: string; directory: string } {
  const listed = spawnSync(process.execPath, [reelmap, 'find', '*', '--set', 'latest', '--json'], {
    env: { ...process.env, REELMAP_HOME: home },
    encoding: 'utf8',
    maxBuffer: 1 << 30,
  });
  const entries = listed.stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { path: string; type: string; size: number });
  const files = entries.filter((one) => one.type === 'file' && one.size > 20_000 && one.size < 2_000_000);
  const file = (files[Math.floor(files.length / 2)] ?? entries.find((one) => one.type === 'file'))?.path;
  if (file === undefined) throw new Error('the set holds no file');
  return { file, directory: dirname(file) === '/' ? file : dirname(file) };
}

/** Starts a backup and kills it as soon as the tape holds something of it. */
async function killedBackup(volume: string): Promise<void> {
  const args = [reelmap, 'backup', volume, '--name', 'killed', '--chunk-size', '16M', '--commit-every', '16M'];
  console.log(
    `\n$ ${['reelmap', ...args.slice(1)].map(shown).join(' ')} &   \x1b[2m# killed with -9 in the middle\x1b[0m`,
  );
  const child = spawn(process.execPath, args, { env: { ...process.env, REELMAP_HOME: home }, stdio: 'ignore' });
  const ended = new Promise<boolean>((done) => child.on('exit', (_, signal) => done(signal === 'SIGKILL')));
  const before = tapeBytes();
  for (let i = 0; i < 2000 && child.exitCode === null && tapeBytes() - before < 40 << 20; i++)
    await new Promise((r) => setTimeout(r, 5));
  child.kill('SIGKILL');
  console.log((await ended) ? '  killed' : '  it was done before it could be killed');
}

const cartridges = (): string => join(home, 'library', 'cartridges');
function tapeBytes(): number {
  if (!existsSync(cartridges())) return 0;
  return readdirSync(cartridges()).reduce((sum, name) => {
    const data = join(cartridges(), name, 'data');
    return sum + (existsSync(data) ? statSync(data).size : 0);
  }, 0);
}

/** Where on tape a file's first bytes lie, from `stat`. */
function tapePlace(path: string): { barcode: string; recordBytes: number } | undefined {
  const out = spawnSync(process.execPath, [reelmap, 'stat', 'latest', path, '--json'], {
    env: { ...process.env, REELMAP_HOME: home },
    encoding: 'utf8',
  });
  const value = JSON.parse(out.stdout) as { tape?: { barcode: string; dataFileOffset?: number }[] };
  const first = value.tape?.[0];
  return first?.dataFileOffset === undefined
    ? undefined
    : { barcode: first.barcode, recordBytes: first.dataFileOffset };
}

function flipByte(path: string, at: number): void {
  const fd = openSync(path, 'r+');
  const one = new Uint8Array(1);
  readSync(fd, one, 0, 1, at);
  one[0] ^= 0x01;
  writeSync(fd, one, 0, 1, at);
  console.log(`\n$ # one bit of byte ${at} of ${path} (${fstatSync(fd).size} bytes) is flipped`);
  closeSync(fd);
}

async function main(): Promise<void> {
  need('mke2fs', 'e2fsprogs');
  need('cmp', 'diffutils');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  process.env.PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

  heading(given === undefined ? 'A volume of real files' : `Your volume ${given}`);
  const made = given === undefined ? makeVolume() : undefined;
  const volume = made?.volume ?? resolve(given as string);

  heading('Backup: metadata walked, blocks copied to the virtual tape by EXTENDED COPY, index to LevelDB');
  rmExpecting([0, 3], 'backup', volume, '--name', 'demo');
  rm('sets');
  rm('tape', 'ls');

  heading('Find, plan and restore one file and one directory');
  const { file, directory } = pick();
  rm('find', basename(file).replace(/^(.)/, '[$1]'), '--set', 'latest');
  rm('stat', 'latest', file);
  rm('plan', 'latest', file);
  rm('restore', 'latest', file, '--to', join(folder, 'one'));
  rmExpecting([0, 3], 'restore', 'latest', directory, '--to', join(folder, 'some'));
  if (made !== undefined) {
    compare(file, cmp(join(folder, 'one', basename(file)), join(made.tree, file)));
    compare(directory, sameTree(join(folder, 'some', basename(directory)), join(made.tree, directory)));
  }

  heading('A backup killed in the middle goes on');
  await killedBackup(volume);
  rm('status');
  rmExpecting([0, 3], 'backup', volume, '--name', 'killed', '--chunk-size', '16M', '--commit-every', '16M');

  heading('The index deleted, and made again from the tapes');
  rmSync(join(home, 'index'), { recursive: true, force: true });
  console.log(`\n$ rm -rf ${join(home, 'index')}`);
  rmExpecting([1], 'sets');
  rm('index', 'rebuild');
  rm('sets');
  rm('restore', 'demo@latest', file, '--to', join(folder, 'again'));
  if (made !== undefined)
    compare(`${file} after the rebuild`, cmp(join(folder, 'again', basename(file)), join(made.tree, file)));

  heading('The whole volume back: by Reelmap, and with stock tar');
  const back = join(folder, 'back.img');
  rm('restore-volume', 'latest', back);
  run('e2fsck', ['-fn', back], { expect: [0, 4] });
  stockTar();

  heading('One bit of the tape flipped: what is lost and what is not');
  const place = tapePlace(file);
  if (place !== undefined) {
    flipByte(join(cartridges(), place.barcode, 'data'), place.recordBytes);
    rmExpecting([3], 'verify', 'latest');
    rmExpecting([3], 'restore', 'latest', file, '--to', join(folder, 'damaged'));
    rmExpecting([0, 3], 'restore', 'latest', '/', '--to', join(folder, 'rest'));
  }

  heading(failures === 0 ? 'All as expected' : `${failures} things were not as expected`);
  console.log(`
Everything is in ${folder}; \`rm -rf ${folder}\` removes it. To go on by hand:

  export REELMAP_HOME=${home}
  alias reelmap='node ${reelmap}'
  reelmap ls latest / -l
`);
  process.exitCode = failures === 0 ? 0 : 1;
}

/** Copies the set's tape files out of the cartridge and unpacks them with the system's tar. */
function stockTar(): void {
  const files = join(folder, 'tape-files');
  rm('tape', 'export-files', 'latest', files);
  const names = readdirSync(files).sort();
  run('sh', [
    '-c',
    `cd ${shown(files)} && mkdir out && for f in *.chunk.tar; do tar -b 512 -xSf "$f" -C out; done && ls -ls out/*/*`,
  ]);
  run('sh', ['-c', `cd ${shown(files)} && cat out/*/*/*.img > stock.img && e2fsck -fn stock.img`], { expect: [0, 4] });
  if (names.length === 0) failures++;
}

await main();
