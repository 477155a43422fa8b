/**
 * First structures of formats that are recognised and not walked: magic numbers, labels, identifiers. Each layout names its
 * source; what is not needed to recognise and name one is left out.
 */
import { asciiField, byteField, i32le, layout, u8, u16be, u16le, u32le, u64le } from '../../bytes/layout.ts';

/** Linux include/linux/swap.h, `union swap_header`, from byte 1024 on. */
export const swap_header_info = layout(44, {
  version: u32le(0),
  last_page: u32le(4),
  nr_badpages: u32le(8),
  sws_uuid: byteField(12, 16),
  sws_volume: byteField(28, 16),
});

/** LUKS On-Disk Format 1.2.3, 2.1 "PHDR"; LUKS2 On-Disk Format 1.0, 2.1 "Binary Header". Both have uuid at the same place. */
export const LuksHeader = layout(208, {
  magic: byteField(0, 6), // "LUKS" BAh BEh
  version: u16be(6),
  label: asciiField(24, 48, '\0'), // version 2 only
  uuid: asciiField(168, 40, '\0'),
});

/** Microsoft FAT specification 3.1, "BPB structure common to FAT12, FAT16 and FAT32"; the rest is of one of both. */
export const FatBootSector = layout(512, {
  BPB_BytsPerSec: u16le(11),
  BPB_SecPerClus: u8(13),
  BPB_RsvdSecCnt: u16le(14),
  BPB_NumFATs: u8(16),
  BPB_RootEntCnt: u16le(17),
  BPB_TotSec16: u16le(19),
  BPB_Media: u8(21),
  BPB_FATSz16: u16le(22),
  BPB_TotSec32: u32le(32),
  BPB_FATSz32: u32le(36),
  BPB_RootClus: u32le(44), // FAT32
  BS_VolID: u32le(39), // FAT12, FAT16
  BS_VolLab: byteField(43, 11),
  BS_VolID32: u32le(67),
  BS_VolLab32: byteField(71, 11),
  Signature: u16le(510),
});

/** The same, 6.1 "Directory entry". */
export const FatDirectoryEntry = layout(32, {
  DIR_Name: byteField(0, 11),
  DIR_Attr: u8(11), // 08h: the volume's label; 0Fh: a piece of a long name
});

/** Microsoft exFAT specification, 3.1 "Main and Backup Boot Sector Sub-regions". */
export const ExfatBootSector = layout(512, {
  FileSystemName: byteField(3, 8),
  VolumeLength: u64le(72), // sectors
  ClusterHeapOffset: u32le(88), // sectors
  FirstClusterOfRootDirectory: u32le(96),
  VolumeSerialNumber: u32le(100),
  BytesPerSectorShift: u8(108),
  SectorsPerClusterShift: u8(109),
  BootSignature: u16le(510),
});

/** The same, 7.3 "Volume Label Directory Entry". */
export const ExfatLabelEntry = layout(32, {
  EntryType: u8(0), // 83h
  CharacterCount: u8(1),
  VolumeLabel: byteField(2, 22),
});

/** NTFS boot sector. Linux fs/ntfs3/ntfs.h, `struct NTFS_BOOT`. */
export const NtfsBootSector = layout(512, {
  system_id: byteField(3, 8),
  bytes_per_sector: u16le(11),
  sectors_per_clusters: u8(13), // above 80h: 2 to the power of its complement
  sectors_per_volume: u64le(0x28),
  mft_clst: u64le(0x30),
  record_size: u8(0x40), // clusters, or as above in bytes
  serial_num: byteField(0x48, 8),
  boot_magic: u16le(510),
});

/** Head of an NTFS file record, and of an attribute in it. Linux fs/ntfs3/ntfs.h, `struct MFT_REC`, `struct ATTRIB`. */
export const NtfsRecord = layout(48, { sign: byteField(0, 4), attr_off: u16le(0x14) });
export const NtfsAttribute = layout(24, {
  type: u32le(0),
  size: u32le(4),
  non_res: u8(8),
  data_size: u32le(16),
  data_off: u16le(20),
});

/** btrfs superblock. Linux include/uapi/linux/btrfs_tree.h, `struct btrfs_super_block`. */
export const btrfs_super_block = layout(0x22b, {
  csum: byteField(0, 32),
  fsid: byteField(0x20, 16),
  magic: byteField(0x40, 8),
  total_bytes: u64le(0x70),
  num_devices: u64le(0x88),
  sectorsize: u32le(0x90),
  label: byteField(0x12b, 256),
});

/** Linux software RAID, version 1. include/uapi/linux/raid/md_p.h, `struct mdp_superblock_1`. */
export const mdp_superblock_1 = layout(256, {
  magic: u32le(0),
  major_version: u32le(4),
  set_uuid: byteField(16, 16),
  set_name: byteField(32, 32),
  level: i32le(72),
  data_offset: u64le(128), // sectors
  data_size: u64le(136), // sectors
  super_offset: u64le(144), // sectors
});

/** Version 0.90, of little-endian machines; the same header, `mdp_super_t`. */
export const mdp_super = layout(4096, {
  md_magic: u32le(0),
  major_version: u32le(4),
  minor_version: u32le(8),
  set_uuid0: byteField(20, 4),
  level: i32le(28),
  set_uuid1: byteField(52, 12),
});
