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
