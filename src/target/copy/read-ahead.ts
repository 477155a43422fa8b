/**
 * Reads block sources ahead of the writes, across the segments of a list. SPC-4, 5.17.7.2 admits it for block devices.
 *
 * What many extents hold is read side by side into the same slab in the order of the byte stream, so that a tape record
 * gathered from them lies whole in memory without a copy. A slab ends where a whole write ends.
 *
 * Invariant: bytes come out of `take` in the order of the planned reads, and a failed read only when its turn comes.
 */
import { assert } from '../../bytes/errors.ts';
import { alignDown, type Bytes, KiB } from '../../bytes/units.ts';
import { type BlockDevice, readBlocks } from './devices.ts';
import type { Chunk, Slab, Slabs } from './slab.ts';

/** Bytes of a block device that the list will need. */
export interface PlannedRead {
  readonly device: BlockDevice;
  /** Byte address on the device. */
  readonly offset: Bytes;
  readonly length: Bytes;
  /** Bytes of a whole write of the destination, and how many bytes wait for it before these: where a slab may end. */
  readonly write: Bytes;
  readonly queued: Bytes;
}

/** READs at a time: small extents need some in flight, and a thread pool has few threads. */
const READS_IN_FLIGHT_MAX = 16;
/** Reads are cut at multiples of this on the device, so that O_DIRECT works below. */
const PAGE = 4096;
/** A read of this length is worth a slab of its own when it would not lie in it as it lies on the device. */
const LONG_READ_BYTES = 512 * KiB;

interface Piece {
  readonly slab: Slab;
  start: Bytes;
  readonly end: Bytes;
  settled: boolean;
  failure: unknown;
  readonly done: Promise<void>;
}

export class ReadAhead {
  readonly #reads: Iterator<PlannedRead>;
  readonly #slabs: Slabs;
  readonly #readBytesMax: Bytes;
  readonly #pieces: Piece[] = [];
  #head = 0;
  #inFlight = 0;
  #exhausted = false;
  #slab: Slab | undefined;
  #next: PlannedRead | undefined;
  /** Bytes of `#next` that are under way already. */
  #taken = 0;

  constructor(reads: Iterator<PlannedRead>, slabs: Slabs, readBytesMax: Bytes) {
    this.#reads = reads;
    this.#slabs = slabs;
    this.#readBytesMax = readBytesMax;
    this.#fill();
  }

  /** The next bytes, at most `most`; the caller releases the slab. @throws CopyAborted of the READ that failed */
  async take(most: Bytes): Promise<Chunk> {
    this.#fill();
    while (this.#head === this.#pieces.length) {
      assert(!this.#exhausted, 'more bytes taken than planned');
      await this.#slabs.freed();
      this.#fill();
    }
    const piece = this.#pieces[this.#head];
    if (!piece.settled) await piece.done;
    if (piece.failure !== undefined) throw piece.failure;
    const start = piece.start;
    const end = Math.min(piece.end, start + most);
    if (end < piece.end) {
      piece.start = end;
      piece.slab.retain(); // the piece keeps its own hold
    } else {
      this.#shift();
    }
    return { slab: piece.slab, start, end };
  }

  /** Waits for what is under way and lets go of it. */
  async stop(): Promise<void> {
    this.#exhausted = true;
    this.#next = undefined;
    this.#closeSlab();
    const left = this.#pieces.splice(this.#head);
    this.#head = this.#pieces.length;
    for (const piece of left) {
      await piece.done;
      piece.slab.release();
    }
  }

  #shift(): void {
    this.#head++;
    if (this.#head > 1024 && this.#head * 2 > this.#pieces.length) {
      this.#pieces.splice(0, this.#head);
      this.#head = 0;
    }
  }

  #closeSlab(): void {
    this.#slab?.release();
    this.#slab = undefined;
  }

  #fill(): void {
    while (!this.#exhausted && this.#inFlight < READS_IN_FLIGHT_MAX) {
      if (this.#next === undefined) {
        const next = this.#reads.next();
        if (next.done) {
          this.#exhausted = true;
          this.#closeSlab();
          return;
        }
        this.#next = next.value;
        this.#taken = 0;
      }
      if (this.#slab !== undefined && misaligned(this.#slab, this.#next, this.#taken)) this.#closeSlab();
      this.#slab ??= this.#slabFor(this.#next);
      if (this.#slab === undefined) return;
      const length = this.#cut(this.#next, this.#slab);
      if (length === 0) this.#closeSlab();
      else this.#start(this.#next, this.#slab, length);
    }
  }

  /** A slab that begins where the read begins within a page. */
  #slabFor(read: PlannedRead): Slab | undefined {
    const slab = this.#slabs.tryTake();
    if (slab !== undefined && isLong(read, this.#taken)) slab.filled = (read.offset + this.#taken) % PAGE;
    return slab;
  }

  /** How much of the read goes into the slab next; 0: the slab is to end here. */
  #cut(read: PlannedRead, slab: Slab): Bytes {
    const left = read.length - this.#taken;
    const offset = read.offset + this.#taken;
    let length = left;
    if (length > slab.room) {
      const over = read.write === 0 ? 0 : (read.queued + this.#taken + slab.room) % read.write;
      length = slab.room - over;
      if (length <= 0) return slab.filled >= PAGE ? 0 : Math.min(left, slab.room);
    }
    const inPage = offset % PAGE;
    if (inPage > 0 && isLong(read, this.#taken) && length > PAGE) return PAGE - inPage;
    if (length > this.#readBytesMax) {
      const aligned = alignDown(offset + this.#readBytesMax, PAGE) - offset;
      length = aligned > 0 ? aligned : this.#readBytesMax;
    }
    return length;
  }

  #start(read: PlannedRead, slab: Slab, length: Bytes): void {
    const start = slab.filled;
    const end = start + length;
    slab.filled = end;
    slab.retain();
    this.#inFlight++;
    const into = slab.memory.subarray(start, end);
    const done = readBytes(read.device, read.offset + this.#taken, into).then(
      () => this.#ended(piece),
      (error: unknown) => this.#ended(piece, error),
    );
    const piece: Piece = { slab, start, end, settled: false, failure: undefined, done };
    this.#pieces.push(piece);
    this.#taken += length;
    if (this.#taken === read.length) this.#next = undefined;
    if (slab.room === 0) this.#closeSlab();
  }

  #ended(piece: Piece, failure?: unknown): void {
    piece.settled = true;
    piece.failure = failure;
    this.#inFlight--;
    this.#fill();
  }
}

const isLong = (read: PlannedRead, taken: Bytes): boolean => read.length - taken >= LONG_READ_BYTES;

/** A long read would go to other places within a page than it comes from. */
const misaligned = (slab: Slab, read: PlannedRead, taken: Bytes): boolean =>
  isLong(read, taken) && slab.filled % PAGE !== (read.offset + taken) % PAGE;

/** Any bytes of a block device: whole blocks straight into place, parts of blocks by way of a block of their own. */
export async function readBytes(device: BlockDevice, offset: Bytes, into: Uint8Array): Promise<void> {
  const { blockLength } = device;
  const part = async (at: Bytes): Promise<Bytes> => {
    const inBlock = (offset + at) % blockLength;
    const count = Math.min(blockLength - inBlock, into.length - at);
    const block = new Uint8Array(blockLength);
    await readBlocks(device, (offset + at - inBlock) / blockLength, block);
    into.set(block.subarray(inBlock, inBlock + count), at);
    return count;
  };
  let at = 0;
  if (offset % blockLength !== 0) at += await part(at);
  const whole = alignDown(into.length - at, blockLength);
  if (whole > 0) await readBlocks(device, (offset + at) / blockLength, into.subarray(at, at + whole));
  at += whole;
  if (at < into.length) await part(at);
}
