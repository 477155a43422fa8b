/**
 * A session over its one connection, from login to its end, with any number of commands under way. RFC 7143, 4.2, 6.3, 11.
 *
 * Invariants
 * - No command goes out beyond MaxCmdSN; what does not fit waits in order.
 * - Every command ends exactly once: with its answer, aborted, or with the reason why the connection was lost.
 * - A target that is silent while something is expected of it is asked whether it lives, and given up when it does not say.
 */
import { assert, FormatError } from '../../bytes/errors.ts';
import { systemRandom } from '../../bytes/random.ts';
import { type Bytes, KiB, MiB } from '../../bytes/units.ts';
import { encodeLun } from '../../scsi/common/commands.ts';
import type { Execute, ScsiCommand, ScsiResult } from '../../scsi/execute.ts';
import type { ChapAccount } from '../chap.ts';
import type { Offer, SessionParameters } from '../parameters.ts';
import { type Header, type PduHandler, PduParser } from '../parser.ts';
import {
  AsyncEvent,
  AsyncMessagePdu,
  DataInPdu,
  LogoutReason,
  LogoutRequestPdu,
  NO_TAG,
  NopInPdu,
  NopOutPdu,
  Opcode,
  Request,
  Response,
  serialAdd,
  serialBefore,
  TaskFunction,
  TaskManagementRequestPdu,
  TaskManagementResponsePdu,
} from '../pdu.ts';
import { type Draft, draft, PduSender } from '../sender.ts';
import { ByteStream, type StreamReader } from '../stream.ts';
import { addressText, type IscsiAddress } from './address.ts';
import { logIn } from './login.ts';
import { LoginChannel } from './login-channel.ts';
import { InitiatorTask } from './task.ts';

/** Data segments that a target may send. */
const RECEIVE_SEGMENT_MAX: Bytes = 256 * KiB;
const LOGIN_SEGMENT_MAX: Bytes = 8 * KiB;
/** Connecting and logging in take no longer. */
const LOGIN_MS = 15_000;
/** Silence with commands under way after which the target is asked; as long again without an answer ends the connection. */
const SILENCE_MS = 15_000;
const LOGOUT_MS = 3_000;
/** An abort that is not answered in this time ends the connection. */
const ABORT_MS = 15_000;

const OFFER: Omit<Offer, 'headerDigest' | 'dataDigest'> = {
  maxRecvDataSegmentLength: RECEIVE_SEGMENT_MAX,
  initialR2T: false,
  immediateData: true,
  maxBurstLength: 16 * MiB - 512,
  firstBurstLength: 256 * KiB,
  maxOutstandingR2T: 8,
  defaultTime2Wait: 2,
  defaultTime2Retain: 0,
};

export interface ConnectOptions {
  readonly initiatorName: string;
  readonly chap?: ChapAccount;
  readonly mutualChap?: ChapAccount;
  /** CRC-32C over headers and data: `true` insists, `false` (default) leaves it to the target. */
  readonly digests?: boolean;
  /** Default SILENCE_MS. */
  readonly silenceMs?: number;
}

/** Connects and logs in. @throws FormatError `io` saying why not */
export async function connectIscsi(address: IscsiAddress, options: ConnectOptions): Promise<IscsiConnection> {
  const connection = new IscsiConnection(address, options);
  await connection.opened;
  return connection;
}

export class IscsiConnection implements StreamReader, PduHandler, AsyncDisposable {
  readonly where: string;
  readonly opened: Promise<void>;
  readonly #stream: ByteStream;
  readonly #sender: PduSender;
  readonly #parser: PduParser;
  readonly #tasks = new Map<number, InitiatorTask>();
  readonly #aborts = new Map<number, InitiatorTask>(); // by the tag of the abort
  readonly #waiting: (() => void)[] = []; // for room in the window
  #parameters: SessionParameters | undefined;
  readonly #login: LoginChannel;
  #loggedOut: (() => void) | undefined;
  #logout: Promise<void> | undefined;
  #lost: FormatError | undefined;
  #lose: (error: FormatError) => void = () => undefined;
  readonly #ended = new Set<() => void>();
  #leaving = false;
  #pinged = false;
  #cmdSn = 1;
  #expStatSn = 0;
  #maxCmdSn = 1;
  #nextTag = 1;

  /** Use `connectIscsi`. */
  constructor(address: IscsiAddress, options: ConnectOptions) {
    this.where = addressText(address);
    const none = { headerDigest: false, dataDigest: false };
    this.#parser = new PduParser(this, { ...none, dataSegmentMax: LOGIN_SEGMENT_MAX });
    this.#stream = ByteStream.connect(address.host, address.port, this);
    this.#sender = new PduSender(this.#stream);
    this.#login = new LoginChannel(this.where, this.#sender);
    this.#stream.onClose((cause) => this.#fail(this.#io(cause ?? 'the connection was closed by the target')));
    this.opened = this.#open(address, options);
    this.opened.catch(() => this.#stream.destroy());
  }

  /** Why there is no connection any more. */
  get lost(): FormatError | undefined {
    return this.#lost;
  }

  /** Calls `listener` when the connection is lost or closed. */
  onLost(listener: () => void): void {
    if (this.#lost === undefined) this.#ended.add(listener);
    else listener();
  }

  /** The unit at a LUN. */
  lun(lun: number): Execute {
    const bytes = encodeLun(lun);
    return (command, signal) => this.#execute(bytes, command, signal);
  }

  /** Logs out. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#logout ??= this.#logOut();
    return this.#logout;
  }
  async #logOut(): Promise<void> {
    if (this.#lost !== undefined) return;
    this.#leaving = true;
    const answered = new Promise<void>((resolve) => {
      this.#loggedOut = resolve;
      this.onLost(resolve);
    });
    const pdu = draft(Opcode.logoutRequest);
    pdu.bytes[0] |= IMMEDIATE;
    LogoutRequestPdu.reason.set(pdu.view, 0, LogoutReason.closeSession);
    LogoutRequestPdu.initiatorTaskTag.set(pdu.view, 0, this.#tag());
    this.#sendRequest(pdu);
    await Promise.race([answered, later(LOGOUT_MS)]);
    this.#fail(this.#io('logged out'));
  }

  // --- login

  async #open(address: IscsiAddress, options: ConnectOptions): Promise<void> {
    const ended = new Promise<never>((_, reject) => {
      this.#lose = reject;
    });
    ended.catch(() => undefined); // whoever is waiting has it
    const timer = setTimeout(() => this.#fail(this.#io(`no login within ${LOGIN_MS / 1000} s`)), LOGIN_MS);
    try {
      const connected = new Promise<void>((resolve) => this.#stream.onConnect(resolve));
      await Promise.race([connected, ended]);
      const digest = options.digests === true ? (['CRC32C'] as const) : (['None', 'CRC32C'] as const);
      const parameters = await Promise.race([
        logIn(
          {
            where: this.where,
            initiatorName: options.initiatorName,
            targetName: address.targetName,
            ...(options.chap && { chap: options.chap }),
            ...(options.mutualChap && { mutualChap: options.mutualChap }),
            offer: { ...OFFER, headerDigest: digest, dataDigest: digest },
            random: systemRandom,
          },
          (request) => this.#login.exchange(request),
        ),
        ended,
      ]);
      if (options.digests === true && !(parameters.headerDigest && parameters.dataDigest))
        throw this.#io('login: the target does not do digests');
      this.#enterFullFeature(parameters, options.silenceMs ?? SILENCE_MS);
    } finally {
      clearTimeout(timer);
    }
  }

  #enterFullFeature(parameters: SessionParameters, silenceMs: number): void {
    this.#parameters = parameters;
    const { headerDigest, dataDigest } = parameters;
    this.#parser.configure({ dataSegmentMax: RECEIVE_SEGMENT_MAX, headerDigest, dataDigest });
    this.#sender.configure({ headerDigest, dataDigest });
    this.#stream.onSilence(silenceMs, () => this.#checkAlive(silenceMs));
  }

  // --- commands

  #execute(lun: Uint8Array, command: ScsiCommand, signal: AbortSignal | undefined): Promise<ScsiResult> {
    return new Promise((resolve, reject) => {
      const start = (): void => {
        if (this.#lost !== undefined) reject(this.#lost);
        else if (signal?.aborted) resolve({ status: 'task-aborted' });
        else if (this.#leaving) reject(this.#io('the session is being ended'));
        else {
          try {
            this.#start(lun, command, signal, resolve, reject);
          } catch (error) {
            reject(error); // a command that cannot be sent; the others are not to suffer
          }
        }
      };
      if (this.#waiting.length === 0 && (this.#hasRoom() || this.#lost !== undefined)) start();
      else this.#waiting.push(start);
    });
  }

  #start(
    lun: Uint8Array,
    command: ScsiCommand,
    signal: AbortSignal | undefined,
    resolve: (result: ScsiResult) => void,
    reject: (error: unknown) => void,
  ): void {
    const parameters = this.#parameters;
    assert(parameters !== undefined, 'a command before login');
    const settle = (how: () => void): void => {
      unlimit();
      this.#tasks.delete(task.tag);
      how();
    };
    const identity = { tag: this.#tag(), cmdSn: this.#cmdSn, lun, where: this.where };
    const task = new InitiatorTask({ ...identity, command, parameters, resolve, reject, settle });
    const unlimit = this.#limit(task, command.timeoutMs, signal);
    this.#tasks.set(task.tag, task);
    const { pdu, data } = task.first();
    this.#sendRequest(pdu, data, task.hold(data));
    this.#cmdSn = serialAdd(this.#cmdSn, 1);
    task.sendUnsolicited(this.#sender, data.length, this.#expStatSn);
  }

  /** Aborts the command when its time is up or its caller wants it; an answer that comes nevertheless counts. */
  #limit(task: InitiatorTask, timeoutMs: number | undefined, signal: AbortSignal | undefined): () => void {
    const abort = (): void => this.#abort(task);
    const late = (): void =>
      this.#abort(task, this.#io(`a command was not answered within ${(timeoutMs ?? 0) / 1000} s`));
    const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs);
    signal?.addEventListener('abort', abort, { once: true });
    return () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
  }

  /** `reason`: what the command's caller is then told; without one, that it was aborted. */
  #abort(task: InitiatorTask, reason?: FormatError): void {
    if (this.#lost !== undefined || !task.startAbort(reason)) return;
    const tag = this.#tag();
    this.#aborts.set(tag, task);
    const pdu = draft(Opcode.taskManagementRequest);
    pdu.bytes[0] |= IMMEDIATE;
    const f = TaskManagementRequestPdu;
    f.function.set(pdu.view, 0, TaskFunction.abortTask);
    f.lun.set(pdu.view, 0, task.lun);
    f.initiatorTaskTag.set(pdu.view, 0, tag);
    f.referencedTaskTag.set(pdu.view, 0, task.tag);
    f.refCmdSn.set(pdu.view, 0, task.cmdSn);
    this.#sendRequest(pdu);
    const timer = setTimeout(() => {
      if (this.#aborts.has(tag)) this.#fail(this.#io('the target does not answer an abort'));
    }, ABORT_MS);
    timer.unref();
  }

  #endAbort(tag: number, response: number): void {
    const task = this.#aborts.get(tag);
    this.#aborts.delete(tag);
    if (task === undefined || !this.#tasks.has(task.tag)) return;
    // RFC 7143, 11.6.1: done, or there is no such task any more.
    if (response > 1) throw new FormatError('io', this.where, `the target does not abort a command (${response})`);
    task.abandon();
  }

  #tag(): number {
    for (;;) {
      const tag = this.#nextTag;
      this.#nextTag = tag >= NO_TAG - 1 ? 1 : tag + 1;
      if (!this.#tasks.has(tag) && !this.#aborts.has(tag)) return tag;
    }
  }

  /** MaxCmdSN admits another command. */
  #hasRoom(): boolean {
    return !serialBefore(this.#maxCmdSn, this.#cmdSn);
  }
  #wake(): void {
    while (this.#waiting.length > 0 && (this.#hasRoom() || this.#lost !== undefined)) this.#waiting.shift()?.();
  }

  #sendRequest(pdu: Draft, data?: Uint8Array, sent?: () => void): void {
    Request.cmdSn.set(pdu.view, 0, this.#cmdSn);
    Request.expStatSn.set(pdu.view, 0, this.#expStatSn);
    this.#sender.send(pdu, data, sent);
  }

  // --- bytes and PDUs in

  next(): Uint8Array {
    return this.#parser.next();
  }
  received(count: number): void {
    if (this.#lost !== undefined) return;
    this.#pinged = false;
    try {
      this.#parser.received(count);
    } catch (error) {
      if (!(error instanceof FormatError) && !(error instanceof RangeError)) throw error;
      this.#fail(this.#io(error.message));
    }
  }

  place({ view, opcode }: Header): Uint8Array | undefined {
    if (opcode !== Opcode.dataIn) return undefined;
    return this.#tasks.get(Response.initiatorTaskTag.get(view, 0))?.place(view);
  }

  pdu(header: Header, data: Uint8Array, intact: boolean): void {
    const { view, opcode } = header;
    if (!intact) throw new FormatError('corrupt', this.where, 'a data digest is wrong');
    if (opcode === Opcode.loginResponse) {
      this.#number(view, true);
      this.#login.expStatSn = this.#expStatSn;
      this.#login.answer(header.bytes, data);
      return;
    }
    if (this.#parameters === undefined) throw new FormatError('corrupt', this.where, 'a PDU before the login was done');
    this.#dispatch(view, opcode, data);
    this.#wake();
  }

  /** Window and StatSN of a response. */
  #number(view: DataView, hasStatus: boolean): void {
    if (hasStatus) this.#expStatSn = serialAdd(Response.statSn.get(view, 0), 1);
    const max = Response.maxCmdSn.get(view, 0);
    const exp = Response.expCmdSn.get(view, 0);
    if (serialBefore(this.#maxCmdSn, max) && !serialBefore(max, serialAdd(exp, -1))) this.#maxCmdSn = max;
  }

  #dispatch(view: DataView, opcode: number, data: Uint8Array): void {
    const tag = Response.initiatorTaskTag.get(view, 0);
    const task = this.#tasks.get(tag);
    switch (opcode) {
      case Opcode.dataIn: {
        this.#number(view, DataInPdu.statusPresent.get(view, 0));
        task?.taken(view);
        break;
      }
      case Opcode.scsiResponse:
        this.#number(view, true);
        task?.response(view, data);
        break;
      case Opcode.r2t:
        this.#number(view, false);
        task?.ready(this.#sender, view, this.#expStatSn);
        break;
      case Opcode.nopIn:
        this.#nopIn(view, tag, data);
        break;
      case Opcode.taskManagementResponse:
        this.#number(view, true);
        this.#endAbort(tag, TaskManagementResponsePdu.response.get(view, 0));
        break;
      case Opcode.asyncMessage:
        this.#number(view, true);
        this.#asyncMessage(view);
        break;
      case Opcode.logoutResponse:
        this.#number(view, true);
        this.#loggedOut?.();
        break;
      default:
        throw new FormatError('corrupt', this.where, `an unexpected PDU (operation code ${opcode.toString(16)}h)`);
    }
  }

  #nopIn(view: DataView, tag: number, data: Uint8Array): void {
    this.#number(view, tag !== NO_TAG);
    const asked = NopInPdu.targetTransferTag.get(view, 0);
    if (asked === NO_TAG) return; // our own question is answered
    const pdu = draft(Opcode.nopOut);
    pdu.bytes[0] |= IMMEDIATE;
    NopOutPdu.lun.set(pdu.view, 0, NopInPdu.lun.get(view, 0));
    NopOutPdu.initiatorTaskTag.set(pdu.view, 0, NO_TAG);
    NopOutPdu.targetTransferTag.set(pdu.view, 0, asked);
    this.#sendRequest(pdu, data);
  }

  #asyncMessage(view: DataView): void {
    switch (AsyncMessagePdu.asyncEvent.get(view, 0)) {
      case AsyncEvent.targetRequestsLogout:
        void this.#leaveSoon();
        break;
      case AsyncEvent.connectionDropped:
      case AsyncEvent.allConnectionsDropped:
        throw new FormatError('io', this.where, 'the target drops the connection');
      default: // a unit's own event comes as a unit attention too
    }
  }

  /** The target wants the session to end: no more commands, and a logout when those under way have ended. */
  async #leaveSoon(): Promise<void> {
    if (this.#leaving) return;
    this.#leaving = true;
    while (this.#tasks.size > 0 && this.#lost === undefined) await later(LEAVE_LOOK_MS);
    await this[Symbol.asyncDispose]();
  }

  #checkAlive(silenceMs: number): void {
    if (this.#tasks.size === 0 && this.#aborts.size === 0) return;
    if (this.#pinged) {
      this.#fail(this.#io(`the target has said nothing for ${(2 * silenceMs) / 1000} s`));
      return;
    }
    this.#pinged = true;
    const pdu = draft(Opcode.nopOut);
    pdu.bytes[0] |= IMMEDIATE;
    NopOutPdu.initiatorTaskTag.set(pdu.view, 0, this.#tag());
    NopOutPdu.targetTransferTag.set(pdu.view, 0, NO_TAG);
    this.#sendRequest(pdu);
  }

  #io(what: string): FormatError {
    return new FormatError('io', this.where, what);
  }

  #fail(error: FormatError): void {
    if (this.#lost !== undefined) return;
    this.#lost = error;
    this.#stream.destroy();
    this.#lose(error);
    for (const task of [...this.#tasks.values()]) task.lose(error);
    this.#aborts.clear();
    this.#wake();
    for (const listener of this.#ended) listener();
    this.#ended.clear();
  }
}

/** The I bit: delivered at once, outside the order of commands. */
const IMMEDIATE = 0x40;
const LEAVE_LOOK_MS = 20;

const later = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
