/** XFS images made by mkfs.xfs, and filled by the kernel where it may. */
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Filesystem } from '../../../../src/filesystem/filesystem.ts';
import type { ReadAt } from '../../../../src/filesystem/volume.ts';
import { openXfs } from '../../../../src/filesystem/xfs/xfs.ts';
import { type MemoryVolume, memoryVolume } from '../../../support/memory-volume.ts';
import { mustWalk } from '../../../support/walked.ts';
import { fileReadAt } from '../../ext4/support/images.ts';

export interface Image {
  readonly path: string;
  readonly byteLength: number;
  readonly readAt: ReadAt;
  readonly uuid: string;
}

let made = 0;

/** mkfs.xfs refuses less than 300 MB unless it believes that it is being tested itself. */
const SMALL = { TEST_DIR: '/', TEST_DEV: '/', QA_CHECK_FS: '/' };

/** The kernel mounts no two filesystems of one UUID at a time, and test files run side by side. */
export const uuidOf = (image: number): string =>
  `00112233-4455-6677-8899-${process.pid.toString(16).padStart(8, '0')}${image.toString(16).padStart(4, '0')}`;

/** Makes an image of `size` bytes in `folder`. */
export function makeImage(folder: string, size: number, mkfs: readonly string[] = []): Image {
  const path = join(folder, `image${made++}.img`);
  const file = openSync(path, 'w');
  ftruncateSync(file, size);
  closeSync(file);
  execFileSync('mkfs.xfs', ['-q', '-f', '-m', `uuid=${uuidOf(made)}`, ...mkfs, path], {
    env: { ...process.env, ...SMALL },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return { path, byteLength: size, readAt: fileReadAt(path), uuid: uuidOf(made) };
}

/** What xfs_db prints for the commands. `expert`: it may write. */
export function xfsDb(path: string, commands: readonly string[], expert = false): string {
  const args = [expert ? '-x' : '-r', ...commands.flatMap((command) => ['-c', command]), path];
  return execFileSync('xfs_db', args, {
    encoding: 'latin1',
    env: { ...process.env, TZ: 'UTC' },
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
  });
}

/** A copy of an image in memory, to be damaged. */
export const loaded = (image: Image): MemoryVolume => memoryVolume(readFileSync(image.path));

export const openImage = async (image: Image): Promise<Filesystem> =>
  mustWalk(await openXfs(image.readAt, image.byteLength));

export const openMemory = async (volume: MemoryVolume): Promise<Filesystem> =>
  mustWalk(await openXfs(volume.readAt, volume.bytes.length));
