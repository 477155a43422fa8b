/** The volume of a backup: what it is, which of its bytes count, and whether its files can be indexed. */
import { createHash } from 'node:crypto';
import { FormatError } from '../bytes/errors.ts';
import { type Runs, runsOf } from '../bytes/extents.ts';
import { bytesOf } from '../bytes/layout.ts';
import type { Bytes } from '../bytes/units.ts';
import type { Filesystem, FilesystemIdentity, NotWalkable, OpenFilesystem } from '../filesystem/filesystem.ts';
import type { ReadAt } from '../filesystem/volume.ts';

export interface VolumeToRead {
  readonly readAt: ReadAt;
  readonly byteLength: Bytes;
  /** Where it was found, for people. */
  readonly source: string;
  /** Changes when the volume may have: its modification time and the like. */
  readonly changeMark: string;
  /** Byte runs that are not holes of the image file; missing: all of it counts. For volumes that are copied whole. */
  readonly dataRuns?: () => Promise<Runs>;
}

export interface VolumeSource {
  readonly volume: VolumeToRead;
  /** What it is, lasting: never its path. DESIGN "A volume is known by what it is". */
  readonly identity: string;
  /** Equal only while the volume is unchanged: a run resumes on nothing else. */
  readonly fingerprint: string;
  /** The filesystem to index; missing: the volume is copied whole, for `reason`. */
  readonly filesystem: Filesystem | undefined;
  readonly described: FilesystemIdentity | undefined;
  readonly reason: string | null;
  readonly allocated: Runs;
  /** Name to use when the user gives none. */
  readonly defaultName: string;
}

/** Bytes from the volume's start that the fingerprint and an unknown volume's identity take in: boot block and superblock. */
const HEAD_BYTES = 64 * 1024;

/** Looks at a volume. @throws FormatError when it cannot be read or is damaged beyond walking and copying */
export async function openSource(
  volume: VolumeToRead,
  openers: readonly OpenFilesystem[],
  signal?: AbortSignal,
): Promise<VolumeSource> {
  if (volume.byteLength === 0) throw new FormatError('corrupt', volume.source, 'is empty; nothing to back up');
  const head = bytesOf(await volume.readAt(0, Math.min(HEAD_BYTES, volume.byteLength), signal));
  const headDigest = createHash('sha256').update(head).digest('hex');
  const opened = await openFirst(volume, openers, signal);
  const filesystem = opened !== undefined && 'walk' in opened ? opened : undefined;
  const described = opened?.identity;
  const reason =
    filesystem !== undefined
      ? null
      : ((opened as NotWalkable | undefined)?.reason ?? 'no filesystem that can be indexed was recognised');
  const allocated = filesystem !== undefined ? await filesystem.allocated(signal) : await wholeVolume(volume);
  return {
    volume,
    identity: identityOf(described, headDigest, volume.byteLength),
    fingerprint: `${volume.byteLength}:${volume.changeMark}:${headDigest}`,
    filesystem,
    described,
    reason,
    allocated,
    defaultName: described?.label || baseName(volume.source),
  };
}

async function openFirst(
  volume: VolumeToRead,
  openers: readonly OpenFilesystem[],
  signal?: AbortSignal,
): Promise<Filesystem | NotWalkable | undefined> {
  for (const open of openers) {
    const opened = await open(volume.readAt, volume.byteLength, signal).catch((error) => {
      throw aboutVolume(error, volume);
    });
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

function identityOf(described: FilesystemIdentity | undefined, headDigest: string, byteLength: Bytes): string {
  if (described !== undefined && described.uuid !== '')
    return `filesystem:${described.type}:${described.uuid}:${byteLength}`;
  return `content:${headDigest.slice(0, 32)}:${byteLength}`;
}

const baseName = (path: string): string =>
  path
    .split('/')
    .filter(Boolean)
    .at(-1)
    ?.replace(/\.(img|raw|qcow2|iso)$/, '') || 'volume';
