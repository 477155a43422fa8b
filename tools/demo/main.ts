/**
 * `npm run demo [-- VOLUME]`: the main job on real files, every command shown with its time, so that a user can go on by
 * hand. Needs no root and no network, and keeps to one folder, ./reelmap-demo, that `rm -rf` removes.
 *
 * Exit status 0: everything was as expected. REELMAP_DEMO_BYTES: about how many bytes of files to take, default 150 MB.
 */
import { existsSync, mkdirSync, rmSync, statfsSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Chosen, chooseFile } from './choose.ts';
import { collectFiles } from './collect.ts';
import { flipBit, lostOnly } from './damage.ts';
import { killedInTheMiddle } from './kill.ts';
import { type Demo, startDemo } from './run.ts';

const BYTES_DEFAULT = 150_000_000;
/** Backups, restores and exports are copies, each of what the volume uses. */
const COPIES = 7;

interface Volume {
  readonly path: string;
  /** The files that it was made of; undefined: it is the user's. */
  readonly tree: string | undefined;
  readonly usedBytes: number;
}

function fail(words: string): never {
  console.error(`demo: ${words}`);
  process.exit(1);
}

function needTools(demo: Demo): void {
  for (const [tool, where] of [
    ['mke2fs', 'e2fsprogs'],
    ['e2fsck', 'e2fsprogs'],
    ['debugfs', 'e2fsprogs'],
    ['cmp', 'diffutils'],
    ['diff', 'diffutils'],
    ['tar', 'tar'],
  ] as const) {
    if (!demo.has(tool)) fail(`${tool} is missing; install it with: apt-get install ${where}`);
  }
}

/** An ext4 volume of files of this machine, or the user's own. */
function prepareVolume(demo: Demo, given: string | undefined): Volume {
  if (given !== undefined) {
    demo.heading(`Your volume ${given}`);
    const path = resolve(process.env.INIT_CWD ?? '.', given);
    if (!existsSync(path)) fail(`${path}: there is no such volume`);
    const { size, blocks, mode } = statSync(path);
    return { path, tree: undefined, usedBytes: (mode & 0o170000) === 0o100000 ? Math.min(size, blocks * 512) : 0 };
  }
  demo.heading('A volume of real files');
  const tree = join(demo.folder, 'files');
  const bytes = collectFiles(tree, Number(process.env.REELMAP_DEMO_BYTES) || BYTES_DEFAULT);
  demo.say(`${(bytes / 1e6).toFixed(0)} MB of files of this machine are in ${tree}`);
  const path = join(demo.folder, 'volume.img');
  demo.run('truncate', ['-s', String(64 * 2 ** 20 + Math.ceil((bytes * 1.4) / 2 ** 20) * 2 ** 20), path]);
  demo.run('mke2fs', ['-q', '-t', 'ext4', '-L', 'demo', '-F', '-d', tree, path]);
  return { path, tree, usedBytes: bytes };
}

/** The content of a file as it is in the volume: the file that it was made of, or what debugfs reads. */
function original(demo: Demo, volume: Volume, file: Chosen): string {
  if (volume.tree !== undefined) return join(volume.tree, file.path);
  const out = join(demo.folder, 'by-debugfs');
  demo.run('debugfs', ['-R', `dump <${file.inode}> ${out}`, volume.path]);
  return out;
}

function filesBack(demo: Demo, volume: Volume, file: Chosen): void {
  demo.heading('Find, plan and restore one file and one directory');
  const directory = dirname(file.path);
  demo.reelmap(['find', basename(file.path), '--set', 'demo@latest']);
  demo.reelmap(['ls', 'demo@latest', directory, '-l']);
  demo.reelmap(['stat', 'demo@latest', file.path], { lines: 20 });
  demo.reelmap(['plan', 'demo@latest', file.path]);
  const one = join(demo.folder, 'one');
  demo.reelmap(['restore', 'demo@latest', file.path, '--to', one]);
  demo.compare(file.path, demo.sameFile(join(one, basename(file.path)), original(demo, volume, file)));
  const some = join(demo.folder, 'some');
  demo.reelmap(['restore', 'demo@latest', directory, '--to', some], { expect: demo.partialIsFine });
  if (volume.tree !== undefined)
    demo.compare(directory, demo.sameTree(join(some, basename(directory)), join(volume.tree, directory)));
}

async function killAndGoOn(demo: Demo, volume: Volume): Promise<void> {
  demo.heading('A backup killed in the middle goes on');
  const args = await killedInTheMiddle(demo, volume.path, volume.usedBytes);
  const { stdout: status } = demo.reelmap(['status']);
  demo.expect('status shows the run that was stopped', /stopped/.test(status));
  const { stderr } = demo.reelmap(args, { expect: demo.partialIsFine });
  demo.expect('the same command went on with it', /going on with the run/.test(stderr));
  demo.reelmap(['verify', 'killed@latest', '--against', volume.path]);
}

function loseIndex(demo: Demo, file: Chosen | undefined): void {
  demo.heading('The index deleted, and made again from the tapes');
  const index = join(demo.home, 'index');
  const before = demo.quietly(['sets', '--json']);
  demo.run('rm', ['-rf', index]);
  demo.reelmap(['sets'], { expect: [1] });
  demo.reelmap(['index', 'rebuild']);
  demo.reelmap(['sets']);
  const ids = (json: string): string => (JSON.parse(json) as { set: string }[]).map(({ set }) => set).join();
  demo.expect('the sets are those of before', ids(demo.quietly(['sets', '--json'])) === ids(before));
  if (file === undefined) return;
  const again = join(demo.folder, 'again');
  demo.reelmap(['restore', 'demo@latest', file.path, '--to', again]);
  const same = demo.sameFile(join(again, basename(file.path)), join(demo.folder, 'one', basename(file.path)));
  demo.compare(`${file.path} after the rebuild`, same);
}

function volumeBack(demo: Demo, volume: Volume, file: Chosen | undefined): void {
  demo.heading('The whole volume back: by Reelmap, and with stock tar');
  const back = join(demo.folder, 'back.img');
  demo.reelmap(['restore-volume', 'demo@latest', back]);
  // Blocks that no file uses are not on tape: of a volume that was never anything else they are zeros in both.
  if (volume.tree !== undefined) demo.compare('the volume, byte for byte', demo.sameFile(volume.path, back));
  const clean = demo.fsckStatus(volume.path);
  if (file !== undefined) demo.run('e2fsck', ['-fn', back], { expect: [clean] });
  const files = join(demo.folder, 'tape-files');
  demo.reelmap(['tape', 'export-files', 'demo@latest', files]);
  demo.run(
    'sh',
    ['-c', 'mkdir out; for f in *.chunk.tar; do tar -b 512 -xSf $f -C out || exit 1; done; ls -s out/*/*'],
    {
      cwd: files,
    },
  );
  demo.run('sh', ['-c', 'cat out/*/*/*.img >../stock.img && rm -r out'], { cwd: files });
  demo.compare('the volume by tar and the volume by reelmap', demo.sameFile(join(demo.folder, 'stock.img'), back));
  if (file !== undefined && demo.has('python3')) {
    demo.run('tar', ['-b', '512', '-xf', join(files, '000000.label.tar'), '-C', demo.folder]);
    const out = join(demo.folder, 'by-restore-py');
    demo.run('python3', [join(demo.folder, 'reelmap/restore.py'), files, 'file', file.path, out]);
    demo.compare(`${file.path} by restore.py`, demo.sameFile(out, join(demo.folder, 'one', basename(file.path))));
  }
}

function damageTape(demo: Demo, volume: Volume, file: Chosen): void {
  demo.heading('One bit of the tape flipped: what is lost, and what is not');
  flipBit(demo, file);
  demo.reelmap(['verify', 'demo@latest'], { expect: [3], lines: 12 });
  demo.reelmap(['stat', 'demo@latest', file.path], { last: 1 });
  demo.reelmap(['restore', 'demo@latest', file.path, '--to', join(demo.folder, 'damaged')], { expect: [3] });
  const rest = join(demo.folder, 'rest');
  const { stdout } = demo.reelmap(['restore', 'demo@latest', '/', '--to', rest, '--json'], { expect: [3], lines: 0 });
  lostOnly(demo, stdout, rest, volume.tree);
}

async function main(): Promise<void> {
  const program = resolve(dirname(fileURLToPath(import.meta.url)), '../../main.js');
  const demo = startDemo(program, resolve('reelmap-demo'));
  needTools(demo);
  rmSync(demo.folder, { recursive: true, force: true });
  mkdirSync(demo.folder);
  const volume = prepareVolume(demo, process.argv[2]);
  const { bavail, bsize } = statfsSync(demo.folder);
  if (bavail * bsize < volume.usedBytes * COPIES)
    fail(`${demo.folder}: needs about ${Math.ceil((volume.usedBytes * COPIES) / 1e6)} MB of free space`);

  demo.heading('Backup: metadata walked, blocks copied to virtual tape by EXTENDED COPY, index to LevelDB');
  demo.reelmap(['backup', volume.path, '--name', 'demo', '-n'], { expect: demo.partialIsFine });
  demo.reelmap(['backup', volume.path, '--name', 'demo'], { expect: demo.partialIsFine });
  demo.reelmap(['sets']);
  demo.reelmap(['tape', 'ls'], { lines: 4 });
  demo.reelmap(['tape', 'files', 'RM0001L9']);

  const file = await chooseFile(demo);
  if (file === undefined) demo.say('The files of this volume are not indexed one by one: it comes back whole only.');
  if (file !== undefined) filesBack(demo, volume, file);
  await killAndGoOn(demo, volume);
  loseIndex(demo, file);
  volumeBack(demo, volume, file);
  if (file !== undefined) damageTape(demo, volume, file);
  process.exitCode = demo.end();
}

await main();
