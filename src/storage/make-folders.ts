/**
 * A folder and those above it. Not `mkdirSync` with `recursive`: in Node 20 that never returns where a folder that exists
 * answers ENOENT for a new one in it, as /proc does.
 */
import { mkdirSync, statSync } from 'node:fs';

const SLASH = 0x2f;

/**
 * Makes the folder `path` (bytes when it need not be UTF-8) and, with the same mode, what is missing above it. Answers
 * whether it was made.
 * @throws the system's error; ENOTDIR when something is there that is no folder
 */
export function makeFolders(path: string | Buffer, mode = 0o777): boolean {
  const folder = typeof path === 'string' ? Buffer.from(path) : path;
  const made = make(folder, mode);
  if (made !== 'no parent') return made === 'made';
  makeFolders(parentOf(folder), mode);
  if (make(folder, mode) === 'no parent') mkdirSync(folder); // its ENOENT is the answer
  return true;
}

function make(path: Buffer, mode: number): 'made' | 'there' | 'no parent' {
  try {
    mkdirSync(path, { mode });
    return 'made';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && parentOf(path).length !== path.length) return 'no parent';
    // EEXIST is not all that a folder that is there may answer: EROFS and EACCES come first.
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory()) return 'there';
    if (code === 'EEXIST') throw Object.assign(error as Error, { code: 'ENOTDIR' });
    throw error;
  }
}

/** Without its last name: of `a`, `.`; of `/`, itself. */
function parentOf(path: Buffer): Buffer {
  let end = path.length;
  while (end > 1 && path[end - 1] === SLASH) end--;
  const slash = path.subarray(0, end).lastIndexOf(SLASH);
  if (slash < 0) return path.equals(DOT) ? path : DOT;
  return path.subarray(0, Math.max(1, slash));
}

const DOT = Buffer.from('.');
