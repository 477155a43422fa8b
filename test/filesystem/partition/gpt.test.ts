// GUID partition tables made by sfdisk, sgdisk and parted: what those say of them is what we read, whichever copy is damaged.
import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { decodeGptEntries, decodeGptHeader, guidText, readGpt } from '../../../src/filesystem/partition/gpt.ts';
import { GptEntry, GptHeader } from '../../../src/filesystem/partition/layouts.ts';
import { memoryVolume } from '../../support/memory-volume.ts';
import { describeWithTools, requireRoot } from '../../support/tools.ts';
import { imageFolder } from '../ext4/support/images.ts';
import {
  blankFile,
  diskBy,
  MIB,
  readTable,
  saidByPartx,
  saidBySfdisk,
  sfdisk,
  sfdiskDisk,
  tableOf,
  withLoop,
} from './support/disks.ts';

const folder = imageFolder();

const SCRIPTS: Readonly<Record<string, string>> = {
  'one partition': 'label: gpt\n,\n',
  'several, with gaps, names and types': [
    'label: gpt',
    'label-id: 11223344-5566-7788-99AA-BBCCDDEEFF00',
    'start=2048, size=4096, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name="EFI system"',
    'start=20480, size=2048, type=21686148-6449-6E6F-744E-656564454649',
    'start=40960, type=L, name="Grüße 💾, 36 characters at most"',
  ].join('\n'),
  'out of order, with numbers left out': [
    'label: gpt',
    'disk.img7: start=40960, size=2048',
    'disk.img2: start=8192, size=2048',
    'disk.img5: start=4096, size=2048',
  ].join('\n'),
  'an empty table': 'label: gpt\n',
  'a longer array of entries': `label: gpt\ntable-length: 200\n${Array.from({ length: 200 }, (_, i) => `start=${4096 + i * 64}, size=64`).join('\n')}`,
};

describeWithTools(['sfdisk', 'sgdisk', 'parted', 'partx'], 'a GUID partition table', () => {
  for (const [title, script] of Object.entries(SCRIPTS)) {
    it(`of sfdisk, ${title}: is as sfdisk and libblkid say`, async () => {
      const disk = sfdiskDisk(folder, 64 * MIB, script);
      const table = await readTable(disk);
      expect({ ...table, sectorSize: undefined, notes: undefined, doubtful: undefined }).toEqual(saidBySfdisk(disk));
      expect([table.notes, table.doubtful, table.sectorSize]).toEqual([[], false, 512]);
      if (table.partitions.length > 0)
        expect(table.partitions.map(({ number, start, byteLength }) => ({ number, start, byteLength }))).toEqual(
          saidByPartx(disk),
        );
    });
  }

  it('of 4096-byte sectors is found without being told', async (context) => {
    requireRoot(context);
    const path = blankFile(folder, 64 * MIB);
    const script = 'label: gpt\nstart=256, size=1024, name=one\nstart=2048, size=512\n';
    const said = withLoop(path, ['--sector-size', '4096'], (device) => {
      sfdisk(device, script);
      return saidBySfdisk(device);
    });
    const table = await readTable(path);
    expect(table.sectorSize).toBe(4096);
    expect(table.partitions).toEqual(said.partitions);
    expect(table.partitions[0].start).toBe(256 * 4096);
  });

  it('of sgdisk and of parted is as sfdisk says', async () => {
    const ours = diskBy(folder, 64 * MIB, ['sgdisk', '-n', '1:0:+8M', '-n', '4:0:+4M', '-t', '4:8200', '-c', '4:swap']);
    expect((await readTable(ours)).partitions).toEqual(saidBySfdisk(ours).partitions);
    const other = diskBy(
      folder,
      64 * MIB,
      ['parted', '-s', '{}', 'mklabel', 'gpt'],
      ['parted', '-s', '{}', 'mkpart', 'boot', 'ext4', '1MiB', '9MiB'],
      ['parted', '-s', '{}', 'mkpart', 'rest', '9MiB', '100%'],
    );
    expect((await readTable(other)).partitions).toEqual(saidBySfdisk(other).partitions);
  });

  it('a hybrid master boot record beside it does not matter', async () => {
    const disk = diskBy(folder, 64 * MIB, ['sgdisk', '-n', '1:0:+8M', '-n', '2:0:+8M'], ['sgdisk', '-h', '1:2']);
    const table = await readTable(disk);
    expect([table.type, table.partitions]).toEqual(['gpt', saidBySfdisk(disk).partitions]);
  });
});

describeWithTools(['sfdisk'], 'a damaged GUID partition table', () => {
  const disk = (): Buffer =>
    readFileSync(sfdiskDisk(folder, 8 * MIB, `${SCRIPTS['one partition'].replace(',', 'size=4096')}`));
  const LAST = 8 * MIB - 512;

  for (const [what, at] of [
    ['signature', 512],
    ['checksum', 512 + 16],
    ['disk GUID', 512 + 60],
    ['entries', 1024 + 33],
    ['last, unused entry', 1024 + 127 * 128],
  ] as const) {
    it(`${what} of the primary wrong: the backup is read, and that is said`, async () => {
      const bytes = disk();
      const before = await tableOf(bytes);
      bytes[at] ^= 0x40;
      const table = await tableOf(bytes);
      expect(table?.partitions).toEqual(before?.partitions);
      expect(table?.notes).toEqual([expect.stringMatching(/^the primary partition table is damaged .*backup/)]);
      expect(table?.doubtful).toBe(false);
    });
  }

  it('the first mebibyte wiped: the backup is read, in doubt', async () => {
    const bytes = disk();
    const before = await tableOf(bytes);
    bytes.fill(0, 0, MIB);
    expect(await tableOf(bytes)).toMatchObject({ partitions: before?.partitions, doubtful: true });
  });

  it('a damaged backup is told of', async () => {
    const bytes = disk();
    bytes[LAST + 20] ^= 1;
    expect((await tableOf(bytes))?.notes).toEqual([
      expect.stringMatching(/^the backup partition table cannot be used/),
    ]);
    const other = disk();
    const array = Buffer.from(other.subarray(LAST - 32 * 512, LAST));
    array.write('X', 56, 'utf16le');
    array.copy(other, LAST - 32 * 512);
    refit(other, LAST, crc32(array));
    expect((await tableOf(other))?.notes).toEqual([expect.stringMatching(/^the backup .* says something else/)]);
  });

  it('both wrong: it is none', async () => {
    const bytes = disk();
    bytes[512] ^= 1;
    bytes[LAST] ^= 1;
    expect(await tableOf(bytes)).toBeUndefined();
  });

  it('an image that was cut short keeps what its primary says', async () => {
    const bytes = disk();
    const before = await tableOf(bytes);
    const cut = await tableOf(bytes.subarray(0, 5 * MIB));
    expect(cut?.partitions).toEqual(before?.partitions);
    expect(cut?.notes).toEqual([expect.stringMatching(/block \d+ of a disk of 10240/)]);
  });

  it('what cannot be read is as what is damaged', async () => {
    const volume = memoryVolume(disk());
    volume.unreadable.push({ start: 512, end: 1024 });
    const table = await readGpt(volume.readAt, volume.bytes.length, [512]);
    expect(table?.partitions).toHaveLength(1);
    expect(table?.notes[0]).toContain('medium error');
  });

  it('each field of the header that contradicts the rest is refused by name', () => {
    const cases: [(header: DataView) => void, RegExp][] = [
      [(header) => GptHeader.headerSize.set(header, 0, 91), /a header of 91 bytes/],
      [(header) => GptHeader.headerSize.set(header, 0, 513), /a header of 513 bytes/],
      [(header) => GptHeader.myLba.set(header, 0, 2), /says that it stands elsewhere/],
      [(header) => GptHeader.sizeOfPartitionEntry.set(header, 0, 127), /entries of 127 bytes/],
      [(header) => GptHeader.sizeOfPartitionEntry.set(header, 0, 132), /entries of 132 bytes/],
      [(header) => GptHeader.numberOfPartitionEntries.set(header, 0, 0), /0 entries/],
      [(header) => GptHeader.numberOfPartitionEntries.set(header, 0, 0xffff_ffff), /4294967295 entries/],
    ];
    for (const [change, words] of cases) {
      const bytes = disk();
      const view = new DataView(bytes.buffer, bytes.byteOffset + 512, 512);
      change(view);
      refit(bytes, 512);
      expect(() => decodeGptHeader(view, 1)).toThrow(words);
    }
  });
});

/** Puts the header's checksum right again, and the entries' if that is given. */
function refit(bytes: Buffer, at: number, entriesCrc?: number): void {
  if (entriesCrc !== undefined) bytes.writeUInt32LE(entriesCrc, at + 88);
  bytes.writeUInt32LE(0, at + 16);
  const size = Math.min(512, Math.max(92, bytes.readUInt32LE(at + 12)));
  bytes.writeUInt32LE(crc32(bytes.subarray(at, at + size)), at + 16);
}

describe('GPT structures', () => {
  it('round-trip through their layouts', () => {
    const entry = GptEntry.encode({ startingLba: 2048, endingLba: 4095, partitionName: Buffer.from('ab', 'utf16le') });
    expect(GptEntry.decodeAll(new DataView(entry.buffer))).toMatchObject({ startingLba: 2048, endingLba: 4095 });
    const header = GptHeader.encode({ headerSize: 92, numberOfPartitionEntries: 128, sizeOfPartitionEntry: 128 });
    expect(GptHeader.encode(GptHeader.decodeAll(new DataView(header.buffer)))).toEqual(header);
  });

  it('a GUID is written as the specification does', () => {
    // UEFI Specification 2.10, appendix A, and the EFI system partition's type as it stands on every disk.
    const stored = Buffer.from('28732ac11ff8d211ba4b00a0c93ec93b', 'hex');
    expect(guidText(stored)).toBe('C12A7328-F81F-11D2-BA4B-00A0C93EC93B');
  });

  it('more partitions than are read are refused, not cut', () => {
    const array = Buffer.alloc(2000 * 128, 1);
    const header = {
      diskGuid: '',
      alternateLba: 0,
      firstUsableLba: 0,
      lastUsableLba: 0,
      entriesLba: 2,
      entryCount: 2000,
      entryBytes: 128,
      entriesCrc32: crc32(array),
    };
    expect(() => decodeGptEntries(new DataView(array.buffer, array.byteOffset, array.length), header, 512)).toThrow(
      /more than 1024 partitions/,
    );
  });
});
