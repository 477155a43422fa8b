/**
 * A full backup of one volume: walk and copy side by side, then the index file, then the seal.
 *
 * Write order: chunks, index file, synchronous mark, seal (a synchronous write of the store). A set is visible only when
 * sealed, so a crash at any write leaves either the whole set or a run that can go on.
 */
import { FormatError } from '../bytes/errors.ts';
import { type Runs, totalBytes } from '../bytes/extents.ts';
import { type ChunkRecord, FORMAT_VERSION, type Manifest, type VolumeIdentity } from '../bytes/manifest.ts';
import { fromHex, toHex } from '../bytes/random.ts';
import { alignUp, type Bytes, MiB } from '../bytes/units.ts';
import { diskRecordOf, type IndexedVolume, indexVolume, type TextParts } from '../catalog/index-volume.ts';
import { inodeEstimateOf, notIndexedReason, type VolumeSource } from '../catalog/source.ts';
import { GAP_BYTES_DEFAULT, storedRuns } from '../plan/stored-runs.ts';
import { chunks as chunksOf } from '../tape-index/chunks.ts';
import { dropRun, listRuns, putCartridge, putRun } from '../tape-index/records.ts';
import { getSet, listSets, sealSet, wholeManifest } from '../tape-index/sets.ts';
import { abandonRun } from './abandon.ts';
import { CHUNK_BYTES_DEFAULT, COMMIT_BYTES_DEFAULT, COMMIT_MS_DEFAULT, VolumeCopy } from './copy-volume.ts';
import type { BackupEnvironment } from './environment.ts';
import { writeEndCopy, writeIndexFile } from './index-file.ts';
import { type BackupRun, newRun, recordOf, runOf, withCartridge } from './run.ts';
import { TapeSession } from './tape-session.ts';

/** Keeps the text twin until the index file is written. */
export interface TextSpool extends TextParts {
  parts(): AsyncIterable<Uint8Array>;
}

export interface BackupRequest {
  readonly source: VolumeSource;
  /** The user's name for the volume; missing: the one it had before, else the filesystem's label or the file's name. */
  readonly name?: string;
  readonly recordSize: Bytes;
  readonly chunkBytes?: Bytes;
  readonly commitBytes?: Bytes;
  readonly barcodes?: readonly string[];
  readonly pool?: string;
  /** Refuse a volume whose files cannot be indexed. */
  readonly requireIndex?: boolean;
  readonly snapshot: { readonly provider: string; readonly consistency: string };
  readonly spool: TextSpool;
  readonly signal?: AbortSignal;
}

export interface BackupResult {
  readonly manifest: Manifest;
  readonly resumed: boolean;
  /** Something could not be backed up or indexed exactly. */
  readonly partial: boolean;
}

/** About what an index row and a line of text cost on tape, per inode: for the room that is kept free. */
const INDEX_BYTES_PER_INODE = 64;

/** @throws FormatError when it cannot be done; what is on tape by then stays, and the same call goes on with it */
export async function backupVolume(request: BackupRequest, env: BackupEnvironment): Promise<BackupResult> {
  const { source } = request;
  if (request.requireIndex) refuseUnlessIndexed(source);
  const stored = runsToStore(source, env.disk.blockLength);
  const run = await beginRun(request, env);
  const job = new BackupJob(request, env, run, stored);
  return (await job.resumeTape()) ?? job.finish(await job.copyAndIndex());
}

/** @throws FormatError `unsupported` when its files cannot be indexed */
export function refuseUnlessIndexed(source: VolumeSource): void {
  const reason = notIndexedReason(source);
  if (reason === null) return;
  const what = `cannot be indexed: ${reason}; leave --require-index out to back it up whole`;
  throw new FormatError('unsupported', source.volume.source, what);
}

/** Most bytes of a label, an end file, the store's own files, and the least that an index takes. */
const OVERHEAD_BYTES = 4 * MiB;

/** About what a backup will write, on tape and to the index: less what a run that can go on has on tape already. */
export async function neededBytes(
  { source, recordSize }: Pick<BackupRequest, 'source' | 'recordSize'>,
  { store, disk }: Pick<BackupEnvironment, 'store' | 'disk'>,
): Promise<Bytes> {
  const stored = totalBytes(runsToStore(source, disk.blockLength));
  const index = inodeEstimateOf(source) * INDEX_BYTES_PER_INODE * 2;
  let kept = 0;
  for (const run of (await listRuns(store)).map(runOf)) {
    if (run.volume.identity !== source.identity) continue;
    const chunks = await whyAnew(run, { source, recordSize }, { store });
    if (typeof chunks !== 'string') kept += chunks.reduce((sum, chunk) => sum + chunk.storedBytes, 0);
  }
  return Math.max(0, stored - kept) + index + OVERHEAD_BYTES;
}

const runsToStore = ({ allocated, volume }: VolumeSource, blockLength: Bytes): Runs =>
  storedRuns(allocated, { volumeBytes: volume.byteLength, blockLength, gapBytes: GAP_BYTES_DEFAULT });

interface BegunRun {
  readonly run: BackupRun;
  readonly chunks: readonly ChunkRecord[];
  readonly resumed: boolean;
}

/** Goes on with the run that a crash left, if the volume is unchanged, or begins a new one. */
async function beginRun(request: BackupRequest, env: BackupEnvironment): Promise<BegunRun> {
  const { source, recordSize } = request;
  const runs = (await listRuns(env.store)).map(runOf);
  for (const run of runs.filter((one) => one.volume.identity === source.identity)) {
    if ((await getSet(env.store, run.set)) !== undefined) {
      await env.store.batch([dropRun(run.set)], { sync: true });
      continue;
    }
    if (run.pid !== process.pid && env.isAtWork?.(run.pid) === true) {
      const words = `process ${run.pid} has been backing it up since ${run.startedAt}; wait for it to end`;
      throw new FormatError('io', source.volume.source, words);
    }
    const anew = await whyAnew(run, request, env);
    if (typeof anew !== 'string') return { run: { ...run, pid: process.pid }, chunks: anew, resumed: true };
    env.report({ kind: 'note', text: `${anew} since the run of ${run.startedAt} stopped: beginning anew` });
    await abandonRun(env.store, run.set);
  }
  const name = request.name ?? (await nameBefore(source.identity, env)) ?? source.defaultName;
  const volume: VolumeIdentity = {
    name,
    identity: source.identity,
    byteLength: source.volume.byteLength,
    source: source.volume.source,
  };
  const run = newRun(
    toHex(env.random(16)),
    new Date(env.clock()).toISOString(),
    volume,
    request.snapshot,
    source.fingerprint,
    recordSize,
  );
  await env.store.batch([putRun(recordOf(run, new Date(env.clock()).toISOString()))], { sync: true });
  return { run, chunks: [], resumed: false };
}

/** The committed chunks of a run that can go on, or why it cannot. */
async function whyAnew(
  run: BackupRun,
  { source, recordSize }: Pick<BackupRequest, 'source' | 'recordSize'>,
  { store }: Pick<BackupEnvironment, 'store'>,
): Promise<readonly ChunkRecord[] | string> {
  if (run.fingerprint !== source.fingerprint) return 'the volume has changed';
  if (run.recordSize !== recordSize) return 'another record size is asked for';
  try {
    const chunks = await chunksOf(store, run.set);
    return chunks.length === run.chunkCount ? chunks : 'records of its chunks were lost';
  } catch (error) {
    if (error instanceof FormatError) return 'records of its chunks were lost';
    throw error;
  }
}

/** The name that the volume's last set gave it: a name lasts. */
async function nameBefore(identity: string, env: BackupEnvironment): Promise<string | undefined> {
  const sets = await listSets(env.store);
  return sets.filter(({ manifest }) => manifest.volume.identity === identity).at(-1)?.manifest.volume.name;
}

class BackupJob {
  readonly #request: BackupRequest;
  readonly #env: BackupEnvironment;
  readonly #session: TapeSession;
  readonly #copy: VolumeCopy;
  readonly #begun: BegunRun;
  readonly #stored: Runs;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #indexed: Promise<IndexedVolume> | undefined;

  constructor(request: BackupRequest, env: BackupEnvironment, begun: BegunRun, stored: Runs) {
    const { signal } = this.#stop;
    this.#signal = request.signal === undefined ? signal : AbortSignal.any([signal, request.signal]);
    this.#request = request;
    this.#env = env;
    this.#begun = begun;
    this.#stored = stored;
    this.#session = new TapeSession(env, {
      recordSize: request.recordSize,
      barcodes: request.barcodes ?? [],
      pool: request.pool ?? 'default',
    });
    this.#copy = new VolumeCopy({
      env,
      session: this.#session,
      run: begun.run,
      chunks: begun.chunks,
      runs: stored,
      options: {
        recordSize: request.recordSize,
        chunkBytes: request.chunkBytes ?? CHUNK_BYTES_DEFAULT,
        commitBytes: request.commitBytes ?? COMMIT_BYTES_DEFAULT,
        commitMs: COMMIT_MS_DEFAULT,
        volumeBytes: request.source.volume.byteLength,
        signal: this.#signal,
      },
      reserve: () => alignUp(2 * MiB + inodeEstimateOf(request.source) * INDEX_BYTES_PER_INODE, MiB),
      atCartridgeEnd: (chunks) => this.#endCartridge(chunks),
    });
  }

  /** Walk and copy run side by side; either's failure stops both, and both have ended when this is left. */
  async copyAndIndex(): Promise<IndexedVolume> {
    const { run, resumed } = this.#begun;
    const total = totalBytes(this.#stored);
    this.#env.report({ kind: 'phase', phase: 'copy' });
    const chunksKept = this.#copy.chunks.length;
    this.#env.report({ kind: 'start', set: run.set, resumed, totalBytes: total, chunksKept });
    const indexed = this.#index();
    this.#indexed = indexed;
    const copied = this.#copy.copyAll();
    let first: { readonly error: unknown } | undefined;
    const stop = (error: unknown): void => {
      first ??= { error };
      this.#stop.abort(error);
    };
    await Promise.allSettled([indexed.catch(stop), copied.catch(stop)]);
    if (first !== undefined) throw first.error;
    return indexed;
  }

  async #index(): Promise<IndexedVolume> {
    const { env, request } = { env: this.#env, request: this.#request };
    const indexed = await indexVolume({
      store: env.store,
      startedAt: this.#begun.run.startedAt,
      walked: (inodes, inodeEstimate) => env.report({ kind: 'walked', inodes, inodeEstimate }),
      note: (text) => env.report({ kind: 'note', text }),
      source: request.source,
      stored: this.#stored,
      set: fromHex(this.#begun.run.set),
      text: request.spool,
      signal: this.#signal,
    });
    env.report({ kind: 'phase', phase: 'walked' });
    return indexed;
  }

  /**
   * Goes on where a killed run was: loads its cartridge and keeps what is whole on it. Answers the set when even its index
   * file is, and only the seal had been missing.
   */
  async resumeTape(): Promise<BackupResult | undefined> {
    const { run, resumed } = this.#begun;
    if (!resumed) return undefined;
    const last = run.cartridges.at(-1);
    if (last !== undefined) await this.#session.reopenIfAppendable(last.id);
    if (!this.#session.isOpen) await this.#session.openNext();
    const sealed = await getSet(this.#env.store, run.set);
    if (sealed === undefined) {
      await this.#copy.adopt();
      return undefined;
    }
    const manifest = await wholeManifest(this.#env.store, sealed);
    return { manifest, resumed, partial: isPartial(manifest) };
  }

  async #endCartridge(chunks: readonly ChunkRecord[]): Promise<void> {
    const indexed = await this.#indexed;
    if (indexed === undefined) throw new Error('a cartridge ended before the walk began');
    const { barcode } = this.#session.cartridge;
    this.#env.report({ kind: 'note', text: `cartridge ${barcode} is full` });
    await writeEndCopy(this.#manifest(indexed, chunks), this.#parts());
  }

  #parts(): { env: BackupEnvironment; session: TapeSession; text: () => AsyncIterable<Uint8Array> } {
    return { env: this.#env, session: this.#session, text: () => this.#request.spool.parts() };
  }

  #manifest(indexed: IndexedVolume, chunks: readonly ChunkRecord[]): Manifest {
    const { run } = this.#copy;
    const { request, env } = { request: this.#request, env: this.#env };
    return {
      format: FORMAT_VERSION,
      set: run.set,
      kind: 'full',
      base: null,
      volume: run.volume,
      snapshot: request.snapshot,
      startedAt: run.startedAt,
      finishedAt: new Date(env.clock()).toISOString(),
      program: env.program,
      recordSize: run.recordSize,
      filesystems: indexed.filesystems,
      ...diskRecordOf(request.source),
      storedBytes: chunks.reduce((sum, chunk) => sum + chunk.storedBytes, 0),
      allocatedBytes: totalBytes(request.source.allocated),
      indexDigest: indexed.indexDigest,
      indexRows: indexed.indexRows,
      chunks,
      cartridges: withCartridge(run.cartridges, this.#session.cartridge),
      previousIndexObject: null,
      complete: true,
    };
  }

  /** Index file, then the seal. */
  async finish(indexed: IndexedVolume): Promise<BackupResult> {
    this.#env.report({ kind: 'phase', phase: 'index' });
    const manifest = await writeIndexFile(this.#manifest(indexed, this.#copy.chunks), this.#parts());
    this.#env.report({ kind: 'phase', phase: 'seal' });
    await sealSet(this.#env.store, manifest, [putCartridge(this.#session.committedRecord()), dropRun(manifest.set)]);
    return { manifest, resumed: this.#begun.resumed, partial: isPartial(manifest) };
  }
}

const isPartial = ({ filesystems }: Manifest): boolean =>
  filesystems.some(({ reason, problems }) => reason !== null || problems > 0);
