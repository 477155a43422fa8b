/** What a user calls a volume, found on this machine and checked: a file, a block device, a mount point, UUID= or LABEL=. */
import { realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { FormatError, UserError } from '../bytes/errors.ts';
import { encodeArgument } from './argv.ts';
import { deviceOf, mountOver, mounts } from './mounts.ts';
import { quote } from './quoting.ts';
import { textPath } from './text-path.ts';

export interface FoundVolume {
  /** Real path of the file or device. */
  readonly path: string;
  readonly isDevice: boolean;
  /** Changes when the volume may have. */
  readonly changeMark: string;
}

/** @throws UserError when there is no such volume, or it is under a writable mount */
export function findVolume(word: string): FoundVolume {
  const path = locateVolume(word);
  const stat = statSync(path);
  const shown = quote(encodeArgument(word));
  if (!stat.isFile() && !stat.isBlockDevice())
    throw new UserError(shown, 'is neither a file nor a block device', 'name a volume image or a device');
  const mount = mountOver(path);
  if (mount?.writable === true) {
    throw new UserError(
      shown,
      `is mounted writable at ${quote(Buffer.from(mount.mountPoint))}`,
      'unmount it, remount it read-only, or back up a snapshot of it',
    );
  }
  const mark = stat.isFile() ? `${stat.mtimeMs}:${stat.ino}` : `device:${stat.rdev}`;
  return { path, isDevice: stat.isBlockDevice(), changeMark: mark };
}

/** Real path of the file or device that is meant. @throws UserError when there is none */
export function locateVolume(word: string): string {
  const tag = /^(UUID|LABEL)=(.+)$/.exec(word);
  const path = realPath(word, tag === null ? textPath(word) : join('/dev/disk', `by-${tag[1].toLowerCase()}`, tag[2]));
  return statSync(path).isDirectory() ? realPath(word, deviceOfMountPoint(path)) : path;
}

function realPath(word: string, path: string): string {
  const shown = quote(encodeArgument(word));
  try {
    return realpathSync(path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new UserError(shown, 'there is no such volume', 'check the path', { cause });
    throw new FormatError('io', shown, `cannot be looked at: ${message}`, { cause });
  }
}

function deviceOfMountPoint(path: string): string {
  const mount = mounts().findLast((one) => one.mountPoint === path);
  const device = mount === undefined ? undefined : deviceOf(mount);
  if (device !== undefined) return device;
  throw new UserError(
    quote(Buffer.from(path)),
    'is a directory and no mount point of a volume',
    'name the volume: an image file or a block device',
  );
}
