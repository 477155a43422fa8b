/**
 * iSCSI protocol data units: the basic header segment of each operation code. RFC 7143, clause 11; names as there.
 *
 *     byte 0   48  basic header segment (BHS)
 *          48   4n additional header segments (AHS), n = TotalAHSLength
 *               4  header digest, if negotiated
 *               d  data segment, padded with zeros to a multiple of 4
 *               4  data digest, if negotiated and d > 0
 */
import { bit, bits, byteField, layout, u8, u16be, u24be, u32be } from '../bytes/layout.ts';

/** RFC 7143, 11.2.1.2. Bit 6 of the byte is the I bit: immediate delivery. */
export const Opcode = {
  nopOut: 0x00,
  scsiCommand: 0x01,
  taskManagementRequest: 0x02,
  loginRequest: 0x03,
  textRequest: 0x04,
  dataOut: 0x05,
  logoutRequest: 0x06,
  snackRequest: 0x10,
  nopIn: 0x20,
  scsiResponse: 0x21,
  taskManagementResponse: 0x22,
  loginResponse: 0x23,
  textResponse: 0x24,
  dataIn: 0x25,
  logoutResponse: 0x26,
  r2t: 0x31,
  asyncMessage: 0x32,
  reject: 0x3f,
} as const;

/** Bytes of a basic header segment. */
export const BHS_BYTES = 48;
/** A task tag that names no task. */
export const NO_TAG = 0xffff_ffff;
/** Bytes of a digest. */
export const DIGEST_BYTES = 4;

/** What all headers have in common. RFC 7143, 11.2.1. */
const common = {
  immediate: bit(0, 6),
  opcode: bits(0, 5, 0),
  final: bit(1, 7),
  totalAhsLength: u8(4), // in words of 4 bytes
  dataSegmentLength: u24be(5),
  initiatorTaskTag: u32be(16),
};
/** Numbering of requests, and of what the initiator has seen. */
const request = { ...common, cmdSn: u32be(24), expStatSn: u32be(28) };
/** Numbering of responses, and the window of commands that the target takes. */
const response = { ...common, statSn: u32be(24), expCmdSn: u32be(28), maxCmdSn: u32be(32) };

export const Bhs = layout(BHS_BYTES, { ...common, lun: byteField(8, 8) });
/** A request of any kind that carries a CmdSN. */
export const Request = layout(BHS_BYTES, request);
/** A response of any kind that carries a StatSN. */
export const Response = layout(BHS_BYTES, response);

/** RFC 7143, 11.3. */
export const ScsiCommandPdu = layout(BHS_BYTES, {
  ...request,
  reads: bit(1, 6), // R
  writes: bit(1, 5), // W
  attributes: bits(1, 2, 0),
  lun: byteField(8, 8),
  expectedDataTransferLength: u32be(20),
  cdb: byteField(32, 16),
});
/** RFC 7143, 11.3.1.1. */
export const TaskAttribute = { untagged: 0, simple: 1, ordered: 2, headOfQueue: 3, aca: 4 } as const;

/** RFC 7143, 11.4. */
export const ScsiResponsePdu = layout(BHS_BYTES, {
  ...response,
  bidirectionalOverflow: bit(1, 4),
  bidirectionalUnderflow: bit(1, 3),
  overflow: bit(1, 2),
  underflow: bit(1, 1),
  response: u8(2),
  status: u8(3),
  snackTag: u32be(16 + 4),
  expDataSn: u32be(36),
  bidirectionalResidualCount: u32be(40),
  residualCount: u32be(44),
});
export const ScsiResponseCode = { completed: 0x00, targetFailure: 0x01 } as const;

/** RFC 7143, 11.5. */
export const TaskManagementRequestPdu = layout(BHS_BYTES, {
  ...request,
  function: bits(1, 6, 0),
  lun: byteField(8, 8),
  referencedTaskTag: u32be(20),
  refCmdSn: u32be(32),
  expDataSn: u32be(36),
});
/** RFC 7143, 11.5.1. */
export const TaskFunction = {
  abortTask: 1,
  abortTaskSet: 2,
  clearAca: 3,
  clearTaskSet: 4,
  logicalUnitReset: 5,
  targetWarmReset: 6,
  targetColdReset: 7,
  taskReassign: 8,
} as const;

/** RFC 7143, 11.6. */
export const TaskManagementResponsePdu = layout(BHS_BYTES, { ...response, response: u8(2) });
export const TaskResponse = {
  functionComplete: 0,
  taskDoesNotExist: 1,
  lunDoesNotExist: 2,
  taskStillAllegiant: 3,
  reassignmentNotSupported: 4,
  functionNotSupported: 5,
  authorizationFailed: 6,
  functionRejected: 255,
} as const;

/** RFC 7143, 11.7.1. */
export const DataOutPdu = layout(BHS_BYTES, {
  ...common,
  lun: byteField(8, 8),
  targetTransferTag: u32be(20),
  expStatSn: u32be(28),
  dataSn: u32be(36),
  bufferOffset: u32be(40),
});
/** RFC 7143, 11.7. With `status` (the S bit) it is the response too. */
export const DataInPdu = layout(BHS_BYTES, {
  ...response,
  acknowledge: bit(1, 6),
  overflow: bit(1, 2),
  underflow: bit(1, 1),
  statusPresent: bit(1, 0),
  status: u8(3),
  lun: byteField(8, 8),
  targetTransferTag: u32be(20),
  dataSn: u32be(36),
  bufferOffset: u32be(40),
  residualCount: u32be(44),
});
/** Ready To Transfer. RFC 7143, 11.8. */
export const R2tPdu = layout(BHS_BYTES, {
  ...response,
  lun: byteField(8, 8),
  targetTransferTag: u32be(20),
  r2tSn: u32be(36),
  bufferOffset: u32be(40),
  desiredDataTransferLength: u32be(44),
});

/** RFC 7143, 11.9. */
export const AsyncMessagePdu = layout(BHS_BYTES, {
  ...response,
  lun: byteField(8, 8),
  asyncEvent: u8(36),
  asyncVCode: u8(37),
  parameter1: u16be(38),
  parameter2: u16be(40),
  parameter3: u16be(42),
});
export const AsyncEvent = {
  scsi: 0,
  targetRequestsLogout: 1,
  connectionDropped: 2,
  allConnectionsDropped: 3,
  renegotiate: 4,
} as const;

/** RFC 7143, 11.10. */
export const TextRequestPdu = layout(BHS_BYTES, { ...request, continues: bit(1, 6), targetTransferTag: u32be(20) });
/** RFC 7143, 11.11. */
export const TextResponsePdu = layout(BHS_BYTES, { ...response, continues: bit(1, 6), targetTransferTag: u32be(20) });

const login = {
  transit: bit(1, 7),
  continues: bit(1, 6),
  currentStage: bits(1, 3, 2),
  nextStage: bits(1, 1, 0),
  isid: byteField(8, 6),
  tsih: u16be(14),
};
/** RFC 7143, 11.12. */
export const LoginRequestPdu = layout(BHS_BYTES, {
  ...request,
  ...login,
  versionMax: u8(2),
  versionMin: u8(3),
  cid: u16be(20),
});
/** RFC 7143, 11.13. */
export const LoginResponsePdu = layout(BHS_BYTES, {
  ...response,
  ...login,
  versionMax: u8(2),
  versionActive: u8(3),
  statusClass: u8(36),
  statusDetail: u8(37),
});
/** Stages of the login phase. RFC 7143, 11.12.3. */
export const LoginStage = { security: 0, operational: 1, fullFeature: 3 } as const;
/** Status class and detail in one number. RFC 7143, 11.13.5. */
export const LoginStatus = {
  success: 0x0000,
  initiatorError: 0x0200,
  authenticationFailure: 0x0201,
  authorizationFailure: 0x0202,
  notFound: 0x0203,
  unsupportedVersion: 0x0205,
  tooManyConnections: 0x0206,
  missingParameter: 0x0207,
  sessionTypeNotSupported: 0x0209,
  sessionDoesNotExist: 0x020a,
  invalidDuringLogin: 0x020b,
  targetError: 0x0300,
  serviceUnavailable: 0x0301,
  outOfResources: 0x0302,
} as const;
export type LoginStatus = (typeof LoginStatus)[keyof typeof LoginStatus];

/** RFC 7143, 11.14. */
export const LogoutRequestPdu = layout(BHS_BYTES, { ...request, reason: bits(1, 6, 0), cid: u16be(20) });
export const LogoutReason = { closeSession: 0, closeConnection: 1, removeForRecovery: 2 } as const;
/** RFC 7143, 11.15. */
export const LogoutResponsePdu = layout(BHS_BYTES, {
  ...response,
  response: u8(2),
  time2Wait: u16be(40),
  time2Retain: u16be(42),
});
export const LogoutResponseCode = { success: 0, cidNotFound: 1, recoveryNotSupported: 2, cleanupFailed: 3 } as const;

/** RFC 7143, 11.16. */
export const SnackRequestPdu = layout(BHS_BYTES, {
  ...common,
  type: bits(1, 3, 0),
  lun: byteField(8, 8),
  targetTransferTag: u32be(20),
  expStatSn: u32be(28),
  begRun: u32be(40),
  runLength: u32be(44),
});

/** RFC 7143, 11.17. The data segment is the header that was refused. */
export const RejectPdu = layout(BHS_BYTES, { ...response, reason: u8(2), dataSn: u32be(36) });
export const RejectReason = {
  dataDigestError: 0x02,
  snackReject: 0x03,
  protocolError: 0x04,
  commandNotSupported: 0x05,
  immediateCommandReject: 0x06,
  taskInProgress: 0x07,
  invalidPduField: 0x09,
  outOfResources: 0x0a,
  waitingForLogout: 0x0c,
} as const;
export type RejectReason = (typeof RejectReason)[keyof typeof RejectReason];

/** RFC 7143, 11.18. */
export const NopOutPdu = layout(BHS_BYTES, { ...request, lun: byteField(8, 8), targetTransferTag: u32be(20) });
/** RFC 7143, 11.19. */
export const NopInPdu = layout(BHS_BYTES, { ...response, lun: byteField(8, 8), targetTransferTag: u32be(20) });

/** Kinds of additional header segments. RFC 7143, 11.2.2.1. */
export const AhsType = { extendedCdb: 1, bidirectionalReadLength: 2 } as const;
/** AHSLength counts what follows AHSType. */
export const AhsHeader = layout(4, { ahsLength: u16be(0), ahsType: u8(2) });

/** Zeros that pad `length` bytes to a multiple of 4. */
export const paddingOf = (length: number): number => -length & 3;

/** `a` is before `b` in serial number arithmetic of 32 bits. RFC 1982. */
export const serialBefore = (a: number, b: number): boolean => ((a - b) | 0) < 0;
/** `a` + `n` modulo 2^32. */
export const serialAdd = (a: number, n: number): number => (a + n) >>> 0;
