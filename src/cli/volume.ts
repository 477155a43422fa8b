/**
 * What a user calls a volume, found on this machine and checked: a file, a block device, a mount point, UUID= or LABEL=; behind
 * a `#` one part of it.
 */
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../bytes/errors.ts';

export interface FoundVolume {
  /** Real path of the file or device. */
  readonly path: string;
  /** `2`, `vg/lv`: a part of it; missing: all of it. */
  readonly part?: string;
  /** For people: the path, and the part behind a `#`. */
  readonly name: string;
  readonly isDevice: boolean;
  /** Of a device, bytes of a logical block. */
  readonly sectorSize?: number;
  /** Changes when the volume may have. */
  readonly changeMark: string;
}

/** A mount that could write to a volume. */
export interface Mount {
  readonly device: string;
  readonly mountPoint: string;
  readonly writable: boolean;
}

/** @throws UserError when there is no such volume, or a writable mount has it */
export function findVolume(words: string): FoundVolume {
  const { word, part } = splitPart(words);
  const path = locate(word);
  const stat = statSync(path);
  if (stat.isDirectory()) return findVolume(`${deviceOfMountPoint(path)}${part === undefined ? '' : `#${part}`}`);
  if (!stat.isFile() && !stat.isBlockDevice())
    throw new UserError(word, 'is neither a file nor a block device', 'name a volume image or a device');
  const mount = writableMount(path, mounts());
  if (mount !== undefined) {
    throw new UserError(
      word,
      `is mounted writable at ${mount.mountPoint}`,
      'unmount it, remount it read-only, or back up a snapshot of it',
    );
  }
  const mark = stat.isFile() ? `${stat.mtimeMs}:${stat.ino}` : `device:${stat.rdev}`;
  const name = part === undefined ? path : `${path}#${part}`;
  const volume = { path, name, isDevice: stat.isBlockDevice(), changeMark: mark, ...(part !== undefined && { part }) };
  const sectorSize = stat.isBlockDevice() ? logicalBlockSize(stat.rdev) : undefined;
  return sectorSize === undefined ? volume : { ...volume, sectorSize };
}

/** `disk.img#2`: the volume and its part. A file that has such a name itself is that file. */
export function splitPart(words: string): { readonly word: string; readonly part?: string } {
  const at = words.lastIndexOf('#');
  if (at <= 0 || existsSync(words)) return { word: words };
  const part = words.slice(at + 1).replace(/^\/+/, '');
  if (part === '') throw new UserError(words, 'names no part behind the #', 'write disk.img#2 or disk.img#vg/lv');
  return { word: words.slice(0, at), part };
}

/** Bytes of a device's logical block, from sysfs; undefined when that does not tell. */
function logicalBlockSize(rdev: number, sys = '/sys/dev/block'): number | undefined {
  const number = `${(rdev >>> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >>> 12) & 0xfff00)}`;
  for (const queue of ['queue', '../queue']) {
    try {
      const size = Number(readFileSync(join(sys, number, queue, 'logical_block_size'), 'ascii'));
      if (size >= 512) return size;
    } catch {
      // A partition has its disk's queue.
    }
  }
  return undefined;
}

function locate(word: string): string {
  const tag = /^(UUID|LABEL)=(.+)$/.exec(word);
  const path = tag === null ? word : join('/dev/disk', `by-${tag[1].toLowerCase()}`, tag[2]);
  try {
    return realpathSync(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    throw new UserError(
      word,
      code === 'ENOENT' ? 'there is no such volume' : `cannot be looked at: ${code}`,
      'check the path',
      { cause },
    );
  }
}

function deviceOfMountPoint(path: string): string {
  const mount = mounts().findLast((one) => one.mountPoint === path);
  if (mount === undefined || !mount.device.startsWith('/')) {
    throw new UserError(
      path,
      'is a directory and no mount point of a volume',
      'name the volume: an image file or a block device',
    );
  }
  return mount.device;
}

const unescapeOctal = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/** Mounts of block devices. proc(5), /proc/self/mountinfo. */
export function mounts(text = readFileSync('/proc/self/mountinfo', 'utf8')): Mount[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.split(' ');
    const dash = fields.indexOf('-');
    if (dash < 6) return [];
    const superOptions = (fields[dash + 3] ?? '').split(',');
    return [
      {
        device: unescapeOctal(fields[dash + 2]),
        mountPoint: unescapeOctal(fields[4]),
        writable: !superOptions.includes('ro'),
      },
    ];
  });
}

/** The mount that may write to this file or device, if there is one: directly, or through a loop device. */
export function writableMount(path: string, all: readonly Mount[], sys = '/sys/block'): Mount | undefined {
  const same = (device: string): boolean => {
    if (device === path) return true;
    if (!device.startsWith('/dev/')) return false;
    try {
      if (realpathSync(device) === path) return true;
      const a = statSync(device);
      const b = statSync(path);
      if (a.isBlockDevice() && b.isBlockDevice() && a.rdev === b.rdev) return true;
    } catch {
      return false;
    }
    return loopFile(device, sys) === path;
  };
  return all.find((mount) => mount.writable && same(mount.device));
}

/** File behind a loop device. */
function loopFile(device: string, sys: string): string | undefined {
  const name = device.replace('/dev/', '');
  const backing = join(sys, name, 'loop', 'backing_file');
  if (!/^loop\d+$/.test(name) || !existsSync(backing)) return undefined;
  return readFileSync(backing, 'utf8').trimEnd();
}

/** Loop devices over a file, for messages. */
export const loopsOver = (path: string, sys = '/sys/block'): string[] =>
  existsSync(sys) ? readdirSync(sys).filter((name) => loopFile(`/dev/${name}`, sys) === path) : [];
