/**
 * MODE SENSE and MODE SELECT (6, 10) of a tape drive. SSC-4, 8.3. What can be changed: block length, buffered mode, the
 * compression flag, logical block protection.
 */
import { FormatError } from '../bytes/errors.ts';
import { viewOf } from '../bytes/layout.ts';
import {
  decodeModeParameters,
  encodeModeParameters,
  type ModeForm,
  type ModePage,
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
  ControlPage,
  DataCompressionPage,
  DeviceConfigurationPage,
  DeviceSpecificParameter,
  ErrorRecoveryPage,
  InformationalExceptionsPage,
  LogicalBlockProtectionPage,
  MediumConfigurationPage,
  MediumPartitionPage,
  StreamPage,
  StreamSubpage,
  SubpageHeader,
} from '../scsi/stream/mode-pages.ts';
import { savingNotSupported } from '../scsi/stream/sense.ts';
import { dataIn, type Handler } from './logical-unit.ts';
import { BLOCK_LENGTH_MAX, type BlockProtection, type DriveState, PROTECTION_BYTES } from './tape-drive-state.ts';

/** Vendor's density code (80h to FEh) of virtual tape. */
export const DENSITY_CODE = 0x80;
/** DENSITY CODE in MODE SELECT: 00h the default, 7Fh no change. SSC-4, table 117. */
const DENSITY_DEFAULT = 0x00;
const DENSITY_UNCHANGED = 0x7f;
const PageControl = { current: 0, changeable: 1, default: 2, saved: 3 } as const;
/** LOGICAL BLOCK PROTECTION METHOD of CRC-32C. SSC-4, table 151. */
const PROTECTION_NONE = 0;
const PROTECTION_CRC32C = 2;
/** COMPRESSION ALGORITHM: the default one. SSC-4, table 121. */
const COMPRESSION_DEFAULT = 1;
const TASK_SET_PER_NEXUS = 1;
const RETRIES = 1;

/** Mode parameters that pages show. */
interface Shown {
  readonly compression: boolean;
  readonly protection: BlockProtection;
  readonly worm: boolean;
}

interface PageDefinition {
  readonly code: number;
  readonly subpage: number;
  readonly bytes: Uint8Array;
  /** Ones where MODE SELECT may change something; nothing if missing. */
  readonly mask?: Uint8Array;
}

/** The pages in order of code and subpage. */
function pagesOf({ compression, protection, worm }: Shown): readonly PageDefinition[] {
  const page = (code: number, bytes: Uint8Array, mask?: Uint8Array): PageDefinition => ({
    code,
    subpage: 0,
    bytes,
    ...(mask && { mask }),
  });
  return [
    page(StreamPage.errorRecovery, errorRecovery()),
    page(StreamPage.disconnectReconnect, Uint8Array.of(StreamPage.disconnectReconnect, 14, ...new Uint8Array(14))),
    page(StreamPage.control, ControlPage.encode({ pageCode: 0x0a, pageLength: 10, tst: TASK_SET_PER_NEXUS })),
    extension(StreamPage.control),
    protectionPage(protection),
    compressionPage(compression),
    page(StreamPage.deviceConfiguration, deviceConfiguration()),
    extension(StreamPage.deviceConfiguration),
    page(
      StreamPage.mediumPartition,
      MediumPartitionPage.encode({ pageCode: StreamPage.mediumPartition, pageLength: 8, mediumFormatRecognition: 1 }),
    ),
    page(
      StreamPage.informationalExceptions,
      InformationalExceptionsPage.encode({
        pageCode: StreamPage.informationalExceptions,
        pageLength: 10,
        dexcpt: true,
      }),
    ),
    page(
      StreamPage.mediumConfiguration,
      MediumConfigurationPage.encode({ pageCode: StreamPage.mediumConfiguration, pageLength: 30, wormm: worm }),
    ),
  ];
}

const errorRecovery = (): Uint8Array =>
  ErrorRecoveryPage.encode({
    pageCode: StreamPage.errorRecovery,
    pageLength: 10,
    readRetryCount: RETRIES,
    writeRetryCount: RETRIES,
  });

const deviceConfiguration = (): Uint8Array =>
  DeviceConfigurationPage.encode({
    pageCode: StreamPage.deviceConfiguration,
    pageLength: 14,
    lois: true,
    eeg: true,
    selectDataCompressionAlgorithm: COMPRESSION_DEFAULT,
  });

/** Control Extension and Device Configuration Extension: nothing in them is supported. */
function extension(code: number): PageDefinition {
  const bytes = new Uint8Array(32);
  const head = { spf: true, pageCode: code, subpageCode: StreamSubpage.extension, pageLength: 28 };
  SubpageHeader.write(viewOf(bytes), 0, head);
  return { code, subpage: StreamSubpage.extension, bytes };
}

function compressionPage(compression: boolean): PageDefinition {
  const head = { pageCode: StreamPage.dataCompression, pageLength: 14 };
  const bytes = DataCompressionPage.encode({
    ...head,
    dce: compression,
    dcc: true,
    dde: true,
    compressionAlgorithm: COMPRESSION_DEFAULT,
    decompressionAlgorithm: COMPRESSION_DEFAULT,
  });
  const mask = DataCompressionPage.encode({ ...head, dce: true });
  return { code: StreamPage.dataCompression, subpage: 0, bytes, mask };
}

function protectionPage({ write, read }: BlockProtection): PageDefinition {
  const subpage = StreamSubpage.logicalBlockProtection;
  const head = { spf: true, pageCode: StreamPage.control, subpageCode: subpage, pageLength: 28 };
  const on = write || read;
  const bytes = LogicalBlockProtectionPage.encode({
    ...head,
    method: on ? PROTECTION_CRC32C : PROTECTION_NONE,
    informationLength: on ? PROTECTION_BYTES : 0,
    lbpW: write,
    lbpR: read,
  });
  const mask = LogicalBlockProtectionPage.encode({
    ...head,
    method: 0xff,
    informationLength: 0x3f,
    lbpW: true,
    lbpR: true,
  });
  return { code: StreamPage.control, subpage, bytes, mask };
}

const DEFAULTS = { compression: true, protection: { write: false, read: false } };

const shownBy = (state: DriveState): Shown => ({
  compression: state.compression,
  protection: state.protection,
  worm: state.ready?.worm ?? false,
});

export function modeSense(state: DriveState, form: ModeForm): Handler {
  const fields = form === 6 ? ModeSense6 : ModeSense10;
  return (command) => {
    const view = viewOf(command.cdb);
    const control = fields.pageControl.get(view, 0);
    const code = fields.pageCode.get(view, 0);
    const subpage = fields.subpageCode.get(view, 0);
    if (control === PageControl.saved) return checkCondition(savingNotSupported());
    const shown = control === PageControl.default ? { ...shownBy(state), ...DEFAULTS } : shownBy(state);
    const pages = selectPages(pagesOf(shown), code, subpage);
    if (pages === undefined) return checkCondition(invalidFieldInCdb(2, 5));
    if (pages.length === 0 && code !== StreamPage.none) return checkCondition(invalidFieldInCdb(3));
    const bytes = pages.map((page) => (control === PageControl.changeable ? maskOf(page) : page.bytes));
    const parameters = parametersOf(state, bytes, fields.dbd.get(view, 0));
    return dataIn(command, encodeModeParameters(parameters, form), fields.allocationLength.get(view, 0));
  };
}

/** Page 00h is the vendor's: here as with most drives the header and block descriptor alone. `undefined`: no such page. */
function selectPages(all: readonly PageDefinition[], code: number, subpage: number): PageDefinition[] | undefined {
  if (code === StreamPage.none) return subpage === 0 ? [] : undefined;
  const ofCode = code === StreamPage.all ? [...all] : all.filter((page) => page.code === code);
  if (ofCode.length === 0) return undefined;
  return subpage === StreamSubpage.all ? ofCode : ofCode.filter((page) => page.subpage === subpage);
}

const headLength = (page: PageDefinition): number => (page.subpage === 0 ? 2 : 4);

function maskOf(page: PageDefinition): Uint8Array {
  if (page.mask !== undefined) return page.mask;
  const out = new Uint8Array(page.bytes.length);
  out.set(page.bytes.subarray(0, headLength(page)));
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
  let pages: ModePage[];
  try {
    parameters = decodeModeParameters(list, form);
    pages = splitModePages(parameters.pages);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return checkCondition(parameterListLengthError());
  }
  const wrong = refused(state, parameters, pages, form, length - parameters.pages.length);
  if (wrong !== undefined) return checkCondition(wrong);
  if (take(state, parameters, pages)) onChange();
  return good();
}

/** Takes what was found to be right; whether anything is another than before. */
function take(state: DriveState, parameters: ModeParameters, pages: readonly ModePage[]): boolean {
  const before = JSON.stringify([state.buffered, state.blockLength, state.compression, state.protection]);
  state.buffered = bufferedModeOf(parameters) === 1;
  state.blockLength = parameters.blockDescriptor?.blockLength ?? state.blockLength;
  for (const { pageCode, subpageCode, body } of pages) {
    if (pageCode === StreamPage.dataCompression) state.compression = (body[0] & 0x80) !== 0;
    if (pageCode === StreamPage.control && subpageCode === StreamSubpage.logicalBlockProtection) {
      const on = body[0] === PROTECTION_CRC32C;
      state.protection = { write: on && (body[2] & 0x80) !== 0, read: on && (body[2] & 0x40) !== 0 };
    }
  }
  return JSON.stringify([state.buffered, state.blockLength, state.compression, state.protection]) !== before;
}

const bufferedModeOf = (parameters: ModeParameters): number =>
  DeviceSpecificParameter.bufferedMode.get(viewOf(Uint8Array.of(parameters.deviceSpecificParameter)), 0);

/** Byte and reason of the first thing that cannot be as the list has it. */
function refused(
  state: DriveState,
  parameters: ModeParameters,
  pages: readonly ModePage[],
  form: ModeForm,
  pagesAt: number,
): Sense | undefined {
  const descriptorAt = form === 6 ? 4 : 8;
  const { blockDescriptor: descriptor } = parameters;
  if (bufferedModeOf(parameters) > 1) return invalidFieldInParameterList(form === 6 ? 2 : 3, 6);
  if (descriptor === undefined && pagesAt > descriptorAt) return parameterListLengthError();
  if (descriptor) {
    const known = [DENSITY_CODE, DENSITY_DEFAULT, DENSITY_UNCHANGED].includes(descriptor.densityCode);
    if (!known) return invalidFieldInParameterList(descriptorAt);
    if (descriptor.numberOfBlocks !== 0) return invalidFieldInParameterList(descriptorAt + 1);
    if (descriptor.blockLength > BLOCK_LENGTH_MAX) return invalidFieldInParameterList(descriptorAt + 5);
  }
  const known = pagesOf(shownBy(state));
  for (const given of pages) {
    const wrong = refusedPage(known, given, pagesAt);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

function refusedPage(known: readonly PageDefinition[], given: ModePage, pagesAt: number): Sense | undefined {
  const { pageCode, subpageCode, body, at } = given;
  const page = known.find(({ code, subpage }) => code === pageCode && subpage === subpageCode);
  if (page === undefined) return invalidFieldInParameterList(pagesAt + at);
  const head = headLength(page);
  if (body.length !== page.bytes.length - head) return invalidFieldInParameterList(pagesAt + at + head - 1);
  const mask = maskOf(page);
  const changed = body.findIndex((byte, i) => ((byte ^ page.bytes[i + head]) & ~mask[i + head]) !== 0);
  if (changed >= 0) return invalidFieldInParameterList(pagesAt + at + head + changed);
  return subpageCode === StreamSubpage.logicalBlockProtection
    ? refusedProtection(body, pagesAt + at + head)
    : undefined;
}

/** CRC-32C with four bytes, or nothing. */
function refusedProtection(body: Uint8Array, at: number): Sense | undefined {
  const [method, length] = body;
  if (method !== PROTECTION_NONE && method !== PROTECTION_CRC32C) return invalidFieldInParameterList(at);
  if (method === PROTECTION_CRC32C && (length & 0x3f) !== PROTECTION_BYTES) return invalidFieldInParameterList(at + 1);
  return undefined;
}
