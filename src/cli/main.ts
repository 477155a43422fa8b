/** The command line: finds the command by its first word, loads only that, parses with commander, maps errors to exit statuses once. */
import { UserError } from '../bytes/errors.ts';
import { systemClock } from '../bytes/random.ts';
import { losslessArguments } from './argv.ts';
import type { Action, CommandContext, CommonOptions } from './command.ts';
import { EXIT_WORDS, ExitStatus, failureOf } from './exit.ts';
import { homeOf } from './home.ts';
import { createOutput, failureText, type Output, writeAll } from './output.ts';
import { createProgress, type Progress } from './progress.ts';
import type { Services } from './services.ts';
import { stopSignal } from './signals.ts';
import { COMMANDS } from './table.ts';
import { VERSION } from './version.ts';

const print = (descriptor: 1 | 2, text: string): void => void writeAll(descriptor, Buffer.from(text, 'utf8'));

/** Options before or within the command's name that are followed by a value. */
const VALUED = new Set(['--home']);

/** Index of the next word that is no option, from `start` on; -1: there is none. */
function wordAt(own: readonly string[], start: number): number {
  for (let i = start; i < own.length; i++) {
    if (VALUED.has(own[i])) i++;
    else if (!own[i].startsWith('-')) return i;
  }
  return -1;
}

const without = (own: readonly string[], at: number): string[] => [...own.slice(0, at), ...own.slice(at + 1)];

interface Chosen {
  /** One word or two: `tape ls`. */
  readonly name: string;
  /** Everything else. */
  readonly words: readonly string[];
}

/** The command that the words begin with; undefined: they name none at all. */
function chosenCommand(own: readonly string[]): Chosen | undefined {
  const at = wordAt(own, 0);
  if (at < 0) return undefined;
  const name = own[at];
  const words = without(own, at);
  const next = groupOf(name).length > 0 ? wordAt(words, at) : -1;
  return next < 0 ? { name, words } : { name: `${name} ${words[next]}`, words: without(words, next) };
}

/** Names of the commands that have `name` as their first of two words. */
const groupOf = (name: string): string[] => Object.keys(COMMANDS).filter((one) => one.startsWith(`${name} `));

/** Runs the program with its own arguments; answers the exit status. */
export async function main(
  own: readonly string[],
  loadServices: () => Promise<Services> = async () => (await import('./compose.ts')).services,
): Promise<ExitStatus> {
  let output: Output | undefined;
  let ended: () => void = () => {};
  try {
    const words = losslessArguments(own);
    const chosen = chosenCommand(words);
    if (chosen === undefined) return topLevel(words);
    if (chosen.name === 'help') return main([...chosen.words, '--help'], loadServices);
    if (!Object.hasOwn(COMMANDS, chosen.name) && groupOf(chosen.name).length > 0)
      return listCommands(chosen.words, groupOf(chosen.name), `reelmap ${chosen.name} COMMAND`);
    const found = await parse(chosen.name, chosen.words);
    if (typeof found === 'number') return found;
    output = createOutput({ json: found.options.json === true });
    const { context, end } = contextOf(found.options, output, loadServices);
    ended = end;
    const status = await found.action(context);
    ended();
    output.finish();
    return status;
  } catch (error) {
    ended();
    output?.flush();
    return fail(error, output?.json ?? asksForJson(own));
  }
}

/** Of words that could not be parsed: a program that called us wants its answer all the same. */
function asksForJson(own: readonly string[]): boolean {
  const end = own.indexOf('--');
  return own.slice(0, end < 0 ? own.length : end).includes('--json');
}

function fail(error: unknown, json: boolean): ExitStatus {
  const failure = failureOf(error);
  const { status } = failure;
  print(2, `${failureText(failure, json)}\n`);
  if (process.env.REELMAP_DEBUG) {
    for (let at = error; at instanceof Error; at = at.cause) print(2, `${at.stack}\n`);
  }
  return status;
}

function topLevel(words: readonly string[]): ExitStatus {
  if (words.includes('--version') || words.includes('-V')) {
    print(1, `${VERSION}\n`);
    return ExitStatus.done;
  }
  return listCommands(words, Object.keys(COMMANDS), 'reelmap [--home DIR] COMMAND');
}

function listCommands(words: readonly string[], names: readonly string[], usage: string): ExitStatus {
  const asked = words.includes('--help') || words.includes('-h');
  const width = Math.max(...names.map((name) => name.length));
  const lines = names.map((name) => `  ${name.padEnd(width)}  ${COMMANDS[name].summary}`);
  print(
    asked ? 1 : 2,
    `usage: ${usage} [--json] ...\n\n${lines.join('\n')}\n\n` +
      '`reelmap COMMAND --help` has an example. State lives under --home, else $REELMAP_HOME, else /var/lib/reelmap for root and\n' +
      '~/.local/share/reelmap for others. With --json results are JSON on standard output, errors JSON lines on standard error.\n\n' +
      `Exit status:\n${EXIT_WORDS.map(([status, words]) => `  ${status.padEnd(8)}  ${words}`).join('\n')}\n`,
  );
  return asked ? ExitStatus.done : ExitStatus.usage;
}

const ASKS_HELP = ['-h', '--help'];

interface Parsed {
  readonly action: Action;
  readonly options: CommonOptions;
}

/** Parses one command's words. A number: help was shown, or the usage was wrong and said so. */
async function parse(name: string, words: readonly string[]): Promise<Parsed | ExitStatus> {
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) {
    const [first] = name.split(' ');
    const where = groupOf(first).length > 0 ? `reelmap ${first} --help` : 'reelmap --help';
    throw new UserError(`command ${name}`, 'there is none of that name', `\`${where}\` lists them`, { kind: 'usage' });
  }
  if (words.length > 0 && !ASKS_HELP.some((one) => words.includes(one))) await entry.prepare?.();
  const [{ Command, CommanderError }, module] = await Promise.all([import('commander'), entry.load()]);
  let action: Action | undefined;
  const command = new Command(`reelmap ${name}`)
    .description(entry.summary)
    .option('--home <dir>', 'state directory')
    .option('--json', 'JSON instead of text')
    .helpOption('-h, --help', 'this help')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => print(1, text),
      writeErr: () => {},
      getOutHelpWidth: () => 100,
      getOutHasColors: () => false,
    });
  module.define(command, (chosen) => {
    action = chosen;
  });
  try {
    command.parse(words, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return ExitStatus.done;
    throw new UserError(
      name,
      error.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' '),
      `see \`reelmap ${name} --help\``,
      {
        kind: 'usage',
      },
    );
  }
  if (action === undefined) return ExitStatus.usage;
  return { action, options: command.opts<CommonOptions>() };
}

interface Context {
  readonly context: CommandContext;
  /** However the action ends: no bar stays. */
  readonly end: () => void;
}

function contextOf(options: CommonOptions, output: Output, services: () => Promise<Services>): Context {
  let progress: Progress | undefined;
  let signal: AbortSignal | undefined;
  const context: CommandContext = {
    home: homeOf(options.home, { env: process.env, uid: process.getuid?.() ?? -1, userHome: process.env.HOME || '/' }),
    output,
    services,
    clock: systemClock,
    progress: () => {
      progress ??= createProgress({
        output,
        clock: systemClock,
        start: systemClock() - performance.now(),
        columns: terminalColumns,
      });
      return progress;
    },
    signal: (remedy) => {
      signal ??= stopSignal((text) => output.note(text), remedy);
      return signal;
    },
  };
  return { context, end: () => progress?.end() };
}

/** Columns of the terminal on standard error; 0: it is none. */
function terminalColumns(): number {
  return process.stderr.isTTY === true ? process.stderr.columns || 80 : 0;
}
