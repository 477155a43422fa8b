/** SAM-5 "Execute Command": the one way to a SCSI device, wherever it is. */
import type { Lender } from '../bytes/lender.ts';
import type { Bytes } from '../bytes/units.ts';
import type { Sense } from './common/sense.ts';

/** A command as its application client hands it over. SAM-5, 5.1 "Execute Command procedure call". */
export interface ScsiCommand {
  readonly cdb: Uint8Array;
  /** Data-Out Buffer. The device server has taken what it needs when the result is there; then it is the caller's again. */
  readonly dataOut?: Uint8Array;
  /** Owner of `dataOut`: a device server that retains it may keep the bytes past the result. Missing: it copies. */
  readonly dataOutLender?: Lender;
  /** Most bytes the caller takes. Missing: no data-in. */
  readonly dataInLength?: Bytes;
  /** Data-In Buffer of the caller's, at least `dataInLength` long; the result's `dataIn` is then a part of it. */
  readonly dataIn?: Uint8Array;
  /** How long the initiator waits before it gives the command up. */
  readonly timeoutMs?: number;
}

/**
 * Data may come with a CHECK CONDITION (a tape read with ILI). A lost transport throws FormatError `io`. `transfer`: the
 * bytes that the command moves by its CDB, whatever buffer it was given; for transports that count what did not fit.
 */
export type ScsiResult =
  | {
      readonly status: 'good' | 'condition-met';
      readonly dataIn: Uint8Array;
      readonly residual: Bytes;
      readonly transfer?: Bytes;
    }
  | { readonly status: 'check-condition'; readonly sense: Sense; readonly dataIn: Uint8Array; readonly residual: Bytes }
  | { readonly status: 'busy' | 'task-set-full' | 'reservation-conflict' | 'task-aborted' | 'aca-active' };

/** The one way to a SCSI device: a logical unit, an iSCSI session, Linux SG_IO and an injected fault all have this type. */
export type Execute = (command: ScsiCommand, signal?: AbortSignal) => Promise<ScsiResult>;

export const NO_DATA = new Uint8Array(0);

/** GOOD, with what was read. `residual`: bytes of the Data-In Buffer that were not filled. */
export const good = (dataIn: Uint8Array = NO_DATA, residual: Bytes = 0): ScsiResult => ({
  status: 'good',
  dataIn,
  residual,
});

/** CHECK CONDITION with sense data. */
export const checkCondition = (sense: Sense, dataIn: Uint8Array = NO_DATA, residual: Bytes = 0): ScsiResult => ({
  status: 'check-condition',
  sense,
  dataIn,
  residual,
});
