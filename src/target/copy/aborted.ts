/** A copy that ends early, as sense data: COPY ABORTED. SPC-4, 5.17.7.3 and 5.17.7.4. */
import { encodeSense, type Sense, SenseKey, sense } from '../../scsi/common/sense.ts';
import { type ScsiStatus, statusCode } from '../../scsi/common/status.ts';
import { CSCD_BYTES, CscdIds } from '../../scsi/copy/descriptors.ts';

/** What a device of the copy answered. */
export interface DeviceTrouble {
  readonly status: ScsiStatus;
  /** Missing with statuses other than CHECK CONDITION. */
  readonly sense: Sense | undefined;
}

export interface AbortDetails {
  readonly asc: number;
  readonly ascq: number;
  /** Where the fault lies in the list. */
  readonly pointer?: Sense['fieldPointer'];
  readonly source?: DeviceTrouble;
  readonly destination?: DeviceTrouble;
}

/** Thrown where the fault is met; the run adds segment number and residue. */
export class CopyAborted extends Error {
  readonly details: AbortDetails;
  constructor(details: AbortDetails) {
    super(`copy aborted: ${details.asc.toString(16)}h/${details.ascq.toString(16)}h`);
    this.details = details;
  }
}

/** The sense data of a copy that ended in `segment`. `residue`: missing when no byte of the segment reached the destination. */
export function abortSense(details: AbortDetails, segment: number, residue: number | undefined): Sense {
  const { source, destination } = details;
  return sense(SenseKey.copyAborted, details.asc, details.ascq, {
    ...(residue === undefined ? {} : { information: residue }),
    ...(details.pointer === undefined ? {} : { fieldPointer: details.pointer }),
    copy: {
      segment,
      ...(source === undefined ? {} : { source: nested(source) }),
      ...(destination === undefined ? {} : { destination: nested(destination) }),
    },
  });
}

const nested = (trouble: DeviceTrouble): { status: number; sense: Uint8Array } => ({
  status: statusCode(trouble.status),
  sense: trouble.sense === undefined ? new Uint8Array(0) : encodeSense(trouble.sense),
});

/** The first byte of a CSCD descriptor in the parameter list. */
export const cscdPointer = (id: number): Pick<AbortDetails, 'pointer'> =>
  id <= CscdIds.indexMax ? { pointer: { in: 'data', byte: 16 + id * CSCD_BYTES } } : {};

/** A byte of the segment descriptor. */
export const segmentPointer = (byte: number): Pick<AbortDetails, 'pointer'> => ({
  pointer: { in: 'segment', byte },
});

/** 0Dh/01h: a device failed a command. */
export const deviceFailure = (side: 'source' | 'destination', id: number, trouble: DeviceTrouble): CopyAborted =>
  new CopyAborted({ asc: 0x0d, ascq: 0x01, ...cscdPointer(id), [side]: trouble });

/** 0Dh/04h: a device sent less than it was asked for, and said GOOD. */
export const dataUnderrun = (id: number): CopyAborted => new CopyAborted({ asc: 0x0d, ascq: 0x04, ...cscdPointer(id) });

/** 26h/0Ah. */
export const inexactSegment = (): CopyAborted => new CopyAborted({ asc: 0x26, ascq: 0x0a });
