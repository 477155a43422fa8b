/** The volumes that are measured: ext4 images of small files and of large ones, made once and kept in the work folder. */
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { MiB } from '../../src/bytes/units.ts';
import { isRoot } from './machine.ts';
import { makeSmallFilesImage } from './small-files.ts';

const WRITE_BYTES = 4 * MiB;
/** Of a volume beside its files: journal, inode tables, bitmaps. */
const LARGE_IMAGE_ROOM = 4 / 3;
const LARGE_IMAGE_BYTES_MIN = 16 * MiB;

/** An image of `files` small files: 200,000 are 1.2 GB in a volume of 2 GiB. */
export const smallFilesImage = (work: string, files: number): string =>
  once(join(work, `small-${files}.img`), (path) => makeSmallFilesImage(path, { files }));

/** An image of `count` files of `bytes` each that no program can compress. */
export const largeFilesImage = (work: string, count: number, bytes: number): string =>
  once(join(work, `large-${count}x${bytes}.img`), (path) => makeLargeFilesImage(path, count, bytes));

function once(path: string, make: (path: string) => void): string {
  if (existsSync(path)) return path;
  make(`${path}.part`);
  renameSync(`${path}.part`, path);
  return path;
}

function makeLargeFilesImage(path: string, count: number, bytes: number): void {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, Math.ceil((count * bytes * LARGE_IMAGE_ROOM + LARGE_IMAGE_BYTES_MIN) / MiB) * MiB);
  closeSync(fd);
  const folder = mkdtempSync(`${path}-`);
  const fill = (): void => {
    for (let i = 0; i < count; i++) writeNoise(join(folder, `large-${i}.bin`), bytes, i);
  };
  const make = ['-q', '-F', '-t', 'ext4', '-N', '1024'];
  try {
    if (isRoot) {
      execFileSync('mke2fs', [...make, path]);
      mounted(path, folder, 'loop', fill);
    } else {
      fill();
      execFileSync('mke2fs', [...make, '-d', folder, path]);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Mounts an image while `use` runs. */
export function mounted<T>(path: string, folder: string, options: string, use: () => T): T {
  execFileSync('mount', ['-o', options, path, folder]);
  try {
    return use();
  } finally {
    execFileSync('umount', [folder]);
  }
}

function writeNoise(path: string, bytes: number, seed: number): void {
  const words = new Uint32Array(WRITE_BYTES / 4);
  let state = seed + 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13; // xorshift32
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  const fd = openSync(path, 'w');
  for (let at = 0; at < bytes; at += WRITE_BYTES) {
    words[0] = at; // no two blocks of 4 MiB are the same
    writeSync(fd, new Uint8Array(words.buffer, 0, Math.min(WRITE_BYTES, bytes - at)));
  }
  closeSync(fd);
}
