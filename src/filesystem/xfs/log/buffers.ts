/**
 * Pieces of the volume under replay: read once, changed in memory, seen through the overlay from then on. At the end each
 * gets the checksum that the kernel would have written. Linux fs/xfs/xfs_buf_item_recover.c.
 */
import { FormatError } from '../../../bytes/errors.ts';
import { bytesOf, viewOf } from '../../../bytes/layout.ts';
import type { Bytes } from '../../../bytes/units.ts';
import type { Overlay } from '../../overlay.ts';
import { checksumOf } from '../checksum.ts';
import {
  AGFL_CRC,
  BASIC_BLOCK,
  BMAP_MAGIC,
  DA_MAGICS,
  DIR_MAGICS,
  SHORT_TREE_MAGICS,
  XFS_AGF_MAGIC,
  XFS_AGFL_MAGIC,
  XFS_AGI_MAGIC,
  XFS_ATTR3_RMT_MAGIC,
  XFS_SB_MAGIC,
  XFS_SYMLINK_MAGIC,
  xfs_agf,
  xfs_agi,
  xfs_btree_long,
  xfs_btree_short,
  xfs_da3_blkinfo,
  xfs_dir3_blk_hdr,
  xfs_dsb,
  xfs_remote_hdr,
} from '../layouts.ts';
import type { Geometry } from '../superblock.ts';
import { corruptLog, WHERE } from './ring.ts';

/** Bytes of volume that a replay may change: more, and the volume is copied whole. */
const OVERLAY_BYTES_MAX = 1024 * 1024 * 1024;
/** XFS_MAX_BLOCKSIZE. */
const BUFFER_BYTES_MAX = 65536;

/** A buffer of the log: bytes of the volume at a basic block. */
export interface ReplayBuffer {
  readonly address: Bytes;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Its checksum has to be made anew. */
  isStale: boolean;
}

export class ReplayBuffers {
  readonly #g: Geometry;
  readonly #overlay: Overlay;
  readonly #signal: AbortSignal | undefined;
  readonly #live = new Map<Bytes, ReplayBuffer>();
  #bytes = 0;

  /** @param overlay of units of one basic block */
  constructor(g: Geometry, overlay: Overlay, signal?: AbortSignal) {
    this.#g = g;
    this.#overlay = overlay;
    this.#signal = signal;
  }

  /** The buffer of `blocks` basic blocks at basic block `block`, as it is by now. What is written to it is in the overlay. */
  async get(block: number, blocks: number): Promise<ReplayBuffer> {
    const address = block * BASIC_BLOCK;
    const length = blocks * BASIC_BLOCK;
    const limit = this.#g.blocksCount * this.#g.blockSize;
    if (blocks === 0 || length > BUFFER_BYTES_MAX || !(address >= 0) || address + length > limit) {
      throw corruptLog(`a buffer of ${length} bytes at byte ${address} of ${limit}`);
    }
    const known = this.#live.get(address);
    if (known !== undefined && known.bytes.length === length && this.#isCurrent(known)) return known;
    this.#bytes += length;
    if (this.#bytes > OVERLAY_BYTES_MAX) {
      throw new FormatError('unsupported', WHERE, `more than ${OVERLAY_BYTES_MAX} bytes of the volume are in it`);
    }
    const bytes = bytesOf(await this.#overlay.readAt(address, length, this.#signal)).slice();
    const buffer = { address, bytes, view: viewOf(bytes), isStale: known?.isStale ?? false };
    this.#live.set(address, buffer);
    this.#overlay.put(address, bytes);
    return buffer;
  }

  /** Whether no other buffer has been laid over this one since. */
  #isCurrent({ address, bytes }: ReplayBuffer): boolean {
    for (let at = 0; at < bytes.length; at += BASIC_BLOCK) {
      const source = this.#overlay.sourceOf(address + at);
      if (!(source instanceof Uint8Array) || source.buffer !== bytes.buffer) return false;
    }
    return true;
  }

  /** Gives every changed buffer that is still seen whole the checksum that the kernel would write. */
  seal(): void {
    if (this.#g.version === 4) return;
    for (const buffer of this.#live.values())
      if (buffer.isStale && this.#isCurrent(buffer)) sealBuffer(this.#g, buffer);
  }
}

/** Byte of the checksum by the magic number of the first word. */
const CRC_BY_MAGIC: ReadonlyMap<number, number> = new Map([
  [XFS_SB_MAGIC, xfs_dsb.sb_crc.offset],
  [XFS_AGF_MAGIC, xfs_agf.agf_crc.offset],
  [XFS_AGI_MAGIC, xfs_agi.agi_crc.offset],
  [XFS_AGFL_MAGIC, AGFL_CRC],
  ...SHORT_TREE_MAGICS.map((magic) => [magic, xfs_btree_short.bb_crc.offset] as const),
  [BMAP_MAGIC[1], xfs_btree_long.bb_crc.offset],
  [XFS_SYMLINK_MAGIC, xfs_remote_hdr.crc.offset],
  ...DIR_MAGICS.map((magic) => [magic, xfs_dir3_blk_hdr.crc.offset] as const),
]);

function sealBuffer(g: Geometry, { view, bytes }: ReplayBuffer): void {
  const magic = view.getUint32(0);
  if (magic === XFS_ATTR3_RMT_MAGIC) {
    for (let at = 0; at < bytes.length; at += g.blockSize) sealAt(view, at, g.blockSize, xfs_remote_hdr.crc.offset);
    return;
  }
  const isDa = DA_MAGICS.includes(xfs_da3_blkinfo.magic.get(view, 0));
  const crc = CRC_BY_MAGIC.get(magic) ?? (isDa ? xfs_da3_blkinfo.crc.offset : undefined);
  if (crc !== undefined) sealAt(view, 0, bytes.length, crc);
}

/** Makes the checksum of `length` bytes at `at`; its field is `crc` bytes in. */
export const sealAt = (view: DataView, at: number, length: number, crc: number): void =>
  view.setUint32(at + crc, checksumOf(view, at, length, crc), true);
