/** One bit of a tape flipped, and what that costs. */
import { closeSync, existsSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Chosen } from './choose.ts';
import type { Demo } from './run.ts';

/** Flips a bit in the middle of a file's first bytes on tape, as `stat` tells their place. */
export function flipBit(demo: Demo, file: Chosen): void {
  const { tape } = JSON.parse(demo.quietly(['stat', 'demo@latest', file.path, '--json'])) as {
    tape: { barcode: string; byteLength: number; dataFileOffset?: number }[];
  };
  const [first] = tape;
  demo.expect('stat tells where on tape the file is', first?.dataFileOffset !== undefined);
  if (first?.dataFileOffset === undefined) return;
  const path = join(demo.home, 'library/cartridges', first.barcode, 'data');
  const at = first.dataFileOffset + Math.floor(first.byteLength / 2);
  const fd = openSync(path, 'r+');
  const one = new Uint8Array(1);
  readSync(fd, one, 0, 1, at);
  one[0] ^= 1;
  writeSync(fd, one, 0, 1, at);
  closeSync(fd);
  demo.say(`\n  one bit of byte ${at} of ${path} is flipped: a record of 256 KiB, with ${file.path} in it`);
}

/** After a restore of everything: what was lost is not there, and all else is as it was. */
export function lostOnly(demo: Demo, json: string, rest: string, tree: string | undefined): void {
  // Progress comes before it, a line each.
  const { problems, files } = JSON.parse(json.trimEnd().split('\n').at(-1) ?? '') as {
    problems: { path: string; kind: string }[];
    files: number;
  };
  const lost = problems.filter(({ kind }) => kind === 'lost').map(({ path }) => path.replace(/^\//, ''));
  demo.say(
    `  ${files} files came back; lost with the record: ${lost.slice(0, 6).join(', ')}${lost.length > 6 ? ` and ${lost.length - 6} more` : ''}`,
  );
  demo.expect('nothing that was lost appears', lost.length > 0 && !lost.some((path) => existsSync(join(rest, path))));
  if (tree === undefined) return;
  const { stdout } = demo.run('diff', ['-rq', '--no-dereference', '-x', 'lost+found', tree, rest], {
    expect: [1],
    lines: 4,
  });
  const differences = stdout.split('\n').filter((line) => line !== '' && !line.includes(`Only in ${rest}: .reelmap`));
  demo.expect(
    `the ${lost.length} lost files are the only difference`,
    differences.length === lost.length && differences.every((line) => line.startsWith(`Only in ${tree}`)),
  );
}
