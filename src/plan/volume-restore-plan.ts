/**
 * A chunk back to a disk as EXTENDED COPY lists of stream-to-block segments, within a copy manager's limits. Pure.
 * SPC-4, 5.17.7 (residue), 6.4.6.3 (segments 01h, 09h, 12h).
 *
 * Residue dies, silently, with a command's last segment. So every list starts and ends on a record boundary of the tape,
 * extents are split there, all but the last data segment keep what a record has left (CAT=1), and the last one does not: a
 * list cut wrong fails with 26h/0Ah instead of leaving bytes out. Only in the list that ends the chunk may the source have
 * leftovers (the padding of the last record): there PAD in the tape's CSCD drops them.
 */
import { assert } from '../bytes/errors.ts';
import type { Runs } from '../bytes/extents.ts';
import { alignDown, type Bytes, MiB, type TapeObject } from '../bytes/units.ts';
import type { CopyLimits, Cscd, Designator, Segment } from '../scsi/copy/list.ts';

/** Bytes of the volume that lie together on tape and on disk. */
export interface VolumePiece {
  /** Address in the volume, and on the target. */
  readonly offset: Bytes;
  readonly length: Bytes;
}

/** A part of a chunk's restore, in tape order. */
export type VolumeRestoreStep =
  /** One EXTENDED COPY. `locates`: its first segment is a 12h to `object`; else the tape must stand there. */
  | {
      readonly kind: 'copy';
      readonly object: TapeObject;
      readonly records: number;
      readonly bytes: Bytes;
      readonly cscds: readonly Cscd[];
      readonly segments: readonly Segment[];
      readonly locates: boolean;
    }
  /** What no list can move within these limits: the host reads the records and writes the pieces. Said aloud. */
  | {
      readonly kind: 'host-copy';
      readonly object: TapeObject;
      readonly records: number;
      readonly bytes: Bytes;
      /** In the order of the records' bytes, which begin with the first piece. */
      readonly pieces: readonly VolumePiece[];
    };

export interface VolumeRestoreInput {
  /** What the chunk stores, as volume addresses. */
  readonly extents: Runs;
  readonly recordSize: Bytes;
  /** First record of the chunk's data, on the copy that is read. */
  readonly dataObject: TapeObject;
  readonly disk: { readonly designator: Designator; readonly blockLength: Bytes };
  readonly tape: { readonly designator: Designator };
  readonly limits: CopyLimits;
}

/** Descriptor type codes. SPC-4, table 117 and 6.4.5. */
const TYPE = { streamToBlock: 0x01, streamToBlockBytes: 0x09, locate: 0x12, identification: 0xe4 } as const;
/** Bytes of the segment descriptors. SPC-4, 6.4.6.3, 6.4.6.11, 6.4.6.17. */
const BYTES = { streamToBlock: 24, streamToBlockBytes: 28, locate: 12, cscd: 32 } as const;
/** 16-bit block count of 01h; 32-bit byte count of 09h. */
const BLOCKS_MAX = 0xffff;
const BYTE_COUNT_MAX = 0xffff_ffff;
/** 32-bit object of 12h. */
const OBJECT_MAX = 0xffff_ffff;
/** A list moves at most this much, so that progress shows and an abort is soon obeyed. */
export const LIST_BYTES_MAX = 256 * MiB;
/** A host copy step moves at most this much: it is held in memory. */
const HOST_BYTES_MAX = 8 * MiB;

const TAPE = 0;
const DISK = 1;

interface Ability {
  /** Most bytes of one 01h and of one 09h segment; 0: the manager has none, or it cannot serve here. */
  readonly byBlocks: Bytes;
  readonly byBytes: Bytes;
  readonly locate: boolean;
}

/** What the manager can do for us; undefined: it cannot move a record at all. */
function abilityOf({ limits, recordSize, disk }: VolumeRestoreInput): Ability | undefined {
  const has = (code: number): boolean => limits.descriptorTypes.includes(code);
  if (!has(TYPE.identification) || limits.cscdsMax < 2 || limits.streamTransferBytesMax < recordSize) return undefined;
  const { blockLength } = disk;
  const cap = limits.segmentBytesMax === 0 ? Number.MAX_SAFE_INTEGER : limits.segmentBytesMax;
  // Records that are no whole number of blocks would be cut within a block.
  const wholeBlocks = has(TYPE.streamToBlock) && recordSize % blockLength === 0;
  const byBlocks = wholeBlocks ? Math.min(BLOCKS_MAX * blockLength, alignDown(cap, blockLength)) : 0;
  const most = Math.min(BYTE_COUNT_MAX, cap);
  const byBytes = has(TYPE.streamToBlockBytes) ? alignDown(most, blockLength) || most : 0;
  return byBlocks === 0 && byBytes === 0 ? undefined : { byBlocks, byBytes, locate: has(TYPE.locate) };
}

/** The steps that bring a chunk back, from its first data record to its last. Nothing for a chunk that stores nothing. */
export function* volumeRestoreSteps(input: VolumeRestoreInput): Generator<VolumeRestoreStep> {
  const ability = abilityOf(input);
  const cursor: Cursor = { run: 0, inRun: 0, place: 0 };
  while (cursor.run < input.extents.count) {
    // A record that does not fit a list goes by the host; behind it lists may do again.
    const step =
      ability === undefined
        ? hostStep(input, cursor, HOST_BYTES_MAX)
        : (copyStep(input, ability, cursor) ?? hostStep(input, cursor, input.recordSize));
    assert(step.records > 0, 'a restore step moves nothing');
    yield step;
  }
}

/** Where in the extents, and in the chunk's data, the next piece begins. Between steps `place` is a record boundary. */
interface Cursor {
  run: number;
  inRun: Bytes;
  place: Bytes;
}

function take({ extents }: VolumeRestoreInput, cursor: Cursor, most: Bytes): VolumePiece {
  const offset = extents.starts[cursor.run] + cursor.inRun;
  const length = Math.min(extents.lengths[cursor.run] - cursor.inRun, most);
  cursor.inRun += length;
  cursor.place += length;
  if (cursor.inRun === extents.lengths[cursor.run]) {
    cursor.run++;
    cursor.inRun = 0;
  }
  return { offset, length };
}

/** Takes `bytes`, which end no record, off the end of the list again. */
function giveBack({ extents }: VolumeRestoreInput, cursor: Cursor, pieces: VolumePiece[], bytes: Bytes): void {
  for (let left = bytes; left > 0; ) {
    const last = pieces.pop();
    assert(last !== undefined, 'more given back than was taken');
    if (cursor.inRun === 0) {
      cursor.run--;
      cursor.inRun = extents.lengths[cursor.run];
    }
    const back = Math.min(left, last.length);
    cursor.inRun -= back;
    cursor.place -= back;
    left -= back;
    if (last.length > back) pieces.push({ offset: last.offset, length: last.length - back });
  }
}

/** Most bytes of the piece at the cursor that one segment can move, and by which kind; undefined: none can. */
function segmentAt(input: VolumeRestoreInput, ability: Ability, cursor: Cursor): SegmentChoice | undefined {
  const { extents } = input;
  const { blockLength } = input.disk;
  const offset = extents.starts[cursor.run] + cursor.inRun;
  const length = extents.lengths[cursor.run] - cursor.inRun;
  if (ability.byBlocks > 0 && offset % blockLength === 0 && length % blockLength === 0)
    return { most: ability.byBlocks, bytes: BYTES.streamToBlock };
  return ability.byBytes > 0 ? { most: ability.byBytes, bytes: BYTES.streamToBlockBytes } : undefined;
}

interface SegmentChoice {
  readonly most: Bytes;
  /** Of the descriptor. */
  readonly bytes: number;
}

/** As many whole records as one list can hold; undefined, and the cursor where it was: not even one. */
function copyStep(input: VolumeRestoreInput, ability: Ability, cursor: Cursor): VolumeRestoreStep | undefined {
  const { limits, recordSize, extents } = input;
  const start = cursor.place;
  const object = input.dataObject + start / recordSize;
  const whole = limits.descriptorListBytesMax - 2 * BYTES.cscd;
  const locates = ability.locate && object <= OBJECT_MAX && limits.segmentsMax > 1 && whole > BYTES.locate;
  const segmentsMax = limits.segmentsMax - (locates ? 1 : 0);
  let room = whole - (locates ? BYTES.locate : 0);
  const pieces: VolumePiece[] = [];
  while (cursor.run < extents.count && pieces.length < segmentsMax && cursor.place - start < LIST_BYTES_MAX) {
    const choice = segmentAt(input, ability, cursor);
    if (choice === undefined || choice.bytes > room) break;
    pieces.push(take(input, cursor, Math.min(choice.most, LIST_BYTES_MAX - (cursor.place - start))));
    room -= choice.bytes;
  }
  const last = cursor.run === extents.count;
  if (!last) giveBack(input, cursor, pieces, (cursor.place - start) % recordSize);
  if (pieces.length === 0) return undefined;
  const bytes = cursor.place - start;
  const segments = pieces.map((piece, i) => dataSegment(input, ability, piece, i < pieces.length - 1));
  return {
    kind: 'copy',
    object,
    records: Math.ceil(bytes / recordSize),
    bytes,
    cscds: [
      { kind: 'stream', designator: input.tape.designator, fixedBlockLength: 0, pad: last && bytes % recordSize > 0 },
      { kind: 'block', designator: input.disk.designator, blockLength: input.disk.blockLength, pad: false },
    ],
    segments: locates ? [{ type: 'locate', destination: TAPE, object }, ...segments] : segments,
    locates,
  };
}

function dataSegment(input: VolumeRestoreInput, ability: Ability, piece: VolumePiece, cat: boolean): Segment {
  const { blockLength } = input.disk;
  const byteOffset = piece.offset % blockLength;
  const common = {
    cat,
    source: TAPE,
    destination: DISK,
    streamTransferLength: input.recordSize,
    lba: (piece.offset - byteOffset) / blockLength,
  };
  return ability.byBlocks > 0 && byteOffset === 0 && piece.length % blockLength === 0
    ? { type: 'stream-to-block', ...common, blocks: piece.length / blockLength }
    : { type: 'stream-to-block-bytes', ...common, byteCount: piece.length, byteOffset };
}

/** Records that the host moves: as many as hold `bytesMax`, at least one. */
function hostStep(input: VolumeRestoreInput, cursor: Cursor, bytesMax: Bytes): VolumeRestoreStep {
  const { recordSize, extents } = input;
  const start = cursor.place;
  const end = start + Math.max(recordSize, alignDown(bytesMax, recordSize));
  const pieces: VolumePiece[] = [];
  while (cursor.run < extents.count && cursor.place < end) pieces.push(take(input, cursor, end - cursor.place));
  const bytes = cursor.place - start;
  const object = input.dataObject + start / recordSize;
  return { kind: 'host-copy', object, records: Math.ceil(bytes / recordSize), bytes, pieces };
}
