/** The names of one directory, looked up outside of a walk: fast commits change them by name. */
import { FormatError } from '../../bytes/errors.ts';
import { bytesOf, viewOf } from '../../bytes/layout.ts';
import type { ReadAt } from '../volume.ts';
import { directoryChecksumTrouble, readEntries } from './directory.ts';
import { Incompat } from './features.ts';
import type { Groups } from './groups.ts';
import { addInode, type Pending, tablePiece } from './inode.ts';
import { InodeRows } from './inode-rows.ts';
import { resolveBlocks } from './resolve.ts';
import type { Geometry } from './superblock.ts';
import { newWalkState, PendingBlocks } from './walk-state.ts';

/**
 * Names (bytes as latin1) and the inodes that they name, `.` and `..` left out.
 * @param bytes the inode; changed
 * @throws FormatError when anything of the directory is damaged, or it has more than `most` names
 */
export async function directoryNames(
  g: Geometry,
  groups: Groups,
  readAt: ReadAt,
  inode: number,
  bytes: Uint8Array,
  most: number,
  signal?: AbortSignal,
): Promise<Map<string, number>> {
  const where = `ext4 directory ${inode}`;
  const walk = newWalkState(g, groups, readAt, { inodes: 0 }, signal);
  const rows = new InodeRows(1);
  const pending: Pending = { blocks: new PendingBlocks(), values: [] };
  addInode(walk, rows, pending, tablePiece(viewOf(bytes)), 0, inode, true);
  await resolveBlocks(walk, rows, pending);
  const [problem] = rows.finish().problems;
  if (problem !== undefined) throw new FormatError('corrupt', where, problem.reason);
  const names = new Map<string, number>();
  const mask = (g.incompat & Incompat.filetype) !== 0 ? 0xff : 0xffff;
  const take = (data: Uint8Array, view: DataView, from: number, to: number): void => {
    const trouble = readEntries(data, view, from, to, g.blockSize, mask, g.inodesCount, {
      add: (child, name, start, length) =>
        names.set(Buffer.from(name.buffer, name.byteOffset + start, length).toString('latin1'), child),
    });
    if (trouble !== undefined) throw new FormatError('corrupt', where, trouble);
    if (names.size > most) throw new FormatError('unsupported', where, `has more than ${most} names`);
  };
  const { inline, blockCount, blockAt, blocksExpected, generation } = walk.directories;
  for (const { bytes: data } of inline) {
    const split = Math.min(60, data.length);
    take(data, viewOf(data), 4, split);
    take(data, viewOf(data), split, data.length);
  }
  if (blockCount < (blocksExpected[0] ?? 0)) throw new FormatError('corrupt', where, 'blocks of it are missing');
  for (let i = 0; i < blockCount; i++) {
    const view = await readAt(blockAt[i], g.blockSize, signal);
    if (g.checksumSeed !== undefined) {
      const trouble = directoryChecksumTrouble(view, 0, g.blockSize, g.checksumSeed, inode, generation[0]);
      if (trouble !== undefined) throw new FormatError('corrupt', where, trouble);
    }
    take(bytesOf(view), view, 0, g.blockSize);
  }
  return names;
}
