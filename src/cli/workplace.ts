/**
 * What a command that moves tape works with: the index store, a drive of the embedded virtual library, and the embedded
 * data mover over both the drive and the volume. Everything goes through `Execute`; only its making is known here.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { SourceDisk } from '../backup/environment.ts';
import { FormatError, UserError } from '../bytes/errors.ts';
import type { Bytes } from '../bytes/units.ts';
import { openExt4 } from '../filesystem/ext4/ext4.ts';
import type { OpenFilesystem } from '../filesystem/filesystem.ts';
import { recogniseMember, recogniseOther } from '../filesystem/recognise/recognise.ts';
import { openXfs } from '../filesystem/xfs/xfs.ts';
import { type BlockDevice, openBlockDevice } from '../initiator/block-device.ts';
import { type CopyManager, openCopyManager } from '../initiator/copy-manager.ts';
import type { TapeStation } from '../library/station.ts';
import type { Execute } from '../scsi/execute.ts';
import type { KvStore } from '../tape-index/kv-store.ts';
import type { ReservedDrive, VirtualLibrary } from '../target/virtual-library/library.ts';
import {
  Closers,
  closedOnFailure,
  type DriveOptions,
  openHomeLibrary,
  openLibraryStation,
  reserveDrive,
} from './drive-place.ts';
import { type DiskToServe, makeMover } from './embedded-mover.ts';
import { hasIndex, lostIndex, noSets } from './lost-index.ts';
import { formatBytes } from './progress.ts';
import { quote } from './quoting.ts';
import { indexFolder, temporaryFolder } from './state.ts';

/** Tried in order. */
export const filesystemOpeners: readonly OpenFilesystem[] = [recogniseMember, openExt4, openXfs, recogniseOther];

export interface WorkplaceOptions extends DriveOptions {
  readonly disks: readonly DiskToServe[];
  /** Make the index if there has never been one. */
  readonly createIndex?: boolean;
  /** The mover in a thread of its own: for commands that move much. */
  readonly thread?: boolean;
  /** Make the store anew where it is lost or damaged. */
  readonly rebuild?: boolean;
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

/** Drive, changer and mover, without the index. */
export interface MoverPlace extends AsyncDisposable {
  readonly library: VirtualLibrary;
  readonly station: TapeStation;
  readonly mover: CopyManager;
  readonly disks: readonly ServedDisk[];
}

/** Reserves a drive and makes the mover over it and the disks. */
export async function openMoverPlace(home: string, options: WorkplaceOptions): Promise<MoverPlace> {
  const library = await openHomeLibrary(home, options);
  const closers = new Closers();
  return closedOnFailure(closers, async () => {
    const drive = await reserveDrive(library, options);
    closers.add(() => drive[Symbol.dispose]());
    const mover = await embeddedMover(library, drive, options, closers);
    return { library, ...mover, [Symbol.asyncDispose]: () => closers.close() };
  });
}

/** Drive, mover and index. The drive is reserved first: who waits for it does not hold the index. */
export async function openWorkplace(home: string, options: WorkplaceOptions): Promise<Workplace> {
  const { command, createIndex = false, rebuild = false } = options;
  const lost = rebuild ? undefined : await lostIndex(home);
  if (lost !== undefined) throw lost;
  if (!rebuild && !createIndex && !hasIndex(home)) throw noSets(home);
  const library = await openHomeLibrary(home, options);
  const closers = new Closers();
  return closedOnFailure(closers, async () => {
    const drive = await reserveDrive(library, options);
    closers.add(() => drive[Symbol.dispose]());
    removeStale(home);
    const [place, store] = await bothOpened(
      embeddedMover(library, drive, options, closers),
      openIndexStore(home, { command, create: createIndex, rebuild }).then((opened) => {
        closers.add(() => opened[Symbol.asyncDispose]());
        return opened;
      }),
    );
    return {
      home,
      store,
      library,
      ...place,
      temporaryPath: (name) => join(temporaryFolder(home), `${process.pid}-${name}`),
      requireSpace: async (needed) => requireSpace(library, needed),
      [Symbol.asyncDispose]: () => closers.close(),
    };
  });
}

/** Both, opened side by side. When one fails the other has been opened or has failed, too. */
async function bothOpened<A, B>(a: Promise<A>, b: Promise<B>): Promise<readonly [A, B]> {
  await Promise.allSettled([a, b]);
  return [await a, await b];
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
          disks: served.map(({ path, writable, segments }) => ({ path, writable, ...(segments && { segments }) })),
        })
      : await makeMover(reserved.view, address, served);
  closers.add(() => made[Symbol.asyncDispose]());
  const { units } = made;
  const station = await openLibraryStation(library, address, units, options);
  const disks: ServedDisk[] = [];
  for (const execute of units.disks) disks.push(await servedDisk(execute));
  const mover = await openCopyManager(units.controller);
  return { station, mover, disks };
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
