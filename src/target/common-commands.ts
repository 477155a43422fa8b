/** Commands that every unit serves in the same way: reservations, and the report of what is supported. SPC-4, 6.15, 6.16, 6.35, 6.36. */
import { viewOf } from '../bytes/layout.ts';
import { OperationCode } from '../scsi/common/operation-codes.ts';
import { PersistentReserveIn } from '../scsi/common/persistent-reservations.ts';
import { invalidFieldInCdb } from '../scsi/common/sense.ts';
import {
  encodeSupportedCommand,
  encodeSupportedCommands,
  encodeSupportedTaskManagement,
  MaintenanceIn,
  ReportingOption,
  ReportSupportedOperationCodes,
  ReportSupportedTaskManagement,
  type SupportedCommand,
  supportedCommand,
} from '../scsi/common/supported-commands.ts';
import { checkCondition, type ScsiResult } from '../scsi/execute.ts';
import { byServiceAction, type CommandTable, dataIn, type Handler } from './handler.ts';
import type { Access, Reservations } from './reservations.ts';

/** Of REPORT SUPPORTED OPERATION CODES: what all units have. */
export const COMMON_COMMANDS: readonly SupportedCommand[] = [
  supportedCommand('00 00 00 00 00 00'),
  supportedCommand('03 01 00 00 ff 00'),
  supportedCommand('12 01 ff ff ff 00'),
  supportedCommand('16 00 00 00 00 00'),
  supportedCommand('17 00 00 00 00 00'),
  supportedCommand('56 00 00 00 00 00 00 00 00 00'),
  supportedCommand('57 00 00 00 00 00 00 00 00 00'),
  ...[0, 1, 2, 3].map((serviceAction) => supportedCommand('5e 1f 00 00 00 00 00 ff ff 00', { serviceAction })),
  ...[0, 1, 2, 3, 4, 5, 6].map((serviceAction) => supportedCommand('5f 1f ff 00 00 ff ff ff ff 00', { serviceAction })),
  supportedCommand('a0 00 ff 00 00 00 ff ff ff ff 00 00'),
  supportedCommand('a3 1f 87 ff ff ff ff ff ff ff 00 00', { serviceAction: MaintenanceIn.supportedOperationCodes }),
  supportedCommand('a3 1f 80 00 00 00 ff ff ff ff 00 00', { serviceAction: MaintenanceIn.supportedTaskManagement }),
];

const op = OperationCode;
const ACCESS: Readonly<Record<number, Access>> = {
  [op.testUnitReady]: 'none',
  [op.requestSense]: 'free',
  [op.inquiry]: 'free',
  [op.reportLuns]: 'free',
  [op.reserve6]: 'free', // these four see to conflicts themselves
  [op.release6]: 'free',
  [op.reserve10]: 'free',
  [op.release10]: 'free',
  [op.persistentReserveIn]: 'free',
  [op.persistentReserveOut]: 'free',
  [op.logSense]: 'none',
  [op.maintenanceIn]: 'none',
  [op.modeSense6]: 'read',
  [op.modeSense10]: 'read',
  [op.thirdPartyCopyIn]: 'read',
};

/** SPC-4, table 72. A command that is not in it counts as one that writes. */
export function commonAccess(cdb: Uint8Array): Access {
  if (cdb[0] === op.preventAllowMediumRemoval) return (cdb[4] & 3) === 0 ? 'free' : 'write';
  return ACCESS[cdb[0]] ?? 'write';
}

export function reservationCommands(reservations: Reservations): CommandTable {
  const reserve: Handler = (command, { nexus }) =>
    (command.cdb[1] & 1) === 0 ? reservations.reserve(nexus) : checkCondition(invalidFieldInCdb(1, 0)); // an extent
  const release: Handler = (_, { nexus }) => reservations.release(nexus);
  return {
    [op.reserve6]: reserve,
    [op.release6]: release,
    [op.reserve10]: reserve,
    [op.release10]: release,
    [op.persistentReserveIn]: (command) => {
      const answer = reservations.read(command);
      if (!(answer instanceof Uint8Array)) return answer;
      return dataIn(command, answer, PersistentReserveIn.allocationLength.get(viewOf(command.cdb), 0));
    },
    [op.persistentReserveOut]: (command, { nexus }) => reservations.write(command, nexus),
  };
}

/** MAINTENANCE IN over a list in order of operation codes. */
export function reportSupported(supported: readonly SupportedCommand[]): Handler {
  return byServiceAction({
    [MaintenanceIn.supportedOperationCodes]: (command) => {
      const view = viewOf(command.cdb);
      const f = ReportSupportedOperationCodes;
      const answer = chosen(supported, command.cdb);
      if (!(answer instanceof Uint8Array)) return answer;
      return dataIn(command, answer, f.allocationLength.get(view, 0));
    },
    [MaintenanceIn.supportedTaskManagement]: (command) => {
      const { repd, allocationLength } = ReportSupportedTaskManagement.decodeAll(viewOf(command.cdb));
      return dataIn(command, encodeSupportedTaskManagement(repd), allocationLength);
    },
  });
}

function chosen(supported: readonly SupportedCommand[], cdb: Uint8Array): Uint8Array | ScsiResult {
  const { reportingOptions, requestedOperationCode, requestedServiceAction, rctd } =
    ReportSupportedOperationCodes.decodeAll(viewOf(cdb));
  if (reportingOptions === ReportingOption.all) return encodeSupportedCommands(supported, rctd);
  if (reportingOptions > ReportingOption.either) return checkCondition(invalidFieldInCdb(2, 2));
  const same = supported.filter(({ usage }) => usage[0] === requestedOperationCode);
  const hasActions = same.some(({ serviceAction }) => serviceAction !== undefined);
  if (reportingOptions === ReportingOption.oneWithout && hasActions) return checkCondition(invalidFieldInCdb(3));
  if (reportingOptions === ReportingOption.oneWith && same.length > 0 && !hasActions)
    return checkCondition(invalidFieldInCdb(3));
  const found = same.find(({ serviceAction }) => !hasActions || serviceAction === requestedServiceAction);
  return encodeSupportedCommand(found, rctd);
}
