/** A backup run as the store keeps it, so that a killed one goes on where its last committed chunk ends. */
import { check } from '../bytes/errors.ts';
import type { ChunkRecord, Manifest, VolumeIdentity } from '../bytes/manifest.ts';
import type { RunRecord } from '../tape-index/records.ts';

/** State of an unfinished set. Small: its chunks are rows of their own. */
export interface BackupRun {
  /** Set id, 32 hexadecimal digits; also the run's id. */
  readonly set: string;
  readonly startedAt: string;
  readonly volume: VolumeIdentity;
  readonly snapshot: Manifest['snapshot'];
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
  snapshot: Manifest['snapshot'],
  fingerprint: string,
  recordSize: number,
): BackupRun => ({
  set,
  startedAt,
  volume,
  snapshot,
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

/** The run as the store's row. */
export const recordOf = (run: BackupRun, updatedAt: string): RunRecord => ({
  id: run.set,
  set: run.set,
  volume: run.volume,
  snapshot: run.snapshot,
  startedAt: run.startedAt,
  updatedAt,
  pid: run.pid,
  committedChunks: run.chunkCount,
  detail: { fingerprint: run.fingerprint, recordSize: run.recordSize, cartridges: run.cartridges },
});

/** The run of a row. @throws FormatError when its details are not those of a backup */
export function runOf(record: RunRecord): BackupRun {
  const { fingerprint, recordSize, cartridges } = record.detail;
  const where = `run ${record.set.slice(0, 8)}`;
  check(
    typeof fingerprint === 'string' && typeof recordSize === 'number' && Array.isArray(cartridges),
    where,
    'its details are not those of a backup',
  );
  const { set, startedAt, volume, snapshot, pid, committedChunks } = record;
  return {
    set,
    startedAt,
    volume,
    snapshot,
    fingerprint,
    recordSize,
    cartridges: cartridges as BackupRun['cartridges'],
    chunkCount: committedChunks,
    pid,
  };
}
