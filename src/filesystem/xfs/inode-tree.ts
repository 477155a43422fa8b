/** Which inodes of a group are on disk and in use: its inode btree. Linux fs/xfs/libxfs/xfs_ialloc.c, xfs_ialloc_btree.c. */
import { ascendingOrder } from '../ext4/read-pieces.ts';
import type { ReadAt } from '../volume.ts';
import { readGroupTree } from './group-tree.ts';
import type { TreeRoot } from './groups.ts';
import { IBT_MAGIC, INODES_PER_CHUNK, INODES_PER_HOLEMASK_BIT, xfs_inobt_rec } from './layouts.ts';
import { agBlocksOf, type Geometry } from './superblock.ts';

const R = xfs_inobt_rec;

/** The chunks of one group, ascending, in columns. */
export interface ChunkRecords {
  readonly count: number;
  /** Number within the group of the first of 64 inodes. */
  readonly start: Float64Array;
  /** Bits of inodes in use and on disk: 0 to 31, 32 to 63. */
  readonly usedLow: Int32Array;
  readonly usedHigh: Int32Array;
  /** Bits of inodes on disk. */
  readonly presentLow: Int32Array;
  readonly presentHigh: Int32Array;
}

/** Reads a group's tree. `trouble` is told of each part that could not be used. Memory: 24 bytes a chunk of the group, twice. */
export async function readChunks(
  g: Geometry,
  readAt: ReadAt,
  ag: number,
  root: TreeRoot,
  trouble: (what: string) => void,
  signal?: AbortSignal,
): Promise<ChunkRecords> {
  const found = new ChunkColumns();
  const inodesMax = agBlocksOf(g, ag) * 2 ** g.inodesPerBlockLog;
  await readGroupTree(
    g,
    readAt,
    { ag, root, magic: IBT_MAGIC, keyBytes: 4, recordBytes: R.byteLength },
    (view, at, count) => {
      for (let i = 0; i < count; i++) {
        const record = at + i * R.byteLength;
        const start = R.ir_startino.get(view, record);
        if (start >= inodesMax) return `chunk of inode ${start}, outside the group`;
        found.add(start, holesOf(g, view, record), R.ir_free_low.get(view, record), R.ir_free_high.get(view, record));
      }
      return undefined;
    },
    trouble,
    signal,
  );
  return found.finish(trouble);
}

/** The inodes that are not on disk, 16 bits. */
const holesOf = (g: Geometry, view: DataView, record: number): number =>
  g.hasSparseInodes ? R.ir_holemask.get(view, record) : 0;

class ChunkColumns {
  #start = new Float64Array(256);
  /** Present low and high, used low and high of each. */
  #bits = new Int32Array(1024);
  #count = 0;

  add(start: number, holes: number, freeLow: number, freeHigh: number): void {
    if (this.#count === this.#start.length) {
      const old = [this.#start, this.#bits] as const;
      this.#start = new Float64Array(old[0].length * 2);
      this.#start.set(old[0]);
      this.#bits = new Int32Array(old[1].length * 2);
      this.#bits.set(old[1]);
    }
    const low = ~spread(holes & 0xff);
    const high = ~spread(holes >>> 8);
    const at = this.#count * 4;
    this.#start[this.#count++] = start;
    this.#bits[at] = low;
    this.#bits[at + 1] = high;
    this.#bits[at + 2] = low & ~freeLow;
    this.#bits[at + 3] = high & ~freeHigh;
  }

  /** Sorted; chunks that overlap another are left out and told. */
  finish(trouble: (what: string) => void): ChunkRecords {
    const order = ascendingOrder(this.#start, this.#count);
    const column = (): Int32Array => new Int32Array(this.#count);
    const start = new Float64Array(this.#count);
    const [presentLow, presentHigh, usedLow, usedHigh] = [column(), column(), column(), column()];
    let count = 0;
    for (const i of order) {
      if (count > 0 && this.#start[i] < start[count - 1] + INODES_PER_CHUNK) {
        trouble(`chunk of inode ${this.#start[i]} overlaps another`);
        continue;
      }
      start[count] = this.#start[i];
      presentLow[count] = this.#bits[i * 4];
      presentHigh[count] = this.#bits[i * 4 + 1];
      usedLow[count] = this.#bits[i * 4 + 2];
      usedHigh[count++] = this.#bits[i * 4 + 3];
    }
    return { count, start, presentLow, presentHigh, usedLow, usedHigh };
  }
}

/** Four bits for each of eight. */
function spread(mask: number): number {
  let bits = 0;
  for (let i = 0; i < 8; i++) if ((mask >>> i) & 1) bits |= 0xf << (i * INODES_PER_HOLEMASK_BIT);
  return bits;
}
