/** ext2/3/4 images made by mke2fs and debugfs. */
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { FormatError } from '../../../../src/bytes/errors.ts';
import { openExt4 } from '../../../../src/filesystem/ext4/ext4.ts';
import type { Filesystem } from '../../../../src/filesystem/filesystem.ts';
import type { ReadAt } from '../../../../src/filesystem/volume.ts';
import { type MemoryVolume, memoryVolume } from '../../../support/memory-volume.ts';
import { tempFolder } from '../../../support/tools.ts';
import { mustWalk } from '../../../support/walked.ts';

export interface ImageOptions {
  /** Bytes. */
  readonly size: number;
  /** Arguments of mke2fs. */
  readonly mke2fs: readonly string[];
  /** Folder to fill it from. */
  readonly tree?: string;
  /** Commands for debugfs -w. */
  readonly debugfs?: readonly string[];
  /** Programs run on the image afterwards, without its name. e2fsck may answer 1: repaired. */
  readonly after?: readonly (readonly string[])[];
}

export interface Image {
  readonly path: string;
  readonly byteLength: number;
  readonly readAt: ReadAt;
}

/** A fixed configuration: what the distribution's mke2fs.conf says does not matter. */
const CONFIG = `[defaults]
 base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
 default_mntopts = acl,user_xattr
 enable_periodic_fsck = 0
 blocksize = 4096
 inode_size = 256
 inode_ratio = 16384
[fs_types]
 ext3 = {
  features = has_journal
 }
 ext4 = {
  features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize
 }
 hugefiles = {
  features = extent,huge_file,flex_bg,metadata_csum,64bit,extra_isize,sparse_super2,bigalloc,^resize_inode
  cluster_size = 65536
  inode_ratio = 4194304000
  packed_meta_blocks = 1
  make_hugefiles = 1
  hugefiles_dir = /store
  hugefiles_name = huge
  hugefiles_digits = 0
  num_hugefiles = 0
  hugefiles_size = 3T
  zero_hugefiles = false
 }
`;

/** A folder for images, in memory where there is such a place: mke2fs and its kin sync all they write. */
export function imageFolder(): string {
  try {
    const folder = mkdtempSync('/dev/shm/reelmap-test-');
    afterAll(() => rmSync(folder, { recursive: true, force: true }));
    return folder;
  } catch {
    return tempFolder();
  }
}

let made = 0;

/** Makes an image in `folder`. */
export function makeImage(folder: string, options: ImageOptions): Image {
  const path = join(folder, `image${made++}.img`);
  const config = join(folder, 'mke2fs.conf');
  writeFileSync(config, CONFIG);
  const file = openSync(path, 'w');
  ftruncateSync(file, options.size);
  closeSync(file);
  const env = { ...process.env, MKE2FS_CONFIG: config, TZ: 'UTC', E2FSPROGS_FAKE_TIME: undefined };
  const tree = options.tree === undefined ? [] : ['-d', options.tree];
  const uuid = options.mke2fs.includes('-U') ? [] : ['-U', '00112233-4455-6677-8899-aabbccddeeff'];
  execFileSync('mke2fs', ['-q', '-F', ...uuid, ...options.mke2fs, ...tree, path], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  if (options.debugfs !== undefined) debugfs(path, options.debugfs, true);
  for (const [program, ...args] of options.after ?? []) run(program, [...args, path]);
  return { path, byteLength: options.size, readAt: fileReadAt(path) };
}

/** Runs a program that may say "repaired" by status 1. */
export function run(program: string, args: readonly string[]): string {
  try {
    return execFileSync(program, args, { encoding: 'latin1', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 28 });
  } catch (error) {
    const { status, stdout } = error as { status: number; stdout: string };
    if (program === 'e2fsck' && status === 1) return stdout;
    throw error;
  }
}

/** What debugfs prints for the commands. */
export function debugfs(path: string, commands: readonly string[], write = false): string {
  return execFileSync('debugfs', [...(write ? ['-w'] : []), '-f', '-', path], {
    input: Buffer.from(`${commands.join('\n')}\n`, 'latin1'),
    encoding: 'latin1',
    stdio: ['pipe', 'pipe', 'pipe'],
    maxBuffer: 1 << 28,
  });
}

/** Reads the file; what lies past its end is an error. */
export function fileReadAt(path: string): ReadAt {
  const file = openSync(path, 'r');
  opened.push(file);
  return async (offset, length, _signal, into) => {
    const bytes = into ?? new Uint8Array(length);
    if (readSync(file, bytes, 0, length, offset) !== length) {
      throw new FormatError('corrupt', path, `bytes ${offset} to ${offset + length} end past the file`);
    }
    return new DataView(bytes.buffer, bytes.byteOffset, length);
  };
}
const opened: number[] = [];
afterAll(() => {
  for (const file of opened.splice(0)) closeSync(file);
});

/** A copy of an image in memory, to be damaged. */
export const loaded = (image: Image): MemoryVolume => memoryVolume(readFileSync(image.path));

export const openImage = async (image: Image): Promise<Filesystem> =>
  mustWalk(await openExt4(image.readAt, image.byteLength));

export const openMemory = async (volume: MemoryVolume): Promise<Filesystem> =>
  mustWalk(await openExt4(volume.readAt, volume.bytes.length));
