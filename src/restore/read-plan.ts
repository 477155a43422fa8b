/**
 * Carries a restore plan out: cartridge by cartridge, in tape order, each record read once and its bytes handed to every
 * file that has some in it.
 *
 * A record that cannot be read costs only what lies in it. Memory: BUFFERS records, whatever the plan's size.
 */
import { FormatError } from '../bytes/errors.ts';
import type { Bytes, TapeObject } from '../bytes/units.ts';
import { ScsiError } from '../initiator/scsi-error.ts';
import type { TapeDrive, TapeRead } from '../initiator/tape-drive.ts';
import type { Pieces, ReadRun, RestorePlan } from '../plan/restore-plan.ts';
import { createBreath } from './breath.ts';

/** One record is handed out while the next is being read. */
const BUFFERS = 2;

/** A drive with the cartridge that was asked for in it. Released when the restore needs it no more. */
export interface LoadedCartridge extends AsyncDisposable {
  readonly drive: TapeDrive;
  /** For messages: `cartridge RM0001L9`. */
  readonly label: string;
}

/** Where cartridges come from. */
export interface CartridgeSource {
  /** The cartridge in a drive, loaded if need be; a string says why it cannot be had. */
  load(cartridge: string, signal?: AbortSignal): Promise<LoadedCartridge | string>;
}

export interface PieceSink {
  /** Content of row `piece`, from `fileOffset`. The bytes are the caller's again when it returns. */
  data(piece: number, fileOffset: Bytes, data: Uint8Array): void;
  /** `length` bytes of row `piece`, from `from` on, cannot be had from this copy. */
  failed(piece: number, from: Bytes, length: Bytes, reason: string): void;
  /** A whole cartridge cannot be had; its pieces follow as failed, for the same reason. */
  unreached?(reason: string): void;
  /** Between records: a good time to wait for the disk. */
  pause?(): Promise<void> | undefined;
}

export interface ReadPlanOptions {
  readonly signal?: AbortSignal;
  /** After each record: bytes past the head so far. */
  readonly progress?: (tapeBytes: Bytes, label: string) => void;
}

/** Reads all of the plan. @throws what `signal` was aborted with, and what the sink throws */
export async function readPlan(
  plan: RestorePlan,
  source: CartridgeSource,
  sink: PieceSink,
  options: ReadPlanOptions = {},
): Promise<void> {
  const reader = new PlanReader(plan, sink, options);
  for (const { cartridge, reads } of plan.cartridges) {
    options.signal?.throwIfAborted();
    const loaded = await loadOrReason(source, cartridge, options.signal);
    if (typeof loaded === 'string') {
      sink.unreached?.(loaded);
      for (const run of reads) reader.fail(run, 0, loaded);
      continue;
    }
    await using held = loaded;
    await reader.cartridge(held, reads);
  }
}

/** Trouble with one device or cartridge, not with the restore. */
const isDeviceError = (error: unknown): error is Error => error instanceof ScsiError || error instanceof FormatError;

async function loadOrReason(source: CartridgeSource, cartridge: string, signal: AbortSignal | undefined) {
  try {
    return await source.load(cartridge, signal);
  } catch (error) {
    if (isDeviceError(error)) return error.message;
    throw error;
  }
}

class PlanReader {
  readonly #plan: RestorePlan;
  readonly #sink: PieceSink;
  readonly #options: ReadPlanOptions;
  readonly #buffers: readonly Uint8Array[];
  readonly #breath: () => Promise<void> | undefined;
  #tapeBytes = 0;

  constructor(plan: RestorePlan, sink: PieceSink, options: ReadPlanOptions) {
    this.#plan = plan;
    this.#sink = sink;
    this.#options = options;
    this.#breath = createBreath(options.signal);
    this.#buffers = Array.from({ length: BUFFERS }, () => new Uint8Array(plan.recordSize));
  }

  async cartridge({ drive, label }: LoadedCartridge, reads: readonly ReadRun[]): Promise<void> {
    let position: TapeObject | undefined;
    for (const [index, run] of reads.entries()) {
      try {
        if (position !== run.object && !(await drive.locate(run.object))) {
          this.fail(run, 0, `${label}: data ends before object ${run.object}`);
          position = undefined;
          continue;
        }
        position = (await this.#run(drive, label, run)) ? run.object + run.records : undefined;
      } catch (error) {
        if (!isDeviceError(error)) throw error;
        // The drive itself fails: nothing more comes from this cartridge.
        for (const rest of reads.slice(index)) this.fail(rest, this.#done.get(rest) ?? 0, error.message);
        return;
      }
    }
  }

  /** Records of a run that have been handed out or given up; for a drive that fails in its middle. */
  readonly #done = new WeakMap<ReadRun, number>();

  /** @returns whether the drive stands behind the run */
  async #run(drive: TapeDrive, label: string, run: ReadRun): Promise<boolean> {
    const fan = new FanOut(this.#plan, run, this.#sink);
    let next = this.#read(drive, 0);
    for (let i = 0; i < run.records; i++) {
      const read = await next;
      // Nothing may be under way when the loop is left.
      this.#options.signal?.throwIfAborted();
      const where = `${label}, object ${run.object + i}`;
      if (read.kind === 'filemark' || read.kind === 'end-of-data') {
        const what = read.kind === 'filemark' ? 'a filemark' : 'the end of data';
        this.fail(run, i, `${where}: ${what} where a record of the set should be`);
        return false;
      }
      const more = i + 1 < run.records;
      if (more) next = this.#read(drive, i + 1);
      this.#tapeBytes += this.#plan.recordSize;
      try {
        this.#handOut(fan, run.firstRecord + i, read, where);
        this.#done.set(run, i + 1);
        await this.#sink.pause?.();
        await this.#breath();
      } catch (error) {
        if (more) await next.catch(() => {});
        throw error;
      }
      this.#options.progress?.(this.#tapeBytes, label);
    }
    return true;
  }

  #read(drive: TapeDrive, index: number): Promise<TapeRead> {
    const next = drive.read(this.#buffers[index % BUFFERS]);
    next.catch(() => {}); // it is awaited later; until then its failure is nobody's
    return next;
  }

  #handOut(fan: FanOut, record: number, read: Extract<TapeRead, { kind: 'record' | 'damaged' }>, where: string): void {
    const { recordSize } = this.#plan;
    if (read.kind === 'damaged') fan.fail(record, `${where}: the record cannot be read`);
    else if (read.length !== recordSize || read.data.length !== recordSize)
      fan.fail(record, `${where}: a record of ${read.length} bytes where one of ${recordSize} should be`);
    else fan.data(record, read.data);
  }

  /** Gives up what a run has from its record `from` on. */
  fail(run: ReadRun, from: number, reason: string): void {
    const { pieces, recordSize } = this.#plan;
    const start = (run.firstRecord + from) * recordSize;
    for (let piece = run.pieceFrom; piece < run.pieceTo; piece++) {
      const skip = Math.max(0, start - pieces.place[piece]);
      const length = pieces.length[piece] - skip;
      if (length > 0) this.#sink.failed(piece, skip, length, reason);
    }
  }
}

/** Which pieces a record holds: the run's pieces and its records go by together, each in one pass. */
class FanOut {
  readonly #pieces: Pieces;
  readonly #recordSize: Bytes;
  readonly #sink: PieceSink;
  readonly #to: number;
  /** Every piece before it ends before the next record. */
  #low: number;

  constructor(plan: RestorePlan, run: ReadRun, sink: PieceSink) {
    this.#pieces = plan.pieces;
    this.#recordSize = plan.recordSize;
    this.#sink = sink;
    this.#low = run.pieceFrom;
    this.#to = run.pieceTo;
  }

  data(record: number, data: Uint8Array): void {
    const start = record * this.#recordSize;
    this.#each(record, (piece, from, length) => {
      const at = this.#pieces.place[piece] + from - start;
      this.#sink.data(piece, this.#pieces.fileOffset[piece] + from, data.subarray(at, at + length));
    });
  }

  fail(record: number, reason: string): void {
    this.#each(record, (piece, from, length) => this.#sink.failed(piece, from, length, reason));
  }

  /** Calls with each piece that has bytes in the record: from which of its bytes, and how many. */
  #each(record: number, visit: (piece: number, from: Bytes, length: Bytes) => void): void {
    const { place, length } = this.#pieces;
    const start = record * this.#recordSize;
    const end = start + this.#recordSize;
    for (let piece = this.#low; piece < this.#to && place[piece] < end; piece++) {
      const from = Math.max(start, place[piece]);
      const to = Math.min(end, place[piece] + length[piece]);
      if (from < to) visit(piece, from - place[piece], to - from);
    }
    while (this.#low < this.#to && place[this.#low] + length[this.#low] <= end) this.#low++;
  }
}
