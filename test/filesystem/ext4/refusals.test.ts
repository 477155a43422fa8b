// What is no ext4, what cannot be walked and why, and every field of the superblock that is checked.
import { beforeAll, describe, expect, it } from 'vitest';
import { crc32cRaw } from '../../../src/bytes/crc32c.ts';
import type { FormatError } from '../../../src/bytes/errors.ts';
import { viewOf } from '../../../src/bytes/layout.ts';
import { openExt4 } from '../../../src/filesystem/ext4/ext4.ts';
import { Incompat } from '../../../src/filesystem/ext4/features.ts';
import { ext4_super_block as SB } from '../../../src/filesystem/ext4/layouts.ts';
import type { NotWalkable } from '../../../src/filesystem/filesystem.ts';
import { type MemoryVolume, memoryVolume } from '../../support/memory-volume.ts';
import { describeWithTools } from '../../support/tools.ts';
import { mustWalk } from '../../support/walked.ts';
import { imageFolder, loaded, makeImage } from './support/images.ts';

const folder = imageFolder();

describe('a volume that is no ext4', () => {
  it('is not recognised', async () => {
    for (const bytes of [Buffer.alloc(0), Buffer.alloc(1500), Buffer.alloc(1 << 16, 0x5a)]) {
      expect(await openExt4(memoryVolume(bytes).readAt, bytes.length)).toBeUndefined();
    }
  });
});

describeWithTools(['mke2fs'], 'a volume that cannot be walked', () => {
  let good: Buffer;
  beforeAll(() => {
    good = loaded(makeImage(folder, { size: 16 << 20, mke2fs: ['-t', 'ext4', '-L', 'a label'] })).bytes;
  });

  /** The image with its superblock changed and its checksum right again. */
  function changed(change: (view: DataView) => void, fixChecksum = true): MemoryVolume {
    const bytes = Buffer.from(good);
    const superblock = new Uint8Array(bytes.buffer, bytes.byteOffset + 1024, 1024);
    const view = viewOf(superblock);
    change(view);
    if (fixChecksum) SB.s_checksum.set(view, 0, crc32cRaw(0xffff_ffff, superblock.subarray(0, 0x3fc)));
    return memoryVolume(bytes);
  }
  async function reasonFor(volume: MemoryVolume): Promise<string> {
    const opened = await openExt4(volume.readAt, volume.bytes.length);
    if (opened === undefined || 'walk' in opened) throw new Error('opened');
    return (opened satisfies NotWalkable).reason;
  }
  const incompat = (bit: number) => (view: DataView) =>
    SB.s_feature_incompat.set(view, 0, (SB.s_feature_incompat.get(view, 0) | bit) >>> 0);

  it('but the one that can is', async () => {
    const filesystem = mustWalk(await openExt4(changed(() => undefined).readAt, good.length));
    expect(filesystem.identity).toEqual({
      type: 'ext4',
      uuid: '00112233-4455-6677-8899-aabbccddeeff',
      label: 'a label',
      blockSize: 4096,
      byteLength: good.length,
    });
  });

  it('is an external journal', async () => {
    expect(await reasonFor(changed(incompat(Incompat.journalDev)))).toMatch(/external journal/);
  });

  it('has features that are not known, which are named', async () => {
    expect(await reasonFor(changed(incompat(Incompat.compression)))).toMatch(/the feature compression, which/);
    expect(await reasonFor(changed(incompat(0x8000_0800)))).toMatch(/the features FEATURE_I11, FEATURE_I31/);
  });

  it('has an unknown read-only feature: it is walked', async () => {
    const volume = changed((view) =>
      SB.s_feature_ro_compat.set(view, 0, SB.s_feature_ro_compat.get(view, 0) | 0x0800_0000),
    );
    mustWalk(await openExt4(volume.readAt, volume.bytes.length));
  });

  it('is shorter than its superblock says: an error in clear words', async () => {
    const short = memoryVolume(good.subarray(0, 10 << 20));
    await expect(openExt4(short.readAt, short.bytes.length)).rejects.toMatchObject({
      kind: 'corrupt',
      what: 'the filesystem has 16777216 bytes, the volume only 10485760: the image is cut short; copy it again, whole',
    } satisfies Partial<FormatError>);
  });

  it('has a wrong superblock checksum', async () => {
    expect(await reasonFor(changed((view) => SB.s_inodes_count.set(view, 0, 77), false))).toMatch(
      /checksum [0-9a-f]{8}, stored/,
    );
  });

  const wrong: [
    field: Exclude<keyof typeof SB, 'encode' | 'write' | 'decodeAll' | 'byteLength'>,
    value: number,
    says: RegExp,
  ][] = [
    ['s_log_block_size', 7, /block size/],
    ['s_log_block_size', 0xffff_ffff, /block size/],
    ['s_inode_size', 100, /inode size 100/],
    ['s_inode_size', 8192, /inode size 8192/],
    ['s_inode_size', 0, /inode size 0/],
    ['s_desc_size', 48, /group descriptor size 48/],
    ['s_desc_size', 32, /group descriptor size 32/],
    ['s_desc_size', 2048, /group descriptor size 2048/],
    ['s_first_data_block', 1, /first data block 1/],
    ['s_blocks_count_lo', 0, /0 blocks/],
    ['s_blocks_count_hi', 0x1_0000, /blocks count high/],
    ['s_blocks_per_group', 0, /0 blocks in a group/],
    ['s_blocks_per_group', 65536, /bitmap of 32768/],
    ['s_blocks_per_group', 4095, /4095 blocks in a group/],
    ['s_inodes_per_group', 0, /0 inodes in a group/],
    ['s_inodes_per_group', 65536, /bitmap of 32768/],
    ['s_inodes_count', 5, /5 inodes/],
    ['s_first_ino', 3, /first inode 3/],
    ['s_first_ino', 0xffff_ffff, /first inode/],
    ['s_free_inodes_count', 0xffff_ffff, /free inodes/],
    ['s_reserved_gdt_blocks', 0xffff, /reserved for descriptors/],
    ['s_checksum_type', 2, /checksum type 2/],
  ];
  it.each(wrong)('has %s of %d', async (field, value, says) => {
    expect(await reasonFor(changed((view) => SB[field].set(view, 0, value as never)))).toMatch(says);
  });

  it('cannot be read: the error comes through', async () => {
    const volume = memoryVolume(good);
    volume.unreadable.push({ start: 1024, end: 2048 });
    await expect(openExt4(volume.readAt, good.length)).rejects.toMatchObject({ kind: 'io' });
  });

  it('is told to have errors or orphans, and walked', async () => {
    const volume = changed((view) => {
      SB.s_state.set(view, 0, 2);
      SB.s_last_orphan.set(view, 0, 12);
    });
    const { notes } = mustWalk(await openExt4(volume.readAt, volume.bytes.length));
    expect(notes).toHaveLength(3);
    expect(notes.join()).toMatch(/marked as having errors.*not cleanly unmounted.*open without a name/s);
  });
});
