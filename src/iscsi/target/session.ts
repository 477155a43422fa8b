/**
 * A session in its full feature phase, over its one connection. RFC 7143, 4.2, 4.3, 6, 11. Error recovery level 0: what
 * cannot be understood ends the session, and the initiator logs in again.
 *
 * Invariants
 * - Commands reach their unit in the order of CmdSN; numbers outside the window are ignored, a gap ends the session.
 * - An initiator task tag names at most one task; a task ends exactly once.
 * - After `close` nothing is sent, every task is aborted but copies, which go on by themselves (SPC-4, table 109).
 */
import { FormatError } from '../../bytes/errors.ts';
import { decodeLun } from '../../scsi/common/commands.ts';
import { OperationCode } from '../../scsi/common/operation-codes.ts';
import type { Execute } from '../../scsi/execute.ts';
import type { SessionParameters } from '../parameters.ts';
import type { Header, PduHandler } from '../parser.ts';
import {
  AsyncEvent,
  AsyncMessagePdu,
  BHS_BYTES,
  Bhs,
  DataOutPdu,
  LogoutReason,
  LogoutRequestPdu,
  LogoutResponseCode,
  LogoutResponsePdu,
  NO_TAG,
  NopInPdu,
  NopOutPdu,
  Opcode,
  RejectPdu,
  RejectReason,
  Request,
  ScsiCommandPdu,
  serialAdd,
  serialBefore,
  TextRequestPdu,
  TextResponsePdu,
} from '../pdu.ts';
import { draft, type PduSender, type TargetNumbers } from '../sender.ts';
import { Budget } from './budget.ts';
import type { DataOut } from './gather.ts';
import { COMMAND_WINDOW, IMMEDIATE_COMMANDS_MAX, SESSION_DATA_MAX } from './limits.ts';
import { LunQueue } from './lun-queue.ts';
import { manageTasks } from './management.ts';
import type { Memory } from './memory.ts';
import type { DeviceSession } from './node.ts';
import { Task, type TaskHome } from './task.ts';
import type { TextExchange } from './text-exchange.ts';

export interface SessionOptions {
  readonly parameters: SessionParameters;
  readonly sender: PduSender;
  readonly numbers: TargetNumbers;
  readonly memory: Memory;
  readonly connectionId: number;
  /** Undefined: a discovery session, which has text and nothing else. */
  readonly device: DeviceSession | undefined;
  readonly text: TextExchange;
  /** Every session that uses the device, this one too: for resets. */
  peers(): Iterable<Session>;
  /** A unit threw what is not a device's failure. */
  fault(error: unknown): void;
  /** Ends the connection, after what was sent has gone out if `gently`. */
  disconnect(reason: string, gently: boolean): void;
  /** The last task has ended after `close`. */
  empty(): void;
}

const protocolError = (what: string): FormatError => new FormatError('corrupt', 'iSCSI session', what);

export class Session implements PduHandler, TaskHome {
  readonly parameters: SessionParameters;
  readonly sender: PduSender;
  readonly numbers: TargetNumbers;
  readonly memory: Memory;
  readonly outBudget = new Budget(SESSION_DATA_MAX);
  readonly inBudget = new Budget(SESSION_DATA_MAX);
  readonly #options: SessionOptions;
  readonly #tasks = new Map<number, Task>();
  readonly #transfers = new Map<number, Task>();
  readonly #units = new Map<number, Execute>();
  readonly #queues = new Map<number, LunQueue>();
  readonly #queueOf = new Map<Task, LunQueue>();
  #nextTransferTag = 1;
  #arriving: Task | undefined; // its immediate data are on their way
  #ping: number | undefined;
  #closed = false;
  #commands = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.parameters = options.parameters;
    this.sender = options.sender;
    this.numbers = options.numbers;
    this.memory = options.memory;
  }

  /** Tasks that have not ended. */
  get tasks(): Iterable<Task> {
    return this.#tasks.values();
  }
  get taskCount(): number {
    return this.#tasks.size;
  }
  /** SCSI commands so far. */
  get commandCount(): number {
    return this.#commands;
  }
  get device(): DeviceSession | undefined {
    return this.#options.device;
  }
  peers(): Iterable<Session> {
    return this.#options.peers();
  }
  fault(error: unknown): void {
    this.#options.fault(error);
  }

  // --- PDUs in

  place(header: Header): Uint8Array | undefined {
    const { view, opcode, dataSegmentLength } = header;
    switch (opcode) {
      case Opcode.scsiCommand: {
        if (this.#closed || this.#standing(view) !== 'next' || this.#refusal(view) !== undefined) return undefined;
        this.#arriving = this.#newTask(header);
        return this.#arriving.placeImmediate(dataSegmentLength);
      }
      case Opcode.dataOut:
        return this.#dataTask(view)?.place(dataOutOf(view));
      default:
        return undefined;
    }
  }

  pdu(header: Header, data: Uint8Array, intact: boolean): void {
    if (this.#closed) return;
    if (!intact) throw protocolError('a data digest is wrong'); // error recovery level 0: the initiator starts anew
    const { view, opcode } = header;
    if (opcode === Opcode.dataOut) {
      this.#dataOut(header);
      return;
    }
    if (opcode === Opcode.snackRequest) {
      this.#reject(header, RejectReason.snackReject);
      return;
    }
    if (this.#options.device === undefined && !DISCOVERY_OPCODES.has(opcode)) {
      this.#reject(header, RejectReason.protocolError);
      this.#options.disconnect('a discovery session asks for more than text', true);
      return;
    }
    const standing = this.#standing(view);
    if (standing === 'ignored') return;
    if (standing === 'gap') throw protocolError('a gap in the numbers of commands');
    if (!Request.immediate.get(view, 0)) this.numbers.expCmdSn = serialAdd(this.numbers.expCmdSn, 1);
    this.#dispatch(header, data);
  }

  #dispatch(header: Header, data: Uint8Array): void {
    switch (header.opcode) {
      case Opcode.scsiCommand:
        this.#scsiCommand(header);
        break;
      case Opcode.nopOut:
        this.#nopOut(header.view, data);
        break;
      case Opcode.taskManagementRequest:
        manageTasks(this, header.view);
        break;
      case Opcode.textRequest:
        this.#text(header.view, data);
        break;
      case Opcode.logoutRequest:
        this.#logout(header.view);
        break;
      case Opcode.loginRequest:
        throw protocolError('a login within a session');
      default:
        this.#reject(header, RejectReason.commandNotSupported);
    }
  }

  /** RFC 7143, 4.2.2.1: what is outside the window is ignored in silence. */
  #standing(view: DataView): 'next' | 'ignored' | 'gap' {
    if (Request.immediate.get(view, 0)) return 'next';
    const cmdSn = Request.cmdSn.get(view, 0);
    if (cmdSn === this.numbers.expCmdSn) return 'next';
    const { expCmdSn, maxCmdSn } = this.numbers;
    return serialBefore(cmdSn, expCmdSn) || serialBefore(maxCmdSn, cmdSn) ? 'ignored' : 'gap';
  }

  // --- commands

  /** Why a command is not taken. @throws FormatError when its data are not as was agreed */
  #refusal(view: DataView): RejectReason | undefined {
    const f = ScsiCommandPdu;
    const reads = f.reads.get(view, 0);
    const writes = f.writes.get(view, 0);
    if (this.#tasks.has(f.initiatorTaskTag.get(view, 0))) return RejectReason.taskInProgress;
    if (f.initiatorTaskTag.get(view, 0) === NO_TAG) return RejectReason.invalidPduField;
    if (reads && writes) return RejectReason.commandNotSupported;
    if (f.immediate.get(view, 0) && this.#tasks.size >= COMMAND_WINDOW + IMMEDIATE_COMMANDS_MAX)
      return RejectReason.immediateCommandReject;
    const immediate = f.dataSegmentLength.get(view, 0);
    const expected = f.expectedDataTransferLength.get(view, 0);
    const { immediateData, initialR2T, firstBurstLength } = this.parameters;
    if (immediate > 0 && (!writes || !immediateData || immediate > Math.min(expected, firstBurstLength)))
      throw protocolError('immediate data that was not agreed on');
    if (!f.final.get(view, 0) && (!writes || initialR2T))
      throw protocolError('unsolicited data that was not agreed on');
    return undefined;
  }

  #newTask(header: Header): Task {
    const lun = decodeLun(ScsiCommandPdu.lun.get(header.view, 0)) ?? NO_LUN;
    return new Task(header, this, this.#unit(lun));
  }

  #unit(lun: number): Execute {
    const known = this.#units.get(lun);
    if (known !== undefined) return known;
    const unit = (this.#options.device as DeviceSession).lun(lun);
    this.#units.set(lun, unit);
    return unit;
  }

  #scsiCommand(header: Header): void {
    const { view } = header;
    const refused = this.#refusal(view);
    if (refused !== undefined) {
      this.#reject(header, refused);
      return;
    }
    const task = this.#arriving ?? this.#newTask(header);
    this.#arriving = undefined;
    this.#commands++;
    this.#tasks.set(task.tag, task);
    const lun = decodeLun(task.lun) ?? NO_LUN;
    const queue = this.#queues.get(lun) ?? new LunQueue();
    this.#queues.set(lun, queue);
    this.#queueOf.set(task, queue);
    task.start(queue.add(task));
  }

  #dataTask(view: DataView): Task | undefined {
    const task = this.#tasks.get(DataOutPdu.initiatorTaskTag.get(view, 0));
    const tag = DataOutPdu.targetTransferTag.get(view, 0);
    // Data of a task that was aborted may still be on their way: they are read and dropped.
    return tag === NO_TAG || this.#transfers.get(tag) === task ? task : undefined;
  }

  #dataOut(header: Header): void {
    const { view, dataSegmentLength } = header;
    const task = this.#dataTask(view);
    if (task === undefined) return;
    if (dataSegmentLength === 0) task.place(dataOutOf(view));
    const final = DataOutPdu.final.get(view, 0);
    if (final) this.#transfers.delete(DataOutPdu.targetTransferTag.get(view, 0));
    task.taken(final);
  }

  // --- TaskHome

  transferTag(task: Task): number {
    for (;;) {
      const tag = this.#nextTransferTag;
      this.#nextTransferTag = tag === NO_TAG - 1 ? 1 : tag + 1;
      if (this.#transfers.has(tag)) continue;
      this.#transfers.set(tag, task);
      return tag;
    }
  }

  ended(task: Task): void {
    this.#tasks.delete(task.tag);
    for (const [tag, owner] of this.#transfers) if (owner === task) this.#transfers.delete(tag);
    if (!task.running) this.#queueOf.get(task)?.remove(task);
    this.#queueOf.delete(task);
    if (this.#closed && this.#tasks.size === 0) this.#options.empty();
  }

  // --- everything else

  #nopOut(view: DataView, data: Uint8Array): void {
    const tag = NopOutPdu.initiatorTaskTag.get(view, 0);
    if (tag === NO_TAG) {
      if (NopOutPdu.targetTransferTag.get(view, 0) === this.#ping) this.#ping = undefined;
      return;
    }
    const pdu = draft(Opcode.nopIn);
    NopInPdu.lun.set(pdu.view, 0, NopOutPdu.lun.get(view, 0));
    NopInPdu.initiatorTaskTag.set(pdu.view, 0, tag);
    NopInPdu.targetTransferTag.set(pdu.view, 0, NO_TAG);
    this.numbers.status(pdu);
    this.sender.send(pdu, data.subarray(0, this.parameters.maxSendDataSegmentLength));
  }

  /** Nothing was heard for a while: asks whether the initiator lives. False: it was asked before and did not answer. */
  checkAlive(): boolean {
    if (this.#ping !== undefined) return false;
    if (this.#options.device === undefined) return false; // a discovery session has no reason to linger
    this.#ping = this.#nextTransferTag;
    this.#nextTransferTag = this.#ping === NO_TAG - 1 ? 1 : this.#ping + 1;
    const pdu = draft(Opcode.nopIn);
    NopInPdu.initiatorTaskTag.set(pdu.view, 0, NO_TAG);
    NopInPdu.targetTransferTag.set(pdu.view, 0, this.#ping);
    this.numbers.plain(pdu);
    this.sender.send(pdu);
    return true;
  }

  #text(view: DataView, data: Uint8Array): void {
    const f = TextRequestPdu;
    const tag = f.initiatorTaskTag.get(view, 0);
    const continued = f.targetTransferTag.get(view, 0) !== NO_TAG;
    const { data: answer, continues } = this.#options.text.answer(data, f.continues.get(view, 0), continued);
    const more = continues || f.continues.get(view, 0);
    const pdu = draft(Opcode.textResponse);
    TextResponsePdu.final.set(pdu.view, 0, !more);
    TextResponsePdu.continues.set(pdu.view, 0, continues);
    TextResponsePdu.initiatorTaskTag.set(pdu.view, 0, tag);
    TextResponsePdu.targetTransferTag.set(pdu.view, 0, more ? TEXT_TAG : NO_TAG);
    this.numbers.status(pdu);
    this.sender.send(pdu, answer);
  }

  #logout(view: DataView): void {
    const reason = LogoutRequestPdu.reason.get(view, 0);
    const ours = LogoutRequestPdu.cid.get(view, 0) === this.#options.connectionId;
    const pdu = draft(Opcode.logoutResponse);
    const f = LogoutResponsePdu;
    f.initiatorTaskTag.set(pdu.view, 0, LogoutRequestPdu.initiatorTaskTag.get(view, 0));
    f.response.set(pdu.view, 0, logoutAnswer(reason, ours));
    this.numbers.status(pdu);
    this.sender.send(pdu);
    if (logoutAnswer(reason, ours) === LogoutResponseCode.success) this.#options.disconnect('logged out', true);
  }

  /** Asks the initiator to log out within `seconds`. RFC 7143, 11.9.1. */
  requestLogout(seconds: number): void {
    if (this.#closed) return;
    const pdu = draft(Opcode.asyncMessage);
    const f = AsyncMessagePdu;
    f.initiatorTaskTag.set(pdu.view, 0, NO_TAG);
    f.asyncEvent.set(pdu.view, 0, AsyncEvent.targetRequestsLogout);
    f.parameter3.set(pdu.view, 0, seconds);
    this.numbers.status(pdu);
    this.sender.send(pdu);
  }

  #reject(header: Header, reason: RejectReason): void {
    const pdu = draft(Opcode.reject);
    RejectPdu.reason.set(pdu.view, 0, reason);
    Bhs.initiatorTaskTag.set(pdu.view, 0, NO_TAG);
    this.numbers.status(pdu);
    this.sender.send(pdu, header.bytes.slice(0, BHS_BYTES));
  }

  /** Ends tasks without responses; resolves when their units have let go of them. */
  abortTasks(which: (task: Task) => boolean): Promise<unknown> {
    return Promise.all([...this.#tasks.values()].filter(which).map((task) => task.abort()));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#arriving?.abort();
    this.#arriving = undefined;
    void this.abortTasks((task) => !task.running || task.operationCode !== OperationCode.thirdPartyCopyOut);
    this.#options.device?.lose();
    if (this.#tasks.size === 0) this.#options.empty();
  }
}

const DISCOVERY_OPCODES: ReadonlySet<number> = new Set([Opcode.nopOut, Opcode.textRequest, Opcode.logoutRequest]);
/** Of text responses that continue: there is one at a time. */
const TEXT_TAG = 0;
/** Stands for a LUN of an addressing method that is not known: no unit has it. */
const NO_LUN = -1;

const dataOutOf = (view: DataView): DataOut => ({
  targetTransferTag: DataOutPdu.targetTransferTag.get(view, 0),
  dataSn: DataOutPdu.dataSn.get(view, 0),
  bufferOffset: DataOutPdu.bufferOffset.get(view, 0),
  length: DataOutPdu.dataSegmentLength.get(view, 0),
});

function logoutAnswer(reason: number, ours: boolean): number {
  if (reason === LogoutReason.closeSession) return LogoutResponseCode.success;
  if (reason !== LogoutReason.closeConnection) return LogoutResponseCode.recoveryNotSupported;
  return ours ? LogoutResponseCode.success : LogoutResponseCode.cidNotFound;
}
