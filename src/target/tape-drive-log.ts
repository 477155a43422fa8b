/** LOG SENSE, READ ATTRIBUTE, REPORT DENSITY SUPPORT and READ BLOCK LIMITS: what a tape drive tells of itself and its medium. */
import { viewOf } from '../bytes/layout.ts';
import { type Bytes, MiB, tapeFile } from '../bytes/units.ts';
import { type Attribute, encodeAttributeList, encodeAttributes, ReadAttribute } from '../scsi/common/attribute.ts';
import { encodeLogPage, encodeLogParameters, type LogParameter, LogSense } from '../scsi/common/log.ts';
import { invalidFieldInCdb } from '../scsi/common/sense.ts';
import { checkCondition } from '../scsi/execute.ts';
import {
  AttributeAction,
  AttributeId,
  byteAttribute,
  encodeOneVolume,
  MediumTypeValue,
  numberAttribute,
  textAttribute,
} from '../scsi/stream/attributes.ts';
import { BlockLimits, ReadBlockLimits, ReportDensitySupport } from '../scsi/stream/commands.ts';
import { encodeDensities } from '../scsi/stream/density.ts';
import {
  encodeFileDigest,
  encodeTapeAlerts,
  encodeTapeCapacity,
  fileDigestCode,
  StreamLogPage,
} from '../scsi/stream/log-pages.ts';
import type { TapeMedium } from '../tape/medium.ts';
import { dataIn, type Handler } from './logical-unit.ts';
import { DENSITY_CODE } from './tape-drive-mode.ts';
import { BLOCK_LENGTH_MAX, BLOCK_LENGTH_MIN, type CartridgeInfo, type DriveState } from './tape-drive-state.ts';

/** Bytes that a log page's body may have: PAGE LENGTH is 16 bits. */
const LOG_BODY_MAX = 0xffff;
const PAGE_CODES = Object.values(StreamLogPage);

export function readBlockLimits(): Handler {
  const limits = BlockLimits.encode({ maximumBlockLength: BLOCK_LENGTH_MAX, minimumBlockLength: BLOCK_LENGTH_MIN });
  return (command) =>
    ReadBlockLimits.mloi.get(viewOf(command.cdb), 0)
      ? checkCondition(invalidFieldInCdb(1, 0))
      : dataIn(command, limits, limits.length);
}

export function logSense(state: DriveState): Handler {
  return async (command) => {
    const view = viewOf(command.cdb);
    const pageCode = LogSense.pageCode.get(view, 0);
    if (LogSense.sp.get(view, 0)) return checkCondition(invalidFieldInCdb(1, 0));
    if (LogSense.subpageCode.get(view, 0) !== 0) return checkCondition(invalidFieldInCdb(3));
    if (!PAGE_CODES.some((code) => code === pageCode)) return checkCondition(invalidFieldInCdb(2, 5));
    const pointer = LogSense.parameterPointer.get(view, 0);
    const allocationLength = LogSense.allocationLength.get(view, 0);
    const body = await pageBody(state, pageCode, pointer, allocationLength);
    return dataIn(command, encodeLogPage({ pageCode, subpageCode: 0, body }), allocationLength);
  };
}

async function pageBody(state: DriveState, page: number, pointer: number, allocated: Bytes): Promise<Uint8Array> {
  const from = (parameters: LogParameter[]): Uint8Array =>
    encodeLogParameters(parameters.filter((parameter) => parameter.code >= pointer));
  switch (page) {
    case StreamLogPage.tapeAlert: {
      const body = from(encodeTapeAlerts(state.alerts));
      state.alerts.clear(); // SSC-4, 8.2.3: reading the page clears the flags
      return body;
    }
    case StreamLogPage.tapeCapacity: {
      const medium = state.ready;
      return from(medium ? encodeTapeCapacity(remaining(medium), medium.capacity) : encodeTapeCapacity(0, 0));
    }
    case StreamLogPage.fileDigests:
      return encodeLogParameters(await fileDigests(state, pointer, allocated));
    default:
      return Uint8Array.from(PAGE_CODES);
  }
}

/** Digests of the files from `pointer` on, no more than the caller takes. */
async function fileDigests(state: DriveState, pointer: number, allocated: Bytes): Promise<LogParameter[]> {
  const medium = state.ready;
  const out: LogParameter[] = [];
  if (medium?.fileDigest === undefined) return out;
  const files = state.filesWritten.filter((file) => fileDigestCode(tapeFile(file)) >= pointer);
  files.sort((a, b) => fileDigestCode(tapeFile(a)) - fileDigestCode(tapeFile(b)));
  let size = 0;
  for (const file of files) {
    const digest = await medium.fileDigest(tapeFile(file));
    if (digest === undefined) continue;
    const parameter = encodeFileDigest(tapeFile(file), digest);
    size += 4 + parameter.value.length;
    if (size > LOG_BODY_MAX) break;
    out.push(parameter);
    if (size >= allocated) break;
  }
  return out;
}

export function readAttribute(state: DriveState): Handler {
  return state.onMedium('READ ATTRIBUTE', (medium, command) => {
    const view = viewOf(command.cdb);
    const allocated = ReadAttribute.allocationLength.get(view, 0);
    if (ReadAttribute.partitionNumber.get(view, 0) !== 0) return checkCondition(invalidFieldInCdb(7));
    const first = ReadAttribute.firstAttributeIdentifier.get(view, 0);
    const attributes = attributesOf(medium, state.cartridge).filter(({ identifier }) => identifier >= first);
    switch (ReadAttribute.serviceAction.get(view, 0)) {
      case AttributeAction.values:
        return dataIn(command, encodeAttributes(attributes), allocated);
      case AttributeAction.list:
        return dataIn(command, encodeAttributeList(attributes.map(({ identifier }) => identifier)), allocated);
      case AttributeAction.volumes:
      case AttributeAction.partitions:
        return dataIn(command, encodeOneVolume(), allocated);
      default:
        return checkCondition(invalidFieldInCdb(1, 4));
    }
  });
}

/** Behind end of data, wherever the head is; SPC-4, 7.4.2.2.1. */
const remaining = (medium: TapeMedium): Bytes => medium.capacity - (medium.end?.dataEnd ?? medium.used);

function attributesOf(medium: TapeMedium, cartridge: CartridgeInfo | undefined): Attribute[] {
  const mebibytes = (n: Bytes): number => Math.max(0, Math.floor(n / MiB));
  return [
    numberAttribute(AttributeId.remainingCapacity, mebibytes(remaining(medium))),
    numberAttribute(AttributeId.maximumCapacity, mebibytes(medium.capacity)),
    textAttribute(AttributeId.mediumManufacturer, cartridge?.manufacturer ?? '', 8),
    textAttribute(AttributeId.mediumSerialNumber, cartridge?.serialNumber ?? '', 32),
    byteAttribute(AttributeId.mediumType, medium.worm ? MediumTypeValue.worm : MediumTypeValue.data),
    textAttribute(AttributeId.barcode, cartridge?.barcode ?? '', 32, false),
  ];
}

export function reportDensitySupport(state: DriveState): Handler {
  return (command) => {
    const view = viewOf(command.cdb);
    if (ReportDensitySupport.mediumType.get(view, 0)) return checkCondition(invalidFieldInCdb(1, 1));
    const medium = state.ready;
    if (ReportDensitySupport.media.get(view, 0) && state.notReady) return checkCondition(state.notReady);
    const density = {
      code: DENSITY_CODE,
      writable: true,
      capacityMB: medium ? Math.floor(medium.capacity / 1e6) : 0,
      organization: 'REELMAP',
      name: 'VIRTUAL',
      description: 'Virtual tape',
    };
    return dataIn(command, encodeDensities([density]), ReportDensitySupport.allocationLength.get(view, 0));
  };
}
