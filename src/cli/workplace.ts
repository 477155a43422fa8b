/**
 * What a command that moves tape works with: the index store, a drive of the embedded virtual library, and the embedded
 * data mover over both the drive and the volume. Everything goes through `Execute`; only its making is known here.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SourceDisk } from '../backup/environment.ts';
import { FormatError, UserError } from '../bytes/errors.ts';
import type { Bytes } from '../bytes/units.ts';
import { openExt4 } from '../filesystem/ext4/ext4.ts';
import type { OpenFilesystem } from '../filesystem/filesystem.ts';
import { type BlockDevice, openBlockDevice } from '../initiator/block-device.ts';
import { openChanger } from '../initiator/changer.ts';
import { type CopyManager, openCopyManager } from '../initiator/copy-manager.ts';
import { openTapeDrive } from '../initiator/tape-drive.ts';
import { openStation, type TapeStation } from '../library/station.ts';
import type { Execute } from '../scsi/execute.ts';
import type { KvStore } from '../tape-index/kv-store.ts';
import {
  createLibrary,
  libraryExists,
  openLibrary,
  type ReservedDrive,
  type VirtualLibrary,
} from '../target/virtual-library/library.ts';
import { type DiskToServe, makeMover } from './embedded-mover.ts';
import { makeHome } from './home-access.ts';
import { hasIndex, lostIndex, noSets } from './lost-index.ts';
import { formatBytes } from './progress.ts';
import { quote } from './quoting.ts';
import { LOOK_MS, reachingStation } from './reach.ts';
import { indexFolder, libraryFolder, temporaryFolder } from './state.ts';

/** Tried in order. */
export const filesystemOpeners: readonly OpenFilesystem[] = [openExt4];

export interface WorkplaceOptions {
  /** For whoever finds the drive or the store busy. */
  readonly command: string;
  /** Wait for a busy drive or store. */
  readonly wait: boolean;
  readonly disks: readonly DiskToServe[];
  /** SHA-256 of tape files beside the copy. */
  readonly digest?: boolean;
  /** Make the index if there has never been one. */
  readonly createIndex?: boolean;
  /** Nothing is written to tape: a cartridge opens without a flush. */
  readonly readOnly?: boolean;
  /** The mover in a thread of its own: for commands that move much. */
  readonly thread?: boolean;
  /** Make the store anew where it is lost or damaged. */
  readonly rebuild?: boolean;
  readonly note: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** A volume as the mover's unit and the initiator's device. */
export interface ServedDisk extends SourceDisk {
  readonly device: BlockDevice;
}

export interface Workplace extends AsyncDisposable {
  readonly home: string;
  readonly store: KvStore;
  readonly library: VirtualLibrary;
  readonly station: TapeStation;
  readonly mover: CopyManager;
  readonly disks: readonly ServedDisk[];
  /** A file name of this process's own in the state directory. */
  temporaryPath(name: string): string;
  /** @throws UserError when the virtual library's disk has less room than a backup needs */
  requireSpace(needed: Bytes): Promise<void>;
}

/** What killed processes left in the temporary folder. */
function removeStale(home: string): void {
  const folder = temporaryFolder(home);
  for (const name of readdirSync(folder)) {
    const pid = /^(\d+)-/.exec(name)?.[1];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) rmSync(join(folder, name), { force: true });
  }
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

export interface StoreOptions {
  readonly command: string;
  /** Make the store when the home has never had one. */
  readonly create?: boolean;
  /** Make it anew, whatever is there. */
  readonly rebuild?: boolean;
}

/** The index store of a state directory, or the process that holds it. */
export async function openIndexStore(home: string, options: StoreOptions): Promise<KvStore> {
  const { openStore } = await import('../tape-index/level-store.ts');
  return openStore(indexFolder(home), {
    create: options.create ?? false,
    command: options.command,
    replaceDamaged: options.rebuild ?? false,
  });
}

async function reserve(library: VirtualLibrary, options: WorkplaceOptions): Promise<ReservedDrive> {
  for (let told = false; ; told = true) {
    const drive = library.reserveDrive(options.command);
    if (!('busy' in drive)) return drive;
    const who = drive.busy.map(({ pid, command, since }) => `process ${pid} (${command}) since ${since}`).join('; ');
    if (!options.wait) throw new UserError('tape library', `every drive is busy: ${who}`, 'wait for it, or use --wait');
    if (!told) options.note(`waiting for a drive: ${who}`);
    await sleep(LOOK_MS, undefined, options.signal && { signal: options.signal });
  }
}

/** Drive, changer and mover, without the index. */
export interface MoverPlace extends AsyncDisposable {
  readonly library: VirtualLibrary;
  readonly station: TapeStation;
  readonly mover: CopyManager;
  readonly disks: readonly ServedDisk[];
}

/** What was opened, closed last to first. */
class Closers {
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

async function closedOnFailure<T>(closers: Closers, open: () => Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    await closers.close().catch(() => undefined);
    throw error;
  }
}

/** Reserves a drive and makes the mover over it and the disks. */
export async function openMoverPlace(home: string, options: WorkplaceOptions): Promise<MoverPlace> {
  const library = await openHomeLibrary(home, options);
  const closers = new Closers();
  return closedOnFailure(closers, async () => {
    const drive = await reserve(library, options);
    closers.add(() => drive[Symbol.dispose]());
    const mover = await embeddedMover(library, drive, options, closers);
    return { library, ...mover, [Symbol.asyncDispose]: () => closers.close() };
  });
}

/** Drive, mover and index. The drive is asked for first: who waits for it does not hold the index. */
export async function openWorkplace(home: string, options: WorkplaceOptions): Promise<Workplace> {
  const { command, createIndex = false, rebuild = false } = options;
  const lost = rebuild ? undefined : await lostIndex(home);
  if (lost !== undefined) throw lost;
  if (!rebuild && !createIndex && !hasIndex(home)) throw noSets(home);
  const closers = new Closers();
  const place = await openMoverPlace(home, options);
  closers.add(() => place[Symbol.asyncDispose]());
  removeStale(home);
  return closedOnFailure(closers, async () => {
    const store = await openIndexStore(home, { command, create: createIndex, rebuild });
    closers.add(() => store[Symbol.asyncDispose]());
    const { library, station, mover, disks } = place;
    return {
      home,
      store,
      library,
      station,
      mover,
      disks,
      temporaryPath: (name) => join(temporaryFolder(home), `${process.pid}-${name}`),
      requireSpace: async (needed) => requireSpace(library, needed),
      [Symbol.asyncDispose]: () => closers.close(),
    };
  });
}

async function embeddedMover(
  library: VirtualLibrary,
  reserved: ReservedDrive,
  options: WorkplaceOptions,
  closers: Closers,
): Promise<Pick<Workplace, 'station' | 'mover' | 'disks'>> {
  const { command, disks: served, digest = false } = options;
  const { address } = reserved;
  const threads = options.thread === true ? await import('./mover-thread.ts') : undefined;
  const made =
    threads?.moverThreadAvailable() === true
      ? await threads.startMoverThread({
          libraryFolder: library.folder,
          driveAddress: address,
          command,
          digest,
          disks: served.map(({ path, writable }) => ({ path, writable })),
        })
      : await makeMover(reserved.view, address, served);
  closers.add(() => made[Symbol.asyncDispose]());
  const { units } = made;
  const changer = await openChanger(units.changer);
  const name = `drive ${address - library.driveAddresses[0]} of the virtual tape library in ${library.folder}`;
  const drive = await openTapeDrive(units.drive, { name });
  const disks: ServedDisk[] = [];
  for (const execute of units.disks) disks.push(await servedDisk(execute));
  const mover = await openCopyManager(units.controller);
  const station = openStation(name, drive, changer, address);
  return { station: reachingStation(library, station, address, options), mover, disks };
}

async function servedDisk(execute: Execute): Promise<ServedDisk> {
  const device = await openBlockDevice(execute);
  if (device.designator === undefined)
    throw new FormatError('unsupported', device.device, 'has no designator that a copy list can name');
  return {
    designator: device.designator,
    blockLength: device.blockLength,
    device,
    read: (offset, into) => device.read(offset, into),
  };
}

function requireSpace(library: VirtualLibrary, needed: Bytes): void {
  const free = library.freeBytes();
  if (free >= needed) return;
  throw new UserError(
    quote(Buffer.from(library.folder)),
    `${formatBytes(free)} are free where the virtual tapes are, the backup needs about ${formatBytes(needed)}`,
    'free some, or name a home on a larger disk with --home',
  );
}
