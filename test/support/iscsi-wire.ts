// An initiator that does exactly what a test says: PDUs by hand over a socket, and the portal that it talks to.
import { connect, type Socket } from 'node:net';
import { viewOf } from '../../src/bytes/layout.ts';
import { type Header, PduParser } from '../../src/iscsi/parser.ts';
import {
  Bhs,
  LoginRequestPdu,
  LoginResponsePdu,
  NO_TAG,
  Opcode,
  paddingOf,
  Response,
  ScsiCommandPdu,
  ScsiResponsePdu,
} from '../../src/iscsi/pdu.ts';
import type { Admission, TargetDevice } from '../../src/iscsi/target/node.ts';
import { Portal } from '../../src/iscsi/target/portal.ts';
import { decodePairs, encodePairs } from '../../src/iscsi/text.ts';
import { encodeLun } from '../../src/scsi/common/commands.ts';
import { naaDesignator } from '../../src/scsi/common/vpd.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { diskUnit } from '../../src/target/disk.ts';
import { Router } from '../../src/target/router.ts';
import { hex } from './scsi-send.ts';

export const TARGET = 'iqn.2026-11.net.reelmap:test';
export const INITIATOR = 'iqn.2026-11.org.example:a';

export interface Received {
  readonly opcode: number;
  readonly view: DataView;
  readonly data: Uint8Array;
}

/** What `Layout.encode` makes of a header. */
type HeaderBytes = Uint8Array;

export class WireInitiator {
  readonly #socket: Socket;
  readonly #parser: PduParser;
  readonly #received: Received[] = [];
  #waiting: (() => void)[] = [];
  closed = false;
  cmdSn = 1;
  tag = 1;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#parser = new PduParser(
      {
        place: () => undefined,
        pdu: (header: Header, data: Uint8Array) => {
          this.#received.push({ opcode: header.opcode, view: viewOf(header.bytes.slice()), data });
          this.#wake();
        },
      },
      { dataSegmentMax: 2 ** 24, headerDigest: false, dataDigest: false },
    );
    socket.on('data', (data) => {
      for (let at = 0; at < data.length; ) {
        const part = this.#parser.next();
        const count = Math.min(part.length, data.length - at);
        part.set(data.subarray(at, at + count));
        at += count;
        this.#parser.received(count);
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  static async connect(port: number): Promise<WireInitiator> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await new Promise<void>((resolve, reject) => socket.once('connect', () => resolve()).once('error', reject));
    return new WireInitiator(socket);
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  raw(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Sends a PDU; DataSegmentLength and padding are filled in. */
  send(header: HeaderBytes, data: Uint8Array = new Uint8Array(0)): void {
    Bhs.dataSegmentLength.set(viewOf(header), 0, data.length);
    this.#socket.write(Buffer.concat([header, data, new Uint8Array(paddingOf(data.length))]));
  }

  /** The next PDU; `undefined`: the connection was closed, or nothing came within `ms`. */
  async receive(ms = 5000): Promise<Received | undefined> {
    const deadline = Date.now() + ms;
    while (this.#received.length === 0 && !this.closed && Date.now() < deadline) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadline - Date.now());
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return this.#received.shift();
  }

  /** Resolves when the target has closed the connection. */
  async untilClosed(ms = 5000): Promise<boolean> {
    const deadline = Date.now() + ms;
    while (!this.closed && Date.now() < deadline) {
      this.#received.length = 0;
      await this.receive(deadline - Date.now());
    }
    return this.closed;
  }

  /** Takes nothing from the socket any more. */
  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    this.#socket.resume();
  }
  close(): void {
    this.#socket.destroy();
  }

  /** One login request and what came back. */
  async loginStep(
    pairs: readonly (readonly [string, string])[],
    stage: { readonly current: number; readonly next: number; readonly transit?: boolean },
    more: { readonly isid?: string; readonly tsih?: number } = {},
  ): Promise<{ status: number; pairs: ReadonlyMap<string, string>; view: DataView } | undefined> {
    const header = LoginRequestPdu.encode({
      immediate: true,
      opcode: Opcode.loginRequest,
      transit: stage.transit ?? true,
      currentStage: stage.current,
      nextStage: stage.next,
      isid: hex(more.isid ?? '00023d000001'),
      tsih: more.tsih ?? 0,
      initiatorTaskTag: 0,
      cmdSn: this.cmdSn,
    });
    this.send(header, encodePairs(pairs));
    const answer = await this.receive();
    if (answer === undefined) return undefined;
    const f = LoginResponsePdu;
    const status = f.statusClass.get(answer.view, 0) * 256 + f.statusDetail.get(answer.view, 0);
    return { status, pairs: decodePairs(answer.data), view: answer.view };
  }

  /** A whole login without authentication. */
  async login(
    pairs: readonly (readonly [string, string])[] = [],
    options: { readonly isid?: string; readonly initiator?: string; readonly target?: string | null } = {},
  ): Promise<{ status: number; pairs: ReadonlyMap<string, string> } | undefined> {
    const { initiator = INITIATOR, target = TARGET } = options;
    const session: [string, string][] =
      target === null
        ? [['SessionType', 'Discovery']]
        : [
            ['TargetName', target],
            ['SessionType', 'Normal'],
          ];
    return this.loginStep([['InitiatorName', initiator], ...session, ...pairs], { current: 1, next: 3 }, options);
  }

  /** A SCSI command; `out` is sent as immediate data unless `unsolicited` or `solicited` says otherwise. */
  command(
    cdb: string,
    options: {
      readonly lun?: number;
      readonly expect?: number;
      readonly out?: Uint8Array;
      readonly immediate?: Uint8Array;
      readonly final?: boolean;
      readonly attributes?: number;
      readonly cmdSn?: number;
      readonly immediateDelivery?: boolean;
    } = {},
  ): number {
    const {
      lun = 1,
      out,
      expect = 0,
      immediate = out,
      final = true,
      attributes = 1,
      immediateDelivery = false,
    } = options;
    const tag = this.tag++;
    const header = ScsiCommandPdu.encode({
      immediate: immediateDelivery,
      opcode: Opcode.scsiCommand,
      final,
      reads: out === undefined && expect > 0,
      writes: out !== undefined,
      attributes,
      lun: encodeLun(lun),
      initiatorTaskTag: tag,
      expectedDataTransferLength: out === undefined ? expect : Math.max(expect, out.length),
      cmdSn: options.cmdSn ?? this.cmdSn,
      cdb: hex(cdb),
    });
    if (options.cmdSn === undefined && !immediateDelivery) this.cmdSn++;
    this.send(header, immediate ?? new Uint8Array(0));
    return tag;
  }

  /** The end of a command: its status, its data put together, its sense. */
  async answer(ms?: number): Promise<Answer | undefined> {
    const parts: Uint8Array[] = [];
    for (;;) {
      const pdu = await this.receive(ms);
      if (pdu === undefined) return undefined;
      const f = ScsiResponsePdu;
      const ends =
        pdu.opcode === Opcode.scsiResponse || (pdu.opcode === Opcode.dataIn && (pdu.view.getUint8(1) & 1) === 1);
      if (pdu.opcode === Opcode.dataIn) parts.push(pdu.data);
      else if (pdu.opcode !== Opcode.scsiResponse) throw new Error(`PDU ${pdu.opcode.toString(16)}h came instead`);
      if (!ends) continue;
      const count = f.residualCount.get(pdu.view, 0);
      const overflow = f.overflow.get(pdu.view, 0);
      return {
        tag: f.initiatorTaskTag.get(pdu.view, 0),
        status: f.status.get(pdu.view, 0),
        data: Buffer.concat(parts),
        sense: pdu.opcode === Opcode.scsiResponse && pdu.data.length > 2 ? pdu.data.subarray(2) : undefined,
        residual: overflow ? -count : f.underflow.get(pdu.view, 0) ? count : 0,
        maxCmdSn: Response.maxCmdSn.get(pdu.view, 0),
      };
    }
  }

  /** A command and its answer. */
  async run(cdb: string, options?: Parameters<WireInitiator['command']>[1]): Promise<Answer | undefined> {
    this.command(cdb, options);
    return this.answer();
  }
}

export interface Answer {
  readonly tag: number;
  readonly status: number;
  readonly data: Uint8Array;
  readonly sense: Uint8Array | undefined;
  /** Positive: underflow. */
  readonly residual: number;
  readonly maxCmdSn: number;
}

export { NO_TAG };

/** A router with memory disks of 1 MiB at LUN 1 and 2. */
export function testDevice(): { readonly router: Router; readonly stores: readonly MemoryStore[] } {
  const router = new Router({ serialNumber: 'TEST' });
  const stores = ['a', 'b'].map((name) => {
    const store = new MemoryStore({ byteLength: 2 ** 20 });
    router.add(diskUnit(store, { name, serialNumber: name, designator: naaDesignator(name) }));
    return store;
  });
  return { router, stores };
}

export interface TestPortal extends AsyncDisposable {
  readonly port: number;
  readonly portal: Portal;
  readonly lines: readonly string[];
}

export async function openTestPortal(
  device: TargetDevice,
  admit: (initiatorName: string) => Admission | undefined = () => ({}),
  times: { readonly loginMs?: number; readonly silenceMs?: number } = {},
): Promise<TestPortal> {
  const lines: string[] = [];
  const nodes = [{ name: TARGET, device, admit }];
  const portal = await Portal.open({ host: '127.0.0.1', port: 0, nodes, log: (line) => lines.push(line), ...times });
  return { port: portal.address.port, portal, lines, [Symbol.asyncDispose]: () => portal[Symbol.asyncDispose]() };
}
