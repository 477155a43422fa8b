/** A block device behind an `Execute`: identity, capacity, bytes at addresses, retries on unit attention. SBC-3, SPC-4. */
import { assert, FormatError } from '../bytes/errors.ts';
import { viewOf } from '../bytes/layout.ts';
import { alignDown, alignUp, type Bytes, MiB } from '../bytes/units.ts';
import type { ReadAt } from '../filesystem/volume.ts';
import {
  BlockLimitsPage,
  type Capacity,
  decodeCapacity10,
  decodeCapacity16,
  read16,
  readCapacity10,
  readCapacity16,
  synchronizeCache10,
  write16,
  writeSame16,
} from '../scsi/block/commands.ts';
import { inquiryVpd } from '../scsi/common/inquiry.ts';
import { DeviceType } from '../scsi/common/operation-codes.ts';
import { SenseKey } from '../scsi/common/sense.ts';
import { VpdPage, vpdBody } from '../scsi/common/vpd.ts';
import type { Designator } from '../scsi/copy/list.ts';
import type { Execute } from '../scsi/execute.ts';
import { identify } from './identity.ts';
import { executeGood, executeWithRetry, type Retried } from './retry.ts';
import { ScsiError } from './scsi-error.ts';

export interface BlockDevice {
  readonly execute: Execute;
  /** For people. */
  readonly device: string;
  readonly serialNumber: string;
  /** For CSCD descriptors; missing: it has none that a descriptor can hold. */
  readonly designator: Designator | undefined;
  readonly blockLength: Bytes;
  readonly byteLength: Bytes;
  /** Any bytes; whole blocks are read. @throws ScsiError when the device fails, FormatError as ReadAt says */
  readonly readAt: ReadAt;
  /** As `readAt`, into the caller's buffer: whole blocks without a copy. */
  read(offset: Bytes, into: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Whole blocks. @throws ScsiError, RangeError when the range is not whole blocks of the device */
  write(offset: Bytes, from: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Whole blocks that read as zeros from now on. @throws ScsiError, RangeError as `write` */
  zero(offset: Bytes, length: Bytes, signal?: AbortSignal): Promise<void>;
  /** What was written is on stable storage when this resolves. @throws ScsiError */
  flush(signal?: AbortSignal): Promise<void>;
}

/** Bytes of one READ(16) or WRITE(16), if the device does not want less. */
const TRANSFER_BYTES_MAX = 4 * MiB;
/** Of one WRITE SAME(16): what a device that writes them out does within any time limit. */
const ZERO_BYTES_MAX = 256 * MiB;
const PAGE_BYTES = 64;

/** @throws FormatError `unsupported` when it is no disk; ScsiError */
export async function openBlockDevice(execute: Execute, signal?: AbortSignal): Promise<BlockDevice> {
  const identity = await identify(execute, DeviceType.disk, 'disk', signal);
  const { device } = identity;
  const { blocks, blockLength } = await capacityOf(execute, device, signal);
  const byteLength = blocks * blockLength;
  const limits = await blockLimits(execute, device, signal);
  const transferMax = transferBytesMax(limits, blockLength);
  const zeroMax = zeroBlocksMax(limits, blockLength);
  const zeroBlocks = zeroWriter(execute, blockLength);
  const about = (words: string, stop?: AbortSignal) => ({ device, words, ...(stop && { signal: stop }) });

  const readBlocks = async (offset: Bytes, into: Uint8Array, stop?: AbortSignal): Promise<void> => {
    for (let at = 0; at < into.length; at += transferMax) {
      const part = into.subarray(at, Math.min(into.length, at + transferMax));
      const cdb = read16((offset + at) / blockLength, part.length / blockLength);
      const command = { cdb, dataIn: part, dataInLength: part.length };
      const { dataIn } = await executeGood(execute, command, about('READ(16)', stop));
      if (dataIn.length < part.length)
        throw new FormatError('io', device, `READ(16) of ${part.length} bytes gave ${dataIn.length}`);
      if (dataIn.byteOffset !== part.byteOffset || dataIn.buffer !== part.buffer) part.set(dataIn);
    }
  };

  const checkRange = (offset: Bytes, length: Bytes): void => {
    if (offset < 0 || length < 0 || offset + length > byteLength)
      throw new FormatError('corrupt', device, `bytes ${offset} to ${offset + length} end past its ${byteLength}`);
  };

  const checkWhole = (offset: Bytes, length: Bytes): void => {
    if (offset % blockLength !== 0 || length % blockLength !== 0 || offset + length > byteLength)
      throw new RangeError(`bytes ${offset} to ${offset + length} are not whole blocks of ${device}`);
  };

  return {
    execute,
    device,
    serialNumber: identity.serialNumber,
    designator: identity.designator,
    blockLength,
    byteLength,
    readAt: async (offset, length, stop) => {
      checkRange(offset, length);
      const start = alignDown(offset, blockLength);
      const whole = new Uint8Array(alignUp(offset + length, blockLength) - start);
      await readBlocks(start, whole, stop);
      return new DataView(whole.buffer, offset - start, length);
    },
    read: async (offset, into, stop) => {
      checkRange(offset, into.length);
      if (offset % blockLength === 0 && into.length % blockLength === 0) return readBlocks(offset, into, stop);
      const start = alignDown(offset, blockLength);
      const whole = new Uint8Array(alignUp(offset + into.length, blockLength) - start);
      await readBlocks(start, whole, stop);
      into.set(whole.subarray(offset - start, offset - start + into.length));
    },
    write: async (offset, from, stop) => {
      checkWhole(offset, from.length);
      for (let at = 0; at < from.length; at += transferMax) {
        const part = from.subarray(at, Math.min(from.length, at + transferMax));
        const cdb = write16((offset + at) / blockLength, part.length / blockLength);
        await executeGood(execute, { cdb, dataOut: part }, about('WRITE(16)', stop));
      }
    },
    zero: async (offset, length, stop) => {
      checkWhole(offset, length);
      const end = (offset + length) / blockLength;
      for (let lba = offset / blockLength; lba < end; lba += zeroMax)
        await zeroBlocks(lba, Math.min(zeroMax, end - lba), about('WRITE SAME(16)', stop));
    },
    flush: async (stop) => {
      await executeGood(execute, { cdb: synchronizeCache10() }, about('SYNCHRONIZE CACHE(10)', stop));
    },
  };
}

/** Lets go of blocks; writes them out where the device has no logical block provisioning and refuses the UNMAP bit. */
function zeroWriter(
  execute: Execute,
  blockLength: Bytes,
): (lba: number, blocks: number, how: Retried) => Promise<void> {
  const dataOut = new Uint8Array(blockLength);
  let unmaps = true;
  return async (lba, blocks, how) => {
    try {
      await executeGood(execute, { cdb: writeSame16(lba, blocks, unmaps), dataOut }, how);
    } catch (error) {
      if (!unmaps || !(error instanceof ScsiError) || error.sense?.key !== SenseKey.illegalRequest) throw error;
      unmaps = false;
      await executeGood(execute, { cdb: writeSame16(lba, blocks, unmaps), dataOut }, how);
    }
  };
}

async function capacityOf(execute: Execute, device: string, signal: AbortSignal | undefined): Promise<Capacity> {
  const about = (words: string) => ({ device, words, ...(signal && { signal }) });
  const long = { cdb: readCapacity16(32), dataInLength: 32 };
  const answer = await executeWithRetry(execute, long, about('READ CAPACITY(16)'));
  if (answer.status !== 'check-condition') return decodeCapacity16(answer.dataIn);
  const short = { cdb: readCapacity10(), dataInLength: 8 };
  const capacity = decodeCapacity10((await executeGood(execute, short, about('READ CAPACITY(10)'))).dataIn);
  if (capacity === undefined) throw new FormatError('unsupported', device, 'over 2 TiB, and no READ CAPACITY(16)');
  return capacity;
}

interface BlockLimits {
  /** Blocks; 0: no limit, or none told. */
  readonly transfer: number;
  readonly writeSame: number;
}

/** Limits of VPD page B0h, if there is one. */
async function blockLimits(execute: Execute, device: string, signal: AbortSignal | undefined): Promise<BlockLimits> {
  const command = { cdb: inquiryVpd(VpdPage.blockLimits, PAGE_BYTES), dataInLength: PAGE_BYTES };
  const how = { device, words: 'INQUIRY, VPD page B0h', ...(signal && { signal }) };
  const answer = await executeWithRetry(execute, command, how);
  const body = answer.status === 'check-condition' ? new Uint8Array(0) : vpdBody(answer.dataIn, VpdPage.blockLimits);
  const view = viewOf(body);
  return {
    transfer: body.length < 8 ? 0 : BlockLimitsPage.maximumTransferLength.get(view, 0),
    writeSame: body.length < 40 ? 0 : BlockLimitsPage.maximumWriteSameLength.get(view, 0),
  };
}

function transferBytesMax({ transfer }: BlockLimits, blockLength: Bytes): Bytes {
  const most = alignDown(TRANSFER_BYTES_MAX, blockLength);
  assert(most > 0, `block length ${blockLength}`);
  return transfer === 0 ? most : Math.min(most, transfer * blockLength);
}

const zeroBlocksMax = ({ writeSame }: BlockLimits, blockLength: Bytes): number => {
  const most = Math.floor(ZERO_BYTES_MAX / blockLength);
  return writeSame === 0 ? most : Math.min(most, writeSame);
};
