/** A medium changer as a logical unit: the SMC-3 device server over whatever keeps the elements and moves cartridges. */
import { FormatError, unreachable } from '../bytes/errors.ts';
import { viewOf } from '../bytes/layout.ts';
import { ExchangeMedium, MoveMedium, PositionToElement, ReadElementStatus } from '../scsi/changer/commands.ts';
import { type ElementStatus, ElementTypeCode, encodeElementStatus } from '../scsi/changer/element-status.ts';
import { type ChangerElement, ELEMENT_TYPE_CODES, type ElementType } from '../scsi/changer/elements.ts';
import {
  ChangerPage,
  DeviceCapabilitiesPage,
  ElementAddressPage,
  ElementBit,
  TransportGeometryPage,
} from '../scsi/changer/mode-pages.ts';
import { VersionDescriptor } from '../scsi/common/inquiry.ts';
import { encodeModeParameters, type ModeForm, ModeSense6, ModeSense10 } from '../scsi/common/mode.ts';
import { DeviceType, OperationCode } from '../scsi/common/operation-codes.ts';
import { illegalRequest, invalidFieldInCdb, type Sense, SenseKey, sense } from '../scsi/common/sense.ts';
import { type SupportedCommand, supportedCommand } from '../scsi/common/supported-commands.ts';
import type { Designator } from '../scsi/copy/list.ts';
import { checkCondition, type Execute, good, type ScsiResult } from '../scsi/execute.ts';
import { PreventAllow } from '../scsi/stream/commands.ts';
import { InOrder } from './in-order.ts';
import {
  type CommandTable,
  DeviceServer,
  dataIn,
  type Handler,
  type LogicalUnit,
  type UnitAdditions,
} from './logical-unit.ts';
import type { Access } from './reservations.ts';

export type { ChangerElement, ElementType } from '../scsi/changer/elements.ts';

/** What became of a move. Anything but `moved` leaves the cartridge where it was. */
export type MoveOutcome =
  | 'moved'
  | 'source-empty'
  | 'destination-full'
  | 'no-such-element'
  /** A drive holds the cartridge locked. */
  | 'removal-prevented'
  /** The destination cannot take this cartridge, or it could not be loaded or unloaded; the reason is for people. */
  | { readonly failed: string };

/** The library behind a changer. */
export interface MediumChangerBackend {
  /** Every element as it is now. Addresses of one type are consecutive. */
  elements(): ChangerElement[];
  /** Moves a cartridge between elements, loading and unloading drives on the way. */
  move(sourceAddress: number, destinationAddress: number): Promise<MoveOutcome>;
}

export interface ChangerIdentity {
  readonly name: string;
  readonly serialNumber: string;
  readonly designator: Designator;
}

export const CHANGER_VENDOR = 'REELMAP';
export const CHANGER_PRODUCT = 'VIRTUAL-LIBRARY';
const CHANGER_REVISION = '0001';

export class ChangerUnit implements LogicalUnit {
  readonly #backend: MediumChangerBackend;
  readonly #server: DeviceServer;
  readonly #queue = new InOrder();
  readonly #preventedBy = new Set<string>();

  constructor(identity: ChangerIdentity, backend: MediumChangerBackend) {
    this.#backend = backend;
    const about = { vendor: CHANGER_VENDOR, product: CHANGER_PRODUCT, revision: CHANGER_REVISION, removable: true };
    this.#server = new DeviceServer(
      {
        ...identity,
        ...about,
        peripheralDeviceType: DeviceType.changer,
        versionDescriptors: [VersionDescriptor.smc3],
      },
      { commands: this.#commands(), supported: CHANGER_SUPPORTED, access: changerAccess },
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
  /** Someone locked the mail slots. */
  get removalPrevented(): boolean {
    return this.#preventedBy.size > 0;
  }

  forNexus(nexus: string, additions?: UnitAdditions, onBehalfOf?: string): Execute {
    return this.#server.forNexus(nexus, additions, onBehalfOf);
  }

  loseNexus(nexus: string): void {
    this.#preventedBy.delete(nexus);
    this.#server.loseNexus(nexus);
  }

  reset(): void {
    this.#preventedBy.clear();
    this.#server.reset();
  }

  /** An operator used a mail slot: 28h/01h to every nexus. */
  mailSlotAccessed(): void {
    this.#server.raise(0x28, 0x01);
  }

  #commands(): CommandTable {
    return {
      [OperationCode.initializeElementStatus]: () => good(),
      [OperationCode.initializeElementStatusWithRange]: () => good(),
      [VENDOR_INITIALIZE_WITH_RANGE]: () => good(),
      [OperationCode.positionToElement]: (command) => this.#position(command.cdb),
      [OperationCode.moveMedium]: (command) => this.#queue.run(() => this.#move(command.cdb)),
      [OperationCode.exchangeMedium]: (command) => this.#queue.run(() => this.#exchange(command.cdb)),
      [OperationCode.readElementStatus]: (command) => this.#queue.run(() => this.#readStatus(command)),
      [OperationCode.modeSense6]: (command) => this.#modeSense(command, 6),
      [OperationCode.modeSense10]: (command) => this.#modeSense(command, 10),
      [OperationCode.preventAllowMediumRemoval]: ({ cdb }, { nexus }) => {
        const prevent = PreventAllow.prevent.get(viewOf(cdb), 0);
        if (prevent > 1) return checkCondition(invalidFieldInCdb(4, 1));
        if (prevent === 1) this.#preventedBy.add(nexus);
        else this.#preventedBy.delete(nexus);
        return good();
      },
    };
  }

  #position(cdb: Uint8Array): ScsiResult {
    const { transport, destination } = PositionToElement.decodeAll(viewOf(cdb));
    const elements = this.#backend.elements();
    if (!isTransport(elements, transport)) return checkCondition(invalidElementAddress(2));
    return elements.some(({ address }) => address === destination) ? good() : checkCondition(invalidElementAddress(4));
  }

  async #move(cdb: Uint8Array): Promise<ScsiResult> {
    const { transport, source, destination, invert } = MoveMedium.decodeAll(viewOf(cdb));
    if (invert) return checkCondition(invalidFieldInCdb(10, 0));
    const elements = this.#backend.elements();
    const known = (wanted: number): boolean => elements.some(({ address }) => address === wanted);
    if (!isTransport(elements, transport)) return checkCondition(invalidElementAddress(2));
    if (!known(source)) return checkCondition(invalidElementAddress(4));
    if (!known(destination)) return checkCondition(invalidElementAddress(6));
    try {
      return moveAnswer(await this.#backend.move(source, destination));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return checkCondition(loadFailed());
    }
  }

  /** Two moves, by way of a free slot where the second destination is the source. SMC-3, 6.3. */
  async #exchange(cdb: Uint8Array): Promise<ScsiResult> {
    const { transport, source, firstDestination, secondDestination, invert } = ExchangeMedium.decodeAll(viewOf(cdb));
    if (invert !== 0) return checkCondition(invalidFieldInCdb(10, 1));
    const elements = this.#backend.elements();
    const at = (wanted: number): ChangerElement | undefined => elements.find(({ address }) => address === wanted);
    if (!isTransport(elements, transport)) return checkCondition(invalidElementAddress(2));
    for (const [i, address] of [source, firstDestination, secondDestination].entries())
      if (at(address) === undefined) return checkCondition(invalidElementAddress(4 + 2 * i));
    if (!at(source)?.full || !at(firstDestination)?.full) return moveAnswer('source-empty');
    if (secondDestination !== source && at(secondDestination)?.full) return moveAnswer('destination-full');
    const free = elements.find(({ type, full }) => type === 'slot' && !full)?.address;
    const aside = secondDestination === source ? free : secondDestination;
    if (aside === undefined) return moveAnswer('destination-full');
    const moves: [number, number][] = [
      [firstDestination, aside],
      [source, firstDestination],
      ...(aside === secondDestination ? [] : ([[aside, secondDestination]] as [number, number][])),
    ];
    try {
      return moveAnswer(await this.#moveAll(moves));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return checkCondition(loadFailed());
    }
  }

  /** All moves or none: what was moved before one that fails goes back. */
  async #moveAll(moves: readonly (readonly [number, number])[]): Promise<MoveOutcome> {
    const done: (readonly [number, number])[] = [];
    for (const move of moves) {
      const outcome = await this.#backend.move(...move);
      if (outcome !== 'moved') {
        for (const [from, to] of done.reverse()) await this.#backend.move(to, from);
        return outcome;
      }
      done.push(move);
    }
    return 'moved';
  }

  #readStatus(command: Parameters<Handler>[0]): ScsiResult {
    const asked = ReadElementStatus.decodeAll(viewOf(command.cdb));
    const all = [...this.#backend.elements()].sort(byTypeAndAddress);
    if (asked.elementType > ElementTypeCode.drive) return checkCondition(invalidFieldInCdb(1, 3));
    if (all.every(({ address }) => address < asked.startingElement)) return checkCondition(invalidElementAddress(2));
    const chosen = all
      .filter(({ type }) => asked.elementType === ElementTypeCode.all || ELEMENT_TYPE_CODES[type] === asked.elementType)
      .filter(({ address }) => address >= asked.startingElement)
      .slice(0, asked.numberOfElements);
    return dataIn(
      command,
      encodeElementStatus(chosen.map(statusOf), asked.voltag, asked.dvcid),
      asked.allocationLength,
    );
  }

  #modeSense(command: Parameters<Handler>[0], form: ModeForm): ScsiResult {
    const fields = form === 6 ? ModeSense6 : ModeSense10;
    const view = viewOf(command.cdb);
    const code = fields.pageCode.get(view, 0);
    const control = fields.pageControl.get(view, 0);
    if (control === SAVED_VALUES) return checkCondition(illegalRequest(0x39, 0x00));
    if (fields.subpageCode.get(view, 0) !== 0) return checkCondition(invalidFieldInCdb(3));
    const pages = pagesOf(this.#backend.elements());
    const chosen = code === ALL_PAGES ? [...pages.values()] : [pages.get(code)].filter((page) => page !== undefined);
    if (chosen.length === 0) return checkCondition(invalidFieldInCdb(2, 5));
    if (control === CHANGEABLE_VALUES) for (const page of chosen) page.fill(0, 2);
    const parameters = { mediumType: 0, deviceSpecificParameter: 0, pages: Buffer.concat(chosen) };
    return dataIn(command, encodeModeParameters(parameters, form), fields.allocationLength.get(view, 0));
  }
}

const MOVE = { timeoutSeconds: 600 };
const CHANGER_SUPPORTED: readonly SupportedCommand[] = [
  supportedCommand('07 00 00 00 00 00'),
  supportedCommand('1a 08 ff ff ff 00'),
  supportedCommand('1e 00 00 00 03 00'),
  supportedCommand('2b 00 ff ff ff ff 00 00 01 00'),
  supportedCommand('37 01 ff ff 00 00 ff ff 00 00'),
  supportedCommand('5a 08 ff ff 00 00 00 ff ff 00'),
  supportedCommand('a5 00 ff ff ff ff ff ff 00 00 01 00', MOVE),
  supportedCommand('a6 00 ff ff ff ff ff ff ff ff 03 00', MOVE),
  supportedCommand('b8 1f ff ff ff ff 03 ff ff ff 00 00'),
  supportedCommand('e7 01 ff ff 00 00 ff ff 00 00'),
];

/** SMC-3, table 9. */
const changerAccess = (cdb: Uint8Array): Access | undefined =>
  cdb[0] === OperationCode.readElementStatus ? 'none' : undefined;

/** INITIALIZE ELEMENT STATUS WITH RANGE as most libraries have it; SMC-3 has 37h. */
const VENDOR_INITIALIZE_WITH_RANGE = 0xe7;
const CHANGEABLE_VALUES = 1;
const SAVED_VALUES = 3;
const ALL_PAGES = 0x3f;

/** 5h/21/01. */
const invalidElementAddress = (byte: number): Sense => illegalRequest(0x21, 0x01, { in: 'cdb', byte });
/** 4h/53/00: media load or eject failed. */
const loadFailed = (): Sense => sense(SenseKey.hardwareError, 0x53, 0x00);

/** Address 0 means whichever transport the changer likes. SMC-3, 6.6. */
const isTransport = (elements: readonly ChangerElement[], address: number): boolean =>
  address === 0 || elements.some((element) => element.type === 'transport' && element.address === address);

function moveAnswer(outcome: MoveOutcome): ScsiResult {
  if (typeof outcome !== 'string') return checkCondition(loadFailed());
  switch (outcome) {
    case 'moved':
      return good();
    case 'source-empty':
      return checkCondition(illegalRequest(0x3b, 0x0e));
    case 'destination-full':
      return checkCondition(illegalRequest(0x3b, 0x0d));
    case 'no-such-element':
      return checkCondition(illegalRequest(0x21, 0x01));
    case 'removal-prevented':
      return checkCondition(illegalRequest(0x53, 0x02));
    default:
      return unreachable(outcome);
  }
}

const byTypeAndAddress = (a: ChangerElement, b: ChangerElement): number =>
  ELEMENT_TYPE_CODES[a.type] - ELEMENT_TYPE_CODES[b.type] || a.address - b.address;

function statusOf(element: ChangerElement): ElementStatus {
  const { type, address, full, barcode, source, drive } = element;
  return {
    typeCode: ELEMENT_TYPE_CODES[type],
    address,
    full,
    access: type !== 'transport',
    ...(type === 'mail-slot' && { importExport: { byOperator: false, exportEnabled: true, importEnabled: true } }),
    ...(barcode !== null && { barcode }),
    ...(source !== undefined && source !== null && { source }),
    ...(drive?.designator && { device: drive.designator }),
  };
}

function pagesOf(elements: readonly ChangerElement[]): ReadonlyMap<number, Uint8Array> {
  const range = (type: ElementType): { first: number; count: number } => {
    const addresses = elements.filter((element) => element.type === type).map(({ address }) => address);
    return { first: addresses.length === 0 ? 0 : Math.min(...addresses), count: addresses.length };
  };
  const [transport, slot, mailSlot, drive] = (['transport', 'slot', 'mail-slot', 'drive'] as const).map(range);
  const places = ElementBit.slot | ElementBit.drive | (mailSlot.count > 0 ? ElementBit.mailSlot : 0);
  return new Map([
    [
      ChangerPage.elementAddresses,
      ElementAddressPage.encode({
        pageCode: ChangerPage.elementAddresses,
        pageLength: 0x12,
        firstTransport: transport.first,
        transports: transport.count,
        firstSlot: slot.first,
        slots: slot.count,
        firstMailSlot: mailSlot.first,
        mailSlots: mailSlot.count,
        firstDrive: drive.first,
        drives: drive.count,
      }),
    ],
    [
      ChangerPage.transportGeometry,
      TransportGeometryPage.encode({ pageCode: ChangerPage.transportGeometry, pageLength: 2 }),
    ],
    [
      ChangerPage.deviceCapabilities,
      DeviceCapabilitiesPage.encode({
        pageCode: ChangerPage.deviceCapabilities,
        pageLength: 0x12,
        storable: places,
        moveFromSlot: places,
        moveFromMailSlot: mailSlot.count > 0 ? places : 0,
        moveFromDrive: places,
        exchangeFromSlot: places,
        exchangeFromMailSlot: mailSlot.count > 0 ? places : 0,
        exchangeFromDrive: places,
      }),
    ],
  ]);
}
