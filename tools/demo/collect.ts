/** Real files of this machine, copied into one folder up to a budget: documents, sources, libraries, links, odd names. */
import {
  accessSync,
  constants,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Small files first; node_modules of this project is there in any case. */
const SOURCES = [
  '/usr/share/doc',
  '/usr/include',
  '/usr/share/perl5',
  '/usr/lib/python3',
  '/usr/share/zoneinfo',
  '/usr/share/locale',
  resolve(dirname(fileURLToPath(import.meta.url)), '../../../node_modules'),
];
const FILE_BYTES_MAX = 8_000_000;
const FILES_MAX = 20_000;

/** Fills `tree`; answers the bytes that its files have. */
export function collectFiles(tree: string, budget: number): number {
  mkdirSync(tree, { recursive: true });
  let left = budget - oddFiles(tree);
  let files = FILES_MAX;
  const copy = (from: string, to: string): void => {
    if (left <= 0 || files <= 0) return;
    try {
      const stat = lstatSync(from);
      if (stat.isSymbolicLink()) symlinkSync(readlinkSync(from), to);
      else if (stat.isDirectory()) {
        const names = readdirSync(from).sort();
        mkdirSync(to);
        for (const name of names) copy(join(from, name), join(to, name));
      } else if (stat.isFile() && stat.size <= Math.min(FILE_BYTES_MAX, left)) {
        accessSync(from, constants.R_OK);
        copyFileSync(from, to);
        left -= stat.size;
        files--;
      } else return;
      if (!stat.isSymbolicLink()) utimesSync(to, stat.atime, stat.mtime);
    } catch {
      // Not ours to read, or gone meanwhile: the demo takes others.
    }
  };
  // A share for each, so that all kinds are among them.
  const whole = left;
  for (const [i, source] of SOURCES.entries()) {
    const kept = Math.floor((whole * (SOURCES.length - 1 - i)) / SOURCES.length / 2);
    left -= kept;
    copy(source, join(tree, basename(source)));
    left += kept;
  }
  return budget - left;
}

/** What a backup must cope with besides. */
function oddFiles(tree: string): number {
  const folder = join(tree, 'odd files');
  mkdirSync(folder);
  writeFileSync(join(folder, 'with a\nnew line'), 'x');
  writeFileSync(join(folder, 'empty'), '');
  writeFileSync(join(folder, 'sparse'), 'a hole follows');
  truncateSync(join(folder, 'sparse'), 50_000_000);
  linkSync(join(folder, 'sparse'), join(folder, 'sparse too'));
  return 4096;
}
