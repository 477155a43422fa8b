/**
 * Encryption in a tape drive: keys per nexus or for all, set with SECURITY PROTOCOL OUT and told of with SECURITY PROTOCOL
 * IN. SSC-4, 4.2.22, 8.5.
 *
 * Invariant: keys are in memory alone. No answer has one, and they go with a reset, with their nexus, and, where the host
 * asked for it, with the volume.
 */
import { FormatError } from '../bytes/errors.ts';
import { viewOf } from '../bytes/layout.ts';
import {
  encodeSecurityProtocols,
  noCertificates,
  SecurityProtocol,
  SecurityProtocolIn,
  SecurityProtocolOut,
} from '../scsi/common/security.ts';
import {
  dataPhaseError,
  invalidFieldInCdb,
  invalidFieldInParameterList,
  parameterListLengthError,
  type Sense,
} from '../scsi/common/sense.ts';
import { checkCondition, good, type ScsiResult } from '../scsi/execute.ts';
import {
  ALGORITHM_AES_256_GCM,
  AUTHENTICATED_KAD_MAX,
  BlockEncryption,
  DecryptionMode,
  decodeKad,
  EncryptionInPage,
  EncryptionMode,
  EncryptionOutPage,
  type EncryptionParameters,
  EncryptionScope,
  encodeEncryptionCapabilities,
  encodeEncryptionStatus,
  encodeKeyFormats,
  encodeManagementCapabilities,
  encodeNextBlockStatus,
  encodePageList,
  KadType,
  KEY_BYTES,
  type KeyAssociatedData,
  SetDataEncryption,
  UNAUTHENTICATED_KAD_MAX,
} from '../scsi/stream/encryption.ts';
import { mediumNotPresent } from '../scsi/stream/sense.ts';
import type { TapeMedium } from '../tape/medium.ts';
import { dataIn, type Handler } from './handler.ts';
import type { DriveState } from './tape-drive-state.ts';
import { openRecord, SEAL_BYTES_MAX, sealedParts } from './tape-encryption.ts';

/** Nexuses with parameters of their own. */
const LOCAL_MAX = 256;

/** The parameters of a drive's nexuses. */
export class Encryption {
  #all: EncryptionParameters | undefined;
  readonly #local = new Map<string, EncryptionParameters>();
  /** Raised with each change. */
  keyInstanceCounter = 0;

  /** What the blocks of `nexus` go through; `undefined`: nothing. */
  of(nexus: string): EncryptionParameters | undefined {
    return this.#local.get(nexus) ?? this.#all;
  }

  /** False: too many nexuses have parameters of their own. */
  set(nexus: string, parameters: EncryptionParameters): boolean {
    const off =
      parameters.encryptionMode === EncryptionMode.disable && parameters.decryptionMode === DecryptionMode.disable;
    this.#local.delete(nexus);
    if (parameters.scope === EncryptionScope.local && !off) {
      if (this.#local.size >= LOCAL_MAX) return false;
      this.#local.set(nexus, parameters);
    }
    if (parameters.scope === EncryptionScope.allNexuses) this.#all = off ? undefined : parameters;
    this.keyInstanceCounter = (this.keyInstanceCounter + 1) >>> 0;
    return true;
  }

  /** The volume was taken out. */
  demounted(): void {
    if (this.#all?.clearOnDemount) this.#all = undefined;
    for (const [nexus, { clearOnDemount }] of this.#local) if (clearOnDemount) this.#local.delete(nexus);
  }
  loseNexus(nexus: string): void {
    this.#local.delete(nexus);
  }
  reset(): void {
    this.#all = undefined;
    this.#local.clear();
  }
}

export function securityProtocolIn(state: DriveState): Handler {
  return async (command, { nexus, owner = nexus }) => {
    const view = viewOf(command.cdb);
    const f = SecurityProtocolIn;
    if (f.inc512.get(view, 0)) return checkCondition(invalidFieldInCdb(4, 7));
    const pageCode = f.securityProtocolSpecific.get(view, 0);
    const protocol = f.securityProtocol.get(view, 0);
    const page =
      protocol === SecurityProtocol.information
        ? informationPage(pageCode)
        : protocol === SecurityProtocol.tapeEncryption
          ? await encryptionPage(state, pageCode, owner)
          : invalidFieldInCdb(1);
    if (!(page instanceof Uint8Array)) return checkCondition(page);
    return dataIn(command, page, f.length.get(view, 0));
  };
}

function informationPage(page: number): Uint8Array | Sense {
  if (page === 0) return encodeSecurityProtocols(Object.values(SecurityProtocol));
  return page === 1 ? noCertificates() : invalidFieldInCdb(2);
}

async function encryptionPage(state: DriveState, page: number, nexus: string): Promise<Uint8Array | Sense> {
  switch (page) {
    case EncryptionInPage.inSupport:
      return encodePageList(page, Object.values(EncryptionInPage));
    case EncryptionInPage.outSupport:
      return encodePageList(page, Object.values(EncryptionOutPage));
    case EncryptionInPage.capabilities:
      return encodeEncryptionCapabilities();
    case EncryptionInPage.keyFormats:
      return encodeKeyFormats();
    case EncryptionInPage.managementCapabilities:
      return encodeManagementCapabilities();
    case EncryptionInPage.status:
      return encodeEncryptionStatus(state.encryption.of(nexus), state.encryption.keyInstanceCounter);
    case EncryptionInPage.nextBlockStatus:
      return state.ready === undefined ? mediumNotPresent() : nextBlock(state, state.ready, nexus);
    default:
      return invalidFieldInCdb(2);
  }
}

/** Looks at the next object and goes back before it. */
async function nextBlock(state: DriveState, medium: TapeMedium, nexus: string): Promise<Uint8Array> {
  await state.synchronize(medium);
  const { object } = medium.position;
  const outcome = await medium.read(new Uint8Array(SEAL_BYTES_MAX));
  let stored: Uint8Array | undefined;
  if (outcome.kind === 'record' && outcome.encrypted) {
    await medium.locate(object);
    const whole = await medium.read(new Uint8Array(outcome.length));
    if (whole.kind === 'record') stored = whole.data;
  }
  await medium.locate(object);
  if (outcome.kind !== 'record') return encodeNextBlockStatus(object, BlockEncryption.noBlock, []);
  if (!outcome.encrypted) return encodeNextBlockStatus(object, BlockEncryption.notEncrypted, []);
  const parts = stored && sealedParts(stored);
  if (stored === undefined || parts === undefined)
    return encodeNextBlockStatus(object, BlockEncryption.unknownAlgorithm, []);
  const key = state.encryption.of(nexus)?.key;
  const readable = key !== undefined && key.length === KEY_BYTES && openRecord(stored, key) !== undefined;
  return encodeNextBlockStatus(object, readable ? BlockEncryption.readable : BlockEncryption.otherKey, parts.kad);
}

/** `changed` is told the nexus that has changed parameters for all. */
export function securityProtocolOut(state: DriveState, changed: (nexus: string) => void): Handler {
  return ({ cdb, dataOut }, { nexus }) => {
    const view = viewOf(cdb);
    const f = SecurityProtocolOut;
    if (f.inc512.get(view, 0)) return checkCondition(invalidFieldInCdb(4, 7));
    if (f.securityProtocol.get(view, 0) !== SecurityProtocol.tapeEncryption)
      return checkCondition(invalidFieldInCdb(1));
    if (f.securityProtocolSpecific.get(view, 0) !== EncryptionOutPage.setDataEncryption)
      return checkCondition(invalidFieldInCdb(2));
    const length = f.length.get(view, 0);
    if (length === 0) return good();
    if (dataOut === undefined || dataOut.length < length) return checkCondition(dataPhaseError());
    return setEncryption(state, dataOut.subarray(0, length), nexus, changed);
  };
}

function setEncryption(
  state: DriveState,
  list: Uint8Array,
  nexus: string,
  changed: (nexus: string) => void,
): ScsiResult {
  const given = parametersOf(list);
  if (!('scope' in given)) return checkCondition(given);
  if (!state.encryption.set(nexus, given)) return checkCondition(invalidFieldInParameterList(4, 7));
  if (given.scope === EncryptionScope.allNexuses) changed(nexus);
  return good();
}

/** What a Set Data Encryption page asks for, or what of it cannot be. */
function parametersOf(list: Uint8Array): EncryptionParameters | Sense {
  if (list.length < SetDataEncryption.byteLength) return parameterListLengthError();
  const page = SetDataEncryption.decodeAll(viewOf(list));
  const keyEnd = SetDataEncryption.byteLength + page.keyLength;
  if (page.pageCode !== EncryptionOutPage.setDataEncryption) return invalidFieldInParameterList(0);
  if (page.pageLength !== list.length - 4 || keyEnd > list.length) return parameterListLengthError();
  const wrong = refusedField(page);
  if (wrong !== undefined) return invalidFieldInParameterList(wrong);
  let kad: KeyAssociatedData[];
  try {
    kad = decodeKad(list.subarray(keyEnd));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return parameterListLengthError();
  }
  const limits: Readonly<Record<number, number>> = {
    [KadType.unauthenticated]: UNAUTHENTICATED_KAD_MAX,
    [KadType.authenticated]: AUTHENTICATED_KAD_MAX,
  };
  const types = new Set(kad.map(({ type }) => type));
  if (types.size < kad.length || kad.some(({ type, value }) => value.length > (limits[type] ?? -1)))
    return invalidFieldInParameterList(keyEnd);
  return {
    scope: page.scope,
    encryptionMode: page.encryptionMode,
    decryptionMode: page.decryptionMode,
    key: list.slice(SetDataEncryption.byteLength, keyEnd),
    kad,
    clearOnDemount: page.ckod,
  };
}

/** Byte of the first field that asks for what is not here. */
function refusedField(page: ReturnType<typeof SetDataEncryption.decodeAll>): number | undefined {
  const { encryptionMode, decryptionMode } = page;
  if (page.scope > EncryptionScope.allNexuses || page.lock) return 4;
  if (page.sdk || page.ckorp || page.ckorl) return 5;
  if (encryptionMode !== EncryptionMode.disable && encryptionMode !== EncryptionMode.encrypt) return 6;
  if (decryptionMode === DecryptionMode.raw || decryptionMode > DecryptionMode.mixed) return 7;
  const on = encryptionMode !== EncryptionMode.disable || decryptionMode !== DecryptionMode.disable;
  if (!on) return undefined;
  if (page.algorithmIndex !== ALGORITHM_AES_256_GCM) return 8;
  if (page.keyFormat !== 0) return 9;
  return page.keyLength === KEY_BYTES ? undefined : 18;
}
