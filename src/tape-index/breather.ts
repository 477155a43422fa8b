/** Long work in short stretches: a copy of the volume runs on the same event loop. */

/** Milliseconds of work between two turns of the event loop. */
const STRETCH_MS = 4;

export class Breather {
  #since = performance.now();

  /** Whether it is time to `await breathe()`; ask every few hundred steps. */
  get due(): boolean {
    return performance.now() - this.#since > STRETCH_MS;
  }

  /** Lets everybody else run. */
  async breathe(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#since = performance.now();
  }
}
