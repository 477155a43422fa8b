/** The journal's blocks, wherever its file has them, read ahead in large pieces. Memory: one piece. */
import { FormatError } from '../../../bytes/errors.ts';
import { type Bytes, MiB } from '../../../bytes/units.ts';
import type { ReadAt } from '../../volume.ts';
import { addressOf, type ContentRuns, contiguousFrom } from '../content-runs.ts';

const READ_MAX = MiB;

export class LogReader {
  readonly #readAt: ReadAt;
  readonly #runs: ContentRuns;
  readonly #blockSize: Bytes;
  readonly #signal: AbortSignal | undefined;
  #window: DataView = new DataView(new ArrayBuffer(0));
  #windowAt = -1;

  constructor(readAt: ReadAt, runs: ContentRuns, blockSize: Bytes, signal?: AbortSignal) {
    this.#readAt = readAt;
    this.#runs = runs;
    this.#blockSize = blockSize;
    this.#signal = signal;
  }

  /** Byte address of a block of the journal. @throws FormatError when the file has none there */
  address(block: number): Bytes {
    const address = addressOf(this.#runs, block * this.#blockSize);
    if (address < 0) throw new FormatError('corrupt', 'ext4 journal', `block ${block} is a hole`);
    return address;
  }

  /** The block; good until the next is asked for. @throws FormatError when it cannot be read */
  async block(block: number): Promise<DataView> {
    const at = block * this.#blockSize;
    const inWindow = at - this.#windowAt;
    if (this.#windowAt < 0 || inWindow < 0 || inWindow + this.#blockSize > this.#window.byteLength) {
      const address = this.address(block);
      const length = Math.max(this.#blockSize, Math.min(READ_MAX, contiguousFrom(this.#runs, at)));
      this.#window = await this.#readAt(address, length, this.#signal);
      this.#windowAt = at;
    }
    return new DataView(this.#window.buffer, this.#window.byteOffset + at - this.#windowAt, this.#blockSize);
  }
}
