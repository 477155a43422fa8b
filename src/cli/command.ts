/** What a command is: its words, its parser and its action. Each is a file of commands/, loaded only when it is called. */
import type { Command } from 'commander';
import type { Clock } from '../bytes/random.ts';
import type { ExitStatus } from './exit.ts';
import type { Output } from './output.ts';
import type { Progress } from './progress.ts';
import type { Services } from './services.ts';

/** Options that every command takes. */
export interface CommonOptions {
  readonly home?: string;
  readonly json?: boolean;
}

/** What an action gets besides its arguments. */
export interface CommandContext {
  /** The state directory, absolute; not made yet. */
  readonly home: string;
  readonly output: Output;
  /** The rest of the program; loaded when it is asked for. */
  readonly services: () => Promise<Services>;
  readonly clock: Clock;
  /** Made on first use. */
  readonly progress: () => Progress;
  /** Aborts at ^C or SIGTERM; handlers are installed on first use. `remedy`: what to do then, of the first call. */
  readonly signal: (remedy?: string) => AbortSignal;
}

/** Runs with what the parser found; the answer is the exit status. */
export type Action = (context: CommandContext) => Promise<ExitStatus>;

/** A command's module. `define` adds arguments, options, description and an example to `command`, and calls `act` when it is parsed. */
export interface CommandModule {
  define(command: Command, act: (action: Action) => void): void;
}
