import { describe, expect, it } from 'vitest';
import { FormatError } from '../../src/bytes/errors.ts';
import { toHex } from '../../src/bytes/random.ts';
import { MiB } from '../../src/bytes/units.ts';
import type { TapeMedium } from '../../src/tape/medium.ts';
import { memoryMedium } from '../../src/target/virtual-library/memory-cartridge.ts';
import { CARTRIDGE, emptyDrive, loadedDrive } from '../support/drives.ts';
import { hex, send, takeAttentions } from '../support/scsi-send.ts';
import { recordOf } from '../support/tape-model.ts';

const TUR = '000000000000';
const WRITE_100 = '0a0000006400';
const READ_100 = '080000006400';
const SYNC = '100000000000';
const POSITION = '34000000000000000000';

/** A medium with some of its methods replaced. */
const changed = (medium: TapeMedium, changes: Partial<TapeMedium>): TapeMedium =>
  new Proxy(medium, {
    get: (target, name) => {
      if (name in changes) return changes[name as keyof TapeMedium];
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });

const io = (what: string): FormatError => new FormatError('io', 'cartridge RM0001L9', what);

describe('a tape drive without a cartridge', () => {
  it('is not ready: 2h/3A/00, also for commands on the medium, and tells who it is', async () => {
    const execute = emptyDrive().forNexus('a');
    expect(await takeAttentions(execute)).toEqual(['6h/29/00']);
    for (const cdb of [TUR, READ_100, '010000000000', '110100000100', POSITION, SYNC, '2b000000000000000000'])
      expect((await send(execute, cdb, { take: 100 })).code).toBe('2h/3A/00');
    const inquiry = await send(execute, '120000006000', { take: 96 });
    expect(inquiry.data[0]).toBe(0x01);
    expect(inquiry.data[1]).toBe(0x80);
    expect(inquiry.data[5] & 0x08).toBe(0x08);
    expect(Buffer.from(inquiry.data.subarray(8, 32)).toString()).toBe('REELMAP VIRTUAL-TAPE    ');
    expect((await send(execute, '1a0000000c00', { take: 12 })).status).toBe('good');
    expect((await send(execute, '050000000000', { take: 6 })).status).toBe('good');
  });

  it('refuses to be loaded twice', async () => {
    await using drive = await loadedDrive();
    await expect(drive.unit.load(await memoryMedium(), CARTRIDGE)).rejects.toThrow('holds a cartridge already');
  });
});

describe('unit attentions', () => {
  it('28h/00h comes once to each nexus after a load; a nexus that comes later hears of its own reset alone', async () => {
    const unit = emptyDrive();
    const [a, b] = [unit.forNexus('a'), unit.forNexus('b')];
    expect(await takeAttentions(a)).toEqual(['6h/29/00']);
    expect(await takeAttentions(b)).toEqual(['6h/29/00']);
    await unit.load(await memoryMedium(), CARTRIDGE);
    expect((await send(a, READ_100, { take: 100 })).code).toBe('6h/28/00');
    expect((await send(a, READ_100, { take: 100 })).code).toBe('8h/00/05');
    expect(await takeAttentions(b)).toEqual(['6h/28/00']);
    expect(await takeAttentions(unit.forNexus('c'))).toEqual(['6h/29/00']);
    await unit.unload();
    expect((await send(a, TUR)).code).toBe('2h/3A/00');
  });

  it('2Ah/01h comes to the others when MODE SELECT changes something', async () => {
    await using drive = await loadedDrive();
    const other = drive.unit.forNexus('b');
    await takeAttentions(drive.execute);
    await takeAttentions(other);
    const list = hex('00001008 0000000000000200');
    expect((await send(drive.execute, '151000000c00', { out: list })).status).toBe('good');
    expect((await send(drive.execute, '151000000c00', { out: list })).status).toBe('good');
    expect(await takeAttentions(drive.execute)).toEqual([]);
    expect(await takeAttentions(other)).toEqual(['6h/2A/01']);
  });
});

describe('commands of one unit', () => {
  it('run in order of arrival, whoever sends them', async () => {
    await using drive = await loadedDrive();
    const other = drive.unit.forNexus('b');
    await takeAttentions(drive.execute);
    await takeAttentions(other);
    const both = [drive.execute, other];
    await Promise.all(Array.from({ length: 20 }, (_, i) => send(both[i % 2], WRITE_100, { out: recordOf(i, 100) })));
    const [, ...reads] = await Promise.all([
      send(drive.execute, '010000000000'),
      ...Array.from({ length: 20 }, (_, i) => send(both[(i + 1) % 2], READ_100, { take: 100 })),
    ]);
    reads.forEach((sent, i) => {
      expect(sent.data).toEqual(recordOf(i, 100));
    });
  });

  it('READ fills the buffer of the caller and no other', async () => {
    await using drive = await loadedDrive();
    await takeAttentions(drive.execute);
    await send(drive.execute, WRITE_100, { out: recordOf(1, 100) });
    await send(drive.execute, '010000000000');
    const into = new Uint8Array(300);
    const { data } = await send(drive.execute, READ_100, { into: into.subarray(50, 150) });
    expect(data.buffer).toBe(into.buffer);
    expect(data.byteOffset).toBe(50);
    expect(into.subarray(50, 150)).toEqual(recordOf(1, 100));
    expect(into.subarray(150).every((byte) => byte === 0)).toBe(true);
  });
});

describe('damage', () => {
  it('a damaged record is 3h/11/00 without data, and the drive stands behind it', async () => {
    const medium = await memoryMedium();
    await using drive = await loadedDrive(
      {},
      changed(medium, {
        read: async (into) => {
          const outcome = await medium.read(into);
          return medium.position.object === 2 ? { kind: 'damaged', length: 100, reason: 'checksum' } : outcome;
        },
      }),
    );
    await takeAttentions(drive.execute);
    for (let i = 0; i < 3; i++) await send(drive.execute, WRITE_100, { out: recordOf(i, 100) });
    await send(drive.execute, '010000000000');
    expect((await send(drive.execute, READ_100, { take: 100 })).data).toEqual(recordOf(0, 100));
    const bad = await send(drive.execute, READ_100, { take: 100 });
    expect([bad.code, bad.data.length, bad.residual, bad.information]).toEqual(['3h/11/00', 0, 100, 100]);
    expect((await send(drive.execute, READ_100, { take: 100 })).data).toEqual(recordOf(2, 100));
    const alerts = await send(drive.execute, '4d006e00000000ffff00', { take: 0xffff });
    expect(alertsOf(alerts.data)).toEqual([5]);
    expect(alertsOf((await send(drive.execute, '4d006e00000000ffff00', { take: 0xffff })).data)).toEqual([]);
  });

  it('a record that the host cannot read is 3h/11/00 too, and the next one comes', async () => {
    const medium = await memoryMedium();
    let fail = true;
    await using drive = await loadedDrive(
      {},
      changed(medium, {
        read: (into) => {
          if (!fail) return medium.read(into);
          fail = false;
          throw io('EIO: i/o error, read');
        },
      }),
    );
    await takeAttentions(drive.execute);
    for (let i = 0; i < 2; i++) await send(drive.execute, WRITE_100, { out: recordOf(i, 100) });
    await send(drive.execute, '010000000000');
    expect((await send(drive.execute, READ_100, { take: 100 })).code).toBe('3h/11/00');
    expect((await send(drive.execute, READ_100, { take: 100 })).data).toEqual(recordOf(1, 100));
    expect(drive.unit.failures.map(({ during }) => during)).toEqual(['READ']);
  });

  it('a buffered write that failed is a deferred medium error, and its cause is kept', async () => {
    const medium = await memoryMedium();
    let full = false;
    const noSpace = io('ENOSPC: no space left on device, write');
    await using drive = await loadedDrive(
      {},
      changed(medium, {
        append: (record) => {
          if (full) throw noSpace;
          return medium.append(record);
        },
      }),
    );
    await takeAttentions(drive.execute);
    await send(drive.execute, WRITE_100, { out: recordOf(0, 100) });
    full = true;
    const failed = await send(drive.execute, WRITE_100, { out: recordOf(1, 100) });
    expect(failed.code).toBe('3h/0C/00 deferred');
    expect(failed.senseBytes.slice(0, 2)).toBe('71');
    expect(drive.unit.failures).toEqual([{ during: 'WRITE', cause: noSpace }]);
    expect((await send(drive.execute, '010000000000')).status).toBe('good');
    expect((await send(drive.execute, READ_100, { take: 100 })).data).toEqual(recordOf(0, 100));
    expect(alertsOf((await send(drive.execute, '4d006e00000000ffff00', { take: 0xffff })).data)).toEqual([6]);
  });

  it('a synchronous filemark whose flush fails is a deferred medium error, also when another command flushes', async () => {
    for (const cdb of [SYNC, '100000000100', '010000000000', '920000000000000000000000000000 00', '1b0000000000']) {
      const medium = await memoryMedium();
      await using drive = await loadedDrive(
        {},
        changed(medium, { flush: () => Promise.reject(io('ENOSPC: no space left on device, fsync')) }),
      );
      await takeAttentions(drive.execute);
      await send(drive.execute, WRITE_100, { out: recordOf(0, 100) });
      expect((await send(drive.execute, cdb)).code).toBe('3h/0C/00 deferred');
      expect(drive.unit.failures).toHaveLength(1);
      expect((await send(drive.execute, '010000000000')).status).toBe('good');
    }
  });

  it('a cartridge whose structure is broken is 3h/15/02 for LOCATE', async () => {
    const medium = await memoryMedium();
    let broken = false;
    const bad = new FormatError('corrupt', 'cartridge RM0001L9', 'map entry 3: checksum wrong');
    await using drive = await loadedDrive(
      {},
      changed(medium, { locate: (object) => (broken ? Promise.reject(bad) : medium.locate(object)) }),
    );
    await takeAttentions(drive.execute);
    broken = true;
    expect((await send(drive.execute, '92000000000000000000000000000000')).code).toBe('3h/15/02');
    expect(drive.unit.failures.at(-1)?.cause).toBe(bad);
  });
});

const alertsOf = (page: Uint8Array): number[] => {
  const active: number[] = [];
  for (let at = 4; at + 5 <= page.length; at += 5) if (page[at + 4] & 1) active.push(page[at] * 256 + page[at + 1]);
  return active;
};

describe('synchronising', () => {
  it('happens at a synchronous filemark and count 0, not at an immediate one, and not twice', async () => {
    const medium = await memoryMedium();
    let flushes = 0;
    await using drive = await loadedDrive(
      {},
      changed(medium, {
        flush: () => {
          flushes++;
          return medium.flush();
        },
      }),
    );
    await takeAttentions(drive.execute);
    const seen: number[] = [];
    for (const cdb of [WRITE_100, '100100000100', SYNC, SYNC, WRITE_100, '100000000100', '010000000000']) {
      await send(drive.execute, cdb, { out: recordOf(0, 100) });
      seen.push(flushes);
    }
    expect(seen).toEqual([0, 0, 1, 1, 1, 2, 2]);
  });

  it('READ POSITION short tells what is still in the buffer', async () => {
    await using drive = await loadedDrive();
    await takeAttentions(drive.execute);
    const blank = await send(drive.execute, POSITION, { take: 20 });
    expect(toHex(blank.data)).toBe('80000000000000000000000000000000 00000000'.replace(' ', ''));
    for (let i = 0; i < 3; i++) await send(drive.execute, WRITE_100, { out: recordOf(i, 100) });
    const buffered = await send(drive.execute, '34010000000000000000', { take: 20 });
    expect(toHex(buffered.data)).toBe('00000000' + '00000003' + '00000000' + '00000003' + '0000012c');
    await send(drive.execute, SYNC);
    const synced = await send(drive.execute, POSITION, { take: 20 });
    expect(toHex(synced.data)).toBe('00000000' + '00000003' + '00000003' + '00000000' + '00000000');
  });

  it('with unbuffered mode every WRITE is synchronous', async () => {
    const medium = await memoryMedium();
    let flushes = 0;
    await using drive = await loadedDrive(
      {},
      changed(medium, {
        flush: () => {
          flushes++;
          return medium.flush();
        },
      }),
    );
    await takeAttentions(drive.execute);
    await send(drive.execute, '151000000400', { out: hex('00000000') });
    for (let i = 0; i < 2; i++) await send(drive.execute, WRITE_100, { out: recordOf(i, 100) });
    expect(flushes).toBe(2);
  });
});

describe('LOAD UNLOAD and PREVENT ALLOW', () => {
  it('unloads, is not ready, and loads again with a unit attention at the beginning', async () => {
    await using drive = await loadedDrive();
    await takeAttentions(drive.execute);
    await send(drive.execute, WRITE_100, { out: recordOf(0, 100) });
    expect((await send(drive.execute, '1b0000000000')).status).toBe('good');
    expect((await send(drive.execute, TUR)).code).toBe('2h/3A/00');
    expect((await send(drive.execute, '1b0000000100')).status).toBe('good');
    expect(await takeAttentions(drive.execute)).toEqual(['6h/28/00']);
    expect((await send(drive.execute, READ_100, { take: 100 })).data).toEqual(recordOf(0, 100));
  });

  it('refuses to unload while any nexus prevents it: 5h/53/02', async () => {
    await using drive = await loadedDrive();
    await takeAttentions(drive.execute);
    await send(drive.execute, '1e0000000100');
    expect(drive.unit.removalPrevented).toBe(true);
    expect((await send(drive.execute, '1b0000000000')).code).toBe('5h/53/02');
    drive.unit.loseNexus('a');
    expect(drive.unit.removalPrevented).toBe(false);
  });
});

describe('MODE SENSE and MODE SELECT', () => {
  it('give header, block descriptor and pages where the standard has them', async () => {
    await using drive = await loadedDrive();
    await takeAttentions(drive.execute);
    const header = await send(drive.execute, '1a0000000c00', { take: 12 });
    expect(toHex(header.data)).toBe('0b0010088000000000000000');
    const compression = await send(drive.execute, '1a080f00ff00', { take: 255 });
    expect(toHex(compression.data)).toBe('130010000f0ec080' + '00000001' + '00000001' + '00000000');
    const all = await send(drive.execute, '5a003f000000000fff00', { take: 4095 });
    expect(all.data[0] * 256 + all.data[1]).toBe(all.data.length - 2);
    const changeable = await send(drive.execute, '1a085000ff00', { take: 255 });
    expect(toHex(changeable.data)).toBe(`13001000100e${'00'.repeat(14)}`);
    expect((await send(drive.execute, '1a00c0000c00', { take: 12 })).code).toBe('5h/39/00');
    expect((await send(drive.execute, '1a000500ff00', { take: 255 })).code).toBe('5h/24/00');
    const may = await send(drive.execute, '1a084f00ff00', { take: 255 });
    expect(toHex(may.data)).toBe(`130010000f0e80${'00'.repeat(13)}`);
    const protection = await send(drive.execute, '1a080af0ff00', { take: 255 });
    expect(toHex(protection.data)).toBe(`230010004af0001c${'00'.repeat(28)}`);
  });

  it('the allocation length cuts the data, not the length in them', async () => {
    await using drive = await loadedDrive();
    await takeAttentions(drive.execute);
    const cut = await send(drive.execute, '1a003f000400', { take: 255 });
    expect([cut.data.length, cut.residual]).toEqual([4, 251]);
    expect(cut.data[0]).toBeGreaterThan(40);
  });

  it('MODE SELECT refuses what cannot be, pointing at the byte, and changes nothing then', async () => {
    await using drive = await loadedDrive();
    await takeAttentions(drive.execute);
    const select = async (list: string): Promise<[string, number | undefined]> => {
      const out = hex(list);
      const { code, sense } = await send(drive.execute, `15100000${out.length.toString(16).padStart(2, '0')}00`, {
        out,
      });
      return [code, sense?.fieldPointer?.byte];
    };
    expect(await select('00001008 5800000000000000')).toEqual(['5h/26/00', 4]);
    expect(await select('00001008 0000000100000200')).toEqual(['5h/26/00', 5]);
    expect(await select('00001008 0000000000ffffff')).toEqual(['5h/26/00', 9]);
    expect(await select('00002000')).toEqual(['5h/26/00', 2]);
    expect(await select('00001000 0f0e8000000000000000000000000000')).toEqual(['5h/26/00', 6]);
    expect(await select('00001000 0a0a00000000000000000000')).toEqual(['5h/26/00', 6]);
    expect(await select(`00001000 4af0001c 0304c0${'00'.repeat(25)}`)).toEqual(['5h/26/00', 8]);
    expect(await select(`00001000 4af0001c 0205c0${'00'.repeat(25)}`)).toEqual(['5h/26/00', 9]);
    expect(await select('00001000 200a00000000000000000000')).toEqual(['5h/26/00', 4]);
    expect(await select('00001008 00000000')).toEqual(['5h/1A/00', undefined]);
    expect(await select('00001000 0f0e80')).toEqual(['5h/1A/00', undefined]);
    expect(await select('00001000 0f0e4080000000010000000100000000')).toEqual(['', undefined]);
    expect(toHex((await send(drive.execute, '1a080f00ff00', { take: 255 })).data.subarray(4, 8))).toBe('0f0e4080');
    const header = await send(drive.execute, '1a0000000c00', { take: 12 });
    expect(toHex(header.data.subarray(9))).toBe('000000');
  });
});

describe('what the drive tells of itself', () => {
  it('capacity, remaining and used, in the log page and in the attributes, in MiB', async () => {
    await using drive = await loadedDrive({ capacity: 10 * MiB });
    await takeAttentions(drive.execute);
    for (let i = 0; i < 3; i++) await send(drive.execute, '0a0010000000', { out: new Uint8Array(MiB) });
    await send(drive.execute, '010000000000'); // capacity remains behind end of data, wherever the head is
    const log = await send(drive.execute, '4d007100000000ff0000', { take: 0xff00 });
    expect(toHex(log.data)).toBe(
      '31000020' + '0001030400000007' + '0002030400000000' + '000303040000000a' + '0004030400000000',
    );
    const attributes = await send(drive.execute, '8c000000000000000000000020000000', { take: 8192 });
    const text = Buffer.from(attributes.data).toString('latin1');
    expect(toHex(attributes.data.subarray(0, 17))).toBe('00000077' + '0000800008' + '0000000000000007');
    expect(text).toContain('RM0001L9'.padEnd(32));
    const list = await send(drive.execute, '8c010000000000000000000020000000', { take: 8192 });
    expect(toHex(list.data)).toBe('0000000c' + '000000010400040104080806');
    const later = await send(drive.execute, '8c010000000000000806000020000000', { take: 8192 });
    expect(toHex(later.data)).toBe('000000020806');
  });

  it('log pages that it has, and refuses others', async () => {
    await using drive = await loadedDrive();
    await takeAttentions(drive.execute);
    expect(toHex((await send(drive.execute, '4d004000000000ff0000', { take: 255 })).data)).toBe(
      '0000000c0002030c0d1112171b2e313e',
    );
    expect((await send(drive.execute, '4d004500000000ff0000', { take: 255 })).code).toBe('5h/24/00');
  });

  it('page 3Eh has the SHA-256 of each file written, and one alone by the parameter pointer', async () => {
    const medium = await memoryMedium();
    const digests = new Map([0, 1, 3].map((file) => [file, recordOf(file, 32)]));
    await using drive = await loadedDrive({}, changed(medium, { fileDigest: async (file) => digests.get(file) }));
    await takeAttentions(drive.execute);
    for (let file = 0; file < 4; file++) {
      await send(drive.execute, WRITE_100, { out: recordOf(file, 100) });
      await send(drive.execute, '100100000100');
    }
    const parameter = (file: number): string => `000${file}0328000000000000000${file}${toHex(recordOf(file, 32))}`;
    const all = await send(drive.execute, '4d007e00000000ff0000', { take: 0xff00 });
    expect(toHex(all.data)).toBe(`3e000084${[0, 1, 3].map(parameter).join('')}`);
    const one = await send(drive.execute, '4d007e00000003003000', { take: 48 });
    expect(toHex(one.data)).toBe(`3e00002c${parameter(3)}`);
  });

  it('densities', async () => {
    await using drive = await loadedDrive();
    await takeAttentions(drive.execute);
    const { data } = await send(drive.execute, '44000000000000ffff00', { take: 0xffff });
    expect([data.length, toHex(data.subarray(0, 6))]).toEqual([56, '003600008080']);
  });
});
