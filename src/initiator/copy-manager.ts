/** A copy manager behind an `Execute`: EXTENDED COPY and the RECEIVE COPY RESULTS family. SPC-4, 5.17, 6.4, 6.20 to 6.26. */
import { isDeepStrictEqual } from 'node:util';
import { assert, FormatError } from '../bytes/errors.ts';
import type { Bytes } from '../bytes/units.ts';
import { testUnitReady } from '../scsi/common/commands.ts';
import { decodeInquiryData, inquiry } from '../scsi/common/inquiry.ts';
import { CopyIn } from '../scsi/common/operation-codes.ts';
import { decodeSense, type Sense, SenseKey } from '../scsi/common/sense.ts';
import type { CopyLimits, CopyList } from '../scsi/copy/list.ts';
import { decodeCopyList, encodeCopyList, extendedCopyLid1 } from '../scsi/copy/parameter-list.ts';
import { decodeOperatingParameters, receiveCopy } from '../scsi/copy/receive.ts';
import type { Execute } from '../scsi/execute.ts';
import { executeGood, executeWithRetry } from './retry.ts';
import { refusal } from './words.ts';

export type CopyOutcome =
  | { readonly kind: 'done' }
  /**
   * The copy ended early: Ah COPY ABORTED. The destination's own sense is decoded.
   * `early-warning`: 0Dh/01h, destination NO SENSE with EOM; what was written counts. `residue` as in INFORMATION.
   */
  | {
      readonly kind: 'early-warning';
      readonly segment: number;
      readonly residue: Bytes | undefined;
      readonly sense: Sense;
    }
  /** Destination VOLUME OVERFLOW: physical end of medium. */
  | {
      readonly kind: 'end-of-medium';
      readonly segment: number;
      readonly residue: Bytes | undefined;
      readonly sense: Sense;
    }
  | {
      readonly kind: 'failed';
      readonly segment: number | undefined;
      readonly residue: Bytes | undefined;
      readonly sense: Sense;
      readonly source?: Sense;
      readonly destination?: Sense;
    };

export interface CopyManager {
  readonly limits: CopyLimits;
  /** Runs one list to its end. @throws FormatError `io` when the transport is lost, ScsiError when the list itself is refused */
  copy(list: CopyList, signal?: AbortSignal): Promise<CopyOutcome>;
}

const INQUIRY_BYTES = 96;
/** The fixed fields and at most 255 descriptor types are 299 bytes. */
const PARAMETERS_BYTES = 512;

/**
 * Asks a unit what its copy manager admits. @throws FormatError `unsupported` when it says that it has none (3PC),
 * `corrupt` when its answer cannot be read; ScsiError when it refuses to say
 */
export async function openCopyManager(execute: Execute, signal?: AbortSignal): Promise<CopyManager> {
  const about = (words: string) => ({ device: 'copy manager', words, ...(signal && { signal }) });
  const who = await executeGood(
    execute,
    { cdb: inquiry(INQUIRY_BYTES), dataInLength: INQUIRY_BYTES },
    about('INQUIRY'),
  );
  const { vendor, product, thirdPartyCopy } = decodeInquiryData(who.dataIn);
  const device = `copy manager of ${vendor} ${product}`;
  if (!thirdPartyCopy)
    throw new FormatError('unsupported', device, 'INQUIRY says that it does not do third-party copy');
  // Attentions from before this session are none of its business; later ones are told.
  await executeWithRetry(execute, { cdb: testUnitReady() }, about('TEST UNIT READY'));
  const cdb = receiveCopy(CopyIn.operatingParameters, PARAMETERS_BYTES);
  const answer = await executeGood(
    execute,
    { cdb, dataInLength: PARAMETERS_BYTES },
    about('RECEIVE COPY OPERATING PARAMETERS'),
  );
  const limits = decodeOperatingParameters(answer.dataIn);
  return { limits, copy: (list, stop) => copy(execute, device, list, stop) };
}

/** What the encoder is held against: all that the format admits. */
const ANY_LIMITS: CopyLimits = {
  cscdsMax: 0x800,
  segmentsMax: 0xffff,
  descriptorListBytesMax: 0xffff_ffff,
  segmentBytesMax: 0,
  inlineBytesMax: 0xffff_ffff,
  streamTransferBytesMax: 0xffff_ffff,
  descriptorTypes: Array.from({ length: 256 }, (_, code) => code),
};

/** The list as bytes, decoded again and compared before it goes out. */
function checkedBytes(list: CopyList): Uint8Array {
  const encoded = encodeCopyList(list);
  const decoded = decodeCopyList(encoded, ANY_LIMITS);
  assert(decoded.kind === 'list', 'an encoded copy list does not decode');
  const { cscds, segments, inlineData, listId } = decoded.list;
  const same =
    listId === list.listId &&
    isDeepStrictEqual(cscds, list.cscds) &&
    isDeepStrictEqual(segments, list.segments) &&
    inlineData.length === list.inlineData.length;
  assert(same, 'a copy list changes when it is encoded');
  return encoded;
}

async function copy(execute: Execute, device: string, list: CopyList, signal?: AbortSignal): Promise<CopyOutcome> {
  const dataOut = checkedBytes(list);
  const command = { cdb: extendedCopyLid1(dataOut.length), dataOut };
  signal?.throwIfAborted();
  const result = await execute1(execute, command, device, signal);
  if (result.status !== 'check-condition') return { kind: 'done' };
  if (result.sense.key !== SenseKey.copyAborted) throw refusal(device, 'EXTENDED COPY', result);
  return outcomeOf(result.sense);
}

async function execute1(
  execute: Execute,
  command: Parameters<Execute>[0],
  device: string,
  signal: AbortSignal | undefined,
) {
  try {
    const how = { device, words: 'EXTENDED COPY', unitAttention: 'report', ...(signal && { signal }) } as const;
    return await executeWithRetry(execute, command, how);
  } catch (error) {
    signal?.throwIfAborted(); // the abort is what the caller asked for, TASK ABORTED its consequence
    throw error;
  }
}

/** COPY ABORTED in the words of a CopyOutcome. */
function outcomeOf(sense: Sense): CopyOutcome {
  const residue = sense.information;
  const segment = sense.copy?.segment;
  const source = nested(sense.copy?.source);
  const destination = nested(sense.copy?.destination);
  const thirdParty = sense.asc === 0x0d && sense.ascq === 0x01;
  if (thirdParty && segment !== undefined && destination !== undefined && source === undefined) {
    const early = destination.key === SenseKey.noSense || destination.key === SenseKey.recoveredError;
    if (early && destination.endOfMedium && !destination.deferred)
      return { kind: 'early-warning', segment, residue, sense: destination };
    if (destination.key === SenseKey.volumeOverflow)
      return { kind: 'end-of-medium', segment, residue, sense: destination };
  }
  return {
    kind: 'failed',
    segment,
    residue,
    sense,
    ...(source === undefined ? {} : { source }),
    ...(destination === undefined ? {} : { destination }),
  };
}

const nested = (inner: { readonly sense: Uint8Array } | undefined): Sense | undefined =>
  inner === undefined ? undefined : decodeSense(inner.sense);
