/** An `Execute` that tells of every command what went over it: CDB in hexadecimal, bytes each way, status, time. */
import { toHex } from '../../bytes/random.ts';
import type { Execute, ScsiResult } from '../execute.ts';

/** Most bytes of data shown of each direction. */
const SHOWN_MAX = 32;

/** Every command through `execute`, one line each to `line` when it has ended. `nowMs` may be a simulated clock. */
export function traced(execute: Execute, line: (text: string) => void, nowMs = () => performance.now()): Execute {
  return async (command, signal) => {
    const startedMs = nowMs();
    const head = `cdb ${toHex(command.cdb)}${command.dataOut ? ` out ${shown(command.dataOut)}` : ''}`;
    const took = (): string => `${(nowMs() - startedMs).toFixed(3)} ms`;
    try {
      const result = await execute(command, signal);
      line(`${head} -> ${describeResult(result)} ${took()}`);
      return result;
    } catch (error) {
      line(`${head} -> threw ${error instanceof Error ? error.message : String(error)} ${took()}`);
      throw error;
    }
  };
}

function shown(data: Uint8Array): string {
  const part = toHex(data.subarray(0, SHOWN_MAX));
  return data.length > SHOWN_MAX ? `${data.length}:${part}..` : `${data.length}:${part}`;
}

/** A result in one line: `check-condition 8h/00/05 info 512 in 0:`. */
export function describeResult(result: ScsiResult): string {
  if (result.status !== 'good' && result.status !== 'condition-met' && result.status !== 'check-condition')
    return result.status;
  const residual = result.residual === 0 ? '' : ` residual ${result.residual}`;
  const data = result.dataIn.length === 0 ? '' : ` in ${shown(result.dataIn)}`;
  if (result.status !== 'check-condition') return `${result.status}${data}${residual}`;
  const { key, asc, ascq, information, filemark, endOfMedium, incorrectLength, deferred } = result.sense;
  const hex = (n: number): string => n.toString(16).toUpperCase().padStart(2, '0');
  const flags = [filemark && 'FM', endOfMedium && 'EOM', incorrectLength && 'ILI', deferred && 'deferred'].filter(
    Boolean,
  );
  const info = information === undefined ? '' : ` info ${information}`;
  const code = `${key.toString(16).toUpperCase()}h/${hex(asc)}/${hex(ascq)}`;
  return `check-condition ${[code, ...flags].join(' ')}${info}${data}${residual}`;
}
