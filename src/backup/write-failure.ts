/** Which failures of a drive are the cartridge's: it is closed, and the backup goes on with another. */
import { ScsiError } from '../initiator/scsi-error.ts';
import { describeSense, type Sense, SenseKey } from '../scsi/common/sense.ts';

/** MEDIUM ERROR and HARDWARE ERROR: what was buffered may be lost, and nothing more goes to this cartridge. SSC-4, 4.2.18. */
export const isWriteFailure = (sense: Sense): boolean =>
  sense.key === SenseKey.mediumError || sense.key === SenseKey.hardwareError;

/** The failure in words; undefined: `error` is something else. */
export function writeFailure(error: unknown): string | undefined {
  if (!(error instanceof ScsiError) || error.sense === undefined || !isWriteFailure(error.sense)) return undefined;
  return describeSense(error.sense);
}
