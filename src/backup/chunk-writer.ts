/** Puts one chunk on tape: EXTENDED COPY for the volume's bytes, inline or WRITE for Reelmap's own. */
import { FormatError } from '../bytes/errors.ts';
import type { Bytes, TapeObject } from '../bytes/units.ts';
import type { CopyManager, CopyOutcome } from '../initiator/copy-manager.ts';
import type { TapeDrive, TapeWrite } from '../initiator/tape-drive.ts';
import type { ChunkStep } from '../plan/copy-lists.ts';
import { describeSense, isSpaceExhausted } from '../scsi/common/sense.ts';
import type { SourceDisk } from './environment.ts';
import { isWriteFailure, OUT_OF_SPACE, writeFailure } from './write-failure.ts';

export type ChunkOutcome =
  | { readonly kind: 'written' }
  /** Early warning or the medium's end came first: the chunk is to be given up. */
  | { readonly kind: 'no-room' }
  /** The drive could not write: the cartridge is to be closed at its last committed mark. */
  | { readonly kind: 'write-error'; readonly words: string };

export interface ChunkTarget {
  readonly mover: CopyManager;
  readonly drive: TapeDrive;
  readonly disk: SourceDisk;
  /** Where the volume was found, for people. */
  readonly source: string;
  readonly recordSize: Bytes;
  /** Called after each step with the volume bytes that it moved. */
  readonly moved: (bytes: Bytes) => void;
  readonly signal?: AbortSignal;
}

/**
 * Runs the steps from the drive's position `start`. `objects`: logical objects that a whole chunk makes, its filemark
 * included: early warning on the last of them still leaves the chunk whole.
 * @throws FormatError `io` when the disk cannot be read or the copy manager refuses
 */
export async function writeChunk(
  steps: Iterable<ChunkStep>,
  start: TapeObject,
  objects: number,
  target: ChunkTarget,
): Promise<ChunkOutcome> {
  let listId = 0;
  for (const step of steps) {
    target.signal?.throwIfAborted();
    const outcome = await runStep(step, ++listId % 250, target);
    if (outcome.kind === 'no-room') {
      const { object } = await target.drive.position();
      return object === start + objects ? { kind: 'written' } : outcome;
    }
    if (outcome.kind !== 'written') return outcome;
    if (step.kind === 'copy' || step.kind === 'host-copy')
      target.moved(step.kind === 'copy' && step.cscds.length < 2 ? 0 : step.bytes);
  }
  return { kind: 'written' };
}

async function runStep(step: ChunkStep, listId: number, target: ChunkTarget): Promise<ChunkOutcome> {
  switch (step.kind) {
    case 'copy': {
      const { cscds, segments, inlineData } = step;
      return copyOutcome(await target.mover.copy({ listId, cscds, segments, inlineData }, target.signal), target);
    }
    case 'write':
      return writeRecords(step.data, target);
    case 'host-copy':
      return hostCopy(step, target);
    case 'filemark':
      return hostWrite(() => target.drive.writeFilemarks(1, { immediate: true }));
  }
}

function copyOutcome(outcome: CopyOutcome, target: ChunkTarget): ChunkOutcome {
  switch (outcome.kind) {
    case 'done':
      return { kind: 'written' };
    case 'early-warning':
    case 'end-of-medium':
      return { kind: 'no-room' };
    case 'failed': {
      const { source, destination } = outcome;
      if (destination !== undefined && source === undefined && isWriteFailure(destination))
        return { kind: 'write-error', words: describeSense(destination) };
      if (destination !== undefined && isSpaceExhausted(destination))
        throw new FormatError('io', target.drive.device, OUT_OF_SPACE);
      if (source !== undefined)
        throw new FormatError('io', target.source, `cannot be read: ${describeSense(source)}; look at the kernel log`);
      const words =
        destination !== undefined ? `the drive says ${describeSense(destination)}` : describeSense(outcome.sense);
      throw new FormatError('io', 'EXTENDED COPY', `segment ${outcome.segment ?? '?'} failed: ${words}`);
    }
  }
}

/** A write of the host's: a failure of the cartridge is an outcome, any other is thrown. */
async function hostWrite(write: () => Promise<TapeWrite>): Promise<ChunkOutcome> {
  try {
    return { kind: (await write()) === 'written' ? 'written' : 'no-room' };
  } catch (error) {
    const words = writeFailure(error);
    if (words === undefined) throw error;
    return { kind: 'write-error', words };
  }
}

async function writeRecords(data: Uint8Array, target: ChunkTarget): Promise<ChunkOutcome> {
  for (let at = 0; at < data.length; at += target.recordSize) {
    const outcome = await hostWrite(() => target.drive.write(data.subarray(at, at + target.recordSize)));
    // Past early warning every write says so; the chunk is given up at the first.
    if (outcome.kind !== 'written') return outcome;
  }
  return { kind: 'written' };
}

/** The host reads and writes, where no copy list can: one step's bytes in memory (8 MiB, or one record). */
async function hostCopy(step: Extract<ChunkStep, { kind: 'host-copy' }>, target: ChunkTarget): Promise<ChunkOutcome> {
  const data = new Uint8Array(step.bytes + step.padding);
  let at = 0;
  for (const piece of step.extents) {
    await target.disk.read(piece.offset, data.subarray(at, at + piece.length));
    at += piece.length;
  }
  return writeRecords(data, target);
}
