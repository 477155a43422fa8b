import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { libc, libcWithoutOpenat2, SystemError } from '../../src/restore/libc.ts';
import { tempFolder } from '../support/tools.ts';

const name = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const directory = constants.O_RDONLY | constants.O_DIRECTORY;

describe.each([
  ['with openat2', libc],
  ['without openat2', libcWithoutOpenat2],
])('opening below a folder, %s', (_, make) => {
  function below(names: readonly string[]): string[] {
    const outer = tempFolder();
    mkdirSync(join(outer, 'in/a/b'), { recursive: true });
    mkdirSync(join(outer, 'victim'));
    writeFileSync(join(outer, 'in/a/b/found'), '');
    symlinkSync('../victim', join(outer, 'in/link'));
    symlinkSync('b', join(outer, 'in/a/inner'));
    const root = openSync(join(outer, 'in'), directory);
    try {
      const opened = make().openBeneath(root, names.map(name), directory);
      const found = readdirSync(`/proc/self/fd/${opened}`);
      closeSync(opened);
      return found;
    } finally {
      closeSync(root);
    }
  }

  it('finds what is there', () => expect(below(['a', 'b'])).toEqual(['found']));
  it.each([[['link']], [['a', 'inner']], [['a', 'inner', 'x']]])('follows no link: %j', (names) => {
    expect(() => below(names)).toThrow(SystemError);
    try {
      below(names);
    } catch (error) {
      expect(['ELOOP', 'ENOTDIR']).toContain((error as SystemError).code);
    }
  });
  it('says what is missing', () => expect(() => below(['a', 'none'])).toThrow('ENOENT'));
  it('opens very long paths', () => {
    const folder = tempFolder();
    const names = Array.from({ length: 20 }, (_, i) => `${i}`.padEnd(240, 'x'));
    const calls = make();
    let at = openSync(folder, directory);
    const root = openSync(folder, directory);
    for (const one of names) {
      calls.mkdirAt(at, name(one), 0o700);
      const next = calls.openAt(at, name(one), directory, 0);
      closeSync(at);
      at = next;
    }
    closeSync(at);
    const opened = calls.openBeneath(root, names.map(name), directory);
    expect(readdirSync(`/proc/self/fd/${opened}`)).toEqual([]);
    closeSync(opened);
    closeSync(root);
  });
});

describe('renaming', () => {
  it('without replace leaves what is there, with replace does not', () => {
    const folder = tempFolder();
    writeFileSync(join(folder, 'new'), 'new');
    writeFileSync(join(folder, 'old'), 'old');
    const at = openSync(folder, directory);
    expect(() => libc().renameAt(at, name('new'), name('old'), false)).toThrow('EEXIST');
    expect(readFileSync(join(folder, 'old'), 'utf8')).toBe('old');
    libc().renameAt(at, name('new'), name('old'), true);
    expect(readFileSync(join(folder, 'old'), 'utf8')).toBe('new');
    closeSync(at);
  });

  it('to a free name moves the file', () => {
    const folder = tempFolder();
    writeFileSync(join(folder, 'a'), 'x');
    const at = openSync(folder, directory);
    libc().renameAt(at, name('a'), name('b'), false);
    closeSync(at);
    expect(readdirSync(folder)).toEqual(['b']);
  });
});

describe('times', () => {
  it.each([
    [0, 0],
    [-1, 999_999_999],
    [4_294_967_296, 1],
  ])('%d seconds and %d nanoseconds are set exactly', (seconds, nanoseconds) => {
    const folder = tempFolder();
    writeFileSync(join(folder, 'f'), '');
    const at = openSync(folder, directory);
    libc().utimensAt(at, name('f'), { seconds, nanoseconds }, { seconds, nanoseconds });
    closeSync(at);
    const { mtimeNs } = statSync(join(folder, 'f'), { bigint: true });
    expect(mtimeNs).toBe(BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds));
  });
});
