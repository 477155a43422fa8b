/**
 * Names and paths in print. They are bytes from a foreign volume: a terminal must survive them, a person must be able to
 * read them, and what is printed can be pasted back, into bash, zsh or ksh, or to `reelmap` itself with the quotes in it.
 *
 * Three forms, the shell's own: bare; '...' when only the shell would mind a character; $'...' with \n, \t, \\, \' and
 * \xHH for control characters, invisible ones that reorder a line, backslashes, and bytes that are not UTF-8.
 */
import { sequenceLength, utf8 } from './argv.ts';

const encoder = new TextEncoder();

// C0, DEL, C1; zero-width, line and paragraph separators, bidirectional controls, interlinear marks, BOM, tags, unassigned.
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cn}\p{Cs}]/u;
const BARE = /^[\p{L}\p{M}\p{N}\p{S}\p{P}]+$/u;
const SHELL = /["$`*?[\](){}<>|&;#!~^=%]/;
const BARE_ASCII = /^[A-Za-z0-9_./:,+@-][A-Za-z0-9_./:,+@%^=~-]*$/;
const NAMED: Readonly<Record<number, string>> = { 7: 'a', 8: 'b', 9: 't', 10: 'n', 11: 'v', 12: 'f', 13: 'r' };

/** The bytes as one word for a shell, without control characters or bad UTF-8 in it. */
export function quote(data: Uint8Array): string {
  const text = utf8(data);
  if (text === undefined || UNSAFE.test(text) || /[\\']/.test(text)) return ansiQuote(data);
  if (BARE_ASCII.test(text) || (BARE.test(text) && !SHELL.test(text) && !/^[-~]/.test(text))) return text;
  return `'${text}'`;
}

/** Bash's $'...'. A \xHH is never followed by a literal hexadecimal digit that some shell would take as part of it. */
function ansiQuote(data: Uint8Array): string {
  let out = '';
  let afterHex = false;
  for (let at = 0; at < data.length; ) {
    const length = sequenceLength(data, at);
    const text = length === 0 ? undefined : utf8(data.subarray(at, at + length));
    if (text === undefined || UNSAFE.test(text) || (afterHex && /^[0-9A-Fa-f]$/.test(text))) {
      const count = Math.max(1, length);
      for (let i = 0; i < count; i++) out += escapeByte(data[at + i]);
      afterHex = !(count === 1 && data[at] in NAMED);
      at += count;
      continue;
    }
    out += text === '\\' || text === "'" ? `\\${text}` : text;
    afterHex = false;
    at += length;
  }
  return `$'${out}'`;
}

const escapeByte = (value: number): string =>
  value in NAMED ? `\\${NAMED[value]}` : `\\x${value.toString(16).padStart(2, '0')}`;

/** Text that is ours but has foreign words in it (an error, a label), for one line of a terminal. */
export function safeText(text: string): string {
  if (!UNSAFE.test(text)) return text;
  let out = '';
  for (const point of text) {
    if (UNSAFE.test(point)) for (const value of encoder.encode(point)) out += escapeByte(value);
    else out += point;
  }
  return out;
}

/**
 * A path argument as a person may have pasted it: bare bytes, or one of the two quoted forms with its quotes (a shell that
 * does not know $'...' leaves them). Paths in a volume start with `/`, so a quote at the start is never a name's own.
 */
export function unquote(data: Uint8Array): Uint8Array {
  const text = Buffer.from(data).toString('latin1');
  if (text.length >= 3 && text.startsWith("$'") && text.endsWith("'")) return ansiUnquote(text.slice(2, -1)) ?? data;
  if (text.length >= 2 && text.startsWith("'") && text.endsWith("'") && !text.slice(1, -1).includes("'"))
    return data.subarray(1, -1);
  return data;
}

const ESCAPE = /^(?:x([0-9A-Fa-f]{1,2})|([0-7]{1,3})|([abtnvfreE\\'"?]))/;
const LETTERS: Readonly<Record<string, number>> = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, e: 27, E: 27 };

/** Undoes $'...' (its inside, one character a byte); undefined when it is not well formed. */
function ansiUnquote(inside: string): Uint8Array | undefined {
  const out: number[] = [];
  for (let at = 0; at < inside.length; ) {
    const character = inside[at];
    if (character === "'") return undefined;
    if (character !== '\\') {
      out.push(inside.charCodeAt(at++));
      continue;
    }
    const match = ESCAPE.exec(inside.slice(at + 1, at + 4));
    if (match === null) return undefined;
    const [whole, hex, octal, letter] = match;
    if (hex !== undefined) out.push(Number.parseInt(hex, 16));
    else if (octal !== undefined) out.push(Number.parseInt(octal, 8) & 0xff);
    else out.push(LETTERS[letter] ?? letter.charCodeAt(0));
    at += 1 + whole.length;
  }
  return Uint8Array.from(out);
}

/** A path for JSON: readable, and its exact bytes in base64 beside it. `field` is `path`, `name` or `target`. */
export function jsonBytes<Field extends string>(
  field: Field,
  data: Uint8Array,
): Readonly<Record<Field | `${Field}Bytes`, string>> {
  const buffer = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return { [field]: buffer.toString('utf8'), [`${field}Bytes`]: buffer.toString('base64') } as Readonly<
    Record<Field | `${Field}Bytes`, string>
  >;
}
