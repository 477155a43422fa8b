// Formats without a walker, made by their own programs (or, where these need a kernel driver, from the format's description):
// type, id and label are those that libblkid finds.
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { NotWalkable } from '../../../src/filesystem/filesystem.ts';
import { recogniseMember, recogniseOther } from '../../../src/filesystem/recognise/recognise.ts';
import { memoryVolume } from '../../support/memory-volume.ts';
import { describeWithTools, requireRoot, requireTools } from '../../support/tools.ts';
import { imageFolder } from '../ext4/support/images.ts';
import { blankFile, MIB, withLoop } from '../partition/support/disks.ts';

const folder = imageFolder();

async function recognised(bytes: Buffer): Promise<NotWalkable | undefined> {
  const { readAt } = memoryVolume(bytes);
  const found = (await recogniseMember(readAt, bytes.length)) ?? (await recogniseOther(readAt, bytes.length));
  if (found !== undefined && 'walk' in found) throw new Error('a walker');
  return found;
}

interface SaidByBlkid {
  readonly TYPE?: string;
  readonly UUID?: string;
  readonly LABEL?: string;
}

/** What blkid shows of bytes above 7Fh, vis(3): `M-C` for C3h, `M-^_` for 9Fh. */
function unvis(text: string): string {
  const bytes = text.replace(/M-(\^?)(.)/g, (_, control: string, character: string) =>
    String.fromCharCode(0x80 + (character.charCodeAt(0) ^ (control === '' ? 0 : 0x40))),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

function blkid(path: string): SaidByBlkid {
  const { stdout } = spawnSync('blkid', ['-p', '-o', 'export', path], { encoding: 'utf8' });
  const lines = stdout.trim().split('\n');
  return Object.fromEntries(lines.map((line) => unvis(line.replace(/\\(.)/g, '$1')).split('=')));
}

/** What we say of a file, in blkid's words. */
async function said(path: string): Promise<SaidByBlkid> {
  const identity = (await recognised(readFileSync(path)))?.identity;
  return {
    ...(identity && { TYPE: identity.type }),
    ...(identity?.uuid && { UUID: identity.uuid }),
    ...(identity?.label && { LABEL: identity.label }),
  };
}

interface Case {
  readonly size: number;
  readonly make: readonly string[];
  readonly type: string;
  /** Whether it has a label, and an id. */
  readonly label?: string;
  readonly holdsNoFiles?: boolean;
}

const CASES: Readonly<Record<string, Case>> = {
  swap: { size: 2 * MIB, make: ['mkswap', '-L', 'the swap'], type: 'swap', label: 'the swap', holdsNoFiles: true },
  'swap with pages of 64 KiB': { size: 2 * MIB, make: ['mkswap', '-p', '65536'], type: 'swap', holdsNoFiles: true },
  'LUKS 1': {
    size: 4 * MIB,
    make: ['cryptsetup', '-q', 'luksFormat', '--type', 'luks1', '--pbkdf-force-iterations', '1000'],
    type: 'crypto_LUKS',
  },
  'LUKS 2 with a label': {
    size: 20 * MIB,
    make: [
      'cryptsetup',
      '-q',
      'luksFormat',
      '--type',
      'luks2',
      '--label',
      'secret',
      '--pbkdf',
      'pbkdf2',
      '--pbkdf-force-iterations',
      '1000',
    ],
    type: 'crypto_LUKS',
    label: 'secret',
  },
  FAT12: { size: 2 * MIB, make: ['mkfs.vfat', '-F', '12', '-n', 'FLOPPY'], type: 'vfat', label: 'FLOPPY' },
  FAT16: { size: 20 * MIB, make: ['mkfs.vfat', '-F', '16', '-n', 'SIXTEEN'], type: 'vfat', label: 'SIXTEEN' },
  FAT32: { size: 64 * MIB, make: ['mkfs.vfat', '-F', '32', '-s', '1', '-n', 'EFI'], type: 'vfat', label: 'EFI' },
  'FAT without a label': { size: 20 * MIB, make: ['mkfs.vfat'], type: 'vfat' },
  exFAT: { size: 20 * MIB, make: ['mkfs.exfat', '-L', 'Größe 1'], type: 'exfat', label: 'Größe 1' },
  NTFS: { size: 20 * MIB, make: ['mkfs.ntfs', '-qFf', '-L', 'System Größe'], type: 'ntfs', label: 'System Größe' },
  'NTFS with clusters of 64 KiB': { size: 20 * MIB, make: ['mkfs.ntfs', '-qFf', '-c', '65536'], type: 'ntfs' },
  btrfs: { size: 120 * MIB, make: ['mkfs.btrfs', '-q', '-L', 'tree'], type: 'btrfs', label: 'tree' },
};

describeWithTools(
  ['blkid', 'mkswap', 'cryptsetup', 'mkfs.vfat', 'mkfs.ntfs', 'mkfs.exfat', 'mkfs.btrfs'],
  'what no walker reads',
  () => {
    for (const [title, { size, make, type, label, holdsNoFiles = false }] of Object.entries(CASES))
      it(`${title}: type, id and label as blkid has them`, async () => {
        const path = blankFile(folder, size);
        const [program, ...args] = make;
        const input = program === 'cryptsetup' ? { input: 'password' } : {};
        execFileSync(program, [...args, path], { ...input, stdio: 'pipe' });
        const found = await said(path);
        const { TYPE, UUID, LABEL } = blkid(path);
        expect(found).toEqual({ TYPE, ...(UUID && { UUID }), ...(LABEL && { LABEL }) });
        expect([found.TYPE, found.LABEL]).toEqual([type, label]);
        expect((await recognised(readFileSync(path)))?.holdsNoFiles ?? false).toBe(holdsNoFiles);
      });

    it('a suspended machine: what its swap has become', async () => {
      const path = blankFile(folder, 2 * MIB);
      execFileSync('mkswap', [path], { stdio: 'ignore' });
      const bytes = readFileSync(path);
      bytes.write('S1SUSPEND\0', 4086, 'latin1');
      writeFileSync(path, bytes);
      expect((await said(path)).TYPE).toBe(blkid(path).TYPE);
      expect((await recognised(bytes))?.holdsNoFiles).toBe(true);
    });
  },
);

describeWithTools(['blkid', 'pvcreate', 'losetup'], 'a physical volume of LVM without a group', () => {
  it('has the id that blkid finds', async (context) => {
    requireRoot(context);
    const path = blankFile(folder, 8 * MIB);
    const env = { ...process.env, LVM_SUPPRESS_FD_WARNINGS: '1' };
    withLoop(path, [], (device) =>
      execFileSync('pvcreate', ['--driverloaded', 'n', '--devices', device, device], {
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    );
    const { TYPE, UUID } = blkid(path);
    expect(await said(path)).toEqual({ TYPE, UUID });
    expect(TYPE).toBe('LVM2_member');
  });
});

/** A superblock of md, version 1, checksum right: include/uapi/linux/raid/md_p.h, drivers/md/md.c `calc_sb_1_csum`. */
function mdOne(bytes: Buffer, at: number, level: number, dataOffset: number): void {
  const put = (offset: number, value: number): void => void bytes.writeUInt32LE(value >>> 0, at + offset);
  put(0, 0xa92b4efc);
  put(4, 1);
  Buffer.from('00112233445566778899aabbccddeeff', 'hex').copy(bytes, at + 16);
  bytes.write('host:array', at + 32, 'latin1');
  put(72, level);
  put(92, 2); // raid_disks
  put(128, dataOffset);
  bytes.writeBigUInt64LE(BigInt(at / 512), at + 144);
  put(220, 0); // max_dev
  let sum = 0;
  for (let i = 0; i < 256; i += 4) sum += bytes.readUInt32LE(at + i);
  put(216, (sum % 2 ** 32) + Math.floor(sum / 2 ** 32));
}

/** Version 0.90, as a little-endian machine writes it. */
function mdZero(bytes: Buffer, level: number): void {
  const at = Math.floor(bytes.length / 65_536) * 65_536 - 65_536;
  const words = [0xa92b4efc, 0, 90, 0, 0, 0x33221100, 1, level];
  for (const [i, word] of words.entries()) bytes.writeUInt32LE(word, at + i * 4);
  for (const [i, word] of [0x77665544, 0xbbaa9988, 0xffeeddcc].entries()) bytes.writeUInt32LE(word, at + 52 + i * 4);
}

describeWithTools(['blkid'], 'a member of an array or pool', () => {
  const SIZE = 4 * MIB;
  const END = SIZE - 8192;
  for (const [version, at] of [
    ['1.1', 0],
    ['1.2', 4096],
    ['1.0', END],
  ] as const)
    it(`of Linux RAID, version ${version}, is as blkid says`, async () => {
      const path = blankFile(folder, SIZE);
      const bytes = readFileSync(path);
      mdOne(bytes, at, 5, at === END ? 0 : 2048);
      writeFileSync(path, bytes);
      const { TYPE, UUID, LABEL } = blkid(path);
      expect(TYPE).toBe('linux_raid_member');
      expect(await said(path)).toEqual({ TYPE, UUID, LABEL });
      expect((await recognised(bytes))?.reason).toContain('RAID5');
    });

  it('of Linux RAID, version 0.90, is as blkid says', async () => {
    const path = blankFile(folder, SIZE);
    const bytes = readFileSync(path);
    mdZero(bytes, 0);
    writeFileSync(path, bytes);
    const { TYPE, UUID } = blkid(path);
    expect([TYPE, await said(path)]).toEqual(['linux_raid_member', { TYPE, UUID }]);
  });

  it('of a mirror whose superblock stands at its end is left to the walkers: its filesystem begins with it', async () => {
    const one = Buffer.alloc(SIZE);
    mdOne(one, END, 1, 0);
    expect(await recognised(one)).toBeUndefined();
    const zero = Buffer.alloc(SIZE);
    mdZero(zero, 1);
    expect(await recognised(zero)).toBeUndefined();
    const start = Buffer.alloc(SIZE);
    mdOne(start, 4096, 1, 2048);
    expect((await recognised(start))?.identity?.type).toBe('linux_raid_member');
  });

  it('of a ZFS pool: name and id of the pool as blkid says', async () => {
    const path = blankFile(folder, 80 * MIB);
    const bytes = readFileSync(path);
    zfsLabel(bytes, 'tank', 0x1234_5678_9abc_def0n);
    writeFileSync(path, bytes);
    const { TYPE, UUID, LABEL } = blkid(path);
    expect([TYPE, await said(path)]).toEqual(['zfs_member', { TYPE, UUID, LABEL }]);
  });
});

/** The four labels of a vdev: uberblocks and, in XDR, the list with the pool's name and id. */
function zfsLabel(bytes: Buffer, pool: string, guid: bigint): void {
  const xdrText = (text: string): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(text.length);
    return Buffer.concat([length, Buffer.from(text), Buffer.alloc((4 - (text.length % 4)) % 4)]);
  };
  const pair = (name: string, type: number, value: Buffer): Buffer => {
    const head = Buffer.alloc(8);
    const kind = Buffer.alloc(8);
    kind.writeUInt32BE(type, 0);
    kind.writeUInt32BE(1, 4);
    const body = Buffer.concat([xdrText(name), kind, value]);
    head.writeUInt32BE(body.length + 8, 0);
    head.writeUInt32BE(body.length + 8, 4);
    return Buffer.concat([head, body]);
  };
  const u64 = Buffer.alloc(8);
  u64.writeBigUInt64BE(guid);
  const list = Buffer.concat([
    Buffer.from([1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
    pair('version', 8, Buffer.from([0, 0, 0, 0, 0, 0, 0x13, 0x88])),
    pair('name', 9, xdrText(pool)),
    pair('pool_guid', 8, u64),
    Buffer.alloc(8),
  ]);
  const LABEL = 256 * 1024;
  for (const at of [0, LABEL, bytes.length - 2 * LABEL, bytes.length - LABEL]) {
    list.copy(bytes, at + 16 * 1024);
    for (let slot = 0; slot < 8; slot++) {
      bytes.writeBigUInt64LE(0x00bab10cn, at + 128 * 1024 + slot * 1024);
      bytes.writeBigUInt64LE(5000n, at + 128 * 1024 + slot * 1024 + 8);
    }
  }
}

describe('bytes that only look like a format', () => {
  it('zeros, text and noise are nothing', async () => {
    for (const fill of [0, 0x20, 0xff]) expect(await recognised(Buffer.alloc(MIB, fill))).toBeUndefined();
    const noise = Buffer.from(Uint8Array.from({ length: MIB }, (_, i) => (i * 2_654_435_761) >>> 13));
    expect(await recognised(noise)).toBeUndefined();
  });

  it('a volume of a few bytes is nothing, and no error', async () => {
    for (const length of [1, 511, 512, 4095, 4096, 65_535])
      expect(await recognised(Buffer.alloc(length))).toBeUndefined();
  });

  it('a boot sector whose numbers make no filesystem is no FAT', async (context) => {
    requireTools(context, 'mkfs.vfat');
    const path = join(folder, 'fat.img');
    writeFileSync(path, Buffer.alloc(20 * MIB));
    execFileSync('mkfs.vfat', ['-F', '16', path], { stdio: 'pipe' });
    const good = readFileSync(path);
    expect((await recognised(good))?.identity?.type).toBe('vfat');
    for (const [at, value] of [
      [11, 0x01], // sector size
      [13, 3], // sectors per cluster
      [14, 0], // reserved sectors
      [16, 0], // tables
      [21, 0x12], // media
      [510, 0], // signature
    ]) {
      const bad = Buffer.from(good);
      bad[at] = value;
      if (at === 11) bad[12] = value;
      if (at === 14) bad[15] = 0;
      expect((await recognised(bad))?.identity?.type, `byte ${at}`).toBeUndefined();
    }
  });

  it('a number above 2^53 in a superblock is nonsense, not a crash', async () => {
    const bytes = Buffer.alloc(MIB);
    bytes.write('_BHRfS_M', 65_536 + 64, 'latin1');
    bytes.fill(0xff, 65_536 + 0x88, 65_536 + 0x90);
    expect(await recognised(bytes)).toBeUndefined();
  });
});
