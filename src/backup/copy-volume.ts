/**
 * Copies a volume chunk by chunk, over as many cartridges as it takes, committing as it goes.
 *
 * Invariants
 * - `chunks` tile the volume from 0; the first `committed` of them are before a synchronous mark and in the store.
 * - A chunk that met early warning is given up and planned anew; one that does not fit an empty cartridge is halved.
 * - Memory: one chunk's plan and header, and a record for each chunk (some 300 bytes; 4,500 for 18 TB).
 */
import { FormatError } from '../bytes/errors.ts';
import { clipRuns, type Runs, totalBytes } from '../bytes/extents.ts';
import type { ChunkRecord } from '../bytes/manifest.ts';
import { alignDown, alignUp, type Bytes, GiB, MiB, type TapeFile } from '../bytes/units.ts';
import { chunkRecordOf, readFileAt } from '../catalog/adopt.ts';
import { CHUNK_EXTENTS_MAX, type ChunkLimits, type ChunkPlan, cutChunk } from '../plan/chunk.ts';
import { type ChunkStep, chunkSteps, type DataSegments, dataSegments } from '../plan/copy-lists.ts';
import { chunkHeader, chunkMemberName, chunkTrailer, planDigest } from '../tape/archive/chunk.ts';
import { putChunk, putChunkExtents } from '../tape-index/chunks.ts';
import { putCartridge, putRun } from '../tape-index/records.ts';
import { writeChunk } from './chunk-writer.ts';
import type { BackupEnvironment } from './environment.ts';
import { type BackupRun, nextOffset, recordOf, withCartridge } from './run.ts';
import type { TapeSession } from './tape-session.ts';

export interface CopyOptions {
  readonly recordSize: Bytes;
  /** Most stored bytes of a chunk. */
  readonly chunkBytes: Bytes;
  /** A synchronous mark follows after this much, or after `commitMs`. */
  readonly commitBytes: Bytes;
  readonly commitMs: number;
  readonly volumeBytes: Bytes;
  readonly signal?: AbortSignal;
}

export const CHUNK_BYTES_DEFAULT = 4 * GiB;
/** A synchronous filemark each 4 GiB would stop an LTO-9 for 15 % of the time; each 64 GiB for 1 %. */
export const COMMIT_BYTES_DEFAULT = 64 * GiB;
export const COMMIT_MS_DEFAULT = 10 * 60 * 1000;

/** The drive tells its room in MiB: of smaller cartridges that is worth nothing, and early warning decides. */
const TELLING_CAPACITY = 64 * MiB;

interface WrittenChunk {
  readonly record: ChunkRecord;
  readonly extents: Runs;
  /** For the digest, which is fetched at the commit. */
  readonly tapeFile: TapeFile;
}

export class VolumeCopy {
  readonly #env: BackupEnvironment;
  readonly #session: TapeSession;
  readonly #runs: Runs;
  readonly #options: CopyOptions;
  readonly #data: DataSegments | undefined;
  readonly #totalBytes: Bytes;
  /** Bytes that the index file and the end file will need. */
  readonly #reserve: () => Bytes;
  /** Called before a full cartridge is closed: writes a copy of the index to it. */
  readonly #atCartridgeEnd: (chunks: readonly ChunkRecord[]) => Promise<void>;
  #run: BackupRun;
  #committed: ChunkRecord[] = [];
  #uncommitted: WrittenChunk[] = [];
  #bytesAtCommit = 0;
  #committedAt: number;
  #storedBytes = 0;
  #chunkMax: Bytes;

  constructor(parts: {
    readonly env: BackupEnvironment;
    readonly session: TapeSession;
    readonly run: BackupRun;
    /** Committed chunks of the run so far. */
    readonly chunks: readonly ChunkRecord[];
    readonly runs: Runs;
    readonly options: CopyOptions;
    readonly reserve: () => Bytes;
    readonly atCartridgeEnd: (chunks: readonly ChunkRecord[]) => Promise<void>;
  }) {
    this.#env = parts.env;
    this.#session = parts.session;
    this.#run = parts.run;
    this.#committed = [...parts.chunks];
    this.#runs = parts.runs;
    this.#options = parts.options;
    this.#reserve = parts.reserve;
    this.#atCartridgeEnd = parts.atCartridgeEnd;
    this.#totalBytes = totalBytes(parts.runs);
    this.#committedAt = parts.env.clock();
    this.#chunkMax = parts.options.chunkBytes;
    this.#storedBytes = parts.chunks.reduce((sum, chunk) => sum + chunk.storedBytes, 0);
    this.#data = this.#segments();
  }

  get run(): BackupRun {
    return this.#run;
  }
  get chunks(): readonly ChunkRecord[] {
    return [...this.#committed, ...this.#uncommitted.map(({ record }) => record)];
  }

  /** What the copy manager admits; said aloud when the host must move the data. */
  #segments(): DataSegments | undefined {
    const { env, options } = { env: this.#env, options: this.#options };
    const data = dataSegments(env.mover.limits, env.disk.blockLength, options.recordSize);
    if (data !== undefined && data.segmentsMax * data.pieceBytesMax >= options.recordSize) return data;
    env.report({
      kind: 'note',
      text: `the copy manager's limits do not admit a record of ${options.recordSize} bytes in one list: the host moves the data`,
    });
    return undefined;
  }

  /** Copies everything that is not on tape yet; all of it is committed when this resolves. */
  async copyAll(): Promise<void> {
    do {
      if (!this.#session.isOpen) await this.#session.openNext();
      while (nextOffset(this.chunks) < this.#options.volumeBytes) {
        this.#options.signal?.throwIfAborted();
        await this.#copyNext();
      }
    } while (!(await this.#commitOrAbandon()));
  }

  async #copyNext(): Promise<void> {
    const from = nextOffset(this.chunks);
    const limit = await this.#chunkLimit(from);
    if (limit === undefined) return this.#changeCartridge();
    const plan = this.#plan(from, limit);
    const before = this.#storedBytes;
    const onEmpty = this.#session.isEmpty;
    const outcome = await this.#writePlan(plan);
    if (outcome.kind === 'written') {
      if (this.#commitDue()) await this.#commitOrAbandon();
      return;
    }
    this.#storedBytes = before;
    if (outcome.kind === 'write-error') return this.#abandonCartridge(outcome.words);
    await this.#session.giveUp();
    if (onEmpty) this.#halve(plan);
    // On write-once the fragment stays, and takes the room that the halves would need.
    if (!this.#session.isEmpty) await this.#changeCartridge();
  }

  /** The next chunks are planned as half of one that did not fit an empty cartridge: others will be as small. */
  #halve(plan: ChunkPlan): void {
    const half = alignDown(plan.storedBytes / 2, this.#options.recordSize);
    if (half < this.#options.recordSize) {
      throw new FormatError(
        'io',
        `cartridge ${this.#session.cartridge.barcode}`,
        'too small to hold one chunk; use larger cartridges',
      );
    }
    this.#chunkMax = half;
  }

  /** Stored bytes of the next chunk at most; undefined: not worth beginning on this cartridge. */
  async #chunkLimit(from: Bytes): Promise<Bytes | undefined> {
    const { recordSize } = this.#options;
    const { remaining, capacity } = await this.#session.room();
    if (remaining === undefined || capacity === undefined || capacity < TELLING_CAPACITY) return this.#chunkMax;
    const left = totalBytes(clipRuns(this.#runs, from, Number.MAX_SAFE_INTEGER));
    const room = alignDown(Math.max(0, remaining - this.#reserve() - 4 * recordSize), recordSize);
    const worth = Math.min(alignUp(left, recordSize), Math.max(16 * recordSize, capacity / 64));
    if (room < worth && !this.#session.isEmpty) return undefined;
    return Math.max(recordSize, Math.min(this.#chunkMax, capacity / 4, room));
  }

  #plan(from: Bytes, storedBytesMax: Bytes): ChunkPlan {
    const { volumeBytes, recordSize } = this.#options;
    const limits: ChunkLimits = {
      recordSize,
      storedBytesMax,
      extentsMax: CHUNK_EXTENTS_MAX,
      piecesMax: this.#data?.segmentsMax ?? Number.POSITIVE_INFINITY,
      pieceBytesMax: this.#data?.pieceBytesMax ?? Number.MAX_SAFE_INTEGER,
    };
    return cutChunk(this.#runs, from, alignUp(volumeBytes, this.#env.disk.blockLength), volumeBytes, limits);
  }

  async #writePlan(plan: ChunkPlan): Promise<Awaited<ReturnType<typeof writeChunk>>> {
    const { env, session, options } = { env: this.#env, session: this.#session, options: this.#options };
    const number = this.#committed.length + this.#uncommitted.length;
    await session.standAtAppend();
    const { object: firstObject, file } = await env.station.drive.position();
    const layout = this.#layOut(plan, number);
    const outcome = await writeChunk(layout.steps, firstObject, layout.records + 1, {
      mover: env.mover,
      drive: env.station.drive,
      source: this.run.volume.source,
      disk: env.disk,
      recordSize: options.recordSize,
      moved: (bytes) => this.#moved(bytes),
      ...(options.signal && { signal: options.signal }),
    });
    if (outcome.kind !== 'written') return outcome;
    const copies = [
      {
        cartridge: session.cartridge.id,
        firstObject,
        dataObject: firstObject + layout.headerRecords,
        records: layout.records,
      },
    ];
    const { volumeOffset, byteLength } = plan;
    const { extents, storedBytes } = layout;
    const record = {
      number,
      volumeOffset,
      byteLength,
      storedBytes,
      extentCount: extents.count,
      sha256: null,
      planDigest: layout.digest,
      copies,
    };
    this.#uncommitted.push({ record, extents, tapeFile: file });
    session.advance(firstObject + layout.records + 1);
    return outcome;
  }

  #moved(bytes: Bytes): void {
    this.#storedBytes += bytes;
    this.#env.report({ kind: 'copied', bytes: this.#storedBytes, totalBytes: this.#totalBytes });
  }

  /** A chunk's archive header, its trailer's size and the steps that write it all. */
  #layOut(plan: ChunkPlan, number: number): ChunkLayout {
    const { env, options } = { env: this.#env, options: this.#options };
    const { recordSize } = options;
    const relative = relativeExtents(plan);
    const digest = planDigest({
      volumeOffset: plan.volumeOffset,
      byteLength: plan.byteLength,
      recordSize,
      extents: relative,
    });
    const { set, startedAt, volume } = this.#run;
    const header = chunkHeader({
      recordSize,
      memberName: chunkMemberName(volume.name, startedAt, set, number, plan.volumeOffset),
      realSize: plan.byteLength,
      extents: relative,
      comment: {
        set,
        chunk: number,
        kind: 'full',
        volumeName: volume.name,
        volumeBytes: volume.byteLength,
        volumeOffset: plan.volumeOffset,
        planDigest: digest,
      },
      mtime: Math.floor(Date.parse(startedAt) / 1000),
    });
    const storedBytes = totalBytes(relative);
    const trailer = chunkTrailer(storedBytes, recordSize);
    const steps = chunkSteps({
      extents: plan.extents,
      recordSize,
      header,
      extraRecords: trailer.extraRecords,
      disk: env.disk,
      tape: { designator: env.station.drive.designator },
      limits: env.mover.limits,
    });
    const headerRecords = header.length / recordSize;
    const extents = clipRuns(plan.extents, plan.volumeOffset, plan.volumeOffset + plan.byteLength);
    return { steps, headerRecords, records: headerRecords + trailer.records, digest, extents, storedBytes };
  }

  #commitDue(): boolean {
    const { commitBytes, commitMs } = this.#options;
    return this.#storedBytes - this.#bytesAtCommit >= commitBytes || this.#env.clock() - this.#committedAt >= commitMs;
  }

  /** A synchronous mark on tape, then the chunks and the run in the store, synchronously. Answers whether it could be. */
  async #commitOrAbandon(): Promise<boolean> {
    if (this.#uncommitted.length > 0) {
      const failure = await this.#session.synchronise();
      if (failure !== undefined) {
        await this.#abandonCartridge(failure);
        return false;
      }
      await this.#putCommitted(await this.#withDigests());
    }
    this.#bytesAtCommit = this.#storedBytes;
    this.#committedAt = this.#env.clock();
    this.#env.report({ kind: 'committed', bytes: this.#storedBytes });
    return true;
  }

  async #putCommitted(records: readonly ChunkRecord[]): Promise<void> {
    this.#run = {
      ...this.#run,
      chunkCount: this.#committed.length + records.length,
      cartridges: withCartridge(this.#run.cartridges, this.#session.cartridge),
    };
    const { store, clock } = this.#env;
    const { set } = this.#run;
    for (const [i, { number }] of records.entries())
      await putChunkExtents(store, set, number, this.#uncommitted[i].extents);
    const run = recordOf(this.#run, new Date(clock()).toISOString());
    const rows = records.map((record) => putChunk(set, record));
    await store.batch([...rows, putCartridge(this.#session.committedRecord()), putRun(run)], { sync: true });
    this.#committed.push(...records);
    this.#uncommitted = [];
  }

  async #withDigests(): Promise<ChunkRecord[]> {
    const out: ChunkRecord[] = [];
    for (const { record, tapeFile } of this.#uncommitted) {
      const digest = await this.#env.station.drive.fileDigest(tapeFile);
      out.push({ ...record, sha256: digest === undefined ? null : Buffer.from(digest).toString('hex') });
    }
    return out;
  }

  /** Closes the full cartridge and opens the next. */
  async #changeCartridge(): Promise<void> {
    if (!(await this.#commitOrAbandon())) return;
    await this.#atCartridgeEnd(this.#committed);
    await this.#session.openNext();
  }

  /** A write error: what was committed stays, the rest is written again to the next cartridge. */
  async #abandonCartridge(words: string): Promise<void> {
    const lost = this.#uncommitted.reduce((sum, { record }) => sum + record.storedBytes, 0);
    this.#uncommitted = [];
    this.#storedBytes -= lost;
    this.#bytesAtCommit = this.#storedBytes;
    await this.#session.closeFailed(words);
    await this.#session.openNext();
  }

  /**
   * After a crash: reads forward from the last committed object and keeps the run's whole chunks that lie there.
   * Answers how many.
   */
  async adopt(): Promise<number> {
    const { drive } = this.#env.station;
    const { id, barcode } = this.#session.cartridge;
    let kept = 0;
    for (;;) {
      const object = this.#session.object;
      const found = await readFileAt(drive, barcode, object);
      const number = this.chunks.length;
      if (found.kind !== 'chunk' || found.header.comment.set !== this.#run.set || found.header.comment.chunk !== number)
        break;
      if (found.header.comment.volumeOffset !== nextOffset(this.chunks)) break;
      const { file } = await drive.position();
      const record = chunkRecordOf(found.header, id, object, found.records, null);
      this.#uncommitted.push({
        record,
        extents: shifted(found.header.extents, record.volumeOffset),
        tapeFile: file - 1,
      });
      this.#storedBytes += record.storedBytes;
      this.#session.advance(found.end);
      kept++;
    }
    await this.#session.standAtAppend();
    if (kept > 0) await this.#commitOrAbandon();
    return kept;
  }
}

interface ChunkLayout {
  readonly steps: Iterable<ChunkStep>;
  readonly headerRecords: number;
  readonly records: number;
  readonly digest: string;
  /** Volume addresses, ending with the volume. */
  readonly extents: Runs;
  readonly storedBytes: Bytes;
}

/** Extents relative to the range's start; the last one of an odd-sized volume ends with the volume, not with its block. */
function relativeExtents(plan: ChunkPlan): Runs {
  return shifted(clipRuns(plan.extents, plan.volumeOffset, plan.volumeOffset + plan.byteLength), -plan.volumeOffset);
}

const shifted = (runs: Runs, by: number): Runs => ({
  count: runs.count,
  starts: runs.starts.map((start) => start + by),
  lengths: runs.lengths,
});
