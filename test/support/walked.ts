/** A whole walk as objects, for tests on small volumes. */
import type { Filesystem, NotWalkable, Xattr } from '../../src/filesystem/filesystem.ts';
import type { ReadAt } from '../../src/filesystem/volume.ts';

export interface WalkedExtent {
  readonly kind: number;
  readonly fileOffset: number;
  readonly length: number;
  readonly volumeOffset: number;
  readonly literal: Buffer | undefined;
}

export interface WalkedInode {
  readonly inode: number;
  readonly generation: number;
  readonly mode: number;
  readonly linkCount: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Nanoseconds since 1970. */
  readonly atime: bigint;
  readonly mtime: bigint;
  readonly ctime: bigint;
  readonly major: number;
  readonly minor: number;
  readonly flags: number;
  readonly extents: readonly WalkedExtent[];
  /** By name; values copied. */
  readonly xattrs: ReadonlyMap<string, Buffer>;
  readonly problems: readonly string[];
}

export interface WalkedName {
  readonly parent: number;
  readonly child: number;
  /** Bytes as latin1. */
  readonly name: string;
}

export interface Walked {
  readonly inodes: ReadonlyMap<number, WalkedInode>;
  readonly names: readonly WalkedName[];
  readonly directoryProblems: readonly { readonly inode: number; readonly reason: string }[];
}

/** Collects all batches. */
export async function walkToMap(filesystem: Filesystem): Promise<Walked> {
  const inodes = new Map<number, WalkedInode>();
  const names: WalkedName[] = [];
  const directoryProblems: { inode: number; reason: string }[] = [];
  for await (const batch of filesystem.walk()) {
    if (batch.kind === 'inodes') {
      const xattrs = new Map(batch.xattrs.map(({ row, list }) => [row, list]));
      for (let row = 0; row < batch.count; row++) {
        const extents: WalkedExtent[] = [];
        for (let i = batch.extentStart[row]; i < batch.extentStart[row + 1]; i++) {
          const volumeOffset = batch.extentVolumeOffset[i];
          const length = batch.extentLength[i];
          const literal =
            batch.extentKind[i] === 2
              ? Buffer.from(batch.literals.slice(volumeOffset, volumeOffset + length))
              : undefined;
          extents.push({
            kind: batch.extentKind[i],
            fileOffset: batch.extentFileOffset[i],
            length,
            volumeOffset,
            literal,
          });
        }
        const time = (seconds: number, nanoseconds: number): bigint =>
          BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
        inodes.set(batch.inode[row], {
          inode: batch.inode[row],
          generation: batch.generation[row],
          mode: batch.mode[row],
          linkCount: batch.linkCount[row],
          uid: batch.uid[row],
          gid: batch.gid[row],
          size: batch.size[row],
          atime: time(batch.atimeSeconds[row], batch.atimeNanoseconds[row]),
          mtime: time(batch.mtimeSeconds[row], batch.mtimeNanoseconds[row]),
          ctime: time(batch.ctimeSeconds[row], batch.ctimeNanoseconds[row]),
          major: Math.floor(batch.device[row] / 2 ** 32),
          minor: batch.device[row] % 2 ** 32,
          flags: batch.flags[row],
          extents,
          xattrs: xattrMap(xattrs.get(row) ?? []),
          problems: batch.problems.filter((problem) => problem.row === row).map((problem) => problem.reason),
        });
      }
    } else {
      for (let row = 0; row < batch.count; row++) {
        const name = Buffer.from(batch.names.subarray(batch.nameStart[row], batch.nameStart[row + 1])).toString(
          'latin1',
        );
        names.push({ parent: batch.parent[row], child: batch.child[row], name });
      }
      directoryProblems.push(...batch.problems);
    }
  }
  return { inodes, names, directoryProblems };
}

const xattrMap = (list: readonly Xattr[]): Map<string, Buffer> =>
  new Map(list.map(({ name, value }) => [Buffer.from(name).toString('latin1'), Buffer.from(value)]));

/** Inode numbers by path from the root (`/a/b`, bytes as latin1). Stops at cycles. */
export function pathsOf(walked: Walked, root: number): Map<string, number> {
  const children = new Map<number, WalkedName[]>();
  for (const name of walked.names) {
    const siblings = children.get(name.parent);
    if (siblings === undefined) children.set(name.parent, [name]);
    else siblings.push(name);
  }
  const paths = new Map([['/', root]]);
  const visit = (directory: number, path: string, above: ReadonlySet<number>): void => {
    if (above.has(directory)) return;
    for (const { name, child } of children.get(directory) ?? []) {
      paths.set(`${path}/${name}`, child);
      visit(child, `${path}/${name}`, new Set([...above, directory]));
    }
  };
  visit(root, '', new Set());
  return paths;
}

const MAGIC = Buffer.from('c03b3998', 'hex');

/** A file's bytes by its extents. `blockSize`: of the filesystem, for escaped copies in its journal. */
export async function contentOf(inode: WalkedInode, readAt: ReadAt, blockSize = 0): Promise<Buffer> {
  const content = Buffer.alloc(inode.size);
  for (const extent of inode.extents) {
    if (extent.literal !== undefined) extent.literal.copy(content, extent.fileOffset);
    if (extent.kind !== 0 && extent.kind !== 3) continue;
    const view = await readAt(extent.volumeOffset, extent.length);
    Buffer.from(view.buffer, view.byteOffset, extent.length).copy(content, extent.fileOffset);
    if (extent.kind !== 3) continue;
    for (let at = 0; at < extent.length; at += blockSize) MAGIC.copy(content, extent.fileOffset + at);
  }
  return content;
}

/** The filesystem, or a failure that says why there is none. */
export function mustWalk(opened: Filesystem | NotWalkable | undefined): Filesystem {
  if (opened === undefined) throw new Error('not a filesystem of this kind');
  if (!('walk' in opened)) throw new Error(`not walkable: ${opened.reason}`);
  return opened;
}
