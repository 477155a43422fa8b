/** Paths in a set: bytes, names between slashes. */
import { UserError } from '../bytes/errors.ts';

const SLASH = 0x2f;
const DOT = 0x2e;

/**
 * The names of a path. Empty ones and `.` count for nothing.
 * @throws UserError for an empty path, and for `..`: paths are resolved by name, and what is above a link's target is not known
 */
export function splitPath(path: Uint8Array, print: (path: Uint8Array) => string): Uint8Array[] {
  if (path.length === 0) throw new UserError("''", 'is no path', 'write / for everything', { kind: 'usage' });
  const out: Uint8Array[] = [];
  for (let start = 0; start <= path.length; ) {
    const slash = path.indexOf(SLASH, start);
    const end = slash < 0 ? path.length : slash;
    const name = path.subarray(start, end);
    start = end + 1;
    if (name.length === 0 || (name.length === 1 && name[0] === DOT)) continue;
    if (name.length === 2 && name[0] === DOT && name[1] === DOT)
      throw new UserError(print(path), '`..` has no meaning in a set', 'write the path without it', { kind: 'usage' });
    out.push(name);
  }
  return out;
}
