/** A tape drive behind an `Execute`: typed SSC commands, retries on unit attention, answers as values. */
import type { Bytes, TapeFile, TapeObject } from '../bytes/units.ts';
import type { Sense } from '../scsi/common/sense.ts';
import type { Designator } from '../scsi/copy/list.ts';
import type { Execute } from '../scsi/execute.ts';

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
