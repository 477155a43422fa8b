/** The records of one tape file as a stream of tar blocks, with nothing kept but the record at hand. */
import { check, FormatError } from '../../bytes/errors.ts';
import { TAR_BLOCK } from './pax.ts';

/**
 * The next record of the tape file, `undefined` at the filemark or end of data behind it. The bytes need to live only until the
 * next call.
 */
export type NextRecord = () => Promise<Uint8Array | undefined>;

export class RecordStream {
  readonly where: string;
  readonly #next: NextRecord;
  #record: Uint8Array = new Uint8Array(0);
  #at = 0;
  #records = 0;
  #passed = 0;
  #recordSize = 0;

  constructor(next: NextRecord, where: string) {
    this.#next = next;
    this.where = where;
  }

  /** Records asked for so far. */
  get records(): number {
    return this.#records;
  }
  /** Bytes of the first record; 0 before it is read. */
  get recordSize(): number {
    return this.#recordSize;
  }
  /** Bytes given out so far. */
  get offset(): number {
    return this.#passed + this.#at;
  }
  get atRecordBoundary(): boolean {
    return this.#at === this.#record.length;
  }

  /** At least one and at most `max` bytes, in whole blocks but for `max`; a view. `undefined` at the end. */
  async some(max: number): Promise<Uint8Array | undefined> {
    if (this.#at === this.#record.length && !(await this.#fetch())) return undefined;
    const taken = this.#record.subarray(this.#at, this.#at + max);
    this.#at += taken.length;
    return taken;
  }

  /** The next block; a view. `undefined` at the end. */
  block(): Promise<Uint8Array | undefined> {
    return this.some(TAR_BLOCK);
  }

  /** Exactly `length` bytes, copied. The caller has bounded `length`. @throws FormatError `corrupt` when there are fewer */
  async bytes(length: number): Promise<Uint8Array> {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; ) {
      const part = await this.needSome(length - at);
      out.set(part, at);
      at += part.length;
    }
    return out;
  }

  /** As `some`, where the end would be an error. */
  async needSome(max: number): Promise<Uint8Array> {
    const part = await this.some(max);
    if (part === undefined)
      throw new FormatError('corrupt', this.where, `the tape file ends at byte ${this.offset}, in a member`);
    return part;
  }

  async #fetch(): Promise<boolean> {
    const record = await this.#next();
    if (record === undefined) return false;
    const place = `record ${this.#records}`;
    check(
      record.length > 0 && record.length % TAR_BLOCK === 0,
      this.where,
      `${place} has ${record.length} bytes, no multiple of 512`,
    );
    if (this.#records === 0) this.#recordSize = record.length;
    check(
      record.length === this.#recordSize,
      this.where,
      `${place} has ${record.length} bytes, the first ${this.#recordSize}`,
    );
    this.#passed += this.#record.length;
    this.#record = record;
    this.#at = 0;
    this.#records++;
    return true;
  }
}
