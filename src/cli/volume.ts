/**
 * What a user calls a volume, found on this machine and checked: a file, a block device, a mount point, UUID= or LABEL=; behind
 * a `#` one part of it.
 */
import { existsSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { FormatError, UserError } from '../bytes/errors.ts';
import type { Segment } from '../bytes/segments.ts';
import { bytes } from '../bytes/units.ts';
import { encodeArgument } from './argv.ts';
import { fileKeyOf, numberOf, readMachine } from './machine/read-machine.ts';
import { forbids, type Target, usesOf } from './machine/uses.ts';
import { quote } from './quoting.ts';
import { textPath } from './text-path.ts';

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

/** @throws UserError when there is no such volume, or it is in use (of a part of one, `openVolume` looks for that) */
export function findVolume(words: string): FoundVolume {
  const { path, part, name } = locateVolume(words);
  const stat = statSync(path);
  const shown = shownAs(words);
  if (!stat.isFile() && !stat.isBlockDevice())
    throw new UserError(shown, 'is neither a file nor a block device', 'name a volume image or a device');
  if (part === undefined) refuseInUse(shown, path, 'read');
  const mark = stat.isFile() ? `${stat.mtimeMs}:${stat.ino}` : `device:${stat.rdev}`;
  const volume = { path, name, isDevice: stat.isBlockDevice(), changeMark: mark, ...(part !== undefined && { part }) };
  const device = stat.isBlockDevice() ? readMachine().devices.find((one) => one.number === numberOf(path)) : undefined;
  return device === undefined ? volume : { ...volume, sectorSize: device.sectorSize };
}

const shownAs = (words: string): string => quote(encodeArgument(words));

/** Where what is meant lies, whether or not it may be used now. @throws UserError when there is none */
export function locateVolume(words: string): Pick<FoundVolume, 'path' | 'part' | 'name'> {
  const { word, part } = splitPart(words);
  const tag = /^(UUID|LABEL)=(.+)$/.exec(word);
  const real = realPath(word, tag === null ? textPath(word) : join('/dev/disk', `by-${tag[1].toLowerCase()}`, tag[2]));
  const path = statSync(real).isDirectory() ? realPath(word, deviceOfMountPoint(real)) : real;
  return part === undefined ? { path, name: path } : { path, part, name: `${path}#${part}` };
}

function realPath(word: string, path: string): string {
  try {
    return realpathSync(path);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new UserError(shownAs(word), 'there is no such volume', 'check the path', { cause });
    throw new FormatError('io', shownAs(word), `cannot be looked at: ${message}`, { cause });
  }
}

/** `disk.img#2`: the volume and its part. A file that has such a name itself is that file. */
export function splitPart(words: string): { readonly word: string; readonly part?: string } {
  const at = words.lastIndexOf('#');
  if (at <= 0 || existsSync(words)) return { word: words };
  const part = words.slice(at + 1).replace(/^\/+/, '');
  if (part === '')
    throw new UserError(shownAs(words), 'names no part behind the #', 'write disk.img#2 or disk.img#vg/lv');
  return { word: words.slice(0, at), part };
}

/**
 * Refuses what is mounted (for reading: writable), swapped to or a member of a running array: all of it, or the segments of
 * it that count. @throws UserError
 */
export function refuseInUse(
  word: string,
  path: string,
  purpose: 'read' | 'write',
  segments?: readonly Segment[],
): void {
  const machine = readMachine();
  const number = numberOf(path);
  const target: Target =
    number === undefined ? { kind: 'file', key: fileKeyOf(path), path } : { kind: 'device', number };
  const ranges = segments?.map(({ volumeOffset, byteLength }) => ({
    start: volumeOffset,
    end: bytes(volumeOffset + byteLength),
  }));
  const uses = ranges?.flatMap((range) => usesOf(machine, target, range)) ?? usesOf(machine, target);
  const found = forbids(uses, purpose);
  if (found !== undefined) throw new UserError(word, found.what, found.remedy);
}

function deviceOfMountPoint(path: string): string {
  const { mounts, devices } = readMachine();
  const mount = mounts.findLast((one) => one.mountPoint === path);
  const device = devices.find(({ number }) => number === mount?.number);
  const source = device?.path ?? (mount?.source.startsWith('/') ? mount.source : undefined);
  if (source === undefined) {
    throw new UserError(
      quote(Buffer.from(path)),
      'is a directory and no mount point of a volume',
      'name the volume: an image file or a block device',
    );
  }
  return source;
}
