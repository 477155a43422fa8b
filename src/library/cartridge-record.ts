/** The index's record of a cartridge that was labelled just now, or that is labelled and not known yet. */
import type { TapeObject } from '../bytes/units.ts';
import type { Label } from '../tape/archive/label.ts';
import type { CartridgeRecord } from '../tape-index/records.ts';

/** @param labelEnd the first object behind the label @param at ISO 8601 */
export function newCartridgeRecord(
  label: Pick<Label, 'cartridge' | 'barcode' | 'createdAt'>,
  labelEnd: TapeObject,
  worm: boolean,
  at: string,
): CartridgeRecord {
  return {
    id: label.cartridge,
    barcode: label.barcode,
    state: 'append',
    reason: null,
    worm,
    capacity: null,
    used: 0,
    lastIndexObject: null,
    endObject: labelEnd,
    endFile: 1,
    labelledAt: label.createdAt,
    updatedAt: at,
  };
}
