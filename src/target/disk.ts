/**
 * A direct access block device over a BlockStore. SBC-3.
 *
 * The capacity is that of the store when the unit is made, rounded up to whole blocks: the part of the last block that
 * the store does not have reads as zeros, and zeros written there are dropped, so that a file keeps its odd size.
 */
import type { BlockStore } from '../bytes/block-store.ts';
import { FormatError } from '../bytes/errors.ts';
import { viewOf } from '../bytes/layout.ts';
import { type Bytes, lbaToBytes, MiB } from '../bytes/units.ts';
import {
  Block16,
  BlockCharacteristicsPage,
  BlockLimitsPage,
  type BlockRange,
  decodeBlockRange,
  decodeUnmapList,
  ProvisioningPage,
  ReadCapacity10Data,
  ReadCapacity16,
  ReadCapacity16Data,
  Unmap,
} from '../scsi/block/commands.ts';
import { encodeModeParameters, type ModeForm, ModeSense6, ModeSense10, modePage } from '../scsi/common/mode.ts';
import { DeviceType, OperationCode, ServiceActionIn16 } from '../scsi/common/operation-codes.ts';
import {
  dataPhaseError,
  invalidFieldInCdb,
  invalidFieldInParameterList,
  lbaOutOfRange,
  parameterListLengthError,
  type Sense,
  SenseKey,
  sense,
  spaceExhausted,
} from '../scsi/common/sense.ts';
import { VpdPage } from '../scsi/common/vpd.ts';
import type { Designator } from '../scsi/copy/list.ts';
import { checkCondition, good, type ScsiCommand, type ScsiResult } from '../scsi/execute.ts';
import { hostIsFull } from './host-full.ts';
import { byServiceAction, type CommandTable, DeviceServer, dataIn, type VpdBodies } from './logical-unit.ts';

export interface DiskOptions {
  readonly name: string;
  readonly serialNumber: string;
  readonly designator: Designator;
  /** 512 (default) or 4096. */
  readonly blockLength?: Bytes;
  /** Default: as the store. */
  readonly writable?: boolean;
}

/** Most bytes of one READ, WRITE or VERIFY: what an initiator can make this unit hold at once. */
export const DISK_TRANSFER_BYTES_MAX: Bytes = 16 * MiB;
const OPTIMAL_TRANSFER_BYTES: Bytes = 4 * MiB;
/** Ranges of one UNMAP. */
const UNMAP_RANGES_MAX = 256;
const UNMAP_BLOCKS_MAX = 0xffff_ffff;
/** Written at a time by WRITE SAME. */
const PATTERN_BYTES: Bytes = 1 * MiB;

interface Disk {
  readonly store: BlockStore;
  readonly blockLength: Bytes;
  readonly blocks: number;
  readonly writable: boolean;
  /** Of the store when the unit was made. */
  readonly byteLength: Bytes;
}

/** A disk unit over `store`, which stays the caller's to close. */
export function diskUnit(store: BlockStore, options: DiskOptions): DeviceServer {
  const blockLength = options.blockLength ?? 512;
  const disk: Disk = {
    store,
    blockLength,
    blocks: Math.ceil(store.byteLength / blockLength),
    writable: options.writable ?? store.writable,
    byteLength: store.byteLength,
  };
  const identity = {
    peripheralDeviceType: DeviceType.disk,
    name: options.name,
    vendor: 'REELMAP',
    product: 'DISK',
    revision: '0001',
    serialNumber: options.serialNumber,
    designator: options.designator,
    removable: false,
  };
  return new DeviceServer(identity, { commands: commandsOf(disk), vpdPages: pagesOf(disk) });
}

function commandsOf(disk: Disk): CommandTable {
  const op = OperationCode;
  const read = (command: ScsiCommand) => readBlocks(disk, command);
  const write = (command: ScsiCommand) => writeBlocks(disk, command);
  const verify = (command: ScsiCommand) => verifyBlocks(disk, command);
  const flush = (command: ScsiCommand) => synchronize(disk, command);
  return {
    [op.read6]: read,
    [op.read10]: read,
    [op.read12]: read,
    [op.read16]: read,
    [op.write6]: write,
    [op.write10]: write,
    [op.write12]: write,
    [op.write16]: write,
    [op.verify10]: verify,
    [op.verify12]: verify,
    [op.verify16]: verify,
    [op.synchronizeCache10]: flush,
    [op.synchronizeCache16]: flush,
    [op.unmap]: (command) => unmapRanges(disk, command),
    [op.writeSame16]: (command) => writeSame(disk, command),
    [op.readCapacity10]: (command) => readCapacity10(disk, command),
    [op.serviceActionIn16]: byServiceAction({
      [ServiceActionIn16.readCapacity16]: (command) => readCapacity16(disk, command),
    }),
    [op.modeSense6]: (command) => modeSense(disk, command, 6),
    [op.modeSense10]: (command) => modeSense(disk, command, 10),
    [op.startStopUnit]: () => good(),
  };
}

/** The range of a command, or why it cannot be served. */
function rangeOf(disk: Disk, cdb: Uint8Array): BlockRange | Sense {
  const range = decodeBlockRange(cdb);
  if (range.protect !== 0) return invalidFieldInCdb(1, 7);
  if (range.lba + range.blocks > disk.blocks) return lbaOutOfRange();
  return range;
}
const isSense = (value: BlockRange | Sense): value is Sense => 'key' in value;

const tooLong = (disk: Disk, range: BlockRange): boolean => range.blocks * disk.blockLength > DISK_TRANSFER_BYTES_MAX;
/** Byte of the CDB at which the transfer length stands. */
const lengthByte = (cdb: Uint8Array): number => ({ 0: 4, 4: 10, 5: 6 })[cdb[0] >>> 5] ?? 7;

async function readBlocks(disk: Disk, command: ScsiCommand): Promise<ScsiResult> {
  const range = rangeOf(disk, command.cdb);
  if (isSense(range)) return checkCondition(range);
  if (tooLong(disk, range)) return checkCondition(invalidFieldInCdb(lengthByte(command.cdb)));
  const wanted = command.dataInLength ?? 0;
  const length = Math.min(wanted, range.blocks * disk.blockLength);
  const into = command.dataIn === undefined ? new Uint8Array(length) : command.dataIn.subarray(0, length);
  if (length > 0) {
    const trouble = await attempt(range, 0x11, () => disk.store.read(lbaToBytes(range.lba, disk.blockLength), into));
    if (trouble !== undefined) return trouble;
  }
  return good(into, wanted - length);
}

/** Runs I/O of the store; its `io` failure is MEDIUM ERROR with `asc`, at the first block of the range; a full disk below it is none. */
async function attempt(range: BlockRange, asc: number, io: () => Promise<void>): Promise<ScsiResult | undefined> {
  try {
    await io();
    return undefined;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    if (hostIsFull(error)) return checkCondition(spaceExhausted());
    return checkCondition(sense(SenseKey.mediumError, asc, 0, { information: range.lba }));
  }
}

const writeProtected = (): ScsiResult => checkCondition(sense(SenseKey.dataProtect, 0x27, 0x00));

async function writeBlocks(disk: Disk, command: ScsiCommand): Promise<ScsiResult> {
  const range = rangeOf(disk, command.cdb);
  if (isSense(range)) return checkCondition(range);
  if (!disk.writable) return writeProtected();
  if (tooLong(disk, range)) return checkCondition(invalidFieldInCdb(lengthByte(command.cdb)));
  const length = range.blocks * disk.blockLength;
  if (length === 0) return good();
  const data = command.dataOut;
  if (data === undefined || data.length < length) return checkCondition(dataPhaseError());
  const trouble = await attempt(range, 0x0c, async () => {
    await storeAt(disk, lbaToBytes(range.lba, disk.blockLength), data.subarray(0, length));
    if (range.fua) await disk.store.flush();
  });
  return trouble ?? good();
}

function storeAt(disk: Disk, offset: Bytes, data: Uint8Array): Promise<void> {
  const inside = Math.max(0, disk.byteLength - offset);
  const zeros = inside < data.length && data.subarray(inside).every((byte) => byte === 0);
  return disk.store.write(offset, zeros ? data.subarray(0, inside) : data);
}

async function verifyBlocks(disk: Disk, command: ScsiCommand): Promise<ScsiResult> {
  const range = rangeOf(disk, command.cdb);
  if (isSense(range)) return checkCondition(range);
  if (range.bytchk > 1) return checkCondition(invalidFieldInCdb(1, 2));
  if (tooLong(disk, range)) return checkCondition(invalidFieldInCdb(lengthByte(command.cdb)));
  const length = range.blocks * disk.blockLength;
  if (length === 0) return good();
  const given = command.dataOut;
  if (range.bytchk === 1 && (given === undefined || given.length < length)) return checkCondition(dataPhaseError());
  const stored = new Uint8Array(length);
  const trouble = await attempt(range, 0x11, () => disk.store.read(lbaToBytes(range.lba, disk.blockLength), stored));
  if (trouble !== undefined) return trouble;
  if (range.bytchk === 0 || given === undefined) return good();
  return Buffer.compare(stored, given.subarray(0, length)) === 0
    ? good()
    : checkCondition(sense(SenseKey.miscompare, 0x1d, 0x00));
}

async function synchronize(disk: Disk, command: ScsiCommand): Promise<ScsiResult> {
  const range = rangeOf(disk, command.cdb);
  if (isSense(range)) return checkCondition(range);
  return (await attempt(range, 0x0c, () => disk.store.flush())) ?? good();
}

async function unmapRanges(disk: Disk, command: ScsiCommand): Promise<ScsiResult> {
  if (!disk.writable) return writeProtected();
  const length = Unmap.parameterListLength.get(viewOf(command.cdb), 0);
  if (length === 0) return good();
  const data = command.dataOut?.subarray(0, length);
  const ranges = data === undefined ? undefined : decodeUnmapList(data);
  if (ranges === undefined) return checkCondition(parameterListLengthError());
  if (ranges.length > UNMAP_RANGES_MAX) return checkCondition(invalidFieldInParameterList(2));
  if (ranges.some((range) => range.lba + range.blocks > disk.blocks)) return checkCondition(lbaOutOfRange());
  for (const { lba, blocks } of ranges) {
    const range = { lba, blocks, protect: 0, fua: false, bytchk: 0 };
    const trouble = await attempt(range, 0x0c, () => unmapAt(disk, range));
    if (trouble !== undefined) return trouble;
  }
  return good();
}

function unmapAt(disk: Disk, range: BlockRange): Promise<void> {
  const offset = lbaToBytes(range.lba, disk.blockLength);
  const end = Math.min(disk.byteLength, offset + range.blocks * disk.blockLength);
  return end > offset ? disk.store.unmap(offset, end - offset) : Promise.resolve();
}

async function writeSame(disk: Disk, command: ScsiCommand): Promise<ScsiResult> {
  const range = rangeOf(disk, command.cdb);
  if (isSense(range)) return checkCondition(range);
  if (!disk.writable) return writeProtected();
  if (range.blocks === 0) return checkCondition(invalidFieldInCdb(10)); // WSNZ
  const { blockLength } = disk;
  const noData = Block16.ndob.get(viewOf(command.cdb), 0);
  const block = noData ? new Uint8Array(blockLength) : command.dataOut?.subarray(0, blockLength);
  if (block === undefined || block.length < blockLength) return checkCondition(dataPhaseError());
  const zeros = block.every((byte) => byte === 0);
  const fill = async (): Promise<void> => {
    if (zeros && range.fua) return unmapAt(disk, range); // the bit is UNMAP here
    const perWrite = Math.max(1, Math.min(range.blocks, Math.floor(PATTERN_BYTES / blockLength)));
    const pattern = new Uint8Array(perWrite * blockLength);
    for (let at = 0; at < pattern.length; at += blockLength) pattern.set(block, at);
    for (let done = 0; done < range.blocks; done += perWrite) {
      const part = pattern.subarray(0, Math.min(perWrite, range.blocks - done) * blockLength);
      await storeAt(disk, lbaToBytes(range.lba + done, blockLength), part);
    }
  };
  return (await attempt(range, 0x0c, fill)) ?? good();
}

function readCapacity10(disk: Disk, command: ScsiCommand): ScsiResult {
  const lastLba = Math.min(0xffff_ffff, Math.max(0, disk.blocks - 1));
  return dataIn(command, ReadCapacity10Data.encode({ lastLba, blockLength: disk.blockLength }), 8);
}

function readCapacity16(disk: Disk, command: ScsiCommand): ScsiResult {
  const data = ReadCapacity16Data.encode({
    lastLba: Math.max(0, disk.blocks - 1),
    blockLength: disk.blockLength,
    logicalBlocksPerPhysicalBlockExponent: disk.blockLength < 4096 ? 3 : 0, // aligned 4 KiB does best
    lbpme: disk.writable,
    lbprz: disk.writable,
  });
  return dataIn(command, data, ReadCapacity16.allocationLength.get(viewOf(command.cdb), 0));
}

/** Caching (WCE=1: flush with SYNCHRONIZE CACHE) and control page. SBC-3, 6.4.5; SPC-4, 7.5.8. */
function modePages(): ReadonlyMap<number, Uint8Array> {
  const caching = new Uint8Array(18);
  caching[0] = 0x04; // WCE
  const control = new Uint8Array(10);
  control[1] = 0x10; // QUEUE ALGORITHM MODIFIER 1: unrestricted reordering
  return new Map([
    [0x08, modePage(0x08, caching)],
    [0x0a, modePage(0x0a, control)],
  ]);
}

function modeSense(disk: Disk, command: ScsiCommand, form: ModeForm): ScsiResult {
  const shape = form === 6 ? ModeSense6 : ModeSense10;
  const { pageControl, pageCode, subpageCode, dbd, allocationLength } = shape.decodeAll(viewOf(command.cdb));
  if (pageControl === 3) return checkCondition(sense(SenseKey.illegalRequest, 0x39, 0x00));
  const pages = modePages();
  const all = pageCode === 0x3f;
  if ((!all && !pages.has(pageCode)) || (subpageCode !== 0 && !(all && subpageCode === 0xff)))
    return checkCondition(invalidFieldInCdb(2, 5));
  const wanted = all ? [...pages.values()] : [pages.get(pageCode) ?? new Uint8Array(0)];
  const bytes = Buffer.concat(wanted.map((page) => (pageControl === 1 ? changeable(page) : page)));
  const numberOfBlocks = Math.min(0xff_ffff, disk.blocks);
  const parameters = {
    mediumType: 0,
    deviceSpecificParameter: (disk.writable ? 0 : 0x80) | 0x10, // WP, DPOFUA
    ...(dbd ? {} : { blockDescriptor: { densityCode: 0, numberOfBlocks, blockLength: disk.blockLength } }),
    pages: bytes,
  };
  return dataIn(command, encodeModeParameters(parameters, form), allocationLength);
}

/** Nothing can be changed: the page with a zero body. */
function changeable(page: Uint8Array): Uint8Array {
  const out = new Uint8Array(page.length);
  out.set(page.subarray(0, 2));
  return out;
}

function pagesOf(disk: Disk): VpdBodies {
  const { blockLength } = disk;
  return {
    [VpdPage.blockLimits]: () =>
      BlockLimitsPage.encode({
        wsnz: true,
        optimalTransferLengthGranularity: Math.max(1, 4096 / blockLength),
        maximumTransferLength: DISK_TRANSFER_BYTES_MAX / blockLength,
        optimalTransferLength: OPTIMAL_TRANSFER_BYTES / blockLength,
        maximumUnmapLbaCount: disk.writable ? UNMAP_BLOCKS_MAX : 0,
        maximumUnmapBlockDescriptorCount: disk.writable ? UNMAP_RANGES_MAX : 0,
        optimalUnmapGranularity: Math.max(1, 4096 / blockLength),
        maximumWriteSameLength: 0, // no limit
      }),
    [VpdPage.blockCharacteristics]: () => BlockCharacteristicsPage.encode({ mediumRotationRate: 1 }),
    [VpdPage.logicalBlockProvisioning]: () =>
      ProvisioningPage.encode({
        lbpu: disk.writable,
        lbpws: disk.writable,
        lbprz: disk.writable,
        provisioningType: disk.writable ? 2 : 0,
      }),
  };
}
