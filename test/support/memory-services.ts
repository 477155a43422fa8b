/** The commands' services over a MemorySet: no store, no library, all else as in the program. */
import type { IndexService, ListedEntry, Services, SetRecord, SetView } from '../../src/cli/services.ts';
import { FileType, fileTypeOf, type IndexEntry } from '../../src/tape-index/entry.ts';
import type { MemorySet } from './memory-set.ts';

export function setRecord(id: string, name: string, startedAt: string, more: Partial<SetRecord> = {}): SetRecord {
  return {
    format: 1,
    set: id.padEnd(32, '0'),
    kind: 'full',
    base: null,
    volume: { name, identity: `filesystem:ext4:${name}:1`, byteLength: 65_536, source: `/dev/${name}` },
    snapshot: { provider: 'none', consistency: 'frozen' },
    startedAt,
    finishedAt: startedAt,
    program: 'reelmap test',
    recordSize: 4096,
    filesystems: [filesystem()],
    storedBytes: 65_536,
    allocatedBytes: 65_536,
    indexDigest: '',
    indexRows: 0,
    cartridges: [{ id: 'A', barcode: 'RM0001L9' }],
    previousIndexObject: null,
    complete: true,
    ...more,
  };
}

export const filesystem = (more: Partial<SetRecord['filesystems'][number]> = {}): SetRecord['filesystems'][number] => ({
  number: 0,
  type: 'ext4',
  uuid: '',
  label: '',
  blockSize: 1024,
  volumeOffset: 0,
  byteLength: 65_536,
  rootInode: 2,
  indexed: true,
  reason: null,
  notes: [],
  entries: 3,
  inodes: 3,
  problems: 0,
  ...more,
});

async function* walk(
  set: MemorySet,
  from: IndexEntry,
  parents: readonly Uint8Array[] = [],
): ReturnType<SetView['walk']> {
  for await (const entries of set.list(from)) {
    yield { parents, entries };
    for (const one of entries)
      if (fileTypeOf(one.mode) === FileType.directory) yield* walk(set, one, [...parents, one.name]);
  }
}

export function memoryServices(sets: readonly (readonly [SetRecord, MemorySet])[]): Services & { dropped: string[] } {
  const dropped: string[] = [];
  const index: IndexService = {
    sets: async () => sets.map(([record]) => record),
    async open(record) {
      const set = sets.find(([one]) => one === record)?.[1];
      if (set === undefined) throw new Error('no such set');
      const indexed = record.filesystems.some((one) => one.indexed);
      const view: SetView = {
        record,
        recordSize: set.recordSize,
        chunkAt: (at) => set.chunkAt(at),
        chunkExtents: (chunk, from, to) => set.chunkExtents(chunk, from, to),
        root: async () => (indexed ? ((await set.lookup([])) as ListedEntry) : undefined),
        resolve: (names) => set.lookup(names),
        list: (directory) => set.list(directory),
        walk: (directory) => walk(set, directory),
      };
      return view;
    },
    drop: async (record) => void dropped.push(record.set),
    async [Symbol.asyncDispose]() {},
  };
  return {
    dropped,
    openIndex: async () => index,
    async openTapes(_, record) {
      const set = sets.find(([one]) => one === record)?.[1];
      return {
        model: { bytesPerSecond: 1e6, repositionSeconds: 0, loadSeconds: 10 },
        rank: () => 0,
        labelOf: (cartridge) => cartridge,
        load: async (cartridge) => set?.load(cartridge) ?? 'none',
        async [Symbol.asyncDispose]() {},
      };
    },
    restoreVolume: async () => ({
      bytes: 4096,
      chunks: 1,
      cartridges: ['A'],
      lost: [{ volumeOffset: 0, byteLength: 512, reason: 'cartridge A, object 3: the record cannot be read' }],
    }),
  };
}
