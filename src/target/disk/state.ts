/** What the commands of a disk unit share: the store, its shape, and how ranges and troubles are told. */
import type { BlockStore } from '../../bytes/block-store.ts';
import { FormatError } from '../../bytes/errors.ts';
import { type Bytes, lbaToBytes, MiB } from '../../bytes/units.ts';
import { type BlockRange, decodeBlockRange } from '../../scsi/block/commands.ts';
import {
  invalidFieldInCdb,
  lbaOutOfRange,
  type Sense,
  SenseKey,
  sense,
  spaceExhausted,
} from '../../scsi/common/sense.ts';
import { checkCondition, type ScsiResult } from '../../scsi/execute.ts';
import { isHostFull } from '../host-full.ts';
import type { Turns } from './turns.ts';

/** Most bytes of one READ, WRITE or VERIFY: what an initiator can make this unit hold at once. */
export const DISK_TRANSFER_BYTES_MAX: Bytes = 32 * MiB;

/** Writes that happen wholly or not at all, whatever is killed when. */
export interface AtomicWrites {
  /** @throws FormatError `io` */
  write(offset: Bytes, from: Uint8Array): Promise<void>;
  readonly byteLengthMax: Bytes;
}

export interface Disk {
  readonly store: BlockStore;
  readonly blockLength: Bytes;
  readonly blocks: number;
  readonly writable: boolean;
  /** Of the store when the unit was made. */
  readonly byteLength: Bytes;
  readonly atomic: AtomicWrites | undefined;
  readonly turns: Turns;
  /** SWP of the control mode page: nothing is written until it is taken back. */
  softwareWriteProtect: boolean;
}

/** The range of a command, or why it cannot be served. */
export function rangeOf(disk: Disk, cdb: Uint8Array): BlockRange | Sense {
  const range = decodeBlockRange(cdb);
  if (range.protect !== 0) return invalidFieldInCdb(1, 7);
  return outside(disk, range) ? lbaOutOfRange() : range;
}
export const isSense = (value: BlockRange | Sense): value is Sense => 'key' in value;
export const outside = (disk: Disk, range: { readonly lba: number; readonly blocks: number }): boolean =>
  range.lba + range.blocks > disk.blocks || range.lba > Math.max(0, disk.blocks - 1);

/** 5h/24/00 when a transfer is longer than the block limits page says. */
export function tooLong(disk: Disk, range: BlockRange, cdb: Uint8Array): ScsiResult | undefined {
  if (range.blocks * disk.blockLength <= DISK_TRANSFER_BYTES_MAX) return undefined;
  return checkCondition(invalidFieldInCdb(lengthByte(cdb)));
}
/** Byte of the CDB at which the transfer length stands. */
const lengthByte = (cdb: Uint8Array): number => ({ 0: 4, 4: 10, 5: 6 })[cdb[0] >>> 5] ?? 7;

/** Additional sense codes of what a store fails at. */
export const Failure = { read: 0x11, write: 0x0c } as const;

/** Runs I/O of the store; its `io` failure is MEDIUM ERROR at the first block of the range, or 7h/27/07 where the host is full. */
export async function attempt(lba: number, asc: number, io: () => Promise<void>): Promise<ScsiResult | undefined> {
  try {
    await io();
    return undefined;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    if (isHostFull(error)) return checkCondition(spaceExhausted());
    return checkCondition(sense(SenseKey.mediumError, asc, 0, { information: lba }));
  }
}

/** Why nothing may be written. */
export function writeRefused(disk: Disk): ScsiResult | undefined {
  if (!disk.writable) return checkCondition(sense(SenseKey.dataProtect, 0x27, 0x00));
  return disk.softwareWriteProtect ? checkCondition(sense(SenseKey.dataProtect, 0x27, 0x02)) : undefined;
}

export const offsetOf = (disk: Disk, lba: number): Bytes => lbaToBytes(lba, disk.blockLength);

/** Writes whole or part blocks; zeros behind the end of an odd-sized store are dropped. */
export function storeAt(disk: Disk, offset: Bytes, data: Uint8Array): Promise<void> {
  return disk.store.write(offset, withinStore(disk, offset, data));
}

export function withinStore(disk: Disk, offset: Bytes, data: Uint8Array): Uint8Array {
  const inside = Math.max(0, disk.byteLength - offset);
  const zeros = inside < data.length && data.subarray(inside).every((byte) => byte === 0);
  return zeros ? data.subarray(0, inside) : data;
}
