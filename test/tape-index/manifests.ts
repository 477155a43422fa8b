/** Manifests for tests. */
import { runsOf } from '../../src/bytes/extents.ts';
import { putChunkExtents } from '../../src/tape-index/chunks.ts';
import type { KvStore } from '../../src/tape-index/kv-store.ts';
import type { ChunkRecord, Manifest } from '../../src/tape-index/manifest.ts';

export function testChunk(number: number, volumeOffset: number, byteLength: number): ChunkRecord {
  return {
    number,
    volumeOffset,
    byteLength,
    storedBytes: byteLength / 2,
    extentCount: 3,
    sha256: null,
    planDigest: '0'.repeat(64),
    copies: [{ cartridge: 'c'.repeat(32), firstObject: number * 100 + 10, dataObject: number * 100 + 11, records: 90 }],
  };
}

/** The extent maps of a manifest's chunks, three runs each. */
export async function putMaps(store: KvStore, { set, chunks }: Manifest): Promise<void> {
  for (const { number, volumeOffset, byteLength } of chunks) {
    const part = byteLength / 10;
    const runs = [
      [volumeOffset, part],
      [volumeOffset + 2 * part, 2 * part],
      [volumeOffset + 6 * part, 2 * part],
    ] as const;
    await putChunkExtents(store, set, number, runsOf(runs));
  }
}

export function testManifest(set: string, more: Partial<Manifest> = {}): Manifest {
  return {
    format: 1,
    set,
    kind: 'full',
    base: null,
    volume: { name: 'home', identity: 'filesystem:ext4:x:1', byteLength: 3000, source: '/dev/vdb' },
    snapshot: { provider: 'none', consistency: 'unmounted' },
    startedAt: '2026-03-14T10:00:00.000Z',
    finishedAt: '2026-03-14T10:05:00.000Z',
    program: 'reelmap 0.1.0',
    recordSize: 262144,
    filesystems: [
      {
        number: 0,
        type: 'ext4',
        uuid: '',
        label: '',
        blockSize: 4096,
        volumeOffset: 0,
        byteLength: 3000,
        rootInode: 2,
        indexed: true,
        reason: null,
        notes: [],
        entries: 0,
        inodes: 1,
        problems: 0,
      },
    ],
    storedBytes: 1500,
    allocatedBytes: 1400,
    indexDigest: '',
    indexRows: 0,
    chunks: [testChunk(0, 0, 1000), testChunk(1, 1000, 1000), testChunk(2, 2000, 1000)],
    cartridges: [{ id: 'c'.repeat(32), barcode: 'RM0001L9' }],
    previousIndexObject: null,
    complete: true,
    ...more,
  };
}
