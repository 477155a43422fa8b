/** READ (6): one record of variable length, or a run of fixed blocks. SSC-4, 6.4; the sense data by its table. */
import { crc32c } from '../bytes/crc32c.ts';
import { FormatError } from '../bytes/errors.ts';
import { viewOf } from '../bytes/layout.ts';
import { invalidFieldInCdb, type Sense } from '../scsi/common/sense.ts';
import { checkCondition, good, NO_DATA, type ScsiCommand, type ScsiResult } from '../scsi/execute.ts';
import { ReadWrite6 } from '../scsi/stream/commands.ts';
import { DecryptionMode, type EncryptionParameters } from '../scsi/stream/encryption.ts';
import { TapeAlert } from '../scsi/stream/log-pages.ts';
import {
  cannotDecrypt,
  endOfDataMet,
  filemarkMet,
  incorrectLength,
  notEncrypted,
  otherKey,
  unrecoveredRead,
} from '../scsi/stream/sense.ts';
import type { ReadOutcome, TapeMedium } from '../tape/medium.ts';
import type { Handler } from './logical-unit.ts';
import { type DriveState, PROTECTION_BYTES } from './tape-drive-state.ts';
import { openRecord, SEAL_BYTES_MAX } from './tape-encryption.ts';

/** Bytes that one READ of fixed blocks may ask for. */
export const FIXED_READ_BYTES_MAX = 32 * 1024 * 1024;

export function read6(state: DriveState): Handler {
  return state.onMedium('READ', async (medium, command, { nexus, owner = nexus }) => {
    const view = viewOf(command.cdb);
    const fixed = ReadWrite6.fixed.get(view, 0);
    const sili = ReadWrite6.sili.get(view, 0);
    const length = ReadWrite6.transferLength.get(view, 0);
    if (fixed && (state.blockLength === 0 || sili)) return checkCondition(invalidFieldInCdb(1, sili ? 1 : 0));
    if (length === 0) return answer(command, NO_DATA);
    await state.synchronize(medium);
    state.leaveFile();
    const how = { state, medium, keys: state.encryption.of(owner) };
    return fixed ? readFixed(how, command, length) : readVariable(how, command, length, sili);
  });
}

/** What a READ works with. */
interface Reading {
  readonly state: DriveState;
  readonly medium: TapeMedium;
  readonly keys: EncryptionParameters | undefined;
}
/** As the medium has it, or why the record that is there cannot be given. The drive is before it then. */
type Read = ReadOutcome | { readonly kind: 'refused'; readonly sense: Sense };

async function readVariable(how: Reading, command: ScsiCommand, length: number, sili: boolean): Promise<ScsiResult> {
  const { state } = how;
  const into = buffer(command, length);
  const outcome = await readObject(how, into);
  switch (outcome.kind) {
    case 'refused':
      return answer(command, NO_DATA, outcome.sense);
    case 'record': {
      const recorded = outcome.length + protect(state, into, outcome.length);
      const data = into.subarray(0, Math.min(recorded, length));
      const quiet = sili && (recorded < length || state.blockLength === 0);
      if (recorded === length || quiet) return answer(command, data);
      return answer(command, data, incorrectLength(length - recorded));
    }
    case 'filemark':
      return answer(command, NO_DATA, filemarkMet(length));
    case 'end-of-data':
      return answer(command, NO_DATA, endOfDataMet(length));
    case 'damaged':
      return answer(command, NO_DATA, unrecoveredRead(length));
  }
}

async function readFixed(how: Reading, command: ScsiCommand, blocks: number): Promise<ScsiResult> {
  const { state } = how;
  const { blockLength } = state;
  if (blocks * blockLength > FIXED_READ_BYTES_MAX) return checkCondition(invalidFieldInCdb(2));
  const into = buffer(command, blocks * blockLength);
  for (let done = 0; done < blocks; done++) {
    const at = done * blockLength;
    const block = into.subarray(at, at + blockLength);
    const outcome = await readObject(how, block);
    const before = into.subarray(0, at);
    if (outcome.kind === 'record' && outcome.length + protect(state, block, outcome.length) === blockLength) continue;
    const left = blocks - done;
    switch (outcome.kind) {
      case 'refused':
        return answer(command, before, outcome.sense);
      case 'record':
        return answer(command, before, incorrectLength(left));
      case 'filemark':
        return answer(command, before, filemarkMet(left));
      case 'end-of-data':
        return answer(command, before, endOfDataMet(left));
      case 'damaged':
        return answer(command, before, unrecoveredRead(left));
    }
  }
  return answer(command, into);
}

/**
 * With logical block protection, puts the CRC-32C of a record behind it as far as `into` has room; answers how long it is.
 * Its bytes are in the order of iSCSI's digests, as SSC-4, 4.2.29.3 refers to RFC 3385.
 */
function protect(state: DriveState, into: Uint8Array, length: number): number {
  if (!state.protection.read) return 0;
  if (length < into.length) {
    const sum = new Uint8Array(PROTECTION_BYTES);
    viewOf(sum).setUint32(0, crc32c(into.subarray(0, length)), true);
    into.set(sum.subarray(0, Math.min(sum.length, into.length - length)), length);
  }
  return PROTECTION_BYTES;
}

/** The caller's Data-In Buffer where it is long enough for the whole answer, so that a record is not copied. */
function buffer(command: ScsiCommand, length: number): Uint8Array {
  const { dataIn, dataInLength = 0 } = command;
  return dataIn !== undefined && dataInLength >= length ? dataIn.subarray(0, length) : new Uint8Array(length);
}

/** Reads the next object. One that the host cannot read counts as damaged, and the drive goes behind it. */
async function readObject(how: Reading, into: Uint8Array): Promise<Read> {
  const { state, medium, keys } = how;
  const { object } = medium.position;
  try {
    const decrypts = keys !== undefined && keys.decryptionMode !== DecryptionMode.disable;
    const outcome = decrypts ? await readDecrypted(medium, keys, into) : await readPlain(medium, into);
    if (outcome.kind === 'refused') await medium.locate(object);
    if (outcome.kind === 'record') {
      state.counters.bytesRead += outcome.length;
      state.counters.recordsRead++;
    }
    if (outcome.kind === 'damaged') state.note('READ', outcome.reason, TapeAlert.readFailure);
    return outcome;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    await medium.locate(object + 1);
    state.note('READ', error, TapeAlert.readFailure);
    return { kind: 'damaged', length: 0, reason: error.message };
  }
}

async function readPlain(medium: TapeMedium, into: Uint8Array): Promise<Read> {
  const outcome = await medium.read(into);
  return outcome.kind === 'record' && outcome.encrypted ? { kind: 'refused', sense: cannotDecrypt() } : outcome;
}

async function readDecrypted(medium: TapeMedium, keys: EncryptionParameters, into: Uint8Array): Promise<Read> {
  const { object } = medium.position;
  let outcome = await medium.read(new Uint8Array(into.length + SEAL_BYTES_MAX));
  if (outcome.kind !== 'record') return outcome;
  if (!outcome.encrypted) {
    if (keys.decryptionMode === DecryptionMode.decrypt) return { kind: 'refused', sense: notEncrypted() };
    return given(into, outcome.data, outcome.length);
  }
  if (outcome.length > outcome.data.length) {
    await medium.locate(object); // the tag is over all of it
    outcome = await medium.read(new Uint8Array(outcome.length));
    if (outcome.kind !== 'record') return outcome;
  }
  const record = openRecord(outcome.data, keys.key);
  return record === undefined ? { kind: 'refused', sense: otherKey() } : given(into, record, record.length);
}

function given(into: Uint8Array, record: Uint8Array, length: number): Read {
  const data = into.subarray(0, Math.min(length, into.length));
  data.set(record.subarray(0, data.length));
  return { kind: 'record', length, data };
}

/** GOOD or CHECK CONDITION with `data`, which is in the caller's buffer already or goes there; what does not fit is cut. */
function answer(command: ScsiCommand, data: Uint8Array, sense?: Parameters<typeof checkCondition>[0]): ScsiResult {
  const { dataIn, dataInLength = 0 } = command;
  let given = data.subarray(0, Math.min(data.length, dataInLength));
  if (dataIn !== undefined && given.length > 0 && given.buffer !== dataIn.buffer) {
    dataIn.set(given);
    given = dataIn.subarray(0, given.length);
  }
  const residual = dataInLength - given.length;
  return sense === undefined ? good(given, residual) : checkCondition(sense, given, residual);
}
