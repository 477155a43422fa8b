import { describe, expect, it } from 'vitest';
import { toHex } from '../../src/bytes/random.ts';
import { openBlockDevice } from '../../src/initiator/block-device.ts';
import { openCopyManager } from '../../src/initiator/copy-manager.ts';
import { decodeLunList } from '../../src/scsi/common/commands.ts';
import { mover, patterned } from '../support/mover.ts';
import { send } from '../support/scsi-send.ts';

const world = () => mover({ disks: [patterned(4096, 1)], tapes: [{}] });

describe('router', () => {
  it('reports its LUNs at any LUN, present or not, and no unit attention stands in the way', async () => {
    const m = await world();
    for (const lun of [0, 1, 2, 9]) {
      const got = await send(m.router.lun('x', lun), 'a0 00 00 000000 00001000 00 00', { take: 4096 });
      expect(decodeLunList(got.data)).toEqual([0, 1, 2]);
    }
    expect((await send(m.router.lun('x', 0), 'a0 00 01 000000 00001000 00 00', { take: 4096 })).data.length).toBe(8);
    expect((await send(m.router.lun('x', 0), 'a0 00 07 000000 00001000 00 00', { take: 4096 })).code).toBe('5h/24/00');
  });

  it('has a controller unit at LUN 0 with third-party copy, as all units', async () => {
    const m = await world();
    for (const [lun, type] of [
      [0, 0x0c],
      [1, 0x00],
      [2, 0x01],
    ] as const) {
      const got = await send(m.router.lun('x', lun), '12 00 00 0024 00', { take: 36 });
      expect([got.data[0], got.data[5] & 0x08]).toEqual([type, 8]);
    }
    expect((await openCopyManager(m.router.lun('x', 0))).limits.segmentsMax).toBe(8192);
  });

  it('answers for a LUN without a unit as SAM wants: INQUIRY 7Fh, all else 25h/00h', async () => {
    const m = await world();
    const got = await send(m.router.lun('x', 7), '12 00 00 0024 00', { take: 36 });
    expect(got.data[0]).toBe(0x7f);
    expect((await send(m.router.lun('x', 7), '000000000000')).code).toBe('5h/25/00');
    expect((await send(m.router.lun('x', 7), '12 01 83 0024 00', { take: 36 })).code).toBe('5h/25/00');
  });

  it('tells initiators that units came or went', async () => {
    const m = await world();
    const execute = m.router.lun('x', 1);
    await send(execute, '000000000000');
    m.router.remove(2);
    expect((await send(execute, '000000000000')).code).toBe('6h/3F/0E');
    expect((await send(m.router.lun('x', 2), '000000000000')).code).toBe('5h/25/00');
    expect(m.router.add(m.units[1])).toBe(2);
    expect(() => m.router.add(m.units[1], 0)).toThrow(RangeError);
    expect(() => m.router.remove(0)).toThrow(RangeError);
    expect(m.router.unit('x', m.units[1])).toBeTypeOf('function');
  });
});

describe('block device behind an Execute', () => {
  it('reads any bytes, writes whole blocks, and takes a unit attention in its stride', async () => {
    const m = await world();
    const device = await openBlockDevice(m.router.lun('fresh', 1));
    expect([device.blockLength, device.byteLength, device.serialNumber]).toEqual([512, 4096, 'D0']);
    expect(toHex(device.designator?.value ?? new Uint8Array(0))).toBe(toHex(m.units[0].designator.value));
    const view = await device.readAt(700, 900);
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    expect(toHex(bytes)).toBe(toHex(patterned(4096, 1).subarray(700, 1600)));
    const into = new Uint8Array(900);
    await device.read(700, into);
    expect(toHex(into)).toBe(toHex(bytes));
    await device.read(1024, into.subarray(0, 512));
    expect(toHex(into.subarray(0, 512))).toBe(toHex(patterned(4096, 1).subarray(1024, 1536)));
    await device.write(512, new Uint8Array(1024).fill(7));
    await device.flush();
    expect(
      m.stores[0]
        .content()
        .subarray(512, 1536)
        .every((byte) => byte === 7),
    ).toBe(true);
    await expect(device.readAt(4000, 200)).rejects.toThrow(/end past/);
    await expect(device.write(100, new Uint8Array(512))).rejects.toThrow(RangeError);
  });

  it('is not opened on a tape', async () => {
    const m = await world();
    await expect(openBlockDevice(m.router.lun('x', 2))).rejects.toThrow(/device type 1 is no disk/);
  });
});
