// A filesystem that was in use when the machine stopped, to tape and back: the restored tree, and the restored volume after
// the kernel has replayed its journal, are both what the kernel makes of the original. Only for root with loop mounts.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { differences } from '../filesystem/ext4/support/as-dumped.ts';
import { type DirtyOptions, dumpFolder, kernelTree, makeDirty } from '../filesystem/ext4/support/dirty.ts';
import { imageFolder, makeImage } from '../filesystem/ext4/support/images.ts';
import { canMount } from '../support/mount.ts';
import { Site } from '../support/site.ts';
import { hasTools, tempFolder } from '../support/tools.ts';

const MIB = 2 ** 20;
const folder = imageFolder();
const mountPoint = join(folder, 'mnt');
mkdirSync(mountPoint);
const mountable =
  hasTools('mke2fs', 'python3', 'mount') &&
  canMount(makeImage(folder, { size: 8 * MIB, mke2fs: [] }).path, mountPoint, 'ro');
if (!mountable) console.warn('not run: volumes in use, to tape and back, which need root and loop mounts');

const KINDS: Readonly<Record<string, Omit<DirtyOptions, 'seed'> & { readonly folderTimes?: boolean }>> = {
  'ext4, content in the journal': {
    size: 48 * MIB,
    mke2fs: ['-t', 'ext4', '-b', '2048'],
    mount: 'data=journal',
    operations: 250,
  },
  'ext4 with fast commits': {
    size: 48 * MIB,
    mke2fs: ['-t', 'ext4', '-O', 'fast_commit'],
    operations: 120,
    tail: 40,
    folderTimes: false,
  },
};

describe.skipIf(!mountable)('a volume in use to tape and back', () => {
  for (const [title, { folderTimes = true, ...options }] of Object.entries(KINDS)) {
    it(title, async () => {
      const image = makeDirty(folder, { ...options, seed: 3 });
      const site = await Site.make({ cartridges: [{ barcode: 'RM1', capacity: 200 * MIB }] });
      const { manifest, partial } = await site.backup(new MemoryStore({ content: readFileSync(image.path) }), {
        recordSize: 65_536,
      });
      expect(partial).toBe(false);
      expect(manifest.filesystems[0].notes.join()).toMatch(/the journal was replayed in memory: [1-9]/);
      const truth = kernelTree(image.path, folder);
      if (truth === undefined) throw new Error('the kernel refuses the image');

      const to = join(tempFolder(), 'back');
      await using session = await site.open();
      const outcome = await session.restore(manifest.set, ['/'], to);
      expect([...outcome.problems, outcome.lost]).toEqual([0]);
      expect(differences(dumpFolder(to), truth, { folderTimes })).toEqual([]);

      const { volume, lost } = await (await site.copy()).restoreVolume(manifest.set);
      expect(lost).toEqual([]);
      const restored = join(folder, 'restored.img');
      writeFileSync(restored, volume);
      expect(differences(kernelTree(restored, folder) ?? [], truth, { folderTimes })).toEqual([]);
    });
  }
});
