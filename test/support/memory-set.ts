/**
 * A backup set in memory for tests of the restore: a volume, chunks of it laid out on cartridges as the tape format says
 * (stored runs one after the other, cut into records), a tree of entries, and a drive that can be made to fail.
 */
import type { Runs } from '../../src/bytes/extents.ts';
import { runsOf } from '../../src/bytes/extents.ts';
import type { ChunkRecord } from '../../src/bytes/manifest.ts';
import type { TapeDrive, TapeRead } from '../../src/initiator/tape-drive.ts';
import type { ChunkExtents } from '../../src/plan/restore-plan.ts';
import type { RestoreIndex } from '../../src/restore/collect.ts';
import type { CartridgeSource } from '../../src/restore/read-plan.ts';
import { FileType, fileTypeOf, type IndexEntry, type IndexedExtent } from '../../src/tape-index/entry.ts';

export const utf8 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'utf8'));

let nextInode = 100;

/** An entry with a test's attributes over usual ones. */
export function entry(name: string | Uint8Array, mode: number, more: Partial<IndexEntry> = {}): IndexEntry {
  return {
    name: typeof name === 'string' ? utf8(name) : name,
    filesystem: 0,
    inode: nextInode++,
    generation: 1,
    mode,
    linkCount: 1,
    uid: process.getuid?.() ?? 0,
    gid: process.getgid?.() ?? 0,
    size: 0,
    atime: { seconds: 1_600_000_000, nanoseconds: 123_456_789 },
    mtime: { seconds: 1_500_000_000, nanoseconds: 987_654_321 },
    ctime: { seconds: 1_500_000_000, nanoseconds: 0 },
    device: null,
    encrypted: false,
    compressed: false,
    verity: false,
    problems: [],
    extents: [],
    xattrs: [],
    ...more,
  };
}

export const directory = (name: string | Uint8Array, more: Partial<IndexEntry> = {}): IndexEntry =>
  entry(name, FileType.directory | 0o755, { linkCount: 2, ...more });

export const symlink = (name: string, target: string, more: Partial<IndexEntry> = {}): IndexEntry => {
  const literal = utf8(target);
  return entry(name, FileType.symlink | 0o777, {
    size: literal.length,
    extents: [{ kind: 'literal', fileOffset: 0, byteLength: literal.length, volumeOffset: 0, literal }],
    ...more,
  });
};

export const stored = (fileOffset: number, volumeOffset: number, byteLength: number): IndexedExtent => ({
  kind: 'stored',
  fileOffset,
  byteLength,
  volumeOffset,
});

export const file = (
  name: string | Uint8Array,
  size: number,
  extents: readonly IndexedExtent[],
  more: Partial<IndexEntry> = {},
): IndexEntry => entry(name, FileType.regular | 0o644, { size, extents, ...more });

export interface Tree {
  readonly entry: IndexEntry;
  readonly children?: readonly (Tree | IndexEntry)[];
}

const isTree = (node: Tree | IndexEntry): node is Tree => 'entry' in node;

export interface MemorySetOptions {
  readonly volume: Uint8Array;
  readonly recordSize: number;
  /** Stored bytes of a chunk at most. */
  readonly chunkBytes?: number;
  /** Stored runs; default: everything. */
  readonly runs?: Runs;
  /** Chunk n goes to cartridges[n modulo length]. */
  readonly cartridges?: readonly string[];
  /** A second copy of every chunk goes here. */
  readonly copies?: readonly string[];
  readonly tree?: readonly (Tree | IndexEntry)[];
  readonly root?: IndexEntry;
}

type TapeObjectContent = Uint8Array | 'filemark';

export class MemorySet implements RestoreIndex, CartridgeSource {
  readonly recordSize: number;
  readonly chunks: ChunkRecord[] = [];
  readonly #extents: Runs[] = [];
  readonly #tapes = new Map<string, TapeObjectContent[]>();
  readonly #root: Tree;
  /** `cartridge:object` of records that cannot be read. */
  readonly damaged = new Set<string>();
  /** Cartridges that are not here. */
  readonly absent = new Map<string, string>();
  /** Called before each READ; may throw. */
  beforeRead: (cartridge: string, object: number) => void = () => {};
  readonly log: string[] = [];
  reads = 0;
  locates = 0;

  constructor(options: MemorySetOptions) {
    this.recordSize = options.recordSize;
    const root = options.root ?? directory('');
    this.#root = { entry: root, children: options.tree ?? [] };
    this.#layOut(options);
  }

  #layOut({ volume, recordSize, chunkBytes = 1 << 20, runs, cartridges = ['A'], copies = [] }: MemorySetOptions): void {
    const all = runs ?? runsOf([[0, volume.length]]);
    let number = 0;
    let from = 0;
    let pairs: [number, number][] = [];
    let size = 0;
    const close = (end: number): void => {
      if (end === from && number > 0) return;
      this.#chunk(volume, number, from, end, pairs, [cartridges[number % cartridges.length], ...copies.slice(0, 1)]);
      number++;
      from = end;
      pairs = [];
      size = 0;
    };
    for (let i = 0; i < all.count; i++) {
      for (let at = all.starts[i]; at < all.starts[i] + all.lengths[i]; ) {
        const take = Math.min(all.starts[i] + all.lengths[i] - at, chunkBytes - size);
        pairs.push([at, take]);
        size += take;
        at += take;
        if (size === chunkBytes) close(at);
      }
    }
    if (from < volume.length || number === 0) close(volume.length);
    void recordSize;
  }

  #chunk(volume: Uint8Array, number: number, from: number, end: number, pairs: [number, number][], on: string[]): void {
    const data = Buffer.concat(pairs.map(([at, length]) => volume.subarray(at, at + length)));
    this.#extents.push(runsOf(pairs));
    const copies = on.map((cartridge) => {
      const tape = this.#tapes.get(cartridge) ?? [];
      this.#tapes.set(cartridge, tape);
      const firstObject = tape.length;
      tape.push(new Uint8Array(this.recordSize).fill(0x48)); // the archive's header
      for (let at = 0; at < data.length; at += this.recordSize) {
        const record = new Uint8Array(this.recordSize);
        record.set(data.subarray(at, at + this.recordSize));
        tape.push(record);
      }
      const records = tape.length - firstObject;
      tape.push('filemark');
      return { cartridge, firstObject, dataObject: firstObject + 1, records };
    });
    this.chunks.push({
      number,
      volumeOffset: from,
      byteLength: end - from,
      storedBytes: data.length,
      extentCount: pairs.length,
      sha256: null,
      planDigest: '',
      copies,
    });
  }

  async chunkAt(volumeOffset: number): Promise<ChunkRecord | undefined> {
    return this.chunks.find(
      (one) => volumeOffset >= one.volumeOffset && volumeOffset < one.volumeOffset + one.byteLength,
    );
  }
  /** Only the runs that are asked for, as a store with paged maps would. */
  async chunkExtents(chunk: ChunkRecord, from: number, to: number): Promise<ChunkExtents> {
    const all = this.#extents[chunk.number];
    let first = 0;
    let storedBefore = 0;
    while (first < all.count && all.starts[first] + all.lengths[first] <= from) storedBefore += all.lengths[first++];
    let end = first;
    while (end < all.count && all.starts[end] < to) end++;
    const runs = { count: end - first, starts: all.starts.slice(first, end), lengths: all.lengths.slice(first, end) };
    return { runs, storedBefore };
  }
  blockSize(): number {
    return 1024;
  }

  async lookup(names: readonly Uint8Array[]): Promise<IndexEntry | undefined> {
    let at: Tree | IndexEntry = this.#root;
    for (const name of names) {
      const children: readonly (Tree | IndexEntry)[] = isTree(at) ? (at.children ?? []) : [];
      const next = children.find((one) => Buffer.from(isTree(one) ? one.entry.name : one.name).equals(name));
      if (next === undefined) return undefined;
      at = next;
    }
    return isTree(at) ? at.entry : at;
  }

  async *list(parent: IndexEntry): AsyncIterable<readonly IndexEntry[]> {
    const find = (tree: Tree): Tree | undefined => {
      if (tree.entry.inode === parent.inode) return tree;
      for (const child of tree.children ?? []) {
        const found = isTree(child) ? find(child) : undefined;
        if (found !== undefined) return found;
      }
      return undefined;
    };
    const children = find(this.#root)?.children ?? [];
    yield children.map((child) => (isTree(child) ? child.entry : child));
  }

  async load(cartridge: string) {
    const gone = this.absent.get(cartridge);
    if (gone !== undefined) return gone;
    const tape = this.#tapes.get(cartridge);
    if (tape === undefined) return `cartridge ${cartridge}: not in the library`;
    this.log.push(`load ${cartridge}`);
    const drive = this.#drive(cartridge, tape);
    return { drive, label: `cartridge ${cartridge}`, async [Symbol.asyncDispose]() {} };
  }

  #drive(cartridge: string, tape: readonly TapeObjectContent[]): TapeDrive {
    let position = 0;
    const read = async (into: Uint8Array): Promise<TapeRead> => {
      await Promise.resolve();
      const object = position;
      this.beforeRead(cartridge, object);
      if (object >= tape.length) return { kind: 'end-of-data' };
      position++;
      const found = tape[object];
      if (found === 'filemark') return { kind: 'filemark' };
      this.reads++;
      if (this.damaged.has(`${cartridge}:${object}`)) {
        into.fill(0xee);
        return { kind: 'damaged', sense: { key: 3, asc: 0x11, ascq: 0 } };
      }
      const length = Math.min(found.length, into.length);
      into.set(found.subarray(0, length));
      return { kind: 'record', length: found.length, data: into.subarray(0, length) };
    };
    const locate = async (object: number): Promise<boolean> => {
      this.locates++;
      this.log.push(`locate ${cartridge}:${object}`);
      position = Math.min(object, tape.length);
      return object <= tape.length;
    };
    return { read, locate } as unknown as TapeDrive;
  }

  /** What is on a cartridge, to be spoilt. */
  tape(cartridge: string): TapeObjectContent[] {
    return this.#tapes.get(cartridge) ?? [];
  }
}

export const isDirectory = (one: IndexEntry): boolean => fileTypeOf(one.mode) === FileType.directory;
