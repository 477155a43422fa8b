/**
 * The mark of a restore that is under way, in the folder it writes to: `.reelmap-restore-ID`, ID from the set and what was
 * asked for. While it is there, the same command goes on: a file of the right type, size and mtime whose ctime is not
 * before the mark's own was finished by an earlier run (files appear under their names only when whole, and a ctime cannot
 * be forged), and what else is in the way is a conflict. A restore of a single file needs no mark.
 *
 * The mark goes away when nothing is left to be had.
 */
import { closeSync, constants as fs, fstatSync, fsyncSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { toHex } from '../bytes/random.ts';
import { sha256 } from '../bytes/sha256.ts';
import { procPath, TEMPORARY_PREFIX } from './destination.ts';

export interface JournalIdentity {
  readonly set: string;
  readonly paths: readonly Uint8Array[];
  readonly fullPaths: boolean;
}

export interface Journal {
  /** An earlier run of the same restore did not end. */
  readonly resumed: boolean;
  /** When the first run began, by the clock of the destination's file system. */
  readonly sinceNs: bigint;
  remove(): void;
}

export function journalName({ set, paths, fullPaths }: JournalIdentity): string {
  const zero = Buffer.from('\0');
  const sorted = paths.map((one) => Buffer.from(one)).sort(Buffer.compare);
  const whole = Buffer.concat([Buffer.from(`${set}\0${fullPaths}\0`), ...sorted.flatMap((path) => [path, zero])]);
  return `${TEMPORARY_PREFIX}restore-${toHex(sha256(whole)).slice(0, 16)}`;
}

/** Finds or makes the mark in the directory of `descriptor`. */
export function openJournal(descriptor: number, identity: JournalIdentity): Journal {
  const path = procPath(descriptor, Buffer.from(journalName(identity)));
  let resumed = false;
  let handle: number;
  try {
    handle = openSync(path, fs.O_WRONLY | fs.O_CREAT | fs.O_EXCL | fs.O_NOFOLLOW, 0o600);
    writeSync(handle, `reelmap restores set ${identity.set} here; run the same command again to go on\n`);
    fsyncSync(handle);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    handle = openSync(path, fs.O_RDONLY | fs.O_NOFOLLOW);
    resumed = true;
  }
  const sinceNs = fstatSync(handle, { bigint: true }).mtimeNs;
  closeSync(handle);
  return { resumed, sinceNs, remove: () => unlinkSync(path) };
}
