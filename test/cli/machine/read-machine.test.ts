// What is read of sysfs and /proc: a tree as the kernel lays it out, and this machine beside lsblk.
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readMachine } from '../../../src/cli/machine/read-machine.ts';
import { describeWithTools, tempFolder } from '../../support/tools.ts';

/** Files of a folder from their texts. */
function lay(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

describe('a machine read from sysfs', () => {
  it('has disks with partitions, device-mapper, md and loop devices', () => {
    const folder = tempFolder();
    lay(folder, {
      'sys/devices/sda/dev': '8:0\n',
      'sys/devices/sda/size': '2097152\n',
      'sys/devices/sda/ro': '0\n',
      'sys/devices/sda/queue/logical_block_size': '4096\n',
      'sys/devices/sda/sda10/dev': '8:10\n',
      'sys/devices/sda/sda10/partition': '10\n',
      'sys/devices/sda/sda10/start': '4096\n',
      'sys/devices/sda/sda10/size': '2048\n',
      'sys/devices/sda/sda10/ro': '1\n',
      'sys/devices/sda/sda2/dev': '8:2\n',
      'sys/devices/sda/sda2/partition': '2\n',
      'sys/devices/sda/sda2/start': '2048\n',
      'sys/devices/sda/sda2/size': '2048\n',
      'sys/block/dm-0/dev': '253:0\n',
      'sys/block/dm-0/size': '100\n',
      'sys/block/dm-0/dm/name': 'vg-root\n',
      'sys/block/dm-0/dm/uuid': 'LVM-x\n',
      'sys/block/dm-0/slaves/sda2/dev': '8:2\n',
      'sys/block/md0/dev': '9:0\n',
      'sys/block/md0/size': '100\n',
      'sys/block/md0/md/level': 'raid1\n',
      'sys/block/loop0/dev': '7:0\n',
      'sys/block/loop0/size': '8\n',
      'sys/block/loop0/loop/backing_file': '/gone (deleted)\n',
      'sys/block/loop0/loop/offset': '512\n',
      'sys/block/loop0/loop/sizelimit': '4096\n',
      'sys/block/loop1/dev': '7:1\n',
      'sys/block/loop1/size': '0\n',
      'sys/block/cciss!c0d0/dev': '104:0\n',
      'sys/block/going/size': '0\n',
      'proc/self/mountinfo': '1 0 8:2 / /data rw - ext4 /dev/sda2 rw\n',
      'proc/swaps': 'Filename Type\n/nothing/here partition\n',
      'dev/sda': '',
      'dev/mapper/vg-root': '',
      'dev/cciss/c0d0': '',
    });
    symlinkSync('../devices/sda', join(folder, 'sys/block/sda'));
    const places = { sys: join(folder, 'sys'), proc: join(folder, 'proc'), dev: join(folder, 'dev') };
    const { devices, mounts, swaps } = readMachine(places);
    const found = new Map(devices.map((one) => [one.name, one]));
    expect([...found.keys()]).toEqual(['cciss!c0d0', 'dm-0', 'loop0', 'loop1', 'md0', 'sda', 'sda2', 'sda10']);
    expect(found.get('sda')).toMatchObject({
      number: '8:0',
      byteLength: 2 ** 30,
      sectorSize: 4096,
      path: join(folder, 'dev/sda'),
    });
    expect(found.get('sda10')).toMatchObject({
      byteLength: 2 ** 20,
      sectorSize: 4096,
      readOnly: true,
      path: undefined,
      partition: { disk: 'sda', number: 10, start: 4096 * 512 },
    });
    expect(found.get('dm-0')).toMatchObject({
      mapper: { name: 'vg-root', uuid: 'LVM-x' },
      slaves: ['sda2'],
      path: join(folder, 'dev/mapper/vg-root'),
    });
    expect(found.get('md0')?.mdLevel).toBe('raid1');
    expect(found.get('loop0')?.loop).toEqual({
      file: '/gone (deleted)',
      fileKey: undefined,
      offset: 512,
      sizeLimit: 4096,
    });
    expect(found.get('loop1')?.loop).toBeUndefined();
    expect(found.get('cciss!c0d0')?.path).toBe(join(folder, 'dev/cciss/c0d0'));
    expect(mounts.map(({ mountPoint }) => mountPoint)).toEqual(['/data']);
    expect(swaps).toEqual([]);
  });

  it('is empty where there is no sysfs', () => {
    const nowhere = tempFolder();
    expect(readMachine({ sys: nowhere, proc: nowhere, dev: nowhere })).toEqual({ devices: [], mounts: [], swaps: [] });
  });
});

describeWithTools(['lsblk'], 'this machine', () => {
  it('has the devices that lsblk finds, with their sizes', (context) => {
    const text = execFileSync(
      'lsblk',
      ['--json', '--bytes', '--list', '--all', '-o', 'KNAME,MAJ:MIN,SIZE,LOG-SEC,RO'],
      { encoding: 'utf8' },
    );
    interface Row {
      readonly kname: string;
      readonly 'maj:min': string;
      readonly size: number;
      readonly 'log-sec': number;
    }
    const { blockdevices } = JSON.parse(text) as { blockdevices: Row[] };
    const ours = new Map(readMachine().devices.map((one) => [one.name, one]));
    // Loop devices come and go while tests run.
    const lasting = blockdevices.filter(({ kname }) => !kname.startsWith('loop'));
    if (lasting.length === 0) return context.skip('no disks here');
    for (const row of lasting)
      expect(ours.get(row.kname)).toMatchObject({
        number: row['maj:min'],
        byteLength: row.size,
        sectorSize: row['log-sec'],
      });
  });
});
