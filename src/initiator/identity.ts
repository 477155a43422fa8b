/** Who a device is: INQUIRY and its VPD pages 80h and 83h. SPC-4, 6.6 and 7.8. */
import { FormatError } from '../bytes/errors.ts';
import { decodeInquiryData, inquiry, inquiryVpd } from '../scsi/common/inquiry.ts';
import { decodeDesignators, designatorForCopy, VpdPage, vpdBody } from '../scsi/common/vpd.ts';
import type { Designator } from '../scsi/copy/list.ts';
import type { Execute } from '../scsi/execute.ts';
import { executeGood, executeWithRetry } from './retry.ts';

export interface DeviceIdentity {
  /** `REELMAP VIRTUAL-TAPE 0123`: for messages. */
  readonly device: string;
  readonly vendor: string;
  readonly product: string;
  /** Empty: it has none. */
  readonly serialNumber: string;
  /** What a CSCD descriptor can name it by. */
  readonly designator: Designator | undefined;
}

const INQUIRY_BYTES = 96;
const INQUIRY_BYTES_MIN = 36;
const VPD_BYTES = 1024;

/** @throws FormatError `unsupported` when it is not a device of type `deviceType`; `what` names that type for people */
export async function identify(
  execute: Execute,
  deviceType: number,
  what: string,
  signal?: AbortSignal,
): Promise<DeviceIdentity> {
  const how = { device: what, words: 'INQUIRY', ...(signal && { signal }) };
  const command = { cdb: inquiry(INQUIRY_BYTES), dataInLength: INQUIRY_BYTES };
  const { dataIn } = await executeGood(execute, command, how);
  if (dataIn.length < INQUIRY_BYTES_MIN) throw new FormatError('corrupt', what, `INQUIRY gave ${dataIn.length} bytes`);
  const { vendor, product, peripheralDeviceType, peripheralQualifier } = decodeInquiryData(dataIn);
  if (peripheralQualifier !== 0 || peripheralDeviceType !== deviceType)
    throw new FormatError('unsupported', `${vendor} ${product}`, `device type ${peripheralDeviceType} is no ${what}`);
  const serial = await vpd(execute, VpdPage.unitSerialNumber, what, signal);
  const serialNumber = serial === undefined ? '' : printable(serial);
  const designators = await vpd(execute, VpdPage.deviceIdentification, what, signal);
  return {
    device: [vendor, product, serialNumber].filter((part) => part !== '').join(' '),
    vendor,
    product,
    serialNumber,
    designator: designators && designatorForCopy(decodeDesignators(designators)),
  };
}

/** The body of a VPD page; undefined when the device does not have it. */
async function vpd(
  execute: Execute,
  page: number,
  what: string,
  signal?: AbortSignal,
): Promise<Uint8Array | undefined> {
  const words = `INQUIRY, VPD page ${page.toString(16)}h`;
  const command = { cdb: inquiryVpd(page, VPD_BYTES), dataInLength: VPD_BYTES };
  const result = await executeWithRetry(execute, command, { device: what, words, ...(signal && { signal }) });
  return result.status === 'check-condition' ? undefined : vpdBody(result.dataIn, page);
}

function printable(text: Uint8Array): string {
  return Array.from(text, (code) => (code > 0x20 && code < 0x7f ? String.fromCharCode(code) : ' '))
    .join('')
    .trim();
}
