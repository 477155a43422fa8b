/** Medium auxiliary memory: the READ ATTRIBUTE parameter data. SPC-4, 6.16 and 7.4. */
import { FormatError } from '../../bytes/errors.ts';
import { asciiField, bit, bits, bytesOf, layout, u16be, u32be, u64be, viewOf } from '../../bytes/layout.ts';

/** Attribute identifiers used here. SPC-4, tables 380 to 384. */
export const AttributeId = {
  remainingCapacity: 0x0000, // MiB, 8 bytes
  maximumCapacity: 0x0001, // MiB, 8 bytes
  mediumManufacturer: 0x0400, // 8 characters
  mediumSerialNumber: 0x0401, // 32 characters
  mediumType: 0x0408, // one byte: 0 data, 1 cleaning, 80h write-once
  barcode: 0x0806, // 32 characters
} as const;

export const MediumTypeValue = { data: 0x00, cleaning: 0x01, worm: 0x80 } as const;
export const AttributeFormat = { binary: 0, ascii: 1, text: 2 } as const;

export interface MediumAttribute {
  readonly id: number;
  readonly readOnly: boolean;
  readonly format: number;
  readonly value: Uint8Array;
}

/** READ ATTRIBUTE with VALUES: available data. SPC-4, table 224. */
const AttributeListHeader = layout(4, { availableData: u32be(0) });
/** MAM ATTRIBUTE. SPC-4, table 379. */
const AttributeHeader = layout(5, {
  attributeIdentifier: u16be(0),
  readOnly: bit(2, 7),
  format: bits(2, 1, 0),
  attributeLength: u16be(3),
});
const Number64 = layout(8, { value: u64be(0) });
const Text32 = layout(32, { text: asciiField(0, 32) });
const Text8 = layout(8, { text: asciiField(0, 8) });
/** Most attributes taken from one answer. A real chip has under 60. */
const ATTRIBUTES_MAX = 1024;

export const numberAttribute = (id: number, value: number): MediumAttribute => ({
  id,
  readOnly: true,
  format: AttributeFormat.binary,
  value: Number64.encode({ value }),
});
export const byteAttribute = (id: number, value: number): MediumAttribute => ({
  id,
  readOnly: true,
  format: AttributeFormat.binary,
  value: Uint8Array.of(value),
});
/** `length` is 8 or 32, as the standard has it for the attribute. Characters beyond are cut. */
export const textAttribute = (id: number, text: string, length: 8 | 32, readOnly = true): MediumAttribute => ({
  id,
  readOnly,
  format: AttributeFormat.ascii,
  value: length === 8 ? Text8.encode({ text: text.slice(0, 8) }) : Text32.encode({ text: text.slice(0, 32) }),
});

/** The VALUES answer. `attributes` ascending by id. */
export function encodeAttributeValues(attributes: readonly MediumAttribute[]): Uint8Array {
  const size = attributes.reduce((sum, { value }) => sum + AttributeHeader.byteLength + value.length, 0);
  const out = new Uint8Array(AttributeListHeader.byteLength + size);
  const view = viewOf(out);
  AttributeListHeader.write(view, 0, { availableData: size });
  let at = AttributeListHeader.byteLength;
  for (const { id, readOnly, format, value } of attributes) {
    AttributeHeader.write(view, at, { attributeIdentifier: id, readOnly, format, attributeLength: value.length });
    out.set(value, at + AttributeHeader.byteLength);
    at += AttributeHeader.byteLength + value.length;
  }
  return out;
}

/** The ATTRIBUTE LIST answer: identifiers alone. SPC-4, table 225. */
export function encodeAttributeList(attributes: readonly MediumAttribute[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(AttributeListHeader.byteLength + 2 * attributes.length));
  AttributeListHeader.write(view, 0, { availableData: 2 * attributes.length });
  attributes.forEach(({ id }, i) => {
    view.setUint16(AttributeListHeader.byteLength + 2 * i, id);
  });
  return bytesOf(view);
}

/** The LOGICAL VOLUME LIST and PARTITION LIST answers for one of them, number 0. SPC-4, tables 226 and 227. */
export const encodeOneVolume = (): Uint8Array => Uint8Array.of(0, 2, 0, 1);

/**
 * Attributes of a VALUES answer, as far as the allocation length let it through whole.
 * @throws FormatError `corrupt` when the identifiers do not ascend or there are too many
 */
export function decodeAttributeValues(data: Uint8Array, where: string): MediumAttribute[] {
  if (data.length < AttributeListHeader.byteLength)
    throw new FormatError('corrupt', where, 'medium attributes cut short');
  const view = viewOf(data);
  const end = Math.min(data.length, AttributeListHeader.byteLength + AttributeListHeader.availableData.get(view, 0));
  const out: MediumAttribute[] = [];
  for (let at = AttributeListHeader.byteLength; at + AttributeHeader.byteLength <= end; ) {
    const header = AttributeHeader.decodeAll(view, at);
    at += AttributeHeader.byteLength;
    if (at + header.attributeLength > end) break;
    const previous = out.at(-1);
    if (previous && previous.id >= header.attributeIdentifier)
      throw new FormatError('corrupt', where, 'medium attributes out of order');
    if (out.length >= ATTRIBUTES_MAX)
      throw new FormatError('corrupt', where, `over ${ATTRIBUTES_MAX} medium attributes`);
    const value = data.slice(at, at + header.attributeLength);
    out.push({ id: header.attributeIdentifier, readOnly: header.readOnly, format: header.format, value });
    at += header.attributeLength;
  }
  return out;
}

/** The value of a binary attribute of 1 to 8 bytes; undefined when it is not one. */
export function attributeNumber(attribute: MediumAttribute | undefined): number | undefined {
  if (!attribute || attribute.value.length === 0 || attribute.value.length > 8) return undefined;
  let value = 0;
  for (const byte of attribute.value) value = value * 256 + byte;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Printable text of an attribute, without its padding; undefined when it is empty or absent. */
export function attributeText(attribute: MediumAttribute | undefined): string | undefined {
  if (!attribute) return undefined;
  const text = Array.from(attribute.value, (code) => (code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : ' '));
  return text.join('').trim() || undefined;
}
