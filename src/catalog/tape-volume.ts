/**
 * A volume read from its chunks on tape, for walking its metadata again when the index file is lost. Slow at random, so it
 * keeps the records last read; a walk in disk order asks for little else.
 *
 * Memory: RECORDS_MAX records.
 */
import { FormatError } from '../bytes/errors.ts';
import { type Runs, runAt } from '../bytes/extents.ts';
import type { ChunkRecord } from '../bytes/manifest.ts';
import type { Bytes } from '../bytes/units.ts';
import type { ReadAt } from '../filesystem/volume.ts';
import type { TapeStation } from '../library/station.ts';
import { RECORD_BYTES_MAX } from '../library/tape-file.ts';

/** A chunk whose header was read from tape. */
export interface ChunkOnTape {
  readonly record: ChunkRecord;
  readonly barcode: string;
  /** Volume addresses. */
  readonly extents: Runs;
}

/** 64 MiB of records of 256 KiB. */
const RECORDS_MAX = 256;

/** Reads zeros where nothing is stored. @throws FormatError where a chunk is missing or a record cannot be read */
export function tapeVolume(
  chunks: readonly ChunkOnTape[],
  recordSize: Bytes,
  byteLength: Bytes,
  station: TapeStation,
): ReadAt {
  const ordered = [...chunks].sort((a, b) => a.record.volumeOffset - b.record.volumeOffset);
  const before = ordered.map(({ extents }) => storedBefore(extents));
  const cache = new Map<string, Uint8Array>();
  let standing: { barcode: string; object: number } | undefined;

  /** Walkers read ahead; the drive does one thing after the other. */
  let turn: Promise<unknown> = Promise.resolve();
  const record = async (barcode: string, object: number): Promise<Uint8Array> => {
    const key = `${barcode} ${object}`;
    const mine = turn.then(() => cache.get(key) ?? read(key, barcode, object));
    turn = mine.catch(() => undefined); // its own caller hears of it
    return mine;
  };

  const read = async (key: string, barcode: string, object: number): Promise<Uint8Array> => {
    if (standing?.barcode !== barcode) await station.load(barcode);
    if (standing?.barcode !== barcode || standing.object !== object) await station.drive.locate(object);
    const buffer = new Uint8Array(Math.min(RECORD_BYTES_MAX, recordSize));
    standing = undefined; // a read that fails leaves it anywhere
    const found = await station.drive.read(buffer);
    standing = { barcode, object: object + 1 };
    if (found.kind !== 'record' || found.length !== recordSize) {
      throw new FormatError('io', `cartridge ${barcode}, object ${object}`, 'the record cannot be read');
    }
    if (cache.size >= RECORDS_MAX) cache.delete(cache.keys().next().value as string);
    cache.set(key, buffer);
    return buffer;
  };

  const copyRun = async (out: Uint8Array, offset: Bytes, index: number, from: Bytes, to: Bytes): Promise<void> => {
    const { record: chunk, barcode, extents } = ordered[index];
    const run = runAt(extents, from);
    const data = chunk.copies[0];
    for (let at = from; at < to; ) {
      const place = before[index][run] + at - extents.starts[run];
      const inRecord = place % recordSize;
      const take = Math.min(to - at, recordSize - inRecord);
      const bytes = await record(barcode, data.dataObject + (place - inRecord) / recordSize);
      out.set(bytes.subarray(inRecord, inRecord + take), at - offset);
      at += take;
    }
  };

  return async (offset, length, signal) => {
    signal?.throwIfAborted();
    if (offset + length > byteLength)
      throw new FormatError('corrupt', 'volume on tape', `bytes ${offset} to ${offset + length} end past it`);
    const out = new Uint8Array(length);
    for (let at = offset; at < offset + length; ) {
      const index = ordered.findLastIndex(({ record: chunk }) => chunk.volumeOffset <= at);
      const chunk = ordered[index]?.record;
      if (chunk === undefined || chunk.volumeOffset + chunk.byteLength <= at) {
        throw new FormatError('io', 'volume on tape', `the chunk that holds byte ${at} is on no cartridge read`);
      }
      const end = Math.min(offset + length, chunk.volumeOffset + chunk.byteLength);
      const { extents } = ordered[index];
      for (let run = Math.max(0, runAt(extents, at)); run < extents.count && extents.starts[run] < end; run++) {
        const from = Math.max(at, extents.starts[run]);
        const to = Math.min(end, extents.starts[run] + extents.lengths[run]);
        if (to > from) await copyRun(out, offset, index, from, to);
      }
      at = end;
    }
    return new DataView(out.buffer);
  };
}

/** Stored bytes before each run. */
function storedBefore(runs: Runs): Float64Array {
  const out = new Float64Array(runs.count);
  for (let i = 1; i < runs.count; i++) out[i] = out[i - 1] + runs.lengths[i - 1];
  return out;
}
