/** A tape drive behind an `Execute`: typed SSC commands, retries on unit attention, answers as values. */
import { FormatError } from '../bytes/errors.ts';
import { viewOf } from '../bytes/layout.ts';
import { type Bytes, bytes, type TapeFile, type TapeObject } from '../bytes/units.ts';
import { DeviceType, OperationCode } from '../scsi/common/operation-codes.ts';
import type { Sense } from '../scsi/common/sense.ts';
import type { Designator } from '../scsi/copy/list.ts';
import type { Execute } from '../scsi/execute.ts';
import { BlockLimits, ReadBlockLimits } from '../scsi/stream/commands.ts';
import { identify } from './identity.ts';
import { executeGood } from './retry.ts';
import { SscTapeDrive } from './ssc-tape-drive.ts';

/** READ POSITION, long form. */
export interface DrivePosition {
  readonly object: TapeObject;
  readonly file: TapeFile;
  readonly atBeginning: boolean;
  /** EOP: at or past early warning. */
  readonly pastEarlyWarning: boolean;
}

export type TapeRead =
  /** `length`: bytes of the record on tape; `data`: a view of `into`, shorter than `length` when `into` was too small. */
  | { readonly kind: 'record'; readonly length: Bytes; readonly data: Uint8Array }
  | { readonly kind: 'filemark' }
  | { readonly kind: 'end-of-data' }
  /** MEDIUM ERROR or HARDWARE ERROR on this record; the drive stands behind it. */
  | { readonly kind: 'damaged'; readonly sense: Sense };

export type TapeWrite = 'written' | 'early-warning' | 'end-of-medium';

/** Medium auxiliary memory, READ ATTRIBUTE. Missing where the drive has none. */
export interface MediumAttributes {
  /** 0000h, bytes (the attribute is in MiB). */
  readonly remainingCapacity?: Bytes;
  /** 0001h, bytes. */
  readonly maximumCapacity?: Bytes;
  /** 0806h BARCODE. */
  readonly barcode?: string;
  /** 0401h MEDIUM SERIAL NUMBER. */
  readonly serialNumber?: string;
}

/** The one way the client uses a drive itself; volume data goes by EXTENDED COPY instead. Failures throw ScsiError. */
export interface TapeDrive {
  readonly execute: Execute;
  /** For people. */
  readonly device: string;
  readonly vendor: string;
  readonly product: string;
  readonly serialNumber: string;
  /** Its NAA designator (VPD 83h), for CSCD descriptors. */
  readonly designator: Designator;
  readonly blockLengthMax: Bytes;
  /** False: no medium is loaded (02h/3A00h). Waits while a load is going on. */
  ready(signal?: AbortSignal): Promise<boolean>;
  position(): Promise<DrivePosition>;
  attributes(): Promise<MediumAttributes>;
  /** WORM medium or write-protect switch, from MODE SENSE. */
  medium(): Promise<{ readonly writeProtected: boolean; readonly worm: boolean }>;
  rewind(): Promise<void>;
  /** False: past end of data; the drive stands there. */
  locate(object: TapeObject): Promise<boolean>;
  locateEndOfData(): Promise<void>;
  /** Passes filemarks; backward when negative. Answers how many were not passed. */
  spaceFilemarks(count: number): Promise<number>;
  read(into: Uint8Array): Promise<TapeRead>;
  write(record: Uint8Array): Promise<TapeWrite>;
  /** `immediate: false` returns only when all buffered data is on the medium. `count` 0 only flushes. */
  writeFilemarks(count: number, options: { readonly immediate: boolean }): Promise<TapeWrite>;
  erase(): Promise<void>;
  /** SHA-256 of the record data of a tape file that this drive wrote since the medium was loaded (vendor log page 3Eh), if it has it. */
  fileDigest(file: TapeFile): Promise<Uint8Array | undefined>;
}

/** The longest transfer that READ(6) and WRITE(6) can name. */
const TRANSFER_MAX = 0xff_ffff;

export interface OpenTapeDrive {
  /** For people; default: what INQUIRY says. */
  readonly name?: string;
  readonly signal?: AbortSignal;
}

/**
 * Opens the tape drive behind `execute`; it may be empty. Takes the unit attentions that wait there.
 * @throws FormatError `unsupported` when it is not a tape drive, or gives no designator a copy manager could find it by
 */
export async function openTapeDrive(execute: Execute, options: OpenTapeDrive = {}): Promise<TapeDrive> {
  const { signal } = options;
  const identity = await identify(execute, DeviceType.tape, 'tape drive', signal);
  const { designator } = identity;
  const device = options.name ?? identity.device;
  if (designator === undefined)
    throw new FormatError('unsupported', device, 'no designator (VPD page 83h) that EXTENDED COPY could name it by');
  const command = {
    cdb: ReadBlockLimits.encode({ operationCode: OperationCode.readBlockLimits }),
    dataInLength: bytes(BlockLimits.byteLength),
  };
  const words = 'READ BLOCK LIMITS';
  const { dataIn } = await executeGood(execute, command, { device, words, ...(signal && { signal }) });
  if (dataIn.length < BlockLimits.byteLength)
    throw new FormatError('corrupt', device, `${words} gave ${dataIn.length} bytes of ${BlockLimits.byteLength}`);
  const limit = BlockLimits.maximumBlockLength.get(viewOf(dataIn), 0);
  return new SscTapeDrive(execute, {
    ...identity,
    device,
    designator,
    blockLengthMax: bytes(limit === 0 ? TRANSFER_MAX : limit),
  });
}
