/**
 * A set of which no index file can be used: its chunks are found on the cartridges by their headers, and the metadata blocks
 * in them are walked again.
 */
import { FormatError } from '../bytes/errors.ts';
import { type Runs, RunsBuilder, totalBytes } from '../bytes/extents.ts';
import { FORMAT_VERSION, type Manifest } from '../bytes/manifest.ts';
import { fromHex } from '../bytes/random.ts';
import type { Bytes, TapeObject } from '../bytes/units.ts';
import { chunkRecordOf, chunkRecords } from '../catalog/adopt.ts';
import { diskRecordOf, indexVolume } from '../catalog/index-volume.ts';
import { scanForwards } from '../catalog/scan.ts';
import { openSource } from '../catalog/source.ts';
import { type ChunkOnTape, tapeVolume } from '../catalog/tape-volume.ts';
import { openTapeFile } from '../library/tape-file.ts';
import { type ChunkHeader, parseChunkHeader } from '../tape/archive/chunk.ts';
import { putChunkExtents } from '../tape-index/chunks.ts';
import { forgetSet, sealSet } from '../tape-index/sets.ts';
import type { RebuildEnvironment } from './rebuild.ts';

export interface FoundChunk extends ChunkOnTape {
  readonly header: ChunkHeader;
  /** First object behind its filemark. */
  readonly end: TapeObject;
}

/** A cartridge that is known by its label, or by what is on it. */
export interface KnownCartridge {
  readonly id: string;
  readonly barcode: string;
  readonly labelEnd: TapeObject;
}

/** The whole chunks of a set on one cartridge. `damaged`: told of each that cannot be used. */
export async function chunksOn(
  set: string,
  cartridge: KnownCartridge,
  env: RebuildEnvironment,
  damaged: (words: string) => void,
): Promise<FoundChunk[]> {
  const { station } = env;
  const { id, barcode, labelEnd } = cartridge;
  await station.load(barcode);
  const out: FoundChunk[] = [];
  for await (const file of scanForwards(station.drive, barcode, labelEnd)) {
    if (file.what.kind !== 'chunk' || file.what.set !== set) continue;
    const where = `cartridge ${barcode}, object ${file.object}`;
    try {
      const header = await parseChunkHeader(await openTapeFile(station.drive, barcode, file.object), where);
      await station.drive.locate(file.object);
      const closed = (await station.drive.spaceFilemarks(1)) === 0;
      const end = (await station.drive.position()).object;
      const records = chunkRecords(header);
      // A chunk that was given up, or that a crash cut short, was written again elsewhere.
      if (!closed || end !== file.object + records + 1) continue;
      const record = chunkRecordOf(header, id, file.object, records, null);
      const starts = header.extents.starts.map((start) => start + record.volumeOffset);
      out.push({ record, barcode, extents: { ...header.extents, starts }, header, end });
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      damaged(`${error.message}; chunk left out`);
    }
  }
  return out;
}

/**
 * The chunks in volume order, from chunk `first` at volume byte `from` on, as far as they go without a gap. A chunk may be there twice: written, given up with the rest
 * behind the last commit, and written again with another end; of those the one that leads on is taken.
 */
export function tiled(found: readonly FoundChunk[], first = 0, from: Bytes = 0): FoundChunk[] {
  const out: FoundChunk[] = [];
  const starting = (number: number, at: number): FoundChunk[] =>
    found.filter(({ record }) => record.number === number && record.volumeOffset === at);
  for (let at = from; ; ) {
    const number = first + out.length;
    const candidates = starting(number, at);
    const endOf = ({ record }: FoundChunk): number => record.volumeOffset + record.byteLength;
    const leadsOn = (chunk: FoundChunk): boolean =>
      endOf(chunk) === chunk.header.comment.volumeBytes || starting(number + 1, endOf(chunk)).length > 0;
    const next = candidates.findLast(leadsOn) ?? candidates.at(-1);
    if (next === undefined) return out;
    out.push(next);
    at = endOf(next);
    if (at === next.header.comment.volumeBytes) return out;
  }
}

export const isComplete = (chunks: readonly FoundChunk[]): boolean => {
  const last = chunks.at(-1);
  return last !== undefined && last.record.volumeOffset + last.record.byteLength === last.header.comment.volumeBytes;
};

/** Walks the volume that `chunks` (from `tiled`, at least one) hold, and seals the set. @throws FormatError when it cannot be walked */
export async function walkAgain(
  set: string,
  chunks: readonly FoundChunk[],
  env: RebuildEnvironment,
): Promise<Manifest> {
  const { store, note, openers, station, program, signal } = env;
  const [{ header }] = chunks;
  const { volumeName, volumeBytes } = header.comment;
  const stored = extentsOf(chunks);
  const source = await openSource(
    {
      readAt: tapeVolume(chunks, header.recordSize, volumeBytes, station),
      byteLength: volumeBytes,
      source: `the tapes of ${volumeName}`,
      changeMark: '',
      dataRuns: async () => stored,
    },
    openers,
    signal,
  );
  await forgetSet(store, set);
  const startedAt = new Date(header.mtime * 1000).toISOString();
  const indexed = await indexVolume({
    store,
    startedAt,
    note,
    walked: (inodes) => env.at?.(`walking ${volumeName} again, from tape:`, inodes, 'inodes'),
    source,
    stored,
    storedUntil: isComplete(chunks) ? Number.POSITIVE_INFINITY : endOf(chunks),
    set: fromHex(set),
    ...(signal && { signal }),
  });
  for (const { record, extents } of chunks) await putChunkExtents(store, set, record.number, extents);
  const manifest: Manifest = {
    format: FORMAT_VERSION,
    set,
    kind: 'full',
    base: null,
    volume: {
      name: volumeName,
      identity: source.identity,
      byteLength: volumeBytes,
      source: 'walked again from tape',
    },
    snapshot: { provider: 'unknown', consistency: 'unknown' },
    startedAt,
    finishedAt: startedAt,
    program,
    recordSize: header.recordSize,
    filesystems: indexed.filesystems,
    ...diskRecordOf(source),
    storedBytes: chunks.reduce((sum, { record }) => sum + record.storedBytes, 0),
    allocatedBytes: totalBytes(source.allocated),
    indexDigest: indexed.indexDigest,
    indexRows: indexed.indexRows,
    chunks: chunks.map(({ record }) => record),
    cartridges: cartridgesOf(chunks),
    previousIndexObject: null,
    complete: isComplete(chunks),
  };
  await sealSet(store, manifest);
  return manifest;
}

const endOf = (chunks: readonly FoundChunk[]): number =>
  chunks.reduce((end, { record }) => Math.max(end, record.volumeOffset + record.byteLength), 0);

function extentsOf(chunks: readonly FoundChunk[]): Runs {
  const builder = new RunsBuilder();
  for (const { extents } of chunks)
    for (let i = 0; i < extents.count; i++) builder.add(extents.starts[i], extents.lengths[i]);
  return builder.finish();
}

export const cartridgesOf = (chunks: readonly FoundChunk[]): Manifest['cartridges'] => [
  ...new Map(
    chunks.map(({ record, barcode }) => [record.copies[0].cartridge, { id: record.copies[0].cartridge, barcode }]),
  ).values(),
];
