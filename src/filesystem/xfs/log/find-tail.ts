/**
 * What of the log has to be replayed. Linux fs/xfs/xfs_log_recover.c `xlog_find_tail`, `xlog_verify_head`: the last record
 * says where replay begins; if it says that the volume was unmounted, there is nothing to do. Records that were on their
 * way when the machine stopped may be torn, and do not count.
 */
import { BASIC_BLOCK } from '../layouts.ts';
import { findHead } from './find-head.ts';
import { OpFlag, XLOG_BIG_RECORD_BSIZE, XLOG_MAX_ICLOGS, xlog_op_header } from './layouts.ts';
import { headerBlocks, type RecordHeader, readRecords, recordHeader } from './records.ts';
import { corruptLog, cycleOf, isHeader, type LogRing } from './ring.ts';

/** The records from block `tail` to block `head`, in the ring. */
export interface DirtyRange {
  readonly tail: number;
  readonly head: number;
  /** Blocks before the head that may be torn: a bad record there was overwritten before it was needed no more. */
  readonly tornBlocks: number;
}

/** A record and where it is. */
interface Found {
  readonly block: number;
  readonly header: RecordHeader;
}

/** @returns undefined when there is nothing to replay. @throws FormatError when the log contradicts itself */
export async function findDirtyRange(ring: LogRing, isV2: boolean): Promise<DirtyRange | undefined> {
  let head = await findHead(ring, isV2);
  if (head === 0 && cycleOf(await ring.read(0, 1), 0) === 0) return undefined;
  let [last] = await headersBefore(ring, head, head, 1);
  if (last === undefined) throw corruptLog('has no record');
  if (await isUnmount(ring, last, head, isV2)) return undefined;
  const bad = await firstTorn(ring, head, last.header.tailBlock, isV2);
  if (bad !== undefined) {
    [last] = await headersBefore(ring, bad, last.header.tailBlock, 1);
    if (last === undefined) throw corruptLog(`no record before the torn one at block ${bad}`);
    head = bad;
    if (last.header.tailBlock === head) throw corruptLog('every record up to its tail is damaged');
    if (await isUnmount(ring, last, head, isV2)) return undefined;
  }
  checkTail(ring, last.header, head);
  const size = last.header.bufferSize === 0 ? XLOG_BIG_RECORD_BSIZE : last.header.bufferSize;
  return { tail: last.header.tailBlock, head, tornBlocks: (XLOG_MAX_ICLOGS * size) / BASIC_BLOCK };
}

/** The last `count` records before `head`, the latest first, back to `tail` (all the way round when that is the head). */
async function headersBefore(ring: LogRing, head: number, tail: number, count: number): Promise<Found[]> {
  const found: Found[] = [];
  const look = async (from: number, to: number): Promise<void> => {
    for (let end = to; found.length < count; ) {
      const one = await ring.lastHeader(from, end);
      if (one === undefined) return;
      found.push({ block: one.block, header: recordHeader(one.view, 0) });
      end = one.block;
    }
  };
  await look(head > tail ? tail : 0, head);
  if (tail >= head) await look(tail, ring.blocks);
  return found;
}

/** Whether the record ends at the head and says that the volume was unmounted. */
async function isUnmount(ring: LogRing, { block, header }: Found, head: number, isV2: boolean): Promise<boolean> {
  const blocks = headerBlocks(header, isV2);
  const end = (block + blocks + Math.ceil(header.length / BASIC_BLOCK)) % ring.blocks;
  if (end !== head || header.operations !== 1) return false;
  const first = await ring.read(block + blocks, 1);
  return (xlog_op_header.oh_flags.get(first, 0) & OpFlag.unmount) !== 0;
}

/** Block of the first of the last records that is not whole, if there is one. */
async function firstTorn(ring: LogRing, head: number, tail: number, isV2: boolean): Promise<number | undefined> {
  const last = await headersBefore(ring, head, tail, XLOG_MAX_ICLOGS);
  const from = last.at(-1);
  if (from === undefined) return undefined;
  for await (const record of readRecords(ring, from.block, head, isV2, true)) {
    if ('bad' in record) return record.block;
  }
  return undefined;
}

/** @throws FormatError when the tail is not behind the head in the ring: Linux `xlog_clear_stale_blocks` */
function checkTail(ring: LogRing, last: RecordHeader, head: number): void {
  const { tailBlock, tailCycle, cycle } = last;
  if (tailBlock >= ring.blocks) throw corruptLog(`replay would begin at block ${tailBlock} of ${ring.blocks}`);
  const isSameRound = cycle === tailCycle && (tailBlock <= head || head === 0);
  const isNextRound = cycle === tailCycle + 1 && head <= tailBlock;
  if (!isSameRound && !isNextRound) {
    throw corruptLog(`replay would begin in round ${tailCycle} at block ${tailBlock}, it ends in ${cycle} at ${head}`);
  }
}

/** The first record at or behind block `from`, up to the head; undefined when there is none. */
export async function nextRecord(ring: LogRing, from: number, head: number): Promise<number | undefined> {
  const found = await ring.first(from, from < head ? head : ring.blocks, isHeader);
  if (found >= 0) return found;
  if (from < head) return undefined;
  const wrapped = await ring.first(0, head, isHeader);
  return wrapped >= 0 ? wrapped : undefined;
}
