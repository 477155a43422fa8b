/** A backup run as the store keeps it, so that a killed one goes on where its last committed chunk ends. */
import type { ChunkRecord, VolumeIdentity } from '../bytes/manifest.ts';

/** State of an unfinished set. Small: its chunks are rows of their own. */
export interface BackupRun {
  /** Set id, 32 hexadecimal digits; also the run's id. */
  readonly set: string;
  readonly startedAt: string;
  readonly volume: VolumeIdentity;
  /** `VolumeSource.fingerprint` at the start: the run resumes on nothing else. */
  readonly fingerprint: string;
  readonly recordSize: number;
  /** Cartridges so far, in order of writing. */
  readonly cartridges: readonly { readonly id: string; readonly barcode: string }[];
  /** Committed chunks. */
  readonly chunkCount: number;
  readonly pid: number;
}

export const newRun = (
  set: string,
  startedAt: string,
  volume: VolumeIdentity,
  fingerprint: string,
  recordSize: number,
): BackupRun => ({
  set,
  startedAt,
  volume,
  fingerprint,
  recordSize,
  cartridges: [],
  chunkCount: 0,
  pid: process.pid,
});

/** Where the first chunk that is not there yet begins. */
export function nextOffset(chunks: readonly ChunkRecord[]): number {
  const last = chunks.at(-1);
  return last === undefined ? 0 : last.volumeOffset + last.byteLength;
}

/** Every cartridge that holds something of the chunks, in order. */
export function withCartridge(
  cartridges: BackupRun['cartridges'],
  one: { readonly id: string; readonly barcode: string },
): BackupRun['cartridges'] {
  return cartridges.some(({ id }) => id === one.id)
    ? cartridges
    : [...cartridges, { id: one.id, barcode: one.barcode }];
}
