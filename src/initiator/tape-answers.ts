/**
 * What a tape drive's answers to READ, WRITE, SPACE and LOCATE mean. SSC-4, clause 6. An answer that contradicts itself is
 * a FormatError: a guess here would be a misread record.
 */
import { FormatError } from '../bytes/errors.ts';
import { bytes } from '../bytes/units.ts';
import { describeSense, type Sense, SenseKey } from '../scsi/common/sense.ts';
import type { Completed } from './retry.ts';
import type { TapeRead, TapeWrite } from './tape-drive.ts';
import { refusal } from './words.ts';

/** Longest record that READ(6) could ask for. */
const RECORD_MAX = 0xff_ffff;
const END_OF_MEDIUM = 0x0002;
const BEGINNING = 0x0004;

const code = (sense: Sense): number => sense.asc * 256 + sense.ascq;
const nonsense = (device: string, words: string, what: string): FormatError =>
  new FormatError('corrupt', device, `${words}: the drive's answer makes no sense: ${what}`);

/** READ of `into.length` bytes, variable, SILI=0. @throws ScsiError for a refusal, FormatError for nonsense */
export function readAnswer(device: string, words: string, result: Completed, into: Uint8Array): TapeRead {
  if (result.status !== 'check-condition') return wholeRecord(device, words, result.dataIn, into, 'GOOD');
  const { sense } = result;
  if (sense.deferred) throw refusal(device, words, result);
  switch (sense.key) {
    case SenseKey.noSense:
    case SenseKey.recoveredError:
      if (sense.incorrectLength) return otherLength(device, words, sense, result.dataIn, into);
      if (sense.filemark) return { kind: 'filemark' };
      if (sense.key === SenseKey.recoveredError || sense.endOfMedium)
        return wholeRecord(device, words, result.dataIn, into, describeSense(sense));
      throw nonsense(device, words, `CHECK CONDITION with ${describeSense(sense)}`);
    case SenseKey.blankCheck:
      return { kind: 'end-of-data' };
    case SenseKey.mediumError:
      return sense.endOfMedium && code(sense) === END_OF_MEDIUM ? { kind: 'end-of-data' } : { kind: 'damaged', sense };
    case SenseKey.hardwareError:
      return { kind: 'damaged', sense };
    default:
      throw refusal(device, words, result);
  }
}

/** All that was asked for must be there: nobody said that the record has another length. */
function wholeRecord(device: string, words: string, data: Uint8Array, into: Uint8Array, said: string): TapeRead {
  if (data.length !== into.length)
    throw nonsense(device, words, `${data.length} of ${into.length} bytes came with ${said}`);
  return { kind: 'record', length: bytes(data.length), data: inPlace(data, into) };
}

function otherLength(device: string, words: string, sense: Sense, data: Uint8Array, into: Uint8Array): TapeRead {
  const difference = sense.information;
  if (difference === undefined || difference === 0)
    throw nonsense(device, words, `incorrect length, and INFORMATION does not say by how much`);
  const length = into.length - difference;
  if (length <= 0 || length > RECORD_MAX) throw nonsense(device, words, `a record of ${length} bytes`);
  const expected = Math.min(length, into.length);
  if (data.length < expected) throw nonsense(device, words, `${data.length} of ${expected} bytes of the record came`);
  return { kind: 'record', length: bytes(length), data: inPlace(data.subarray(0, expected), into) };
}

/** `data` as a view of `into`; a transport that keeps its own buffers costs a copy. */
function inPlace(data: Uint8Array, into: Uint8Array): Uint8Array {
  if (data.buffer === into.buffer && data.byteOffset === into.byteOffset) return data;
  into.set(data);
  return into.subarray(0, data.length);
}

/** WRITE and WRITE FILEMARKS. Early warning counts as written only when the drive says that nothing is left. */
export function writeAnswer(device: string, words: string, result: Completed): TapeWrite {
  if (result.status !== 'check-condition') return 'written';
  const { sense } = result;
  if (!sense.deferred && sense.key === SenseKey.volumeOverflow) return 'end-of-medium';
  const mild = sense.key === SenseKey.noSense || sense.key === SenseKey.recoveredError;
  if (sense.deferred || !mild) throw refusal(device, words, result);
  if ((sense.information ?? 0) !== 0)
    throw nonsense(device, words, `not an error, yet INFORMATION says that ${sense.information} was not written`);
  if (sense.endOfMedium) return 'early-warning';
  if (sense.key === SenseKey.recoveredError) return 'written';
  throw nonsense(device, words, `CHECK CONDITION with ${describeSense(sense)}`);
}

/** SPACE over `count` filemarks: how many were not passed. */
export function spaceAnswer(device: string, words: string, result: Completed, count: number): number {
  if (result.status !== 'check-condition') return 0;
  const { sense } = result;
  const atEnd = sense.key === SenseKey.blankCheck;
  const atBeginning = sense.key === SenseKey.noSense && sense.endOfMedium && code(sense) === BEGINNING;
  if (sense.deferred || (!atEnd && !atBeginning)) {
    if (sense.key === SenseKey.noSense) throw nonsense(device, words, `CHECK CONDITION with ${describeSense(sense)}`);
    throw refusal(device, words, result);
  }
  const left = sense.information;
  if (left === undefined) throw nonsense(device, words, 'it stopped early, and INFORMATION does not say where');
  const magnitude = Math.abs(left | 0);
  if (magnitude > Math.abs(count)) throw nonsense(device, words, `${magnitude} of ${Math.abs(count)} left`);
  return magnitude;
}

/** LOCATE: `false` when the object is beyond end of data. */
export function locateAnswer(device: string, words: string, result: Completed): boolean {
  if (result.status !== 'check-condition') return true;
  const { sense } = result;
  if (!sense.deferred && sense.key === SenseKey.blankCheck) return false;
  if (sense.key === SenseKey.noSense) throw nonsense(device, words, `CHECK CONDITION with ${describeSense(sense)}`);
  throw refusal(device, words, result);
}
