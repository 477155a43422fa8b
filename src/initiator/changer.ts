/** A medium changer behind an `Execute`: what is where, and moving it. SMC-3. */
import { FormatError } from '../bytes/errors.ts';
import { bytes } from '../bytes/units.ts';
import { MoveMedium, ReadElementStatus } from '../scsi/changer/commands.ts';
import { decodeElementStatus, type ElementStatus, elementStatusLength } from '../scsi/changer/element-status.ts';
import { type ChangerElement, elementTypeOf } from '../scsi/changer/elements.ts';
import { DeviceType, OperationCode } from '../scsi/common/operation-codes.ts';
import { SenseKey } from '../scsi/common/sense.ts';
import type { Execute } from '../scsi/execute.ts';
import { identify } from './identity.ts';
import { type Completed, executeWithRetry } from './retry.ts';
import { refusal } from './words.ts';

export type { ChangerElement, ElementType } from '../scsi/changer/elements.ts';

export interface Changer {
  readonly vendor: string;
  readonly product: string;
  readonly serialNumber: string;
  /** Every element, by type and address, as the library knows it now. */
  elements(signal?: AbortSignal): Promise<ChangerElement[]>;
  /** Moves a cartridge; a drive is unloaded and loaded on the way. @throws ScsiError in words for the user */
  move(source: number, destination: number, signal?: AbortSignal): Promise<void>;
}

/** First guess of an answer's size, and the most that is taken: 65535 elements of 128 bytes are 8 MiB. */
const STATUS_BYTES_FIRST = 16 * 1024;
const STATUS_BYTES_MAX = 8 * 1024 * 1024;
const HEADER_BYTES = 8;
const ELEMENTS_MAX = 0xffff;
const MOVE_MS = 900_000;
const STATUS_MS = 300_000;

/** @throws FormatError `unsupported` when it is not a medium changer */
export async function openChanger(execute: Execute, signal?: AbortSignal): Promise<Changer> {
  const { device, vendor, product, serialNumber } = await identify(
    execute,
    DeviceType.changer,
    'medium changer',
    signal,
  );
  return {
    vendor,
    product,
    serialNumber,
    elements: (stop) => elements(execute, device, stop),
    move: async (source, destination, stop) => {
      const cdb = MoveMedium.encode({ operationCode: OperationCode.moveMedium, source, destination });
      const words = `MOVE MEDIUM from ${source} to ${destination}`;
      const how = { device, words, ...(stop && { signal: stop }) };
      const result = await executeWithRetry(execute, { cdb, timeoutMs: MOVE_MS }, how);
      if (result.status === 'check-condition') throw refusal(device, words, result);
    },
  };
}

async function elements(execute: Execute, device: string, signal?: AbortSignal): Promise<ChangerElement[]> {
  const first = await readStatus(execute, device, STATUS_BYTES_FIRST, signal);
  if (first.length < HEADER_BYTES) throw new FormatError('corrupt', device, `element status of ${first.length} bytes`);
  const length = elementStatusLength(first);
  if (length > STATUS_BYTES_MAX) throw new FormatError('unsupported', device, `element status of ${length} bytes`);
  const whole = length <= first.length ? first : await readStatus(execute, device, length, signal);
  return decodeElementStatus(whole, device).map((status) => elementOf(status, device));
}

/** With the drives' identification if the library gives it. */
async function readStatus(
  execute: Execute,
  device: string,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const words = 'READ ELEMENT STATUS';
  const attempt = (dvcid: boolean): Promise<Completed> => {
    const cdb = ReadElementStatus.encode({
      operationCode: OperationCode.readElementStatus,
      voltag: true,
      numberOfElements: ELEMENTS_MAX,
      dvcid,
      allocationLength: length,
    });
    const how = { device, words, ...(signal && { signal }) };
    return executeWithRetry(execute, { cdb, dataInLength: bytes(length), timeoutMs: STATUS_MS }, how);
  };
  let result = await attempt(true);
  if (result.status === 'check-condition' && result.sense.key === SenseKey.illegalRequest)
    result = await attempt(false);
  if (result.status === 'check-condition') throw refusal(device, words, result);
  return result.dataIn;
}

/** DESIGNATOR TYPE 0, vendor specific, and 1, T10: what libraries give as a drive's identification. */
function elementOf(status: ElementStatus, device: string): ChangerElement {
  const type = elementTypeOf(status.typeCode);
  if (type === undefined) throw new FormatError('corrupt', device, `element type ${status.typeCode}`);
  const identified = status.device && {
    designator: {
      association: 0,
      codeSet: status.device.codeSet,
      type: status.device.type,
      value: status.device.value,
    },
  };
  return {
    type,
    address: status.address,
    full: status.full,
    barcode: status.barcode ?? null,
    source: status.source ?? null,
    ...(type === 'drive' && identified && { drive: identified }),
  };
}
