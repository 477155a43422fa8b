/**
 * Records of the log: headers, checksums, and the words that cycle numbers stand in for. Linux fs/xfs/xfs_log_recover.c
 * `xlog_do_recovery_pass`, `xlog_unpack_data`; fs/xfs/xfs_log.c `xlog_cksum`.
 */
import { crc32c } from '../../../bytes/crc32c.ts';
import { bytesOf } from '../../../bytes/layout.ts';
import { BASIC_BLOCK } from '../layouts.ts';
import {
  XLOG_HEADER_CYCLE_SIZE,
  XLOG_MAX_RECORD_BSIZE,
  XLOG_REC_EXT_SIZE,
  XLOG_REC_SIZES,
  XLOG_VERSION_1,
  XLOG_VERSION_2,
  xlog_rec_header,
} from './layouts.ts';
import { isHeader, type LogRing } from './ring.ts';

const H = xlog_rec_header;

export interface RecordHeader {
  readonly version: number;
  /** Bytes of content. */
  readonly length: number;
  readonly cycle: number;
  readonly lsn: bigint;
  /** Block where replay begins if this is the last record. */
  readonly tailBlock: number;
  readonly tailCycle: number;
  readonly crc: number;
  readonly operations: number;
  readonly format: number;
  readonly uuid: Uint8Array;
  /** Bytes of the writer's buffer. */
  readonly bufferSize: number;
}

/** A header at byte `at`; its magic is the caller's to look at. */
export function recordHeader(view: DataView, at: number): RecordHeader {
  const tail = H.h_tail_lsn.get(view, at);
  return {
    version: H.h_version.get(view, at),
    length: H.h_len.get(view, at),
    cycle: H.h_cycle.get(view, at),
    lsn: H.h_lsn.get(view, at),
    tailBlock: Number(tail & 0xffff_ffffn),
    tailCycle: Number(tail >> 32n),
    crc: H.h_crc.get(view, at),
    operations: H.h_num_logops.get(view, at),
    format: H.h_fmt.get(view, at),
    uuid: H.h_fs_uuid.get(view, at).slice(),
    bufferSize: H.h_size.get(view, at),
  };
}

/** Blocks of a record's header: with version 2, one for each 32 KiB of the writer's buffer. */
export function headerBlocks(header: RecordHeader, isV2: boolean): number {
  if (!isV2 || (header.version & XLOG_VERSION_2) === 0 || header.bufferSize <= XLOG_HEADER_CYCLE_SIZE) return 1;
  return Math.ceil(Math.min(header.bufferSize, XLOG_MAX_RECORD_BSIZE) / XLOG_HEADER_CYCLE_SIZE);
}

export interface LogRecord {
  /** Block of its header. */
  readonly block: number;
  /** Block behind it. */
  readonly end: number;
  readonly header: RecordHeader;
  /** The content, its words put back. */
  readonly data: DataView;
}

/** A record that cannot be used: where, and why. */
export interface BadRecord {
  readonly block: number;
  readonly bad: string;
}

/** Bytes before the next record that one read takes in: a large record, and its header. */
const READ_BLOCKS = (2 * XLOG_MAX_RECORD_BSIZE) / BASIC_BLOCK;

/**
 * The records from block `tail` to the head. Ends with a bad one if there is one. `checkOnly`: content stays as it is.
 * Memory: one read.
 */
export async function* readRecords(
  ring: LogRing,
  tail: number,
  head: number,
  isV2: boolean,
  checkOnly = false,
): AsyncGenerator<LogRecord | BadRecord> {
  let left = (head - tail + ring.blocks) % ring.blocks || ring.blocks;
  let block = tail;
  let window: { from: number; blocks: number; view: DataView } = {
    from: 0,
    blocks: 0,
    view: new DataView(new ArrayBuffer(0)),
  };
  let passed = 0; // blocks since the tail
  while (left > 0) {
    const header = await blocksAt(passed, 1);
    const trouble = headerTrouble(header, 0, left, isV2);
    if (typeof trouble === 'string') {
      yield { block, bad: trouble };
      return;
    }
    const { fields, headBlocks, dataBlocks } = trouble;
    const record = await blocksAt(passed, headBlocks + dataBlocks);
    if (!isChecksumRight(record, fields, headBlocks)) {
      yield { block, bad: 'checksum wrong' };
      return;
    }
    const end = (block + headBlocks + dataBlocks) % ring.blocks;
    if (!checkOnly) unpack(record, fields.length, headBlocks);
    const data = new DataView(record.buffer, record.byteOffset + headBlocks * BASIC_BLOCK, fields.length);
    yield { block, end, header: fields, data };
    block = end;
    passed += headBlocks + dataBlocks;
    left -= headBlocks + dataBlocks;
  }

  /** `count` blocks, `from` blocks behind the tail; read in large pieces. */
  async function blocksAt(from: number, count: number): Promise<DataView> {
    if (from < window.from || from + count > window.from + window.blocks) {
      const blocks = Math.max(count, Math.min(READ_BLOCKS, left));
      window = { from, blocks, view: await ring.read(tail + from, blocks) };
    }
    const at = (from - window.from) * BASIC_BLOCK;
    return new DataView(window.view.buffer, window.view.byteOffset + at, count * BASIC_BLOCK);
  }
}

interface RecordShape {
  readonly fields: RecordHeader;
  readonly headBlocks: number;
  readonly dataBlocks: number;
}

/** What the header says, or why it cannot be; `left`: blocks up to the head. */
function headerTrouble(view: DataView, at: number, left: number, isV2: boolean): RecordShape | string {
  if (!isHeader(view, at)) return 'no record where one should be';
  const fields = recordHeader(view, at);
  if (fields.version === 0 || (fields.version & ~(XLOG_VERSION_1 | XLOG_VERSION_2)) !== 0) {
    return `record of version ${fields.version}`;
  }
  // The record that mkfs.xfs writes with a stripe unit is longer than the buffer that it speaks of.
  if (fields.length === 0 || fields.length > XLOG_MAX_RECORD_BSIZE) return `record of ${fields.length} bytes`;
  const headBlocks = headerBlocks(fields, isV2);
  const dataBlocks = Math.ceil(fields.length / BASIC_BLOCK);
  if (headBlocks + dataBlocks > left) return `record of ${fields.length} bytes ends past the head`;
  return { fields, headBlocks, dataBlocks };
}

function isChecksumRight(record: DataView, fields: RecordHeader, headBlocks: number): boolean {
  if (fields.crc === 0) return true; // written by mkfs.xfs or before there were checksums
  return XLOG_REC_SIZES.some((size) => checksumOf(record, fields, headBlocks, size) === fields.crc);
}

function checksumOf(record: DataView, fields: RecordHeader, headBlocks: number, headerBytes: number): number {
  const head = bytesOf(record, 0, headerBytes).slice();
  head.fill(0, H.h_crc.offset, H.h_crc.offset + 4);
  let crc = crc32c(head);
  const headers = Math.min(headBlocks, Math.ceil(fields.length / XLOG_HEADER_CYCLE_SIZE));
  for (let i = 1; i < headers; i++) crc = crc32c(bytesOf(record, i * BASIC_BLOCK, XLOG_REC_EXT_SIZE), crc);
  return crc32c(bytesOf(record, headBlocks * BASIC_BLOCK, fields.length), crc);
}

/** Puts back the first word of each block of content, which the cycle number stands in for. */
function unpack(record: DataView, length: number, headBlocks: number): void {
  const perHeader = XLOG_HEADER_CYCLE_SIZE / BASIC_BLOCK;
  const count = Math.min(Math.ceil(length / BASIC_BLOCK), headBlocks * perHeader);
  for (let i = 0; i < count; i++) {
    const part = Math.floor(i / perHeader);
    const words = part === 0 ? H.h_cycle_data.offset : part * BASIC_BLOCK + 4;
    record.setUint32((headBlocks + i) * BASIC_BLOCK, record.getUint32(words + (i % perHeader) * 4));
  }
}
