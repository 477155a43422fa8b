/**
 * Lets the event loop run now and then in loops that would else never leave it: synchronous calls and promises that are
 * already settled give signals and timers no turn.
 */

/** Longest time without a turn. */
const EVERY_MS = 50;

/** @throws what `signal` was aborted with, at the turn after it was */
export function createBreath(signal?: AbortSignal): () => Promise<void> | undefined {
  let last = performance.now();
  return () => {
    if (performance.now() - last < EVERY_MS) return undefined;
    return new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
      last = performance.now();
      signal?.throwIfAborted();
    });
  };
}
