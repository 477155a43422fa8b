/** A mounted tree as the kernel sees it (kernel-dump.py), and a walk in the same form, to be compared. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { pathsOf, type Walked, type WalkedInode } from './walked.ts';

export interface KernelRow {
  readonly path: string;
  readonly inode: number;
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** atime, mtime, ctime in nanoseconds. */
  readonly times: readonly string[];
  readonly device: readonly number[];
  readonly xattrs: Readonly<Record<string, string>>;
  readonly target?: string;
  /** File offset, volume offset, length, unwritten. */
  readonly extents?: readonly (readonly [number, number, number, boolean])[];
  readonly inline?: boolean;
  readonly content?: string;
}

/** The tree below a mount point, extents joined and cut at the file's size, as walkers give them. */
export function kernelRows(mountPoint: string): KernelRow[] {
  const script = join(import.meta.dirname, 'kernel-dump.py');
  const out = execFileSync('python3', [script, mountPoint], { encoding: 'utf8', maxBuffer: 1 << 29 });
  return out
    .trimEnd()
    .split('\n')
    .map((line) => normal(JSON.parse(line) as KernelRow));
}

function normal(row: KernelRow): KernelRow {
  const extents: [number, number, number, boolean][] = [];
  for (const [from, at, length, unwritten] of row.extents ?? []) {
    const cut = Math.min(length, row.size - from);
    if (cut <= 0) continue;
    const last = extents.at(-1);
    const touches = last !== undefined && last[0] + last[2] === from && last[3] === unwritten;
    if (touches && (unwritten || last[1] + last[2] === at)) last[2] += cut;
    else extents.push([from, unwritten ? 0 : at, cut, unwritten]);
  }
  return {
    ...row,
    xattrs: Object.fromEntries(Object.entries(row.xattrs).sort()),
    ...(row.extents === undefined ? {} : { extents }),
  };
}

/** A walk as the kernel would tell it, by path. */
export function walkedRows(walked: Walked, rootInode: number): KernelRow[] {
  return [...pathsOf(walked, rootInode)].flatMap(([path, number]) => {
    const inode = walked.inodes.get(number);
    return inode === undefined ? [] : [asKernel(inode, path)];
  });
}

function asKernel(inode: WalkedInode, path: string): KernelRow {
  const type = inode.mode & 0o170000;
  const literal = inode.extents[0]?.literal;
  const row = {
    path,
    inode: inode.inode,
    mode: inode.mode,
    links: inode.linkCount,
    uid: inode.uid,
    gid: inode.gid,
    size: inode.size,
    times: [inode.atime, inode.mtime, inode.ctime].map(String),
    device: [inode.major, inode.minor],
    xattrs: Object.fromEntries([...inode.xattrs].map(([name, value]) => [name, value.toString('base64')]).sort()),
  };
  if (type === 0o120000) return { ...row, target: literal?.toString('latin1') ?? '' };
  if (type !== 0o100000) return row;
  const inline = literal !== undefined;
  const extents = inline
    ? []
    : inode.extents.map((e) => [e.fileOffset, e.kind === 1 ? 0 : e.volumeOffset, e.length, e.kind === 1] as const);
  return { ...row, inline, extents, ...(inline ? { content: literal.toString('base64') } : {}) };
}

/** What differs between the two, by path, the first few: empty when they are the same. */
export function differences(ours: readonly KernelRow[], kernel: readonly KernelRow[]): string[] {
  const byPath = new Map(ours.map((row) => [row.path, row]));
  const wrong: string[] = [];
  for (const row of kernel) {
    const own = byPath.get(row.path);
    byPath.delete(row.path);
    if (own === undefined) wrong.push(`${row.path}: missing`);
    else {
      for (const key of Object.keys({ ...row, ...own }) as (keyof KernelRow)[]) {
        const [a, b] = [JSON.stringify(own[key]), JSON.stringify(row[key])];
        if (a !== b) wrong.push(`${row.path}: ${key}: ${a?.slice(0, 200)}, the kernel has ${b?.slice(0, 200)}`);
      }
    }
  }
  for (const path of byPath.keys()) wrong.push(`${path}: not in the kernel's tree`);
  return wrong;
}
