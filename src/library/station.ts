/** One drive, the changer that serves it, and the cartridges that can be put into it. */
import { FormatError } from '../bytes/errors.ts';
import type { TapeDrive } from '../initiator/tape-drive.ts';

/** An element of a changer. SMC-3, 5.1. */
export interface PlacedElement {
  readonly type: 'transport' | 'slot' | 'mail-slot' | 'drive';
  readonly address: number;
  readonly full: boolean;
  /** Volume tag; null when empty or unread. */
  readonly barcode: string | null;
}

/** What a station needs of a changer. */
export interface MovesCartridges {
  elements(): Promise<readonly PlacedElement[]>;
  move(source: number, destination: number): Promise<void>;
}

export interface TapeStation {
  /** For people: `drive RM-1 of the virtual tape library at /var/lib/reelmap/library`. */
  readonly name: string;
  readonly drive: TapeDrive;
  /** Barcode of the cartridge in the drive, or null. */
  loaded(): Promise<string | null>;
  /** Barcodes within reach, in element order. */
  barcodes(): Promise<readonly string[]>;
  /** Puts a cartridge into the drive; whatever is in it goes back to a free slot. @throws FormatError `io` when it is not there */
  load(barcode: string): Promise<void>;
  unload(): Promise<void>;
  /**
   * Brings a cartridge within reach that is not, where waiting for another process or emptying an idle drive can do that.
   * Answers why it cannot be had; undefined: it can now, or nothing more is known.
   * @throws UserError when another process uses it and nobody wants to wait
   */
  reach?(barcode: string, signal?: AbortSignal): Promise<string | undefined>;
}

/** A drive at element `driveAddress` of a changer. */
export function openStation(
  name: string,
  drive: TapeDrive,
  changer: MovesCartridges,
  driveAddress: number,
): TapeStation {
  const inDrive = async (): Promise<PlacedElement> => {
    const element = (await changer.elements()).find((one) => one.address === driveAddress);
    if (element === undefined) throw new FormatError('io', name, `the changer knows no element ${driveAddress}`);
    return element;
  };
  const unload = async (): Promise<void> => {
    const elements = await changer.elements();
    if (!elements.some((one) => one.address === driveAddress && one.full)) return;
    const free = elements.find((one) => one.type === 'slot' && !one.full);
    if (free === undefined)
      throw new FormatError('io', name, 'no free slot for the cartridge in the drive; export one');
    await changer.move(driveAddress, free.address);
  };
  return {
    name,
    drive,
    unload,
    loaded: async () => (await inDrive()).barcode,
    barcodes: async () => (await changer.elements()).flatMap((one) => (one.barcode === null ? [] : [one.barcode])),
    async load(barcode) {
      if ((await inDrive()).barcode !== barcode) {
        await unload();
        const source = (await changer.elements()).find((one) => one.barcode === barcode);
        if (source === undefined) {
          throw new FormatError(
            'io',
            `cartridge ${barcode}`,
            'not in the library; put it in and run the command again',
          );
        }
        await changer.move(source.address, driveAddress);
      }
      if (!(await drive.ready())) throw new FormatError('io', name, `cartridge ${barcode} does not become ready`);
    },
  };
}
