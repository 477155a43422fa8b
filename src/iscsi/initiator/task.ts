/** One SCSI command as an initiator has it under way: data in as they come, data out as they are asked for. RFC 7143, 4.2.5, 11. */
import { FormatError } from '../../bytes/errors.ts';
import type { Bytes } from '../../bytes/units.ts';
import { decodeSense, type Sense } from '../../scsi/common/sense.ts';
import { statusOf } from '../../scsi/common/status.ts';
import { NO_DATA, type ScsiCommand, type ScsiResult } from '../../scsi/execute.ts';
import type { SessionParameters } from '../parameters.ts';
import {
  DataInPdu,
  DataOutPdu,
  NO_TAG,
  Opcode,
  R2tPdu,
  ScsiCommandPdu,
  ScsiResponsePdu,
  TaskAttribute,
} from '../pdu.ts';
import { type Draft, draft, type PduSender } from '../sender.ts';

export interface InitiatorTaskOptions {
  readonly tag: number;
  readonly cmdSn: number;
  /** The LUN as 8 bytes. */
  readonly lun: Uint8Array;
  readonly command: ScsiCommand;
  readonly parameters: SessionParameters;
  readonly where: string;
  resolve(result: ScsiResult): void;
  reject(error: unknown): void;
  /** Ends the task, then calls `how`, which resolves or rejects. */
  settle(how: () => void): void;
}

const CDB_BYTES = 16;
const NO_SENSE: Sense = { key: 0, asc: 0, ascq: 0 };

export class InitiatorTask {
  readonly tag: number;
  readonly cmdSn: number;
  readonly lun: Uint8Array;
  readonly #options: InitiatorTaskOptions;
  readonly #into: Uint8Array;
  #received: Bytes = 0;
  #dataSn = 0;
  #aborting = false; // ABORT TASK was sent
  #abortReason: FormatError | undefined;
  #unsent = 0; // PDUs whose data, the caller's, the system has not taken yet
  #outcome: (() => void) | undefined;

  /** @throws FormatError `unsupported` for a command that iSCSI cannot carry like this */
  constructor(options: InitiatorTaskOptions) {
    const { command, where } = options;
    const { cdb, dataOut, dataIn, dataInLength = 0 } = command;
    const unsupported = (what: string): FormatError => new FormatError('unsupported', where, what);
    if (cdb.length > CDB_BYTES) throw unsupported(`a command of ${cdb.length} bytes`);
    if ((dataOut?.length ?? 0) > 0 && dataInLength > 0) throw unsupported('a command with data both ways');
    this.tag = options.tag;
    this.cmdSn = options.cmdSn;
    this.lun = options.lun;
    this.#options = options;
    this.#into = dataIn === undefined ? new Uint8Array(dataInLength) : dataIn.subarray(0, dataInLength);
  }

  /** The command's header, but for CmdSN, and the data that go with it. */
  first(): { readonly pdu: Draft; readonly data: Uint8Array } {
    const { command, lun, parameters } = this.#options;
    const { cdb, dataOut = NO_DATA } = command;
    const { immediateData, maxSendDataSegmentLength } = parameters;
    const length = immediateData ? Math.min(this.#unasked(), maxSendDataSegmentLength) : 0;
    const pdu = draft(Opcode.scsiCommand);
    const { view } = pdu;
    const f = ScsiCommandPdu;
    f.final.set(view, 0, this.#unsolicited() <= length);
    f.reads.set(view, 0, this.#into.length > 0);
    f.writes.set(view, 0, dataOut.length > 0);
    f.attributes.set(view, 0, TaskAttribute.simple);
    f.lun.set(view, 0, lun);
    f.initiatorTaskTag.set(view, 0, this.tag);
    f.expectedDataTransferLength.set(view, 0, dataOut.length > 0 ? dataOut.length : this.#into.length);
    f.cdb.set(view, 0, cdb);
    return { pdu, data: dataOut.subarray(0, length) };
  }

  /** Data that may go before any R2T, immediate ones among them. */
  #unasked(): Bytes {
    return Math.min(this.#options.command.dataOut?.length ?? 0, this.#options.parameters.firstBurstLength);
  }
  /** Of them, what goes in PDUs of their own unless it has gone with the command. */
  #unsolicited(): Bytes {
    return this.#options.parameters.initialR2T ? 0 : this.#unasked();
  }

  /** Sends what may follow the command unasked. `sent`: what went with it. */
  sendUnsolicited(sender: PduSender, sent: Bytes, expStatSn: number): void {
    if (this.#unsolicited() > sent) this.#sendData(sender, sent, this.#unsolicited(), NO_TAG, expStatSn);
  }

  /** R2T: sends what is asked for. @throws FormatError when it is not there */
  ready(sender: PduSender, view: DataView, expStatSn: number): void {
    const offset = R2tPdu.bufferOffset.get(view, 0);
    const end = offset + R2tPdu.desiredDataTransferLength.get(view, 0);
    if (end > (this.#options.command.dataOut?.length ?? 0)) throw this.#wrong('asks for more data than there are');
    if (!this.#aborting) this.#sendData(sender, offset, end, R2tPdu.targetTransferTag.get(view, 0), expStatSn);
  }

  #sendData(sender: PduSender, from: Bytes, end: Bytes, transferTag: number, expStatSn: number): void {
    const { command, lun, parameters } = this.#options;
    const data = command.dataOut ?? NO_DATA;
    for (let at = from, dataSn = 0; at < end; dataSn++) {
      const length = Math.min(parameters.maxSendDataSegmentLength, end - at);
      const pdu = draft(Opcode.dataOut);
      const { view } = pdu;
      const f = DataOutPdu;
      f.final.set(view, 0, at + length === end);
      f.lun.set(view, 0, lun);
      f.initiatorTaskTag.set(view, 0, this.tag);
      f.targetTransferTag.set(view, 0, transferTag);
      f.expStatSn.set(view, 0, expStatSn);
      f.dataSn.set(view, 0, dataSn);
      f.bufferOffset.set(view, 0, at);
      const part = data.subarray(at, at + length);
      sender.send(pdu, part, this.hold(part));
      at += length;
    }
  }

  /** Memory for a Data-In's data. @throws FormatError when they do not belong there */
  place(view: DataView): Uint8Array {
    const f = DataInPdu;
    const offset = f.bufferOffset.get(view, 0);
    const length = f.dataSegmentLength.get(view, 0);
    if (f.dataSn.get(view, 0) !== this.#dataSn) throw this.#wrong('a Data-In is missing');
    if (offset !== this.#received || offset + length > this.#into.length) throw this.#wrong('data out of place');
    return this.#into.subarray(offset, offset + length);
  }

  /** The data of a Data-In are there, and the command's end perhaps with them. */
  taken(view: DataView): void {
    this.#received += DataInPdu.dataSegmentLength.get(view, 0);
    this.#dataSn++;
    if (DataInPdu.statusPresent.get(view, 0)) this.#end(DataInPdu.status.get(view, 0), undefined);
  }

  /** The SCSI Response. */
  response(view: DataView, data: Uint8Array): void {
    const code = ScsiResponsePdu.response.get(view, 0);
    if (code !== 0) {
      this.#fail(this.#wrong(`the target failed the command (response ${code})`));
      return;
    }
    const length = data.length >= 2 ? data[0] * 256 + data[1] : 0;
    this.#end(ScsiResponsePdu.status.get(view, 0), data.subarray(2, 2 + length));
  }

  #end(code: number, senseData: Uint8Array | undefined): void {
    const status = statusOf(code);
    const dataIn = this.#into.subarray(0, this.#received);
    const residual = this.#into.length - dataIn.length;
    switch (status) {
      case undefined:
        this.#fail(this.#wrong(`status ${code.toString(16)}h is none`));
        break;
      case 'good':
      case 'condition-met':
        this.#answer({ status, dataIn, residual });
        break;
      case 'check-condition':
        this.#answer({ status, sense: (senseData && decodeSense(senseData)) ?? NO_SENSE, dataIn, residual });
        break;
      default:
        this.#answer({ status });
    }
  }

  // --- the end

  /** ABORT TASK is to be sent: false when there is no need. */
  startAbort(reason: FormatError | undefined): boolean {
    if (this.#aborting || this.#outcome !== undefined) return false;
    this.#aborting = true;
    this.#abortReason = reason;
    return true;
  }
  /** Aborted as was asked for. */
  abandon(): void {
    if (this.#abortReason === undefined) this.#answer({ status: 'task-aborted' });
    else this.#fail(this.#abortReason);
  }
  /** The connection was lost. */
  lose(error: FormatError): void {
    this.#unsent = 0;
    if (this.#outcome !== undefined) this.#options.settle(this.#outcome);
    else if (this.#aborting) this.abandon();
    else this.#fail(error);
  }

  #answer(result: ScsiResult): void {
    this.#settle(() => this.#options.resolve(result));
  }
  #fail(error: FormatError): void {
    this.#settle(() => this.#options.reject(error));
  }
  /** Once, and not before the system has taken the caller's bytes: they are the caller's again when the result is there. */
  #settle(outcome: () => void): void {
    this.#outcome ??= outcome;
    if (this.#unsent === 0) this.#options.settle(this.#outcome);
  }
  /** Notes bytes of the caller's on their way; to be called when they are gone. */
  hold(data: Uint8Array): (() => void) | undefined {
    if (data.length === 0) return undefined;
    this.#unsent++;
    return () => {
      this.#unsent--;
      if (this.#unsent === 0 && this.#outcome !== undefined) this.#options.settle(this.#outcome);
    };
  }

  #wrong(what: string): FormatError {
    return new FormatError('corrupt', this.#options.where, what);
  }
}
