/** What an iSCSI portal serves: target nodes by name, who may log in to them, and the SCSI device behind each. RFC 7143, 4.1. */
import type { Execute } from '../../scsi/execute.ts';
import type { ChapAccount } from '../chap.ts';

/** How an initiator is let in. */
export interface Admission {
  /** What the initiator must prove; missing: nothing. */
  readonly chap?: ChapAccount;
  /** What the target proves when the initiator asks for it. */
  readonly mutualChap?: ChapAccount;
  /** LUNs that the initiator sees beside LUN 0; missing: all. */
  readonly luns?: ReadonlySet<number>;
}

/** A SCSI device as one I_T nexus sees it. */
export interface DeviceSession {
  lun(lun: number): Execute;
  /** LOGICAL UNIT RESET; false: there is no such unit. */
  resetUnit(lun: number): boolean;
  /** All units. */
  resetAll(): void;
  /** The nexus is lost: reservations by RESERVE, prevented removal and waiting unit attentions go with it. */
  lose(): void;
}

/** A SCSI target device. */
export interface TargetDevice {
  /** `nexus`: I_T nexus identifier. `luns`: what it may see. */
  open(nexus: string, luns: ReadonlySet<number> | undefined): DeviceSession;
}

export interface TargetNode {
  readonly name: string;
  readonly alias?: string;
  readonly device: TargetDevice;
  /** Undefined: the initiator may not even know of the target. */
  admit(initiatorName: string): Admission | undefined;
}
