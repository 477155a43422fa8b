/** MODE SENSE and MODE SELECT (6, 10): CDBs, headers, the short block descriptor, page framing. SPC-4, 6.11 to 6.14, 7.5. */
import { FormatError } from '../../bytes/errors.ts';
import { bit, bits, layout, u8, u16be, u24be, viewOf } from '../../bytes/layout.ts';
import { OperationCode } from './operation-codes.ts';

export const ModeSense6 = layout(6, {
  operationCode: u8(0), // 1Ah
  dbd: bit(1, 3), // no block descriptor
  pageControl: bits(2, 7, 6), // 0 current, 1 changeable, 2 default, 3 saved
  pageCode: bits(2, 5, 0),
  subpageCode: u8(3),
  allocationLength: u8(4),
  control: u8(5),
});
export const ModeSense10 = layout(10, {
  operationCode: u8(0), // 5Ah
  llbaa: bit(1, 4),
  dbd: bit(1, 3),
  pageControl: bits(2, 7, 6),
  pageCode: bits(2, 5, 0),
  subpageCode: u8(3),
  allocationLength: u16be(7),
  control: u8(9),
});
export const ModeSelect6 = layout(6, {
  operationCode: u8(0), // 15h
  pf: bit(1, 4), // pages as in SPC
  sp: bit(1, 0), // save
  parameterListLength: u8(4),
  control: u8(5),
});
export const ModeSelect10 = layout(10, {
  operationCode: u8(0), // 55h
  pf: bit(1, 4),
  sp: bit(1, 0),
  parameterListLength: u16be(7),
  control: u8(9),
});

/** Header of the (6) commands' data. SPC-4, table 452. */
export const ModeHeader6 = layout(4, {
  modeDataLength: u8(0), // bytes after this one; 0 in MODE SELECT
  mediumType: u8(1),
  deviceSpecificParameter: u8(2),
  blockDescriptorLength: u8(3),
});
/** Header of the (10) commands' data. SPC-4, table 453. */
export const ModeHeader10 = layout(8, {
  modeDataLength: u16be(0), // bytes after these two
  mediumType: u8(2),
  deviceSpecificParameter: u8(3),
  longLba: bit(4, 0),
  blockDescriptorLength: u16be(6),
});
/** General mode parameter block descriptor. SPC-4, table 455. */
export const BlockDescriptor = layout(8, {
  densityCode: u8(0),
  numberOfBlocks: u24be(1),
  blockLength: u24be(5), // tape: 0 is variable
});

export interface ModeParameters {
  readonly mediumType: number;
  /** Tape: .7 WP, .6-.4 buffered mode, .3-.0 speed. Disk: .7 WP, .4 DPOFUA. */
  readonly deviceSpecificParameter: number;
  readonly blockDescriptor?: {
    readonly densityCode: number;
    readonly numberOfBlocks: number;
    readonly blockLength: number;
  };
  /** Whole pages, header included, one after the other. */
  readonly pages: Uint8Array;
}

export type ModeForm = 6 | 10;

/** Mode parameter list or data. MODE DATA LENGTH is filled in; for MODE SELECT set `reserveLength`, it is then 0. */
export function encodeModeParameters(parameters: ModeParameters, form: ModeForm, reserveLength = false): Uint8Array {
  const header = form === 6 ? 4 : 8;
  const descriptor = parameters.blockDescriptor === undefined ? 0 : BlockDescriptor.byteLength;
  const out = new Uint8Array(header + descriptor + parameters.pages.length);
  const view = viewOf(out);
  const common = {
    mediumType: parameters.mediumType,
    deviceSpecificParameter: parameters.deviceSpecificParameter,
    blockDescriptorLength: descriptor,
  };
  if (form === 6) ModeHeader6.write(view, 0, { ...common, modeDataLength: reserveLength ? 0 : out.length - 1 });
  else ModeHeader10.write(view, 0, { ...common, modeDataLength: reserveLength ? 0 : out.length - 2 });
  if (parameters.blockDescriptor !== undefined) BlockDescriptor.write(view, header, parameters.blockDescriptor);
  out.set(parameters.pages, header + descriptor);
  return out;
}

/** Reads mode parameters as far as they were transferred. @throws FormatError when the header or descriptor is cut */
export function decodeModeParameters(data: Uint8Array, form: ModeForm): ModeParameters {
  const header = form === 6 ? ModeHeader6 : ModeHeader10;
  if (data.byteLength < header.byteLength)
    throw new FormatError(
      'corrupt',
      `mode parameters (${form})`,
      `${data.byteLength} bytes, a header has ${header.byteLength}`,
    );
  const view = viewOf(data);
  const descriptorLength = header.blockDescriptorLength.get(view, 0);
  const pagesAt = header.byteLength + descriptorLength;
  if (pagesAt > data.byteLength)
    throw new FormatError(
      'corrupt',
      `mode parameters (${form})`,
      `block descriptors of ${descriptorLength} bytes end past the data`,
    );
  return {
    mediumType: header.mediumType.get(view, 0),
    deviceSpecificParameter: header.deviceSpecificParameter.get(view, 0),
    ...(descriptorLength >= 8 ? { blockDescriptor: BlockDescriptor.decodeAll(view, header.byteLength) } : {}),
    pages: data.subarray(pagesAt),
  };
}

/** A mode page: code (and subpage code), length, body. */
export function modePage(pageCode: number, body: Uint8Array, subpageCode?: number): Uint8Array {
  const head =
    subpageCode === undefined
      ? [pageCode, body.length]
      : [0x40 | pageCode, subpageCode, body.length >>> 8, body.length & 0xff];
  const out = new Uint8Array(head.length + body.length);
  out.set(head);
  out.set(body, head.length);
  return out;
}

export interface ModePage {
  readonly pageCode: number;
  /** 0: not a subpage. */
  readonly subpageCode: number;
  readonly body: Uint8Array;
  /** Byte at which the page starts within the pages. */
  readonly at: number;
}

/** The pages of mode parameters. @throws FormatError when one ends past the data */
export function splitModePages(pages: Uint8Array): ModePage[] {
  const out: ModePage[] = [];
  for (let at = 0; at < pages.length; ) {
    const long = (pages[at] & 0x40) !== 0;
    const head = long ? 4 : 2;
    if (at + head > pages.length) throw new FormatError('corrupt', 'mode pages', `page at ${at} ends past the data`);
    const length = long ? pages[at + 2] * 256 + pages[at + 3] : pages[at + 1];
    const end = at + head + length;
    if (end > pages.length) throw new FormatError('corrupt', 'mode pages', `page at ${at} ends past the data`);
    const subpageCode = long ? pages[at + 1] : 0;
    out.push({ pageCode: pages[at] & 0x3f, subpageCode, body: pages.subarray(at + head, end), at });
    at = end;
  }
  return out;
}

export const modeSense6 = (pageCode: number, allocationLength = 255, subpageCode = 0): Uint8Array =>
  ModeSense6.encode({ operationCode: OperationCode.modeSense6, pageCode, subpageCode, allocationLength });
export const modeSense10 = (pageCode: number, allocationLength = 1024, subpageCode = 0): Uint8Array =>
  ModeSense10.encode({ operationCode: OperationCode.modeSense10, pageCode, subpageCode, allocationLength });
export const modeSelect6 = (parameterListLength: number): Uint8Array =>
  ModeSelect6.encode({ operationCode: OperationCode.modeSelect6, pf: true, parameterListLength });
export const modeSelect10 = (parameterListLength: number): Uint8Array =>
  ModeSelect10.encode({ operationCode: OperationCode.modeSelect10, pf: true, parameterListLength });
