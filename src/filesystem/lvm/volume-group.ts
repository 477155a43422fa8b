/**
 * A volume group from its metadata: which extents of which physical volume make which logical volume. lvm2
 * lib/format_text/import_vsn1.c.
 *
 * Linear volumes (segments of type `striped` with one stripe) are read; every other kind is named with its reason. Nothing is
 * believed before it was checked against the physical volumes that are there.
 */
import { FormatError } from '../../bytes/errors.ts';
import { isSection, type Section, type Value } from './text.ts';

const SECTOR = 512;
/** Logical volumes and segments that are looked at; more are not read. */
const VOLUMES_MAX = 4096;
const SEGMENTS_MAX = 200_000;

/** Bytes of a physical volume. */
export interface PhysicalExtents {
  /** Id of the physical volume, with dashes. */
  readonly volume: string;
  readonly offset: number;
  readonly byteLength: number;
}

export interface LogicalVolume {
  readonly name: string;
  readonly uuid: string;
  /** In its order; empty when it cannot be read. */
  readonly extents: readonly PhysicalExtents[];
  /** Why it cannot be read. */
  readonly reason?: string;
}

export interface VolumeGroup {
  readonly name: string;
  readonly uuid: string;
  readonly sequence: number;
  /** Ids of its physical volumes, with dashes. */
  readonly physicalVolumes: readonly string[];
  /** Those that a user sees, by name. */
  readonly volumes: readonly LogicalVolume[];
  /** Extents that no logical volume has. */
  readonly free: readonly PhysicalExtents[];
}

interface Physical {
  readonly uuid: string;
  readonly peStart: number;
  readonly peCount: number;
  readonly used: { from: number; to: number }[];
}

/** @throws FormatError `corrupt` when the metadata contradicts itself so far that nothing can be read by it */
export function decodeVolumeGroup(metadata: Section): VolumeGroup {
  const found = [...metadata].find((one): one is [string, Section] => isSection(one[1]));
  if (found === undefined) throw new FormatError('corrupt', 'LVM metadata', 'has no volume group');
  return new GroupReader(found[0], found[1]).read();
}

class GroupReader {
  readonly #name: string;
  readonly #group: Section;
  readonly #where: string;
  readonly #extentBytes: number;
  readonly #physical = new Map<string, Physical>();
  #segments = 0;

  constructor(name: string, group: Section) {
    this.#name = name;
    this.#group = group;
    this.#where = `volume group ${name}`;
    this.#extentBytes = this.#count(group, 'extent_size') * SECTOR;
    if (this.#extentBytes === 0) throw this.#wrong('extents of no bytes');
  }

  read(): VolumeGroup {
    this.#readPhysical();
    const all = sectionsOf(this.#group.get('logical_volumes'));
    if (all.length > VOLUMES_MAX) throw new FormatError('unsupported', this.#where, `${all.length} logical volumes`);
    for (const [, section] of all) this.#markUsed(section);
    const snapshots = snapshotsOf(all);
    const volumes: LogicalVolume[] = [];
    for (const [name, section] of all) {
      const reason = snapshots.get(name);
      if (isInternal(section, reason !== undefined)) continue;
      volumes.push(this.#volume(name, section, reason));
    }
    return {
      name: this.#name,
      uuid: textOf(this.#group.get('id')),
      sequence: this.#count(this.#group, 'seqno'),
      physicalVolumes: [...this.#physical.values()].map(({ uuid }) => uuid),
      volumes: volumes.sort((a, b) => (a.name < b.name ? -1 : 1)),
      free: this.#free(),
    };
  }

  #readPhysical(): void {
    for (const [name, section] of sectionsOf(this.#group.get('physical_volumes'))) {
      const uuid = textOf(section.get('id'));
      const peStart = this.#count(section, 'pe_start') * SECTOR;
      this.#physical.set(name, { uuid, peStart, peCount: this.#count(section, 'pe_count'), used: [] });
    }
  }

  /** Every extent of a physical volume that a segment names, whatever its type. */
  #markUsed(volume: Section): void {
    for (const segment of this.#segmentsOf(volume)) {
      const count = this.#count(segment, 'extent_count');
      const stripes = textOf(segment.get('type')) === 'striped' ? numberOf(segment.get('stripe_count'), 1) : 1;
      for (const value of segment.values()) {
        if (!Array.isArray(value)) continue;
        for (const { physical, extent } of this.#areasOf(value))
          physical?.used.push({ from: extent, to: extent + Math.ceil(count / Math.max(1, stripes)) });
      }
    }
  }

  #areasOf(list: readonly Value[]): { name: string; physical: Physical | undefined; extent: number }[] {
    const out: { name: string; physical: Physical | undefined; extent: number }[] = [];
    for (let i = 0; i + 1 < list.length; i += 2) {
      const [name, extent] = [list[i], list[i + 1]];
      if (typeof name === 'string' && isCount(extent)) out.push({ name, physical: this.#physical.get(name), extent });
    }
    return out;
  }

  #segmentsOf(volume: Section): Section[] {
    const out = sectionsOf(volume).flatMap(([name, section]) => (/^segment\d+$/.test(name) ? [section] : []));
    this.#segments += out.length;
    if (this.#segments > SEGMENTS_MAX) throw new FormatError('unsupported', this.#where, 'too many segments');
    return out;
  }

  #volume(name: string, section: Section, reason: string | undefined): LogicalVolume {
    const volume = { name, uuid: textOf(section.get('id')) };
    if (reason !== undefined) return { ...volume, extents: [], reason };
    const extents = this.#linear(section);
    return typeof extents === 'string' ? { ...volume, extents: [], reason: extents } : { ...volume, extents };
  }

  /** The extents of a linear volume, or why it is none that can be read. */
  #linear(section: Section): PhysicalExtents[] | string {
    const segments = this.#segmentsOf(section).sort((a, b) => startOf(a) - startOf(b));
    if (segments.length === 0) return 'it has no segments';
    const out: PhysicalExtents[] = [];
    let next = 0;
    for (const segment of segments) {
      const kind = kindOf(segment);
      if (kind !== 'linear') return `it is of type ${kind}, which cannot be read here`;
      const count = numberOf(segment.get('extent_count'), 0);
      if (startOf(segment) !== next || count <= 0) return 'its segments do not follow each other';
      next += count;
      const place = this.#place(segment, count);
      if (typeof place === 'string') return place;
      const last = out.at(-1);
      if (last?.volume === place.volume && last.offset + last.byteLength === place.offset)
        out[out.length - 1] = { ...last, byteLength: last.byteLength + place.byteLength };
      else out.push(place);
    }
    return overlap(out) ? 'its segments overlap' : out;
  }

  #place(segment: Section, count: number): PhysicalExtents | string {
    const list = segment.get('stripes');
    const [area] = Array.isArray(list) ? this.#areasOf(list) : [];
    if (area === undefined) return 'a segment of it lies nowhere';
    const { physical, extent } = area;
    if (physical === undefined) return `a part of it lies on ${area.name}, which is not a physical volume`;
    if (extent + count > physical.peCount) return `a segment of it ends past physical volume ${physical.uuid}`;
    return {
      volume: physical.uuid,
      offset: physical.peStart + extent * this.#extentBytes,
      byteLength: count * this.#extentBytes,
    };
  }

  #free(): PhysicalExtents[] {
    return [...this.#physical.values()].flatMap(({ uuid, peStart, peCount, used }) => {
      const out: PhysicalExtents[] = [];
      let next = 0;
      const add = (to: number): void => {
        if (to > next)
          out.push({
            volume: uuid,
            offset: peStart + next * this.#extentBytes,
            byteLength: (to - next) * this.#extentBytes,
          });
      };
      for (const { from, to } of used.sort((a, b) => a.from - b.from)) {
        add(Math.min(from, peCount));
        next = Math.max(next, to);
      }
      add(peCount);
      return out;
    });
  }

  #count(section: Section, key: string): number {
    const value = section.get(key);
    if (!isCount(value)) throw this.#wrong(`no number "${key}"`);
    return value;
  }

  #wrong(what: string): FormatError {
    return new FormatError('corrupt', this.#where, what);
  }
}

/** 2^40 extents or sectors at most, so that bytes stay exact. */
const isCount = (value: Value | undefined): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 2 ** 40;

const numberOf = (value: Value | undefined, otherwise: number): number => (isCount(value) ? value : otherwise);
const textOf = (value: Value | undefined): string => (typeof value === 'string' ? value : '');
const startOf = (segment: Section): number => numberOf(segment.get('start_extent'), -1);

const sectionsOf = (value: Value | undefined): [string, Section][] =>
  isSection(value) ? [...value].filter((one): one is [string, Section] => isSection(one[1])) : [];

/** `linear`, or what else the segment is, for people. */
function kindOf(segment: Section): string {
  const type = textOf(segment.get('type')).replace(/\+.*$/, ''); // flags that new versions append
  const stripes = numberOf(segment.get('stripe_count'), 1);
  if (type === 'linear' || (type === 'striped' && stripes === 1)) return 'linear';
  return type === 'striped' ? `striped over ${stripes}` : type || 'unknown';
}

/** A part of other volumes (images of a mirror, metadata of a pool), which users do not see. */
function isInternal(section: Section, isSnapshot: boolean): boolean {
  if (isSnapshot) return false;
  const status = section.get('status');
  const visible = Array.isArray(status) && status.includes('VISIBLE');
  return !visible || sectionsOf(section).some(([, segment]) => textOf(segment.get('type')) === 'snapshot');
}

/** The stores of snapshots, by name: they stand for the snapshots that users see. */
function snapshotsOf(all: readonly [string, Section][]): Map<string, string> {
  const out = new Map<string, string>();
  for (const [, section] of all)
    for (const [, segment] of sectionsOf(section)) {
      const store = segment.get('cow_store') ?? segment.get('merging_store');
      if (textOf(segment.get('type')) === 'snapshot' && typeof store === 'string')
        out.set(store, `it is a snapshot of ${textOf(segment.get('origin'))}, which cannot be read here`);
    }
  return out;
}

function overlap(extents: readonly PhysicalExtents[]): boolean {
  const ordered = [...extents].sort((a, b) =>
    a.volume < b.volume ? -1 : a.volume > b.volume ? 1 : a.offset - b.offset,
  );
  return ordered.some((one, i) => {
    const before = ordered[i - 1];
    return before !== undefined && before.volume === one.volume && before.offset + before.byteLength > one.offset;
  });
}
