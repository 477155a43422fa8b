/** INQUIRY and standard INQUIRY data. SPC-4, 6.6. */
import { asciiField, bit, bits, layout, u8, u16be, viewOf } from '../../bytes/layout.ts';
import { OperationCode } from './operation-codes.ts';

/** INQUIRY command. SPC-4, table 137. */
export const Inquiry = layout(6, {
  operationCode: u8(0), // 12h
  evpd: bit(1, 0),
  pageCode: u8(2),
  allocationLength: u16be(3),
  control: u8(5),
});

export const inquiry = (allocationLength: number): Uint8Array =>
  Inquiry.encode({ operationCode: OperationCode.inquiry, allocationLength });

/** Asks for a vital product data page. */
export const inquiryVpd = (pageCode: number, allocationLength: number): Uint8Array =>
  Inquiry.encode({ operationCode: OperationCode.inquiry, evpd: true, pageCode, allocationLength });

/** Standard INQUIRY data up to the version descriptors. SPC-4, table 139. */
export const StandardInquiry = layout(74, {
  peripheralQualifier: bits(0, 7, 5),
  peripheralDeviceType: bits(0, 4, 0),
  rmb: bit(1, 7), // removable medium
  version: u8(2), // 06h: SPC-4
  normaca: bit(3, 5),
  hisup: bit(3, 4),
  responseDataFormat: bits(3, 3, 0), // 2h
  additionalLength: u8(4),
  sccs: bit(5, 7),
  tpgs: bits(5, 5, 4),
  thirdPartyCopy: bit(5, 3), // 3PC
  protect: bit(5, 0),
  cmdque: bit(7, 1),
  vendor: asciiField(8, 8),
  product: asciiField(16, 16),
  revision: asciiField(32, 4),
  versionDescriptor1: u16be(58),
  versionDescriptor2: u16be(60),
  versionDescriptor3: u16be(62),
  versionDescriptor4: u16be(64),
});

/** Version descriptors, no version claimed. SPC-4, table 142. */
export const VersionDescriptor = {
  sam5: 0x00a0,
  spc4: 0x0460,
  sbc3: 0x04c0,
  ssc4: 0x0520,
  smc3: 0x0480,
  iscsi: 0x0960,
};

export interface InquiryData {
  /** 0: connected; 1: not connected; 3: no such unit. */
  readonly peripheralQualifier: number;
  readonly peripheralDeviceType: number;
  readonly removable: boolean;
  readonly thirdPartyCopy: boolean;
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
  /** At most four. */
  readonly versionDescriptors: readonly number[];
}

/** Standard INQUIRY data, 74 bytes. @throws RangeError when a text is too long or not ASCII */
export const encodeInquiryData = (data: InquiryData): Uint8Array =>
  StandardInquiry.encode({
    peripheralQualifier: data.peripheralQualifier,
    peripheralDeviceType: data.peripheralDeviceType,
    rmb: data.removable,
    version: 6,
    hisup: true,
    responseDataFormat: 2,
    additionalLength: StandardInquiry.byteLength - 5,
    thirdPartyCopy: data.thirdPartyCopy,
    cmdque: true,
    vendor: data.vendor,
    product: data.product,
    revision: data.revision,
    versionDescriptor1: data.versionDescriptors[0] ?? 0,
    versionDescriptor2: data.versionDescriptors[1] ?? 0,
    versionDescriptor3: data.versionDescriptors[2] ?? 0,
    versionDescriptor4: data.versionDescriptors[3] ?? 0,
  });

/** Reads standard INQUIRY data of 36 bytes or more. @throws RangeError when there is less */
export function decodeInquiryData(data: Uint8Array): InquiryData {
  const view = viewOf(data);
  const f = StandardInquiry;
  const versions: number[] = [];
  for (let at = 58; at + 2 <= Math.min(data.byteLength, 74, 5 + view.getUint8(4)); at += 2) {
    const code = view.getUint16(at);
    if (code !== 0) versions.push(code);
  }
  return {
    peripheralQualifier: f.peripheralQualifier.get(view, 0),
    peripheralDeviceType: f.peripheralDeviceType.get(view, 0),
    removable: f.rmb.get(view, 0),
    thirdPartyCopy: f.thirdPartyCopy.get(view, 0),
    vendor: f.vendor.get(view, 0),
    product: f.product.get(view, 0),
    revision: f.revision.get(view, 0),
    versionDescriptors: versions,
  };
}
