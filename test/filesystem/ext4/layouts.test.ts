// The tables of ext4's structures against bytes that mke2fs wrote, and the checksums against published vectors.
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { crc32cRawWords } from '../../../src/bytes/crc32c.ts';
import type { Field, Layout } from '../../../src/bytes/layout.ts';
import { crc16, crcU32, crcU64, crcWithHole, inodeSeed } from '../../../src/filesystem/ext4/checksum.ts';
import { readExtentRoot } from '../../../src/filesystem/ext4/extents.ts';
import { InodeRows } from '../../../src/filesystem/ext4/inode-rows.ts';
import * as layouts from '../../../src/filesystem/ext4/layouts.ts';
import { PendingBlocks, type WalkState } from '../../../src/filesystem/ext4/walk-state.ts';
import { describeWithTools } from '../../support/tools.ts';
import { imageFolder, loaded, makeImage, run } from './support/images.ts';

type AnyLayout = Layout<Record<string, Field<unknown>>>;
const structures = Object.entries(layouts).filter(
  (entry): entry is [string, never] => typeof entry[1] === 'object' && 'decodeAll' in entry[1],
);

describe('every structure', () => {
  it.each(structures)('%s round-trips', (_name, structure) => {
    const table = structure as AnyLayout;
    fc.assert(
      fc.property(fc.uint8Array({ minLength: table.byteLength, maxLength: table.byteLength }), (bytes) => {
        const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        const values = table.decodeAll(view) as Record<string, unknown>;
        const again = table.encode(values as never);
        expect(table.decodeAll(new DataView(again.buffer))).toEqual(values);
      }),
      { numRuns: 20 },
    );
  });

  it('ends with the buffer', () => {
    expect(() => layouts.ext4_inode.decodeAll(new DataView(new ArrayBuffer(100)))).toThrow(RangeError);
  });
});

const folder = imageFolder();
describeWithTools(['mke2fs', 'dumpe2fs'], 'what mke2fs wrote', () => {
  let bytes: Buffer;
  let text: string;
  beforeAll(() => {
    const image = makeImage(folder, { size: 64 << 20, mke2fs: ['-t', 'ext4', '-b', '1024', '-L', 'golden'] });
    bytes = loaded(image).bytes;
    text = run('dumpe2fs', [image.path]);
  });
  const said = (name: string): string => new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(text)?.[1] ?? '';

  it('reads as dumpe2fs reads it: the superblock', () => {
    const view = new DataView(bytes.buffer, bytes.byteOffset + 1024, 1024);
    const s = layouts.ext4_super_block.decodeAll(view);
    expect(`${s.s_inodes_count}`).toBe(said('Inode count'));
    expect(`${s.s_blocks_count_lo}`).toBe(said('Block count'));
    expect(`${s.s_free_inodes_count}`).toBe(said('Free inodes'));
    expect(`${s.s_blocks_per_group}`).toBe(said('Blocks per group'));
    expect(`${s.s_inodes_per_group}`).toBe(said('Inodes per group'));
    expect(`${s.s_inode_size}`).toBe(said('Inode size'));
    expect(`${s.s_first_ino}`).toBe(said('First inode'));
    expect(`${s.s_journal_inum}`).toBe(said('Journal inode'));
    expect(`${s.s_desc_size}`).toBe(said('Group descriptor size'));
    expect(`${s.s_reserved_gdt_blocks}`).toBe(said('Reserved GDT blocks'));
    expect(`0x${s.s_checksum.toString(16).padStart(8, '0')}`).toBe(said('Checksum'));
    expect(Buffer.from(s.s_volume_name).toString('latin1').replaceAll('\0', '')).toBe('golden');
  });

  it('reads as dumpe2fs reads it: the last group descriptor', () => {
    const [, group, checksum] = [...text.matchAll(/^Group (\d+): .*csum 0x([0-9a-f]+)/gm)].at(-1) ?? [];
    const part = text.slice(text.indexOf(`Group ${group}:`));
    const view = new DataView(bytes.buffer, bytes.byteOffset + 2048 + Number(group) * 64, 64);
    const d = layouts.ext4_group_desc_64.decodeAll(view);
    expect(`${d.bg_block_bitmap_lo}`).toBe(/Block bitmap at (\d+)/.exec(part)?.[1]);
    expect(`${d.bg_inode_table_lo}`).toBe(/Inode table at (\d+)/.exec(part)?.[1]);
    expect(d.bg_checksum).toBe(Number.parseInt(checksum, 16));
    expect(`${d.bg_itable_unused_lo}`).toBe(/(\d+) unused inodes/.exec(part)?.[1]);
  });
});

describe('checksums', () => {
  it('are CRC-32C over words: RFC 3720 B.4', () => {
    const crc = (words: Int32Array): number => ~crc32cRawWords(-1, words, 0, words.length) >>> 0;
    expect(crc(new Int32Array(8))).toBe(0x8a9136aa);
    expect(crc(new Int32Array(8).fill(-1))).toBe(0x62a8ab43);
    expect(crc(new Int32Array(Uint8Array.from({ length: 32 }, (_, i) => i).buffer))).toBe(0x46dd794e);
  });

  it('chain over numbers as over their bytes', () => {
    const seed = 0x12345678;
    expect(inodeSeed(seed, 12, 0xfedcba98)).toBe(crcU32(crcU32(seed, 12), 0xfedcba98));
    expect(crcU64(seed, 0x1_0000_0005)).toBe(crcU32(crcU32(seed, 5), 1));
    const data = Uint8Array.from({ length: 16 }, (_, i) => i);
    const zeroed = data.slice().fill(0, 4, 8);
    expect(crcWithHole(seed, data, 4)).toBe(crcWithHole(seed, zeroed, 4));
  });

  it('are CRC-16 with the check value of CRC-16/ARC', () => {
    expect(crc16(0, Buffer.from('123456789'))).toBe(0xbb3d);
  });
});

describe('blocks beyond 2^32', () => {
  // The last extent of a 3 TiB file that mke2fs made on a volume of 20 TiB, as debugfs shows it:
  // 168/168 805273600 - 805306367 4832301046 - 4832333813 32768
  it('keep their upper bits', () => {
    const root = Buffer.from('0af3010004000000000000000080ff2f00800100f60f0720', 'hex');
    const words = new Int32Array(new Uint8Array(Buffer.concat([root, Buffer.alloc(36)])).buffer);
    const rows = new InodeRows(1);
    const row = rows.startRow();
    rows.extentLimit[row] = Number.POSITIVE_INFINITY;
    const walk = { g: { blockSize: 4096, blocksCount: 5_368_709_120, firstDataBlock: 0 } } as WalkState;
    readExtentRoot(walk, rows, new PendingBlocks(), row, words, 0, new DataView(words.buffer), 0);
    const batch = rows.finish();
    expect(batch.problems).toEqual([]);
    expect([...batch.extentFileOffset.slice(0, 1)]).toEqual([805_273_600 * 4096]);
    expect([...batch.extentVolumeOffset.slice(0, 1)]).toEqual([4_832_301_046 * 4096]);
    expect([...batch.extentLength.slice(0, 1)]).toEqual([32768 * 4096]);
  });
});
