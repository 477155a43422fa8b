/** What a target admits, so that no initiator can make it hold more than this. */
import { type Bytes, KiB, MiB } from '../../bytes/units.ts';
import type { Offer } from '../parameters.ts';

/** Commands that a session may have on their way; RFC 7143, 4.2.2.1, MaxCmdSN. */
export const COMMAND_WINDOW = 64;
/** Commands for immediate delivery beside them, which no window holds back. */
export const IMMEDIATE_COMMANDS_MAX = 8;
/** Data segments that a logged-in initiator may send. */
export const RECEIVE_SEGMENT_MAX: Bytes = 256 * KiB;
/** Before login is done; RFC 7143, 13.12, the default. */
export const LOGIN_SEGMENT_MAX: Bytes = 8 * KiB;
/** Data that come unasked, of one command. A session can make the target hold COMMAND_WINDOW times as much. */
export const FIRST_BURST_MAX: Bytes = 128 * KiB;
/** Data-Out and Data-In Buffer of one command: as much as a disk takes at once, and more than any tape record. */
export const COMMAND_DATA_MAX: Bytes = 32 * MiB;
/** Data of writes that a session may have asked for, and of reads that it may not have taken yet; each. */
export const SESSION_DATA_MAX: Bytes = 32 * MiB;
/** Bytes that wait for a slow initiator before no more requests are read from it. */
export const SEND_BACKLOG_MAX: Bytes = SESSION_DATA_MAX + 4 * MiB;
/** Sessions, those whose commands are still ending among them. */
export const SESSIONS_MAX = 32;
/** Connections that have not logged in. */
export const LOGINS_MAX = 64;
/** A login is done within this time. */
export const LOGIN_MS = 15_000;
/** Silence after which the initiator is asked whether it lives; as long again without an answer ends the session. */
export const SILENCE_MS = 15_000;
/** Answers to one text request. */
export const TEXT_ANSWER_MAX: Bytes = 256 * KiB;

export const TARGET_OFFER: Offer = {
  headerDigest: ['CRC32C', 'None'],
  dataDigest: ['CRC32C', 'None'],
  maxRecvDataSegmentLength: RECEIVE_SEGMENT_MAX,
  initialR2T: false,
  immediateData: true,
  maxBurstLength: 16 * MiB - 512,
  firstBurstLength: FIRST_BURST_MAX,
  maxOutstandingR2T: 8,
  defaultTime2Wait: 2,
  defaultTime2Retain: 0,
};
