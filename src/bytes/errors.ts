/** Errors about bytes that someone else wrote: a disk, a tape, a socket, an index, a file name. */

/**
 * What is wrong with foreign bytes.
 * - `corrupt`: they contradict themselves, a checksum or their standard
 * - `unsupported`: they may be right, but this program does not read them
 * - `io`: they could not be had at all
 */
export type FormatErrorKind = 'corrupt' | 'unsupported' | 'io';

/** Foreign bytes that cannot be used: what kind of trouble, where, and what exactly. */
export class FormatError extends Error {
  readonly kind: FormatErrorKind;
  /** The thing as a person would name it: `ext4 inode 12`, `cartridge RM0001L9 object 40`. */
  readonly where: string;
  readonly what: string;

  constructor(kind: FormatErrorKind, where: string, what: string, options?: { cause?: unknown }) {
    super(`${where}: ${what}`, options);
    this.name = 'FormatError';
    this.kind = kind;
    this.where = where;
    this.what = what;
  }
}

/** Throws a `corrupt` FormatError unless `condition` holds. */
export function check(condition: boolean, where: string, what: string): asserts condition {
  if (!condition) throw new FormatError('corrupt', where, what);
}

/** Our own mistake, not the input's: ends the process unless a test catches it. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** A broken invariant of this program. */
export class AssertionError extends Error {
  constructor(message: string) {
    super(`internal error: ${message}`);
    this.name = 'AssertionError';
  }
}

/** For the default branch of a switch over a union: the compiler proves that it is never reached. */
export function unreachable(value: never): never {
  throw new AssertionError(`unexpected ${JSON.stringify(value)}`);
}

/**
 * Something that the user asked for and that cannot be: what, why, and what to do about it. The message is the one line
 * that they get. `usage`: the command line itself is wrong.
 */
export class UserError extends Error {
  readonly kind: 'usage' | 'failed';
  /** As the user would name it, safe to print: `set 3f2a`, `/tmp/out/report.txt`. */
  readonly thing: string;
  readonly what: string;
  readonly remedy: string;

  constructor(
    thing: string,
    what: string,
    remedy: string,
    options?: { readonly kind?: 'usage' | 'failed'; readonly cause?: unknown },
  ) {
    super(`${thing}: ${what}${remedy === '' ? '' : `; ${remedy}`}`, { cause: options?.cause });
    this.name = 'UserError';
    this.kind = options?.kind ?? 'failed';
    this.thing = thing;
    this.what = what;
    this.remedy = remedy;
  }
}
