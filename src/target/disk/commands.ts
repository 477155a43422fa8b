/** The commands of a disk unit: which handler serves which, what each does for reservations, and how they are told of. SBC-4, table 33. */
import { OperationCode, ServiceActionIn16 } from '../../scsi/common/operation-codes.ts';
import { invalidFieldInCdb } from '../../scsi/common/sense.ts';
import { type SupportedCommand, supportedCommand } from '../../scsi/common/supported-commands.ts';
import { checkCondition, good, type ScsiCommand, type ScsiResult } from '../../scsi/execute.ts';
import { byServiceAction, type CommandTable, type Handler } from '../handler.ts';
import type { Access } from '../reservations.ts';
import { modeSelect, modeSense } from './mode.ts';
import { unmapRanges, writeSame } from './provisioning.ts';
import {
  getLbaStatus,
  preFetch,
  readBlocks,
  readCapacity10,
  readCapacity16,
  readDefectData,
  verifyBlocks,
} from './reading.ts';
import type { Disk } from './state.ts';
import { compareAndWrite, orWrite, synchronizeCache, writeAndVerify, writeAtomic, writeBlocks } from './writing.ts';

const op = OperationCode;

/** `modeChanged` is told the nexus that changed a mode parameter. */
export function diskCommands(disk: Disk, modeChanged: (nexus: string) => void): CommandTable {
  const on =
    (serve: (disk: Disk, command: ScsiCommand) => ScsiResult | Promise<ScsiResult>): Handler =>
    (command) =>
      serve(disk, command);
  const atomic: CommandTable = disk.atomic === undefined ? {} : { [op.writeAtomic16]: on(writeAtomic) };
  return {
    ...atomic,
    [op.read6]: on(readBlocks),
    [op.read10]: on(readBlocks),
    [op.read12]: on(readBlocks),
    [op.read16]: on(readBlocks),
    [op.write6]: on(writeBlocks),
    [op.write10]: on(writeBlocks),
    [op.write12]: on(writeBlocks),
    [op.write16]: on(writeBlocks),
    [op.writeAndVerify10]: on(writeAndVerify),
    [op.writeAndVerify12]: on(writeAndVerify),
    [op.writeAndVerify16]: on(writeAndVerify),
    [op.compareAndWrite]: on(compareAndWrite),
    [op.orWrite16]: on(orWrite),
    [op.verify10]: on(verifyBlocks),
    [op.verify12]: on(verifyBlocks),
    [op.verify16]: on(verifyBlocks),
    [op.preFetch10]: on(preFetch),
    [op.preFetch16]: on(preFetch),
    [op.synchronizeCache10]: on(synchronizeCache),
    [op.synchronizeCache16]: on(synchronizeCache),
    [op.unmap]: on(unmapRanges),
    [op.writeSame10]: (command, context) => writeSame(disk, command, context),
    [op.writeSame16]: (command, context) => writeSame(disk, command, context),
    [op.readCapacity10]: on(readCapacity10),
    [op.serviceActionIn16]: byServiceAction({
      [ServiceActionIn16.readCapacity16]: on(readCapacity16),
      [ServiceActionIn16.getLbaStatus]: on(getLbaStatus),
    }),
    [op.readDefectData10]: (command) => readDefectData(command, 10),
    [op.readDefectData12]: (command) => readDefectData(command, 12),
    [op.modeSense6]: (command) => modeSense(disk, command, 6),
    [op.modeSense10]: (command) => modeSense(disk, command, 10),
    [op.modeSelect6]: (command, { nexus }) => modeSelect(disk, command, 6, () => modeChanged(nexus)),
    [op.modeSelect10]: (command, { nexus }) => modeSelect(disk, command, 10, () => modeChanged(nexus)),
    [op.startStopUnit]: startStop,
  };
}

/** There is nothing to start or stop, and no medium to eject. */
const startStop: Handler = ({ cdb }) => ((cdb[4] & 0x02) === 0 ? good() : checkCondition(invalidFieldInCdb(4, 1)));

const READS = new Set<number>([
  op.read6,
  op.read10,
  op.read12,
  op.read16,
  op.verify10,
  op.verify12,
  op.verify16,
  op.preFetch10,
  op.preFetch16,
  op.readDefectData10,
  op.readDefectData12,
]);

/** SBC-4, table 13. */
export function diskAccess(cdb: Uint8Array): Access | undefined {
  if (READS.has(cdb[0])) return 'read';
  switch (cdb[0]) {
    case op.readCapacity10:
      return 'none';
    case op.serviceActionIn16:
      return (cdb[1] & 0x1f) === ServiceActionIn16.readCapacity16 ? 'none' : 'read';
    case op.startStopUnit:
      return (cdb[4] & 0xf1) === 1 ? 'none' : 'write';
    default:
      return undefined;
  }
}

/** CDB USAGE DATA of REPORT SUPPORTED OPERATION CODES. */
const SUPPORTED: readonly SupportedCommand[] = [
  supportedCommand('08 1f ff ff ff 00'),
  supportedCommand('0a 1f ff ff ff 00'),
  supportedCommand('15 11 00 00 ff 00'),
  supportedCommand('1a 08 ff ff ff 00'),
  supportedCommand('1b 01 00 0f f7 00'),
  supportedCommand('25 00 ff ff ff ff 00 00 01 00'),
  supportedCommand('28 f8 ff ff ff ff 1f ff ff 00'),
  supportedCommand('2a f8 ff ff ff ff 1f ff ff 00'),
  supportedCommand('2e f6 ff ff ff ff 1f ff ff 00'),
  supportedCommand('2f f6 ff ff ff ff 1f ff ff 00'),
  supportedCommand('34 02 ff ff ff ff 1f ff ff 00'),
  supportedCommand('35 02 ff ff ff ff 1f ff ff 00'),
  supportedCommand('37 00 1f 00 00 00 00 ff ff 00'),
  supportedCommand('41 f8 ff ff ff ff 1f ff ff 00'),
  supportedCommand('42 01 00 00 00 00 1f ff ff 00'),
  supportedCommand('55 11 00 00 00 00 00 ff ff 00'),
  supportedCommand('5a 18 ff ff 00 00 00 ff ff 00'),
  supportedCommand('88 f8 ff ff ff ff ff ff ff ff ff ff ff ff 1f 00'),
  supportedCommand('89 f8 ff ff ff ff ff ff ff ff 00 00 00 ff 1f 00'),
  supportedCommand('8a f8 ff ff ff ff ff ff ff ff ff ff ff ff 1f 00'),
  supportedCommand('8b f8 ff ff ff ff ff ff ff ff ff ff ff ff 1f 00'),
  supportedCommand('8e f6 ff ff ff ff ff ff ff ff ff ff ff ff 1f 00'),
  supportedCommand('8f f6 ff ff ff ff ff ff ff ff ff ff ff ff 1f 00'),
  supportedCommand('90 02 ff ff ff ff ff ff ff ff ff ff ff ff 1f 00'),
  supportedCommand('91 02 ff ff ff ff ff ff ff ff ff ff ff ff 1f 00'),
  supportedCommand('93 f9 ff ff ff ff ff ff ff ff ff ff ff ff 1f 00'),
  supportedCommand('9e 1f 00 00 00 00 00 00 00 00 ff ff ff ff 00 00', {
    serviceAction: ServiceActionIn16.readCapacity16,
  }),
  supportedCommand('9e 1f ff ff ff ff ff ff ff ff ff ff ff ff 00 00', {
    serviceAction: ServiceActionIn16.getLbaStatus,
  }),
  supportedCommand('a8 f8 ff ff ff ff ff ff ff ff 1f 00'),
  supportedCommand('aa f8 ff ff ff ff ff ff ff ff 1f 00'),
  supportedCommand('ae f6 ff ff ff ff ff ff ff ff 1f 00'),
  supportedCommand('af f6 ff ff ff ff ff ff ff ff 1f 00'),
  supportedCommand('b7 1f 00 00 00 00 ff ff ff ff 00 00'),
];
const WRITE_ATOMIC = supportedCommand('9c f8 ff ff ff ff ff ff ff ff ff ff ff ff 1f 00');

export const diskSupported = (disk: Disk): readonly SupportedCommand[] =>
  disk.atomic === undefined ? SUPPORTED : [...SUPPORTED, WRITE_ATOMIC];
