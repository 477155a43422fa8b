/** A tree of awkward files on the host, for mke2fs -d, and what is in it. */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

/** Bytes that depend on a number alone, and look like nothing. */
export function noise(byteLength: number, seed: number): Buffer {
  const out = Buffer.alloc(byteLength);
  let x = (seed * 2654435761 + 1) >>> 0;
  for (let i = 0; i < byteLength; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    out[i] = x >>> 24;
  }
  return out;
}

export const SLOW_TARGET = 'x/'.repeat(100);
export const EDGE_TARGET = 'y'.repeat(60); // the shortest that does not fit the inode
export const LONGEST_NAME = 'n'.repeat(255);
export const BAD_UTF8 = Buffer.from([0x62, 0xff, 0xfe, 0x64]);
const ENTRIES = 200;

/** Writes the tree into `root`, which exists. */
export function makeTree(root: string): void {
  const at = (...parts: string[]): string => join(root, ...parts);
  writeFileSync(at('small'), 'hello\n');
  writeFileSync(at('empty'), '');
  for (const size of [1, 59, 60, 61, 100, 130, 150, 160, 300]) writeFileSync(at(`in${size}`), noise(size, size));
  writeFileSync(at('m100k'), noise(100_000, 7));
  linkSync(at('small'), at('hard'));
  symlinkSync('small', at('fast'));
  symlinkSync('z'.repeat(59), at('fast59'));
  symlinkSync(EDGE_TARGET, at('slow60'));
  symlinkSync(SLOW_TARGET, at('slow'));
  mkdirSync(at('d', 'e', 'f'), { recursive: true });
  mkdirSync(at('tiny'));
  writeFileSync(at('tiny', 'a'), 'a');
  mkdirSync(at('mid'));
  for (let i = 0; i < 12; i++) writeFileSync(at('mid', `entry_${i}`), '');
  for (let i = 0; i < ENTRIES; i++) writeFileSync(at('d', `file_number_${i}_${'q'.repeat(i % 40)}`), `${i}\n`);
  writeFileSync(at('new\nline'), 'n');
  writeFileSync(at(LONGEST_NAME), 'l');
  writeFileSync(at('日本 ünïcode'), 'u');
  writeFileSync(Buffer.concat([Buffer.from(`${root}/`), BAD_UTF8]), 'b');
  sparse(at('sparse'), 10_000_000, [3 * 4096, 1000 * 4096]);
  sparse(
    at('frag'),
    0,
    Array.from({ length: 400 }, (_, i) => i * 8192),
  );
  sparse(at('far'), 0, [5_000 * 1024 - 1024, 70_000 * 1024]);
  utimesSync(at('empty'), 4102444799, 4102444800.5); // 2100
  utimesSync(at('in1'), -631152000, -1.25); // 1950, 1969
  utimesSync(at('in59'), 10413792000, 10413792000); // 2300
  lutimesSync(at('fast'), 1_000_000_000, 1_000_000_000);
}

/** Paths below `root`, from `/`, bytes as latin1. */
export function listTree(root: string): string[] {
  const list = (folder: Buffer, path: string): string[] =>
    readdirSync(folder, { encoding: 'buffer' }).flatMap((name) => {
      const full = Buffer.concat([folder, Buffer.from('/'), name]);
      const shown = `${path}/${name.toString('latin1')}`;
      return [shown, ...(lstatSync(full).isDirectory() ? list(full, shown) : [])];
    });
  return list(Buffer.from(root), '');
}

/** A file of holes with 4 KiB of noise at the given offsets. */
function sparse(path: string, size: number, offsets: readonly number[]): void {
  const file = openSync(path, 'w');
  for (const offset of offsets) writeSync(file, noise(4096, offset), 0, 4096, offset);
  if (size > 0) ftruncateSync(file, size);
  closeSync(file);
}

/** Whether the folder's filesystem takes user attributes; mke2fs -d carries them over. */
export function setAttribute(path: string, name: string, value: string): boolean {
  try {
    execFileSync('setfattr', ['-h', '-n', name, '-v', value, path], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
