/** WRITE (6), WRITE FILEMARKS (6) and ERASE (6). SSC-4, 6.13, 6.14, 6.2. */
import { crc32c } from '../bytes/crc32c.ts';
import { FormatError } from '../bytes/errors.ts';
import { viewOf } from '../bytes/layout.ts';
import type { Lender } from '../bytes/lender.ts';
import { systemRandom } from '../bytes/random.ts';
import { dataPhaseError, invalidFieldInCdb, type Sense } from '../scsi/common/sense.ts';
import { checkCondition, good, type ScsiResult } from '../scsi/execute.ts';
import { FormatMedium, ReadWrite6, WriteFilemarks6 } from '../scsi/stream/commands.ts';
import { EncryptionMode, type EncryptionParameters } from '../scsi/stream/encryption.ts';
import { TapeAlert } from '../scsi/stream/log-pages.ts';
import {
  appendPositionError,
  earlyWarning,
  guardCheckFailed,
  volumeOverflow,
  wormOverwrite,
  writeProtected,
} from '../scsi/stream/sense.ts';
import type { TapeMedium, WriteOutcome } from '../tape/medium.ts';
import type { Handler } from './logical-unit.ts';
import { BLOCK_LENGTH_MAX, type DriveState, PROTECTION_BYTES, writeFailureSense } from './tape-drive-state.ts';
import { sealRecord } from './tape-encryption.ts';

export function write6(state: DriveState): Handler {
  return state.onMedium('WRITE', async (medium, command, { nexus, owner = nexus }) => {
    const view = viewOf(command.cdb);
    const fixed = ReadWrite6.fixed.get(view, 0);
    const count = ReadWrite6.transferLength.get(view, 0);
    if (fixed && state.blockLength === 0) return checkCondition(invalidFieldInCdb(1, 0));
    const blockLength = fixed ? state.blockLength : count;
    const blocks = fixed ? count : 1;
    if (count === 0) return good();
    if (blockLength > BLOCK_LENGTH_MAX) return checkCondition(invalidFieldInCdb(2));
    const data = command.dataOut;
    if (data === undefined || data.length < blocks * blockLength) return checkCondition(dataPhaseError());
    const refused = refusal(medium);
    if (refused !== undefined) return checkCondition(refused);
    const keys = state.encryption.of(owner);
    const lent = { data, lender: command.dataOutLender, keys };
    const result = await writeBlocks(state, medium, lent, blocks, blockLength, fixed);
    if (!state.buffered) await state.synchronize(medium);
    return result;
  });
}

interface LentData {
  readonly data: Uint8Array;
  readonly lender: Lender | undefined;
  readonly keys: EncryptionParameters | undefined;
}

/** The record as it is, or encrypted. */
function append(
  medium: TapeMedium,
  record: Uint8Array,
  lender: Lender | undefined,
  keys: EncryptionParameters | undefined,
): Promise<WriteOutcome> {
  if (keys?.encryptionMode !== EncryptionMode.encrypt) return medium.append(record, lender);
  return medium.append(sealRecord(record, keys.key, keys.kad, systemRandom), undefined, true);
}

async function writeBlocks(
  state: DriveState,
  medium: TapeMedium,
  { data, lender, keys }: LentData,
  blocks: number,
  blockLength: number,
  fixed: boolean,
): Promise<ScsiResult> {
  let warned = false;
  for (let done = 0; done < blocks; done++) {
    const at = done * blockLength;
    const record = unprotected(state, data.subarray(at, at + blockLength));
    if (record === undefined) return checkCondition(guardCheckFailed(fixed ? blocks - done : blockLength));
    state.noteWrite(medium);
    const outcome = await attempt(state, 'WRITE', () => append(medium, record, lender, keys));
    if (typeof outcome !== 'string') return checkCondition(outcome);
    if (outcome === 'end-of-medium') return checkCondition(volumeOverflow(fixed ? blocks - done : blockLength));
    state.noteWritten(record.length);
    warned ||= outcome === 'early-warning';
  }
  return warned ? checkCondition(earlyWarning()) : good();
}

/** The record of a block; `undefined`: the CRC-32C behind it is not its own. SSC-4, 4.2.29. */
function unprotected(state: DriveState, block: Uint8Array): Uint8Array | undefined {
  if (!state.protection.write) return block;
  if (block.length <= PROTECTION_BYTES) return undefined;
  const record = block.subarray(0, block.length - PROTECTION_BYTES);
  return crc32c(record) === viewOf(block).getUint32(record.length, true) ? record : undefined;
}

export function writeFilemarks6(state: DriveState): Handler {
  return state.onMedium('WRITE FILEMARKS', async (medium, command) => {
    const view = viewOf(command.cdb);
    if (WriteFilemarks6.wsmk.get(view, 0)) return checkCondition(invalidFieldInCdb(1, 1));
    const count = WriteFilemarks6.filemarkCount.get(view, 0);
    const immediate = WriteFilemarks6.immed.get(view, 0);
    let outcome: WriteOutcome | Sense = 'written';
    if (count > 0) {
      const refused = refusal(medium);
      if (refused !== undefined) return checkCondition(refused);
      state.leaveFile();
      state.noteWrite(medium);
      outcome = await attempt(state, 'WRITE FILEMARKS', () => medium.writeFilemarks(count));
      if (typeof outcome === 'string' && outcome !== 'end-of-medium') state.counters.filemarksWritten += count;
      state.leaveFile();
    }
    if (typeof outcome !== 'string') return checkCondition(outcome);
    if (outcome === 'end-of-medium') return checkCondition(volumeOverflow(count));
    if (!immediate) await state.synchronize(medium);
    return outcome === 'early-warning' ? checkCondition(earlyWarning()) : good();
  });
}

/** FORMAT MEDIUM: one partition, nothing on it; only at its beginning. SSC-4, 7.1. */
export function formatMedium(state: DriveState): Handler {
  return state.onMedium('FORMAT MEDIUM', async (medium, { cdb }) => {
    const view = viewOf(cdb);
    if (FormatMedium.verify.get(view, 0)) return checkCondition(invalidFieldInCdb(1, 1));
    if (FormatMedium.format.get(view, 0) !== 0) return checkCondition(invalidFieldInCdb(2, 3));
    if (FormatMedium.transferLength.get(view, 0) !== 0) return checkCondition(invalidFieldInCdb(3));
    if (!medium.position.atBeginning) return checkCondition(appendPositionError());
    const refused = medium.worm && !medium.position.atEndOfData ? wormOverwrite() : refusal(medium);
    if (refused !== undefined) return checkCondition(refused);
    state.leaveFile();
    await medium.erase();
    return good();
  });
}

export function erase6(state: DriveState): Handler {
  return state.onMedium('ERASE', async (medium) => {
    const refused = medium.worm ? wormOverwrite() : refusal(medium);
    if (refused !== undefined) return checkCondition(refused);
    await state.synchronize(medium);
    state.leaveFile();
    await medium.erase();
    return good();
  });
}

/** Why nothing may be written here. */
function refusal(medium: TapeMedium): Sense | undefined {
  if (!medium.writable) return writeProtected();
  if (medium.worm && !medium.position.atEndOfData) return wormOverwrite();
  return undefined;
}

/** What the medium says, or why an earlier write or this one failed, with the cause kept. */
async function attempt(
  state: DriveState,
  words: string,
  write: () => Promise<WriteOutcome>,
): Promise<WriteOutcome | Sense> {
  try {
    return await write();
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    state.leaveFile();
    state.unsynced = undefined; // the loss is told now; reading and moving go on
    state.note(words, error, TapeAlert.writeFailure);
    return writeFailureSense(error);
  }
}
