// A target that does exactly what a test says: it lets initiators in, then hands each PDU to the test.

import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { viewOf } from '../../src/bytes/layout.ts';
import { type Header, PduParser } from '../../src/iscsi/parser.ts';
import { Bhs, LoginRequestPdu, LoginResponsePdu, Opcode, paddingOf, Request, serialAdd } from '../../src/iscsi/pdu.ts';
import { encodePairs } from '../../src/iscsi/text.ts';
import type { Received } from './iscsi-wire.ts';

export class WireTarget implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** What came since the login. */
  readonly seen: Received[] = [];
  /** Connections so far. */
  logins = 0;
  statSn = 1;
  expCmdSn = 1;
  /** Commands that it takes beyond `expCmdSn`. */
  window = 8;

  private constructor(
    answers: readonly (readonly [string, string])[],
    handle: (pdu: Received, target: WireTarget) => void,
  ) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      const parser: PduParser = new PduParser(
        {
          place: () => undefined,
          pdu: ({ opcode, bytes }: Header, data: Uint8Array) => {
            const view = viewOf(bytes.slice());
            if (opcode === Opcode.loginRequest) this.#letIn(view, answers);
            else {
              if (opcode === Opcode.scsiCommand) this.expCmdSn = serialAdd(Request.cmdSn.get(view, 0), 1);
              const pdu = { opcode, view, data };
              this.seen.push(pdu);
              handle(pdu, this);
            }
          },
        },
        { dataSegmentMax: 2 ** 24, headerDigest: false, dataDigest: false },
      );
      socket.on('data', (chunk) => {
        for (let at = 0; at < chunk.length; ) {
          const part = parser.next();
          const count = Math.min(part.length, chunk.length - at);
          part.set(chunk.subarray(at, at + count));
          at += count;
          parser.received(count);
        }
      });
    });
  }

  static async open(
    answers: readonly (readonly [string, string])[],
    handle: (pdu: Received, target: WireTarget) => void,
  ): Promise<WireTarget> {
    const target = new WireTarget(answers, handle);
    await new Promise<void>((resolve) => target.#server.listen(0, '127.0.0.1', resolve));
    return target;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  #letIn(view: DataView, answers: readonly (readonly [string, string])[]): void {
    this.logins++;
    this.statSn = 1;
    this.expCmdSn = 1;
    const header = LoginResponsePdu.encode({
      opcode: Opcode.loginResponse,
      transit: true,
      currentStage: LoginRequestPdu.currentStage.get(view, 0),
      nextStage: 3,
      tsih: 1,
    });
    header.set(new Uint8Array(view.buffer, view.byteOffset + 8, 6), 8);
    this.send(header, encodePairs(answers), { status: true });
  }

  /** Sends a PDU; numbers and length are filled in. `status`: it counts in StatSN. */
  send(header: Uint8Array, data: Uint8Array = new Uint8Array(0), { status = false } = {}): void {
    const view = viewOf(header);
    Bhs.dataSegmentLength.set(view, 0, data.length);
    view.setUint32(24, status ? this.statSn++ : 0);
    view.setUint32(28, this.expCmdSn);
    view.setUint32(32, serialAdd(this.expCmdSn, this.window - 1));
    for (const socket of this.#sockets) {
      if (!socket.destroyed) socket.write(Buffer.concat([header, data, new Uint8Array(paddingOf(data.length))]));
    }
  }

  /** Ends every connection without a word. */
  drop(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.drop();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
