/**
 * On-disk structures of XFS, all big-endian but for the checksums. Linux fs/xfs/libxfs/xfs_format.h and xfs_da_format.h;
 * "XFS Algorithms & Data Structures", third edition. Names are theirs. Version 5 structures say where they are and whose.
 */
import { big64be, byteField, i32be, layout, u8, u16be, u32be, u32le } from '../../bytes/layout.ts';

/** Unit of block numbers inside self-describing headers and the log ("basic block"). */
export const BASIC_BLOCK = 512;

export const XFS_SB_MAGIC = 0x5846_5342; // XFSB
export const XFS_AGF_MAGIC = 0x5841_4746; // XAGF
export const XFS_AGI_MAGIC = 0x5841_4749; // XAGI
export const XFS_AGFL_MAGIC = 0x5841_464c; // XAFL
/** Version 4 and version 5 magic of each btree. */
export const ABTB_MAGIC = [0x4142_5442, 0x4142_3342] as const; // ABTB, AB3B: free space by block
export const IBT_MAGIC = [0x4941_4254, 0x4941_4233] as const; // IABT, IAB3: inodes
export const BMAP_MAGIC = [0x424d_4150, 0x424d_4133] as const; // BMAP, BMA3: extents of a fork
export const XFS_DINODE_MAGIC = 0x494e; // IN
export const DIR_BLOCK_MAGIC = [0x5844_3242, 0x5844_4233] as const; // XD2B, XDB3: the only block, with its index
export const DIR_DATA_MAGIC = [0x5844_3244, 0x5844_4433] as const; // XD2D, XDD3: one of several
export const ATTR_LEAF_MAGIC = [0xfbee, 0x3bee] as const;
export const DA_NODE_MAGIC = [0xfebe, 0x3ebe] as const;
export const XFS_ATTR3_RMT_MAGIC = 0x5841_524d; // XARM
export const XFS_SYMLINK_MAGIC = 0x5853_4c4d; // XSLM
/** All btrees with 32-bit pointers, version 5: AB3B, AB3C, IAB3, FIB3, RMB3, R3FC. */
export const SHORT_TREE_MAGICS = [
  0x4142_3342, 0x4142_3343, 0x4941_4233, 0x4649_4233, 0x524d_4233, 0x5233_4643,
] as const;
/** XDB3, XDD3, XDF3: directory blocks with names, and with the sizes of gaps. */
export const DIR_MAGICS = [0x5844_4233, 0x5844_4433, 0x5844_4633] as const;
/** Blocks that begin with xfs_da3_blkinfo: attribute leaf, node, directory leaf of one block and of several. */
export const DA_MAGICS: readonly number[] = [0x3bee, 0x3ebe, 0x3df1, 0x3dff];
export const XFS_DQUOT_MAGIC = 0x4451; // DQ

/** `struct xfs_dsb`, in the first sector of every allocation group. */
export const xfs_dsb = layout(264, {
  sb_magicnum: u32be(0),
  sb_blocksize: u32be(4),
  sb_dblocks: big64be(8),
  sb_rblocks: big64be(16),
  sb_uuid: byteField(32, 16),
  sb_logstart: big64be(48), // 0: the log is on another device
  sb_rootino: big64be(56),
  sb_rbmino: big64be(64),
  sb_rsumino: big64be(72),
  sb_agblocks: u32be(84),
  sb_agcount: u32be(88),
  sb_logblocks: u32be(96),
  sb_versionnum: u16be(100), // low four bits: version; the others: features of version 4
  sb_sectsize: u16be(102),
  sb_inodesize: u16be(104),
  sb_inopblock: u16be(106),
  sb_fname: byteField(108, 12), // label
  sb_blocklog: u8(120),
  sb_sectlog: u8(121),
  sb_inodelog: u8(122),
  sb_inopblog: u8(123),
  sb_agblklog: u8(124),
  sb_inprogress: u8(126), // mkfs has not ended
  sb_icount: big64be(128),
  sb_ifree: big64be(136),
  sb_fdblocks: big64be(144),
  sb_uquotino: big64be(160),
  sb_gquotino: big64be(168),
  sb_inoalignmt: u32be(180), // blocks
  sb_dirblklog: u8(192), // directory blocks are this many times doubled
  sb_logsectlog: u8(193),
  sb_logsectsize: u16be(194),
  sb_logsunit: u32be(196),
  sb_features2: u32be(200),
  sb_bad_features2: u32be(204),
  // version 5
  sb_features_compat: u32be(208),
  sb_features_ro_compat: u32be(212),
  sb_features_incompat: u32be(216),
  sb_features_log_incompat: u32be(220),
  sb_crc: u32le(224),
  sb_pquotino: big64be(232),
  sb_lsn: big64be(240),
  sb_meta_uuid: byteField(248, 16),
});

/** `struct xfs_agf`: free space of a group. Sector 1 of the group. */
export const xfs_agf = layout(224, {
  agf_magicnum: u32be(0),
  agf_versionnum: u32be(4),
  agf_seqno: u32be(8),
  agf_length: u32be(12), // blocks of the group
  agf_bno_root: u32be(16),
  agf_bno_level: u32be(28),
  agf_flfirst: u32be(40),
  agf_fllast: u32be(44),
  agf_flcount: u32be(48),
  agf_freeblks: u32be(52),
  agf_uuid: byteField(64, 16),
  agf_lsn: big64be(208),
  agf_crc: u32le(216),
});

/** `struct xfs_agi`: inodes of a group. Sector 2 of the group. */
export const xfs_agi = layout(344, {
  agi_magicnum: u32be(0),
  agi_versionnum: u32be(4),
  agi_seqno: u32be(8),
  agi_length: u32be(12),
  agi_count: u32be(16), // allocated inodes, the free ones among them included
  agi_root: u32be(20),
  agi_level: u32be(24),
  agi_freecount: u32be(28),
  agi_unlinked: byteField(40, 256), // 64 heads of lists of inodes that are open and have no name
  agi_uuid: byteField(296, 16),
  agi_crc: u32le(312),
  agi_lsn: big64be(320),
});
/** `struct xfs_agfl`: magic, group, uuid at 8, age at 24. */
export const AGFL_LSN = 24;
export const AGFL_CRC = 32;
export const AGI_UNLINKED_BUCKETS = 64;
export const NULLAGINO = 0xffff_ffff;

/** `struct xfs_btree_block` with 32-bit pointers, and its version 5 part. */
export const xfs_btree_short = layout(56, {
  bb_magic: u32be(0),
  bb_level: u16be(4),
  bb_numrecs: u16be(6),
  bb_leftsib: u32be(8),
  bb_rightsib: u32be(12),
  bb_blkno: big64be(16), // basic blocks
  bb_lsn: big64be(24),
  bb_uuid: byteField(32, 16),
  bb_owner: u32be(48), // group
  bb_crc: u32le(52),
});
/** Bytes of the header without and with the version 5 part. */
export const SHORT_HEADER = [16, 56] as const;

/** `struct xfs_btree_block` with 64-bit pointers, and its version 5 part. */
export const xfs_btree_long = layout(72, {
  bb_magic: u32be(0),
  bb_level: u16be(4),
  bb_numrecs: u16be(6),
  bb_blkno: big64be(24), // basic blocks
  bb_lsn: big64be(32),
  bb_uuid: byteField(40, 16),
  bb_owner: big64be(56), // inode
  bb_crc: u32le(64),
});
export const LONG_HEADER = [24, 72] as const;

/** `struct xfs_inobt_rec`: 64 inode numbers. */
export const xfs_inobt_rec = layout(16, {
  ir_startino: u32be(0),
  ir_freecount: u32be(4),
  // with sparse inodes instead of ir_freecount:
  ir_holemask: u16be(4), // bit n: inodes 4n to 4n + 3 have no space on disk
  ir_count: u8(6),
  ir_sparse_freecount: u8(7),
  ir_free_high: u32be(8), // bit n: inode n is free
  ir_free_low: u32be(12),
});
export const INODES_PER_CHUNK = 64;
export const INODES_PER_HOLEMASK_BIT = 4;

/** `struct xfs_alloc_rec`: a run of free blocks. */
export const xfs_alloc_rec = layout(8, { ar_startblock: u32be(0), ar_blockcount: u32be(4) });

/** `struct xfs_dinode`: 100 bytes in versions 1 and 2, 176 in version 3. */
export const xfs_dinode = layout(176, {
  di_magic: u16be(0),
  di_mode: u16be(2),
  di_version: u8(4),
  di_format: u8(5),
  di_onlink: u16be(6), // link count of version 1
  di_uid: u32be(8),
  di_gid: u32be(12),
  di_nlink: u32be(16),
  di_big_nextents: big64be(24), // with NREXT64
  di_flushiter: u16be(30), // version 2: how often it was written
  di_atime_high: i32be(32), // seconds, and nanoseconds below; with BIGTIME both are one number
  di_atime_low: u32be(36),
  di_mtime_high: i32be(40),
  di_mtime_low: u32be(44),
  di_ctime_high: i32be(48),
  di_ctime_low: u32be(52),
  di_size: big64be(56),
  di_nblocks: big64be(64),
  di_nextents: u32be(76),
  di_big_anextents: u32be(76), // with NREXT64
  di_anextents: u16be(80),
  di_forkoff: u8(82), // where the attribute fork starts in the literal area, in 8 bytes; 0: there is none
  di_aformat: u8(83),
  di_flags: u16be(90),
  di_gen: u32be(92),
  di_next_unlinked: u32be(96),
  di_crc: u32le(100),
  di_lsn: big64be(112),
  di_flags2: byteField(120, 8),
  di_flags2_low: u32be(124),
  di_crtime: byteField(144, 8),
  di_ino: big64be(152),
  di_uuid: byteField(160, 16),
});
/** Bytes of the core: the forks follow. */
export const DINODE_CORE_V2 = 100;
export const DINODE_CORE_V3 = 176;

/** di_format, di_aformat. */
export const Format = { dev: 0, local: 1, extents: 2, btree: 3 } as const;
/** di_flags. */
export const DIFLAG_REALTIME = 1;
/** di_flags2, low word. */
export const Diflag2 = { reflink: 2, bigtime: 8, nrext64: 16, metadata: 32 } as const;

/** Packed extent record, 128 bits: see extents.ts. */
export const BMBT_REC = 16;

/** `struct xfs_dir3_blk_hdr`. Version 2 has the magic alone. */
export const xfs_dir3_blk_hdr = layout(48, {
  magic: u32be(0),
  crc: u32le(4),
  blkno: big64be(8), // basic blocks
  lsn: big64be(16),
  uuid: byteField(24, 16),
  owner: big64be(40), // inode
});
/** Where entries begin: after magic (or header) and the table of largest gaps. */
export const DIR_DATA_START = [16, 64] as const;
/** `struct xfs_dir2_block_tail`: the end of a block that has its own index. */
export const xfs_dir2_block_tail = layout(8, { count: u32be(0), stale: u32be(4) });
export const DIR_LEAF_ENTRY = 8;
/** Marks an unused stretch instead of an inode number's first half-word. */
export const DIR_FREE_TAG = 0xffff;
/** Byte offset in a directory where its hash index begins. */
export const DIR_LEAF_OFFSET = 32 * 1024 ** 3;

/** `struct xfs_da3_blkinfo`. Version 2 ends after `pad`. */
export const xfs_da3_blkinfo = layout(56, {
  forw: u32be(0),
  back: u32be(4),
  magic: u16be(8),
  crc: u32le(12),
  blkno: big64be(16), // basic blocks
  lsn: big64be(24),
  uuid: byteField(32, 16),
  owner: big64be(48), // inode
});
/** Bytes of `xfs_da_blkinfo` and `xfs_da3_blkinfo`. */
export const DA_BLKINFO = [12, 56] as const;
/** Header of a node: blkinfo, count, level (and padding); entries of a hash and a block follow. */
export const DA_NODE_HEADER = [16, 64] as const;
export const DA_NODE_ENTRY = 8;
export const DA_NODE_DEPTH_MAX = 5;
/** Header of an attribute leaf; entries follow. */
export const ATTR_LEAF_HEADER = [32, 80] as const;

/** `struct xfs_attr_leaf_entry`. */
export const xfs_attr_leaf_entry = layout(8, { hashval: u32be(0), nameidx: u16be(4), flags: u8(6) });
/** Flags of an attribute. */
export const AttrFlag = { local: 1, root: 2, secure: 4, parent: 8, incomplete: 0x80 } as const;

/** `struct xfs_attr3_rmt_hdr` and `struct xfs_dsymlink_hdr` have the same fields. */
export const xfs_remote_hdr = layout(56, {
  magic: u32be(0),
  offset: u32be(4), // of the value or target
  bytes: u32be(8),
  crc: u32le(12),
  uuid: byteField(16, 16),
  owner: big64be(32), // inode
  blkno: big64be(40), // basic blocks
  lsn: big64be(48),
});
