/**
 * A logical unit as a device server: a table of command handlers over the behaviour that all units share: INQUIRY and VPD
 * pages, TEST UNIT READY, REQUEST SENSE, unit attentions. SAM-5, 4.6; SPC-4, 6.6, 6.39.
 *
 * Invariants
 * - Each I_T nexus has its own queue of unit attentions; a nexus starts with 29h/00h. INQUIRY and REPORT LUNS neither
 *   report nor clear one, REQUEST SENSE hands one out as data, every other command fails with it once.
 * - With `inOrder` the unit's own commands run one at a time, whatever nexus they come from. Commands added from outside
 *   (EXTENDED COPY) do not: they send commands to the unit themselves.
 */
import { viewOf } from '../bytes/layout.ts';
import { RequestSense } from '../scsi/common/commands.ts';
import { encodeInquiryData, Inquiry, VersionDescriptor } from '../scsi/common/inquiry.ts';
import { OperationCode } from '../scsi/common/operation-codes.ts';
import {
  encodeSense,
  invalidFieldInCdb,
  invalidOperationCode,
  SENSE_BYTES_MAX,
  type Sense,
  SenseKey,
  sense,
  unitAttention,
} from '../scsi/common/sense.ts';
import type { SupportedCommand } from '../scsi/common/supported-commands.ts';
import { ExtendedInquiryPage, encodeDesignators, t10Designator, VpdPage, vpdPage } from '../scsi/common/vpd.ts';
import type { Designator } from '../scsi/copy/list.ts';
import { checkCondition, type Execute, good, type ScsiCommand, type ScsiResult } from '../scsi/execute.ts';
import { COMMON_COMMANDS, commonAccess, reportSupported, reservationCommands } from './common-commands.ts';
import { type CommandTable, dataIn, type Handler, stopped } from './handler.ts';
import { type Access, Reservations } from './reservations.ts';

export { byServiceAction, type CommandContext, type CommandTable, dataIn, type Handler, stopped } from './handler.ts';

/** A SCSI device as the router and the copy manager know it. */
export interface LogicalUnit {
  readonly peripheralDeviceType: number;
  /** NAA, of the logical unit; in its VPD page 83h and in CSCD descriptors. */
  readonly designator: Designator;
  /** For people. */
  readonly name: string;
  /**
   * The unit as one initiator port sees it. `additions` take precedence over the unit's own commands. `onBehalfOf`: the
   * nexus whose reservations count, where that is another (a copy manager's).
   */
  forNexus(nexus: string, additions?: UnitAdditions, onBehalfOf?: string): Execute;
  /** A unit attention for every nexus but `except`. */
  raise?(asc: number, ascq: number, except?: string): void;
  /** The nexus is gone, and what the unit kept for it goes too. */
  loseNexus?(nexus: string): void;
  /** LOGICAL UNIT RESET. SAM-5, 6.3.3. */
  reset?(): void;
}

/** VPD page code to the page's body (without its header of four bytes). */
export type VpdBodies = Readonly<Record<number, () => Uint8Array>>;

/** What a router adds to the units behind it. */
export interface UnitAdditions {
  readonly commands: CommandTable;
  readonly vpdPages: VpdBodies;
  /** `commands` as REPORT SUPPORTED OPERATION CODES tells them. */
  readonly supported: readonly SupportedCommand[];
}

export interface UnitIdentity {
  readonly peripheralDeviceType: number;
  readonly name: string;
  /** ASCII, at most 8, 16 and 4 characters. */
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
  readonly serialNumber: string;
  readonly designator: Designator;
  readonly removable: boolean;
  /** Standards beside SAM-5, SPC-4 and iSCSI. */
  readonly versionDescriptors?: readonly number[];
}

export interface UnitBehaviour {
  readonly commands: CommandTable;
  /** `commands` as REPORT SUPPORTED OPERATION CODES tells them. */
  readonly supported?: readonly SupportedCommand[];
  /** What the unit's own commands do, for reservations; `undefined`: not one of them. A command that nobody knows of writes. */
  readonly access?: (cdb: Uint8Array) => Access | undefined;
  /** The nexus is gone. */
  readonly loseNexus?: (nexus: string) => void;
  /** LOGICAL UNIT RESET: what nexuses have changed is as it was. */
  readonly reset?: () => void;
  readonly vpdPages?: VpdBodies;
  /** Sense data of REQUEST SENSE when no unit attention waits; NO SENSE if missing. */
  readonly requestSense?: (nexus: string) => Sense;
  /** Why the medium is not accessible, for TEST UNIT READY; `undefined`: ready. */
  readonly notReady?: () => Sense | undefined;
  /** Commands run one at a time, in order of arrival. */
  readonly inOrder?: boolean;
}

/** Nexuses remembered; the one that was silent longest is forgotten, and is told 29h/00h when it comes back. */
const NEXUSES_MAX = 1024;
/** Unit attentions kept for a nexus. More are dropped: the first ones say enough. */
const ATTENTIONS_MAX = 8;

/** Bytes of a CDB by the operation code's group. SPC-4, 4.2.5.1. 0: vendor specific or variable length. */
const CDB_BYTES = [6, 10, 10, 0, 16, 12, 0, 0];

/** The one implementation of LogicalUnit: identity and behaviour in, `Execute` out. */
export class DeviceServer implements LogicalUnit {
  readonly identity: UnitIdentity;
  readonly #behaviour: UnitBehaviour;
  readonly #commands: CommandTable;
  readonly #attentions = new Map<string, Sense[]>();
  readonly reservations = new Reservations((nexus, asc, ascq) => this.tell(nexus, asc, ascq));
  #last: Promise<unknown> = Promise.resolve();

  constructor(identity: UnitIdentity, behaviour: UnitBehaviour) {
    this.identity = identity;
    this.#behaviour = behaviour;
    this.#commands = {
      [OperationCode.testUnitReady]: () => {
        const why = behaviour.notReady?.();
        return why === undefined ? good() : checkCondition(why);
      },
      ...reservationCommands(this.reservations),
      ...behaviour.commands,
    };
  }

  get peripheralDeviceType(): number {
    return this.identity.peripheralDeviceType;
  }
  get designator(): Designator {
    return this.identity.designator;
  }
  get name(): string {
    return this.identity.name;
  }

  forNexus(nexus: string, additions?: UnitAdditions, onBehalfOf = nexus): Execute {
    const supported = this.#reportSupported(additions);
    return async (command, signal) => {
      const { cdb } = command;
      if (signal?.aborted) return { status: 'task-aborted' };
      const operationCode = cdb[0];
      if (operationCode === OperationCode.inquiry) return this.#inquiry(command, additions);
      if (operationCode === OperationCode.requestSense) return this.#requestSense(command, nexus);
      const pending = this.#attentionsOf(nexus);
      if (pending.length > 0 && operationCode !== OperationCode.reportLuns) {
        const attention = pending.shift();
        if (attention !== undefined) return checkCondition(attention);
      }
      const added = additions?.commands[operationCode];
      const own = operationCode === OperationCode.maintenanceIn ? supported : this.#commands[operationCode];
      if (added === undefined && own === undefined) return checkCondition(invalidOperationCode());
      if (cdb.length < CDB_BYTES[operationCode >>> 5]) return checkCondition(invalidFieldInCdb(cdb.length));
      const access = this.#behaviour.access?.(cdb) ?? commonAccess(cdb);
      const reservedAway = (): boolean => this.reservations.conflicts(onBehalfOf, access);
      if (reservedAway()) return { status: 'reservation-conflict' };
      const context = { nexus, signal, owner: onBehalfOf, reservedAway };
      if (added !== undefined) return added(command, context);
      if (!this.#behaviour.inOrder) return own(command, context);
      return this.#afterOthers(() => stopped(context) ?? own(command, context));
    };
  }

  /** A unit attention for every nexus but `except`. The same one is not queued twice. */
  raise(asc: number, ascq: number, except?: string): void {
    for (const [nexus, pending] of this.#attentions) {
      if (nexus === except || pending.length >= ATTENTIONS_MAX) continue;
      if (!pending.some((one) => one.asc === asc && one.ascq === ascq)) pending.push(unitAttention(asc, ascq));
    }
  }

  /** A unit attention for one nexus, if it is known. */
  tell(nexus: string, asc: number, ascq: number): void {
    const pending = this.#attentions.get(nexus);
    if (pending !== undefined && pending.length < ATTENTIONS_MAX) pending.push(unitAttention(asc, ascq));
  }

  /** The nexus is gone; it is a new one when it comes back. Its persistent registration stays. */
  loseNexus(nexus: string): void {
    this.#attentions.delete(nexus);
    this.reservations.loseNexus(nexus);
    this.#behaviour.loseNexus?.(nexus);
  }

  /** LOGICAL UNIT RESET. SAM-5, 6.3.3. Commands under way are the transport's to end. */
  reset(): void {
    this.reservations.reset();
    this.#behaviour.reset?.();
    this.raise(0x29, 0x03);
  }

  #attentionsOf(nexus: string): Sense[] {
    const known = this.#attentions.get(nexus);
    if (known !== undefined) return known;
    const oldest = this.#attentions.keys().next();
    if (this.#attentions.size >= NEXUSES_MAX && !oldest.done) this.#attentions.delete(oldest.value);
    const fresh = [unitAttention(0x29, 0x00)];
    this.#attentions.set(nexus, fresh);
    return fresh;
  }

  #afterOthers(run: () => ScsiResult | Promise<ScsiResult>): Promise<ScsiResult> {
    const result = this.#last.then(run);
    this.#last = result.catch(() => undefined); // the caller has the failure; the next command starts regardless
    return result;
  }

  #reportSupported(additions: UnitAdditions | undefined): Handler {
    const all = [...COMMON_COMMANDS, ...(this.#behaviour.supported ?? []), ...(additions?.supported ?? [])];
    const sorted = all.sort((a, b) => a.usage[0] - b.usage[0] || (a.serviceAction ?? 0) - (b.serviceAction ?? 0));
    return reportSupported(sorted);
  }

  #requestSense(command: ScsiCommand, nexus: string): ScsiResult {
    if (command.cdb.length < RequestSense.byteLength) return checkCondition(invalidFieldInCdb(command.cdb.length));
    const view = viewOf(command.cdb);
    const pending = this.#attentionsOf(nexus).shift();
    const now = pending ?? this.#behaviour.requestSense?.(nexus) ?? sense(SenseKey.noSense, 0, 0);
    const format = RequestSense.desc.get(view, 0) ? 'descriptor' : 'fixed';
    return dataIn(command, encodeSense(now, format), RequestSense.allocationLength.get(view, 0));
  }

  #inquiry(command: ScsiCommand, additions: UnitAdditions | undefined): ScsiResult {
    if (command.cdb.length < Inquiry.byteLength) return checkCondition(invalidFieldInCdb(command.cdb.length));
    const view = viewOf(command.cdb);
    const allocationLength = Inquiry.allocationLength.get(view, 0);
    const pageCode = Inquiry.pageCode.get(view, 0);
    if (!Inquiry.evpd.get(view, 0)) {
      if (pageCode !== 0) return checkCondition(invalidFieldInCdb(2));
      return dataIn(command, standardInquiry(this.identity), allocationLength);
    }
    const bodies: VpdBodies = { ...basicPages(this.identity), ...this.#behaviour.vpdPages, ...additions?.vpdPages };
    const codes = [0, ...Object.keys(bodies).map(Number)].sort((a, b) => a - b);
    const body = pageCode === VpdPage.supportedPages ? Uint8Array.from(codes) : bodies[pageCode]?.();
    if (body === undefined) return checkCondition(invalidFieldInCdb(2));
    return dataIn(command, vpdPage(this.peripheralDeviceType, pageCode, body), allocationLength);
  }
}

function standardInquiry(identity: UnitIdentity): Uint8Array {
  const { sam5, spc4, iscsi } = VersionDescriptor;
  return encodeInquiryData({
    ...identity,
    peripheralQualifier: 0,
    thirdPartyCopy: true,
    versionDescriptors: [sam5, spc4, iscsi, ...(identity.versionDescriptors ?? [])],
  });
}

const basicPages = (identity: UnitIdentity): VpdBodies => ({
  [VpdPage.extendedInquiry]: () =>
    ExtendedInquiryPage.encode({
      headsup: true,
      ordsup: true,
      simpsup: true,
      luiclr: true,
      maximumSupportedSenseDataLength: SENSE_BYTES_MAX,
    }),
  [VpdPage.unitSerialNumber]: () => new TextEncoder().encode(identity.serialNumber),
  [VpdPage.deviceIdentification]: () =>
    encodeDesignators([
      identity.designator,
      t10Designator(identity.vendor, identity.product.padEnd(16) + identity.serialNumber),
    ]),
});
