/** MODE SENSE and MODE SELECT (6, 10) of a tape drive. SSC-4, 8.3. Nothing but the block length and buffered mode can be changed. */
import { FormatError } from '../bytes/errors.ts';
import { viewOf } from '../bytes/layout.ts';
import {
  decodeModeParameters,
  encodeModeParameters,
  type ModeForm,
  type ModeParameters,
  ModeSelect6,
  ModeSelect10,
  ModeSense6,
  ModeSense10,
  splitModePages,
} from '../scsi/common/mode.ts';
import {
  dataPhaseError,
  invalidFieldInCdb,
  invalidFieldInParameterList,
  parameterListLengthError,
  type Sense,
} from '../scsi/common/sense.ts';
import { checkCondition, good, type ScsiCommand, type ScsiResult } from '../scsi/execute.ts';
import {
  DataCompressionPage,
  DeviceConfigurationPage,
  DeviceSpecificParameter,
  MediumConfigurationPage,
  MediumPartitionPage,
  StreamPage,
} from '../scsi/stream/mode-pages.ts';
import { savingNotSupported } from '../scsi/stream/sense.ts';
import { dataIn, type Handler } from './logical-unit.ts';
import { BLOCK_LENGTH_MAX, type DriveState } from './tape-drive-state.ts';

/** Vendor's density code (80h to FEh) of virtual tape. */
export const DENSITY_CODE = 0x80;
/** DENSITY CODE in MODE SELECT: 00h the default, 7Fh no change. SSC-4, table 117. */
const DENSITY_DEFAULT = 0x00;
const DENSITY_UNCHANGED = 0x7f;
const PageControl = { current: 0, changeable: 1, default: 2, saved: 3 } as const;

/** The pages by code, as they stand. None has a bit that MODE SELECT could change. */
function pagesOf(state: DriveState): ReadonlyMap<number, Uint8Array> {
  const worm = state.ready?.worm ?? false;
  return new Map([
    [StreamPage.dataCompression, DataCompressionPage.encode({ pageCode: StreamPage.dataCompression, pageLength: 14 })],
    [
      StreamPage.deviceConfiguration,
      DeviceConfigurationPage.encode({
        pageCode: StreamPage.deviceConfiguration,
        pageLength: 14,
        lois: true,
        eeg: true,
      }),
    ],
    [
      StreamPage.mediumPartition,
      MediumPartitionPage.encode({ pageCode: StreamPage.mediumPartition, pageLength: 8, mediumFormatRecognition: 1 }),
    ],
    [
      StreamPage.mediumConfiguration,
      MediumConfigurationPage.encode({ pageCode: StreamPage.mediumConfiguration, pageLength: 30, wormm: worm }),
    ],
  ]);
}

export function modeSense(state: DriveState, form: ModeForm): Handler {
  const fields = form === 6 ? ModeSense6 : ModeSense10;
  return (command) => {
    const view = viewOf(command.cdb);
    const control = fields.pageControl.get(view, 0);
    const code = fields.pageCode.get(view, 0);
    const subpage = fields.subpageCode.get(view, 0);
    if (control === PageControl.saved) return checkCondition(savingNotSupported());
    if (subpage !== 0 && subpage !== 0xff) return checkCondition(invalidFieldInCdb(3));
    const pages = selectPages(state, code);
    if (pages === undefined) return checkCondition(invalidFieldInCdb(2, 5));
    const shown = control === PageControl.changeable ? pages.map(unchangeable) : pages;
    const parameters = parametersOf(state, shown, fields.dbd.get(view, 0));
    return dataIn(command, encodeModeParameters(parameters, form), fields.allocationLength.get(view, 0));
  };
}

/** Page 00h is the vendor's: here as with most drives the header and block descriptor alone. */
function selectPages(state: DriveState, code: number): Uint8Array[] | undefined {
  const pages = pagesOf(state);
  if (code === StreamPage.none) return [];
  if (code === StreamPage.all) return [...pages.values()];
  const page = pages.get(code);
  return page && [page];
}

function unchangeable(page: Uint8Array): Uint8Array {
  const out = new Uint8Array(page.length);
  out.set(page.subarray(0, 2));
  return out;
}

function parametersOf(state: DriveState, pages: readonly Uint8Array[], withoutDescriptor: boolean): ModeParameters {
  const medium = state.ready;
  const specific = DeviceSpecificParameter.encode({
    wp: medium !== undefined && !medium.writable,
    bufferedMode: state.buffered ? 1 : 0,
  });
  const blockDescriptor = { densityCode: DENSITY_CODE, numberOfBlocks: 0, blockLength: state.blockLength };
  return {
    mediumType: 0,
    deviceSpecificParameter: specific[0],
    ...(withoutDescriptor ? {} : { blockDescriptor }),
    pages: Buffer.concat(pages),
  };
}

/** `onChange` is told the nexus that changed something. */
export function modeSelect(state: DriveState, form: ModeForm, onChange: (nexus: string) => void): Handler {
  const fields = form === 6 ? ModeSelect6 : ModeSelect10;
  return (command, { nexus }) => {
    const view = viewOf(command.cdb);
    if (fields.sp.get(view, 0)) return checkCondition(invalidFieldInCdb(1, 0));
    const length = fields.parameterListLength.get(view, 0);
    if (length === 0) return good();
    return select(state, command, length, form, () => onChange(nexus));
  };
}

function select(
  state: DriveState,
  command: ScsiCommand,
  length: number,
  form: ModeForm,
  onChange: () => void,
): ScsiResult {
  if (command.dataOut === undefined || command.dataOut.length < length) return checkCondition(dataPhaseError());
  const list = command.dataOut.subarray(0, length);
  let parameters: ModeParameters;
  try {
    parameters = decodeModeParameters(list, form);
    splitModePages(parameters.pages);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return checkCondition(parameterListLengthError());
  }
  const wrong = refused(state, parameters, form, length - parameters.pages.length);
  if (wrong !== undefined) return checkCondition(wrong);
  const buffered =
    DeviceSpecificParameter.bufferedMode.get(viewOf(Uint8Array.of(parameters.deviceSpecificParameter)), 0) === 1;
  const blockLength = parameters.blockDescriptor?.blockLength ?? state.blockLength;
  if (buffered === state.buffered && blockLength === state.blockLength) return good();
  state.buffered = buffered;
  state.blockLength = blockLength;
  onChange();
  return good();
}

/** Byte and reason of the first thing that cannot be as the list has it. */
function refused(state: DriveState, parameters: ModeParameters, form: ModeForm, pagesAt: number): Sense | undefined {
  const descriptorAt = form === 6 ? 4 : 8;
  const { blockDescriptor: descriptor } = parameters;
  const mode = DeviceSpecificParameter.bufferedMode.get(viewOf(Uint8Array.of(parameters.deviceSpecificParameter)), 0);
  if (mode > 1) return invalidFieldInParameterList(form === 6 ? 2 : 3, 6);
  if (descriptor === undefined && pagesAt > descriptorAt) return parameterListLengthError();
  if (descriptor) {
    const known = [DENSITY_CODE, DENSITY_DEFAULT, DENSITY_UNCHANGED].includes(descriptor.densityCode);
    if (!known) return invalidFieldInParameterList(descriptorAt);
    if (descriptor.numberOfBlocks !== 0) return invalidFieldInParameterList(descriptorAt + 1);
    if (descriptor.blockLength > BLOCK_LENGTH_MAX) return invalidFieldInParameterList(descriptorAt + 5);
  }
  const pages = pagesOf(state);
  for (const { pageCode, subpageCode, body, at } of splitModePages(parameters.pages)) {
    const page = pages.get(pageCode);
    if (page === undefined || subpageCode !== 0) return invalidFieldInParameterList(pagesAt + at);
    if (body.length !== page.length - 2) return invalidFieldInParameterList(pagesAt + at + 1);
    const changed = body.findIndex((byte, i) => byte !== page[i + 2]);
    if (changed >= 0) return invalidFieldInParameterList(pagesAt + at + 2 + changed);
  }
  return undefined;
}
