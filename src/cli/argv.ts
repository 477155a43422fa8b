/**
 * Command-line arguments as bytes. Paths are bytes and need not be UTF-8, but Node decodes its arguments and puts U+FFFD
 * for what is not; the kernel still has them in /proc/self/cmdline.
 *
 * Inside the program an argument is a string in which each byte that is not UTF-8 stands as a lone surrogate U+DC80 to
 * U+DCFF (as Python's `surrogateescape` has it), so that a parser of strings can be used and no byte is lost.
 */
import { readFileSync } from 'node:fs';
import { UserError } from '../bytes/errors.ts';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of bytes if they are UTF-8, else undefined. */
export function utf8(data: Uint8Array): string | undefined {
  try {
    return decoder.decode(data);
  } catch {
    return undefined;
  }
}

/** Length of the UTF-8 sequence at `at`, or 0 when there is none. Unicode 15, table 3-7. */
export function sequenceLength(data: Uint8Array, at: number): number {
  const first = data[at];
  if (first < 0x80) return 1;
  const length = first >= 0xf0 && first <= 0xf4 ? 4 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length === 0 || first > 0xf4 || at + length > data.length) return 0;
  return utf8(data.subarray(at, at + length)) === undefined ? 0 : length;
}

/** Bytes as a string that `encodeArgument` turns back into the same bytes. */
export function decodeArgument(data: Uint8Array): string {
  const whole = utf8(data);
  if (whole !== undefined) return whole;
  let out = '';
  for (let at = 0; at < data.length; ) {
    const length = sequenceLength(data, at);
    if (length === 0) out += String.fromCharCode(0xdc00 + data[at++]);
    else {
      out += utf8(data.subarray(at, at + length)) ?? '';
      at += length;
    }
  }
  return out;
}

/** The bytes of an argument. */
export function encodeArgument(text: string): Uint8Array {
  if (!/[\udc80-\udcff]/.test(text)) return Buffer.from(text, 'utf8');
  const parts: Buffer[] = [];
  for (const point of text) {
    const code = point.charCodeAt(0);
    parts.push(
      point.length === 1 && code >= 0xdc80 && code <= 0xdcff
        ? Buffer.from([code - 0xdc00])
        : Buffer.from(point, 'utf8'),
    );
  }
  return Buffer.concat(parts);
}

/** The arguments in /proc/self/cmdline: separated, not only ended, by NUL. */
function splitCommandLine(raw: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let start = 0; start < raw.length; ) {
    const end = raw.indexOf(0, start);
    const stop = end < 0 ? raw.length : end;
    out.push(raw.subarray(start, stop));
    start = stop + 1;
  }
  return out;
}

/**
 * Our own arguments (Node's `process.argv` without its first two), lossless.
 * @throws UserError when an argument is not UTF-8 and the kernel's copy of it cannot be had
 */
export function losslessArguments(
  own: readonly string[],
  readCommandLine: () => Uint8Array = () => readFileSync('/proc/self/cmdline'),
): string[] {
  if (!own.some((argument) => argument.includes('\ufffd'))) return [...own];
  try {
    // Node's options and the script stand before ours; what Node decoded proves that the right ones were found.
    const raw = splitCommandLine(readCommandLine()).slice(-own.length);
    const same = raw.length === own.length && raw.every((data, i) => Buffer.from(data).toString('utf8') === own[i]);
    if (same) return raw.map(decodeArgument);
  } catch {
    // falls through: no /proc here
  }
  throw new UserError(
    'command line',
    'an argument is not UTF-8 and /proc/self/cmdline does not tell its bytes',
    'write it as "$\'...\'" with \\xHH for each such byte, or use --files-from -',
    { kind: 'usage' },
  );
}
