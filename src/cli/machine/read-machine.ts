/** Reads /sys/block, /proc/self/mountinfo and /proc/swaps. Linux Documentation/ABI/testing/sysfs-block; proc(5). */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { bytes } from '../../bytes/units.ts';
import { type BlockDeviceFacts, type LoopFacts, type Machine, parseMounts, parseSwaps } from './facts.ts';

export interface MachinePlaces {
  readonly sys: string;
  readonly proc: string;
  readonly dev: string;
}

const PLACES: MachinePlaces = { sys: '/sys', proc: '/proc', dev: '/dev' };

/** Sizes in sysfs are in sectors of 512 bytes, whatever the device's own. */
const SYSFS_SECTOR = 512;

export function readMachine(places: MachinePlaces = PLACES): Machine {
  const folder = join(places.sys, 'block');
  const devices = namesIn(folder).flatMap((name) => devicesOf(join(folder, name), name, places));
  const mounts = parseMounts(textOf(join(places.proc, 'self/mountinfo')) ?? '').map((mount) => {
    // btrfs has a number that no device has.
    const number = mount.number.startsWith('0:') ? numberOf(mount.source) : undefined;
    return number === undefined ? mount : { ...mount, number };
  });
  const swaps = parseSwaps(textOf(join(places.proc, 'swaps')) ?? '').flatMap((path) => numberOf(path) ?? []);
  return { devices, mounts, swaps };
}

/** A disk and its partitions. */
function devicesOf(folder: string, name: string, places: MachinePlaces): BlockDeviceFacts[] {
  const disk = deviceOf(folder, name, folder, places);
  if (disk === undefined) return [];
  const partitions = namesIn(folder).flatMap((one) => {
    const number = Number(textOf(join(folder, one, 'partition')) ?? Number.NaN);
    const facts = Number.isInteger(number) ? deviceOf(join(folder, one), one, folder, places) : undefined;
    if (facts === undefined) return [];
    const start = Number(textOf(join(folder, one, 'start')) ?? 0) * SYSFS_SECTOR;
    return [{ ...facts, partition: { disk: name, number, start: bytes(start) } }];
  });
  return [disk, ...partitions.sort((a, b) => a.partition.number - b.partition.number)];
}

function deviceOf(folder: string, name: string, disk: string, places: MachinePlaces): BlockDeviceFacts | undefined {
  const number = textOf(join(folder, 'dev'));
  if (number === undefined) return undefined; // it went away while we looked
  const loop = loopOf(folder);
  const mapper = textOf(join(folder, 'dm/name'));
  const mdLevel = textOf(join(folder, 'md/level'));
  return {
    name,
    number,
    path: pathOf(name, mapper, places),
    byteLength: bytes(Number(textOf(join(folder, 'size')) ?? 0) * SYSFS_SECTOR),
    sectorSize: bytes(Number(textOf(join(disk, 'queue/logical_block_size')) ?? SYSFS_SECTOR)),
    readOnly: textOf(join(folder, 'ro')) === '1',
    slaves: namesIn(join(folder, 'slaves')),
    ...(loop && { loop }),
    ...(mapper !== undefined && { mapper: { name: mapper, uuid: textOf(join(folder, 'dm/uuid')) ?? '' } }),
    ...(mdLevel !== undefined && { mdLevel }),
  };
}

function pathOf(name: string, mapper: string | undefined, { dev }: MachinePlaces): string | undefined {
  const mapped = mapper === undefined ? undefined : join(dev, 'mapper', mapper);
  const plain = join(dev, name.replaceAll('!', '/')); // sysfs writes a slash so
  return [mapped, plain].find((path) => path !== undefined && existsSync(path));
}

function loopOf(folder: string): LoopFacts | undefined {
  const file = textOf(join(folder, 'loop/backing_file'));
  if (file === undefined || file === '') return undefined;
  return {
    file,
    fileKey: fileKeyOf(file),
    offset: bytes(Number(textOf(join(folder, 'loop/offset')) ?? 0)),
    sizeLimit: bytes(Number(textOf(join(folder, 'loop/sizelimit')) ?? 0)),
  };
}

/** What a file is, whatever its name; undefined: it is not there. */
export function fileKeyOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}

/** Number of the block device at a path; undefined: there is none. */
export function numberOf(path: string): string | undefined {
  if (!path.startsWith('/')) return undefined;
  try {
    const stat = statSync(path);
    return stat.isBlockDevice() ? numberText(stat.rdev) : undefined;
  } catch {
    return undefined;
  }
}

/** dev_t as glibc packs it, below 2^32. */
export const numberText = (rdev: number): string => {
  const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
  return `${(rdev >>> 8) & 0xfff}:${minor}`;
};

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').replace(/\n$/, '');
  } catch {
    return undefined;
  }
}
