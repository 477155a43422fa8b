/** A copy manager behind an `Execute`: EXTENDED COPY and the RECEIVE COPY RESULTS family. SPC-4, 5.17, 6.4, 6.20 to 6.26. */
import type { Bytes } from '../bytes/units.ts';
import type { Sense } from '../scsi/common/sense.ts';
import type { CopyLimits, CopyList } from '../scsi/copy/list.ts';

export type CopyOutcome =
  | { readonly kind: 'done' }
  /**
   * The copy ended early: Ah COPY ABORTED. The destination's own sense is decoded.
   * `early-warning`: 0Dh/01h, destination NO SENSE with EOM; what was written counts. `residue` as in INFORMATION.
   */
  | {
      readonly kind: 'early-warning';
      readonly segment: number;
      readonly residue: Bytes | undefined;
      readonly sense: Sense;
    }
  /** Destination VOLUME OVERFLOW: physical end of medium. */
  | {
      readonly kind: 'end-of-medium';
      readonly segment: number;
      readonly residue: Bytes | undefined;
      readonly sense: Sense;
    }
  | {
      readonly kind: 'failed';
      readonly segment: number | undefined;
      readonly residue: Bytes | undefined;
      readonly sense: Sense;
      readonly source?: Sense;
      readonly destination?: Sense;
    };

export interface CopyManager {
  readonly limits: CopyLimits;
  /** Runs one list to its end. @throws FormatError `io` when the transport is lost, ScsiError when the list itself is refused */
  copy(list: CopyList, signal?: AbortSignal): Promise<CopyOutcome>;
}
