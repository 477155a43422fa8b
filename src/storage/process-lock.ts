/**
 * A lock between processes: a file that names its holder by pid and start time, so that one left by a crash is recognised
 * and taken over. proc(5), /proc/PID/stat, field 22 (starttime).
 *
 * Invariants
 * - A lock file appears whole, by link(2), which fails where there is one: a lock without a readable holder is stale.
 * - A stale lock is removed only under a second lock, after another look; so no live one is ever removed.
 * - Locks that are still held when the process exits are released.
 */
import { linkSync, readFileSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { FormatError } from '../bytes/errors.ts';

export interface LockHolder {
  readonly pid: number;
  /** Boot of the machine and start of the process in it: process ids come again. */
  readonly startTime: string;
  /** What it does, for people: `backup /dev/vg0/home`. */
  readonly command: string;
  /** ISO 8601. */
  readonly since: string;
  /** Whether it lives cannot be told from another machine: there it counts as alive. */
  readonly host: string;
}

export interface HeldLock extends Disposable {
  readonly path: string;
}

/** A takeover of a stale lock lasts microseconds; one this old was left by a crash. */
const TAKEOVER_STALE_MS = 10_000;

/** Takes the lock, or answers who holds it. @throws FormatError `io` when the file cannot be made */
export function tryLock(path: string, command: string): HeldLock | LockHolder {
  for (let tries = 0; tries < 5; tries++) {
    const lock = create(path, command);
    if (lock !== undefined) return lock;
    const holder = holderOf(path);
    if (holder === undefined) continue; // released in between
    if (alive(holder)) return holder;
    takeOver(path);
  }
  const holder = holderOf(path);
  return holder ?? { pid: 0, startTime: '', command: 'another process', since: '', host: hostname() };
}

/** Whether it is a lock and not its holder. */
export const isHeld = (answer: HeldLock | LockHolder): answer is HeldLock => 'path' in answer;

/** The live holder of a lock, if there is one. */
export function lockHolder(path: string): LockHolder | undefined {
  const holder = holderOf(path);
  return holder !== undefined && alive(holder) ? holder : undefined;
}

const held = new Map<string, HeldLock>();
let made = 0;
let releasesAtExit = false;

function create(path: string, command: string): HeldLock | undefined {
  const holder: LockHolder = {
    pid: process.pid,
    startTime: startTimeOf(process.pid) ?? '',
    command,
    since: new Date().toISOString(),
    host: hostname(),
  };
  const temporary = `${path}.${process.pid}-${made++}`;
  try {
    writeFileSync(temporary, JSON.stringify(holder), { mode: 0o600 });
    linkSync(temporary, path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw new FormatError('io', path, `the lock cannot be made: ${(cause as Error).message}`, { cause });
  } finally {
    remove(temporary);
  }
  const lock = {
    path,
    [Symbol.dispose]: () => {
      if (held.get(path) !== lock) return; // released before; by now it may be another's
      held.delete(path);
      remove(path);
    },
  };
  held.set(path, lock);
  if (!releasesAtExit) process.on('exit', releaseAll);
  releasesAtExit = true;
  return lock;
}

function releaseAll(): void {
  for (const lock of [...held.values()]) lock[Symbol.dispose]();
}

/** One that cannot be read as a lock was torn by a power cut: nobody has it. */
function holderOf(path: string): LockHolder | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new FormatError('io', path, `the lock cannot be read: ${(error as Error).message}`, { cause: error });
  }
  try {
    const value = Object(JSON.parse(text)) as Partial<LockHolder>;
    const { pid = 0, startTime = '', command = 'another process', since = '', host = hostname() } = value;
    return {
      pid: Number(pid),
      startTime: String(startTime),
      command: String(command),
      since: String(since),
      host: String(host),
    };
  } catch {
    return { pid: 0, startTime: '', command: 'another process', since: '', host: hostname() };
  }
}

/** Removes a stale lock: one process at a time, and only if it is still stale. */
function takeOver(path: string): void {
  const guard = `${path}.takeover`;
  using mine = create(guard, 'takeover');
  if (mine === undefined) {
    if (!youngerThan(guard, TAKEOVER_STALE_MS)) remove(guard);
    return;
  }
  const holder = holderOf(path);
  if (holder !== undefined && !alive(holder)) remove(path);
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

const alive = ({ pid, startTime, host }: LockHolder): boolean =>
  host !== hostname() || (pid > 0 && startTimeOf(pid) === startTime);

/** Boot and clock ticks after it at which the process began; undefined: there is no such process. */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    // The name in parentheses may hold anything, a parenthesis too.
    return `${boot} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return undefined;
  }
}
