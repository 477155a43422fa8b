/** Loop mounts, where the machine lets a test have them: root, and a kernel that knows the filesystem. */
import { execFileSync, spawnSync } from 'node:child_process';

/** Mounts an image, calls back, and unmounts whatever happens. */
export function withMount<T>(image: string, folder: string, options: string, use: () => T): T {
  execFileSync('mount', ['-o', `loop,${options}`, image, folder], { stdio: ['ignore', 'ignore', 'pipe'] });
  try {
    return use();
  } finally {
    execFileSync('umount', [folder], { stdio: ['ignore', 'ignore', 'pipe'] });
  }
}

/** Whether this image can be mounted here and now. */
export function canMount(image: string, folder: string, options: string): boolean {
  if (process.getuid?.() !== 0) return false;
  if (spawnSync('mount', ['-o', `loop,${options}`, image, folder]).status !== 0) return false;
  return spawnSync('umount', [folder]).status === 0;
}

/** Mounts a tmpfs of so many KiB, calls back, and unmounts whatever happens. */
export async function withTmpfs<T>(folder: string, kib: number, use: () => T | Promise<T>): Promise<T> {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k,mode=755`, 'tmpfs', folder], { stdio: 'pipe' });
  try {
    return await use();
  } finally {
    execFileSync('umount', ['-l', folder], { stdio: 'pipe' });
  }
}

/** A tmpfs that is mounted gets another size. */
export const resizeTmpfs = (folder: string, kib: number): void =>
  void execFileSync('mount', ['-o', `remount,size=${kib}k`, folder], { stdio: 'pipe' });

/** Whether a tmpfs can be mounted here and now. */
export function canMountTmpfs(folder: string): boolean {
  if (process.getuid?.() !== 0) return false;
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]).status !== 0) return false;
  return spawnSync('umount', [folder]).status === 0;
}

/** Attaches a loop device to an image, calls back with its path, and detaches it; undefined: there are none here. */
export async function withLoop<T>(image: string, use: (device: string) => T | Promise<T>): Promise<T | undefined> {
  const { status, stdout } = spawnSync('losetup', ['-f', '--show', image], { encoding: 'utf8' });
  if (status !== 0) return undefined;
  const device = stdout.trim();
  try {
    return await use(device);
  } finally {
    spawnSync('losetup', ['-d', device]);
  }
}
