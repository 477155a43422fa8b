// The map's bytes, as another program makes them (Python, struct and a bitwise CRC-32C; index-format/FORMAT.virtual-tape.md):
//   header  struct.pack('<8sIB3x16sQQ', b'RMVTAPE1', 1, worm, id, capacity, zone), zeros, CRC of bytes 0 to 4091 at 4092
//   slot    struct.pack('<QQQII', sequence, objects, data_end, files, epoch), zeros, CRC of id and bytes 0 to 59 at 60
//   entry   struct.pack('<QIIIB3xI', offset, length, record_crc, file, kind, epoch), CRC of id, index as '<Q', and these
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/bytes/crc32c.ts';
import type { FormatError } from '../../src/bytes/errors.ts';
import { fromHex } from '../../src/bytes/random.ts';
import { bytes } from '../../src/bytes/units.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { formatMedium, openMedium } from '../../src/tape/file-medium.ts';
import {
  decodeHeader,
  decodeSlot,
  encodeHeader,
  encodeSlot,
  idSeed,
  MAP_BLOCK,
  MAP_ENTRIES,
  readEntry,
  writeEntry,
} from '../../src/tape/map-format.ts';

const id = fromHex('000102030405060708090a0b0c0d0e0f');
const text = (words: string): Uint8Array => new TextEncoder().encode(words);
const HEADER = '524d5654415045310100000001000000000102030405060708090a0b0c0d0e0f40420f0000000000127a000000000000';
const HEADER_CRC = '8ea949c1';
const SLOT_0 =
  '0400000000000000030000000000000010000000000000000100000002000000000000000000000000000000000000000000000000000000000000000f3df70a';
const SLOT_1 =
  '0300000000000000000000000000000000000000000000000000000002000000000000000000000000000000000000000000000000000000000000001a93d184';
const ENTRIES = [
  '000000000000000009000000839206e30000000001000000020000009a6c677d', // record 123456789, whose CRC is E3069283h
  '090000000000000000000000000000000000000002000000020000008ee4a920', // filemark
  '09000000000000000700000018d1bba4010000000100000002000000a240eedd', // record reelmap
];

function goldenMap(): Uint8Array {
  const map = new Uint8Array(MAP_ENTRIES + 96);
  for (const at of [0, 12288]) {
    map.set(fromHex(HEADER), at);
    map.set(fromHex(HEADER_CRC), at + 4092);
  }
  map.set(fromHex(SLOT_0), 4096);
  map.set(fromHex(SLOT_1), 8192);
  map.set(fromHex(ENTRIES.join('')), MAP_ENTRIES);
  return map;
}

describe('the map of a virtual cartridge', () => {
  it('has the bytes that another program computes', async () => {
    const stores = { data: new MemoryStore(), map: new MemoryStore(), name: 'x' };
    await formatMedium(stores, { capacity: bytes(1e6), worm: true, id });
    await using medium = await openMedium({ ...stores, bufferBytes: bytes(4096) });
    await medium.append(text('123456789'));
    await medium.writeFilemarks(1);
    await medium.append(text('reelmap'));
    await medium.flush();
    expect(Buffer.compare(stores.map.content(), goldenMap())).toBe(0);
    expect(stores.data.content()).toEqual(text('123456789reelmap'));
  });

  it('made by another program is read', async () => {
    const data = new MemoryStore({ content: text('123456789reelmap') });
    const map = new MemoryStore({ content: goldenMap() });
    await using medium = await openMedium({ data, map, name: 'x' });
    expect([medium.capacity, medium.earlyWarningZone, medium.worm]).toEqual([1e6, 31250, true]);
    expect(medium.warnings).toEqual([]);
    const into = new Uint8Array(100);
    expect(await medium.read(into)).toEqual({ kind: 'record', length: 9, data: text('123456789') });
    expect(await medium.read(into)).toEqual({ kind: 'filemark' });
    expect(await medium.read(into)).toEqual({ kind: 'record', length: 7, data: text('reelmap') });
    expect(await medium.read(into)).toEqual({ kind: 'end-of-data' });
  });

  it('headers, slots and entries come back as they were written', () => {
    const header = { id, capacity: 2 ** 44, earlyWarningZone: 2 ** 38, worm: false };
    expect(decodeHeader(encodeHeader(header), 'x')).toEqual(header);
    const slot = { sequence: 7, objects: 2 ** 40, dataEnd: 2 ** 45 + 1, files: 9, epoch: 3 };
    expect(decodeSlot(encodeSlot(slot, 5), 5)).toEqual(slot);
    const view = new DataView(new ArrayBuffer(64));
    const entry = {
      kind: 'record',
      encrypted: false,
      offset: 2 ** 44,
      length: 77,
      recordCrc: 2 ** 32 - 1,
      file: 4,
      epoch: 2,
    } as const;
    writeEntry(view, 32, 70_000_000_000, entry, 9);
    expect(readEntry(view, 32, 70_000_000_000, 9)).toEqual(entry);
  });

  it('an entry at another place or of another cartridge is not believed', () => {
    const view = new DataView(fromHex(ENTRIES[0]).buffer);
    expect(readEntry(view, 0, 0, idSeed(id))).toBeDefined();
    expect(readEntry(view, 0, 1, idSeed(id))).toBeUndefined();
    expect(readEntry(view, 0, 0, idSeed(fromHex('ff'.repeat(16))))).toBeUndefined();
  });

  it.each([
    ['a kind that is none', { kind: 4 }],
    ['a record of no bytes', { length: 0 }],
    ['a record longer than SSC has', { length: 0x100_0000 }],
    ['an offset above 2^53', { offsetHigh: 0x20_0000 }],
  ])('an entry with %s is damaged even if its checksum matches', (_, damage: Record<string, number>) => {
    const view = new DataView(new ArrayBuffer(32));
    const entry = { kind: 'record', encrypted: false, offset: 0, length: 9, recordCrc: 0, file: 0, epoch: 1 } as const;
    writeEntry(view, 0, 0, entry, 0);
    if (damage.kind !== undefined) view.setUint8(20, damage.kind);
    if (damage.length !== undefined) view.setUint32(8, damage.length, true);
    if (damage.offsetHigh !== undefined) view.setUint32(4, damage.offsetHigh, true);
    const summed = new Uint8Array(36);
    summed.set(new Uint8Array(view.buffer, 0, 28), 8);
    view.setUint32(28, crc32c(summed), true);
    expect(readEntry(view, 0, 0, 0)).toBeUndefined();
  });
});

describe('opening a map', () => {
  const sealed = (block: Uint8Array): Uint8Array => {
    new DataView(block.buffer).setUint32(4092, crc32c(block.subarray(0, 4092)), true);
    return block;
  };
  const header = (): Uint8Array => goldenMap().slice(0, MAP_BLOCK);

  it.each<[string, FormatError['kind'], (block: Uint8Array) => void]>([
    ['not the map', 'corrupt', (block) => block.set(text('RMVTAPE9'))],
    ['map version 2', 'unsupported', (block) => block.set([2], 8)],
    ['early warning zone', 'corrupt', (block) => block.set([1], 46)],
    ['above 2^53', 'corrupt', (block) => block.set([0x20], 38)],
  ])('refuses a header: %s', (words, kind, damage) => {
    const block = header();
    damage(block);
    const sum = sealed(block);
    expect(() => decodeHeader(sum, 'x')).toThrow(words);
    expect(() => decodeHeader(sum, 'x')).toThrow(expect.objectContaining({ name: 'FormatError', kind }));
  });

  it('refuses a header whose checksum does not match', () => {
    const block = header();
    block[100] ^= 1;
    expect(() => decodeHeader(block, 'x')).toThrow('checksum');
  });

  it('refuses a map that is empty or cut in its head, and never takes it for a blank cartridge', async () => {
    for (const length of [0, 4096, MAP_ENTRIES - 1]) {
      const map = new MemoryStore({ content: goldenMap().slice(0, length) });
      const data = new MemoryStore({ content: text('123456789reelmap') });
      await expect(openMedium({ data, map, name: 'x' })).rejects.toMatchObject({ kind: 'corrupt' });
      if (length === 0)
        await expect(formatMedium({ data, map, name: 'x' }, { capacity: 1e6 })).rejects.toThrow('not empty');
    }
  });

  it('keeps a slot with sizes above 2^53 from being believed', () => {
    for (const at of [6, 14, 22]) {
      const block = encodeSlot({ sequence: 1, objects: 1, dataEnd: 1, files: 0, epoch: 1 }, 0);
      block[at] = 0x20;
      new DataView(block.buffer).setUint32(60, crc32c(block.subarray(0, 60)), true);
      expect(decodeSlot(block, 0)).toBeUndefined();
    }
  });
});
