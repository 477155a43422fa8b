/**
 * A state directory as the program leaves it, to be damaged: a small ext4 volume of known files, two sets of it, the first
 * over two cartridges; and the questions that are asked of it after each damage.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  cpSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { imageFolder, makeImage } from '../filesystem/ext4/support/images.ts';
import { noise } from '../filesystem/ext4/support/tree.ts';
import type { Ended } from './program.ts';
import { reelmapHere } from './program-here.ts';

export const RECORD = 8192;
export const BARCODES = ['DA1L9', 'DA2L9', 'DA3L9'] as const;
const MIB = 2 ** 20;

/** What is in a file, or where a link leads, by path. */
export type Tree = ReadonlyMap<string, string>;

export interface World {
  /** The state directory as it was before any damage; copy it. */
  readonly home: string;
  readonly volume: string;
  readonly tree: Tree;
  /** Ids of the sets, first to last. */
  readonly sets: readonly string[];
}

/** Files of all kinds of places in the index: several pages of a directory, records of hard links, literals, large files. */
function makeTree(root: string): void {
  mkdirSync(join(root, 'many'), { recursive: true });
  mkdirSync(join(root, 'deep/er/est'), { recursive: true });
  for (let i = 0; i < 300; i++) writeFileSync(join(root, `many/name-${String(i).padStart(4, '0')}`), noise(20 + i, i));
  for (let i = 0; i < 24; i++) writeFileSync(join(root, `deep/er/${i}`), noise(i * 1777, 400 + i));
  for (let i = 0; i < 6; i++) writeFileSync(join(root, `deep/er/est/large-${i}`), noise(600_000 + i, 500 + i));
  writeFileSync(join(root, 'empty'), '');
  for (let i = 0; i < 8; i++) linkSync(join(root, `deep/er/${i + 3}`), join(root, `hard-${i}`));
  symlinkSync('deep/er', join(root, 'short'));
  symlinkSync('t/'.repeat(90), join(root, 'long'));
}

/** Everything below a folder; the folders themselves as `directory`. */
export function readTree(root: string): Map<string, string> {
  const out = new Map<string, string>();
  const walk = (path: string): void => {
    for (const name of readdirSync(join(root, path)).sort()) {
      const below = path === '' ? name : `${path}/${name}`;
      if (below === 'lost+found' || name.startsWith('.reelmap')) continue;
      const stat = lstatSync(join(root, below));
      if (stat.isDirectory()) {
        out.set(below, 'directory');
        walk(below);
      } else if (stat.isSymbolicLink()) out.set(below, `-> ${readlinkSync(join(root, below))}`);
      else
        out.set(
          below,
          createHash('sha256')
            .update(readFileSync(join(root, below)))
            .digest('hex'),
        );
    }
  };
  walk('');
  return out;
}

/** Makes the volume and backs it up twice with the whole program: once with chunk hashes over two cartridges, once without. */
export async function makeWorld(folder: string): Promise<World> {
  const root = join(folder, 'tree');
  mkdirSync(root);
  makeTree(root);
  const { path: volume } = makeImage(imageFolder(), {
    size: 10 * MIB,
    mke2fs: ['-t', 'ext4', '-b', '1024', '-N', '512', '-O', '^has_journal'],
    tree: root,
  });
  const home = join(folder, 'home');
  const run = async (...args: string[]): Promise<void> => {
    const ended = await reelmapHere(args, home);
    expect(ended).toMatchObject({ status: 0 });
  };
  await run('tape', 'label', BARCODES[0], BARCODES[1], '--capacity', '4M', '--record-size', String(RECORD));
  await run('tape', 'label', BARCODES[2], '--capacity', '64M', '--record-size', String(RECORD));
  const backup = ['backup', volume, '--name', 'v', '--record-size', String(RECORD), '--chunk-size', '512K'];
  await run(...backup, '--chunk-hash', '--cartridge', BARCODES[0], BARCODES[1], '--commit-every', '1M');
  await run(...backup, '--no-chunk-hash', '--cartridge', BARCODES[2]);
  // Asked of a copy: the next opening would put LevelDB's log into a table.
  const { stdout } = await reelmapHere(['sets', '--json'], copyHome(home, join(folder, 'asked')));
  const sets = (JSON.parse(stdout) as { set: string; cartridges: unknown[] }[]).map(({ set }) => set);
  expect(sets.length).toBe(2);
  return { home, volume, tree: readTree(root), sets };
}

export function copyHome(home: string, to: string): string {
  cpSync(home, to, { recursive: true });
  return to;
}

/** Flips a bit of a file. @returns puts it back */
export function flip(path: string, at: number, bit = 2): () => void {
  const change = (): void => {
    const fd = openSync(path, 'r+');
    const one = new Uint8Array(1);
    if (readSync(fd, one, 0, 1, at) !== 1) throw new RangeError(`${path} has no byte ${at}`);
    one[0] ^= 1 << bit;
    writeSync(fd, one, 0, 1, at);
    closeSync(fd);
  };
  change();
  return change;
}

/** Paths that a restore or verify named as lost. */
export interface Told {
  readonly ended: Ended;
  readonly lost: ReadonlySet<string>;
}

/** Restores everything of a set; whatever is there must be as it was, and whatever is not must be named. */
export async function restoreAll(world: World, home: string, set: string, to: string): Promise<Told> {
  const ended = await reelmapHere(['restore', set, '/', '--to', to, '--json'], home);
  if (ended.status !== 0 && ended.status !== 3) return { ended, lost: new Set(world.tree.keys()) };
  const result = JSON.parse(ended.stdout.trimEnd().split('\n').at(-1) ?? '{}') as {
    problems: { path: string; kind: string }[];
  };
  const lost = new Set(result.problems.filter(({ kind }) => kind === 'lost').map(({ path }) => path));
  const found = existsSync(to) ? readTree(to) : new Map<string, string>();
  for (const [path, content] of found) expect(`${path}: ${content}`).toBe(`${path}: ${world.tree.get(path)}`);
  const missing = [...world.tree.keys()].filter((path) => !found.has(path) && !coveredBy(lost, path));
  expect(missing, `not restored and not named (${ended.status})`).toEqual([]);
  if (ended.status === 0) expect(lost.size).toBe(0);
  return { ended, lost };
}

/** A path is named by itself or by a directory above it. */
function coveredBy(lost: ReadonlySet<string>, path: string): boolean {
  for (let at = path; at !== ''; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) if (lost.has(at)) return true;
  return lost.has('');
}

/** One line, which names the place and says what to do. */
export function expectOneLine({ status, stderr }: Ended, what: RegExp): void {
  expect(status).toBe(1);
  expect(stderr.trimEnd().split('\n').length, stderr).toBe(1);
  expect(stderr).toMatch(/^reelmap: /);
  expect(stderr).toMatch(what);
}
