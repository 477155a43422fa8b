/**
 * The text format of LVM metadata: sections, numbers, strings and lists. lvm2 libdm/libdm-config.c; lvm.conf(5), "SYNTAX".
 *
 * Bounded: TEXT_BYTES_MAX, DEPTH_MAX, VALUES_MAX; every step takes at least one byte of the text.
 */
import { FormatError } from '../../bytes/errors.ts';
import { MiB } from '../../bytes/units.ts';

export type Value = string | number | readonly Value[] | Section;
/** A Map, since names come from the disk. */
export type Section = ReadonlyMap<string, Value>;

/** A volume group of 10,000 volumes has some 5 MB. */
export const TEXT_BYTES_MAX = 32 * MiB;
const DEPTH_MAX = 16;
const VALUES_MAX = 2_000_000;

/** @throws FormatError `corrupt` when the text is not in this format or over the bounds */
export function parseText(text: string, where: string): Section {
  return new Parser(text, where).parse();
}

export const isSection = (value: Value | undefined): value is Section => value instanceof Map;

const WORD = /[A-Za-z0-9_.+@/-]+/y;
const NUMBER = /^[+-]?\d+(?:\.\d*)?$/;

class Parser {
  readonly #text: string;
  readonly #where: string;
  #at = 0;
  #values = 0;

  constructor(text: string, where: string) {
    this.#text = text;
    this.#where = where;
    if (text.length > TEXT_BYTES_MAX) throw this.#wrong(`${text.length} bytes of text`);
  }

  parse(): Section {
    const out = this.#section(0);
    if (this.#at < this.#text.length) throw this.#wrong('a closing brace too many');
    return out;
  }

  /** Up to the closing brace, or the end. */
  #section(depth: number): Section {
    if (depth > DEPTH_MAX) throw this.#wrong(`sections deeper than ${DEPTH_MAX}`);
    const out = new Map<string, Value>();
    for (;;) {
      this.#skip();
      const next = this.#text[this.#at];
      if (next === undefined || next === '}' || next === '\0') {
        if (next === '\0') this.#at = this.#text.length;
        return out;
      }
      const name = this.#name();
      this.#skip();
      if (this.#take('{')) {
        out.set(name, this.#section(depth + 1));
        if (!this.#take('}')) throw this.#wrong(`section ${name} has no end`);
      } else if (this.#take('=')) out.set(name, this.#value());
      else throw this.#wrong(`neither "{" nor "=" behind ${name}`);
    }
  }

  #name(): string {
    return this.#quoted() ?? this.#match(WORD) ?? this.#fail('no name where one should be');
  }

  #value(): Value {
    this.#skip();
    if (!this.#take('[')) return this.#scalar();
    const out: Value[] = [];
    for (this.#skip(); !this.#take(']'); this.#skip()) {
      out.push(this.#scalar());
      this.#skip();
      if (this.#take(',')) continue;
      if (this.#text[this.#at] !== ']') throw this.#wrong('a list has no end');
    }
    return out;
  }

  #scalar(): string | number {
    if (++this.#values > VALUES_MAX) throw this.#wrong(`more than ${VALUES_MAX} values`);
    this.#skip();
    const quoted = this.#quoted();
    if (quoted !== undefined) return quoted;
    const word = this.#match(WORD) ?? this.#fail('no value where one should be');
    return NUMBER.test(word) ? Number(word) : word;
  }

  /** A string in double quotes, with escapes, or in single ones, without. Loops: a pattern would need a stack as long as the text. */
  #quoted(): string | undefined {
    const quote = this.#text[this.#at];
    if (quote !== '"' && quote !== "'") return undefined;
    let out = '';
    let from = this.#at + 1;
    for (let at = from; at < this.#text.length; at++) {
      const character = this.#text[at];
      if (character === quote) {
        this.#at = at + 1;
        return out + this.#text.slice(from, at);
      }
      if (character !== '\\' || quote === "'") continue;
      out += this.#text.slice(from, at);
      from = ++at;
    }
    throw this.#wrong('a string has no end');
  }

  /** White space, and comments to the end of their line. */
  #skip(): void {
    for (; this.#at < this.#text.length; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === 0x23) {
        const end = this.#text.indexOf('\n', this.#at);
        this.#at = end < 0 ? this.#text.length : end;
      } else if (code !== 0x20 && (code < 0x09 || code > 0x0d)) return;
    }
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #fail(what: string): never {
    throw this.#wrong(what);
  }

  #wrong(what: string): FormatError {
    return new FormatError('corrupt', `${this.#where}, character ${this.#at}`, what);
  }
}
