/** WRITE, WRITE AND VERIFY, COMPARE AND WRITE, ORWRITE, WRITE ATOMIC and SYNCHRONIZE CACHE. SBC-4, clause 5. */
import { viewOf } from '../../bytes/layout.ts';
import type { Bytes } from '../../bytes/units.ts';
import { type BlockRange, CompareAndWrite, WriteAtomic16 } from '../../scsi/block/commands.ts';
import { dataPhaseError, invalidFieldInCdb, lbaOutOfRange } from '../../scsi/common/sense.ts';
import { checkCondition, good, NO_DATA, type ScsiCommand, type ScsiResult } from '../../scsi/execute.ts';
import { compare, firstDifference, miscompare } from './reading.ts';
import {
  attempt,
  type Disk,
  Failure,
  isSense,
  offsetOf,
  outside,
  rangeOf,
  storeAt,
  tooLong,
  withinStore,
  writeRefused,
} from './state.ts';

/** The range of a write, or the answer that refuses it. */
function admitted(disk: Disk, cdb: Uint8Array): BlockRange | ScsiResult {
  const range = rangeOf(disk, cdb);
  if (isSense(range)) return checkCondition(range);
  return writeRefused(disk) ?? tooLong(disk, range, cdb) ?? range;
}
const isResult = (value: BlockRange | ScsiResult): value is ScsiResult => 'status' in value;

/** GOOD of a command that takes `transfer` bytes. */
const taken = (transfer: Bytes): ScsiResult => ({ status: 'good', dataIn: NO_DATA, residual: 0, transfer });

/** An initiator that sends less than the CDB says has that written; `transfer` tells it what it left out. RFC 7143, 11.4.5.1. */
export async function writeBlocks(disk: Disk, command: ScsiCommand): Promise<ScsiResult> {
  const range = admitted(disk, command.cdb);
  if (isResult(range)) return range;
  const length = range.blocks * disk.blockLength;
  const data = (command.dataOut ?? NO_DATA).subarray(0, length);
  return (await put(disk, range, data, range.fua)) ?? taken(length);
}

/** Why it could not be written. */
function put(disk: Disk, range: BlockRange, data: Uint8Array, durably: boolean): Promise<ScsiResult | undefined> {
  return attempt(range.lba, Failure.write, async () => {
    if (data.length > 0) await disk.turns.together(() => storeAt(disk, offsetOf(disk, range.lba), data));
    if (durably) await disk.store.flush();
  });
}

export async function writeAndVerify(disk: Disk, command: ScsiCommand): Promise<ScsiResult> {
  const range = admitted(disk, command.cdb);
  if (isResult(range)) return range;
  if (range.bytchk > 1) return checkCondition(invalidFieldInCdb(1, 2));
  const length = range.blocks * disk.blockLength;
  const data = (command.dataOut ?? NO_DATA).subarray(0, length);
  const trouble = await put(disk, range, data, true);
  if (trouble !== undefined) return trouble;
  const whole = Math.floor(data.length / disk.blockLength);
  const verified = whole === 0 ? good() : await compare(disk, range.lba, whole, range.bytchk, data);
  return verified.status === 'good' ? taken(length) : verified;
}

/** SBC-4, 5.3. The data are what must be there, then what is written. */
export async function compareAndWrite(disk: Disk, command: ScsiCommand): Promise<ScsiResult> {
  const range = rangeOf(disk, command.cdb);
  const view = viewOf(command.cdb);
  if (CompareAndWrite.protect.get(view, 0) !== 0) return checkCondition(invalidFieldInCdb(1, 7));
  if (isSense(range)) return checkCondition(range);
  const refused = writeRefused(disk);
  if (refused !== undefined) return refused;
  const { lba, blocks, fua } = range;
  const length = blocks * disk.blockLength;
  const data = command.dataOut ?? NO_DATA;
  if (data.length !== 2 * length) return checkCondition(invalidFieldInCdb(13));
  if (length === 0) return good();
  const stored = new Uint8Array(length);
  let differs: number | undefined;
  const trouble = await attempt(lba, Failure.write, () =>
    disk.turns.alone(async () => {
      await disk.store.read(offsetOf(disk, lba), stored);
      differs = firstDifference(stored, data.subarray(0, length));
      if (differs !== undefined) return;
      await storeAt(disk, offsetOf(disk, lba), data.subarray(length, 2 * length));
      if (fua) await disk.store.flush();
    }),
  );
  if (trouble !== undefined) return trouble;
  return differs === undefined ? taken(2 * length) : checkCondition(miscompare(differs));
}

/** SBC-4, 5.10. */
export async function orWrite(disk: Disk, command: ScsiCommand): Promise<ScsiResult> {
  const range = admitted(disk, command.cdb);
  if (isResult(range)) return range;
  const length = range.blocks * disk.blockLength;
  if (length === 0) return good();
  const data = command.dataOut;
  if (data === undefined || data.length < length) return checkCondition(dataPhaseError());
  const stored = new Uint8Array(length);
  const trouble = await attempt(range.lba, Failure.write, () =>
    disk.turns.alone(async () => {
      await disk.store.read(offsetOf(disk, range.lba), stored);
      for (let i = 0; i < length; i++) stored[i] |= data[i];
      await storeAt(disk, offsetOf(disk, range.lba), stored);
      if (range.fua) await disk.store.flush();
    }),
  );
  return trouble ?? taken(length);
}

/** Blocks at whose multiples an atomic write begins, and of whose multiple it is long: a page of the host. */
export const atomicGranularity = (blockLength: Bytes): number => Math.max(1, 4096 / blockLength);

/** SBC-4, 5.48. */
export async function writeAtomic(disk: Disk, command: ScsiCommand): Promise<ScsiResult> {
  const { atomic, blockLength } = disk;
  if (atomic === undefined) return checkCondition(invalidFieldInCdb(0));
  const view = viewOf(command.cdb);
  const f = WriteAtomic16;
  const lba = view.getUint32(2) > 0x1f_ffff ? Number.MAX_SAFE_INTEGER : f.logicalBlockAddress.get(view, 0);
  const blocks = f.transferLength.get(view, 0);
  if (f.protect.get(view, 0) !== 0) return checkCondition(invalidFieldInCdb(1, 7));
  if (f.atomicBoundary.get(view, 0) !== 0) return checkCondition(invalidFieldInCdb(10));
  if (outside(disk, { lba, blocks })) return checkCondition(lbaOutOfRange());
  const refused = writeRefused(disk);
  if (refused !== undefined) return refused;
  const granularity = atomicGranularity(blockLength);
  if (lba % granularity !== 0) return checkCondition(invalidFieldInCdb(2));
  if (blocks % granularity !== 0 || blocks * blockLength > atomic.byteLengthMax)
    return checkCondition(invalidFieldInCdb(12));
  const length = blocks * blockLength;
  if (length === 0) return good();
  const data = command.dataOut;
  if (data === undefined || data.length < length) return checkCondition(dataPhaseError());
  const offset = offsetOf(disk, lba);
  const whole = withinStore(disk, offset, data.subarray(0, length));
  const trouble = await attempt(lba, Failure.write, () => disk.turns.alone(() => atomic.write(offset, whole)));
  return trouble ?? taken(length);
}

export async function synchronizeCache(disk: Disk, command: ScsiCommand): Promise<ScsiResult> {
  const range = rangeOf(disk, command.cdb);
  if (isSense(range)) return checkCondition(range);
  return (await attempt(range.lba, Failure.write, () => disk.store.flush())) ?? good();
}
