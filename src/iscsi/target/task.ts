/**
 * One SCSI command of a session, from its PDU to its response: data gathered, handed to the unit, answered. RFC 7143, 4.2.5,
 * 11.3, 11.4, 11.7.
 */
import { FormatError } from '../../bytes/errors.ts';
import { viewOf } from '../../bytes/layout.ts';
import type { Bytes } from '../../bytes/units.ts';
import { encodeSense, SenseKey, sense } from '../../scsi/common/sense.ts';
import { statusCode } from '../../scsi/common/status.ts';
import { checkCondition, type Execute, NO_DATA, type ScsiCommand, type ScsiResult } from '../../scsi/execute.ts';
import type { SessionParameters } from '../parameters.ts';
import type { Header } from '../parser.ts';
import { DataInPdu, Opcode, R2tPdu, ScsiCommandPdu, ScsiResponsePdu, TaskAttribute } from '../pdu.ts';
import { draft, type PduSender, type TargetNumbers } from '../sender.ts';
import type { Budget } from './budget.ts';
import { type DataOut, Gather } from './gather.ts';
import { COMMAND_DATA_MAX } from './limits.ts';
import type { QueuedTask } from './lun-queue.ts';
import type { Memory } from './memory.ts';

/** What the tasks of a session share. */
export interface TaskHome {
  readonly parameters: SessionParameters;
  readonly sender: PduSender;
  readonly numbers: TargetNumbers;
  readonly memory: Memory;
  /** Of solicited writes. */
  readonly outBudget: Budget;
  readonly inBudget: Budget;
  /** A tag for an R2T, which is then `task`'s. */
  transferTag(task: Task): number;
  /** A unit threw what is not a device's failure. */
  fault(error: unknown): void;
  ended(task: Task): void;
}

export class Task implements QueuedTask {
  readonly tag: number;
  readonly lun: Uint8Array;
  readonly immediate: boolean;
  readonly ordered: boolean;
  readonly headOfQueue: boolean;
  readonly operationCode: number;
  readonly cmdSn: number;
  /** Ends with the task; no response goes out any more. */
  aborted = false;
  /** The unit has it. */
  running = false;

  readonly #home: TaskHome;
  readonly #execute: Execute;
  readonly #cdb: Uint8Array;
  readonly #expected: Bytes;
  readonly #reads: boolean;
  readonly #abort = new AbortController();
  readonly #gather: Gather | undefined;
  readonly #outLength: Bytes;
  #out: Uint8Array = NO_DATA;
  #outWhole = false; // the buffer is for all of the data
  #outBudget: Bytes = 0;
  #placing = false; // a PDU's data are on their way into the buffer
  #in: Uint8Array = NO_DATA;
  #inBudget: Bytes = 0;
  #r2tSn = 0;
  #dataSn = 0;
  #ready: (() => void) | undefined;
  #settled: (() => void)[] = [];
  #done = false;

  constructor(header: Header, home: TaskHome, execute: Execute) {
    const { view } = header;
    const f = ScsiCommandPdu;
    this.#home = home;
    this.#execute = execute;
    this.tag = f.initiatorTaskTag.get(view, 0);
    this.lun = f.lun.get(view, 0).slice();
    this.immediate = f.immediate.get(view, 0);
    this.cmdSn = f.cmdSn.get(view, 0);
    const attributes = f.attributes.get(view, 0);
    this.ordered = attributes === TaskAttribute.ordered;
    this.headOfQueue = attributes === TaskAttribute.headOfQueue;
    this.#cdb = f.cdb.get(view, 0).slice();
    this.operationCode = this.#cdb[0];
    this.#expected = f.expectedDataTransferLength.get(view, 0);
    this.#reads = f.reads.get(view, 0);
    const { firstBurstLength, maxBurstLength, maxOutstandingR2T } = home.parameters;
    this.#outLength = f.writes.get(view, 0) ? Math.min(this.#expected, COMMAND_DATA_MAX) : 0;
    if (this.#outLength === 0) return;
    const immediate = header.dataSegmentLength;
    const unsolicited = !f.final.get(view, 0);
    const options = { length: this.#outLength, immediate, unsolicited };
    this.#gather = new Gather({ ...options, firstBurstLength, maxBurstLength, maxOutstandingR2T });
    this.#takeOutBuffer(immediate > 0 || unsolicited ? firstBurstLength : 0);
  }

  /** The whole buffer where it is small or can be had now; else one for what comes unasked. */
  #takeOutBuffer(unasked: Bytes): void {
    const { memory, outBudget, parameters } = this.#home;
    const length = this.#outLength;
    if (length <= parameters.firstBurstLength) {
      this.#out = memory.take(length);
      this.#outWhole = true;
      return;
    }
    outBudget.take(length, () => {
      this.#outBudget = length;
      if (this.#done) this.#releaseOut();
      else if (!this.#placing) this.#ask();
    });
    if (this.#outBudget === 0 && unasked > 0) this.#out = memory.take(Math.min(length, unasked));
  }

  /** Memory for data that came with the command. */
  placeImmediate(length: Bytes): Uint8Array {
    this.#placing = true;
    return this.#out.subarray(0, length);
  }

  /** Memory for the data of a Data-Out PDU. Data that are not what is expected end the command. */
  place(data: DataOut): Uint8Array | undefined {
    if (this.#done) return undefined;
    try {
      if (this.#gather === undefined) throw new FormatError('corrupt', 'iSCSI Data-Out', 'data of a command without');
      this.#gather.admit(data);
    } catch (error) {
      this.#sequenceError(error);
      return undefined;
    }
    this.#placing = true;
    return this.#out.subarray(data.bufferOffset, data.bufferOffset + data.length);
  }

  /** The data of a Data-Out PDU are there. */
  taken(final: boolean): void {
    this.#placing = false;
    if (this.#done) return;
    try {
      this.#gather?.taken(final);
    } catch (error) {
      this.#sequenceError(error);
      return;
    }
    this.#ask();
  }

  /** Bh/0C/0D, incorrect amount of data. RFC 7143, 11.4.7.2. What else of them comes is dropped. */
  #sequenceError(error: unknown): void {
    if (!(error instanceof FormatError)) throw error;
    this.#placing = false;
    this.#respond(checkCondition(sense(SenseKey.abortedCommand, 0x0c, 0x0d)));
  }

  /** The command's PDU is there, and its place in the unit's queue taken: `ready` is called when all it needs is. */
  start(ready: () => void): void {
    this.#placing = false;
    this.#ready = ready;
    if (!this.#reads) {
      this.#ask();
      return;
    }
    const length = Math.min(this.#expected, COMMAND_DATA_MAX);
    this.#home.inBudget.take(length, () => {
      this.#inBudget = length;
      if (this.#done) this.#home.inBudget.give(length);
      else {
        this.#in = this.#home.memory.take(length);
        this.#go();
      }
    });
  }

  /** Asks for what is missing, as far as it may be asked for. */
  #ask(): void {
    const gather = this.#gather;
    if (gather === undefined) {
      this.#go();
      return;
    }
    if (!this.#outWhole && this.#outBudget > 0) {
      const whole = this.#home.memory.take(this.#outLength);
      whole.set(this.#out);
      if (this.#out.length > 0) this.#home.memory.give(this.#out);
      this.#out = whole;
      this.#outWhole = true;
    }
    if (gather.complete) {
      this.#go();
      return;
    }
    if (!this.#outWhole || this.#ready === undefined) return;
    for (;;) {
      const range = gather.ask(() => this.#home.transferTag(this));
      if (range === undefined) return;
      this.#sendR2T(range.tag, range.offset, range.length);
    }
  }

  #sendR2T(tag: number, offset: Bytes, length: Bytes): void {
    const pdu = draft(Opcode.r2t);
    const { view } = pdu;
    R2tPdu.lun.set(view, 0, this.lun);
    R2tPdu.initiatorTaskTag.set(view, 0, this.tag);
    R2tPdu.targetTransferTag.set(view, 0, tag);
    R2tPdu.r2tSn.set(view, 0, this.#r2tSn++);
    R2tPdu.bufferOffset.set(view, 0, offset);
    R2tPdu.desiredDataTransferLength.set(view, 0, length);
    this.#home.numbers.plain(pdu);
    this.#home.sender.send(pdu);
  }

  #go(): void {
    const ready = this.#ready;
    if (ready === undefined || (this.#gather !== undefined && !this.#gather.complete)) return;
    this.#ready = undefined;
    ready();
  }

  async run(): Promise<void> {
    if (this.#done) return;
    this.running = true;
    const command: ScsiCommand = {
      cdb: this.#cdb,
      ...(this.#outLength > 0 && { dataOut: this.#out }),
      ...(this.#reads && { dataIn: this.#in, dataInLength: this.#in.length }),
    };
    let result: ScsiResult;
    try {
      result = await this.#execute(command, this.#abort.signal);
    } catch (error) {
      this.#home.fault(error);
      result = checkCondition(sense(SenseKey.hardwareError, 0x44, 0x00));
    }
    if (this.aborted) this.#end();
    else this.#respond(result);
  }

  /** Ends the command without a response. Resolves when the unit has let go of it. */
  abort(): Promise<void> {
    this.aborted = true;
    this.#abort.abort();
    if (!this.running) this.#end();
    return this.#done ? Promise.resolve() : new Promise((resolve) => this.#settled.push(resolve));
  }

  #respond(result: ScsiResult): void {
    this.#releaseOut();
    const data = 'dataIn' in result && this.#reads ? result.dataIn : NO_DATA;
    const bare = !('sense' in result);
    const residual = residualOf(
      this.#expected,
      this.#reads,
      data.length,
      'transfer' in result ? result.transfer : undefined,
    );
    const { status } = result;
    if (data.length > 0) this.#sendData(data, bare ? { code: statusCode(status), residual } : undefined);
    if (data.length === 0 || !bare) this.#sendResponse(result, residual);
    this.#end();
  }

  #sendData(data: Uint8Array, status: { readonly code: number; readonly residual: Residual } | undefined): void {
    const { parameters, numbers, sender, memory, inBudget } = this.#home;
    const { maxSendDataSegmentLength, maxBurstLength } = parameters;
    const buffer = this.#in;
    const budget = this.#inBudget;
    this.#in = NO_DATA;
    this.#inBudget = 0;
    let burst = 0;
    for (let at = 0; at < data.length; ) {
      const length = Math.min(maxSendDataSegmentLength, maxBurstLength - burst, data.length - at);
      const last = at + length === data.length;
      const pdu = draft(Opcode.dataIn);
      const { view } = pdu;
      burst += length;
      const endOfBurst = last || burst === maxBurstLength;
      if (endOfBurst) burst = 0;
      else DataInPdu.final.set(view, 0, false);
      DataInPdu.initiatorTaskTag.set(view, 0, this.tag);
      DataInPdu.targetTransferTag.set(view, 0, 0xffff_ffff);
      DataInPdu.dataSn.set(view, 0, this.#dataSn++);
      DataInPdu.bufferOffset.set(view, 0, at);
      if (last && status !== undefined) {
        DataInPdu.statusPresent.set(view, 0, true);
        DataInPdu.status.set(view, 0, status.code);
        setResidual(view, status.residual);
        numbers.status(pdu);
      } else numbers.data(pdu);
      const sent = last
        ? (): void => {
            memory.give(buffer);
            inBudget.give(budget);
          }
        : undefined;
      sender.send(pdu, data.subarray(at, at + length), sent);
      at += length;
    }
  }

  #sendResponse(result: ScsiResult, residual: Residual): void {
    const pdu = draft(Opcode.scsiResponse);
    const { view } = pdu;
    ScsiResponsePdu.initiatorTaskTag.set(view, 0, this.tag);
    ScsiResponsePdu.status.set(view, 0, statusCode(result.status));
    ScsiResponsePdu.expDataSn.set(view, 0, this.#dataSn + this.#r2tSn);
    setResidual(view, residual);
    this.#home.numbers.status(pdu);
    this.#home.sender.send(pdu, 'sense' in result ? senseSegment(encodeSense(result.sense)) : undefined);
  }

  #releaseOut(): void {
    const { memory, outBudget } = this.#home;
    if (this.#out.length > 0 && !this.#placing) memory.give(this.#out);
    this.#out = NO_DATA;
    if (this.#outBudget > 0) outBudget.give(this.#outBudget);
    this.#outBudget = 0;
  }

  #end(): void {
    if (this.#done) return;
    this.#done = true;
    this.#releaseOut();
    if (this.#in.length > 0) this.#home.memory.give(this.#in);
    if (this.#inBudget > 0) this.#home.inBudget.give(this.#inBudget);
    this.#in = NO_DATA;
    this.#inBudget = 0;
    this.#home.ended(this);
    for (const settled of this.#settled.splice(0)) settled();
  }
}

/** Positive: the initiator's buffer was not filled, or not all its data taken; negative: the command has more than it expected. */
type Residual = number;

function residualOf(expected: Bytes, reads: boolean, given: Bytes, transfer: Bytes | undefined): Residual {
  if (transfer !== undefined && transfer > expected) return expected - transfer;
  if (reads) return expected - given;
  return transfer === undefined ? 0 : expected - transfer;
}

/** Bits and count stand at the same places in a Data-In and in a SCSI Response. RFC 7143, 11.4.5, 11.7.6. */
function setResidual(view: DataView, residual: Residual): void {
  if (residual === 0) return;
  if (residual > 0) ScsiResponsePdu.underflow.set(view, 0, true);
  else ScsiResponsePdu.overflow.set(view, 0, true);
  ScsiResponsePdu.residualCount.set(view, 0, Math.abs(residual));
}

/** SenseLength before the sense data. RFC 7143, 11.4.7. */
function senseSegment(data: Uint8Array): Uint8Array {
  const out = new Uint8Array(2 + data.length);
  viewOf(out).setUint16(0, data.length);
  out.set(data, 2);
  return out;
}
