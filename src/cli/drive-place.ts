/**
 * A drive of the embedded virtual library and the changer that serves it, for commands that only read tape. No copy manager and
 * no disks, whose code would take a restore of one file a tenth of its time (workplace.ts has them).
 */
import { FormatError, UserError } from '../bytes/errors.ts';
import { openChanger } from '../initiator/changer.ts';
import { openTapeDrive } from '../initiator/tape-drive.ts';
import { openStation, type TapeStation } from '../library/station.ts';
import type { Execute } from '../scsi/execute.ts';
import { openVirtualDevices } from '../target/virtual-library/devices.ts';
import {
  createLibrary,
  libraryExists,
  openLibrary,
  type ReservedDrive,
  type VirtualLibrary,
} from '../target/virtual-library/library.ts';
import { makeHome } from './home-access.ts';
import { NEXUS } from './nexus.ts';
import { LOOK_MS, type Reach, reachingStation } from './reach.ts';
import { sleep } from './sleep.ts';
import { libraryFolder } from './state.ts';

export interface DriveOptions {
  /** For whoever finds the drive busy. */
  readonly command: string;
  /** Wait for a busy drive. */
  readonly wait: boolean;
  /** SHA-256 of tape files beside the copy. */
  readonly digest?: boolean;
  /** Nothing is written to tape: a cartridge opens without a flush. */
  readonly readOnly?: boolean;
  readonly note: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** The virtual library, made on first use. */
export async function openHomeLibrary(
  home: string,
  options: { readonly digest?: boolean; readonly readOnly?: boolean } = {},
): Promise<VirtualLibrary> {
  makeHome(home);
  const folder = libraryFolder(home);
  if (!libraryExists(folder)) await createLibrary(folder);
  return openLibrary(folder, options);
}

export async function reserveDrive(library: VirtualLibrary, options: DriveOptions): Promise<ReservedDrive> {
  for (let told = false; ; told = true) {
    const drive = library.reserveDrive(options.command);
    if (!('busy' in drive)) return drive;
    const who = drive.busy.map(({ pid, command, since }) => `process ${pid} (${command}) since ${since}`).join('; ');
    if (!options.wait) throw new UserError('tape library', `every drive is busy: ${who}`, 'wait for it, or use --wait');
    if (!told) options.note(`waiting for a drive: ${who}`);
    await sleep(LOOK_MS, options.signal);
  }
}

/** What was opened, closed last to first. */
export class Closers {
  readonly #all: (() => unknown)[] = [];

  add(closer: () => unknown): void {
    this.#all.push(closer);
  }

  /** Closes everything, whatever fails on the way; then throws the first failure. */
  async close(): Promise<void> {
    let failure: { readonly error: unknown } | undefined;
    for (let closer = this.#all.pop(); closer !== undefined; closer = this.#all.pop()) {
      try {
        await closer();
      } catch (error) {
        failure ??= { error };
      }
    }
    if (failure !== undefined) throw failure.error;
  }
}

export async function closedOnFailure<T>(closers: Closers, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    await closers.close().catch(() => undefined);
    throw error;
  }
}

/** Drive and changer, without a mover. */
export interface DrivePlace extends AsyncDisposable {
  readonly library: VirtualLibrary;
  readonly station: TapeStation;
}

/** Reserves a drive and opens it. */
export async function openDrivePlace(home: string, options: DriveOptions): Promise<DrivePlace> {
  const library = await openHomeLibrary(home, options);
  const closers = new Closers();
  return closedOnFailure(closers, async () => {
    const reserved = await reserveDrive(library, options);
    closers.add(() => reserved[Symbol.dispose]());
    const devices = await openVirtualDevices(reserved.view);
    closers.add(() => devices[Symbol.asyncDispose]());
    const drive = devices.drive(reserved.address);
    if (drive === undefined) throw new FormatError('io', 'tape library', `no drive at element ${reserved.address}`);
    const units = { changer: devices.changer.forNexus(NEXUS), drive: drive.forNexus(NEXUS) };
    const station = await openLibraryStation(library, reserved.address, units, options);
    return { library, station, [Symbol.asyncDispose]: () => closers.close() };
  });
}

/** The station of a reserved drive, over its units. */
export async function openLibraryStation(
  library: VirtualLibrary,
  address: number,
  units: { readonly changer: Execute; readonly drive: Execute },
  options: Reach,
): Promise<TapeStation> {
  const changer = await openChanger(units.changer);
  const name = `drive ${address - library.driveAddresses[0]} of the virtual tape library in ${library.folder}`;
  const drive = await openTapeDrive(units.drive, { name });
  return reachingStation(library, openStation(name, drive, changer, address), address, options);
}
