import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UserError } from '../../src/bytes/errors.ts';
import { decodeArgument, encodeArgument, losslessArguments } from '../../src/cli/argv.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

describe('arguments as bytes', () => {
  it('any bytes survive the way through a string', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (data) => {
        expect(Buffer.from(encodeArgument(decodeArgument(data)))).toEqual(Buffer.from(data));
      }),
    );
  });

  it('good UTF-8 stays readable beside a bad byte', () => {
    expect(decodeArgument(bytes(0xc3, 0xa9, 0xff, 0x41))).toBe('é\udcffA');
  });

  it('overlong forms, surrogates and code points above 10FFFFh are not UTF-8', () => {
    for (const data of [
      bytes(0xc0, 0xaf),
      bytes(0xed, 0xa0, 0x80),
      bytes(0xf4, 0x90, 0x80, 0x80),
      bytes(0xe0, 0x80, 0xaf),
    ])
      expect(decodeArgument(data)).toMatch(/^[\udc80-\udcff]+$/);
  });

  it('/proc is not read while no argument was mangled', () => {
    const read = (): never => {
      throw new Error('read');
    };
    expect(losslessArguments(['ls', 'ä'], read)).toEqual(['ls', 'ä']);
  });

  it('our own arguments are found behind those of node, empty ones too', () => {
    const line = Buffer.concat([Buffer.from('node\0--flag\0main.js\0ls\0\0/a'), bytes(0xff), Buffer.from('\0')]);
    expect(losslessArguments(['ls', '', '/a\ufffd'], () => line)).toEqual(['ls', '', '/a\udcff']);
  });

  it('a command line that does not match what Node decoded is refused with a remedy', () => {
    expect(() => losslessArguments(['\ufffd'], () => Buffer.from('node\0other\0'))).toThrow(UserError);
    expect(() =>
      losslessArguments(['\ufffd'], () => {
        throw new Error('no /proc');
      }),
    ).toThrow(/--files-from/);
  });

  it('a real process gets the bytes that the shell gave it', () => {
    const module = join(import.meta.dirname, '../../src/cli/argv.ts');
    const script =
      `import { losslessArguments, encodeArgument } from ${JSON.stringify(module)};` +
      'for (const word of losslessArguments(process.argv.slice(1))) console.log(Buffer.from(encodeArgument(word)).toString("hex"));';
    // Node 20 cannot read TypeScript: esbuild makes one script of it.
    const built = spawnSync(
      join(import.meta.dirname, '../../node_modules/.bin/esbuild'),
      ['--bundle', '--platform=node', '--format=cjs', '--loader=ts'],
      { input: script, encoding: 'utf8' },
    );
    expect(built.stderr).toBe('');
    const shell = spawnSync('bash', ['-c', `"$0" -e "$1" -- $'/a\\xff\\nb' plain`, process.execPath, built.stdout], {
      encoding: 'utf8',
    });
    expect(shell.stdout.trim().split('\n')).toEqual(['2f61ff0a62', '706c61696e']);
  });
});
