/** One thing at a time: what is handed over runs in order of arrival, and a failure does not stop what follows. */
export class InOrder {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` after everything handed over before; its outcome is the caller's. */
  run<T>(work: () => T | Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined); // the caller has the failure
    return result;
  }
}
