/**
 * A chunk as EXTENDED COPY lists within a copy manager's limits. SPC-4, 5.17.7 (residue) and 6.4.
 *
 * Residue dies, silently, with the last segment of a command. So every list starts and ends on a record boundary of the
 * tape, extents are split there, its last data segment has CAT=0, and PAD is set only in the list that ends the chunk: a
 * list cut wrong fails with 26h/0Ah instead of losing data.
 */
import { assert } from '../bytes/errors.ts';
import type { Runs } from '../bytes/extents.ts';
import { alignDown, alignUp, type Bytes, MiB } from '../bytes/units.ts';
import type { CopyLimits, Cscd, Designator, Segment } from '../scsi/copy/list.ts';

/** A part of the chunk, in tape order. */
export type ChunkStep =
  /** One EXTENDED COPY. `records`: tape records it writes; `filemark`: it also writes the closing filemark. */
  | {
      readonly kind: 'copy';
      readonly cscds: readonly Cscd[];
      readonly segments: readonly Segment[];
      readonly inlineData: Uint8Array;
      readonly records: number;
      readonly bytes: Bytes;
      readonly filemark: boolean;
    }
  /** Records that the client writes itself: Reelmap's own bytes that the manager's inline limit does not admit. */
  | { readonly kind: 'write'; readonly data: Uint8Array; readonly records: number }
  /** Volume data that no list can move within these limits; the client reads and writes it. Said aloud. */
  | {
      readonly kind: 'host-copy';
      readonly extents: readonly Piece[];
      readonly padding: Bytes;
      readonly records: number;
      readonly bytes: Bytes;
    }
  | { readonly kind: 'filemark' };

export interface Piece {
  readonly offset: Bytes;
  readonly length: Bytes;
}

export interface ChunkListsInput {
  readonly extents: Runs;
  readonly recordSize: Bytes;
  /** Whole records, from chunkHeader. */
  readonly header: Uint8Array;
  /** Records of zeros behind the data (chunkTrailer). */
  readonly extraRecords: number;
  readonly disk: { readonly designator: Designator; readonly blockLength: Bytes };
  readonly tape: { readonly designator: Designator };
  readonly limits: CopyLimits;
}

/** Descriptor type codes. SPC-4, table 117 and 6.4.5. */
const TYPE = {
  blockToStream: 0x00,
  inlineToStream: 0x04,
  blockBytesToStream: 0x08,
  writeFilemarks: 0x10,
  identification: 0xe4,
} as const;

/** A list moves at most this much, so that progress shows and an abort is soon obeyed. */
export const LIST_BYTES_MAX = 256 * MiB;

const SEGMENT_BYTES_MAX = 28; // the longest descriptor used here, 08h
const CSCD_BYTES = 32;
const BLOCKS_MAX = 0xffff; // 16-bit block count of 00h
const DISK = 0;
const TAPE = 1;

/** How much a list can hold and which segment moves volume data. */
export interface DataSegments {
  readonly segmentsMax: number;
  readonly pieceBytesMax: Bytes;
  readonly type: 'block-to-stream' | 'block-bytes-to-stream';
}

/** What these limits admit of volume data, or `undefined`: no list can move any. */
export function dataSegments(limits: CopyLimits, blockLength: Bytes, recordSize: Bytes): DataSegments | undefined {
  const has = (code: number): boolean => limits.descriptorTypes.includes(code);
  const segmentsMax = segmentRoom(limits);
  if (limits.cscdsMax < 2 || segmentsMax < 1 || !has(TYPE.identification) || limits.streamTransferBytesMax < recordSize)
    return undefined;
  const cap = limits.segmentBytesMax === 0 ? Number.MAX_SAFE_INTEGER : limits.segmentBytesMax;
  const byBytes = alignDown(Math.min(0xffff_ffff, cap), blockLength);
  const byBlocks = Math.min(BLOCKS_MAX * blockLength, alignDown(cap, blockLength));
  if (has(TYPE.blockBytesToStream) && byBytes > 0)
    return { segmentsMax, pieceBytesMax: byBytes, type: 'block-bytes-to-stream' };
  if (has(TYPE.blockToStream) && byBlocks > 0) return { segmentsMax, pieceBytesMax: byBlocks, type: 'block-to-stream' };
  return undefined;
}

const segmentRoom = (limits: CopyLimits): number =>
  Math.min(limits.segmentsMax, Math.floor((limits.descriptorListBytesMax - 2 * CSCD_BYTES) / SEGMENT_BYTES_MAX));

/** The steps that put a chunk on tape, from its first header record to its filemark. */
export function* chunkSteps(input: ChunkListsInput): Generator<ChunkStep> {
  const data = dataSegments(input.limits, input.disk.blockLength, input.recordSize);
  yield* ownRecords(input, input.header);
  if (data === undefined || data.segmentsMax * data.pieceBytesMax < input.recordSize) yield* hostSteps(input);
  else yield* dataSteps(input, data);
  if (input.extraRecords > 0) yield* ownRecords(input, new Uint8Array(input.extraRecords * input.recordSize));
  yield filemarkStep(input);
}

/** Reelmap's own bytes: inline segments in whole records where the manager admits a record, else WRITE. */
function* ownRecords(input: ChunkListsInput, data: Uint8Array): Generator<ChunkStep> {
  const { limits, recordSize } = input;
  const inlineMax = alignDown(
    Math.min(limits.inlineBytesMax, limits.segmentBytesMax || limits.inlineBytesMax),
    recordSize,
  );
  const has =
    limits.descriptorTypes.includes(TYPE.inlineToStream) && limits.descriptorTypes.includes(TYPE.identification);
  if (
    !has ||
    inlineMax < recordSize ||
    segmentRoom(limits) < 1 ||
    limits.streamTransferBytesMax < recordSize ||
    recordSize % 4 !== 0
  ) {
    yield { kind: 'write', data, records: data.length / recordSize };
    return;
  }
  for (let at = 0; at < data.length; at += inlineMax) {
    const part = data.subarray(at, Math.min(data.length, at + inlineMax));
    yield {
      kind: 'copy',
      cscds: [tapeCscd(input, false)],
      segments: [
        {
          type: 'inline-to-stream',
          cat: false,
          destination: 0,
          streamTransferLength: recordSize,
          inlineOffset: 0,
          byteCount: part.length,
        },
      ],
      inlineData: part,
      records: part.length / recordSize,
      bytes: part.length,
      filemark: false,
    };
  }
}

const tapeCscd = (input: ChunkListsInput, pad: boolean): Cscd => ({
  kind: 'stream',
  designator: input.tape.designator,
  fixedBlockLength: 0,
  pad,
});
const diskCscd = (input: ChunkListsInput): Cscd => ({
  kind: 'block',
  designator: input.disk.designator,
  blockLength: input.disk.blockLength,
  pad: false,
});

/** Where in the extents the next piece begins. */
interface Cursor {
  run: number;
  inRun: Bytes;
}

/** One list's worth of data at a time: as many whole records as the segments hold. Every list begins on a record boundary. */
function* dataSteps(input: ChunkListsInput, data: DataSegments): Generator<ChunkStep> {
  const { extents, recordSize } = input;
  const cursor: Cursor = { run: 0, inRun: 0 };
  while (cursor.run < extents.count) {
    const pieces: Piece[] = [];
    let bytes = 0;
    while (cursor.run < extents.count && pieces.length < data.segmentsMax && bytes < LIST_BYTES_MAX) {
      const piece = takePiece(extents, cursor, Math.min(data.pieceBytesMax, LIST_BYTES_MAX - bytes));
      pieces.push(piece);
      bytes += piece.length;
    }
    const last = cursor.run === extents.count;
    if (!last) giveBack(extents, cursor, pieces, bytes % recordSize);
    assert(pieces.length > 0, 'a record does not fit one list');
    yield copyStep(input, data, pieces, last);
  }
}

function takePiece(extents: Runs, cursor: Cursor, most: Bytes): Piece {
  const offset = extents.starts[cursor.run] + cursor.inRun;
  const length = Math.min(extents.lengths[cursor.run] - cursor.inRun, most);
  cursor.inRun += length;
  if (cursor.inRun === extents.lengths[cursor.run]) {
    cursor.run++;
    cursor.inRun = 0;
  }
  return { offset, length };
}

/** Takes `bytes`, which end no record, off the end of the list again. */
function giveBack(extents: Runs, cursor: Cursor, pieces: Piece[], bytes: Bytes): void {
  for (let left = bytes; left > 0; ) {
    const last = pieces.pop();
    assert(last !== undefined, 'a record does not fit one list');
    if (cursor.inRun === 0) {
      cursor.run--;
      cursor.inRun = extents.lengths[cursor.run];
    }
    const back = Math.min(left, last.length);
    cursor.inRun -= back;
    left -= back;
    if (last.length > back) pieces.push({ offset: last.offset, length: last.length - back });
  }
}

function copyStep(input: ChunkListsInput, data: DataSegments, pieces: readonly Piece[], last: boolean): ChunkStep {
  const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const pad = last && bytes % input.recordSize > 0;
  return {
    kind: 'copy',
    cscds: [diskCscd(input), tapeCscd(input, pad)],
    segments: pieces.map((piece, i) => dataSegment(input, data, piece, i < pieces.length - 1)),
    inlineData: new Uint8Array(0),
    records: Math.ceil(bytes / input.recordSize),
    bytes,
    filemark: false,
  };
}

function dataSegment(input: ChunkListsInput, data: DataSegments, piece: Piece, cat: boolean): Segment {
  const common = {
    cat,
    source: DISK,
    destination: TAPE,
    streamTransferLength: input.recordSize,
    lba: piece.offset / input.disk.blockLength,
  };
  return data.type === 'block-to-stream'
    ? { type: 'block-to-stream', ...common, blocks: piece.length / input.disk.blockLength }
    : { type: 'block-bytes-to-stream', ...common, byteCount: piece.length, byteOffset: 0 };
}

function* hostSteps(input: ChunkListsInput): Generator<ChunkStep> {
  const { extents, recordSize } = input;
  const stepBytes = Math.max(recordSize, alignDown(8 * MiB, recordSize));
  let pieces: Piece[] = [];
  let bytes = 0;
  for (let run = 0; run < extents.count; run++) {
    for (let inRun = 0; inRun < extents.lengths[run]; ) {
      const take = Math.min(extents.lengths[run] - inRun, stepBytes - bytes);
      pieces.push({ offset: extents.starts[run] + inRun, length: take });
      bytes += take;
      inRun += take;
      if (bytes === stepBytes) {
        yield { kind: 'host-copy', extents: pieces, padding: 0, records: bytes / recordSize, bytes };
        pieces = [];
        bytes = 0;
      }
    }
  }
  if (bytes > 0)
    yield {
      kind: 'host-copy',
      extents: pieces,
      padding: lastPadding(bytes, recordSize),
      records: Math.ceil(bytes / recordSize),
      bytes,
    };
}

const lastPadding = (bytes: Bytes, recordSize: Bytes): Bytes => alignUp(bytes, recordSize) - bytes;

function filemarkStep(input: ChunkListsInput): ChunkStep {
  const { limits } = input;
  if (
    !limits.descriptorTypes.includes(TYPE.writeFilemarks) ||
    !limits.descriptorTypes.includes(TYPE.identification) ||
    segmentRoom(limits) < 1
  ) {
    return { kind: 'filemark' };
  }
  return {
    kind: 'copy',
    cscds: [tapeCscd(input, false)],
    segments: [{ type: 'write-filemarks', destination: 0, immediate: true, count: 1 }],
    inlineData: new Uint8Array(0),
    records: 0,
    bytes: 0,
    filemark: true,
  };
}
