/**
 * A SCSI target device's task router: logical units by LUN, a controller unit, and the copy manager that all share.
 * SAM-5, 4.6; SPC-4, 6.33 REPORT LUNS.
 */
import { viewOf } from '../bytes/layout.ts';
import { encodeLunList, ReportLuns } from '../scsi/common/commands.ts';
import { encodeInquiryData, Inquiry } from '../scsi/common/inquiry.ts';
import { DeviceType, OperationCode } from '../scsi/common/operation-codes.ts';
import { illegalRequest, invalidFieldInCdb } from '../scsi/common/sense.ts';
import { naaDesignator } from '../scsi/common/vpd.ts';
import { checkCondition, type Execute, type ScsiCommand, type ScsiResult } from '../scsi/execute.ts';
import { CopyManager, type CopyManagerOptions } from './copy/manager.ts';
import { DeviceServer, dataIn, type LogicalUnit } from './logical-unit.ts';

export interface RouterOptions {
  /** Seed of the controller unit's designator and serial number. */
  readonly serialNumber: string;
  readonly copyManager?: CopyManagerOptions;
}

/** LUN of the controller unit: it has no data of its own and takes EXTENDED COPY. */
export const CONTROLLER_LUN = 0;
const LUN_MAX = 0x3fff;

/** A router as one I_T nexus sees it. */
export interface RouterSession {
  lun(lun: number): Execute;
  /** LOGICAL UNIT RESET; false: there is no such unit. */
  resetUnit(lun: number): boolean;
  resetAll(): void;
  /** The nexus is lost. SAM-5, 6.3.4. */
  lose(): void;
}

export class Router {
  readonly controller: DeviceServer;
  readonly copyManager: CopyManager;
  readonly #units = new Map<number, LogicalUnit>();
  readonly #restricted = new Map<string, ReadonlySet<number>>(); // nexuses that do not see every LUN

  constructor(options: RouterOptions) {
    this.controller = new DeviceServer(
      {
        peripheralDeviceType: DeviceType.storageArrayController,
        name: 'mover',
        vendor: 'REELMAP',
        product: 'MOVER',
        revision: '0001',
        serialNumber: options.serialNumber,
        designator: naaDesignator(`controller ${options.serialNumber}`),
        removable: false,
      },
      { commands: {} },
    );
    this.#units.set(CONTROLLER_LUN, this.controller);
    this.copyManager = new CopyManager((nexus) => this.#unitsOf(nexus), options.copyManager ?? {});
  }

  /** Units by LUN, ascending. */
  get units(): ReadonlyMap<number, LogicalUnit> {
    return new Map([...this.#units].sort(([a], [b]) => a - b));
  }

  /** Adds a unit at `lun`, or at the first free one, and answers where. @throws RangeError when it is taken or out of range */
  add(unit: LogicalUnit, lun?: number): number {
    let at = lun ?? 1;
    if (lun === undefined) while (this.#units.has(at)) at++;
    if (this.#units.has(at) || at < 0 || at > LUN_MAX) throw new RangeError(`LUN ${at} is taken or out of range`);
    this.#units.set(at, unit);
    this.#inventoryChanged();
    return at;
  }

  /** @throws RangeError for the controller's LUN */
  remove(lun: number): void {
    if (lun === CONTROLLER_LUN) throw new RangeError('the controller unit stays');
    if (this.#units.delete(lun)) this.#inventoryChanged();
  }

  /**
   * The unit at `lun` as the initiator port `nexus` sees it; a LUN without a unit answers as SAM-5 wants it to. `luns`: what
   * it may see beside the controller unit; all if missing.
   */
  lun(nexus: string, lun: number, luns?: ReadonlySet<number>): Execute {
    let known: { readonly unit: LogicalUnit; readonly execute: Execute } | undefined;
    return async (command, signal) => {
      const unit = seen(lun, luns) ? this.#units.get(lun) : undefined;
      if (command.cdb[0] === OperationCode.reportLuns) return this.#reportLuns(command, luns);
      if (unit === undefined) return noUnit(command);
      if (known?.unit !== unit) known = { unit, execute: unit.forNexus(nexus, this.copyManager.additionsFor(unit)) };
      return known.execute(command, signal);
    };
  }

  /** As `lun`, for whoever holds the unit and not its number. @throws RangeError when it is not one of this router's */
  unit(nexus: string, unit: LogicalUnit): Execute {
    for (const [lun, at] of this.#units) if (at === unit) return this.lun(nexus, lun);
    throw new RangeError(`${unit.name} is not behind this router`);
  }

  /** The device as `nexus` sees it; `luns` as for `lun`. Until it is lost, its copies can name no other units either. */
  open(nexus: string, luns?: ReadonlySet<number>): RouterSession {
    if (luns !== undefined) this.#restricted.set(nexus, luns);
    const units = (): LogicalUnit[] => [...this.#units].filter(([lun]) => seen(lun, luns)).map(([, unit]) => unit);
    return {
      lun: (lun) => this.lun(nexus, lun, luns),
      resetUnit: (lun) => {
        const unit = seen(lun, luns) ? this.#units.get(lun) : undefined;
        unit?.reset?.();
        return unit !== undefined;
      },
      resetAll: () => {
        for (const unit of units()) unit.reset?.();
      },
      lose: () => {
        this.#restricted.delete(nexus);
        this.copyManager.loseNexus(nexus);
        for (const unit of this.#units.values()) unit.loseNexus?.(nexus);
      },
    };
  }

  /** Units that the copies of a nexus can name. */
  #unitsOf(nexus: string): LogicalUnit[] {
    const luns = this.#restricted.get(nexus);
    return [...this.#units].filter(([lun]) => seen(lun, luns)).map(([, unit]) => unit);
  }

  #inventoryChanged(): void {
    for (const unit of this.#units.values()) unit.raise?.(0x3f, 0x0e);
  }

  #reportLuns(command: ScsiCommand, visible: ReadonlySet<number> | undefined): ScsiResult {
    if (command.cdb.length < ReportLuns.byteLength) return checkCondition(invalidFieldInCdb(command.cdb.length));
    const { selectReport, allocationLength } = ReportLuns.decodeAll(viewOf(command.cdb));
    if (selectReport > 2) return checkCondition(invalidFieldInCdb(2));
    if (allocationLength < 16) return checkCondition(invalidFieldInCdb(6));
    const luns = selectReport === 1 ? [] : [...this.units.keys()].filter((lun) => seen(lun, visible)); // 1: well known units alone, there are none
    return dataIn(command, encodeLunList(luns), allocationLength);
  }
}

const seen = (lun: number, luns: ReadonlySet<number> | undefined): boolean =>
  luns === undefined || lun === CONTROLLER_LUN || luns.has(lun);

/** INQUIRY says that nothing can be here; all else fails. SAM-5, 4.6.4; SPC-4, 6.6.2. */
function noUnit(command: ScsiCommand): ScsiResult {
  if (command.cdb[0] !== OperationCode.inquiry || command.cdb.length < Inquiry.byteLength)
    return checkCondition(illegalRequest(0x25, 0x00));
  if (Inquiry.evpd.get(viewOf(command.cdb), 0)) return checkCondition(illegalRequest(0x25, 0x00));
  const data = encodeInquiryData({
    peripheralQualifier: 3,
    peripheralDeviceType: 0x1f,
    removable: false,
    thirdPartyCopy: false,
    vendor: '',
    product: '',
    revision: '',
    versionDescriptors: [],
  });
  return dataIn(command, data, Inquiry.allocationLength.get(viewOf(command.cdb), 0));
}
