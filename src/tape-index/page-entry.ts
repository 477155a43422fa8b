/** One row of a page as an IndexEntry object. */
import { ExtentKind, InodeFlag } from '../bytes/walk-batch.ts';
import { FileType, fileTypeOf, type IndexEntry, type IndexedExtent } from './entry.ts';
import { PageFlag, type PageRows } from './page-rows.ts';

/** An entry with what the index knows beside the inode's attributes. */
export interface StoredEntry extends IndexEntry {
  /** Another name of a directory that has its place elsewhere; a walk does not go down here. */
  readonly secondName: boolean;
}

/** Problems that a page says with a flag instead of a text. */
export const MISSING = 'its inode is not in use or could not be read';
export const SECOND_NAME = 'another name of a directory; its entries are listed under the first';

const KINDS = ['stored', 'zero', 'literal', 'escaped'] as const;

/** Own row `own` of `page` as an entry of that name. */
export function entryAt(page: PageRows, own: number, name: Uint8Array, inode: number, filesystem: number): StoredEntry {
  const flags = page.flags[own];
  const problems: string[] = [];
  for (const problem of page.problems) if (problem.own === own) problems.push(problem.text);
  if ((flags & PageFlag.missingInode) !== 0) problems.push(MISSING);
  if ((flags & PageFlag.secondName) !== 0) problems.push(SECOND_NAME);
  const mode = page.mode[own];
  const type = fileTypeOf(mode);
  return {
    name,
    filesystem,
    inode,
    generation: page.generation[own],
    mode,
    linkCount: page.linkCount[own],
    uid: page.uid[own],
    gid: page.gid[own],
    size: page.size[own],
    atime: { seconds: page.atime[own], nanoseconds: page.atimeNs[own] },
    mtime: { seconds: page.mtime[own], nanoseconds: page.mtimeNs[own] },
    ctime: { seconds: page.ctime[own], nanoseconds: page.ctimeNs[own] },
    device:
      type === FileType.blockDevice || type === FileType.characterDevice
        ? { major: page.deviceMajor[own], minor: page.deviceMinor[own] }
        : null,
    encrypted: (flags & InodeFlag.encrypted) !== 0,
    compressed: (flags & InodeFlag.compressed) !== 0,
    verity: (flags & InodeFlag.verity) !== 0,
    problems,
    extents: extentsOf(page, own),
    xattrs: page.xattrs.filter((xattr) => xattr.own === own).map(({ name, value }) => ({ name, value })),
    secondName: (flags & PageFlag.secondName) !== 0,
  };
}

export function extentsOf(page: PageRows, own: number): IndexedExtent[] {
  const out: IndexedExtent[] = [];
  for (let e = page.extentStart[own]; e < page.extentStart[own + 1]; e++) {
    const kind = page.extentKind[e];
    const at = page.extentVolumeOffset[e];
    const byteLength = page.extentLength[e];
    const extent = { kind: KINDS[kind], fileOffset: page.extentFileOffset[e], byteLength, volumeOffset: 0 };
    if (kind === ExtentKind.literal) out.push({ ...extent, literal: page.literals.subarray(at, at + byteLength) });
    else out.push(kind === ExtentKind.zero ? extent : { ...extent, volumeOffset: at });
  }
  return out;
}

/** Name `index` of the page. */
export const nameAt = (page: PageRows, index: number): Uint8Array =>
  page.names.subarray(page.nameStart[index], page.nameStart[index + 1]);

/** Index of a name in the page, or -1. */
export function findName(page: PageRows, name: Uint8Array): number {
  let low = 0;
  let high = page.nameCount;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const difference = compareName(page, middle, name);
    if (difference === 0) return middle;
    if (difference < 0) low = middle + 1;
    else high = middle;
  }
  return -1;
}

/** Byte order of name `index` and `name`. */
export function compareName(page: PageRows, index: number, name: Uint8Array): number {
  const start = page.nameStart[index];
  const length = page.nameStart[index + 1] - start;
  const end = Math.min(length, name.length);
  for (let i = 0; i < end; i++) {
    const difference = page.names[start + i] - name[i];
    if (difference !== 0) return difference;
  }
  return length - name.length;
}
