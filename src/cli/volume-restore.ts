/** `restore-volume` wired: the target opened or made, checked, served by the mover as a disk. */
import { closeSync, existsSync, ftruncateSync, openSync, statSync, truncateSync } from 'node:fs';
import type { BlockStore } from '../bytes/block-store.ts';
import { FormatError, UserError } from '../bytes/errors.ts';
import type { Runs } from '../bytes/extents.ts';
import type { ChunkRecord } from '../bytes/manifest.ts';
import { alignUp, type Bytes, MiB } from '../bytes/units.ts';
import { restoreVolume } from '../restore/restore-volume.ts';
import { stationCartridges } from '../restore/station-cartridges.ts';
import { quote } from './quoting.ts';
import type { IndexService, SetRecord, SetView, VolumeRestoreOutcome, VolumeRestoreRequest } from './services.ts';
import { findVolume, refuseInUse, splitPart } from './volume.ts';
import { type OpenVolume, openVolume } from './volume-store.ts';
import { openMoverPlace } from './workplace.ts';

export async function restoreVolumeOf(
  home: string,
  index: IndexService,
  request: VolumeRestoreRequest,
): Promise<VolumeRestoreOutcome> {
  const { set, signal } = request;
  const path = Buffer.from(request.target).toString();
  const view = await index.open(set);
  const { chunks, lost: unknown } = await allChunks(view, set);
  await using target = await openTarget(path, request);
  await using place = await openMoverPlace(home, {
    command: `restore-volume ${set.set.slice(0, 8)} ${path}`,
    wait: false,
    readOnly: true,
    disks: [target.disk],
    note: request.note,
    signal,
  });
  const cartridges = await stationCartridges(place.station, set.cartridges, request.note);
  const lost = await restoreVolume({
    chunks,
    extentsOf: (chunk) => extentsOf(view, chunk),
    recordSize: set.recordSize,
    cartridges,
    mover: place.mover,
    disk: place.disks[0],
    progress: (bytes, totalBytes, label) => request.progress({ bytes, totalBytes, label }),
    note: request.note,
    signal,
  });
  const used = new Set(
    chunks.flatMap((chunk) => chunk.copies.slice(0, 1).map((copy) => cartridges.labelOf(copy.cartridge))),
  );
  return {
    bytes: chunks.reduce((sum, chunk) => sum + chunk.storedBytes, 0),
    chunks: chunks.length,
    cartridges: [...used],
    lost: [...lost, ...unknown],
  };
}

/** The target, ready to be written: made, or blank, or to be overwritten. A part of a disk (`disk.img#2`) has to be there. */
async function openTarget(path: string, request: VolumeRestoreRequest): Promise<OpenVolume> {
  const { part } = splitPart(path);
  const made = part === undefined && prepareTarget(path, request, request.set.volume.byteLength);
  const found = part === undefined ? { path, name: path, isDevice: false, changeMark: '' } : findVolume(path);
  const target = await openVolume(found, true);
  try {
    if (!made) await refuseUnlessBlank(target.store, request, path);
    if (part !== undefined && request.overwrite && !found.isDevice)
      await target.store.unmap(0, target.store.byteLength);
    return target;
  } catch (error) {
    await target[Symbol.asyncDispose]();
    throw error;
  }
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

/**
 * Makes a missing file, sparse and of the volume's size; empties an existing file that may be overwritten, so that what the
 * volume had as holes reads as zeros. Answers whether the target is known to be blank now.
 */
function prepareTarget(path: string, request: VolumeRestoreRequest, byteLength: Bytes): boolean {
  const shown = quote(request.target);
  if (!existsSync(path)) {
    const fd = openSync(path, 'wx', 0o600);
    ftruncateSync(fd, byteLength);
    closeSync(fd);
    return true;
  }
  const stat = statSync(path);
  if (!stat.isFile() && !stat.isBlockDevice())
    throw new UserError(shown, 'is neither a file nor a block device', 'name an image file or a device');
  refuseInUse(shown, path, 'write');
  if (!stat.isFile()) return false;
  if (request.overwrite) {
    truncateSync(path, 0);
    truncateSync(path, byteLength);
    return true;
  }
  if (stat.size < byteLength && stat.blocks === 0) truncateSync(path, byteLength);
  return stat.blocks === 0 && stat.size >= byteLength;
}

const READ_BYTES = 4 * MiB;

async function refuseUnlessBlank(store: BlockStore, request: VolumeRestoreRequest, path: string): Promise<void> {
  const shown = quote(request.target);
  const { byteLength } = request.set.volume;
  if (store.byteLength < byteLength)
    throw new UserError(shown, `is ${store.byteLength} bytes, the volume ${byteLength}`, 'name a larger target');
  if (request.overwrite) return;
  const buffer = new Uint8Array(READ_BYTES);
  const end = Math.min(store.byteLength, alignUp(byteLength, 512));
  for (let at = 0; at < end; at += READ_BYTES) {
    request.signal.throwIfAborted();
    const part = buffer.subarray(0, Math.min(READ_BYTES, end - at));
    await store.read(at, part);
    if (Buffer.from(part.buffer, part.byteOffset, part.length).some((byte) => byte !== 0)) {
      throw new UserError(
        shown,
        `is not blank (byte ${at} and on hold something; ${path})`,
        'use --overwrite to replace what is there',
      );
    }
  }
}
