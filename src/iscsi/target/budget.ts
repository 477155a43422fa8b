/** A bound on bytes in use: who asks for more than is left waits, in order of asking. */
import type { Bytes } from '../../bytes/units.ts';

export class Budget {
  readonly #total: Bytes;
  #left: Bytes;
  readonly #waiting: { readonly byteLength: Bytes; readonly granted: () => void }[] = [];

  constructor(total: Bytes) {
    this.#total = total;
    this.#left = total;
  }

  /** Bytes in use. */
  get used(): Bytes {
    return this.#total - this.#left;
  }

  /** Calls `granted` when `byteLength` (at most the total) can be had, at once if it can be now. */
  take(byteLength: Bytes, granted: () => void): void {
    if (this.#waiting.length === 0 && byteLength <= this.#left) {
      this.#left -= byteLength;
      granted();
    } else this.#waiting.push({ byteLength, granted });
  }

  give(byteLength: Bytes): void {
    this.#left += byteLength;
    for (
      let first = this.#waiting[0];
      first !== undefined && first.byteLength <= this.#left;
      first = this.#waiting[0]
    ) {
      this.#waiting.shift();
      this.#left -= first.byteLength;
      first.granted();
    }
  }
}
