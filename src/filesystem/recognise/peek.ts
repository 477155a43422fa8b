/** Small helpers of those who recognise formats: a look at bytes that may lie behind the volume's end, and texts. */
import type { Bytes } from '../../bytes/units.ts';
import type { ReadAt } from '../volume.ts';

/** A volume to look at. */
export interface Look {
  readonly readAt: ReadAt;
  readonly volumeBytes: Bytes;
  readonly signal: AbortSignal | undefined;
}

/** The bytes, or undefined when the volume ends before they do. @throws FormatError `io` */
export async function peek(
  { readAt, volumeBytes, signal }: Look,
  at: Bytes,
  length: Bytes,
): Promise<DataView | undefined> {
  if (!(at >= 0 && at + length <= volumeBytes)) return undefined;
  return readAt(at, length, signal);
}

export const latin1 = (data: Uint8Array): string => Buffer.from(data).toString('latin1');

/** Text up to the first NUL. */
export function textOf(data: Uint8Array, encoding: 'utf-8' | 'utf-16le' = 'utf-8'): string {
  const text = new TextDecoder(encoding).decode(data);
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}

/** 16 bytes as a UUID; empty when they are all zero. */
export function uuidOf(data: Uint8Array): string {
  const hex = Buffer.from(data).toString('hex');
  return /^0*$/.test(hex) ? '' : hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** A 32-bit serial number as DOS prints it. */
export function serialOf(serial: number): string {
  const hex = serial.toString(16).toUpperCase().padStart(8, '0');
  return `${hex.slice(0, 4)}-${hex.slice(4)}`;
}

export const isPowerOfTwo = (n: number): boolean => n > 0 && Number.isInteger(Math.log2(n));
