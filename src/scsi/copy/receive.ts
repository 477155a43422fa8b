/** THIRD-PARTY COPY IN: the answers of the RECEIVE COPY family, and VPD page 8Fh. SPC-4, 6.20 to 6.26, 7.8.17. */
import { FormatError } from '../../bytes/errors.ts';
import { bit, bits, byteField, layout, u8, u16be, u32be, viewOf } from '../../bytes/layout.ts';
import type { Bytes } from '../../bytes/units.ts';
import { CopyIn, CopyOut, OperationCode } from '../common/operation-codes.ts';
import type { CopyLimits } from './list.ts';

/** THIRD-PARTY COPY IN with an 8-bit list identifier. SPC-4, tables 243, 245, 252. */
export const ReceiveCopy = layout(16, {
  operationCode: u8(0), // 84h
  serviceAction: bits(1, 4, 0),
  listIdentifier: u8(2),
  allocationLength: u32be(10),
  control: u8(15),
});

/** `serviceAction`: see CopyIn. */
export const receiveCopy = (serviceAction: number, allocationLength: number, listIdentifier = 0): Uint8Array =>
  ReceiveCopy.encode({
    operationCode: OperationCode.thirdPartyCopyIn,
    serviceAction,
    listIdentifier,
    allocationLength,
  });

/** RECEIVE COPY OPERATING PARAMETERS data without its list of types. SPC-4, table 244. */
export const OperatingParametersData = layout(44, {
  availableData: u32be(0),
  snlid: bit(4, 0), // LIST ID USAGE 11b is admitted
  cscdsMax: u16be(8),
  segmentsMax: u16be(10),
  descriptorListBytesMax: u32be(12),
  segmentBytesMax: u32be(16),
  inlineBytesMax: u32be(20),
  heldDataMax: u32be(24),
  streamTransferBytesMax: u32be(28),
  totalConcurrentCopies: u16be(34),
  concurrentCopies: u8(36),
  dataGranularity: u8(37), // log2
  inlineGranularity: u8(38), // log2
  heldGranularity: u8(39), // log2
  descriptorListLength: u8(43),
});

/** All that a copy manager says about itself. */
export interface OperatingParameters extends CopyLimits {
  readonly heldDataMax: Bytes;
  /** Copies at a time, of all nexuses. */
  readonly totalConcurrentCopies: number;
  /** Copies at a time with LID1 list identifiers. */
  readonly concurrentCopies: number;
}

export function encodeOperatingParameters(parameters: OperatingParameters): Uint8Array {
  const types = [...parameters.descriptorTypes].sort((a, b) => a - b);
  const out = new Uint8Array(OperatingParametersData.byteLength + types.length);
  OperatingParametersData.write(viewOf(out), 0, {
    ...numbersOf(parameters),
    availableData: out.length - 4,
    descriptorListLength: types.length,
  });
  out.set(types, OperatingParametersData.byteLength);
  return out;
}

const numbersOf = (p: OperatingParameters) => ({
  cscdsMax: p.cscdsMax,
  segmentsMax: p.segmentsMax,
  descriptorListBytesMax: p.descriptorListBytesMax,
  segmentBytesMax: p.segmentBytesMax,
  inlineBytesMax: p.inlineBytesMax,
  heldDataMax: p.heldDataMax,
  streamTransferBytesMax: p.streamTransferBytesMax,
  totalConcurrentCopies: p.totalConcurrentCopies,
  concurrentCopies: p.concurrentCopies,
});

/** @throws FormatError when the data is shorter than its fields or its own length says */
export function decodeOperatingParameters(data: Uint8Array): OperatingParameters {
  const where = 'RECEIVE COPY OPERATING PARAMETERS data';
  const fixed = OperatingParametersData.byteLength;
  if (data.byteLength < fixed)
    throw new FormatError('corrupt', where, `${data.byteLength} bytes, at least ${fixed} expected`);
  const fields = OperatingParametersData.decodeAll(viewOf(data));
  const end = fixed + fields.descriptorListLength;
  if (end > data.byteLength || end > fields.availableData + 4)
    throw new FormatError(
      'corrupt',
      where,
      `list of ${fields.descriptorListLength} descriptor types ends past the data`,
    );
  return { ...numbersOf({ ...fields, descriptorTypes: [] }), descriptorTypes: [...data.subarray(fixed, end)] };
}

/** RECEIVE COPY STATUS(LID1) data. SPC-4, table 253. */
export const CopyStatusData = layout(12, {
  availableData: u32be(0), // 8
  hdd: bit(4, 7), // held data was discarded
  copyStatus: bits(4, 6, 0),
  segmentsProcessed: u16be(5),
  transferCountUnits: u8(7), // 00h bytes, 01h KiB, 02h MiB, ...
  transferCount: u32be(8),
});

/** COPY MANAGER STATUS. SPC-4, table 254. */
export const CopyStatusCode = { inProgress: 0x00, done: 0x01, failed: 0x02 } as const;

export interface CopyStatus {
  /** See CopyStatusCode. */
  readonly status: number;
  readonly segmentsProcessed: number;
  /** Bytes written; rounded down to what 32 bits and a unit hold. `undefined`: in destination blocks, which say nothing here. */
  readonly bytes: Bytes | undefined;
}

const UNIT_DESTINATION_BLOCKS = 0xf1;
const UNITS_MAX = 6; // EiB

export function encodeCopyStatus(status: CopyStatus): Uint8Array {
  let units = 0;
  let count = status.bytes ?? 0;
  for (; count > 0xffff_ffff; units++) count = Math.floor(count / 1024);
  return CopyStatusData.encode({
    availableData: 8,
    copyStatus: status.status,
    segmentsProcessed: Math.min(0xffff, status.segmentsProcessed),
    transferCountUnits: status.bytes === undefined ? UNIT_DESTINATION_BLOCKS : units,
    transferCount: count,
  });
}

/** @throws FormatError when the data is short or its unit unknown */
export function decodeCopyStatus(data: Uint8Array): CopyStatus {
  const where = 'RECEIVE COPY STATUS data';
  if (data.byteLength < 12) throw new FormatError('corrupt', where, `${data.byteLength} bytes, 12 expected`);
  const { copyStatus, segmentsProcessed, transferCountUnits, transferCount } = CopyStatusData.decodeAll(viewOf(data));
  if (transferCountUnits > UNITS_MAX && transferCountUnits !== UNIT_DESTINATION_BLOCKS)
    throw new FormatError('unsupported', where, `transfer count unit ${transferCountUnits}`);
  const bytes = transferCountUnits === UNIT_DESTINATION_BLOCKS ? undefined : transferCount * 1024 ** transferCountUnits;
  return { status: copyStatus, segmentsProcessed, bytes };
}

/** RECEIVE COPY FAILURE DETAILS(LID1) data without its sense. SPC-4, table 246. */
export const FailureDetailsData = layout(60, {
  availableData: u32be(0), // 0: nothing is known, and no more bytes follow
  copyCommandStatus: u8(56),
  senseDataLength: u16be(58),
});

export interface FailureDetails {
  /** SCSI status code of the EXTENDED COPY. */
  readonly status: number;
  readonly sense: Uint8Array;
}

export function encodeFailureDetails(details: FailureDetails | undefined): Uint8Array {
  if (details === undefined) return new Uint8Array(4);
  const out = new Uint8Array(FailureDetailsData.byteLength + details.sense.length);
  FailureDetailsData.write(viewOf(out), 0, {
    availableData: out.length - 4,
    copyCommandStatus: details.status,
    senseDataLength: details.sense.length,
  });
  out.set(details.sense, FailureDetailsData.byteLength);
  return out;
}

/** `undefined`: the copy did not fail. @throws FormatError when the data is shorter than it says */
export function decodeFailureDetails(data: Uint8Array): FailureDetails | undefined {
  const where = 'RECEIVE COPY FAILURE DETAILS data';
  if (data.byteLength < 4) throw new FormatError('corrupt', where, `${data.byteLength} bytes, at least 4 expected`);
  const view = viewOf(data);
  if (FailureDetailsData.availableData.get(view, 0) === 0) return undefined;
  const at = FailureDetailsData.byteLength;
  if (data.byteLength < at)
    throw new FormatError('corrupt', where, `${data.byteLength} bytes, at least ${at} expected`);
  const end = at + FailureDetailsData.senseDataLength.get(view, 0);
  if (end > data.byteLength) throw new FormatError('corrupt', where, 'sense data ends past the data');
  return { status: FailureDetailsData.copyCommandStatus.get(view, 0), sense: data.slice(at, end) };
}

/** Third-party copy descriptor types of VPD page 8Fh. SPC-4, table 639. */
const Descriptor8F = {
  supportedCommands: 0x0001,
  parameterData: 0x0004,
  supportedDescriptors: 0x0008,
  supportedCscdIds: 0x000c,
  generalOperations: 0x8001,
  streamOperations: 0x9101,
} as const;

const ParameterData = layout(28, {
  cscdsMax: u16be(4),
  segmentsMax: u16be(6),
  descriptorListBytesMax: u32be(8),
  inlineBytesMax: u32be(12),
});
const GeneralOperations = layout(32, {
  totalConcurrentCopies: u32be(0),
  identifiedConcurrentCopies: u32be(4),
  segmentBytesMax: u32be(8),
  dataGranularity: u8(12),
  inlineGranularity: u8(13),
});
const StreamOperations = layout(12, { streamTransferBytesMax: u32be(0), reserved: byteField(4, 8) });

/** Body of VPD page 8Fh. */
export function encodeThirdPartyCopyPage(p: OperatingParameters): Uint8Array {
  const types = [...p.descriptorTypes].sort((a, b) => a - b);
  const ins = [CopyIn.copyStatusLid1, CopyIn.operatingParameters, CopyIn.failureDetailsLid1];
  const out = OperationCode.thirdPartyCopyOut;
  const commands = [out, 1, CopyOut.extendedCopyLid1, OperationCode.thirdPartyCopyIn, ins.length, ...ins];
  const parts = [
    descriptor8F(Descriptor8F.supportedCommands, Uint8Array.from([commands.length, ...commands])),
    descriptor8F(Descriptor8F.parameterData, ParameterData.encode(p)),
    descriptor8F(Descriptor8F.supportedDescriptors, Uint8Array.from([types.length, ...types])),
    descriptor8F(Descriptor8F.supportedCscdIds, Uint8Array.from([0, 2, 0xff, 0xff])),
    descriptor8F(
      Descriptor8F.generalOperations,
      GeneralOperations.encode({
        totalConcurrentCopies: p.totalConcurrentCopies,
        identifiedConcurrentCopies: p.concurrentCopies,
        segmentBytesMax: p.segmentBytesMax,
      }),
    ),
    descriptor8F(
      Descriptor8F.streamOperations,
      StreamOperations.encode({ streamTransferBytesMax: p.streamTransferBytesMax }),
    ),
  ];
  const page = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    page.set(part, at);
    at += part.length;
  }
  return page;
}

/** A descriptor: type, length rounded up to four, body. */
function descriptor8F(type: number, body: Uint8Array): Uint8Array {
  const length = Math.ceil(body.length / 4) * 4;
  const out = new Uint8Array(4 + length);
  viewOf(out).setUint16(0, type);
  viewOf(out).setUint16(2, length);
  out.set(body, 4);
  return out;
}

/** The descriptors of VPD page 8Fh's body by type. @throws FormatError when one ends past the page */
export function decodeThirdPartyCopyPage(body: Uint8Array): ReadonlyMap<number, Uint8Array> {
  const out = new Map<number, Uint8Array>();
  const view = viewOf(body);
  for (let at = 0; at < body.length; ) {
    const end = at + 4 <= body.length ? at + 4 + view.getUint16(at + 2) : body.length + 1;
    if (end > body.length) throw new FormatError('corrupt', 'VPD page 8Fh', `descriptor at ${at} ends past the page`);
    out.set(view.getUint16(at), body.subarray(at + 4, end));
    at = end;
  }
  return out;
}
