/** The index of a set, made from a walk: beside the copy in a backup, from blocks on tape when an index file is lost. */
import { FormatError } from '../bytes/errors.ts';
import type { Runs } from '../bytes/extents.ts';
import type { FilesystemRecord, Manifest } from '../bytes/manifest.ts';
import { toHex } from '../bytes/random.ts';
import type { Bytes } from '../bytes/units.ts';
import type { Filesystem } from '../filesystem/filesystem.ts';
import { sealDigest } from '../tape-index/check.ts';
import type { KvStore } from '../tape-index/kv-store.ts';
import type { TextSink } from '../tape-index/text-twin.ts';
import { createIndexWriter, type IndexSummary } from '../tape-index/writer.ts';
import { StoredCheck } from './not-stored.ts';
import { dropSealedRows } from './set-rows.ts';
import { inodeEstimateOf, type SourcePart, type VolumeSource } from './source.ts';
import { WHOLE_ROOT_INODE, wholeVolumeBatches } from './whole-volume.ts';

/** What the manifest says of the index. */
export interface IndexedVolume {
  readonly filesystems: readonly FilesystemRecord[];
  readonly indexDigest: string;
  readonly indexRows: number;
}

/** Takes the text twin: parts in order, of which the last ones can be taken back. */
export interface TextParts {
  readonly add: TextSink;
  /** Parts so far. */
  readonly length: number;
  /** Forgets all parts but the first `length`. */
  cut(length: number): void;
}

export interface IndexRequest {
  readonly store: KvStore;
  /** When the set was begun, ISO 8601: the time of what is one item, so that a rebuilt index has the same. */
  readonly startedAt: string;
  readonly walked: (inodes: number, inodeEstimate: number) => void;
  /** For the user, worth a line. */
  readonly note: (text: string) => void;
  readonly source: VolumeSource;
  /** What the chunks store: for what is one item, and to note files that have content elsewhere. */
  readonly stored: Runs;
  /** Volume byte from which on it is not known what they store; missing: it is known of all. */
  readonly storedUntil?: Bytes;
  readonly set: Uint8Array;
  /** Missing: nobody wants it. */
  readonly text?: TextParts;
  readonly signal?: AbortSignal;
}

interface IndexedPart {
  readonly record: FilesystemRecord;
  readonly summary: IndexSummary;
}

/**
 * Fills the index rows of the set, one filesystem after the other. One that turns out to be unreadable half-way is indexed as
 * one item with that reason: its blocks are copied all the same.
 */
export async function indexVolume(request: IndexRequest): Promise<IndexedVolume> {
  await dropSealedRows(request.store, toHex(request.set)); // of a run that goes on
  request.text?.cut(0);
  const indexed: IndexedPart[] = [];
  let inodes = 0;
  const estimate = inodeEstimateOf(request.source);
  const walked = (more: number): void => request.walked(inodes + more, estimate);
  for (const part of request.source.parts) {
    const one = await indexPart({ ...request, walked }, part);
    inodes += one.record.inodes;
    indexed.push(one);
  }
  const sealed = indexed.filter(({ record }) => record.indexed);
  return {
    filesystems: indexed.map(({ record }) => record),
    indexRows: sealed.reduce((sum, { summary }) => sum + summary.rows, 0),
    indexDigest: sealDigest(
      sealed.map(({ record, summary }) => ({
        filesystem: record.number,
        rows: summary.rows,
        digest: summary.digest,
      })),
    ),
  };
}

/** The manifest's `disk`, for a volume that is divided. */
export const diskRecordOf = ({ disk }: VolumeSource): Pick<Manifest, 'disk'> =>
  disk === undefined ? {} : { disk: { type: disk.type, id: disk.id, notes: disk.notes } };

async function indexPart(request: IndexRequest, part: SourcePart): Promise<IndexedPart> {
  if (part.filesystem === undefined) return indexWhole(request, part, part.reason);
  const parts = request.text?.length ?? 0;
  try {
    return await indexTree(request, part, part.filesystem);
  } catch (error) {
    if (!(error instanceof FormatError) || error.kind === 'io') throw error;
    const where = part.path === undefined ? '' : `${part.path}: `;
    request.note(`${where}${error.message}: indexed as one item`);
    await dropSealedRows(request.store, toHex(request.set), part.number);
    request.text?.cut(parts);
    return indexWhole(request, part, error.message);
  }
}

const writerOf = ({ store, set, text }: IndexRequest, { number }: SourcePart) => ({
  store,
  set,
  filesystem: number,
  ...(text && { text: text.add }),
});

async function indexTree(request: IndexRequest, part: SourcePart, filesystem: Filesystem): Promise<IndexedPart> {
  const { identity, rootInode, inodeEstimate } = filesystem;
  const writer = createIndexWriter({
    ...writerOf(request, part),
    rootInode,
    blockSize: identity.blockSize,
    inodesExpected: inodeEstimate,
  });
  const stored = new StoredCheck(request.stored, request.storedUntil);
  let inodes = 0;
  for await (const batch of filesystem.walk(request.signal)) {
    if (batch.kind === 'inodes') {
      writer.addInodes(stored.check(batch));
      inodes += batch.count;
      request.walked(inodes, inodeEstimate);
    } else {
      writer.addNames(batch);
    }
  }
  const summary = await writer.finish(request.signal);
  const { byteLength } = identity;
  const damage = filesystem.damage ?? [];
  const notes = [...filesystem.notes, ...damage];
  const record = recordOf(part, summary, { rootInode, byteLength, notes, reason: null });
  return { summary, record: { ...record, problems: record.problems + damage.length } };
}

async function indexWhole(request: IndexRequest, part: SourcePart, reason: string | null): Promise<IndexedPart> {
  const { startedAt, stored } = request;
  const rootInode = WHOLE_ROOT_INODE;
  const writer = createIndexWriter({ ...writerOf(request, part), rootInode, blockSize: 1 }); // extents end with the volume
  for (const batch of wholeVolumeBatches(stored, part.map, Math.floor(Date.parse(startedAt) / 1000), reason)) {
    if (batch.kind === 'inodes') writer.addInodes(batch);
    else writer.addNames(batch);
  }
  const summary = await writer.finish(request.signal);
  const { byteLength } = part.map;
  const record = recordOf(part, summary, { rootInode, byteLength, notes: [], reason });
  return { summary, record: { ...record, problems: Math.max(reason === null ? 0 : 1, summary.problems) } };
}

function recordOf(
  { number, path, map, described }: SourcePart,
  { entries, inodes, problems }: IndexSummary,
  more: Pick<FilesystemRecord, 'rootInode' | 'byteLength' | 'notes' | 'reason'>,
): FilesystemRecord {
  const { segments } = map;
  return {
    number,
    ...(path !== undefined && { path }),
    type: described?.type ?? 'unknown',
    uuid: described?.uuid ?? '',
    label: described?.label ?? '',
    blockSize: described?.blockSize ?? 512,
    volumeOffset: segments[0]?.volumeOffset ?? 0,
    ...(segments.length > 1 && { segments }),
    indexed: true,
    entries,
    inodes,
    problems,
    ...more,
  };
}
