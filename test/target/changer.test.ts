import { describe, expect, it } from 'vitest';
import { toHex } from '../../src/bytes/random.ts';
import type { Execute } from '../../src/scsi/execute.ts';
import { changerOver, MapLibrary } from '../support/changers.ts';
import { send, takeAttentions } from '../support/scsi-send.ts';

async function changer(
  slots = 3,
): Promise<{ execute: Execute; library: MapLibrary; unit: ReturnType<typeof changerOver> }> {
  const library = new MapLibrary(slots, ['RM0001L9', 'RM0002L9']);
  const unit = changerOver(library);
  const execute = unit.forNexus('a');
  expect(await takeAttentions(execute)).toEqual(['6h/29/00']);
  return { execute, library, unit };
}

const move = (source: number, destination: number, transport = 0): string =>
  `a500${[transport, source, destination].map((n) => n.toString(16).padStart(4, '0')).join('')}00000000`;

describe('the changer unit', () => {
  it('is a medium changer with a removable medium', async () => {
    const { execute } = await changer();
    const { data } = await send(execute, '120000003800', { take: 56 });
    expect([data[0], data[1]]).toEqual([0x08, 0x80]);
    expect(Buffer.from(data.subarray(8, 32)).toString()).toBe('REELMAP VIRTUAL-LIBRARY ');
  });

  it('MODE SENSE tells the element addresses, as mtx and Linux ch ask, an old LUN in byte 1 and all', async () => {
    const { execute } = await changer();
    const page = '1d12 0001 0001 1000 0003 0300 0001 0100 0002 0000'.replaceAll(' ', '');
    for (const cdb of ['1a081d008800', '1aa81d008800', '1aa01d008800'])
      expect(toHex((await send(execute, cdb, { take: 136 })).data)).toBe(`17000000${page}`);
    expect(toHex((await send(execute, '5a081d000000008800 00', { take: 136 })).data)).toBe(`001a000000000000${page}`);
    const all = await send(execute, '1a003f00ff00', { take: 255 });
    expect([all.data[0], all.data.length]).toEqual([47, 48]);
    expect((await send(execute, '1a000f00ff00', { take: 255 })).code).toBe('5h/24/00');
    expect((await send(execute, '1a00dd00ff00', { take: 255 })).code).toBe('5h/39/00');
  });

  it('READ ELEMENT STATUS by type, from an address on, so many', async () => {
    const { execute } = await changer();
    const slots = await send(execute, 'b812 0000 ffff 00 001000 00 00', { take: 4096 });
    expect(toHex(slots.data.subarray(0, 28))).toBe(
      '10000003000000a4' + '028000340000009c' + '100009000000000000000000',
    );
    expect(Buffer.from(slots.data.subarray(28, 60)).toString()).toBe('RM0001L9'.padEnd(32));
    const one = await send(execute, 'b802 1001 0001 00 001000 00 00', { take: 4096 });
    expect(toHex(one.data)).toBe('1001000100000018' + '0200001000000010' + '100109000000000000000000' + '00000000');
    const drives = await send(execute, 'b804 0000 ffff 01 001000 00 00', { take: 4096 });
    expect(toHex(drives.data.subarray(16, 32))).toBe('01000800000000000000000001030010');
    const all = await send(execute, 'b810 0000 ffff 00 010000 00 00', { take: 65536 });
    expect(all.data[3]).toBe(7);
    expect((await send(execute, 'b812 2000 ffff 00 001000 00 00', { take: 4096 })).code).toBe('5h/21/01');
    expect((await send(execute, 'b815 0000 ffff 00 001000 00 00', { take: 4096 })).code).toBe('5h/24/00');
  });

  it('the allocation length cuts the data, not the counts in them', async () => {
    const { execute } = await changer();
    const { data } = await send(execute, 'b810 0000 ffff 00 000008 00 00', { take: 8 });
    expect(toHex(data)).toBe('000100070000018c');
  });

  it('MOVE MEDIUM moves, and refuses in the words of SMC', async () => {
    const { execute, library } = await changer();
    expect((await send(execute, move(0x1000, 0x100))).status).toBe('good');
    expect(library.held.get(0x100)?.barcode).toBe('RM0001L9');
    expect((await send(execute, move(0x1000, 0x101, 1))).code).toBe('5h/3B/0E');
    expect((await send(execute, move(0x1001, 0x100))).code).toBe('5h/3B/0D');
    expect((await send(execute, move(0x1009, 0x100))).code).toBe('5h/21/01');
    expect((await send(execute, move(0x1001, 0x109))).code).toBe('5h/21/01');
    expect((await send(execute, move(0x1001, 0x101, 2))).code).toBe('5h/21/01');
    library.locked = true;
    expect((await send(execute, move(0x100, 0x1000))).code).toBe('5h/53/02');
    library.locked = false;
    library.broken = 'the drive did not take it';
    expect((await send(execute, move(0x100, 0x1000))).code).toBe('4h/53/00');
    library.broken = undefined;
    expect((await send(execute, move(0x100, 0x1000))).status).toBe('good');
  });

  it('the rest of what mtx and ch send is GOOD', async () => {
    const { execute, unit } = await changer();
    for (const cdb of [
      '070000000000',
      '07a000000000',
      'e7010000000000010000',
      '37010000000000010000',
      '2b000001010000000000',
    ])
      expect((await send(execute, cdb)).status).toBe('good');
    expect((await send(execute, '2b000001090000000000')).code).toBe('5h/21/01');
    expect((await send(execute, '1e0000000100')).status).toBe('good');
    expect(unit.removalPrevented).toBe(true);
    expect((await send(execute, '1e0000000000')).status).toBe('good');
    expect(unit.removalPrevented).toBe(false);
    unit.mailSlotAccessed();
    expect(await takeAttentions(execute)).toEqual(['6h/28/01']);
  });
});
