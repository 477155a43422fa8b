/**
 * The pax interchange format: ustar headers and extended header records. POSIX.1-2017, `pax`, "pax Interchange Format" and
 * "ustar Interchange Format". Sizes in base 256 (a GNU and star extension) are read, never written.
 *
 *     +---------------+----------------------+---------------+---------------------+-------------------+
 *     | header, `x`   | extended records,    | header, `0`   | data, padded to 512 | ... 1,024 or more |
 *     | 512 bytes     | padded to 512        | 512 bytes     |                     | zero bytes        |
 *     +---------------+----------------------+---------------+---------------------+-------------------+
 */
import { check, FormatError } from '../../bytes/errors.ts';
import { byteField, bytesOf, layout, u8, viewOf } from '../../bytes/layout.ts';
import { alignUp } from '../../bytes/units.ts';

/** Bytes of a tar block: headers are one, data is padded to whole ones. */
export const TAR_BLOCK = 512;
/** Zero bytes at least that end an archive. */
export const TAR_END = 1024;
/** Largest size that the eleven octal digits of a ustar header hold: one less than 8 GiB. */
export const USTAR_SIZE_MAX = 0o77777777777;
/** Most bytes of extended records before one member: bsdtar and Go refuse 1 MiB. */
export const PAX_RECORDS_MAX = 1024 * 1024 - TAR_BLOCK;

/** Header block. POSIX.1-2017, `pax`, table "ustar Header Block"; numbers are octal text. */
export const ustar = layout(TAR_BLOCK, {
  name: byteField(0, 100),
  mode: byteField(100, 8),
  uid: byteField(108, 8),
  gid: byteField(116, 8),
  size: byteField(124, 12),
  mtime: byteField(136, 12), // seconds since 1970
  chksum: byteField(148, 8),
  typeflag: u8(156),
  linkname: byteField(157, 100),
  magic: byteField(257, 6),
  version: byteField(263, 2),
  uname: byteField(265, 32),
  gname: byteField(297, 32),
  devmajor: byteField(329, 8),
  devminor: byteField(337, 8),
  prefix: byteField(345, 155),
});

/** One header block, decoded. */
export interface UstarHeader {
  /** `prefix/name`. */
  readonly path: string;
  /** Bytes of data that follow, without padding. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** One character: `0` file, `x` extended header, ... */
  readonly typeflag: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** ASCII or UTF-8 text as bytes. */
export const textBytes = (text: string): Uint8Array => encoder.encode(text);

/** UTF-8 bytes as text. @throws FormatError `corrupt` when they are no UTF-8 */
export function bytesText(data: Uint8Array, where: string): string {
  try {
    return decoder.decode(data);
  } catch (cause) {
    throw new FormatError('corrupt', where, 'not valid UTF-8', { cause });
  }
}

/** True when every byte is zero. */
export function isZero(data: Uint8Array): boolean {
  for (let i = 0; i < data.length; i++) if (data[i] !== 0) return false;
  return true;
}

/**
 * One header block, mode 0644, owner 0. A path over 100 bytes is split at a slash into prefix and name.
 * @throws RangeError when the path, size or time does not fit
 */
export function encodeUstar(header: UstarHeader): Uint8Array {
  const [prefix, name] = splitPath(textBytes(header.path));
  const block = ustar.encode({
    name,
    prefix,
    mode: octal(0o644, 8),
    uid: octal(0, 8),
    gid: octal(0, 8),
    size: octal(header.size, 12),
    mtime: octal(Math.max(0, Math.floor(header.mtime)), 12),
    typeflag: header.typeflag.charCodeAt(0),
    magic: textBytes('ustar\0'),
    version: textBytes('00'),
    devmajor: octal(0, 8),
    devminor: octal(0, 8),
  });
  // The checksum has six digits, a NUL and a space, as every tar writes it.
  ustar.chksum.set(viewOf(block), 0, textBytes(`${checksum(block).toString(8).padStart(6, '0')}\0 `));
  return block;
}

/**
 * The header block at byte `at`. @throws FormatError `corrupt`: no ustar magic, wrong checksum, bad number; RangeError past the buffer
 */
export function decodeUstar(view: DataView, at: number, where: string): UstarHeader {
  const block = bytesOf(view, at, TAR_BLOCK);
  const magic = latin1(ustar.magic.get(view, at)) + latin1(ustar.version.get(view, at));
  // POSIX writes "ustar", NUL, "00"; GNU's old format "ustar", two spaces, NUL.
  check(magic === 'ustar\x0000' || magic === 'ustar  \0', where, 'no tar header: the magic is not "ustar"');
  const stored = parseNumber(ustar.chksum.get(view, at), where, 'checksum');
  const sum = checksum(block);
  check(stored === sum, where, `tar header checksum is ${stored}, its bytes give ${sum}`);
  const prefix = magic[5] === '\0' ? text(ustar.prefix.get(view, at), where) : '';
  const name = text(ustar.name.get(view, at), where);
  const type = ustar.typeflag.get(view, at);
  return {
    path: prefix === '' ? name : `${prefix}/${name}`,
    size: parseNumber(ustar.size.get(view, at), where, 'size'),
    mtime: parseNumber(ustar.mtime.get(view, at), where, 'mtime'),
    typeflag: type === 0 ? '0' : String.fromCharCode(type),
  };
}

/** One extended header record: `LENGTH KEY=VALUE\n`, the length counting itself. */
export function paxRecord(key: string, value: string): Uint8Array {
  const body = textBytes(` ${key}=${value}\n`);
  let length = body.length + 1;
  while (String(length).length + body.length !== length) length = String(length).length + body.length;
  return textBytes(`${length} ${key}=${value}\n`);
}

/**
 * A record of exactly `length` bytes, the value filled up with spaces.
 * @throws RangeError when the value is too long for it
 */
export function paxRecordOfLength(key: string, value: string, length: number): Uint8Array {
  const head = textBytes(`${length} ${key}=${value}`);
  if (head.length + 1 > length)
    throw new RangeError(`${key} record of ${head.length + 1} bytes does not fit ${length}`);
  const out = new Uint8Array(length).fill(0x20);
  out.set(head);
  out[length - 1] = 0x0a;
  return out;
}

/** All records of an extended header, the last of a key winning. @throws FormatError `corrupt` */
export function parsePaxRecords(data: Uint8Array, where: string): Map<string, string> {
  const records = new Map<string, string>();
  let at = 0;
  while (at < data.length) {
    const length = recordLength(data, at, where);
    const end = at + length;
    check(end <= data.length, where, `extended record at byte ${at} of ${length} bytes ends past the header`);
    check(data[end - 1] === 0x0a, where, `extended record at byte ${at} does not end with a newline`);
    const start = at + String(length).length + 1;
    const equals = data.indexOf(0x3d, start);
    check(equals > start && equals < end - 1, where, `extended record at byte ${at} has no keyword`);
    records.set(bytesText(data.subarray(start, equals), where), bytesText(data.subarray(equals + 1, end - 1), where));
    at = end;
  }
  return records;
}

/** Decimal text of an extended record or a sparse map. @throws FormatError `corrupt` */
export function parseDecimal(value: string | undefined, where: string, name: string): number {
  check(value !== undefined && /^[0-9]{1,16}$/.test(value), where, `${name} is not a decimal number`);
  const number = Number(value);
  check(Number.isSafeInteger(number), where, `${name} is above 2^53`);
  return number;
}

/** Bytes of `size` bytes of data with their padding. */
export const paddedSize = (size: number): number => alignUp(size, TAR_BLOCK);

function recordLength(data: Uint8Array, at: number, where: string): number {
  let length = 0;
  let i = at;
  for (; i < data.length && i < at + 8 && data[i] >= 0x30 && data[i] <= 0x39; i++)
    length = length * 10 + data[i] - 0x30;
  check(i > at && data[at] !== 0x30 && data[i] === 0x20, where, `extended record at byte ${at} has no length`);
  check(length > i - at + 2, where, `extended record at byte ${at} is too short`);
  return length;
}

function splitPath(path: Uint8Array): [prefix: Uint8Array, name: Uint8Array] {
  if (path.length <= 100) return [new Uint8Array(0), path];
  for (let i = path.length - 101; i <= 155 && i < path.length; i++) {
    if (i > 0 && path[i] === 0x2f) return [path.subarray(0, i), path.subarray(i + 1)];
  }
  throw new RangeError(`a path of ${path.length} bytes does not fit a ustar header`);
}

/** Octal digits and a NUL. */
function octal(value: number, width: number): Uint8Array {
  const digits = value.toString(8).padStart(width - 1, '0');
  if (!Number.isSafeInteger(value) || value < 0 || digits.length >= width)
    throw new RangeError(`${value} does not fit ${width - 1} octal digits`);
  return textBytes(`${digits}\0`);
}

/** Sum of the block's bytes, its checksum field taken as eight spaces. */
function checksum(block: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < TAR_BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : block[i];
  return sum;
}

function parseNumber(field: Uint8Array, where: string, name: string): number {
  if (field[0] & 0x80) return parseBase256(field, where, name);
  const match = /^ *([0-7]+)[ \0]*$/.exec(latin1(field));
  check(match !== null, where, `${name} is not an octal number`);
  return Number.parseInt(match[1], 8);
}

/** Big-endian two's complement after the marking bit, which sits where a sign would. */
function parseBase256(field: Uint8Array, where: string, name: string): number {
  check(field[0] === 0x80, where, `${name} in base 256 is negative or above 2^53`);
  let value = 0;
  for (let i = 1; i < field.length; i++) value = value * 256 + field[i];
  check(value <= Number.MAX_SAFE_INTEGER, where, `${name} in base 256 is above 2^53`);
  return value;
}

/** Up to the first NUL. */
function text(field: Uint8Array, where: string): string {
  const end = field.indexOf(0);
  return bytesText(end < 0 ? field : field.subarray(0, end), where);
}

const latin1 = (data: Uint8Array): string => String.fromCharCode(...data);
