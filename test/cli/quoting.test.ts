import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonBytes, quote, safeText, unquote } from '../../src/cli/quoting.ts';
import { describeWithTools } from '../support/tools.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const utf8 = (text: string): Uint8Array => Buffer.from(text, 'utf8');

/** Bytes that trouble shells and terminals, more often than chance has them. No NUL: a path has none. */
const nasty = fc
  .array(
    fc.oneof(
      fc.integer({ min: 1, max: 255 }),
      fc.constantFrom(...bytes('\'\\"$`!*?[]{}~#=^ \t\n\r\x1b\x7f\x9b\xff-%/.aF0')),
    ),
    {
      minLength: 1,
      maxLength: 20,
    },
  )
  .map((values) => Uint8Array.from(values));

describe('names in print', () => {
  it.each([
    ['plain-name_1.txt', 'plain-name_1.txt'],
    ['/usr/share/doc', '/usr/share/doc'],
    ['Grüße.txt', 'Grüße.txt'],
    ['日本語', '日本語'],
    ['a b', "'a b'"],
    ['$HOME', "'$HOME'"],
    ['', "''"],
    ["it's", "$'it\\'s'"],
    ['a\\b', "$'a\\\\b'"],
    ['line\nbreak', "$'line\\nbreak'"],
    ['\x1b[2J', "$'\\x1b[2J'"],
    ['rtl\u202etxt', "$'rtl\\xe2\\x80\\xaetxt'"],
  ])('%j is printed as %s', (name, printed) => {
    expect(quote(utf8(name))).toBe(printed);
  });

  it('a byte that is not UTF-8 is shown as \\xHH, and what follows cannot be taken as part of it', () => {
    expect(quote(bytes('a\xffb'))).toBe("$'a\\xff\\x62'");
    expect(quote(bytes('a\xffz'))).toBe("$'a\\xffz'");
  });

  it('what is printed holds no control character and is one line', () => {
    fc.assert(fc.property(nasty, (data) => !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(quote(data))));
  });

  it('what is printed is understood by reelmap itself', () => {
    fc.assert(
      fc.property(nasty, (rest) => {
        const path = Buffer.concat([Buffer.from('/'), rest]);
        expect(Buffer.from(unquote(utf8(quote(path))))).toEqual(path);
      }),
    );
  });

  it('a quote inside or a broken escape is left as it is', () => {
    for (const text of ["'a'b'", "$'a\\q'", "$'a'b'", '/a', "'", "$'"])
      expect(Buffer.from(unquote(utf8(text))).toString()).toBe(text);
  });

  it('octal, short hexadecimal and letter escapes of bash are undone', () => {
    expect([...unquote(utf8("$'\\101\\x9\\e\\a'"))]).toEqual([0x41, 9, 27, 7]);
  });

  it('JSON has the exact bytes beside the readable path', () => {
    expect(jsonBytes('path', bytes('/a\xff'))).toEqual({ path: '/a\ufffd', pathBytes: 'L2H/' });
  });

  it('foreign words in a message cannot move the cursor', () => {
    expect(safeText('volume \x1b]0;x\x07 ok')).toBe('volume \\x1b]0;x\\a ok');
  });
});

describeWithTools(['bash'], 'names pasted into bash', () => {
  it('give the same bytes', () => {
    fc.assert(
      fc.property(fc.array(nasty, { minLength: 50, maxLength: 100 }), (names) => {
        const script = `printf '%s\\0' ${names.map((name) => quote(name)).join(' ')}`;
        const { stdout } = spawnSync('bash', ['--norc', '-s'], { input: script, env: { LC_ALL: 'C.UTF-8' } });
        expect(stdout).toEqual(Buffer.concat(names.flatMap((name) => [Buffer.from(name), Buffer.from([0])])));
      }),
      { numRuns: 10 },
    );
  });
});
