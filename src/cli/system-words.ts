/** What the system's error codes mean for a person. errno(3). */

const WORDS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'not permitted',
  ENOTDIR: 'a file is where a directory should be',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space left on that file system',
  EDQUOT: 'disk quota exceeded',
  ENOENT: 'there is no such place',
  ELOOP: 'its symbolic links lead nowhere',
  ENAMETOOLONG: 'the name is too long',
  EIO: 'input/output error of the device',
};

/** One clause about a system error; its code where there are no words. */
export function systemWords(error: unknown): string {
  const { code = '' } = error as NodeJS.ErrnoException;
  return WORDS[code] ?? code;
}
