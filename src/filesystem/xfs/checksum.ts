/**
 * What version 5 structures say of themselves: CRC-32C with its own field as zeros (stored little-endian), the filesystem's
 * UUID, the block they are in, and whose they are. Linux fs/xfs/libxfs/xfs_cksum.h. Version 4 has none of it.
 */
import { crc32c } from '../../bytes/crc32c.ts';
import { bytesOf } from '../../bytes/layout.ts';
import type { Bytes } from '../../bytes/units.ts';
import { BASIC_BLOCK } from './layouts.ts';

const ZERO4 = new Uint8Array(4);

/** CRC-32C of `length` bytes at `at` as if the four bytes at `hole` in them were zero. */
export function checksumOf(view: DataView, at: number, length: number, hole: number): number {
  const head = crc32c(ZERO4, crc32c(bytesOf(view, at, hole)));
  return crc32c(bytesOf(view, at + hole + 4, length - hole - 4), head);
}

/** Where a kind of structure keeps what it says of itself. */
export interface SelfDescription {
  readonly crc: { readonly offset: number };
  readonly uuid: { readonly offset: number };
  /** Address in basic blocks. */
  readonly blkno?: { readonly offset: number };
}

/**
 * What is wrong with the structure of `length` bytes at `at`, if anything.
 * @param address its byte address in the volume
 */
export function selfTrouble(
  view: DataView,
  at: number,
  length: number,
  address: Bytes,
  fields: SelfDescription,
  uuid: Uint8Array,
): string | undefined {
  const { crc, uuid: uuidField, blkno } = fields;
  if (checksumOf(view, at, length, crc.offset) !== view.getUint32(at + crc.offset, true)) return 'checksum wrong';
  if (!equalBytes(view, at + uuidField.offset, uuid)) return 'belongs to another filesystem';
  if (blkno !== undefined && !equalsU64(view, at + blkno.offset, address / BASIC_BLOCK)) {
    return `says it is at basic block ${view.getBigUint64(at + blkno.offset)}, is at ${address / BASIC_BLOCK}`;
  }
  return undefined;
}

/** Whether the 64-bit number at byte `at` is `value`, whatever it is: never throws. */
export const equalsU64 = (view: DataView, at: number, value: number): boolean =>
  view.getUint32(at + 4) === value % 0x1_0000_0000 && view.getUint32(at) === Math.floor(value / 0x1_0000_0000);

function equalBytes(view: DataView, at: number, expected: Uint8Array): boolean {
  for (let i = 0; i < expected.length; i++) if (view.getUint8(at + i) !== expected[i]) return false;
  return true;
}
