/**
 * A connection to a portal, from its first byte to its last: the login phase, then the session that it carries. RFC 7143,
 * 6.3, 7.1.
 *
 * Invariants
 * - Before login is done, only login requests of at most LOGIN_SEGMENT_MAX bytes are taken, and for `loginMs` at most.
 * - Whatever goes wrong ends this connection and its session, and nothing else.
 */
import type { Socket } from 'node:net';
import { FormatError } from '../../bytes/errors.ts';
import type { Random } from '../../bytes/random.ts';
import { portalText } from '../names.ts';
import { type Header, type PduHandler, PduParser } from '../parser.ts';
import { LoginRequestPdu, LoginResponsePdu, LoginStage, LoginStatus, Opcode } from '../pdu.ts';
import { draft, PduSender, TargetNumbers } from '../sender.ts';
import { ByteStream, type StreamReader } from '../stream.ts';
import { encodePairs } from '../text.ts';
import { COMMAND_WINDOW, LOGIN_SEGMENT_MAX, RECEIVE_SEGMENT_MAX, SEND_BACKLOG_MAX, TARGET_OFFER } from './limits.ts';
import { type Identity, ISCSI_VERSION, LoginPhase, type LoginStep } from './login.ts';
import type { Memory } from './memory.ts';
import type { Admission, TargetNode } from './node.ts';
import { Session } from './session.ts';
import { TextExchange } from './text-exchange.ts';

export type Begun = { readonly tsih: number } | { readonly refused: LoginStatus; readonly reason: string };

export interface PortalSide {
  readonly nodes: readonly TargetNode[];
  readonly random: Random;
  readonly memory: Memory;
  readonly loginMs: number;
  readonly silenceMs: number;
  discovery(initiatorName: string): Admission | undefined;
  /** A session begins: one of the same name and ISID is ended first. Its TSIH, or why it cannot be. */
  begin(connection: Connection, identity: Identity, isid: string): Begun;
  /** Sessions that use the same device. */
  peersOf(connection: Connection): Iterable<Session>;
  event(connection: Connection, words: string): void;
  closed(connection: Connection): void;
  /** The session's last task has ended. */
  released(connection: Connection): void;
}

export class Connection implements StreamReader, PduHandler {
  readonly #portal: PortalSide;
  readonly #stream: ByteStream;
  readonly #sender: PduSender;
  readonly #parser: PduParser;
  readonly #login: LoginPhase;
  readonly #timer: NodeJS.Timeout;
  #numbers: TargetNumbers | undefined;
  #session: Session | undefined;
  #identity: Identity | undefined;
  #isid = '';
  #tsih = 0;
  #closing = false;
  #held = false; // not reading until the initiator has taken some of what was sent
  /** When the session began, milliseconds since 1970. */
  since = 0;

  constructor(accepted: Socket, portal: PortalSide) {
    this.#portal = portal;
    this.#login = new LoginPhase({
      nodes: portal.nodes,
      offer: TARGET_OFFER,
      random: portal.random,
      discovery: (name) => portal.discovery(name),
    });
    const options = { dataSegmentMax: LOGIN_SEGMENT_MAX, headerDigest: false, dataDigest: false };
    this.#parser = new PduParser(this, options);
    this.#timer = setTimeout(() => this.end('no login within its time'), portal.loginMs);
    this.#stream = ByteStream.adopt(accepted, this);
    this.#sender = new PduSender(this.#stream);
    this.#stream.onClose(() => this.#closed());
  }

  get session(): Session | undefined {
    return this.#session;
  }
  get identity(): Identity | undefined {
    return this.#identity;
  }
  get isid(): string {
    return this.#isid;
  }
  get tsih(): number {
    return this.#tsih;
  }
  get remote(): string {
    return portalText(this.#stream.remoteAddress, this.#stream.remotePort);
  }
  /** Bytes of its commands' data that are held now. */
  get dataHeld(): number {
    return (this.#session?.outBudget.used ?? 0) + (this.#session?.inBudget.used ?? 0);
  }

  // --- bytes in

  next(): Uint8Array {
    return this.#parser.next();
  }

  received(count: number): void {
    if (this.#closing) return;
    try {
      this.#parser.received(count);
    } catch (error) {
      this.#fail(error);
    }
    this.#holdIfBehind();
  }

  /** An initiator that does not take what it asked for is not listened to. */
  #holdIfBehind(): void {
    if (this.#held || this.#closing || this.#stream.backlog < SEND_BACKLOG_MAX) return;
    this.#held = true;
    this.#stream.pause();
    this.#stream.onDrain(() => {
      this.#held = false;
      this.#stream.resume();
    });
  }

  #fail(error: unknown): void {
    if (error instanceof FormatError || error instanceof RangeError) this.end(error.message);
    else {
      this.#portal.event(this, `internal error: ${String(error)}`);
      this.end('internal error');
    }
  }

  // --- PDUs in

  place(header: Header): Uint8Array | undefined {
    return this.#session?.place(header);
  }

  pdu(header: Header, data: Uint8Array, intact: boolean): void {
    if (this.#closing) return;
    if (this.#session !== undefined) this.#session.pdu(header, data, intact);
    else if (header.opcode === Opcode.loginRequest) this.#loginRequest(header.view, data);
    else this.end('no login came first');
  }

  #loginRequest(view: DataView, text: Uint8Array): void {
    const f = LoginRequestPdu;
    this.#numbers ??= new TargetNumbers(0, f.cmdSn.get(view, 0), COMMAND_WINDOW);
    const step = this.#login.step({
      transit: f.transit.get(view, 0),
      continues: f.continues.get(view, 0),
      currentStage: f.currentStage.get(view, 0),
      nextStage: f.nextStage.get(view, 0),
      versionMin: f.versionMin.get(view, 0),
      tsih: f.tsih.get(view, 0),
      text: text.slice(),
    });
    if (step.kind !== 'established') {
      this.#answerLogin(view, step);
      return;
    }
    const isid = Buffer.from(f.isid.get(view, 0)).toString('hex');
    this.#identity = step.identity;
    this.#isid = isid;
    const begun = this.#portal.begin(this, step.identity, isid);
    if ('refused' in begun) {
      this.#answerLogin(view, { kind: 'refuse', status: begun.refused, reason: begun.reason });
      return;
    }
    this.#tsih = begun.tsih;
    this.#answerLogin(view, step);
    this.#openSession(step.identity, f.cid.get(view, 0));
  }

  #answerLogin(requestView: DataView, step: LoginStep): void {
    const f = LoginResponsePdu;
    const pdu = draft(Opcode.loginResponse);
    const { view } = pdu;
    const stage = LoginRequestPdu.currentStage.get(requestView, 0);
    const transit = step.kind === 'established' || (step.kind === 'go-on' && step.transit);
    f.transit.set(view, 0, transit);
    f.currentStage.set(view, 0, stage);
    f.nextStage.set(view, 0, transit ? LoginRequestPdu.nextStage.get(requestView, 0) : LoginStage.security);
    f.versionMax.set(view, 0, ISCSI_VERSION);
    f.versionActive.set(view, 0, ISCSI_VERSION);
    f.isid.set(view, 0, LoginRequestPdu.isid.get(requestView, 0));
    f.tsih.set(view, 0, step.kind === 'established' ? this.#tsih : 0);
    f.initiatorTaskTag.set(view, 0, LoginRequestPdu.initiatorTaskTag.get(requestView, 0));
    const status = step.kind === 'refuse' ? step.status : LoginStatus.success;
    f.statusClass.set(view, 0, status >>> 8);
    f.statusDetail.set(view, 0, status & 0xff);
    this.#numbers?.status(pdu);
    this.#sender.send(pdu, step.kind === 'refuse' ? undefined : encodePairs(step.pairs));
    if (step.kind === 'refuse') this.end(`login refused: ${step.reason}`, true);
  }

  #openSession(identity: Identity, connectionId: number): void {
    clearTimeout(this.#timer);
    const { parameters, node, admission, initiatorName } = identity;
    this.since = Date.now();
    const nexus = nexusOf(initiatorName, this.#isid, node?.name ?? '');
    this.#session = new Session({
      parameters,
      sender: this.#sender,
      numbers: this.#numbers as TargetNumbers,
      memory: this.#portal.memory,
      connectionId,
      device: node?.device.open(nexus, admission.luns),
      text: new TextExchange({
        targets: this.#portal.nodes.filter((one) => one.admit(initiatorName) !== undefined).map(({ name }) => name),
        own: node?.name,
        portal: portalText(this.#stream.localAddress, this.#stream.localPort),
        segmentMax: parameters.maxSendDataSegmentLength,
      }),
      peers: () => this.#portal.peersOf(this),
      fault: (error) => this.#portal.event(this, `a unit failed: ${String(error)}`),
      disconnect: (reason, gently) => this.end(reason, gently),
      empty: () => this.#portal.released(this),
    });
    const { headerDigest, dataDigest } = parameters;
    this.#parser.configure({ dataSegmentMax: RECEIVE_SEGMENT_MAX, headerDigest, dataDigest });
    this.#sender.configure({ headerDigest, dataDigest });
    this.#stream.onSilence(this.#portal.silenceMs, () => {
      if (this.#session?.checkAlive() !== true) this.end('the initiator does not answer');
    });
    this.#portal.event(this, node === undefined ? 'discovery session' : `session with ${node.name}`);
  }

  /** Ends the connection; `gently`: after what was sent has gone out. */
  end(reason: string, gently = false): void {
    if (this.#closing) return;
    this.#closing = true;
    clearTimeout(this.#timer);
    this.#portal.event(this, `ended: ${reason}`);
    this.#session?.close();
    if (!gently) this.#stream.destroy();
    else {
      this.#stream.end();
      setTimeout(() => this.#stream.destroy(), GENTLE_MS).unref();
    }
  }

  #closed(): void {
    clearTimeout(this.#timer);
    if (!this.#closing) {
      this.#closing = true;
      this.#portal.event(this, 'ended: the connection was closed');
      this.#session?.close();
    }
    this.#portal.closed(this);
  }
}

/** An initiator that does not take the last response is cut off. */
const GENTLE_MS = 3_000;

/** I_T nexus identifier: names of both SCSI ports. RFC 7143, 4.4.1, 4.4.2. */
export const nexusOf = (initiatorName: string, isid: string, targetName: string): string =>
  `${initiatorName.toLowerCase()},i,0x${isid},${targetName.toLowerCase()},t,0x0001`;
