/**
 * Who uses a volume on this machine: mounts, swap and arrays, of the volume itself, of the disk around it, and of everything
 * that is made of it (partitions, loop devices, logical volumes), as far as their bytes touch.
 */
import type { Bytes } from '../../bytes/units.ts';
import type { BlockDeviceFacts, Machine, MountFacts } from './facts.ts';

export type Use =
  | { readonly kind: 'mount'; readonly mount: MountFacts; readonly device: BlockDeviceFacts }
  | { readonly kind: 'swap'; readonly device: BlockDeviceFacts }
  /** It is a piece of a running array. */
  | { readonly kind: 'array'; readonly device: BlockDeviceFacts };

/** Bytes from `start` up to `end`. */
export interface Range {
  readonly start: Bytes;
  readonly end: Bytes;
}

export type Target =
  | { readonly kind: 'device'; readonly number: string }
  /** `key`: see fileKeyOf. */
  | { readonly kind: 'file'; readonly key: string | undefined; readonly path: string };

const ALL: Range = { start: 0, end: Number.POSITIVE_INFINITY };

/** @param range bytes of the target that count */
export function usesOf(machine: Machine, target: Target, range: Range = ALL): Use[] {
  const search = new Search(machine);
  if (target.kind === 'file') search.file(target, range);
  else search.device(target.number, range);
  return [...search.uses.values()];
}

/** Devices are searched once for each way that leads to them; ways are bounded, since nothing is made of itself. */
class Search {
  readonly uses = new Map<string, Use>();
  readonly #machine: Machine;
  readonly #open = new Set<string>();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  file({ key, path }: Extract<Target, { kind: 'file' }>, range: Range): void {
    for (const device of this.#machine.devices) {
      const { loop } = device;
      if (loop === undefined) continue;
      const same = loop.fileKey === undefined ? loop.file === path : loop.fileKey === key;
      const inside = same ? overlapIn(range, loop.offset, loop.sizeLimit || Number.POSITIVE_INFINITY) : undefined;
      if (inside !== undefined) this.#down(device, inside);
    }
  }

  /** A partition is searched for from its disk on: that may be in use as a whole. */
  device(number: string, range: Range): void {
    const found = this.#machine.devices.find((one) => one.number === number);
    if (found === undefined) return;
    const { partition, byteLength, loop } = found;
    if (loop?.fileKey !== undefined) {
      const end = loop.offset + Math.min(range.end, byteLength);
      this.file({ kind: 'file', key: loop.fileKey, path: loop.file }, { start: loop.offset + range.start, end });
      return;
    }
    const disk = partition && this.#machine.devices.find(({ name }) => name === partition.disk);
    if (disk === undefined || partition === undefined) {
      this.#down(found, range);
      return;
    }
    const end = partition.start + Math.min(range.end, byteLength);
    this.#down(disk, { start: partition.start + range.start, end });
  }

  #down(device: BlockDeviceFacts, range: Range): void {
    if (this.#open.has(device.name)) return;
    this.#open.add(device.name);
    this.#note(device);
    for (const one of this.#machine.devices) {
      const { partition, loop } = one;
      const inside =
        partition?.disk === device.name
          ? overlapIn(range, partition.start, one.byteLength)
          : loop !== undefined && loop.file === device.path
            ? overlapIn(range, loop.offset, loop.sizeLimit || Number.POSITIVE_INFINITY)
            : undefined;
      if (inside !== undefined) this.#down(one, inside);
      // What is made of several devices may have any of their bytes.
      else if (one.slaves.includes(device.name)) this.#down(one, ALL);
    }
    this.#open.delete(device.name);
  }

  #note(device: BlockDeviceFacts): void {
    const { mounts, swaps, devices } = this.#machine;
    for (const mount of mounts)
      if (mount.number === device.number) this.uses.set(`mount ${mount.mountPoint}`, { kind: 'mount', mount, device });
    if (swaps.includes(device.number)) this.uses.set(`swap ${device.name}`, { kind: 'swap', device });
    for (const array of devices)
      if (array.mdLevel !== undefined && array.slaves.includes(device.name))
        this.uses.set(`array ${array.name}`, { kind: 'array', device: array });
  }
}

/** The part of `range` that lies in `length` bytes from `start`, counted from there. */
function overlapIn(range: Range, start: Bytes, length: Bytes): Range | undefined {
  const from = Math.max(range.start, start);
  const to = Math.min(range.end, start + length);
  return from < to ? { start: from - start, end: to - start } : undefined;
}

/** Why a volume cannot be used now, and what helps. */
export interface Forbidden {
  readonly use: Use;
  readonly what: string;
  readonly remedy: string;
}

/** The use that forbids reading the volume, or writing it, in words; undefined: none does. */
export function forbids(uses: readonly Use[], purpose: 'read' | 'write'): Forbidden | undefined {
  for (const use of uses) {
    if (use.kind === 'mount' && purpose === 'write')
      return { use, what: `is mounted at ${use.mount.mountPoint}`, remedy: 'unmount it first' };
    if (use.kind === 'mount' && use.mount.writable)
      return {
        use,
        what: `is mounted writable at ${use.mount.mountPoint}`,
        remedy: 'unmount it, remount it read-only, or back up a snapshot of it',
      };
    if (use.kind === 'array')
      return {
        use,
        what: `is a member of the running array ${nameOf(use.device)}`,
        remedy: purpose === 'read' ? `back up ${nameOf(use.device)}` : 'stop the array first',
      };
    if (use.kind === 'swap') return { use, what: `is swapped to (${nameOf(use.device)})`, remedy: 'swapoff it first' };
  }
  return undefined;
}

export const nameOf = ({ path, name }: BlockDeviceFacts): string => path ?? name;
