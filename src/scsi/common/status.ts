/** Status codes. SAM-5, 5.3.1, table 33 "STATUS code". */
import type { ScsiResult } from '../execute.ts';

export type ScsiStatus = ScsiResult['status'];

const CODES: Readonly<Record<ScsiStatus, number>> = {
  good: 0x00,
  'check-condition': 0x02,
  'condition-met': 0x04,
  busy: 0x08,
  'reservation-conflict': 0x18,
  'task-set-full': 0x28,
  'aca-active': 0x30,
  'task-aborted': 0x40,
};

/** The byte of a status, as iSCSI responses and nested copy sense carry it. */
export const statusCode = (status: ScsiStatus): number => CODES[status];

/** The status of a byte; `undefined`: none that SAM-5 knows. */
export function statusOf(code: number): ScsiStatus | undefined {
  for (const [status, value] of Object.entries(CODES)) if (value === code) return status as ScsiStatus;
  return undefined;
}
