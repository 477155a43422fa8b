/** Which failures of a drive are the cartridge's: it is closed, and the backup goes on with another. */
import { ScsiError } from '../initiator/scsi-error.ts';
import { describeSense, type Sense, SenseKey } from '../scsi/common/sense.ts';

/** MEDIUM ERROR and HARDWARE ERROR: what was buffered may be lost, and nothing more goes to this cartridge. SSC-4, 4.2.18. */
export const isWriteFailure = (sense: Sense): boolean =>
  sense.key === SenseKey.mediumError || sense.key === SenseKey.hardwareError;

/** What keeps the cartridge is full (a virtual one's disk): it is as good as before, and the run goes on when there is room. */
export const OUT_OF_SPACE =
  'no space is left where its cartridge is kept; free some and run the same command again to go on';

/** The failure in words; undefined: `error` is something else. */
export function writeFailure(error: unknown): string | undefined {
  if (!(error instanceof ScsiError) || error.sense === undefined || !isWriteFailure(error.sense)) return undefined;
  return describeSense(error.sense);
}
