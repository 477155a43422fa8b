/**
 * A whole volume back to a disk by the data mover: stream-to-block EXTENDED COPY, chunk by chunk in the order of the tape.
 * A part that cannot be read from one copy is tried from the next; what no copy gives is lost, named, and nothing else is.
 */
import { FormatError, UserError } from '../bytes/errors.ts';
import type { Runs } from '../bytes/extents.ts';
import type { ChunkCopy, ChunkRecord } from '../bytes/manifest.ts';
import { alignDown, alignUp, type Bytes } from '../bytes/units.ts';
import type { BlockDevice } from '../initiator/block-device.ts';
import type { CopyManager } from '../initiator/copy-manager.ts';
import { ScsiError } from '../initiator/scsi-error.ts';
import type { TapeDrive, TapeRead } from '../initiator/tape-drive.ts';
import { RECORD_BYTES_MAX } from '../library/tape-file.ts';
import { type VolumeRestoreStep, volumeRestoreSteps } from '../plan/volume-restore-plan.ts';
import { describeSense, isSpaceExhausted, type Sense } from '../scsi/common/sense.ts';
import type { Designator } from '../scsi/copy/list.ts';
import type { StationCartridges } from './station-cartridges.ts';

export interface LostRange {
  readonly volumeOffset: Bytes;
  readonly byteLength: Bytes;
  readonly reason: string;
}

export interface VolumeRestore {
  readonly chunks: readonly ChunkRecord[];
  /** @throws FormatError when it is damaged: the chunk is lost then */
  readonly extentsOf: (chunk: ChunkRecord) => Promise<Runs>;
  readonly recordSize: Bytes;
  readonly cartridges: StationCartridges;
  readonly mover: CopyManager;
  readonly disk: { readonly designator: Designator; readonly blockLength: Bytes; readonly device: BlockDevice };
  /** The target as the user would name it, for errors. */
  readonly name: string;
  /** Zeros where the chunks store nothing; else the disk keeps what it has there. */
  readonly zero: boolean;
  readonly progress: (bytes: Bytes, totalBytes: Bytes, label: string) => void;
  readonly note: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** Restores all chunks. Answers what was lost. @throws UserError when the disk cannot be written */
export async function restoreVolume(request: VolumeRestore): Promise<readonly LostRange[]> {
  const job = new Job(request);
  for (const chunk of request.chunks) await job.chunk(chunk);
  await job.flush();
  return job.lost;
}

class Job {
  readonly #request: VolumeRestore;
  readonly #total: Bytes;
  readonly lost: LostRange[] = [];
  #done = 0;
  #listId = 0;

  constructor(request: VolumeRestore) {
    this.#request = request;
    this.#total = request.chunks.reduce((sum, chunk) => sum + chunk.storedBytes, 0);
  }

  flush(): Promise<void> {
    const { disk, signal } = this.#request;
    return this.#written(() => disk.device.flush(signal));
  }

  async chunk(chunk: ChunkRecord): Promise<void> {
    const { cartridges } = this.#request;
    let extents: Runs;
    try {
      extents = await this.#request.extentsOf(chunk);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      const { volumeOffset, byteLength } = chunk;
      this.lost.push({ volumeOffset, byteLength, reason: error.message });
      return;
    }
    if (this.#request.zero) await this.#zeroBetween(chunk, extents);
    const copies = [...chunk.copies].sort((a, b) => cartridges.rank(a.cartridge) - cartridges.rank(b.cartridge));
    let reasons: string[] = [];
    for (const copy of copies) {
      const lost = await this.#copy(extents, copy);
      if (lost.length === 0) return;
      reasons = lost.map(({ reason }) => reason);
      if (copy === copies.at(-1)) this.lost.push(...lost);
    }
    if (copies.length === 0) this.#whole(chunk, extents, reasons[0] ?? 'no cartridge holds it');
  }

  #whole(chunk: ChunkRecord, extents: Runs, reason: string): void {
    if (extents.count > 0) this.lost.push({ volumeOffset: chunk.volumeOffset, byteLength: chunk.byteLength, reason });
  }

  /** Zeros in what the chunk covers and does not store. */
  async #zeroBetween({ volumeOffset, byteLength }: ChunkRecord, extents: Runs): Promise<void> {
    let from = volumeOffset;
    for (let i = 0; i < extents.count; i++) {
      await this.#zero(from, extents.starts[i]);
      from = extents.starts[i] + extents.lengths[i];
    }
    await this.#zero(from, volumeOffset + byteLength);
  }

  async #zero(from: Bytes, to: Bytes): Promise<void> {
    const { disk, signal } = this.#request;
    signal?.throwIfAborted();
    const first = Math.min(to, alignUp(from, disk.blockLength));
    const last = Math.max(first, alignDown(to, disk.blockLength));
    if (first > from) await this.#write(from, new Uint8Array(first - from));
    if (last > first) await this.#written(() => disk.device.zero(first, last - first, signal));
    if (to > last) await this.#write(last, new Uint8Array(to - last));
  }

  async #copy(extents: Runs, copy: ChunkCopy): Promise<LostRange[]> {
    const { cartridges, signal, mover, disk, recordSize, progress } = this.#request;
    const loaded = await cartridges.load(copy.cartridge, signal).catch(reasonOf);
    const steps = (drive: TapeDrive): Iterable<VolumeRestoreStep> =>
      volumeRestoreSteps({
        extents,
        recordSize,
        dataObject: copy.dataObject,
        disk,
        tape: { designator: drive.designator },
        limits: mover.limits,
      });
    if (typeof loaded === 'string') return wholeOf(extents, loaded);
    await using held = loaded;
    const lost: LostRange[] = [];
    let object = -1; // where the drive stands, if known
    for (const step of steps(held.drive)) {
      signal?.throwIfAborted();
      if (
        step.object !== object &&
        !(step.kind === 'copy' && step.locates) &&
        (await held.drive.locate(step.object).catch(reasonOf)) !== true
      ) {
        lost.push(...lostWith(step, disk.blockLength, `${held.label}: object ${step.object} cannot be reached`));
        object = -1;
        continue;
      }
      const reason = step.kind === 'copy' ? await this.#list(step) : await this.#hostCopy(held.drive, step);
      object = reason === undefined ? step.object + step.records : -1;
      if (reason !== undefined) lost.push(...(await this.#byRecord(held.drive, step, reason, held.label)));
      this.#done += step.bytes;
      progress(Math.min(this.#done, this.#total), this.#total, held.label);
    }
    return lost;
  }

  /** One EXTENDED COPY. Answers why it failed. @throws UserError when the disk is what failed */
  async #list(step: Extract<VolumeRestoreStep, { kind: 'copy' }>): Promise<string | undefined> {
    const { cscds, segments } = step;
    this.#listId = (this.#listId % 250) + 1;
    const outcome = await this.#request.mover.copy(
      { listId: this.#listId, cscds, segments, inlineData: new Uint8Array(0) },
      this.#request.signal,
    );
    if (outcome.kind === 'done') return undefined;
    if (outcome.kind === 'failed' && outcome.destination !== undefined) throw this.#notWritten(outcome.destination);
    return describeSense(outcome.kind === 'failed' && outcome.source !== undefined ? outcome.source : outcome.sense);
  }

  /** After a list failed: its records one by one by the host, so that one bad record costs itself and no other. */
  async #byRecord(drive: TapeDrive, step: VolumeRestoreStep, reason: string, label: string): Promise<LostRange[]> {
    const { recordSize } = this.#request;
    const pieces = piecesOf(step, this.#request.disk.blockLength);
    this.#request.note(`${label}: ${reason}; its records are read one by one`);
    const lost: LostRange[] = [];
    const buffer = new Uint8Array(Math.min(RECORD_BYTES_MAX, recordSize));
    for (let i = 0; i < step.records; i++) {
      this.#request.signal?.throwIfAborted();
      const here = within(pieces, i * recordSize, recordSize);
      const object = step.object + i;
      const read = await readAt(drive, object, buffer);
      if (read?.kind !== 'record' || read.length !== recordSize) {
        for (const piece of here)
          lost.push({
            volumeOffset: piece.offset,
            byteLength: piece.length,
            reason: `${label}, object ${object}: ${reason}`,
          });
        continue;
      }
      for (const piece of here) await this.#write(piece.offset, read.data.subarray(piece.at, piece.at + piece.length));
    }
    return lost;
  }

  async #hostCopy(
    drive: TapeDrive,
    step: Extract<VolumeRestoreStep, { kind: 'host-copy' }>,
  ): Promise<string | undefined> {
    const { recordSize } = this.#request;
    const data = new Uint8Array(step.records * recordSize);
    for (let i = 0; i < step.records; i++) {
      const read = await drive.read(data.subarray(i * recordSize, (i + 1) * recordSize));
      if (read.kind !== 'record' || read.length !== recordSize) return 'a record cannot be read';
    }
    let at = 0;
    for (const piece of step.pieces) {
      await this.#write(piece.offset, data.subarray(at, at + piece.length));
      at += piece.length;
    }
    return undefined;
  }

  /** Any bytes: whole blocks, the first and last filled up from the disk. */
  async #write(offset: Bytes, from: Uint8Array): Promise<void> {
    const { device, blockLength } = this.#request.disk;
    if (from.length === 0) return;
    const before = offset % blockLength;
    const length = Math.ceil((before + from.length) / blockLength) * blockLength;
    if (before === 0 && length === from.length) return this.#written(() => device.write(offset, from));
    const view = await device.readAt(offset - before, length);
    const whole = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    whole.set(from, before);
    await this.#written(() => device.write(offset - before, whole));
  }

  /** @throws UserError when the disk refuses */
  async #written(write: () => Promise<void>): Promise<void> {
    try {
      await write();
    } catch (error) {
      throw error instanceof ScsiError && error.sense !== undefined ? this.#notWritten(error.sense, error) : error;
    }
  }

  #notWritten(sense: Sense, cause?: unknown): UserError {
    const full = isSpaceExhausted(sense);
    const what = full ? 'no space left there' : `cannot be written: ${describeSense(sense)}`;
    const remedy = full ? 'free some, or name another target' : 'look at the kernel log, or name another target';
    return new UserError(this.#request.name, what, remedy, { cause });
  }
}

/** What lies at an object; undefined: it cannot be reached. */
async function readAt(drive: TapeDrive, object: number, buffer: Uint8Array): Promise<TapeRead | undefined> {
  try {
    return (await drive.locate(object)) ? await drive.read(buffer) : undefined;
  } catch (error) {
    reasonOf(error);
    return undefined;
  }
}

/** Trouble with a drive or a cartridge costs what is on it, and no more. */
function reasonOf(error: unknown): string {
  if (error instanceof ScsiError || error instanceof FormatError) return error.message;
  throw error;
}

const lostWith = (step: VolumeRestoreStep, blockLength: Bytes, reason: string): LostRange[] =>
  piecesOf(step, blockLength).map(({ offset, length }) => ({ volumeOffset: offset, byteLength: length, reason }));

const wholeOf = (extents: Runs, reason: string): LostRange[] =>
  Array.from({ length: extents.count }, (_, i) => ({
    volumeOffset: extents.starts[i],
    byteLength: extents.lengths[i],
    reason,
  }));

interface Piece {
  readonly offset: Bytes;
  readonly length: Bytes;
}

/** What a step brings back, in the order of its records' bytes. */
function piecesOf(step: VolumeRestoreStep, blockLength: Bytes): Piece[] {
  if (step.kind === 'host-copy') return [...step.pieces];
  return step.segments.flatMap((segment): Piece[] => {
    if (segment.type === 'stream-to-block')
      return [{ offset: segment.lba * blockLength, length: segment.blocks * blockLength }];
    if (segment.type === 'stream-to-block-bytes')
      return [{ offset: segment.lba * blockLength + segment.byteOffset, length: segment.byteCount }];
    return [];
  });
}

/** The parts of the pieces that lie in `length` bytes from `place`; `at` is where in those bytes. */
function within(pieces: readonly Piece[], place: Bytes, length: Bytes): (Piece & { readonly at: Bytes })[] {
  const out: (Piece & { readonly at: Bytes })[] = [];
  let before = 0;
  for (const piece of pieces) {
    const from = Math.max(place, before);
    const to = Math.min(place + length, before + piece.length);
    if (to > from) out.push({ offset: piece.offset + from - before, length: to - from, at: from - place });
    before += piece.length;
  }
  return out;
}
