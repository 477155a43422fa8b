/**
 * Log parameters of a tape drive: TapeAlert (2Eh), Tape Capacity (31h), and Reelmap's own page 3Eh, File Digests. The frame
 * around parameters (SPC-4, 7.3.2) is common to all devices and not here. SSC-4, 8.2.
 *
 * Page 3Eh, in the range SPC-4 leaves to vendors. One parameter per tape file written since the medium was loaded, if the
 * drive still has its digest; of the file being written, over its records so far. PARAMETER CODE: the low 16 bits of the
 * file number, ascending, so that LOG SENSE's PARAMETER POINTER picks one file. PARAMETER LENGTH 28h. Value, big-endian:
 *
 *     byte 0   8   logical file identifier: filemarks before the file's first record
 *     byte 8  32   SHA-256 of the data of the file's records in their order, padding included
 */
import { bit, byteField, layout, u8, u32be, u64be, viewOf } from '../../bytes/layout.ts';
import { type Bytes, bytes, MiB, type TapeFile, tapeFile } from '../../bytes/units.ts';
import type { LogParameter } from '../common/log.ts';

export const StreamLogPage = {
  supported: 0x00,
  writeErrors: 0x02,
  readErrors: 0x03,
  sequentialAccess: 0x0c,
  temperature: 0x0d,
  deviceStatus: 0x11,
  tapeAlertResponse: 0x12,
  volumeStatistics: 0x17,
  dataCompression: 0x1b,
  tapeAlert: 0x2e,
  tapeCapacity: 0x31,
  fileDigests: 0x3e,
} as const;

/** FORMAT AND LINKING 11b: a binary list parameter. SPC-4, table 353. */
const BINARY_LIST = 0x03;
const ASCII_LIST = 0x01;
const parameter = (code: number, value: Uint8Array): LogParameter => ({ code, control: BINARY_LIST, value });

const Count = layout(8, { value: u64be(0) });
const count = (code: number, value: number): LogParameter => parameter(code, Count.encode({ value }));

/** Write and Read Error Counters pages, 02h and 03h. SPC-4, 7.3.5: errors of each kind, then bytes processed and what failed for good. */
export const encodeErrorCounters = (bytesProcessed: Bytes, failed: number): LogParameter[] => [
  ...[0, 1, 2, 3, 4].map((code) => count(code, 0)),
  count(5, bytesProcessed),
  count(6, failed),
];

/** What the sequential access device page tells. SSC-4, 8.2.1. Bytes. */
export interface SequentialCounts {
  readonly fromHost: Bytes;
  readonly toMedium: Bytes;
  readonly fromMedium: Bytes;
  readonly toHost: Bytes;
}
export const encodeSequentialAccess = (counts: SequentialCounts): LogParameter[] => [
  count(0x0000, counts.fromHost),
  count(0x0001, counts.toMedium),
  count(0x0002, counts.fromMedium),
  count(0x0003, counts.toHost),
  count(0x0100, 0), // cleaning is not required
];

/** Temperature page, 0Dh: nobody measures it. SPC-4, 7.3.21: FFh is unknown. */
export const encodeTemperature = (): LogParameter[] => [parameter(0, Uint8Array.of(0, 0xff))];

/** Very high frequency data. ADC-3, 6.1.2.2. */
const DeviceStatusData = layout(4, {
  macc: bit(0, 5), // the medium's chip can be read
  wrtp: bit(0, 3),
  dinit: bit(0, 0), // the drive is initialised
  mprsnt: bit(1, 4), // a medium is in the drive
  mstd: bit(1, 2), // seated
  mthrd: bit(1, 1), // threaded
  mounted: bit(1, 0),
  activity: u8(2),
});

/** DT Device Status page, 11h. SSC-4, 8.2.2. */
export const encodeDeviceStatus = (about: {
  readonly loaded: boolean;
  readonly writeProtected: boolean;
}): LogParameter[] => {
  const { loaded, writeProtected } = about;
  const status = DeviceStatusData.encode({
    macc: loaded,
    wrtp: loaded && writeProtected,
    dinit: true,
    mprsnt: loaded,
    mstd: loaded,
    mthrd: loaded,
    mounted: loaded,
  });
  return [parameter(0, status)];
};

/** All flags as one number of 64 bits, not cleared by reading. SPC-4, 7.3.19: flag 1 is the first bit. */
export function encodeTapeAlertResponse(active: ReadonlySet<number>): LogParameter[] {
  const flags = new Uint8Array(8);
  for (const flag of active) flags[(flag - 1) >> 3] |= 0x80 >> ((flag - 1) & 7);
  return [parameter(0, flags)];
}

/** Volume Statistics page, 17h, since the volume was loaded. SSC-4, 8.2.7. */
export interface VolumeCounts {
  readonly recordsWritten: number;
  readonly recordsRead: number;
  readonly bytesWritten: Bytes;
  readonly bytesRead: Bytes;
  readonly serialNumber: string;
  readonly barcode: string;
  readonly worm: boolean;
  readonly writeProtected: boolean;
  readonly capacity: Bytes;
  readonly used: Bytes;
}
export function encodeVolumeStatistics(volume: VolumeCounts): LogParameter[] {
  const text = (code: number, value: string, length: number): LogParameter => ({
    code,
    control: ASCII_LIST,
    value: new TextEncoder().encode(value.padEnd(length).slice(0, length)),
  });
  return [
    parameter(0x0000, Uint8Array.of(1)), // the page is valid
    count(0x0001, 1), // loads
    count(0x0002, volume.recordsWritten),
    count(0x0007, volume.recordsRead),
    count(0x000e, Math.floor(volume.bytesWritten / 1e6)),
    count(0x000f, Math.floor(volume.bytesRead / 1e6)),
    count(0x0016, Math.floor(volume.capacity / 1e6)),
    count(0x0017, Math.floor(volume.used / 1e6)),
    text(0x0040, volume.serialNumber, 32),
    text(0x0042, volume.barcode, 32),
    parameter(0x0080, Uint8Array.of(volume.writeProtected ? 1 : 0)),
    parameter(0x0081, Uint8Array.of(volume.worm ? 1 : 0)),
  ];
}

/** Data Compression page, 1Bh. SSC-4, 8.2.5: ratios times 100, then megabytes and bytes that came and went. */
export function encodeDataCompression(counts: SequentialCounts): LogParameter[] {
  const pair = (code: number, n: Bytes): LogParameter[] => [
    wordParameter(code, Math.floor(n / MiB)),
    wordParameter(code + 1, n % MiB),
  ];
  return [
    parameter(0x0000, Uint8Array.of(0, 100)),
    parameter(0x0001, Uint8Array.of(0, 100)),
    ...pair(0x0002, counts.toHost),
    ...pair(0x0004, counts.fromMedium),
    ...pair(0x0006, counts.fromHost),
    ...pair(0x0008, counts.toMedium),
  ];
}
const Word = layout(4, { value: u32be(0) });
const wordParameter = (code: number, value: number): LogParameter =>
  parameter(code, Word.encode({ value: Math.min(0xffff_ffff, value) }));

/** TapeAlert flags used here. SSC-4, annex A. */
export const TapeAlert = { hardError: 3, media: 4, readFailure: 5, writeFailure: 6, writeProtect: 9 } as const;
/** Flags 1 to 64, one parameter each. */
export const TAPE_ALERT_FLAGS = 64;
const TapeAlertFlag = layout(1, { flag: u8(0) }); // bit 0

/** All 64 flags; those in `active` are set. SSC-4, 8.2.3. */
export function encodeTapeAlerts(active: ReadonlySet<number>): LogParameter[] {
  return Array.from({ length: TAPE_ALERT_FLAGS }, (_, i) =>
    parameter(i + 1, TapeAlertFlag.encode({ flag: active.has(i + 1) ? 1 : 0 })),
  );
}

/** Tape Capacity page parameters: 1 and 3 are the main partition, 2 and 4 an alternate one. Values are MiB. */
const CapacityCode = { mainRemaining: 1, alternateRemaining: 2, mainMaximum: 3, alternateMaximum: 4 } as const;
const CapacityValue = layout(4, { mebibytes: u32be(0) });

const wholeMiB = (n: Bytes): number => Math.min(0xffff_ffff, Math.floor(n / MiB));

export function encodeTapeCapacity(remaining: Bytes, maximum: Bytes): LogParameter[] {
  const value = (code: number, mebibytes: number): LogParameter => parameter(code, CapacityValue.encode({ mebibytes }));
  return [
    value(CapacityCode.mainRemaining, wholeMiB(remaining)),
    value(CapacityCode.alternateRemaining, 0),
    value(CapacityCode.mainMaximum, wholeMiB(maximum)),
    value(CapacityCode.alternateMaximum, 0),
  ];
}

/** Remaining and maximum of the main partition, if the page has them. @throws RangeError when a value is short */
export function decodeTapeCapacity(parameters: readonly LogParameter[]): { remaining?: Bytes; maximum?: Bytes } {
  const value = (code: number): Bytes | undefined => {
    const found = parameters.find((parameter) => parameter.code === code);
    return found && bytes(CapacityValue.mebibytes.get(viewOf(found.value), 0) * MiB);
  };
  const remaining = value(CapacityCode.mainRemaining);
  const maximum = value(CapacityCode.mainMaximum);
  return { ...(remaining !== undefined && { remaining }), ...(maximum !== undefined && { maximum }) };
}

/** Value of a parameter of page 3Eh; see the head of this file. */
export const FileDigest = layout(40, { fileIdentifier: u64be(0), sha256: byteField(8, 32) });

/** PARAMETER CODE of a file's digest. */
export const fileDigestCode = (file: TapeFile): number => file % 0x1_0000;

export const encodeFileDigest = (file: TapeFile, sha256: Uint8Array): LogParameter =>
  parameter(fileDigestCode(file), FileDigest.encode({ fileIdentifier: file, sha256 }));

/** @throws RangeError when the value is short or the file number beyond 2^53 */
export function decodeFileDigest(value: Uint8Array): { file: TapeFile; sha256: Uint8Array } {
  const { fileIdentifier, sha256 } = FileDigest.decodeAll(viewOf(value));
  return { file: tapeFile(fileIdentifier), sha256: sha256.slice() };
}
