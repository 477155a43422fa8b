/** LOG SENSE, REPORT DENSITY SUPPORT and READ BLOCK LIMITS: what a tape drive tells of itself and its medium. */
import { viewOf } from '../bytes/layout.ts';
import { type Bytes, tapeFile } from '../bytes/units.ts';
import { encodeLogPage, encodeLogParameters, type LogParameter, LogSelect, LogSense } from '../scsi/common/log.ts';
import { invalidFieldInCdb } from '../scsi/common/sense.ts';
import { checkCondition, good } from '../scsi/execute.ts';
import { BlockLimits, ReadBlockLimits, ReportDensitySupport } from '../scsi/stream/commands.ts';
import { encodeDensities } from '../scsi/stream/density.ts';
import {
  encodeDataCompression,
  encodeDeviceStatus,
  encodeErrorCounters,
  encodeFileDigest,
  encodeSequentialAccess,
  encodeTapeAlertResponse,
  encodeTapeAlerts,
  encodeTapeCapacity,
  encodeTemperature,
  encodeVolumeStatistics,
  fileDigestCode,
  type SequentialCounts,
  StreamLogPage,
  type VolumeCounts,
} from '../scsi/stream/log-pages.ts';
import type { TapeMedium } from '../tape/medium.ts';
import { dataIn, type Handler } from './logical-unit.ts';
import { DENSITY_CODE } from './tape-drive-mode.ts';
import { BLOCK_LENGTH_MAX, BLOCK_LENGTH_MIN, type DriveState, noCounts } from './tape-drive-state.ts';

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

/** Asks for the list of pages with their subpages. SPC-4, 7.3.24. */
const ALL_SUBPAGES = 0xff;

export function logSense(state: DriveState): Handler {
  return async (command) => {
    const view = viewOf(command.cdb);
    const pageCode = LogSense.pageCode.get(view, 0);
    const subpageCode = LogSense.subpageCode.get(view, 0);
    if (LogSense.sp.get(view, 0)) return checkCondition(invalidFieldInCdb(1, 0));
    const listsSubpages = pageCode === StreamLogPage.supported && subpageCode === ALL_SUBPAGES;
    if (subpageCode !== 0 && !listsSubpages) return checkCondition(invalidFieldInCdb(3));
    if (!PAGE_CODES.some((code) => code === pageCode)) return checkCondition(invalidFieldInCdb(2, 5));
    const pointer = LogSense.parameterPointer.get(view, 0);
    const allocationLength = LogSense.allocationLength.get(view, 0);
    const body = listsSubpages
      ? Uint8Array.from([0, ALL_SUBPAGES, ...PAGE_CODES.flatMap((code) => [code, 0]).slice(2)])
      : await pageBody(state, pageCode, pointer, allocationLength);
    return dataIn(command, encodeLogPage({ pageCode, subpageCode, body }), allocationLength);
  };
}

/** LOG SELECT without a list sets counters back. SPC-4, 6.5. */
export function logSelect(state: DriveState): Handler {
  return ({ cdb }) => {
    const view = viewOf(cdb);
    if (LogSelect.sp.get(view, 0)) return checkCondition(invalidFieldInCdb(1, 0));
    if (LogSelect.parameterListLength.get(view, 0) !== 0) return checkCondition(invalidFieldInCdb(7));
    state.counters = noCounts();
    return good();
  };
}

async function pageBody(state: DriveState, page: number, pointer: number, allocated: Bytes): Promise<Uint8Array> {
  if (page === StreamLogPage.supported) return Uint8Array.from(PAGE_CODES);
  if (page === StreamLogPage.fileDigests) return encodeLogParameters(await fileDigests(state, pointer, allocated));
  const parameters = parametersOf(state, page).filter((parameter) => parameter.code >= pointer);
  if (page === StreamLogPage.tapeAlert) state.alerts.clear(); // SSC-4, 8.2.3: reading the page clears the flags
  return encodeLogParameters(parameters);
}

/** The parameters of a page of the standard's. */
function parametersOf(state: DriveState, page: number): LogParameter[] {
  const { counters, ready: medium } = state;
  switch (page) {
    case StreamLogPage.writeErrors:
      return encodeErrorCounters(counters.bytesWritten, counters.writeErrors);
    case StreamLogPage.readErrors:
      return encodeErrorCounters(counters.bytesRead, counters.readErrors);
    case StreamLogPage.sequentialAccess:
      return encodeSequentialAccess(countsOf(state));
    case StreamLogPage.temperature:
      return encodeTemperature();
    case StreamLogPage.deviceStatus:
      return encodeDeviceStatus({ loaded: medium !== undefined, writeProtected: medium?.writable === false });
    case StreamLogPage.tapeAlertResponse:
      return encodeTapeAlertResponse(state.alerts);
    case StreamLogPage.volumeStatistics:
      return medium === undefined ? [] : encodeVolumeStatistics(volumeOf(state, medium));
    case StreamLogPage.dataCompression:
      return encodeDataCompression(countsOf(state));
    case StreamLogPage.tapeAlert:
      return encodeTapeAlerts(state.alerts);
    case StreamLogPage.tapeCapacity:
      return medium ? encodeTapeCapacity(remaining(medium), medium.capacity) : encodeTapeCapacity(0, 0);
    default:
      return [];
  }
}

function countsOf({ counters }: DriveState): SequentialCounts {
  const { bytesWritten, bytesRead } = counters;
  return { fromHost: bytesWritten, toMedium: bytesWritten, fromMedium: bytesRead, toHost: bytesRead };
}

function volumeOf({ counters, cartridge }: DriveState, medium: TapeMedium): VolumeCounts {
  return {
    ...counters,
    serialNumber: cartridge?.serialNumber ?? '',
    barcode: cartridge?.barcode ?? '',
    worm: medium.worm,
    writeProtected: !medium.writable,
    capacity: medium.capacity,
    used: medium.capacity - remaining(medium),
  };
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

/** Behind end of data, wherever the head is; SPC-4, 7.4.2.2.1. */
export const remaining = (medium: TapeMedium): Bytes => medium.capacity - (medium.end?.dataEnd ?? medium.used);

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
