/**
 * The copy sources and destinations of a list: CSCD descriptors resolved to logical units, and the commands that the copy
 * manager sends them. SPC-4, 5.17.4, 6.4.5. A unit is found by comparing designators with its own VPD page 83h.
 */
import { FormatError } from '../../bytes/errors.ts';
import type { Lender } from '../../bytes/lender.ts';
import type { Bytes, Lba } from '../../bytes/units.ts';
import { executeWithRetry, type Retried } from '../../initiator/retry.ts';
import { ScsiError } from '../../initiator/scsi-error.ts';
import { decodeCapacity16, read16, readCapacity16, write16 } from '../../scsi/block/commands.ts';
import { testUnitReady } from '../../scsi/common/commands.ts';
import { decodeInquiryData, inquiry, inquiryVpd } from '../../scsi/common/inquiry.ts';
import { DeviceType, OperationCode } from '../../scsi/common/operation-codes.ts';
import { SenseKey } from '../../scsi/common/sense.ts';
import type { ScsiStatus } from '../../scsi/common/status.ts';
import { decodeDesignators, designatorKey, VpdPage, vpdBody } from '../../scsi/common/vpd.ts';
import { CscdIds } from '../../scsi/copy/descriptors.ts';
import type { Designator } from '../../scsi/copy/list.ts';
import type { ReceivedCopyList } from '../../scsi/copy/parameter-list.ts';
import type { Execute, ScsiCommand } from '../../scsi/execute.ts';
import { Locate16, ReadWrite6, WriteFilemarks6 } from '../../scsi/stream/commands.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { CopyAborted, cscdPointer, type DeviceTrouble, dataUnderrun, deviceFailure } from './aborted.ts';

/** The I_T nexus under which the copy manager is known to the units. */
export const COPY_MANAGER_NEXUS = 'copy-manager';

export interface BlockDevice {
  readonly kind: 'block';
  readonly id: number;
  readonly unit: LogicalUnit;
  readonly execute: Execute;
  readonly name: string;
  readonly blockLength: Bytes;
  readonly blocks: number;
  readonly pad: boolean;
}
export interface StreamDevice {
  readonly kind: 'stream';
  readonly id: number;
  readonly unit: LogicalUnit;
  readonly execute: Execute;
  readonly name: string;
  /** 0: variable blocks. */
  readonly fixedBlockLength: Bytes;
  readonly pad: boolean;
}
export type CopyDevice = BlockDevice | StreamDevice;

/**
 * Resolves every CSCD that the list's segments name. A fault is thrown later, by the segment that needs the device.
 * `onBehalfOf`: whose reservations count.
 */
export async function resolveDevices(
  list: ReceivedCopyList,
  units: readonly LogicalUnit[],
  receiver: LogicalUnit,
  onBehalfOf: string,
): Promise<ReadonlyMap<number, CopyDevice | CopyAborted>> {
  const ids = new Set<number>();
  for (const segment of list.segments) {
    if ('source' in segment) ids.add(segment.source);
    if ('destination' in segment) ids.add(segment.destination);
  }
  const out = new Map<number, CopyDevice | CopyAborted>();
  for (const id of ids) {
    try {
      out.set(id, await resolve(list, id, units, receiver, onBehalfOf));
    } catch (error) {
      if (!(error instanceof CopyAborted)) throw error;
      out.set(id, error);
    }
  }
  return out;
}

async function resolve(
  list: ReceivedCopyList,
  id: number,
  units: readonly LogicalUnit[],
  receiver: LogicalUnit,
  onBehalfOf: string,
): Promise<CopyDevice> {
  if (id === CscdIds.thisLogicalUnit) return open(id, receiver, onBehalfOf, undefined, 0, false);
  const cscd = list.cscds[id];
  if (cscd === undefined) throw new CopyAborted({ asc: 0x08, ascq: 0x04 });
  const unit = await findUnit(cscd.designator, units);
  if (unit === undefined) throw new CopyAborted({ asc: 0x08, ascq: 0x04, ...cscdPointer(id) });
  const length = cscd.kind === 'block' ? cscd.blockLength : cscd.fixedBlockLength;
  return open(id, unit, onBehalfOf, list.deviceTypes[id], length, cscd.pad);
}

/** Designators of units, asked once: a unit's page 83h does not change. */
const known = new WeakMap<LogicalUnit, ReadonlySet<string>>();

async function findUnit(designator: Designator, units: readonly LogicalUnit[]): Promise<LogicalUnit | undefined> {
  const wanted = designatorKey(designator);
  for (const unit of units) if ((known.get(unit) ?? (await askDesignators(unit))).has(wanted)) return unit;
  return undefined;
}

const PAGE_BYTES_MAX = 1024;

async function askDesignators(unit: LogicalUnit): Promise<ReadonlySet<string>> {
  const command = { cdb: inquiryVpd(VpdPage.deviceIdentification, PAGE_BYTES_MAX), dataInLength: PAGE_BYTES_MAX };
  const result = await unit.forNexus(COPY_MANAGER_NEXUS)(command);
  if (result.status !== 'good') return new Set();
  const body = vpdBody(result.dataIn, VpdPage.deviceIdentification);
  const keys = new Set(decodeDesignators(body).map(designatorKey));
  known.set(unit, keys);
  return keys;
}

const isBlockType = (type: number): boolean => [0x00, 0x04, 0x05, 0x07, 0x0e].includes(type);

/** INQUIRY, unit attentions cleared, capacity. `expected`: device type of the descriptor. */
async function open(
  id: number,
  unit: LogicalUnit,
  onBehalfOf: string,
  expected: number | undefined,
  length: Bytes,
  pad: boolean,
): Promise<CopyDevice> {
  const execute = unit.forNexus(COPY_MANAGER_NEXUS, undefined, onBehalfOf);
  const answer = await send(execute, { cdb: inquiry(96), dataInLength: 96 }, { device: unit.name, words: 'INQUIRY' });
  if (answer.kind !== 'good') throw new CopyAborted({ asc: 0x0d, ascq: 0x02, ...cscdPointer(id) });
  const { peripheralDeviceType, peripheralQualifier } = decodeInquiryData(answer.dataIn);
  if (peripheralQualifier !== 0) throw new CopyAborted({ asc: 0x0d, ascq: 0x02, ...cscdPointer(id) });
  if (expected !== undefined && expected !== peripheralDeviceType)
    throw new CopyAborted({ asc: 0x0d, ascq: 0x03, ...cscdPointer(id) });
  await send(execute, { cdb: testUnitReady() }, { device: unit.name, words: 'TEST UNIT READY' });
  const common = { id, unit, execute, name: unit.name, pad };
  if (peripheralDeviceType === DeviceType.tape) return { kind: 'stream', ...common, fixedBlockLength: length };
  if (!isBlockType(peripheralDeviceType)) throw new CopyAborted({ asc: 0x0d, ascq: 0x03, ...cscdPointer(id) });
  const how = { device: unit.name, words: 'READ CAPACITY(16)' };
  const capacity = await send(execute, { cdb: readCapacity16(32), dataInLength: 32 }, how);
  if (capacity.kind !== 'good') throw new CopyAborted({ asc: 0x0d, ascq: 0x02, ...cscdPointer(id) });
  const { blocks, blockLength } = decodeCapacity16(capacity.dataIn);
  if (length !== 0 && length !== blockLength)
    throw new CopyAborted({ asc: 0x26, ascq: 0x00, pointer: { in: 'data', byte: 16 + id * 32 + 29 } });
  return { kind: 'block', ...common, blockLength, blocks };
}

type Sent =
  | { readonly kind: 'good'; readonly dataIn: Uint8Array }
  | { readonly kind: 'trouble'; readonly trouble: DeviceTrouble; readonly dataIn: Uint8Array }
  /** The way to the device is lost. */
  | { readonly kind: 'gone' };

const NOTHING = new Uint8Array(0);

async function send(execute: Execute, command: ScsiCommand, how: Retried): Promise<Sent> {
  try {
    const result = await executeWithRetry(execute, command, how);
    if (result.status !== 'check-condition') return { kind: 'good', dataIn: result.dataIn };
    return { kind: 'trouble', trouble: { status: result.status, sense: result.sense }, dataIn: result.dataIn };
  } catch (error) {
    if (error instanceof ScsiError) {
      const status: ScsiStatus = error.sense === undefined ? asStatus(error.status) : 'check-condition';
      return { kind: 'trouble', trouble: { status, sense: error.sense }, dataIn: NOTHING };
    }
    if (error instanceof FormatError && error.kind === 'io') return { kind: 'gone' };
    throw error;
  }
}

const STATUSES: readonly string[] = ['busy', 'task-set-full', 'reservation-conflict', 'task-aborted', 'aca-active'];
const asStatus = (text: string): ScsiStatus => (STATUSES.includes(text) ? (text as ScsiStatus) : 'check-condition');

type Side = 'source' | 'destination';

function throwTrouble(side: Side, id: number, sent: Exclude<Sent, { readonly kind: 'good' }>): never {
  if (sent.kind === 'gone') throw new CopyAborted({ asc: 0x0d, ascq: 0x02, ...cscdPointer(id) });
  throw deviceFailure(side, id, sent.trouble);
}

/** READ(16) of whole blocks into `into`. @throws CopyAborted */
export async function readBlocks(
  device: BlockDevice,
  lba: Lba,
  into: Uint8Array,
  side: Side = 'source',
): Promise<void> {
  const command = { cdb: read16(lba, into.length / device.blockLength), dataIn: into, dataInLength: into.length };
  const sent = await send(device.execute, command, { device: device.name, words: 'READ(16)' });
  if (sent.kind !== 'good') throwTrouble(side, device.id, sent);
  if (sent.dataIn.length < into.length) throw dataUnderrun(device.id);
  if (sent.dataIn.buffer !== into.buffer || sent.dataIn.byteOffset !== into.byteOffset) into.set(sent.dataIn);
}

/** WRITE(16) of whole blocks. @throws CopyAborted */
export async function writeBlocks(device: BlockDevice, lba: Lba, from: Uint8Array): Promise<void> {
  const command = { cdb: write16(lba, from.length / device.blockLength), dataOut: from };
  const sent = await send(device.execute, command, { device: device.name, words: 'WRITE(16)' });
  if (sent.kind !== 'good') throwTrouble('destination', device.id, sent);
}

/** What a write to tape came to. `written`: bytes on the medium; `trouble` ends the copy even when all of them are. */
export interface StreamWrite {
  readonly written: Bytes;
  readonly trouble: CopyAborted | undefined;
}

/** Tape commands depend on the position: after a reset or a change of medium they must not be repeated. */
const positioned = (device: StreamDevice, words: string): Retried => ({
  device: device.name,
  words,
  unitAttention: 'report',
});

/** Blocks (FIXED=1) or bytes of a transfer. */
const transferLength = (device: StreamDevice, length: Bytes): number =>
  device.fixedBlockLength === 0 ? length : length / device.fixedBlockLength;

/** WRITE(6) of one transfer. `lender`: owner of its memory, if it can be kept. */
export async function writeStream(device: StreamDevice, from: Uint8Array, lender?: Lender): Promise<StreamWrite> {
  const cdb = ReadWrite6.encode({
    operationCode: OperationCode.write6,
    fixed: device.fixedBlockLength > 0,
    transferLength: transferLength(device, from.length),
  });
  const command = { cdb, dataOut: from, ...(lender && { dataOutLender: lender }) };
  const sent = await send(device.execute, command, positioned(device, 'WRITE(6)'));
  if (sent.kind === 'good') return { written: from.length, trouble: undefined };
  if (sent.kind === 'gone')
    return { written: 0, trouble: new CopyAborted({ asc: 0x0d, ascq: 0x02, ...cscdPointer(device.id) }) };
  const { sense } = sent.trouble;
  const written = sense === undefined ? 0 : writtenDespite(device, from.length, sense);
  const harmless = sense?.key === SenseKey.recoveredError && !sense.endOfMedium && written === from.length;
  return { written, trouble: harmless ? undefined : deviceFailure('destination', device.id, sent.trouble) };
}

/** Bytes that a WRITE with CHECK CONDITION put on the medium: INFORMATION counts what it did not. SSC-4, 6.13. */
function writtenDespite(device: StreamDevice, length: Bytes, sense: NonNullable<DeviceTrouble['sense']>): Bytes {
  if (sense.deferred) return 0;
  const unit = device.fixedBlockLength || 1;
  const told = sense.information;
  if (sense.key === SenseKey.noSense || sense.key === SenseKey.recoveredError)
    return Math.max(0, length - Math.max(0, told ?? 0) * unit);
  if (sense.key !== SenseKey.volumeOverflow || told === undefined || device.fixedBlockLength === 0) return 0;
  return Math.max(0, length - Math.max(0, told) * unit);
}

/** What a read from tape came to: bytes of data, and behind them what ended the copy. */
export interface StreamRead {
  readonly length: Bytes;
  readonly trouble: CopyAborted | undefined;
}

/** READ(6) of one transfer, SILI=0. A short record gives fewer bytes. */
export async function readStream(device: StreamDevice, into: Uint8Array): Promise<StreamRead> {
  const cdb = ReadWrite6.encode({
    operationCode: OperationCode.read6,
    fixed: device.fixedBlockLength > 0,
    transferLength: transferLength(device, into.length),
  });
  const command = { cdb, dataIn: into, dataInLength: into.length };
  const sent = await send(device.execute, command, positioned(device, 'READ(6)'));
  if (sent.kind === 'gone') return throwTrouble('source', device.id, sent);
  const { dataIn } = sent;
  if (dataIn.length > 0 && (dataIn.buffer !== into.buffer || dataIn.byteOffset !== into.byteOffset)) into.set(dataIn);
  if (sent.kind === 'good') {
    const trouble = dataIn.length < into.length ? dataUnderrun(device.id) : undefined;
    return { length: trouble === undefined ? dataIn.length : 0, trouble };
  }
  const { sense } = sent.trouble;
  if (sense?.key === SenseKey.recoveredError && dataIn.length === into.length && !sense.endOfMedium)
    return { length: dataIn.length, trouble: undefined };
  const length = Math.min(dataIn.length, sense === undefined ? 0 : readDespite(device, into.length, sense));
  const short = device.fixedBlockLength === 0 && length > 0;
  return { length, trouble: short ? undefined : deviceFailure('source', device.id, sent.trouble) };
}

/** Bytes of whole records that a READ with CHECK CONDITION gave: INFORMATION counts what it did not. SSC-4, 6.4. */
function readDespite(device: StreamDevice, length: Bytes, sense: NonNullable<DeviceTrouble['sense']>): Bytes {
  const left = sense.information;
  if (left === undefined || left < 0 || sense.deferred) return 0;
  if (device.fixedBlockLength > 0) return Math.max(0, length - left * device.fixedBlockLength);
  return sense.key === SenseKey.noSense && sense.incorrectLength && !sense.filemark ? Math.max(0, length - left) : 0;
}

/** WRITE FILEMARKS(6). @throws CopyAborted, with key 0 and EOM too: they are written then */
export async function writeFilemarks(device: StreamDevice, count: number, immediate: boolean): Promise<void> {
  const cdb = WriteFilemarks6.encode({
    operationCode: OperationCode.writeFilemarks6,
    immed: immediate,
    filemarkCount: count,
  });
  const sent = await send(device.execute, { cdb }, positioned(device, 'WRITE FILEMARKS(6)'));
  if (sent.kind !== 'good') throwTrouble('destination', device.id, sent);
}

/** LOCATE(16) within the current partition. @throws CopyAborted */
export async function locate(device: StreamDevice, object: number): Promise<void> {
  const cdb = Locate16.encode({ operationCode: OperationCode.locate16, logicalIdentifier: object });
  const sent = await send(device.execute, { cdb }, positioned(device, 'LOCATE(16)'));
  if (sent.kind !== 'good') throwTrouble('destination', device.id, sent);
}
