/**
 * The volume groups whose physical volumes are partitions of a disk (or the disk itself), as parts of it.
 *
 * Of a group's metadata the newest counts, whichever of its physical volumes has it. What cannot be read stays what it is: a
 * partition that is copied whole.
 */
import { FormatError } from '../../bytes/errors.ts';
import { type Runs, runsOf } from '../../bytes/extents.ts';
import type { Segment } from '../../bytes/segments.ts';
import { type Bytes, bytes, MiB } from '../../bytes/units.ts';
import { type PhysicalVolumeLabel, readLabel, readMetadata } from '../lvm/physical-volume.ts';
import { decodeVolumeGroup, type PhysicalExtents, type VolumeGroup } from '../lvm/volume-group.ts';
import type { ReadAt } from '../volume.ts';
import type { DiskPart } from './disk.ts';

/** What may be a physical volume. */
export interface Member {
  /** Of the part; empty: the disk itself. */
  readonly path: string;
  readonly volumeOffset: Bytes;
  readonly byteLength: Bytes;
  readonly readAt: ReadAt;
}

export interface Groups {
  readonly parts: readonly Omit<DiskPart, 'number'>[];
  readonly free: Runs;
  readonly notes: readonly string[];
  /** Paths of the members whose group was read: its volumes stand for them. */
  readonly used: readonly string[];
  /** Ids of the physical volumes of these groups. */
  readonly physicalVolumes: readonly string[];
}

interface Found {
  readonly member: Member;
  readonly label: PhysicalVolumeLabel;
}

/** Bytes of metadata text that are read of one disk: a group of 10,000 volumes has some 5 MB, on each physical volume. */
const METADATA_BYTES_MAX = 256 * MiB;

export async function divideGroups(members: readonly Member[], signal?: AbortSignal): Promise<Groups> {
  const notes: string[] = [];
  const found = new Map<string, Found>();
  for (const member of members) {
    const label = await labelOf(member, signal);
    if (label === undefined) continue;
    const other = found.get(label.uuid);
    if (other === undefined) found.set(label.uuid, { member, label });
    else notes.push(`${member.path} is the same physical volume as ${other.member.path}, a copy: not read`);
  }
  const groups = await newestGroups([...found.values()], notes, signal);
  const used = groups.flatMap(({ physicalVolumes }) => physicalVolumes.filter((uuid) => found.has(uuid)));
  const sole = (uuid: string): boolean => used.filter((one) => one === uuid).length === 1;
  return {
    parts: groups.flatMap((group) => partsOf(group, pathOf(group, groups, members), found)),
    // What two groups claim is free in neither.
    free: runsOf(groups.flatMap(({ free }) => pairsOf(free, found, sole))),
    notes,
    used: used.map((uuid) => found.get(uuid)?.member.path ?? ''),
    physicalVolumes: used,
  };
}

async function labelOf(
  { path, readAt, byteLength }: Member,
  signal: AbortSignal | undefined,
): Promise<PhysicalVolumeLabel | undefined> {
  try {
    return await readLabel(readAt, byteLength, signal);
  } catch (error) {
    // Of the disk itself that is the caller's; a partition that cannot be read costs no other.
    if (error instanceof FormatError && path !== '') return undefined;
    throw error;
  }
}

/** By id: the metadata with the highest sequence number. In order of names. */
async function newestGroups(found: readonly Found[], notes: string[], signal?: AbortSignal): Promise<VolumeGroup[]> {
  const newest = new Map<string, VolumeGroup>();
  const budget = { bytesLeft: METADATA_BYTES_MAX };
  for (const { member, label } of found) {
    const { path, readAt, byteLength } = member;
    const damaged = (words: string): void => void notes.push(path === '' ? words : `${path}: ${words}`);
    for (const metadata of await readMetadata(readAt, byteLength, label, budget, damaged, signal)) {
      try {
        const group = decodeVolumeGroup(metadata);
        const other = newest.get(group.uuid);
        if (other === undefined || other.sequence < group.sequence) newest.set(group.uuid, group);
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        damaged(error.message);
      }
    }
  }
  return [...newest.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.uuid < b.uuid ? -1 : 1));
}

/** `/NAME`; with a piece of the group's id where another group or a partition has that name. */
function pathOf(group: VolumeGroup, groups: readonly VolumeGroup[], members: readonly Member[]): string {
  const path = `/${group.name}`;
  const taken = groups.some((one) => one !== group && one.name === group.name) || /^\/\d+$/.test(path);
  return taken || members.some((one) => one.path === path) ? `${path}-${group.uuid.slice(0, 6)}` : path;
}

function partsOf(group: VolumeGroup, path: string, found: ReadonlyMap<string, Found>): Omit<DiskPart, 'number'>[] {
  return group.volumes.map(({ name, extents, reason }) => {
    const part = { path: `${path}/${name}`, type: '' };
    if (reason !== undefined) return { ...part, segments: [], reason };
    const segments = segmentsOf(extents, found);
    return typeof segments === 'string' ? { ...part, segments: [], reason: segments } : { ...part, segments };
  });
}

/** Where they lie on the disk, or why that is not known. */
function segmentsOf(extents: readonly PhysicalExtents[], found: ReadonlyMap<string, Found>): Segment[] | string {
  const out: Segment[] = [];
  for (const { volume, offset, byteLength } of extents) {
    const member = found.get(volume)?.member;
    if (member === undefined) return `a part of it lies on physical volume ${volume}, which is not on this disk`;
    if (offset + byteLength > member.byteLength) return `a part of it ends past physical volume ${volume}`;
    out.push({ volumeOffset: bytes(member.volumeOffset + offset), byteLength: bytes(byteLength) });
  }
  // Physical volumes in partitions that overlap.
  const ordered = [...out].sort((a, b) => a.volumeOffset - b.volumeOffset);
  const apart = ordered.every(
    (one, i) => i === 0 || ordered[i - 1].volumeOffset + ordered[i - 1].byteLength <= one.volumeOffset,
  );
  return apart ? out : 'its segments overlap on the disk';
}

function pairsOf(
  free: readonly PhysicalExtents[],
  found: ReadonlyMap<string, Found>,
  sole: (uuid: string) => boolean,
): [number, number][] {
  return free.flatMap(({ volume, offset, byteLength }): [number, number][] => {
    const member = found.get(volume)?.member;
    if (member === undefined || offset >= member.byteLength || !sole(volume)) return [];
    return [[member.volumeOffset + offset, Math.min(byteLength, member.byteLength - offset)]];
  });
}
