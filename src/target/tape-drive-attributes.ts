/** READ ATTRIBUTE and WRITE ATTRIBUTE: the chip of a cartridge. SPC-4, 6.16, 6.50, 7.4. */
import { FormatError } from '../bytes/errors.ts';
import { viewOf } from '../bytes/layout.ts';
import { type Bytes, MiB } from '../bytes/units.ts';
import {
  type Attribute,
  decodeAttributes,
  encodeAttributeList,
  encodeAttributes,
  ReadAttribute,
  WriteAttribute,
} from '../scsi/common/attribute.ts';
import {
  dataPhaseError,
  illegalRequest,
  invalidFieldInCdb,
  invalidFieldInParameterList,
  parameterListLengthError,
} from '../scsi/common/sense.ts';
import { checkCondition, good } from '../scsi/execute.ts';
import {
  AttributeAction,
  AttributeId,
  byteAttribute,
  encodeOneVolume,
  MediumTypeValue,
  numberAttribute,
  textAttribute,
} from '../scsi/stream/attributes.ts';
import { writeProtected } from '../scsi/stream/sense.ts';
import type { TapeMedium } from '../tape/medium.ts';
import { dataIn, type Handler } from './logical-unit.ts';
import { remaining } from './tape-drive-log.ts';
import type { CartridgeInfo, DriveState } from './tape-drive-state.ts';

/** Bytes of attributes that hosts may leave on a cartridge: LTO chips have 4 to 16 KiB. */
const CHIP_BYTES_MAX: Bytes = 16 * 1024;
/** Attributes of hosts, the standard's and vendors'. SPC-4, table 379. */
const isHostAttribute = (identifier: number): boolean =>
  (identifier >= 0x0800 && identifier <= 0x0bff) || (identifier >= 0x1400 && identifier <= 0x17ff);

export function readAttribute(state: DriveState): Handler {
  return state.onMedium('READ ATTRIBUTE', (medium, command) => {
    const view = viewOf(command.cdb);
    const allocated = ReadAttribute.allocationLength.get(view, 0);
    if (ReadAttribute.partitionNumber.get(view, 0) !== 0) return checkCondition(invalidFieldInCdb(7));
    const first = ReadAttribute.firstAttributeIdentifier.get(view, 0);
    const attributes = attributesOf(medium, state.cartridge).filter(({ identifier }) => identifier >= first);
    switch (ReadAttribute.serviceAction.get(view, 0)) {
      case AttributeAction.values:
        return dataIn(command, encodeAttributes(attributes), allocated);
      case AttributeAction.list:
        return dataIn(command, encodeAttributeList(attributes.map(({ identifier }) => identifier)), allocated);
      case AttributeAction.volumes:
      case AttributeAction.partitions:
        return dataIn(command, encodeOneVolume(), allocated);
      default:
        return checkCondition(invalidFieldInCdb(1, 4));
    }
  });
}

function attributesOf(medium: TapeMedium, cartridge: CartridgeInfo | undefined): Attribute[] {
  const mebibytes = (n: Bytes): number => Math.max(0, Math.floor(n / MiB));
  const own = [
    numberAttribute(AttributeId.remainingCapacity, mebibytes(remaining(medium))),
    numberAttribute(AttributeId.maximumCapacity, mebibytes(medium.capacity)),
    textAttribute(AttributeId.mediumManufacturer, cartridge?.manufacturer ?? '', 8),
    textAttribute(AttributeId.mediumSerialNumber, cartridge?.serialNumber ?? '', 32),
    byteAttribute(AttributeId.mediumType, medium.worm ? MediumTypeValue.worm : MediumTypeValue.data),
    textAttribute(AttributeId.barcode, cartridge?.barcode ?? '', 32, false),
  ];
  const written = cartridge?.chip?.read() ?? [];
  const ids = new Set(written.map(({ identifier }) => identifier));
  return [...own.filter(({ identifier }) => !ids.has(identifier)), ...written].sort(
    (a, b) => a.identifier - b.identifier,
  );
}

export function writeAttribute(state: DriveState): Handler {
  return state.onMedium('WRITE ATTRIBUTE', (medium, { cdb, dataOut }) => {
    const view = viewOf(cdb);
    const length = WriteAttribute.parameterListLength.get(view, 0);
    const chip = state.cartridge?.chip;
    if (WriteAttribute.partitionNumber.get(view, 0) !== 0 || chip === undefined)
      return checkCondition(invalidFieldInCdb(7));
    if (length === 0) return good();
    if (!medium.writable) return checkCondition(writeProtected());
    if (dataOut === undefined || dataOut.length < length) return checkCondition(dataPhaseError());
    if (length < 4 || 4 + viewOf(dataOut).getUint32(0) > length) return checkCondition(parameterListLengthError());
    let given: Attribute[];
    try {
      given = decodeAttributes(dataOut.subarray(0, length));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      return checkCondition(parameterListLengthError());
    }
    if (given.some(({ identifier }) => !isHostAttribute(identifier)))
      return checkCondition(invalidFieldInParameterList(4));
    const kept = new Map(chip.read().map((attribute) => [attribute.identifier, attribute]));
    for (const attribute of given) {
      if (attribute.value.length === 0) kept.delete(attribute.identifier);
      else kept.set(attribute.identifier, { ...attribute, readOnly: false });
    }
    const bytes = [...kept.values()].reduce((sum, { value }) => sum + 5 + value.length, 0);
    if (bytes > CHIP_BYTES_MAX) return checkCondition(illegalRequest(0x55, 0x06));
    chip.write([...kept.values()]);
    return good();
  });
}
