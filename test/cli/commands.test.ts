import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { main } from '../../src/cli/main.ts';
import type { Services } from '../../src/cli/services.ts';
import { filesystem, memoryServices, setRecord } from '../support/memory-services.ts';
import { directory, file, MemorySet, stored, symlink } from '../support/memory-set.ts';
import { tempFolder } from '../support/tools.ts';

const out = { 1: '', 2: '' };
vi.mock(import('node:fs'), async (original) => {
  const real = await original();
  const writeSync = ((descriptor: number, data: Uint8Array, ...rest: number[]) => {
    if (descriptor !== 1 && descriptor !== 2) return real.writeSync(descriptor, data, ...rest);
    out[descriptor] += Buffer.from(data.subarray(rest[0] ?? 0)).toString('latin1');
    return data.length - (rest[0] ?? 0);
  }) as typeof real.writeSync;
  return { ...real, writeSync, default: { ...real, writeSync } } as never;
});

const volume = Uint8Array.from({ length: 65_536 }, (_, i) => (i * 11) & 0xff);
const odd = Uint8Array.of(0x6f, 0xff, 0x0a, 0x64);
const memory = new MemorySet({
  volume,
  recordSize: 4096,
  tree: [
    {
      entry: directory('docs'),
      children: [file('a b.txt', 5000, [stored(0, 4000, 5000)]), file(odd, 10, [stored(0, 0, 10)])],
    },
    symlink('link', 'docs/a b.txt'),
    file('bad.txt', 10, [stored(0, 40_960, 10)], { problems: ['extent tree block 7: checksum wrong'] }),
  ],
});
memory.damaged.add('A:6');
const older = setRecord('aa11', 'home', '2026-03-13T10:00:00.000Z');
const newer = setRecord('aa22', 'home', '2026-03-14T10:00:00.000Z');
const blind = setRecord('bb33', 'raw', '2026-03-15T10:00:00.000Z', {
  filesystems: [filesystem({ indexed: false, reason: 'unknown feature' })],
});
const services = memoryServices([
  [older, memory],
  [newer, memory],
  [blind, memory],
]);

async function run(...words: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  out[1] = '';
  out[2] = '';
  const status = await main(words, async (): Promise<Services> => services);
  return { status, stdout: Buffer.from(out[1], 'latin1').toString('utf8'), stderr: out[2] };
}
afterEach(() => vi.restoreAllMocks());

describe('the command line', () => {
  it('without words tells the usage and fails with 2; --help succeeds', async () => {
    expect(await run()).toMatchObject({ status: 2, stdout: '' });
    expect((await run()).stderr).toContain('restore-volume');
    expect(await run('--help')).toMatchObject({ status: 0, stderr: '' });
    expect((await run('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    'sets',
    'ls',
    'find',
    'stat',
    'plan',
    'restore',
    'restore-volume',
  ])('%s has help with an example', async (name) => {
    const { status, stdout } = await run(name, '--help');
    expect(status).toBe(0);
    expect(stdout).toContain('Example:\n  reelmap ');
    expect(stdout).toContain('--json');
    expect((await run('help', name)).stdout).toBe(stdout);
  });

  it.each([
    [['nope'], 'command nope: there is none of that name'],
    [['ls'], "ls: missing required argument 'set'"],
    [['ls', 'home', '--wrong'], "ls: unknown option '--wrong'"],
    [['sets', 'eat', 'x'], 'sets eat: is no such command'],
    [['restore', 'home', '/docs'], 'restore: --to is missing'],
    [['restore', 'home', '--to', '/x'], 'restore: no path was given'],
    [['restore', 'home', '/', '--to', '/x', '-0'], '-0: goes with --files-from'],
    [['ls', 'home', '/a/../b'], '/a/../b: `..` has no meaning in a set'],
    [['ls', 'home', '/', '--partition', 'x'], 'set aa220000: has no partition or logical volume x'],
    [['find', '['.repeat(3), '--regex'], 'find: Invalid regular expression'],
  ])('%j is wrong usage, in one line', async (words, expected) => {
    const { status, stdout, stderr } = await run(...words);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stderr).toContain(`reelmap: ${expected}`);
  });

  it.each([
    [['ls', 'latest'], '"latest" of which volume? There are home, raw: say NAME@latest; `reelmap sets` lists them'],
    [['ls', 'aa'], '"aa" is the beginning of 2 sets'],
    [['ls', 'ffff'], 'no set "ffff"'],
    [['ls', 'nobody@latest'], 'no set of a volume named "nobody"'],
    [['ls', 'home@2026-03-01'], 'no set of "home" at or before 2026-03-01'],
    [['ls', 'home@yesterday'], '"yesterday" is no date'],
    [['ls', 'home', '/none'], '/none: no such file or directory in set aa220000; `reelmap find NAME`'],
    [
      ['ls', 'raw', '/'],
      'set bb330000: is stored but not indexed file by file (unknown feature); `reelmap restore-volume',
    ],
    [['restore', 'home', '/none', '--to', '/nonexistent/x'], '/none: no such file or directory in the set'],
  ])('%j fails in one line with the remedy', async (words, expected) => {
    const { status, stderr } = await run(...words);
    expect(status).toBe(1);
    expect(stderr).toContain(expected);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});

describe('sets', () => {
  it('lists them, also as one JSON value', async () => {
    const { stdout } = await run('sets');
    expect(stdout.split('\n')[1]).toMatch(/^aa110000 {2}home .* full .* RM0001L9$/);
    expect(stdout).toContain('(not all indexed)');
    const all = JSON.parse((await run('sets', '--json')).stdout);
    expect(all.map((one: { set: string }) => one.set)).toEqual([older.set, newer.set, blind.set]);
    expect(all[0]).toMatchObject({ volume: 'home', files: 3 });
  });

  it('drops the one that is meant', async () => {
    expect((await run('sets', 'drop', 'home@2026-03-13')).status).toBe(0);
    expect(services.dropped).toEqual([older.set]);
  });

  it.each([
    ['home', newer.set],
    ['home@latest', newer.set],
    ['home@2026-03-13', older.set],
    ['home@2026-03-13T10:00Z', older.set],
    ['aa1', older.set],
  ])('%s means %s', async (word, set) => {
    expect(JSON.parse((await run('stat', word, '/docs', '--json')).stdout).set).toBe(set);
  });
});

describe('ls', () => {
  it('prints names that can be pasted back, and takes them', async () => {
    const { stdout } = await run('ls', 'home', '/docs');
    expect(stdout).toBe("'a b.txt'\n$'o\\xff\\nd'\n");
    expect((await run('ls', 'home', "$'/docs/o\\xff\\nd'")).stdout).toBe("$'/docs/o\\xff\\nd'\n");
    expect((await run('ls', 'home', "'/docs/a b.txt'")).stdout).toBe("'/docs/a b.txt'\n");
  });

  it('-0 gives the bytes, --json both', async () => {
    await run('ls', 'home', '/docs', '-0');
    expect(Buffer.from(out[1], 'latin1')).toEqual(Buffer.concat([Buffer.from('a b.txt\0'), odd, Buffer.from('\0')]));
    const all = JSON.parse((await run('ls', 'home', '/docs', '--json')).stdout);
    expect(Buffer.from(all[1].nameBytes, 'base64')).toEqual(Buffer.from(odd));
    expect(all[0]).toMatchObject({
      name: 'a b.txt',
      type: 'file',
      size: 5000,
      mode: '0644',
      mtime: '2017-07-14T02:40:00.987654321Z',
    });
    expect(JSON.parse((await run('ls', 'raw', '/', '--json')).stdout || '[]')).toEqual([]);
  });

  it('-l shows as ls does, with link targets and a mark for problems', async () => {
    const { stdout } = await run('ls', 'home', '-l');
    expect(stdout).toMatch(/^drwxr-xr-x +2 .* docs$/m);
    expect(stdout).toMatch(/^lrwxrwxrwx .* link -> 'docs\/a b.txt'$/m);
    expect(stdout).toMatch(/bad\.txt \(!\)$/m);
  });
});

describe('find', () => {
  it('looks in all sets unless told, and says which sets it cannot look through', async () => {
    const { status, stdout, stderr } = await run('find', '*.txt');
    expect(status).toBe(3);
    expect(stdout).toBe(
      "aa110000  /bad.txt\naa110000  '/docs/a b.txt'\naa220000  /bad.txt\naa220000  '/docs/a b.txt'\n",
    );
    expect(stderr).toContain('set bb330000 is not wholly indexed');
  });

  it.each([
    [['/docs/*', '--set', 'home'], "'/docs/a b.txt'\n$'/docs/o\\xff\\nd'\n"],
    [['/**/a*', '--set', 'home'], "'/docs/a b.txt'\n"],
    [['--regex', '^/docs/a.*t$', '--set', 'home'], "'/docs/a b.txt'\n"],
    [['link', '--volume', 'home', '--since', '2026-03-14'], 'aa220000  /link\n'],
    [['nothing*', '--volume', 'home'], ''],
  ])('%j', async (words, expected) => {
    expect(await run('find', ...words)).toMatchObject({ status: 0, stdout: expected });
  });

  it('--json is one array with exact paths', async () => {
    const all = JSON.parse((await run('find', 'o*', '--set', 'home', '--json')).stdout);
    expect(Buffer.from(all[0].pathBytes, 'base64')).toEqual(Buffer.concat([Buffer.from('/docs/'), odd]));
  });
});

describe('stat and plan', () => {
  it('stat tells attributes, extents and tape positions', async () => {
    const { stdout } = await run('stat', 'home', '/docs/a b.txt');
    expect(stdout).toContain('size       5000 (4.9 KiB)');
    expect(stdout).toContain('extent     file byte 0, 5000 bytes, stored at volume byte 4000');
    expect(stdout).toContain(
      'tape       cartridge RM0001L9, object 1, byte 4000 of the record: 5000 bytes in 3 records',
    );
    expect(JSON.parse((await run('stat', 'home', '/docs/a b.txt', '--json')).stdout)).toMatchObject({
      tape: [{ barcode: 'RM0001L9', object: 1, byteInRecord: 4000, records: 3 }],
      proof: null,
    });
  });

  it('plan and restore -n tell the same and touch nothing', async () => {
    const before = memory.reads;
    const planned = await run('plan', 'home', '/docs');
    expect(planned).toMatchObject({ status: 0 });
    expect(planned.stdout).toContain(
      'cartridge RM0001L9: 1 positions\n  object 1: 3 records\n3 records read (12.0 KiB)\nabout 10 s',
    );
    expect((await run('restore', 'home', '/docs', '-n')).stdout).toBe(planned.stdout);
    expect(JSON.parse((await run('plan', 'home', '/docs', '--json')).stdout)).toMatchObject({
      records: 3,
      gapRecords: 0,
      files: 2,
    });
    expect(memory.reads).toBe(before);
  });
});

describe('restore', () => {
  it('brings files back and says what it read', async () => {
    const to = tempFolder();
    const { status, stdout, stderr } = await run('restore', 'home', '/docs', '--to', to);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toBe('restored 2 files, 1 directories, 0 others: 4.9 KiB, 3 records read\n');
    expect(readFileSync(join(to, 'docs/a b.txt'))).toEqual(Buffer.from(volume.subarray(4000, 9000)));
  });

  it('takes paths from a file: lines as printed, or bytes with -0', async () => {
    const [to, list] = [tempFolder(), join(tempFolder(), 'list')];
    writeFileSync(list, "$'/docs/o\\xff\\nd'\n/link\n");
    expect((await run('restore', 'home', '--files-from', list, '--to', to)).status).toBe(0);
    expect(
      readdirSync(to, 'buffer')
        .map((name) => name.toString('latin1'))
        .sort(),
    ).toEqual(['link', 'o\xff\nd']);
    writeFileSync(list, Buffer.concat([Buffer.from('/docs/'), odd, Buffer.from('\0')]));
    const other = tempFolder();
    expect((await run('restore', 'home', '--files-from', list, '-0', '--to', other)).status).toBe(0);
    expect(readdirSync(other)).toHaveLength(1);
  });

  it('with something lost or not exact: the rest, the list, and status 3', async () => {
    const set = new MemorySet({
      volume,
      recordSize: 4096,
      tree: [file('f', 10, [stored(0, 0, 10)]), file('g', 10, [stored(0, 8192, 10)], { problems: ['was damaged'] })],
    });
    set.damaged.add('A:1');
    const record = setRecord('cc', 'x', '2026-01-01T00:00:00.000Z');
    const to = tempFolder();
    out[1] = '';
    out[2] = '';
    const status = await main(['restore', 'latest', '/', '--to', to, '--json'], async () =>
      memoryServices([[record, set]]),
    );
    expect(status).toBe(3);
    const result = JSON.parse(out[1]);
    expect(result).toMatchObject({ event: 'result', lost: 1, inexact: 1, files: 1 });
    expect(result.problems.map((one: { path: string; kind: string }) => [one.path, one.kind]).sort()).toEqual([
      ['f', 'lost'],
      ['g', 'inexact'],
    ]);
    expect(out[2]).toBe('');
    expect(readdirSync(to).filter((name) => !name.startsWith('.'))).toEqual(['g']);
  });

  it('refuses what is there, naming the way out', async () => {
    const to = tempFolder();
    mkdirSync(join(to, 'docs'));
    const { status, stderr } = await run('restore', 'home', '/docs', '--to', to);
    expect(status).toBe(1);
    expect(stderr).toBe(
      'reelmap: docs: exists in the destination; use --overwrite, or name another folder with --to\n',
    );
  });
});

describe('restore-volume', () => {
  it('reports what could not be read, with status 3', async () => {
    const { status, stdout, stderr } = await run('restore-volume', 'home', '/dev/null');
    expect(status).toBe(3);
    expect(stdout).toBe('restored 4.0 KiB in 1 chunks\n');
    expect(stderr).toContain('not restored: volume bytes 0 to 512: cartridge A, object 3');
  });
});
