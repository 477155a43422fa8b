/** What is copied whole (a volume, a partition), as the index shows it: a root directory with one file that is all of it. */
import { type Runs, runAt } from '../bytes/extents.ts';
import type { SegmentMap } from '../bytes/segments.ts';
import { ExtentKind, InodeFlag, type WalkBatch } from '../filesystem/filesystem.ts';

export const WHOLE_ROOT_INODE = 1;
const WHOLE_FILE_INODE = 2;
/** Extents of one batch: bounds the columns that are made here. */
const EXTENTS_MAX = 1 << 20;

/** The one file's name. */
export const WHOLE_FILE_NAME = 'volume.img';

/**
 * What a walk would have given: two inodes and one name.
 * @param stored what the chunks store of the volume
 * @param map where the part lies in it
 * @param reason why its files are not indexed; null: it holds none
 */
export function* wholeVolumeBatches(
  stored: Runs,
  map: SegmentMap,
  seconds: number,
  reason: string | null,
): Generator<WalkBatch> {
  const extents = extentsOf(stored, map);
  const count = extents.fileOffset.length;
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
    size: pair(0, map.byteLength),
    atimeSeconds: pair(seconds, seconds),
    atimeNanoseconds: new Uint32Array(2),
    mtimeSeconds: pair(seconds, seconds),
    mtimeNanoseconds: new Uint32Array(2),
    ctimeSeconds: pair(seconds, seconds),
    ctimeNanoseconds: new Uint32Array(2),
    device: new Float64Array(2),
    flags: Uint16Array.of(0, extents.cut || reason !== null ? InodeFlag.damaged : 0),
    extentStart: Uint32Array.of(0, 0, count),
    extentKind: new Uint8Array(count).fill(ExtentKind.stored),
    extentFileOffset: extents.fileOffset,
    extentLength: extents.length,
    extentVolumeOffset: extents.volumeOffset,
    literals: new Uint8Array(0),
    xattrs: [],
    problems: problemsOf(reason, extents.cut).map((words) => ({ row: 1, reason: words })),
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

const problemsOf = (reason: string | null, cut: boolean): string[] => [
  ...(reason === null ? [] : [`copied whole, not indexed file by file: ${reason}`]),
  ...(cut ? [`in more than ${EXTENTS_MAX} pieces: what follows is stored, and comes back with the volume`] : []),
];

interface WholeExtents {
  readonly fileOffset: Float64Array;
  readonly length: Float64Array;
  readonly volumeOffset: Float64Array;
  /** There are more than EXTENTS_MAX. */
  readonly cut: boolean;
}

/** Stored bytes of the map, in its order. What is stored behind the end of an odd-sized volume is not its. */
function extentsOf(stored: Runs, { segments }: SegmentMap): WholeExtents {
  const rows: [number, number, number][] = [];
  let offset = 0;
  for (const { volumeOffset, byteLength } of segments) {
    const end = volumeOffset + byteLength;
    for (let i = Math.max(0, runAt(stored, volumeOffset)); i < stored.count && stored.starts[i] < end; i++) {
      const from = Math.max(volumeOffset, stored.starts[i]);
      const length = Math.min(end, stored.starts[i] + stored.lengths[i]) - from;
      if (length > 0 && rows.length <= EXTENTS_MAX) rows.push([offset + from - volumeOffset, length, from]);
    }
    offset += byteLength;
  }
  const cut = rows.length > EXTENTS_MAX;
  const kept = cut ? rows.slice(0, EXTENTS_MAX) : rows;
  const column = (at: number): Float64Array => Float64Array.from(kept, (row) => row[at]);
  return { fileOffset: column(0), length: column(1), volumeOffset: column(2), cut };
}
