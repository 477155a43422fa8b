/**
 * The index again, from the cartridges alone: labels and index files, from end of data backwards; data only where an index
 * file is unreadable, and then only the blocks that the walk of the metadata asks for.
 */
import { FormatError } from '../bytes/errors.ts';
import { totalBytes } from '../bytes/extents.ts';
import { FORMAT_VERSION, type Manifest } from '../bytes/manifest.ts';
import type { Clock } from '../bytes/random.ts';
import { fromHex } from '../bytes/random.ts';
import { chunkRecordOf } from '../catalog/adopt.ts';
import { importIndexFile } from '../catalog/import-index.ts';
import { indexVolume } from '../catalog/index-volume.ts';
import { type ScannedFile, scanBackwards, scanForwards } from '../catalog/scan.ts';
import { openSource } from '../catalog/source.ts';
import { type ChunkOnTape, tapeVolume } from '../catalog/tape-volume.ts';
import type { OpenFilesystem } from '../filesystem/filesystem.ts';
import { readCartridge } from '../library/label-cartridge.ts';
import type { TapeStation } from '../library/station.ts';
import { openTapeFile } from '../library/tape-file.ts';
import { parseChunkHeader } from '../tape/archive/chunk.ts';
import type { Label } from '../tape/archive/label.ts';
import { sealDigest } from '../tape-index/check.ts';
import { putChunkExtents } from '../tape-index/chunks.ts';
import type { KvStore } from '../tape-index/kv-store.ts';
import { type CartridgeRecord, putCartridge } from '../tape-index/records.ts';
import { dropUnsealedSet, listSets, sealSet } from '../tape-index/sets.ts';

export interface RebuildEnvironment {
  readonly store: KvStore;
  readonly station: TapeStation;
  readonly openers: readonly OpenFilesystem[];
  readonly clock: Clock;
  readonly program: string;
  readonly note: (text: string) => void;
  readonly signal?: AbortSignal;
}

export interface RebuildResult {
  readonly cartridges: number;
  readonly sets: readonly {
    readonly set: string;
    readonly volume: string;
    readonly how: 'index file' | 'copy at the end of a cartridge' | 'metadata walked again';
  }[];
  /** What could not be made whole: sets with missing cartridges, damaged files, chunks of sets without an index. */
  readonly incomplete: readonly string[];
}

/** An index file found on a cartridge. */
interface FoundIndex {
  readonly barcode: string;
  readonly object: number;
  readonly manifest: Manifest;
}

/** @param barcodes the cartridges to read, in any order */
export async function rebuildIndex(barcodes: readonly string[], env: RebuildEnvironment): Promise<RebuildResult> {
  const job = new Rebuild(env);
  for (const barcode of barcodes) {
    env.signal?.throwIfAborted();
    await job.readCartridge(barcode);
  }
  return job.finish();
}

class Rebuild {
  readonly #env: RebuildEnvironment;
  readonly #sets = new Map<string, RebuildResult['sets'][number]>();
  readonly #incomplete: string[] = [];
  /** Copies at the ends of cartridges, used only for sets of which nothing better turns up. */
  readonly #partial = new Map<string, FoundIndex>();
  /** Sets with chunks or a damaged index file, by cartridge. */
  readonly #orphans = new Map<string, Set<string>>();
  readonly #seen = new Map<string, Label>();

  constructor(env: RebuildEnvironment) {
    this.#env = env;
  }

  async readCartridge(barcode: string): Promise<void> {
    const { station, store, note } = this.#env;
    await station.load(barcode);
    const content = await readCartridge(station.drive, barcode);
    if (content.kind === 'blank') return;
    if (content.kind === 'foreign') {
      this.#incomplete.push(`cartridge ${barcode}: ${content.what}; left out`);
      return;
    }
    const { label, labelEnd } = content;
    this.#seen.set(label.cartridge, label);
    const files: ScannedFile[] = [];
    for await (const file of scanBackwards(station.drive, barcode, labelEnd)) files.push(file);
    for (const file of files) await this.#useFile(barcode, file);
    await store.batch([putCartridge(await this.#cartridgeRecord(label, labelEnd, files))], { sync: true });
    note(`cartridge ${barcode}: ${files.filter((file) => file.manifest !== undefined).length} index files`);
  }

  async #useFile(barcode: string, file: ScannedFile): Promise<void> {
    if (file.what.kind === 'chunk') this.#orphan(file.what.set, barcode);
    if (file.what.kind !== 'index') return;
    if (file.manifest === undefined) {
      this.#incomplete.push(
        `cartridge ${barcode}, object ${file.object}: index file of set ${file.what.set.slice(0, 12)} is damaged: ${file.damage ?? 'unreadable'}`,
      );
      this.#orphan(file.what.set, barcode);
      return;
    }
    const found = { barcode, object: file.object, manifest: file.manifest };
    if (!file.manifest.complete) {
      const other = this.#partial.get(file.manifest.set);
      if (other === undefined || other.manifest.chunks.length < file.manifest.chunks.length)
        this.#partial.set(file.manifest.set, found);
      return;
    }
    if (!this.#sets.has(file.manifest.set)) await this.#import(found, 'index file');
  }

  #orphan(set: string, barcode: string): void {
    const where = this.#orphans.get(set) ?? new Set<string>();
    this.#orphans.set(set, where.add(barcode));
  }

  async #import(found: FoundIndex, how: RebuildResult['sets'][number]['how']): Promise<void> {
    const { station, store } = this.#env;
    const where = `cartridge ${found.barcode}, object ${found.object}`;
    try {
      if ((await station.loaded()) !== found.barcode) await station.load(found.barcode);
      const manifest = await importIndexFile(
        store,
        await openTapeFile(station.drive, found.barcode, found.object),
        where,
      );
      this.#sets.set(manifest.set, { set: manifest.set, volume: manifest.volume.name, how });
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#incomplete.push(`${error.message}; the index file cannot be used`);
      for (const { barcode } of found.manifest.cartridges) this.#orphan(found.manifest.set, barcode);
    }
  }

  async #cartridgeRecord(label: Label, labelEnd: number, files: readonly ScannedFile[]): Promise<CartridgeRecord> {
    const { drive } = this.#env.station;
    const closed = files[0]?.what.kind === 'end' && files[0].end !== undefined;
    const last = files.find((file) => file.manifest !== undefined || file.end !== undefined);
    let endObject = labelEnd;
    await drive.locate(labelEnd);
    if (last !== undefined) {
      await drive.locate(last.object);
      await drive.spaceFilemarks(1);
      endObject = (await drive.position()).object;
    }
    const { file } = await drive.position();
    return {
      id: label.cartridge,
      barcode: label.barcode,
      state: closed ? 'full' : 'append',
      reason: null,
      worm: (await drive.medium()).worm,
      capacity: (await drive.attributes()).maximumCapacity ?? null,
      used: 0,
      lastIndexObject: last?.object ?? null,
      endObject,
      endFile: file,
      labelledAt: label.createdAt,
      updatedAt: new Date(this.#env.clock()).toISOString(),
    };
  }

  async finish(): Promise<RebuildResult> {
    for (const [set, found] of this.#partial) {
      if (this.#sets.has(set)) continue;
      await this.#import(found, 'copy at the end of a cartridge');
      if (this.#sets.has(set))
        this.#incomplete.push(
          `set ${set.slice(0, 12)}: the cartridge with its end is missing; what follows chunk ${found.manifest.chunks.length - 1} cannot be restored`,
        );
    }
    for (const [set, barcodes] of this.#orphans) {
      if (!this.#sets.has(set)) await this.#walkAgain(set, [...barcodes]);
    }
    await this.#missingCartridges();
    return { cartridges: this.#seen.size, sets: [...this.#sets.values()], incomplete: this.#incomplete };
  }

  /** Sets that name cartridges which were not read. */
  async #missingCartridges(): Promise<void> {
    for (const { manifest: set } of await listSets(this.#env.store)) {
      const missing = set.cartridges.filter(({ id }) => !this.#seen.has(id)).map(({ barcode }) => barcode);
      if (missing.length > 0)
        this.#incomplete.push(
          `set ${set.set.slice(0, 12)} of ${set.volume.name}: cartridge ${missing.join(', ')} not read; what is on it cannot be restored`,
        );
    }
  }

  /** No index file of the set can be used: its metadata blocks on tape are walked again. */
  async #walkAgain(set: string, barcodes: readonly string[]): Promise<void> {
    const chunks: ChunkOnTape[] = [];
    for (const barcode of barcodes) chunks.push(...(await this.#chunksOn(set, barcode)));
    try {
      await this.#indexFromChunks(set, chunks);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#incomplete.push(`set ${set.slice(0, 12)}: not indexed: ${error.message}`);
    }
  }

  async #chunksOn(set: string, barcode: string): Promise<ChunkOnTape[]> {
    const { station } = this.#env;
    await station.load(barcode);
    const content = await readCartridge(station.drive, barcode);
    if (content.kind !== 'labelled') return [];
    const out: ChunkOnTape[] = [];
    for await (const file of scanForwards(station.drive, barcode, content.labelEnd)) {
      if (file.what.kind !== 'chunk' || file.what.set !== set) continue;
      const where = `cartridge ${barcode}, object ${file.object}`;
      try {
        const header = await parseChunkHeader(await openTapeFile(station.drive, barcode, file.object), where);
        await station.drive.locate(file.object);
        await station.drive.spaceFilemarks(1);
        const records = (await station.drive.position()).object - file.object - 1;
        const record = chunkRecordOf(header, content.label.cartridge, file.object, records, null);
        const starts = header.extents.starts.map((start) => start + record.volumeOffset);
        out.push({ record, barcode, extents: { ...header.extents, starts } });
        this.#volumes.set(set, {
          name: header.comment.volumeName,
          byteLength: header.comment.volumeBytes,
          recordSize: header.recordSize,
          mtime: header.mtime,
        });
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        this.#incomplete.push(`${error.message}; chunk left out`);
      }
    }
    return out;
  }

  readonly #volumes = new Map<string, { name: string; byteLength: number; recordSize: number; mtime: number }>();

  async #indexFromChunks(set: string, found: readonly ChunkOnTape[]): Promise<void> {
    const { store, clock, note, openers, station, program, signal } = this.#env;
    const volume = this.#volumes.get(set);
    const chunks = [...new Map(found.map((chunk) => [chunk.record.number, chunk])).values()].sort(
      (a, b) => a.record.number - b.record.number,
    );
    if (volume === undefined || chunks.length === 0)
      throw new FormatError('corrupt', `set ${set.slice(0, 12)}`, 'no chunk of it can be read');
    const readAt = tapeVolume(chunks, volume.recordSize, volume.byteLength, station);
    const source = await openSource(
      { readAt, byteLength: volume.byteLength, source: `the tapes of ${volume.name}`, changeMark: '' },
      openers,
      signal,
    );
    await dropUnsealedSet(store, set);
    const indexed = await indexVolume({
      store,
      clock,
      note,
      walked: () => {},
      source,
      stored: source.allocated,
      set: fromHex(set),
      text: () => async () => {},
      ...(signal && { signal }),
    });
    for (const { record, extents } of chunks) await putChunkExtents(store, set, record.number, extents);
    const startedAt = new Date(volume.mtime * 1000).toISOString();
    const end = chunks.at(-1)?.record;
    await sealSet(store, {
      format: FORMAT_VERSION,
      set,
      kind: 'full',
      base: null,
      volume: {
        name: volume.name,
        identity: source.identity,
        byteLength: volume.byteLength,
        source: 'walked again from tape',
      },
      snapshot: { provider: 'unknown', consistency: 'unknown' },
      startedAt,
      finishedAt: startedAt,
      program,
      recordSize: volume.recordSize,
      filesystems: [indexed.filesystem],
      storedBytes: chunks.reduce((sum, { record }) => sum + record.storedBytes, 0),
      allocatedBytes: totalBytes(source.allocated),
      indexDigest: sealDigest([
        { filesystem: indexed.filesystem.number, rows: indexed.summary.rows, digest: indexed.summary.digest },
      ]),
      indexRows: indexed.summary.rows,
      chunks: chunks.map(({ record }) => record),
      cartridges: [
        ...new Map(
          chunks.map(({ record, barcode }) => [
            record.copies[0].cartridge,
            { id: record.copies[0].cartridge, barcode },
          ]),
        ).values(),
      ],
      previousIndexObject: null,
      complete: end !== undefined && end.volumeOffset + end.byteLength === volume.byteLength,
    });
    this.#sets.set(set, { set, volume: volume.name, how: 'metadata walked again' });
  }
}
