/**
 * The log as a ring of basic blocks, and where in it lies what has to be replayed. Linux fs/xfs/xfs_log_recover.c
 * `xlog_find_head`, `xlog_find_tail`: every block of the log begins with the number of the round it was written in (or is
 * a record's header, which has it behind its magic), so the head is where the number falls by one.
 */
import { FormatError } from '../../../bytes/errors.ts';
import { bytesOf } from '../../../bytes/layout.ts';
import type { Bytes } from '../../../bytes/units.ts';
import type { ReadAt } from '../../volume.ts';
import { BASIC_BLOCK } from '../layouts.ts';
import { XLOG_HEADER_MAGIC_NUM } from './layouts.ts';

/** Bytes of one read of the ring. */
const READ_MAX = 1024 * 1024;

export const WHERE = 'XFS log';

/** Blocks 0 to `blocks` - 1, then 0 again. */
export class LogRing {
  readonly blocks: number;
  readonly #readAt: ReadAt;
  readonly #at: Bytes;
  readonly #signal: AbortSignal | undefined;

  constructor(readAt: ReadAt, at: Bytes, byteLength: Bytes, signal?: AbortSignal) {
    this.#readAt = readAt;
    this.#at = at;
    this.blocks = byteLength / BASIC_BLOCK;
    this.#signal = signal;
  }

  /** `count` blocks from `block`, going on at 0 behind the last. The caller's own. */
  async read(block: number, count: number): Promise<DataView> {
    const from = block % this.blocks;
    const before = Math.min(count, this.blocks - from);
    const first = await this.#readAt(this.#at + from * BASIC_BLOCK, before * BASIC_BLOCK, this.#signal);
    if (before === count) return first;
    const whole = new Uint8Array(count * BASIC_BLOCK);
    whole.set(bytesOf(first));
    whole.set(bytesOf(await this.read(0, count - before)), before * BASIC_BLOCK);
    return new DataView(whole.buffer);
  }

  async cycle(block: number): Promise<number> {
    return cycleOf(await this.read(block, 1), 0);
  }

  /** The first of blocks `from` to `to` - 1 for which `wanted` holds, or -1. */
  async first(from: number, to: number, wanted: (view: DataView, at: number) => boolean): Promise<number> {
    const step = READ_MAX / BASIC_BLOCK;
    for (let block = from; block < to; block += step) {
      const count = Math.min(step, to - block);
      const view = await this.read(block, count);
      for (let i = 0; i < count; i++) if (wanted(view, i * BASIC_BLOCK)) return block + i;
    }
    return -1;
  }

  /** The last of blocks `from` to `to` - 1 that is a record's header, with the block, or undefined. */
  async lastHeader(from: number, to: number): Promise<{ readonly block: number; readonly view: DataView } | undefined> {
    const step = READ_MAX / BASIC_BLOCK;
    for (let end = to; end > from; end -= step) {
      const start = Math.max(from, end - step);
      const view = await this.read(start, end - start);
      for (let i = end - start - 1; i >= 0; i--) {
        const at = i * BASIC_BLOCK;
        if (isHeader(view, at)) return { block: start + i, view: copyOf(view, at) };
      }
    }
    return undefined;
  }
}

const copyOf = (view: DataView, at: number): DataView => new DataView(bytesOf(view, at, BASIC_BLOCK).slice().buffer);

export const isHeader = (view: DataView, at: number): boolean => view.getUint32(at) === XLOG_HEADER_MAGIC_NUM;

/** The round in which a block was written; 0: never. */
export const cycleOf = (view: DataView, at: number): number =>
  isHeader(view, at) ? view.getUint32(at + 4) : view.getUint32(at);

/** What is in the log contradicts itself. */
export const corruptLog = (what: string): FormatError => new FormatError('corrupt', WHERE, what);
