/**
 * A tape drive as a logical unit: the SSC-4 device server over a `TapeMedium`.
 *
 * Invariants
 * - Commands, loads and unloads run one at a time, in order of arrival, whatever nexus they come from.
 * - The drive never owns a medium: whoever loads one gets it back from `unload` and lets go of it.
 * - Every unit attention of SSC is raised: 28h/00h to each nexus after a load, 2Ah/01h to the others after MODE SELECT.
 */
import { VersionDescriptor } from '../scsi/common/inquiry.ts';
import { DeviceType, OperationCode } from '../scsi/common/operation-codes.ts';
import { invalidFieldInCdb, type Sense, SenseKey, sense } from '../scsi/common/sense.ts';
import { VpdPage } from '../scsi/common/vpd.ts';
import type { Designator } from '../scsi/copy/list.ts';
import { checkCondition, type Execute, good } from '../scsi/execute.ts';
import { TapeAlert } from '../scsi/stream/log-pages.ts';
import type { TapeMedium } from '../tape/medium.ts';
import { InOrder } from './in-order.ts';
import {
  type CommandTable,
  DeviceServer,
  type Handler,
  type LogicalUnit,
  stopped,
  type UnitAdditions,
} from './logical-unit.ts';
import { readAttribute, writeAttribute } from './tape-drive-attributes.ts';
import { TAPE_SUPPORTED, tapeAccess } from './tape-drive-commands.ts';
import { securityProtocolIn, securityProtocolOut } from './tape-drive-encryption.ts';
import { logSelect, logSense, readBlockLimits, reportDensitySupport } from './tape-drive-log.ts';
import { modeSelect, modeSense } from './tape-drive-mode.ts';
import {
  loadUnload,
  locate10,
  locate16,
  preventAllow,
  readPosition,
  rewind,
  space6,
  space16,
} from './tape-drive-positioning.ts';
import { read6 } from './tape-drive-reading.ts';
import { type CartridgeInfo, type DriveFailure, DriveState, noCounts } from './tape-drive-state.ts';
import { erase6, formatMedium, write6, writeFilemarks6 } from './tape-drive-writing.ts';

export interface TapeDriveIdentity {
  /** For people. */
  readonly name: string;
  readonly serialNumber: string;
  readonly designator: Designator;
}

export interface TapeDriveOptions {
  /** Told what the host below did to a command; sense data cannot carry it. */
  readonly onFailure?: (failure: DriveFailure) => void;
}

export const TAPE_VENDOR = 'REELMAP';
export const TAPE_PRODUCT = 'VIRTUAL-TAPE';
const TAPE_REVISION = '0001';

export class TapeDriveUnit implements LogicalUnit {
  readonly #state: DriveState;
  readonly #server: DeviceServer;
  readonly #queue = new InOrder();

  constructor(identity: TapeDriveIdentity, options: TapeDriveOptions = {}) {
    this.#state = new DriveState(options.onFailure);
    const about = { vendor: TAPE_VENDOR, product: TAPE_PRODUCT, revision: TAPE_REVISION, removable: true };
    this.#server = new DeviceServer(
      { ...identity, ...about, peripheralDeviceType: DeviceType.tape, versionDescriptors: [VersionDescriptor.ssc4] },
      {
        commands: this.#inOrder(this.#commands()),
        vpdPages: {
          [VpdPage.sequentialCapabilities]: () => Uint8Array.of(0x01, 0x00), // WORM: write-once media are known
          [VpdPage.manufacturerSerialNumber]: () => new TextEncoder().encode(identity.serialNumber),
        },
        requestSense: () => this.#state.notReady ?? noSense(),
        supported: TAPE_SUPPORTED,
        access: tapeAccess,
      },
    );
  }

  get peripheralDeviceType(): number {
    return this.#server.peripheralDeviceType;
  }
  get designator(): Designator {
    return this.#server.designator;
  }
  get name(): string {
    return this.#server.name;
  }
  get serialNumber(): string {
    return this.#server.identity.serialNumber;
  }
  /** PREVENT MEDIUM REMOVAL is in force: a changer must not take the cartridge. */
  get removalPrevented(): boolean {
    return this.#state.preventedBy.size > 0;
  }
  /** What the host below did to commands, latest last; the latest few. */
  get failures(): readonly DriveFailure[] {
    return this.#state.failures;
  }

  forNexus(nexus: string, additions?: UnitAdditions, onBehalfOf?: string): Execute {
    return this.#server.forNexus(nexus, additions, onBehalfOf);
  }

  /** A unit attention for every nexus but `except`. */
  raise(asc: number, ascq: number, except?: string): void {
    this.#server.raise(asc, ascq, except);
  }

  /** The nexus is gone: what it prevented is allowed, what it was to be told is dropped. */
  loseNexus(nexus: string): void {
    this.#state.preventedBy.delete(nexus);
    this.#state.encryption.loseNexus(nexus);
    this.#server.loseNexus(nexus);
  }

  /** LOGICAL UNIT RESET: mode parameters are as they were at the start. */
  reset(): void {
    this.#state.preventedBy.clear();
    this.#state.resetMode();
    this.#server.reset();
  }

  /** Puts a medium in and threads it, at its beginning. @throws Error when there is one */
  load(medium: TapeMedium, cartridge: CartridgeInfo): Promise<void> {
    return this.#queue.run(async () => {
      const state = this.#state;
      if (state.medium !== undefined) throw new Error(`${this.name} holds a cartridge already`);
      await medium.locate(0);
      state.forgetMedium();
      state.medium = medium;
      state.cartridge = cartridge;
      state.counters = noCounts();
      state.unthreaded = false;
      this.#server.raise(0x28, 0x00);
    });
  }

  /**
   * Takes the medium out, everything on stable storage. The caller asks `removalPrevented` first. The medium leaves the
   * drive even when the flush fails. @throws FormatError `io` for buffered writes that failed
   */
  unload(): Promise<TapeMedium | undefined> {
    return this.#queue.run(async () => {
      const state = this.#state;
      const { medium } = state;
      if (medium === undefined) return undefined;
      try {
        await state.synchronize(medium);
      } catch (error) {
        state.note('UNLOAD', error, TapeAlert.writeFailure);
        throw error;
      } finally {
        state.medium = undefined;
        state.cartridge = undefined;
        state.forgetMedium();
      }
      return medium;
    });
  }

  /** Every handler waits for those before it. */
  #inOrder(table: CommandTable): CommandTable {
    const entries = Object.entries(table).map(([code, handler]): [string, CommandTable[number]] => [
      code,
      (command, context) => this.#queue.run(() => stopped(context) ?? handler(command, context)),
    ]);
    return Object.fromEntries(entries);
  }

  #commands(): CommandTable {
    const state = this.#state;
    const modeChanged = (nexus: string): void => this.#server.raise(0x2a, 0x01, nexus);
    const keyChanged = (nexus: string): void => this.#server.raise(0x2a, 0x11, nexus);
    const loaded = (): void => this.#server.raise(0x28, 0x00);
    return {
      [OperationCode.testUnitReady]: () => (state.notReady ? checkCondition(state.notReady) : good()),
      [OperationCode.rewind]: rewind(state),
      [OperationCode.readBlockLimits]: readBlockLimits(),
      [OperationCode.read6]: read6(state),
      [OperationCode.write6]: write6(state),
      [OperationCode.writeFilemarks6]: writeFilemarks6(state),
      [OperationCode.space6]: space6(state),
      [OperationCode.space16]: space16(state),
      [OperationCode.modeSelect6]: modeSelect(state, 6, modeChanged),
      [OperationCode.modeSelect10]: modeSelect(state, 10, modeChanged),
      [OperationCode.modeSense6]: modeSense(state, 6),
      [OperationCode.modeSense10]: modeSense(state, 10),
      [OperationCode.erase]: erase6(state),
      [OperationCode.loadUnload]: loadUnload(state, loaded),
      [OperationCode.preventAllowMediumRemoval]: preventAllow(state),
      [OperationCode.locate10]: locate10(state),
      [OperationCode.locate16]: locate16(state),
      [OperationCode.readPosition]: readPosition(state),
      [OperationCode.reportDensitySupport]: reportDensitySupport(state),
      [OperationCode.logSense]: logSense(state),
      [OperationCode.logSelect]: logSelect(state),
      [OperationCode.readAttribute]: readAttribute(state),
      [OperationCode.writeAttribute]: writeAttribute(state),
      [OperationCode.formatMedium]: formatMedium(state),
      [OperationCode.sendDiagnostic]: sendDiagnostic,
      [OperationCode.securityProtocolIn]: securityProtocolIn(state),
      [OperationCode.securityProtocolOut]: securityProtocolOut(state, keyChanged),
    };
  }
}

/** The default self-test; there is nothing that could be broken. SPC-4, 6.42. */
const sendDiagnostic: Handler = ({ cdb }) => ((cdb[1] & 0x04) !== 0 ? good() : checkCondition(invalidFieldInCdb(1, 2)));

const noSense = (): Sense => sense(SenseKey.noSense, 0, 0);
