/** Text requests of a session: what may be asked, and answers in parts no longer than the initiator takes. RFC 7143, 11.10, 11.11, appendix C. */
import { FormatError } from '../../bytes/errors.ts';
import type { Bytes } from '../../bytes/units.ts';
import { sameName } from '../names.ts';
import { Answer, decodePairs, encodePairs, type Pairs } from '../text.ts';
import { TEXT_ANSWER_MAX } from './limits.ts';
import { PORTAL_GROUP_TAG } from './login.ts';

export interface TextAnswer {
  readonly data: Uint8Array;
  /** More follows, when the initiator asks for it by this tag. */
  readonly continues: boolean;
}

/** Text of one request, its continuations among it. */
const REQUEST_BYTES_MAX: Bytes = 16 * 1024;

export interface TextEnvironment {
  /** Names of the targets that the initiator may know of. */
  readonly targets: readonly string[];
  /** In a normal session: the one it is of; `SendTargets=` asks for it. */
  readonly own: string | undefined;
  /** Address and port that the initiator has connected to. */
  readonly portal: string;
  /** The longest data segment that the initiator takes. */
  readonly segmentMax: Bytes;
}

export class TextExchange {
  readonly #environment: TextEnvironment;
  #request: Uint8Array[] = [];
  #requestBytes: Bytes = 0;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(environment: TextEnvironment) {
    this.#environment = environment;
  }

  /** The answer to a request, or to its part. `continued`: it asks for the rest of an answer. @throws FormatError */
  answer(text: Uint8Array, continues: boolean, continued: boolean): TextAnswer {
    if (continued && text.length === 0) return this.#part();
    this.#rest = new Uint8Array(0);
    this.#requestBytes += text.length;
    if (this.#requestBytes > REQUEST_BYTES_MAX) throw new FormatError('corrupt', 'iSCSI text request', 'is too long');
    this.#request.push(text);
    if (continues) return { data: this.#rest, continues: false };
    const pairs = decodePairs(Buffer.concat(this.#request));
    this.#request = [];
    this.#requestBytes = 0;
    this.#rest = encodePairs(this.#answers(pairs)).subarray(0, TEXT_ANSWER_MAX);
    return this.#part();
  }

  #part(): TextAnswer {
    const data = this.#rest.subarray(0, this.#environment.segmentMax);
    this.#rest = this.#rest.subarray(data.length);
    return { data, continues: this.#rest.length > 0 };
  }

  #answers(pairs: Pairs): [string, string][] {
    return [...pairs].flatMap(([key, value]) =>
      key === 'SendTargets' ? this.#targets(value) : [[key, Answer.notUnderstood] as [string, string]],
    );
  }

  /** Each target with the address that the initiator came to: another one it might not reach. */
  #targets(which: string): [string, string][] {
    const { targets, own, portal } = this.#environment;
    const discovery = own === undefined;
    if (which === 'All' && !discovery) return [['SendTargets', Answer.reject]];
    const chosen =
      which === 'All' ? targets : targets.filter((name) => (which === '' ? name === own : sameName(name, which)));
    return chosen.flatMap((name) => [
      ['TargetName', name] as [string, string],
      ['TargetAddress', `${portal},${PORTAL_GROUP_TAG}`] as [string, string],
    ]);
  }
}
