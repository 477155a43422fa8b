/**
 * The Protocol Buffers wire format, reading side, for columns of numbers. A command that restores one file reads a dozen
 * small messages in a process that has just begun: measured: 10 ms less than loading protobufjs and compiling the generated
 * decoder for them (bench/tape-index/look-up). The tests compare the two.
 *
 * Stricter than the wire format: a numeric column stands in one packed field. Fields that are not asked for are passed over.
 */

const NONE = new Uint8Array(0);
const NO_NUMBERS = new Float64Array(0);
const NO_WORDS = new Uint32Array(0);

export class WireError extends Error {}

/** One message, cut into its fields. @throws WireError when it is none */
export class WireMessage {
  /** Last value of varint fields, last bytes of others, by field number. */
  readonly #numbers: (number | undefined)[] = [];
  readonly #bytes: (Uint8Array | undefined)[] = [];
  /** All values of a field that occurs more than once. */
  readonly #lists = new Map<number, Uint8Array[]>();

  constructor(raw: Uint8Array) {
    const cursor = new Cursor(raw);
    while (cursor.at < raw.length) {
      const tag = cursor.varint();
      const field = Math.floor(tag / 8);
      if (field < 1 || field > FIELD_MAX) throw new WireError(`field ${field}`);
      const type = tag % 8;
      if (type === 0) this.#numbers[field] = cursor.varint();
      else if (type === 2) this.#add(field, cursor.take(cursor.varint()));
      else if (type === 1) cursor.take(8);
      else if (type === 5) cursor.take(4);
      else throw new WireError(`wire type ${type}`);
    }
  }

  /** A `uint32` or `uint64` field; `undefined` when absent. */
  number(field: number): number | undefined {
    return this.#numbers[field];
  }

  /** A `bytes` field, not copied; `undefined` when absent. */
  bytes(field: number): Uint8Array | undefined {
    return this.#bytes[field];
  }

  /** A `repeated bytes` field. */
  list(field: number): readonly Uint8Array[] {
    const one = this.#bytes[field];
    return this.#lists.get(field) ?? (one === undefined ? [] : [one]);
  }

  /** A `repeated uint32` or `uint64` field. Values above 2^53 come out as such, not exact. */
  varints(field: number): Float64Array {
    const packed = this.#packed(field);
    return packed.length === 0 ? NO_NUMBERS : unpack(packed, false);
  }

  /** A `repeated sint64` field. */
  zigzags(field: number): Float64Array {
    const packed = this.#packed(field);
    return packed.length === 0 ? NO_NUMBERS : unpack(packed, true);
  }

  /** A `repeated fixed32` field. */
  fixed32s(field: number): Uint32Array {
    const packed = this.#packed(field);
    if (packed.length === 0) return NO_WORDS;
    if (packed.length % 4 !== 0) throw new WireError(`${packed.length} bytes of 32-bit numbers`);
    const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
    const out = new Uint32Array(packed.length / 4);
    for (let i = 0; i < out.length; i++) out[i] = view.getUint32(i * 4, true);
    return out;
  }

  #packed(field: number): Uint8Array {
    if (this.#lists.has(field)) throw new WireError(`column ${field} in pieces`);
    return this.#bytes[field] ?? NONE;
  }

  #add(field: number, value: Uint8Array): void {
    const before = this.#bytes[field];
    this.#bytes[field] = value;
    if (before === undefined) return;
    const list = this.#lists.get(field);
    if (list === undefined) this.#lists.set(field, [before, value]);
    else list.push(value);
  }
}

/** Field numbers of ours are far below; a larger one is noise. */
const FIELD_MAX = 1 << 16;

class Cursor {
  readonly #raw: Uint8Array;
  at = 0;

  constructor(raw: Uint8Array) {
    this.#raw = raw;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let left = 10; left > 0; left--) {
      if (this.at >= this.#raw.length) throw new WireError('number cut');
      const byte = this.#raw[this.at++];
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw new WireError('number without end');
  }

  take(length: number): Uint8Array {
    if (length > this.#raw.length - this.at) throw new WireError('field cut');
    this.at += length;
    return this.#raw.subarray(this.at - length, this.at);
  }
}

/** The varints of a packed column; `zigzag`: signed ones. */
function unpack(packed: Uint8Array, zigzag: boolean): Float64Array {
  let count = 0;
  for (let i = 0; i < packed.length; i++) if (packed[i] < 0x80) count++;
  const out = new Float64Array(count);
  let at = 0;
  for (let i = 0; i < count; i++) {
    // The lowest bit of a zigzag number is its sign; without it up to 2^53 fit a number.
    let byte = packed[at++];
    const sign = zigzag ? byte & 1 : 0;
    let value = zigzag ? (byte & 0x7f) >>> 1 : byte & 0x7f;
    let scale = zigzag ? 64 : 128;
    while (byte >= 0x80) {
      byte = packed[at++];
      value += (byte & 0x7f) * scale;
      scale *= 128;
    }
    out[i] = sign === 1 ? -value - 1 : value;
  }
  if (at !== packed.length) throw new WireError('number cut');
  return out;
}
