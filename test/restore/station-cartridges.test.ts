import { describe, expect, it } from 'vitest';
import type { TapeDrive, TapeRead } from '../../src/initiator/tape-drive.ts';
import type { TapeStation } from '../../src/library/station.ts';
import { stationCartridges } from '../../src/restore/station-cartridges.ts';
import { labelMembers } from '../../src/tape/archive/label.ts';
import { archiveRecords } from '../../src/tape/archive/members.ts';

const id = (digit: string): string => digit.repeat(32);
const RECORD = 10_240;

async function labelled(cartridge: string, barcode: string): Promise<Uint8Array[]> {
  const label = {
    format: 1 as const,
    cartridge,
    barcode,
    createdAt: '2026-03-14T10:00:00.000Z',
    program: 'reelmap test',
    recordSize: RECORD,
    pool: 'default',
  };
  const documents = { format: Buffer.from('format'), restore: Buffer.from('#!/usr/bin/env python3\n') };
  const out: Uint8Array[] = [];
  for await (const record of archiveRecords(labelMembers(label, documents), RECORD)) out.push(record.slice());
  return out;
}

type Content = readonly (Uint8Array | 'damaged')[];

/** A library of tapes that only hold their first file. */
function stationOf(
  tapes: Readonly<Record<string, Content>>,
  loaded: string | null = null,
): TapeStation & { moves: string[] } {
  let inDrive = loaded;
  let position = 0;
  const moves: string[] = [];
  const read = async (into: Uint8Array): Promise<TapeRead> => {
    const found = tapes[inDrive ?? '']?.[position++];
    if (found === undefined) return { kind: 'filemark' };
    if (found === 'damaged') return { kind: 'damaged', sense: { key: 3, asc: 0x11, ascq: 0 } };
    into.set(found);
    return { kind: 'record', length: found.length, data: into.subarray(0, found.length) };
  };
  const rewind = async (): Promise<void> => {
    position = 0;
  };
  return {
    name: 'drive 0',
    moves,
    drive: { read, rewind } as unknown as TapeDrive,
    loaded: async () => inDrive,
    barcodes: async () => Object.keys(tapes),
    async load(barcode) {
      moves.push(barcode);
      inDrive = barcode;
    },
    unload: async () => {},
  };
}

const set = [
  { id: id('a'), barcode: 'A' },
  { id: id('b'), barcode: 'B' },
  { id: id('c'), barcode: 'C' },
];

async function outcome(content: Content, cartridge = id('a')): Promise<{ answer: string; notes: string[] }> {
  const notes: string[] = [];
  const source = await stationCartridges(stationOf({ A: content }), set, (text) => notes.push(text));
  const loaded = await source.load(cartridge);
  return { answer: typeof loaded === 'string' ? loaded : loaded.label, notes };
}

describe('the cartridges of a set', () => {
  it('are known by their labels', async () => {
    expect(await outcome(await labelled(id('a'), 'A'))).toEqual({ answer: 'cartridge A', notes: [] });
  });

  it('that were labelled anew are not read, whatever their barcode says', async () => {
    const { answer } = await outcome(await labelled(id('f'), 'A'));
    expect(answer).toBe('cartridge A: it was labelled anew on 2026-03-14: what the set had on it is gone');
  });

  it.each([
    ['blank', [], /it is blank/],
    ['of somebody else', [new Uint8Array(RECORD).fill(0x41)], /it has no label/],
  ])('that are %s are not read', async (_, content, expected) => {
    expect((await outcome(content)).answer).toMatch(expected);
  });

  it('with a label that cannot be read are known by their barcode, and that is said', async () => {
    const torn = (await labelled(id('a'), 'A')).map((record, i) => (i === 0 ? record.fill(0xff, 512, 600) : record));
    for (const content of [['damaged'] as const, torn]) {
      const { answer, notes } = await outcome(content);
      expect(answer).toBe('cartridge A');
      expect(notes.join()).toMatch(/^cartridge A: its label cannot be read \(.+\); known by its barcode alone$/);
    }
  });

  it('that are not here, or not the set’s, are named', async () => {
    expect((await outcome([], id('b'))).answer).toBe(
      'cartridge B: not in the library; put it in and run the command again',
    );
    expect((await outcome([], id('9'))).answer).toBe('cartridge 99999999: the set does not name it');
  });

  it('are ranked by how near they are, and loaded and checked once', async () => {
    const station = stationOf({ A: await labelled(id('a'), 'A'), B: await labelled(id('b'), 'B') }, 'B');
    const source = await stationCartridges(station, set, () => {});
    expect(set.map((one) => source.rank(one.id))).toEqual([1, 0, 2]);
    await source.load(id('a'));
    await source.load(id('a'));
    await source.load(id('b'));
    expect(station.moves).toEqual(['A', 'B']);
  });
});
