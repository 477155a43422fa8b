/** Commands of block devices. SBC-3, 5: READ, WRITE, VERIFY (6 to 16), READ CAPACITY, SYNCHRONIZE CACHE, UNMAP, WRITE SAME. */
import { FormatError } from '../../bytes/errors.ts';
import { bit, bits, layout, u8, u16be, u32be, u64be, viewOf } from '../../bytes/layout.ts';
import type { Bytes, Lba } from '../../bytes/units.ts';
import { OperationCode, ServiceActionIn16 } from '../common/operation-codes.ts';

/** READ(6) 08h and WRITE(6) 0Ah. SBC-3, 5.8, 5.33. Bits 7 to 5 of byte 1 once held the LUN. */
export const Block6 = layout(6, {
  operationCode: u8(0),
  lbaHigh: bits(1, 4, 0),
  lbaLow: u16be(2),
  transferLength: u8(4), // 0 is 256 blocks
  control: u8(5),
});
/** READ(10) 28h, WRITE(10) 2Ah, VERIFY(10) 2Fh, SYNCHRONIZE CACHE(10) 35h, WRITE SAME(10) 41h. */
export const Block10 = layout(10, {
  operationCode: u8(0),
  protect: bits(1, 7, 5), // RDPROTECT, WRPROTECT, VRPROTECT
  dpo: bit(1, 4),
  fua: bit(1, 3), // WRITE SAME: UNMAP
  bytchk: bits(1, 2, 1),
  logicalBlockAddress: u32be(2),
  groupNumber: bits(6, 4, 0),
  transferLength: u16be(7),
  control: u8(9),
});
/** READ(12) A8h, WRITE(12) AAh, VERIFY(12) AFh. */
export const Block12 = layout(12, {
  operationCode: u8(0),
  protect: bits(1, 7, 5),
  dpo: bit(1, 4),
  fua: bit(1, 3),
  bytchk: bits(1, 2, 1),
  logicalBlockAddress: u32be(2),
  transferLength: u32be(6),
  control: u8(11),
});
/** READ(16) 88h, WRITE(16) 8Ah, VERIFY(16) 8Fh, SYNCHRONIZE CACHE(16) 91h, WRITE SAME(16) 93h. */
export const Block16 = layout(16, {
  operationCode: u8(0),
  protect: bits(1, 7, 5),
  dpo: bit(1, 4),
  fua: bit(1, 3), // WRITE SAME: UNMAP
  bytchk: bits(1, 2, 1),
  ndob: bit(1, 0), // WRITE SAME: no data-out buffer
  logicalBlockAddress: u64be(2),
  transferLength: u32be(10),
  groupNumber: bits(14, 4, 0),
  control: u8(15),
});

/** Where a READ, WRITE, VERIFY, SYNCHRONIZE CACHE or WRITE SAME goes, whatever its length of CDB. */
export interface BlockRange {
  readonly lba: Lba;
  readonly blocks: number;
  /** RDPROTECT and the like; 0: no protection information. Not in the 6-byte commands. */
  readonly protect: number;
  readonly fua: boolean;
  readonly bytchk: number;
}

/** COMPARE AND WRITE, 89h. SBC-4, 5.3. */
export const CompareAndWrite = layout(16, {
  operationCode: u8(0),
  protect: bits(1, 7, 5),
  dpo: bit(1, 4),
  fua: bit(1, 3),
  logicalBlockAddress: u64be(2),
  numberOfLogicalBlocks: u8(13),
  groupNumber: bits(14, 4, 0),
  control: u8(15),
});
/** WRITE ATOMIC(16), 9Ch. SBC-4, 5.48. */
export const WriteAtomic16 = layout(16, {
  operationCode: u8(0),
  protect: bits(1, 7, 5),
  dpo: bit(1, 4),
  fua: bit(1, 3),
  logicalBlockAddress: u64be(2),
  atomicBoundary: u16be(10),
  transferLength: u16be(12),
  groupNumber: bits(14, 4, 0),
  control: u8(15),
});

/** Decodes any of the layouts above by the length of the CDB. An address above 2^53 becomes the highest exact number: out of any device's range. */
export function decodeBlockRange(cdb: Uint8Array): BlockRange {
  const view = viewOf(cdb);
  switch (cdb[0] >>> 5) {
    case 0: {
      const blocks = Block6.transferLength.get(view, 0) || 256;
      const lba = Block6.lbaHigh.get(view, 0) * 65536 + Block6.lbaLow.get(view, 0);
      return { lba, blocks, protect: 0, fua: false, bytchk: 0 };
    }
    case 4: {
      const beyond = view.getUint32(2) > 0x1f_ffff;
      return {
        lba: beyond ? Number.MAX_SAFE_INTEGER : Block16.logicalBlockAddress.get(view, 0),
        blocks: cdb[0] === OperationCode.compareAndWrite ? cdb[13] : Block16.transferLength.get(view, 0),
        protect: Block16.protect.get(view, 0),
        fua: Block16.fua.get(view, 0),
        bytchk: Block16.bytchk.get(view, 0),
      };
    }
    default: {
      const shape = cdb[0] >>> 5 === 5 ? Block12 : Block10;
      return {
        lba: shape.logicalBlockAddress.get(view, 0),
        blocks: shape.transferLength.get(view, 0),
        protect: shape.protect.get(view, 0),
        fua: shape.fua.get(view, 0),
        bytchk: shape.bytchk.get(view, 0),
      };
    }
  }
}

export const read16 = (lba: Lba, blocks: number): Uint8Array =>
  Block16.encode({ operationCode: OperationCode.read16, logicalBlockAddress: lba, transferLength: blocks });
export const write16 = (lba: Lba, blocks: number): Uint8Array =>
  Block16.encode({ operationCode: OperationCode.write16, logicalBlockAddress: lba, transferLength: blocks });
/** WRITE SAME(16) with a block of zeros as data and, if `unmap`, leave to let go of the blocks instead. SBC-3, 5.44. */
export const writeSame16 = (lba: Lba, blocks: number, unmap: boolean): Uint8Array =>
  Block16.encode({
    operationCode: OperationCode.writeSame16,
    fua: unmap, // the bit is UNMAP here
    logicalBlockAddress: lba,
    transferLength: blocks,
  });
/** The whole unit. */
export const synchronizeCache10 = (): Uint8Array => Block10.encode({ operationCode: OperationCode.synchronizeCache10 });

/** READ CAPACITY(10), 25h. SBC-3, 5.12. */
export const readCapacity10 = (): Uint8Array => Block10.encode({ operationCode: OperationCode.readCapacity10 });
export const ReadCapacity10 = layout(10, {
  operationCode: u8(0),
  logicalBlockAddress: u32be(2),
  pmi: bit(8, 0),
  control: u8(9),
});
export const ReadCapacity10Data = layout(8, {
  lastLba: u32be(0), // FFFFFFFFh: ask with READ CAPACITY(16)
  blockLength: u32be(4),
});

/** READ CAPACITY(16), 9Eh/10h. SBC-3, 5.13. */
export const ReadCapacity16 = layout(16, {
  operationCode: u8(0),
  serviceAction: bits(1, 4, 0),
  allocationLength: u32be(10),
  control: u8(15),
});
export const readCapacity16 = (allocationLength = 32): Uint8Array =>
  ReadCapacity16.encode({
    operationCode: OperationCode.serviceActionIn16,
    serviceAction: ServiceActionIn16.readCapacity16,
    allocationLength,
  });
/** GET LBA STATUS, 9Eh/12h. SBC-4, 5.6. */
export const GetLbaStatus = layout(16, {
  operationCode: u8(0),
  serviceAction: bits(1, 4, 0),
  startingLogicalBlockAddress: u64be(2),
  allocationLength: u32be(10),
  control: u8(15),
});
const LbaStatusDescriptor = layout(16, {
  logicalBlockAddress: u64be(0),
  numberOfLogicalBlocks: u32be(8),
  provisioningStatus: bits(12, 3, 0), // 0 mapped, 1 deallocated
});
/** A run of blocks of one kind. */
export interface LbaStatus {
  readonly lba: Lba;
  readonly blocks: number;
  readonly deallocated: boolean;
}
export function encodeLbaStatus(statuses: readonly LbaStatus[]): Uint8Array {
  const out = new Uint8Array(8 + 16 * statuses.length);
  const view = viewOf(out);
  view.setUint32(0, out.length - 4);
  for (const [i, { lba, blocks, deallocated }] of statuses.entries())
    LbaStatusDescriptor.write(view, 8 + 16 * i, {
      logicalBlockAddress: lba,
      numberOfLogicalBlocks: blocks,
      provisioningStatus: deallocated ? 1 : 0,
    });
  return out;
}

/** READ DEFECT DATA(10), 37h. SBC-4, 5.17. */
export const ReadDefectData10 = layout(10, {
  operationCode: u8(0),
  lists: bits(2, 4, 3), // REQ_PLIST, REQ_GLIST
  format: bits(2, 2, 0),
  allocationLength: u16be(7),
  control: u8(9),
});
/** READ DEFECT DATA(12), B7h. SBC-4, 5.18. */
export const ReadDefectData12 = layout(12, {
  operationCode: u8(0),
  lists: bits(1, 4, 3),
  format: bits(1, 2, 0),
  allocationLength: u32be(6),
  control: u8(11),
});

/** SBC-3, table 76. */
export const ReadCapacity16Data = layout(32, {
  lastLba: u64be(0),
  blockLength: u32be(8),
  protType: bits(12, 3, 1),
  protEn: bit(12, 0),
  logicalBlocksPerPhysicalBlockExponent: bits(13, 3, 0),
  lbpme: bit(14, 7), // thin provisioning: UNMAP works
  lbprz: bit(14, 6), // unmapped blocks read as zeros
});

export interface Capacity {
  readonly blocks: number;
  readonly blockLength: Bytes;
}

/** Capacity from READ CAPACITY(16) data. @throws FormatError when short, or the block length is no device's */
export function decodeCapacity16(data: Uint8Array): Capacity {
  if (data.byteLength < 12) throw new FormatError('corrupt', 'READ CAPACITY(16) data', `${data.byteLength} bytes`);
  const view = viewOf(data);
  if (view.getUint32(0) > 0x1f_ffff) throw new FormatError('corrupt', 'READ CAPACITY(16) data', 'capacity above 2^53');
  const blockLength = ReadCapacity16Data.blockLength.get(view, 0);
  checkBlockLength(blockLength, 'READ CAPACITY(16) data');
  return { blocks: ReadCapacity16Data.lastLba.get(view, 0) + 1, blockLength };
}

/** Capacity from READ CAPACITY(10) data; `undefined`: more than it can say. @throws FormatError as above */
export function decodeCapacity10(data: Uint8Array): Capacity | undefined {
  if (data.byteLength < 8) throw new FormatError('corrupt', 'READ CAPACITY(10) data', `${data.byteLength} bytes`);
  const { lastLba, blockLength } = ReadCapacity10Data.decodeAll(viewOf(data));
  if (lastLba === 0xffff_ffff) return undefined;
  checkBlockLength(blockLength, 'READ CAPACITY(10) data');
  return { blocks: lastLba + 1, blockLength };
}

function checkBlockLength(blockLength: Bytes, where: string): void {
  if (blockLength === 0 || blockLength > 0xff_ffff)
    throw new FormatError('corrupt', where, `block length ${blockLength}`);
}

/** UNMAP, 42h. SBC-3, 5.28. */
export const Unmap = layout(10, {
  operationCode: u8(0),
  anchor: bit(1, 0),
  groupNumber: bits(6, 4, 0),
  parameterListLength: u16be(7),
  control: u8(9),
});
export const UnmapHeader = layout(8, { unmapDataLength: u16be(0), unmapBlockDescriptorDataLength: u16be(2) });
export const UnmapBlockDescriptor = layout(16, { logicalBlockAddress: u64be(0), blocks: u32be(8) });

export const unmap = (parameterListLength: number): Uint8Array =>
  Unmap.encode({ operationCode: OperationCode.unmap, parameterListLength });

export function encodeUnmapList(ranges: readonly { readonly lba: Lba; readonly blocks: number }[]): Uint8Array {
  const out = new Uint8Array(8 + 16 * ranges.length);
  const view = viewOf(out);
  UnmapHeader.write(view, 0, { unmapDataLength: out.length - 2, unmapBlockDescriptorDataLength: out.length - 8 });
  for (const [i, { lba, blocks }] of ranges.entries())
    UnmapBlockDescriptor.write(view, 8 + 16 * i, { logicalBlockAddress: lba, blocks });
  return out;
}

/** Ranges of an UNMAP parameter list; `undefined`: its lengths are wrong. */
export function decodeUnmapList(data: Uint8Array): { readonly lba: Lba; readonly blocks: number }[] | undefined {
  if (data.byteLength < 8) return undefined;
  const view = viewOf(data);
  const length = UnmapHeader.unmapBlockDescriptorDataLength.get(view, 0);
  if (8 + length > data.byteLength) return undefined;
  const out: { lba: Lba; blocks: number }[] = [];
  for (let at = 8; at + 16 <= 8 + length; at += 16) {
    const beyond = view.getUint32(at) > 0x1f_ffff;
    const lba = beyond ? Number.MAX_SAFE_INTEGER : UnmapBlockDescriptor.logicalBlockAddress.get(view, at);
    out.push({ lba, blocks: UnmapBlockDescriptor.blocks.get(view, at) });
  }
  return out;
}

/** Block limits VPD page B0h, body. SBC-4, 6.6.3. */
export const BlockLimitsPage = layout(60, {
  wsnz: bit(0, 0),
  maximumCompareAndWriteLength: u8(1),
  optimalTransferLengthGranularity: u16be(2),
  maximumTransferLength: u32be(4), // blocks; 0: no limit
  optimalTransferLength: u32be(8),
  maximumUnmapLbaCount: u32be(16),
  maximumUnmapBlockDescriptorCount: u32be(20),
  optimalUnmapGranularity: u32be(24),
  maximumWriteSameLength: u64be(32),
  maximumAtomicTransferLength: u32be(40),
  atomicAlignment: u32be(44),
  atomicTransferLengthGranularity: u32be(48),
});
/** Block device characteristics VPD page B1h, body. SBC-3, 6.5.2. */
export const BlockCharacteristicsPage = layout(60, { mediumRotationRate: u16be(0) }); // 1: does not rotate
/** Logical block provisioning VPD page B2h, body. SBC-3, 6.5.4. */
export const ProvisioningPage = layout(4, {
  thresholdExponent: u8(0),
  lbpu: bit(1, 7), // UNMAP
  lbpws: bit(1, 6), // WRITE SAME(16) with UNMAP
  lbpws10: bit(1, 5), // WRITE SAME(10) with UNMAP
  lbprz: bit(1, 2),
  provisioningType: bits(2, 2, 0), // 2: thin
});
