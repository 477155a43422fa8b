/**
 * Replay of the log in memory: the volume as the kernel would have it after a mount, seen through an overlay. Linux
 * fs/xfs/xfs_log_recover.c `xlog_do_log_recovery`: one pass over the log for the buffers that were given back, one for the
 * changes, each only where what is on disk is older.
 *
 * Memory: overlay and open transactions, each bounded where it is kept; 16 bytes and more for each buffer given back.
 */
import { loadNativeCrc32c } from '../../../bytes/crc32c.ts';
import { FormatError } from '../../../bytes/errors.ts';
import { Overlay } from '../../overlay.ts';
import type { ReadAt } from '../../volume.ts';
import { bitNames, LogIncompat } from '../features.ts';
import { BASIC_BLOCK } from '../layouts.ts';
import { fsBlockAddress, type Geometry } from '../superblock.ts';
import { type BufferItem, bufferItem, replayBufferItem } from './buffer-item.ts';
import { ReplayBuffers } from './buffers.ts';
import { type DirtyRange, findDirtyRange, nextRecord } from './find-tail.ts';
import { inodeItem, newInodes, replayInodeItem, replayNewInodes } from './inode-item.ts';
import { OpenIntents, type Unfinished } from './intents.ts';
import { BlfFlag, Ilog, Item, XLOG_FMT_LINUX_LE } from './layouts.ts';
import { type LogRecord, readRecords } from './records.ts';
import { corruptLog, LogRing, WHERE } from './ring.ts';
import { type LogItem, type Transaction, TransactionReader } from './transactions.ts';

export interface Replayed {
  /** The volume with the log's changes. */
  readonly readAt: ReadAt;
  readonly overlay: Overlay;
  readonly unfinished: Unfinished;
  /** Inodes whose extent trees got another owner: what the trees say of it counts no more. */
  readonly reowned: ReadonlySet<number>;
}

/** @returns undefined when the log is clean. @throws FormatError when it cannot be replayed truly */
export async function replayLog(g: Geometry, readAt: ReadAt, signal?: AbortSignal): Promise<Replayed | undefined> {
  loadNativeCrc32c();
  const at = fsBlockAddress(g, g.logStart, g.logBlocks);
  if (at < 0 || g.logBlocks === 0) throw corruptLog(`${g.logBlocks} blocks at block ${g.logStart}`);
  const ring = new LogRing(readAt, at, g.logBlocks * g.blockSize, signal);
  const range = await findDirtyRange(ring, g.hasLogV2);
  if (range === undefined) return undefined;
  const unknown = bitNames(g.logIncompat, LogIncompat.xattrs, 'log_incompat');
  if (unknown.length > 0) throw new FormatError('unsupported', WHERE, `it has ${unknown.join(', ')}`);
  const cancelled = new Map<string, number>();
  const tail = await passOne(g, ring, range, cancelled);
  const overlay = new Overlay(readAt, BASIC_BLOCK);
  const replay = new Replay(g, new ReplayBuffers(g, overlay, signal), cancelled);
  for await (const transaction of transactions(g, ring, tail, range.head)) await replay.transaction(transaction);
  return replay.finish(overlay);
}

const keyOf = (block: number, blocks: number): string => `${block} ${blocks}`;

/** Counts the cancellations of each buffer. Returns where replay begins: later than the tail where that was overwritten. */
async function passOne(g: Geometry, ring: LogRing, range: DirtyRange, cancelled: Map<string, number>): Promise<number> {
  for (let tail = await mustFind(ring, range.tail, range.head); ; ) {
    cancelled.clear();
    try {
      for await (const { items } of transactions(g, ring, tail, range.head)) {
        for (const item of items) {
          if (item.type !== Item.buf) continue;
          const { flags, block, blocks } = bufferItem(item);
          if ((flags & BlfFlag.cancel) === 0) continue;
          cancelled.set(keyOf(block, blocks), (cancelled.get(keyOf(block, blocks)) ?? 0) + 1);
        }
      }
      return tail;
    } catch (error) {
      if (!(error instanceof BadRecordError)) throw error;
      const distance = (error.block - range.head + ring.blocks) % ring.blocks;
      if (distance > range.tornBlocks) throw error;
      tail = await mustFind(ring, error.block + 1, range.head);
    }
  }
}

async function mustFind(ring: LogRing, from: number, head: number): Promise<number> {
  const found = await nextRecord(ring, from % ring.blocks, head);
  if (found === undefined) throw corruptLog(`no record between its tail at block ${from} and its head at ${head}`);
  return found;
}

class BadRecordError extends FormatError {
  readonly block: number;
  constructor(block: number, what: string) {
    super('corrupt', `${WHERE}, block ${block}`, what);
    this.block = block;
  }
}

async function* transactions(g: Geometry, ring: LogRing, tail: number, head: number): AsyncGenerator<Transaction> {
  const reader = new TransactionReader();
  for await (const record of readRecords(ring, tail, head, g.hasLogV2)) {
    if ('bad' in record) throw new BadRecordError(record.block, record.bad);
    checkOrigin(g, record);
    yield* reader.committed(record);
  }
}

function checkOrigin(g: Geometry, { block, header }: LogRecord): void {
  const where = `${WHERE}, block ${block}`;
  if (header.format !== XLOG_FMT_LINUX_LE) {
    throw new FormatError('unsupported', where, `written in the byte order of another machine (${header.format})`);
  }
  if (!header.uuid.every((byte, i) => byte === g.uuid[i])) {
    throw new FormatError('corrupt', where, 'belongs to another filesystem');
  }
}

class Replay {
  readonly #g: Geometry;
  readonly #buffers: ReplayBuffers;
  /** Cancellations of a buffer that are still to come. */
  readonly #cancelled: Map<string, number>;
  readonly #intents = new OpenIntents();
  readonly #reowned = new Set<number>();

  constructor(g: Geometry, buffers: ReplayBuffers, cancelled: Map<string, number>) {
    this.#g = g;
    this.#buffers = buffers;
    this.#cancelled = cancelled;
  }

  async transaction({ items, lsn }: Transaction): Promise<void> {
    for (const item of items) await this.#item(item, lsn);
  }

  async #item(item: LogItem, lsn: bigint): Promise<void> {
    switch (item.type) {
      case Item.buf:
        return this.#buffer(item, lsn);
      case Item.inode: {
        const description = inodeItem(item);
        const { block, blocks, fields, inode } = description;
        if (this.#isCancelled(block, blocks)) return;
        if ((fields & (Ilog.downer | Ilog.aowner)) !== 0) this.#reowned.add(inode);
        return replayInodeItem(this.#g, this.#buffers, item, description, lsn);
      }
      case Item.icreate: {
        const created = newInodes(this.#g, item);
        if (created.buffers.some(({ block, blocks }) => this.#isCancelled(block, blocks))) return;
        return replayNewInodes(this.#g, this.#buffers, created);
      }
      default:
        // Quota is accounting that no file shows; frees, owners and counts change no file either.
        this.#intents.take(item);
    }
  }

  async #buffer(item: LogItem, lsn: bigint): Promise<void> {
    const description: BufferItem = bufferItem(item);
    const { flags, block, blocks } = description;
    const key = keyOf(block, blocks);
    const left = this.#cancelled.get(key) ?? 0;
    if ((flags & BlfFlag.cancel) !== 0) {
      if (left <= 1)
        this.#cancelled.delete(key); // what is written to it from now on counts
      else this.#cancelled.set(key, left - 1);
      return;
    }
    if (left === 0) await replayBufferItem(this.#g, this.#buffers, item, description, lsn);
  }

  #isCancelled(block: number, blocks: number): boolean {
    return this.#cancelled.has(keyOf(block, blocks));
  }

  finish(overlay: Overlay): Replayed {
    this.#buffers.seal();
    return { readAt: overlay.readAt, overlay, unfinished: this.#intents.unfinished(), reowned: this.#reowned };
  }
}
