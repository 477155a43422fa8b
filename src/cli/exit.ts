/** Errors to exit statuses and to the one line that a user gets. The only place that knows both. */

import { isOutOfSpace, OUT_OF_SPACE } from '../backup/write-failure.ts';
import { AssertionError, FormatError, UserError } from '../bytes/errors.ts';
import { ScsiError } from '../initiator/scsi-error.ts';
import { safeText } from './quoting.ts';
import { Interrupted } from './signals.ts';

export const ExitStatus = {
  done: 0,
  failed: 1,
  usage: 2,
  /** Done, but something could not be backed up, indexed, restored or verified. */
  partial: 3,
} as const;
export type ExitStatus = (typeof ExitStatus)[keyof typeof ExitStatus];

export interface Failure {
  readonly status: ExitStatus;
  /** One line, safe to print, without the program's name. */
  readonly line: string;
}

/** What the system's error codes mean for a person, and what to do. errno(3). */
const SYSTEM: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory; check the path',
  EACCES: 'permission denied; run as a user who may, or as root',
  EPERM: 'not permitted; run as root',
  ENOSPC: 'no space left on that file system; free some and run the same command again',
  EFBIG: 'a file would grow past what is allowed; raise `ulimit -f` and run the same command again',
  EDQUOT: 'disk quota exceeded; free some and run the same command again',
  EROFS: 'the file system is read-only; choose another place',
  EISDIR: 'is a directory; name a file',
  ENOTDIR: 'not a directory; name a directory',
  EEXIST: 'exists; use --overwrite or another place',
  EIO: 'input/output error of the device; look at the kernel log',
  EMFILE: 'too many open files; raise `ulimit -n`',
  ENOMEM: 'out of memory',
  EBUSY: 'busy; see who uses it (fuser, lsof) and try again',
  ENXIO: 'no such device; is it connected?',
  ENODEV: 'no such device; is it connected?',
  ENAMETOOLONG: 'the name is too long for that file system; restore to a shorter path',
  ELOOP: 'a symbolic link where none is followed; name the real path',
};

const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && typeof (error as NodeJS.ErrnoException).code === 'string' && 'syscall' in error;

function systemLine(error: NodeJS.ErrnoException): string {
  const words = SYSTEM[error.code ?? ''] ?? error.message;
  return error.path === undefined ? words : `${String(error.path)}: ${words}`;
}

function lineOf(error: unknown): string {
  if (error instanceof UserError || error instanceof Interrupted) return error.message;
  if (error instanceof FormatError) {
    const hint = isSystemError(error.cause) ? SYSTEM[error.cause.code ?? ''] : undefined;
    return hint === undefined || error.message.includes(hint) ? error.message : `${error.message} (${hint})`;
  }
  if (error instanceof ScsiError)
    return error.sense && isOutOfSpace(error.sense) ? `${error.device}: ${OUT_OF_SPACE}` : error.message;
  if (isSystemError(error)) return systemLine(error);
  if (error instanceof AssertionError) return `${error.message}; please report this with REELMAP_DEBUG=1`;
  if (error instanceof Error) return `${error.name}: ${error.message}; REELMAP_DEBUG=1 tells where`;
  return `${String(error)}; REELMAP_DEBUG=1 tells where`;
}

/** The status and the line for anything thrown. */
export function failureOf(error: unknown): Failure {
  const status = error instanceof UserError && error.kind === 'usage' ? ExitStatus.usage : ExitStatus.failed;
  return { status, line: safeText(lineOf(error).replaceAll('\n', ' ')) };
}
