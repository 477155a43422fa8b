/** `reelmap verify`: reads a set back from tape and says, file by file, what is proven and what is lost. */
import type { ChunkRecord, Manifest } from '../bytes/manifest.ts';
import type { Bytes } from '../bytes/units.ts';
import type { ReadAt } from '../filesystem/volume.ts';
import type { TapeStation } from '../library/station.ts';
import type { IndexEntry } from '../tape-index/entry.ts';
import type { SetIndex } from '../tape-index/reader.ts';
import { type DamagedRange, verifyChunk } from './verify-chunk.ts';

/** How well a set is proven, weakest first. DESIGN "What makes a restore trustworthy". */
export type ProofLevel = 'unread' | 'record-checked' | 'hash-equal' | 'equal-to-snapshot';

export interface VerifyRequest {
  readonly manifest: Manifest;
  readonly index: SetIndex;
  readonly station: TapeStation;
  /** The volume, unchanged since the backup, to compare with. */
  readonly against?: ReadAt;
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

export interface VerifyResult {
  readonly level: ProofLevel;
  readonly records: number;
  readonly bytes: Bytes;
  readonly damaged: readonly DamagedRange[];
  /** At most FILES_MAX are listed. */
  readonly files: readonly AffectedFile[];
  readonly fileCount: number;
}

export const FILES_MAX = 10_000;

/** Reads every chunk, each copy of it, in the order of the tape. */
export async function verifySet(request: VerifyRequest): Promise<VerifyResult> {
  const { manifest, station } = request;
  const total = manifest.chunks.reduce(
    (sum, chunk) => sum + chunk.copies.reduce((all, copy) => all + copy.records * manifest.recordSize, 0),
    0,
  );
  const damaged: DamagedRange[] = [];
  let level: ProofLevel = request.against === undefined ? 'hash-equal' : 'equal-to-snapshot';
  let records = 0;
  let bytes = 0;
  let done = 0;
  for (const { chunk, copy, barcode } of inTapeOrder(manifest)) {
    request.signal?.throwIfAborted();
    await station.load(barcode);
    const result = await verifyChunk(station.drive, {
      set: manifest.set,
      chunk,
      copy,
      barcode,
      recordSize: manifest.recordSize,
      ...(request.against && { against: request.against }),
      progress: (read) => {
        done += read;
        request.progress(done, total);
      },
      ...(request.signal && { signal: request.signal }),
    });
    damaged.push(...result.damaged);
    records += result.records;
    bytes += result.bytes;
    if (result.hash === 'not recorded' && level === 'hash-equal') level = 'record-checked';
  }
  const { files, fileCount } = await affectedFiles(request, damaged);
  return { level, records, bytes, damaged, files, fileCount };
}

/** Cartridge by cartridge as the set was written, ascending by object. */
function inTapeOrder(
  manifest: Manifest,
): { chunk: ChunkRecord; copy: ChunkRecord['copies'][number]; barcode: string }[] {
  const barcodes = new Map(manifest.cartridges.map(({ id, barcode }) => [id, barcode]));
  const order = new Map(manifest.cartridges.map(({ id }, i) => [id, i]));
  const all = manifest.chunks.flatMap((chunk) =>
    chunk.copies.map((copy) => ({ chunk, copy, barcode: barcodes.get(copy.cartridge) ?? copy.cartridge })),
  );
  return all.sort(
    (a, b) =>
      (order.get(a.copy.cartridge) ?? 0) - (order.get(b.copy.cartridge) ?? 0) ||
      a.copy.firstObject - b.copy.firstObject,
  );
}

/** Every name with an extent in a damaged range. Reads the whole index; called only when something is damaged. */
async function affectedFiles(
  { index, looked, signal }: VerifyRequest,
  damaged: readonly DamagedRange[],
): Promise<{ files: AffectedFile[]; fileCount: number }> {
  const files: AffectedFile[] = [];
  let fileCount = 0;
  const ranges = damaged.filter((range) => range.byteLength > 0);
  const root = ranges.length === 0 ? undefined : await index.root();
  if (root === undefined) return { files, fileCount };
  let count = 0;
  for await (const { parents, entries } of index.walk(root)) {
    signal?.throwIfAborted();
    count += entries.length;
    looked?.(count);
    for (const entry of entries) {
      const range = damageOf(entry, ranges);
      if (range === undefined) continue;
      fileCount++;
      if (files.length < FILES_MAX)
        files.push({
          path: [...parents, entry.name],
          filesystem: entry.filesystem,
          inode: entry.inode,
          reason: `cartridge ${range.cartridge}, object ${range.object}: ${range.reason}`,
        });
    }
  }
  return { files, fileCount };
}

function damageOf(entry: IndexEntry, ranges: readonly DamagedRange[]): DamagedRange | undefined {
  for (const extent of entry.extents) {
    if (extent.kind !== 'stored' && extent.kind !== 'escaped') continue;
    const end = extent.volumeOffset + extent.byteLength;
    const hit = ranges.find(
      (range) => range.volumeOffset < end && extent.volumeOffset < range.volumeOffset + range.byteLength,
    );
    if (hit !== undefined) return hit;
  }
  return undefined;
}
