/** A walk as tree-dump.py would tell it, to compare with the kernel. */
import { createHash } from 'node:crypto';
import type { ReadAt } from '../../../../src/filesystem/volume.ts';
import { contentOf, pathsOf, type Walked } from '../../../support/walked.ts';
import type { DumpedRow } from './dirty.ts';

/** @param readAt the raw volume: extents say themselves where their newest content is */
export async function asDumped(walked: Walked, readAt: ReadAt, blockSize: number): Promise<DumpedRow[]> {
  const rows: DumpedRow[] = [];
  const firsts = new Map<number, string>();
  const paths = [...pathsOf(walked, 2)].sort(([a], [b]) => (a < b ? -1 : 1));
  for (const [path, number] of paths) {
    const inode = walked.inodes.get(number);
    if (inode === undefined) throw new Error(`${path}: no inode ${number}`);
    const type = inode.mode & 0o170000;
    if (!firsts.has(number)) firsts.set(number, path);
    const folder = type === 0o040000;
    const link = type === 0o120000;
    const content = type === 0o100000 ? await contentOf(inode, readAt, blockSize) : undefined;
    rows.push({
      path,
      mode: `0o${inode.mode.toString(8)}`,
      uid: inode.uid,
      gid: inode.gid,
      mtime: `${inode.mtime}`,
      ...(folder || link ? {} : { atime: `${inode.atime}` }),
      xattrs: Object.fromEntries([...inode.xattrs].map(([name, value]) => [name, value.toString('base64')]).sort()),
      ...(folder ? {} : { links: inode.linkCount, same: firsts.get(number), size: inode.size }),
      ...(type === 0o020000 || type === 0o060000 ? { device: [inode.major, inode.minor] } : {}),
      ...(link ? { target: inode.extents[0]?.literal?.toString('latin1') ?? '' } : {}),
      ...(content === undefined ? {} : { sha256: createHash('sha256').update(content).digest('hex') }),
    });
  }
  return rows;
}

/**
 * Rows that differ, both sides, for a failure that can be read; none when all is well. `folderTimes`: false where the
 * kernel's replay sets them to its own time.
 */
export function differences(
  ours: readonly DumpedRow[],
  truth: readonly DumpedRow[],
  { folderTimes = true } = {},
): unknown[] {
  const key = (row: DumpedRow): string => {
    const isFolder = row.mode.startsWith('0o4');
    const { mtime, ...rest } = row;
    const shown = folderTimes || !isFolder ? { ...rest, mtime } : rest;
    return JSON.stringify(Object.fromEntries(Object.entries(shown).sort()));
  };
  const there = new Map(truth.map((row) => [row.path, row]));
  const out: unknown[] = [];
  for (const row of ours) {
    const other = there.get(row.path);
    if (other === undefined || key(other) !== key(row)) out.push({ ours: row, truth: other });
    there.delete(row.path);
  }
  for (const row of there.values()) out.push({ truth: row });
  return out;
}
