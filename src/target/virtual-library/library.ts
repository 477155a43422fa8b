/**
 * A virtual tape library: slots, drives and mail slots, and which cartridge is where.
 *
 *     <library>/library.json     id, numbers of elements, places
 *               library.lock     held while library.json is changed
 *               drives/<n>.lock  held by the process that uses drive n; the folder is made when it is missing
 *               cartridges/      cartridge.ts
 *
 * Invariants
 * - library.json is replaced whole; a cartridge is in one place, whatever is killed when.
 * - A cartridge in the drive of a dead process is still there: whoever reserves that drive finds it loaded, whoever
 *   reserves another finds it in a slot.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { check, FormatError } from '../../bytes/errors.ts';
import { Fields } from '../../bytes/json-fields.ts';
import { systemRandom, toHex } from '../../bytes/random.ts';
import type { Bytes } from '../../bytes/units.ts';
import { replaceFile } from '../../storage/atomic-file.ts';
import { makeFolders } from '../../storage/make-folders.ts';
import { type HeldLock, isHeld, type LockHolder, lockHolder, tryLock } from '../../storage/process-lock.ts';
import type { ChangerElement, MoveOutcome } from '../changer.ts';
import {
  anyWritten,
  BARCODE,
  type CartridgeMap,
  createCartridge,
  freeBytes,
  listCartridges,
  type OpenCartridgeOptions,
  openCartridge,
  openCartridgeMap,
} from './cartridge.ts';
import type { LibraryOfCartridges } from './devices.ts';

/** Element addresses. */
const TRANSPORT = 1;
const MAIL_SLOT_FIRST = 16;
const DRIVE_FIRST = 256;
const SLOT_FIRST = 1024;
const ADDRESS_MAX = 65535;
const FIRST_OF: Readonly<Record<ChangerElement['type'], number>> = {
  transport: TRANSPORT,
  'mail-slot': MAIL_SLOT_FIRST,
  drive: DRIVE_FIRST,
  slot: SLOT_FIRST,
};

export interface NewLibrary {
  readonly drives: number;
  readonly slots: number;
  readonly mailSlots: number;
  /** Blank cartridges to begin with: PREFIX0001L9, ... */
  readonly cartridges: number;
  readonly prefix: string;
  readonly capacity: Bytes;
  readonly earlyWarningZone?: Bytes;
}

/** What a first use makes: two drives, 24 slots, 8 cartridges of 1 TiB, which take no space before they are written. */
export const LIBRARY_DEFAULTS: NewLibrary = {
  drives: 2,
  slots: 24,
  mailSlots: 1,
  cartridges: 8,
  prefix: 'RM',
  capacity: 2 ** 40,
};

interface LibraryState {
  readonly id: string;
  readonly drives: number;
  readonly slots: number;
  readonly mailSlots: number;
  /** Barcode by element address. */
  readonly places: Readonly<Record<string, string>>;
}

const stateFile = (folder: string): string => join(folder, 'library.json');
const drivesFolder = (folder: string): string => join(folder, 'drives');
const cartridgeFolder = (folder: string): string => join(folder, 'cartridges');

export const libraryExists = (folder: string): boolean => existsSync(stateFile(folder));

/** Whether the library in `folder`, if there is one, has a cartridge with anything on it. */
export const libraryHoldsData = (folder: string): boolean => anyWritten(cartridgeFolder(folder));

/** Makes a library with blank cartridges. One that another process made meanwhile is left as it is. @throws FormatError */
export async function createLibrary(folder: string, options: NewLibrary = LIBRARY_DEFAULTS): Promise<void> {
  checkShape(options, folder);
  makeFolder(drivesFolder(folder));
  using _lock = await lockLibrary(folder);
  if (libraryExists(folder)) return;
  const count = Math.min(options.cartridges, options.slots);
  const barcodes = Array.from({ length: count }, (_, i) => `${options.prefix}${String(i + 1).padStart(4, '0')}L9`);
  await createCartridges(folder, barcodes, options);
  const places = Object.fromEntries(barcodes.map((barcode, i) => [SLOT_FIRST + i, barcode]));
  const { drives, slots, mailSlots } = options;
  save(folder, { id: toHex(systemRandom(8)), drives, slots, mailSlots, places });
}

/** Makes those that are not there, side by side: most of it is waiting for the disk (measured: 8 in 100 ms one by one). */
async function createCartridges(
  folder: string,
  barcodes: readonly string[],
  { capacity, earlyWarningZone }: NewLibrary,
): Promise<void> {
  const there = new Set(listCartridges(cartridgeFolder(folder)));
  const zone = earlyWarningZone === undefined ? {} : { earlyWarningZone };
  const made = await Promise.allSettled(
    barcodes
      .filter((barcode) => !there.has(barcode))
      .map((barcode) => createCartridge(cartridgeFolder(folder), { barcode, capacity, ...zone })),
  );
  for (const one of made) if (one.status === 'rejected') throw one.reason;
}

function makeFolder(path: string): void {
  try {
    makeFolders(path, 0o700);
  } catch (cause) {
    throw new FormatError('io', path, `cannot be made: ${(cause as Error).message}`, { cause });
  }
}

/** Element addresses of one type do not run into those of the next. */
function checkShape(shape: Pick<LibraryState, 'drives' | 'slots' | 'mailSlots'>, where: string): void {
  check(shape.drives >= 1 && shape.drives <= SLOT_FIRST - DRIVE_FIRST, where, `${shape.drives} drives`);
  check(shape.mailSlots <= DRIVE_FIRST - MAIL_SLOT_FIRST, where, `${shape.mailSlots} mail slots`);
  check(shape.slots <= ADDRESS_MAX + 1 - SLOT_FIRST, where, `${shape.slots} slots`);
}

const save = (folder: string, state: LibraryState): void =>
  replaceFile(stateFile(folder), `${JSON.stringify(state, undefined, 1)}\n`);

function load(folder: string): LibraryState {
  const path = stateFile(folder);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new FormatError('io', path, `cannot be read: ${(cause as Error).message}`, { cause });
  }
  const fields = Fields.parse(text, path);
  const places: Record<string, string> = {};
  const raw = JSON.parse(text) as { places?: Record<string, unknown> };
  for (const [address, barcode] of Object.entries(raw.places ?? {})) {
    if (!/^\d{1,5}$/.test(address) || typeof barcode !== 'string' || !BARCODE.test(barcode)) {
      throw new FormatError('corrupt', path, `"places" has ${address}: ${String(barcode)}`);
    }
    check(!Object.values(places).includes(barcode), path, `cartridge ${barcode} is in two places`);
    places[address] = barcode;
  }
  const state = {
    id: fields.string('id'),
    drives: fields.integer('drives'),
    slots: fields.integer('slots'),
    mailSlots: fields.integer('mailSlots'),
    places,
  };
  checkShape(state, path);
  return state;
}

/** Where a cartridge is. */
export interface CartridgePlace {
  readonly barcode: string;
  readonly address: number | undefined;
  readonly type: ChangerElement['type'] | 'outside';
  /** Which of its type, from 0: drive 1, slot 3; undefined outside. */
  readonly number: number | undefined;
}

export interface VirtualLibrary {
  readonly folder: string;
  readonly id: string;
  /** Barcodes of all cartridges and the element each is in. */
  inventory(): readonly CartridgePlace[];
  readonly driveAddresses: readonly number[];
  /** A free drive for this process, or who has them all. */
  reserveDrive(command: string): ReservedDrive | { readonly busy: readonly LockHolder[] };
  /** Every drive for this process, or who has some of them. */
  reserveAllDrives(command: string): ReservedDrives | { readonly busy: readonly LockHolder[] };
  driveHolder(address: number): LockHolder | undefined;
  /** Puts what drives hold that nobody uses into slots, where the holder of drive `mine` can reach it. */
  emptyIdleDrives(mine: number, command: string): void;
  /** The library as the holder of a reserved drive sees it: for another thread of the process that reserved it. */
  viewOf(driveAddress: number, command: string): LibraryOfCartridges;
  /** A new blank cartridge in a free slot. */
  addCartridge(
    barcode: string,
    capacity: Bytes,
    options?: { readonly worm?: boolean; readonly earlyWarningZone?: Bytes },
  ): Promise<void>;
  /** Takes a cartridge out of its slot; its folder stays. */
  exportCartridge(barcode: string): Promise<void>;
  /** Puts a cartridge that is outside into a free slot. */
  importCartridge(barcode: string): Promise<void>;
  freeBytes(): Bytes;
  /** Case and map of a cartridge, wherever it is. @throws FormatError */
  cartridgeMap(barcode: string): Promise<CartridgeMap>;
  /** Where a cartridge's files are. */
  cartridgeFolder(barcode: string): string;
}

export interface ReservedDrive extends Disposable {
  readonly address: number;
  /** The library as the drive's holder sees it: its own drive and the slots. */
  readonly view: LibraryOfCartridges;
}

export interface ReservedDrives extends Disposable {
  /** The whole library. */
  readonly view: LibraryOfCartridges;
}

/** How cartridges are opened in its drives. */
export type OpenLibraryOptions = Omit<OpenCartridgeOptions, 'command'>;

/** @throws FormatError when there is no library or its state is damaged */
export function openLibrary(folder: string, options: OpenLibraryOptions = {}): VirtualLibrary {
  return new Library(folder, options);
}

class Library implements VirtualLibrary {
  readonly folder: string;
  readonly id: string;
  readonly #options: OpenLibraryOptions;
  readonly #shape: Pick<LibraryState, 'drives' | 'slots' | 'mailSlots'>;

  constructor(folder: string, options: OpenLibraryOptions) {
    const state = load(folder);
    this.folder = folder;
    this.id = state.id;
    this.#shape = state;
    this.#options = options;
  }

  get driveAddresses(): readonly number[] {
    return Array.from({ length: this.#shape.drives }, (_, i) => DRIVE_FIRST + i);
  }

  inventory(): ReturnType<VirtualLibrary['inventory']> {
    const { places } = load(this.folder);
    const at = new Map(Object.entries(places).map(([address, barcode]) => [barcode, Number(address)]));
    return listCartridges(cartridgeFolder(this.folder)).map((barcode) => {
      const address = at.get(barcode);
      if (address === undefined) return { barcode, address, type: 'outside', number: undefined };
      const type = this.#typeOf(address);
      return { barcode, address, type, number: address - FIRST_OF[type] };
    });
  }

  #typeOf(address: number): ChangerElement['type'] {
    if (address >= SLOT_FIRST) return 'slot';
    if (address >= DRIVE_FIRST) return 'drive';
    return address >= MAIL_SLOT_FIRST ? 'mail-slot' : 'transport';
  }

  elements(drives: readonly number[]): ChangerElement[] {
    const { places } = load(this.folder);
    const { slots, mailSlots } = this.#shape;
    const addresses = [
      TRANSPORT,
      ...Array.from({ length: mailSlots }, (_, i) => MAIL_SLOT_FIRST + i),
      ...drives,
      ...Array.from({ length: slots }, (_, i) => SLOT_FIRST + i),
    ];
    return addresses.map((address) => {
      const barcode = places[address] ?? null;
      return { type: this.#typeOf(address), address, full: barcode !== null, barcode };
    });
  }

  driveHolder(address: number): LockHolder | undefined {
    return lockHolder(this.#driveLock(address));
  }

  #driveLock(address: number): string {
    return join(drivesFolder(this.folder), `${address}.lock`);
  }

  reserveDrive(command: string): ReservedDrive | { readonly busy: readonly LockHolder[] } {
    // A library that was copied from elsewhere may have come without its empty folders.
    makeFolder(drivesFolder(this.folder));
    const busy: LockHolder[] = [];
    // A drive with a cartridge in it first: it is probably the one that is wanted again.
    const { places } = load(this.folder);
    const order = [...this.driveAddresses].sort(
      (a, b) => Number(places[b] !== undefined) - Number(places[a] !== undefined) || a - b,
    );
    for (const address of order) {
      const lock = tryLock(this.#driveLock(address), command);
      if (isHeld(lock)) {
        this.emptyIdleDrives(address, command);
        return { address, view: this.#view([address], command), [Symbol.dispose]: () => lock[Symbol.dispose]() };
      }
      busy.push(lock);
    }
    return { busy };
  }

  reserveAllDrives(command: string): ReservedDrives | { readonly busy: readonly LockHolder[] } {
    const locks = this.driveAddresses.map((address) => tryLock(this.#driveLock(address), command));
    const release = (): void => {
      for (const lock of locks) if (isHeld(lock)) lock[Symbol.dispose]();
    };
    const busy = locks.filter((lock): lock is LockHolder => !isHeld(lock));
    if (busy.length > 0) {
      release();
      return { busy };
    }
    return { view: this.#view(this.driveAddresses, command), [Symbol.dispose]: release };
  }

  emptyIdleDrives(mine: number, command: string): void {
    const { places } = load(this.folder);
    for (const address of this.driveAddresses) {
      if (address === mine || places[address] === undefined) continue;
      const lock = tryLock(this.#driveLock(address), command);
      if (!isHeld(lock)) continue;
      using _drive = lock;
      using _library = this.#lockSoon();
      const state = load(this.folder);
      const slot = freeSlot(state);
      if (slot !== undefined) this.#moveIn(state, address, slot);
    }
  }

  #moveIn(state: LibraryState, source: number, destination: number): MoveOutcome {
    const { [source]: barcode, ...rest } = state.places;
    if (barcode === undefined) return 'source-empty';
    if (state.places[destination] !== undefined && source !== destination) return 'destination-full';
    save(this.folder, { ...state, places: { ...rest, [destination]: barcode } });
    return 'moved';
  }

  /** Without giving way to other work of this process: a move holds the lock for a few milliseconds. */
  #lockSoon(): HeldLock {
    const path = join(this.folder, 'library.lock');
    for (let tries = 0; ; tries++) {
      const lock = tryLock(path, 'moving a cartridge');
      if (isHeld(lock)) return lock;
      if (tries >= LOCK_TRIES) throw new FormatError('io', path, `held by process ${lock.pid} since ${lock.since}`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_WAIT_MS);
    }
  }

  viewOf(driveAddress: number, command: string): LibraryOfCartridges {
    return this.#view([driveAddress], command);
  }

  #view(drives: readonly number[], command: string): LibraryOfCartridges {
    return {
      id: this.id,
      elements: () => this.elements(drives),
      move: (source, destination) => this.#move(source, destination, drives),
      openCartridge: async (address) => {
        const barcode = load(this.folder).places[address];
        if (barcode === undefined) throw new FormatError('io', `element ${address}`, 'is empty');
        return openCartridge(cartridgeFolder(this.folder), barcode, { ...this.#options, command });
      },
    };
  }

  async #move(source: number, destination: number, drives: readonly number[]): Promise<MoveOutcome> {
    const known = this.elements(drives).map(({ address }) => address);
    if (!known.includes(source) || !known.includes(destination)) return 'no-such-element';
    using _lock = await lockLibrary(this.folder);
    return this.#moveIn(load(this.folder), source, destination);
  }

  /** Changes the places under the lock. A word is a refusal. */
  async #change(
    update: (state: LibraryState) => Exclude<MoveOutcome, object> | Record<string, string>,
  ): Promise<MoveOutcome> {
    using _lock = await lockLibrary(this.folder);
    const state = load(this.folder);
    const places = update(state);
    if (typeof places === 'string') return places;
    save(this.folder, { ...state, places });
    return 'moved';
  }

  async addCartridge(
    barcode: string,
    capacity: Bytes,
    options: { readonly worm?: boolean; readonly earlyWarningZone?: Bytes } = {},
  ): Promise<void> {
    await createCartridge(cartridgeFolder(this.folder), { barcode, capacity, ...options });
    await this.importCartridge(barcode);
  }

  async importCartridge(barcode: string): Promise<void> {
    if (!listCartridges(cartridgeFolder(this.folder)).includes(barcode))
      throw new FormatError(
        'io',
        `cartridge ${barcode}`,
        `there is none of that barcode in ${cartridgeFolder(this.folder)}`,
      );
    const outcome = await this.#change((state) => {
      if (Object.values(state.places).includes(barcode)) return 'moved';
      const free = freeSlot(state);
      return free === undefined ? 'destination-full' : { ...state.places, [free]: barcode };
    });
    if (outcome === 'destination-full')
      throw new FormatError('io', `cartridge ${barcode}`, 'no slot is free; export another cartridge first');
  }

  async exportCartridge(barcode: string): Promise<void> {
    const outcome = await this.#change(({ places }) => {
      const address = Object.keys(places).find((key) => places[key] === barcode);
      if (address === undefined) return 'source-empty';
      if (this.#typeOf(Number(address)) === 'drive') return 'removal-prevented';
      const { [address]: _, ...rest } = places;
      return rest;
    });
    if (outcome === 'source-empty') throw new FormatError('io', `cartridge ${barcode}`, 'is not in the library');
    if (outcome === 'removal-prevented')
      throw new FormatError('io', `cartridge ${barcode}`, 'is in a drive; unload it first');
  }

  freeBytes(): Bytes {
    return freeBytes(this.folder);
  }

  cartridgeMap(barcode: string): Promise<CartridgeMap> {
    return openCartridgeMap(cartridgeFolder(this.folder), barcode);
  }

  cartridgeFolder(barcode: string): string {
    return join(cartridgeFolder(this.folder), barcode);
  }
}

const freeSlot = ({ places, slots }: LibraryState): number | undefined =>
  Array.from({ length: slots }, (_, i) => SLOT_FIRST + i).find((address) => places[address] === undefined);

/** A move holds the lock for a few milliseconds. */
const LOCK_WAIT_MS = 20;
const LOCK_TRIES = 500;

async function lockLibrary(folder: string): Promise<HeldLock> {
  const path = join(folder, 'library.lock');
  for (let tries = 0; ; tries++) {
    const lock = tryLock(path, 'moving a cartridge');
    if (isHeld(lock)) return lock;
    if (tries >= LOCK_TRIES) throw new FormatError('io', path, `held by process ${lock.pid} since ${lock.since}`);
    await new Promise((resolve) => setTimeout(resolve, LOCK_WAIT_MS));
  }
}
