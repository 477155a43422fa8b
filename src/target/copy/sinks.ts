/**
 * The writing end of a segment: records to tape one by one, blocks to a disk gathered and written behind, bytes to a range
 * of a disk with the rest of its first and last block preserved.
 */
import { alignDown, type Bytes, type Lba } from '../../bytes/units.ts';
import { CopyAborted } from './aborted.ts';
import { type BlockDevice, readBlocks, type StreamDevice, writeBlocks, writeStream } from './devices.ts';
import type { Slab } from './slab.ts';

/** What a segment has to write and has written, for its residue. */
export interface Progress {
  readonly segment: number;
  /** Bytes that the segment should write, padding included. */
  readonly due: Bytes;
  /** Bytes written without a gap. */
  written: Bytes;
  /** Bytes of a unit of the residue: 1 for variable-length tape, else the destination's block length. */
  readonly residueUnit: Bytes;
  /** Of the whole list. */
  readonly total: { bytes: Bytes };
}

function advance(progress: Progress, byteLength: Bytes): void {
  progress.written += byteLength;
  progress.total.bytes += byteLength;
}

export interface Sink {
  /**
   * Takes whole writes. The bytes are a part of `slab`, which the sink retains as long as it needs it; without one they
   * have been written when this resolves. @throws SegmentAborted
   */
  write(bytes: Uint8Array, slab: Slab | undefined): Promise<void>;
  /** The segment has no more. */
  end(): Promise<void>;
}

/** A fault with the segment it belongs to: written behind, it may show while a later one runs. */
export class SegmentAborted extends Error {
  readonly progress: Progress;
  readonly aborted: CopyAborted;
  constructor(progress: Progress, aborted: CopyAborted) {
    super(aborted.message);
    this.progress = progress;
    this.aborted = aborted;
  }
}

/** Tape: each `write` bytes are one WRITE(6), in order, each one done before the next. */
export function streamSink(device: StreamDevice, write: Bytes, progress: Progress, signal?: AbortSignal): Sink {
  return {
    async write(bytes, slab) {
      for (let at = 0; at < bytes.length; at += write) {
        signal?.throwIfAborted();
        const outcome = await writeStream(device, bytes.subarray(at, at + write), slab);
        advance(progress, outcome.written);
        if (outcome.trouble !== undefined) throw new SegmentAborted(progress, outcome.trouble);
      }
    },
    end: () => Promise.resolve(),
  };
}

interface Behind {
  readonly progress: Progress;
  readonly byteLength: Bytes;
  /** Resolves to what went wrong. */
  readonly done: Promise<unknown>;
}

/** WRITE(16)s under way, of all segments of a list, in order. */
export class WriteBehind {
  readonly #inFlightMax: number;
  readonly #queue: Behind[] = [];

  constructor(inFlightMax: number) {
    this.#inFlightMax = inFlightMax;
  }

  async submit(device: BlockDevice, lba: Lba, bytes: Uint8Array, slab: Slab | undefined, progress: Progress) {
    while (this.#queue.length >= this.#inFlightMax) await this.#oldest();
    slab?.retain();
    const done = writeBlocks(device, lba, bytes).then(
      () => slab?.release(),
      (error: unknown) => {
        slab?.release();
        return error;
      },
    );
    this.#queue.push({ progress, byteLength: bytes.length, done });
    if (slab === undefined) await this.drain();
  }

  /** Waits until all are written. @throws SegmentAborted of the first that failed */
  async drain(): Promise<void> {
    while (this.#queue.length > 0) await this.#oldest();
  }

  async #oldest(): Promise<void> {
    const oldest = this.#queue.shift();
    if (oldest === undefined) return;
    const failure = await oldest.done;
    if (failure === undefined) {
      advance(oldest.progress, oldest.byteLength);
      return;
    }
    await Promise.all(this.#queue.splice(0).map((later) => later.done));
    throw failure instanceof CopyAborted ? new SegmentAborted(oldest.progress, failure) : failure;
  }
}

/** Disk: whole blocks from `lba` on, gathered while they lie side by side in memory. */
export class BlockSink implements Sink {
  readonly #device: BlockDevice;
  readonly #behind: WriteBehind;
  readonly #progress: Progress;
  readonly #writeBytesMax: Bytes;
  #lba: Lba;
  #gathered: { readonly slab: Slab; readonly start: Bytes; end: Bytes } | undefined;

  constructor(device: BlockDevice, lba: Lba, behind: WriteBehind, progress: Progress, writeBytesMax: Bytes) {
    this.#device = device;
    this.#lba = lba;
    this.#behind = behind;
    this.#progress = progress;
    this.#writeBytesMax = alignDown(writeBytesMax, device.blockLength);
  }

  async write(bytes: Uint8Array, slab: Slab | undefined): Promise<void> {
    if (slab === undefined) {
      await this.end();
      await this.#submit(bytes, undefined);
      return;
    }
    const start = bytes.byteOffset - slab.memory.byteOffset;
    const gathered = this.#gathered;
    if (gathered !== undefined && gathered.slab === slab && gathered.end === start) {
      gathered.end += bytes.length;
    } else {
      await this.end();
      slab.retain();
      this.#gathered = { slab, start, end: start + bytes.length };
    }
    if (this.#gathered !== undefined && this.#gathered.end - this.#gathered.start >= this.#writeBytesMax)
      await this.end();
  }

  async end(): Promise<void> {
    const gathered = this.#gathered;
    if (gathered === undefined) return;
    this.#gathered = undefined;
    try {
      await this.#submit(gathered.slab.memory.subarray(gathered.start, gathered.end), gathered.slab);
    } finally {
      gathered.slab.release();
    }
  }

  async #submit(bytes: Uint8Array, slab: Slab | undefined): Promise<void> {
    for (let at = 0; at < bytes.length; at += this.#writeBytesMax) {
      const part = bytes.subarray(at, Math.min(bytes.length, at + this.#writeBytesMax));
      await this.#behind.submit(this.#device, this.#lba, part, slab, this.#progress);
      this.#lba += part.length / this.#device.blockLength;
    }
  }
}

/** A byte range of a disk: 09h. The first and last block are read before they are written. */
export class RangeSink implements Sink {
  readonly #device: BlockDevice;
  readonly #behind: WriteBehind;
  readonly #blocks: BlockSink;
  /** Bytes of the block at `#lba` that are known so far. */
  #carry: Uint8Array | undefined;
  #carried: Bytes = 0;
  /** Bytes of it that were there before. */
  #kept: Bytes = 0;
  #lba: Lba;

  private constructor(device: BlockDevice, lba: Lba, behind: WriteBehind, progress: Progress, writeBytesMax: Bytes) {
    this.#device = device;
    this.#lba = lba;
    this.#behind = behind;
    this.#blocks = new BlockSink(device, lba, behind, progress, writeBytesMax);
  }

  static async open(
    device: BlockDevice,
    at: { readonly lba: Lba; readonly byteOffset: Bytes },
    behind: WriteBehind,
    progress: Progress,
    writeBytesMax: Bytes,
  ): Promise<RangeSink> {
    const whole = Math.floor(at.byteOffset / device.blockLength);
    const sink = new RangeSink(device, at.lba + whole, behind, progress, writeBytesMax);
    const inBlock = at.byteOffset % device.blockLength;
    if (inBlock > 0 && progress.due > 0) {
      sink.#carry = await sink.#block();
      sink.#carried = inBlock;
      sink.#kept = inBlock;
    }
    return sink;
  }

  async write(bytes: Uint8Array, slab: Slab | undefined): Promise<void> {
    const { blockLength } = this.#device;
    let at = 0;
    if (this.#carried > 0) {
      at = Math.min(bytes.length, blockLength - this.#carried);
      this.#keep(bytes.subarray(0, at));
      if (this.#carried === blockLength) await this.#emitCarry();
    }
    const whole = alignDown(bytes.length - at, blockLength);
    if (whole > 0) {
      await this.#blocks.write(bytes.subarray(at, at + whole), slab);
      this.#lba += whole / blockLength;
      at += whole;
    }
    if (at < bytes.length) this.#keep(bytes.subarray(at));
  }

  async end(): Promise<void> {
    if (this.#carried > this.#kept) {
      await this.#blocks.end();
      const block = await this.#block();
      block.set((this.#carry ?? block).subarray(0, this.#carried));
      this.#carry = block;
      await this.#emitCarry();
    }
    await this.#blocks.end();
  }

  /** The block as it is on the device, after what is still being written. */
  async #block(): Promise<Uint8Array> {
    await this.#behind.drain();
    const block = new Uint8Array(this.#device.blockLength);
    await readBlocks(this.#device, this.#lba, block, 'destination');
    return block;
  }

  #keep(bytes: Uint8Array): void {
    this.#carry ??= new Uint8Array(this.#device.blockLength);
    this.#carry.set(bytes, this.#carried);
    this.#carried += bytes.length;
  }

  async #emitCarry(): Promise<void> {
    const block = this.#carry;
    this.#carry = undefined;
    this.#carried = 0;
    this.#kept = 0;
    this.#lba++;
    if (block !== undefined) await this.#blocks.write(block, undefined);
  }
}

/** 06h: bytes go nowhere. */
export const discardSink: Sink = { write: () => Promise.resolve(), end: () => Promise.resolve() };
