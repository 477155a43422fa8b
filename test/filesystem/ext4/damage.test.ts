// Damage: each flipped bit is named and costs only what it must; nothing hangs and nothing but a FormatError is thrown.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { FormatError } from '../../../src/bytes/errors.ts';
import { runAt, totalBytes } from '../../../src/bytes/extents.ts';
import { openExt4 } from '../../../src/filesystem/ext4/ext4.ts';
import { expectWalkConforms } from '../../conformance/filesystem.ts';
import { type MemoryVolume, memoryVolume } from '../../support/memory-volume.ts';
import { describeWithTools } from '../../support/tools.ts';
import { pathsOf, type Walked, walkToMap } from '../../support/walked.ts';
import { debugfs, imageFolder, loaded, makeImage, openMemory } from './support/images.ts';
import { makeTree } from './support/tree.ts';
import { layoutOf, statAll, type TrueInode, type TrueLayout } from './support/truth.ts';

const folder = imageFolder();
const tree = join(folder, 'tree');
const BS = 1024;
beforeAll(() => {
  mkdirSync(tree);
  makeTree(tree);
});

interface Subject {
  readonly good: MemoryVolume;
  readonly layout: TrueLayout;
  readonly truth: Map<number, TrueInode>;
  readonly inodeOf: (path: string) => TrueInode;
}

function subject(mke2fs: readonly string[], after: readonly (readonly string[])[] = []): Subject {
  const image = makeImage(folder, { size: 16 << 20, mke2fs: [...mke2fs, '-b', `${BS}`, '-N', '384'], tree, after });
  const layout = layoutOf(image.path);
  const truth = statAll(image.path, layout.inodeCount);
  return {
    good: loaded(image),
    layout,
    truth,
    inodeOf: (path) => {
      const inode = Number(/Inode: (\d+)/.exec(debugfs(image.path, [`stat ${path}`]))?.[1]);
      const found = truth.get(inode);
      if (found === undefined) throw new Error(`no inode ${inode}`);
      return found;
    },
  };
}

function damaged(good: MemoryVolume, ...ats: number[]): MemoryVolume {
  const volume = memoryVolume(Buffer.from(good.bytes));
  for (const at of ats) volume.bytes[at] ^= 0x10;
  return volume;
}

interface Outcome {
  readonly walked: Walked;
  readonly paths: Map<string, number>;
  /** `path: reason`, of files and directories. */
  readonly problems: string[];
  readonly notes: readonly string[];
}

async function walk(volume: MemoryVolume): Promise<Outcome> {
  const filesystem = await openMemory(volume);
  const walked = await walkToMap(filesystem);
  const paths = pathsOf(walked, 2);
  const byInode = new Map([...paths].map(([path, inode]) => [inode, path]));
  const problems = [
    ...[...walked.inodes.values()].flatMap(({ inode, problems: list }) =>
      list.map((reason) => [inode, reason] as const),
    ),
    ...walked.directoryProblems.map(({ inode, reason }) => [inode, reason] as const),
  ].map(([inode, reason]) => `${byInode.get(inode) ?? `<${inode}>`}: ${reason}`);
  return { walked, paths, problems, notes: filesystem.notes };
}

/** All but the given inodes are as on the good image. */
function othersUnharmed(before: Walked, after: Walked, ...but: number[]): void {
  for (const [inode, row] of before.inodes) {
    if (!but.includes(inode)) expect(after.inodes.get(inode)).toEqual(row);
  }
}

const TOOLS = ['mke2fs', 'debugfs', 'dumpe2fs', 'e2fsck'];
const bgChecksum = (group: number): number => 2 * BS + group * 64 + 0x1e;

describeWithTools(TOOLS, 'a flipped bit on ext4 with checksums', () => {
  let s: Subject;
  let whole: Outcome;
  beforeAll(async () => {
    s = subject(['-t', 'ext4'], [['e2fsck', '-fyD']]);
    whole = await walk(s.good);
    expect(whole.problems).toEqual([]);
  });
  const inodeAt = (inode: number): number => {
    const perGroup = Number(/^Inodes per group: +(\d+)/m.exec(s.layout.text)?.[1]);
    const tables = [...s.layout.text.matchAll(/Inode table at (\d+)/g)].map((match) => Number(match[1]));
    return tables[Math.floor((inode - 1) / perGroup)] * BS + ((inode - 1) % perGroup) * 256;
  };

  it('in an inode costs that file its content, and no other', async () => {
    const { inode } = s.inodeOf('/m100k');
    const after = await walk(damaged(s.good, inodeAt(inode) + 0x10));
    expect(after.problems).toEqual(['/m100k: inode checksum wrong']);
    expect(after.walked.inodes.get(inode)).toMatchObject({ flags: 8, extents: [] });
    othersUnharmed(whole.walked, after.walked, inode);
  });

  it("in a directory's inode costs nothing: its blocks have checksums of their own", async () => {
    const { inode } = s.inodeOf('/d');
    const after = await walk(damaged(s.good, inodeAt(inode) + 0x10));
    expect(after.problems).toEqual(['/d: inode checksum wrong']);
    expect(after.paths).toEqual(whole.paths);
    othersUnharmed(whole.walked, after.walked, inode);
  });

  it('in an extent tree block costs that file the extents below it', async () => {
    const { inode, treeBlocks } = s.inodeOf('/frag');
    expect(treeBlocks.length).toBeGreaterThan(4);
    const leaf = treeBlocks[treeBlocks.length - 1];
    const after = await walk(damaged(s.good, leaf * BS + 40));
    expect(after.problems).toEqual([`/frag: extent tree block ${leaf}: checksum wrong`]);
    expect(after.walked.inodes.get(inode)?.extents.length).toBeGreaterThan(100);
    othersUnharmed(whole.walked, after.walked, inode);
  });

  it('in a leaf of a directory costs the names in it', async () => {
    const { inode, blocks } = s.inodeOf('/d');
    const [block] = blocks.get(3) ?? [0];
    const after = await walk(damaged(s.good, block * BS + 20));
    expect(after.problems).toEqual([`/d: directory block ${block}: checksum wrong`]);
    const lost = [...whole.paths.keys()].filter((path) => !after.paths.has(path));
    expect(lost.length).toBeGreaterThan(3);
    expect(lost.every((path) => path.startsWith('/d/'))).toBe(true);
    othersUnharmed(whole.walked, after.walked, inode);
  });

  it("in a directory's index is named, and costs no name", async () => {
    const [block] = s.inodeOf('/d').blocks.get(0) ?? [0];
    const after = await walk(damaged(s.good, block * BS + 36));
    expect(after.problems).toEqual([`/d: directory block ${block}: index checksum wrong`]);
    expect(after.paths).toEqual(whole.paths);
  });

  it('in a block bitmap makes its whole group allocated, with a note', async () => {
    const bitmap = Number(/Block bitmap at (\d+)/.exec(s.layout.text)?.[1]);
    const filesystem = await openMemory(damaged(s.good, bitmap * BS + 600));
    const runs = await filesystem.allocated();
    expect(filesystem.notes).toEqual(['block bitmap of group 0 has a wrong checksum: all of the group is copied']);
    const run = runAt(runs, BS);
    expect(runs.starts[run] + runs.lengths[run]).toBeGreaterThanOrEqual(8193 * BS);
  });

  it('in a descriptor is repaired from its backup; nothing is lost', async () => {
    const after = await walk(damaged(s.good, bgChecksum(0)));
    expect(after.notes).toEqual(['descriptor of group 0 is damaged, its backup was used']);
    expect(after.problems).toEqual([]);
    expect(after.paths).toEqual(whole.paths);
    const filesystem = await openMemory(damaged(s.good, bgChecksum(0)));
    expect(totalBytes(await filesystem.allocated())).toBeGreaterThan(8192 * BS);
  });

  it('in all copies of a descriptor costs the inodes of its group, with a note', async () => {
    const backup = bgChecksum(1) + 8192 * BS;
    const after = await walk(damaged(s.good, bgChecksum(1), backup));
    expect(after.notes).toEqual([expect.stringMatching(/^descriptor of group 1 is damaged and has no good backup/)]);
    const before = await (await openMemory(s.good)).allocated();
    const runs = await (await openMemory(damaged(s.good, bgChecksum(1), backup))).allocated();
    expect(totalBytes(runs)).toBeGreaterThanOrEqual(totalBytes(before));
  });

  it('in the superblock: not walkable, with the reason', async () => {
    const volume = damaged(s.good, 1024 + 0x68);
    expect(await openExt4(volume.readAt, volume.bytes.length)).toMatchObject({
      reason: expect.stringMatching(/checksum/),
    });
  });

  it('a sector of inodes that cannot be read costs those inodes, and their names say so', async () => {
    const volume = damaged(s.good);
    const { inode } = s.inodeOf('/mid/entry_3');
    const start = Math.floor(inodeAt(inode) / BS) * BS;
    volume.unreadable.push({ start, end: start + BS });
    const after = await walk(volume);
    expect(after.notes).toEqual([expect.stringMatching(/^inodes \d+ to \d+ cannot be read: medium error/)]);
    expect(after.walked.inodes.size).toBe(whole.walked.inodes.size - 4);
    expect(after.problems.join()).toMatch(/"entry_3" names inode \d+, which is not in use/);
  });

  it('a directory block that cannot be read costs its names', async () => {
    const volume = damaged(s.good);
    const [block] = s.inodeOf('/mid').blocks.get(0) ?? [0];
    volume.unreadable.push({ start: block * BS, end: (block + 1) * BS });
    const after = await walk(volume);
    expect(after.problems).toEqual([
      expect.stringMatching(/^\/mid: directory block \d+: cannot be read: medium error/),
    ]);
  });
});

describeWithTools(TOOLS, 'nonsense without checksums', () => {
  let s: Subject;
  let indirect: Subject;
  beforeAll(() => {
    s = subject(['-t', 'ext4', '-O', '^metadata_csum']);
    indirect = subject(['-t', 'ext2']);
  });
  const blockOf = (path: string, from = s): number => (from.inodeOf(path).blocks.get(0) ?? [0])[0];

  async function changed(from: Subject, at: number, ...bytes: number[]): Promise<Outcome> {
    const volume = damaged(from.good);
    volume.bytes.set(bytes, at);
    await expectWalkConforms(await openMemory(volume), volume.bytes.length);
    return walk(volume);
  }

  it('in a record length ends the block there', async () => {
    const block = blockOf('/mid');
    for (const [bytes, says] of [
      [[4, 0], /entry at byte 0 of 4 bytes does not fit/],
      [[13, 0], /entry at byte 0 of 65548 bytes does not fit/],
      [[0xf8, 0x07], /entry at byte 0 of 2040 bytes does not fit/],
    ] as const) {
      const after = await changed(s, block * BS + 4, ...bytes);
      expect(after.problems.join()).toMatch(says);
      expect(after.paths.has('/mid/entry_0')).toBe(false);
      expect(after.paths.has('/d/e/f')).toBe(true);
    }
  });

  it('in a name: slash, NUL, none at all', async () => {
    const block = blockOf('/tiny');
    const name = block * BS + 24 + 8;
    expect((await changed(s, name, 0x2f)).problems).toEqual(['/tiny: entry "/" has a slash or NUL in its name']);
    expect((await changed(s, name, 0)).problems).toEqual(['/tiny: entry "\\u0000" has a slash or NUL in its name']);
    expect((await changed(s, name - 2, 0)).problems.join()).toMatch(/has a name of 0 bytes/);
  });

  it('in an inode number: out of range, not in use, a directory that has a name', async () => {
    const entry = blockOf('/tiny') * BS + 24;
    expect((await changed(s, entry, 0xff, 0xff, 0xff, 0x7f)).problems.join()).toMatch(/names inode 2147483647 of/);
    const unused = [...s.truth.values()].filter(({ links, inode }) => links === 0 && inode > 11).at(-1)?.inode ?? 0;
    expect((await changed(s, entry, unused & 0xff, unused >> 8, 0, 0)).problems).toEqual([
      `/tiny: entry "a" names inode ${unused}, which is not in use`,
    ]);
    const { inode } = s.inodeOf('/d');
    const after = await changed(s, entry, inode & 0xff, inode >> 8, 0, 0);
    expect(after.problems.join()).toMatch(/is a second name of directory inode/);
    expect((await changed(s, entry, 2, 0, 0, 0)).problems.join()).toMatch(/second name of directory inode 2/);
  });

  it('in an extent root: magic, depth, entries, order, place', async () => {
    const { inode } = s.inodeOf('/m100k');
    const at = s.good.bytes.indexOf(rootOf(s, inode)) - 0;
    for (const [offset, bytes, says] of [
      [0, [0], /wrong magic/],
      [6, [9], /depth 9, at most 5/],
      [2, [5], /5 extent entries, room for 4/],
      [16, [0, 0], /extent of 0 blocks/],
      [20, [0, 0, 0, 0], /is outside the filesystem/],
      [20, [0xff, 0xff, 0xff, 0x00], /is outside the filesystem/],
      [18, [0xff, 0xff], /is outside the filesystem/],
    ] as const) {
      const after = await changed(s, at + offset, ...bytes);
      expect(after.problems).toEqual([expect.stringMatching(says)]);
      expect(after.problems[0]).toMatch(/^\/m100k: /);
    }
  });

  it('in an extent tree block: magic, depth, range, a loop', async () => {
    const { treeBlocks } = s.inodeOf('/frag');
    const [first, second] = treeBlocks;
    for (const [offset, bytes, says] of [
      [0, [0], /wrong magic/],
      [2, [0, 0], /no entries/],
      [4, [0xff, 0xff], /room for 65535 entries claimed/],
      [6, [3], /depth 3, its parent says/],
    ] as const) {
      const after = await changed(s, first * BS + offset, ...bytes);
      expect(after.problems).toEqual([expect.stringMatching(says)]);
    }
    const loop = damaged(s.good);
    s.good.bytes.copy(loop.bytes, second * BS, first * BS, (first + 1) * BS);
    expect((await walk(loop)).problems.join()).toMatch(/frag/);
  });

  it('in indirect blocks: pointers out of the filesystem, pointers back to themselves', async () => {
    const { treeBlocks } = indirect.inodeOf('/far');
    const outside = await changed(indirect, treeBlocks[0] * BS, 0xff, 0xff, 0xff, 0x7f);
    expect(outside.problems).toEqual([expect.stringMatching(/^\/far: .*outside the filesystem$/)]);
    const loop = damaged(indirect.good);
    for (const block of treeBlocks) {
      for (let i = 0; i < BS; i += 4) loop.bytes.writeUInt32LE(block, block * BS + i);
    }
    const after = await walk(loop);
    expect(after.walked.inodes.size).toBeGreaterThan(200);
  });
});

describeWithTools(TOOLS, 'a block bitmap without a checksum', () => {
  for (const mke2fs of [
    ['-t', 'ext2'],
    ['-t', 'ext3'],
    ['-t', 'ext4', '-O', '^metadata_csum'],
    ['-t', 'ext4', '-O', '^metadata_csum,uninit_bg'],
  ]) {
    it(`${mke2fs.join(' ')}: a flipped bit makes its whole group allocated, with a note; as it was it is trusted`, async () => {
      const s = subject(mke2fs);
      const filesystem = await openMemory(s.good);
      const whole = await filesystem.allocated();
      expect(filesystem.notes).toEqual([]);
      const groups = [...s.layout.text.matchAll(/^Group (\d+): \(Blocks (\d+)-(\d+)\)[^]*?Block bitmap at (\d+)/gm)];
      expect(groups.length).toBeGreaterThan(1);
      for (const [, group, first, last, bitmap] of groups) {
        const at = Number(bitmap) * BS + 300 + Number(group);
        const changed = await openMemory(damaged(s.good, at));
        const allocated = await changed.allocated();
        const never = new RegExp(`^Group ${group}:.*BLOCK_UNINIT`, 'm').test(s.layout.text);
        if (never) {
          expect(changed.notes).toEqual([]);
          continue;
        }
        expect(changed.notes).toEqual([
          expect.stringMatching(
            new RegExp(`^block bitmap of group ${group} has \\d+ free blocks, not \\d+: all of the group is copied$`),
          ),
        ]);
        const run = runAt(allocated, Number(first) * BS);
        expect(allocated.starts[run] + allocated.lengths[run]).toBeGreaterThanOrEqual((Number(last) + 1) * BS);
        expect(totalBytes(allocated)).toBeGreaterThan(totalBytes(whole));
      }
    });
  }
});

/** The first 24 bytes of i_block of an inode with one extent, as they stand in the table. */
function rootOf(s: Subject, inode: number): Buffer {
  const found = s.truth.get(inode);
  const [block] = found?.blocks.get(0) ?? [0];
  const root = Buffer.alloc(24);
  root.writeUInt16LE(0xf30a, 0);
  root.writeUInt16LE(1, 2);
  root.writeUInt16LE(4, 4);
  root.writeUInt16LE(found?.blocks.size ?? 0, 16);
  root.writeUInt32LE(block, 20);
  return root;
}

describeWithTools(TOOLS, 'random flips', () => {
  describe.each([
    ['ext4', ['-t', 'ext4', '-O', 'inline_data,ea_inode']],
    ['ext4 without checksums', ['-t', 'ext4', '-O', '^metadata_csum']],
    ['ext2', ['-t', 'ext2']],
  ] as const)('%s', (_name, mke2fs) => {
    let good: Buffer;
    let metadata: number[];
    beforeAll(() => {
      const image = makeImage(folder, {
        size: 6 << 20,
        mke2fs: [...mke2fs, '-b', '1024', '-N', '384'],
        tree: tree,
      });
      good = loaded(image).bytes;
      const layout = layoutOf(image.path);
      const blocks = new Set(layout.groupMetadata);
      for (const { type, links, blocks: data, treeBlocks } of statAll(image.path, layout.inodeCount).values()) {
        if (links === 0) continue;
        for (const block of treeBlocks) blocks.add(block);
        if (type === 'directory') for (const [block] of data.values()) blocks.add(block);
      }
      metadata = [...blocks].filter((block) => good.subarray(block * BS, (block + 1) * BS).some((byte) => byte !== 0));
    });

    it('end the walk, with nothing but a FormatError', async () => {
      const flip = fc.tuple(fc.nat(), fc.nat(BS - 1), fc.integer({ min: 1, max: 255 }));
      await fc.assert(
        fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 40 }), async (flips) => {
          const volume = memoryVolume(Buffer.from(good));
          for (const [which, at, mask] of flips) volume.bytes[metadata[which % metadata.length] * BS + at] ^= mask;
          try {
            const opened = await openExt4(volume.readAt, volume.bytes.length);
            if (opened === undefined || !('walk' in opened)) return;
            await opened.allocated();
            for await (const batch of opened.walk()) expect(batch.count).toBeGreaterThanOrEqual(0);
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        }),
        { numRuns: 60 },
      );
    });
  });
});
