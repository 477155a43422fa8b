/** ^C and SIGTERM stop at a safe point; a second one ends at once. SIGHUP does not kill: a run outlives its terminal. */

/** Stopped by a signal: what was done so far stays, and the run can be resumed. */
export class Interrupted extends Error {
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super(`stopped by ${signal}; run the same command again to go on`);
    this.name = 'Interrupted';
    this.signal = signal;
  }
}

const NUMBERS = { SIGINT: 2, SIGTERM: 15 } as const;

/**
 * The signal that aborts (with an `Interrupted`) at the first ^C or SIGTERM. `said` is called then, so that the user knows
 * it was heard. Call once, in commands that do long work.
 */
export function stopSignal(said: (text: string) => void): AbortSignal {
  const controller = new AbortController();
  const stop = (name: keyof typeof NUMBERS): void => {
    if (controller.signal.aborted) process.exit(128 + NUMBERS[name]);
    said(`${name}: stopping at a safe point; once more to end at once`);
    controller.abort(new Interrupted(name));
  };
  process.on('SIGINT', () => stop('SIGINT'));
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGHUP', () => {});
  return controller.signal;
}
