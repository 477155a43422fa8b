/**
 * The data of one write, as they come: immediate, unsolicited, and asked for with R2T. RFC 7143, 4.2.5, 11.7, 11.8.
 *
 * Everything is in order (DataPDUInOrder and DataSequenceInOrder are Yes), so that one number says what is there. No I/O.
 */
import { FormatError } from '../../bytes/errors.ts';
import type { Bytes } from '../../bytes/units.ts';
import { NO_TAG } from '../pdu.ts';

/** What a Data-Out PDU says of itself. */
export interface DataOut {
  readonly targetTransferTag: number;
  readonly dataSn: number;
  readonly bufferOffset: Bytes;
  readonly length: Bytes;
}

export interface GatherOptions {
  /** All that is wanted. */
  readonly length: Bytes;
  /** Bytes that came with the command. */
  readonly immediate: Bytes;
  /** The command's F bit is 0: Data-Out PDUs follow unasked. */
  readonly unsolicited: boolean;
  readonly firstBurstLength: Bytes;
  readonly maxBurstLength: Bytes;
  readonly maxOutstandingR2T: number;
}

interface Sequence {
  readonly targetTransferTag: number;
  readonly end: Bytes;
  nextDataSn: number;
}

const wrong = (what: string): FormatError => new FormatError('corrupt', 'iSCSI Data-Out', what);

export class Gather {
  readonly #options: GatherOptions;
  #received: Bytes; // everything before this is there
  #asked: Bytes; // everything before this is there or on its way
  readonly #sequences: Sequence[] = [];
  #place: Bytes = 0; // end of the PDU whose header was taken

  constructor(options: GatherOptions) {
    this.#options = options;
    this.#received = options.immediate;
    this.#asked = options.immediate;
    if (!options.unsolicited) return;
    this.#asked = Math.min(options.length, options.firstBurstLength);
    this.#sequences.push({ targetTransferTag: NO_TAG, end: this.#asked, nextDataSn: 0 });
  }

  get complete(): boolean {
    return this.#received === this.#options.length && this.#sequences.length === 0;
  }

  /** The header of a Data-Out has come: checks that its data may be put where it says. @throws FormatError */
  admit({ targetTransferTag, dataSn, bufferOffset, length }: DataOut): void {
    const sequence = this.#sequences[0];
    if (sequence === undefined) throw wrong('data that nobody asked for');
    if (sequence.targetTransferTag !== targetTransferTag) throw wrong('data of another sequence');
    if (dataSn !== sequence.nextDataSn) throw wrong(`DataSN ${dataSn}, ${sequence.nextDataSn} is next`);
    if (bufferOffset !== this.#received) throw wrong(`buffer offset ${bufferOffset}, ${this.#received} is next`);
    if (bufferOffset + length > sequence.end) throw wrong('more data than was asked for');
    this.#place = bufferOffset + length;
  }

  /** The PDU that was admitted last is there. @throws FormatError */
  taken(final: boolean): void {
    const sequence = this.#sequences[0];
    if (sequence === undefined) return;
    this.#received = this.#place;
    sequence.nextDataSn++;
    if (!final) {
      if (this.#received === sequence.end) throw wrong('a sequence without an end');
      return;
    }
    this.#sequences.shift();
    if (sequence.targetTransferTag === NO_TAG) this.#asked = this.#received;
    else if (this.#received < sequence.end) throw wrong('less data than was asked for');
  }

  /** The next range to ask for, if one may be asked for now; `tag` makes its target transfer tag. */
  ask(tag: () => number): { readonly offset: Bytes; readonly length: Bytes; readonly tag: number } | undefined {
    const { length, maxBurstLength, maxOutstandingR2T } = this.#options;
    if (this.#asked === length || this.#sequences.length >= maxOutstandingR2T) return undefined;
    if (this.#sequences[0]?.targetTransferTag === NO_TAG) return undefined;
    const offset = this.#asked;
    const part = Math.min(maxBurstLength, length - offset);
    this.#asked += part;
    const targetTransferTag = tag();
    this.#sequences.push({ targetTransferTag, end: offset + part, nextDataSn: 0 });
    return { offset, length: part, tag: targetTransferTag };
  }
}
