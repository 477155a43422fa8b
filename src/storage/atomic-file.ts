/** Small files replaced whole: write, fsync, rename, fsync of the folder. */
import { closeSync, fsync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { FormatError } from '../bytes/errors.ts';

/**
 * After a crash the file has its old content or the new, never a part.
 * @param name for errors
 * @throws FormatError `io`
 */
export function replaceFile(path: string, text: string, name = path): void {
  const temporary = `${path}.${process.pid}.new`;
  try {
    const fd = openSync(temporary, 'w', 0o600);
    try {
      writeFileSync(fd, text); // all of it: write(2) alone may stop short on a full disk
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(temporary, path);
    syncFolder(dirname(path));
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw new FormatError('io', name, `cannot be written: ${(cause as Error).message}`, { cause });
  }
}

/**
 * A new file, durable but for its name in the folder. Several at a time share the file system's commits.
 * @param name for errors
 * @throws FormatError `io`
 */
export async function writeNewFile(path: string, text: string, name = path): Promise<void> {
  try {
    const fd = openSync(path, 'wx', 0o600);
    try {
      writeFileSync(fd, text);
      await flushed(fd);
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw new FormatError('io', name, `cannot be written: ${(cause as Error).message}`, { cause });
  }
}

/** As `syncFolder`, in the background. */
export async function syncFolderAside(path: string): Promise<void> {
  const fd = openSync(path, 'r');
  try {
    await flushed(fd);
  } finally {
    closeSync(fd);
  }
}

const flushed = (fd: number): Promise<void> =>
  new Promise((resolve, reject) => fsync(fd, (error) => (error ? reject(error) : resolve())));

/** Makes what was created, renamed or removed in a folder durable. */
export function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
