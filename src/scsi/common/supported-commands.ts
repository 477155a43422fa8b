/** REPORT SUPPORTED OPERATION CODES and REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS. SPC-4, 6.35, 6.36. */
import { bit, bits, layout, u8, u16be, u32be, viewOf } from '../../bytes/layout.ts';

/** MAINTENANCE IN, A3h. SPC-4, table 121. */
export const MaintenanceIn = { supportedOperationCodes: 0x0c, supportedTaskManagement: 0x0d } as const;

/** SPC-4, table 286. */
export const ReportSupportedOperationCodes = layout(12, {
  operationCode: u8(0), // A3h
  serviceAction: bits(1, 4, 0), // 0Ch
  rctd: bit(2, 7), // with timeouts
  reportingOptions: bits(2, 2, 0),
  requestedOperationCode: u8(3),
  requestedServiceAction: u16be(4),
  allocationLength: u32be(6),
  control: u8(11),
});
/** SPC-4, table 287. */
export const ReportingOption = { all: 0, oneWithout: 1, oneWith: 2, either: 3 } as const;

/** SPC-4, table 294. */
export const ReportSupportedTaskManagement = layout(12, {
  operationCode: u8(0), // A3h
  serviceAction: bits(1, 4, 0), // 0Dh
  repd: bit(2, 7),
  allocationLength: u32be(6),
  control: u8(11),
});

/** A command that a device server supports. */
export interface SupportedCommand {
  /** CDB USAGE DATA: the operation code, then a 1 for each bit that counts (SPC-4, 6.35.3). As long as the CDB. */
  readonly usage: Uint8Array;
  readonly serviceAction?: number;
  /** How long the command may take; missing: not told. */
  readonly timeoutSeconds?: number;
}

/** From hexadecimal digits, as the standard's tables read: `'28 1a ff ff ff ff 00 ff ff 00'`. */
export function supportedCommand(usage: string, more: Omit<SupportedCommand, 'usage'> = {}): SupportedCommand {
  return { usage: new Uint8Array(Buffer.from(usage.replaceAll(' ', ''), 'hex')), ...more };
}

/** SPC-4, table 289. */
const CommandDescriptor = layout(8, {
  operationCode: u8(0),
  serviceAction: u16be(2),
  ctdp: bit(5, 1), // a timeouts descriptor follows
  servactv: bit(5, 0),
  cdbLength: u16be(6),
});
/** SPC-4, table 292. */
const TimeoutsDescriptor = layout(12, {
  descriptorLength: u16be(0), // 0Ah
  nominalSeconds: u32be(4),
  recommendedSeconds: u32be(8),
});

function timeouts({ timeoutSeconds = 0 }: SupportedCommand): Uint8Array {
  return TimeoutsDescriptor.encode({ descriptorLength: 0x0a, recommendedSeconds: timeoutSeconds });
}

/** All commands. SPC-4, table 288. */
export function encodeSupportedCommands(commands: readonly SupportedCommand[], withTimeouts: boolean): Uint8Array {
  const parts = commands.flatMap((command) => [
    CommandDescriptor.encode({
      operationCode: command.usage[0],
      serviceAction: command.serviceAction ?? 0,
      ctdp: withTimeouts,
      servactv: command.serviceAction !== undefined,
      cdbLength: command.usage.length,
    }),
    ...(withTimeouts ? [timeouts(command)] : []),
  ]);
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const out = new Uint8Array(4 + length);
  viewOf(out).setUint32(0, length);
  let at = 4;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** SUPPORT of one command: 001b there is none, 011b as the standard has it. SPC-4, table 291. */
const Support = { none: 1, standard: 3 } as const;

/** One command; `undefined`: it is not supported. SPC-4, table 290. */
export function encodeSupportedCommand(command: SupportedCommand | undefined, withTimeouts: boolean): Uint8Array {
  if (command === undefined) return Uint8Array.of(0, Support.none, 0, 0);
  const { usage } = command;
  const tail = withTimeouts ? timeouts(command) : new Uint8Array(0);
  const out = new Uint8Array(4 + usage.length + tail.length);
  out[1] = Support.standard | (withTimeouts ? 0x80 : 0);
  viewOf(out).setUint16(2, usage.length);
  out.set(usage, 4);
  out.set(tail, 4 + usage.length);
  return out;
}

/** ABORT TASK, ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET, and a target's reset. SPC-4, table 295. */
export const encodeSupportedTaskManagement = (extended: boolean): Uint8Array =>
  extended ? Uint8Array.of(0xda, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) : Uint8Array.of(0xda, 0, 0, 0);
