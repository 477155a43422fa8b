/** The fields of a JSON object that someone else may have written (manifest, label, comment), taken out one by one with their types checked. */
import { check, FormatError } from './errors.ts';

/** JSON text beyond this is refused before it is parsed. */
const JSON_BYTES_MAX = 256 * 1024 * 1024;

/** An object's fields. Unknown ones are passed over: later versions add some. */
export class Fields {
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #where: string;

  constructor(value: unknown, where: string) {
    check(typeof value === 'object' && value !== null && !Array.isArray(value), where, 'no JSON object');
    this.#values = value as Record<string, unknown>;
    this.#where = where;
  }

  /** @throws FormatError `corrupt` when it is no JSON object */
  static parse(text: string | Uint8Array, where: string): Fields {
    if (text.length > JSON_BYTES_MAX) throw new FormatError('unsupported', where, `${text.length} bytes of JSON`);
    try {
      const decoded = typeof text === 'string' ? text : new TextDecoder('utf-8', { fatal: true }).decode(text);
      return new Fields(JSON.parse(decoded), where);
    } catch (cause) {
      if (cause instanceof FormatError) throw cause;
      throw new FormatError('corrupt', where, 'not JSON', { cause });
    }
  }

  /** Whether there is such a field. For those that later versions added. */
  has(key: string): boolean {
    return Object.hasOwn(this.#values, key);
  }
  string(key: string): string {
    return this.#typed(key, 'a string', (value) => typeof value === 'string') as string;
  }
  boolean(key: string): boolean {
    return this.#typed(key, 'true or false', (value) => typeof value === 'boolean') as boolean;
  }
  /** 0 to 2^53 - 1. */
  integer(key: string): number {
    return this.#typed(
      key,
      'an integer from 0',
      (value) => Number.isSafeInteger(value) && (value as number) >= 0,
    ) as number;
  }
  /** `digits` lower-case hexadecimal digits. */
  hex(key: string, digits: number): string {
    const value = this.string(key);
    check(
      value.length === digits && /^[0-9a-f]*$/.test(value),
      this.#where,
      `"${key}" is not ${digits} hexadecimal digits`,
    );
    return value;
  }
  oneOf<T extends string>(key: string, values: readonly T[]): T {
    const value = this.string(key);
    const found = values.find((one) => one === value);
    check(found !== undefined, this.#where, `"${key}" is none of ${values.join(', ')}`);
    return found;
  }
  constant(key: string, value: string): void {
    check(this.#values[key] === value, this.#where, `"${key}" is not "${value}"`);
  }
  /** @throws FormatError `unsupported` for a version other than `known` */
  version(key: string, known: number): void {
    const version = this.integer(key);
    if (version !== known)
      throw new FormatError('unsupported', this.#where, `"${key}" is ${version}; this program reads version ${known}`);
  }
  strings(key: string): string[] {
    return this.#array(key).map((value, i) => {
      check(typeof value === 'string', this.#where, `"${key}", item ${i}, is not a string`);
      return value;
    });
  }
  object(key: string): Fields {
    return new Fields(this.#values[key], `${this.#where}, ${key}`);
  }
  objects<T>(key: string, read: (fields: Fields) => T): T[] {
    return this.#array(key).map((value, i) => read(new Fields(value, `${this.#where}, ${key}, item ${i}`)));
  }
  /** `read`, or null where the field is null. */
  nullable<T>(key: string, read: (key: string) => T): T | null {
    check(key in this.#values, this.#where, `"${key}" is missing`);
    return this.#values[key] === null ? null : read(key);
  }

  #array(key: string): readonly unknown[] {
    return this.#typed(key, 'a list', Array.isArray) as readonly unknown[];
  }
  #typed(key: string, what: string, test: (value: unknown) => boolean): unknown {
    const value = Object.hasOwn(this.#values, key) ? this.#values[key] : undefined;
    check(value !== undefined, this.#where, `"${key}" is missing`);
    check(test(value), this.#where, `"${key}" is not ${what}`);
    return value;
  }
}
