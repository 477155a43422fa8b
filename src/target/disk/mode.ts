/** MODE SENSE and MODE SELECT of a disk. SBC-4, 6.5; SPC-4, 7.5. Software write protection can be changed and nothing else. */
import { FormatError } from '../../bytes/errors.ts';
import { viewOf } from '../../bytes/layout.ts';
import {
  decodeModeParameters,
  encodeModeParameters,
  type ModeForm,
  ModeSelect6,
  ModeSelect10,
  ModeSense6,
  ModeSense10,
  modePage,
  splitModePages,
} from '../../scsi/common/mode.ts';
import {
  dataPhaseError,
  illegalRequest,
  invalidFieldInCdb,
  invalidFieldInParameterList,
  parameterListLengthError,
  type Sense,
} from '../../scsi/common/sense.ts';
import { checkCondition, good, type ScsiCommand, type ScsiResult } from '../../scsi/execute.ts';
import { dataIn } from '../handler.ts';
import type { Disk } from './state.ts';

const Page = { caching: 0x08, control: 0x0a, informationalExceptions: 0x1c, all: 0x3f } as const;
const ALL_SUBPAGES = 0xff;
const PageControl = { current: 0, changeable: 1, default: 2, saved: 3 } as const;

/** Bytes of the pages' bodies and their bits. */
const WCE = 0x04; // caching, byte 2: flush with SYNCHRONIZE CACHE
const TST_PER_NEXUS = 0x20; // control, byte 2: each nexus has a task set of its own
const UNRESTRICTED_REORDERING = 0x10; // control, byte 3: QUEUE ALGORITHM MODIFIER 1h
const SWP = 0x08; // control, byte 4
const SWP_AT = 2; // in the body, which begins at byte 2

function pages(swp: boolean): ReadonlyMap<number, Uint8Array> {
  const caching = new Uint8Array(18);
  caching[0] = WCE;
  const control = new Uint8Array(10);
  control[0] = TST_PER_NEXUS;
  control[1] = UNRESTRICTED_REORDERING;
  control[SWP_AT] = swp ? SWP : 0;
  return new Map([
    [Page.caching, modePage(Page.caching, caching)],
    [Page.control, modePage(Page.control, control)],
    [Page.informationalExceptions, modePage(Page.informationalExceptions, new Uint8Array(10))],
  ]);
}

/** The bits that MODE SELECT may change. */
function changeable(): ReadonlyMap<number, Uint8Array> {
  const out = new Map([...pages(false)].map(([code, page]) => [code, modePage(code, new Uint8Array(page.length - 2))]));
  const control = out.get(Page.control);
  if (control !== undefined) control[2 + SWP_AT] = SWP;
  return out;
}

export function modeSense(disk: Disk, command: ScsiCommand, form: ModeForm): ScsiResult {
  const shape = form === 6 ? ModeSense6 : ModeSense10;
  const { pageControl, pageCode, subpageCode, dbd, allocationLength } = shape.decodeAll(viewOf(command.cdb));
  if (pageControl === PageControl.saved) return checkCondition(illegalRequest(0x39, 0x00));
  const all = pageCode === Page.all;
  const shown =
    pageControl === PageControl.changeable
      ? changeable()
      : pages(pageControl === PageControl.current && disk.softwareWriteProtect);
  const page = shown.get(pageCode);
  if (!all && page === undefined) return checkCondition(invalidFieldInCdb(2, 5));
  if (subpageCode !== 0 && subpageCode !== ALL_SUBPAGES) return checkCondition(invalidFieldInCdb(3));
  const numberOfBlocks = Math.min(0xff_ffff, disk.blocks);
  const parameters = {
    mediumType: 0,
    deviceSpecificParameter: (disk.writable && !disk.softwareWriteProtect ? 0 : 0x80) | 0x10, // WP, DPOFUA
    ...(dbd ? {} : { blockDescriptor: { densityCode: 0, numberOfBlocks, blockLength: disk.blockLength } }),
    pages: Buffer.concat(page === undefined ? [...shown.values()] : [page]),
  };
  return dataIn(command, encodeModeParameters(parameters, form), allocationLength);
}

/** `changed` is called when a parameter is another one now. */
export function modeSelect(disk: Disk, command: ScsiCommand, form: ModeForm, changed: () => void): ScsiResult {
  const shape = form === 6 ? ModeSelect6 : ModeSelect10;
  const { pf, sp, parameterListLength } = shape.decodeAll(viewOf(command.cdb));
  if (!pf) return checkCondition(invalidFieldInCdb(1, 4));
  if (sp) return checkCondition(invalidFieldInCdb(1, 0));
  if (parameterListLength === 0) return good();
  const data = command.dataOut;
  if (data === undefined || data.length < parameterListLength) return checkCondition(dataPhaseError());
  const list = data.subarray(0, parameterListLength);
  let wanted: boolean | Sense | undefined;
  try {
    const parameters = decodeModeParameters(list, form);
    wanted = softwareWriteProtectOf(disk, parameters.pages, list.length - parameters.pages.length);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return checkCondition(parameterListLengthError());
  }
  if (typeof wanted === 'object') return checkCondition(wanted);
  if (wanted !== undefined && wanted !== disk.softwareWriteProtect) {
    disk.softwareWriteProtect = wanted;
    changed();
  }
  return good();
}

/** SWP as the pages want it, if they have it; or what cannot be as they want it. @throws FormatError */
function softwareWriteProtectOf(disk: Disk, list: Uint8Array, listAt: number): boolean | Sense | undefined {
  const known = pages(disk.softwareWriteProtect);
  const mask = changeable();
  let wanted: boolean | undefined;
  for (const { pageCode, subpageCode, body, at } of splitModePages(list)) {
    const page = known.get(pageCode);
    const bits = mask.get(pageCode);
    if (page === undefined || bits === undefined || subpageCode !== 0) return invalidFieldInParameterList(listAt + at);
    if (body.length !== page.length - 2) return parameterListLengthError();
    const wrong = body.findIndex((byte, i) => ((byte ^ page[i + 2]) & ~bits[i + 2]) !== 0);
    if (wrong >= 0) return invalidFieldInParameterList(listAt + at + 2 + wrong);
    if (pageCode === Page.control) wanted = (body[SWP_AT] & SWP) !== 0;
  }
  return wanted;
}
