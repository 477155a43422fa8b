// Which volumes of a machine can be backed up: a server with everything on it, as plain data.
import { describe, expect, it } from 'vitest';
import {
  type BlockDeviceFacts,
  type Machine,
  type MountFacts,
  parseMounts,
  parseSwaps,
} from '../../../src/cli/machine/facts.ts';
import { forbids, type Target, usesOf } from '../../../src/cli/machine/uses.ts';
import { type Probe, volumeRows } from '../../../src/cli/machine/verdict.ts';

const GIB = 2 ** 30;

const device = (name: string, number: string, more: Partial<BlockDeviceFacts> = {}): BlockDeviceFacts => ({
  name,
  number,
  path: `/dev/${name}`,
  byteLength: 8 * GIB,
  sectorSize: 512,
  readOnly: false,
  slaves: [],
  ...more,
});
const partition = (disk: string, number: number, id: string, start: number, byteLength: number): BlockDeviceFacts =>
  device(`${disk}${number}`, id, { byteLength, partition: { disk, number, start } });
const mapped = (name: string, number: string, label: string, uuid: string, slaves: string[]): BlockDeviceFacts =>
  device(name, number, { mapper: { name: label, uuid }, slaves, path: `/dev/mapper/${label}` });
const mount = (number: string, mountPoint: string, writable = true, type = 'ext4'): MountFacts => ({
  number,
  source: '/dev/whatever',
  mountPoint,
  type,
  writable,
});

/** sda: boot, root and swap on LVM. sdb: a filesystem, not mounted. sdc, sdd: a mirror. sde: opened LUKS. loops over an image. */
const MACHINE: Machine = {
  devices: [
    device('sda', '8:0', { byteLength: 20 * GIB }),
    partition('sda', 1, '8:1', 2 ** 20, GIB),
    partition('sda', 2, '8:2', 2 * GIB, 18 * GIB),
    mapped('dm-0', '253:0', 'vg-root', 'LVM-aaa', ['sda2']),
    mapped('dm-1', '253:1', 'vg-swap', 'LVM-bbb', ['sda2']),
    mapped('dm-2', '253:2', 'vg-free--lv', 'LVM-ccc', ['sda2']),
    device('sdb', '8:16'),
    device('sdc', '8:32'),
    device('sdd', '8:48'),
    device('md0', '9:0', { mdLevel: 'raid1', slaves: ['sdc', 'sdd'] }),
    device('sde', '8:64'),
    mapped('dm-3', '253:3', 'secret', 'CRYPT-LUKS2-ddd', ['sde']),
    device('sdf', '8:80'),
    partition('sdf', 1, '8:81', 2 ** 20, 1024),
    device('sr0', '11:0', { byteLength: 0 }),
    device('loop0', '7:0', { loop: { file: '/images/a.img', fileKey: '1:55', offset: 2 ** 20, sizeLimit: GIB } }),
    device('loop1', '7:1', { byteLength: 0 }),
    device('nvme0n1', '259:0', { path: undefined }),
  ],
  mounts: [
    mount('8:1', '/boot'),
    mount('253:0', '/'),
    mount('9:0', '/srv', false, 'xfs'),
    mount('7:0', '/mnt/a'),
    mount('0:44', '/net', true, 'nfs4'),
    mount('0:5', '/proc', true, 'proc'),
    mount('0:6', '/run', true, 'tmpfs'),
  ],
  swaps: ['253:1'],
};

const probe = (type: string, reason: string | null = null, more: Partial<Probe> = {}): Probe => ({
  type,
  label: '',
  uuid: '',
  reason,
  parts: [],
  ...more,
});
const part = (name: string, start: number, byteLength: number, type: string, reason: string | null = null) => ({
  name,
  byteLength,
  type,
  label: '',
  uuid: '',
  reason,
  ranges: byteLength === 0 ? [] : [{ start, end: start + byteLength }],
});

const PROBES = new Map<string, Probe>([
  [
    'sda',
    probe('gpt', null, {
      parts: [
        part('1', 2 ** 20, GIB, 'ext4'),
        part('vg/root', 3 * GIB, 8 * GIB, 'ext4'),
        part('vg/free-lv', 11 * GIB, 8 * GIB, 'xfs'),
        part('vg/thin', 0, 0, '', 'it is of type thin, which cannot be read here'),
      ],
    }),
  ],
  ['sda1', probe('ext4', null, { label: 'boot' })],
  ['sda2', probe('LVM2_member', 'a physical volume')],
  ['dm-0', probe('ext4')],
  ['dm-1', probe('swap')],
  ['dm-2', probe('xfs')],
  ['sdb', probe('ext4')],
  ['sdc', probe('linux_raid_member', 'a member')],
  ['sdd', probe('linux_raid_member', 'a member')],
  ['md0', probe('xfs')],
  ['sde', probe('crypto_LUKS', 'it is encrypted (LUKS2)')],
  ['dm-3', probe('ntfs', 'files of NTFS are not indexed yet')],
  ['sdf', { ...probe(''), error: 'cannot be opened: EACCES' }],
  ['loop0', probe('ext4')],
]);

describe('reelmap volumes', () => {
  const rows = volumeRows(MACHINE, PROBES, (path) => (path.includes('#') ? `'${path}'` : path));
  const row = (volume: string) => rows.find((one) => one.volume === volume);

  it('lists devices with content, parts without a device, and mounts from elsewhere, once each', () => {
    expect(rows.map(({ volume, kind }) => [volume, kind])).toEqual([
      ['/dev/sda', 'disk'],
      ['/dev/sda#vg/thin', 'logical volume'],
      ['/dev/sda1', 'partition'],
      ['/dev/sda2', 'partition'],
      ['/dev/mapper/vg-root', 'logical volume'],
      ['/dev/mapper/vg-swap', 'logical volume'],
      ['/dev/mapper/vg-free--lv', 'logical volume'],
      ['/dev/sdb', 'disk'],
      ['/dev/sdc', 'disk'],
      ['/dev/sdd', 'disk'],
      ['/dev/md0', 'array'],
      ['/dev/sde', 'disk'],
      ['/dev/mapper/secret', 'mapper'],
      ['/dev/sdf', 'disk'],
      ['/dev/sdf1', 'partition'],
      ['/dev/loop0', 'loop'],
      ['nvme0n1', 'disk'],
      ['/net', 'mount'],
    ]);
  });

  it('says of each whether it can be backed up now, and how or why not', () => {
    const verdicts = Object.fromEntries(rows.map(({ volume, verdict, why }) => [volume, `${verdict}: ${why}`]));
    expect(verdicts).toEqual({
      '/dev/sda':
        'snapshot: is mounted writable at /boot (/dev/sda1): needs a snapshot, or to be unmounted or remounted read-only',
      '/dev/sda#vg/thin': 'no: it is of type thin, which cannot be read here',
      '/dev/sda1':
        'snapshot: is mounted writable at /boot: needs a snapshot, or to be unmounted or remounted read-only',
      '/dev/sda2':
        'snapshot: is mounted writable at / (/dev/mapper/vg-root): needs a snapshot, or to be unmounted or remounted read-only',
      '/dev/mapper/vg-root':
        'snapshot: is mounted writable at /: needs a snapshot, or to be unmounted or remounted read-only',
      '/dev/mapper/vg-swap': 'no: is swapped to (/dev/mapper/vg-swap); swapoff it first',
      '/dev/mapper/vg-free--lv': 'now: xfs',
      '/dev/sdb': 'now: ext4',
      '/dev/sdc': 'no: is a member of the running array /dev/md0; back up /dev/md0',
      '/dev/sdd': 'no: is a member of the running array /dev/md0; back up /dev/md0',
      '/dev/md0': 'now: xfs',
      '/dev/sde': 'now: copied whole, not indexed: it is encrypted (LUKS2)',
      '/dev/mapper/secret': 'now: copied whole, not indexed: files of NTFS are not indexed yet',
      '/dev/sdf': 'no: what is on it is unknown: cannot be opened: EACCES',
      '/dev/sdf1': 'no: too small (1024 bytes)',
      '/dev/loop0':
        'snapshot: is mounted writable at /mnt/a: needs a snapshot, or to be unmounted or remounted read-only',
      nvme0n1: 'no: it has no node in /dev',
      '/net': 'no: nfs4 from /dev/whatever is not on a block device of this machine',
    });
    expect(row('/dev/sdb')).toMatchObject({ how: 'reelmap backup /dev/sdb', indexed: true });
    expect(row('/dev/sde')).toMatchObject({ indexed: false });
    expect(row('/dev/sda')).toMatchObject({ how: null, indexed: null, type: 'gpt', mountPoints: [] });
    expect(row('/dev/sda1')).toMatchObject({ label: 'boot', mountPoints: ['/boot'] });
  });

  it('a disk with nothing in use is offered whole, and each of its parts', () => {
    const idle: Machine = { devices: [device('sda', '8:0', { byteLength: 20 * GIB })], mounts: [], swaps: [] };
    const [disk, first, ...rest] = volumeRows(idle, PROBES, (path) => path);
    expect(disk).toMatchObject({ verdict: 'now', why: '4 parts, 1 of them not indexed file by file', indexed: false });
    expect(first).toMatchObject({
      volume: '/dev/sda#1',
      verdict: 'now',
      how: 'reelmap backup /dev/sda#1',
      byteLength: GIB,
    });
    expect(rest.map(({ volume, verdict }) => [volume, verdict])).toEqual([
      ['/dev/sda#vg/root', 'now'],
      ['/dev/sda#vg/free-lv', 'now'],
      ['/dev/sda#vg/thin', 'no'],
    ]);
  });
});

describe('who uses a volume', () => {
  const said = (target: Target, range?: { start: number; end: number }) =>
    forbids(usesOf(MACHINE, target, range), 'read')?.what;
  const sda: Target = { kind: 'device', number: '8:0' };

  it('goes down from a disk to its partitions, volumes, arrays and loop devices', () => {
    expect(said(sda)).toBe('is mounted writable at /boot');
    expect(said({ kind: 'device', number: '8:2' })).toBe('is mounted writable at /');
    expect(said({ kind: 'device', number: '8:32' })).toMatch(/member of the running array \/dev\/md0/);
    expect(said({ kind: 'device', number: '8:16' })).toBeUndefined();
    expect(said({ kind: 'device', number: '99:99' })).toBeUndefined();
  });

  it('only where bytes touch: a part of a disk is free while another is in use', () => {
    expect(said(sda, { start: 2 ** 20, end: 2 ** 21 })).toBe('is mounted writable at /boot');
    expect(said(sda, { start: GIB + 2 ** 20, end: 2 * GIB })).toBeUndefined();
    expect(said(sda, { start: GIB + 2 ** 20, end: 2 * GIB + 1 })).toBe('is mounted writable at /');
  });

  it('up from a partition: a disk that is mounted as a whole', () => {
    const machine = { ...MACHINE, mounts: [mount('8:0', '/strange')] };
    expect(usesOf(machine, { kind: 'device', number: '8:1' })).toHaveLength(1);
  });

  it('a file is in use through loop devices over the same file, whatever its name, where their bytes touch', () => {
    const file: Target = { kind: 'file', key: '1:55', path: '/images/other-name.img' };
    expect(said(file)).toBe('is mounted writable at /mnt/a');
    expect(said(file, { start: 0, end: 2 ** 20 })).toBeUndefined();
    expect(said(file, { start: 0, end: 2 ** 20 + 1 })).toBe('is mounted writable at /mnt/a');
    expect(said(file, { start: 2 ** 20 + GIB, end: 9 * GIB })).toBeUndefined();
    expect(said({ kind: 'file', key: '1:56', path: '/images/a.img' })).toBeUndefined();
    // Another loop device over the same bytes.
    const second = device('loop7', '7:7', {
      loop: { file: '/images/a.img', fileKey: '1:55', offset: 0, sizeLimit: 0 },
    });
    const machine = { ...MACHINE, devices: [...MACHINE.devices, second] };
    expect(forbids(usesOf(machine, { kind: 'device', number: '7:7' }), 'read')?.what).toBe(
      'is mounted writable at /mnt/a',
    );
  });

  it('a read-only mount forbids writing, not reading', () => {
    const uses = usesOf(MACHINE, { kind: 'device', number: '9:0' });
    expect(forbids(uses, 'read')).toBeUndefined();
    expect(forbids(uses, 'write')).toMatchObject({ what: 'is mounted at /srv', remedy: 'unmount it first' });
  });

  it('devices that are made of each other, as no kernel has them, end', () => {
    const circle: Machine = {
      devices: [device('dm-0', '1:0', { slaves: ['dm-1'] }), device('dm-1', '1:1', { slaves: ['dm-0'] })],
      mounts: [mount('1:1', '/x')],
      swaps: [],
    };
    expect(usesOf(circle, { kind: 'device', number: '1:0' })).toHaveLength(1);
  });
});

describe('what /proc says', () => {
  it('mounts with spaces in their names, optional fields, and of any kind', () => {
    const text = [
      '36 35 98:0 /mnt1 /mnt/a\\040b rw,noatime master:1 propagate_from:2 - ext3 /dev/root rw,errors=continue',
      '27 1 254:0 / / rw,relatime - ext4 /dev/vda ro,discard',
      'nonsense',
      '',
    ].join('\n');
    expect(parseMounts(text)).toEqual([
      { number: '98:0', source: '/dev/root', mountPoint: '/mnt/a b', type: 'ext3', writable: true },
      { number: '254:0', source: '/dev/vda', mountPoint: '/', type: 'ext4', writable: false },
    ]);
  });

  it('swaps, files too', () => {
    const text = 'Filename\t\t\t\tType\t\tSize\n/dev/dm-1   partition 1\n/swap\\040file file 2\n';
    expect(parseSwaps(text)).toEqual(['/dev/dm-1', '/swap file']);
  });
});
