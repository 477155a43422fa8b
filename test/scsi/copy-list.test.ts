// Golden bytes are laid out by hand from SPC-4, 6.4 (tables 171, 172, 184 and the table of each descriptor).
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../src/bytes/errors.ts';
import { fromHex, toHex } from '../../src/bytes/random.ts';
import type { Sense } from '../../src/scsi/common/sense.ts';
import type { CopyLimits, Cscd, Segment } from '../../src/scsi/copy/list.ts';
import { decodeCopyList, encodeCopyList, extendedCopyLid1 } from '../../src/scsi/copy/parameter-list.ts';
import {
  decodeCopyStatus,
  decodeFailureDetails,
  decodeOperatingParameters,
  decodeThirdPartyCopyPage,
  encodeCopyStatus,
  encodeFailureDetails,
  encodeOperatingParameters,
  encodeThirdPartyCopyPage,
  receiveCopy,
} from '../../src/scsi/copy/receive.ts';

const hex = (text: string): Uint8Array => fromHex(text.replaceAll(/\s/g, ''));

const LIMITS: CopyLimits = {
  cscdsMax: 4,
  segmentsMax: 12,
  descriptorListBytesMax: 600,
  segmentBytesMax: 0,
  inlineBytesMax: 64,
  streamTransferBytesMax: 0x100000,
  descriptorTypes: [0x00, 0x01, 0x02, 0x03, 0x04, 0x06, 0x08, 0x09, 0x10, 0x12, 0xe4],
};

const naa = (last: string): string => `6001405a1b2c3d4e5f607182930000${last}`;
const DISK_BYTES = `e4 00 0000 01 03 00 10 ${naa('01')} 00000000 00 000200`;
const TAPE_BYTES = `e4 01 0000 01 03 00 10 ${naa('02')} 00000000 04 000000`;
const FIXED_TAPE_BYTES = `e4 01 0000 01 03 00 10 ${naa('03')} 00000000 01 010000`;
const designator = (last: string) => ({ codeSet: 1, association: 0, type: 3, value: hex(naa(last)) });
const DISK: Cscd = { kind: 'block', designator: designator('01'), blockLength: 512, pad: false };
const TAPE: Cscd = { kind: 'stream', designator: designator('02'), fixedBlockLength: 0, pad: true };
const FIXED_TAPE: Cscd = { kind: 'stream', designator: designator('03'), fixedBlockLength: 65536, pad: false };

const GOLDEN: readonly (readonly [words: string, bytes: string, value: Segment])[] = [
  [
    '00h block to stream',
    '00 01 0014 0000 0001 00 040000 0000 ffff 0000000123456789',
    {
      type: 'block-to-stream',
      cat: true,
      source: 0,
      destination: 1,
      streamTransferLength: 0x40000,
      blocks: 0xffff,
      lba: 0x123456789,
    },
  ],
  [
    '01h stream to block',
    '01 00 0014 0001 0000 00 040000 0000 0010 0000000000000064',
    {
      type: 'stream-to-block',
      cat: false,
      source: 1,
      destination: 0,
      streamTransferLength: 0x40000,
      blocks: 16,
      lba: 100,
    },
  ],
  [
    '02h block to block, DC',
    '02 03 0018 0000 0000 0000 0008 0000000000000010 0000000000000020',
    {
      type: 'block-to-block',
      cat: true,
      dc: true,
      source: 0,
      destination: 0,
      blocks: 8,
      sourceLba: 16,
      destinationLba: 32,
    },
  ],
  [
    '03h stream to stream',
    '03 00 0010 0001 0002 00 010000 00 000001 00100000',
    {
      type: 'stream-to-stream',
      cat: false,
      source: 1,
      destination: 2,
      sourceTransferLength: 0x10000,
      destinationTransferLength: 1,
      byteCount: 0x100000,
    },
  ],
  [
    '04h inline to stream',
    '04 00 0010 0000 0001 00 000200 00000004 00000008',
    { type: 'inline-to-stream', cat: false, destination: 1, streamTransferLength: 512, inlineOffset: 4, byteCount: 8 },
  ],
  [
    '06h stream to discard',
    '06 00 000c 0001 0000 00 000200 00000400',
    { type: 'stream-to-discard', cat: false, source: 1, streamTransferLength: 512, byteCount: 1024 },
  ],
  [
    '08h block with offset to stream',
    '08 01 0018 0000 0001 00 040000 12345678 0000000000001000 0000 01ff',
    {
      type: 'block-bytes-to-stream',
      cat: true,
      source: 0,
      destination: 1,
      streamTransferLength: 0x40000,
      byteCount: 0x12345678,
      lba: 4096,
      byteOffset: 511,
    },
  ],
  [
    '09h stream to block with offset',
    '09 00 0018 0001 0000 00 040000 00000003 0000000000001000 0000 0002',
    {
      type: 'stream-to-block-bytes',
      cat: false,
      source: 1,
      destination: 0,
      streamTransferLength: 0x40000,
      byteCount: 3,
      lba: 4096,
      byteOffset: 2,
    },
  ],
  [
    '10h write filemarks',
    '10 00 0008 0000 0001 01 000002',
    { type: 'write-filemarks', destination: 1, immediate: true, count: 2 },
  ],
  ['12h locate', '12 00 0008 0000 ffff 0000 0400', { type: 'locate', destination: 0xffff, object: 1024 }],
];
const SEGMENT_HEX = GOLDEN.map(([, bytes]) => bytes).join(' ');
const SEGMENT_BYTES = hex(SEGMENT_HEX).length;
const u16 = (n: number): string => n.toString(16).padStart(4, '0');
const u32 = (n: number): string => n.toString(16).padStart(8, '0');
const INLINE = '0102030405060708090a0b0c';
const WHOLE = hex(
  `07 10 ${u16(96)} 00000000 ${u32(SEGMENT_BYTES)} ${u32(12)} ${DISK_BYTES} ${TAPE_BYTES} ${FIXED_TAPE_BYTES} ${SEGMENT_HEX} ${INLINE}`,
);
const VALUE = {
  listId: 7,
  cscds: [DISK, TAPE, FIXED_TAPE],
  segments: GOLDEN.map(([, , value]) => value),
  inlineData: hex(INLINE),
};

function refused(bytes: Uint8Array, limits: Partial<CopyLimits> = {}): Sense {
  const decoded = decodeCopyList(bytes, { ...LIMITS, ...limits });
  if (decoded.kind === 'list') throw new Error('the list was taken');
  return decoded.sense;
}
function damaged(at: number, ...bytes: number[]): Uint8Array {
  const copy = WHOLE.slice();
  copy.set(bytes, at);
  return copy;
}
/** Byte at which segment `n` of the golden list starts. */
const segmentAt = (n: number): number =>
  16 + 96 + GOLDEN.slice(0, n).reduce((sum, [, bytes]) => sum + hex(bytes).length, 0);

describe('EXTENDED COPY parameter list', () => {
  it('is written as the tables say', () => {
    expect(toHex(encodeCopyList(VALUE))).toBe(toHex(WHOLE));
    expect(toHex(extendedCopyLid1(WHOLE.length))).toBe(`8300${'00'.repeat(8)}${u32(WHOLE.length)}0000`);
  });

  for (const [i, [words, bytes, value]] of GOLDEN.entries()) {
    it(`reads and writes ${words}`, () => {
      const decoded = decodeCopyList(WHOLE, LIMITS);
      expect(decoded.kind === 'list' && decoded.list.segments[i]).toEqual(value);
      const alone = encodeCopyList({ listId: 0, cscds: [], segments: [value], inlineData: new Uint8Array(0) });
      expect(toHex(alone.subarray(16))).toBe(toHex(hex(bytes)));
    });
  }

  it('reads CSCDs with device types, padding and block lengths', () => {
    const decoded = decodeCopyList(WHOLE, LIMITS);
    expect(decoded).toMatchObject({ kind: 'list', list: { listId: 7, listIdUsage: 0b10, deviceTypes: [0, 1, 1] } });
    if (decoded.kind === 'list') {
      expect(decoded.list.cscds).toEqual([DISK, TAPE, FIXED_TAPE]);
      expect(toHex(decoded.list.inlineData)).toBe(INLINE);
    }
  });

  it('comes back the same for any values that fit', () => {
    const u24 = fc.integer({ min: 1, max: 0x100000 });
    const id = fc.integer({ min: 0, max: 2 });
    const segment = fc.record({
      type: fc.constant('block-bytes-to-stream' as const),
      cat: fc.boolean(),
      source: id,
      destination: fc.constant(1),
      streamTransferLength: u24,
      byteCount: fc.integer({ min: 0, max: 0xffffffff }),
      lba: fc.maxSafeNat(),
      byteOffset: fc.integer({ min: 0, max: 0xffff }),
    });
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 12 }), fc.uint8Array({ maxLength: 64 }), (segments, inlineData) => {
        const value = { listId: 200, cscds: [DISK, TAPE], segments, inlineData };
        const decoded = decodeCopyList(encodeCopyList(value), LIMITS);
        expect(decoded).toMatchObject({ kind: 'list', list: { segments, listId: 200 } });
      }),
    );
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(
        fc.nat(WHOLE.length - 1),
        fc.uint8Array({ minLength: 1, maxLength: 6 }),
        fc.nat(WHOLE.length),
        (at, bytes, cut) => {
          const copy = WHOLE.slice();
          copy.set(bytes.subarray(0, copy.length - at), at);
          decodeCopyList(copy, LIMITS);
          decodeCopyList(copy.subarray(0, cut), LIMITS);
        },
      ),
    );
  });
});

describe('a parameter list is refused before anything is copied', () => {
  const code = (s: Sense): string => `${s.key}/${u16(s.asc * 256 + s.ascq)}`;
  const LENGTH = '5/1a00';

  it('when it is cut anywhere', () => {
    for (const length of [1, 15, 16, 40, segmentAt(3) + 2, WHOLE.length - 1])
      expect(code(refused(WHOLE.subarray(0, length)))).toBe(LENGTH);
  });

  it('when the descriptors together are too long, which is checked before their number', () => {
    expect(code(refused(WHOLE, { descriptorListBytesMax: 300, cscdsMax: 1, segmentsMax: 1 }))).toBe(LENGTH);
  });

  it('when there are too many CSCDs, or a part of one', () => {
    expect(refused(WHOLE, { cscdsMax: 2 })).toMatchObject({
      asc: 0x26,
      ascq: 0x06,
      fieldPointer: { in: 'data', byte: 2 },
    });
    expect(refused(damaged(2, 0, 95))).toMatchObject({ asc: 0x26, ascq: 0x00, fieldPointer: { byte: 2 } });
  });

  it('when there are too many segments, or one ends past the list', () => {
    expect(refused(WHOLE, { segmentsMax: 9 })).toMatchObject({ asc: 0x26, ascq: 0x08, fieldPointer: { byte: 8 } });
    const at = segmentAt(9) + 2;
    expect(refused(damaged(at, 0, 9))).toMatchObject({ asc: 0x26, ascq: 0, fieldPointer: { byte: at } });
  });

  it('when a descriptor has another type than those offered', () => {
    expect(refused(damaged(48, 0xe0))).toMatchObject({ asc: 0x26, ascq: 0x07, fieldPointer: { byte: 48 } });
    expect(refused(damaged(segmentAt(1), 0x05))).toMatchObject({
      asc: 0x26,
      ascq: 0x09,
      fieldPointer: { byte: segmentAt(1) },
    });
    const without = LIMITS.descriptorTypes.filter((type) => type !== 0x03);
    expect(refused(WHOLE, { descriptorTypes: without })).toMatchObject({
      asc: 0x26,
      ascq: 0x09,
      fieldPointer: { byte: segmentAt(3) },
    });
  });

  it('when a segment has another length than its type', () => {
    const swapped = damaged(segmentAt(0), 0x08); // 24 bytes that claim to be 08h
    expect(refused(swapped)).toMatchObject({ asc: 0x26, ascq: 0, fieldPointer: { byte: segmentAt(0) + 2 } });
  });

  it('when there is more inline data than admitted', () => {
    expect(refused(WHOLE, { inlineBytesMax: 11 })).toMatchObject({ asc: 0x26, ascq: 0x0b, fieldPointer: { byte: 12 } });
  });

  it.each([
    ['a reserved list id usage', 1, [0x08], 1],
    ['an identifier where there is to be none', 1, [0x18], 0],
    ['a designator of no bytes', 16 + 7, [0], 16 + 7],
    ['a designator of 21 bytes', 16 + 7, [21], 16 + 7],
    ['a changer as CSCD', 16 + 1, [8], 16 + 1],
    ['FIXED without a block length', 48 + 28, [0x05], 48 + 29],
    ['a stream block length without FIXED', 80 + 28, [0x00], 80 + 28],
    ['an inline offset that is no multiple of 4', segmentAt(4) + 12, [0, 0, 0, 2], segmentAt(4) + 12],
    ['a transfer length of 0 with data to move', segmentAt(0) + 9, [0, 0, 0], segmentAt(0) + 9],
    ['a transfer longer than the buffers', segmentAt(0) + 9, [0x10, 0, 1], segmentAt(0) + 9],
    ['a transfer of fixed blocks longer than the buffers', segmentAt(3) + 13, [0, 0, 17], segmentAt(3) + 13],
  ])('when it has %s', (_words, at, bytes, pointer) => {
    expect(refused(damaged(at, ...bytes))).toMatchObject({
      key: 5,
      asc: 0x26,
      ascq: 0x00,
      fieldPointer: { in: 'data', byte: pointer },
    });
  });

  it('but not for the LU ID TYPE of a CSCD, which is ignored', () => {
    expect(decodeCopyList(damaged(17, 0x80), LIMITS).kind).toBe('list');
  });

  it('and an address above 2^53 is merely beyond any device', () => {
    const decoded = decodeCopyList(damaged(segmentAt(0) + 16, 0xff), LIMITS);
    expect(decoded.kind === 'list' && decoded.list.segments[0]).toMatchObject({ lba: Number.MAX_SAFE_INTEGER });
  });
});

describe('RECEIVE COPY', () => {
  const PARAMETERS = {
    ...LIMITS,
    cscdsMax: 2,
    segmentsMax: 1,
    descriptorListBytesMax: 1024,
    segmentBytesMax: 0x10000000,
    inlineBytesMax: 0,
    streamTransferBytesMax: 0,
    heldDataMax: 0,
    totalConcurrentCopies: 1,
    concurrentCopies: 1,
    descriptorTypes: [0x02, 0xe4],
  };
  // What the Linux target answers (target_core_xcopy.c), granularity left at 0. SPC-4 table 244.
  const linux = hex(
    `0000002a 00 000000 0002 0001 00000400 10000000 00000000 00000000 00000000 0000 0001 01 00 00 00 000000 02 02 e4`,
  );

  it('OPERATING PARAMETERS has the CDB and layout of SPC-4', () => {
    expect(toHex(receiveCopy(3, 512))).toBe('84030000000000000000000002000000');
    expect(toHex(encodeOperatingParameters(PARAMETERS))).toBe(toHex(linux));
    expect(decodeOperatingParameters(linux)).toEqual(PARAMETERS);
  });

  it('OPERATING PARAMETERS that are cut or whose list ends past them are refused', () => {
    expect(() => decodeOperatingParameters(linux.subarray(0, 43))).toThrow(FormatError);
    expect(() => decodeOperatingParameters(linux.subarray(0, 45))).toThrow(FormatError);
    const wrong = linux.slice();
    wrong[43] = 3;
    expect(() => decodeOperatingParameters(wrong)).toThrow(/ends past/);
  });

  it('STATUS counts bytes in the smallest unit that holds them', () => {
    expect(toHex(receiveCopy(0, 12, 9))).toBe('84000900000000000000' + '0000000c0000');
    expect(toHex(encodeCopyStatus({ status: 1, segmentsProcessed: 3, bytes: 4096 }))).toBe('000000080100030000001000');
    expect(toHex(encodeCopyStatus({ status: 0, segmentsProcessed: 3, bytes: 2 ** 33 }))).toBe(
      '000000080000030100800000',
    );
    expect(decodeCopyStatus(hex('00000008 02 0003 01 00800000'))).toEqual({
      status: 2,
      segmentsProcessed: 3,
      bytes: 2 ** 33,
    });
    expect(decodeCopyStatus(hex('00000008 01 0001 f1 00000001')).bytes).toBeUndefined();
    expect(() => decodeCopyStatus(hex('00000008 01 0001 07 00000001'))).toThrow(FormatError);
    expect(() => decodeCopyStatus(hex('00000008 01'))).toThrow(FormatError);
  });

  it('FAILURE DETAILS has status at 56 and sense from 60 on', () => {
    const sense = hex('70 00 0a');
    const details = encodeFailureDetails({ status: 2, sense });
    expect(toHex(details)).toBe(`0000003b${'00'.repeat(52)}0200000370000a`);
    expect(decodeFailureDetails(details)).toEqual({ status: 2, sense });
    expect(decodeFailureDetails(encodeFailureDetails(undefined))).toBeUndefined();
    expect(() => decodeFailureDetails(details.subarray(0, 62))).toThrow(FormatError);
    expect(() => decodeFailureDetails(details.subarray(0, 30))).toThrow(FormatError);
    expect(() => decodeFailureDetails(new Uint8Array(3))).toThrow(FormatError);
  });

  it('VPD page 8Fh tells the same, descriptors ascending and in multiples of 4', () => {
    const page = encodeThirdPartyCopyPage({ ...PARAMETERS, streamTransferBytesMax: 0x800000 });
    const parts = decodeThirdPartyCopyPage(page);
    expect([...parts.keys()]).toEqual([0x0001, 0x0004, 0x0008, 0x000c, 0x8001, 0x9101]);
    expect(toHex(parts.get(0x0001) ?? new Uint8Array(0))).toBe('0883010084030003' + '04000000');
    expect(toHex(parts.get(0x0004) ?? new Uint8Array(0))).toBe(
      `00000000 0002 0001 00000400 00000000 ${'00'.repeat(12)}`.replaceAll(' ', ''),
    );
    expect(toHex(parts.get(0x0008) ?? new Uint8Array(0))).toBe('0202e400');
    expect(toHex(parts.get(0x000c) ?? new Uint8Array(0))).toBe('0002ffff');
    expect(toHex(parts.get(0x8001) ?? new Uint8Array(0))).toBe(
      `00000001 00000001 10000000 00 00 ${'00'.repeat(18)}`.replaceAll(' ', ''),
    );
    expect(toHex(parts.get(0x9101) ?? new Uint8Array(0))).toBe('008000000000000000000000');
    expect(() => decodeThirdPartyCopyPage(page.subarray(0, page.length - 1))).toThrow(FormatError);
  });
});
