/**
 * Runs the segments of one EXTENDED COPY list. SPC-4, 5.17.7.
 *
 * Invariants
 * - Segments take effect in order. Block sources may be read ahead of that, but never a unit that the list also writes.
 * - Both residue queues live as long as the list.
 * - The fault of the earliest segment is the one reported, whatever is still being written behind.
 */
import { assert } from '../../bytes/errors.ts';
import { alignUp, type Bytes } from '../../bytes/units.ts';
import type { Sense } from '../../scsi/common/sense.ts';
import type { ReceivedCopyList } from '../../scsi/copy/parameter-list.ts';
import { abortSense, CopyAborted, cscdPointer, inexactSegment, segmentPointer } from './aborted.ts';
import { DestinationQueue } from './destination-queue.ts';
import { type BlockDevice, type CopyDevice, locate, readStream, type StreamDevice, writeFilemarks } from './devices.ts';
import {
  type DataSegment,
  type Geometry,
  paddingOf,
  type Residues,
  type SegmentFlow,
  segmentEnd,
  segmentFlow,
} from './flow.ts';
import { type PlannedRead, ReadAhead } from './read-ahead.ts';
import {
  BlockSink,
  discardSink,
  type Progress,
  RangeSink,
  SegmentAborted,
  type Sink,
  streamSink,
  WriteBehind,
} from './sinks.ts';
import { type Chunk, chunkBytes, Slab, type SlabPool, Slabs } from './slab.ts';

export interface RunOptions {
  readonly pool: SlabPool;
  /** Slabs of the copy: how far reading may be ahead of writing. */
  readonly queueDepth: number;
  /** Bytes of one READ(16) or WRITE(16). */
  readonly blockTransferBytesMax: Bytes;
  /** Bytes that one segment may move; 0: no limit. */
  readonly segmentBytesMax: Bytes;
  readonly signal?: AbortSignal;
}

export type RunOutcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'aborted'; readonly sense: Sense }
  /** By the signal. */
  | { readonly kind: 'stopped' };

/** The devices of a data segment. */
interface Ends {
  readonly source: CopyDevice | undefined;
  readonly destination: CopyDevice | undefined;
  readonly geometry: Geometry;
}

export class CopyRun {
  readonly #list: ReceivedCopyList;
  readonly #devices: ReadonlyMap<number, CopyDevice | CopyAborted>;
  readonly #options: RunOptions;
  readonly #slabs: Slabs;
  readonly #queue: DestinationQueue;
  readonly #behind: WriteBehind;
  /** A block unit is both read and written: no reading ahead. */
  readonly #entangled: boolean;
  #ahead: ReadAhead | undefined;
  /** Segments below this one have their reads planned in `#ahead`, which may not have come to them yet. */
  #planEnd = 0;
  /** Source residue, and the slab that a stream source is being read into. */
  #source: Chunk | undefined;
  #filling: Slab | undefined;
  #progress: Progress;
  readonly #total = { bytes: 0 };

  constructor(list: ReceivedCopyList, devices: ReadonlyMap<number, CopyDevice | CopyAborted>, options: RunOptions) {
    this.#list = list;
    this.#devices = devices;
    this.#options = options;
    const longest = longestTransfers(list, devices);
    this.#slabs = new Slabs(options.pool, options.queueDepth, longest.read);
    this.#queue = new DestinationQueue(longest.write);
    this.#behind = new WriteBehind(options.queueDepth);
    this.#entangled = isEntangled(list, devices);
    this.#progress = { segment: 0, due: 0, written: 0, residueUnit: 1, total: this.#total };
  }

  /** Segments that are complete. */
  get segmentsProcessed(): number {
    return this.#progress.segment;
  }
  /** Bytes written by the list so far. */
  get bytesWritten(): Bytes {
    return this.#total.bytes;
  }

  async run(): Promise<RunOutcome> {
    try {
      for (let i = 0; i < this.#list.segments.length; i++) await this.#segment(i);
      await this.#behind.drain();
      this.#startProgress(this.#list.segments.length, 0, 1);
      return { kind: 'done' };
    } catch (error) {
      return await this.#failed(error);
    } finally {
      await this.#ahead?.stop();
      this.#queue.clear();
      this.#setSource(undefined);
      this.#filling?.release();
      this.#slabs.close();
    }
  }

  async #failed(error: unknown): Promise<RunOutcome> {
    const behind = error instanceof SegmentAborted ? undefined : await this.#behind.drain().catch((e: unknown) => e);
    const first = behind instanceof SegmentAborted ? behind : error; // what was written behind is of an earlier segment
    if (first instanceof SegmentAborted) return abortedAt(first.progress, first.aborted);
    if (first instanceof CopyAborted) return abortedAt(this.#progress, first);
    if (this.#options.signal?.aborted) return { kind: 'stopped' };
    throw first;
  }

  #startProgress(segment: number, due: Bytes, residueUnit: Bytes): void {
    this.#progress = { segment, due, written: 0, residueUnit, total: this.#total };
  }

  async #segment(index: number): Promise<void> {
    this.#options.signal?.throwIfAborted();
    const segment = this.#list.segments[index];
    if (segment.type === 'write-filemarks' || segment.type === 'locate') {
      await this.#behind.drain();
      this.#startProgress(index, 0, 1);
      const device = this.#device(segment.destination);
      if (device.kind !== 'stream') throw wrongDevice(device.id);
      if (segment.type === 'locate') await locate(device, segment.object);
      else await writeFilemarks(device, segment.count, segment.immediate);
      return;
    }
    // A disk that is written behind shows its faults late: nothing else may happen in between.
    if (this.#entangled || !writesBlocks(segment)) await this.#behind.drain();
    this.#startProgress(index, 0, 1);
    const ends = this.#ends(segment);
    await this.#move(index, segment, ends);
  }

  async #move(index: number, segment: DataSegment, ends: Ends): Promise<void> {
    const { geometry } = ends;
    const flow = segmentFlow(segment, geometry, this.#residues());
    this.#startProgress(index, dueBytes(segment, ends, flow), residueUnit(ends.destination));
    this.#checkRanges(segment, ends, flow);
    if (ends.source?.kind === 'block' && flow.read > 0 && index >= this.#planEnd) await this.#plan(index);
    const sink = await this.#sink(segment, ends);
    try {
      await this.#fillSink(segment, ends, flow, sink);
    } catch (error) {
      if (error instanceof CopyAborted) await sink.end(); // what the source gave before it failed
      throw error;
    }
    await this.#finish(segment, geometry, flow, sink);
  }

  async #fillSink(segment: DataSegment, ends: Ends, flow: SegmentFlow, sink: Sink): Promise<void> {
    const { geometry } = ends;
    let room = flow.written;
    const deliver = async (bytes: Uint8Array, slab: Slab | undefined): Promise<void> => {
      room -= await this.#queue.push({ bytes, slab }, sink, geometry.write, room);
    };
    room -= await this.#queue.settle(sink, geometry.write, room);
    if (segment.type === 'inline-to-stream') await deliver(inlineBytes(this.#list, segment), undefined);
    const consume = segment.type === 'stream-to-discard' ? discard : deliver;
    await this.#consumeResidue(flow.fromResidue, consume);
    if (flow.read > 0) {
      const { source } = ends;
      if (source?.kind === 'stream') await this.#readStream(source, segment, flow.read, consume);
      else await this.#readBlocks(flow, consume);
    }
  }

  async #finish(segment: DataSegment, geometry: Geometry, flow: SegmentFlow, sink: Sink): Promise<void> {
    const left = this.#residues();
    const end = segmentEnd(segment, geometry, left, flow.exact);
    if (end.kind === 'settle' && end.destination === 'pad' && left.destination > 0) {
      if (geometry.write === 0) throw inexactSegment();
      await this.#queue.pad(sink, geometry.write);
    }
    await sink.end();
    if (end.kind === 'inexact') {
      await this.#behind.drain();
      throw inexactSegment();
    }
    if (end.kind === 'keep') return;
    if (end.dropSource) this.#setSource(undefined);
    if (end.destination === 'drop') this.#queue.clear();
  }

  #residues(): Residues {
    const source = this.#source === undefined ? 0 : this.#source.end - this.#source.start;
    return { source, destination: this.#queue.length };
  }

  /** Takes over the caller's hold on the slab. */
  #setSource(chunk: Chunk | undefined): void {
    this.#source?.slab.release();
    this.#source = chunk !== undefined && chunk.end > chunk.start ? chunk : undefined;
    if (this.#source === undefined) chunk?.slab.release();
  }

  async #consumeResidue(count: Bytes, consume: Consume): Promise<void> {
    const old = this.#source;
    if (count === 0 || old === undefined) return;
    const middle = old.start + count;
    old.slab.retain();
    this.#source = { slab: old.slab, start: middle, end: old.end };
    if (middle === old.end) this.#setSource(undefined);
    await consume(old.slab.memory.subarray(old.start, middle), old.slab);
  }

  /** Stream sources are read in order and no further than the segment needs. */
  async #readStream(source: StreamDevice, segment: DataSegment, need: Bytes, consume: Consume): Promise<void> {
    const transfer = transferBytes(source, sourceTransferLength(segment));
    for (let left = need; left > 0; ) {
      this.#options.signal?.throwIfAborted();
      const slab = await this.#roomFor(transfer);
      const start = slab.filled;
      const got = await readStream(source, slab.memory.subarray(start, start + transfer));
      slab.filled += got.length;
      const end = start + Math.min(got.length, left);
      left -= end - start;
      slab.retain();
      if (end < slab.filled) {
        slab.retain();
        this.#setSource({ slab, start: end, end: slab.filled });
      }
      await consume(slab.memory.subarray(start, end), slab);
      if (got.trouble !== undefined) throw got.trouble;
    }
  }

  async #roomFor(length: Bytes): Promise<Slab> {
    if (this.#filling !== undefined && this.#filling.room < length) {
      this.#filling.release();
      this.#filling = undefined;
    }
    this.#filling ??= await this.#slabs.take();
    return this.#filling;
  }

  async #readBlocks(flow: SegmentFlow, consume: Consume): Promise<void> {
    const rounded = flow.read + flow.sourceLeft;
    for (let taken = 0; taken < rounded; ) {
      this.#options.signal?.throwIfAborted();
      assert(this.#ahead !== undefined, 'reads were not planned');
      const chunk = await this.#ahead.take(taken < flow.read ? flow.read - taken : rounded - taken);
      const length = chunk.end - chunk.start;
      if (taken < flow.read) await consume(chunkBytes(chunk), chunk.slab);
      else this.#keepSource(chunk);
      taken += length;
    }
  }

  /** The rest of a block, or of several chunks of it, becomes source residue. */
  #keepSource(chunk: Chunk): void {
    const before = this.#source;
    if (before === undefined) {
      this.#setSource(chunk);
    } else if (before.slab === chunk.slab && before.end === chunk.start) {
      this.#source = { slab: chunk.slab, start: before.start, end: chunk.end };
      chunk.slab.release();
    } else {
      const joined = Buffer.concat([chunkBytes(before), chunkBytes(chunk)]); // less than a block
      this.#setSource({ slab: new Slab(joined, () => undefined), start: 0, end: joined.length });
      chunk.slab.release();
    }
  }

  /** Plans the reads from segment `index` on, which is about to begin: the residues are those it starts with. */
  async #plan(index: number): Promise<void> {
    await this.#ahead?.stop();
    this.#filling?.release(); // of no more use once block sources are read
    this.#filling = undefined;
    this.#planEnd = Number.POSITIVE_INFINITY;
    const reads = this.#plannedReads(index, this.#residues());
    this.#ahead = new ReadAhead(reads, this.#slabs, this.#options.blockTransferBytesMax);
  }

  *#plannedReads(from: number, now: Residues): Generator<PlannedRead> {
    let residues = now;
    let index = from;
    for (; index < this.#list.segments.length; index++) {
      const segment = this.#list.segments[index];
      if (segment.type === 'write-filemarks' || segment.type === 'locate') continue;
      const step = this.#foresee(segment, residues);
      if (step === undefined) break;
      if (step.read !== undefined) yield step.read;
      if (step.next === undefined) {
        index++;
        break;
      }
      residues = step.next;
    }
    this.#planEnd = index;
  }

  /** What a segment will read and leave; `undefined`: it reads a stream, or will fail, which is told when its turn comes. */
  #foresee(
    segment: DataSegment,
    residues: Residues,
  ): { readonly read: PlannedRead | undefined; readonly next: Residues | undefined } | undefined {
    try {
      const ends = this.#ends(segment);
      const { source, geometry } = ends;
      if (source?.kind === 'stream') return undefined;
      const flow = segmentFlow(segment, geometry, residues);
      this.#checkRanges(segment, ends, flow);
      const reads = source !== undefined && flow.read > 0;
      const read = reads ? plannedRead(segment, source, geometry, flow, residues.destination) : undefined;
      const left = { source: flow.sourceLeft, destination: flow.destinationLeft };
      const end = segmentEnd(segment, geometry, left, flow.exact);
      if (end.kind === 'inexact' || this.#entangled) return { read, next: undefined };
      if (end.kind === 'keep') return { read, next: left };
      const destination = end.destination === 'keep' ? left.destination : 0;
      return { read, next: { source: end.dropSource ? 0 : left.source, destination } };
    } catch (error) {
      if (error instanceof CopyAborted) return undefined;
      throw error;
    }
  }

  /** @throws CopyAborted when it cannot be used */
  #device(id: number): CopyDevice {
    const device = this.#devices.get(id);
    assert(device !== undefined, `CSCD ${id} was not resolved`);
    if (device instanceof CopyAborted) throw device;
    return device;
  }

  /** @throws CopyAborted when a device is missing or of the wrong kind */
  #ends(segment: DataSegment): Ends {
    const source = 'source' in segment ? this.#device(segment.source) : undefined;
    const destination = 'destination' in segment ? this.#device(segment.destination) : undefined;
    const kinds = KINDS[segment.type];
    if (source?.kind !== kinds[0]) throw wrongDevice(source?.id ?? 0);
    if (destination?.kind !== kinds[1]) throw wrongDevice(destination?.id ?? 0);
    const geometry = {
      sourceBlock: source?.kind === 'block' ? source.blockLength : 1,
      write: writeBytes(segment, destination),
      sourcePad: source?.pad ?? false,
      destinationPad: destination?.pad ?? false,
    };
    return { source, destination, geometry };
  }

  #checkRanges(segment: DataSegment, ends: Ends, flow: SegmentFlow): void {
    const { segmentBytesMax } = this.#options;
    if (segmentBytesMax > 0 && flow.fromResidue + flow.read + flow.inline > segmentBytesMax)
      throw new CopyAborted({ asc: 0x26, ascq: 0x00, ...segmentPointer(COUNT_BYTE[segment.type]) });
    if (segment.type === 'inline-to-stream') {
      if (segment.inlineOffset + segment.byteCount > this.#list.inlineData.length)
        throw new CopyAborted({ asc: 0x26, ascq: 0x0b, ...segmentPointer(12) });
      return;
    }
    if (ends.source?.kind === 'block' && flow.read > 0) {
      const { blockLength, blocks } = ends.source;
      if (sourceOffset(segment, blockLength) + flow.read > blocks * blockLength) throw beyondEnd(segment);
    }
    if (ends.destination?.kind === 'block' && flow.written > 0) {
      const { blockLength, blocks } = ends.destination;
      const from = destinationOffset(segment, blockLength);
      if (from + flow.written + paddingOf(segment, ends.geometry, flow) > blocks * blockLength)
        throw beyondEnd(segment);
    }
  }

  async #sink(segment: DataSegment, ends: Ends): Promise<Sink> {
    const { destination, geometry } = ends;
    const progress = this.#progress;
    if (destination === undefined) return discardSink;
    if (destination.kind === 'stream') return streamSink(destination, geometry.write, progress, this.#options.signal);
    const max = this.#options.blockTransferBytesMax;
    if (segment.type === 'stream-to-block-bytes')
      return RangeSink.open(destination, segment, this.#behind, progress, max);
    const lba = destinationOffset(segment, destination.blockLength) / destination.blockLength;
    return new BlockSink(destination, lba, this.#behind, progress, max);
  }
}

/** Bytes that the segment is to write, padding included; of a byte range, the blocks that it touches. */
function dueBytes(segment: DataSegment, ends: Ends, flow: SegmentFlow): Bytes {
  if (segment.type === 'stream-to-block-bytes' && ends.destination?.kind === 'block' && flow.written > 0) {
    const { blockLength } = ends.destination;
    return alignUp((segment.byteOffset % blockLength) + flow.written, blockLength);
  }
  return flow.written + paddingOf(segment, ends.geometry, flow);
}

type Consume = (bytes: Uint8Array, slab: Slab | undefined) => Promise<void>;
const discard: Consume = async (_bytes, slab) => slab?.release();

/** Source and destination of each type. */
const KINDS: Readonly<
  Record<DataSegment['type'], readonly [CopyDevice['kind'] | undefined, CopyDevice['kind'] | undefined]>
> = {
  'block-to-stream': ['block', 'stream'],
  'stream-to-block': ['stream', 'block'],
  'block-to-block': ['block', 'block'],
  'stream-to-stream': ['stream', 'stream'],
  'inline-to-stream': [undefined, 'stream'],
  'stream-to-discard': ['stream', undefined],
  'block-bytes-to-stream': ['block', 'stream'],
  'stream-to-block-bytes': ['stream', 'block'],
};

/** Byte of the descriptor at which the count stands. */
const COUNT_BYTE: Readonly<Record<DataSegment['type'], number>> = {
  'block-to-stream': 14,
  'stream-to-block': 14,
  'block-to-block': 10,
  'stream-to-stream': 16,
  'inline-to-stream': 16,
  'stream-to-discard': 12,
  'block-bytes-to-stream': 12,
  'stream-to-block-bytes': 12,
};

const wrongDevice = (id: number): CopyAborted => new CopyAborted({ asc: 0x26, ascq: 0x0c, ...cscdPointer(id) });
/** libiscsi's tests admit 08h/04h and 0Dh/02h for a range beyond the end of a disk; SPC-4 has no code for it. */
const beyondEnd = (segment: DataSegment): CopyAborted =>
  new CopyAborted({ asc: 0x08, ascq: 0x04, ...segmentPointer(segment.type === 'block-to-block' ? 12 : 16) });

const writesBlocks = (segment: DataSegment): boolean => KINDS[segment.type][1] === 'block';

const transferBytes = (device: StreamDevice, length: number): Bytes => length * (device.fixedBlockLength || 1);

function sourceTransferLength(segment: DataSegment): number {
  if (segment.type === 'stream-to-stream') return segment.sourceTransferLength;
  return 'streamTransferLength' in segment ? segment.streamTransferLength : 0;
}

/** Bytes of a whole write to the segment's destination. A byte range takes any number. */
function writeBytes(segment: DataSegment, destination: CopyDevice | undefined): Bytes {
  if (destination === undefined) return 0;
  if (destination.kind === 'block') return segment.type === 'stream-to-block-bytes' ? 1 : destination.blockLength;
  if (segment.type === 'stream-to-stream') return transferBytes(destination, segment.destinationTransferLength);
  return transferBytes(destination, 'streamTransferLength' in segment ? segment.streamTransferLength : 0);
}

const residueUnit = (destination: CopyDevice | undefined): Bytes => {
  if (destination === undefined) return 1;
  return destination.kind === 'block' ? destination.blockLength : destination.fixedBlockLength || 1;
};

function destinationOffset(segment: DataSegment, blockLength: Bytes): Bytes {
  if (segment.type === 'block-to-block') return segment.destinationLba * blockLength;
  if (segment.type === 'stream-to-block-bytes') return segment.lba * blockLength + segment.byteOffset;
  return segment.type === 'stream-to-block' ? segment.lba * blockLength : 0;
}

/** Where a block source is read. */
function sourceOffset(segment: DataSegment, blockLength: Bytes): Bytes {
  if (segment.type === 'block-bytes-to-stream') return segment.lba * blockLength + segment.byteOffset;
  if (segment.type === 'block-to-block') return segment.sourceLba * blockLength;
  return segment.type === 'block-to-stream' ? segment.lba * blockLength : 0;
}

// One object per segment and no spread: with extents of 4 KiB these are most of the work (bench/target/copy-manager).
function plannedRead(
  segment: DataSegment,
  device: BlockDevice,
  geometry: Geometry,
  flow: SegmentFlow,
  destinationResidue: Bytes,
): PlannedRead {
  const { blockLength } = device;
  return {
    device,
    offset: sourceOffset(segment, blockLength),
    length: segment.type === 'block-bytes-to-stream' ? flow.read : alignUp(flow.read, blockLength),
    write: geometry.write,
    queued: destinationResidue + flow.inline + flow.fromResidue,
  };
}

function inlineBytes(list: ReceivedCopyList, segment: Extract<DataSegment, { type: 'inline-to-stream' }>): Uint8Array {
  return list.inlineData.subarray(segment.inlineOffset, segment.inlineOffset + segment.byteCount);
}

/** The longest READ of a stream and the longest whole write of the list. */
function longestTransfers(
  list: ReceivedCopyList,
  devices: ReadonlyMap<number, CopyDevice | CopyAborted>,
): { readonly read: Bytes; readonly write: Bytes } {
  let read = 0;
  let write = 0;
  for (const segment of list.segments) {
    if (segment.type === 'write-filemarks' || segment.type === 'locate') continue;
    const source = 'source' in segment ? devices.get(segment.source) : undefined;
    const destination = 'destination' in segment ? devices.get(segment.destination) : undefined;
    if (source !== undefined && !(source instanceof CopyAborted) && source.kind === 'stream')
      read = Math.max(read, transferBytes(source, sourceTransferLength(segment)));
    if (destination !== undefined && !(destination instanceof CopyAborted))
      write = Math.max(write, writeBytes(segment, destination));
  }
  return { read, write };
}

/** Whether some block unit is both source and destination. */
function isEntangled(list: ReceivedCopyList, devices: ReadonlyMap<number, CopyDevice | CopyAborted>): boolean {
  const units = (pick: 'source' | 'destination'): Set<unknown> => {
    const out = new Set<unknown>();
    for (const segment of list.segments) {
      const id = pick in segment ? (segment as { source?: number; destination?: number })[pick] : undefined;
      const device = id === undefined ? undefined : devices.get(id);
      if (device !== undefined && !(device instanceof CopyAborted) && device.kind === 'block') out.add(device.unit);
    }
    return out;
  };
  const sources = units('source');
  return [...units('destination')].some((unit) => sources.has(unit));
}

function abortedAt(progress: Progress, aborted: CopyAborted): RunOutcome {
  const residue =
    progress.written > 0 ? Math.ceil((progress.due - progress.written) / progress.residueUnit) : undefined;
  return { kind: 'aborted', sense: abortSense(aborted.details, progress.segment, residue) };
}
