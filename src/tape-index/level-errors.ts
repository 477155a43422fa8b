/** LevelDB's failures that are not the store's: a full disk, no permission. LevelDB hands on strerror(3)'s words and no number. */

const CODES: readonly (readonly [words: string, code: string])[] = [
  ['No space left on device', 'ENOSPC'],
  ['Disk quota exceeded', 'EDQUOT'],
  ['File too large', 'EFBIG'],
  ['Permission denied', 'EACCES'],
  ['Operation not permitted', 'EPERM'],
  ['Read-only file system', 'EROFS'],
  ['Too many open files', 'EMFILE'],
  ['Cannot allocate memory', 'ENOMEM'],
];

/** The error as Node's own calls would have thrown it; undefined: it is the store's. */
export function systemErrorOf(error: unknown): NodeJS.ErrnoException | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    const { message } = at;
    const found = CODES.find(([words]) => message.includes(words));
    if (found !== undefined)
      return Object.assign(new Error(message, { cause: error }), { code: found[1], syscall: 'leveldb' });
  }
  return undefined;
}
