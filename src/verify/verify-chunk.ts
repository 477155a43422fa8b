/** Reads one chunk back from tape: record checksums, archive structure, hash, and content against the volume. */
import { createHash } from 'node:crypto';
import { FormatError } from '../bytes/errors.ts';
import type { ChunkCopy, ChunkRecord } from '../bytes/manifest.ts';
import type { Bytes } from '../bytes/units.ts';
import type { ReadAt } from '../filesystem/volume.ts';
import type { TapeDrive } from '../initiator/tape-drive.ts';
import { RECORD_BYTES_MAX } from '../library/tape-file.ts';
import { type ChunkHeader, parseChunkHeader } from '../tape/archive/chunk.ts';

/** A range of the volume whose bytes on tape are wrong or cannot be read. */
export interface DamagedRange {
  readonly volumeOffset: Bytes;
  readonly byteLength: Bytes;
  readonly cartridge: string;
  /** Logical object; of the first record. */
  readonly object: number;
  readonly reason: string;
}

export interface VerifiedChunk {
  readonly damaged: readonly DamagedRange[];
  readonly records: number;
  readonly bytes: Bytes;
  /** What the copy of the chunk was found to be. */
  readonly hash: 'equal' | 'differs' | 'not recorded' | 'not computed';
}

export interface ChunkToVerify {
  readonly set: string;
  readonly chunk: ChunkRecord;
  readonly copy: ChunkCopy;
  readonly barcode: string;
  readonly recordSize: Bytes;
  /** The volume as it was backed up, to compare with. */
  readonly against?: ReadAt;
  readonly progress: (bytes: Bytes) => void;
  readonly signal?: AbortSignal;
}

/** Most damaged ranges named for one chunk; one more stands for the rest. */
const RANGES_MAX = 10_000;

export async function verifyChunk(drive: TapeDrive, request: ChunkToVerify): Promise<VerifiedChunk> {
  const reader = new ChunkVerifier(drive, request);
  return reader.run();
}

class ChunkVerifier {
  readonly #drive: TapeDrive;
  readonly #request: ChunkToVerify;
  readonly #buffer = new Uint8Array(RECORD_BYTES_MAX);
  readonly #hash = createHash('sha256');
  readonly #damaged: DamagedRange[] = [];
  #hashable = true;
  #records = 0;
  #run = 0;
  #inRun = 0;

  constructor(drive: TapeDrive, request: ChunkToVerify) {
    this.#drive = drive;
    this.#request = request;
  }

  async run(): Promise<VerifiedChunk> {
    const { copy, barcode } = this.#request;
    if (!(await this.#drive.locate(copy.firstObject))) {
      this.#whole('past the end of data');
      return this.#result();
    }
    let header: ChunkHeader;
    try {
      header = await parseChunkHeader(
        async () => this.#headerRecord(),
        `cartridge ${barcode}, object ${copy.firstObject}`,
      );
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#whole(error.what);
      return this.#result();
    }
    const problem = this.#headerProblem(header);
    if (problem !== undefined) {
      this.#whole(problem);
      return this.#result();
    }
    while (this.#records < copy.records) {
      this.#request.signal?.throwIfAborted();
      if (!(await this.#record(header))) return this.#result();
    }
    const end = await this.#drive.read(this.#buffer);
    if (end.kind !== 'filemark') this.#whole('the archive does not end where the index says');
    return this.#result();
  }

  async #headerRecord(): Promise<Uint8Array | undefined> {
    const { barcode, copy } = this.#request;
    const read = await this.#drive.read(this.#buffer);
    if (read.kind === 'damaged')
      throw new FormatError(
        'io',
        `cartridge ${barcode}, object ${copy.firstObject + this.#records}`,
        'the record is damaged',
      );
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
  async #record(header: ChunkHeader): Promise<boolean> {
    const { copy, recordSize } = this.#request;
    const object = copy.firstObject + this.#records;
    const place = (object - copy.dataObject) * recordSize;
    const read = await this.#drive.read(this.#buffer);
    this.#records++;
    switch (read.kind) {
      case 'record': {
        this.#hash.update(read.data);
        if (read.length !== recordSize) {
          this.#note(header, place, recordSize, object, `a record of ${read.length} bytes`);
          return true;
        }
        await this.#content(header, place, read.data, object);
        this.#request.progress(recordSize);
        return true;
      }
      case 'damaged':
        this.#hashable = false;
        this.#note(header, place, recordSize, object, 'the record is damaged');
        return true;
      case 'filemark':
      case 'end-of-data':
        this.#hashable = false;
        this.#note(header, place, header.storedBytes - place, object, 'the records end too soon');
        return false;
    }
  }

  /** Compares stored bytes with the volume, and the padding behind them with zeros. */
  async #content(header: ChunkHeader, place: Bytes, data: Uint8Array, object: number): Promise<void> {
    const stored = Math.max(0, Math.min(data.length, header.storedBytes - place));
    const { against, chunk } = this.#request;
    if (against !== undefined) {
      for (const piece of this.#pieces(header, place, stored)) {
        const view = await against(chunk.volumeOffset + piece.start, piece.length);
        const there = Buffer.from(view.buffer, view.byteOffset, view.byteLength);
        if (there.compare(data, piece.place - place, piece.place - place + piece.length) !== 0) {
          this.#add({
            volumeOffset: chunk.volumeOffset + piece.start,
            byteLength: piece.length,
            object,
            reason: 'differs from the volume',
          });
        }
      }
    }
    for (let i = Math.ceil(stored / 512) * 512; i < data.length; i++) {
      if (data[i] !== 0) {
        this.#add({
          volumeOffset: chunk.volumeOffset,
          byteLength: 0,
          object,
          reason: 'the padding behind the data is not zero',
        });
        return;
      }
    }
  }

  /** The runs of the range that `length` stored bytes from `place` come from. Places only grow, so the cursor never goes back. */
  *#pieces(header: ChunkHeader, place: Bytes, length: Bytes): Generator<{ start: Bytes; length: Bytes; place: Bytes }> {
    const { extents } = header;
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

  #note(header: ChunkHeader, place: Bytes, length: Bytes, object: number, reason: string): void {
    const from = Math.max(0, place);
    const stored = Math.max(0, Math.min(place + length, header.storedBytes) - from);
    for (const piece of this.#pieces(header, from, stored)) {
      this.#add({
        volumeOffset: this.#request.chunk.volumeOffset + piece.start,
        byteLength: piece.length,
        object,
        reason,
      });
    }
    if (stored === 0) this.#add({ volumeOffset: this.#request.chunk.volumeOffset, byteLength: 0, object, reason });
  }

  #whole(reason: string): void {
    this.#hashable = false;
    const { chunk, copy } = this.#request;
    this.#add({ volumeOffset: chunk.volumeOffset, byteLength: chunk.byteLength, object: copy.firstObject, reason });
  }

  #add(range: Omit<DamagedRange, 'cartridge'>): void {
    if (this.#damaged.length < RANGES_MAX) this.#damaged.push({ ...range, cartridge: this.#request.barcode });
  }

  #result(): VerifiedChunk {
    const { chunk, copy } = this.#request;
    const hash = this.#hashState(chunk.sha256);
    if (hash === 'differs') this.#whole('the SHA-256 of its records is not the one written down at the backup');
    return {
      damaged: this.#damaged,
      records: this.#records,
      bytes: Math.min(this.#records, copy.records) * this.#request.recordSize,
      hash,
    };
  }

  #hashState(recorded: string | null): VerifiedChunk['hash'] {
    if (!this.#hashable) return 'not computed';
    if (recorded === null) return 'not recorded';
    return this.#hash.digest('hex') === recorded ? 'equal' : 'differs';
  }
}
