/** A volume that was found, opened: all of the file or device, or the part of it that was named. */
import type { BlockStore } from '../bytes/block-store.ts';
import { UserError } from '../bytes/errors.ts';
import type { Runs } from '../bytes/extents.ts';
import { type Segment, SegmentMap } from '../bytes/segments.ts';
import { type DiskPart, readDisk } from '../filesystem/partition/disk.ts';
import { readAtOf } from '../filesystem/volume.ts';
import { openFileStore } from '../storage/file-store.ts';
import { dataRuns } from '../storage/holes.ts';
import { segmentStore } from '../storage/segment-store.ts';
import type { DiskToServe } from './embedded-mover.ts';
import { type FoundVolume, refuseInUse } from './volume.ts';

export interface OpenVolume extends AsyncDisposable {
  readonly store: BlockStore;
  /** For the mover, which may open it anew in a thread of its own. */
  readonly disk: DiskToServe;
  /** Byte runs that are not holes of an image file; all of a device counts. */
  readonly dataRuns: (() => Promise<Runs>) | undefined;
}

/** @throws UserError when the volume has no such part, or that is in use; FormatError `io` */
export async function openVolume(found: FoundVolume, writable: boolean): Promise<OpenVolume> {
  const { path, name, isDevice } = found;
  const whole = await openFileStore(path, { writable, direct: 'bulk' });
  try {
    const segments = found.part === undefined ? undefined : await segmentsOf(found, found.part, whole);
    if (segments !== undefined) refuseInUse(name, path, writable ? 'write' : 'read', segments);
    const store = segments === undefined ? whole : segmentStore(whole, segments, name);
    const holes = async (): Promise<Runs> => {
      const runs = dataRuns(path, whole.byteLength);
      return segments === undefined ? runs : new SegmentMap(segments).offsets(runs);
    };
    return {
      store,
      disk: { store, path, writable, ...(segments && { segments }) },
      dataRuns: isDevice ? undefined : holes,
      [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
    };
  } catch (error) {
    await whole[Symbol.asyncDispose]();
    throw error;
  }
}

async function segmentsOf(
  { path, name, sectorSize }: FoundVolume,
  part: string,
  whole: BlockStore,
): Promise<readonly Segment[]> {
  const disk = await readDisk(readAtOf(whole, path), whole.byteLength, { ...(sectorSize && { sectorSize }) });
  if (disk === undefined) throw new UserError(name, 'has no partition table', `name the whole volume: ${path}`);
  const all = [...disk.parts, ...disk.physicalVolumes];
  const found = all.find((one) => one.path === `/${part}`);
  if (found === undefined) throw new UserError(name, `has no part ${part}`, `it has ${listed(all)}`);
  if (found.segments.length === 0)
    throw new UserError(name, found.reason ?? 'where it lies is not known', `back up the whole volume: ${path}`);
  return found.segments;
}

const LISTED_MAX = 20;

function listed(parts: readonly DiskPart[]): string {
  const names = parts.slice(0, LISTED_MAX).map(({ path }) => path.slice(1));
  if (names.length === 0) return 'none';
  return `${names.join(', ')}${parts.length > LISTED_MAX ? ', ...' : ''}`;
}
