/** Vital product data pages. SPC-4, 7.8; the device types' own pages only as framed bytes. */
import { FormatError } from '../../bytes/errors.ts';
import { bit, bits, layout, u8, u16be, viewOf } from '../../bytes/layout.ts';
import { sha256 } from '../../bytes/sha256.ts';
import type { Designator } from '../copy/list.ts';

export const VpdPage = {
  supportedPages: 0x00,
  unitSerialNumber: 0x80,
  deviceIdentification: 0x83,
  extendedInquiry: 0x86,
  thirdPartyCopy: 0x8f,
  blockLimits: 0xb0,
  /** Of sequential access devices. SSC-4, 8.5. */
  sequentialCapabilities: 0xb0,
  blockCharacteristics: 0xb1,
  /** Of sequential access devices. SSC-4, 8.5. */
  manufacturerSerialNumber: 0xb1,
  logicalBlockProvisioning: 0xb2,
} as const;

/** Header of every page. SPC-4, 7.8.2. */
export const VpdHeader = layout(4, {
  peripheralQualifier: bits(0, 7, 5),
  peripheralDeviceType: bits(0, 4, 0),
  pageCode: u8(1),
  pageLength: u16be(2),
});

/** A page: its header and `body`. */
export function vpdPage(peripheralDeviceType: number, pageCode: number, body: Uint8Array): Uint8Array {
  const out = new Uint8Array(4 + body.length);
  VpdHeader.write(viewOf(out), 0, { peripheralDeviceType, pageCode, pageLength: body.length });
  out.set(body, 4);
  return out;
}

/** The body of a page, as far as it was transferred. @throws FormatError when it is not page `pageCode` */
export function vpdBody(data: Uint8Array, pageCode: number): Uint8Array {
  const where = `VPD page ${pageCode.toString(16)}h`;
  if (data.byteLength < 4) throw new FormatError('corrupt', where, `${data.byteLength} bytes, a header has 4`);
  const view = viewOf(data);
  const found = VpdHeader.pageCode.get(view, 0);
  if (found !== pageCode) throw new FormatError('corrupt', where, `page ${found.toString(16)}h came instead`);
  return data.subarray(4, 4 + Math.min(VpdHeader.pageLength.get(view, 0), data.byteLength - 4));
}

/** Extended INQUIRY Data page 86h, body. SPC-4, 7.8.7. */
export const ExtendedInquiryPage = layout(60, {
  headsup: bit(1, 2), // task attributes that are known
  ordsup: bit(1, 1),
  simpsup: bit(1, 0),
  vSup: bit(2, 0), // a volatile cache
  luiclr: bit(3, 0), // unit attentions go with their nexus
  maximumSupportedSenseDataLength: u8(9),
});

/** Designation descriptor, without its designator. SPC-4, table 607. */
export const DesignationDescriptor = layout(4, {
  protocolIdentifier: bits(0, 7, 4),
  codeSet: bits(0, 3, 0),
  piv: bits(1, 7, 7),
  association: bits(1, 5, 4),
  designatorType: bits(1, 3, 0),
  designatorLength: u8(3),
});

/** Body of page 83h. */
export function encodeDesignators(designators: readonly Designator[]): Uint8Array {
  const out = new Uint8Array(designators.reduce((sum, d) => sum + 4 + d.value.length, 0));
  const view = viewOf(out);
  let at = 0;
  for (const { codeSet, association, type, value } of designators) {
    DesignationDescriptor.write(view, at, {
      codeSet,
      association,
      designatorType: type,
      designatorLength: value.length,
    });
    out.set(value, at + 4);
    at += 4 + value.length;
  }
  return out;
}

/** Designators of page 83h's body. @throws FormatError when a descriptor ends past it */
export function decodeDesignators(body: Uint8Array): Designator[] {
  const view = viewOf(body);
  const out: Designator[] = [];
  for (let at = 0; at < body.length; ) {
    if (at + 4 > body.length)
      throw new FormatError('corrupt', 'VPD page 83h', `descriptor at ${at} ends past the page`);
    const f = DesignationDescriptor;
    const end = at + 4 + f.designatorLength.get(view, at);
    if (end > body.length) throw new FormatError('corrupt', 'VPD page 83h', `designator at ${at} ends past the page`);
    out.push({
      codeSet: f.codeSet.get(view, at),
      association: f.association.get(view, at),
      type: f.designatorType.get(view, at),
      value: body.slice(at + 4, end),
    });
    at = end;
  }
  return out;
}

/** Same logical unit: code set, association, type, length and bytes. */
export function sameDesignator(a: Designator, b: Designator): boolean {
  if (a.codeSet !== b.codeSet || a.association !== b.association || a.type !== b.type) return false;
  return a.value.length === b.value.length && a.value.every((byte, i) => byte === b.value[i]);
}

/** A string that is equal for equal designators: for maps. */
export const designatorKey = (d: Designator): string =>
  `${d.codeSet}.${d.association}.${d.type}.${Buffer.from(d.value.buffer, d.value.byteOffset, d.value.byteLength).toString('hex')}`;

const OUI = [0x52, 0x45, 0x4c]; // locally administered (second bit of 52h), hence nobody's

/**
 * NAA IEEE Registered Extended designator (type 3, NAA 6h, 16 bytes; SPC-4, 7.8.6.6.5) made from `seed`: the same
 * seed always names the same unit. 100 of its bits come from SHA-256 of the seed.
 */
export function naaDesignator(seed: string): Designator {
  const digest = sha256(new TextEncoder().encode(`reelmap logical unit ${seed}`));
  const value = new Uint8Array(16);
  value.set(digest.subarray(0, 16));
  value[0] = 0x60 | (OUI[0] >>> 4);
  value[1] = ((OUI[0] & 0xf) << 4) | (OUI[1] >>> 4);
  value[2] = ((OUI[1] & 0xf) << 4) | (OUI[2] >>> 4);
  value[3] = ((OUI[2] & 0xf) << 4) | (value[3] & 0xf);
  return { codeSet: 1, association: 0, type: 3, value };
}

/** T10 vendor identification designator (type 1). SPC-4, 7.8.6.4. */
export function t10Designator(vendor: string, text: string): Designator {
  const value = new TextEncoder().encode(vendor.padEnd(8).slice(0, 8) + text);
  return { codeSet: 2, association: 0, type: 1, value };
}

/** The designator to put into a CSCD descriptor: the first NAA of the logical unit, else EUI-64, else T10, of at most 20 bytes. */
export function designatorForCopy(designators: readonly Designator[]): Designator | undefined {
  const usable = designators.filter((d) => d.association === 0 && d.value.length >= 1 && d.value.length <= 20);
  return [3, 2, 1].map((type) => usable.find((d) => d.type === type)).find((d) => d !== undefined);
}
