/** Trees as plain objects, and as the batches that a walker would give: what goes in, to compare with what comes out. */
import { ExtentKind, type InodeBatch, type NameBatch, type Xattr } from '../../src/bytes/walk-batch.ts';

export interface TestExtent {
  readonly kind: number;
  readonly fileOffset: number;
  readonly length: number;
  readonly volumeOffset: number;
  readonly literal?: Uint8Array;
}

export interface TestInode {
  readonly inode: number;
  readonly generation: number;
  readonly mode: number;
  readonly linkCount: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly times: readonly (readonly [seconds: number, nanoseconds: number])[]; // atime, mtime, ctime
  readonly device: number;
  readonly flags: number;
  readonly extents: readonly TestExtent[];
  readonly xattrs: readonly Xattr[];
  readonly problems: readonly string[];
}

export interface TestName {
  readonly parent: number;
  readonly child: number;
  readonly name: Uint8Array;
}

export const plainInode = (inode: number, mode: number, more: Partial<TestInode> = {}): TestInode => ({
  inode,
  generation: 0,
  mode,
  linkCount: (mode & 0o170000) === 0o040000 ? 2 : 1,
  uid: 0,
  gid: 0,
  size: 0,
  times: [
    [1_700_000_000, 0],
    [1_700_000_000, 0],
    [1_700_000_000, 0],
  ],
  device: 0,
  flags: 0,
  extents: [],
  xattrs: [],
  problems: [],
  ...more,
});

export function inodeBatch(inodes: readonly TestInode[]): InodeBatch {
  const extents = inodes.flatMap((inode) => inode.extents);
  const literals = Buffer.concat(extents.map((extent) => extent.literal ?? new Uint8Array(0)));
  const starts = [0];
  for (const { extents: list } of inodes) starts.push(starts[starts.length - 1] + list.length);
  let literalAt = 0;
  const volumeOffset = extents.map((extent) => {
    if (extent.kind !== ExtentKind.literal) return extent.volumeOffset;
    literalAt += extent.length;
    return literalAt - extent.length;
  });
  return {
    kind: 'inodes',
    count: inodes.length,
    inode: Float64Array.from(inodes, (i) => i.inode),
    generation: Uint32Array.from(inodes, (i) => i.generation),
    mode: Uint16Array.from(inodes, (i) => i.mode),
    linkCount: Uint32Array.from(inodes, (i) => i.linkCount),
    uid: Uint32Array.from(inodes, (i) => i.uid),
    gid: Uint32Array.from(inodes, (i) => i.gid),
    size: Float64Array.from(inodes, (i) => i.size),
    atimeSeconds: Float64Array.from(inodes, (i) => i.times[0][0]),
    atimeNanoseconds: Uint32Array.from(inodes, (i) => i.times[0][1]),
    mtimeSeconds: Float64Array.from(inodes, (i) => i.times[1][0]),
    mtimeNanoseconds: Uint32Array.from(inodes, (i) => i.times[1][1]),
    ctimeSeconds: Float64Array.from(inodes, (i) => i.times[2][0]),
    ctimeNanoseconds: Uint32Array.from(inodes, (i) => i.times[2][1]),
    device: Float64Array.from(inodes, (i) => i.device),
    flags: Uint16Array.from(inodes, (i) => i.flags),
    extentStart: Uint32Array.from(starts),
    extentKind: Uint8Array.from(extents, (e) => e.kind),
    extentFileOffset: Float64Array.from(extents, (e) => e.fileOffset),
    extentLength: Float64Array.from(extents, (e) => e.length),
    extentVolumeOffset: Float64Array.from(volumeOffset),
    literals,
    xattrs: inodes.flatMap((inode, row) => (inode.xattrs.length > 0 ? [{ row, list: inode.xattrs }] : [])),
    problems: inodes.flatMap((inode, row) => inode.problems.map((reason) => ({ row, reason }))),
  };
}

export function nameBatch(
  names: readonly TestName[],
  problems: readonly { readonly inode: number; readonly reason: string }[] = [],
): NameBatch {
  const starts = [0];
  for (const { name } of names) starts.push(starts[starts.length - 1] + name.length);
  return {
    kind: 'names',
    count: names.length,
    parent: Float64Array.from(names, (n) => n.parent),
    child: Float64Array.from(names, (n) => n.child),
    nameStart: Uint32Array.from(starts),
    names: Buffer.concat(names.map((n) => n.name)),
    problems,
  };
}

export const bytesOfText = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'utf8'));
