/** Sense data. SPC-4, 4.5 "Sense data": fixed format 70h/71h and descriptor format 72h/73h. */
import { bit, bits, type Field, layout, u8, u16be, u32be, viewOf } from '../../bytes/layout.ts';
import { ascCode, ascWords, senseKeyWords } from './asc-words.ts';

/** SPC-4, table 53 "Sense key descriptions". */
export const SenseKey = {
  noSense: 0x0,
  recoveredError: 0x1,
  notReady: 0x2,
  mediumError: 0x3,
  hardwareError: 0x4,
  illegalRequest: 0x5,
  unitAttention: 0x6,
  dataProtect: 0x7,
  blankCheck: 0x8,
  copyAborted: 0xa,
  abortedCommand: 0xb,
  volumeOverflow: 0xd,
  miscompare: 0xe,
  completed: 0xf,
} as const;

/** Decoded sense data, format-independent. */
export interface Sense {
  readonly key: number;
  /** ADDITIONAL SENSE CODE. */
  readonly asc: number;
  /** ADDITIONAL SENSE CODE QUALIFIER. */
  readonly ascq: number;
  /** Of an earlier command (71h, 73h). */
  readonly deferred?: boolean;
  readonly filemark?: boolean;
  readonly endOfMedium?: boolean;
  readonly incorrectLength?: boolean;
  /** INFORMATION; present only when VALID is 1. Two's complement for tape (SSC: requested less actual). */
  readonly information?: number;
  /** SENSE KEY SPECIFIC field pointer (ILLEGAL REQUEST, COPY ABORTED). */
  readonly fieldPointer?: {
    /** Into the CDB (`cdb`), or the parameter list or segment (`data`): bit C/D or SD, see SPC-4 4.5.2.4. */
    readonly in: 'cdb' | 'data' | 'segment';
    readonly byte: number;
    readonly bit?: number;
  };
  /** EXTENDED COPY only: which segment failed and what its devices said. SPC-4, 5.17.7.4. */
  readonly copy?: {
    readonly segment: number;
    readonly source?: { readonly status: number; readonly sense: Uint8Array };
    readonly destination?: { readonly status: number; readonly sense: Uint8Array };
  };
}

/** Sense of a key and an additional code. */
export const sense = (key: number, asc: number, ascq: number, more: Partial<Sense> = {}): Sense => ({
  key,
  asc,
  ascq,
  ...more,
});
export const illegalRequest = (asc: number, ascq: number, fieldPointer?: Sense['fieldPointer']): Sense =>
  fieldPointer === undefined
    ? sense(SenseKey.illegalRequest, asc, ascq)
    : sense(SenseKey.illegalRequest, asc, ascq, { fieldPointer });
export const unitAttention = (asc: number, ascq: number): Sense => sense(SenseKey.unitAttention, asc, ascq);
export const notReady = (asc: number, ascq: number): Sense => sense(SenseKey.notReady, asc, ascq);
export const mediumError = (asc: number, ascq: number): Sense => sense(SenseKey.mediumError, asc, ascq);
/** 5h/20/00. */
export const invalidOperationCode = (): Sense => illegalRequest(0x20, 0x00, { in: 'cdb', byte: 0 });
/** 5h/24/00: byte (and bit) of the CDB that is not supported. */
export const invalidFieldInCdb = (byte: number, bitNumber?: number): Sense =>
  illegalRequest(0x24, 0x00, pointer('cdb', byte, bitNumber));
/** 5h/26/00: byte (and bit) of the parameter list. */
export const invalidFieldInParameterList = (byte: number, bitNumber?: number): Sense =>
  illegalRequest(0x26, 0x00, pointer('data', byte, bitNumber));
/** 5h/1A/00: a parameter list that was cut short, or is longer than admitted. */
export const parameterListLengthError = (): Sense => illegalRequest(0x1a, 0x00);
/** 5h/21/00. */
export const lbaOutOfRange = (): Sense => illegalRequest(0x21, 0x00);
/** Whatever keeps the medium is full: SBC-4's code for a thin unit without resources. The medium itself is as good as before. */
export const spaceExhausted = (more: Partial<Sense> = {}): Sense => sense(SenseKey.dataProtect, 0x27, 0x07, more);
export const isSpaceExhausted = ({ key, asc, ascq }: Sense): boolean =>
  key === SenseKey.dataProtect && asc === 0x27 && ascq === 0x07;
/** Bh/4B/00: fewer bytes came than the command says. */
export const dataPhaseError = (): Sense => sense(SenseKey.abortedCommand, 0x4b, 0x00);

function pointer(where: 'cdb' | 'data', byte: number, bitNumber?: number): NonNullable<Sense['fieldPointer']> {
  return bitNumber === undefined ? { in: where, byte } : { in: where, byte, bit: bitNumber };
}

/** One line for people: `medium error (3h): unrecovered read error (11h/00h), filemark`. */
export function describeSense(sense: Sense): string {
  const flags = [
    sense.deferred && 'deferred',
    sense.filemark && 'filemark',
    sense.endOfMedium && 'end of medium',
    sense.incorrectLength && 'incorrect length',
    sense.information !== undefined && `information ${sense.information}`,
    sense.fieldPointer && `${pointed(sense.fieldPointer)}`,
    sense.copy && copyWords(sense.copy),
  ].filter((word) => typeof word === 'string');
  const head = `${senseKeyWords(sense.key)} (${sense.key.toString(16).toUpperCase()}h): ${ascWords(sense.asc, sense.ascq)} (${ascCode(sense.asc, sense.ascq)})`;
  return [head, ...flags].join(', ');
}

function pointed(at: NonNullable<Sense['fieldPointer']>): string {
  const where = { cdb: 'CDB', data: 'parameter list', segment: 'segment descriptor' }[at.in];
  return `at byte ${at.byte}${at.bit === undefined ? '' : ` bit ${at.bit}`} of the ${where}`;
}

function copyWords(copy: NonNullable<Sense['copy']>): string {
  const nested = (side: string, inner: { readonly sense: Uint8Array; readonly status: number } | undefined): string => {
    if (inner === undefined) return '';
    const decoded = decodeSense(inner.sense);
    return `; ${side}: ${decoded === undefined ? `status ${inner.status.toString(16)}h` : describeSense(decoded)}`;
  };
  return `segment ${copy.segment}${nested('source', copy.source)}${nested('destination', copy.destination)}`;
}

/** Fixed format. SPC-4, 4.5.3, table 53; bytes 8 to 11 as EXTENDED COPY uses them (5.17.7.4). */
export const FixedSense = layout(18, {
  valid: bit(0, 7),
  responseCode: bits(0, 6, 0), // 70h current, 71h deferred
  filemark: bit(2, 7),
  endOfMedium: bit(2, 6),
  incorrectLength: bit(2, 5),
  senseKey: bits(2, 3, 0),
  information: u32be(3),
  additionalSenseLength: u8(7),
  sourceSenseOffset: u8(8), // from byte 0 of the sense data; 0: none
  destinationSenseOffset: u8(9),
  segmentNumber: u16be(10),
  additionalSenseCode: u8(12),
  additionalSenseCodeQualifier: u8(13),
  fieldReplaceableUnitCode: u8(14),
  senseKeySpecificValid: bit(15, 7),
  commandData: bit(15, 6), // C/D: 1 points into the CDB
  segmentDescriptor: bit(15, 5), // SD: 1 points into the segment descriptor
  bitPointerValid: bit(15, 3),
  bitPointer: bits(15, 2, 0),
  fieldPointer: u16be(16),
});

/** Descriptor format. SPC-4, 4.5.2, table 28. */
export const DescriptorSense = layout(8, {
  responseCode: bits(0, 6, 0), // 72h current, 73h deferred
  senseKey: bits(1, 3, 0),
  additionalSenseCode: u8(2),
  additionalSenseCodeQualifier: u8(3),
  additionalSenseLength: u8(7),
});

/** Longest sense data. SPC-4, 4.5.1: ADDITIONAL SENSE LENGTH is at most 244. */
export const SENSE_BYTES_MAX = 252;
/** Bytes kept of each device's own sense when two of them ride in one fixed sense. */
const NESTED_SENSE_MAX = 96;

const DescriptorType = {
  information: 0x00,
  commandSpecific: 0x01,
  keySpecific: 0x02,
  stream: 0x04,
  block: 0x05,
  forwarded: 0x0c,
};

/** Sense as bytes. A residue of more than 32 bits does not fit the fixed format, which then has VALID=0. */
export function encodeSense(sense: Sense, format: 'fixed' | 'descriptor' = 'fixed'): Uint8Array {
  return format === 'fixed' ? encodeFixed(sense) : encodeDescriptors(sense);
}

/** Sense from bytes; `undefined` when they are not sense data (empty, or an unknown response code). Short data reads as far as it goes. */
export function decodeSense(data: Uint8Array): Sense | undefined {
  if (data.byteLength < 3) return undefined;
  switch (data[0] & 0x7f) {
    case 0x70:
    case 0x71:
      return decodeFixed(data);
    case 0x72:
    case 0x73:
      return decodeDescriptors(data);
    default:
      return undefined;
  }
}

function encodeFixed(sense: Sense): Uint8Array {
  const nested = [sense.copy?.source, sense.copy?.destination].map((side) =>
    side === undefined ? undefined : { status: side.status, sense: side.sense.subarray(0, NESTED_SENSE_MAX) },
  );
  const total = nested.reduce((sum, side) => sum + (side === undefined ? 0 : 1 + side.sense.length), 18);
  const out = new Uint8Array(total);
  const view = viewOf(out);
  const information = sense.information;
  const fits = information !== undefined && information >= -0x8000_0000 && information <= 0xffff_ffff;
  FixedSense.write(view, 0, {
    valid: fits,
    responseCode: sense.deferred ? 0x71 : 0x70,
    filemark: sense.filemark ?? false,
    endOfMedium: sense.endOfMedium ?? false,
    incorrectLength: sense.incorrectLength ?? false,
    senseKey: sense.key,
    information: fits ? information >>> 0 : 0,
    additionalSenseLength: total - 8,
    segmentNumber: sense.copy?.segment ?? 0,
    additionalSenseCode: sense.asc,
    additionalSenseCodeQualifier: sense.ascq,
  });
  writeFieldPointer(view, 0, sense.fieldPointer);
  let at = 18;
  const offsets = [FixedSense.sourceSenseOffset, FixedSense.destinationSenseOffset];
  for (const [i, side] of nested.entries()) {
    if (side === undefined) continue;
    offsets[i].set(view, 0, at);
    out[at] = side.status;
    out.set(side.sense, at + 1);
    at += 1 + side.sense.length;
  }
  return out;
}

function writeFieldPointer(view: DataView, at: number, pointer: Sense['fieldPointer']): void {
  if (pointer === undefined || pointer.byte > 0xffff) return;
  FixedSense.write(view, at, {
    senseKeySpecificValid: true,
    commandData: pointer.in === 'cdb',
    segmentDescriptor: pointer.in === 'segment',
    bitPointerValid: pointer.bit !== undefined,
    bitPointer: pointer.bit ?? 0,
    fieldPointer: pointer.byte,
  });
}

function readFieldPointer(view: DataView, at: number, key: number): Pick<Sense, 'fieldPointer'> {
  const f = FixedSense;
  if (at + 18 > view.byteLength || !f.senseKeySpecificValid.get(view, at)) return {};
  if (key !== SenseKey.illegalRequest && key !== SenseKey.copyAborted) return {};
  const where = f.commandData.get(view, at) ? 'cdb' : f.segmentDescriptor.get(view, at) ? 'segment' : 'data';
  const bitPart = f.bitPointerValid.get(view, at) ? { bit: f.bitPointer.get(view, at) } : {};
  return { fieldPointer: { in: where, byte: f.fieldPointer.get(view, at), ...bitPart } };
}

/** Present flags only, so that decoded sense compares equal to what was encoded. */
function flagsOf(view: DataView, at: number): Pick<Sense, 'filemark' | 'endOfMedium' | 'incorrectLength'> {
  const value = view.getUint8(at);
  return {
    ...(value & 0x80 ? { filemark: true } : {}),
    ...(value & 0x40 ? { endOfMedium: true } : {}),
    ...(value & 0x20 ? { incorrectLength: true } : {}),
  };
}

function decodeFixed(data: Uint8Array): Sense {
  const view = viewOf(data);
  const get = <T>(field: Field<T>, otherwise: T): T =>
    field.offset + field.length <= data.byteLength ? field.get(view, 0) : otherwise;
  const key = FixedSense.senseKey.get(view, 0);
  const flags = flagsOf(view, 2);
  const raw = get(FixedSense.information, 0);
  return {
    key,
    asc: get(FixedSense.additionalSenseCode, 0),
    ascq: get(FixedSense.additionalSenseCodeQualifier, 0),
    ...(FixedSense.responseCode.get(view, 0) === 0x71 ? { deferred: true } : {}),
    ...flags,
    ...(FixedSense.valid.get(view, 0) ? { information: flags.incorrectLength ? raw | 0 : raw } : {}),
    ...readFieldPointer(view, 0, key),
    ...(key === SenseKey.copyAborted && data.byteLength >= 12 ? { copy: nestedFixed(data, view) } : {}),
  };
}

function nestedFixed(data: Uint8Array, view: DataView): NonNullable<Sense['copy']> {
  const source = FixedSense.sourceSenseOffset.get(view, 0);
  const destination = FixedSense.destinationSenseOffset.get(view, 0);
  const area = (at: number, other: number): { status: number; sense: Uint8Array } | undefined => {
    if (at < 14 || at >= data.byteLength) return undefined;
    const end = other > at && other <= data.byteLength ? other : data.byteLength;
    return { status: data[at], sense: data.slice(at + 1, end) };
  };
  const sides = { source: area(source, destination), destination: area(destination, source) };
  return {
    segment: FixedSense.segmentNumber.get(view, 0),
    ...(sides.source === undefined ? {} : { source: sides.source }),
    ...(sides.destination === undefined ? {} : { destination: sides.destination }),
  };
}

function encodeDescriptors(sense: Sense): Uint8Array {
  const parts: Uint8Array[] = [];
  if (sense.information !== undefined) {
    const part = new Uint8Array(12);
    part.set([DescriptorType.information, 10, 0x80]);
    viewOf(part).setBigInt64(4, BigInt(sense.information));
    parts.push(part);
  }
  if (sense.copy !== undefined) {
    const part = new Uint8Array(12);
    part.set([DescriptorType.commandSpecific, 10]);
    viewOf(part).setUint16(4 + 2, sense.copy.segment); // third and fourth bytes of the field, as in the fixed format
    parts.push(part);
  }
  if (sense.fieldPointer !== undefined) {
    const shifted = new Uint8Array(18);
    writeFieldPointer(viewOf(shifted), 0, sense.fieldPointer);
    parts.push(Uint8Array.of(DescriptorType.keySpecific, 6, 0, 0, shifted[15], shifted[16], shifted[17], 0));
  }
  if (sense.filemark || sense.endOfMedium || sense.incorrectLength) {
    const flags = (sense.filemark ? 0x80 : 0) | (sense.endOfMedium ? 0x40 : 0) | (sense.incorrectLength ? 0x20 : 0);
    parts.push(Uint8Array.of(DescriptorType.stream, 2, 0, flags));
  }
  for (const [which, side] of [sense.copy?.source, sense.copy?.destination].entries()) {
    if (side === undefined) continue;
    const inner = side.sense.subarray(0, NESTED_SENSE_MAX);
    const part = new Uint8Array(4 + inner.length);
    part.set([DescriptorType.forwarded, 2 + inner.length, which + 1, side.status]);
    part.set(inner, 4);
    parts.push(part);
  }
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const out = new Uint8Array(8 + length);
  DescriptorSense.write(viewOf(out), 0, {
    responseCode: sense.deferred ? 0x73 : 0x72,
    senseKey: sense.key,
    additionalSenseCode: sense.asc,
    additionalSenseCodeQualifier: sense.ascq,
    additionalSenseLength: length,
  });
  let at = 8;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function decodeDescriptors(data: Uint8Array): Sense | undefined {
  if (data.byteLength < 8) return undefined;
  const view = viewOf(data);
  const head = DescriptorSense.decodeAll(view);
  let out: Sense = {
    key: head.senseKey,
    asc: head.additionalSenseCode,
    ascq: head.additionalSenseCodeQualifier,
    ...(head.responseCode === 0x73 ? { deferred: true } : {}),
  };
  if (head.senseKey === SenseKey.copyAborted) out = { ...out, copy: { segment: 0 } };
  const end = Math.min(data.byteLength, 8 + head.additionalSenseLength);
  for (let at = 8; at + 4 <= end; ) {
    const next = at + 2 + data[at + 1];
    if (next > end) break;
    out = { ...out, ...decodeDescriptor(data.subarray(at, next), out) };
    at = next;
  }
  return out;
}

function decodeDescriptor(part: Uint8Array, before: Sense): Partial<Sense> {
  const view = viewOf(part);
  switch (part[0]) {
    case DescriptorType.information:
      return part.length >= 12 && part[2] & 0x80 ? { information: Number(view.getBigInt64(4)) } : {};
    case DescriptorType.commandSpecific:
      return part.length >= 12 && before.copy !== undefined
        ? { copy: { ...before.copy, segment: view.getUint16(6) } }
        : {};
    case DescriptorType.keySpecific: {
      if (part.length < 7) return {};
      const shifted = new Uint8Array(18);
      shifted.set(part.subarray(4, 7), 15);
      return readFieldPointer(viewOf(shifted), 0, before.key);
    }
    case DescriptorType.stream:
      return flagsOf(view, 3);
    case DescriptorType.block:
      return part[3] & 0x20 ? { incorrectLength: true } : {};
    case DescriptorType.forwarded: {
      const side = { status: part[3], sense: part.slice(4) };
      const copy = before.copy ?? { segment: 0 };
      if ((part[2] & 0x0f) === 1) return { copy: { ...copy, source: side } };
      return (part[2] & 0x0f) === 2 ? { copy: { ...copy, destination: side } } : {};
    }
    default:
      return {};
  }
}
