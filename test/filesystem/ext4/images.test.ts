// Every kind of ext2/3/4 image that mke2fs makes, walked and compared with debugfs, dumpe2fs and the tree it was made from.
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { totalBytes } from '../../../src/bytes/extents.ts';
import { expectWalkConforms } from '../../conformance/filesystem.ts';
import { describeWithTools } from '../../support/tools.ts';
import { contentOf, pathsOf, type Walked, walkToMap } from '../../support/walked.ts';
import { type Image, type ImageOptions, imageFolder, makeImage, openImage } from './support/images.ts';
import { BAD_UTF8, EDGE_TARGET, LONGEST_NAME, listTree, makeTree, SLOW_TARGET } from './support/tree.ts';
import { layoutOf, statAll, type TrueInode, type TrueLayout } from './support/truth.ts';

const MiB = 1024 * 1024;
const HTREE = [['e2fsck', '-fyD']];
const IMAGES: Record<string, Omit<ImageOptions, 'tree'> & { readonly type: string }> = {
  'ext4 as mke2fs makes it': { type: 'ext4', size: 24 * MiB, mke2fs: ['-N', '384', '-t', 'ext4'] },
  'ext4 with 1 KiB blocks and hashed directories': {
    type: 'ext4',
    size: 24 * MiB,
    mke2fs: ['-N', '384', '-t', 'ext4', '-b', '1024'],
    after: HTREE,
  },
  'ext3 with 1 KiB blocks': {
    type: 'ext3',
    size: 48 * MiB,
    mke2fs: ['-N', '384', '-t', 'ext3', '-b', '1024'],
    after: HTREE,
  },
  'ext2 with 1 KiB blocks and 128-byte inodes': {
    type: 'ext2',
    size: 24 * MiB,
    mke2fs: ['-N', '384', '-t', 'ext2', '-b', '1024', '-I', '128'],
  },
  'ext2 of revision 0': { type: 'ext2', size: 24 * MiB, mke2fs: ['-N', '384', '-t', 'ext2', '-r', '0', '-b', '1024'] },
  'ext2 without file types, 2 KiB blocks': {
    type: 'ext2',
    size: 24 * MiB,
    mke2fs: ['-N', '384', '-t', 'ext2', '-b', '2048', '-O', '^filetype'],
  },
  'ext4 with 128-byte inodes': { type: 'ext4', size: 24 * MiB, mke2fs: ['-N', '384', '-t', 'ext4', '-I', '128'] },
  'ext4 with 8 KiB blocks': { type: 'ext4', size: 48 * MiB, mke2fs: ['-N', '384', '-t', 'ext4', '-b', '8192'] },
  'ext4 with 32 KiB blocks': { type: 'ext4', size: 96 * MiB, mke2fs: ['-N', '384', '-t', 'ext4', '-b', '32768'] },
  'ext4 with 64 KiB blocks': { type: 'ext4', size: 96 * MiB, mke2fs: ['-N', '384', '-t', 'ext4', '-b', '65536'] },
  'inline data': {
    type: 'ext4',
    size: 24 * MiB,
    mke2fs: ['-N', '384', '-t', 'ext4', '-O', 'inline_data', '-I', '256'],
  },
  'inline data in 512-byte inodes': {
    type: 'ext4',
    size: 24 * MiB,
    mke2fs: ['-N', '384', '-t', 'ext4', '-O', 'inline_data', '-I', '512'],
  },
  ea_inode: { type: 'ext4', size: 24 * MiB, mke2fs: ['-N', '384', '-t', 'ext4', '-O', 'ea_inode'] },
  bigalloc: { type: 'ext4', size: 48 * MiB, mke2fs: ['-N', '384', '-t', 'ext4', '-O', 'bigalloc', '-C', '65536'] },
  'bigalloc with 1 KiB blocks': {
    type: 'ext4',
    size: 24 * MiB,
    mke2fs: ['-N', '384', '-t', 'ext4', '-b', '1024', '-O', 'bigalloc', '-C', '8192'],
  },
  'meta_bg, 64-bit': {
    type: 'ext4',
    size: 24 * MiB,
    mke2fs: ['-N', '384', '-t', 'ext4', '-b', '1024', '-g', '1024', '-O', 'meta_bg,^resize_inode'],
  },
  'meta_bg, 32-bit, without flex_bg': {
    type: 'ext4',
    size: 24 * MiB,
    mke2fs: ['-N', '384', '-t', 'ext4', '-b', '1024', '-g', '1024', '-O', 'meta_bg,^resize_inode,^flex_bg,^64bit'],
  },
  'uninit_bg with CRC-16 descriptors': {
    type: 'ext4',
    size: 48 * MiB,
    mke2fs: ['-N', '384', '-t', 'ext4', '-b', '1024', '-O', '^metadata_csum,uninit_bg'],
  },
  'uninit_bg, 32-bit': {
    type: 'ext4',
    size: 48 * MiB,
    mke2fs: ['-N', '384', '-t', 'ext4', '-b', '1024', '-O', '^metadata_csum,^64bit,uninit_bg'],
  },
  'no checksums at all': {
    type: 'ext4',
    size: 24 * MiB,
    mke2fs: ['-N', '384', '-t', 'ext4', '-O', '^metadata_csum'],
    after: HTREE,
  },
  'no flex_bg, 32-bit descriptors': {
    type: 'ext4',
    size: 24 * MiB,
    mke2fs: ['-N', '384', '-t', 'ext4', '-b', '1024', '-O', '^flex_bg,^64bit'],
  },
  sparse_super2: {
    type: 'ext4',
    size: 24 * MiB,
    mke2fs: ['-N', '384', '-t', 'ext4', '-b', '1024', '-O', 'sparse_super2,^resize_inode', '-E', 'num_backup_sb=2'],
  },
  'no sparse_super': {
    type: 'ext4',
    size: 24 * MiB,
    mke2fs: ['-N', '384', '-t', 'ext4', '-b', '1024', '-O', '^sparse_super,^resize_inode'],
  },
  'a checksum seed that is not the UUID': {
    type: 'ext4',
    size: 24 * MiB,
    mke2fs: ['-N', '384', '-t', 'ext4', '-O', 'metadata_csum_seed'],
    after: [['tune2fs', '-U', 'random']],
  },
  mmp: { type: 'ext4', size: 24 * MiB, mke2fs: ['-N', '384', '-t', 'ext4', '-O', 'mmp'] },
  'quota and project': { type: 'ext4', size: 24 * MiB, mke2fs: ['-N', '384', '-t', 'ext4', '-O', 'quota,project'] },
  'orphan file': { type: 'ext4', size: 24 * MiB, mke2fs: ['-N', '384', '-t', 'ext4', '-O', 'orphan_file'] },
  'encrypt, verity, stable_inodes and large_dir switched on': {
    type: 'ext4',
    size: 24 * MiB,
    mke2fs: ['-N', '384', '-t', 'ext4', '-O', 'encrypt,verity,stable_inodes,large_dir,fast_commit'],
  },
  casefold: {
    type: 'ext4',
    size: 24 * MiB,
    mke2fs: ['-N', '384', '-t', 'ext4', '-O', 'casefold', '-E', 'encoding=utf8'],
  },
};

const folder = imageFolder();
const tree = join(folder, 'tree');
beforeAll(() => {
  mkdirSync(tree);
  makeTree(tree);
});

const COMMANDS = [
  'mknod c1 c 5 1',
  'mknod b1 b 8 17',
  'mknod cbig c 300 60000',
  'mknod ff p',
  'write /dev/null unwritten',
  'sif small uid 70000',
  'sif small gid 80000',
  'fallocate unwritten 4 40',
  'sif unwritten size 30000',
];

for (const [title, { type, ...options }] of Object.entries(IMAGES)) {
  describeWithTools(['mke2fs', 'debugfs', 'dumpe2fs', 'e2fsck'], title, () => {
    let image: Image;
    let walked: Walked;
    let layout: TrueLayout;
    let truth: Map<number, TrueInode>;
    let paths: Map<string, number>;
    beforeAll(async () => {
      image = makeImage(folder, {
        ...options,
        tree,
        debugfs: COMMANDS.slice(0, title.startsWith('inline') ? 7 : undefined),
      });
      layout = layoutOf(image.path);
      truth = statAll(image.path, layout.inodeCount);
      const filesystem = await openImage(image);
      expect(filesystem.identity.type).toBe(type);
      expect(filesystem.notes).toEqual([]);
      walked = await walkToMap(filesystem);
      paths = pathsOf(walked, filesystem.rootInode);
    });

    it('conforms', async () => {
      const { problems } = await expectWalkConforms(await openImage(image), image.byteLength);
      expect(problems).toEqual([]);
    });

    it('has the tree and the bytes it was made from', async () => {
      const made = listTree(tree);
      const added = ['/', '/lost+found', '/c1', '/b1', '/cbig', '/ff', '/unwritten'];
      expect([...paths.keys()].sort()).toEqual([...made, ...added].sort());
      for (const path of [
        '/small',
        '/in60',
        '/in61',
        '/in160',
        '/in300',
        '/m100k',
        '/sparse',
        '/frag',
        '/far',
        '/empty',
      ]) {
        if (path === '/far' && type === 'ext4') continue; // 70 MB of holes, for triple indirect blocks
        if (path === '/sparse' && title.startsWith('inline')) continue; // mke2fs 1.47.0 forgets a last hole there
        const inode = walked.inodes.get(paths.get(path) ?? 0);
        if (inode === undefined) throw new Error(`${path} is missing`);
        const content = await contentOf(inode, image.readAt);
        expect(content.equals(readFileSync(join(tree, path))), path).toBe(true);
      }
      expect(paths.has(`/${BAD_UTF8.toString('latin1')}`)).toBe(true);
      expect(paths.has(`/${LONGEST_NAME}`)).toBe(true);
      expect(paths.has('/new\nline')).toBe(true);
      expect(paths.get('/hard')).toBe(paths.get('/small'));
    });

    it('has every symbolic link as one literal extent', () => {
      const target = (path: string): string | undefined =>
        walked.inodes.get(paths.get(path) ?? 0)?.extents[0]?.literal?.toString('latin1');
      expect(target('/fast')).toBe('small');
      expect(target('/fast59')).toBe('z'.repeat(59));
      expect(target('/slow60')).toBe(EDGE_TARGET);
      expect(target('/slow')).toBe(SLOW_TARGET);
    });

    it('has the attributes and blocks that debugfs has, of every inode', () => {
      const wrong: unknown[] = [];
      for (const inode of walked.inodes.values()) {
        const theirs = truth.get(inode.inode);
        if (theirs === undefined) throw new Error(`debugfs has no inode ${inode.inode}`);
        const ours = asDebugfs(inode, layout.blockSize);
        const expected = asOurs(theirs, layout.blockSize);
        if (JSON.stringify(ours) !== JSON.stringify(expected)) wrong.push({ inode: inode.inode, ours, expected });
      }
      expect(wrong.slice(0, 2)).toEqual([]);
    });

    it('lists every inode with a link, but for the hidden ones', () => {
      const hidden = new Set([1, 3, 4, 5, 6, 7, 8, 9, 10]);
      const listed = [...truth.values()].filter(({ inode, links, flags }) => {
        if (links === 0 || hidden.has(inode) || (flags & 0x20_0000) !== 0) return false;
        return (
          !layout.text.includes(`Orphan file inode:        ${inode}\n`) &&
          !layout.text.includes(`Project quota inode:      ${inode}\n`)
        );
      });
      expect([...walked.inodes.keys()]).toEqual(listed.map(({ inode }) => inode));
    });

    it('calls allocated what dumpe2fs does not call free', async () => {
      const runs = await (await openImage(image)).allocated();
      const ours = new Set<number>();
      for (let i = 0; i < runs.count; i++) {
        for (let at = runs.starts[i]; at < runs.starts[i] + runs.lengths[i]; at += layout.blockSize) {
          ours.add(at / layout.blockSize);
        }
      }
      for (let block = 0; block < layout.firstBlock; block++) ours.delete(block);
      const missing = [...layout.used].filter((block) => !ours.has(block));
      const extra = [...ours].filter((block) => !layout.used.has(block) && block < layout.blockCount);
      expect({ missing, extra }).toEqual({ missing: [], extra: [] });
      expect(totalBytes(runs)).toBeGreaterThan(0);
    });

    it('used blocks are data, trees, attributes, directories and fixed metadata, exactly', () => {
      const parts = new Set(layout.groupMetadata);
      for (const theirs of truth.values()) {
        if (theirs.links === 0 && ![1, 3, 4, 7, 8].includes(theirs.inode)) continue;
        for (const [block] of theirs.blocks.values()) parts.add(block);
        for (const block of theirs.treeBlocks) parts.add(block);
        if (theirs.fileAcl !== 0) parts.add(theirs.fileAcl);
      }
      const mmp = /^MMP block number: +(\d+)/m.exec(layout.text);
      if (mmp !== null) parts.add(Number(mmp[1]));
      const clusterOf = (block: number): number => Math.floor((block - layout.firstBlock) / layout.clusterBlocks);
      const clusters = new Set([...parts].map(clusterOf));
      const unowned = [...layout.used].filter((block) => !clusters.has(clusterOf(block)));
      const free = [...parts].filter((block) => !layout.used.has(block));
      expect({ unowned, free }).toEqual({ unowned: [], free: [] });
    });
  });
}

type Comparable = Record<string, unknown>;

const typeNames: Record<number, string> = {
  4096: 'FIFO',
  8192: 'character special',
  16384: 'directory',
  24576: 'block special',
  32768: 'regular',
  40960: 'symlink',
  49152: 'socket',
};

function asDebugfs(
  inode: Walked['inodes'] extends ReadonlyMap<number, infer T> ? T : never,
  blockSize: number,
): Comparable {
  const type = inode.mode & 0o170000;
  const blocks: [number, number, boolean][] = [];
  for (const extent of inode.extents) {
    for (let at = 0; at < extent.length && extent.literal === undefined; at += blockSize) {
      const disk = extent.kind === 1 ? -1 : (extent.volumeOffset + at) / blockSize;
      blocks.push([(extent.fileOffset + at) / blockSize, disk, extent.kind === 1]);
    }
  }
  return {
    type: typeNames[type],
    mode: inode.mode & 0o7777,
    generation: inode.generation,
    uid: inode.uid,
    gid: inode.gid,
    size: inode.size,
    links: inode.linkCount,
    times: [inode.atime, inode.mtime, inode.ctime].map(String),
    device: type === 0o020000 || type === 0o060000 ? [inode.major, inode.minor] : null,
    blocks,
  };
}

function asOurs(theirs: TrueInode, blockSize: number): Comparable {
  const isMapped = theirs.type === 'regular';
  const blocks = [...theirs.blocks]
    .filter(([fileBlock]) => isMapped && fileBlock * blockSize < theirs.size)
    .sort((a, b) => a[0] - b[0])
    .map(([fileBlock, [block, unwritten]]) => [fileBlock, unwritten ? -1 : block, unwritten]);
  const time = ([seconds, extra]: readonly [number, number]): string =>
    String((BigInt(seconds) + BigInt(extra & 3) * 2n ** 32n) * 1_000_000_000n + BigInt(extra >>> 2));
  return {
    type: theirs.type,
    mode: theirs.mode,
    generation: theirs.generation,
    uid: theirs.uid,
    gid: theirs.gid,
    size: theirs.size,
    links: theirs.links,
    times: [time(theirs.times.atime), time(theirs.times.mtime), time(theirs.times.ctime)],
    device: theirs.device ?? null,
    blocks,
  };
}
