// Volumes of machines that stopped: our replay of the log in memory against the kernel's own on a copy, over many seeds.
// XFS_SEEDS=first-last runs others.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canMount } from '../../support/mount.ts';
import { hasTools } from '../../support/tools.ts';
import { imageFolder } from '../ext4/support/images.ts';
import { compareReplay, stoppedVolume, workloadOf } from './support/dirty.ts';
import { makeImage } from './support/images.ts';

const folder = imageFolder();
const mountPoint = join(folder, 'mnt');
mkdirSync(mountPoint);
const mountable =
  hasTools('mkfs.xfs', 'python3', 'mount') && canMount(makeImage(folder, 64 << 20).path, mountPoint, 'ro,norecovery');
if (!mountable) console.warn('not run: replays compared with the kernel, which need root, loop mounts and XFS');

const [first, last] = (process.env.XFS_SEEDS ?? '1-12').split('-').map(Number);

describe('an XFS volume whose machine stopped', () => {
  if (!mountable) it('cannot be had here', () => expect(mountable).toBe(false));
  for (let seed = first; mountable && seed <= last; seed++) {
    it(`is walked as the kernel sees it after its own replay: seed ${seed}`, async () => {
      const image = stoppedVolume(folder, mountPoint, workloadOf(seed));
      const { wrong, entries } = await compareReplay(image, mountPoint);
      expect(wrong.slice(0, 5)).toEqual([]);
      expect(entries).toBeGreaterThan(3);
      rmSync(image.path);
    });
  }
});
