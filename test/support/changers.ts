// A library of the simplest kind: one transport, slots, a mail slot and drives, as a map of addresses.
import { naaDesignator } from '../../src/scsi/common/vpd.ts';
import {
  type ChangerElement,
  ChangerUnit,
  type MediumChangerBackend,
  type MoveOutcome,
} from '../../src/target/changer.ts';

export const TRANSPORT = 1;
export const SLOT = 0x1000;
export const MAIL_SLOT = 0x300;
export const DRIVE = 0x100;

export class MapLibrary implements MediumChangerBackend {
  readonly held = new Map<number, { barcode: string; source: number | null }>();
  readonly slots: number;
  locked = false;
  broken: string | undefined;

  constructor(slots: number, barcodes: readonly string[]) {
    this.slots = slots;
    barcodes.forEach((barcode, i) => {
      this.held.set(SLOT + i, { barcode, source: null });
    });
  }

  elements(): ChangerElement[] {
    const element = (type: ChangerElement['type'], address: number): ChangerElement => {
      const held = this.held.get(address);
      return { type, address, full: held !== undefined, barcode: held?.barcode ?? null, source: held?.source ?? null };
    };
    const drives = [0, 1].map((i) => ({
      ...element('drive', DRIVE + i),
      drive: { serialNumber: `DRV${i}`, designator: naaDesignator(`drive ${i}`) },
    }));
    const slots = Array.from({ length: this.slots }, (_, i) => element('slot', SLOT + i));
    return [...drives, element('mail-slot', MAIL_SLOT), element('transport', TRANSPORT), ...slots];
  }

  async move(source: number, destination: number): Promise<MoveOutcome> {
    const cartridge = this.held.get(source);
    if (cartridge === undefined) return 'source-empty';
    if (this.held.has(destination)) return 'destination-full';
    if (this.locked && source === DRIVE) return 'removal-prevented';
    if (this.broken !== undefined) return { failed: this.broken };
    this.held.delete(source);
    this.held.set(destination, { ...cartridge, source: source >= SLOT ? source : cartridge.source });
    return 'moved';
  }
}

export const changerOver = (library: MediumChangerBackend): ChangerUnit =>
  new ChangerUnit({ name: 'changer', serialNumber: 'CHG0', designator: naaDesignator('test changer') }, library);
