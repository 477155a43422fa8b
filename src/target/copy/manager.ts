/**
 * The copy manager: EXTENDED COPY(LID1) and the RECEIVE COPY commands, as commands that a router adds to its units.
 * SPC-4, 5.17, 6.4, 6.20 to 6.26.
 *
 * Invariants
 * - A list is held against the limits that RECEIVE COPY OPERATING PARAMETERS states before any byte moves.
 * - Status and failure details of an ended copy are kept per nexus and list identifier until they are read, the identifier
 *   is used again, or too many are kept.
 */
import { viewOf } from '../../bytes/layout.ts';
import { KiB, MiB } from '../../bytes/units.ts';
import { CopyIn, CopyOut, DeviceType, OperationCode } from '../../scsi/common/operation-codes.ts';
import {
  encodeSense,
  illegalRequest,
  invalidFieldInCdb,
  parameterListLengthError,
  type Sense,
} from '../../scsi/common/sense.ts';
import { statusCode } from '../../scsi/common/status.ts';
import { supportedCommand } from '../../scsi/common/supported-commands.ts';
import { VpdPage } from '../../scsi/common/vpd.ts';
import { DescriptorType, ExtendedCopy } from '../../scsi/copy/descriptors.ts';
import { decodeCopyList } from '../../scsi/copy/parameter-list.ts';
import {
  CopyStatusCode,
  encodeCopyStatus,
  encodeFailureDetails,
  encodeOperatingParameters,
  encodeThirdPartyCopyPage,
  type OperatingParameters,
  ReceiveCopy,
} from '../../scsi/copy/receive.ts';
import { checkCondition, good, type ScsiCommand, type ScsiResult } from '../../scsi/execute.ts';
import { byServiceAction, type CommandContext, dataIn, type LogicalUnit, type UnitAdditions } from '../logical-unit.ts';
import { resolveDevices } from './devices.ts';
import { CopyRun } from './run.ts';
import { SlabPool } from './slab.ts';

/** What the built-in copy manager admits. */
export const COPY_DEFAULTS: OperatingParameters = {
  cscdsMax: 16,
  segmentsMax: 8192,
  descriptorListBytesMax: 256 * KiB,
  segmentBytesMax: 0,
  inlineBytesMax: 4 * MiB,
  streamTransferBytesMax: 8 * MiB,
  descriptorTypes: Object.values(DescriptorType),
  heldDataMax: 0,
  totalConcurrentCopies: 4,
  concurrentCopies: 4,
};

export interface CopyManagerOptions {
  /** In place of the defaults; `descriptorTypes` says which codes are offered. */
  readonly parameters?: Partial<OperatingParameters>;
  /** Bytes of one READ(16) or WRITE(16) of the copy manager's own, a multiple of 4096. */
  readonly blockTransferBytesMax?: number;
  /** Buffers of a copy, at least 4: two may be held by residue, one by the drive until it gets the next record. */
  readonly queueDepth?: number;
  /** Bytes of each of them, a multiple of 4096. */
  readonly bufferBytes?: number;
}

const BUFFER_BYTES = 4 * MiB;
const BLOCK_TRANSFER_BYTES = 1 * MiB;
/** Reading runs at most this many buffers ahead of what is on the medium: two of them are being written. */
export const QUEUE_DEPTH = 6;
const QUEUE_DEPTH_MIN = 4;
/** Buffers that stay allocated between copies. */
const BUFFERS_KEPT = 2 * QUEUE_DEPTH;
/** A copy may be of a whole cartridge; SPC-4 lets it take as long. */
const COPY_SECONDS = 24 * 3600;
const COPY_COMMANDS = [
  supportedCommand('83 1f 00 00 00 00 00 00 00 00 ff ff ff ff 00 00', {
    serviceAction: CopyOut.extendedCopyLid1,
    timeoutSeconds: COPY_SECONDS,
  }),
  ...[CopyIn.copyStatusLid1, CopyIn.operatingParameters, CopyIn.failureDetailsLid1].map((serviceAction) =>
    supportedCommand('84 1f ff 00 00 00 00 00 00 00 ff ff ff ff 00 00', { serviceAction }),
  ),
];
/** Ended copies whose status is kept. */
const SAVED_MAX = 256;

interface Saved {
  readonly status: number;
  readonly segmentsProcessed: number;
  readonly bytes: number;
  readonly sense: Sense | undefined;
}

export class CopyManager {
  readonly parameters: OperatingParameters;
  readonly #units: (nexus: string) => readonly LogicalUnit[];
  readonly #options: CopyManagerOptions;
  readonly #pool: SlabPool;
  readonly #running = new Map<string, CopyRun | undefined>();
  readonly #saved = new Map<string, Saved>();

  /** `units`: those that the CSCD descriptors of a nexus can name. */
  constructor(units: (nexus: string) => readonly LogicalUnit[], options: CopyManagerOptions = {}) {
    this.#units = units;
    this.#options = options;
    this.parameters = { ...COPY_DEFAULTS, ...options.parameters };
    this.#pool = new SlabPool(options.bufferBytes ?? BUFFER_BYTES, BUFFERS_KEPT);
  }

  /** Copies under way. */
  get copies(): number {
    return this.#running.size;
  }

  /** What `unit` offers of third-party copy. Stream to stream is offered by tape units alone. */
  additionsFor(unit: LogicalUnit): UnitAdditions {
    const parameters = this.#parametersOf(unit);
    return {
      commands: {
        [OperationCode.thirdPartyCopyOut]: byServiceAction({
          [CopyOut.extendedCopyLid1]: (command, context) => this.#extendedCopy(unit, parameters, command, context),
        }),
        [OperationCode.thirdPartyCopyIn]: byServiceAction({
          [CopyIn.copyStatusLid1]: (command, context) => this.#copyStatus(command, context),
          [CopyIn.operatingParameters]: (command) => operatingParameters(parameters, command),
          [CopyIn.failureDetailsLid1]: (command, context) => this.#failureDetails(command, context),
        }),
      },
      vpdPages: { [VpdPage.thirdPartyCopy]: () => encodeThirdPartyCopyPage(parameters) },
      supported: COPY_COMMANDS,
    };
  }

  /** Status kept for a nexus that is gone is dropped; copies under way go on. SPC-4, table 109. */
  loseNexus(nexus: string): void {
    for (const key of this.#saved.keys()) if (key.startsWith(`${nexus}\0`)) this.#saved.delete(key);
  }

  #parametersOf(unit: LogicalUnit): OperatingParameters {
    if (unit.peripheralDeviceType === DeviceType.tape) return this.parameters;
    const { parameters } = this;
    const descriptorTypes = parameters.descriptorTypes.filter((type) => type !== DescriptorType.streamToStream);
    return { ...parameters, descriptorTypes };
  }

  async #extendedCopy(
    unit: LogicalUnit,
    parameters: OperatingParameters,
    command: ScsiCommand,
    context: CommandContext,
  ): Promise<ScsiResult> {
    const length = ExtendedCopy.parameterListLength.get(viewOf(command.cdb), 0);
    if (length === 0) return good();
    const data = command.dataOut;
    if (data === undefined || data.length < length) return checkCondition(parameterListLengthError());
    const decoded = decodeCopyList(data.subarray(0, length), parameters);
    if (decoded.kind === 'refused') return checkCondition(decoded.sense);
    const { list } = decoded;
    const key = `${context.nexus}\0${list.listId}`;
    if (this.#running.has(key)) return checkCondition(illegalRequest(0x00, 0x16));
    if (this.#running.size >= parameters.totalConcurrentCopies) return { status: 'task-set-full' };
    this.#saved.delete(key);
    this.#running.set(key, undefined);
    try {
      const devices = await resolveDevices(list, this.#units(context.nexus), unit, context.nexus);
      const run = new CopyRun(list, devices, this.#runOptions(context));
      this.#running.set(key, run);
      const outcome = await run.run();
      if (outcome.kind === 'stopped') return { status: 'task-aborted' };
      const sense = outcome.kind === 'aborted' ? outcome.sense : undefined;
      this.#save(key, run, sense);
      return sense === undefined ? good() : checkCondition(sense);
    } finally {
      this.#running.delete(key);
    }
  }

  #runOptions(context: CommandContext) {
    return {
      pool: this.#pool,
      queueDepth: Math.max(QUEUE_DEPTH_MIN, this.#options.queueDepth ?? QUEUE_DEPTH),
      blockTransferBytesMax: this.#options.blockTransferBytesMax ?? BLOCK_TRANSFER_BYTES,
      segmentBytesMax: this.parameters.segmentBytesMax,
      ...(context.signal === undefined ? {} : { signal: context.signal }),
    };
  }

  #save(key: string, run: CopyRun, sense: Sense | undefined): void {
    const oldest = this.#saved.keys().next();
    if (this.#saved.size >= SAVED_MAX && !oldest.done) this.#saved.delete(oldest.value);
    const status = sense === undefined ? CopyStatusCode.done : CopyStatusCode.failed;
    const segmentsProcessed = sense?.copy?.segment ?? run.segmentsProcessed;
    this.#saved.set(key, { status, segmentsProcessed, bytes: run.bytesWritten, sense });
  }

  #copyStatus(command: ScsiCommand, context: CommandContext): ScsiResult {
    const { listIdentifier, allocationLength } = ReceiveCopy.decodeAll(viewOf(command.cdb));
    const key = `${context.nexus}\0${listIdentifier}`;
    if (this.#running.has(key)) {
      const run = this.#running.get(key);
      const segmentsProcessed = run?.segmentsProcessed ?? 0;
      const now = { status: CopyStatusCode.inProgress, segmentsProcessed, bytes: run?.bytesWritten ?? 0 };
      return dataIn(command, encodeCopyStatus(now), allocationLength);
    }
    const saved = this.#saved.get(key);
    if (saved === undefined) return checkCondition(invalidFieldInCdb(2));
    if (saved.status === CopyStatusCode.done) this.#saved.delete(key); // failure details may still be asked for
    return dataIn(command, encodeCopyStatus(saved), allocationLength);
  }

  #failureDetails(command: ScsiCommand, context: CommandContext): ScsiResult {
    const { listIdentifier, allocationLength } = ReceiveCopy.decodeAll(viewOf(command.cdb));
    const key = `${context.nexus}\0${listIdentifier}`;
    if (this.#running.has(key)) return checkCondition(invalidFieldInCdb(2));
    const saved = this.#saved.get(key);
    if (saved?.sense === undefined) return dataIn(command, encodeFailureDetails(undefined), allocationLength);
    this.#saved.delete(key);
    const details = { status: statusCode('check-condition'), sense: encodeSense(saved.sense) };
    return dataIn(command, encodeFailureDetails(details), allocationLength);
  }
}

function operatingParameters(parameters: OperatingParameters, command: ScsiCommand): ScsiResult {
  const { allocationLength } = ReceiveCopy.decodeAll(viewOf(command.cdb));
  return dataIn(command, encodeOperatingParameters(parameters), allocationLength);
}
