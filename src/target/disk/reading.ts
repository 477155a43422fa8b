/** READ, VERIFY, PRE-FETCH, READ CAPACITY, READ DEFECT DATA and GET LBA STATUS. SBC-4, clause 5. */
import { viewOf } from '../../bytes/layout.ts';
import { alignUp, type Bytes } from '../../bytes/units.ts';
import {
  encodeLbaStatus,
  GetLbaStatus,
  type LbaStatus,
  ReadCapacity10,
  ReadCapacity10Data,
  ReadCapacity16,
  ReadCapacity16Data,
  ReadDefectData10,
  ReadDefectData12,
} from '../../scsi/block/commands.ts';
import { dataPhaseError, invalidFieldInCdb, lbaOutOfRange, SenseKey, sense } from '../../scsi/common/sense.ts';
import { checkCondition, good, type ScsiCommand, type ScsiResult } from '../../scsi/execute.ts';
import { dataIn } from '../handler.ts';
import { attempt, type Disk, Failure, isSense, offsetOf, outside, rangeOf, tooLong } from './state.ts';

/** What does best when it is read and written aligned: a page of the host. */
const PHYSICAL_BLOCK_BYTES: Bytes = 4096;

export async function readBlocks(disk: Disk, command: ScsiCommand): Promise<ScsiResult> {
  const range = rangeOf(disk, command.cdb);
  if (isSense(range)) return checkCondition(range);
  const refused = tooLong(disk, range, command.cdb);
  if (refused !== undefined) return refused;
  const wanted = command.dataInLength ?? 0;
  const transfer = range.blocks * disk.blockLength;
  const length = Math.min(wanted, transfer);
  const into = command.dataIn === undefined ? new Uint8Array(length) : command.dataIn.subarray(0, length);
  if (length > 0) {
    const read = (): Promise<void> => disk.store.read(offsetOf(disk, range.lba), into);
    const trouble = await attempt(range.lba, Failure.read, () => disk.turns.together(read));
    if (trouble !== undefined) return trouble;
  }
  return { status: 'good', dataIn: into, residual: wanted - length, transfer };
}

/** BYTCHK. SBC-4, table 129. */
const ByteCheck = { mediumOnly: 0, everyBlock: 1, sameBlock: 3 } as const;

export async function verifyBlocks(disk: Disk, command: ScsiCommand): Promise<ScsiResult> {
  const range = rangeOf(disk, command.cdb);
  if (isSense(range)) return checkCondition(range);
  if (range.bytchk === 2) return checkCondition(invalidFieldInCdb(1, 2));
  const refused = tooLong(disk, range, command.cdb);
  if (refused !== undefined) return refused;
  if (range.blocks === 0) return good();
  return compare(disk, range.lba, range.blocks, range.bytchk, command.dataOut);
}

/** Reads blocks and compares them with what the command brought, as BYTCHK says. */
export async function compare(
  disk: Disk,
  lba: number,
  blocks: number,
  bytchk: number,
  given: Uint8Array | undefined,
): Promise<ScsiResult> {
  const length = blocks * disk.blockLength;
  const needed = bytchk === ByteCheck.everyBlock ? length : bytchk === ByteCheck.sameBlock ? disk.blockLength : 0;
  if (needed > 0 && (given === undefined || given.length < needed)) return checkCondition(dataPhaseError());
  const stored = new Uint8Array(length);
  const read = (): Promise<void> => disk.store.read(offsetOf(disk, lba), stored);
  const trouble = await attempt(lba, Failure.read, () => disk.turns.together(read));
  if (trouble !== undefined) return trouble;
  if (given === undefined || needed === 0) return good();
  const wanted = given.subarray(0, needed);
  for (let at = 0; at < length; at += needed) {
    const differs = firstDifference(stored.subarray(at, at + needed), wanted);
    if (differs !== undefined) return checkCondition(miscompare(at + differs));
  }
  return { ...good(), transfer: needed } as ScsiResult;
}

/** Eh/1D/00 with the offset of the first byte that differs. */
export const miscompare = (offset: number) => sense(SenseKey.miscompare, 0x1d, 0x00, { information: offset });

export function firstDifference(a: Uint8Array, b: Uint8Array): number | undefined {
  if (Buffer.compare(a, b) === 0) return undefined;
  return a.findIndex((byte, i) => byte !== b[i]);
}

/** The range is within the medium; the host's cache reads ahead by itself. CONDITION MET would say that all of it fits a cache. */
export function preFetch(disk: Disk, command: ScsiCommand): ScsiResult {
  const range = rangeOf(disk, command.cdb);
  return isSense(range) ? checkCondition(range) : good();
}

export function readCapacity10(disk: Disk, command: ScsiCommand): ScsiResult {
  const { logicalBlockAddress, pmi } = ReadCapacity10.decodeAll(viewOf(command.cdb));
  if (!pmi && logicalBlockAddress !== 0) return checkCondition(invalidFieldInCdb(2));
  const lastLba = Math.min(0xffff_ffff, Math.max(0, disk.blocks - 1));
  return dataIn(command, ReadCapacity10Data.encode({ lastLba, blockLength: disk.blockLength }), 8);
}

export function readCapacity16(disk: Disk, command: ScsiCommand): ScsiResult {
  const data = ReadCapacity16Data.encode({
    lastLba: Math.max(0, disk.blocks - 1),
    blockLength: disk.blockLength,
    logicalBlocksPerPhysicalBlockExponent: Math.max(0, Math.log2(PHYSICAL_BLOCK_BYTES / disk.blockLength)),
    lbpme: disk.writable,
    // LBPRZ stays 0: unmapped blocks read as zeros, but libiscsi's suite takes the promise to mean that WRITE SAME with UNMAP
    // may ignore its data, against SBC-4, 5.50.
  });
  return dataIn(command, data, ReadCapacity16.allocationLength.get(viewOf(command.cdb), 0));
}

/** An image has no defects of its own: lists without entries, in the format that was asked for. */
export function readDefectData(command: ScsiCommand, form: 10 | 12): ScsiResult {
  const view = viewOf(command.cdb);
  const fields = form === 10 ? ReadDefectData10 : ReadDefectData12;
  const flags = fields.lists.get(view, 0) << 3;
  const format = fields.format.get(view, 0);
  const data =
    form === 10 ? Uint8Array.of(0, flags | format, 0, 0) : Uint8Array.of(0, flags | format, 0, 0, 0, 0, 0, 0);
  return dataIn(command, data, fields.allocationLength.get(view, 0));
}

/** Descriptors of one GET LBA STATUS. */
const STATUSES_MAX = 1024;

export async function getLbaStatus(disk: Disk, command: ScsiCommand): Promise<ScsiResult> {
  const view = viewOf(command.cdb);
  const beyond = view.getUint32(2) > 0x1f_ffff;
  const lba = beyond ? Number.MAX_SAFE_INTEGER : GetLbaStatus.startingLogicalBlockAddress.get(view, 0);
  if (outside(disk, { lba, blocks: 1 })) return checkCondition(lbaOutOfRange());
  const first = physicalStart(disk, lba);
  const allocated = GetLbaStatus.allocationLength.get(view, 0);
  const wanted = Math.min(STATUSES_MAX, Math.max(1, Math.ceil((allocated - 8) / 16)));
  const statuses: LbaStatus[] = [];
  const trouble = await attempt(lba, Failure.read, async () => {
    for (let at = first; at < disk.blocks && statuses.length < wanted; ) {
      const status = await statusAt(disk, at);
      at += status.blocks;
      statuses.push(status);
    }
  });
  return trouble ?? dataIn(command, encodeLbaStatus(statuses), allocated);
}

/**
 * Where a report that is asked for from `lba` on begins: physical blocks are mapped as a whole, and one that was begun
 * before `lba` is left out, as libiscsi's suite has it; but for the last one, so that there is always an answer.
 */
function physicalStart(disk: Disk, lba: number): number {
  const start = alignUp(lba, Math.max(1, PHYSICAL_BLOCK_BYTES / disk.blockLength));
  return start < disk.blocks ? start : lba;
}

/** The run of blocks of one kind that begins at `lba`. A block of which any part is stored is mapped. */
async function statusAt(disk: Disk, lba: number): Promise<LbaStatus> {
  const { store, blockLength } = disk;
  const mapped = { lba, blocks: Math.min(0xffff_ffff, disk.blocks - lba), deallocated: false };
  if (store.runAt === undefined) return mapped;
  const start = lba * blockLength;
  const { stored, end } = await store.runAt(start);
  const whole = stored ? Math.ceil((end - start) / blockLength) : Math.floor((end - start) / blockLength);
  const toTheEnd = end >= disk.byteLength;
  if (!stored && whole === 0 && !toTheEnd) return { ...mapped, blocks: 1 };
  const blocks = toTheEnd ? mapped.blocks : Math.min(mapped.blocks, whole);
  return { lba, blocks, deallocated: !stored };
}
