/**
 * Which mount has a volume under it: the device itself, the disk of a mounted partition, a member of a mounted logical
 * volume or array, the file behind a mounted loop device. proc(5), /proc/self/mountinfo; sysfs, /sys/dev/block.
 */
import { readdirSync, readFileSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { majorMinor } from '../storage/device-number.ts';

export interface Mount {
  /** As the mount has it: a path for most, a name for filesystems without a device. */
  readonly device: string;
  /** `8:1`; major 0 for filesystems without one device (btrfs, too). */
  readonly number: string;
  readonly mountPoint: string;
  readonly writable: boolean;
}

/** Things under one mount, at most: a bound for what sysfs may say. */
const UNDER_MAX = 1000;

const unescapeOctal = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/** All mounts, the newest last. */
export function mounts(text = readFileSync('/proc/self/mountinfo', 'utf8')): Mount[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.split(' ');
    const dash = fields.indexOf('-');
    if (dash < 6) return [];
    const superOptions = (fields[dash + 3] ?? '').split(',');
    return [
      {
        device: unescapeOctal(fields[dash + 2]),
        number: fields[2],
        mountPoint: unescapeOctal(fields[4]),
        writable: !superOptions.includes('ro'),
      },
    ];
  });
}

/** A mount that has the file or device at the real path `path` under it; a writable one first. */
export function mountOver(path: string, all = mounts(), sys = '/sys/dev/block'): Mount | undefined {
  const wanted = keysOf(path, sys);
  const over = all.filter((mount) => [...under(mount, sys)].some((key) => wanted.has(key)));
  return over.find(({ writable }) => writable) ?? over[0];
}

/** Path of the device that is mounted, if it is one device. What is called /dev/root is known by its number. */
export function deviceOf({ device, number }: Mount, sys = '/sys/dev/block'): string | undefined {
  const name = word(join(sys, number, 'uevent'))[0]?.match(/^DEVNAME=(.+)$/m)?.[1];
  if (name !== undefined) return join('/dev', name);
  return device.startsWith('/') ? device : undefined;
}

const deviceKey = (number: string): string => `device ${number}`;
const pathKey = (path: string): string => `path ${path}`;
const fileKey = ({ dev, ino }: Stats): string => `file ${dev}:${ino}`;

/** What a volume is known by: its file or device, and of a loop device the file behind it. */
function keysOf(path: string, sys: string): Set<string> {
  const stat = statSync(path);
  if (!stat.isBlockDevice()) return new Set([fileKey(stat), pathKey(path)]);
  const number = majorMinor(stat.rdev);
  return new Set([deviceKey(number), ...backingFile(join(sys, number))]);
}

/** Every device and file that the mount writes to. */
function under(mount: Mount, sys: string): Set<string> {
  const found = new Set<string>();
  const queue = [mount.number, ...numberOf(mount.device)];
  for (let number = queue.pop(); number !== undefined; number = queue.pop()) {
    if (number.startsWith('0:') || found.has(deviceKey(number)) || found.size > UNDER_MAX) continue;
    found.add(deviceKey(number));
    const folder = join(sys, number);
    for (const key of backingFile(folder)) found.add(key);
    queue.push(...parts(folder));
  }
  return found;
}

function numberOf(device: string): string[] {
  if (!device.startsWith('/')) return [];
  try {
    const stat = statSync(device);
    return stat.isBlockDevice() ? [majorMinor(stat.rdev)] : [];
  } catch {
    return [];
  }
}

/** Numbers of the devices that a device is made of: the disk of a partition, members of an array or logical volume. */
function parts(folder: string): string[] {
  const out = list(join(folder, 'slaves')).flatMap((name) => word(join(folder, 'slaves', name, 'dev')));
  if (word(join(folder, 'partition')).length > 0) out.push(...word(join(dirname(realpathSync(folder)), 'dev')));
  return out;
}

function backingFile(folder: string): string[] {
  return word(join(folder, 'loop/backing_file')).flatMap((path) => {
    return [pathKey(path), ...statKey(path)];
  });
}

/** A file that we may not look at is known by its path alone. */
function statKey(path: string): string[] {
  try {
    return [fileKey(statSync(path))];
  } catch {
    return [];
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** The text of a file of sysfs, if there is one. */
function word(path: string): string[] {
  try {
    return [readFileSync(path, 'utf8').replace(/\n$/, '')];
  } catch {
    return [];
  }
}
