/** Runs the demo's commands: each is shown as a user would type it, with its time, its exit status and the first lines of what it printed. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fullPath, hasTool } from '../system-tools.mjs';

export interface RunOptions {
  /** Lines shown of the output; the rest is counted. Default 8. */
  readonly lines?: number;
  /** Lines shown from its end instead. */
  readonly last?: number;
  /** Exit statuses that are right. Default 0. */
  readonly expect?: readonly number[];
  readonly cwd?: string;
}

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Demo {
  /** Everything is in here. */
  readonly folder: string;
  /** The state directory. */
  readonly home: string;
  /** Path of the program. */
  readonly program: string;
  readonly env: NodeJS.ProcessEnv;
  /** Done, but something was not exact: what a user's own volume may well give. */
  readonly partialIsFine: readonly number[];
  has(tool: string): boolean;
  heading(text: string): void;
  say(text: string): void;
  /** Shows a command line. */
  show(words: readonly string[], remark: string): void;
  run(command: string, args: readonly string[], options?: RunOptions): Ran;
  reelmap(args: readonly string[], options?: RunOptions): Ran;
  /** Its standard output, unseen. */
  quietly(args: readonly string[]): string;
  /** Says whether something is as it should be, and counts it if not. */
  expect(what: string, right: boolean): void;
  compare(what: string, same: boolean): void;
  sameFile(a: string, b: string): boolean;
  sameTree(a: string, b: string): boolean;
  fsckStatus(volume: string): number;
  /** The last words; answers the exit status. */
  end(): number;
}

const OUTPUT_BYTES_MAX = 1 << 28;

/** A word as a shell would take it. */
const shown = (word: string): string => (/^[\w./:=@,+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

function firstOrLast(lines: readonly string[], { lines: first = 8, last }: RunOptions): string[] {
  if (last !== undefined) return lines.slice(-last);
  const out = lines.slice(0, first);
  if (lines.length > first && first > 0) out.push(`... ${lines.length - first} more lines`);
  return out;
}

export function startDemo(program: string, folder: string): Demo {
  const home = join(folder, 'home');
  const env = { ...process.env, REELMAP_HOME: home, PATH: fullPath(), LC_ALL: 'C.UTF-8' };
  const colour = (code: number, text: string): string => (process.stdout.isTTY ? `\x1b[${code}m${text}\x1b[0m` : text);
  let failures = 0;
  const say = (text: string): void => console.log(text);
  const wrong = (text: string): void => {
    failures++;
    say(`  ${colour(31, text)}`);
  };
  const show = (words: readonly string[], remark: string): void =>
    say(`\n$ ${words.map(shown).join(' ')}   ${colour(2, `# ${remark}`)}`);
  const expect = (what: string, right: boolean): void => {
    if (right) say(`  ${colour(32, 'right')}: ${what}`);
    else wrong(`NOT RIGHT: ${what}`);
  };
  const run = (command: string, args: readonly string[], options: RunOptions = {}): Ran => {
    const started = performance.now();
    const result = spawnSync(command, args, {
      env,
      encoding: 'utf8',
      maxBuffer: OUTPUT_BYTES_MAX,
      ...(options.cwd !== undefined && { cwd: options.cwd }),
    });
    const seconds = ((performance.now() - started) / 1000).toFixed(2);
    const words = command === process.execPath ? ['reelmap', ...args.slice(1)] : [command, ...args];
    const status = result.status ?? -1;
    const where = options.cwd === undefined ? '' : ` in ${options.cwd}`;
    show(words, `${seconds} s${status === 0 ? '' : `, exit status ${status}`}${where}`);
    const { stdout = '', stderr = '' } = result;
    // What a command says on the way goes to standard error, its result to standard output.
    const text = `${stderr ?? ''}${stdout ?? ''}`.trimEnd();
    for (const line of firstOrLast(text === '' ? [] : text.split('\n'), options)) say(`  ${line}`);
    const { expect: right = [0] } = options;
    if (!right.includes(status)) wrong(`exit status ${status} instead of ${right.join(' or ')}`);
    return { status, stdout, stderr };
  };
  const quiet = (command: string, args: readonly string[]): number =>
    spawnSync(command, args, { env, stdio: 'ignore' }).status ?? -1;
  return {
    folder,
    home,
    program,
    env,
    partialIsFine: [0, 3],
    has: hasTool,
    heading: (text) => say(`\n${colour(1, `== ${text}`)}`),
    say,
    show,
    run,
    reelmap: (args, options) => run(process.execPath, [program, ...args], options),
    quietly: (args) =>
      spawnSync(process.execPath, [program, ...args], { env, encoding: 'utf8', maxBuffer: OUTPUT_BYTES_MAX }).stdout,
    expect,
    compare: (what, same) => expect(`the same: ${what}`, same),
    sameFile: (a, b) => quiet('cmp', ['-s', a, b]) === 0,
    sameTree: (a, b) => quiet('diff', ['-r', '--no-dereference', a, b]) === 0,
    fsckStatus: (volume) => quiet('e2fsck', ['-fn', volume]),
    end() {
      const words = failures === 0 ? 'All as expected' : `${failures} things were not as expected`;
      say(`\n${colour(1, `== ${words}`)}

Everything is in ${folder}; \`rm -rf ${shown(folder)}\` removes it. To go on by hand:

  export REELMAP_HOME=${shown(home)}
  alias reelmap='node ${shown(program)}'
  reelmap ls demo@latest / -l
  reelmap --help
`);
      return failures === 0 ? 0 : 1;
    },
  };
}
