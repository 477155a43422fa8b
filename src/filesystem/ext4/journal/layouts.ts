/** On-disk structures of jbd2, the journal of ext3 and ext4, all big-endian. Linux include/linux/jbd2.h; names are its. */
import { byteField, layout, u8, u16be, u32be, u32le } from '../../../bytes/layout.ts';

export const JBD2_MAGIC = 0xc03b_3998;
/** The same as it stands on the disk: a block that begins so is kept with zeros in their place (escaped). */
export const JBD2_MAGIC_BYTES = Uint8Array.of(0xc0, 0x3b, 0x39, 0x98);

export const BlockType = { descriptor: 1, commit: 2, superblockV1: 3, superblockV2: 4, revoke: 5 } as const;

/** `journal_header_t`: begins every block of the log that is no copy. */
export const journal_header = layout(12, {
  h_magic: u32be(0x0),
  h_blocktype: u32be(0x4),
  h_sequence: u32be(0x8), // the transaction
});

/** `journal_superblock_t`: first block of the journal. The fields from s_feature_compat on exist in version 2. */
export const journal_superblock = layout(1024, {
  h_magic: u32be(0x0),
  h_blocktype: u32be(0x4),
  s_blocksize: u32be(0xc),
  s_maxlen: u32be(0x10), // blocks of the journal
  s_first: u32be(0x14), // first block of the log
  s_sequence: u32be(0x18), // first transaction expected in the log
  s_start: u32be(0x1c), // its block; 0: the log is empty
  s_errno: u32be(0x20),
  s_feature_compat: u32be(0x24),
  s_feature_incompat: u32be(0x28),
  s_feature_ro_compat: u32be(0x2c),
  s_uuid: byteField(0x30, 16),
  s_nr_users: u32be(0x40),
  s_checksum_type: u8(0x50), // 4: crc32c
  s_num_fc_blks: u32be(0x54),
  s_checksum: u32be(0xfc),
});

export const JournalCompat = { checksum: 0x1 } as const;
export const JournalIncompat = {
  revoke: 0x1,
  is64bit: 0x2,
  asyncCommit: 0x4,
  checksumV2: 0x8,
  checksumV3: 0x10,
  fastCommit: 0x20,
} as const;
export const CHECKSUM_CRC32C = 4;
/** Blocks for fast commits when s_num_fc_blks is 0. */
export const FAST_COMMIT_BLOCKS_DEFAULT = 256;
/** The log keeps at least this many blocks when fast commits take theirs. */
export const LOG_BLOCKS_LEAST = 1024;

/** `journal_block_tag_t`; t_blocknr_high exists with 64bit alone. */
export const journal_block_tag = layout(12, {
  t_blocknr: u32be(0x0),
  t_checksum: u16be(0x4),
  t_flags: u16be(0x6),
  t_blocknr_high: u32be(0x8),
});
/** `journal_block_tag3_t`, of checksum version 3: 16 bytes with or without 64bit. */
export const journal_block_tag3 = layout(16, {
  t_blocknr: u32be(0x0),
  t_flags: u32be(0x4),
  t_blocknr_high: u32be(0x8),
  t_checksum: u32be(0xc),
});
export const TagFlag = { escape: 1, sameUuid: 2, deleted: 4, last: 8 } as const;
/** Follows a tag without `sameUuid`. */
export const TAG_UUID_BYTES = 16;

/** `jbd2_journal_block_tail`: ends descriptor and revoke blocks with checksum versions 2 and 3. */
export const journal_block_tail = layout(4, { t_checksum: u32be(0x0) });

/** `jbd2_journal_revoke_header_t`: block numbers of 4 or, with 64bit, 8 bytes follow. */
export const journal_revoke_header = layout(16, {
  r_count: u32be(0xc), // bytes used, this header included
});

/** `struct commit_header`. */
export const commit_header = layout(64, {
  h_chksum_type: u8(0xc), // of checksum version 1; 1: crc32
  h_chksum_size: u8(0xd),
  h_chksum: u32be(0x10), // first of eight
  h_commit_sec_high: u32be(0x30),
  h_commit_sec_low: u32be(0x34),
  h_commit_nsec: u32be(0x38),
});
export const COMMIT_CRC32 = { type: 1, size: 4 } as const;

/** Tags of the fast commits, little-endian. Linux fs/ext4/fast_commit.h, `struct ext4_fc_tl`: two 16-bit words, then the value. */
export const FC_TAG_BYTES = 4;
export const FastTag = {
  addRange: 1,
  delRange: 2,
  create: 3,
  link: 4,
  unlink: 5,
  inode: 6,
  pad: 7,
  tail: 8,
  head: 9,
} as const;
export const ext4_fc_head = layout(8, { fc_features: u32le(0x0), fc_tid: u32le(0x4) });
export const ext4_fc_tail = layout(8, { fc_tid: u32le(0x0), fc_crc: u32le(0x4) });
/** fc_ex is a `struct ext4_extent`. */
export const ext4_fc_add_range = layout(16, { fc_ino: u32le(0x0), fc_ex: byteField(0x4, 12) });
export const ext4_fc_del_range = layout(12, { fc_ino: u32le(0x0), fc_lblk: u32le(0x4), fc_len: u32le(0x8) });
/** The name follows. */
export const ext4_fc_dentry_info = layout(8, { fc_parent_ino: u32le(0x0), fc_ino: u32le(0x4) });
/** The inode follows, as long as its i_extra_isize says. */
export const ext4_fc_inode = layout(4, { fc_ino: u32le(0x0) });
