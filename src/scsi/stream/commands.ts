/**
 * Command descriptor blocks of a sequential-access device. SSC-4, clauses 6 and 7; SPC-4 for PREVENT ALLOW.
 *
 * Operation codes are in common/operation-codes.ts.
 */
import { bit, bits, i24be, i64be, layout, u8, u16be, u24be, u32be, u64be } from '../../bytes/layout.ts';

/** READ (6) and WRITE (6). SSC-4, 6.4 and 6.13. `transferLength` counts bytes, or blocks if FIXED. */
export const ReadWrite6 = layout(6, {
  operationCode: u8(0),
  sili: bit(1, 1), // READ alone: say nothing of a record of another length
  fixed: bit(1, 0),
  transferLength: u24be(2),
  control: u8(5),
});

/** READ BLOCK LIMITS. SSC-4, 7.3. */
export const ReadBlockLimits = layout(6, { operationCode: u8(0), mloi: bit(1, 0), control: u8(5) });

/** READ BLOCK LIMITS parameter data. SSC-4, table 54. A maximum of 0 means no limit. */
export const BlockLimits = layout(6, {
  granularity: bits(0, 4, 0), // log2 of the step between admitted lengths
  maximumBlockLength: u24be(1),
  minimumBlockLength: u16be(4),
});

/** WRITE FILEMARKS (6). SSC-4, 6.14. Count 0 without IMMED synchronises the buffer. */
export const WriteFilemarks6 = layout(6, {
  operationCode: u8(0),
  wsmk: bit(1, 1), // setmarks: obsolete
  immed: bit(1, 0),
  filemarkCount: u24be(2),
  control: u8(5),
});

/** What SPACE passes. SSC-4, table 78. */
export const SpaceCode = { logicalBlocks: 0, filemarks: 1, sequentialFilemarks: 2, endOfData: 3 } as const;

/** SPACE (6). SSC-4, 6.12. */
export const Space6 = layout(6, { operationCode: u8(0), code: bits(1, 3, 0), count: i24be(2), control: u8(5) });

/** SPACE (16). SSC-4, 6.11. */
export const Space16 = layout(16, {
  operationCode: u8(0),
  code: bits(1, 3, 0),
  count: i64be(4),
  parameterListLength: u16be(12),
  control: u8(15),
});

/** LOCATE (10). SSC-4, 7.2. */
export const Locate10 = layout(10, {
  operationCode: u8(0),
  bt: bit(1, 2), // vendor's block addressing; the same numbers here
  cp: bit(1, 1), // change partition
  immed: bit(1, 0),
  logicalObjectIdentifier: u32be(3),
  partition: u8(8),
  control: u8(9),
});

/** Kinds of address in LOCATE (16). SSC-4, table 51. */
export const LocateDestination = { object: 0, file: 1, endOfData: 3 } as const;

/** LOCATE (16). SSC-4, 6.3. */
export const Locate16 = layout(16, {
  operationCode: u8(0),
  destinationType: bits(1, 5, 3),
  cp: bit(1, 1),
  immed: bit(1, 0),
  bam: bit(2, 0), // explicit addressing; not supported
  partition: u8(3),
  logicalIdentifier: u64be(4),
  control: u8(15),
});

/** Service actions of READ POSITION. SSC-4, table 59. 01h is a vendor's short form that Linux st asks for. */
export const PositionForm = { short: 0x00, shortVendor: 0x01, long: 0x06, extended: 0x08 } as const;

/** READ POSITION. SSC-4, 7.6. The allocation length counts in the extended form alone. */
export const ReadPosition = layout(10, {
  operationCode: u8(0),
  serviceAction: bits(1, 4, 0),
  allocationLength: u16be(7),
  control: u8(9),
});

/** REWIND. SSC-4, 7.9. */
export const Rewind = layout(6, { operationCode: u8(0), immed: bit(1, 0), control: u8(5) });

/** ERASE (6). SSC-4, 6.2. LONG erases to the end of the medium, else the position becomes end of data. */
export const Erase6 = layout(6, { operationCode: u8(0), immed: bit(1, 1), long: bit(1, 0), control: u8(5) });

/** LOAD UNLOAD. SSC-4, 7.1. */
export const LoadUnload = layout(6, {
  operationCode: u8(0),
  immed: bit(1, 0),
  hold: bit(4, 3),
  eot: bit(4, 2),
  reten: bit(4, 1),
  load: bit(4, 0),
  control: u8(5),
});

/** PREVENT ALLOW MEDIUM REMOVAL. SPC-4, 6.14. */
export const PreventAllow = layout(6, { operationCode: u8(0), prevent: bits(4, 1, 0), control: u8(5) });

/** REPORT DENSITY SUPPORT. SSC-4, 7.8. */
export const ReportDensitySupport = layout(10, {
  operationCode: u8(0),
  mediumType: bit(1, 1),
  media: bit(1, 0), // only what the mounted medium admits
  allocationLength: u16be(7),
  control: u8(9),
});

/** FORMAT MEDIUM. SSC-4, 7.1. */
export const FormatMedium = layout(6, {
  operationCode: u8(0),
  verify: bit(1, 1),
  immed: bit(1, 0),
  format: bits(2, 3, 0),
  transferLength: u16be(3),
  control: u8(5),
});
