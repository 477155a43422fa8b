import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '../../src/bytes/random.ts';
import {
  decodeSense,
  describeSense,
  encodeSense,
  illegalRequest,
  invalidFieldInCdb,
  type Sense,
  SenseKey,
  sense,
} from '../../src/scsi/common/sense.ts';

const hex = (text: string): Uint8Array => fromHex(text.replaceAll(' ', ''));

describe('sense data, fixed format', () => {
  // By hand from SPC-4 table 53 and SSC-4 6.4.
  it('reads a filemark met by a read of 64 KiB', () => {
    const data = hex('f0 00 80 00 01 00 00 0a 00 00 00 00 00 01 00 00 00 00');
    expect(decodeSense(data)).toEqual({ key: 0, asc: 0, ascq: 1, filemark: true, information: 65536 });
  });

  it('reads the length of a record longer than asked as a negative number', () => {
    const data = hex('f0 00 20 ff ff f0 00 0a 00 00 00 00 00 00 00 00 00 00');
    expect(decodeSense(data)).toEqual({ key: 0, asc: 0, ascq: 0, incorrectLength: true, information: -4096 });
  });

  it('writes INVALID FIELD IN CDB with the byte and bit at fault', () => {
    expect(toHex(encodeSense(invalidFieldInCdb(2, 5)))).toBe(
      toHex(hex('70 00 05 00 00 00 00 0a 00 00 00 00 24 00 00 cd 00 02')),
    );
  });

  it('has the layout of EXTENDED COPY: offsets of nested sense, segment number, field pointer', () => {
    const inner = hex('f0 00 40 00 00 00 00 0a 00 00 00 00 00 02 00 00 00 00');
    const aborted: Sense = {
      key: SenseKey.copyAborted,
      asc: 0x0d,
      ascq: 0x01,
      information: 0x40000,
      fieldPointer: { in: 'data', byte: 48 },
      copy: { segment: 0x0102, destination: { status: 2, sense: inner } },
    };
    const bytes = encodeSense(aborted);
    // valid, Ah, residue; additional length 18-8+19; no source, destination at 18; segment 0102h; 0D/01; SKSV, SD=0; 48
    expect(toHex(bytes.subarray(0, 18))).toBe(toHex(hex('f0 00 0a 00 04 00 00 1d 00 12 01 02 0d 01 00 80 00 30')));
    expect(bytes[18]).toBe(2);
    expect(toHex(bytes.subarray(19))).toBe(toHex(inner));
    expect(decodeSense(bytes)).toEqual(aborted);
  });

  it('keeps both devices apart', () => {
    const source = { status: 2, sense: hex('70 00 03 00 00 00 00 0a 00 00 00 00 11 00 00 00 00 00') };
    const destination = { status: 8, sense: new Uint8Array(0) };
    const both = sense(SenseKey.copyAborted, 0x0d, 0x01, { copy: { segment: 3, source, destination } });
    expect(decodeSense(encodeSense(both))).toEqual(both);
    expect(decodeSense(encodeSense(both, 'descriptor'))).toEqual(both);
  });

  it('has VALID 0 when a residue is beyond 32 bits; the descriptor format keeps it', () => {
    const big = sense(SenseKey.noSense, 0, 2, { endOfMedium: true, information: 2 ** 40 });
    expect(decodeSense(encodeSense(big))?.information).toBeUndefined();
    expect(decodeSense(encodeSense(big, 'descriptor'))).toEqual(big);
  });
});

describe('sense data, descriptor format', () => {
  it('reads an information and a stream commands descriptor', () => {
    const data = hex('72 08 00 05 00 00 00 10 00 0a 80 00 00 00 00 00 00 00 00 07 04 02 00 40');
    expect(decodeSense(data)).toEqual({ key: 8, asc: 0, ascq: 5, information: 7, endOfMedium: true });
  });

  it('stops at a descriptor that ends past the data', () => {
    expect(decodeSense(hex('72 05 24 00 00 00 00 0e 00 0a 80 00'))).toEqual({ key: 5, asc: 0x24, ascq: 0 });
  });
});

describe('sense data', () => {
  it('is undefined when it is not sense data at all', () => {
    for (const data of ['', '70', '00 00 00 00', '7f 00 05 00']) expect(decodeSense(hex(data))).toBeUndefined();
  });

  it('never throws on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.constantFrom(0x70, 0x71, 0x72, 0x73, 0xf0), (data, code) => {
        const copy = data.slice();
        if (copy.length > 0) copy[0] = code;
        decodeSense(copy);
      }),
    );
  });

  it('comes back the same through either format', () => {
    const any = fc.record(
      {
        key: fc.constantFrom(5, 0xa),
        asc: fc.integer({ min: 0, max: 255 }),
        ascq: fc.integer({ min: 0, max: 255 }),
        deferred: fc.constant(true as const),
        filemark: fc.constant(true as const),
        endOfMedium: fc.constant(true as const),
        information: fc.integer({ min: 0, max: 0xffffffff }),
        fieldPointer: fc.record({
          in: fc.constantFrom('cdb' as const, 'data' as const, 'segment' as const),
          byte: fc.integer({ min: 0, max: 0xffff }),
          bit: fc.integer({ min: 0, max: 7 }),
        }),
      },
      { requiredKeys: ['key', 'asc', 'ascq'] },
    );
    fc.assert(
      fc.property(any, fc.constantFrom('fixed' as const, 'descriptor' as const), (value, format) => {
        const expected = value.key === 0xa ? { ...value, copy: { segment: 0 } } : value;
        expect(decodeSense(encodeSense(value, format))).toEqual(expected);
      }),
    );
  });

  it('is said in words, nested sense too', () => {
    expect(describeSense(illegalRequest(0x26, 0x0a))).toBe(
      'illegal request (5h): unexpected inexact segment (26h/0Ah)',
    );
    const inner = encodeSense(sense(SenseKey.noSense, 0, 2, { endOfMedium: true, information: 0 }));
    const text = describeSense(
      sense(SenseKey.copyAborted, 0x0d, 1, { copy: { segment: 4, destination: { status: 2, sense: inner } } }),
    );
    expect(text).toContain('third party device failure (0Dh/01h)');
    expect(text).toContain('segment 4; destination: no sense (0h): end-of-partition/medium detected');
    expect(describeSense(sense(3, 0x99, 0x01))).toContain('asc 99h, ascq 01h');
  });
});
