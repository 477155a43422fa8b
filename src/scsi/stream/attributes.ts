/** Attributes of a tape's medium auxiliary memory, by their numbers. SPC-4, 7.4. The list's framing is in common/attribute.ts. */
import { asciiField, layout, u64be } from '../../bytes/layout.ts';
import type { Attribute } from '../common/attribute.ts';

/** Attribute identifiers used here. SPC-4, tables 380 to 384. */
export const AttributeId = {
  remainingCapacity: 0x0000, // MiB, 8 bytes
  maximumCapacity: 0x0001, // MiB, 8 bytes
  mediumManufacturer: 0x0400, // 8 characters
  mediumSerialNumber: 0x0401, // 32 characters
  mediumType: 0x0408, // one byte
  barcode: 0x0806, // 32 characters
} as const;

/** Service actions of READ ATTRIBUTE. SPC-4, table 223. */
export const AttributeAction = { values: 0, list: 1, volumes: 2, partitions: 3 } as const;
/** MEDIUM TYPE. SPC-4, 7.4.2.3.9. */
export const MediumTypeValue = { data: 0x00, cleaning: 0x01, worm: 0x80 } as const;
export const AttributeFormat = { binary: 0, ascii: 1, text: 2 } as const;

const Number64 = layout(8, { value: u64be(0) });
const Text32 = layout(32, { text: asciiField(0, 32) });
const Text8 = layout(8, { text: asciiField(0, 8) });

const binary = (identifier: number, value: Uint8Array): Attribute => ({
  identifier,
  readOnly: true,
  format: AttributeFormat.binary,
  value,
});
export const numberAttribute = (identifier: number, value: number): Attribute =>
  binary(identifier, Number64.encode({ value }));
export const byteAttribute = (identifier: number, value: number): Attribute => binary(identifier, Uint8Array.of(value));
/** `length` is 8 or 32, as the standard has it for the attribute. Characters beyond are cut. */
export const textAttribute = (identifier: number, text: string, length: 8 | 32, readOnly = true): Attribute => ({
  identifier,
  readOnly,
  format: AttributeFormat.ascii,
  value: length === 8 ? Text8.encode({ text: text.slice(0, 8) }) : Text32.encode({ text: text.slice(0, 32) }),
});

/** The LOGICAL VOLUME LIST and PARTITION LIST answers for one of them, number 0. SPC-4, tables 226 and 227. */
export const encodeOneVolume = (): Uint8Array => Uint8Array.of(0, 2, 0, 1);

/** The value of a binary attribute of 1 to 8 bytes; undefined when it is not one. */
export function attributeNumber(attribute: Attribute | undefined): number | undefined {
  if (!attribute || attribute.value.length === 0 || attribute.value.length > 8) return undefined;
  let value = 0;
  for (const byte of attribute.value) value = value * 256 + byte;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Printable text of an attribute, without its padding; undefined when it is empty or absent. */
export function attributeText(attribute: Attribute | undefined): string | undefined {
  if (!attribute) return undefined;
  const text = Array.from(attribute.value, (code) => (code >= 0x20 && code < 0x7f ? String.fromCharCode(code) : ' '));
  return text.join('').trim() || undefined;
}
