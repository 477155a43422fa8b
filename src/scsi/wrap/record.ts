/**
 * Commands and answers kept as lines of text, and given back later: a session with a drive that only one person has
 * becomes a test for all. One JSON value a line, bytes in hexadecimal, sense data in fixed format as on the wire.
 */
import { FormatError } from '../../bytes/errors.ts';
import { fromHex, toHex } from '../../bytes/random.ts';
import { decodeSense, encodeSense } from '../common/sense.ts';
import type { Execute, ScsiCommand, ScsiResult } from '../execute.ts';

type Completed = Extract<ScsiResult, { readonly residual: number }>;

/** One line of a recording. */
interface Exchange {
  readonly cdb: string;
  readonly out?: string;
  readonly status: ScsiResult['status'];
  readonly sense?: string;
  readonly in?: string;
  readonly residual?: number;
}

/** `execute`, every exchange given to `line` as well. A command that throws is not recorded. */
export function recorded(execute: Execute, line: (text: string) => void): Execute {
  return async (command, signal) => {
    const result = await execute(command, signal);
    const exchange: Exchange = {
      cdb: toHex(command.cdb),
      ...(command.dataOut && { out: toHex(command.dataOut) }),
      status: result.status,
      ...(isCompleted(result) && completedFields(result)),
    };
    line(JSON.stringify(exchange));
    return result;
  };
}

const isCompleted = (result: ScsiResult): result is Completed => 'residual' in result;

function completedFields(result: Completed): Partial<Exchange> {
  return {
    ...(result.status === 'check-condition' && { sense: toHex(encodeSense(result.sense)) }),
    in: toHex(result.dataIn),
    residual: result.residual,
  };
}

/**
 * Answers from a recording, in its order. Each command must be the one recorded: CDB and Data-Out Buffer.
 * @throws FormatError `corrupt` for another command, one too many, or a line that is not of a recording
 */
export function replayed(lines: readonly string[], name = 'recording'): Execute {
  let next = 0;
  return async (command) => {
    const where = `${name}, line ${next + 1}`;
    if (next >= lines.length) throw new FormatError('corrupt', where, `ends before command ${toHex(command.cdb)}`);
    const exchange = parse(lines[next++], where);
    const out = command.dataOut === undefined ? undefined : toHex(command.dataOut);
    if (exchange.cdb !== toHex(command.cdb) || exchange.out !== out)
      throw new FormatError('corrupt', where, `has command ${exchange.cdb}, ${toHex(command.cdb)} came`);
    return resultOf(exchange, command, where);
  };
}

function parse(line: string, where: string): Exchange {
  try {
    return JSON.parse(line) as Exchange;
  } catch (cause) {
    throw new FormatError('corrupt', where, 'not JSON', { cause });
  }
}

function resultOf(exchange: Exchange, command: ScsiCommand, where: string): ScsiResult {
  const { status, residual = 0 } = exchange;
  if (status !== 'good' && status !== 'condition-met' && status !== 'check-condition') return { status };
  let dataIn = fromHex(exchange.in ?? '');
  if (command.dataIn !== undefined && dataIn.length <= command.dataIn.length) {
    command.dataIn.set(dataIn);
    dataIn = command.dataIn.subarray(0, dataIn.length);
  }
  if (status !== 'check-condition') return { status, dataIn, residual };
  const sense = decodeSense(fromHex(exchange.sense ?? ''));
  if (sense === undefined) throw new FormatError('corrupt', where, 'CHECK CONDITION without sense data');
  return { status, sense, dataIn, residual };
}
