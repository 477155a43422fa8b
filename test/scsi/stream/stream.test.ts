import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Field } from '../../../src/bytes/layout.ts';
import { viewOf } from '../../../src/bytes/layout.ts';
import { toHex } from '../../../src/bytes/random.ts';
import { MiB, tapeFile, tapeObject } from '../../../src/bytes/units.ts';
import { AttributeId, attributeNumber, attributeText, textAttribute } from '../../../src/scsi/stream/attributes.ts';
import * as commands from '../../../src/scsi/stream/commands.ts';
import { DensityDescriptor, encodeDensities } from '../../../src/scsi/stream/density.ts';
import * as log from '../../../src/scsi/stream/log-pages.ts';
import * as mode from '../../../src/scsi/stream/mode-pages.ts';
import {
  decodeLongPosition,
  decodeShortPosition,
  ExtendedPosition,
  encodeExtendedPosition,
  encodeLongPosition,
  encodeShortPosition,
  LongPosition,
  ShortPosition,
  type StreamPosition,
} from '../../../src/scsi/stream/position.ts';
import { hex } from '../../support/scsi-send.ts';

const golden = (encoded: Uint8Array, expected: string): void =>
  expect(toHex(encoded)).toBe(expected.replaceAll(' ', ''));

// Commands as Linux st, LTFS and mt send them, byte for byte.
describe('command descriptor blocks', () => {
  it('have their fields where SSC-4 has them', () => {
    golden(commands.ReadWrite6.encode({ operationCode: 0x08, transferLength: 0x040000 }), '08 00 040000 00');
    golden(commands.ReadWrite6.encode({ operationCode: 0x08, sili: true, transferLength: 0x2800 }), '08 02 002800 00');
    golden(commands.ReadWrite6.encode({ operationCode: 0x0a, fixed: true, transferLength: 20 }), '0a 01 000014 00');
    golden(commands.WriteFilemarks6.encode({ operationCode: 0x10, filemarkCount: 1 }), '10 00 000001 00');
    golden(commands.WriteFilemarks6.encode({ operationCode: 0x10, immed: true, filemarkCount: 2 }), '10 01 000002 00');
    golden(commands.Space6.encode({ operationCode: 0x11, code: 1, count: -1 }), '11 01 ffffff 00');
    golden(commands.Space6.encode({ operationCode: 0x11, code: 1, count: 0x7fffff }), '11 01 7fffff 00');
    golden(commands.Space6.encode({ operationCode: 0x11, code: 3 }), '11 03 000000 00');
    golden(
      commands.Space16.encode({ operationCode: 0x91, code: 0, count: -3 }),
      '91 00 0000 fffffffffffffffd 0000 00 00',
    );
    golden(
      commands.Locate10.encode({ operationCode: 0x2b, bt: true, logicalObjectIdentifier: 0x01020304, partition: 5 }),
      '2b 04 00 01020304 00 05 00',
    );
    golden(
      commands.Locate16.encode({
        operationCode: 0x92,
        destinationType: 1,
        cp: true,
        partition: 1,
        logicalIdentifier: 7,
      }),
      '92 0a 00 01 0000000000000007 0000 00 00',
    );
    golden(commands.ReadPosition.encode({ operationCode: 0x34, serviceAction: 6 }), '34 06 0000000000 0000 00');
    golden(commands.Rewind.encode({ operationCode: 0x01, immed: true }), '01 01 0000 00 00');
    golden(commands.Erase6.encode({ operationCode: 0x19, long: true }), '19 01 0000 00 00');
    golden(commands.LoadUnload.encode({ operationCode: 0x1b, load: true, reten: true }), '1b 00 0000 03 00');
    golden(commands.PreventAllow.encode({ operationCode: 0x1e, prevent: 1 }), '1e 00 0000 01 00');
    golden(commands.ReadBlockLimits.encode({ operationCode: 0x05 }), '05 00 0000 00 00');
    golden(
      commands.ReportDensitySupport.encode({ operationCode: 0x44, media: true, allocationLength: 0x1000 }),
      '44 01 0000000000 1000 00',
    );
  });

  it('READ BLOCK LIMITS data of an LTO drive: 1 byte to 8 MiB', () => {
    golden(commands.BlockLimits.encode({ maximumBlockLength: 0x800000, minimumBlockLength: 1 }), '00 800000 0001');
  });
});

describe('every layout', () => {
  const layouts = {
    ...commands,
    ...mode,
    FileDigest: log.FileDigest,
    ShortPosition,
    LongPosition,
    ExtendedPosition,
    DensityDescriptor,
  };
  for (const [name, found] of Object.entries(layouts)) {
    if (!('decodeAll' in found)) continue;
    it(`${name} reads back what it wrote, whatever the bytes`, () => {
      fc.assert(
        fc.property(fc.uint8Array({ minLength: found.byteLength, maxLength: found.byteLength }), (bytes) => {
          // A number above 2^53 and text that is not ASCII are refused; everything else must survive.
          const clean = bytes.map((byte) => byte & 0x5f);
          for (const field of Object.values(found) as Field<unknown>[])
            if (typeof field === 'object' && field.length === 8) clean[field.offset] = clean[field.offset + 1] = 0;
          const view = viewOf(clean);
          const values = found.decodeAll(view);
          expect(found.decodeAll(viewOf(found.encode(values as never)))).toEqual(values);
        }),
        { numRuns: 20 },
      );
    });
    it(`${name} cut by a byte throws`, () => {
      expect(() => found.decodeAll(new DataView(new ArrayBuffer(found.byteLength - 1)))).toThrow(RangeError);
    });
  }
});

describe('READ POSITION data', () => {
  const at: StreamPosition = {
    object: tapeObject(0x10203),
    file: tapeFile(9),
    atBeginning: false,
    pastEarlyWarning: true,
    partition: 0,
    onMedium: tapeObject(0x10200),
    bufferedBytes: 0xc000,
  };

  it('in its three forms', () => {
    golden(encodeShortPosition(at), '40 00 0000 00010203 00010200 00 000003 0000c000');
    golden(encodeLongPosition(at), '40 000000 00000000 0000000000010203 0000000000000009 0000000000000000');
    golden(encodeExtendedPosition(at), '40 00 001c 00 000003 0000000000010203 0000000000010200 000000000000c000');
    golden(
      encodeShortPosition({
        ...at,
        object: tapeObject(0),
        onMedium: 0,
        bufferedBytes: 0,
        atBeginning: true,
        pastEarlyWarning: false,
      }),
      `80${'00'.repeat(19)}`,
    );
  });

  it('says what does not fit: PERR for the object, LOCU and BYCU for the buffer', () => {
    const far = { ...at, object: tapeObject(2 ** 40), onMedium: tapeObject(0), bufferedBytes: 2 ** 40 };
    golden(encodeShortPosition(far), '72 00 0000 00000000 00000000 00 000000 00000000');
    expect(decodeShortPosition(viewOf(encodeShortPosition(far)))).toEqual({
      problem: 'the position does not fit the short form (PERR)',
    });
  });

  it('of a drive that does not know where it is says so, not 0', () => {
    // fujita/tgt answers 14h in byte 0: BYCU and LOLU.
    expect(decodeShortPosition(viewOf(hex(`14${'00'.repeat(19)}`)))).toEqual({
      problem: 'the drive does not know where it stands (LOLU)',
    });
    expect(decodeLongPosition(viewOf(hex(`04${'00'.repeat(31)}`)))).toEqual({
      problem: 'the drive does not know where it stands (LONU)',
    });
    expect(
      decodeLongPosition(viewOf(hex(`08000000 00000000 0000000000000005 0000000000000001${'00'.repeat(8)}`))),
    ).toMatchObject({
      object: 5,
      file: undefined,
    });
  });

  it('reads back', () => {
    expect(decodeShortPosition(viewOf(encodeShortPosition(at)))).toEqual({ ...at, file: undefined });
    expect(decodeLongPosition(viewOf(encodeLongPosition(at)))).toEqual({
      ...at,
      onMedium: at.object,
      bufferedBytes: 0,
    });
  });

  it('above 2^53 or cut short throws', () => {
    expect(() => decodeLongPosition(viewOf(hex(`00000000 00000000 ffffffffffffffff${'00'.repeat(16)}`)))).toThrow(
      RangeError,
    );
    expect(() => decodeLongPosition(viewOf(new Uint8Array(20)))).toThrow(RangeError);
    expect(() => decodeShortPosition(viewOf(new Uint8Array(19)))).toThrow(RangeError);
  });
});

describe('mode pages', () => {
  it('have their fields where SSC-4 has them', () => {
    golden(
      mode.DataCompressionPage.encode({
        pageCode: 0x0f,
        pageLength: 14,
        dce: true,
        dcc: true,
        dde: true,
        compressionAlgorithm: 0xff,
      }),
      '0f0e c080 000000ff 00000000 00000000',
    );
    golden(
      mode.DeviceConfigurationPage.encode({
        pageCode: 0x10,
        pageLength: 14,
        lois: true,
        eeg: true,
        sew: true,
        swp: true,
      }),
      '100e 0000 00000000 4000 1c 000000 0000',
    );
    golden(
      mode.MediumPartitionPage.encode({
        pageCode: 0x11,
        pageLength: 8,
        maximumAdditionalPartitions: 3,
        partitionUnits: 9,
        partitionSize: 12,
      }),
      '1108 0300 0000 0900 000c',
    );
    golden(
      mode.MediumConfigurationPage.encode({ pageCode: 0x1d, pageLength: 30, wormm: true }),
      `1d1e 01 ${'00'.repeat(29)}`,
    );
    golden(mode.DeviceSpecificParameter.encode({ wp: true, bufferedMode: 1 }), '90');
  });
});

describe('log parameters', () => {
  it('TapeAlert: 64 flags of a byte, those active set', () => {
    const flags = log.encodeTapeAlerts(new Set([5, 64]));
    expect(flags.map(({ code }) => code)).toEqual(Array.from({ length: 64 }, (_, i) => i + 1));
    expect(flags.filter(({ value }) => value[0] === 1).map(({ code }) => code)).toEqual([5, 64]);
  });

  it('Tape Capacity reads back in whole MiB', () => {
    const parameters = log.encodeTapeCapacity(5.5 * MiB, 18 * 2 ** 40);
    expect(log.decodeTapeCapacity(parameters)).toEqual({ remaining: 5 * MiB, maximum: 18 * 2 ** 40 });
    expect(log.decodeTapeCapacity([])).toEqual({});
  });

  it('a file digest reads back, and its code is the low half of the file number', () => {
    const sha256 = Uint8Array.from({ length: 32 }, (_, i) => i);
    const { code, value } = log.encodeFileDigest(tapeFile(0x12345), sha256);
    expect(code).toBe(0x2345);
    golden(value, `0000000000012345 ${toHex(sha256)}`);
    expect(log.decodeFileDigest(value)).toEqual({ file: 0x12345, sha256 });
    expect(() => log.decodeFileDigest(value.subarray(0, 39))).toThrow(RangeError);
  });
});

describe('medium attributes', () => {
  const binary = (value: Uint8Array) => ({ identifier: 0, readOnly: true, format: 0, value });
  it('numbers of up to 8 bytes, and none that would be rounded', () => {
    expect(attributeNumber(binary(hex('0000000000112233')))).toBe(0x112233);
    expect(attributeNumber(binary(hex('ffffffffffffffff')))).toBeUndefined();
    expect(attributeNumber(binary(hex('')))).toBeUndefined();
    expect(attributeNumber(undefined)).toBeUndefined();
  });
  it('text without padding, and without what a terminal would obey', () => {
    expect(attributeText(textAttribute(AttributeId.barcode, 'RM0001L9', 32))).toBe('RM0001L9');
    expect(attributeText(binary(hex('1b5b324a 20')))).toBe('[2J');
    expect(attributeText(binary(hex('2020')))).toBeUndefined();
  });
});

describe('REPORT DENSITY SUPPORT data', () => {
  it('a header and 52 bytes for each density', () => {
    const one = {
      code: 0x60,
      writable: true,
      capacityMB: 18_000_000,
      organization: 'LTO-CVE',
      name: 'U-9',
      description: 'Ultrium 9/18T',
    };
    const bytes = encodeDensities([one]);
    golden(bytes.subarray(0, 20), '0036 0000 60 60 a0 0000 000000 0000 0000 0112a880');
    expect(Buffer.from(bytes.subarray(20)).toString()).toBe(
      `${'LTO-CVE'.padEnd(8)}${'U-9'.padEnd(8)}${'Ultrium 9/18T'.padEnd(20)}`,
    );
  });
});
