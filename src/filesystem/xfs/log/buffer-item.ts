/** Replay of buffer items: pieces of 128 bytes put into their places. Linux fs/xfs/xfs_buf_item_recover.c. */
import { bytesOf, viewOf } from '../../../bytes/layout.ts';
import {
  AGFL_LSN,
  BMAP_MAGIC,
  DA_MAGICS,
  DIR_MAGICS,
  SHORT_TREE_MAGICS,
  XFS_AGF_MAGIC,
  XFS_AGFL_MAGIC,
  XFS_AGI_MAGIC,
  XFS_DINODE_MAGIC,
  XFS_SB_MAGIC,
  XFS_SYMLINK_MAGIC,
  xfs_agf,
  xfs_agi,
  xfs_btree_long,
  xfs_btree_short,
  xfs_da3_blkinfo,
  xfs_dinode,
  xfs_dir3_blk_hdr,
  xfs_dsb,
  xfs_remote_hdr,
} from '../layouts.ts';
import type { Geometry } from '../superblock.ts';
import { type ReplayBuffer, type ReplayBuffers, sealAt } from './buffers.ts';
import { BLF_MAP_WORDS_MAX, BlfFlag, join, XFS_BLF_CHUNK, xfs_buf_log_format } from './layouts.ts';
import { corruptLog } from './ring.ts';
import type { LogItem } from './transactions.ts';

/** What region 0 says. */
export interface BufferItem {
  readonly flags: number;
  /** Basic block, and how many. */
  readonly block: number;
  readonly blocks: number;
  /** Runs of bytes that the other regions have, in their order: more than one region may share a run. */
  readonly runs: readonly { readonly from: number; readonly to: number }[];
}

/** @throws FormatError when it contradicts itself */
export function bufferItem({ regions }: LogItem): BufferItem {
  const F = xfs_buf_log_format;
  const [description] = regions;
  if (description.length < F.byteLength) throw corruptLog(`buffer item of ${description.length} bytes`);
  const view = viewOf(description);
  const words = F.blf_map_size.get(view, 0);
  if (words > BLF_MAP_WORDS_MAX || F.byteLength + words * 4 > description.length) {
    throw corruptLog(`buffer item with a map of ${words} words in ${description.length} bytes`);
  }
  return {
    flags: F.blf_flags.get(view, 0),
    block: join(F.blf_blkno_high.get(view, 0), F.blf_blkno_low.get(view, 0)),
    blocks: F.blf_len.get(view, 0),
    runs: runsOfMap(view, F.byteLength, words),
  };
}

function runsOfMap(view: DataView, at: number, words: number): { from: number; to: number }[] {
  const runs: { from: number; to: number }[] = [];
  for (let bit = 0; bit < words * 32; bit++) {
    if (((view.getUint32(at + (bit >>> 5) * 4, true) >>> (bit & 31)) & 1) === 0) continue;
    const last = runs[runs.length - 1];
    if (last !== undefined && last.to === bit * XFS_BLF_CHUNK) last.to += XFS_BLF_CHUNK;
    else runs.push({ from: bit * XFS_BLF_CHUNK, to: (bit + 1) * XFS_BLF_CHUNK });
  }
  return runs;
}

const QUOTA = BlfFlag.udquotBuf | BlfFlag.pdquotBuf | BlfFlag.gdquotBuf;

/** Replays an item that is neither a cancellation nor cancelled. @param lsn of its transaction */
export async function replayBufferItem(
  g: Geometry,
  buffers: ReplayBuffers,
  item: LogItem,
  description: BufferItem,
  lsn: bigint,
): Promise<void> {
  // Quota is accounting that no file shows: the volume's own replay does it.
  if ((description.flags & QUOTA) !== 0) return;
  const buffer = await buffers.get(description.block, description.blocks);
  const age = ageOf(g, buffer.view);
  if (age !== undefined && age !== 0n && age >= lsn) return; // written to disk later than this
  if ((description.flags & BlfFlag.inodeBuf) !== 0) replayUnlinked(g, buffer, item, description);
  else replayPieces(buffer, item, description);
}

/** The pieces of a buffer and where they go; a run may be cut over several regions, as it was over pages in memory. */
function* pieces(
  item: LogItem,
  description: BufferItem,
  length: number,
): Generator<{ readonly at: number; readonly data: Uint8Array }> {
  let region = 1;
  for (const { from, to } of description.runs) {
    if (to > length) throw corruptLog(`a piece at byte ${from} of a buffer of ${length}`);
    for (let at = from; at < to; region++) {
      const data = item.regions[region];
      if (data === undefined || data.length === 0 || data.length % XFS_BLF_CHUNK !== 0) {
        throw corruptLog(`a buffer item's region of ${data?.length ?? 0} bytes`);
      }
      const take = Math.min(data.length, to - at);
      yield { at, data: data.subarray(0, take) };
      at += take;
    }
  }
}

function replayPieces(buffer: ReplayBuffer, item: LogItem, description: BufferItem): void {
  for (const { at, data } of pieces(item, description, buffer.bytes.length)) buffer.bytes.set(data, at);
  buffer.isStale = true;
}

/** Of a buffer of inodes only the links between unlinked ones: all else has items of its own. */
function replayUnlinked(g: Geometry, buffer: ReplayBuffer, item: LogItem, description: BufferItem): void {
  const field = xfs_dinode.di_next_unlinked.offset;
  for (const { at, data } of pieces(item, description, buffer.bytes.length)) {
    const first = Math.ceil((at - field) / g.inodeSize);
    for (let i = Math.max(0, first); i * g.inodeSize + field + 4 <= at + data.length; i++) {
      const place = i * g.inodeSize + field;
      const next = data.subarray(place - at, place - at + 4);
      if (next.every((byte) => byte === 0)) throw corruptLog('a link between unlinked inodes is 0');
      buffer.bytes.set(next, place);
      if (g.version === 5) sealAt(buffer.view, i * g.inodeSize, g.inodeSize, xfs_dinode.di_crc.offset);
    }
  }
}

/** Where a structure keeps its age and its UUID, by the magic number of the first word. */
const AGES: ReadonlyMap<number, readonly [lsn: number, uuid: number]> = new Map([
  ...[...SHORT_TREE_MAGICS, 0x4142_5442, 0x4142_5443, 0x4941_4254].map(
    (magic) => [magic, [xfs_btree_short.bb_lsn.offset, xfs_btree_short.bb_uuid.offset]] as const,
  ),
  ...BMAP_MAGIC.map((magic) => [magic, [xfs_btree_long.bb_lsn.offset, xfs_btree_long.bb_uuid.offset]] as const),
  [XFS_AGF_MAGIC, [xfs_agf.agf_lsn.offset, xfs_agf.agf_uuid.offset]],
  [XFS_AGFL_MAGIC, [AGFL_LSN, 8]],
  [XFS_AGI_MAGIC, [xfs_agi.agi_lsn.offset, xfs_agi.agi_uuid.offset]],
  [XFS_SYMLINK_MAGIC, [xfs_remote_hdr.lsn.offset, xfs_remote_hdr.uuid.offset]],
  ...DIR_MAGICS.map((magic) => [magic, [xfs_dir3_blk_hdr.lsn.offset, xfs_dir3_blk_hdr.uuid.offset]] as const),
  [XFS_SB_MAGIC, [xfs_dsb.sb_lsn.offset, xfs_dsb.sb_uuid.offset]],
]);
const NONE = 0xffff_ffff_ffff_ffffn;

/**
 * When the buffer was last written, by what it is now (not by what the item says): `xlog_recover_get_buf_lsn`. Undefined
 * when it cannot be told; the item is then replayed.
 */
function ageOf(g: Geometry, view: DataView): bigint | undefined {
  if (g.version === 4) return undefined;
  const magic = view.getUint32(0);
  const isDa = DA_MAGICS.slice(1).includes(xfs_da3_blkinfo.magic.get(view, 0));
  const known = AGES.get(magic) ?? (isDa ? [xfs_da3_blkinfo.lsn.offset, xfs_da3_blkinfo.uuid.offset] : undefined);
  if (known === undefined || magic >>> 16 === XFS_DINODE_MAGIC) return undefined;
  const [lsnAt, uuidAt] = known;
  const uuid = bytesOf(view, magic === XFS_SB_MAGIC ? superblockUuid(g) : uuidAt, 16);
  if (!g.metaUuid.every((byte, i) => byte === uuid[i])) return undefined; // of a filesystem that was here before
  const lsn = view.getBigUint64(lsnAt);
  return lsn === NONE ? undefined : lsn;
}

const superblockUuid = (g: Geometry): number =>
  g.metaUuid === g.uuid ? xfs_dsb.sb_uuid.offset : xfs_dsb.sb_meta_uuid.offset;
