/**
 * Files that were open after their last name had gone when the machine stopped: on the orphan list, a chain through the
 * inodes, or in the orphan file. The kernel deletes them at the next mount, and cuts those that still have names at their
 * size; a walk does both by itself (no links: not listed; extents end with the file). So they are only counted here.
 * Linux fs/ext4/orphan.c `ext4_orphan_cleanup`.
 */
import { FormatError } from '../../bytes/errors.ts';
import { viewOf } from '../../bytes/layout.ts';
import type { ReadAt } from '../volume.ts';
import { contentRuns, readInode } from './content-runs.ts';
import { RoCompat } from './features.ts';
import type { Groups } from './groups.ts';
import { ext4_inode, ext4_orphan_block_tail } from './layouts.ts';
import type { Geometry } from './superblock.ts';

/** More are not counted: each costs a read. */
const ORPHANS_MAX = 10_000;
/** Blocks of an orphan file: the kernel makes no longer ones. */
const ORPHAN_FILE_BLOCKS_MAX = 512;

/** How many there are without a name, at most ORPHANS_MAX; as far as the list can be read. */
export async function countOrphans(g: Geometry, groups: Groups, readAt: ReadAt, signal?: AbortSignal): Promise<number> {
  const seen = new Set<number>();
  try {
    for (let inode = g.lastOrphan; inode !== 0 && !seen.has(inode) && seen.size < ORPHANS_MAX; ) {
      const view = viewOf(await readInode(g, groups, readAt, inode, signal));
      seen.add(inode);
      inode = ext4_inode.i_dtime.get(view, 0);
    }
    for (const inode of await inOrphanFile(g, groups, readAt, signal)) if (seen.size < ORPHANS_MAX) seen.add(inode);
    return await countNameless(g, groups, readAt, seen, signal);
  } catch (error) {
    if (error instanceof FormatError) return 0; // the list is the kernel's business; it costs no file
    throw error;
  }
}

async function countNameless(
  g: Geometry,
  groups: Groups,
  readAt: ReadAt,
  inodes: ReadonlySet<number>,
  signal?: AbortSignal,
): Promise<number> {
  let count = 0;
  for (const inode of inodes) {
    const view = viewOf(await readInode(g, groups, readAt, inode, signal));
    if (ext4_inode.i_links_count.get(view, 0) === 0) count++;
  }
  return count;
}

/** Inode numbers in the orphan file: 32 bits each, 0 where there is none, a tail at the end of each block. */
async function inOrphanFile(g: Geometry, groups: Groups, readAt: ReadAt, signal?: AbortSignal): Promise<number[]> {
  if ((g.roCompat & RoCompat.orphanPresent) === 0 || g.orphanFileInode === 0) return [];
  const inode = await readInode(g, groups, readAt, g.orphanFileInode, signal);
  const runs = await contentRuns(g, groups, readAt, g.orphanFileInode, inode, signal);
  const found: number[] = [];
  const blocks = Math.min(ORPHAN_FILE_BLOCKS_MAX, Math.floor(runs.size / g.blockSize));
  for (let i = 0; i < runs.count; i++) {
    const end = Math.min(runs.fileOffset[i] + runs.length[i], blocks * g.blockSize);
    for (let at = runs.fileOffset[i]; at + g.blockSize <= end; at += g.blockSize) {
      const view = await readAt(runs.volumeOffset[i] + at - runs.fileOffset[i], g.blockSize, signal);
      for (let byte = 0; byte < g.blockSize - ext4_orphan_block_tail.byteLength; byte += 4) {
        const orphan = view.getUint32(byte, true);
        if (orphan !== 0) found.push(orphan);
      }
    }
  }
  return found;
}
