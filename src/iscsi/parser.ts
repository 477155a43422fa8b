/**
 * iSCSI PDUs from a stream of bytes. RFC 7143, clause 11 and 7.
 *
 * The parser says where the next bytes go and is told how many came, so that a socket reads straight into memory of its
 * user's: a long data segment lands where the user wants it, everything else in one buffer of this connection's.
 *
 * Invariants
 * - No more is held than PARSE_BUFFER_BYTES, one header, and a data segment of at most `dataSegmentMax`, whose memory the
 *   user gives.
 * - Nothing of a header is believed before its digest is right. A header that cannot be believed ends the connection: where
 *   the next one begins is then unknown.
 * - The user's functions are called from `received` and `resume` alone, one at a time.
 */
import { crc32c } from '../bytes/crc32c.ts';
import { FormatError } from '../bytes/errors.ts';
import { viewOf } from '../bytes/layout.ts';
import type { Bytes } from '../bytes/units.ts';
import { BHS_BYTES, Bhs, DIGEST_BYTES, paddingOf } from './pdu.ts';

/** Bytes read ahead of a connection. */
export const PARSE_BUFFER_BYTES: Bytes = 64 * 1024;
/** From this length on the rest of a data segment is read to where it belongs, instead of being copied there. */
const STRAIGHT_BYTES_MIN: Bytes = 16 * 1024;
const AHS_BYTES_MAX = 255 * 4;

/** A header as it came. It is the parser's: whoever keeps it copies it. */
export interface Header {
  readonly view: DataView;
  /** BHS and AHS. */
  readonly bytes: Uint8Array;
  readonly opcode: number;
  readonly dataSegmentLength: Bytes;
}

export interface PduHandler {
  /**
   * Memory for a data segment, exactly `header.dataSegmentLength` bytes; `undefined`: memory of the parser's making, the
   * user's to keep. Not called when there is no data.
   */
  place(header: Header): Uint8Array | undefined;
  /** A PDU is whole. `intact`: its data digest is right, or there is none. */
  pdu(header: Header, data: Uint8Array, intact: boolean): void;
}

const NO_DATA = new Uint8Array(0);

export interface ParserOptions {
  /** The longest data segment that this side has declared to take. */
  readonly dataSegmentMax: Bytes;
  readonly headerDigest: boolean;
  readonly dataDigest: boolean;
}

export class PduParser {
  readonly #handler: PduHandler;
  #options: ParserOptions;
  readonly #buffer = new Uint8Array(PARSE_BUFFER_BYTES);
  readonly #bufferView = viewOf(this.#buffer);
  #start = 0;
  #end = 0;
  #paused = false;
  #parsing = false;
  readonly #headerBytes = new Uint8Array(BHS_BYTES + AHS_BYTES_MAX);
  readonly #headerView = viewOf(this.#headerBytes);
  #header: Header | undefined; // of the PDU whose data are being read
  #data: Uint8Array = NO_DATA;
  #dataDone = 0;
  #straight = false; // the last memory given out was the data segment's

  constructor(handler: PduHandler, options: ParserOptions) {
    this.#handler = handler;
    this.#options = options;
  }

  /** In force from the next PDU on. */
  configure(options: ParserOptions): void {
    this.#options = options;
  }

  /** Where the next bytes of the stream go; never empty. */
  next(): Uint8Array {
    const rest = this.#header === undefined ? 0 : this.#data.length - this.#dataDone;
    this.#straight = rest >= STRAIGHT_BYTES_MIN && this.#start === this.#end;
    if (this.#straight) return this.#data.subarray(this.#dataDone);
    if (this.#start === this.#end) {
      this.#start = 0;
      this.#end = 0;
    } else if (this.#buffer.length - this.#end < STRAIGHT_BYTES_MIN) {
      this.#buffer.copyWithin(0, this.#start, this.#end);
      this.#end -= this.#start;
      this.#start = 0;
    }
    return this.#buffer.subarray(this.#end);
  }

  /** No more PDUs until `resume`; the bytes that are there are kept. May be called from the handler. */
  pause(): void {
    this.#paused = true;
  }
  get paused(): boolean {
    return this.#paused;
  }

  /** @throws as `received` */
  resume(): void {
    this.#paused = false;
    this.#parse();
  }

  /** `count` bytes have come to where `next` said. @throws FormatError when they are no PDUs that this side takes */
  received(count: number): void {
    if (this.#straight) this.#dataDone += count;
    else this.#end += count;
    this.#parse();
  }

  #parse(): void {
    if (this.#parsing) return; // called from the handler: the loop below goes on
    this.#parsing = true;
    try {
      while (!this.#paused && (this.#header === undefined ? this.#takeHeader() : this.#takeData()));
    } finally {
      this.#parsing = false;
    }
  }

  /** False: more bytes are needed. */
  #takeHeader(): boolean {
    const available = this.#end - this.#start;
    if (available < BHS_BYTES) return false;
    const { headerDigest } = this.#options;
    const at = this.#start;
    if (!headerDigest) this.#checkLength(Bhs.dataSegmentLength.get(this.#bufferView, at)); // before more is waited for
    const length = BHS_BYTES + 4 * Bhs.totalAhsLength.get(this.#bufferView, at);
    const whole = length + (headerDigest ? DIGEST_BYTES : 0);
    if (available < whole) return false;
    const bytes = this.#headerBytes.subarray(0, length);
    bytes.set(this.#buffer.subarray(at, at + length));
    if (headerDigest && crc32c(bytes) !== this.#bufferView.getUint32(at + length, true))
      throw new FormatError('corrupt', 'iSCSI PDU', 'the header digest is wrong');
    const view = this.#headerView;
    const dataSegmentLength = Bhs.dataSegmentLength.get(view, 0);
    this.#checkLength(dataSegmentLength);
    this.#start += whole;
    const header = { view, bytes, opcode: Bhs.opcode.get(view, 0), dataSegmentLength };
    if (dataSegmentLength === 0) {
      this.#handler.pdu(header, NO_DATA, true);
      return true;
    }
    this.#header = header;
    this.#data = this.#handler.place(header) ?? new Uint8Array(dataSegmentLength);
    this.#dataDone = 0;
    return true;
  }

  #checkLength(dataSegmentLength: Bytes): void {
    const { dataSegmentMax } = this.#options;
    if (dataSegmentLength <= dataSegmentMax) return;
    const what = `a data segment of ${dataSegmentLength} bytes, ${dataSegmentMax} were admitted`;
    throw new FormatError('corrupt', 'iSCSI PDU', what);
  }

  #takeData(): boolean {
    const rest = this.#data.length - this.#dataDone;
    if (rest > 0) {
      const part = Math.min(rest, this.#end - this.#start);
      if (part > 0) this.#data.set(this.#buffer.subarray(this.#start, this.#start + part), this.#dataDone);
      this.#start += part;
      this.#dataDone += part;
      if (part < rest) return false;
    }
    const padding = paddingOf(this.#data.length);
    const { dataDigest } = this.#options;
    if (this.#end - this.#start < padding + (dataDigest ? DIGEST_BYTES : 0)) return false;
    let intact = true;
    if (dataDigest) {
      const pad = this.#buffer.subarray(this.#start, this.#start + padding);
      const sum = padding > 0 ? crc32c(pad, crc32c(this.#data)) : crc32c(this.#data);
      intact = sum === this.#bufferView.getUint32(this.#start + padding, true);
    }
    this.#start += padding + (dataDigest ? DIGEST_BYTES : 0);
    const header = this.#header as Header;
    const data = this.#data;
    this.#header = undefined;
    this.#data = NO_DATA;
    this.#handler.pdu(header, data, intact);
    return true;
  }
}
