/** A small volume, its tree, and a home with one set of it: where tests of the whole program begin. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { patterned } from './mover.ts';
import { type Ended, reelmap } from './program.ts';
import { tempFolder } from './tools.ts';

export interface Ground {
  /** All of it; others may look into it. */
  readonly folder: string;
  /** What the volume was made of. */
  readonly tree: string;
  readonly image: string;
  /** A home with one set, `base`, of the volume. Commands that change it take a copy. */
  readonly home: string;
}

const VOLUME_BYTES = 16 * 2 ** 20;
const BIG_BYTES = 3_000_000;

export function makeGround(): Ground {
  const folder = tempFolder();
  chmodSync(folder, 0o755);
  const [tree, image, home] = ['tree', 'vol.img', 'home'].map((name) => join(folder, name));
  mkdirSync(join(tree, 'docs/sub'), { recursive: true });
  for (let i = 1; i <= 40; i++) writeFileSync(join(tree, `docs/f${i}`), patterned(i * 97, i));
  writeFileSync(join(tree, 'docs/sub/big'), Buffer.alloc(BIG_BYTES, patterned(65_521, 99)));
  symlinkSync('docs/f1', join(tree, 'link'));
  makeVolume(image, tree);
  const { status, stderr } = reelmap(['backup', image, '--name', 'base'], { home });
  if (status !== 0) throw new Error(stderr);
  return { folder, tree, image, home };
}

export function makeVolume(image: string, tree: string, bytes = VOLUME_BYTES): void {
  writeFileSync(image, '');
  truncateSync(image, bytes);
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-F', '-d', tree, image], { stdio: 'pipe' });
}

/** A home of its own with the set `base`; holes stay holes. */
export function homeCopy({ folder, home }: Ground, to = mkdtempSync(join(folder, 'home-'))): string {
  execFileSync('cp', ['-r', '--sparse=always', '-T', home, to]);
  return to;
}

export const imageCopy = ({ folder, image }: Ground, name: string): string => {
  const to = join(folder, name);
  cpSync(image, to);
  return to;
};

/** What is no failure: what a command does next, and how far it is. */
const ON_THE_WAY = /^(backing up |cartridge \w+(, labelled)?$|going on with the run|\w+ing .* of .*[/ ]s)/;

/** The lines on standard error that are not said on the way. */
export const complaints = ({ stderr }: Ended): string[] =>
  stderr.split('\n').filter((line) => line !== '' && !ON_THE_WAY.test(line));

/** Exactly one line that names thing and remedy, the status, and nothing on standard output. */
export function expectFailure(ended: Ended, status: number, line: RegExp): void {
  expect({ status: ended.status, stdout: ended.stdout, complaints: complaints(ended) }).toEqual({
    status,
    stdout: '',
    complaints: [expect.stringMatching(/^reelmap: /)],
  });
  expect(complaints(ended)[0]).toMatch(line);
}

/** The set `base` is there, and everything in it comes back as it was. */
export function expectBaseIntact(home: string, { folder, tree }: Ground): void {
  expect(reelmap(['ls', 'base', '/docs/sub'], { home })).toMatchObject({ status: 0, stdout: 'big\n' });
  const to = mkdtempSync(join(folder, 'back-'));
  expect(reelmap(['restore', 'base', '/docs', '/link', '--to', to], { home })).toMatchObject({ status: 0, stderr: '' });
  for (const name of ['docs', 'link']) {
    const { stdout } = spawnSync('diff', ['-r', '--no-dereference', join(tree, name), join(to, name)]);
    expect(stdout.toString()).toBe('');
  }
  rmSync(to, { recursive: true });
}
