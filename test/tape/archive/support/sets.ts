/** A manifest with all fields, for tests that change one. */
import type { Manifest } from '../../../../src/bytes/manifest.ts';
import { SET } from './tape-files.ts';

export const CARTRIDGE = '00112233445566778899aabbccddeeff';
export const OTHER_CARTRIDGE = 'ffeeddccbbaa99887766554433221100';
export const DIGEST = 'ab'.repeat(32);

export function manifestOf(changes: Partial<Manifest> = {}): Manifest {
  return {
    format: 1,
    set: SET,
    kind: 'full',
    base: null,
    volume: { name: 'home', identity: 'filesystem:ext4:uuid:8192', byteLength: 8192, source: '/dev/vg/home' },
    snapshot: { provider: 'none', consistency: 'none' },
    startedAt: '2026-03-14T02:00:00.000Z',
    finishedAt: '2026-03-14T02:10:00.000Z',
    program: 'reelmap 0.1.0',
    recordSize: 4096,
    filesystems: [
      {
        number: 0,
        type: 'ext4',
        uuid: '00000000-0000-0000-0000-000000000000',
        label: '',
        blockSize: 1024,
        volumeOffset: 0,
        byteLength: 8192,
        rootInode: 2,
        indexed: true,
        reason: null,
        notes: ['a note'],
        entries: 3,
        inodes: 3,
        problems: 0,
      },
    ],
    storedBytes: 4096,
    allocatedBytes: 4096,
    indexDigest: DIGEST,
    indexRows: 2,
    chunks: [
      {
        number: 0,
        volumeOffset: 0,
        byteLength: 8192,
        storedBytes: 4096,
        extentCount: 1,
        sha256: DIGEST,
        planDigest: DIGEST,
        copies: [{ cartridge: CARTRIDGE, firstObject: 4, dataObject: 5, records: 3 }],
      },
    ],
    cartridges: [{ id: CARTRIDGE, barcode: 'RM0001L9' }],
    previousIndexObject: null,
    complete: true,
    ...changes,
  };
}
