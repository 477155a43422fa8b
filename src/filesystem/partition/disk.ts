/**
 * How a volume is divided: partitions, logical volumes in them, and what those are divided into again (a virtual machine's
 * disk in a logical volume). What each part holds is for others to say.
 *
 * Nothing is believed that a table alone says: a part that ends past the disk is cut there and has its reason.
 */
import { FormatError } from '../../bytes/errors.ts';
import { type Runs, runsOf, unionRuns } from '../../bytes/extents.ts';
import { type Segment, SegmentMap } from '../../bytes/segments.ts';
import { type Bytes, bytes } from '../../bytes/units.ts';
import { type ReadAt, readAtOfSegments } from '../volume.ts';
import { readGpt } from './gpt.ts';
import { divideGroups, type Member } from './groups.ts';
import { readMbr } from './mbr.ts';
import { DOS_SECTOR_BYTES, type Partition, type PartitionTable } from './table.ts';

/** A partition or a logical volume. */
export interface DiskPart {
  /** The partition's; FIRST_LOGICAL_VOLUME and up: logical volumes, and what is in them. Unique. */
  readonly number: number;
  /** `/1`, `/vg/lv`; unique. */
  readonly path: string;
  /** Where it lies on the disk, in its order, without overlap. Empty: not known, see `reason`. */
  readonly segments: readonly Segment[];
  /** Why it cannot be read as what it is. */
  readonly reason?: string;
  /** Type of the partition as its table has it; empty for a logical volume. */
  readonly type: string;
}

export interface Disk {
  readonly type: 'gpt' | 'dos' | 'lvm';
  readonly id: string;
  /** Ascending by number. */
  readonly parts: readonly DiskPart[];
  /** Partitions that are physical volumes of groups in `parts`: these stand for them. */
  readonly physicalVolumes: readonly DiskPart[];
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

export const FIRST_LOGICAL_VOLUME = 32_768;
/** Parts of one disk at most, those in logical volumes included. */
const PARTS_MAX = 8192;
/** Disks within logical volumes within disks. */
const DEPTH_MAX = 3;

const SECTOR_BYTES = [bytes(DOS_SECTOR_BYTES), bytes(4096)];

/** How a volume is divided; undefined: it is not. @throws FormatError `io` when its first blocks cannot be read */
export async function readDisk(
  readAt: ReadAt,
  volumeBytes: Bytes,
  options: DiskOptions = {},
): Promise<Disk | undefined> {
  const disk = await divide(readAt, volumeBytes, options, 0);
  return disk && numbered(disk);
}

/** Parts that are no partitions of the disk's own table have no number yet. */
type Unnumbered = Omit<DiskPart, 'number'> & { readonly number?: number };
type Division = Omit<Disk, 'parts'> & { readonly parts: readonly Unnumbered[] };

function numbered({ parts, notes, ...disk }: Division): Disk {
  let next = FIRST_LOGICAL_VOLUME;
  const cut = parts.length > PARTS_MAX;
  return {
    ...disk,
    parts: parts.slice(0, PARTS_MAX).map((part) => ({ ...part, number: part.number ?? next++ })),
    notes: cut ? [...notes, `${parts.length - PARTS_MAX} of its parts are copied and not indexed`] : notes,
  };
}

async function divide(
  readAt: ReadAt,
  volumeBytes: Bytes,
  options: DiskOptions,
  depth: number,
): Promise<Division | undefined> {
  const { sectorSize = bytes(DOS_SECTOR_BYTES), signal } = options;
  const sizes = [sectorSize, ...SECTOR_BYTES.filter((size) => size !== sectorSize)];
  const table =
    (await readGpt(readAt, volumeBytes, sizes, signal)) ?? (await readMbr(readAt, volumeBytes, sectorSize, signal));
  const partitions = table?.partitions.map((partition) => partOf(partition, volumeBytes)) ?? [];
  const whole = { path: '', segments: [{ volumeOffset: 0, byteLength: volumeBytes }], type: '' };
  const members = membersOf(table === undefined ? [whole] : partitions, readAt);
  const groups = await divideGroups(members, signal);
  if (table === undefined && groups.physicalVolumes.length === 0) return undefined;
  const ofGroups = await withDivided(groups.parts, readAt, options, depth);
  const names = new Set(groups.used);
  return {
    ...(table === undefined ? lvmDisk(groups.physicalVolumes[0]) : tableDisk(table)),
    parts: [...partitions.filter(({ path }) => !names.has(path)), ...ofGroups.parts],
    physicalVolumes: partitions.filter(({ path }) => names.has(path)),
    free: unionRuns(groups.free, ofGroups.free),
    notes: [...(table?.notes ?? []), ...groups.notes, ...ofGroups.notes],
  };
}

const tableDisk = ({ type, id, doubtful }: PartitionTable): Pick<Disk, 'type' | 'id' | 'doubtful'> => ({
  type,
  id,
  doubtful,
});

const lvmDisk = (id: string): Pick<Disk, 'type' | 'id' | 'doubtful'> => ({ type: 'lvm', id, doubtful: false });

function membersOf(parts: readonly Pick<DiskPart, 'path' | 'segments'>[], readAt: ReadAt): Member[] {
  return parts
    .filter(({ segments }) => segments.length > 0)
    .map(({ path, segments: [{ volumeOffset, byteLength }] }) => ({
      path,
      volumeOffset,
      byteLength,
      readAt: readAtOfSegments(readAt, new SegmentMap([{ volumeOffset, byteLength }]), `partition ${path}`),
    }));
}

/** Logical volumes that are disks themselves (of virtual machines) give way to their parts. */
async function withDivided(
  parts: readonly Unnumbered[],
  readAt: ReadAt,
  options: DiskOptions,
  depth: number,
): Promise<Pick<Division, 'parts' | 'free' | 'notes'>> {
  const out: Unnumbered[] = [];
  const notes: string[] = [];
  let free = runsOf([]);
  for (const part of parts) {
    const inner = depth < DEPTH_MAX ? await divided(part, readAt, options, depth + 1) : undefined;
    if (inner === undefined || out.length > PARTS_MAX) {
      out.push(part);
      continue;
    }
    const map = new SegmentMap(part.segments);
    for (const { path, segments, type, reason } of inner.parts)
      out.push({
        path: `${part.path}${path}`,
        segments: segments.flatMap((one) => map.pieces(one.volumeOffset, one.byteLength)),
        type,
        ...(reason !== undefined && { reason }),
      });
    free = unionRuns(free, map.runs(inner.free));
    notes.push(...inner.notes.map((note) => `${part.path}: ${note}`));
  }
  return { parts: out, free, notes };
}

async function divided(
  { path, segments, reason }: Unnumbered,
  readAt: ReadAt,
  options: DiskOptions,
  depth: number,
): Promise<Division | undefined> {
  if (segments.length === 0 || reason !== undefined) return undefined;
  const map = new SegmentMap(segments);
  try {
    const inner = await divide(readAtOfSegments(readAt, map, path), map.byteLength, options, depth);
    return inner?.doubtful || inner?.parts.length === 0 ? undefined : inner;
  } catch (error) {
    if (error instanceof FormatError) return undefined; // said when its filesystem is looked for
    throw error;
  }
}

function partOf(partition: Partition, volumeBytes: Bytes): DiskPart {
  const { number, start, byteLength, type } = partition;
  const within = Math.min(byteLength, volumeBytes - start);
  const part = { number, path: `/${number}`, type };
  if (byteLength === 0) return { ...part, segments: [], reason: 'it ends before it begins' };
  if (within <= 0) return { ...part, segments: [], reason: 'it lies behind the end of the disk' };
  const segments = [{ volumeOffset: start, byteLength: bytes(within) }];
  if (within === byteLength) return { ...part, segments };
  return { ...part, segments, reason: `it ends ${byteLength - within} bytes behind the end of the disk` };
}
