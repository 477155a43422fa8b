/** A command that a device refused or failed, after the retries that SAM and SPC admit. */
import type { Sense } from '../scsi/common/sense.ts';

export class ScsiError extends Error {
  /** `LOCATE(16)` and the like. */
  readonly command: string;
  /** The device as a person would name it. */
  readonly device: string;
  readonly status: string;
  readonly sense: Sense | undefined;

  constructor(
    device: string,
    command: string,
    status: string,
    sense: Sense | undefined,
    words: string,
    options?: { cause?: unknown },
  ) {
    super(`${device}: ${command}: ${words}`, options);
    this.name = 'ScsiError';
    this.device = device;
    this.command = command;
    this.status = status;
    this.sense = sense;
  }
}
