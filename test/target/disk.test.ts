// The disk unit, by CDBs written out as SBC-3 has them.
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../src/bytes/errors.ts';
import { toHex } from '../../src/bytes/random.ts';
import { decodeCapacity10, decodeCapacity16, decodeUnmapList, encodeUnmapList } from '../../src/scsi/block/commands.ts';
import { encodeSense } from '../../src/scsi/common/sense.ts';
import { naaDesignator } from '../../src/scsi/common/vpd.ts';
import type { Execute } from '../../src/scsi/execute.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { diskUnit } from '../../src/target/disk.ts';
import { patterned } from '../support/mover.ts';
import { hex, send } from '../support/scsi-send.ts';

const CONTENT = patterned(10 * 512 + 100, 3); // 11 blocks, the last one short

interface Disk {
  readonly execute: Execute;
  readonly store: MemoryStore;
}
async function opened(content = CONTENT, more: { blockLength?: number; writable?: boolean } = {}): Promise<Disk> {
  const store = new MemoryStore({ content });
  const about = { name: 'disk', serialNumber: 'S1', designator: naaDesignator('disk') };
  const execute = diskUnit(store, { ...about, ...more }).forNexus('a');
  await send(execute, '000000000000');
  return { execute, store };
}
/** Block range of the content, zero-padded. */
const blocks = (from: number, count: number): string => {
  const out = new Uint8Array(count * 512);
  out.set(CONTENT.subarray(from * 512, (from + count) * 512));
  return toHex(out);
};

describe('READ', () => {
  it.each([
    ['READ(6)', '08 000002 03 00'],
    ['READ(6) with an old LUN in byte 1', '08 e00002 03 00'],
    ['READ(10)', '28 00 00000002 00 0003 00'],
    ['READ(12)', 'a8 00 00000002 00000003 00 00'],
    ['READ(16)', '88 00 0000000000000002 00000003 00 00'],
  ])('%s gives the blocks asked for', async (_words, cdb) => {
    const { execute } = await opened();
    const got = await send(execute, cdb, { take: 1536 });
    expect([got.status, toHex(got.data), got.residual]).toEqual(['good', blocks(2, 3), 0]);
  });

  it('fills the buffer of the caller, without one of its own', async () => {
    const { execute } = await opened();
    const into = new Uint8Array(512);
    const got = await send(execute, '88 00 0000000000000001 00000001 00 00', { take: 512, into });
    expect(got.data.buffer).toBe(into.buffer);
    expect(toHex(into)).toBe(blocks(1, 1));
  });

  it('pads the last block of an odd-sized file with zeros', async () => {
    const { execute } = await opened();
    const got = await send(execute, '28 00 0000000a 00 0001 00', { take: 512 });
    expect(toHex(got.data)).toBe(blocks(10, 1));
    expect(got.data.subarray(100).every((byte) => byte === 0)).toBe(true);
  });

  it('past the end is 21h/00h, of an address above 2^53 too', async () => {
    const { execute } = await opened();
    expect((await send(execute, '28 00 0000000a 00 0002 00', { take: 1024 })).code).toBe('5h/21/00');
    expect((await send(execute, '88 00 ffffffffffffffff 00000001 00 00', { take: 512 })).code).toBe('5h/21/00');
  });

  it('of no blocks is GOOD, of more than 32 MiB an invalid field, with protection too', async () => {
    const { execute } = await opened();
    expect((await send(execute, '28 00 00000000 00 0000 00')).status).toBe('good');
    const big = await opened(new Uint8Array(33 * 2 ** 20));
    const refused = await send(big.execute, '88 00 0000000000000000 00010001 00 00', { take: 512 });
    expect([refused.code, refused.sense?.fieldPointer]).toEqual(['5h/24/00', { in: 'cdb', byte: 10 }]);
    expect((await send(execute, '28 20 00000000 00 0001 00', { take: 512 })).code).toBe('5h/24/00');
  });

  it('of a store that fails is MEDIUM ERROR at the block', async () => {
    const { execute, store } = await opened();
    store.read = () => Promise.reject(new FormatError('io', 'disk', 'EIO'));
    const got = await send(execute, '28 00 00000003 00 0001 00', { take: 512 });
    expect([got.code, got.information]).toEqual(['3h/11/00', 3]);
  });
});

describe('WRITE', () => {
  const block = patterned(512, 9);

  it.each([
    ['WRITE(6)', '0a 000002 01 00'],
    ['WRITE(10) with FUA', '2a 08 00000002 00 0001 00'],
    ['WRITE(12)', 'aa 00 00000002 00000001 00 00'],
    ['WRITE(16)', '8a 00 0000000000000002 00000001 00 00'],
  ])('%s changes its blocks and no others', async (_words, cdb) => {
    const { execute, store } = await opened();
    expect((await send(execute, cdb, { out: block })).status).toBe('good');
    const expected = CONTENT.slice();
    expected.set(block, 1024);
    expect(toHex(store.content())).toBe(toHex(expected));
  });

  it('of zeros into the short last block keeps the size of the file', async () => {
    const { execute, store } = await opened();
    const padded = new Uint8Array(512).fill(7, 0, 100);
    expect((await send(execute, '2a 00 0000000a 00 0001 00', { out: padded })).status).toBe('good');
    expect(store.byteLength).toBe(CONTENT.length);
    expect((await send(execute, '2a 00 0000000a 00 0001 00', { out: block })).status).toBe('good');
    expect(toHex(store.content().subarray(5120))).toBe(toHex(block));
  });

  it('to a read-only disk is 27h/00h and MODE SENSE says so', async () => {
    const { execute } = await opened(CONTENT, { writable: false });
    expect((await send(execute, '2a 00 00000000 00 0001 00', { out: block })).code).toBe('7h/27/00');
    const mode = await send(execute, '1a 08 3f 00 ff 00', { take: 255 });
    expect(mode.data[2] & 0x80).toBe(0x80);
    expect(toHex(mode.data.subarray(4, 6))).toBe('0812'); // caching page
  });

  it('with less data than it says writes what came, and tells how much it would have taken', async () => {
    const { execute, store } = await opened();
    const cdb = hex('2a 00 00000000 00 0002 00');
    const result = await execute({ cdb, dataOut: block.subarray(0, 200) });
    expect([result.status, 'transfer' in result && result.transfer]).toEqual(['good', 1024]);
    expect(toHex(store.content().subarray(0, 200))).toBe(toHex(block.subarray(0, 200)));
    expect(toHex(store.content().subarray(200, 1024))).toBe(toHex(CONTENT.subarray(200, 1024)));
  });
});

describe('other commands of a disk', () => {
  it('READ CAPACITY(10) and (16) tell the last block and the block length', async () => {
    const { execute } = await opened();
    const short = await send(execute, '25 00 00000000 0000 00 00', { take: 8 });
    expect(toHex(short.data)).toBe('0000000a00000200');
    expect(decodeCapacity10(short.data)).toEqual({ blocks: 11, blockLength: 512 });
    const long = await send(execute, '9e 10 0000000000000000 00000020 00 00', { take: 32 });
    expect(toHex(long.data.subarray(0, 12))).toBe('000000000000000a00000200');
    expect(decodeCapacity16(long.data)).toEqual({ blocks: 11, blockLength: 512 });
    const big = await opened(new Uint8Array(8192), { blockLength: 4096 });
    expect(
      decodeCapacity16((await send(big.execute, '9e 10 0000000000000000 00000020 00 00', { take: 32 })).data),
    ).toEqual({ blocks: 2, blockLength: 4096 });
  });

  it('capacity that cannot be right is refused', () => {
    expect(() => decodeCapacity16(hex('0000000000000001 00000000'))).toThrow(/block length 0/);
    expect(() => decodeCapacity16(hex('ffffffffffffffff 00000200'))).toThrow(/2\^53/);
    expect(() => decodeCapacity16(hex('00000000'))).toThrow(FormatError);
    expect(() => decodeCapacity10(hex('00000000'))).toThrow(FormatError);
    expect(decodeCapacity10(hex('ffffffff 00000200'))).toBeUndefined();
  });

  it('SYNCHRONIZE CACHE flushes the store', async () => {
    const { execute, store } = await opened();
    let flushes = 0;
    store.flush = async () => {
      flushes++;
    };
    await send(execute, '35 00 00000000 00 0000 00');
    await send(execute, '91 00 0000000000000000 00000000 00 00');
    expect(flushes).toBe(2);
  });

  it('UNMAP lets go of ranges, and refuses a list that is cut or past the end', async () => {
    const { execute, store } = await opened();
    const data = encodeUnmapList([{ lba: 1, blocks: 2 }]);
    expect(toHex(data)).toBe('00160010000000000000000000000001' + '0000000200000000');
    expect((await send(execute, '42 00 00000000 00 0018 00', { out: data })).status).toBe('good');
    const expected = CONTENT.slice().fill(0, 512, 1536);
    expect(toHex(store.content())).toBe(toHex(expected));
    expect(decodeUnmapList(data.subarray(0, 20))).toBeUndefined();
    expect((await send(execute, '42 00 00000000 00 0010 00', { out: data })).code).toBe('5h/1A/00');
    const past = encodeUnmapList([{ lba: 11, blocks: 1 }]);
    expect((await send(execute, '42 00 00000000 00 0018 00', { out: past })).code).toBe('5h/21/00');
  });

  it('WRITE SAME(16) repeats a block, or unmaps', async () => {
    const { execute, store } = await opened();
    const block = patterned(512, 4);
    expect((await send(execute, '93 00 0000000000000001 00000003 00 00', { out: block })).status).toBe('good');
    for (const at of [1, 2, 3]) expect(toHex(store.content().subarray(at * 512, at * 512 + 512))).toBe(toHex(block));
    expect((await send(execute, '93 09 0000000000000002 00000001 00 00')).status).toBe('good');
    expect(
      store
        .content()
        .subarray(1024, 1536)
        .every((byte) => byte === 0),
    ).toBe(true);
    expect(toHex(store.content().subarray(1536, 2048))).toBe(toHex(block));
    const twoBlocks = { out: new Uint8Array(1024) };
    expect((await send(execute, '93 00 0000000000000001 00000001 00 00', twoBlocks)).code).toBe('5h/24/00');
  });

  it('WRITE SAME of no blocks goes on to the end', async () => {
    const { execute, store } = await opened();
    expect((await send(execute, '41 00 00000003 00 0000 00', { out: new Uint8Array(512) })).status).toBe('good');
    expect(toHex(store.content().subarray(0, 1536))).toBe(toHex(CONTENT.subarray(0, 1536)));
    expect(
      store
        .content()
        .subarray(1536)
        .some((byte) => byte !== 0),
    ).toBe(false);
  });

  it('VERIFY compares when BYTCHK says so', async () => {
    const { execute } = await opened();
    expect((await send(execute, '2f 00 00000000 00 0001 00')).status).toBe('good');
    expect((await send(execute, '2f 02 00000000 00 0001 00', { out: CONTENT.slice(0, 512) })).status).toBe('good');
    expect((await send(execute, '2f 02 00000000 00 0001 00', { out: new Uint8Array(512) })).code).toBe('Eh/1D/00');
  });
});

describe('every logical unit', () => {
  it('tells a new nexus of the reset once, and INQUIRY and REQUEST SENSE are exempt', async () => {
    const execute = diskUnit(new MemoryStore({ content: CONTENT }), {
      name: 'd',
      serialNumber: 'S',
      designator: naaDesignator('d'),
    });
    const a = execute.forNexus('a');
    expect((await send(a, '12 00 00 0024 00', { take: 36 })).status).toBe('good');
    expect((await send(a, '25 00 00000000 0000 00 00', { take: 8 })).code).toBe('6h/29/00');
    expect((await send(a, '25 00 00000000 0000 00 00', { take: 8 })).status).toBe('good');
    const b = execute.forNexus('b');
    const told = await send(b, '03 00 0000 fc 00', { take: 252 });
    expect(toHex(told.data)).toBe(toHex(encodeSense({ key: 6, asc: 0x29, ascq: 0 })));
    expect((await send(b, '000000000000')).status).toBe('good');
    expect((await send(b, '03 01 0000 fc 00', { take: 252 })).data[0]).toBe(0x72);
  });

  it('raises unit attentions to all others, once each', async () => {
    const unit = diskUnit(new MemoryStore({ content: CONTENT }), {
      name: 'd',
      serialNumber: 'S',
      designator: naaDesignator('d'),
    });
    const [a, b] = [unit.forNexus('a'), unit.forNexus('b')];
    for (const execute of [a, b]) await send(execute, '000000000000');
    unit.raise(0x2a, 0x01, 'a');
    unit.raise(0x2a, 0x01, 'a');
    expect((await send(a, '000000000000')).status).toBe('good');
    expect((await send(b, '000000000000')).code).toBe('6h/2A/01');
    expect((await send(b, '000000000000')).status).toBe('good');
    unit.loseNexus('b');
    expect((await send(b, '000000000000')).code).toBe('6h/29/00');
  });

  it('lists its VPD pages ascending and serves each', async () => {
    const { execute } = await opened();
    const supported = await send(execute, '12 01 00 00ff 00', { take: 255 });
    expect(toHex(supported.data)).toBe('00000007' + '00808386b0b1b2');
    for (const code of supported.data.subarray(4)) {
      const page = await send(execute, `12 01 ${code.toString(16).padStart(2, '0')} 0400 00`, { take: 1024 });
      expect([page.data[1], page.data[2] * 256 + page.data[3]]).toEqual([code, page.data.length - 4]);
    }
    expect((await send(execute, '12 01 99 00ff 00', { take: 255 })).code).toBe('5h/24/00');
    expect((await send(execute, '12 00 83 00ff 00', { take: 255 })).code).toBe('5h/24/00');
  });

  it('cuts answers by the allocation length, with the residual', async () => {
    const { execute } = await opened();
    const got = await send(execute, '12 00 00 0005 00', { take: 36 });
    expect([got.data.length, got.residual]).toEqual([5, 31]);
  });

  it('refuses an operation code it does not know, a CDB that is too short, an unknown service action', async () => {
    const { execute } = await opened();
    const unknown = await send(execute, 'ee 00 0000000000000000 00000000 0000');
    expect([unknown.code, unknown.sense?.fieldPointer]).toEqual(['5h/20/00', { in: 'cdb', byte: 0 }]);
    expect((await send(execute, '28 00 00')).code).toBe('5h/24/00');
    expect((await send(execute, '9e 1f 0000000000000000 00000020 00 00')).code).toBe('5h/24/00');
  });
});
