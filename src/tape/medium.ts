/**
 * The virtual tape medium: logical objects (records and filemarks) in one partition, end of data, early warning, end of
 * medium. No SCSI here; target/tape-drive turns these answers into sense data.
 *
 * Invariants
 * - The position is always between two logical objects. `append` and `writeFilemarks` drop everything after it first.
 * - What was written before a resolved `flush` survives a crash whole; later objects may vanish from the end, never
 *   change. A crash never yields a record with content other than what was appended: its CRC-32C is checked on every read.
 */
import type { Lender } from '../bytes/lender.ts';
import type { Bytes, TapeFile, TapeObject } from '../bytes/units.ts';

export interface TapePosition {
  /** The next logical object. */
  readonly object: TapeObject;
  /** Filemarks before the position. */
  readonly file: TapeFile;
  /** At the beginning of partition. */
  readonly atBeginning: boolean;
  readonly atEndOfData: boolean;
  /** Past the early-warning point. */
  readonly pastEarlyWarning: boolean;
}

/** What the next object was. After all of them but `end-of-data` the position is behind it. */
export type ReadOutcome =
  | {
      readonly kind: 'record';
      /** Bytes of the record on the medium. */
      readonly length: Bytes;
      /** As much of the record as `into` holds; a view of `into`. */
      readonly data: Uint8Array;
      /** It is as the drive has encrypted it. */
      readonly encrypted?: boolean;
    }
  | { readonly kind: 'filemark' }
  | { readonly kind: 'end-of-data' }
  /** The record is there and cannot be trusted: a checksum or its place is wrong. */
  | { readonly kind: 'damaged'; readonly length: Bytes; readonly reason: string };

export type WriteOutcome =
  | 'written'
  /** Written, and the medium is past its early-warning point: every later write says so too. */
  | 'early-warning'
  /** Not written: physical end of medium. */
  | 'end-of-medium';

export type SpaceOutcome =
  | { readonly kind: 'done' }
  /** Met while spacing records; the position is behind it (forward) or before it (backward). `left`: objects not spaced. */
  | { readonly kind: 'filemark'; readonly left: number }
  | { readonly kind: 'end-of-data'; readonly left: number }
  | { readonly kind: 'beginning'; readonly left: number };

export interface TapeMedium extends AsyncDisposable {
  readonly writable: boolean;
  /** Write once: appending is admitted only at end of data. */
  readonly worm: boolean;
  /** Bytes of record data the medium holds before end of medium. */
  readonly capacity: Bytes;
  /** Bytes of record data before the position. */
  readonly used: Bytes;
  /** What is on the medium up to end of data, if this medium tells: objects, filemarks, and bytes of record data. */
  readonly end?: { readonly objects: number; readonly files: number; readonly dataEnd: Bytes };
  /** Bytes before the end of medium at which early warning begins. */
  readonly earlyWarningZone: Bytes;
  readonly position: TapePosition;
  /**
   * Reads the next object into `into`. A longer record fills `into` and is passed all the same; its checksum is
   * checked over the whole record. @throws FormatError `io` when the bytes cannot be had
   */
  read(into: Uint8Array): Promise<ReadOutcome>;
  /**
   * Writes a record at the position; buffered. A failure of an earlier buffered write is thrown here (FormatError `io`).
   * @param lender owner of the record's memory, which the medium may retain instead of copying
   * @param encrypted the drive has encrypted the record; reading tells so again
   */
  append(record: Uint8Array, lender?: Lender, encrypted?: boolean): Promise<WriteOutcome>;
  /** Writes filemarks at the position; buffered, as `append`. */
  writeFilemarks(count: number): Promise<WriteOutcome>;
  /** Everything written so far is on stable storage when this resolves. @throws FormatError `io` for a buffered write that failed */
  flush(): Promise<void>;
  /** Goes before `object`; `false`: there is less, the position is at end of data. */
  locate(object: TapeObject): Promise<boolean>;
  /** Goes behind filemark number `file`, that is to the first object of tape file `file`; `false` as in `locate`. */
  locateFile(file: TapeFile): Promise<boolean>;
  locateEndOfData(): Promise<void>;
  /** Passes `count` records or filemarks, backward when negative. Spacing records stops at a filemark. */
  space(what: 'records' | 'filemarks', count: number): Promise<SpaceOutcome>;
  /** Makes the position the end of data. */
  erase(): Promise<void>;
  /** SHA-256 of the record data of the tape file being written, from its first object, if this medium computes it. */
  fileDigest?(file: TapeFile): Promise<Uint8Array | undefined>;
}
