/** Layouts of the EXTENDED COPY parameter list: CDBs, header, CSCD and segment descriptors. SPC-4, 6.3, 6.4. */
import { bit, bits, byteField, layout, u8, u16be, u24be, u32be, u64be } from '../../bytes/layout.ts';

/** THIRD-PARTY COPY OUT, service actions 00h and 01h. SPC-4, tables 125 and 171. */
export const ExtendedCopy = layout(16, {
  operationCode: u8(0), // 83h
  serviceAction: bits(1, 4, 0),
  parameterListLength: u32be(10),
  control: u8(15),
});

/** LID1 parameter list header. SPC-4, table 172. */
export const Lid1Header = layout(16, {
  listIdentifier: u8(0),
  str: bit(1, 5), // sequential striped: no effect here
  listIdUsage: bits(1, 4, 3),
  priority: bits(1, 2, 0),
  cscdDescriptorListLength: u16be(2),
  segmentDescriptorListLength: u32be(8),
  inlineDataLength: u32be(12),
});

/** LIST ID USAGE. SPC-4, table 127. */
export const ListIdUsage = { keepAll: 0b00, keepStatus: 0b10, none: 0b11 } as const;

/** Identification descriptor CSCD, E4h, with the parameters of each device type. SPC-4, 6.4.5.6 and 6.4.5.3 to 6.4.5.5. */
export const IdentificationCscd = layout(32, {
  descriptorType: u8(0), // E4h
  luIdType: bits(1, 7, 6), // ignored
  peripheralDeviceType: bits(1, 4, 0),
  relativeInitiatorPort: u16be(2), // 0: any
  codeSet: bits(4, 3, 0),
  association: bits(5, 5, 4),
  designatorType: bits(5, 3, 0),
  designatorLength: u8(7),
  designator: byteField(8, 20),
  pad: bit(28, 2),
  fixed: bit(28, 0), // stream devices
  blockLength: u24be(29), // DISK BLOCK LENGTH or STREAM BLOCK LENGTH
});
export const CSCD_BYTES = IdentificationCscd.byteLength;

/** What every segment descriptor starts with. SPC-4, table 184. */
export const SegmentHeader = layout(8, {
  descriptorType: u8(0),
  dc: bit(1, 1),
  cat: bit(1, 0),
  descriptorLength: u16be(2), // bytes after byte 3
  source: u16be(4),
  destination: u16be(6),
});

/** 00h block to stream; 01h stream to block (blocks and address are the destination's). SPC-4, 6.4.6.2, 6.4.6.3. */
export const BlocksStreamSegment = layout(24, {
  streamTransferLength: u24be(9),
  blocks: u16be(14),
  lba: u64be(16),
});
/** 02h block to block. SPC-4, 6.4.6.4. */
export const BlockBlockSegment = layout(28, { blocks: u16be(10), sourceLba: u64be(12), destinationLba: u64be(20) });
/** 03h stream to stream. SPC-4, 6.4.6.5. */
export const StreamStreamSegment = layout(20, {
  sourceTransferLength: u24be(9),
  destinationTransferLength: u24be(13),
  byteCount: u32be(16),
});
/** 04h inline data to stream. SPC-4, 6.4.6.6. */
export const InlineStreamSegment = layout(20, {
  streamTransferLength: u24be(9),
  inlineOffset: u32be(12), // a multiple of 4
  byteCount: u32be(16),
});
/** 06h stream to discard. SPC-4, 6.4.6.8. */
export const StreamDiscardSegment = layout(16, { streamTransferLength: u24be(9), byteCount: u32be(12) });
/** 08h block with offset to stream; 09h stream to block with offset. SPC-4, 6.4.6.10, 6.4.6.11. */
export const BytesStreamSegment = layout(28, {
  streamTransferLength: u24be(9),
  byteCount: u32be(12),
  lba: u64be(16),
  byteOffset: u16be(26),
});
/** 10h write filemarks. SPC-4, 6.4.6.13. */
export const FilemarksSegment = layout(12, { immediate: bit(8, 0), count: u24be(9) });
/** 12h locate. SPC-4, 6.4.6.15. */
export const LocateSegment = layout(12, { object: u32be(8) });

/** Descriptor type codes. SPC-4, table 117 and table 149. */
export const DescriptorType = {
  blockToStream: 0x00,
  streamToBlock: 0x01,
  blockToBlock: 0x02,
  streamToStream: 0x03,
  inlineToStream: 0x04,
  streamToDiscard: 0x06,
  blockBytesToStream: 0x08,
  streamToBlockBytes: 0x09,
  writeFilemarks: 0x10,
  locate: 0x12,
  identification: 0xe4,
} as const;

/** CSCD ids that are no index into the list. SPC-4, table 148. */
export const CscdIds = { indexMax: 0x07ff, nullBlock: 0xc000, nullStream: 0xc001, thisLogicalUnit: 0xffff } as const;

/** DESCRIPTOR LENGTH + 4 of each segment type that this program knows. */
export const SEGMENT_BYTES: Readonly<Record<number, number>> = {
  [DescriptorType.blockToStream]: 24,
  [DescriptorType.streamToBlock]: 24,
  [DescriptorType.blockToBlock]: 28,
  [DescriptorType.streamToStream]: 20,
  [DescriptorType.inlineToStream]: 20,
  [DescriptorType.streamToDiscard]: 16,
  [DescriptorType.blockBytesToStream]: 28,
  [DescriptorType.streamToBlockBytes]: 28,
  [DescriptorType.writeFilemarks]: 12,
  [DescriptorType.locate]: 12,
};
