/** Login requests and their answers over a connection that does nothing else yet. RFC 7143, 11.12, 11.13. */

import { FormatError } from '../../bytes/errors.ts';
import { viewOf } from '../../bytes/layout.ts';
import { systemRandom } from '../../bytes/random.ts';
import { LoginRequestPdu, LoginResponsePdu, LoginStatus, Opcode } from '../pdu.ts';
import { draft, type PduSender } from '../sender.ts';
import { decodePairs, encodePairs, type Pairs } from '../text.ts';
import type { LoginAnswer, LoginRequest } from './login.ts';

/** Of one answer. */
const PARTS_MAX = 16;
const IMMEDIATE = 0x40;
/** Of the first command. */
export const FIRST_CMD_SN = 1;

interface Answer {
  readonly view: DataView;
  readonly data: Uint8Array;
}

export class LoginChannel {
  readonly #where: string;
  readonly #sender: PduSender;
  /** RFC 7143, 11.12.5: type 10b, random; another for each session, so that none ends another. */
  readonly #isid = Uint8Array.of(0x80, ...systemRandom(3), 0, 0);
  #answered: ((answer: Answer) => void) | undefined;
  expStatSn = 0;

  constructor(where: string, sender: PduSender) {
    this.#where = where;
    this.#sender = sender;
  }

  /** Sends a request; the answer, its parts put together. @throws FormatError when it has no end */
  async exchange(request: LoginRequest): Promise<LoginAnswer> {
    const f = LoginResponsePdu;
    let answer = await this.#send(request, encodePairs(request.pairs));
    const parts = [answer.data];
    while (f.continues.get(answer.view, 0)) {
      if (parts.length === PARTS_MAX) throw new FormatError('corrupt', this.#where, 'login: an answer without end');
      answer = await this.#send({ ...request, transit: false }, new Uint8Array(0));
      parts.push(answer.data);
    }
    const status = f.statusClass.get(answer.view, 0) * 256 + f.statusDetail.get(answer.view, 0);
    const pairs: Pairs = status === LoginStatus.success ? decodePairs(Buffer.concat(parts)) : new Map();
    return { status, transit: f.transit.get(answer.view, 0), nextStage: f.nextStage.get(answer.view, 0), pairs };
  }

  #send(request: Omit<LoginRequest, 'pairs'>, text: Uint8Array): Promise<Answer> {
    const pdu = draft(Opcode.loginRequest);
    pdu.bytes[0] |= IMMEDIATE;
    const { view } = pdu;
    const f = LoginRequestPdu;
    f.transit.set(view, 0, request.transit);
    f.currentStage.set(view, 0, request.currentStage);
    f.nextStage.set(view, 0, request.transit ? request.nextStage : 0);
    f.isid.set(view, 0, this.#isid);
    f.initiatorTaskTag.set(view, 0, 0);
    f.cmdSn.set(view, 0, FIRST_CMD_SN);
    f.expStatSn.set(view, 0, this.expStatSn);
    return new Promise((resolve) => {
      this.#answered = resolve;
      this.#sender.send(pdu, text);
    });
  }

  /** A Login Response has come; one that nobody asked for is passed over. */
  answer(header: Uint8Array, data: Uint8Array): void {
    const answered = this.#answered;
    this.#answered = undefined;
    answered?.({ view: viewOf(header.slice()), data });
  }
}
