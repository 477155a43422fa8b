/**
 * The EXTENDED COPY(LID1) parameter list, both ways. SPC-4, 6.4.
 *
 * A list from an initiator is refused before anything is copied when its lengths, counts, types or fields are wrong:
 * ILLEGAL REQUEST with a field pointer into the parameter list. Lengths are checked before counts, counts before types.
 */
import { assert } from '../../bytes/errors.ts';
import { viewOf } from '../../bytes/layout.ts';
import { OperationCode } from '../common/operation-codes.ts';
import { illegalRequest, invalidFieldInParameterList, parameterListLengthError, type Sense } from '../common/sense.ts';
import {
  BlockBlockSegment,
  BlocksStreamSegment,
  BytesStreamSegment,
  CSCD_BYTES,
  DescriptorType,
  ExtendedCopy,
  FilemarksSegment,
  IdentificationCscd,
  InlineStreamSegment,
  Lid1Header,
  ListIdUsage,
  LocateSegment,
  SEGMENT_BYTES,
  SegmentHeader,
  StreamDiscardSegment,
  StreamStreamSegment,
} from './descriptors.ts';
import type { CopyLimits, CopyList, Cscd, Segment } from './list.ts';

/** A decoded list and what of its bytes the copy manager needs besides. */
export interface ReceivedCopyList extends CopyList {
  /** LIST ID USAGE, see ListIdUsage. */
  readonly listIdUsage: number;
  /** PERIPHERAL DEVICE TYPE of each CSCD, as the initiator believes. */
  readonly deviceTypes: readonly number[];
}

export type DecodedCopyList =
  | { readonly kind: 'list'; readonly list: ReceivedCopyList }
  | { readonly kind: 'refused'; readonly sense: Sense };

/** EXTENDED COPY(LID1). */
export const extendedCopyLid1 = (parameterListLength: number): Uint8Array =>
  ExtendedCopy.encode({ operationCode: OperationCode.thirdPartyCopyOut, serviceAction: 0, parameterListLength });

const SEGMENT_CODES: Readonly<Record<Segment['type'], number>> = {
  'block-to-stream': DescriptorType.blockToStream,
  'stream-to-block': DescriptorType.streamToBlock,
  'block-to-block': DescriptorType.blockToBlock,
  'stream-to-stream': DescriptorType.streamToStream,
  'inline-to-stream': DescriptorType.inlineToStream,
  'stream-to-discard': DescriptorType.streamToDiscard,
  'block-bytes-to-stream': DescriptorType.blockBytesToStream,
  'stream-to-block-bytes': DescriptorType.streamToBlockBytes,
  'write-filemarks': DescriptorType.writeFilemarks,
  locate: DescriptorType.locate,
};

/** Descriptor type code of a segment. */
export const segmentCode = (type: Segment['type']): number => SEGMENT_CODES[type];

/** The list as bytes. @throws RangeError when a value does not fit its field */
export function encodeCopyList(list: CopyList, listIdUsage: number = ListIdUsage.keepStatus): Uint8Array {
  const cscdBytes = list.cscds.length * CSCD_BYTES;
  const segmentBytes = list.segments.reduce((sum, segment) => sum + SEGMENT_BYTES[segmentCode(segment.type)], 0);
  const out = new Uint8Array(16 + cscdBytes + segmentBytes + list.inlineData.length);
  const view = viewOf(out);
  Lid1Header.write(view, 0, {
    listIdentifier: list.listId,
    listIdUsage,
    cscdDescriptorListLength: cscdBytes,
    segmentDescriptorListLength: segmentBytes,
    inlineDataLength: list.inlineData.length,
  });
  let at = 16;
  for (const cscd of list.cscds) {
    writeCscd(view, at, cscd);
    at += CSCD_BYTES;
  }
  for (const segment of list.segments) {
    writeSegment(view, at, segment);
    at += SEGMENT_BYTES[segmentCode(segment.type)];
  }
  out.set(list.inlineData, at);
  return out;
}

function writeCscd(view: DataView, at: number, cscd: Cscd): void {
  const { designator } = cscd;
  const stream = cscd.kind === 'stream';
  IdentificationCscd.write(view, at, {
    descriptorType: DescriptorType.identification,
    peripheralDeviceType: stream ? 1 : 0,
    codeSet: designator.codeSet,
    association: designator.association,
    designatorType: designator.type,
    designatorLength: designator.value.length,
    designator: designator.value,
    pad: cscd.pad,
    fixed: stream && cscd.fixedBlockLength > 0,
    blockLength: stream ? cscd.fixedBlockLength : cscd.blockLength,
  });
}

function writeSegment(view: DataView, at: number, segment: Segment): void {
  const descriptorType = segmentCode(segment.type);
  SegmentHeader.write(view, at, {
    descriptorType,
    cat: 'cat' in segment && segment.cat,
    dc: 'dc' in segment && segment.dc,
    descriptorLength: SEGMENT_BYTES[descriptorType] - 4,
    source: 'source' in segment ? segment.source : 0,
    destination: 'destination' in segment ? segment.destination : 0,
  });
  switch (segment.type) {
    case 'block-to-stream':
    case 'stream-to-block':
      BlocksStreamSegment.write(view, at, segment);
      break;
    case 'block-to-block':
      BlockBlockSegment.write(view, at, segment);
      break;
    case 'stream-to-stream':
      StreamStreamSegment.write(view, at, segment);
      break;
    case 'inline-to-stream':
      InlineStreamSegment.write(view, at, segment);
      break;
    case 'stream-to-discard':
      StreamDiscardSegment.write(view, at, segment);
      break;
    case 'block-bytes-to-stream':
    case 'stream-to-block-bytes':
      BytesStreamSegment.write(view, at, segment);
      break;
    case 'write-filemarks':
      FilemarksSegment.write(view, at, segment);
      break;
    case 'locate':
      LocateSegment.write(view, at, segment);
      break;
  }
}

/** Thrown inside the decoder only; the caller of `decodeCopyList` gets its sense. */
class Refused extends Error {
  readonly sense: Sense;
  constructor(sense: Sense) {
    super('refused');
    this.sense = sense;
  }
}
const refuseField = (byte: number): never => {
  throw new Refused(invalidFieldInParameterList(byte));
};
const refuse = (asc: number, ascq: number, byte: number): never => {
  throw new Refused(illegalRequest(asc, ascq, { in: 'data', byte }));
};

/** Decodes a list and holds it against `limits`. The inline data is a view of `data`. */
export function decodeCopyList(data: Uint8Array, limits: CopyLimits): DecodedCopyList {
  try {
    return { kind: 'list', list: decode(data, limits) };
  } catch (error) {
    if (error instanceof Refused) return { kind: 'refused', sense: error.sense };
    throw error;
  }
}

function decode(data: Uint8Array, limits: CopyLimits): ReceivedCopyList {
  if (data.length < Lid1Header.byteLength) throw new Refused(parameterListLengthError());
  const view = viewOf(data);
  const head = Lid1Header.decodeAll(view);
  const segmentsAt = 16 + head.cscdDescriptorListLength;
  const inlineAt = segmentsAt + head.segmentDescriptorListLength;
  const end = inlineAt + head.inlineDataLength;
  if (end > data.length) throw new Refused(parameterListLengthError());
  if (inlineAt - 16 > limits.descriptorListBytesMax) throw new Refused(parameterListLengthError());
  if (head.cscdDescriptorListLength % CSCD_BYTES !== 0) refuseField(2);
  if (head.cscdDescriptorListLength / CSCD_BYTES > limits.cscdsMax) refuse(0x26, 0x06, 2);
  if (head.inlineDataLength > limits.inlineBytesMax) refuse(0x26, 0x0b, 12);
  if (head.listIdUsage === 0b01) refuseField(1);
  if (head.listIdUsage === ListIdUsage.none && head.listIdentifier !== 0) refuseField(0);
  const starts = segmentStarts(view, segmentsAt, inlineAt, limits.segmentsMax);
  const cscds: Cscd[] = [];
  const deviceTypes: number[] = [];
  for (let at = 16; at < segmentsAt; at += CSCD_BYTES) {
    cscds.push(readCscd(view, at, limits));
    deviceTypes.push(IdentificationCscd.peripheralDeviceType.get(view, at));
  }
  const segments = starts.map((at) => {
    const segment = readSegment(view, at, limits);
    checkTransferLength(segment, at, cscds, limits);
    return segment;
  });
  return {
    listId: head.listIdentifier,
    listIdUsage: head.listIdUsage,
    cscds,
    deviceTypes,
    segments,
    inlineData: data.subarray(inlineAt, end),
  };
}

/** Where each segment starts; their number is bounded while walking. */
function segmentStarts(view: DataView, from: number, to: number, segmentsMax: number): number[] {
  const starts: number[] = [];
  for (let at = from; at < to; ) {
    if (starts.length === segmentsMax) refuse(0x26, 0x08, 8);
    if (at + 4 > to) refuseField(at);
    const next = at + 4 + SegmentHeader.descriptorLength.get(view, at);
    if (next > to) refuseField(at + 2);
    starts.push(at);
    at = next;
  }
  return starts;
}

function readCscd(view: DataView, at: number, limits: CopyLimits): Cscd {
  const f = IdentificationCscd;
  const descriptorType = f.descriptorType.get(view, at);
  if (descriptorType !== DescriptorType.identification || !limits.descriptorTypes.includes(descriptorType))
    refuse(0x26, 0x07, at);
  const length = f.designatorLength.get(view, at);
  if (length < 1 || length > 20) refuseField(at + 7);
  const designator = {
    codeSet: f.codeSet.get(view, at),
    association: f.association.get(view, at),
    type: f.designatorType.get(view, at),
    value: f.designator.get(view, at).slice(0, length),
  };
  const blockLength = f.blockLength.get(view, at);
  const pad = f.pad.get(view, at);
  switch (f.peripheralDeviceType.get(view, at)) {
    case 0x00:
    case 0x04:
    case 0x05:
    case 0x07:
    case 0x0e:
      return { kind: 'block', designator, blockLength, pad };
    case 0x01:
      if (f.fixed.get(view, at) !== blockLength > 0) refuseField(at + (blockLength > 0 ? 28 : 29));
      return { kind: 'stream', designator, fixedBlockLength: blockLength, pad };
    default:
      return refuseField(at + 1);
  }
}

function readSegment(view: DataView, at: number, limits: CopyLimits): Segment {
  const code = view.getUint8(at);
  const expected = SEGMENT_BYTES[code];
  if (expected === undefined || !limits.descriptorTypes.includes(code)) refuse(0x26, 0x09, at);
  if (SegmentHeader.descriptorLength.get(view, at) !== expected - 4) refuseField(at + 2);
  return decodeSegment(view, at, code);
}

/** 64-bit addresses above 2^53 lie past the end of any device: taken as the highest number that is exact. */
function lbaAt(view: DataView, at: number): number {
  return view.getUint32(at) > 0x1f_ffff
    ? Number.MAX_SAFE_INTEGER
    : view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4);
}

function decodeSegment(view: DataView, at: number, code: number): Segment {
  const cat = SegmentHeader.cat.get(view, at);
  const source = SegmentHeader.source.get(view, at);
  const destination = SegmentHeader.destination.get(view, at);
  switch (code) {
    case DescriptorType.blockToStream:
    case DescriptorType.streamToBlock: {
      const type = code === DescriptorType.blockToStream ? 'block-to-stream' : 'stream-to-block';
      const blocks = BlocksStreamSegment.blocks.get(view, at);
      const streamTransferLength = BlocksStreamSegment.streamTransferLength.get(view, at);
      return { type, cat, source, destination, streamTransferLength, blocks, lba: lbaAt(view, at + 16) };
    }
    case DescriptorType.blockToBlock: {
      const addresses = { sourceLba: lbaAt(view, at + 12), destinationLba: lbaAt(view, at + 20) };
      const dc = SegmentHeader.dc.get(view, at);
      const blocks = BlockBlockSegment.blocks.get(view, at);
      return { type: 'block-to-block', cat, dc, source, destination, blocks, ...addresses };
    }
    case DescriptorType.streamToStream:
      return { type: 'stream-to-stream', cat, source, destination, ...StreamStreamSegment.decodeAll(view, at) };
    case DescriptorType.inlineToStream: {
      const fields = InlineStreamSegment.decodeAll(view, at);
      if (fields.inlineOffset % 4 !== 0) refuseField(at + 12);
      return { type: 'inline-to-stream', cat, destination, ...fields };
    }
    case DescriptorType.streamToDiscard:
      return { type: 'stream-to-discard', cat, source, ...StreamDiscardSegment.decodeAll(view, at) };
    case DescriptorType.blockBytesToStream:
    case DescriptorType.streamToBlockBytes: {
      const type = code === DescriptorType.blockBytesToStream ? 'block-bytes-to-stream' : 'stream-to-block-bytes';
      // A backup's list has thousands of these: no spread here.
      return {
        type,
        cat,
        source,
        destination,
        streamTransferLength: BytesStreamSegment.streamTransferLength.get(view, at),
        byteCount: BytesStreamSegment.byteCount.get(view, at),
        lba: lbaAt(view, at + 16),
        byteOffset: BytesStreamSegment.byteOffset.get(view, at),
      };
    }
    case DescriptorType.writeFilemarks:
      return { type: 'write-filemarks', destination, ...FilemarksSegment.decodeAll(view, at) };
    default:
      assert(code === DescriptorType.locate, `segment type ${code} has a length but no decoder`);
      return { type: 'locate', destination, ...LocateSegment.decodeAll(view, at) };
  }
}

/** A transfer length must be there when bytes are to move, and within what the manager's buffers hold. */
function checkTransferLength(segment: Segment, at: number, cscds: readonly Cscd[], limits: CopyLimits): void {
  const check = (length: number, cscdId: number, moves: boolean, byte: number): void => {
    const cscd = cscds[cscdId];
    const unit = cscd?.kind === 'stream' ? Math.max(1, cscd.fixedBlockLength) : 1;
    if ((length === 0 && moves) || length * unit > limits.streamTransferBytesMax) refuseField(byte);
  };
  switch (segment.type) {
    case 'block-to-stream':
    case 'block-bytes-to-stream':
    case 'inline-to-stream': {
      const count = segment.type === 'block-to-stream' ? segment.blocks : segment.byteCount;
      check(segment.streamTransferLength, segment.destination, count > 0, at + 9);
      break;
    }
    case 'stream-to-block':
    case 'stream-to-block-bytes':
    case 'stream-to-discard': {
      const count = segment.type === 'stream-to-block' ? segment.blocks : segment.byteCount;
      check(segment.streamTransferLength, segment.source, count > 0, at + 9);
      break;
    }
    case 'stream-to-stream':
      check(segment.sourceTransferLength, segment.source, segment.byteCount > 0, at + 9);
      check(segment.destinationTransferLength, segment.destination, segment.byteCount > 0, at + 13);
      break;
    default:
  }
}
