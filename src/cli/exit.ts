/** Errors to exit statuses and to the one line that a user gets. The only place that knows both. */

import { OUT_OF_SPACE } from '../backup/write-failure.ts';
import { AssertionError, FormatError, UserError } from '../bytes/errors.ts';
import { ScsiError } from '../initiator/scsi-error.ts';
import { isSpaceExhausted } from '../scsi/common/sense.ts';
import { safeText } from './quoting.ts';
import { Interrupted } from './signals.ts';

export const ExitStatus = {
  done: 0,
  failed: 1,
  usage: 2,
  /** Done, but something could not be backed up, indexed, restored or verified. */
  partial: 3,
  /** 128 and the signal's number, as a shell tells of a program that a signal ended. */
  interrupted: 130,
  terminated: 143,
} as const;
export type ExitStatus = (typeof ExitStatus)[keyof typeof ExitStatus];

/** For `--help` and the README, which a test compares. */
export const EXIT_WORDS: readonly (readonly [status: string, words: string])[] = [
  ['0', 'done'],
  ['1', 'failed: nothing was done, or the run can go on; one line on standard error says what to do'],
  ['2', 'wrong usage'],
  ['3', 'done, but something could not be backed up, indexed, restored or verified'],
  ['130, 143', 'stopped by ^C, by SIGTERM'],
];

/** What a program gets of a failure with --json, on a line of its own on standard error. */
export interface FailureJson {
  readonly event: 'error';
  readonly status: ExitStatus;
  readonly message: string;
  /** What it is about, as the user would name it; null: the message has all that is known. */
  readonly thing: string | null;
  readonly what: string | null;
  readonly remedy: string | null;
}

export interface Failure {
  readonly status: ExitStatus;
  /** One line, safe to print, without the program's name. */
  readonly line: string;
  readonly json: FailureJson;
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

/** The system's own words give way to ours, which have a remedy. */
function formatLine({ message, cause }: FormatError): string {
  const hint = isSystemError(cause) ? SYSTEM[cause.code ?? ''] : undefined;
  if (hint === undefined || message.includes(hint)) return message;
  const own = (cause as Error).message;
  return message.endsWith(own) ? `${message.slice(0, -own.length)}${hint}` : `${message}: ${hint}`;
}

function lineOf(error: unknown): string {
  if (error instanceof UserError || error instanceof Interrupted) return error.message;
  if (error instanceof FormatError) return formatLine(error);
  if (error instanceof ScsiError)
    return error.sense && isSpaceExhausted(error.sense) ? `${error.device}: ${OUT_OF_SPACE}` : error.message;
  if (isSystemError(error)) return systemLine(error);
  if (error instanceof AssertionError) return `${error.message}; please report this with REELMAP_DEBUG=1`;
  if (error instanceof Error) return `${error.name}: ${error.message}; REELMAP_DEBUG=1 tells where`;
  return `${String(error)}; REELMAP_DEBUG=1 tells where`;
}

function statusOf(error: unknown): ExitStatus {
  if (error instanceof Interrupted) return error.signal === 'SIGTERM' ? ExitStatus.terminated : ExitStatus.interrupted;
  return error instanceof UserError && error.kind === 'usage' ? ExitStatus.usage : ExitStatus.failed;
}

/**
 * What stopped a timer stands behind its AbortError. Of a failure and one of the clean-up after it, the first counts.
 */
function unwrapped(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error.name === 'AbortError' && error.cause instanceof Error) return error.cause;
  return error.name === 'SuppressedError' && 'suppressed' in error ? unwrapped(error.suppressed) : error;
}

/** The status and the line for anything thrown. */
export function failureOf(thrown: unknown): Failure {
  const error = unwrapped(thrown);
  const status = statusOf(error);
  const line = safeText(lineOf(error).replaceAll('\n', ' '));
  const { thing = null, what = null, remedy = null } = error instanceof UserError ? error : partsOf(error);
  return { status, line, json: { event: 'error', status, message: line, thing, what, remedy: remedy || null } };
}

/** Of a command that goes on without what failed: that it ends with status 3 is in it. */
export function problemOf(found: FormatError | string): Failure {
  const status = ExitStatus.partial;
  if (typeof found === 'string') {
    const message = safeText(found.replaceAll('\n', ' '));
    return { status, line: message, json: { event: 'error', status, message, thing: null, what: null, remedy: null } };
  }
  const { line, json } = failureOf(found);
  return { status, line, json: { ...json, status } };
}

const partsOf = (error: unknown): Partial<Pick<UserError, 'thing' | 'what' | 'remedy'>> =>
  error instanceof FormatError ? { thing: error.where, what: error.what } : {};
