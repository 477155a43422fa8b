/** `restore-volume` wired: the target opened or made, checked, served by the mover as a disk. */
import { alignedBuffer } from '../bytes/aligned.ts';
import type { BlockStore } from '../bytes/block-store.ts';
import { FormatError, UserError } from '../bytes/errors.ts';
import type { Runs } from '../bytes/extents.ts';
import type { ChunkRecord } from '../bytes/manifest.ts';
import { alignUp, MiB } from '../bytes/units.ts';
import { type LostRange, restoreVolume } from '../restore/restore-volume.ts';
import { stationCartridges } from '../restore/station-cartridges.ts';
import { openTarget, type RestoreTarget } from './restore-target.ts';
import type { IndexService, SetRecord, SetView, VolumeRestoreOutcome, VolumeRestoreRequest } from './services.ts';
import { openVolume } from './volume-store.ts';
import { type MoverPlace, openMoverPlace } from './workplace.ts';

export async function restoreVolumeOf(
  home: string,
  index: IndexService,
  request: VolumeRestoreRequest,
): Promise<VolumeRestoreOutcome> {
  const { set, overwrite } = request;
  const { byteLength } = set.volume;
  const view = await index.open(set);
  const { chunks, lost: unknown } = await allChunks(view, set);
  const storedBytes = sumOf(chunks, (chunk) => chunk.storedBytes);
  using target = openTarget(request.target, { overwrite, byteLength, storedBytes });
  await using volume = await openVolume(target.volume, true);
  const { store } = volume;
  if (store.byteLength < byteLength)
    throw new UserError(target.shown, `is ${store.byteLength} bytes, the volume ${byteLength}`, 'name a larger target');
  if (!target.blank && !overwrite) await refuseUnlessBlank(store, request, target);
  const { part, isDevice } = target.volume;
  const emptied = part !== undefined && overwrite && !isDevice; // as an image that is overwritten
  if (emptied) await store.unmap(0, store.byteLength);
  await using place = await openMoverPlace(home, {
    command: `restore-volume ${set.set.slice(0, 8)} ${request.target}`,
    wait: request.wait,
    readOnly: true,
    disks: [volume.disk],
    note: request.note,
    signal: request.signal,
  });
  const lost = await restoreTo(target, chunks, { ...request, place, view, blank: target.blank || emptied });
  target.finish();
  const cartridges = chunks.flatMap(({ copies }) => copies.slice(0, 1).map(({ cartridge }) => cartridge));
  return {
    bytes: storedBytes - sumOf(lost, (range) => range.byteLength),
    chunks: chunks.length,
    cartridges: [...new Set(cartridges)].map((id) => set.cartridges.find((one) => one.id === id)?.barcode ?? id),
    lost: [...lost, ...unknown],
  };
}

const sumOf = <T>(all: readonly T[], one: (value: T) => number): number =>
  all.reduce((sum, value) => sum + one(value), 0);

async function restoreTo(
  target: RestoreTarget,
  chunks: readonly ChunkRecord[],
  request: VolumeRestoreRequest & { readonly place: MoverPlace; readonly view: SetView; readonly blank: boolean },
): Promise<readonly LostRange[]> {
  const { set, place, view } = request;
  const stale = request.overwrite && !request.blank;
  // Of a volume that was copied whole, what is not stored was zeros, and may be anything's content.
  const zero = stale && (request.zero || set.filesystems.some(({ reason }) => reason !== null));
  if (stale && !zero)
    request.note(`${target.shown}: blocks that no file of the volume uses keep what they held; --zero clears them`);
  return restoreVolume({
    chunks,
    extentsOf: (chunk) => extentsOf(view, chunk),
    recordSize: set.recordSize,
    cartridges: await stationCartridges(place.station, set.cartridges, request.note),
    mover: place.mover,
    disk: place.disks[0],
    name: target.shown,
    zero,
    progress: (bytes, totalBytes, label) => request.progress({ phase: 'restoring', bytes, totalBytes, label }),
    note: request.note,
    signal: request.signal,
  });
}

/** The chunks in order of address, and the ranges of which the index does not know them any more. */
async function allChunks(
  view: Pick<SetView, 'chunkAt'>,
  { complete, volume }: SetRecord,
): Promise<{ readonly chunks: readonly ChunkRecord[]; readonly lost: VolumeRestoreOutcome['lost'] }> {
  const chunks: ChunkRecord[] = [];
  const lost: VolumeRestoreOutcome['lost'][number][] = [];
  let at = 0;
  while (at < volume.byteLength) {
    const chunk = await view.chunkAt(at);
    if (chunk === undefined) break;
    const end = Math.min(volume.byteLength, 'lost' in chunk ? chunk.end : chunk.volumeOffset + chunk.byteLength);
    if ('lost' in chunk) lost.push({ volumeOffset: at, byteLength: end - at, reason: chunk.lost });
    else chunks.push(chunk);
    if (end <= at) throw new FormatError('corrupt', `byte ${at}`, 'chunks out of order; run `reelmap index rebuild`');
    at = end;
  }
  if (at < volume.byteLength)
    lost.push({ volumeOffset: at, byteLength: volume.byteLength - at, reason: complete ? NOT_THERE : INCOMPLETE });
  return { chunks, lost };
}

const NOT_THERE = 'no chunk stores it; run `reelmap index rebuild`';
/** What lies behind the last chunk of a set that was rebuilt without its last cartridges. */
const INCOMPLETE =
  'the set was rebuilt without the cartridges that hold this; add them and run `reelmap index rebuild`';

async function extentsOf(view: Pick<SetView, 'chunkExtents'>, chunk: ChunkRecord): Promise<Runs> {
  const end = chunk.volumeOffset + chunk.byteLength;
  const { runs, lost = [] } = await view.chunkExtents(chunk, chunk.volumeOffset, end);
  if (lost.length > 0) throw new FormatError('corrupt', `chunk ${chunk.number}`, `its extent map: ${lost[0].reason}`);
  return runs;
}

const READ_BYTES = 4 * MiB;

async function refuseUnlessBlank(
  store: BlockStore,
  request: VolumeRestoreRequest,
  target: RestoreTarget,
): Promise<void> {
  const buffer = alignedBuffer(READ_BYTES);
  const end = Math.min(store.byteLength, alignUp(request.set.volume.byteLength, 512));
  for (let at = 0; at < end; at += READ_BYTES) {
    request.signal.throwIfAborted();
    request.progress({ phase: 'looking whether the target is blank', bytes: at, totalBytes: end, label: '' });
    const part = buffer.subarray(0, Math.min(READ_BYTES, end - at));
    await store.read(at, part);
    if (isZero(part)) continue;
    throw new UserError(
      target.shown,
      'is not blank',
      'use --overwrite to replace what is there, or name another target',
    );
  }
}

const ZEROS = Buffer.alloc(READ_BYTES);
const isZero = (part: Uint8Array): boolean => ZEROS.compare(part, 0, part.length, 0, part.length) === 0;
