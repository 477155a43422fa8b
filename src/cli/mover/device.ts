/** The SCSI device of a data mover: disks from LUN 1 on, then the drives and the changer of a library. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { UserError } from '../../bytes/errors.ts';
import { systemRandom, toHex } from '../../bytes/random.ts';
import type { Bytes } from '../../bytes/units.ts';
import { naaDesignator } from '../../scsi/common/vpd.ts';
import { AtomicWriter } from '../../storage/atomic-writes.ts';
import { openFileStore } from '../../storage/file-store.ts';
import { diskUnit } from '../../target/disk.ts';
import { CONTROLLER_LUN, Router } from '../../target/router.ts';
import { openVirtualDevices } from '../../target/virtual-library/devices.ts';
import { createLibrary, libraryExists, openLibrary } from '../../target/virtual-library/library.ts';
import { quote } from '../quoting.ts';
import { findVolume } from '../volume.ts';
import type { DiskOption } from './options.ts';

/** A logical unit, for people and for scripts. */
export interface ServedLun {
  readonly lun: number;
  readonly kind: 'controller' | 'disk' | 'tape drive' | 'changer';
  /** Path of a disk; name of what is in a library. */
  readonly name: string;
  readonly serialNumber: string;
  readonly byteLength?: Bytes;
  readonly writable?: boolean;
}

export interface ServedDevice extends AsyncDisposable {
  readonly router: Router;
  readonly luns: readonly ServedLun[];
}

export interface DeviceOptions {
  readonly disks: readonly DiskOption[];
  /** Folder of a virtual library; made when there is none. */
  readonly library: string | undefined;
  /** Where the mover keeps its identity and journals. */
  readonly folder: string;
  /** For whoever finds the drives busy. */
  readonly command: string;
  /** Told what the host below did to a drive. */
  readonly note: (text: string) => void;
}

/** What was opened, closed last to first. */
type Closers = (() => unknown)[];

/** @throws UserError, FormatError */
export async function openServedDevice(options: DeviceOptions): Promise<ServedDevice> {
  const closers: Closers = [];
  const close = async (): Promise<void> => {
    for (let closer = closers.pop(); closer !== undefined; closer = closers.pop()) await closer();
  };
  try {
    const id = identityOf(options.folder);
    const router = new Router({ serialNumber: id });
    const luns: ServedLun[] = [{ lun: CONTROLLER_LUN, kind: 'controller', name: 'copy manager', serialNumber: id }];
    for (const disk of options.disks) luns.push(await addDisk(router, id, disk, options.folder, closers));
    if (options.library !== undefined) luns.push(...(await addLibrary(router, options.library, options, closers)));
    return { router, luns, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
}

/** The mover's own: units keep their designators over restarts, and no two movers have the same. */
function identityOf(folder: string): string {
  const path = join(folder, 'id');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!existsSync(path)) writeFileSync(path, `${toHex(systemRandom(8))}\n`, { flag: 'wx' });
  return readFileSync(path, 'ascii').trim();
}

async function addDisk(
  router: Router,
  id: string,
  { path: word, writable, blockLength }: DiskOption,
  folder: string,
  closers: Closers,
): Promise<ServedLun> {
  const { path } = findVolume(word);
  // Commands of one initiator come in any size and often again: the page cache serves them better than direct I/O.
  const store = await openFileStore(path, { writable, direct: 'never' });
  closers.push(() => store[Symbol.asyncDispose]());
  const hash = createHash('sha256').update(path).digest('hex');
  const serialNumber = `${id}${hash.slice(0, 8)}`.toUpperCase();
  const options = { name: path, serialNumber, designator: naaDesignator(`${id} ${path}`), writable, blockLength };
  const journal = writable ? await openFileStore(join(folder, `${hash.slice(0, 16)}.journal`), JOURNAL) : undefined;
  if (journal !== undefined) closers.push(() => journal[Symbol.asyncDispose]());
  const atomic = journal === undefined ? {} : { atomic: await AtomicWriter.open(store, journal) };
  const lun = router.add(diskUnit(store, { ...options, ...atomic }));
  return { lun, kind: 'disk', name: path, serialNumber, byteLength: store.byteLength, writable };
}
const JOURNAL = { writable: true, create: true, direct: 'never' } as const;

async function addLibrary(
  router: Router,
  folder: string,
  { command, note }: DeviceOptions,
  closers: Closers,
): Promise<ServedLun[]> {
  if (!libraryExists(folder)) await createLibrary(folder);
  const library = openLibrary(folder);
  const reserved = library.reserveAllDrives(command);
  if ('busy' in reserved) {
    const who = reserved.busy.map(({ pid, command: what, since }) => `process ${pid} (${what}) since ${since}`);
    throw new UserError(quote(Buffer.from(folder)), `its drives are in use: ${who.join('; ')}`, 'wait for it');
  }
  closers.push(() => reserved[Symbol.dispose]());
  const devices = await openVirtualDevices(reserved.view, {
    onFailure: (drive, { during, cause }) => note(`${drive}: ${during}: ${String(cause)}`),
  });
  closers.push(() => devices[Symbol.asyncDispose]());
  const drives = devices.drives.map((drive): ServedLun => {
    const { name, serialNumber } = drive;
    return { lun: router.add(drive), kind: 'tape drive', name, serialNumber };
  });
  const { changer } = devices;
  const lun = router.add(changer);
  return [...drives, { lun, kind: 'changer', name: folder, serialNumber: changer.serialNumber }];
}
