/**
 * What a volume is restored to: a device, an image file that is there, a part of either (`disk.img#2`), or a new image.
 *
 * Invariants
 * - Nothing is written to what is mounted, or in use by the kernel in another way.
 * - A new image has its name only when the restore is over; until then it is `.NAME.reelmap-PID` beside it.
 */
import {
  closeSync,
  constants,
  existsSync,
  ftruncateSync,
  linkSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { UserError } from '../bytes/errors.ts';
import type { Bytes } from '../bytes/units.ts';
import { majorMinor } from '../storage/device-number.ts';
import { formatBytes } from './progress.ts';
import { quote } from './quoting.ts';
import { type FoundVolume, locateVolume, refuseInUse, splitPart } from './volume.ts';

export interface RestoreTarget extends Disposable {
  /** The file or device to write, and the part of it. */
  readonly volume: FoundVolume;
  /** As the user would name it, safe to print. */
  readonly shown: string;
  /** It is known to read as zeros. */
  readonly blank: boolean;
  /** Gives a new image its name. Without this, leaving the target removes it. */
  finish(): void;
}

export interface TargetOptions {
  readonly overwrite: boolean;
  /** Of the volume. */
  readonly byteLength: Bytes;
  /** What will be written. */
  readonly storedBytes: Bytes;
}

/** @throws UserError when it cannot or must not be written */
export function openTarget(path: string, options: TargetOptions): RestoreTarget {
  const shown = quote(Buffer.from(path));
  if (splitPart(path).part !== undefined) return part(path, shown);
  if (!existsSync(path)) return newImage(path, shown, options);
  const real = realpathSync(path);
  const stat = statSync(real);
  if (!stat.isFile() && !stat.isBlockDevice())
    throw new UserError(shown, 'is neither a file nor a block device', 'name an image file or a device');
  refuseInUse(shown, real, 'write');
  return stat.isFile() ? image(real, shown, options) : device(real, shown);
}

const volumeAt = (path: string, name: string, isDevice: boolean): FoundVolume => ({
  path,
  name,
  isDevice,
  changeMark: '',
});

/** A part of a disk has to be there; whether it is in use is looked at when it is opened. */
function part(path: string, shown: string): RestoreTarget {
  const located = locateVolume(path);
  const isDevice = statSync(located.path).isBlockDevice();
  const volume = {
    ...volumeAt(located.path, shown, isDevice),
    ...(located.part !== undefined && { part: located.part }),
  };
  return { volume, shown, blank: false, finish: () => {}, [Symbol.dispose]: () => {} };
}

function requireSpace(folder: string, shown: string, free: Bytes, needed: Bytes): void {
  const { bavail, bsize } = statfsSync(folder);
  const room = bavail * bsize + free;
  if (room >= needed) return;
  const what = `${formatBytes(room)} are free there, the volume needs ${formatBytes(needed)}`;
  throw new UserError(shown, what, 'free some, or name another target');
}

/** A new image, sparse and of the volume's size. */
function newImage(path: string, shown: string, { byteLength, storedBytes }: TargetOptions): RestoreTarget {
  const folder = dirname(resolve(path));
  const name = basename(path);
  if (!existsSync(folder)) throw new UserError(shown, 'its folder is not there', 'make it, or name another target');
  removeLeftOver(folder, name);
  requireSpace(folder, shown, 0, storedBytes);
  const making = join(folder, `.${name}.reelmap-${process.pid}`);
  makeSparse(making, byteLength, path);
  return {
    volume: volumeAt(making, shown, false),
    shown,
    blank: true,
    finish: () => giveName(making, path, shown),
    [Symbol.dispose]: () => rmSync(making, { force: true }),
  };
}

function makeSparse(making: string, byteLength: Bytes, path: string): void {
  try {
    const fd = openSync(making, 'wx', 0o600);
    try {
      ftruncateSync(fd, byteLength);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    rmSync(making, { force: true });
    throw Object.assign(error as Error, { path });
  }
}

/** What killed processes left of this image. */
function removeLeftOver(folder: string, name: string): void {
  const start = `.${name}.reelmap-`;
  for (const one of readdirSync(folder)) {
    const pid = one.startsWith(start) ? one.slice(start.length) : '';
    if (/^\d+$/.test(pid) && !existsSync(`/proc/${pid}`)) rmSync(join(folder, one), { force: true });
  }
}

/** link(2) replaces nothing; where a file system has none, rename(2) after a look does. */
function giveName(making: string, path: string, shown: string): void {
  try {
    linkSync(making, path);
  } catch (cause) {
    if (existsSync(path))
      throw new UserError(shown, 'was made by something else meanwhile', 'name another target', { cause });
    renameSync(making, path);
  }
}

/** An image that is there. Emptied if it may be overwritten, so that all that is not restored reads as zeros. */
function image(path: string, shown: string, { overwrite, byteLength, storedBytes }: TargetOptions): RestoreTarget {
  const { size, blocks } = statSync(path);
  const blank = blocks === 0;
  if (overwrite || blank) requireSpace(dirname(path), shown, blocks * 512, storedBytes);
  if (overwrite) truncateSync(path, 0);
  if (overwrite || (blank && size < byteLength)) truncateSync(path, byteLength);
  return {
    volume: volumeAt(path, shown, false),
    shown,
    blank: overwrite || blank,
    finish: () => {},
    [Symbol.dispose]: () => {},
  };
}

/** O_EXCL of a block device without O_CREAT: the kernel refuses one that is mounted anywhere, swap, or part of another device. open(2). */
function device(path: string, shown: string): RestoreTarget {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDWR | constants.O_EXCL);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EBUSY') throw cause;
    const holders = holdersOf(path);
    const words = `is in use${holders.length > 0 ? ` by ${holders.join(', ')}` : ''}`;
    throw new UserError(shown, words, 'stop what uses it first (lsblk, fuser)', { cause });
  }
  return {
    volume: volumeAt(path, shown, true),
    shown,
    blank: false,
    finish: () => {},
    [Symbol.dispose]: () => closeSync(fd),
  };
}

/** Devices that are made of this one: logical volumes, arrays. */
function holdersOf(path: string): string[] {
  try {
    return readdirSync(join('/sys/dev/block', majorMinor(statSync(path).rdev), 'holders'));
  } catch {
    return [];
  }
}
