/** READ ELEMENT STATUS parameter data: header, one page per element type, a descriptor per element. SMC-3, 6.12. */
import { FormatError } from '../../bytes/errors.ts';
import { asciiField, bit, bits, byteField, layout, u8, u16be, u24be, viewOf } from '../../bytes/layout.ts';

/** ELEMENT TYPE CODE. SMC-3, table 24. */
export const ElementTypeCode = { all: 0, transport: 1, slot: 2, mailSlot: 3, drive: 4 } as const;

/** Element status data header. SMC-3, table 26. */
export const ElementStatusHeader = layout(8, {
  firstElement: u16be(0),
  numberOfElements: u16be(2),
  byteCount: u24be(5), // after the header
});

/** Element status page header. SMC-3, table 27. */
export const ElementPageHeader = layout(8, {
  elementType: u8(0),
  pvoltag: bit(1, 7),
  avoltag: bit(1, 6),
  descriptorLength: u16be(2),
  byteCount: u24be(5), // of the descriptors
});

/** What each element descriptor begins with. SMC-3, tables 28 to 31; the bits of byte 2 that a type lacks are zero. */
export const ElementDescriptor = layout(12, {
  address: u16be(0),
  full: bit(2, 0),
  impexp: bit(2, 1), // mail slot: put there by an operator
  except: bit(2, 2),
  access: bit(2, 3), // the transport can reach it
  exenab: bit(2, 4),
  inenab: bit(2, 5),
  additionalSenseCode: u8(4),
  additionalSenseCodeQualifier: u8(5),
  svalid: bit(9, 7),
  invert: bit(9, 6),
  ed: bit(9, 3), // disabled
  mediumType: bits(9, 2, 0),
  source: u16be(10), // storage element it last came from
});

/** Primary volume tag. SMC-3, table 32. */
export const VolumeTag = layout(36, { volumeIdentifier: asciiField(0, 32), sequenceNumber: u16be(34) });

/** What follows the volume tags, always: identification of the drive in the element, or zeros. SMC-3, table 28. */
export const DeviceIdentifier = layout(4, {
  codeSet: bits(0, 3, 0),
  identifierType: bits(1, 3, 0),
  identifierLength: u8(3),
});
const DEVICE_IDENTIFIER_MAX = 64;

export interface ElementStatus {
  /** 1 transport, 2 slot, 3 mail slot, 4 drive. */
  readonly typeCode: number;
  readonly address: number;
  readonly full: boolean;
  readonly access: boolean;
  /** Mail slot: may the transport put media in (`export`) and take them (`import`). */
  readonly importExport?: {
    readonly byOperator: boolean;
    readonly exportEnabled: boolean;
    readonly importEnabled: boolean;
  };
  /** Exception: its sense code. */
  readonly exception?: { readonly asc: number; readonly ascq: number };
  /** Storage element the cartridge last came from. */
  readonly source?: number;
  readonly barcode?: string;
  /** Identification of the drive there: a VPD 83h designator. */
  readonly device?: { readonly codeSet: number; readonly type: number; readonly value: Uint8Array };
}

/**
 * Encodes elements, ascending by address within a type, a page per type in the order given. Descriptors of a page have one
 * length. The caller cuts to the allocation length; counts stay full.
 */
export function encodeElementStatus(elements: readonly ElementStatus[], voltag: boolean, dvcid: boolean): Uint8Array {
  const types = [...new Set(elements.map((element) => element.typeCode))];
  const pages = types.map((type) =>
    encodePage(
      type,
      elements.filter((e) => e.typeCode === type),
      voltag,
      dvcid,
    ),
  );
  const byteCount = pages.reduce((sum, page) => sum + page.length, 0);
  const out = new Uint8Array(ElementStatusHeader.byteLength + byteCount);
  ElementStatusHeader.write(viewOf(out), 0, {
    firstElement: elements.length === 0 ? 0 : Math.min(...elements.map((element) => element.address)),
    numberOfElements: elements.length,
    byteCount,
  });
  let at = ElementStatusHeader.byteLength;
  for (const page of pages) {
    out.set(page, at);
    at += page.length;
  }
  return out;
}

function encodePage(type: number, elements: readonly ElementStatus[], voltag: boolean, dvcid: boolean): Uint8Array {
  const identifierMax = dvcid ? Math.max(0, ...elements.map((element) => element.device?.value.length ?? 0)) : 0;
  const deviceLength = DeviceIdentifier.byteLength + identifierMax;
  const descriptorLength = ElementDescriptor.byteLength + (voltag ? VolumeTag.byteLength : 0) + deviceLength;
  const byteCount = descriptorLength * elements.length;
  const out = new Uint8Array(ElementPageHeader.byteLength + byteCount);
  const view = viewOf(out);
  ElementPageHeader.write(view, 0, { elementType: type, pvoltag: voltag, descriptorLength, byteCount });
  elements.forEach((element, i) => {
    const at = ElementPageHeader.byteLength + i * descriptorLength;
    writeDescriptor(view, at, element);
    if (voltag && element.barcode !== undefined)
      VolumeTag.write(view, at + ElementDescriptor.byteLength, { volumeIdentifier: element.barcode });
    const deviceAt = at + descriptorLength - deviceLength;
    if (dvcid && element.device) {
      const { codeSet, type: identifierType, value } = element.device;
      DeviceIdentifier.write(view, deviceAt, { codeSet, identifierType, identifierLength: value.length });
      out.set(value, deviceAt + DeviceIdentifier.byteLength);
    }
  });
  return out;
}

function writeDescriptor(view: DataView, at: number, element: ElementStatus): void {
  ElementDescriptor.write(view, at, {
    address: element.address,
    full: element.full,
    impexp: element.importExport?.byOperator ?? false,
    except: element.exception !== undefined,
    access: element.access,
    exenab: element.importExport?.exportEnabled ?? false,
    inenab: element.importExport?.importEnabled ?? false,
    additionalSenseCode: element.exception?.asc ?? 0,
    additionalSenseCodeQualifier: element.exception?.ascq ?? 0,
    svalid: element.source !== undefined,
    source: element.source ?? 0,
  });
}

/** Bytes that a whole answer needs, from its first 8. @throws RangeError when there are fewer */
export const elementStatusLength = (data: Uint8Array): number =>
  ElementStatusHeader.byteLength + ElementStatusHeader.byteCount.get(viewOf(data), 0);

/**
 * Elements of a whole answer.
 * @throws FormatError `corrupt` when lengths contradict each other or the answer is cut short
 */
export function decodeElementStatus(data: Uint8Array, where: string): ElementStatus[] {
  const view = viewOf(data);
  if (data.length < ElementStatusHeader.byteLength) throw new FormatError('corrupt', where, 'element status cut short');
  const end = elementStatusLength(data);
  if (end > data.length) throw new FormatError('corrupt', where, `element status of ${end} bytes, ${data.length} came`);
  const out: ElementStatus[] = [];
  for (let at = ElementStatusHeader.byteLength; at < end; ) {
    if (at + ElementPageHeader.byteLength > end)
      throw new FormatError('corrupt', where, `element page at ${at} cut short`);
    const page = ElementPageHeader.decodeAll(view, at);
    at += ElementPageHeader.byteLength;
    const { descriptorLength, byteCount } = page;
    const tags = (page.pvoltag ? VolumeTag.byteLength : 0) + (page.avoltag ? VolumeTag.byteLength : 0);
    if (at + byteCount > end) throw new FormatError('corrupt', where, `element page at ${at} ends past the data`);
    if (descriptorLength < ElementDescriptor.byteLength + tags || byteCount % descriptorLength !== 0)
      throw new FormatError('corrupt', where, `element descriptors of ${descriptorLength} bytes in ${byteCount}`);
    for (const pageEnd = at + byteCount; at < pageEnd; at += descriptorLength)
      out.push(readDescriptor(data, at, page.elementType, descriptorLength, page.pvoltag, tags));
  }
  return out;
}

function readDescriptor(
  data: Uint8Array,
  at: number,
  typeCode: number,
  length: number,
  pvoltag: boolean,
  tagBytes: number,
): ElementStatus {
  const view = viewOf(data);
  const d = ElementDescriptor.decodeAll(view, at);
  const barcode = pvoltag ? printable(byteField(ElementDescriptor.byteLength, 32).get(view, at)) : '';
  const device = readDevice(data, at + ElementDescriptor.byteLength + tagBytes, at + length);
  const importExport = { byOperator: d.impexp, exportEnabled: d.exenab, importEnabled: d.inenab };
  return {
    typeCode,
    address: d.address,
    full: d.full,
    access: d.access,
    ...(typeCode === ElementTypeCode.mailSlot && { importExport }),
    ...(d.except && { exception: { asc: d.additionalSenseCode, ascq: d.additionalSenseCodeQualifier } }),
    ...(d.svalid && { source: d.source }),
    ...(barcode !== '' && { barcode }),
    ...(device && { device }),
  };
}

function readDevice(data: Uint8Array, at: number, end: number): ElementStatus['device'] {
  if (at + DeviceIdentifier.byteLength > end) return undefined;
  const { codeSet, identifierType, identifierLength } = DeviceIdentifier.decodeAll(viewOf(data), at);
  const from = at + DeviceIdentifier.byteLength;
  if (identifierLength === 0 || identifierLength > DEVICE_IDENTIFIER_MAX || from + identifierLength > end)
    return undefined;
  return { codeSet, type: identifierType, value: data.slice(from, from + identifierLength) };
}

/** A volume identifier without padding; bytes that are not printable ASCII become `?`. */
function printable(field: Uint8Array): string {
  const text = Array.from(field, (code) =>
    code === 0 ? ' ' : code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : '?',
  );
  return text.join('').trimEnd();
}
