/**
 * Where the log's last record ends. Linux fs/xfs/xfs_log_recover.c `xlog_find_head`, `xlog_find_zeroed`: a binary search by
 * the cycle numbers, then a look at every block that may have been on its way when the machine stopped.
 */
import { BASIC_BLOCK } from '../layouts.ts';
import { XLOG_BIG_RECORD_BSIZE, XLOG_MAX_ICLOGS, XLOG_MAX_RECORD_BSIZE } from './layouts.ts';
import { headerBlocks, recordHeader } from './records.ts';
import { corruptLog, cycleOf, type LogRing } from './ring.ts';

/** @returns the block behind the last record that was written whole, as far as cycle numbers tell; 0 also for an unused log */
export async function findHead(ring: LogRing, isV2: boolean): Promise<number> {
  const scanBlocks = (XLOG_MAX_ICLOGS * recordBytesMax(isV2)) / BASIC_BLOCK;
  const firstCycle = await ring.cycle(0);
  const lastCycle = await ring.cycle(ring.blocks - 1);
  if (firstCycle === 0) return 0;
  if (lastCycle === 0) return headOfFirstRound(ring, firstCycle, scanBlocks, isV2);
  const isOneRound = firstCycle === lastCycle;
  let head = isOneRound ? ring.blocks : await cycleStart(ring, ring.blocks - 1, lastCycle);
  const stop = isOneRound ? lastCycle - 1 : lastCycle;
  head = await withoutHoles(ring, head, stop, Math.min(ring.blocks, scanBlocks));
  head = await atRecordEnd(ring, head, isV2);
  return head === ring.blocks ? 0 : head;
}

const recordBytesMax = (isV2: boolean): number => (isV2 ? XLOG_MAX_RECORD_BSIZE : XLOG_BIG_RECORD_BSIZE);

/** The log has never been full: its end is zeros. */
async function headOfFirstRound(ring: LogRing, firstCycle: number, scanBlocks: number, isV2: boolean): Promise<number> {
  if (firstCycle !== 1) throw corruptLog(`begins in round ${firstCycle} and ends in none`);
  let head = await cycleStart(ring, ring.blocks - 1, 0);
  const hole = await ring.first(Math.max(0, head - scanBlocks), head, (view, at) => cycleOf(view, at) === 0);
  if (hole >= 0) head = hole;
  return atRecordEnd(ring, head, isV2);
}

/** The first block of round `cycle` that a binary search finds; the block `last` is of it. */
async function cycleStart(ring: LogRing, last: number, cycle: number): Promise<number> {
  let first = 0;
  let end = last;
  for (let middle = (first + end) >> 1; middle !== first && middle !== end; middle = (first + end) >> 1) {
    if ((await ring.cycle(middle)) === cycle) end = middle;
    else first = middle;
  }
  return end;
}

/** Several buffers are written at once, so a later one may be whole where an earlier one is missing: that is the head then. */
async function withoutHoles(ring: LogRing, head: number, stop: number, scanBlocks: number): Promise<number> {
  const isOf = (cycle: number) => (view: DataView, at: number) => cycleOf(view, at) === cycle;
  if (head >= scanBlocks) {
    const hole = await ring.first(head - scanBlocks, head, isOf(stop));
    return hole >= 0 ? hole : head;
  }
  const atEnd = await ring.first(ring.blocks - (scanBlocks - head), ring.blocks, isOf(stop - 1));
  if (atEnd >= 0) return atEnd;
  const hole = await ring.first(0, head, isOf(stop));
  return hole >= 0 ? hole : head;
}

/** The head itself if a whole record ends there, else the start of the record that it is in. */
async function atRecordEnd(ring: LogRing, head: number, isV2: boolean): Promise<number> {
  const back = recordBytesMax(isV2) / BASIC_BLOCK;
  const start = Math.max(0, head - back);
  let found = await ring.lastHeader(start, head);
  let extra = 0;
  if (found === undefined && start === 0) {
    extra = head; // the record begins before the physical end of the log
    found = await ring.lastHeader(Math.max(0, ring.blocks - (back - head)), ring.blocks);
  }
  if (found === undefined) throw corruptLog(`no record before block ${head}`);
  const header = recordHeader(found.view, 0);
  const end = extra > 0 ? ring.blocks : head;
  const isWhole = end - found.block + extra === Math.ceil(header.length / BASIC_BLOCK) + headerBlocks(header, isV2);
  return isWhole ? head : found.block;
}
