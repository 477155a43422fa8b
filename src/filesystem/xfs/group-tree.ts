/**
 * A btree of one allocation group (32-bit pointers), read level by level, each in disk order. Linux
 * fs/xfs/libxfs/xfs_btree.c. Damage costs what lies under the damaged block, and is told.
 */
import { ascendingOrder, type Pieces, readPieces } from '../ext4/read-pieces.ts';
import type { ReadAt } from '../volume.ts';
import { selfTrouble } from './checksum.ts';
import type { TreeRoot } from './groups.ts';
import { SHORT_HEADER, xfs_btree_short } from './layouts.ts';
import { agBlocksOf, agFirstBlock, type Geometry } from './superblock.ts';

const B = xfs_btree_short;
const POINTER = 4;

export interface GroupTree {
  readonly ag: number;
  readonly root: TreeRoot;
  readonly magic: readonly [version4: number, version5: number];
  /** Bytes of a key in a node and of a record in a leaf. */
  readonly keyBytes: number;
  readonly recordBytes: number;
}

/** Takes the `count` records at byte `at`; says what is wrong with them. Leaves come in disk order, not in key order. */
export type TakeRecords = (view: DataView, at: number, count: number) => string | undefined;

/**
 * Gives all leaves to `take`; `trouble` is told of each block that could not be used.
 * Memory: the block numbers of one level. Each block is read once, so the work is bounded by the group's blocks.
 */
export async function readGroupTree(
  g: Geometry,
  readAt: ReadAt,
  tree: GroupTree,
  take: TakeRecords,
  trouble: (what: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  const base = agFirstBlock(g, tree.ag);
  let blocks = Float64Array.of(tree.root.block);
  for (let level = tree.root.levels - 1; level >= 0 && blocks.length > 0; level--) {
    const at = blocks.map((block) => (base + block) * g.blockSize).sort();
    const next = new BlockList(agBlocksOf(g, tree.ag));
    const pieces: Pieces = { at, count: at.length, length: g.blockSize, order: ascendingOrder(at, at.length) };
    for await (const piece of readPieces(readAt, pieces, signal)) {
      for (let i = piece.from; i < piece.to; i++) {
        const address = at[i];
        const block = address / g.blockSize - base;
        const what =
          piece.view === undefined
            ? `cannot be read: ${piece.reason}`
            : i > 0 && at[i - 1] === address
              ? 'two pointers to it'
              : takeBlock(g, tree, piece.view, address - piece.base, address, level, take, next);
        if (what !== undefined) trouble(`block ${block}: ${what}`);
      }
    }
    blocks = next.finish();
  }
}

function takeBlock(
  g: Geometry,
  tree: GroupTree,
  view: DataView,
  at: number,
  address: number,
  level: number,
  take: TakeRecords,
  next: BlockList,
): string | undefined {
  const header = SHORT_HEADER[g.version - 4];
  if (B.bb_magic.get(view, at) !== tree.magic[g.version - 4]) return 'wrong magic';
  if (g.version === 5) {
    const fields = { crc: B.bb_crc, uuid: B.bb_uuid, blkno: B.bb_blkno };
    const trouble = selfTrouble(view, at, g.blockSize, address, fields, g.metaUuid);
    if (trouble !== undefined) return trouble;
    if (B.bb_owner.get(view, at) !== tree.ag) return `belongs to group ${B.bb_owner.get(view, at)}`;
  }
  if (B.bb_level.get(view, at) !== level) return `level ${B.bb_level.get(view, at)}, expected ${level}`;
  const count = B.bb_numrecs.get(view, at);
  const entry = level === 0 ? tree.recordBytes : tree.keyBytes + POINTER;
  const room = Math.floor((g.blockSize - header) / entry);
  if (count > room) return `${count} entries, room for ${room}`;
  if (level === 0) return take(view, at + header, count);
  const pointers = at + header + room * tree.keyBytes;
  for (let i = 0; i < count; i++) {
    const block = view.getUint32(pointers + i * POINTER);
    if (!next.add(block)) return `points to block ${block}, outside the group`;
  }
  return undefined;
}

/** Block numbers within a group, growing by doubling; as many as the group has blocks. */
class BlockList {
  #blocks = new Float64Array(64);
  #count = 0;
  readonly #limit: number;
  constructor(limit: number) {
    this.#limit = limit;
  }
  add(block: number): boolean {
    if (block === 0 || block >= this.#limit || this.#count >= this.#limit) return false;
    if (this.#count === this.#blocks.length) {
      const old = this.#blocks;
      this.#blocks = new Float64Array(old.length * 2);
      this.#blocks.set(old);
    }
    this.#blocks[this.#count++] = block;
    return true;
  }
  finish(): Float64Array<ArrayBuffer> {
    return this.#blocks.slice(0, this.#count);
  }
}
