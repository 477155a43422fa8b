/** Lists of numbers and bytes that grow by doubling, without an object per item. */

export class Float64List {
  #data = new Float64Array(16);
  length = 0;

  push(value: number): void {
    if (this.length === this.#data.length) {
      const wider = new Float64Array(this.length * 2);
      wider.set(this.#data);
      this.#data = wider;
    }
    this.#data[this.length++] = value;
  }
  get(at: number): number {
    return this.#data[at];
  }
  set(at: number, value: number): void {
    this.#data[at] = value;
  }
}

export class Uint32List {
  #data = new Uint32Array(16);
  length = 0;

  push(value: number): void {
    if (this.length === this.#data.length) {
      const wider = new Uint32Array(this.length * 2);
      wider.set(this.#data);
      this.#data = wider;
    }
    this.#data[this.length++] = value;
  }
  get(at: number): number {
    return this.#data[at];
  }
  /** Undefined when the list is empty. */
  get last(): number | undefined {
    return this.length === 0 ? undefined : this.#data[this.length - 1];
  }
}

/** Bytes end to end. */
export class Arena {
  #data = new Uint8Array(1024);
  length = 0;

  append(data: Uint8Array): void {
    if (this.length + data.length > this.#data.length) {
      const wider = new Uint8Array(Math.max(this.#data.length * 2, this.length + data.length));
      wider.set(this.#data.subarray(0, this.length));
      this.#data = wider;
    }
    this.#data.set(data, this.length);
    this.length += data.length;
  }
  /** A view, good until the next `append`. */
  view(from: number, to: number): Uint8Array {
    return this.#data.subarray(from, to);
  }
}
