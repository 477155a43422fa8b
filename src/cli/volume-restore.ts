/** `restore-volume` wired: the target opened or made, checked, served by the mover as a disk. */
import { alignedBuffer } from '../bytes/aligned.ts';
import { FormatError, UserError } from '../bytes/errors.ts';
import type { ChunkRecord } from '../bytes/manifest.ts';
import { alignUp, type Bytes, MiB } from '../bytes/units.ts';
import { type LostRange, restoreVolume } from '../restore/restore-volume.ts';
import { stationCartridges } from '../restore/station-cartridges.ts';
import { type FileStore, openFileStore } from '../storage/file-store.ts';
import { openTarget, type RestoreTarget } from './restore-target.ts';
import type { IndexService, SetRecord, SetView, VolumeRestoreOutcome, VolumeRestoreRequest } from './services.ts';
import { type MoverPlace, openMoverPlace } from './workplace.ts';

export async function restoreVolumeOf(
  home: string,
  index: IndexService,
  request: VolumeRestoreRequest,
): Promise<VolumeRestoreOutcome> {
  const { set, overwrite } = request;
  const { byteLength } = set.volume;
  const view = await index.open(set);
  const chunks = await allChunks((offset) => view.chunkAt(offset), set);
  const storedBytes = sumOf(chunks, ({ storedBytes }) => storedBytes);
  using target = openTarget(request.target, { overwrite, byteLength, storedBytes });
  await using store = await openFileStore(target.path, { writable: true, direct: 'bulk', name: target.shown });
  if (store.byteLength < byteLength)
    throw new UserError(target.shown, `is ${store.byteLength} bytes, the volume ${byteLength}`, 'name a larger target');
  if (!target.blank && !overwrite) await refuseUnlessBlank(store, request, target);
  await using place = await openMoverPlace(home, {
    command: `restore-volume ${set.set.slice(0, 8)} ${request.target}`,
    wait: request.wait,
    readOnly: true,
    disks: [{ store, path: target.path, writable: true }],
    note: request.note,
    signal: request.signal,
  });
  const lost = await restoreTo(target, chunks, { ...request, place, view });
  target.finish();
  const cartridges = chunks.flatMap(({ copies }) => copies.slice(0, 1).map(({ cartridge }) => cartridge));
  return {
    bytes: storedBytes - sumOf(lost, (range) => range.byteLength),
    chunks: chunks.length,
    cartridges: [...new Set(cartridges)].map((id) => set.cartridges.find((one) => one.id === id)?.barcode ?? id),
    lost: [...lost, ...notFound(chunks, set)],
  };
}

const sumOf = <T>(all: readonly T[], one: (value: T) => number): number =>
  all.reduce((sum, value) => sum + one(value), 0);

async function restoreTo(
  target: RestoreTarget,
  chunks: readonly ChunkRecord[],
  request: VolumeRestoreRequest & { readonly place: MoverPlace; readonly view: SetView },
): Promise<readonly LostRange[]> {
  const { set, place, view } = request;
  const stale = request.overwrite && !target.blank;
  // Of a volume that was copied whole, what is not stored was zeros, and may be anything's content.
  const zero = stale && (request.zero || set.filesystems.some(({ reason }) => reason !== null));
  if (stale && !zero)
    request.note(`${target.shown}: blocks that no file of the volume uses keep what they held; --zero clears them`);
  return restoreVolume({
    chunks,
    extentsOf: async (chunk) =>
      (await view.chunkExtents(chunk, chunk.volumeOffset, chunk.volumeOffset + chunk.byteLength)).runs,
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

async function allChunks(
  chunkAt: (offset: Bytes) => Promise<ChunkRecord | undefined>,
  { complete, volume }: SetRecord,
): Promise<ChunkRecord[]> {
  const out: ChunkRecord[] = [];
  for (let at = 0; at < volume.byteLength; ) {
    const chunk = await chunkAt(at);
    if (chunk === undefined && !complete) break;
    if (chunk === undefined || chunk.byteLength <= 0)
      throw new FormatError('corrupt', `byte ${at}`, 'no chunk stores it; run `reelmap index rebuild`');
    out.push(chunk);
    at = chunk.volumeOffset + chunk.byteLength;
  }
  return out;
}

/** What lies behind the last chunk of a set that was rebuilt without its last cartridges. */
function notFound(chunks: readonly ChunkRecord[], { volume }: SetRecord): VolumeRestoreOutcome['lost'] {
  const last = chunks.at(-1);
  const volumeOffset = last === undefined ? 0 : last.volumeOffset + last.byteLength;
  const byteLength = volume.byteLength - volumeOffset;
  if (byteLength === 0) return [];
  const reason = 'the set was rebuilt without the cartridges that hold this; add them and run `reelmap index rebuild`';
  return [{ volumeOffset, byteLength, reason }];
}

const READ_BYTES = 4 * MiB;

async function refuseUnlessBlank(
  store: FileStore,
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
