/**
 * The logical units of a virtual library: a tape drive unit for each drive element and a changer unit over them all.
 *
 * Invariants
 * - A cartridge in a drive element is open and loaded in that drive's unit; a cartridge elsewhere is not open.
 * - Moves run one at a time. One that fails leaves the cartridge where it was, loaded if that is a drive.
 * - Serial numbers and designators follow from the library's id and the element's address, and so outlive the process.
 */
import { FormatError } from '../../bytes/errors.ts';
import { naaDesignator } from '../../scsi/common/vpd.ts';
import type { TapeMedium } from '../../tape/medium.ts';
import { type ChangerElement, ChangerUnit, type MediumChangerBackend, type MoveOutcome } from '../changer.ts';
import { InOrder } from '../in-order.ts';
import { TapeDriveUnit } from '../tape-drive.ts';
import type { CartridgeInfo, DriveFailure } from '../tape-drive-state.ts';

/** What the units need of a library: where cartridges are, and their media. */
export interface LibraryOfCartridges extends MediumChangerBackend {
  /** Random, given at the library's making; seeds serial numbers and designators. */
  readonly id: string;
  /** Opens the cartridge at `address`. The caller disposes the medium before it is moved. @throws FormatError */
  openCartridge(address: number): Promise<{ readonly medium: TapeMedium; readonly cartridge: CartridgeInfo }>;
}

export interface VirtualDevices extends AsyncDisposable {
  readonly changer: ChangerUnit;
  /** By element address, ascending. */
  readonly drives: readonly TapeDriveUnit[];
  /** The drive at an element. */
  drive(address: number): TapeDriveUnit | undefined;
}

export interface DevicesOptions {
  /** Told what the host below did to a drive's command; sense data cannot carry it. */
  readonly onFailure?: (drive: string, failure: DriveFailure) => void;
}

/** The units of `library`; cartridges that are in drives are loaded. One that cannot be opened goes back to a slot. */
export async function openVirtualDevices(
  library: LibraryOfCartridges,
  options: DevicesOptions = {},
): Promise<VirtualDevices> {
  const devices = new Devices(library, options);
  try {
    await devices.loadAll();
  } catch (error) {
    await devices[Symbol.asyncDispose]();
    throw error;
  }
  return devices;
}

/** Characters of the id in a serial number. */
const SERIAL_ID_LENGTH = 8;
const serialOf = (library: LibraryOfCartridges, suffix: string): string =>
  `RM${library.id
    .replaceAll(/[^0-9A-Za-z]/g, '')
    .slice(0, SERIAL_ID_LENGTH)
    .toUpperCase()}${suffix}`;

class Devices implements VirtualDevices, MediumChangerBackend {
  readonly changer: ChangerUnit;
  readonly #library: LibraryOfCartridges;
  readonly #drives = new Map<number, TapeDriveUnit>();
  readonly #media = new Map<number, TapeMedium>();
  readonly #moves = new InOrder();

  constructor(library: LibraryOfCartridges, options: DevicesOptions) {
    this.#library = library;
    const addresses = library
      .elements()
      .filter(({ type }) => type === 'drive')
      .map(({ address }) => address)
      .sort((a, b) => a - b);
    addresses.forEach((address, i) => {
      const name = `drive ${i}`;
      const identity = {
        name,
        serialNumber: serialOf(library, `D${i}`),
        designator: naaDesignator(`${library.id} drive ${address}`),
      };
      const onFailure = (failure: DriveFailure): void => options.onFailure?.(name, failure);
      this.#drives.set(address, new TapeDriveUnit(identity, { onFailure }));
    });
    const identity = {
      name: 'changer',
      serialNumber: serialOf(library, 'CHG'),
      designator: naaDesignator(`${library.id} changer`),
    };
    this.changer = new ChangerUnit(identity, this);
  }

  get drives(): readonly TapeDriveUnit[] {
    return [...this.#drives.values()];
  }

  drive(address: number): TapeDriveUnit | undefined {
    return this.#drives.get(address);
  }

  elements(): ChangerElement[] {
    return this.#library.elements().map((element) => {
      const unit = this.#drives.get(element.address);
      if (unit === undefined) return element;
      return { ...element, drive: { serialNumber: unit.serialNumber, designator: unit.designator } };
    });
  }

  move(source: number, destination: number): Promise<MoveOutcome> {
    return this.#moves.run(() => this.#move(source, destination));
  }

  async loadAll(): Promise<void> {
    for (const { address, full } of this.#library.elements()) {
      if (!full || !this.#drives.has(address)) continue;
      // A damaged one is not to keep the others from the drive; who asks for it is told what is wrong with it.
      if ((await this.#attempt(() => this.#load(address))) === undefined) continue;
      const free = this.#library.elements().find((element) => element.type === 'slot' && !element.full);
      if (free !== undefined) await this.#attemptMove(address, free.address);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#moves.run(async () => {
      const failures: unknown[] = [];
      for (const address of this.#media.keys()) await this.#unload(address).catch((error) => failures.push(error));
      if (failures.length > 0) throw failures[0];
    });
  }

  async #move(source: number, destination: number): Promise<MoveOutcome> {
    const refused = this.#refusal(source, destination);
    if (refused !== undefined) return refused;
    if (source === destination) return 'moved';
    const before = await this.#attempt(() => this.#unload(source));
    if (before !== undefined) return this.#backTo(source, before);
    const outcome = await this.#attemptMove(source, destination);
    if (outcome !== 'moved') return this.#backTo(source, outcome);
    const after = await this.#attempt(() => this.#load(destination));
    if (after === undefined) return 'moved';
    await this.#attemptMove(destination, source);
    return this.#backTo(source, after);
  }

  /** What can be said before a cartridge leaves its place: a drive is not unloaded for a move that cannot be. */
  #refusal(source: number, destination: number): MoveOutcome | undefined {
    const elements = this.#library.elements();
    const from = elements.find(({ address }) => address === source);
    const to = elements.find(({ address }) => address === destination);
    if (from === undefined || to === undefined) return 'no-such-element';
    if (!from.full) return 'source-empty';
    if (to.full && source !== destination) return 'destination-full';
    return this.#drives.get(source)?.removalPrevented ? 'removal-prevented' : undefined;
  }

  /** The cartridge stayed, or is back, at `address`: loaded again if that is a drive. */
  async #backTo(address: number, outcome: MoveOutcome): Promise<MoveOutcome> {
    await this.#attempt(() => this.#load(address));
    return outcome;
  }

  async #attemptMove(source: number, destination: number): Promise<MoveOutcome> {
    let outcome: MoveOutcome = 'moved';
    const failed = await this.#attempt(async () => {
      outcome = await this.#library.move(source, destination);
    });
    return failed ?? outcome;
  }

  async #attempt(work: () => Promise<void>): Promise<MoveOutcome | undefined> {
    try {
      await work();
      return undefined;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return { failed: error.message };
    }
  }

  /** Does nothing where there is no drive. */
  async #load(address: number): Promise<void> {
    const unit = this.#drives.get(address);
    if (unit === undefined) return;
    const { medium, cartridge } = await this.#library.openCartridge(address);
    this.#media.set(address, medium);
    await unit.load(medium, cartridge);
  }

  async #unload(address: number): Promise<void> {
    const unit = this.#drives.get(address);
    const medium = this.#media.get(address);
    if (unit === undefined || medium === undefined) return;
    this.#media.delete(address);
    try {
      await unit.unload();
    } finally {
      await medium[Symbol.asyncDispose]();
    }
  }
}
