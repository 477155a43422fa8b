/**
 * On-disk structures of ext2, ext3 and ext4, all little-endian.
 * Linux fs/ext4/ext4.h, ext4_extents.h, xattr.h; Documentation/filesystems/ext4. Names are theirs.
 */
import { byteField, layout, u8, u16le, u32le } from '../../bytes/layout.ts';

/** Byte address of the superblock, whatever the block size. */
export const SUPERBLOCK_OFFSET = 1024;
export const EXT4_SUPER_MAGIC = 0xef53;

/** `struct ext4_super_block`. */
export const ext4_super_block = layout(1024, {
  s_inodes_count: u32le(0x0),
  s_blocks_count_lo: u32le(0x4),
  s_free_blocks_count_lo: u32le(0xc),
  s_free_inodes_count: u32le(0x10),
  s_first_data_block: u32le(0x14),
  s_log_block_size: u32le(0x18), // block size is 1024 << this
  s_log_cluster_size: u32le(0x1c),
  s_blocks_per_group: u32le(0x20),
  s_clusters_per_group: u32le(0x24),
  s_inodes_per_group: u32le(0x28),
  s_magic: u16le(0x38),
  s_state: u16le(0x3a), // 1: cleanly unmounted, 2: errors found, 4: orphans being recovered
  s_creator_os: u32le(0x48), // 0 Linux, 1 Hurd
  s_rev_level: u32le(0x4c), // 0: the fields from here on have fixed values
  s_first_ino: u32le(0x54),
  s_inode_size: u16le(0x58),
  s_block_group_nr: u16le(0x5a), // group of this copy
  s_feature_compat: u32le(0x5c),
  s_feature_incompat: u32le(0x60),
  s_feature_ro_compat: u32le(0x64),
  s_uuid: byteField(0x68, 16),
  s_volume_name: byteField(0x78, 16),
  s_reserved_gdt_blocks: u16le(0xce),
  s_journal_uuid: byteField(0xd0, 16), // of a journal on another device
  s_journal_inum: u32le(0xe0),
  s_journal_dev: u32le(0xe4), // 0: the journal is inside
  s_last_orphan: u32le(0xe8),
  s_hash_seed: byteField(0xec, 16),
  s_def_hash_version: u8(0xfc), // 0 legacy, 1 half MD4, 2 TEA; 3 to 5 the same with unsigned characters
  s_jnl_backup_type: u8(0xfd), // 1: s_jnl_blocks is a copy of the journal's i_block and size
  s_desc_size: u16le(0xfe),
  s_first_meta_bg: u32le(0x104),
  s_jnl_blocks: byteField(0x10c, 68),
  s_blocks_count_hi: u32le(0x150),
  s_free_blocks_count_hi: u32le(0x158),
  s_flags: u32le(0x160), // 2: hashes of directories take characters as unsigned
  s_checksum_type: u8(0x175), // 1: crc32c
  s_snapshot_inum: u32le(0x180),
  s_usr_quota_inum: u32le(0x240),
  s_grp_quota_inum: u32le(0x244),
  s_backup_bgs_0: u32le(0x24c),
  s_backup_bgs_1: u32le(0x250),
  s_prj_quota_inum: u32le(0x26c),
  s_checksum_seed: u32le(0x270),
  s_orphan_file_inum: u32le(0x280),
  s_checksum: u32le(0x3fc),
});

const groupDescFields = {
  bg_block_bitmap_lo: u32le(0x0),
  bg_inode_bitmap_lo: u32le(0x4),
  bg_inode_table_lo: u32le(0x8),
  bg_free_blocks_count_lo: u16le(0xc),
  bg_free_inodes_count_lo: u16le(0xe),
  bg_used_dirs_count_lo: u16le(0x10),
  bg_flags: u16le(0x12),
  bg_block_bitmap_csum_lo: u16le(0x18),
  bg_inode_bitmap_csum_lo: u16le(0x1a),
  bg_itable_unused_lo: u16le(0x1c),
  bg_checksum: u16le(0x1e),
};
/** `struct ext4_group_desc` without the 64-bit half. */
export const ext4_group_desc = layout(32, groupDescFields);

/** `struct ext4_group_desc` with the 64-bit half, for descriptors of 64 bytes and more. */
export const ext4_group_desc_64 = layout(64, {
  ...groupDescFields,
  bg_block_bitmap_hi: u32le(0x20),
  bg_inode_bitmap_hi: u32le(0x24),
  bg_inode_table_hi: u32le(0x28),
  bg_free_blocks_count_hi: u16le(0x2c),
  bg_itable_unused_hi: u16le(0x32),
  bg_block_bitmap_csum_hi: u16le(0x38),
});

export const BlockGroupFlag = {
  /** Inode table and bitmap were never written. */
  inodeUninit: 1,
  /** The block bitmap was never written. */
  blockUninit: 2,
} as const;

/** `struct ext4_inode`; the first 128 bytes are those of ext2. Fields past them exist as far as i_extra_isize says. */
export const ext4_inode = layout(160, {
  i_mode: u16le(0x0),
  i_uid: u16le(0x2),
  i_size_lo: u32le(0x4),
  i_atime: u32le(0x8),
  i_ctime: u32le(0xc),
  i_mtime: u32le(0x10),
  i_dtime: u32le(0x14),
  i_gid: u16le(0x18),
  i_links_count: u16le(0x1a),
  i_blocks_lo: u32le(0x1c),
  i_flags: u32le(0x20),
  i_block: byteField(0x28, 60),
  i_generation: u32le(0x64),
  i_file_acl_lo: u32le(0x68),
  i_size_high: u32le(0x6c),
  i_blocks_high: u16le(0x74),
  i_file_acl_high: u16le(0x76),
  i_uid_high: u16le(0x78),
  i_gid_high: u16le(0x7a),
  i_checksum_lo: u16le(0x7c),
  i_extra_isize: u16le(0x80),
  i_checksum_hi: u16le(0x82),
  i_ctime_extra: u32le(0x84), // bits 0 and 1: epoch; 2 to 31: nanoseconds
  i_mtime_extra: u32le(0x88),
  i_atime_extra: u32le(0x8c),
  i_crtime: u32le(0x90),
  i_crtime_extra: u32le(0x94),
  i_projid: u32le(0x9c),
});
/** Bytes of an inode of revision 0, and the least of any. */
export const GOOD_OLD_INODE_SIZE = 128;

export const Ext4InodeFlag = {
  encrypt: 0x800,
  index: 0x1000,
  extents: 0x8_0000,
  verity: 0x10_0000,
  eaInode: 0x20_0000,
  inlineData: 0x1000_0000,
  casefold: 0x4000_0000,
} as const;

export const EXT4_EXT_MAGIC = 0xf30a;
/** Deepest extent tree: the kernel's EXT4_MAX_EXTENT_DEPTH. */
export const EXTENT_DEPTH_MAX = 5;
/** `ee_len` above this: unwritten, and this much too long. */
export const EXT_INIT_MAX_LEN = 32768;

/** Head of an extent tree node, in `i_block` or a block. */
export const ext4_extent_header = layout(12, {
  eh_magic: u16le(0x0),
  eh_entries: u16le(0x2),
  eh_max: u16le(0x4), // entries that fit
  eh_depth: u16le(0x6), // 0: leaf
  eh_generation: u32le(0x8),
});

/** Leaf entry of an extent tree. */
export const ext4_extent = layout(12, {
  ee_block: u32le(0x0), // first file block covered
  ee_len: u16le(0x4),
  ee_start_hi: u16le(0x6),
  ee_start_lo: u32le(0x8),
});

/** Interior entry of an extent tree. */
export const ext4_extent_idx = layout(12, {
  ei_block: u32le(0x0), // first file block below
  ei_leaf_lo: u32le(0x4),
  ei_leaf_hi: u16le(0x8),
});

/** Ends an extent block, after its eh_max entries. */
export const ext4_extent_tail = layout(4, { et_checksum: u32le(0x0) });

/** `struct ext4_dir_entry_2`; without the filetype feature name_len has 16 bits. The name follows. */
export const ext4_dir_entry_2 = layout(8, {
  inode: u32le(0x0), // 0: unused
  rec_len: u16le(0x4),
  name_len: u8(0x6),
  file_type: u8(0x7),
});

/** Looks like an unused entry at the end of a leaf directory block. */
export const ext4_dir_entry_tail = layout(12, {
  det_reserved_zero1: u32le(0x0),
  det_rec_len: u16le(0x4), // 12
  det_reserved_zero2: u8(0x6),
  det_reserved_ft: u8(0x7), // DEh
  det_checksum: u32le(0x8),
});
export const DIR_TAIL_FILE_TYPE = 0xde;

/** Over the first entry of an htree node. */
export const dx_countlimit = layout(4, { limit: u16le(0x0), count: u16le(0x2) });
/** Ends an htree node, after its `limit` entries. */
export const dx_tail = layout(8, { dt_reserved: u32le(0x0), dt_checksum: u32le(0x4) });

export const EXT4_XATTR_MAGIC = 0xea02_0000;

/** Head of an extended attribute block. */
export const ext4_xattr_header = layout(32, {
  h_magic: u32le(0x0),
  h_refcount: u32le(0x4),
  h_blocks: u32le(0x8), // 1
  h_hash: u32le(0xc),
  h_checksum: u32le(0x10),
});

/** One attribute; the name follows, padded to 4 bytes. Four zero bytes end the list. */
export const ext4_xattr_entry = layout(16, {
  e_name_len: u8(0x0),
  e_name_index: u8(0x1),
  e_value_offs: u16le(0x2),
  e_value_inum: u32le(0x4), // inode that holds the value, or 0
  e_value_size: u32le(0x8),
  e_hash: u32le(0xc),
});

/** `struct ext4_orphan_block_tail`: ends each block of the orphan file. */
export const ext4_orphan_block_tail = layout(8, { ob_magic: u32le(0x0), ob_checksum: u32le(0x4) });
