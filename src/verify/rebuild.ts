/**
 * The index again, from the cartridges alone: labels and index files, from end of data backwards; data only where an index
 * file is unreadable, and then only the blocks that the walk of the metadata asks for.
 *
 * What is in the store stays where it is whole; a set is replaced only by what is on tape of the same set.
 */
import { FormatError } from '../bytes/errors.ts';
import type { Manifest } from '../bytes/manifest.ts';
import type { Clock } from '../bytes/random.ts';
import type { TapeObject } from '../bytes/units.ts';
import { importIndexFile, wholeSet } from '../catalog/import-index.ts';
import { type ScannedFile, scanBackwards } from '../catalog/scan.ts';
import type { OpenFilesystem } from '../filesystem/filesystem.ts';
import { ScsiError } from '../initiator/scsi-error.ts';
import { type CartridgeContent, readCartridge } from '../library/label-cartridge.ts';
import type { TapeStation } from '../library/station.ts';
import { openTapeFile } from '../library/tape-file.ts';
import { putChunkExtents } from '../tape-index/chunks.ts';
import type { KvStore } from '../tape-index/kv-store.ts';
import { type CartridgeRecord, getCartridge, listRuns, putCartridge } from '../tape-index/records.ts';
import { dropDamagedRecords } from '../tape-index/repair.ts';
import { listSets, sealSet } from '../tape-index/sets.ts';
import {
  cartridgesOf,
  chunksOn,
  type FoundChunk,
  isComplete,
  type KnownCartridge,
  tiled,
  walkAgain,
} from './walk-again.ts';

export interface RebuildEnvironment {
  readonly store: KvStore;
  readonly station: TapeStation;
  readonly openers: readonly OpenFilesystem[];
  readonly clock: Clock;
  readonly program: string;
  readonly note: (text: string) => void;
  /** What is being done now, and how many things it is through with. */
  readonly at?: (words: string, count?: number, unit?: 'tape files' | 'inodes') => void;
  readonly signal?: AbortSignal;
}

export interface RebuiltSet {
  readonly set: string;
  readonly volume: string;
  readonly how: 'index file' | 'copy at the end of a cartridge' | 'metadata walked again' | 'index as it was';
}

export interface RebuildResult {
  readonly cartridges: number;
  readonly sets: readonly RebuiltSet[];
  /** What could not be made whole: sets with missing cartridges, damaged files, chunks of sets without an index. */
  readonly incomplete: readonly string[];
}

/** Trouble with one device or cartridge, not with the rebuild. */
const isDeviceError = (error: unknown): error is Error => error instanceof ScsiError || error instanceof FormatError;

/** An index file found on a cartridge. */
interface FoundIndex {
  readonly barcode: string;
  readonly object: TapeObject;
  readonly manifest: Manifest;
}

/** A set of which chunks, or a damaged index file, were found. */
interface Orphan {
  readonly cartridges: Map<string, KnownCartridge>;
  /** It once was more than chunks: an index file, or an end file that names it. A killed run has neither. */
  ended: boolean;
}

/** @param barcodes the cartridges to read, in any order */
export async function rebuildIndex(barcodes: readonly string[], env: RebuildEnvironment): Promise<RebuildResult> {
  const job = new Rebuild(env);
  await job.begin();
  for (const barcode of barcodes) {
    env.signal?.throwIfAborted();
    await job.tryCartridge(barcode);
  }
  return job.finish();
}

class Rebuild {
  readonly #env: RebuildEnvironment;
  readonly #sets = new Map<string, RebuiltSet>();
  readonly #incomplete: string[] = [];
  /** Copies at the ends of cartridges, used only for sets of which nothing better turns up. */
  readonly #partial = new Map<string, FoundIndex>();
  readonly #orphans = new Map<string, Orphan>();
  /** By id. */
  readonly #seen = new Map<string, KnownCartridge>();

  constructor(env: RebuildEnvironment) {
    this.#env = env;
  }

  async begin(): Promise<void> {
    for (const words of await dropDamagedRecords(this.#env.store))
      this.#env.note(`${words}: its record in the index was damaged`);
  }

  /** One cartridge that cannot be read costs what is on it, and no other. */
  async tryCartridge(barcode: string): Promise<void> {
    try {
      await this.#readCartridge(barcode);
    } catch (error) {
      if (!isDeviceError(error)) throw error;
      const words = error.message.includes(barcode) ? error.message : `cartridge ${barcode}: ${error.message}`;
      this.#incomplete.push(`${words}; what is on it is left out`);
    }
  }

  async #readCartridge(barcode: string): Promise<void> {
    const { station, store, note, at, signal } = this.#env;
    at?.(`loading cartridge ${barcode}`);
    await station.load(barcode);
    const content = await readCartridge(station.drive, barcode);
    if (content.kind === 'blank') return;
    const labelEnd = content.kind === 'labelled' ? content.labelEnd : await this.#behindLabel(content);
    if (labelEnd === undefined) return this.#leftOut(barcode, content);
    const files: ScannedFile[] = [];
    for await (const file of scanBackwards(station.drive, barcode, labelEnd)) {
      signal?.throwIfAborted();
      files.push(file);
      at?.(`reading cartridge ${barcode}:`, files.length, 'tape files');
    }
    const id = content.kind === 'labelled' ? content.label.cartridge : idOf(files, barcode);
    if (id === undefined) return this.#leftOut(barcode, content);
    const cartridge = { id, barcode, labelEnd };
    this.#seen.set(id, cartridge);
    if (content.kind === 'foreign')
      this.#incomplete.push(
        `cartridge ${barcode}: ${content.what}; known by what is on it, and not written to any more`,
      );
    // Before index files are read in full: that moves the drive, and the cartridge's record needs its tape files' ends only.
    const record = await this.#cartridgeRecord(cartridge, content, files);
    for (const file of files) await this.#useFile(cartridge, file);
    await store.batch([putCartridge(record)], { sync: true });
    note(`cartridge ${barcode}: ${files.filter((file) => file.manifest !== undefined).length} index files`);
  }

  /** Where the first tape file behind a damaged label begins; undefined: it is no label of ours that is damaged. */
  async #behindLabel(content: CartridgeContent): Promise<TapeObject | undefined> {
    if (content.kind !== 'foreign' || !content.damaged) return undefined;
    const { drive } = this.#env.station;
    await drive.rewind();
    return (await drive.spaceFilemarks(1)) === 0 ? (await drive.position()).object : undefined;
  }

  #leftOut(barcode: string, content: CartridgeContent): void {
    if (content.kind === 'foreign') this.#incomplete.push(`cartridge ${barcode}: ${content.what}; left out`);
  }

  async #useFile(cartridge: KnownCartridge, file: ScannedFile): Promise<void> {
    const { barcode } = cartridge;
    if (file.what.kind === 'chunk') this.#orphan(file.what.set, cartridge, false);
    if (file.what.kind === 'unknown' && file.damage !== undefined)
      this.#incomplete.push(`cartridge ${barcode}, object ${file.object}: a tape file is damaged: ${file.damage}`);
    if (file.what.kind === 'end' && file.end === undefined)
      this.#incomplete.push(
        `cartridge ${barcode}, object ${file.object}: its end file is damaged: ${file.damage ?? ''}`,
      );
    for (const { kind, set } of file.end?.files ?? [])
      if (kind === 'chunk' && set !== null) this.#orphan(set, cartridge, true);
    if (file.what.kind !== 'index') return;
    if (file.manifest === undefined) {
      this.#incomplete.push(
        `cartridge ${barcode}, object ${file.object}: index file of set ${file.what.set.slice(0, 12)} is damaged: ${file.damage ?? 'unreadable'}`,
      );
      this.#orphan(file.what.set, cartridge, true);
      return;
    }
    const found = { barcode, object: file.object, manifest: file.manifest };
    if (!file.manifest.complete) {
      const other = this.#partial.get(file.manifest.set);
      if (other === undefined || other.manifest.chunks.length < file.manifest.chunks.length)
        this.#partial.set(file.manifest.set, found);
      this.#orphan(file.manifest.set, cartridge, true);
      return;
    }
    if (!this.#sets.has(file.manifest.set)) await this.#import(found, 'index file', cartridge);
  }

  #orphan(set: string, cartridge: KnownCartridge, ended: boolean): void {
    const orphan = this.#orphans.get(set) ?? { cartridges: new Map(), ended };
    orphan.ended ||= ended;
    orphan.cartridges.set(cartridge.id, cartridge);
    this.#orphans.set(set, orphan);
  }

  async #import(found: FoundIndex, how: RebuiltSet['how'], cartridge?: KnownCartridge): Promise<void> {
    const { station, store } = this.#env;
    const where = `cartridge ${found.barcode}, object ${found.object}`;
    this.#env.signal?.throwIfAborted();
    this.#env.at?.(`reading the index of set ${found.manifest.set.slice(0, 8)} of ${found.manifest.volume.name}`);
    try {
      if ((await station.loaded()) !== found.barcode) await station.load(found.barcode);
      const next = await openTapeFile(station.drive, found.barcode, found.object);
      const manifest = await importIndexFile(store, next, where);
      this.#sets.set(manifest.set, { set: manifest.set, volume: manifest.volume.name, how });
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#incomplete.push(`${error.message}; the index file cannot be used`);
      if (cartridge !== undefined) this.#orphan(found.manifest.set, cartridge, true);
    }
  }

  async #cartridgeRecord(
    { id, barcode, labelEnd }: KnownCartridge,
    content: CartridgeContent,
    files: readonly ScannedFile[],
  ): Promise<CartridgeRecord> {
    const { drive } = this.#env.station;
    const isIndex = ({ what }: ScannedFile): boolean => what.kind === 'index' || what.kind === 'end';
    const last = files.find(isIndex);
    let endObject = labelEnd;
    await drive.locate(labelEnd);
    // One that no filemark closes was never committed, and is overwritten.
    if (last !== undefined && (await drive.locate(last.object)) && (await drive.spaceFilemarks(1)) === 0)
      endObject = (await drive.position()).object;
    const { file } = await drive.position();
    const now = new Date(this.#env.clock()).toISOString();
    const closed = files[0]?.what.kind === 'end';
    const known = await getCartridge(this.#env.store, id);
    const state =
      content.kind === 'foreign' ? 'read-only' : known?.state === 'error' ? 'error' : closed ? 'full' : 'append';
    return {
      id,
      barcode,
      state,
      reason: content.kind === 'foreign' ? content.what : state === 'error' ? (known?.reason ?? null) : null,
      worm: (await drive.medium()).worm,
      capacity: (await drive.attributes()).maximumCapacity ?? null,
      used: 0,
      lastIndexObject: last?.object ?? null,
      indexFiles: files
        .flatMap(({ what, object }) => (what.kind === 'index' ? [{ object, set: what.set }] : []))
        .sort((a, b) => a.object - b.object),
      // What a run that still goes on has committed is not given up for an index file that is not there yet.
      endObject: Math.max(endObject, known?.endObject ?? 0),
      endFile: file,
      labelledAt: content.kind === 'labelled' ? content.label.createdAt : now,
      updatedAt: now,
    };
  }

  async finish(): Promise<RebuildResult> {
    for (const [set, found] of this.#partial) {
      if (this.#sets.has(set)) continue;
      if (await this.#canGoOn(set)) continue;
      await this.#import(found, 'copy at the end of a cartridge');
      if (this.#sets.has(set)) await this.#extend(set);
    }
    for (const [set, orphan] of this.#orphans) {
      if (!this.#sets.has(set)) await this.#adoptOrphan(set, orphan);
    }
    await this.#missingCartridges();
    return { cartridges: this.#seen.size, sets: [...this.#sets.values()], incomplete: this.#incomplete };
  }

  /** An unfinished backup that the store still knows of. */
  async #canGoOn(set: string): Promise<boolean> {
    if (!(await listRuns(this.#env.store)).some((run) => run.set === set)) return false;
    this.#env.note(`set ${set.slice(0, 12)}: an unfinished backup that can go on`);
    return true;
  }

  /** A copy at a cartridge's end knows the whole tree and the chunks up to there: those behind are found by their headers. */
  async #extend(set: string): Promise<void> {
    const { store } = this.#env;
    let manifest = await wholeSet(store, set);
    if (manifest === undefined || manifest.complete) return;
    const more = await this.#chunksBehind(manifest);
    if (more.length > 0) {
      const chunks = [...manifest.chunks, ...more.map(({ record }) => record)];
      const known = manifest.cartridges;
      const others = cartridgesOf(more).filter(({ id }) => !known.some((one) => one.id === id));
      const storedBytes = chunks.reduce((sum, chunk) => sum + chunk.storedBytes, 0);
      for (const { record, extents } of more) await putChunkExtents(store, set, record.number, extents);
      manifest = { ...manifest, chunks, cartridges: [...known, ...others], storedBytes, complete: isComplete(more) };
      await sealSet(store, manifest);
      await this.#keep(more);
    }
    if (!manifest.complete)
      this.#incomplete.push(
        `set ${set.slice(0, 12)}: the cartridge with its end is missing; what follows chunk ${manifest.chunks.length - 1} cannot be restored`,
      );
  }

  async #chunksBehind({ set, chunks }: Manifest): Promise<FoundChunk[]> {
    const last = chunks.at(-1);
    const end = last === undefined ? 0 : last.volumeOffset + last.byteLength;
    const found: FoundChunk[] = [];
    for (const cartridge of this.#orphans.get(set)?.cartridges.values() ?? [])
      found.push(...(await this.#chunksOn(set, cartridge)));
    return tiled(found, chunks.length, end);
  }

  async #chunksOn(set: string, cartridge: KnownCartridge): Promise<FoundChunk[]> {
    try {
      return await chunksOn(set, cartridge, this.#env, (words) => this.#incomplete.push(words));
    } catch (error) {
      if (!isDeviceError(error)) throw error;
      this.#incomplete.push(`cartridge ${cartridge.barcode}: ${error.message}`);
      return [];
    }
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

  /** No index file of the set can be used: what the store has serves if it is whole, else the metadata is walked again. */
  async #adoptOrphan(set: string, orphan: Orphan): Promise<void> {
    const id = set.slice(0, 12);
    const whole = await wholeSet(this.#env.store, set);
    if (whole !== undefined) {
      this.#sets.set(set, { set, volume: whole.volume.name, how: 'index as it was' });
      return;
    }
    if (await this.#canGoOn(set)) return;
    const found: FoundChunk[] = [];
    for (const cartridge of orphan.cartridges.values()) found.push(...(await this.#chunksOn(set, cartridge)));
    const chunks = tiled(found);
    if (!isComplete(chunks) && (chunks.length === 0 || !orphan.ended)) {
      const what = orphan.ended ? 'its first chunks are on no cartridge read' : 'an unfinished backup';
      this.#incomplete.push(`set ${id}: ${what}; ${found.length} chunks and no index file, not indexed`);
      return;
    }
    try {
      const manifest = await walkAgain(set, chunks, this.#env);
      this.#sets.set(set, { set, volume: manifest.volume.name, how: 'metadata walked again' });
      if (!manifest.complete)
        this.#incomplete.push(
          `set ${id}: what follows chunk ${chunks.length - 1} was not found and cannot be restored`,
        );
      await this.#keep(chunks);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      this.#incomplete.push(`set ${id}: not indexed: ${error.message}`);
    }
  }

  /** The next backup must not overwrite chunks that are now a set's. */
  async #keep(chunks: readonly FoundChunk[]): Promise<void> {
    const { store } = this.#env;
    for (const { record, end } of chunks) {
      const cartridge = await getCartridge(store, record.copies[0].cartridge);
      if (cartridge !== undefined && cartridge.endObject < end)
        await store.batch([putCartridge({ ...cartridge, endObject: end })], { sync: true });
    }
  }
}

/** A cartridge's id where its label is damaged: from its end file, or from sets that lie on it. */
function idOf(files: readonly ScannedFile[], barcode: string): string | undefined {
  for (const { end, manifest } of files) {
    if (end !== undefined) return end.cartridge;
    const own = manifest?.cartridges.find((one) => one.barcode === barcode);
    if (own !== undefined) return own.id;
  }
  return undefined;
}
