/** The command line: finds the command by its first word, loads only that, parses with commander, maps errors to exit statuses once. */
import { UserError } from '../bytes/errors.ts';
import { systemClock } from '../bytes/random.ts';
import { losslessArguments } from './argv.ts';
import type { Action, CommandContext, CommonOptions } from './command.ts';
import { ExitStatus, failureOf } from './exit.ts';
import { homeOf } from './home.ts';
import { createOutput, type Output, writeAll } from './output.ts';
import { createProgress, type Progress } from './progress.ts';
import type { Services } from './services.ts';
import { stopSignal } from './signals.ts';
import { COMMANDS } from './table.ts';
import { VERSION } from './version.ts';

const print = (descriptor: 1 | 2, text: string): void => void writeAll(descriptor, Buffer.from(text, 'utf8'));

/** Options before the command's name that are followed by a value. */
const VALUED = new Set(['--home']);

/** Index of the command's name among the arguments, or -1. */
function commandAt(own: readonly string[]): number {
  for (let i = 0; i < own.length; i++) {
    if (VALUED.has(own[i])) i++;
    else if (!own[i].startsWith('-')) return i;
  }
  return -1;
}

/** Runs the program with its own arguments; answers the exit status. */
export async function main(
  own: readonly string[],
  loadServices: () => Promise<Services> = async () => (await import('./compose.ts')).services,
): Promise<ExitStatus> {
  let output: Output | undefined;
  try {
    const words = losslessArguments(own);
    const at = commandAt(words);
    if (at < 0) return topLevel(words);
    const name = words[at];
    if (name === 'help') return topLevel([...words.slice(0, at), ...words.slice(at + 1), '--help']);
    const found = await parse(name, [...words.slice(0, at), ...words.slice(at + 1)]);
    if (typeof found === 'number') return found;
    output = createOutput({ json: found.options.json === true });
    return await found.action(contextOf(found.options, output, loadServices));
  } catch (error) {
    return fail(error);
  } finally {
    output?.flush();
  }
}

function fail(error: unknown): ExitStatus {
  const { status, line } = failureOf(error);
  print(2, `reelmap: ${line}\n`);
  if (process.env.REELMAP_DEBUG) {
    for (let at = error; at instanceof Error; at = at.cause) print(2, `${at.stack}\n`);
  }
  return status;
}

async function topLevel(words: readonly string[]): Promise<ExitStatus> {
  if (words.includes('--version') || words.includes('-V')) {
    print(1, `${VERSION}\n`);
    return ExitStatus.done;
  }
  const at = commandAt(words);
  if (at >= 0) {
    const found = await parse(words[at], ['--help']);
    return typeof found === 'number' ? found : ExitStatus.done;
  }
  const asked = words.includes('--help') || words.includes('-h');
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  print(
    asked ? 1 : 2,
    `usage: reelmap [--home DIR] COMMAND [--json] ...\n\n${lines.join('\n')}\n\n` +
      '`reelmap COMMAND --help` has an example. State lives under --home, else $REELMAP_HOME, else the system default.\n' +
      'Exit status: 0 done, 1 failed, 2 wrong usage, 3 done but not everything.\n',
  );
  return asked ? ExitStatus.done : ExitStatus.usage;
}

interface Parsed {
  readonly action: Action;
  readonly options: CommonOptions;
}

/** Parses one command's words. A number: help was shown, or the usage was wrong and said so. */
async function parse(name: string, words: readonly string[]): Promise<Parsed | ExitStatus> {
  const entry = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (entry === undefined) {
    throw new UserError(`command ${name}`, 'there is none of that name', '`reelmap --help` lists them', {
      kind: 'usage',
    });
  }
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
    throw new UserError(name, error.message.replace(/^error: /, ''), `see \`reelmap ${name} --help\``, {
      kind: 'usage',
    });
  }
  if (action === undefined) return ExitStatus.usage;
  return { action, options: command.opts<CommonOptions>() };
}

function contextOf(options: CommonOptions, output: Output, services: () => Promise<Services>): CommandContext {
  let progress: Progress | undefined;
  let signal: AbortSignal | undefined;
  return {
    home: homeOf(options.home, { env: process.env, uid: process.getuid?.() ?? -1, userHome: process.env.HOME || '/' }),
    output,
    services,
    clock: systemClock,
    progress: () => {
      progress ??= createProgress({ output, clock: systemClock, columns: terminalColumns });
      return progress;
    },
    signal: () => {
      signal ??= stopSignal((text) => output.note(text));
      return signal;
    },
  };
}

/** Columns of the terminal on standard error; 0: it is none. */
function terminalColumns(): number {
  return process.stderr.isTTY === true ? process.stderr.columns || 80 : 0;
}
