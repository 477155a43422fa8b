/** ^C and SIGTERM stop at a safe point; a second one ends at once. SIGHUP does not kill: a run outlives its terminal. */

/** What the user is told to do after a stop. */
const AGAIN = 'run the same command again';

/** Stopped by a signal: what was done so far stays. */
export class Interrupted extends Error {
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals, remedy = AGAIN) {
    super(`stopped by ${signal}; ${remedy}`);
    this.name = 'Interrupted';
    this.signal = signal;
  }
}

const NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const;

/** A stop that takes longer than this is told of; most are over by then. */
const TELL_AFTER_MS = 700;

/**
 * The signal that aborts (with an `Interrupted`) at the first ^C or SIGTERM. `said` is called when the safe point is not
 * reached at once, so that the user knows it was heard. Call once, in commands that do long work.
 */
export function stopSignal(said: (text: string) => void, remedy?: string): AbortSignal {
  const controller = new AbortController();
  const stop = (name: keyof typeof NUMBERS): void => {
    if (controller.signal.aborted) process.exit(128 + NUMBERS[name]);
    setTimeout(() => said(`${name}: stopping at a safe point; once more to end at once`), TELL_AFTER_MS).unref();
    controller.abort(new Interrupted(name, remedy));
  };
  process.on('SIGINT', () => stop('SIGINT'));
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGHUP', () => {});
  return controller.signal;
}
