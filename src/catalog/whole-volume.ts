/** A volume that is copied whole, as the index shows it: a root directory with one file that is the volume. */
import type { Runs } from '../bytes/extents.ts';
import type { Bytes } from '../bytes/units.ts';
import { ExtentKind, InodeFlag, type WalkBatch } from '../filesystem/filesystem.ts';

export const WHOLE_ROOT_INODE = 1;
const WHOLE_FILE_INODE = 2;
/** Extents of one batch: bounds the columns that are made here. */
const EXTENTS_MAX = 1 << 20;

/** The one file's name. */
export const WHOLE_FILE_NAME = 'volume.img';

/** What a walk would have given: two inodes and one name. */
export function* wholeVolumeBatches(
  stored: Runs,
  byteLength: Bytes,
  seconds: number,
  reason: string,
): Generator<WalkBatch> {
  const count = Math.min(stored.count, EXTENTS_MAX);
  const lengths = stored.lengths.slice(0, count);
  // The last extent of an odd-sized volume ends with it, not with its block.
  if (count > 0) lengths[count - 1] = Math.min(lengths[count - 1], byteLength - stored.starts[count - 1]);
  const pair = (a: number, b: number): Float64Array => Float64Array.of(a, b);
  yield {
    kind: 'inodes',
    count: 2,
    inode: pair(WHOLE_ROOT_INODE, WHOLE_FILE_INODE),
    generation: new Uint32Array(2),
    mode: Uint16Array.of(0o040700, 0o100600),
    linkCount: Uint32Array.of(2, 1),
    uid: new Uint32Array(2),
    gid: new Uint32Array(2),
    size: pair(0, byteLength),
    atimeSeconds: pair(seconds, seconds),
    atimeNanoseconds: new Uint32Array(2),
    mtimeSeconds: pair(seconds, seconds),
    mtimeNanoseconds: new Uint32Array(2),
    ctimeSeconds: pair(seconds, seconds),
    ctimeNanoseconds: new Uint32Array(2),
    device: new Float64Array(2),
    flags: Uint16Array.of(0, stored.count > EXTENTS_MAX ? InodeFlag.damaged : 0),
    extentStart: Uint32Array.of(0, 0, count),
    extentKind: new Uint8Array(count).fill(ExtentKind.stored),
    extentFileOffset: stored.starts.slice(0, count),
    extentLength: lengths,
    extentVolumeOffset: stored.starts.slice(0, count),
    literals: new Uint8Array(0),
    xattrs: [],
    problems: [{ row: 1, reason: `copied whole, not indexed file by file: ${reason}` }],
  };
  const names = new TextEncoder().encode(WHOLE_FILE_NAME);
  yield {
    kind: 'names',
    count: 1,
    parent: Float64Array.of(WHOLE_ROOT_INODE),
    child: Float64Array.of(WHOLE_FILE_INODE),
    nameStart: Uint32Array.of(0, names.length),
    names,
    problems: [],
  };
}
