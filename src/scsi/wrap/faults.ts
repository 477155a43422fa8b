/** An `Execute` that fails chosen commands: for tests, simulations and the rehearsal of bad days. */
import { FormatError } from '../../bytes/errors.ts';
import type { Sense } from '../common/sense.ts';
import { checkCondition, type Execute, type ScsiCommand, type ScsiResult } from '../execute.ts';

/** What becomes of a command that a fault hits. */
export type FaultAction =
  /** The device never sees it; this is its answer. */
  | { readonly kind: 'answer'; readonly result: ScsiResult }
  /** The device does it; the answer is replaced: what a lost or wrong response looks like. */
  | { readonly kind: 'replace'; readonly change: (result: ScsiResult, command: ScsiCommand) => ScsiResult }
  /** The transport is gone before the device saw it. */
  | { readonly kind: 'lost' }
  /** The transport is gone after the device did it. */
  | { readonly kind: 'lost-after' };

export interface Fault {
  readonly matches: (command: ScsiCommand) => boolean;
  /** Which matching command it hits, from 1; `every`: each. Default 1. */
  readonly occurrence?: number | 'every';
  readonly action: FaultAction;
}

/** Commands through `execute`, but those that `faults` hit. The first fault that applies acts; all count their matches. */
export function withFaults(execute: Execute, faults: readonly Fault[]): Execute {
  const seen = faults.map(() => 0);
  return (command, signal) => {
    let hit: FaultAction | undefined;
    faults.forEach((fault, i) => {
      if (!fault.matches(command)) return;
      seen[i]++;
      const occurrence = fault.occurrence ?? 1;
      if (hit === undefined && (occurrence === 'every' || occurrence === seen[i])) hit = fault.action;
    });
    return hit === undefined ? execute(command, signal) : act(hit, () => execute(command, signal), command);
  };
}

async function act(action: FaultAction, run: () => Promise<ScsiResult>, command: ScsiCommand): Promise<ScsiResult> {
  switch (action.kind) {
    case 'answer':
      return action.result;
    case 'replace':
      return action.change(await run(), command);
    case 'lost':
      throw new FormatError('io', 'transport', 'connection lost before the command (injected)');
    case 'lost-after':
      await run();
      throw new FormatError('io', 'transport', 'connection lost after the command (injected)');
  }
}

/** Matches commands of an operation code. */
export const operation =
  (code: number) =>
  (command: ScsiCommand): boolean =>
    command.cdb[0] === code;

/** Answers CHECK CONDITION with `sense`; nothing is done. */
export const failsWith = (sense: Sense): FaultAction => ({ kind: 'answer', result: checkCondition(sense) });

/** The command is done, its data cut to `length` bytes. */
export const cutsData = (length: number): FaultAction => ({
  kind: 'replace',
  change: (result) =>
    'dataIn' in result
      ? {
          ...result,
          dataIn: result.dataIn.subarray(0, length),
          residual: result.residual + Math.max(0, result.dataIn.length - length),
        }
      : result,
});
