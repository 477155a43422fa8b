/** What a device server's commands are: handlers by operation code, and what many of them do alike. */
import { invalidFieldInCdb } from '../scsi/common/sense.ts';
import { checkCondition, good, NO_DATA, type ScsiCommand, type ScsiResult } from '../scsi/execute.ts';

export interface CommandContext {
  readonly nexus: string;
  readonly signal: AbortSignal | undefined;
  /** The nexus on whose behalf the command is sent, where that is another: a copy manager's. */
  readonly owner?: string;
  /** For a command that has waited: the unit is by now reserved for someone else. Missing: never. */
  readonly reservedAway?: () => boolean;
}
/** Serves one operation code. The CDB is at least as long as its group says. */
export type Handler = (command: ScsiCommand, context: CommandContext) => ScsiResult | Promise<ScsiResult>;
/** Operation code to handler. */
export type CommandTable = Readonly<Record<number, Handler>>;

/** GOOD with `data`, cut by the allocation length and by what the caller takes, in the caller's buffer if it gave one. */
export function dataIn(command: ScsiCommand, data: Uint8Array, allocationLength: number): ScsiResult {
  const wanted = command.dataInLength ?? 0;
  const cut = data.subarray(0, Math.min(data.length, allocationLength, wanted));
  if (cut.length === 0) return good(NO_DATA, wanted);
  if (command.dataIn === undefined) return good(cut, wanted - cut.length);
  command.dataIn.set(cut);
  return good(command.dataIn.subarray(0, cut.length), wanted - cut.length);
}

/** A handler that goes by SERVICE ACTION, bits 4 to 0 of byte 1. */
export function byServiceAction(actions: Readonly<Record<number, Handler>>): Handler {
  return (command, context) => {
    const handler = actions[command.cdb[1] & 0x1f];
    return handler === undefined ? checkCondition(invalidFieldInCdb(1, 4)) : handler(command, context);
  };
}

/** Why a command that has waited for its turn does not run any more. */
export function stopped({ signal, reservedAway }: CommandContext): ScsiResult | undefined {
  if (signal?.aborted) return { status: 'task-aborted' };
  return reservedAway?.() ? { status: 'reservation-conflict' } : undefined;
}
