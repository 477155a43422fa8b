/** The volume of a backup: what it is, what is on it, which of its bytes count, and whether its files can be indexed. */
import { createHash } from 'node:crypto';
import { FormatError } from '../bytes/errors.ts';
import { gapsOf, intersectRuns, type Runs, runsOf, unionAll } from '../bytes/extents.ts';
import { bytesOf } from '../bytes/layout.ts';
import { SegmentMap } from '../bytes/segments.ts';
import { type Bytes, bytes } from '../bytes/units.ts';
import type { Filesystem, FilesystemIdentity, NotWalkable, OpenFilesystem } from '../filesystem/filesystem.ts';
import { type Disk, type DiskPart, readDisk } from '../filesystem/partition/disk.ts';
import { typeWithoutFiles } from '../filesystem/partition/types.ts';
import { onSegments } from '../filesystem/segmented.ts';
import { type ReadAt, readAtOfSegments } from '../filesystem/volume.ts';

export interface VolumeToRead {
  readonly readAt: ReadAt;
  readonly byteLength: Bytes;
  /** Where it was found, for people. */
  readonly source: string;
  /** Changes when the volume may have: its modification time and the like. */
  readonly changeMark: string;
  /** Bytes of a logical block, where a device tells. */
  readonly sectorSize?: Bytes;
  /** Byte runs that are not holes of the image file; missing: all of it counts. For what is copied whole. */
  readonly dataRuns?: () => Promise<Runs>;
}

/** One filesystem of a volume, or what there is in its place. */
export interface SourcePart {
  /** FilesystemRecord.number and .path. */
  readonly number: number;
  readonly path: string | undefined;
  /** Where it lies in the volume; of no bytes: not known. */
  readonly map: SegmentMap;
  /** The filesystem to index, in addresses of the volume; missing: the part is copied whole. */
  readonly filesystem: Filesystem | undefined;
  readonly described: FilesystemIdentity | undefined;
  /** Why its files cannot be indexed; null: they can, or it is known to hold none. */
  readonly reason: string | null;
}

export interface VolumeSource {
  readonly volume: VolumeToRead;
  /** What it is, lasting: never its path. DESIGN "A volume is known by what it is". */
  readonly identity: string;
  /** Equal only while the volume is unchanged: a run resumes on nothing else. */
  readonly fingerprint: string;
  /** One part without a path for a volume that is not divided; ascending by number. */
  readonly parts: readonly SourcePart[];
  /** How it is divided; missing: it is not. */
  readonly disk: Disk | undefined;
  readonly allocated: Runs;
  /** Name to use when the user gives none. */
  readonly defaultName: string;
}

/** Bytes from the start of the volume, and of each part, that the fingerprint takes in: boot block and superblock. */
const HEAD_BYTES = 64 * 1024;

/** Looks at a volume. @throws FormatError when it cannot be read or is damaged beyond walking and copying */
export async function openSource(
  volume: VolumeToRead,
  openers: readonly OpenFilesystem[],
  signal?: AbortSignal,
): Promise<VolumeSource> {
  if (volume.byteLength === 0) throw new FormatError('corrupt', volume.source, 'is empty; nothing to back up');
  try {
    const { disk, opened } = await diskOrFilesystem(volume, openers, signal);
    return await (disk === undefined ? plainSource(volume, opened, signal) : diskSource(volume, disk, openers, signal));
  } catch (error) {
    throw aboutVolume(error, volume);
  }
}

/** What is on a volume, looked at only. */
export interface VolumeLook {
  readonly disk: Disk | undefined;
  /** As VolumeSource.parts. */
  readonly parts: readonly Pick<SourcePart, 'path' | 'map' | 'described' | 'reason'>[];
}

/** As `openSource`, without looking for what is allocated. @throws FormatError as that does */
export async function lookAt(
  volume: Pick<VolumeToRead, 'readAt' | 'byteLength' | 'source' | 'sectorSize'>,
  openers: readonly OpenFilesystem[],
  signal?: AbortSignal,
): Promise<VolumeLook> {
  const { readAt, byteLength } = volume;
  const { disk, opened } = await diskOrFilesystem(volume, openers, signal);
  if (disk === undefined) {
    const map = new SegmentMap([{ volumeOffset: 0, byteLength }]);
    return { disk, parts: [{ path: undefined, map, described: opened?.identity, reason: reasonOf(opened) }] };
  }
  const parts: SourcePart[] = [];
  for (const one of disk.parts) {
    const map = new SegmentMap(one.segments);
    parts.push((await openPart(one, map, readAtOfSegments(readAt, map, one.path), openers, false, signal)).part);
  }
  return { disk, parts };
}

/** A table that may be none gives way to a filesystem in its place. */
async function diskOrFilesystem(
  { readAt, byteLength, sectorSize }: Pick<VolumeToRead, 'readAt' | 'byteLength' | 'sectorSize'>,
  openers: readonly OpenFilesystem[],
  signal?: AbortSignal,
): Promise<{ readonly disk?: Disk; readonly opened?: Opened }> {
  const disk = await readDisk(readAt, byteLength, { ...(sectorSize && { sectorSize }), ...(signal && { signal }) });
  if (disk !== undefined && !disk.doubtful) return { disk };
  const opened = await openFirst(readAt, byteLength, openers, signal);
  return disk !== undefined && opened === undefined ? { disk } : { opened };
}

/** The inodes of all parts, about; for progress and for the room that the index will need. */
export const inodeEstimateOf = ({ parts }: VolumeSource): number =>
  parts.reduce((sum, { filesystem }) => sum + (filesystem?.inodeEstimate ?? 0), 0);

/** Why some of the volume's files cannot be indexed, each with its path; null: all can. */
export function notIndexedReason({ parts }: VolumeSource): string | null {
  const reasons = parts.flatMap(({ path, reason }) =>
    reason === null ? [] : [path === undefined ? reason : `${path}: ${reason}`],
  );
  return reasons.length === 0 ? null : reasons.join('; ');
}

type Opened = Filesystem | NotWalkable | undefined;

const walkable = (opened: Opened): Filesystem | undefined =>
  opened !== undefined && 'walk' in opened ? opened : undefined;

/** Why what was opened is not walked; null: it is, or holds no files. */
function reasonOf(opened: Opened): string | null {
  if (opened === undefined) return 'no filesystem that can be indexed was recognised';
  return 'walk' in opened || opened.holdsNoFiles === true ? null : opened.reason;
}

async function openFirst(
  readAt: ReadAt,
  byteLength: Bytes,
  openers: readonly OpenFilesystem[],
  signal?: AbortSignal,
): Promise<Opened> {
  for (const open of openers) {
    const opened = await open(readAt, byteLength, signal);
    if (opened !== undefined) return opened;
  }
  return undefined;
}

/** A walker knows its structures; which volume they are in is said here. */
function aboutVolume(error: unknown, { source }: VolumeToRead): unknown {
  if (!(error instanceof FormatError) || error.where.startsWith(source)) return error;
  return new FormatError(error.kind, `${source}: ${error.where}`, error.what, { cause: error.cause });
}

const wholeVolume = async (volume: VolumeToRead): Promise<Runs> =>
  volume.dataRuns === undefined ? runsOf([[0, volume.byteLength]]) : volume.dataRuns();

/** A volume that is one filesystem, or one item. */
async function plainSource(volume: VolumeToRead, opened: Opened, signal?: AbortSignal): Promise<VolumeSource> {
  const head = await headDigest([volume.readAt], [volume.byteLength], signal);
  const filesystem = walkable(opened);
  const described = opened?.identity;
  return {
    volume,
    identity: filesystemIdentity(described, volume.byteLength) ?? contentIdentity(head, volume.byteLength),
    fingerprint: `${volume.byteLength}:${volume.changeMark}:${head}`,
    parts: [
      {
        number: 0,
        path: undefined,
        map: new SegmentMap([{ volumeOffset: 0, byteLength: volume.byteLength }]),
        filesystem,
        described,
        reason: reasonOf(opened),
      },
    ],
    disk: undefined,
    allocated: filesystem !== undefined ? await filesystem.allocated(signal) : await wholeVolume(volume),
    defaultName: described?.label || baseName(volume.source),
  };
}

/** A disk: each part by itself, so that a bad one costs no other. */
async function diskSource(
  volume: VolumeToRead,
  disk: Disk,
  openers: readonly OpenFilesystem[],
  signal?: AbortSignal,
): Promise<VolumeSource> {
  const parts: SourcePart[] = [];
  const readers = [volume.readAt];
  const data = await wholeVolume(volume);
  const allocated: Runs[] = [];
  const covered = [disk.free];
  for (const one of disk.parts) {
    const map = new SegmentMap(one.segments);
    const readAt = readAtOfSegments(volume.readAt, map, `${volume.source} ${one.path}`);
    const { part, used } = await openPart(one, map, readAt, openers, true, signal);
    parts.push(part);
    if (map.byteLength > 0) readers.push(readAt);
    allocated.push(used ?? intersectRuns(map.whole(), data));
    covered.push(map.whole());
  }
  // What no part speaks for: tables, gaps, metadata of volume groups.
  const rest = intersectRuns(gapsOf(unionAll(covered), volume.byteLength), data);
  const lengths = [volume.byteLength, ...parts.map(({ map }) => map.byteLength).filter((length) => length > 0)];
  const heads = await headDigest(readers, lengths, signal);
  const layout = createHash('sha256')
    .update(JSON.stringify([disk.id, disk.parts]))
    .digest('hex');
  return {
    volume,
    identity: diskIdentity(disk, volume.byteLength) ?? contentIdentity(heads, volume.byteLength),
    fingerprint: `${volume.byteLength}:${volume.changeMark}:${heads}:${layout.slice(0, 32)}`,
    parts,
    disk,
    allocated: unionAll([...allocated, rest]),
    defaultName: baseName(volume.source),
  };
}

/** `used`: what of the volume the part's filesystem calls allocated, if `wanted`; undefined: it is copied whole. */
async function openPart(
  { number, path, reason, type }: DiskPart,
  map: SegmentMap,
  readAt: ReadAt,
  openers: readonly OpenFilesystem[],
  wanted: boolean,
  signal?: AbortSignal,
): Promise<{ readonly part: SourcePart; readonly used?: Runs }> {
  const copied = (why: string | null, described?: FilesystemIdentity): { part: SourcePart } => ({
    part: { number, path, map, filesystem: undefined, described, reason: why },
  });
  if (map.byteLength === 0) return copied(reason ?? 'where it lies is not known');
  try {
    const opened = await openFirst(readAt, map.byteLength, openers, signal);
    const filesystem = walkable(opened);
    const empty = opened === undefined && reason === undefined ? typeWithoutFiles(type) : undefined;
    if (empty !== undefined)
      return copied(null, { type: empty, uuid: '', label: '', blockSize: 512, byteLength: map.byteLength });
    if (filesystem === undefined) return copied(reason ?? reasonOf(opened), opened?.identity);
    const there = onSegments(filesystem, map);
    const used = wanted ? await there.allocated(signal) : map.whole();
    return { part: { number, path, map, filesystem: there, described: there.identity, reason: null }, used };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return copied(reason ?? `${error.where}: ${error.what}`);
  }
}

async function headDigest(
  readers: readonly ReadAt[],
  lengths: readonly Bytes[],
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash('sha256');
  for (const [i, readAt] of readers.entries()) {
    try {
      hash.update(bytesOf(await readAt(0, bytes(Math.min(HEAD_BYTES, lengths[i])), signal)));
    } catch (error) {
      if (i === 0 || !(error instanceof FormatError)) throw error;
      hash.update(error.message); // a part that cannot be read costs no other
    }
  }
  return hash.digest('hex');
}

function filesystemIdentity(described: FilesystemIdentity | undefined, byteLength: Bytes): string | undefined {
  if (described === undefined || described.uuid === '') return undefined;
  return `filesystem:${described.type}:${described.uuid}:${byteLength}`;
}

/** A signature of zero is none. */
const diskIdentity = ({ type, id }: Disk, byteLength: Bytes): string | undefined =>
  /[1-9a-z]/i.test(id.replace(/^0x/, '')) ? `disk:${type}:${id}:${byteLength}` : undefined;

const contentIdentity = (digest: string, byteLength: Bytes): string => `content:${digest.slice(0, 32)}:${byteLength}`;

const baseName = (path: string): string =>
  path
    .split('/')
    .filter(Boolean)
    .at(-1)
    ?.replace(/\.(img|raw|qcow2|iso)$/, '') || 'volume';
