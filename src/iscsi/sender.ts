/** PDUs onto a stream: sequence numbers, padding and digests. RFC 7143, 4.2.2, clause 11. */
import { crc32c } from '../bytes/crc32c.ts';
import { viewOf } from '../bytes/layout.ts';
import { BHS_BYTES, Bhs, DIGEST_BYTES, paddingOf, Response, serialAdd } from './pdu.ts';
import type { ByteStream } from './stream.ts';

/** A header being made. */
export interface Draft {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

const PAD = new Uint8Array(3);

/** A zeroed header of an operation code, with the F bit, which most have. */
export function draft(opcode: number): Draft {
  const buffer = Buffer.allocUnsafe(BHS_BYTES); // from Node's pool: no allocation of its own
  buffer.fill(0);
  buffer[0] = opcode;
  buffer[1] = 0x80;
  return { bytes: buffer, view: viewOf(buffer) };
}

export class PduSender {
  readonly #stream: ByteStream;
  #headerDigest = false;
  #dataDigest = false;

  constructor(stream: ByteStream) {
    this.#stream = stream;
  }

  /** In force from the next PDU on. */
  configure(options: { readonly headerDigest: boolean; readonly dataDigest: boolean }): void {
    this.#headerDigest = options.headerDigest;
    this.#dataDigest = options.dataDigest;
  }

  /** Sends a header and its data segment; `sent` is called when the system has taken both. */
  send({ bytes, view }: Draft, data?: Uint8Array, sent?: () => void): void {
    const stream = this.#stream;
    if (data === undefined || data.length === 0) {
      stream.write(this.#headerDigest ? withDigest(bytes) : bytes, sent);
      return;
    }
    Bhs.dataSegmentLength.set(view, 0, data.length);
    stream.write(this.#headerDigest ? withDigest(bytes) : bytes);
    const trailer = this.#trailer(data);
    if (trailer === undefined) {
      stream.write(data, sent);
      return;
    }
    stream.write(data);
    stream.write(trailer, sent);
  }

  /** What follows a data segment: zeros to a multiple of 4, and the digest over both. */
  #trailer(data: Uint8Array): Uint8Array | undefined {
    const padding = paddingOf(data.length);
    if (!this.#dataDigest) return padding === 0 ? undefined : PAD.subarray(0, padding);
    const out = new Uint8Array(padding + DIGEST_BYTES);
    const sum = padding === 0 ? crc32c(data) : crc32c(PAD.subarray(0, padding), crc32c(data));
    viewOf(out).setUint32(padding, sum, true);
    return out;
  }
}

function withDigest(header: Uint8Array): Uint8Array {
  const out = new Uint8Array(header.length + DIGEST_BYTES);
  out.set(header);
  viewOf(out).setUint32(header.length, crc32c(header), true);
  return out;
}

/** The numbers that a target puts into every response. RFC 7143, 4.2.2. */
export class TargetNumbers {
  /** Of the next response. */
  statSn: number;
  /** The next command's. */
  expCmdSn: number;
  /** How many commands beyond it are taken. */
  window: number;

  constructor(statSn: number, expCmdSn: number, window: number) {
    this.statSn = statSn;
    this.expCmdSn = expCmdSn;
    this.window = window;
  }

  get maxCmdSn(): number {
    return serialAdd(this.expCmdSn, this.window - 1);
  }

  /** For PDUs that carry a status: each has a StatSN of its own. */
  status({ view }: Draft): void {
    Response.statSn.set(view, 0, this.statSn);
    this.statSn = serialAdd(this.statSn, 1);
    this.#window(view);
  }

  /** For PDUs that do not count: the StatSN of the next one that does. */
  plain({ view }: Draft): void {
    Response.statSn.set(view, 0, this.statSn);
    this.#window(view);
  }

  /** For Data-In without a status: StatSN is reserved. */
  data({ view }: Draft): void {
    this.#window(view);
  }

  #window(view: DataView): void {
    Response.expCmdSn.set(view, 0, this.expCmdSn);
    Response.maxCmdSn.set(view, 0, this.maxCmdSn);
  }
}
