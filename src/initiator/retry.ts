/**
 * The retries that SAM and SPC admit: unit attentions, BUSY, TASK SET FULL, and units that are becoming ready.
 * SAM-5, 5.3.1 and 5.14.
 */
import { describeSense, type Sense, SenseKey } from '../scsi/common/sense.ts';
import type { Execute, ScsiCommand, ScsiResult } from '../scsi/execute.ts';
import { ScsiError } from './scsi-error.ts';

/** Statuses that end a command for good. */
export type Completed = Extract<ScsiResult, { readonly residual: number }>;
/** GOOD or CONDITION MET. */
export type Good = Exclude<Completed, { readonly status: 'check-condition' }>;

export interface Retried {
  /** The device as a person would name it. */
  readonly device: string;
  /** The command in words, `READ(16)`. */
  readonly words: string;
  readonly signal?: AbortSignal;
  /**
   * `report`: a unit attention that tells of a reset or of another medium comes back as the answer. For commands that
   * depend on a tape's position: it may be another now, and a retried WRITE would destroy data. Default `retry`.
   */
  readonly unitAttention?: 'retry' | 'report';
}

/** Unit attentions in a row before giving up: a device may have several queued (reset, medium, mode, inventory). */
const ATTENTIONS_MAX = 16;
/** BUSY, TASK SET FULL, "becoming ready": waits of 10 ms doubling to 1 s, some 60 s in all. */
const WAITS_MAX = 66;
const WAIT_FIRST_MS = 10;
const WAIT_LONGEST_MS = 1000;

/**
 * Executes until the device has an answer: GOOD, CONDITION MET, or a CHECK CONDITION that a retry would not cure.
 * @throws ScsiError for any other status, and when the retries are used up
 */
export async function executeWithRetry(execute: Execute, command: ScsiCommand, how: Retried): Promise<Completed> {
  let attentions = 0;
  let waits = 0;
  for (;;) {
    const result = await execute(command, how.signal);
    switch (result.status) {
      case 'good':
      case 'condition-met':
        return result;
      case 'check-condition':
        if (curable(result.sense, how) && ++attentions <= ATTENTIONS_MAX) continue;
        if (!becomingReady(result.sense) || ++waits > WAITS_MAX) return result;
        break;
      case 'busy':
      case 'task-set-full':
        if (++waits > WAITS_MAX) throw failure(how, result);
        break;
      default:
        throw failure(how, result);
    }
    await pause(Math.min(WAIT_LONGEST_MS, WAIT_FIRST_MS * 2 ** Math.min(waits - 1, 10)), how.signal);
  }
}

/** As `executeWithRetry`, for commands whose only welcome answer is GOOD. @throws ScsiError for CHECK CONDITION too */
export async function executeGood(execute: Execute, command: ScsiCommand, how: Retried): Promise<Good> {
  const result = await executeWithRetry(execute, command, how);
  if (result.status === 'check-condition') throw failure(how, result);
  return result;
}

/** A result that is not welcome, as an error. */
export function failure(how: Pick<Retried, 'device' | 'words'>, result: ScsiResult): ScsiError {
  const { status } = result;
  const found = status === 'check-condition' ? result.sense : undefined;
  const what = found === undefined ? status.replaceAll('-', ' ') : describeSense(found);
  return new ScsiError(how.device, how.words, status, found, what);
}

/** 28h another medium, 29h reset, 2Fh commands cleared. */
const POSITION_MAY_BE_LOST: readonly number[] = [0x28, 0x29, 0x2f];

/** A unit attention that the command itself survives. */
function curable(sense: Sense, how: Retried): boolean {
  if (sense.key !== SenseKey.unitAttention) return false;
  return how.unitAttention !== 'report' || !POSITION_MAY_BE_LOST.includes(sense.asc);
}
const becomingReady = (sense: Sense): boolean =>
  sense.key === SenseKey.notReady && sense.asc === 0x04 && sense.ascq === 0x01;

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, { once: true });
  });
}
