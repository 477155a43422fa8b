/**
 * Where a set's bytes lie on tape: its chunks by volume address, and the runs of volume bytes that each stores.
 * index-format/FORMAT.md, "Chunks" and "Chunk extents".
 */
import { FormatError } from '../bytes/errors.ts';
import type { Runs } from '../bytes/extents.ts';
import { loadCompressor } from './codec.ts';
import { decodeFrame, encodeFrame, REMEDY } from './frame.ts';
import { parseJson, putJson } from './json-row.ts';
import { chunkExtentsKey, chunkKey, getU64, KeyKind, keysOf, setBytes, successor } from './keys.ts';
import type { KvOperation, KvStore } from './kv-store.ts';
import type { ChunkRecord } from './manifest.ts';
import { WireMessage } from './wire-reader.ts';

/** Runs in one page that we write; up to 4096 are read. A look-up decodes one page: measured 6 ms for 4096, 1.5 for 1024. */
export const PAGE_RUNS_MAX = 1024;
const PAGE_RUNS_READ_MAX = 4096;
/** Pages written in one batch. */
const BATCH_PAGES = 64;

const whereOf = (set: string, what: string): string => `set ${set.slice(0, 8)} ${what}`;

/** The rows of a chunk; an earlier record of the same chunk is replaced. */
export function putChunk(set: string, chunk: ChunkRecord): KvOperation {
  return putJson(chunkKey(setBytes(set), chunk.volumeOffset), chunk);
}

/** A part of the volume of which the chunk's record is lost or damaged. */
export interface LostChunk {
  /** One clause, with the remedy. */
  readonly lost: string;
  readonly volumeOffset: number;
  /** Volume byte from which another chunk is known; Infinity: there is none. */
  readonly end: number;
}

/**
 * The chunk that stores byte `volumeOffset` of the volume: one seek.
 * @throws FormatError when its record is lost: the chunks of a set tile the volume
 */
export async function chunkAt(store: KvStore, set: string, volumeOffset: number): Promise<ChunkRecord> {
  const found = await findChunk(store, set, volumeOffset);
  if ('lost' in found) throw new FormatError('corrupt', whereOf(set, `byte ${volumeOffset}`), found.lost);
  return found;
}

/** As `chunkAt`; where the record is lost, how much of the volume that costs. */
export async function findChunk(store: KvStore, set: string, volumeOffset: number): Promise<ChunkRecord | LostChunk> {
  const id = setBytes(set);
  const range = { gte: chunkKey(id, 0), lt: successor(chunkKey(id, volumeOffset)), reverse: true, limit: 1 };
  let from = 0;
  let lost = NOT_THERE;
  for await (const rows of store.scan(range)) {
    for (const [key, value] of rows) {
      const found = readChunk(set, key, value);
      if ('lost' in found) {
        from = found.volumeOffset;
        lost = found.lost;
        continue;
      }
      from = found.volumeOffset + found.byteLength;
      if (volumeOffset < from) return found;
    }
  }
  const above = { gte: successor(chunkKey(id, volumeOffset)), lt: keysOf(KeyKind.chunk, id).lt, limit: 1 };
  for await (const rows of store.scan(above))
    for (const [key] of rows) return { lost, volumeOffset: from, end: getU64(key, 17) };
  return { lost, volumeOffset: from, end: Number.POSITIVE_INFINITY };
}

const NOT_THERE = `no chunk stores it ${REMEDY}`;

/** All chunks in order of address. @throws FormatError when one between two others is lost */
export async function chunks(store: KvStore, set: string): Promise<ChunkRecord[]> {
  return (await listChunks(store, set)).map((chunk) => {
    if ('lost' in chunk) throw new FormatError('corrupt', whereOf(set, `byte ${chunk.volumeOffset}`), chunk.lost);
    return chunk;
  });
}

/** All chunks in order of address, and what is lost between them; behind the last one nothing is missed. */
export async function listChunks(store: KvStore, set: string): Promise<(ChunkRecord | LostChunk)[]> {
  const out: (ChunkRecord | LostChunk)[] = [];
  let end = 0;
  for await (const rows of store.scan(keysOf(KeyKind.chunk, setBytes(set)))) {
    for (const [key, value] of rows) {
      const found = readChunk(set, key, value);
      const at = found.volumeOffset;
      const last = out.at(-1);
      if (last !== undefined && 'lost' in last) out[out.length - 1] = { ...last, end: at };
      else if (at !== end) out.push({ lost: NOT_THERE, volumeOffset: end, end: at });
      if (at < end) continue; // it overlaps the one before: one of the two is wrong
      out.push(found);
      end = 'lost' in found ? at : at + found.byteLength;
    }
  }
  return out;
}

function readChunk(set: string, key: Uint8Array, value: Uint8Array): ChunkRecord | LostChunk {
  try {
    return parseChunk(set, key, value);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { lost: `its chunk's record: ${error.what}`, volumeOffset: getU64(key, 17), end: Number.POSITIVE_INFINITY };
  }
}

function parseChunk(set: string, key: Uint8Array, value: Uint8Array): ChunkRecord {
  const chunk = parseJson<ChunkRecord>(key, value, whereOf(set, `chunk at ${getU64(key, 17)}`));
  if (chunk.volumeOffset !== getU64(key, 17) || !(chunk.byteLength > 0))
    throw new FormatError('corrupt', whereOf(set, `chunk ${chunk.number}`), `its record is out of place ${REMEDY}`);
  return chunk;
}

/** Writes a chunk's extent map; an earlier one of the same chunk is dropped first. */
export async function putChunkExtents(store: KvStore, set: string, number: number, runs: Runs): Promise<void> {
  const compress = await loadCompressor();
  const messages = await import('./messages.ts'); // not for a look-up
  let operations: KvOperation[] = await dropOperations(store, set, number);
  let stored = 0;
  for (let from = 0; from === 0 || from < runs.count; from += PAGE_RUNS_MAX) {
    const to = Math.min(runs.count, from + PAGE_RUNS_MAX);
    const key = chunkExtentsKey(setBytes(set), number, from === 0 ? 0 : runs.starts[from]);
    operations.push({
      type: 'put',
      key,
      value: encodeFrame(key, encodeRuns(messages, runs, from, to, stored), compress),
    });
    for (let i = from; i < to; i++) stored += runs.lengths[i];
    if (operations.length < BATCH_PAGES) continue;
    await store.batch(operations);
    operations = [];
  }
  await store.batch(operations);
}

async function dropOperations(store: KvStore, set: string, number: number): Promise<KvOperation[]> {
  const out: KvOperation[] = [];
  const id = setBytes(set);
  const range = { gte: chunkExtentsKey(id, number, 0), lt: chunkExtentsKey(id, number + 1, 0) };
  for await (const rows of store.scan(range)) for (const [key] of rows) out.push({ type: 'del', key });
  return out;
}

/** All runs that a chunk stores. @throws FormatError when a page is lost or damaged */
export async function chunkExtents(store: KvStore, set: string, number: number): Promise<Runs> {
  const { runs, lost } = await readableExtents(store, set, number);
  if (lost.length > 0) throw new FormatError('corrupt', whereOf(set, `extent map of chunk ${number}`), lost[0].reason);
  return runs;
}

/** What can be read of a chunk's extent map. */
export interface ReadableExtents {
  readonly runs: Runs;
  /** Bytes that the chunk stores before each run. */
  readonly places: Float64Array;
  /** Volume addresses, `to` not included, of which the map is not known; ascending. */
  readonly lost: readonly { readonly from: number; readonly to: number; readonly reason: string }[];
}

/** The chunk's extent map as far as its pages are whole. */
export async function readableExtents(store: KvStore, set: string, number: number): Promise<ReadableExtents> {
  const id = setBytes(set);
  const where = whereOf(set, `extent map of chunk ${number}`);
  const pages: RunsPage[] = [];
  const lost: { from: number; to: number; reason: string }[] = [];
  const lose = (from: number, to: number, reason: string): void => {
    const last = lost.at(-1);
    if (last?.to === from) last.to = to;
    else if (to > from) lost.push({ from, to, reason });
  };
  let next: number | null = 0;
  const range = { gte: chunkExtentsKey(id, number, 0), lt: chunkExtentsKey(id, number + 1, 0) };
  for await (const rows of store.scan(range)) {
    for (const [key, value] of rows) {
      const first = getU64(key, 21);
      if (next === null || first < next) continue; // behind the end of the map, or within a page before
      if (first > next) lose(next, first, `a page is lost ${REMEDY}`);
      try {
        const page = decodeRuns(decodeFrame(key, value, where), where);
        checkPlace(page, first, where);
        pages.push(page);
        next = page.next;
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        // It reaches to wherever the next page begins.
        lose(first, first + 1, error.what);
        next = first + 1;
      }
    }
  }
  if (next !== null) lose(next, Number.POSITIVE_INFINITY, `a page is lost ${REMEDY}`);
  const { runs, places } = joined(pages);
  // A first page that is whole knows the number of all runs.
  if (lost.length === 0 && pages[0].total !== runs.count)
    lose(0, Number.POSITIVE_INFINITY, `${runs.count} runs instead of ${pages[0].total} ${REMEDY}`);
  return { runs, places, lost };
}

function joined(pages: readonly RunsPage[]): { runs: Runs; places: Float64Array } {
  const count = pages.reduce((sum, { runs }) => sum + runs.count, 0);
  const starts = new Float64Array(count);
  const lengths = new Float64Array(count);
  const places = new Float64Array(count);
  let at = 0;
  for (const { runs, storedBefore } of pages) {
    starts.set(runs.starts, at);
    lengths.set(runs.lengths, at);
    let place = storedBefore;
    for (let i = 0; i < runs.count; i++, at++) {
      places[at] = place;
      place += runs.lengths[i];
    }
  }
  return { runs: { count, starts, lengths }, places };
}

/**
 * The page of a chunk's extent map that covers `volumeOffset`, and the stored bytes of the chunk before the page: for
 * the place of one file's extent, without the whole map.
 * @throws FormatError when it is lost or damaged
 */
export async function chunkExtentsAt(
  store: KvStore,
  set: string,
  number: number,
  volumeOffset: number,
): Promise<{ readonly runs: Runs; readonly storedBefore: number; readonly next: number | null }> {
  const id = setBytes(set);
  const where = whereOf(set, `extent map of chunk ${number}`);
  const lt = successor(chunkExtentsKey(id, number, volumeOffset));
  for await (const rows of store.scan({ gte: chunkExtentsKey(id, number, 0), lt, reverse: true, limit: 1 })) {
    for (const [key, value] of rows) {
      const page = decodeRuns(decodeFrame(key, value, where), where);
      checkPlace(page, getU64(key, 21), where);
      if (page.next === null || volumeOffset < page.next) return page;
    }
  }
  throw new FormatError('corrupt', where, `the page that covers byte ${volumeOffset} is lost ${REMEDY}`);
}

interface RunsPage {
  readonly runs: Runs;
  /** Stored bytes of the chunk before the page. */
  readonly storedBefore: number;
  /** Start of the next page's first run. */
  readonly next: number | null;
  /** Runs of the chunk; of the first page only. */
  readonly total: number;
}

function checkPlace(page: RunsPage, first: number, where: string): void {
  if (first !== 0 && page.runs.starts[0] !== first)
    throw new FormatError('corrupt', where, `a page is out of place ${REMEDY}`);
}

/** Field numbers of tape-index.proto, `RunPage`. */
const RunField = { unitShift: 1, gap: 2, length: 3, storedBefore: 4, nextStart: 5, runCount: 6 } as const;

type Messages = typeof import('./messages.ts');

function encodeRuns({ RunPage }: Messages, runs: Runs, from: number, to: number, storedBefore: number): Uint8Array {
  const page = new RunPage();
  let shift = 52;
  for (let i = from; i < to; i++) {
    while (shift > 0 && (runs.starts[i] % 2 ** shift !== 0 || runs.lengths[i] % 2 ** shift !== 0)) shift--;
  }
  const unit = 2 ** (to > from ? shift : 0);
  let end = 0;
  for (let i = from; i < to; i++) {
    page.gap.push((runs.starts[i] - end) / unit);
    page.length.push(runs.lengths[i] / unit);
    end = runs.starts[i] + runs.lengths[i];
  }
  if (to > from && shift > 0) page.unitShift = shift;
  if (storedBefore > 0) page.storedBefore = storedBefore;
  if (to < runs.count) page.nextStart = runs.starts[to];
  if (from === 0 && runs.count > 0) page.runCount = runs.count;
  return RunPage.encode(page).finish();
}

function decodeRuns(raw: Uint8Array, where: string): RunsPage {
  const bad = (what: string, cause?: unknown): FormatError =>
    new FormatError('corrupt', where, `${what} ${REMEDY}`, { cause });
  let page: { unitShift: number; gap: Float64Array; length: Float64Array; storedBefore: number; next: number | null };
  let total: number;
  try {
    const message = new WireMessage(raw);
    page = {
      unitShift: message.number(RunField.unitShift) ?? 0,
      gap: message.varints(RunField.gap),
      length: message.varints(RunField.length),
      storedBefore: message.number(RunField.storedBefore) ?? 0,
      next: message.number(RunField.nextStart) ?? null,
    };
    total = message.number(RunField.runCount) ?? 0;
  } catch (cause) {
    throw bad('is no protobuf message', cause);
  }
  const { gap, length, next } = page;
  const count = gap.length;
  if (count !== length.length || count > PAGE_RUNS_READ_MAX || page.unitShift > 52) throw bad('columns cut');
  const unit = 2 ** page.unitShift;
  const starts = new Float64Array(count);
  const lengths = new Float64Array(count);
  let end = 0;
  for (let i = 0; i < count; i++) {
    starts[i] = end + gap[i] * unit;
    lengths[i] = length[i] * unit;
    end = starts[i] + lengths[i];
    if (!Number.isSafeInteger(end) || lengths[i] === 0 || (i > 0 && gap[i] === 0)) throw bad('runs out of order');
  }
  if (next !== null && !(next > end)) throw bad('next page before this one');
  if (!Number.isSafeInteger(page.storedBefore)) throw bad('more bytes than there are');
  return { runs: { count, starts, lengths }, storedBefore: page.storedBefore, next, total };
}
