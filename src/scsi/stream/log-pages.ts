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
import { byteField, layout, u8, u32be, u64be, viewOf } from '../../bytes/layout.ts';
import { type Bytes, bytes, MiB, type TapeFile, tapeFile } from '../../bytes/units.ts';
import type { LogParameter } from '../common/log.ts';

export const StreamLogPage = { supported: 0x00, tapeAlert: 0x2e, tapeCapacity: 0x31, fileDigests: 0x3e } as const;

/** FORMAT AND LINKING 11b: a binary list parameter. SPC-4, table 353. */
const BINARY_LIST = 0x03;
const parameter = (code: number, value: Uint8Array): LogParameter => ({ code, control: BINARY_LIST, value });

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
