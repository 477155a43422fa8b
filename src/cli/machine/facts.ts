/** What this machine says of its block devices, mounts and swap, as plain data: read in read-machine.ts, judged elsewhere. */
import type { Bytes } from '../../bytes/units.ts';

export interface BlockDeviceFacts {
  /** As in /sys/block: `sda`, `sda1`, `dm-0`. */
  readonly name: string;
  /** `8:1`. */
  readonly number: string;
  /** Where it can be opened; undefined: no node in /dev. */
  readonly path: string | undefined;
  readonly byteLength: Bytes;
  readonly sectorSize: Bytes;
  readonly readOnly: boolean;
  /** Of a partition: the disk, and where it lies there. */
  readonly partition?: { readonly disk: string; readonly number: number; readonly start: Bytes };
  /** Names of the devices that it is made of (device-mapper, md). */
  readonly slaves: readonly string[];
  readonly loop?: LoopFacts;
  /** Of device-mapper: `vg-lv`, `LVM-...`. */
  readonly mapper?: { readonly name: string; readonly uuid: string };
  /** Of md: `raid1`. */
  readonly mdLevel?: string;
}

export interface LoopFacts {
  /** As the kernel has it. */
  readonly file: string;
  /** `device:inode` of that file; undefined when it is gone. */
  readonly fileKey: string | undefined;
  readonly offset: Bytes;
  /** 0: to the file's end. */
  readonly sizeLimit: Bytes;
}

export interface MountFacts {
  /** Of the device; `0:...` where the filesystem has none of its own (network, memory, btrfs). */
  readonly number: string;
  /** As mount(8) was told: `/dev/sda1`, `host:/export`. */
  readonly source: string;
  readonly mountPoint: string;
  readonly type: string;
  /** The filesystem, not only this mount of it. */
  readonly writable: boolean;
}

export interface Machine {
  readonly devices: readonly BlockDeviceFacts[];
  readonly mounts: readonly MountFacts[];
  /** Numbers of devices that are swapped to. */
  readonly swaps: readonly string[];
}

const unescapeOctal = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/** proc_pid_mountinfo(5). */
export function parseMounts(text: string): MountFacts[] {
  return text.split('\n').flatMap((line) => {
    const fields = line.split(' ');
    const dash = fields.indexOf('-', 6);
    if (dash < 0 || fields.length < dash + 4) return [];
    return [
      {
        number: fields[2],
        source: unescapeOctal(fields[dash + 2]),
        mountPoint: unescapeOctal(fields[4]),
        type: fields[dash + 1],
        writable: !fields[dash + 3].split(',').includes('ro'),
      },
    ];
  });
}

/** Paths of what is swapped to, files and devices. proc_swaps(5). */
export function parseSwaps(text: string): string[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => (line.trim() === '' ? [] : [unescapeOctal(line.split(/\s/)[0])]));
}
