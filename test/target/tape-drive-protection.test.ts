// What guards records on their way and on the tape: logical block protection, encryption; and the cartridge's chip.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../src/bytes/crc32c.ts';
import { viewOf } from '../../src/bytes/layout.ts';
import { toHex } from '../../src/bytes/random.ts';
import { decodeAttributes, encodeAttributes } from '../../src/scsi/common/attribute.ts';
import type { Execute } from '../../src/scsi/execute.ts';
import { openRecord, sealRecord } from '../../src/target/tape-encryption.ts';
import { createCartridge, openCartridge } from '../../src/target/virtual-library/cartridge.ts';
import { emptyDrive, loadedDrive } from '../support/drives.ts';
import { patterned } from '../support/mover.ts';
import { hex, send, takeAttentions } from '../support/scsi-send.ts';
import { requireTools, tempFolder } from '../support/tools.ts';

const six = (length: number): string => length.toString(16).padStart(6, '0');
const write = (execute: Execute, data: Uint8Array) => send(execute, `0a00${six(data.length)}00`, { out: data });
const read = (execute: Execute, length: number, sili = false) =>
  send(execute, `08${sili ? '02' : '00'}${six(length)}00`, { take: length });
const rewind = (execute: Execute) => send(execute, '010000000000');

describe('logical block protection', () => {
  const protect = (execute: Execute, flags: string) =>
    send(execute, '151000002400', { out: hex(`00001000 4af0001c 0204${flags}${'00'.repeat(25)}`) });
  const withCrc = (data: Uint8Array): Uint8Array => {
    const out = new Uint8Array(data.length + 4);
    out.set(data);
    viewOf(out).setUint32(data.length, crc32c(data), true);
    return out;
  };

  it('checks the CRC-32C behind each block that is written, and puts it behind each that is read', async () => {
    await using drive = await loadedDrive();
    const { execute, medium } = drive;
    await takeAttentions(execute);
    expect((await protect(execute, 'c0')).status).toBe('good');
    const record = patterned(1000, 1);
    expect((await write(execute, withCrc(record))).status).toBe('good');
    const damaged = withCrc(record);
    damaged[500] ^= 1;
    const refused = await write(execute, damaged);
    expect([refused.code, refused.information]).toEqual(['Bh/10/01', 1004]);
    await rewind(execute);
    expect(toHex((await read(execute, 1004)).data)).toBe(toHex(withCrc(record)));
    await rewind(execute);
    const short = await read(execute, 2000);
    expect([short.code, short.information, short.data.length]).toEqual(['0h/00/00 ILI', 996, 1004]);
    expect(medium.end?.objects).toBe(1);
    await protect(execute, '00');
    await rewind(execute);
    expect(toHex((await read(execute, 1000)).data)).toBe(toHex(record)); // the medium has the record alone
  });

  it('counts the CRC to the length of a fixed block', async () => {
    await using drive = await loadedDrive();
    const { execute } = drive;
    await takeAttentions(execute);
    await send(execute, '151000000c00', { out: hex('00001008 0000000000000104') }); // 260 bytes
    await protect(execute, 'c0');
    const blocks = Buffer.concat([1, 2, 3].map((seed) => withCrc(patterned(256, seed))));
    expect((await send(execute, '0a0100000300', { out: blocks })).status).toBe('good');
    await rewind(execute);
    expect(toHex((await send(execute, '080100000300', { take: 780 })).data)).toBe(toHex(blocks));
  });

  it('is off again after a reset', async () => {
    await using drive = await loadedDrive();
    await takeAttentions(drive.execute);
    await protect(drive.execute, 'c0');
    drive.unit.reset();
    await takeAttentions(drive.execute);
    const page = await send(drive.execute, '1a080af0ff00', { take: 255 });
    expect(toHex(page.data.subarray(8, 11))).toBe('000000');
  });
});

describe('encryption', () => {
  const KEY = patterned(32, 5);
  const setKey = (
    execute: Execute,
    how: { scope?: number; encrypt?: number; decrypt?: number; key?: Uint8Array; kad?: string; flags?: number },
  ) => {
    const { scope = 2, encrypt = 2, decrypt = 2, key = KEY, kad = '', flags = 0 } = how;
    const head = new Uint8Array(20);
    head.set([0, 0x10, 0, 0, scope << 5, flags, encrypt, decrypt, encrypt + decrypt > 0 ? 1 : 0]);
    viewOf(head).setUint16(18, key.length);
    const list = Buffer.concat([head, key, hex(kad)]);
    list.writeUInt16BE(list.length - 4, 2);
    return send(execute, `b520001000 00${list.length.toString(16).padStart(8, '0')}0000`, { out: list });
  };
  const page = (execute: Execute, code: string) => send(execute, `a220${code}0000000010000000`, { take: 4096 });

  it('keeps records encrypted; they read with the key and not without', async () => {
    await using drive = await loadedDrive();
    const { execute, medium } = drive;
    await takeAttentions(execute);
    const record = patterned(5000, 1);
    expect((await setKey(execute, { kad: '00000004 6b657931' })).status).toBe('good');
    expect((await write(execute, record)).status).toBe('good');
    await setKey(execute, { encrypt: 0, decrypt: 0, key: new Uint8Array(0) });
    expect((await write(execute, record)).status).toBe('good');
    await rewind(execute);
    expect((await read(execute, 5000)).code).toBe('7h/74/01');
    await setKey(execute, { key: patterned(32, 6) });
    expect((await read(execute, 5000)).code).toBe('7h/74/03');
    await setKey(execute, {});
    expect(toHex((await read(execute, 5000)).data)).toBe(toHex(record));
    expect((await read(execute, 5000)).code).toBe('7h/74/02');
    await setKey(execute, { decrypt: 3 });
    expect(toHex((await read(execute, 5000)).data)).toBe(toHex(record));
    await medium.locate(0);
    const stored = await medium.read(new Uint8Array(6000));
    expect(stored).toMatchObject({ kind: 'record', encrypted: true, length: 5000 + 32 + 4 });
  });

  it('a record of another length than was asked for is told of as without encryption', async () => {
    await using drive = await loadedDrive();
    const { execute } = drive;
    await takeAttentions(execute);
    await setKey(execute, {});
    await write(execute, patterned(5000, 1));
    await rewind(execute);
    const cut = await read(execute, 100);
    expect([cut.code, cut.information, toHex(cut.data)]).toEqual([
      '0h/00/00 ILI',
      -4900,
      toHex(patterned(5000, 1).subarray(0, 100)),
    ]);
    await rewind(execute);
    const short = await read(execute, 6000);
    expect([short.code, short.information, short.data.length]).toEqual(['0h/00/00 ILI', 1000, 5000]);
  });

  it('tells of the state and of the next block, and never of the key', async () => {
    await using drive = await loadedDrive();
    const { execute } = drive;
    await takeAttentions(execute);
    expect(toHex((await page(execute, '0000')).data)).toBe('0000000e' + '0000000100100011001200200021');
    expect(toHex((await page(execute, '0020')).data.subarray(0, 8))).toBe('0020001400000000');
    await setKey(execute, { kad: '00000004 6b657931' });
    await write(execute, patterned(100, 1));
    await write(execute, patterned(100, 2));
    await rewind(execute);
    const status = await page(execute, '0020');
    expect(toHex(status.data)).toBe(
      `0020001c 42020201 00000001 10000000 ${'00'.repeat(8)} 00000004 6b657931`.replaceAll(' ', ''),
    );
    expect(toHex((await page(execute, '0021')).data)).toBe('002100140000000000000000050100000001' + '00046b657931');
    await setKey(execute, { key: patterned(32, 8) });
    expect((await page(execute, '0021')).data[12]).toBe(6);
    for (const code of ['0000', '0001', '0010', '0011', '0012', '0020', '0021'])
      expect(toHex((await page(execute, code)).data)).not.toContain(toHex(patterned(32, 8)).slice(0, 16));
    const position = await send(execute, '34000000000000000000', { take: 20 });
    expect(toHex(position.data.subarray(4, 8))).toBe('00000000');
  });

  it('is a matter of each nexus where the scope says so, and goes with it', async () => {
    await using drive = await loadedDrive();
    const { execute, unit } = drive;
    const other = unit.forNexus('b');
    await takeAttentions(execute);
    await takeAttentions(other);
    await setKey(execute, { scope: 1 });
    await write(execute, patterned(100, 1));
    await rewind(execute);
    expect((await read(other, 100)).code).toBe('7h/74/01');
    expect((await read(execute, 100)).status).toBe('good');
    unit.loseNexus('a');
    await takeAttentions(execute);
    await rewind(execute);
    expect((await read(execute, 100)).code).toBe('7h/74/01');
    await setKey(execute, { scope: 2 });
    expect(await takeAttentions(other)).toEqual(['6h/2A/11']);
    expect((await read(other, 100)).status).toBe('good');
  });

  it('keys go with the volume where the host asked for it', async () => {
    await using drive = await loadedDrive();
    const { execute } = drive;
    await takeAttentions(execute);
    for (const [flags, mode] of [
      [0, '02'],
      [4, '00'],
    ] as const) {
      await setKey(execute, { flags });
      await send(execute, '1b0000000000');
      await send(execute, '1b0000000100');
      await takeAttentions(execute);
      expect(toHex((await page(execute, '0020')).data.subarray(5, 6))).toBe(mode);
    }
  });

  it.each([
    ['another algorithm', { at: 8, value: 2 }, 8],
    ['a key in another format', { at: 9, value: 1 }, 9],
    ['raw reading', { at: 7, value: 1 }, 7],
    ['external encryption', { at: 6, value: 1 }, 6],
    ['a lock', { at: 4, value: 0x41 }, 4],
    ['an unknown scope', { at: 4, value: 0x60 }, 4],
  ])('%s is refused at its byte', async (_what, { at, value }, byte) => {
    await using drive = await loadedDrive();
    await takeAttentions(drive.execute);
    const list = new Uint8Array(52);
    list.set([0, 0x10, 0, 48, 0x40, 0, 2, 2, 1]);
    viewOf(list).setUint16(18, 32);
    list[at] = value;
    const { code, sense } = await send(drive.execute, 'b52000100000000000340000', { out: list });
    expect([code, sense?.fieldPointer?.byte]).toEqual(['5h/26/00', byte]);
  });

  it('is AES-256-GCM as Python has it', (context) => {
    requireTools(context, 'python3');
    const stored = sealRecord(patterned(64, 3), KEY, [{ type: 1, value: Uint8Array.of(1, 2, 3) }], (n) =>
      patterned(n, 9),
    );
    expect(toHex(openRecord(stored, KEY) ?? new Uint8Array(0))).toBe(toHex(patterned(64, 3)));
    const script = `
import sys
try:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    print('none'); sys.exit()
s, k = bytes.fromhex(sys.argv[1]), bytes.fromhex(sys.argv[2])
u, a = s[2], s[3]
print(AESGCM(k).decrypt(s[4:16], s[32+u+a:] + s[16:32], s[0:4] + s[32+u:32+u+a]).hex())`;
    const said = execFileSync('python3', ['-c', script, toHex(stored), toHex(KEY)], { encoding: 'utf8' }).trim();
    if (said !== 'none') expect(said).toBe(toHex(patterned(64, 3)));
    stored[stored.length - 1] ^= 1;
    expect(openRecord(stored, KEY)).toBeUndefined();
  });
});

describe('the chip', () => {
  async function withCartridge(folder: string, barcode = 'AB0001L9') {
    if (!existsSync(join(folder, barcode))) await createCartridge(folder, { barcode, capacity: 2 ** 20 });
    const { medium, cartridge } = await openCartridge(folder, barcode, { command: 'test' });
    const unit = emptyDrive();
    await unit.load(medium, cartridge);
    const execute = unit.forNexus('a');
    await takeAttentions(execute);
    return { execute, [Symbol.asyncDispose]: () => medium[Symbol.asyncDispose]() };
  }
  const attribute = (identifier: number, text: string) => ({
    identifier,
    readOnly: false,
    format: 1,
    value: new TextEncoder().encode(text),
  });
  const put = (execute: Execute, list: Uint8Array) =>
    send(execute, `8d01000000000000 0000 ${list.length.toString(16).padStart(8, '0')} 0000`, { out: list });
  const get = async (execute: Execute) =>
    decodeAttributes((await send(execute, '8c000000000000000000000020000000', { take: 8192 })).data);

  it('keeps what hosts write, over loads; an empty value removes it', async () => {
    const folder = tempFolder();
    {
      await using drive = await withCartridge(folder);
      const list = encodeAttributes([
        attribute(0x0801, 'Reelmap'.padEnd(32)),
        attribute(0x0803, 'archive of 2026'),
        attribute(0x1400, 'x'),
      ]);
      expect((await put(drive.execute, list)).status).toBe('good');
      expect((await put(drive.execute, encodeAttributes([attribute(0x1400, '')]))).status).toBe('good');
    }
    await using drive = await withCartridge(folder);
    const found = await get(drive.execute);
    expect(found.map(({ identifier }) => identifier)).toEqual([0, 1, 0x400, 0x401, 0x408, 0x801, 0x803, 0x806]);
    expect(Buffer.from(found[6].value).toString()).toBe('archive of 2026');
    expect(JSON.parse(readFileSync(join(folder, 'AB0001L9', 'chip.json'), 'utf8')).format).toBe(1);
  });

  it('refuses attributes that are not a host’s, lists that are cut, and more than fits', async () => {
    await using drive = await withCartridge(tempFolder());
    const { execute } = drive;
    expect((await put(execute, encodeAttributes([attribute(0x0400, 'me')]))).code).toBe('5h/26/00');
    const list = encodeAttributes([attribute(0x0801, 'abc')]);
    expect((await put(execute, list.subarray(0, 10))).code).toBe('5h/1A/00');
    const large = Array.from({ length: 20 }, (_, i) => attribute(0x0810 + i, 'z'.repeat(1000)));
    expect((await put(execute, encodeAttributes(large))).code).toBe('5h/55/06');
  });

  it('a cleaning cartridge holds no data', async () => {
    await using drive = await withCartridge(tempFolder(), 'CLN001L1');
    expect((await send(drive.execute, '000000000000')).code).toBe('2h/30/03');
    expect((await write(drive.execute, new Uint8Array(10))).code).toBe('2h/30/03');
  });
});
