/** What a verification finds wrong, and where. */
import type { Bytes } from '../bytes/units.ts';

export interface Finding {
  /**
   * content: bytes of the volume that this copy does not give back;
   * differs: they are as they were written, and the volume that they were compared with has changed since;
   * archive, label, index file, end file: no bytes of the volume, but what stock tools or a rebuild need.
   */
  readonly kind: 'content' | 'differs' | 'archive' | 'label' | 'index file' | 'end file';
  /** Barcode. */
  readonly cartridge: string;
  /** Logical object; the first of them. */
  readonly object: number;
  readonly reason: string;
  /** Of content: where in the volume; else 0. */
  readonly volumeOffset: Bytes;
  readonly byteLength: Bytes;
}

export const findingText = ({ cartridge, object, reason }: Pick<Finding, 'cartridge' | 'object' | 'reason'>): string =>
  `cartridge ${cartridge}, object ${object}: ${reason}`;
