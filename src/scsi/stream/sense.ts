/** The sense data of a tape drive, each by the event it tells of. SSC-4, 4.2 and the clauses of the commands. */
import type { Sense } from '../common/sense.ts';
import { SenseKey, sense, spaceExhausted } from '../common/sense.ts';

/** READ or SPACE met a filemark; `left` of the request was not done. */
export const filemarkMet = (left: number): Sense =>
  sense(SenseKey.noSense, 0x00, 0x01, { filemark: true, information: left });
/** READ, SPACE or LOCATE met end of data. */
export const endOfDataMet = (left?: number): Sense =>
  sense(SenseKey.blankCheck, 0x00, 0x05, left === undefined ? {} : { information: left });
/** SPACE backward met the beginning of the partition. */
export const beginningMet = (left: number): Sense =>
  sense(SenseKey.noSense, 0x00, 0x04, { endOfMedium: true, information: left });
/** A record of another length than asked: `difference` is asked less actual (variable), or blocks not read (fixed). */
export const incorrectLength = (difference: number): Sense =>
  sense(SenseKey.noSense, 0x00, 0x00, { incorrectLength: true, information: difference });
/** Everything was written, and the medium is past early warning. */
export const earlyWarning = (): Sense => sense(SenseKey.noSense, 0x00, 0x02, { endOfMedium: true, information: 0 });
/** The physical end: `left` bytes, blocks or filemarks were not written. */
export const volumeOverflow = (left: number): Sense =>
  sense(SenseKey.volumeOverflow, 0x00, 0x02, { endOfMedium: true, information: left });
/** A record that cannot be read. */
export const unrecoveredRead = (left: number): Sense => sense(SenseKey.mediumError, 0x11, 0x00, { information: left });
/** A write that had ended GOOD out of the buffer has failed since. */
export const deferredWriteError = (): Sense => sense(SenseKey.mediumError, 0x0c, 0x00, { deferred: true });
/** What was buffered cannot be stored because whatever keeps the medium is full: nobody is to take the cartridge for a bad one. */
export const spaceAllocationFailed = (): Sense => spaceExhausted({ deferred: true });
/** The drive cannot tell where on the medium it is. */
export const positionError = (): Sense => sense(SenseKey.mediumError, 0x15, 0x02);
export const mediumNotPresent = (): Sense => sense(SenseKey.notReady, 0x3a, 0x00);
export const writeProtected = (): Sense => sense(SenseKey.dataProtect, 0x27, 0x00);
/** Write-once medium, and the position is not at end of data. */
export const wormOverwrite = (): Sense => sense(SenseKey.dataProtect, 0x30, 0x0c);
export const removalPrevented = (): Sense => sense(SenseKey.illegalRequest, 0x53, 0x02);
/** MODE SENSE for saved values. */
export const savingNotSupported = (): Sense => sense(SenseKey.illegalRequest, 0x39, 0x00);
/** Logical block guard check failed: the block's CRC is not its own. `left` of the request was not written. */
export const guardCheckFailed = (left: number): Sense =>
  sense(SenseKey.abortedCommand, 0x10, 0x01, { information: left });
/** The command is for the beginning of a partition alone. */
export const appendPositionError = (): Sense => sense(SenseKey.illegalRequest, 0x3b, 0x0c);
/** A cleaning cartridge is in the drive. */
export const cleaningCartridge = (): Sense => sense(SenseKey.notReady, 0x30, 0x03);
/** The record is encrypted, and nothing is to be decrypted. */
export const cannotDecrypt = (): Sense => sense(SenseKey.dataProtect, 0x74, 0x01);
/** The record is not encrypted, and only encrypted ones are wanted. */
export const notEncrypted = (): Sense => sense(SenseKey.dataProtect, 0x74, 0x02);
/** The record was encrypted with another key. */
export const otherKey = (): Sense => sense(SenseKey.dataProtect, 0x74, 0x03);
