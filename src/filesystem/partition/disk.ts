/**
 * How a disk is divided: its partitions, and the logical volumes in them. What each of them holds is for others to say.
 *
 * Nothing is believed that the table alone says: a part that ends past the disk is cut there and has its reason.
 */
import type { Runs } from '../../bytes/extents.ts';
import { runsOf } from '../../bytes/extents.ts';
import type { Segment } from '../../bytes/segments.ts';
import { type Bytes, bytes } from '../../bytes/units.ts';
import type { ReadAt } from '../volume.ts';
import { readGpt } from './gpt.ts';
import { readMbr } from './mbr.ts';
import { DOS_SECTOR_BYTES, type Partition, type PartitionTable } from './table.ts';

/** A partition or a logical volume. */
export interface DiskPart {
  /** The partition's; 32768 and up: logical volumes. Unique. */
  readonly number: number;
  /** `/1`, `/vg/lv`; unique. */
  readonly path: string;
  /** Where it lies on the disk, in its order, without overlap. Empty: not known, see `reason`. */
  readonly segments: readonly Segment[];
  /** Why it cannot be read as what it is. */
  readonly reason?: string;
  /** Type of the partition as its table has it; empty for a logical volume. */
  readonly type: string;
  /** The table's or LVM's unique id, and the table's name. */
  readonly uuid: string;
  readonly name: string;
}

export interface Disk {
  readonly type: 'gpt' | 'dos' | 'lvm';
  readonly id: string;
  /** Ascending by number. */
  readonly parts: readonly DiskPart[];
  /** What is known to hold nothing: free extents of volume groups. */
  readonly free: Runs;
  readonly notes: readonly string[];
  /** A filesystem that fits in the disk's place is believed instead. */
  readonly doubtful: boolean;
}

export interface DiskOptions {
  /** Bytes of a logical block, where a device tells: tried before the usual ones. */
  readonly sectorSize?: Bytes;
  readonly signal?: AbortSignal;
}

const SECTOR_BYTES = [bytes(DOS_SECTOR_BYTES), bytes(4096)];

/** How a volume is divided; undefined: it is not. @throws FormatError `io` when its first blocks cannot be read */
export async function readDisk(
  readAt: ReadAt,
  volumeBytes: Bytes,
  options: DiskOptions = {},
): Promise<Disk | undefined> {
  const { sectorSize = bytes(DOS_SECTOR_BYTES), signal } = options;
  const sizes = [sectorSize, ...SECTOR_BYTES.filter((size) => size !== sectorSize)];
  const table =
    (await readGpt(readAt, volumeBytes, sizes, signal)) ?? (await readMbr(readAt, volumeBytes, sectorSize, signal));
  return table === undefined ? undefined : diskOf(table, volumeBytes);
}

function diskOf(table: PartitionTable, volumeBytes: Bytes): Disk {
  return {
    type: table.type,
    id: table.id,
    parts: table.partitions.map((partition) => partOf(partition, volumeBytes)),
    free: runsOf([]),
    notes: table.notes,
    doubtful: table.doubtful,
  };
}

function partOf(partition: Partition, volumeBytes: Bytes): DiskPart {
  const { number, start, byteLength, type, uuid, name } = partition;
  const within = Math.min(byteLength, volumeBytes - start);
  const part = { number, path: `/${number}`, type, uuid, name };
  if (within <= 0) return { ...part, segments: [], reason: 'it lies behind the end of the disk' };
  const segments = [{ volumeOffset: start, byteLength: bytes(within) }];
  if (within === byteLength) return { ...part, segments };
  return { ...part, segments, reason: `it ends ${byteLength - within} bytes behind the end of the disk` };
}
