/** Commands that every logical unit has. SPC-4: REPORT LUNS 6.33, REQUEST SENSE 6.39, TEST UNIT READY 6.47. */
import { FormatError } from '../../bytes/errors.ts';
import { bit, layout, u8, u32be, viewOf } from '../../bytes/layout.ts';
import { OperationCode } from './operation-codes.ts';

export const TestUnitReady = layout(6, { operationCode: u8(0), control: u8(5) });
export const testUnitReady = (): Uint8Array => TestUnitReady.encode({ operationCode: OperationCode.testUnitReady });

export const RequestSense = layout(6, {
  operationCode: u8(0), // 03h
  desc: bit(1, 0), // 1: descriptor format
  allocationLength: u8(4),
  control: u8(5),
});
export const requestSense = (allocationLength = 252): Uint8Array =>
  RequestSense.encode({ operationCode: OperationCode.requestSense, allocationLength });

export const ReportLuns = layout(12, {
  operationCode: u8(0), // A0h
  selectReport: u8(2), // 0 addressable units, 1 well known ones, 2 all
  allocationLength: u32be(6),
  control: u8(11),
});
export const reportLuns = (allocationLength: number): Uint8Array =>
  ReportLuns.encode({ operationCode: OperationCode.reportLuns, allocationLength });

/** LUN as 8 bytes: peripheral device addressing below 256, flat space addressing up to 16383. SAM-5, 4.7. */
export function encodeLun(lun: number): Uint8Array {
  if (!Number.isInteger(lun) || lun < 0 || lun > 0x3fff) throw new RangeError(`LUN ${lun} is not within 0 to 16383`);
  const out = new Uint8Array(8);
  viewOf(out).setUint16(0, lun < 256 ? lun : 0x4000 | lun);
  return out;
}

/** The number of an 8-byte LUN; `undefined`: another addressing method, or a second level. */
export function decodeLun(bytes: Uint8Array, at = 0): number | undefined {
  const view = viewOf(bytes);
  if (view.getUint16(at + 2) !== 0 || view.getUint32(at + 4) !== 0) return undefined;
  const first = view.getUint16(at);
  switch (first >>> 14) {
    case 0:
      return first < 256 ? first : undefined; // bus 0
    case 1:
      return first & 0x3fff;
    default:
      return undefined;
  }
}

/** REPORT LUNS parameter data. */
export function encodeLunList(luns: readonly number[]): Uint8Array {
  const out = new Uint8Array(8 + 8 * luns.length);
  viewOf(out).setUint32(0, 8 * luns.length);
  for (const [i, lun] of luns.entries()) out.set(encodeLun(lun), 8 + 8 * i);
  return out;
}

/** LUNs of REPORT LUNS data, as many as were transferred; units behind other addressing methods are left out. @throws FormatError */
export function decodeLunList(data: Uint8Array): number[] {
  if (data.byteLength < 8)
    throw new FormatError('corrupt', 'REPORT LUNS data', `${data.byteLength} bytes, a header has 8`);
  const end = Math.min(data.byteLength, 8 + viewOf(data).getUint32(0));
  const out: number[] = [];
  for (let at = 8; at + 8 <= end; at += 8) {
    const lun = decodeLun(data, at);
    if (lun !== undefined) out.push(lun);
  }
  return out;
}
