/**
 * The arithmetic of a segment: how much it reads, processes, writes and leaves. SPC-4, 5.17.7.2, tables 115 to 117.
 *
 * Two queues run through a list: source residue (read, not processed) and destination residue (processed, less than a
 * whole write). What is old always goes first. Nothing here moves a byte, so that the same numbers serve the copy, its
 * reading ahead and the residue it reports.
 */
import type { Bytes } from '../../bytes/units.ts';
import type { Segment } from '../../scsi/copy/list.ts';

/** Segments that move data. */
export type DataSegment = Exclude<Segment, { readonly type: 'write-filemarks' | 'locate' }>;

export interface Residues {
  readonly source: Bytes;
  readonly destination: Bytes;
}

/** What the two devices of a segment make of it. */
export interface Geometry {
  /** Bytes of a block of a block source; 1 elsewhere. */
  readonly sourceBlock: Bytes;
  /** Bytes of one whole write to the destination; 0: none, the data is discarded. */
  readonly write: Bytes;
  readonly sourcePad: boolean;
  readonly destinationPad: boolean;
}

export interface SegmentFlow {
  /** Bytes of source residue that are processed. */
  readonly fromResidue: Bytes;
  /** Bytes to be processed that must be read; of a block source the reads are rounded up to blocks. */
  readonly read: Bytes;
  /** Inline bytes that go straight to the destination queue. */
  readonly inline: Bytes;
  /** Bytes of whole writes, before any padding. */
  readonly written: Bytes;
  /** Bytes left in the destination queue after the whole writes. */
  readonly destinationLeft: Bytes;
  /** Source residue as far as it is known before reading: what stays of the old, and the rest of the last block read. */
  readonly sourceLeft: Bytes;
  /** The destination is an exact range: more than it holds cannot be padded. */
  readonly exact: boolean;
}

/** Whole blocks that hold `bytes`. */
const blocksOf = (bytes: Bytes, block: Bytes): number => Math.ceil(bytes / block);

export function segmentFlow(segment: DataSegment, geometry: Geometry, residues: Residues): SegmentFlow {
  const { sourceBlock, write } = geometry;
  const exactBytes = exactDestination(segment, write);
  const inline = segment.type === 'inline-to-stream' ? segment.byteCount : 0;
  const processed =
    exactBytes === undefined ? bytesToProcess(segment, sourceBlock) : Math.max(0, exactBytes - residues.destination);
  const fromResidue = Math.min(processed, residues.source);
  const read = processed - fromResidue;
  const wholeBlocks = segment.type === 'block-to-stream' || segment.type === 'block-to-block';
  const rest = wholeBlocks ? blocksOf(read, sourceBlock) * sourceBlock - read : 0;
  const discards = segment.type === 'stream-to-discard';
  const queue = residues.destination + inline + (discards ? 0 : processed);
  const written = discards ? 0 : (exactBytes ?? wholeWrites(queue, write));
  return {
    fromResidue,
    read,
    inline,
    written,
    destinationLeft: queue - written,
    sourceLeft: residues.source - fromResidue + rest,
    exact: exactBytes !== undefined,
  };
}

const wholeWrites = (queue: Bytes, write: Bytes): Bytes => (write === 0 ? 0 : queue - (queue % write));

/** Bytes of a destination that is stated exactly; `undefined`: as much as is processed. */
function exactDestination(segment: DataSegment, write: Bytes): Bytes | undefined {
  switch (segment.type) {
    case 'stream-to-block':
      return segment.blocks * write;
    case 'stream-to-block-bytes':
      return segment.byteCount;
    case 'block-to-block':
      return segment.dc ? segment.blocks * write : undefined;
    default:
      return undefined;
  }
}

function bytesToProcess(segment: DataSegment, sourceBlock: Bytes): Bytes {
  switch (segment.type) {
    case 'block-to-stream':
    case 'block-to-block':
      return segment.blocks * sourceBlock;
    case 'stream-to-stream':
    case 'stream-to-discard':
    case 'block-bytes-to-stream':
      return segment.byteCount;
    default:
      return 0; // inline data is appended, exact destinations are counted by the caller
  }
}

export type SegmentEnd =
  | { readonly kind: 'keep' }
  /** UNEXPECTED INEXACT SEGMENT. */
  | { readonly kind: 'inexact' }
  | { readonly kind: 'settle'; readonly dropSource: boolean; readonly destination: 'keep' | 'drop' | 'pad' };

/** What becomes of leftovers at the end of a data segment. SPC-4, table 117. */
export function segmentEnd(segment: DataSegment, geometry: Geometry, left: Residues, exact: boolean): SegmentEnd {
  if (segment.cat) return { kind: 'keep' };
  const sourcePad = segment.type === 'inline-to-stream' ? false : geometry.sourcePad;
  const destinationPad = segment.type === 'stream-to-discard' ? false : geometry.destinationPad;
  if (exact && destinationPad && left.destination > 0) return { kind: 'inexact' };
  if (!sourcePad && !destinationPad) {
    return left.source > 0 || left.destination > 0 ? { kind: 'inexact' } : { kind: 'keep' };
  }
  if (destinationPad) return { kind: 'settle', dropSource: sourcePad, destination: 'pad' };
  return { kind: 'settle', dropSource: true, destination: 'drop' };
}

/** Zero bytes written after the whole writes. */
export function paddingOf(segment: DataSegment, geometry: Geometry, flow: SegmentFlow): Bytes {
  const left = { source: flow.sourceLeft, destination: flow.destinationLeft };
  const end = segmentEnd(segment, geometry, left, flow.exact);
  const pads = end.kind === 'settle' && end.destination === 'pad' && flow.destinationLeft > 0 && geometry.write > 0;
  return pads ? geometry.write - flow.destinationLeft : 0;
}
