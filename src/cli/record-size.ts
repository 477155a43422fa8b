/** `--record-size`, checked against what tar readers admit. */
import { UserError } from '../bytes/errors.ts';
import type { Bytes } from '../bytes/units.ts';
import { checkRecordSize, RECORD_SIZE_DEFAULT } from '../tape/archive/chunk.ts';
import { parseSize } from './sizes.ts';

/** @throws UserError */
export function recordSizeOf(option: string | undefined): Bytes {
  const recordSize = option === undefined ? RECORD_SIZE_DEFAULT : parseSize(option, '--record-size', 512);
  try {
    checkRecordSize(recordSize);
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new UserError(`--record-size ${option}`, words, 'leave it at 256K', { kind: 'usage' });
  }
  return recordSize;
}
