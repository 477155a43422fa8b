/** Mode pages of a sequential-access device, each with its two-byte page header. SSC-4, 8.3. */
import { bit, bits, layout, u8, u16be, u24be, u32be } from '../../bytes/layout.ts';

export const StreamPage = {
  none: 0x00,
  dataCompression: 0x0f,
  deviceConfiguration: 0x10,
  mediumPartition: 0x11,
  mediumConfiguration: 0x1d,
  all: 0x3f,
} as const;

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
