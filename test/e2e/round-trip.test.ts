// Whole volumes to tape and back: the tree judged by the kernel or by the tree it was made from, the volume by e2fsck and by
// every block that dumpe2fs calls used. What cannot be indexed is copied whole and comes back byte for byte.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { debugfs, type Image, imageFolder, makeImage, run } from '../filesystem/ext4/support/images.ts';
import { makeTree, setAttribute } from '../filesystem/ext4/support/tree.ts';
import { layoutOf } from '../filesystem/ext4/support/truth.ts';
import { expectSameVolume } from '../support/judge.ts';
import { canMount, withMount } from '../support/mount.ts';
import { patterned } from '../support/mover.ts';
import { Site } from '../support/site.ts';
import { describeWithTools, requireRoot, tempFolder } from '../support/tools.ts';

const MIB = 2 ** 20;
const RECORD = 65_536;

const VARIANTS: Readonly<Record<string, { readonly size: number; readonly mke2fs: readonly string[] }>> = {
  'ext2, 1 KiB blocks': { size: 20 * MIB, mke2fs: ['-t', 'ext2', '-b', '1024', '-N', '512'] },
  'ext3, 2 KiB blocks': { size: 24 * MIB, mke2fs: ['-t', 'ext3', '-b', '2048', '-N', '512'] },
  ext4: { size: 24 * MIB, mke2fs: ['-t', 'ext4', '-b', '4096', '-N', '512'] },
  'ext4 with inline data, 1 KiB blocks': {
    size: 20 * MIB,
    mke2fs: ['-t', 'ext4', '-b', '1024', '-O', 'inline_data', '-N', '512'],
  },
};

/** What mke2fs -d cannot take from the test's own folder. */
const COMMANDS = [
  'mknod c1 c 5 1',
  'mknod b1 b 8 17',
  'mknod ff p',
  'sif small uid 70000',
  'sif small gid 80000',
  'sif m100k mode 0104711',
  'sif in130 mtime 0x60000000',
  'sif in130 mtime_extra 0x1dcd6500', // 125,000,000 ns
];

const DUMP = join(import.meta.dirname, '../support/tree-dump.py');
const dump = (folder: string): string[] =>
  execFileSync('python3', [DUMP, folder], { encoding: 'utf8', maxBuffer: 1 << 28 })
    .trim()
    .split('\n');

const folder = imageFolder();
const tree = join(folder, 'tree');

interface Backed {
  readonly site: Site;
  readonly set: string;
  readonly partial: boolean;
  readonly notes: readonly string[];
}

async function backUp(volume: Uint8Array): Promise<Backed> {
  const site = await Site.make({ cartridges: [{ barcode: 'RM1', capacity: 200 * MIB }] });
  const { manifest, partial, notes } = await site.backup(new MemoryStore({ content: volume }), { recordSize: RECORD });
  return { site, set: manifest.set, partial, notes };
}

async function restoredTree({ site, set }: Backed): Promise<string> {
  const to = join(tempFolder(), 'back');
  await using session = await site.open();
  const outcome = await session.restore(set, ['/'], to);
  expect(outcome.problems).toEqual([]);
  expect(outcome.lost).toBe(0);
  return to;
}

describeWithTools(['mke2fs', 'debugfs', 'e2fsck', 'dumpe2fs', 'python3'], 'a volume to tape and back', () => {
  beforeAll(() => {
    mkdirSync(tree);
    makeTree(tree);
    setAttribute(join(tree, 'small'), 'user.note', 'small');
    setAttribute(join(tree, 'm100k'), 'user.long', 'x'.repeat(700));
    setAttribute(join(tree, 'd'), 'user.of-a-directory', 'd');
  });

  for (const [title, options] of Object.entries(VARIANTS)) {
    it(`${title}: the tree is the one that the kernel sees in the volume`, async (context) => {
      requireRoot(context);
      const image = makeImage(folder, { ...options, tree, debugfs: COMMANDS });
      const mountPoint = join(folder, `mount-${Object.keys(VARIANTS).indexOf(title)}`);
      mkdirSync(mountPoint);
      const how = `ro,noatime${title.startsWith('ext2') ? '' : ',noload'}`;
      if (!canMount(image.path, mountPoint, how)) return context.skip('no loop mounts here');
      const backed = await backUp(readFileSync(image.path));
      expect(backed.partial).toBe(false);
      const back = await restoredTree(backed);
      const expected = withMount(image.path, mountPoint, how, () => dump(mountPoint));
      const found = dump(back);
      expect(found.filter((line) => !expected.includes(line))).toEqual([]);
      expect(found).toEqual(expected);
    });

    it(`${title}: the restored volume pleases e2fsck and equals the source in every used block`, async () => {
      const image = makeImage(folder, { ...options, tree, debugfs: COMMANDS });
      const source = readFileSync(image.path);
      const { site, set } = await backUp(source);
      const { volume, lost } = await site.restoreVolume(set);
      expect(lost).toEqual([]);
      expectUsedBlocksEqual(image, source, volume);
      const restored = join(folder, 'restored.img');
      writeFileSync(restored, volume);
      expect(() => run('e2fsck', ['-fn', restored])).not.toThrow();
      // debugfs reads the restored volume's files as it does the source's.
      for (const path of ['/m100k', '/sparse', '/slow', '/d', '/in60'])
        expect(debugfs(restored, [`stat ${path}`])).toBe(debugfs(image.path, [`stat ${path}`]));
    });
  }

  it('without root the content, names and times are those of the tree that the volume was made from', async () => {
    const image = makeImage(folder, { ...VARIANTS.ext4, tree });
    const backed = await backUp(readFileSync(image.path));
    const back = await restoredTree(backed);
    const plain = (lines: string[]): unknown[] =>
      lines
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter(({ path }) => path !== '/' && path !== '/lost+found')
        // mke2fs -d takes whole seconds and no access times, and of years past 2038 the lower 32 bits.
        .map(({ atime: _, mtime, ...row }) => ({
          ...row,
          mtime: Number(BigInt.asIntN(32, BigInt(String(mtime).replace(/\d{9}$/, '') || 0))),
        }));
    expect(plain(dump(back))).toEqual(plain(dump(tree)));
  });
});

function expectUsedBlocksEqual(image: Image, source: Uint8Array, found: Uint8Array): void {
  const layout = layoutOf(image.path);
  const { blockSize } = layout;
  let different = 0;
  for (const block of layout.used) {
    const [from, to] = [block * blockSize, (block + 1) * blockSize];
    if (Buffer.compare(source.subarray(from, to), found.subarray(from, to)) !== 0) different++;
  }
  expect(layout.used.size).toBeGreaterThan(100);
  expect(different).toBe(0);
  expect(Buffer.compare(source.subarray(0, 1024), found.subarray(0, 1024)), 'before the first block').toBe(0);
}

describeWithTools(
  ['mke2fs', 'debugfs'],
  'a volume that cannot be indexed is copied whole, and comes back byte for byte',
  () => {
    const ext4 = (commands: readonly string[] = []): Uint8Array => {
      const files = tempFolder();
      writeFileSync(join(files, 'file'), patterned(30_000, 1));
      const mke2fs = ['-t', 'ext4', '-b', '1024', '-N', '64'];
      return readFileSync(makeImage(folder, { size: 4 * MIB, mke2fs, tree: files, debugfs: commands }).path);
    };
    const cases: Readonly<Record<string, { readonly volume: () => Uint8Array; readonly reason: RegExp }>> = {
      'a journal on another device, not replayed': {
        volume: () => ext4(['feature needs_recovery', 'ssv journal_inum 0', 'ssv journal_dev 0x801']),
        reason: /journal/,
      },
      'an unknown incompatible feature': {
        volume: () => {
          const image = Buffer.from(ext4());
          image.writeUInt32LE(image.readUInt32LE(1024 + 0x60) | 0x4000_0000, 1024 + 0x60);
          return image;
        },
        reason: /feature|INCOMPAT|checksum/i,
      },
      'no filesystem at all': { volume: () => patterned(300_000, 5), reason: /no filesystem/ },
      'no filesystem, and an odd size': { volume: () => patterned(300_001, 6), reason: /no filesystem/ },
      'one byte': { volume: () => patterned(1, 7), reason: /no filesystem/ },
      'nothing but zeros': { volume: () => new Uint8Array(200_000), reason: /no filesystem/ },
    };
    for (const [title, { volume: make, reason }] of Object.entries(cases)) {
      it(title, async () => {
        const volume = make();
        const backed = await backUp(volume);
        expect(backed.partial).toBe(true);
        await using session = await backed.site.open();
        const manifest = await session.manifest(backed.set);
        expect(manifest.filesystems[0].reason).toMatch(reason);
        const to = join(tempFolder(), 'back');
        const outcome = await session.restore(backed.set, ['/volume.img'], to);
        expect(outcome.lost).toBe(0);
        expectSameVolume(readFileSync(join(to, 'volume.img')), volume);
        const again = await (await backed.site.copy()).restoreVolume(backed.set);
        expect(again.lost).toEqual([]);
        expectSameVolume(again.volume, volume);
      });
    }

    it('a volume that ends behind its filesystem: what is behind comes back too', async () => {
      const image = Buffer.concat([ext4(), patterned(70_001, 9)]);
      const { site, set, partial } = await backUp(image);
      expect(partial).toBe(false);
      const { volume, lost } = await site.restoreVolume(set);
      expect(lost).toEqual([]);
      expectSameVolume(volume.subarray(image.length - 70_001), image.subarray(image.length - 70_001));
    });
  },
);
