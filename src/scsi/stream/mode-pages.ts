/** Mode pages of a sequential-access device, each with its two-byte page header. SSC-4, 8.3. */
import { bit, bits, layout, u8, u16be, u24be, u32be } from '../../bytes/layout.ts';

export const StreamPage = {
  none: 0x00,
  errorRecovery: 0x01,
  disconnectReconnect: 0x02,
  control: 0x0a,
  dataCompression: 0x0f,
  deviceConfiguration: 0x10,
  mediumPartition: 0x11,
  informationalExceptions: 0x1c,
  mediumConfiguration: 0x1d,
  all: 0x3f,
} as const;

/** Subpages of the control and the device configuration page. */
export const StreamSubpage = { extension: 0x01, logicalBlockProtection: 0xf0, all: 0xff } as const;

/** Read-Write Error Recovery page. SSC-4, 8.3.5. */
export const ErrorRecoveryPage = layout(12, {
  pageCode: bits(0, 5, 0),
  pageLength: u8(1), // 0Ah
  readRetryCount: u8(3),
  writeRetryCount: u8(8),
});

/** Control page. SPC-4, 7.5.8. */
export const ControlPage = layout(12, {
  pageCode: bits(0, 5, 0),
  pageLength: u8(1), // 0Ah
  tst: bits(2, 7, 5), // 1: a task set for each nexus
});

/** Header of a subpage. SPC-4, table 446. */
export const SubpageHeader = layout(4, {
  spf: bit(0, 6),
  pageCode: bits(0, 5, 0),
  subpageCode: u8(1),
  pageLength: u16be(2),
});

/** Control Data Protection page, 0Ah/F0h. SSC-4, 8.3.9. */
export const LogicalBlockProtectionPage = layout(32, {
  spf: bit(0, 6),
  pageCode: bits(0, 5, 0),
  subpageCode: u8(1),
  pageLength: u16be(2), // 1Ch
  method: u8(4), // 0 none, 1 Reed-Solomon CRC, 2 CRC-32C
  informationLength: bits(5, 5, 0), // bytes behind each block
  lbpW: bit(6, 7),
  lbpR: bit(6, 6),
  rbdp: bit(6, 5),
});

/** Informational Exceptions Control page: TapeAlert is asked for, not reported. SSC-4, 8.3.6. */
export const InformationalExceptionsPage = layout(12, {
  pageCode: bits(0, 5, 0),
  pageLength: u8(1), // 0Ah
  perf: bit(2, 7),
  dexcpt: bit(2, 3),
  mrie: bits(3, 3, 0),
});

/** The DEVICE-SPECIFIC PARAMETER byte of the mode parameter header. SSC-4, table 116. */
export const DeviceSpecificParameter = layout(1, {
  wp: bit(0, 7),
  bufferedMode: bits(0, 6, 4), // 1: GOOD as soon as the data are in the buffer
  speed: bits(0, 3, 0),
});

/** Data Compression page. SSC-4, 8.3.2. */
export const DataCompressionPage = layout(16, {
  ps: bit(0, 7),
  pageCode: bits(0, 5, 0),
  pageLength: u8(1), // 0Eh
  dce: bit(2, 7), // compression enabled
  dcc: bit(2, 6), // compression capable
  dde: bit(3, 7), // decompression enabled
  red: bits(3, 6, 5),
  compressionAlgorithm: u32be(4),
  decompressionAlgorithm: u32be(8),
});

/** Device Configuration page. SSC-4, 8.3.3. */
export const DeviceConfigurationPage = layout(16, {
  ps: bit(0, 7),
  pageCode: bits(0, 5, 0),
  pageLength: u8(1), // 0Eh
  activeFormat: bits(2, 4, 0),
  activePartition: u8(3),
  writeDelayTime: u16be(6), // tenths of a second
  lois: bit(8, 6), // logical object identifiers supported
  rsmk: bit(8, 5),
  socf: bits(8, 3, 2),
  gapSize: u8(9),
  eodDefined: bits(10, 7, 5),
  eeg: bit(10, 4), // end-of-data mark is made
  sew: bit(10, 3), // synchronise at early warning
  swp: bit(10, 2), // software write protect
  objectBufferSizeAtEarlyWarning: u24be(11),
  selectDataCompressionAlgorithm: u8(14),
  prmwp: bit(15, 0),
});

/** Medium Partition page with one partition size entry. SSC-4, 8.3.4. */
export const MediumPartitionPage = layout(10, {
  ps: bit(0, 7),
  pageCode: bits(0, 5, 0),
  pageLength: u8(1), // 08h
  maximumAdditionalPartitions: u8(2),
  additionalPartitionsDefined: u8(3),
  mediumFormatRecognition: u8(5),
  partitionUnits: bits(6, 3, 0), // log10 of bytes
  partitionSize: u16be(8),
});

/** Medium Configuration page. SSC-4, 8.3.7. */
export const MediumConfigurationPage = layout(32, {
  ps: bit(0, 7),
  pageCode: bits(0, 5, 0),
  pageLength: u8(1), // 1Eh
  wormm: bit(2, 0), // the medium is write-once
  wormModeLabelRestrictions: u8(4),
  wormModeFilemarksRestrictions: u8(5),
});
