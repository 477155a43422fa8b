/**
 * The virtual tape medium over two stores: `data` (the records, contiguous, nothing else) and `map` (map-format.ts). Files
 * and memory are the same code. Medium invariants: medium.ts.
 *
 * Order of writes, which the crash tests prove
 * - open to write: fsync of both, so that what is found is durable.
 * - append: data in the background, entries after the data they tell of; nothing is durable.
 * - flush: data, entries, fsync of both, then the commit slot. The slot needs no fsync of its own: until it is durable the
 *   entries are found by going on from the slot before.
 * - The first write of a session, or one in the middle (an epoch): flush of all that stays, both slots with the new end of data and the next
 *   epoch, each with fsync; then the stores are cut; only then is anything written behind that end. From the first slot on
 *   the entries behind it are of an old epoch and are not believed; before it they are whole, since nothing was overwritten.
 * - After a failed write the medium writes no more: it ends at the last flush, and each write throws the same error.
 */
import { alignedBuffer } from '../bytes/aligned.ts';
import type { BlockStore } from '../bytes/block-store.ts';
import { crc32c, loadNativeCrc32c } from '../bytes/crc32c.ts';
import { assert, FormatError } from '../bytes/errors.ts';
import type { Lender } from '../bytes/lender.ts';
import { systemRandom } from '../bytes/random.ts';
import { type Bytes, bytes, MiB, type TapeFile, type TapeObject, tapeFile, tapeObject } from '../bytes/units.ts';
import { FileDigests } from './file-digests.ts';
import { type Entry, RECORD_BYTES_MAX } from './map-format.ts';
import type { ReadOutcome, SpaceOutcome, TapeMedium, TapePosition, WriteOutcome } from './medium.ts';
import { type Extent, formatMap, ObjectMap, PENDING_ENTRIES_MAX } from './object-map.ts';
import { ReadAhead } from './read-ahead.ts';
import { WriteBehind } from './write-behind.ts';

const RING_BUFFERS = 4;
const RING_BUFFER_BYTES = 4 * MiB;
/** Entries gathered before they are written to the map in the background: one block. */
const ENTRIES_OUT_MIN = 128;

export interface BlankMedium {
  /** Bytes of record data before end of medium. */
  readonly capacity: Bytes;
  /** Bytes before the end at which early warning begins; a 32nd of the capacity by default. */
  readonly earlyWarningZone?: Bytes;
  readonly worm?: boolean;
  /** 16 bytes; random by default. */
  readonly id?: Uint8Array;
}

export interface MediumOptions {
  readonly data: BlockStore;
  readonly map: BlockStore;
  /** The cartridge as a person would name it, for errors. */
  readonly name: string;
  /** Default: whether both stores are. */
  readonly writable?: boolean;
  /** Compute SHA-256 of the tape files written, in a thread of its own (`fileDigest`). */
  readonly digest?: boolean;
  /** Disposed after the stores: a lock. */
  readonly release?: AsyncDisposable;
  /** Size of one of the four buffers, a multiple of 4 KiB; 4 MiB by default. */
  readonly bufferBytes?: Bytes;
}

/** Makes the stores a blank cartridge, durably. @throws FormatError when they hold anything */
export async function formatMedium(
  stores: Pick<MediumOptions, 'data' | 'map' | 'name'>,
  blank: BlankMedium,
): Promise<void> {
  const { data, map, name } = stores;
  if (data.byteLength > 0 || map.byteLength > 0)
    throw new FormatError('unsupported', name, 'not empty: it is not made anew');
  const { capacity, earlyWarningZone = bytes(Math.floor(capacity / 32)), worm = false, id = systemRandom(16) } = blank;
  assert(earlyWarningZone <= capacity, 'early warning zone larger than the capacity');
  await formatMap(map, { id, capacity, earlyWarningZone, worm });
}

/**
 * Opens a cartridge; the position is its beginning. Disposing the medium flushes it and disposes the stores.
 * @throws FormatError when the map cannot be read
 */
export async function openMedium(options: MediumOptions): Promise<FileMedium> {
  const { data, map, name } = options;
  const writable = options.writable ?? (data.writable && map.writable);
  // A killed process leaves writes that this one sees and a power cut may still undo.
  if (writable) await Promise.all([data.flush(), map.flush()]);
  const objects = await ObjectMap.open(map, name, data.byteLength, writable);
  return new FileMedium({ ...options, writable }, objects);
}

export class FileMedium implements TapeMedium {
  readonly writable: boolean;
  readonly worm: boolean;
  readonly capacity: Bytes;
  readonly earlyWarningZone: Bytes;
  /** 16 bytes, given at its making. */
  readonly id: Uint8Array;
  readonly #name: string;
  readonly #data: BlockStore;
  readonly #mapStore: BlockStore;
  readonly #map: ObjectMap;
  readonly #bufferBytes: number;
  readonly #digest: boolean;
  readonly #release: AsyncDisposable | undefined;
  #ring: readonly Uint8Array[] | undefined;
  #writer: WriteBehind | undefined;
  #reader: ReadAhead | undefined;
  #ringUse: 'none' | 'write' | 'read' = 'none';
  #epochOpen = false;
  #entriesOut: Promise<void> = Promise.resolve();
  #entriesOutCount = 0;
  #entriesError: unknown;
  #failure: unknown;
  #digests: FileDigests | undefined;
  #wholeFile: number | undefined; // the tape file that the epoch began at its first object
  #scratch = new Uint8Array(0);
  #object = 0;
  #file = 0;
  #offset = 0; // data bytes before the position
  #nextInRow = -1; // the record that would make reading sequential

  constructor(options: MediumOptions & { readonly writable: boolean }, map: ObjectMap) {
    this.#name = options.name;
    this.#data = options.data;
    this.#mapStore = options.map;
    this.#map = map;
    this.#bufferBytes = options.bufferBytes ?? RING_BUFFER_BYTES;
    this.#digest = options.digest ?? false;
    this.#release = options.release;
    this.writable = options.writable;
    this.worm = map.header.worm;
    this.capacity = bytes(map.header.capacity);
    this.earlyWarningZone = bytes(map.header.earlyWarningZone);
    this.id = map.header.id;
  }

  /** Damage found at opening that lost no object, each naming its place. */
  get warnings(): readonly string[] {
    return this.#map.warnings;
  }

  get used(): Bytes {
    return bytes(this.#offset);
  }

  get position(): TapePosition {
    return {
      object: tapeObject(this.#object),
      file: tapeFile(this.#file),
      atBeginning: this.#object === 0,
      atEndOfData: this.#object === this.#map.end.objects,
      pastEarlyWarning: this.#pastEarlyWarning(),
    };
  }

  /** Objects, filemarks and bytes of record data on the medium. */
  get end(): Extent {
    return this.#map.end;
  }

  async append(record: Uint8Array, lender?: Lender, encrypted = false): Promise<WriteOutcome> {
    assert(record.length > 0 && record.length <= RECORD_BYTES_MAX, `record of ${record.length} bytes`);
    this.#mustWrite();
    if (this.#offset + record.length > this.capacity) return 'end-of-medium';
    const writer = await this.#startWriting();
    const wait = writer.push(record, lender);
    if (wait) await wait;
    this.#map.append('record', record.length, crc32c(record), encrypted);
    return this.#written(writer);
  }

  async writeFilemarks(count: number): Promise<WriteOutcome> {
    this.#mustWrite();
    if (count > 0) {
      const writer = await this.#startWriting();
      for (let i = 0; i < count; i++) {
        this.#endDigest(writer);
        this.#map.append('filemark', 0, 0);
        if (this.#map.pendingCount === PENDING_ENTRIES_MAX) await this.#settle();
      }
      return this.#written(writer);
    }
    return this.#pastEarlyWarning() ? 'early-warning' : 'written';
  }

  async flush(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    await this.#settle();
    if (this.#map.durable.objects === this.#map.end.objects) return;
    await this.#attempt(async () => {
      await Promise.all([this.#data.flush(), this.#map.flush()]);
      await this.#map.commit();
    });
  }

  async read(into: Uint8Array): Promise<ReadOutcome> {
    await this.#settle();
    const index = this.#object;
    if (index === this.#map.end.objects) return { kind: 'end-of-data' };
    const entry = await this.#map.get(index);
    if (!entry) {
      const start = this.#offset;
      await this.#moveTo(index + 1);
      const reason = `map entry ${index}: checksum does not match`;
      return { kind: 'damaged', length: bytes(Math.max(0, this.#offset - start)), reason };
    }
    this.#object = index + 1;
    this.#offset = entry.offset + entry.length;
    this.#file = entry.file + (entry.kind === 'filemark' ? 1 : 0);
    return entry.kind === 'filemark' ? { kind: 'filemark' } : this.#readRecord(index, entry, into);
  }

  async locate(object: TapeObject): Promise<boolean> {
    const there = object <= this.#map.end.objects;
    await this.#settle();
    await this.#moveTo(Math.min(object, this.#map.end.objects));
    return there;
  }

  async locateFile(file: TapeFile): Promise<boolean> {
    await this.#settle();
    const there = file <= this.#map.end.files;
    await this.#moveTo(there ? await this.#map.firstOfFile(file) : this.#map.end.objects);
    return there;
  }

  async locateEndOfData(): Promise<void> {
    await this.#moveTo(this.#map.end.objects);
  }

  async space(what: 'records' | 'filemarks', count: number): Promise<SpaceOutcome> {
    if (count === 0) return { kind: 'done' };
    await this.#settle();
    if (what === 'filemarks') return count > 0 ? this.#marksForward(count) : this.#marksBackward(-count);
    return count > 0 ? this.#recordsForward(count) : this.#recordsBackward(-count);
  }

  async erase(): Promise<void> {
    this.#mustWrite();
    if (this.worm) throw new FormatError('unsupported', this.#name, 'write-once medium: not erased');
    if (!this.#epochOpen || this.#object < this.#map.end.objects) await this.#startEpoch();
  }

  /** Complete files of this session and the file being written; `undefined` for all others, and without `digest: true`. */
  async fileDigest(file: TapeFile): Promise<Uint8Array | undefined> {
    if (this.#ringUse === 'write') this.#writer?.showTap();
    return this.#digests?.get(file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#failure === undefined && this.#epochOpen) await this.flush();
    } finally {
      await this.#reader?.stop();
      await this.#writer?.drain();
      await this.#entriesOut;
      await this.#digests?.[Symbol.asyncDispose]();
      await this.#data[Symbol.asyncDispose]();
      await this.#mapStore[Symbol.asyncDispose]();
      await this.#release?.[Symbol.asyncDispose]();
    }
  }

  // Reading

  async #readRecord(index: number, entry: Entry, into: Uint8Array): Promise<ReadOutcome> {
    const { offset, length } = entry;
    const inRow = index === this.#nextInRow;
    this.#nextInRow = index + 1;
    if (offset + length > this.#data.byteLength) {
      return { kind: 'damaged', length: bytes(length), reason: `the data file ends before byte ${offset + length}` };
    }
    const fits = length <= into.length;
    const target = fits ? into.subarray(0, length) : this.#scratchOf(length);
    if (inRow && length <= this.#bufferBytes) {
      await this.#readInRow(offset, target);
    } else await this.#data.read(bytes(offset), target);
    if (crc32c(target) !== entry.recordCrc) {
      const reason = `record checksum does not match (data bytes ${offset} to ${offset + length - 1})`;
      return { kind: 'damaged', length: bytes(length), reason };
    }
    if (!fits) into.set(target.subarray(0, into.length));
    const data = fits ? target : into;
    return { kind: 'record', length: bytes(length), data, ...(entry.encrypted && { encrypted: true }) };
  }

  /** A failed large read costs only the records that cannot be had by themselves. */
  async #readInRow(offset: number, target: Uint8Array): Promise<void> {
    const reader = await this.#startReading();
    try {
      await reader.read(offset, target, this.#map.end.dataEnd);
    } catch {
      await reader.stop();
      await this.#data.read(bytes(offset), target);
    }
  }

  #scratchOf(length: number): Uint8Array {
    if (this.#scratch.length < length) this.#scratch = new Uint8Array(length);
    return this.#scratch.subarray(0, length);
  }

  async #startReading(): Promise<ReadAhead> {
    loadNativeCrc32c();
    this.#reader ??= new ReadAhead(this.#data, this.#buffers());
    if (this.#ringUse !== 'read') await this.#writer?.idle();
    this.#ringUse = 'read';
    return this.#reader;
  }

  #buffers(): readonly Uint8Array[] {
    this.#ring ??= makeRing(this.#bufferBytes, this.#digest);
    return this.#ring;
  }

  // Moving

  async #moveTo(index: number): Promise<void> {
    const place = await this.#map.placeOf(index);
    this.#object = index;
    this.#file = place.file;
    this.#offset = place.offset;
  }

  async #marksForward(count: number): Promise<SpaceOutcome> {
    const target = this.#file + count;
    const { files, objects } = this.#map.end;
    const left = Math.max(0, target - files);
    await this.#moveTo(left > 0 ? objects : await this.#map.firstOfFile(target));
    return left > 0 ? { kind: 'end-of-data', left } : { kind: 'done' };
  }

  /** Stops before the last mark passed. */
  async #marksBackward(count: number): Promise<SpaceOutcome> {
    const left = Math.max(0, count - this.#file);
    await this.#moveTo(left > 0 ? 0 : (await this.#map.firstOfFile(this.#file - count + 1)) - 1);
    return left > 0 ? { kind: 'beginning', left } : { kind: 'done' };
  }

  async #recordsForward(count: number): Promise<SpaceOutcome> {
    const start = this.#object;
    const { files, objects } = this.#map.end;
    const marked = this.#file < files;
    const stop = marked ? (await this.#map.firstOfFile(this.#file + 1)) - 1 : objects; // the mark, or the end
    if (start + count <= stop) {
      await this.#moveTo(start + count);
      return { kind: 'done' };
    }
    await this.#moveTo(marked ? stop + 1 : stop);
    return { kind: marked ? 'filemark' : 'end-of-data', left: count - (stop - start) };
  }

  async #recordsBackward(count: number): Promise<SpaceOutcome> {
    const start = this.#object;
    const first = await this.#map.firstOfFile(this.#file);
    if (start - count >= first) {
      await this.#moveTo(start - count);
      return { kind: 'done' };
    }
    const marked = this.#file > 0;
    await this.#moveTo(marked ? first - 1 : 0);
    return { kind: marked ? 'filemark' : 'beginning', left: count - (start - first) };
  }

  // Writing

  #pastEarlyWarning(): boolean {
    return this.#offset > this.capacity - this.earlyWarningZone;
  }

  #mustWrite(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.writable) throw new FormatError('unsupported', this.#name, 'write-protected');
    if (this.worm && this.#object < this.#map.end.objects) {
      throw new FormatError('unsupported', this.#name, `write-once medium: object ${this.#object} is not overwritten`);
    }
  }

  /** At a position where writing goes on; everything behind it is dropped. */
  async #startWriting(): Promise<WriteBehind> {
    if (!this.#epochOpen || this.#object < this.#map.end.objects) await this.#startEpoch();
    this.#writer ??= this.#newWriter();
    const writer = this.#writer;
    if (this.#ringUse !== 'write') {
      loadNativeCrc32c();
      await this.#reader?.stop();
      await this.#attempt(() => writer.start(this.#offset));
      this.#ringUse = 'write';
    }
    return writer;
  }

  #newWriter(): WriteBehind {
    const buffers = this.#buffers();
    const memory = buffers[0].buffer;
    if (!(memory instanceof SharedArrayBuffer)) return new WriteBehind(this.#data, buffers);
    const digests = new FileDigests(memory);
    this.#digests = digests;
    digests.begin(this.#wholeFile);
    return new WriteBehind(this.#data, buffers, (data, release) => digests.update(data, release));
  }

  #endDigest(writer: WriteBehind): void {
    if (!this.#digests) return;
    writer.showTap();
    this.#digests.end();
    this.#digests.begin(this.#map.end.files + 1);
  }

  async #startEpoch(): Promise<void> {
    await this.#settle();
    const place = await this.#map.placeOf(this.#object);
    if (!place.exact) {
      throw new FormatError(
        'corrupt',
        this.#name,
        `map entries before object ${this.#object} are damaged: not written there`,
      );
    }
    const end: Extent = { objects: this.#object, files: place.file, dataEnd: place.offset };
    await this.#attempt(async () => {
      await Promise.all([this.#data.flush(), this.#map.flush()]);
      await this.#map.startEpoch(end);
      if (this.#data.byteLength > end.dataEnd) await this.#data.truncate(bytes(end.dataEnd));
    });
    this.#ringUse = this.#ringUse === 'write' ? 'none' : this.#ringUse;
    await this.#reader?.stop();
    await this.#cutDigests(end);
    this.#nextInRow = -1;
    this.#epochOpen = true;
  }

  /** A file that goes on from its middle has no digest. */
  async #cutDigests(end: Extent): Promise<void> {
    const first = end.objects === (await this.#map.firstOfFile(end.files));
    this.#wholeFile = first ? end.files : undefined;
    this.#digests?.drop(end.files);
    this.#digests?.begin(this.#wholeFile);
  }

  /** The position follows what was appended; entries whose data is in the store go out in the background. */
  async #written(writer: WriteBehind): Promise<WriteOutcome> {
    const { objects, files, dataEnd } = this.#map.end;
    this.#object = objects;
    this.#file = files;
    this.#offset = dataEnd;
    if (writer.error !== undefined) this.#fail(writer.error);
    if (this.#map.pendingCount >= ENTRIES_OUT_MIN && this.#entriesOutCount === 0) this.#sendEntries(writer.written);
    if (this.#map.pendingCount === PENDING_ENTRIES_MAX) await this.#settle();
    return this.#pastEarlyWarning() ? 'early-warning' : 'written';
  }

  #sendEntries(written: number): void {
    let low = this.#map.sent;
    let high = this.#map.end.objects;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const entry = this.#map.pending(middle);
      if (entry && entry.offset + entry.length <= written) low = middle + 1;
      else high = middle;
    }
    if (low - this.#map.sent < ENTRIES_OUT_MIN) return;
    this.#entriesOutCount++;
    this.#entriesOut = this.#map
      .writeOut(low)
      .catch((error: unknown) => {
        this.#entriesError ??= error;
      })
      .finally(() => {
        this.#entriesOutCount--;
      });
  }
  /** Everything appended is in the stores when this resolves, though not flushed. */
  async #settle(): Promise<void> {
    if (
      this.#failure !== undefined ||
      this.#ringUse !== 'write' ||
      this.#map.pendingCount + this.#entriesOutCount === 0
    ) {
      return;
    }
    await this.#writer?.drain();
    await this.#entriesOut;
    const error = this.#writer?.error ?? this.#entriesError;
    if (error !== undefined) this.#fail(error);
    await this.#attempt(() => this.#map.writeOut(this.#map.end.objects));
  }

  async #attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** No more writing; the medium ends where it surely does. */
  #fail(error: unknown): never {
    this.#failure = error;
    const end = this.#map.durable;
    this.#digests?.begin(undefined);
    this.#digests?.drop(end.files);
    if (this.#map.end.objects > end.objects) this.#map.revert(end);
    if (this.#object > end.objects) {
      this.#object = end.objects;
      this.#file = end.files;
      this.#offset = end.dataEnd;
    }
    throw error;
  }
}

function makeRing(bufferBytes: number, shared: boolean): readonly Uint8Array[] {
  const size = RING_BUFFERS * bufferBytes;
  const plain = (): Uint8Array => new Uint8Array(shared ? new SharedArrayBuffer(size) : new ArrayBuffer(size));
  const whole = bufferBytes >= MiB ? alignedBuffer(size, shared) : plain(); // small ones do not go direct
  return Array.from({ length: RING_BUFFERS }, (_, i) => whole.subarray(i * bufferBytes, (i + 1) * bufferBytes));
}
