/**
 * The logical objects of a virtual cartridge, over the store of its map (map-format.ts). The map is never loaded whole: an
 * 18 TB cartridge has 70 million entries. Entries of new objects wait in memory until `writeOut`.
 *
 * Invariants
 * - Objects 0 to `count` exist; those from `sent` on only in memory.
 * - At most one slot is not on stable storage: `commit` and `startEpoch` come only after a `flush` of the map.
 */
import type { BlockStore } from '../bytes/block-store.ts';
import { assert, check, FormatError } from '../bytes/errors.ts';
import { viewOf } from '../bytes/layout.ts';
import { bytes } from '../bytes/units.ts';
import {
  decodeHeader,
  decodeSlot,
  type Entry,
  encodeHeader,
  encodeSlot,
  type Header,
  idSeed,
  MAP_BLOCK,
  MAP_ENTRIES,
  MAP_ENTRY_BYTES,
  MAP_HEADER_COPY,
  MAP_SLOT_OFFSETS,
  readEntry,
  type Slot,
  writeEntry,
} from './map-format.ts';

const ENTRIES_PER_BLOCK = MAP_BLOCK / MAP_ENTRY_BYTES;
/** Blocks of the map kept for look-ups: 256 KiB. */
const CACHED_BLOCKS_MAX = 64;
/** Entries that wait in memory, at most: 1 MiB. The medium writes them out before. */
export const PENDING_ENTRIES_MAX = 32768;
/** Entries read at a time while looking for the end of data after a crash: 64 KiB. */
const SCAN_ENTRIES = 2048;

/** Where an object begins: filemarks and data bytes before it. */
export interface ObjectPlace {
  readonly file: number;
  readonly offset: number;
}

/** Objects, filemarks and data bytes from the beginning up to an end of data. */
export interface Extent {
  readonly objects: number;
  readonly files: number;
  readonly dataEnd: number;
}

const placeAfter = (entry: Entry): ObjectPlace => ({
  file: entry.file + (entry.kind === 'filemark' ? 1 : 0),
  offset: entry.offset + entry.length,
});

/** Writes the map of a blank cartridge, durably. */
export async function formatMap(store: BlockStore, header: Header): Promise<void> {
  const block = encodeHeader(header);
  const seed = idSeed(header.id);
  await store.write(bytes(0), block);
  for (const offset of MAP_SLOT_OFFSETS) {
    const sequence = slotSequence(0, offset);
    await store.write(bytes(offset), encodeSlot({ sequence, objects: 0, dataEnd: 0, files: 0, epoch: 1 }, seed));
  }
  await store.write(bytes(MAP_HEADER_COPY), block);
  await store.flush();
}

/** Sequence 0 lives in the first slot, 1 in the second, and so on in turn. */
const slotOffset = (sequence: number): number => MAP_SLOT_OFFSETS[sequence % 2];
const slotSequence = (base: number, offset: number): number => base + (offset === MAP_SLOT_OFFSETS[0] ? 0 : 1);

export class ObjectMap {
  readonly header: Header;
  /** Damage found at opening that cost nothing yet, each naming its place. */
  readonly warnings: readonly string[];
  readonly #store: BlockStore;
  readonly #name: string;
  readonly #seed: number;
  readonly #cache = new Map<number, DataView>();
  #end: Extent;
  #durable: Extent;
  #sequence: number;
  #epoch: number;
  #sent: number;
  #pending = viewOf(new Uint8Array(64 * MAP_ENTRY_BYTES));

  private constructor(store: BlockStore, name: string, header: Header, slot: Slot, warnings: readonly string[]) {
    this.#store = store;
    this.#name = name;
    this.header = header;
    this.warnings = warnings;
    this.#seed = idSeed(header.id);
    this.#end = { objects: slot.objects, files: slot.files, dataEnd: slot.dataEnd };
    this.#durable = this.#end;
    this.#sequence = slot.sequence;
    this.#epoch = slot.epoch;
    this.#sent = slot.objects;
  }

  /**
   * Opens the map and finds the end of data: the committed objects, and those after them that are there whole.
   * @param dataLength bytes in the data store
   * @param durable what the stores hold now is on stable storage
   * @throws FormatError when neither header can be read
   */
  static async open(store: BlockStore, name: string, dataLength: number, durable: boolean): Promise<ObjectMap> {
    const warnings: string[] = [];
    const header = await readHeader(store, name, warnings);
    const slots = await readSlots(store, name, idSeed(header.id), warnings);
    const newest = slots.sort((a, b) => b.sequence - a.sequence)[0];
    const map = new ObjectMap(store, name, header, newest ?? FIRST_SLOT, warnings);
    await map.#findEnd(dataLength, newest === undefined);
    if (durable) map.#durable = map.#end;
    return map;
  }

  /** Objects, filemarks and data bytes up to end of data. */
  get end(): Extent {
    return this.#end;
  }

  /** What is on stable storage, as far as is known. */
  get durable(): Extent {
    return this.#durable;
  }

  /** Objects whose entries wait in memory. */
  get pendingCount(): number {
    return this.#end.objects - this.#sent;
  }

  /** Index of the first object whose entry waits in memory. */
  get sent(): number {
    return this.#sent;
  }

  /** Entry of an object; `undefined`: damaged. A damaged filemark is known by what its neighbours say. */
  async get(index: number): Promise<Entry | undefined> {
    return (await this.#read(index)) ?? (await this.#filemarkBetween(index));
  }

  /** Objects whose entries are damaged, ascending, and whether what they were is known all the same. Reads all of the map. */
  async *damaged(): AsyncGenerator<{ readonly index: number; readonly known: boolean }> {
    for (let index = 0; index < this.#end.objects; index++) {
      if ((await this.#read(index)) !== undefined) continue;
      yield { index, known: (await this.#filemarkBetween(index)) !== undefined };
    }
  }

  /** A filemark takes no room, and the objects behind it are of the next tape file: nothing else does both. */
  async #filemarkBetween(index: number): Promise<Entry | undefined> {
    const last = index + 1 === this.#end.objects;
    const before = index === 0 ? undefined : await this.#read(index - 1);
    const after = last ? undefined : await this.#read(index + 1);
    if ((index > 0 && before === undefined) || (!last && after === undefined)) return undefined;
    const at = before === undefined ? { file: 0, offset: 0 } : placeAfter(before);
    const end = after ?? { file: this.#end.files, offset: this.#end.dataEnd };
    if (end.offset !== at.offset || end.file !== at.file + 1) return undefined;
    const epoch = before?.epoch ?? this.#epoch;
    return { kind: 'filemark', offset: at.offset, length: 0, recordCrc: 0, file: at.file, epoch, encrypted: false };
  }

  async #read(index: number): Promise<Entry | undefined> {
    assert(index >= 0 && index < this.#end.objects, `object ${index} of ${this.#end.objects}`);
    if (index >= this.#sent) return this.pending(index);
    const number = Math.floor(index / ENTRIES_PER_BLOCK);
    const block = this.#cache.get(number) ?? (await this.#load(number));
    return readEntry(block, (index % ENTRIES_PER_BLOCK) * MAP_ENTRY_BYTES, index, this.#seed);
  }

  /** Entry that waits in memory. */
  pending(index: number): Entry | undefined {
    return readEntry(this.#pending, (index - this.#sent) * MAP_ENTRY_BYTES, index, this.#seed);
  }

  /** Adds an object at end of data, in memory. */
  append(kind: 'record' | 'filemark', length: number, recordCrc: number, encrypted = false): void {
    const { objects, files, dataEnd } = this.#end;
    const at = (objects - this.#sent) * MAP_ENTRY_BYTES;
    assert(at < PENDING_ENTRIES_MAX * MAP_ENTRY_BYTES, 'too many entries wait');
    if (at === this.#pending.byteLength) this.#growPending();
    const entry: Entry = { kind, encrypted, offset: dataEnd, length, recordCrc, file: files, epoch: this.#epoch };
    writeEntry(this.#pending, at, objects, entry, this.#seed);
    const mark = kind === 'filemark' ? 1 : 0;
    this.#end = { objects: objects + 1, files: files + mark, dataEnd: dataEnd + length };
  }

  /** Writes the waiting entries below `upTo` to the store; not durable yet. */
  async writeOut(upTo: number): Promise<void> {
    const count = upTo - this.#sent;
    if (count <= 0) return;
    const all = new Uint8Array(this.#pending.buffer);
    const out = all.slice(0, count * MAP_ENTRY_BYTES);
    all.copyWithin(0, out.length, this.pendingCount * MAP_ENTRY_BYTES);
    const from = this.#sent;
    this.#sent = upTo;
    for (let i = Math.floor(from / ENTRIES_PER_BLOCK); i * ENTRIES_PER_BLOCK < upTo; i++) this.#cache.delete(i);
    await this.#store.write(bytes(MAP_ENTRIES + from * MAP_ENTRY_BYTES), out);
  }

  flush(): Promise<void> {
    return this.#store.flush();
  }

  /** Notes that everything up to end of data is on stable storage, which the caller has seen to. */
  async commit(): Promise<void> {
    assert(this.pendingCount === 0, 'commit with entries waiting');
    await this.#writeSlot(this.#end);
  }

  /**
   * Makes `end` the end of data, for good: when this resolves no crash brings back what was behind it. Everything before
   * it must be on stable storage. Both slots are written, so that the loss of one later does not undo it.
   */
  async startEpoch(end: Extent): Promise<void> {
    this.#epoch++;
    for (let i = 0; i < 2; i++) {
      await this.#writeSlot(end);
      await this.#store.flush();
    }
    this.revert(end);
    const byteLength = MAP_ENTRIES + end.objects * MAP_ENTRY_BYTES;
    if (this.#store.byteLength > byteLength) await this.#store.truncate(bytes(byteLength));
  }

  /** Forgets the objects behind `end`, in memory only. */
  revert(end: Extent): void {
    this.#end = end;
    this.#sent = Math.min(this.#sent, end.objects);
    this.#cache.clear();
  }

  /**
   * What lies before object `index`, which may be `end.objects`. Behind damaged entries it is worked out from their
   * neighbours; `exact` false: that left a doubt.
   */
  async placeOf(index: number): Promise<ObjectPlace & { readonly exact: boolean }> {
    if (index >= this.#end.objects) return { file: this.#end.files, offset: this.#end.dataEnd, exact: true };
    const entry = await this.get(index);
    if (entry) return { file: entry.file, offset: entry.offset, exact: true };
    const before = await this.#goodBefore(index);
    const place = before ? placeAfter(before.entry) : { file: 0, offset: 0 };
    return { ...place, exact: index === (before ? before.index + 1 : 0) };
  }

  /**
   * Index of the first object of tape file `file`, at most `end.files`; it may be `end.objects`.
   * @throws FormatError `corrupt` when damaged entries hide it
   */
  async firstOfFile(file: number): Promise<number> {
    if (file === 0) return 0;
    let low = 0; // entries before are of earlier files
    let high = this.#end.objects; // so is none from here on
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const good = await this.#goodFrom(middle, high);
      if (good && good.entry.file < file) low = good.index + 1;
      else high = middle;
    }
    // Entries skipped as damaged may hide the mark; the intact one before tells.
    const before = await this.#goodBefore(low);
    if (before?.entry.kind === 'filemark' && before.entry.file === file - 1) return before.index + 1;
    throw new FormatError(
      'corrupt',
      this.#name,
      `map entries around object ${low} are damaged: file ${file} not found`,
    );
  }

  async #goodFrom(start: number, end: number): Promise<{ index: number; entry: Entry } | undefined> {
    for (let index = start; index < end; index++) {
      const entry = await this.get(index);
      if (entry) return { index, entry };
    }
    return undefined;
  }

  async #goodBefore(end: number): Promise<{ index: number; entry: Entry } | undefined> {
    for (let index = end - 1; index >= 0; index--) {
      const entry = await this.get(index);
      if (entry) return { index, entry };
    }
    return undefined;
  }

  /** Goes on from the committed end over entries that follow each other and whose data is there. */
  async #findEnd(dataLength: number, anyEpoch: boolean): Promise<void> {
    const buffer = new Uint8Array(SCAN_ENTRIES * MAP_ENTRY_BYTES);
    for (;;) {
      const start = this.#end.objects;
      const at = MAP_ENTRIES + start * MAP_ENTRY_BYTES;
      const count = Math.min(SCAN_ENTRIES, Math.floor((this.#store.byteLength - at) / MAP_ENTRY_BYTES));
      if (count <= 0) return;
      const part = buffer.subarray(0, count * MAP_ENTRY_BYTES);
      await this.#store.read(bytes(at), part);
      const view = viewOf(part);
      for (let i = 0; i < count; i++) {
        const entry = readEntry(view, i * MAP_ENTRY_BYTES, start + i, this.#seed);
        if (!entry || !this.#follows(entry, dataLength, anyEpoch)) return;
        this.#epoch = entry.epoch;
        const after = placeAfter(entry);
        this.#end = { objects: start + i + 1, files: after.file, dataEnd: after.offset };
        this.#sent = start + i + 1;
      }
    }
  }

  #follows(entry: Entry, dataLength: number, anyEpoch: boolean): boolean {
    return (
      entry.offset === this.#end.dataEnd &&
      entry.file === this.#end.files &&
      entry.offset + entry.length <= dataLength &&
      (entry.epoch === this.#epoch || (anyEpoch && entry.epoch > this.#epoch))
    );
  }

  async #writeSlot(end: Extent): Promise<void> {
    const slot: Slot = { sequence: this.#sequence + 1, epoch: this.#epoch, ...end };
    await this.#store.write(bytes(slotOffset(slot.sequence)), encodeSlot(slot, this.#seed));
    this.#sequence = slot.sequence;
    this.#durable = end;
  }

  async #load(number: number): Promise<DataView> {
    const block = new Uint8Array(MAP_BLOCK);
    await this.#store.read(bytes(MAP_ENTRIES + number * MAP_BLOCK), block);
    if (this.#cache.size >= CACHED_BLOCKS_MAX) {
      for (const oldest of this.#cache.keys()) {
        this.#cache.delete(oldest);
        break;
      }
    }
    const view = viewOf(block);
    this.#cache.set(number, view);
    return view;
  }

  #growPending(): void {
    const grown = new Uint8Array(this.#pending.byteLength * 2);
    grown.set(new Uint8Array(this.#pending.buffer));
    this.#pending = viewOf(grown);
  }
}

/** With both slots lost the entries alone are followed from the first on. */
const FIRST_SLOT: Slot = { sequence: 1, objects: 0, dataEnd: 0, files: 0, epoch: 1 };

async function readHeader(store: BlockStore, name: string, warnings: string[]): Promise<Header> {
  check(store.byteLength >= MAP_ENTRIES, name, `map of ${store.byteLength} bytes has no header`);
  const block = new Uint8Array(MAP_BLOCK);
  await store.read(bytes(0), block);
  const copy = new Uint8Array(MAP_BLOCK);
  await store.read(bytes(MAP_HEADER_COPY), copy);
  try {
    const header = decodeHeader(block, `${name} map header`);
    if (Buffer.compare(block, copy) !== 0) warnings.push(`${name} map header: its copy is damaged`);
    return header;
  } catch (error) {
    if (!(error instanceof FormatError) || error.kind !== 'corrupt') throw error;
    const header = decodeHeader(copy, `${name} map header, and its copy`);
    warnings.push(`${error.message}; its copy was used`);
    return header;
  }
}

async function readSlots(store: BlockStore, name: string, seed: number, warnings: string[]): Promise<Slot[]> {
  const slots: Slot[] = [];
  const block = new Uint8Array(MAP_BLOCK);
  for (const offset of MAP_SLOT_OFFSETS) {
    await store.read(bytes(offset), block);
    const slot = decodeSlot(block, seed);
    if (slot) slots.push(slot);
    else warnings.push(`${name} map: commit slot at byte ${offset} is torn or damaged`);
  }
  return slots;
}
