// PDUs from a stream. The READ(10) PDU and its digest are RFC 7143's (appendix A.4, "CRC Examples").
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/bytes/crc32c.ts';
import { viewOf } from '../../src/bytes/layout.ts';
import { fromHex, toHex } from '../../src/bytes/random.ts';
import { type Header, PARSE_BUFFER_BYTES, type ParserOptions, PduParser } from '../../src/iscsi/parser.ts';
import { DataOutPdu, Opcode, ScsiCommandPdu } from '../../src/iscsi/pdu.ts';
import { patterned } from '../support/mover.ts';

const READ10 = fromHex(
  '01c00000000000000000000000000000' + '14000000000004000000001400000018' + '28000000000000000200000000000000',
);
const READ10_DIGEST = fromHex('563a96d9');
const PLAIN: ParserOptions = { dataSegmentMax: 2 ** 20, headerDigest: false, dataDigest: false };

interface Seen {
  readonly opcode: number;
  readonly header: string;
  readonly data: Uint8Array;
  readonly intact: boolean;
}

/** Feeds `stream` in pieces of `step` bytes. */
function parse(
  stream: Uint8Array,
  step: number,
  options: ParserOptions,
  place?: (header: Header) => Uint8Array,
): Seen[] {
  const seen: Seen[] = [];
  const parser = new PduParser(
    {
      place: (header) => place?.(header),
      pdu: ({ opcode, bytes }, data, intact) => seen.push({ opcode, header: toHex(bytes), data, intact }),
    },
    options,
  );
  for (let at = 0; at < stream.length; ) {
    const part = parser.next();
    expect(part.length).toBeGreaterThan(0);
    const count = Math.min(step, part.length, stream.length - at);
    part.set(stream.subarray(at, at + count));
    at += count;
    parser.received(count);
  }
  return seen;
}

function dataOut(data: Uint8Array, digest: boolean): Uint8Array {
  const header = DataOutPdu.encode({ opcode: Opcode.dataOut, final: true, dataSegmentLength: data.length });
  const padded = Buffer.concat([data, new Uint8Array(-data.length & 3)]);
  const sum = new Uint8Array(4);
  viewOf(sum).setUint32(0, crc32c(padded), true);
  return Buffer.concat([header, padded, digest ? sum : new Uint8Array(0)]);
}

describe('the PDU parser', () => {
  it("reads RFC 7143's READ(10) command with its digest", () => {
    const [pdu] = parse(Buffer.concat([READ10, READ10_DIGEST]), 5, { ...PLAIN, headerDigest: true });
    const view = viewOf(fromHex(pdu.header));
    expect(pdu.opcode).toBe(Opcode.scsiCommand);
    expect(ScsiCommandPdu.decodeAll(view)).toMatchObject({
      final: true,
      reads: true,
      writes: false,
      initiatorTaskTag: 0x14000000,
      expectedDataTransferLength: 0x400,
      cmdSn: 0x14,
      expStatSn: 0x18,
    });
  });

  it('does not believe a header whose digest is wrong', () => {
    const damaged = READ10.slice();
    damaged[21] ^= 1;
    const stream = Buffer.concat([damaged, READ10_DIGEST]);
    expect(() => parse(stream, 100, { ...PLAIN, headerDigest: true })).toThrow('header digest');
  });

  it('gives the same PDUs however the stream is cut', () => {
    const [small, large] = [patterned(1001, 1), patterned(20_003, 2)];
    const stream = Buffer.concat([
      dataOut(small, true),
      dataOut(large, true),
      dataOut(new Uint8Array(0), false),
      dataOut(small, true),
    ]);
    for (const step of [1, 7, 48, 1000, 4096, 2 ** 20]) {
      const place = (header: Header): Uint8Array => new Uint8Array(header.dataSegmentLength);
      const seen = parse(stream, step, { ...PLAIN, dataDigest: true }, place);
      expect(seen.map(({ data, intact }) => [data.length, crc32c(data), intact])).toEqual(
        [small, large, new Uint8Array(0), small].map((data) => [data.length, crc32c(data), true]),
      );
    }
  });

  it('says when a data digest is wrong', () => {
    const stream = dataOut(patterned(101, 3), true);
    stream[60] ^= 0x80;
    expect(parse(stream, 64, { ...PLAIN, dataDigest: true }).map(({ intact }) => intact)).toEqual([false]);
  });

  it('refuses a data segment longer than was declared, before any of it is taken', () => {
    const header = DataOutPdu.encode({ opcode: Opcode.dataOut, dataSegmentLength: 8193 });
    expect(() => parse(header, 48, { ...PLAIN, dataSegmentMax: 8192 })).toThrow('8193 bytes, 8192 were admitted');
  });

  it('reads a long data segment straight to where it belongs', () => {
    const data = patterned(200_000, 4);
    const target = new Uint8Array(data.length);
    const straight: number[] = [];
    const parser = new PduParser({ place: () => target, pdu: () => {} }, PLAIN);
    const stream = dataOut(data, false);
    for (let at = 0; at < stream.length; ) {
      const part = parser.next();
      if (part.buffer === target.buffer) straight.push(part.length);
      const count = Math.min(part.length, stream.length - at, PARSE_BUFFER_BYTES);
      part.set(stream.subarray(at, at + count));
      at += count;
      parser.received(count);
    }
    expect(Buffer.compare(target, data)).toBe(0);
    expect(straight.length).toBeGreaterThan(0);
  });

  it('keeps what came after a pause until it may go on', () => {
    const seen: number[] = [];
    const parser = new PduParser(
      {
        place: () => undefined,
        pdu: ({ opcode }) => {
          seen.push(opcode);
          if (seen.length === 1) parser.pause();
        },
      },
      PLAIN,
    );
    const stream = Buffer.concat([READ10, READ10, READ10]);
    parser.next().set(stream);
    parser.received(stream.length);
    expect([seen.length, parser.paused]).toEqual([1, true]);
    parser.resume();
    expect([seen.length, parser.paused]).toEqual([3, false]);
  });
});
