/**
 * Reservations of a logical unit: persistent ones (SPC-4, 5.13), and those of RESERVE and RELEASE (SPC-2, 5.5.1).
 *
 * Invariants
 * - The holder of a persistent reservation is registered; with an all-registrants type every registrant holds it, and it is
 *   gone with the last of them.
 * - Persistent registrations outlive the loss of their nexus and resets, not the process: PTPL_C is 0, and says so.
 * - At most REGISTRATIONS_MAX nexuses are registered.
 */
import { viewOf } from '../bytes/layout.ts';
import {
  admitsRegistrants,
  encodeFullStatus,
  encodeKeys,
  encodeReservation,
  encodeReservationCapabilities,
  isAllRegistrants,
  isReservationType,
  isWriteExclusive,
  LOGICAL_UNIT_SCOPE,
  PersistentReserveIn,
  PersistentReserveOut,
  ReserveIn,
  ReserveOut,
  ReserveOutList,
} from '../scsi/common/persistent-reservations.ts';
import {
  illegalRequest,
  invalidFieldInCdb,
  invalidFieldInParameterList,
  parameterListLengthError,
} from '../scsi/common/sense.ts';
import { checkCondition, good, type ScsiCommand, type ScsiResult } from '../scsi/execute.ts';

/**
 * What a command does, for reservations. `free`: it is served whatever is reserved. `none`: nothing to the medium, and only
 * RESERVE is in its way.
 */
export type Access = 'free' | 'none' | 'read' | 'write';

/** Registered nexuses of one unit. */
const REGISTRATIONS_MAX = 256;
const CONFLICT: ScsiResult = { status: 'reservation-conflict' };

interface Held {
  /** Missing with an all-registrants type. */
  readonly nexus: string | undefined;
  readonly type: number;
}

/** What nexuses are to be told. SPC-4, 5.13.11. */
const Told = {
  reservationsPreempted: [0x2a, 0x03],
  reservationsReleased: [0x2a, 0x04],
  registrationsPreempted: [0x2a, 0x05],
} as const;

export class Reservations {
  readonly #keys = new Map<string, bigint>();
  #held: Held | undefined;
  #generation = 0;
  #reservedBy: string | undefined; // RESERVE
  readonly #tell: (nexus: string, asc: number, ascq: number) => void;

  /** `tell` raises a unit attention for one nexus. */
  constructor(tell: (nexus: string, asc: number, ascq: number) => void) {
    this.#tell = tell;
  }

  /** The nexus that holds the unit alone, if one does. */
  get holder(): string | undefined {
    return this.#reservedBy ?? this.#held?.nexus;
  }

  /** Whether a command of `nexus` meets RESERVATION CONFLICT. SPC-4, tables 72 and 73. */
  conflicts(nexus: string, access: Access): boolean {
    if (access === 'free') return false;
    if (this.#reservedBy !== undefined) return this.#reservedBy !== nexus;
    const held = this.#held;
    if (held === undefined || access === 'none' || this.#holds(nexus)) return false;
    if (admitsRegistrants(held.type) && this.#keys.has(nexus)) return false;
    return !(isWriteExclusive(held.type) && access === 'read');
  }

  #holds(nexus: string): boolean {
    const held = this.#held;
    if (held === undefined) return false;
    return isAllRegistrants(held.type) ? this.#keys.has(nexus) : held.nexus === nexus;
  }

  // --- RESERVE and RELEASE

  reserve(nexus: string): ScsiResult {
    if (this.#keys.size > 0) return CONFLICT;
    if (this.#reservedBy !== undefined && this.#reservedBy !== nexus) return CONFLICT;
    this.#reservedBy = nexus;
    return good();
  }

  /** Without effect for anyone but the holder. */
  release(nexus: string): ScsiResult {
    if (this.#keys.size > 0) return CONFLICT;
    if (this.#reservedBy === nexus) this.#reservedBy = undefined;
    return good();
  }

  loseNexus(nexus: string): void {
    if (this.#reservedBy === nexus) this.#reservedBy = undefined;
  }

  reset(): void {
    this.#reservedBy = undefined;
  }

  // --- PERSISTENT RESERVE IN

  /** Parameter data, or why there is none. */
  read(command: ScsiCommand): Uint8Array | ScsiResult {
    if (this.#reservedBy !== undefined) return CONFLICT;
    switch (PersistentReserveIn.serviceAction.get(viewOf(command.cdb), 0)) {
      case ReserveIn.readKeys:
        return encodeKeys(this.#generation, [...this.#keys.values()]);
      case ReserveIn.readReservation:
        return encodeReservation(this.#generation, this.#described());
      case ReserveIn.reportCapabilities:
        return encodeReservationCapabilities();
      case ReserveIn.readFullStatus:
        return this.#fullStatus();
      default:
        return checkCondition(invalidFieldInCdb(1, 4));
    }
  }

  #described(): { key: bigint; type: number } | undefined {
    const held = this.#held;
    if (held === undefined) return undefined;
    return { key: held.nexus === undefined ? 0n : (this.#keys.get(held.nexus) ?? 0n), type: held.type };
  }

  #fullStatus(): Uint8Array {
    const registrants = [...this.#keys].map(([nexus, key]) => {
      const holder = this.#holds(nexus);
      return { key, holder, type: holder ? (this.#held?.type ?? 0) : 0, initiatorPort: initiatorPortOf(nexus) };
    });
    return encodeFullStatus(this.#generation, registrants);
  }

  // --- PERSISTENT RESERVE OUT

  write(command: ScsiCommand, nexus: string): ScsiResult {
    if (this.#reservedBy !== undefined) return CONFLICT;
    const { serviceAction, scope, type, parameterListLength } = PersistentReserveOut.decodeAll(viewOf(command.cdb));
    if (serviceAction > ReserveOut.registerAndIgnoreExistingKey) return checkCondition(invalidFieldInCdb(1, 4));
    if (parameterListLength !== ReserveOutList.byteLength || (command.dataOut?.length ?? 0) < parameterListLength)
      return checkCondition(parameterListLengthError());
    const list = ReserveOutList.decodeAll(viewOf(command.dataOut as Uint8Array));
    if (list.specIPt) return checkCondition(invalidFieldInParameterList(20, 3));
    if (list.allTgPt) return checkCondition(invalidFieldInParameterList(20, 2));
    if (list.aptpl) return checkCondition(invalidFieldInParameterList(20, 0));
    const key = list.reservationKey;
    const newKey = list.serviceActionReservationKey;
    switch (serviceAction) {
      case ReserveOut.register:
      case ReserveOut.registerAndIgnoreExistingKey: {
        const known = this.#keys.get(nexus);
        if (serviceAction === ReserveOut.register && key !== (known ?? 0n)) return CONFLICT;
        return this.#register(nexus, newKey);
      }
      default:
        if (this.#keys.get(nexus) !== key) return CONFLICT;
        return this.#asRegistrant(nexus, serviceAction, scope, type, newKey);
    }
  }

  #asRegistrant(nexus: string, serviceAction: number, scope: number, type: number, other: bigint): ScsiResult {
    if (serviceAction === ReserveOut.clear) return this.#clear(nexus);
    if (scope !== LOGICAL_UNIT_SCOPE || !isReservationType(type)) return checkCondition(invalidFieldInCdb(2));
    if (serviceAction === ReserveOut.reserve) return this.#reserve(nexus, type);
    if (serviceAction === ReserveOut.release) return this.#release(nexus, type);
    return this.#preempt(nexus, type, other);
  }

  #register(nexus: string, key: bigint): ScsiResult {
    if (key === 0n) {
      if (this.#keys.has(nexus)) {
        this.#unregister(nexus);
        this.#generation++;
      }
      return good();
    }
    if (!this.#keys.has(nexus) && this.#keys.size >= REGISTRATIONS_MAX)
      return checkCondition(illegalRequest(0x55, 0x04)); // insufficient registration resources
    this.#keys.set(nexus, key);
    this.#generation++;
    return good();
  }

  /** SPC-4, 5.13.11.3: the reservation goes with its holder; those who relied on it as registrants are told. */
  #unregister(nexus: string): void {
    const held = this.#held;
    const wasHolder = this.#holds(nexus);
    this.#keys.delete(nexus);
    if (held === undefined || !wasHolder) return;
    if (isAllRegistrants(held.type) && this.#keys.size > 0) return;
    this.#held = undefined;
    if (admitsRegistrants(held.type)) this.#tellRegistrants(nexus, Told.reservationsReleased);
  }

  #reserve(nexus: string, type: number): ScsiResult {
    const held = this.#held;
    if (held !== undefined) return this.#holds(nexus) && held.type === type ? good() : CONFLICT;
    this.#held = { nexus: isAllRegistrants(type) ? undefined : nexus, type };
    return good();
  }

  #release(nexus: string, type: number): ScsiResult {
    const held = this.#held;
    if (held === undefined || !this.#holds(nexus)) return good();
    if (held.type !== type) return checkCondition(illegalRequest(0x26, 0x04)); // invalid release
    this.#held = undefined;
    if (admitsRegistrants(type)) this.#tellRegistrants(nexus, Told.reservationsReleased);
    return good();
  }

  #clear(nexus: string): ScsiResult {
    this.#held = undefined;
    this.#tellRegistrants(nexus, Told.reservationsPreempted);
    this.#keys.clear();
    this.#generation++;
    return good();
  }

  /** SPC-4, 5.13.11.4. Commands of who is preempted meet the reservation when their turn comes. */
  #preempt(nexus: string, type: number, key: bigint): ScsiResult {
    const held = this.#held;
    const victims = [...this.#keys].filter(([, one]) => one === key).map(([name]) => name);
    const ofHolder = held !== undefined && held.nexus !== undefined && this.#keys.get(held.nexus) === key;
    const ofAll = held !== undefined && held.nexus === undefined && key === 0n;
    if (ofAll || ofHolder) {
      const gone = (ofAll ? [...this.#keys.keys()] : victims).filter((name) => name !== nexus);
      for (const name of gone) this.#keys.delete(name);
      this.#held = { nexus: isAllRegistrants(type) ? undefined : nexus, type };
      this.#generation++;
      for (const name of gone) this.#tell(name, ...Told.registrationsPreempted);
      if (held.type !== type) this.#tellRegistrants(nexus, Told.reservationsReleased);
      return good();
    }
    if (key === 0n) return checkCondition(invalidFieldInParameterList(8));
    if (victims.length === 0) return CONFLICT;
    for (const name of victims) this.#unregister(name);
    this.#generation++;
    for (const name of victims) if (name !== nexus) this.#tell(name, ...Told.registrationsPreempted);
    return good();
  }

  #tellRegistrants(except: string, [asc, ascq]: readonly [number, number]): void {
    for (const nexus of this.#keys.keys()) if (nexus !== except) this.#tell(nexus, asc, ascq);
  }
}

/** The initiator's part of an I_T nexus identifier. SPC-4, 7.6.4.6. */
const initiatorPortOf = (nexus: string): string => /^.*?,i,0x[0-9a-f]+/.exec(nexus)?.[0] ?? nexus;
