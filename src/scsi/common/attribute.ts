/** READ ATTRIBUTE and WRITE ATTRIBUTE: medium auxiliary memory. SPC-4, 6.16, 6.50, 7.4. */
import { FormatError } from '../../bytes/errors.ts';
import { bit, bits, layout, u8, u16be, u32be, viewOf } from '../../bytes/layout.ts';
import { OperationCode } from './operation-codes.ts';

export const ReadAttribute = layout(16, {
  operationCode: u8(0), // 8Ch
  serviceAction: bits(1, 4, 0), // 0 values, 1 list, 2 volumes, 3 partitions
  logicalVolumeNumber: u8(5),
  partitionNumber: u8(7),
  firstAttributeIdentifier: u16be(8),
  allocationLength: u32be(10),
  cache: bit(14, 0),
  control: u8(15),
});
export const WriteAttribute = layout(16, {
  operationCode: u8(0), // 8Dh
  wtc: bit(1, 0),
  logicalVolumeNumber: u8(5),
  partitionNumber: u8(7),
  parameterListLength: u32be(10),
  control: u8(15),
});
export const readAttributeValues = (firstAttributeIdentifier: number, allocationLength = 8192): Uint8Array =>
  ReadAttribute.encode({ operationCode: OperationCode.readAttribute, firstAttributeIdentifier, allocationLength });
export const writeAttribute = (parameterListLength: number): Uint8Array =>
  WriteAttribute.encode({ operationCode: OperationCode.writeAttribute, wtc: true, parameterListLength });

/** MAM attribute header. SPC-4, table 408. */
export const AttributeHeader = layout(5, {
  attributeIdentifier: u16be(0),
  readOnly: bit(2, 7),
  format: bits(2, 1, 0), // 0 binary, 1 ASCII, 2 text
  attributeLength: u16be(3),
});

export interface Attribute {
  readonly identifier: number;
  readonly readOnly: boolean;
  readonly format: number;
  readonly value: Uint8Array;
}

/** Attributes one after the other, behind their length in four bytes: data of READ ATTRIBUTE and parameter list of WRITE ATTRIBUTE. */
export function encodeAttributes(attributes: readonly Attribute[]): Uint8Array {
  const length = attributes.reduce((sum, a) => sum + 5 + a.value.length, 0);
  const out = new Uint8Array(4 + length);
  const view = viewOf(out);
  view.setUint32(0, length);
  let at = 4;
  for (const { identifier, readOnly, format, value } of attributes) {
    AttributeHeader.write(view, at, {
      attributeIdentifier: identifier,
      readOnly,
      format,
      attributeLength: value.length,
    });
    out.set(value, at + 5);
    at += 5 + value.length;
  }
  return out;
}

/** Attributes as many as were transferred whole. @throws FormatError when there is no length, or the data is whole and an attribute ends past it */
export function decodeAttributes(data: Uint8Array): Attribute[] {
  if (data.byteLength < 4)
    throw new FormatError('corrupt', 'attribute list', `${data.byteLength} bytes, a header has 4`);
  const view = viewOf(data);
  const stated = 4 + view.getUint32(0);
  const end = Math.min(data.byteLength, stated);
  const out: Attribute[] = [];
  for (let at = 4; at < end; ) {
    const next = at + 5 <= end ? at + 5 + view.getUint16(at + 3) : end + 1;
    if (next > end) {
      if (stated > data.byteLength) break; // cut by the allocation length
      throw new FormatError('corrupt', 'attribute list', `attribute at ${at} ends past the list`);
    }
    const head = AttributeHeader.decodeAll(view, at);
    const { attributeIdentifier: identifier, readOnly, format } = head;
    out.push({ identifier, readOnly, format, value: data.slice(at + 5, next) });
    at = next;
  }
  return out;
}

/** Identifiers of READ ATTRIBUTE service action 01h: a length, then two bytes each. */
export function encodeAttributeList(identifiers: readonly number[]): Uint8Array {
  const out = new Uint8Array(4 + 2 * identifiers.length);
  const view = viewOf(out);
  view.setUint32(0, 2 * identifiers.length);
  for (const [i, identifier] of identifiers.entries()) view.setUint16(4 + 2 * i, identifier);
  return out;
}
