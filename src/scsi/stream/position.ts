/** READ POSITION parameter data in its three forms. SSC-4, 7.6.2 to 7.6.4. */
import { bit, layout, u8, u16be, u24be, u32be, u64be } from '../../bytes/layout.ts';
import { type Bytes, bytes, type TapeFile, type TapeObject, tapeFile, tapeObject } from '../../bytes/units.ts';

/** Short form. SSC-4, table 60. */
export const ShortPosition = layout(20, {
  bop: bit(0, 7), // beginning of partition
  eop: bit(0, 6), // between early warning and end of partition
  locu: bit(0, 5), // object count in the buffer unknown
  bycu: bit(0, 4), // byte count in the buffer unknown
  lolu: bit(0, 2), // first and last object unknown
  perr: bit(0, 1), // a number does not fit its field
  bpew: bit(0, 0), // past programmable early warning
  partition: u8(1),
  firstObject: u32be(4),
  lastObject: u32be(8),
  objectsInBuffer: u24be(13),
  bytesInBuffer: u32be(16),
});

/** Long form. SSC-4, table 61. */
export const LongPosition = layout(32, {
  bop: bit(0, 7),
  eop: bit(0, 6),
  mpu: bit(0, 3), // mark position unknown: the file number does not count
  lonu: bit(0, 2), // logical object number unknown
  bpew: bit(0, 0),
  partition: u32be(4),
  objectNumber: u64be(8),
  fileIdentifier: u64be(16),
  setIdentifier: u64be(24), // obsolete
});

/** Extended form. SSC-4, table 62. */
export const ExtendedPosition = layout(32, {
  bop: bit(0, 7),
  eop: bit(0, 6),
  locu: bit(0, 5),
  bycu: bit(0, 4),
  lolu: bit(0, 2),
  perr: bit(0, 1),
  bpew: bit(0, 0),
  partition: u8(1),
  additionalLength: u16be(2), // 1Ch
  objectsInBuffer: u24be(5),
  firstObject: u64be(8),
  lastObject: u64be(16),
  bytesInBuffer: u64be(24),
});

/** What a drive tells of its position. Numbers of one partition. */
export interface StreamPosition {
  readonly object: TapeObject;
  /** Filemarks before the position; undefined in the short form, or when the drive does not know. */
  readonly file: TapeFile | undefined;
  readonly atBeginning: boolean;
  /** EOP: past early warning. */
  readonly pastEarlyWarning: boolean;
  readonly partition: number;
  /** First object that is still in the drive's buffer; `object` when there is none. */
  readonly onMedium: TapeObject;
  readonly bufferedBytes: Bytes;
}

/** Why READ POSITION data does not say where the drive stands. */
export type PositionProblem = { readonly problem: string };

/** Counts of the buffer, or that they do not fit their fields: 24 bits of objects, `bytesMax` of bytes. */
function bufferFields(position: StreamPosition, bytesMax: number) {
  const objects = position.object - position.onMedium;
  const locu = objects > 0xff_ffff;
  const bycu = position.bufferedBytes > bytesMax;
  return {
    locu,
    bycu,
    objectsInBuffer: locu ? 0 : objects,
    bytesInBuffer: bycu ? 0 : position.bufferedBytes,
  };
}

export function encodeShortPosition(position: StreamPosition): Uint8Array {
  const fits = position.object <= 0xffff_ffff;
  return ShortPosition.encode({
    ...bufferFields(position, 0xffff_ffff),
    bop: position.atBeginning,
    eop: position.pastEarlyWarning,
    perr: !fits,
    partition: position.partition,
    firstObject: fits ? position.object : 0,
    lastObject: fits ? position.onMedium : 0,
  });
}

export function encodeLongPosition(position: StreamPosition): Uint8Array {
  return LongPosition.encode({
    bop: position.atBeginning,
    eop: position.pastEarlyWarning,
    mpu: position.file === undefined,
    partition: position.partition,
    objectNumber: position.object,
    fileIdentifier: position.file ?? 0,
  });
}

export function encodeExtendedPosition(position: StreamPosition): Uint8Array {
  return ExtendedPosition.encode({
    ...bufferFields(position, Number.MAX_SAFE_INTEGER),
    bop: position.atBeginning,
    eop: position.pastEarlyWarning,
    partition: position.partition,
    additionalLength: 0x1c,
    firstObject: position.object,
    lastObject: position.onMedium,
  });
}

/** Reads the short form; says so when the drive does not know its position. @throws RangeError when `data` is short */
export function decodeShortPosition(data: DataView): StreamPosition | PositionProblem {
  const p = ShortPosition.decodeAll(data);
  if (p.lolu) return { problem: 'the drive does not know where it stands (LOLU)' };
  if (p.perr) return { problem: 'the position does not fit the short form (PERR)' };
  return {
    object: tapeObject(p.firstObject),
    file: undefined,
    atBeginning: p.bop,
    pastEarlyWarning: p.eop,
    partition: p.partition,
    onMedium: tapeObject(p.lastObject),
    bufferedBytes: bytes(p.bycu ? 0 : p.bytesInBuffer),
  };
}

/** Reads the long form; as `decodeShortPosition`. @throws RangeError when `data` is short */
export function decodeLongPosition(data: DataView): StreamPosition | PositionProblem {
  const p = LongPosition.decodeAll(data);
  if (p.lonu) return { problem: 'the drive does not know where it stands (LONU)' };
  return {
    object: tapeObject(p.objectNumber),
    file: p.mpu ? undefined : tapeFile(p.fileIdentifier),
    atBeginning: p.bop,
    pastEarlyWarning: p.eop,
    partition: p.partition,
    onMedium: tapeObject(p.objectNumber), // this form does not tell
    bufferedBytes: bytes(0),
  };
}
