/** The commands of a tape drive as REPORT SUPPORTED OPERATION CODES tells them, and what each does for reservations. SSC-4, tables 18 and 29. */
import { OperationCode } from '../scsi/common/operation-codes.ts';
import { type SupportedCommand, supportedCommand } from '../scsi/common/supported-commands.ts';
import { PositionForm } from '../scsi/stream/commands.ts';
import type { Access } from './reservations.ts';

const op = OperationCode;

/** Longest of a command that moves the medium from one end to the other, and of one that writes what is buffered. Seconds. */
const MOVE_SECONDS = 600;
const TRANSFER_SECONDS = 120;
const move = { timeoutSeconds: MOVE_SECONDS };
const transfer = { timeoutSeconds: TRANSFER_SECONDS };

export const TAPE_SUPPORTED: readonly SupportedCommand[] = [
  supportedCommand('01 01 00 00 00 00', move),
  supportedCommand('04 01 0f ff ff 00', move),
  supportedCommand('05 00 00 00 00 00'),
  supportedCommand('08 03 ff ff ff 00', transfer),
  supportedCommand('0a 01 ff ff ff 00', transfer),
  supportedCommand('10 01 ff ff ff 00', transfer),
  supportedCommand('11 0f ff ff ff 00', move),
  supportedCommand('15 10 00 00 ff 00'),
  supportedCommand('19 03 00 00 00 00', move),
  supportedCommand('1a 08 ff ff ff 00'),
  supportedCommand('1b 01 00 00 03 00', move),
  supportedCommand('1d 04 00 00 00 00'),
  supportedCommand('1e 00 00 00 03 00'),
  supportedCommand('2b 07 00 ff ff ff ff 00 ff 00', move),
  ...Object.values(PositionForm).map((serviceAction) =>
    supportedCommand('34 1f 00 00 00 00 00 ff ff 00', { serviceAction }),
  ),
  supportedCommand('44 01 00 00 00 00 00 ff ff 00'),
  supportedCommand('4c 02 ff ff 00 00 00 ff ff 00'),
  supportedCommand('4d 00 ff ff 00 ff ff ff ff 00'),
  supportedCommand('55 10 00 00 00 00 00 ff ff 00'),
  supportedCommand('5a 08 ff ff 00 00 00 ff ff 00'),
  ...[0, 1, 2, 3].map((serviceAction) =>
    supportedCommand('8c 1f 00 00 00 ff 00 ff ff ff ff ff ff ff 00 00', { serviceAction }),
  ),
  supportedCommand('8d 01 00 00 00 ff 00 ff 00 00 ff ff ff ff 00 00', transfer),
  supportedCommand('91 0f 00 00 ff ff ff ff ff ff ff ff 00 00 00 00', move),
  supportedCommand('92 3b 00 ff ff ff ff ff ff ff ff ff 00 00 00 00', move),
  supportedCommand('a2 ff ff ff 00 00 ff ff ff ff 00 00'),
  supportedCommand('b5 ff ff ff 00 00 ff ff ff ff 00 00'),
];

/** Reading moves the medium: only who may write may do it. */
export function tapeAccess(cdb: Uint8Array): Access | undefined {
  switch (cdb[0]) {
    case op.readBlockLimits:
    case op.reportDensitySupport:
      return 'none';
    case op.readPosition:
    case op.readAttribute:
    case op.securityProtocolIn:
      return 'read';
    default:
      return undefined;
  }
}
