/**
 * The log of XFS. Record and operation headers are big-endian; what they carry is in the byte order of the machine that
 * wrote it, here little-endian. Linux fs/xfs/libxfs/xfs_log_format.h. Names are theirs.
 */
import { big64be, byteField, layout, u8, u16le, u32be, u32le } from '../../../bytes/layout.ts';

export const XLOG_HEADER_MAGIC_NUM = 0xfeed_babe;
export const XFS_TRANS_HEADER_MAGIC = 0x5452_414e; // TRAN
/** h_fmt: what the record's content is in. */
export const XLOG_FMT_LINUX_LE = 1;

/** `struct xlog_rec_header`, alone in its basic block. */
export const xlog_rec_header = layout(512, {
  h_magicno: u32be(0),
  h_cycle: u32be(4),
  h_version: u32be(8),
  h_len: u32be(12), // bytes of content
  h_lsn: big64be(16),
  h_tail_lsn: big64be(24), // where replay begins if this is the last record
  h_crc: u32le(32), // 0: none
  h_num_logops: u32be(40),
  h_cycle_data: byteField(44, 256), // the first word of each of the first 64 blocks of content
  h_fmt: u32be(300),
  h_fs_uuid: byteField(304, 16),
  h_size: u32be(320), // bytes of the writer's buffer: version 2
});
/** Bytes of the header that the checksum takes in; on 32-bit x86 it ended earlier. */
export const XLOG_REC_SIZES = [328, 324] as const;
/** `struct xlog_rec_ext_header`: a cycle number and the first words of 64 blocks more. */
export const XLOG_REC_EXT_SIZE = 260;
/** Bytes of content that one header block has the first words of. */
export const XLOG_HEADER_CYCLE_SIZE = 32 * 1024;
export const XLOG_VERSION_1 = 1;
export const XLOG_VERSION_2 = 2;
export const XLOG_MAX_RECORD_BSIZE = 256 * 1024;
export const XLOG_BIG_RECORD_BSIZE = 32 * 1024;
/** Buffers that may be on their way to the log at once. */
export const XLOG_MAX_ICLOGS = 8;

/** `struct xlog_op_header`. */
export const xlog_op_header = layout(12, {
  oh_tid: u32be(0),
  oh_len: u32be(4),
  oh_clientid: u8(8),
  oh_flags: u8(9),
});
export const XFS_TRANSACTION = 0x69;
export const XFS_LOG = 0xaa;
/** oh_flags. */
export const OpFlag = { start: 1, commit: 2, continue: 4, wasContinued: 8, end: 0x10, unmount: 0x20 } as const;

/** `struct xfs_trans_header`. */
export const TRANS_HEADER_BYTES = 16;

/** Log item types. */
export const Item = {
  efi: 0x1236,
  efd: 0x1237,
  iunlink: 0x1238,
  inode: 0x123b,
  buf: 0x123c,
  dquot: 0x123d,
  quotaoff: 0x123e,
  icreate: 0x123f,
  rui: 0x1240,
  rud: 0x1241,
  cui: 0x1242,
  cud: 0x1243,
  bui: 0x1244,
  bud: 0x1245,
  attri: 0x1246,
  attrd: 0x1247,
  xmi: 0x1248,
  xmd: 0x1249,
  efiRt: 0x124a,
  efdRt: 0x124b,
  ruiRt: 0x124c,
  rudRt: 0x124d,
  cuiRt: 0x124e,
  cudRt: 0x124f,
} as const;

/** `struct xfs_buf_log_format`; the map of dirty pieces follows. 64-bit numbers are low word, high word. */
export const xfs_buf_log_format = layout(20, {
  blf_type: u16le(0),
  blf_size: u16le(2), // regions of the item
  blf_flags: u16le(4),
  blf_len: u16le(6), // basic blocks
  blf_blkno_low: u32le(8),
  blf_blkno_high: u32le(12),
  blf_map_size: u32le(16), // words of the map
});
/** Bytes that a bit of the map stands for. */
export const XFS_BLF_CHUNK = 128;
/** Most words of a map: buffers have at most 64 KiB. */
export const BLF_MAP_WORDS_MAX = 17;
export const BlfFlag = { inodeBuf: 1, cancel: 2, udquotBuf: 4, pdquotBuf: 8, gdquotBuf: 16 } as const;

/** `struct xfs_inode_log_format`; `_32` has no padding before the number. */
export const xfs_inode_log_format = layout(56, {
  ilf_type: u16le(0),
  ilf_size: u16le(2),
  ilf_fields: u32le(4),
  ilf_asize: u16le(8),
  ilf_dsize: u16le(10),
  ilf_ino_low: u32le(16),
  ilf_ino_high: u32le(20),
  ilf_rdev: u32le(24),
  ilf_blkno_low: u32le(40),
  ilf_blkno_high: u32le(44),
  ilf_len: u32le(48), // basic blocks
  ilf_boffset: u32le(52), // of the inode in its buffer
});
export const INODE_LOG_FORMAT_32 = 52;
/** ilf_fields. */
export const Ilog = {
  core: 1,
  ddata: 2,
  dext: 4,
  dbroot: 8,
  dev: 0x10,
  adata: 0x40,
  aext: 0x80,
  abroot: 0x100,
  downer: 0x200,
  aowner: 0x400,
} as const;

/** `struct xfs_icreate_log`: big-endian but for type and size. */
export const xfs_icreate_log = layout(28, {
  icl_type: u16le(0),
  icl_size: u16le(2),
  icl_ag: u32be(4),
  icl_agbno: u32be(8),
  icl_count: u32be(12),
  icl_isize: u32be(16),
  icl_length: u32be(20), // blocks
  icl_gen: u32be(24),
});

/** What intents and their ends have in common: type, size, count or padding, and the id at byte 8. */
export const INTENT_ID = 8;
/** `struct xfs_bui_log_format` with its one `struct xfs_map_extent`. */
export const xfs_bui_log_format = layout(48, {
  bui_nextents: u32le(4),
  me_owner_low: u32le(16),
  me_owner_high: u32le(20),
  me_startblock_low: u32le(24),
  me_startblock_high: u32le(28),
  me_startoff_low: u32le(32),
  me_startoff_high: u32le(36),
  me_len: u32le(40),
  me_flags: u32le(44),
});
export const BMAP_MAP = 1;
export const BMAP_UNMAP = 2;
export const BmapExtentFlag = { type: 0xff, attributeFork: 0x8000_0000, unwritten: 0x4000_0000 } as const;

/** `struct xfs_attri_log_format`. */
export const xfs_attri_log_format = layout(40, {
  alfi_ino_low: u32le(16),
  alfi_ino_high: u32le(20),
  alfi_op_flags: u32le(24),
});
/** alfi_op_flags, low byte: up to this one they are about attributes that users see. */
export const ATTRI_OP_REPLACE = 3;

/** `struct xfs_xmi_log_format`: the two files. */
export const xfs_xmi_log_format = layout(88, {
  xmi_inode1_low: u32le(16),
  xmi_inode1_high: u32le(20),
  xmi_inode2_low: u32le(24),
  xmi_inode2_high: u32le(28),
});

/** 64 bits from their words; above 2^53 it is no number that could be right, and is rounded. */
export const join = (high: number, low: number): number => high * 0x1_0000_0000 + low;
