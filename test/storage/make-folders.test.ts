import { existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeFolders } from '../../src/storage/make-folders.ts';
import { tempFolder } from '../support/tools.ts';

const codeOf = (call: () => unknown): string | undefined => {
  try {
    call();
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
};

describe('a folder and those above it', () => {
  it('are made, and said to be made once', () => {
    const folder = tempFolder();
    expect(makeFolders(join(folder, 'a/b/c'), 0o700)).toBe(true);
    expect(statSync(join(folder, 'a/b/c')).mode & 0o777).toBe(0o700);
    expect(makeFolders(join(folder, 'a/b/c'))).toBe(false);
    expect(makeFolders(`${folder}/a/b/c//`)).toBe(false);
    expect(makeFolders(`${folder}/x/../y/`)).toBe(true);
    expect(existsSync(join(folder, 'y'))).toBe(true);
    expect(makeFolders('.')).toBe(false);
    expect(makeFolders('/')).toBe(false);
  });

  it('may have names that are not UTF-8', () => {
    const folder = tempFolder();
    const odd = Buffer.concat([Buffer.from(`${folder}/`), Buffer.of(0xff, 0x2f, 0xfe)]);
    expect(makeFolders(odd)).toBe(true);
    expect(statSync(odd).isDirectory()).toBe(true);
  });

  it('are not made where a file is', () => {
    const folder = tempFolder();
    writeFileSync(join(folder, 'file'), '');
    expect(codeOf(() => makeFolders(join(folder, 'file')))).toBe('ENOTDIR');
    expect(codeOf(() => makeFolders(join(folder, 'file/a/b')))).toBe('ENOTDIR');
    mkdirSync(join(folder, 'made'));
    expect(codeOf(() => makeFolders(''))).toBe('ENOENT');
  });

  it('in /proc, where a new name is ENOENT below a folder that exists, fail and do not loop', () => {
    expect(codeOf(() => makeFolders('/proc/nothing/here'))).toBe('ENOENT');
    expect(codeOf(() => makeFolders('/proc/nothing'))).toBe('ENOENT');
  });
});
