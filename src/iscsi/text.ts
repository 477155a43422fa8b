/** Text that login and text requests carry: `key=value` pairs, each ended by a zero byte. RFC 7143, 6.1, 6.2. */
import { FormatError } from '../bytes/errors.ts';

/** RFC 7143, 6.1: at most 63 characters. */
const KEY_BYTES_MAX = 63;
/** Values of large binary items are the longest; CHAP's at most 1024 bytes, in hexadecimal. RFC 7143, 6.1, 12.1.3. */
const VALUE_BYTES_MAX = 8192;
const KEY = /^[A-Z][A-Za-z0-9.+@_-]*$/;

/** Values that stand for an answer and not for a value. RFC 7143, 6.2. */
export const Answer = {
  reject: 'Reject',
  irrelevant: 'Irrelevant',
  notUnderstood: 'NotUnderstood',
  none: 'None',
} as const;

export type Pairs = ReadonlyMap<string, string>;

export function encodePairs(pairs: Iterable<readonly [string, string]>): Uint8Array {
  let text = '';
  for (const [key, value] of pairs) text += `${key}=${value}\0`;
  return new TextEncoder().encode(text);
}

/** @throws FormatError when it is no list of pairs, or a key comes twice */
export function decodePairs(data: Uint8Array): Pairs {
  const where = 'iSCSI text';
  const out = new Map<string, string>();
  const text = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('utf8');
  for (const pair of text.split('\0')) {
    if (pair === '') continue; // zeros at the end: some initiators pad within the data segment
    const equals = pair.indexOf('=');
    const key = equals < 0 ? '' : pair.slice(0, equals);
    if (key.length > KEY_BYTES_MAX || !KEY.test(key)) throw new FormatError('corrupt', where, 'a key is malformed');
    const value = pair.slice(equals + 1);
    if (value.length > VALUE_BYTES_MAX) throw new FormatError('corrupt', where, `the value of ${key} is too long`);
    if (out.has(key)) throw new FormatError('corrupt', where, `${key} comes twice`);
    out.set(key, value);
  }
  return out;
}

/** A numeric value, decimal or hexadecimal, up to 2^53. RFC 7143, 6.1. Undefined: it is none. */
export function numberOf(value: string): number | undefined {
  if (!/^(0|[1-9][0-9]{0,15}|0[xX][0-9a-fA-F]{1,13})$/.test(value)) return undefined;
  const n = Number(value);
  return Number.isSafeInteger(n) ? n : undefined;
}

/** A large binary value: hexadecimal behind `0x`, base64 behind `0b`. Undefined: it is none, or longer than `bytesMax`. */
export function binaryOf(value: string, bytesMax: number): Uint8Array | undefined {
  const digits = value.slice(2);
  if (/^0[xX][0-9a-fA-F]+$/.test(value)) {
    const even = digits.length % 2 === 0 ? digits : `0${digits}`;
    return even.length / 2 > bytesMax ? undefined : new Uint8Array(Buffer.from(even, 'hex'));
  }
  if (/^0[bB][A-Za-z0-9+/]+={0,2}$/.test(value)) {
    const bytes = new Uint8Array(Buffer.from(digits, 'base64'));
    return bytes.length > bytesMax ? undefined : bytes;
  }
  return undefined;
}

export const binaryText = (data: Uint8Array): string => `0x${Buffer.from(data).toString('hex')}`;
