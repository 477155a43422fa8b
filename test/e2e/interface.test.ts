// What programs and shells rely on: exit statuses as documented, errors as JSON, output that nobody reads, names of any bytes.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { EXIT_WORDS, ExitStatus } from '../../src/cli/exit.ts';
import { COMMANDS } from '../../src/cli/table.ts';
import { type Ground, homeCopy, makeGround } from '../support/ground.ts';
import { patterned } from '../support/mover.ts';
import { type Ended, mainPath, reelmap } from '../support/program.ts';
import { describeWithTools } from '../support/tools.ts';

const ROOT = join(import.meta.dirname, '../..');

let ground: Ground;
let home: string;
const run = (...args: (string | Uint8Array)[]): Ended => reelmap(args, { home, cwd: ground.folder });

/** A shell's line; `reelmap` is the program. */
function shell(line: string): { status: number | null; stdout: string; stderr: string } {
  const script = `set -o pipefail; reelmap() { "${process.execPath}" "${mainPath()}" "$@"; }; ${line}`;
  return spawnSync('bash', ['-c', script], {
    cwd: ground.folder,
    env: { ...process.env, REELMAP_HOME: home },
    encoding: 'utf8',
  });
}

beforeAll(() => {
  ground = makeGround();
  home = homeCopy(ground);
});

describe('help', () => {
  it('of each command is complete and short: usage, every argument and option in words, an example', () => {
    for (const name of Object.keys(COMMANDS)) {
      const { status, stdout, stderr } = run(...name.split(' '), '--help');
      expect({ name, status, stderr }).toEqual({ name, status: 0, stderr: '' });
      expect(stdout).toMatch(new RegExp(`^Usage: reelmap ${name} \\[options\\]`));
      expect(stdout).toContain(`\nExample:\n  reelmap ${name.split(' ')[0]}`);
      const lines = stdout.split('\n');
      expect({ name, lines: lines.length }).toEqual({ name, lines: Math.min(40, lines.length) });
      for (const line of lines) expect(line.length, line).toBeLessThan(125);
      // Every option has words behind it, on its line.
      for (const line of lines.filter((one) => /^ {2}-/.test(one))) expect(line).toMatch(/^ {2}-\S.*? {2,}\S/);
    }
  });

  it('names every command, and every exit status, as the README does', () => {
    const { stdout } = run('--help');
    for (const [name, { summary }] of Object.entries(COMMANDS)) {
      expect(stdout).toMatch(new RegExp(`^ {2}${name} +`, 'm'));
      expect(stdout).toContain(summary);
    }
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    for (const [status, words] of EXIT_WORDS) {
      expect(stdout).toMatch(new RegExp(`^ {2}${status} +${words.replaceAll('^', '\\^')}$`, 'm'));
      expect(readme).toContain(`| ${status} | ${words} |`);
    }
    expect(Object.values(ExitStatus).join(', ')).toBe(EXIT_WORDS.map(([status]) => status).join(', '));
  });
});

describeWithTools(['mke2fs'], 'exit statuses', () => {
  it('each that is documented is reached; 130 and 143 in signals.test.ts', () => {
    writeFileSync(join(ground.folder, 'raw.img'), patterned(50_000, 2));
    const cases: readonly (readonly [status: number, words: readonly string[]])[] = [
      [0, ['sets']],
      [0, ['ls', 'base']],
      [0, ['backup', '-n', 'vol.img']],
      [0, ['restore', 'base', '/docs/f1', '--to', 'status-0']],
      [1, ['ls', 'nope']],
      [1, ['backup', 'nowhere']],
      [1, ['restore', 'base', '/docs/f1', '--to', 'status-0']],
      [2, []],
      [2, ['nope']],
      [2, ['ls']],
      [2, ['ls', 'base', '--nope']],
      [2, ['restore', 'base', '/docs/f1']],
      [2, ['backup', 'vol.img', '--chunk-size', 'x']],
      [3, ['backup', 'raw.img']],
      [3, ['backup', '-n', 'raw.img']],
    ];
    for (const [status, words] of cases) expect({ words, status: run(...words).status }).toEqual({ words, status });
    const own = homeCopy(ground);
    const data = join(own, 'library/cartridges/RM0001L9/data');
    const { tape } = JSON.parse(run('stat', 'base', '/docs/sub/big', '--json').stdout) as {
      tape: { dataFileOffset: number }[];
    };
    const content = readFileSync(data);
    content[tape[0].dataFileOffset + 1000] ^= 1;
    writeFileSync(data, content);
    const damaged = (...args: string[]): number | null => reelmap(args, { home: own, cwd: ground.folder }).status;
    expect(damaged('verify', 'base')).toBe(3);
    expect(damaged('restore', 'base', '/', '--to', join(own, 'to'))).toBe(3);
    expect(damaged('restore-volume', 'base', join(own, 'v.img'))).toBe(3);
    truncateSync(data, 0);
    expect(damaged('index', 'rebuild')).toBe(3);
  });
});

describeWithTools(['mke2fs'], 'with --json', () => {
  it('a failure is one JSON line on standard error, and nothing on standard output', () => {
    for (const [words, status, expected] of [
      [['ls', 'nope'], 1, { thing: 'set nope', remedy: '`reelmap sets` lists them' }],
      [
        ['ls', 'base', '/nope'],
        1,
        { thing: '/nope', what: expect.stringMatching(/^no such file or directory in set/) },
      ],
      [['backup', 'nowhere'], 1, { thing: 'nowhere', what: 'there is no such volume', remedy: 'check the path' }],
      [['restore', 'base', '/docs'], 2, { thing: 'restore', what: '--to is missing' }],
      [['nope'], 2, { thing: 'command nope' }],
      [['ls', '--wrong', 'base'], 2, { thing: 'ls', what: "unknown option '--wrong' (Did you mean --long?)" }],
    ] as const) {
      const ended = run(...words, '--json');
      expect({ words, status: ended.status, stdout: ended.stdout }).toEqual({ words, status, stdout: '' });
      expect(ended.stderr.trimEnd().split('\n')).toHaveLength(1);
      expect(JSON.parse(ended.stderr)).toMatchObject({
        event: 'error',
        status,
        message: expect.any(String),
        ...expected,
      });
    }
  });

  it('of several volumes the one that failed has its line, and the others their results', () => {
    const { status, stdout, stderr } = run('backup', 'nowhere', 'vol.img', '--json');
    expect(status).toBe(1);
    expect(JSON.parse(stderr)).toMatchObject({ event: 'error', status: 1, thing: 'nowhere' });
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.at(-1)).toMatchObject({ event: 'result', partial: false });
  });

  it('what every command prints is JSON: one value, or one a line', () => {
    for (const words of [
      ['sets'],
      ['ls', 'base'],
      ['find', '*', '--set', 'base'],
      ['stat', 'base', '/docs/f1'],
      ['plan', 'base', '/docs'],
      ['tape', 'ls'],
      ['tape', 'files', 'RM0001L9'],
      ['status'],
      ['verify', 'base'],
      ['index', 'check'],
      ['index', 'rebuild'],
      ['tape', 'unload'],
      ['backup', '-n', 'vol.img'],
    ]) {
      const { status, stdout, stderr } = run(...words, '--json');
      expect({ words, status, stderr }).toEqual({ words, status: 0, stderr: '' });
      expect(() => parsed(stdout), words.join(' ')).not.toThrow();
    }
  });

  const parsed = (text: string): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      return text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
    }
  };
});

describeWithTools(['mke2fs'], 'output that nobody takes', () => {
  it('a reader that goes away ends a listing quietly', () => {
    for (const words of [
      'ls base /docs',
      'ls base /docs -l',
      'ls base /docs --json',
      "find '*'",
      "find '*' --json",
      'sets',
      'tape ls',
      'ls --help',
      '--help',
    ]) {
      const { status, stderr } = shell(`reelmap ${words} | head -1`);
      expect({ words, status, stderr }).toEqual({ words, status: 0, stderr: '' });
    }
  });

  it('a reader that is gone before the end does not stop a backup', () => {
    expect(shell('reelmap backup vol.img 2>/dev/null | true').status).toBe(0);
    expect(shell('reelmap backup vol.img --json | true').status).toBe(0);
    expect(shell('reelmap sets').stdout.trimEnd().split('\n')).toHaveLength(1 + countOfSets());
  });

  const countOfSets = (): number => (JSON.parse(run('sets', '--json').stdout) as unknown[]).length;

  it('standard output closed is none; standard output full is told, in one line', () => {
    expect(shell('reelmap sets >&-')).toMatchObject({ stderr: '' });
    for (const words of ['sets', 'ls base /docs', 'sets --json', '--help', 'ls --help']) {
      const { status, stderr } = shell(`reelmap ${words} >/dev/full`);
      expect({ words, status }).toEqual({ words, status: 1 });
      expect(stderr).toMatch(
        /^(reelmap: |\{"event":"error".*)standard output: no space left on that file system; .*\n$/,
      );
    }
  });

  it('standard error closed or full changes nothing', () => {
    expect(shell('reelmap ls nope 2>&-').status).toBe(1);
    expect(shell('reelmap ls nope 2>/dev/full').status).toBe(1);
    expect(shell('reelmap backup vol.img 2>/dev/full')).toMatchObject({ status: 0, stderr: '' });
  });
});

describeWithTools(['mke2fs', 'debugfs'], 'names of any bytes', () => {
  /** A control character, a new line, bytes that are no UTF-8, quotes, a right-to-left mark, blanks, a dash, and what a shell minds. */
  const NAMES = [
    Buffer.from('a\x1b[2Jb'),
    Buffer.from('new\nline'),
    Buffer.from('bad\xff\xfe\x80', 'latin1'),
    Buffer.from('\xc3', 'latin1'),
    Buffer.from('it\'s "quoted" \\ $HOME `id`'),
    Buffer.from('right\u202eto-left'),
    Buffer.from(' leading and trailing '),
    Buffer.from('--wrong'),
    Buffer.from('*?[glob]{a,b}'),
    Buffer.from('tab\tbell\x07'),
    Buffer.from('日本語'),
    Buffer.from("$'\\xff'"),
    Buffer.from('x'.repeat(255)),
  ];
  const contentOf = (name: Buffer): string => `content of ${name.toString('hex')}`;
  const byBytes = (a: Buffer, b: Buffer): number => Buffer.compare(a, b);

  beforeAll(() => {
    const tree = mkdtempSync(join(ground.folder, 'odd-'));
    for (const name of NAMES) writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), name]), contentOf(name));
    const image = join(ground.folder, 'odd.img');
    writeFileSync(image, '');
    truncateSync(image, 8 * 2 ** 20);
    expect(spawnSync('mke2fs', ['-q', '-t', 'ext4', '-F', '-d', tree, image]).status).toBe(0);
    expect(run('backup', 'odd.img', '--name', 'odd').status).toBe(0);
  });

  const restored = (folder: string): Buffer[] =>
    (readdirSync(join(ground.folder, folder), { encoding: 'buffer' }) as Buffer[]).sort(byBytes);

  it('are printed on one safe line each, in ls, find and stat', () => {
    for (const words of [
      ['ls', 'odd'],
      ['ls', 'odd', '-l'],
      ['find', '*', '--set', 'odd'],
    ]) {
      const { stdout } = run(...words);
      const text = Buffer.from(stdout, 'latin1');
      expect(text.toString('utf8')).not.toContain('\ufffd');
      expect(text.every((byte) => byte === 0x0a || (byte >= 0x20 && byte !== 0x7f))).toBe(true);
      expect(text.toString('utf8')).not.toContain('\u202e');
      expect(stdout.trimEnd().split('\n').length).toBeGreaterThanOrEqual(NAMES.length + 1);
    }
  });

  it('what ls prints can be pasted into a shell, to stat and restore, and gives the file back', () => {
    const { stdout } = shell(
      'reelmap ls odd / >list; set --; while IFS= read -r word; do [ "$word" = lost+found ] && continue; ' +
        'eval "set -- \\"\\$@\\" /$word"; done <list; for name in "$1" "$2" "$3" "$4"; do reelmap stat odd "$name" >/dev/null ' +
        '|| exit 9; done; reelmap restore odd "$@" --to pasted >/dev/null && echo all',
    );
    expect(stdout).toBe('all\n');
    expect(restored('pasted')).toEqual([...NAMES].sort(byBytes));
    for (const name of NAMES)
      expect(readFileSync(Buffer.concat([Buffer.from(`${ground.folder}/pasted/`), name]), 'utf8')).toBe(
        contentOf(name),
      );
  });

  it('what find prints can be given back with its quotes on, by hand and by --files-from', () => {
    const { stdout } = run('find', '*', '--set', 'odd');
    const paths = stdout
      .trimEnd()
      .split('\n')
      .filter((line) => line !== '/' && line !== '/lost+found');
    expect(paths).toHaveLength(NAMES.length);
    for (const path of paths.slice(-4)) expect(run('stat', 'odd', Buffer.from(path, 'latin1')).status).toBe(0);
    writeFileSync(join(ground.folder, 'paths'), `${paths.join('\n')}\n`, 'latin1');
    expect(run('restore', 'odd', '--files-from', 'paths', '--to', 'from-list').status).toBe(0);
    expect(restored('from-list')).toEqual([...NAMES].sort(byBytes));
  });

  it('-0 and --json keep every byte', () => {
    expect(
      shell(
        "reelmap find '*' --set odd -0 | LC_ALL=C grep -zv -e '^/$' -e 'lost+found' | reelmap restore odd --files-from - -0 --to nul",
      ).status,
    ).toBe(0);
    expect(restored('nul')).toEqual([...NAMES].sort(byBytes));
    const all = JSON.parse(Buffer.from(run('ls', 'odd', '--json').stdout, 'latin1').toString('utf8')) as {
      nameBytes: string;
    }[];
    const names = all
      .map(({ nameBytes }) => Buffer.from(nameBytes, 'base64'))
      .filter((one) => one.toString() !== 'lost+found');
    expect(names.sort(byBytes)).toEqual([...NAMES].sort(byBytes));
  });

  it('in a failure are printed safely too', () => {
    const { status, stderr } = run('ls', 'odd', Buffer.from('/no\x1b\xff', 'latin1'));
    expect(status).toBe(1);
    expect(stderr).toMatch(/^reelmap: \$'\/no\\x1b\\xff': no such file or directory/);
    expect(run('ls', Buffer.from('no\x1b\xff', 'latin1')).stderr).not.toMatch(/[^\n\x20-\x7e]/);
  });
});
