/** Why a device refused, in words for the person who has to do something about it. */
import { describeSense, type Sense, SenseKey } from '../scsi/common/sense.ts';
import type { ScsiResult } from '../scsi/execute.ts';
import { ScsiError } from './scsi-error.ts';

/** ASC and ASCQ to what a person should know. Everything else is described by its standard's words. */
const PLAIN: Readonly<Record<string, string>> = {
  '3a00': 'there is no cartridge in the drive',
  '3a01': 'there is no cartridge in the drive, its door is closed',
  '3a02': 'there is no cartridge in the drive, its door is open',
  '2700': 'the cartridge is write-protected',
  '300c': 'the cartridge is write-once: it can only be appended to at the end of its data',
  '3000': 'the drive cannot use this cartridge',
  '3003': 'a cleaning cartridge is in the drive',
  '5302': 'the cartridge is locked in the drive by another program',
  '3b0d': 'the destination holds a cartridge already',
  '3b0e': 'there is no cartridge at the source',
  '2101': 'the library has no such element',
};

/** The words for `sense`, or the standard's. */
function words(sense: Sense): string {
  const plain = PLAIN[sense.asc.toString(16).padStart(2, '0') + sense.ascq.toString(16).padStart(2, '0')];
  const standard = describeSense(sense);
  if (sense.deferred) return `a write that had been accepted earlier has failed since: ${standard}`;
  if (sense.key === SenseKey.unitAttention) return `the device was reset or its medium changed in between: ${standard}`;
  return plain === undefined ? standard : `${plain} (${standard})`;
}

type CheckCondition = Extract<ScsiResult, { readonly status: 'check-condition' }>;

/** A CHECK CONDITION that is not welcome, as an error a person understands. */
export const refusal = (device: string, command: string, { status, sense }: CheckCondition): ScsiError =>
  new ScsiError(device, command, status, sense, words(sense));
