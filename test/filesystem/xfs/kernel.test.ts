// Trees that the Linux kernel wrote, walked and compared with what it says of them itself: lstat, listxattr, FIEMAP.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectWalkConforms } from '../../conformance/filesystem.ts';
import { differences, kernelRows, walkedRows } from '../../support/kernel-view.ts';
import { canMount, withMount } from '../../support/mount.ts';
import { hasTools } from '../../support/tools.ts';
import { pathsOf, type Walked, walkToMap } from '../../support/walked.ts';
import { imageFolder } from '../ext4/support/images.ts';
import { notFree, usedRuns } from './support/free-space.ts';
import { makeImage, openImage, xfsDb } from './support/images.ts';

/** Arguments of mkfs.xfs, and bytes of the pieces of free space that a directory has to grow in. */
const IMAGES: Record<string, readonly [mkfs: readonly string[], piece: number]> = {
  'version 5 as mkfs.xfs makes it': [[], 4096],
  'with rmapbt and 64-bit extent counts': [['-m', 'rmapbt=1', '-i', 'nrext64=1'], 4096],
  'with 1 KiB blocks and directory blocks of 8 KiB': [['-b', 'size=1024', '-n', 'size=8192'], 8192],
  'with directory blocks of 16 KiB in 16 pieces': [
    ['-b', 'size=1024', '-n', 'size=16384', '-m', 'reflink=0,finobt=0,inobtcount=0'],
    1024,
  ],
  'without reflink, bigtime, finobt and sparse inodes': [
    ['-m', 'reflink=0,bigtime=0,finobt=0,inobtcount=0', '-i', 'sparse=0'],
    4096,
  ],
  'with inodes of 2 KiB and sectors of 4 KiB': [['-i', 'size=2048', '-s', 'size=4096', '-d', 'agcount=3'], 4096],
};

/** What the script is to have brought about: a path, and what xfs_db prints of its inode. */
const FORMS = [
  ['/sf', 'core.format = 1 (local)'],
  ['/blk', 'core.format = 2 (extents)'],
  ['/one', 'core.format = 3 (btree)'],
  ['/frag', 'core.format = 3 (btree)'],
  ['/fast', 'core.format = 1 (local)'],
  ['/small', 'core.aformat = 1 (local)'],
  ['/empty', 'core.aformat = 2 (extents)'],
] as const;

/** A chunk of which half is not on disk. */
const SPARSE_CHUNK = /\[\d+,0x[0-9a-f]+,32,/;

const folder = imageFolder();
const mountPoint = join(folder, 'mnt');
mkdirSync(mountPoint);
const SIZE = 64 << 20;
const mountable =
  hasTools('mkfs.xfs', 'python3', 'mount') && canMount(makeImage(folder, SIZE).path, mountPoint, 'ro,norecovery');
if (!mountable) console.warn('not run: comparisons with the kernel, which need root, loop mounts and XFS');

describe('an XFS tree that the kernel wrote', () => {
  if (!mountable) it('cannot be had here', () => expect(mountable).toBe(false));
  for (const [title, [args, piece]] of mountable ? Object.entries(IMAGES) : []) {
    it(`is walked as the kernel sees it: ${title}`, async () => {
      const image = makeImage(folder, SIZE, args);
      const fill = join(import.meta.dirname, 'support/fill.py');
      withMount(image.path, mountPoint, 'rw', () =>
        execFileSync('python3', [fill, mountPoint, `${piece}`], { stdio: 'inherit' }),
      );
      const kernel = withMount(image.path, mountPoint, 'ro,norecovery', () => kernelRows(mountPoint));
      const filesystem = await openImage(image);
      if (args.length === 0) expect(xfsDb(image.path, ['agi 0', 'addr root', 'print'])).toMatch(SPARSE_CHUNK);
      const walked = await walkToMap(filesystem);
      expect(kernel.length).toBeGreaterThan(4450);
      expect(FORMS.filter(([path, field]) => !isInForm(image.path, walked, filesystem.rootInode, path, field))).toEqual(
        [],
      );
      expect(walked.directoryProblems).toEqual([]);
      expect(differences(walkedRows(walked, filesystem.rootInode), kernel).slice(0, 5)).toEqual([]);
      expect((await expectWalkConforms(filesystem, image.byteLength)).problems).toEqual([]);
      expect(await usedRuns(filesystem)).toEqual(notFree(image));
      expect(filesystem.notes).toEqual([]);
      expect(spawnSync('xfs_repair', ['-n', image.path]).status).toBe(0);
    });
  }
});

function isInForm(path: string, walked: Walked, root: number, file: string, field: string): boolean {
  const inode = pathsOf(walked, root).get(file);
  return xfsDb(path, [`inode ${inode}`, 'print'])
    .split('\n')
    .includes(field);
}
