/** Drive and cartridges for a restore. */
import { UserError } from '../bytes/errors.ts';
import { stationCartridges } from '../restore/station-cartridges.ts';
import { libraryExists } from '../target/virtual-library/library.ts';
import type { SetRecord, TapeService } from './services.ts';
import { libraryFolder } from './state.ts';
import { openMoverPlace } from './workplace.ts';

/** An LTO-9's native rate and mean reposition: when a gap is cheaper read than located over. Quantum LTO-9 and HP LTO-6 manuals. */
const DRIVE_MODEL = {
  bytesPerSecond: 300e6,
  repositionSeconds: 2.5,
  locateSeconds: 65,
  loadSeconds: 16,
  rewindSeconds: 62,
  unloadSeconds: 56,
};

export async function openTapes(home: string, set: SetRecord, signal?: AbortSignal): Promise<TapeService> {
  if (!libraryExists(libraryFolder(home)))
    throw new UserError(libraryFolder(home), 'there is no tape library', 'name its state directory with --home');
  const place = await openMoverPlace(home, {
    command: process.argv.slice(2, 4).join(' '),
    wait: false,
    disks: [],
    readOnly: true,
    note: () => {},
    ...(signal && { signal }),
  });
  const cartridges = await stationCartridges(place.station, set.cartridges, () => {});
  return { ...cartridges, model: DRIVE_MODEL, [Symbol.asyncDispose]: () => place[Symbol.asyncDispose]() };
}
