// Master boot records made by sfdisk and parted, and hostile ones: what those programs say is what we read, and chains end.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MasterBootRecord, MbrPartition } from '../../../src/filesystem/partition/layouts.ts';
import { decodeBootRecord, readMbr } from '../../../src/filesystem/partition/mbr.ts';
import { memoryVolume } from '../../support/memory-volume.ts';
import { describeWithTools } from '../../support/tools.ts';
import { imageFolder } from '../ext4/support/images.ts';
import { blankFile, diskBy, MIB, readTable, saidByPartx, saidBySfdisk, sfdiskDisk, tableOf } from './support/disks.ts';

const folder = imageFolder();

const SCRIPTS: Readonly<Record<string, string>> = {
  'one partition': 'label: dos\n,\n',
  'four primary ones, out of order':
    'label: dos\nstart=40960,size=2048\nstart=2048,size=2048,type=82\nstart=8192,size=2048\nstart=43008,type=7,bootable\n',
  'logical ones':
    'label: dos\nd1: size=4M\nd2: size=40M,type=5\nd5: size=4M\nd6: size=4M,type=82\nd7: size=4M\nd8: size=4M,type=8e\n',
  'an extended one first, of type 0f': 'label: dos\nd1: size=30M,type=f\nd2: size=8M\nd5: size=4M\nd6: size=2M\n',
  'an extended one of type 85 between':
    'label: dos\nd1: size=4M\nd3: size=20M,type=85\nd5: size=4M\nd4: size=4M\nd6: size=4M\n',
  'an old-style start at sector 63': 'label: dos\nstart=63,size=10000\n',
};

describeWithTools(['sfdisk', 'parted', 'partx'], 'a master boot record', () => {
  for (const [title, script] of Object.entries(SCRIPTS)) {
    it(`of sfdisk, ${title}: is as sfdisk and libblkid say`, async () => {
      const disk = sfdiskDisk(folder, 64 * MIB, script);
      const table = await readTable(disk);
      expect({ ...table, sectorSize: undefined, notes: undefined, doubtful: undefined }).toEqual(saidBySfdisk(disk));
      expect([table.notes, table.doubtful]).toEqual([[], false]);
      expect(table.partitions.map(({ number, start, byteLength }) => ({ number, start, byteLength }))).toEqual(
        saidByPartx(disk),
      );
    });
  }

  it('of parted with more logical partitions than any other program makes is as sfdisk says', async () => {
    const logical = Array.from({ length: 55 }, (_, i) => [
      'parted',
      '-s',
      '-a',
      'none',
      '{}',
      'mkpart',
      'logical',
      `${4096 + i * 1024}s`,
      `${4096 + i * 1024 + 1000}s`,
    ]);
    const disk = diskBy(
      folder,
      64 * MIB,
      ['parted', '-s', '{}', 'mklabel', 'msdos'],
      ['parted', '-s', '{}', 'mkpart', 'extended', '1MiB', '100%'],
      ...logical,
    );
    const table = await readTable(disk);
    expect(table.partitions).toHaveLength(55);
    expect(table.partitions).toEqual(saidBySfdisk(disk).partitions);
  });

  it('boot sectors of FAT, NTFS and exFAT are none', async () => {
    for (const [program, ...args] of [
      ['mkfs.vfat'],
      ['mkfs.vfat', '-F', '32', '-s', '1'],
      ['mkfs.ntfs', '-qFf'],
      ['mkfs.exfat'],
    ]) {
      const disk = blankFile(folder, 64 * MIB);
      const made = diskBy(folder, 64 * MIB, [program, ...args]);
      expect(await readMbr(memoryVolume(readFileSync(made)).readAt, 64 * MIB, 512), program).toBeUndefined();
      expect(await readMbr(memoryVolume(readFileSync(disk)).readAt, 64 * MIB, 512)).toBeUndefined();
    }
  });
});

interface Placed {
  readonly type: number;
  readonly start: number;
  readonly sectors: number;
}

const SECTOR = 512;

/** A disk of zeros with boot records at these sectors. */
function disk(sectors: number, records: Readonly<{ [lba: number]: readonly Placed[] }>): Buffer {
  const out = Buffer.alloc(sectors * SECTOR);
  const view = new DataView(out.buffer, out.byteOffset, out.length);
  for (const [lba, list] of Object.entries(records)) {
    const at = Number(lba) * SECTOR;
    MasterBootRecord.signature.set(view, at, 0xaa55);
    for (const [slot, { type, start, sectors: size }] of list.entries())
      MbrPartition.write(view, at + 446 + slot * 16, { osType: type, startingLba: start, sizeInLba: size });
  }
  return out;
}

describe('a hostile chain of logical partitions', () => {
  const extended = { type: 5, start: 100, sectors: 800 };

  it('that leads to itself ends', async () => {
    const bytes = disk(1000, {
      0: [extended],
      100: [
        { type: 0x83, start: 1, sectors: 9 },
        { type: 5, start: 0, sectors: 10 },
      ],
    });
    const table = await tableOf(bytes);
    expect(table?.partitions.map(({ number, start }) => [number, start])).toEqual([[5, 101 * SECTOR]]);
    expect(table?.notes).toEqual(['the chain of logical partitions breaks at sector 100: it leads there again']);
  });

  it('of two that lead to each other ends', async () => {
    const bytes = disk(1000, {
      0: [extended],
      100: [
        { type: 0x83, start: 1, sectors: 9 },
        { type: 5, start: 50, sectors: 10 },
      ],
      150: [
        { type: 0x83, start: 1, sectors: 9 },
        { type: 5, start: 0, sectors: 10 },
      ],
    });
    expect((await tableOf(bytes))?.partitions.map(({ number }) => number)).toEqual([5, 6]);
  });

  it('of many thousands is read up to a bound, and that is said', async () => {
    const records: { [lba: number]: Placed[] } = { 0: [{ type: 5, start: 1, sectors: 20_000 }] };
    for (let i = 0; i < 5000; i++)
      records[1 + i * 2] = [
        { type: 0x83, start: 1, sectors: 1 },
        { type: 5, start: (i + 1) * 2, sectors: 2 },
      ];
    const table = await tableOf(disk(20_100, records));
    expect(table?.partitions).toHaveLength(1024);
    expect(table?.notes).toEqual([expect.stringContaining('1024 partitions are all that is read')]);
  });

  it('that leads off the disk, to no boot record, or to a sector that cannot be read, is told of', async () => {
    const off = disk(1000, { 0: [extended], 100: [{ type: 5, start: 5000, sectors: 10 }] });
    expect((await tableOf(off))?.notes[0]).toMatch(/breaks at sector 5100: behind the end of the disk/);
    const none = disk(1000, { 0: [extended] });
    expect((await tableOf(none))?.notes[0]).toMatch(/breaks at sector 100: no boot record/);
    const volume = memoryVolume(disk(1000, { 0: [extended], 100: [] }));
    volume.unreadable.push({ start: 100 * SECTOR, end: 101 * SECTOR });
    expect((await readMbr(volume.readAt, volume.bytes.length, SECTOR))?.notes[0]).toMatch(/medium error/);
  });
});

describe('a master boot record in doubt', () => {
  it('partitions that overlap or end behind the disk make it doubtful', async () => {
    const sane = disk(1000, {
      0: [
        { type: 0x83, start: 1, sectors: 10 },
        { type: 0x83, start: 11, sectors: 989 },
      ],
    });
    expect((await tableOf(sane))?.doubtful).toBe(false);
    const overlap = disk(1000, {
      0: [
        { type: 0x83, start: 1, sectors: 11 },
        { type: 0x83, start: 11, sectors: 10 },
      ],
    });
    expect((await tableOf(overlap))?.doubtful).toBe(true);
    const long = disk(1000, { 0: [{ type: 0x83, start: 1, sectors: 1000 }] });
    expect((await tableOf(long))?.doubtful).toBe(true);
  });

  it('boot code in the place of records is no table; nor is one that begins behind the disk', async () => {
    const code = disk(1000, { 0: [{ type: 0x83, start: 1, sectors: 10 }] });
    code[446 + 16] = 0x74;
    expect(decodeBootRecord(new DataView(code.buffer, code.byteOffset, SECTOR))).toBeUndefined();
    const behind = disk(1000, { 0: [{ type: 0x83, start: 2000, sectors: 10 }] });
    expect(await tableOf(behind)).toBeUndefined();
  });

  it('the records round-trip through their layout', () => {
    const bytes = MbrPartition.encode({ bootIndicator: 0x80, osType: 0x8e, startingLba: 2048, sizeInLba: 4096 });
    const view = new DataView(bytes.buffer);
    expect(MbrPartition.decodeAll(view)).toEqual({
      bootIndicator: 0x80,
      osType: 0x8e,
      startingLba: 2048,
      sizeInLba: 4096,
    });
  });
});
