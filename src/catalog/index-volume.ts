/** The index of a set, made from a walk: beside the copy in a backup, from blocks on tape when an index file is lost. */
import { FormatError } from '../bytes/errors.ts';
import type { Runs } from '../bytes/extents.ts';
import type { FilesystemRecord } from '../bytes/manifest.ts';
import type { Clock } from '../bytes/random.ts';
import { toHex } from '../bytes/random.ts';
import type { Filesystem } from '../filesystem/filesystem.ts';
import type { KvStore } from '../tape-index/kv-store.ts';
import type { TextSink } from '../tape-index/text-twin.ts';
import { createIndexWriter, type IndexSummary } from '../tape-index/writer.ts';
import { dropSealedRows } from './set-rows.ts';
import type { VolumeSource } from './source.ts';
import { WHOLE_ROOT_INODE, wholeVolumeBatches } from './whole-volume.ts';

export interface IndexedVolume {
  readonly filesystem: FilesystemRecord;
  readonly summary: IndexSummary;
}

export interface IndexRequest {
  readonly store: KvStore;
  readonly clock: Clock;
  readonly walked: (inodes: number, inodeEstimate: number) => void;
  /** For the user, worth a line. */
  readonly note: (text: string) => void;
  readonly source: VolumeSource;
  /** What the chunks store, for a volume that is one item. */
  readonly stored: Runs;
  readonly set: Uint8Array;
  /** Takes the text twin. Begun anew when a walk fails and the volume becomes one item. */
  readonly text: () => TextSink;
  readonly signal?: AbortSignal;
}

/** The volume is one filesystem. */
const FILESYSTEM_NUMBER = 0;

/**
 * Fills the index rows of the set. A filesystem that turns out to be unreadable half-way is indexed as one item with that
 * reason: its blocks are copied all the same.
 */
export async function indexVolume(request: IndexRequest): Promise<IndexedVolume> {
  const { filesystem, reason } = request.source;
  await dropSealedRows(request.store, toHex(request.set)); // of a run that goes on
  if (filesystem === undefined) return indexWhole(request, reason ?? 'not recognised');
  try {
    return await indexTree(request, filesystem);
  } catch (error) {
    if (!(error instanceof FormatError) || error.kind === 'io') throw error;
    request.note(`${error.message}: indexed as one item`);
    await dropSealedRows(request.store, toHex(request.set));
    return indexWhole(request, error.message);
  }
}

async function indexTree(request: IndexRequest, filesystem: Filesystem): Promise<IndexedVolume> {
  const { store, set, text, signal } = request;
  const writer = createIndexWriter({
    store,
    set,
    filesystem: FILESYSTEM_NUMBER,
    rootInode: filesystem.rootInode,
    blockSize: filesystem.identity.blockSize,
    inodesExpected: filesystem.inodeEstimate,
    text: text(),
  });
  let inodes = 0;
  for await (const batch of filesystem.walk(signal)) {
    if (batch.kind === 'inodes') {
      writer.addInodes(batch);
      inodes += batch.count;
      request.walked(inodes, filesystem.inodeEstimate);
    } else {
      writer.addNames(batch);
    }
  }
  const summary = await writer.finish(request.signal);
  const { type, uuid, label, blockSize, byteLength } = filesystem.identity;
  return {
    summary,
    filesystem: {
      number: FILESYSTEM_NUMBER,
      type,
      uuid,
      label,
      blockSize,
      volumeOffset: 0,
      byteLength,
      rootInode: filesystem.rootInode,
      indexed: true,
      reason: null,
      notes: filesystem.notes,
      entries: summary.entries,
      inodes: summary.inodes,
      problems: summary.problems,
    },
  };
}

async function indexWhole(request: IndexRequest, reason: string): Promise<IndexedVolume> {
  const { store, clock, set, source, stored, text } = request;
  const { byteLength } = source.volume;
  const writer = createIndexWriter({
    store,
    set,
    filesystem: FILESYSTEM_NUMBER,
    rootInode: WHOLE_ROOT_INODE,
    blockSize: 1, // extents end with the volume
    text: text(),
  });
  for (const batch of wholeVolumeBatches(stored, byteLength, Math.floor(clock() / 1000), reason)) {
    if (batch.kind === 'inodes') writer.addInodes(batch);
    else writer.addNames(batch);
  }
  const summary = await writer.finish(request.signal);
  return {
    summary,
    filesystem: {
      number: FILESYSTEM_NUMBER,
      type: source.described?.type ?? 'unknown',
      uuid: source.described?.uuid ?? '',
      label: source.described?.label ?? '',
      blockSize: source.described?.blockSize ?? 512,
      volumeOffset: 0,
      byteLength,
      rootInode: WHOLE_ROOT_INODE,
      indexed: true,
      reason,
      notes: [],
      entries: summary.entries,
      inodes: summary.inodes,
      problems: Math.max(1, summary.problems),
    },
  };
}
