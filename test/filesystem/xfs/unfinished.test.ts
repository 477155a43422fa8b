// What the log said would be done and was not: a volume that a machine left so, kept, and the tree that the kernel made of it.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decompress } from 'fzstd';
import { describe, expect, it } from 'vitest';
import { replayLog } from '../../../src/filesystem/xfs/log/replay.ts';
import { decodeSuperblock } from '../../../src/filesystem/xfs/superblock.ts';
import { openXfs } from '../../../src/filesystem/xfs/xfs.ts';
import { expectWalkConforms } from '../../conformance/filesystem.ts';
import { walkedRows } from '../../support/kernel-view.ts';
import { type MemoryVolume, memoryVolume } from '../../support/memory-volume.ts';
import { mustWalk, walkToMap } from '../../support/walked.ts';

const FIXTURES = {
  map: ['map', '5f018aeff4f5a359f3583f5650e8d4056495777beb8d449735645863ad0cd601'],
  'unmap-map': ['unmap map', 'a97d0fc8d44b03c9cf9ec72f397f523d50c536f427d6f877dd8c73debfdf357c'],
} as const;

const load = (name: string): MemoryVolume =>
  memoryVolume(Buffer.from(decompress(readFileSync(join(import.meta.dirname, `fixtures/unfinished-${name}.img.zst`)))));

describe('a mapping that the log begins and does not end', () => {
  for (const [name, [edits, digest]] of Object.entries(FIXTURES)) {
    it(`is brought to its end, as the kernel does: ${edits}`, async () => {
      const volume = load(name);
      const geometry = decodeSuperblock(await volume.readAt(0, 512));
      const replayed = await replayLog(geometry, volume.readAt);
      const found = [...(replayed?.unfinished.edits.values() ?? [])].flat();
      expect(found.map(({ isMap }) => (isMap ? 'map' : 'unmap')).join(' ')).toBe(edits);
      const filesystem = mustWalk(await openXfs(volume.readAt, volume.bytes.length));
      const rows = walkedRows(await walkToMap(filesystem), filesystem.rootInode);
      const shown = rows
        .sort((a, b) => (a.path < b.path ? -1 : 1))
        .map((row) => [row.path, row.inode, row.mode, row.size, row.extents ?? null]);
      expect(createHash('sha256').update(JSON.stringify(shown)).digest('hex')).toBe(digest);
      expect((await expectWalkConforms(filesystem, volume.bytes.length)).problems).toEqual([]);
    });
  }
});
