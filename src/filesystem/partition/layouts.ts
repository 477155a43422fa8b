/**
 * Partition tables on disk. UEFI Specification 2.10, chapter 5 "GUID Partition Table (GPT) Disk Layout" (little-endian), which
 * in 5.2 has the master boot record as well. Field names are the specification's.
 */
import { byteField, layout, u8, u16le, u32le, u64le } from '../../bytes/layout.ts';

/** 5.2.1, Table 5.1 "Legacy MBR"; also what an extended boot record looks like. */
export const MasterBootRecord = layout(512, {
  uniqueMbrSignature: u32le(440),
  partitionRecords: byteField(446, 64), // four MbrPartition
  signature: u16le(510), // AA55h
});

/** 5.2.1, Table 5.2 "Legacy MBR Partition Record". Cylinders, heads and sectors are left out: nobody reads them any more. */
export const MbrPartition = layout(16, {
  bootIndicator: u8(0), // 80h: active; anything but 00h and 80h is not a partition record
  osType: u8(4), // 0: unused
  startingLba: u32le(8), // in an extended boot record: from that record, or from the first of them
  sizeInLba: u32le(12),
});

/** 5.3.2, Table 5.5 "GPT Header". */
export const GptHeader = layout(92, {
  signature: byteField(0, 8), // "EFI PART"
  revision: u32le(8), // 00010000h
  headerSize: u32le(12),
  headerCrc32: u32le(16), // over headerSize bytes, this field zero
  myLba: u64le(24),
  alternateLba: u64le(32),
  firstUsableLba: u64le(40),
  lastUsableLba: u64le(48),
  diskGuid: byteField(56, 16),
  partitionEntryLba: u64le(72),
  numberOfPartitionEntries: u32le(80),
  sizeOfPartitionEntry: u32le(84),
  partitionEntryArrayCrc32: u32le(88),
});

/** 5.3.3, Table 5.6 "GPT Partition Entry". */
export const GptEntry = layout(128, {
  partitionTypeGuid: byteField(0, 16), // zero: unused
  uniquePartitionGuid: byteField(16, 16),
  startingLba: u64le(32),
  endingLba: u64le(40), // the last one, inclusive
  partitionName: byteField(56, 72), // UTF-16LE, 36 characters, ended by NUL
});
