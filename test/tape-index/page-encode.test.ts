import { describe, expect, it } from 'vitest';
import { syntheticWalk } from '../../bench/tape-index/synthetic-walk.ts';
import { decodeFrame } from '../../src/tape-index/frame.ts';
import { KeyKind } from '../../src/tape-index/keys.ts';
import { MemoryStore } from '../../src/tape-index/memory-store.ts';
import { Page } from '../../src/tape-index/messages.ts';
import { WireWriter } from '../../src/tape-index/wire-writer.ts';
import { createIndexWriter } from '../../src/tape-index/writer.ts';
import { vectorRows } from '../../tools/fixtures/index-vectors.ts';
import { inOrder } from './wire.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

async function syntheticRows(aged: boolean): Promise<[Uint8Array, Uint8Array][]> {
  const rows: [Uint8Array, Uint8Array][] = [];
  const onRow = (key: Uint8Array, value: Uint8Array): void => {
    rows.push([key, value]);
  };
  const options = { store: new MemoryStore(), set: new Uint8Array(16), filesystem: 0, rootInode: 2, onRow };
  const writer = createIndexWriter(options);
  for (const batch of syntheticWalk({ files: 1500, aged })) {
    if (batch.kind === 'inodes') writer.addInodes(batch);
    else writer.addNames(batch);
  }
  await writer.finish();
  return rows;
}

describe('a page written by hand', () => {
  it.each<[string, () => Promise<[Uint8Array, Uint8Array][]>]>([
    ['one of everything', vectorRows],
    ['a fresh tree', () => syntheticRows(false)],
    ['an aged tree', () => syntheticRows(true)],
  ])('is what protobufjs makes of the same fields: %s', async (_, rowsOf) => {
    const rows = (await rowsOf()).filter(([key]) => key[0] === KeyKind.page || key[0] === KeyKind.inodeRecord);
    expect(rows.length).toBeGreaterThan(3);
    for (const [key, value] of rows) {
      const raw = decodeFrame(key, value, 'row');
      expect(hex(inOrder(raw))).toBe(hex(Page.encode(Page.decode(raw)).finish()));
    }
  });

  it('has numbers up to 2^53 of either sign, and columns of any length', () => {
    const bytes = new WireWriter();
    const numbers = [0, 1, -1, 63, -64, 64, -65, 2 ** 31, -(2 ** 31), 2 ** 32 + 1, 2 ** 53 - 1, -(2 ** 53 - 1)];
    const long = Array.from({ length: 20_000 }, (_, i) => i % 200);
    bytes.zigzags(48, Float64Array.from(numbers), numbers.length);
    bytes.varints(14, Float64Array.from(long), long.length);
    const page = Page.decode(bytes.finish());
    expect(page.ctimeStepNs).toEqual(numbers);
    expect(page.size).toEqual(long);
  });
});
