/**
 * Transactions put together from the operations of records: those that have a commit come out, each with its items in the
 * order that replay needs. Linux fs/xfs/xfs_log_recover.c `xlog_recover_process_data`, `xlog_recover_add_to_trans`,
 * `xlog_recover_reorder_trans`.
 */
import { FormatError } from '../../../bytes/errors.ts';
import { bytesOf } from '../../../bytes/layout.ts';
import {
  BlfFlag,
  Item,
  OpFlag,
  TRANS_HEADER_BYTES,
  XFS_LOG,
  XFS_TRANS_HEADER_MAGIC,
  XFS_TRANSACTION,
  xfs_buf_log_format,
  xlog_op_header,
} from './layouts.ts';
import type { LogRecord } from './records.ts';
import { corruptLog, WHERE } from './ring.ts';

/** One change: its description in region 0, what it writes in the others. */
export interface LogItem {
  readonly type: number;
  readonly regions: readonly Uint8Array[];
}

export interface Transaction {
  /** Of the record that it began in: the age of its changes. */
  readonly lsn: bigint;
  readonly items: readonly LogItem[];
}

interface OpenItem {
  total: number;
  readonly regions: Uint8Array[];
}

interface OpenTransaction {
  readonly lsn: bigint;
  /** Bytes of the transaction's header so far. */
  headerBytes: number;
  readonly items: OpenItem[];
}

/** Bytes of transactions not yet committed that are kept: checkpoints have up to an eighth of the log, or 64 MiB. */
const OPEN_BYTES_MAX = 512 * 1024 * 1024;
/** XLOG_MAX_REGIONS_IN_ITEM. */
const REGIONS_MAX = 257;

/** Takes records in their order and gives committed transactions. Memory: OPEN_BYTES_MAX. */
export class TransactionReader {
  readonly #open = new Map<number, OpenTransaction>();
  #bytes = 0;

  /** The transactions that end in this record. Their bytes are copies. @throws FormatError */
  *committed({ data, header }: LogRecord): Generator<Transaction> {
    const O = xlog_op_header;
    let at = 0;
    for (let i = 0; i < header.operations && at < data.byteLength; i++) {
      if (at + O.byteLength > data.byteLength) throw corruptLog('an operation ends past its record');
      const tid = O.oh_tid.get(data, at);
      const length = O.oh_len.get(data, at);
      const client = O.oh_clientid.get(data, at);
      const flags = O.oh_flags.get(data, at);
      at += O.byteLength;
      if (client !== XFS_TRANSACTION && client !== XFS_LOG) throw corruptLog(`operation of client ${client}`);
      if (at + length > data.byteLength) throw corruptLog(`operation of ${length} bytes ends past its record`);
      const done = this.#take(tid, flags, bytesOf(data, at, length), header.lsn);
      if (done !== undefined) yield done;
      at += length;
    }
  }

  #take(tid: number, allFlags: number, data: Uint8Array, lsn: bigint): Transaction | undefined {
    const open = this.#open.get(tid);
    if (open === undefined) {
      if ((allFlags & OpFlag.start) !== 0) this.#open.set(tid, { lsn, headerBytes: 0, items: [] });
      return undefined; // what began before the tail is done
    }
    let flags = allFlags & ~OpFlag.end;
    if ((flags & OpFlag.wasContinued) !== 0) flags &= ~OpFlag.continue;
    switch (flags) {
      case 0:
      case OpFlag.continue:
        this.#add(open, data);
        return undefined;
      case OpFlag.wasContinued:
        this.#lengthen(open, data);
        return undefined;
      case OpFlag.commit:
        this.#drop(tid, open);
        return { lsn: open.lsn, items: inOrder(open.items) };
      case OpFlag.unmount:
        this.#drop(tid, open);
        return undefined;
      default:
        throw corruptLog(`operation with flags ${allFlags.toString(16)}`);
    }
  }

  #drop(tid: number, open: OpenTransaction): void {
    this.#open.delete(tid);
    for (const { regions } of open.items) for (const region of regions) this.#bytes -= region.length;
  }

  /** A region that begins here. */
  #add(open: OpenTransaction, data: Uint8Array): void {
    if (data.length === 0) return;
    if (open.headerBytes < TRANS_HEADER_BYTES && open.items.length === 0) {
      if (data.length > TRANS_HEADER_BYTES || data.length < 4 || word(data) !== XFS_TRANS_HEADER_MAGIC) {
        throw corruptLog('a transaction without its header');
      }
      open.headerBytes = data.length;
      return;
    }
    let item = open.items.at(-1);
    if (item === undefined || item.regions.length === item.total) {
      if (data.length < 4) throw corruptLog('an item without its type');
      const total = data[2] | (data[3] << 8);
      if (total === 0 || total > REGIONS_MAX) throw corruptLog(`item of ${total} regions`);
      item = { total, regions: [] };
      open.items.push(item);
    }
    item.regions.push(data.slice());
    this.#keep(data.length);
  }

  /** A region that goes on here. */
  #lengthen(open: OpenTransaction, data: Uint8Array): void {
    if (open.items.length === 0) {
      if (open.headerBytes + data.length > TRANS_HEADER_BYTES) throw corruptLog("a transaction's header is too long");
      open.headerBytes += data.length;
      return;
    }
    const { regions } = open.items[open.items.length - 1];
    const first = regions[regions.length - 1];
    const whole = new Uint8Array(first.length + data.length);
    whole.set(first);
    whole.set(data, first.length);
    regions[regions.length - 1] = whole;
    this.#keep(data.length);
  }

  #keep(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes <= OPEN_BYTES_MAX) return;
    throw new FormatError('unsupported', WHERE, `transactions of more than ${OPEN_BYTES_MAX} bytes are not replayed`);
  }
}

const word = (data: Uint8Array): number => (data[0] | (data[1] << 8) | (data[2] << 16) | (data[3] << 24)) >>> 0;

const KNOWN: ReadonlySet<number> = new Set(Object.values(Item));

/** Buffers and new inodes first, then inodes and intents, then links between unlinked inodes, and cancellations at last. */
function inOrder(open: readonly OpenItem[]): LogItem[] {
  const lists: [LogItem[], LogItem[], LogItem[], LogItem[]] = [[], [], [], []];
  for (const { regions, total } of open) {
    if (regions.length !== total) throw corruptLog(`item of ${total} regions has ${regions.length}`);
    const [description] = regions;
    const type = description[0] | (description[1] << 8);
    if (!KNOWN.has(type)) throw new FormatError('unsupported', WHERE, `item of type ${type.toString(16)}h`);
    lists[placeOf(type, description)].push({ type, regions });
  }
  lists[2].reverse(); // as the kernel's list_move has them
  lists[3].reverse();
  return lists.flat();
}

function placeOf(type: number, description: Uint8Array): 0 | 1 | 2 | 3 {
  if (type === Item.icreate) return 0;
  if (type !== Item.buf) return 1;
  const at = xfs_buf_log_format.blf_flags.offset;
  const flags = description.length < at + 2 ? 0 : description[at] | (description[at + 1] << 8);
  if ((flags & BlfFlag.cancel) !== 0) return 3;
  return (flags & BlfFlag.inodeBuf) !== 0 ? 2 : 0;
}
