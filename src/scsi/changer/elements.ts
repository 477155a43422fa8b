/** Elements of a medium changer in words: what both ends of READ ELEMENT STATUS speak of. SMC-3, 4.2. */
import type { Designator } from '../copy/list.ts';

export type ElementType = 'transport' | 'slot' | 'mail-slot' | 'drive';

export interface ChangerElement {
  readonly type: ElementType;
  /** 1 to 65535, its own in the library. */
  readonly address: number;
  /** A cartridge is there. */
  readonly full: boolean;
  /** Volume tag of the cartridge there; null: none, or it could not be read. */
  readonly barcode: string | null;
  /** Storage element that the cartridge last came from. */
  readonly source?: number | null;
  /** The logical unit of a drive. */
  readonly drive?: { readonly serialNumber?: string; readonly designator?: Designator };
}

/** ELEMENT TYPE CODE by its words. SMC-3, table 24. */
export const ELEMENT_TYPE_CODES: Readonly<Record<ElementType, number>> = {
  transport: 1,
  slot: 2,
  'mail-slot': 3,
  drive: 4,
};

/** `undefined`: a code that SMC-3 does not know. */
export const elementTypeOf = (code: number): ElementType | undefined =>
  (Object.keys(ELEMENT_TYPE_CODES) as ElementType[]).find((type) => ELEMENT_TYPE_CODES[type] === code);
