/**
 * An image of many small files, for benchmarks: ext4, or XFS. As root, where loop mounts work, the kernel writes it, which
 * ages it as a used volume is aged. Without root the tree is written to a folder and mke2fs -d makes an ext4 image from it;
 * XFS cannot be had so.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeTree, type TreeSummary } from '../../tools/fixtures/make-tree.ts';

export interface SmallFilesImage {
  readonly path: string;
  readonly byteLength: number;
  readonly tree: TreeSummary;
  readonly madeBy: 'kernel' | 'mke2fs';
}

export type SmallFilesFormat = 'ext4' | 'xfs';

export interface SmallFilesOptions {
  readonly files: number;
  readonly seed?: number;
  readonly format?: SmallFilesFormat;
  /** Never mount. */
  readonly withoutRoot?: boolean;
}

/** Bytes of volume that one file of such a tree may need, and its inodes. */
const BYTES_PER_FILE = 10_737;
const LEAST = 16 * 1024 * 1024;

/** mkfs.xfs refuses less than 300 MB unless it believes that it is being tested itself. */
const SMALL_XFS = { TEST_DIR: '/', TEST_DEV: '/', QA_CHECK_FS: '/' };

/** An XFS image that the kernel filled. @throws without root, mkfs.xfs or a kernel that mounts it */
function makeXfsImage(path: string, options: SmallFilesOptions): SmallFilesImage {
  const byteLength = Math.ceil(Math.max(2 * LEAST, options.files * BYTES_PER_FILE) / (1 << 20)) * (1 << 20);
  closeSync(truncated(path, byteLength));
  const folder = mkdtempSync(join(dirname(path), 'small-files-'));
  const env = { ...process.env, ...SMALL_XFS, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  try {
    execFileSync('mkfs.xfs', ['-q', '-f', path], { env, stdio: 'pipe' });
    execFileSync('mount', ['-o', 'loop', path, folder], { env, stdio: 'pipe' });
    return { path, byteLength, tree: fillMounted(folder, options), madeBy: 'kernel' };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function truncated(path: string, byteLength: number): number {
  const file = openSync(path, 'w');
  ftruncateSync(file, byteLength);
  return file;
}

/** Makes the image at `path`; a folder beside it is used and removed. @throws when mke2fs is missing or fails */
export function makeSmallFilesImage(path: string, options: SmallFilesOptions): SmallFilesImage {
  if (options.format === 'xfs') return makeXfsImage(path, options);
  const byteLength = Math.ceil(Math.max(LEAST, options.files * BYTES_PER_FILE) / (1 << 20)) * (1 << 20);
  closeSync(truncated(path, byteLength));
  const inodes = Math.ceil(options.files * 1.06 + 256);
  const args = ['-q', '-F', '-t', 'ext4', '-N', `${inodes}`, '-E', 'lazy_itable_init=1,lazy_journal_init=1'];
  const folder = mkdtempSync(join(dirname(path), 'small-files-'));
  const tree = join(folder, 'tree');
  mkdirSync(tree);
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  try {
    if (options.withoutRoot !== true && process.getuid?.() === 0) {
      execFileSync('mke2fs', [...args, path], { env, stdio: 'pipe' });
      if (spawnSync('mount', ['-o', 'loop', path, tree], { env }).status === 0) {
        return { path, byteLength, tree: fillMounted(tree, options), madeBy: 'kernel' };
      }
    }
    const made = makeTree(tree, { files: options.files, seed: options.seed, attributes: true });
    execFileSync('mke2fs', [...args, '-d', tree, path], { env, stdio: 'pipe' });
    return { path, byteLength, tree: made, madeBy: 'mke2fs' };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function fillMounted(mountPoint: string, options: SmallFilesOptions): TreeSummary {
  try {
    return makeTree(mountPoint, { files: options.files, seed: options.seed, attributes: true });
  } finally {
    execFileSync('umount', [mountPoint], { stdio: 'pipe' });
  }
}
