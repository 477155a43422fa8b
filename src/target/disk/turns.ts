/**
 * Who may touch the blocks now. Ordinary reads and writes run beside each other; a command that reads and then writes as one
 * step (COMPARE AND WRITE, ORWRITE, WRITE ATOMIC) runs alone. SBC-4, 4.27, 5.2.
 *
 * Invariant: who wants to be alone is not overtaken by those who come later, and waits for no one else.
 */
export class Turns {
  #together = 0;
  #alone = false;
  readonly #waiting: { readonly alone: boolean; readonly start: () => void }[] = [];

  async together<T>(work: () => Promise<T>): Promise<T> {
    if (this.#alone || this.#waiting.length > 0) await this.#wait(false);
    else this.#together++;
    try {
      return await work();
    } finally {
      this.#together--;
      this.#next();
    }
  }

  async alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#alone || this.#together > 0 || this.#waiting.length > 0) await this.#wait(true);
    else this.#alone = true;
    try {
      return await work();
    } finally {
      this.#alone = false;
      this.#next();
    }
  }

  #wait(alone: boolean): Promise<void> {
    return new Promise((start) => this.#waiting.push({ alone, start }));
  }

  /** Whoever may start is counted before it runs. */
  #next(): void {
    for (let first = this.#waiting[0]; first !== undefined && !this.#alone; first = this.#waiting[0]) {
      if (first.alone && this.#together > 0) return;
      this.#waiting.shift();
      if (first.alone) this.#alone = true;
      else this.#together++;
      first.start();
    }
  }
}
