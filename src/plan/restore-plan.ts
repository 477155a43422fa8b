/**
 * Which tape records a restore reads, in which order: file extents in, runs of records per cartridge out. Pure.
 *
 * A file's tape position follows from its volume extents: a chunk stores the runs of its range one after the other, so a
 * byte's place in the chunk's data is what is stored before its run plus its offset in the run, and its record is
 * `dataObject + floor(place / recordSize)`.
 *
 * Invariants
 * - Pieces of one chunk stand together, ascending by place, and never reach past the chunk's stored bytes.
 * - Every piece lies in one ReadRun; a record is in at most one ReadRun.
 */
import { assert, check } from '../bytes/errors.ts';
import type { Runs } from '../bytes/extents.ts';
import type { ChunkCopy, ChunkRecord } from '../bytes/manifest.ts';
import type { Bytes, TapeObject } from '../bytes/units.ts';

/** What of a file is wanted from the volume, in columns that grow by doubling: 33 bytes an extent. */
export class WantedExtents {
  count = 0;
  /** The caller's number of the file. */
  file = new Uint32Array(16);
  /** ExtentKind: stored or escaped. */
  kind = new Uint8Array(16);
  fileOffset = new Float64Array(16);
  volumeOffset = new Float64Array(16);
  length = new Float64Array(16);

  add(file: number, kind: number, fileOffset: Bytes, volumeOffset: Bytes, length: Bytes): void {
    if (length <= 0) return;
    if (this.count === this.file.length) this.#grow();
    const at = this.count++;
    this.file[at] = file;
    this.kind[at] = kind;
    this.fileOffset[at] = fileOffset;
    this.volumeOffset[at] = volumeOffset;
    this.length[at] = length;
  }

  /** Rows by ascending volume address. */
  order(): Uint32Array {
    const { volumeOffset } = this;
    const out = Uint32Array.from({ length: this.count }, (_, i) => i);
    for (let i = 1; i < this.count; i++) {
      if (volumeOffset[i] < volumeOffset[i - 1]) return out.sort((a, b) => volumeOffset[a] - volumeOffset[b]);
    }
    return out;
  }

  #grow(): void {
    const size = this.count * 2;
    const u32 = new Uint32Array(size);
    u32.set(this.file);
    const u8 = new Uint8Array(size);
    u8.set(this.kind);
    const wider = (old: Float64Array): Float64Array<ArrayBuffer> => {
      const out = new Float64Array(size);
      out.set(old);
      return out;
    };
    this.file = u32;
    this.kind = u8;
    this.fileOffset = wider(this.fileOffset);
    this.volumeOffset = wider(this.volumeOffset);
    this.length = wider(this.length);
  }
}

/** A part of a file as it lies in a chunk's data. Columns; rows 0 to count - 1. */
export class Pieces {
  count = 0;
  file = new Uint32Array(16);
  kind = new Uint8Array(16);
  fileOffset = new Float64Array(16);
  /** Byte in the chunk's data. */
  place = new Float64Array(16);
  /** Volume address of the first byte; to plan it anew from another copy. */
  volumeOffset = new Float64Array(16);
  length = new Float64Array(16);

  add(row: readonly [file: number, kind: number, fileOffset: number, place: number, volume: number, length: number]) {
    if (this.count === this.file.length) this.#grow();
    const at = this.count++;
    this.file[at] = row[0];
    this.kind[at] = row[1];
    this.fileOffset[at] = row[2];
    this.place[at] = row[3];
    this.volumeOffset[at] = row[4];
    this.length[at] = row[5];
  }

  #grow(): void {
    const size = this.count * 2;
    const u32 = new Uint32Array(size);
    u32.set(this.file);
    const u8 = new Uint8Array(size);
    u8.set(this.kind);
    const wider = (old: Float64Array): Float64Array<ArrayBuffer> => {
      const out = new Float64Array(size);
      out.set(old);
      return out;
    };
    this.file = u32;
    this.kind = u8;
    this.fileOffset = wider(this.fileOffset);
    this.place = wider(this.place);
    this.volumeOffset = wider(this.volumeOffset);
    this.length = wider(this.length);
  }
}

/** Where a set's volume bytes lie. The index has it (tape-index); tests have it in memory. */
export interface ChunkSource {
  /** Bytes of every record. */
  readonly recordSize: Bytes;
  /** The chunk whose range holds the volume address; undefined: past the volume. */
  chunkAt(volumeOffset: Bytes): Promise<ChunkRecord | UnknownChunk | undefined>;
  /** What the chunk stores between two volume addresses, at least; a part of the map will do. */
  chunkExtents(chunk: ChunkRecord, from: Bytes, to: Bytes): Promise<ChunkExtents>;
}

/** A range of the volume of which the index does not know any more where it lies. */
export interface UnknownChunk {
  /** Why, and what to do: one clause. */
  readonly lost: string;
  /** Volume byte from which on a chunk is known again. */
  readonly end: Bytes;
}

/** A part of a chunk's extent map. */
export interface ChunkExtents {
  /** Whole runs of the chunk, as volume addresses. */
  readonly runs: Runs;
  /** Bytes that the chunk stores before the first of them. */
  readonly storedBefore: Bytes;
  /** Bytes that the chunk stores before each of them; missing: they follow each other. */
  readonly places?: Float64Array;
  /** Volume addresses, `to` not included, of which the map cannot be read. */
  readonly lost?: readonly { readonly from: Bytes; readonly to: Bytes; readonly reason: string }[];
}

/** Consecutive records of one chunk, read without a LOCATE between them. */
export interface ReadRun {
  /** Into `RestorePlan.chunks`. */
  readonly chunk: number;
  readonly object: TapeObject;
  /** Record of the chunk's data that `object` is. */
  readonly firstRecord: number;
  readonly records: number;
  /** Records of these that no file needs. */
  readonly gapRecords: number;
  /** Rows of `pieces`: pieceFrom to pieceTo - 1. */
  readonly pieceFrom: number;
  readonly pieceTo: number;
}

export interface PlannedChunk {
  readonly record: ChunkRecord;
  readonly copy: ChunkCopy;
}

export interface CartridgeReads {
  /** Cartridge id. */
  readonly cartridge: string;
  /** Ascending by object. */
  readonly reads: readonly ReadRun[];
}

export interface RestorePlan {
  readonly recordSize: Bytes;
  readonly chunks: readonly PlannedChunk[];
  readonly pieces: Pieces;
  /** In the order in which they are wanted. */
  readonly cartridges: readonly CartridgeReads[];
  /** Records read in all, and how many of them only because they lie between. */
  readonly records: number;
  readonly gapRecords: number;
  /** Bytes of files that come from tape. */
  readonly bytes: Bytes;
  /** What no chunk stores: not on tape. */
  readonly missing: WantedExtents;
  /** What is in chunks that have no such copy. */
  readonly withoutCopy: WantedExtents;
  /** What the index does not know the place of, since rows of it are lost; and why, row by row. */
  readonly unknown: WantedExtents;
  readonly unknownReasons: readonly string[];
}

export interface RestorePlanOptions {
  /** Gaps up to this are read through instead of located over: see `gapThreshold`. */
  readonly gapBytesMax: Bytes;
  /** 0: the best copy of each chunk; 1: the next, and so on. */
  readonly attempt?: number;
  /** Order of copies and cartridges: the lowest first (loaded, in the library, elsewhere). Default: as recorded. */
  readonly rank?: (cartridge: string) => number;
}

/** Bytes that pass the head in the time of one repositioning: below it reading through is the faster way. */
export const gapThreshold = (bytesPerSecond: number, repositionSeconds: number): Bytes =>
  Math.floor(bytesPerSecond * repositionSeconds);

/** Plans the reads for `wanted`. Loads one chunk's extent map at a time. */
export async function planRestore(
  wanted: WantedExtents,
  source: ChunkSource,
  options: RestorePlanOptions,
): Promise<RestorePlan> {
  const mapped = await mapExtents(wanted, source, options);
  const reads = new Map<string, ReadRun[]>();
  for (const [number, { copy }] of mapped.chunks.entries()) {
    const list = reads.get(copy.cartridge) ?? [];
    reads.set(copy.cartridge, list);
    const { recordSize } = source;
    for (const run of readRuns(mapped.pieces, mapped.from[number], mapped.from[number + 1], recordSize, options))
      list.push({ ...run, chunk: number, object: copy.dataObject + run.firstRecord });
  }
  const rank = options.rank ?? (() => 0);
  const cartridges = [...reads].map(([cartridge, runs]) => ({
    cartridge,
    reads: runs.sort((a, b) => a.object - b.object),
  }));
  cartridges.sort((a, b) => rank(a.cartridge) - rank(b.cartridge)); // stable: else in volume order
  const all = cartridges.flatMap((one) => one.reads);
  return {
    recordSize: source.recordSize,
    chunks: mapped.chunks,
    pieces: mapped.pieces,
    cartridges,
    records: all.reduce((sum, run) => sum + run.records, 0),
    gapRecords: all.reduce((sum, run) => sum + run.gapRecords, 0),
    bytes: mapped.bytes,
    missing: mapped.missing,
    withoutCopy: mapped.withoutCopy,
    unknown: mapped.unknown,
    unknownReasons: mapped.unknownReasons,
  };
}

interface Mapped {
  readonly chunks: PlannedChunk[];
  /** Pieces of chunk n: rows from[n] to from[n + 1] - 1. */
  readonly from: number[];
  readonly pieces: Pieces;
  readonly missing: WantedExtents;
  readonly withoutCopy: WantedExtents;
  readonly unknown: WantedExtents;
  readonly unknownReasons: string[];
  readonly bytes: Bytes;
}

/** An extent's rest, while it is carried over chunk boundaries. */
interface Rest {
  file: number;
  kind: number;
  fileOffset: number;
  volumeOffset: number;
  length: number;
}

async function mapExtents(wanted: WantedExtents, source: ChunkSource, options: RestorePlanOptions): Promise<Mapped> {
  const order = wanted.order();
  const out = {
    chunks: [] as PlannedChunk[],
    from: [0],
    pieces: new Pieces(),
    missing: new WantedExtents(),
    withoutCopy: new WantedExtents(),
    unknown: new WantedExtents(),
    unknownReasons: [] as string[],
    bytes: 0,
  };
  let carried: Rest[] = [];
  for (let at = 0; at < order.length || carried.length > 0; ) {
    const start = carried.length > 0 ? carried[0].volumeOffset : wanted.volumeOffset[order[at]];
    const record = await source.chunkAt(start);
    const batch = carried;
    carried = [];
    if (record === undefined) {
      // Past the volume, and so is everything behind it.
      for (; at < order.length; at++) batch.push(restOf(wanted, order[at]));
      for (const rest of batch) lose(out.missing, rest);
      break;
    }
    const end = 'lost' in record ? record.end : record.volumeOffset + record.byteLength;
    const covers = 'lost' in record || start >= record.volumeOffset;
    check(covers && start < end, 'chunk', `does not cover volume byte ${start}`);
    for (; at < order.length && wanted.volumeOffset[order[at]] < end; at++) batch.push(restOf(wanted, order[at]));
    for (const rest of batch) {
      const over = rest.volumeOffset + rest.length - end;
      if (over <= 0) continue;
      const kept = rest.length - over;
      carried.push({ ...rest, fileOffset: rest.fileOffset + kept, volumeOffset: end, length: over });
      rest.length = kept;
    }
    if ('lost' in record) {
      for (const rest of batch) unknown(out, rest, record.lost);
      continue;
    }
    const copy = chooseCopy(record, options);
    if (copy === undefined) {
      for (const rest of batch) lose(out.withoutCopy, rest);
      continue;
    }
    const last = batch.reduce((most, rest) => Math.max(most, rest.volumeOffset + rest.length), start);
    const extents = await source.chunkExtents(record, start, last);
    const before = out.pieces.count;
    mapChunk(batch, extents, record, out);
    if (out.pieces.count === before) continue;
    out.chunks.push({ record, copy });
    out.from.push(out.pieces.count);
  }
  return out;
}

const restOf = (wanted: WantedExtents, row: number): Rest => ({
  file: wanted.file[row],
  kind: wanted.kind[row],
  fileOffset: wanted.fileOffset[row],
  volumeOffset: wanted.volumeOffset[row],
  length: wanted.length[row],
});

const lose = (to: WantedExtents, rest: Rest): void =>
  to.add(rest.file, rest.kind, rest.fileOffset, rest.volumeOffset, rest.length);

function unknown(out: Mapped, rest: Rest, reason: string): void {
  const before = out.unknown.count;
  lose(out.unknown, rest);
  if (out.unknown.count > before) out.unknownReasons.push(reason);
}

/** The attempt-th best copy. */
function chooseCopy(record: ChunkRecord, { attempt = 0, rank }: RestorePlanOptions): ChunkCopy | undefined {
  if (rank === undefined || record.copies.length < 2) return record.copies[attempt];
  return [...record.copies].sort((a, b) => rank(a.cartridge) - rank(b.cartridge))[attempt];
}

/** Pieces of one chunk. `batch` ascends by volume address, and so do the extents: one merge. */
function mapChunk(
  batch: readonly Rest[],
  { runs: extents, storedBefore, places, lost = [] }: ChunkExtents,
  record: ChunkRecord,
  out: Mapped & { bytes: number },
): void {
  let run = 0; // first run that may hold the rest's first byte
  let stored = storedBefore; // bytes stored before that run
  for (const rest of batch) {
    while (run < extents.count && extents.starts[run] + extents.lengths[run] <= rest.volumeOffset)
      stored += extents.lengths[run++];
    let at = rest.volumeOffset;
    const end = at + rest.length;
    let place = stored;
    for (let i = run; at < end; i++) {
      const from = i < extents.count ? Math.min(end, extents.starts[i]) : end;
      if (from > at) {
        notStored({ ...rest, fileOffset: rest.fileOffset + at - rest.volumeOffset, volumeOffset: at }, from, lost, out);
        at = from;
      }
      if (at >= end || i >= extents.count) break;
      const length = Math.min(end, extents.starts[i] + extents.lengths[i]) - at;
      const inRun = at - extents.starts[i];
      const before = places === undefined ? place : places[i];
      check(
        before + inRun + length <= record.storedBytes,
        `chunk ${record.number}`,
        `extents hold more than its ${record.storedBytes} stored bytes`,
      );
      out.pieces.add([rest.file, rest.kind, rest.fileOffset + at - rest.volumeOffset, before + inRun, at, length]);
      out.bytes += length;
      place += extents.lengths[i];
      at += length;
    }
  }
}

/** Bytes from the rest's start up to `to` that no known run has: the map's loss, or truly not stored. */
function notStored(rest: Rest, to: number, lost: NonNullable<ChunkExtents['lost']>, out: Mapped): void {
  const part = (from: number, end: number): Rest => ({
    ...rest,
    fileOffset: rest.fileOffset + from - rest.volumeOffset,
    volumeOffset: from,
    length: end - from,
  });
  let at = rest.volumeOffset;
  for (const range of lost) {
    const from = Math.max(at, range.from);
    const end = Math.min(to, range.to);
    if (end <= from) continue;
    lose(out.missing, part(at, from));
    unknown(out, part(from, end), `its chunk's extent map: ${range.reason}`);
    at = end;
  }
  lose(out.missing, part(at, to));
}

/** Runs of records that cover the pieces `from` to `to - 1` of one chunk. Exported for the tests. */
export function* readRuns(
  pieces: Pieces,
  from: number,
  to: number,
  recordSize: Bytes,
  { gapBytesMax }: RestorePlanOptions,
): Generator<Omit<ReadRun, 'chunk' | 'object'>> {
  const gapRecordsMax = Math.floor(gapBytesMax / recordSize);
  for (let at = from; at < to; ) {
    const firstRecord = Math.floor(pieces.place[at] / recordSize);
    const pieceFrom = at;
    let end = firstRecord; // record behind the last one needed
    let gapRecords = 0;
    for (; at < to; at++) {
      const first = Math.floor(pieces.place[at] / recordSize);
      assert(first >= firstRecord, 'pieces ascend');
      if (at > pieceFrom && first - end > gapRecordsMax) break;
      if (first > end) gapRecords += first - end;
      end = Math.max(end, Math.ceil((pieces.place[at] + pieces.length[at]) / recordSize));
    }
    yield { firstRecord, records: end - firstRecord, gapRecords, pieceFrom, pieceTo: at };
  }
}

/** How fast a drive and a library are; for the estimate only. */
export interface DriveModel {
  readonly bytesPerSecond: number;
  readonly repositionSeconds: number;
  readonly loadSeconds: number;
}

/** Seconds the reads will take, roughly: loads, locates and bytes past the head. */
export function estimateSeconds(plan: RestorePlan, model: DriveModel): number {
  const locates = plan.cartridges.reduce((sum, one) => sum + one.reads.length, 0);
  return (
    plan.cartridges.length * model.loadSeconds +
    locates * model.repositionSeconds +
    (plan.records * plan.recordSize) / model.bytesPerSecond
  );
}
