/** Drive and cartridges for a restore. */
import { UserError } from '../bytes/errors.ts';
import type { Bytes, TapeObject } from '../bytes/units.ts';
import { stationCartridges } from '../restore/station-cartridges.ts';
import { libraryExists, openLibrary } from '../target/virtual-library/library.ts';
import { openDrivePlace } from './drive-place.ts';
import type { SetRecord, TapeOptions, TapeService } from './services.ts';
import { libraryFolder } from './state.ts';

/** The virtual drive: a file is read where it is wanted, so no gap is worth reading through and a load takes no time. */
const DRIVE_MODEL = { bytesPerSecond: 1e9, repositionSeconds: 0, loadSeconds: 0 };

/** Bytes of virtual cartridges' `data` files at which objects begin, as their maps have it; no drive is needed. */
export async function dataOffsets(
  home: string,
  places: readonly { readonly barcode: string; readonly object: TapeObject }[],
): Promise<(Bytes | undefined)[]> {
  const out: (Bytes | undefined)[] = places.map(() => undefined);
  if (!libraryExists(libraryFolder(home))) return out;
  const library = openLibrary(libraryFolder(home));
  const here = new Set(library.inventory().map(({ barcode }) => barcode));
  for (const barcode of new Set(places.map((one) => one.barcode))) {
    if (!here.has(barcode)) continue;
    await using map = await library.cartridgeMap(barcode);
    for (const [i, place] of places.entries())
      if (place.barcode === barcode) out[i] = await map.dataOffset(place.object);
  }
  return out;
}

export async function openTapes(
  home: string,
  set: SetRecord,
  { note, wait = false, signal }: TapeOptions,
): Promise<TapeService> {
  if (!libraryExists(libraryFolder(home)))
    throw new UserError(libraryFolder(home), 'there is no tape library', 'name its state directory with --home');
  const place = await openDrivePlace(home, {
    command: process.argv.slice(2, 4).join(' '),
    wait,
    readOnly: true,
    note,
    ...(signal && { signal }),
  });
  const cartridges = await stationCartridges(place.station, set.cartridges, note);
  return { ...cartridges, model: DRIVE_MODEL, [Symbol.asyncDispose]: () => place[Symbol.asyncDispose]() };
}
