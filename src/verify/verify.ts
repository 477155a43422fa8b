/**
 * `reelmap verify`: reads a set back from tape and says, byte by byte of the volume and file by file, what is proven and what
 * is lost. What cannot be read at all (a cartridge that is not there) is told apart from what is damaged.
 */
import { FormatError } from '../bytes/errors.ts';
import type { ChunkCopy, ChunkRecord } from '../bytes/manifest.ts';
import type { Bytes } from '../bytes/units.ts';
import type { ReadAt } from '../filesystem/volume.ts';
import { ScsiError } from '../initiator/scsi-error.ts';
import type { TapeStation } from '../library/station.ts';
import { listChunks, readableExtents } from '../tape-index/chunks.ts';
import type { IndexEntry } from '../tape-index/entry.ts';
import type { KvStore } from '../tape-index/kv-store.ts';
import { PROOF_LEVELS, type ProofLevel, type ProvenRange, proofRank } from '../tape-index/proofs.ts';
import type { SetIndex } from '../tape-index/reader.ts';
import { getCartridge } from '../tape-index/records.ts';
import { openSet, type StoredSet } from '../tape-index/sets.ts';
import { type Finding, findingText } from './finding.ts';
import { bestOf, type Tiling, tile } from './proof-map.ts';
import { type VerifiedCopy, verifyCopy } from './verify-chunk.ts';
import { verifyDocuments } from './verify-documents.ts';

export interface VerifyRequest {
  readonly store: KvStore;
  readonly set: StoredSet;
  readonly station: TapeStation;
  /** The volume, unchanged since the backup, to compare with. */
  readonly against?: ReadAt;
  /** Now, ISO 8601: the date of what is found. */
  readonly at: string;
  readonly progress: (done: Bytes, total: Bytes) => void;
  /** Entries looked at for damage, once the tape is read. */
  readonly looked?: (entries: number) => void;
  readonly signal?: AbortSignal;
}

export interface AffectedFile {
  /** Names from the root. */
  readonly path: readonly Uint8Array[];
  readonly filesystem: number;
  readonly inode: number;
  readonly reason: string;
}

/** Bytes of the volume that could not be read now, and may be well. */
export interface UnreadRange {
  readonly volumeOffset: Bytes;
  readonly byteLength: Bytes;
  readonly reason: string;
}

export interface VerifyResult {
  /** The weakest of all bytes that were read. */
  readonly level: ProofLevel;
  readonly records: number;
  readonly bytes: Bytes;
  /** At most FINDINGS_MAX and a few. */
  readonly findings: readonly Finding[];
  readonly unread: readonly UnreadRange[];
  /** Proofs of all that was read, ascending and apart. */
  readonly proven: Tiling;
  /** Names with bytes that no copy gives; at most FILES_MAX are listed. */
  readonly files: readonly AffectedFile[];
  readonly fileCount: number;
  /** What it was stopped with before its end. */
  readonly stopped?: unknown;
}

export const FILES_MAX = 10_000;
/** Findings kept; of more, each chunk has one for all that follows in it. */
const FINDINGS_MAX = 100_000;

/** Reads every copy of every chunk, and the label and index of each cartridge, in the order of the tape. */
export async function verifySet(request: VerifyRequest): Promise<VerifyResult> {
  const job = new Verification(request);
  try {
    await job.run();
  } catch (error) {
    if (request.signal?.aborted !== true) throw error;
    return job.result(error);
  }
  return job.result();
}

interface PlacedCopy {
  readonly chunk: ChunkRecord;
  readonly copy: ChunkCopy;
}

/** Trouble with one device or cartridge, not with the verification. */
const isDeviceError = (error: unknown): error is Error => error instanceof ScsiError || error instanceof FormatError;

class Verification {
  readonly #request: VerifyRequest;
  readonly #findings: Finding[] = [];
  readonly #unread: UnreadRange[] = [];
  /** By chunk number. */
  readonly #proven = new Map<number, Tiling>();
  #records = 0;
  #bytes = 0;
  #done = 0;
  #total = 0;

  constructor(request: VerifyRequest) {
    this.#request = request;
  }

  async run(): Promise<void> {
    const { store, set } = this.#request;
    const { manifest } = set;
    const chunks: ChunkRecord[] = [];
    for (const chunk of await listChunks(store, manifest.set)) {
      if (!('lost' in chunk)) chunks.push(chunk);
      else
        this.#cannotRead(
          chunk.volumeOffset,
          Math.min(chunk.end, manifest.volume.byteLength),
          `the index: ${chunk.lost}`,
        );
    }
    this.#total = chunks.reduce((sum, { copies }) => sum + copies.reduce((all, one) => all + one.records, 0), 0);
    this.#total *= manifest.recordSize;
    for (const { id, barcode } of manifest.cartridges) await this.#cartridge(id, barcode, copiesOn(chunks, id));
  }

  /** All of the set that lies on one cartridge. */
  async #cartridge(id: string, barcode: string, copies: readonly PlacedCopy[]): Promise<void> {
    const { station, store, set, signal } = this.#request;
    signal?.throwIfAborted();
    let next = 0;
    try {
      await station.load(barcode);
      for (; next < copies.length; next++) await this.#copy(copies[next], barcode);
      const behind = copies.reduce((end, { copy }) => Math.max(end, copy.firstObject + copy.records + 1), 0);
      const record = await getCartridge(store, id).catch(noneIfDamaged);
      const documents = { set: set.manifest, cartridge: id, barcode, record, behind, ...(signal && { signal }) };
      this.#findings.push(...(await verifyDocuments(station.drive, documents)));
    } catch (error) {
      if (!isDeviceError(error)) throw error;
      // The drive or the cartridge as a whole: what was not read of it may be well.
      for (const { chunk } of copies.slice(next))
        this.#cannotRead(chunk.volumeOffset, chunk.volumeOffset + chunk.byteLength, error.message);
      if (next >= copies.length) this.#cannotRead(0, 0, error.message);
    }
  }

  async #copy({ chunk, copy }: PlacedCopy, barcode: string): Promise<void> {
    const { store, set, station, against, signal } = this.#request;
    const map = await readableExtents(store, set.manifest.set, chunk.number);
    const found = await verifyCopy(station.drive, {
      set: set.manifest.set,
      chunk,
      copy,
      barcode,
      recordSize: set.manifest.recordSize,
      extents: map.lost.length === 0 ? map.runs : undefined,
      ...(against && { against }),
      progress: (read) => {
        this.#done += read;
        this.#request.progress(this.#done, this.#total);
      },
      ...(signal && { signal }),
    });
    this.#records += found.records;
    this.#bytes += found.bytes;
    const findings = this.#findings.length < FINDINGS_MAX ? found.findings : shortened(found.findings, chunk);
    this.#findings.push(...findings);
    const tiling = this.#tilingOf(chunk, { ...found, findings });
    const other = this.#proven.get(chunk.number);
    this.#proven.set(chunk.number, other === undefined ? tiling : bestOf(other, tiling));
  }

  #tilingOf({ volumeOffset, byteLength }: ChunkRecord, { findings, level }: VerifiedCopy): ProvenRange[] {
    const { at } = this.#request;
    const exceptions = findings
      .filter((one) => one.kind === 'content' || one.kind === 'differs')
      .map((one): ProvenRange => {
        // What differs from the volume has its chunk's right hash.
        const proof = { level: one.kind === 'content' ? ('damaged' as const) : ('hash-equal' as const), at };
        return { ...proof, from: one.volumeOffset, to: one.volumeOffset + one.byteLength, reason: findingText(one) };
      });
    return tile(volumeOffset, volumeOffset + byteLength, { level, at, reason: null }, exceptions);
  }

  #cannotRead(from: Bytes, to: Bytes, reason: string): void {
    const last = this.#unread.at(-1);
    if (last !== undefined && last.volumeOffset + last.byteLength === from && last.reason === reason)
      this.#unread[this.#unread.length - 1] = { ...last, byteLength: to - last.volumeOffset };
    else this.#unread.push({ volumeOffset: from, byteLength: to - from, reason });
  }

  async result(stopped?: unknown): Promise<VerifyResult> {
    const { store, set } = this.#request;
    const proven = [...this.#proven.values()].flat().sort((a, b) => a.from - b.from);
    const lost = proven.filter(({ level }) => level === 'damaged');
    const index = lost.length === 0 ? undefined : await openSet(store, set).catch(noneIfDamaged);
    const affected =
      index === undefined
        ? { files: [], fileCount: 0 }
        : await affectedFiles(index, this.#request, lost, stopped === undefined);
    const read = proven.filter(({ level }) => level !== 'damaged');
    const rank = read.reduce((least, one) => Math.min(least, proofRank(one)), PROOF_LEVELS.length - 1);
    return {
      level: lost.length > 0 ? 'damaged' : read.length === 0 ? 'unread' : PROOF_LEVELS[rank],
      records: this.#records,
      bytes: this.#bytes,
      findings: this.#findings,
      unread: this.#unread.flatMap((one) => withoutProven(one, proven)),
      proven,
      ...affected,
      ...(stopped !== undefined && { stopped }),
    };
  }
}

/** Damage of the index is told by its own check. */
function noneIfDamaged(error: unknown): undefined {
  if (!(error instanceof FormatError)) throw error;
}

/** The copies on one cartridge, ascending by object. */
const copiesOn = (chunks: readonly ChunkRecord[], cartridge: string): PlacedCopy[] =>
  chunks
    .flatMap((chunk) => chunk.copies.filter((copy) => copy.cartridge === cartridge).map((copy) => ({ chunk, copy })))
    .sort((a, b) => a.copy.firstObject - b.copy.firstObject);

/** What is left of an unread range: another copy may have been read. */
function withoutProven(range: UnreadRange, proven: Tiling): UnreadRange[] {
  const end = range.volumeOffset + range.byteLength;
  if (end === range.volumeOffset) return [range];
  const out: UnreadRange[] = [];
  let at = range.volumeOffset;
  const until = (to: Bytes): void => {
    if (to > at) out.push({ ...range, volumeOffset: at, byteLength: to - at });
  };
  for (let i = firstEndingBehind(proven, at); i < proven.length && proven[i].from < end; i++) {
    until(proven[i].from);
    at = Math.max(at, proven[i].to);
  }
  until(end);
  return out;
}

/** The first content finding, for all of the chunk that follows, and a few of the others. */
function shortened(findings: readonly Finding[], { volumeOffset, byteLength }: ChunkRecord): Finding[] {
  const first = findings.find(({ kind }) => kind === 'content');
  const others = findings.filter(({ kind }) => kind !== 'content').slice(0, 1);
  if (first === undefined) return others;
  const reason = `${first.reason}; so much of the set is damaged that all that follows in the chunk counts as damaged`;
  return [{ ...first, reason, byteLength: volumeOffset + byteLength - first.volumeOffset }, ...others];
}

/** Every name with content in a lost range. Reads the whole index; called only when something is lost. */
async function affectedFiles(
  index: SetIndex,
  { set: { manifest }, looked, signal }: VerifyRequest,
  lost: Tiling,
  interruptible: boolean, // not again, when it was stopped before
): Promise<{ files: AffectedFile[]; fileCount: number }> {
  const files: AffectedFile[] = [];
  let fileCount = 0;
  let count = 0;
  for (const { number, indexed, path = '' } of manifest.filesystems) {
    const above = path
      .split('/')
      .slice(1)
      .map((name) => Buffer.from(name));
    const root = indexed ? await index.root(number).catch(noneIfDamaged) : undefined;
    if (root === undefined) continue;
    for await (const { parents, entries } of index.walk(root, () => {})) {
      if (interruptible) signal?.throwIfAborted();
      count += entries.length;
      looked?.(count);
      for (const entry of entries) {
        const range = damageOf(entry, lost);
        if (range === undefined) continue;
        fileCount++;
        if (files.length >= FILES_MAX) continue;
        const { filesystem, inode } = entry;
        files.push({ path: [...above, ...parents, entry.name], filesystem, inode, reason: range.reason ?? 'damaged' });
      }
    }
  }
  return { files, fileCount };
}

/** The first lost range that has content of the entry. */
function damageOf(entry: IndexEntry, lost: Tiling): ProvenRange | undefined {
  for (const { kind, fileOffset, volumeOffset, byteLength } of entry.extents) {
    const length = Math.min(byteLength, entry.size - fileOffset);
    if ((kind !== 'stored' && kind !== 'escaped') || length <= 0) continue;
    const hit = lost[firstEndingBehind(lost, volumeOffset)];
    if (hit !== undefined && hit.from < volumeOffset + length) return hit;
  }
  return undefined;
}

/** Index of the first range that ends behind `at`. */
function firstEndingBehind(ranges: Tiling, at: Bytes): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle].to > at) high = middle;
    else low = middle + 1;
  }
  return low;
}
