/**
 * Cuts the stored runs of a volume into chunks, one tape file each. The chunks' ranges tile the volume.
 *
 * Invariant: the stored bytes of every chunk but the last are a whole number of records, and no record, counted from the
 * chunk's first stored byte, is made of more pieces than one EXTENDED COPY list admits. Where scattered runs would break
 * that, the plan reads on through the gap behind a piece until the record is full.
 */
import { assert } from '../bytes/errors.ts';
import { type Runs, RunsBuilder, runAt } from '../bytes/extents.ts';
import { alignDown, type Bytes } from '../bytes/units.ts';

export interface ChunkLimits {
  readonly recordSize: Bytes;
  /** Most stored bytes of one chunk; at least one record. */
  readonly storedBytesMax: Bytes;
  /** Most extents of one chunk: bounds its header, its map in memory and its index rows. */
  readonly extentsMax: number;
  /** Pieces (data segments) that one list admits; Infinity: the host moves the data, nothing is widened for it. */
  readonly piecesMax: number;
  /** Bytes that one data segment can move. */
  readonly pieceBytesMax: Bytes;
}

export interface ChunkPlan {
  /** The range of the volume that the chunk stands for. */
  readonly volumeOffset: Bytes;
  readonly byteLength: Bytes;
  /** What is stored of it, as volume addresses. */
  readonly extents: Runs;
  readonly storedBytes: Bytes;
}

/** Extents of one chunk at most: 1.5 MiB of typed arrays, a header of some 3 MB. */
export const CHUNK_EXTENTS_MAX = 100_000;

/**
 * The chunk that begins at volume address `from`.
 * @param runs stored runs of the whole volume (`storedRuns`)
 * @param volumeEnd the volume's size rounded up to whole blocks
 */
export function cutChunk(
  runs: Runs,
  from: Bytes,
  volumeEnd: Bytes,
  volumeBytes: Bytes,
  limits: ChunkLimits,
): ChunkPlan {
  const { recordSize, piecesMax, pieceBytesMax, extentsMax } = limits;
  const storedMax = Math.max(recordSize, alignDown(limits.storedBytesMax, recordSize));
  assert(piecesMax * pieceBytesMax >= recordSize, 'a record does not fit one list');
  const builder = new RunsBuilder();
  let stored = 0;
  let at = from;
  let pieces = 0; // of the open record
  let index = Math.max(0, runAt(runs, from));
  const full = (): boolean => stored === storedMax || (builder.count >= extentsMax && stored % recordSize === 0);
  for (; index < runs.count && !full(); index++) {
    at = Math.max(at, runs.starts[index]);
    const end = runs.starts[index] + runs.lengths[index];
    while (at < end && !full()) {
      const room = recordSize - (stored % recordSize);
      const take = Math.min(pieceLength(room, end - at, piecesMax - pieces, pieceBytesMax), volumeEnd - at);
      builder.add(at, take);
      at += take;
      stored += take;
      pieces = stored % recordSize === 0 ? 0 : pieces + Math.ceil(take / pieceBytesMax);
    }
  }
  const rest = runAt(runs, Math.max(at, from));
  const more = full() && hasStoredAfter(runs, at, rest);
  const rangeEnd = more ? at : volumeBytes;
  return { volumeOffset: from, byteLength: rangeEnd - from, extents: builder.finish(), storedBytes: stored };
}

/** Bytes to take as the next piece: the run's rest, or as much as fills the record when too few pieces would be left to fill it later. */
function pieceLength(room: Bytes, inRun: Bytes, piecesLeft: number, pieceBytesMax: Bytes): Bytes {
  const take = Math.min(room, inRun);
  const after = piecesLeft - Math.ceil(take / pieceBytesMax);
  return Math.ceil((room - take) / pieceBytesMax) <= after ? take : room;
}

function hasStoredAfter(runs: Runs, at: Bytes, index: number): boolean {
  if (index + 1 < runs.count) return true;
  return index >= 0 && runs.starts[index] + runs.lengths[index] > at;
}

/** All chunks of a volume, when every one has the same limits. At least one, also for an empty volume. */
export function* cutChunks(
  runs: Runs,
  volumeEnd: Bytes,
  volumeBytes: Bytes,
  limits: ChunkLimits,
): Generator<ChunkPlan> {
  let from = 0;
  do {
    const chunk = cutChunk(runs, from, volumeEnd, volumeBytes, limits);
    yield chunk;
    from = chunk.volumeOffset + chunk.byteLength;
  } while (from < volumeBytes);
}
