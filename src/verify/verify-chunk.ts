/**
 * Reads one copy of a chunk back from tape: record checksums, archive structure, hash, and content against the volume.
 *
 * A damaged header costs no content: what lies where the index knows too, and the index's map then serves.
 */
import { createHash } from 'node:crypto';
import { FormatError } from '../bytes/errors.ts';
import type { Runs } from '../bytes/extents.ts';
import type { ChunkCopy, ChunkRecord } from '../bytes/manifest.ts';
import type { Bytes } from '../bytes/units.ts';
import type { ReadAt } from '../filesystem/volume.ts';
import type { TapeDrive } from '../initiator/tape-drive.ts';
import { RECORD_BYTES_MAX } from '../library/tape-file.ts';
import { type ChunkHeader, parseChunkHeader } from '../tape/archive/chunk.ts';
import type { ProofLevel } from '../tape-index/proofs.ts';
import type { Finding } from './finding.ts';

export interface VerifiedCopy {
  /** Content ones ascend by volume address and are apart. At most FINDINGS_MAX and a few. */
  readonly findings: readonly Finding[];
  /** How well all bytes are proven that no finding is about. */
  readonly level: ProofLevel;
  readonly records: number;
  readonly bytes: Bytes;
}

export interface CopyToVerify {
  readonly set: string;
  readonly chunk: ChunkRecord;
  readonly copy: ChunkCopy;
  readonly barcode: string;
  readonly recordSize: Bytes;
  /** The chunk's extent map as the index has it, in volume addresses; undefined: it is lost. */
  readonly extents: Runs | undefined;
  /** The volume as it was backed up, to compare with. */
  readonly against?: ReadAt;
  readonly progress: (bytes: Bytes) => void;
  readonly signal?: AbortSignal;
}

/** Findings named for one copy; then one more stands for all that follows, which counts as damaged. */
const FINDINGS_MAX = 10_000;

export function verifyCopy(drive: TapeDrive, request: CopyToVerify): Promise<VerifiedCopy> {
  return new CopyVerifier(drive, request).run();
}

class CopyVerifier {
  readonly #drive: TapeDrive;
  readonly #request: CopyToVerify;
  readonly #buffer = new Uint8Array(RECORD_BYTES_MAX);
  readonly #hash = createHash('sha256');
  readonly #content: Finding[] = [];
  readonly #differing: Finding[] = [];
  readonly #archive: Finding[] = [];
  /** Volume addresses, in the order of the stored bytes. */
  #extents: Runs = { count: 0, starts: new Float64Array(0), lengths: new Float64Array(0) };
  #hashable = true;
  #records = 0;
  #run = 0;
  #inRun = 0;
  #overflown = false;

  constructor(drive: TapeDrive, request: CopyToVerify) {
    this.#drive = drive;
    this.#request = request;
  }

  async run(): Promise<VerifiedCopy> {
    const { copy } = this.#request;
    if (!(await this.#drive.locate(copy.firstObject))) return this.#nothing('past the end of data');
    const wrong = await this.#header();
    if (wrong !== undefined) return this.#nothing(wrong);
    while (this.#records < copy.records) {
      this.#request.signal?.throwIfAborted();
      if (!(await this.#record())) return this.#result();
    }
    const end = await this.#drive.read(this.#buffer);
    if (end.kind !== 'filemark')
      this.#note('the archive does not end with a filemark where the index says', copy.firstObject + this.#records);
    return this.#result();
  }

  /** Reads the archive's header. Answers why nothing of the chunk can be believed. */
  async #header(): Promise<string | undefined> {
    const { copy, barcode, chunk, extents } = this.#request;
    let header: ChunkHeader;
    try {
      const where = `cartridge ${barcode}, object ${copy.firstObject}`;
      header = await parseChunkHeader(async () => this.#headerRecord(), where);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#hashable = false;
      if (extents === undefined) return `its header: ${error.what}; and its map in the index is lost`;
      this.#note(`the archive's header: ${error.what}; tar and restore.py cannot read this chunk`, copy.firstObject);
      this.#extents = extents;
      this.#records = copy.dataObject - copy.firstObject;
      return (await this.#drive.locate(copy.dataObject)) ? undefined : 'past the end of data';
    }
    const starts = header.extents.starts.map((start) => start + chunk.volumeOffset);
    this.#extents = { ...header.extents, starts };
    return this.#headerProblem(header);
  }

  async #headerRecord(): Promise<Uint8Array | undefined> {
    const { barcode, copy } = this.#request;
    const read = await this.#drive.read(this.#buffer);
    if (read.kind === 'damaged') {
      const where = `cartridge ${barcode}, object ${copy.firstObject + this.#records}`;
      throw new FormatError('io', where, 'the record is damaged');
    }
    if (read.kind !== 'record') return undefined;
    this.#records++;
    this.#hash.update(read.data);
    return read.data;
  }

  #headerProblem(header: ChunkHeader): string | undefined {
    const { set, chunk, copy, recordSize } = this.#request;
    if (header.comment.set !== set || header.comment.chunk !== chunk.number)
      return `another chunk is there: set ${header.comment.set.slice(0, 8)}, chunk ${header.comment.chunk}`;
    if (header.comment.planDigest !== chunk.planDigest || header.storedBytes !== chunk.storedBytes)
      return 'its map is not the one that the index knows';
    if (header.recordSize !== recordSize) return `records of ${header.recordSize} bytes`;
    if (header.headerRecords !== copy.dataObject - copy.firstObject) return 'data begins elsewhere than the index says';
    return undefined;
  }

  /** Reads and checks the next record. Answers false at the end of what there is. */
  async #record(): Promise<boolean> {
    const { copy, chunk, recordSize } = this.#request;
    const object = copy.firstObject + this.#records;
    const place = (object - copy.dataObject) * recordSize;
    const read = await this.#drive.read(this.#buffer);
    this.#records++;
    switch (read.kind) {
      case 'record':
        this.#hash.update(read.data);
        if (read.length !== recordSize) {
          this.#lose(place, recordSize, object, `a record of ${read.length} bytes`);
          return true;
        }
        await this.#compare(place, read.data, object);
        this.#request.progress(recordSize);
        return true;
      case 'damaged':
        this.#hashable = false;
        this.#lose(place, recordSize, object, 'the record is damaged');
        return true;
      case 'filemark':
      case 'end-of-data':
        this.#hashable = false;
        this.#lose(place, Math.max(0, chunk.storedBytes - place), object, 'the records end too soon');
        return false;
    }
  }

  /** Compares stored bytes with the volume, and the padding behind them with zeros. */
  async #compare(place: Bytes, data: Uint8Array, object: number): Promise<void> {
    const { against, chunk } = this.#request;
    const stored = Math.max(0, Math.min(data.length, chunk.storedBytes - place));
    if (against !== undefined) {
      for (const piece of this.#pieces(place, stored)) {
        const view = await against(piece.start, piece.length);
        const there = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
        if (there.compare(data, piece.place - place, piece.place - place + piece.length) !== 0)
          this.#add(this.#differing, 'differs', piece, object, 'differs from the volume');
      }
    }
    for (let i = Math.ceil(stored / 512) * 512; i < data.length; i++) {
      if (data[i] === 0) continue;
      this.#note('the padding behind the data is not zero', object);
      return;
    }
  }

  /** The runs that `length` stored bytes from `place` come from. Places only grow, so the cursor never goes back. */
  *#pieces(place: Bytes, length: Bytes): Generator<{ start: Bytes; length: Bytes; place: Bytes }> {
    const extents = this.#extents;
    while (this.#run < extents.count && this.#inRun + extents.lengths[this.#run] <= place)
      this.#inRun += extents.lengths[this.#run++];
    let run = this.#run;
    let before = this.#inRun;
    while (run < extents.count && before < place + length) {
      const from = Math.max(place, before);
      const to = Math.min(place + length, before + extents.lengths[run]);
      if (to > from) yield { start: extents.starts[run] + from - before, length: to - from, place: from };
      before += extents.lengths[run++];
    }
  }

  /** Stored bytes that this copy does not give; a record without any is one of the archive's end. */
  #lose(place: Bytes, length: Bytes, object: number, reason: string): void {
    const stored = Math.max(0, Math.min(place + length, this.#request.chunk.storedBytes) - place);
    for (const piece of this.#pieces(place, stored)) this.#add(this.#content, 'content', piece, object, reason);
    if (stored === 0) this.#note(reason, object);
  }

  #add(
    to: Finding[],
    kind: Finding['kind'],
    piece: { readonly start: Bytes; readonly length: Bytes },
    object: number,
    reason: string,
  ): void {
    if (this.#overflown) return;
    const { barcode, chunk } = this.#request;
    const last = to.at(-1);
    const end = last === undefined ? -1 : last.volumeOffset + last.byteLength;
    // A record's pieces that follow each other are one.
    if (last !== undefined && end === piece.start && last.object === object) {
      to[to.length - 1] = { ...last, byteLength: last.byteLength + piece.length };
      return;
    }
    const overflow = this.#content.length + this.#differing.length >= FINDINGS_MAX;
    this.#overflown = overflow;
    to.push({
      kind,
      cartridge: barcode,
      object,
      reason: overflow ? `${reason}; so much of this chunk is damaged that all that follows counts as damaged` : reason,
      volumeOffset: piece.start,
      byteLength: overflow ? chunk.volumeOffset + chunk.byteLength - piece.start : piece.length,
    });
  }

  /** Something of the archive that is no content. */
  #note(reason: string, object: number): void {
    if (this.#archive.length >= FINDINGS_MAX) return;
    const cartridge = this.#request.barcode;
    this.#archive.push({ kind: 'archive', cartridge, object, reason, volumeOffset: 0, byteLength: 0 });
  }

  /** All of the chunk, by one finding. */
  #whole(reason: string): Finding {
    const { chunk, copy, barcode } = this.#request;
    const { volumeOffset, byteLength } = chunk;
    return { kind: 'content', cartridge: barcode, object: copy.firstObject, reason, volumeOffset, byteLength };
  }

  #nothing(reason: string): VerifiedCopy {
    return { findings: [this.#whole(reason)], level: 'damaged', records: this.#records, bytes: 0 };
  }

  #result(): VerifiedCopy {
    const { chunk, copy, recordSize, against } = this.#request;
    const records = this.#records;
    const bytes = Math.min(records, copy.records) * recordSize;
    const hash = this.#hashable && chunk.sha256 !== null ? this.#hash.digest('hex') === chunk.sha256 : undefined;
    const differing = this.#differing.map((one) => ({
      ...one,
      ...(hash === true
        ? { reason: 'differs from the volume, which has changed since: the chunk is as it was written' }
        : { kind: 'content' as const }),
    }));
    if (hash === false) {
      const reason = 'the SHA-256 of its records is not the one written down at the backup';
      // Content that was compared and is right is right all the same.
      if (against === undefined)
        return { findings: [this.#whole(reason), ...this.#archive], level: 'damaged', records, bytes };
      this.#note(reason, copy.firstObject);
    }
    const findings = [...this.#content, ...differing].sort((a, b) => a.volumeOffset - b.volumeOffset);
    const level = against !== undefined ? 'equal-to-snapshot' : hash === true ? 'hash-equal' : 'record-checked';
    return { findings: [...findings, ...this.#archive], level, records, bytes };
  }
}
