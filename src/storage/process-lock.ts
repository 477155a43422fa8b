/**
 * A lock between processes: a file that names its holder by pid and start time, so that one left by a crash is recognised
 * and taken over. proc(5), /proc/PID/stat, field 22 (starttime).
 */
import { closeSync, openSync, readFileSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { FormatError } from '../bytes/errors.ts';

export interface LockHolder {
  readonly pid: number;
  readonly startTime: string;
  /** What it does, for people: `backup /dev/vg0/home`. */
  readonly command: string;
  /** ISO 8601. */
  readonly since: string;
}

export interface HeldLock extends Disposable {
  readonly path: string;
}

/** A takeover of a stale lock lasts microseconds; one this old was left by a crash. */
const TAKEOVER_STALE_MS = 10_000;

/** Takes the lock, or answers who holds it. @throws FormatError `io` when the file cannot be made */
export function tryLock(path: string, command: string): HeldLock | LockHolder {
  for (let tries = 0; tries < 3; tries++) {
    if (create(path, command)) return { path, [Symbol.dispose]: () => remove(path) };
    const holder = holderOf(path);
    if (holder === undefined) continue; // released in between
    if (alive(holder)) return holder;
    takeOver(path);
  }
  return holderOf(path) ?? { pid: 0, startTime: '', command: 'another process', since: '' };
}

/** Whether it is a lock and not its holder. */
export const isHeld = (answer: HeldLock | LockHolder): answer is HeldLock => 'path' in answer;

/** The live holder of a lock, if there is one. */
export function lockHolder(path: string): LockHolder | undefined {
  const holder = holderOf(path);
  return holder !== undefined && alive(holder) ? holder : undefined;
}

function create(path: string, command: string): boolean {
  const holder: LockHolder = {
    pid: process.pid,
    startTime: startTimeOf(process.pid) ?? '',
    command,
    since: new Date().toISOString(),
  };
  try {
    const fd = openSync(path, 'wx', 0o600);
    writeSync(fd, JSON.stringify(holder));
    closeSync(fd);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new FormatError('io', path, `the lock cannot be made: ${(cause as Error).message}`, { cause });
  }
}

/** A lock that cannot be read as one is being made or was cut short: its age decides. */
function holderOf(path: string): LockHolder | undefined {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as Partial<LockHolder>;
    const { pid = 0, startTime = '', command = 'another process', since = '' } = value;
    return { pid: Number(pid), startTime: String(startTime), command: String(command), since: String(since) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    return {
      pid: youngerThan(path, TAKEOVER_STALE_MS) ? process.pid : 0,
      startTime: startTimeOf(process.pid) ?? '',
      command: 'another process',
      since: '',
    };
  }
}

/** Removes a stale lock: one process at a time, and only if it is still stale. */
function takeOver(path: string): void {
  const guard = `${path}.takeover`;
  if (!create(guard, 'takeover')) {
    if (!youngerThan(guard, TAKEOVER_STALE_MS)) remove(guard);
    return;
  }
  try {
    const holder = holderOf(path);
    if (holder !== undefined && !alive(holder)) remove(path);
  } finally {
    remove(guard);
  }
}

function youngerThan(path: string, ms: number): boolean {
  try {
    return Date.now() - statSync(path).mtimeMs < ms;
  } catch {
    return false;
  }
}

function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

const alive = ({ pid, startTime }: LockHolder): boolean => pid > 0 && startTimeOf(pid) === startTime;

/** Clock ticks after boot at which the process began; undefined: there is no such process. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name in parentheses may hold anything, a parenthesis too.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}
