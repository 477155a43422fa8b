/**
 * Structures of fixed offsets, declared once as the table of their standard and then read, written and shown through it.
 *
 * A field reads and writes a `DataView` at a base offset, so one view per block serves every structure in it, and a short
 * buffer throws (`RangeError`) instead of reading zero.
 */
import { joinU64 } from './units.ts';

/** One field of a structure: reads and writes it in `view`, the structure starting at byte `at`. */
export interface Field<T> {
  readonly offset: number;
  /** Bytes from `offset` that hold the field. */
  readonly length: number;
  get(view: DataView, at: number): T;
  set(view: DataView, at: number, value: T): void;
}

type FieldValues<F> = { [K in keyof F]: F[K] extends Field<infer T> ? T : never };
/** The values of a layout's fields. */
export type ValuesOf<L> = L extends Layout<infer F> ? FieldValues<F> : never;

export interface LayoutMethods<F> {
  /** Bytes of the whole structure. */
  readonly byteLength: number;
  /** The structure in a new buffer; fields not given are zero. @throws RangeError when a value does not fit its field */
  encode(values: Partial<FieldValues<F>>): Uint8Array;
  /** Writes the given fields into existing bytes. */
  write(view: DataView, at: number, values: Partial<FieldValues<F>>): void;
  /** All fields at once; for cold paths. @throws RangeError when the structure ends past the view */
  decodeAll(view: DataView, at?: number): FieldValues<F>;
}
export type Layout<F> = F & LayoutMethods<F>;

/** Declares a structure of `byteLength` bytes. */
// biome-ignore lint/suspicious/noExplicitAny: a Field is invariant in its type; only `any` admits all of them here
export function layout<F extends Record<string, Field<never> | Field<any>>>(byteLength: number, fields: F): Layout<F> {
  const names = Object.keys(fields);
  for (const name of names) {
    const field = fields[name] as Field<unknown>;
    if (field.offset + field.length > byteLength) throw new RangeError(`field ${name} ends past byte ${byteLength}`);
  }
  const write = (view: DataView, at: number, values: Partial<FieldValues<F>>): void => {
    for (const name of names) {
      const value = values[name as keyof F];
      if (value !== undefined) (fields[name] as Field<unknown>).set(view, at, value);
    }
  };
  const methods: LayoutMethods<F> = {
    byteLength,
    write,
    encode(values) {
      const out = new Uint8Array(byteLength);
      write(viewOf(out), 0, values);
      return out;
    },
    decodeAll(view, at = 0) {
      if (at + byteLength > view.byteLength)
        throw new RangeError(`structure of ${byteLength} bytes ends past the buffer`);
      const out: Record<string, unknown> = {};
      for (const name of names) out[name] = (fields[name] as Field<unknown>).get(view, at);
      return out as FieldValues<F>;
    },
  };
  return Object.assign({}, fields, methods);
}

/** A DataView over the same bytes. */
export const viewOf = (data: Uint8Array): DataView => new DataView(data.buffer, data.byteOffset, data.byteLength);
/** The bytes of a DataView, not copied. */
export const bytesOf = (view: DataView, at = 0, length = view.byteLength - at): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset + at, length);

function fits(value: number, max: number): void {
  if (!Number.isInteger(value) || value < 0 || value > max) throw new RangeError(`${value} does not fit 0..${max}`);
}

const U32 = 0x1_0000_0000;

export const u8 = (offset: number): Field<number> => ({
  offset,
  length: 1,
  get: (view, at) => view.getUint8(at + offset),
  set: (view, at, value) => {
    fits(value, 0xff);
    view.setUint8(at + offset, value);
  },
});

const u16 = (offset: number, little: boolean): Field<number> => ({
  offset,
  length: 2,
  get: (view, at) => view.getUint16(at + offset, little),
  set: (view, at, value) => {
    fits(value, 0xffff);
    view.setUint16(at + offset, value, little);
  },
});
const u32 = (offset: number, little: boolean): Field<number> => ({
  offset,
  length: 4,
  get: (view, at) => view.getUint32(at + offset, little),
  set: (view, at, value) => {
    fits(value, 0xffff_ffff);
    view.setUint32(at + offset, value, little);
  },
});
const u64 = (offset: number, little: boolean): Field<number> => ({
  offset,
  length: 8,
  get: (view, at) => {
    const first = view.getUint32(at + offset, little);
    const second = view.getUint32(at + offset + 4, little);
    return little ? joinU64(second, first) : joinU64(first, second);
  },
  set: (view, at, value) => {
    fits(value, Number.MAX_SAFE_INTEGER);
    const low = value % U32;
    const high = (value - low) / U32;
    view.setUint32(at + offset, little ? low : high, little);
    view.setUint32(at + offset + 4, little ? high : low, little);
  },
});

export const u16be = (offset: number): Field<number> => u16(offset, false);
export const u16le = (offset: number): Field<number> => u16(offset, true);
export const u32be = (offset: number): Field<number> => u32(offset, false);
export const u32le = (offset: number): Field<number> => u32(offset, true);
/** 64 bits as a number. @throws RangeError above 2^53 */
export const u64be = (offset: number): Field<number> => u64(offset, false);
/** 64 bits as a number. @throws RangeError above 2^53 */
export const u64le = (offset: number): Field<number> => u64(offset, true);
/** 64 bits as a bigint, for identifiers and checksums. */
export const big64be = (offset: number): Field<bigint> => ({
  offset,
  length: 8,
  get: (view, at) => view.getBigUint64(at + offset),
  set: (view, at, value) => view.setBigUint64(at + offset, value),
});

export const u24be = (offset: number): Field<number> => ({
  offset,
  length: 3,
  get: (view, at) => view.getUint16(at + offset) * 256 + view.getUint8(at + offset + 2),
  set: (view, at, value) => {
    fits(value, 0xff_ffff);
    view.setUint16(at + offset, value >>> 8);
    view.setUint8(at + offset + 2, value & 0xff);
  },
});
/** 24 bits, two's complement. */
export const i24be = (offset: number): Field<number> => {
  const raw = u24be(offset);
  return {
    ...raw,
    get: (view, at) => {
      const value = raw.get(view, at);
      return value >= 0x80_0000 ? value - 0x100_0000 : value;
    },
    set: (view, at, value) => raw.set(view, at, value < 0 ? value + 0x100_0000 : value),
  };
};
/** 32 bits, two's complement. */
const i32 = (offset: number, little: boolean): Field<number> => ({
  offset,
  length: 4,
  get: (view, at) => view.getInt32(at + offset, little),
  set: (view, at, value) => {
    if (!Number.isInteger(value) || value < -0x8000_0000 || value > 0x7fff_ffff)
      throw new RangeError(`${value} is not an int32`);
    view.setInt32(at + offset, value, little);
  },
});
export const i32be = (offset: number): Field<number> => i32(offset, false);
export const i32le = (offset: number): Field<number> => i32(offset, true);
/** 64 bits, two's complement, as a number. @throws RangeError beyond 2^53 either way */
export const i64be = (offset: number): Field<number> => ({
  offset,
  length: 8,
  get: (view, at) => {
    const value = view.getBigInt64(at + offset);
    const small = Number(value);
    if (!Number.isSafeInteger(small)) throw new RangeError(`64-bit value ${value} is beyond 2^53`);
    return small;
  },
  set: (view, at, value) => view.setBigInt64(at + offset, BigInt(value)),
});

/** Bits `high` to `low` of byte `offset`, as a number. */
export const bits = (offset: number, high: number, low: number): Field<number> => {
  const max = (1 << (high - low + 1)) - 1;
  return {
    offset,
    length: 1,
    get: (view, at) => (view.getUint8(at + offset) >>> low) & max,
    set: (view, at, value) => {
      fits(value, max);
      const others = view.getUint8(at + offset) & ~(max << low);
      view.setUint8(at + offset, others | (value << low));
    },
  };
};
/** One bit of byte `offset`. */
export const bit = (offset: number, number: number): Field<boolean> => ({
  offset,
  length: 1,
  get: (view, at) => ((view.getUint8(at + offset) >>> number) & 1) === 1,
  set: (view, at, value) => {
    const others = view.getUint8(at + offset) & ~(1 << number);
    view.setUint8(at + offset, others | (value ? 1 << number : 0));
  },
});

/** A run of bytes. Reads as a view, not a copy; writing a shorter one pads with zeros. */
export const byteField = (offset: number, length: number): Field<Uint8Array> => ({
  offset,
  length,
  get: (view, at) => {
    if (at + offset + length > view.byteLength)
      throw new RangeError(`${length} bytes at ${at + offset} end past the buffer`);
    return bytesOf(view, at + offset, length);
  },
  set: (view, at, value) => {
    if (value.byteLength > length) throw new RangeError(`${value.byteLength} bytes do not fit ${length}`);
    const target = bytesOf(view, at + offset, length);
    target.fill(0);
    target.set(value);
  },
});

/** ASCII text, left-aligned, padded with spaces as SCSI does (or with zeros); reads without the padding. */
export const asciiField = (offset: number, length: number, padding: ' ' | '\0' = ' '): Field<string> => ({
  offset,
  length,
  get: (view, at) => {
    let text = '';
    for (let i = 0; i < length; i++) text += String.fromCharCode(view.getUint8(at + offset + i));
    let end = text.length;
    while (end > 0 && (text[end - 1] === ' ' || text[end - 1] === '\0')) end--;
    return text.slice(0, end);
  },
  set: (view, at, value) => {
    if (value.length > length) throw new RangeError(`"${value}" does not fit ${length} characters`);
    const fill = padding.charCodeAt(0);
    for (let i = 0; i < length; i++) {
      const code = i < value.length ? value.charCodeAt(i) : fill;
      if (code > 0x7e) throw new RangeError(`"${value}" is not ASCII`);
      view.setUint8(at + offset + i, code);
    }
  },
});
