// Filesystems that were in use when the machine stopped: the walk through the replayed journal, against what the kernel
// shows after its own replay of a copy. Only for root where loop mounts work.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectWalkConforms } from '../../conformance/filesystem.ts';
import { canMount } from '../../support/mount.ts';
import { hasTools } from '../../support/tools.ts';
import { walkToMap } from '../../support/walked.ts';
import { asDumped, differences } from './support/as-dumped.ts';
import { type DirtyOptions, kernelTree, makeDirty } from './support/dirty.ts';
import { type Image, imageFolder, makeImage, openImage } from './support/images.ts';

const MiB = 1024 * 1024;
/** More of each with REELMAP_TEST_SEEDS: `first-last`. */
const [FIRST, LAST] = (process.env.REELMAP_TEST_SEEDS ?? '2-2').split('-').map(Number);

interface Kind extends Omit<DirtyOptions, 'seed' | 'operations'> {
  readonly operations?: number;
  /** What dumpe2fs says of the journal's features. */
  readonly features: RegExp;
  /** False: the kernel's replay sets the times of folders to its own. */
  readonly folderTimes?: boolean;
  /** What must be said, if only of some seeds. */
  readonly notes?: RegExp;
  /** The kernel refuses some of what it wrote itself: then there is no opinion to compare with. */
  readonly mayBeRefused?: boolean;
}

const KINDS: Record<string, Kind> = {
  'checksums of version 3': { size: 64 * MiB, mke2fs: ['-t', 'ext4'], features: /journal_64bit journal_checksum_v3/ },
  'no checksums, 32 bits': {
    size: 64 * MiB,
    mke2fs: ['-t', 'ext4', '-O', '^metadata_csum,^64bit'],
    features: /^(journal_incompat_revoke)?$|\(none\)/,
  },
  'ext3, 1 KiB blocks': {
    size: 64 * MiB,
    mke2fs: ['-t', 'ext3', '-b', '1024'],
    features: /^(journal_incompat_revoke)?$|\(none\)/,
  },
  'checksums of version 1 and async commits': {
    size: 64 * MiB,
    mke2fs: ['-t', 'ext4', '-O', '^metadata_csum'],
    mount: 'data=writeback,journal_async_commit',
    features: /journal_checksum.*journal_async_commit|journal_async_commit.*journal_checksum/,
  },
  'checksums of version 3 and async commits': {
    size: 64 * MiB,
    mke2fs: ['-t', 'ext4', '-b', '2048'],
    mount: 'data=writeback,journal_async_commit',
    features: /journal_async_commit.*journal_checksum_v3/,
  },
  'data in the journal': {
    size: 96 * MiB,
    mke2fs: ['-t', 'ext4'],
    mount: 'data=journal',
    features: /journal_checksum_v3/,
  },
  'data in the journal, 1 KiB blocks, block maps': {
    size: 96 * MiB,
    mke2fs: ['-t', 'ext3', '-b', '1024'],
    mount: 'data=journal',
    features: /./,
  },
  'a small journal that has gone round': {
    size: 64 * MiB,
    mke2fs: ['-t', 'ext4', '-b', '1024', '-J', 'size=1'],
    operations: 900,
    features: /journal_checksum_v3/,
  },
  'an orphan file': { size: 64 * MiB, mke2fs: ['-t', 'ext4', '-O', 'orphan_file'], features: /journal_checksum_v3/ },
  'inline data and attributes in inodes': {
    size: 64 * MiB,
    mke2fs: ['-t', 'ext4', '-O', 'inline_data,ea_inode'],
    features: /journal_checksum_v3/,
  },
  'fast commits': {
    size: 64 * MiB,
    mke2fs: ['-t', 'ext4', '-O', 'fast_commit'],
    features: /journal_checksum_v3/,
    folderTimes: false,
    operations: 120,
    tail: 40,
    notes: /fast commits were replayed in memory: \d+ changes/,
    mayBeRefused: true,
  },
  'fast commits with new folders': {
    size: 64 * MiB,
    mke2fs: ['-t', 'ext4', '-b', '1024', '-O', 'fast_commit'],
    features: /journal_checksum_v3/,
    folderTimes: false,
    operations: 100,
    tail: 12,
    folders: true,
    notes: /fast commits were replayed in memory: \d+ changes/,
    mayBeRefused: true,
  },
  bigalloc: {
    size: 96 * MiB,
    mke2fs: ['-t', 'ext4', '-O', 'bigalloc', '-C', '16384'],
    features: /journal_checksum_v3/,
  },
};

const folder = imageFolder();
const mountPoint = join(folder, 'mnt');
mkdirSync(mountPoint);
const mountable =
  hasTools('mke2fs', 'dumpe2fs', 'python3', 'mount') &&
  canMount(makeImage(folder, { size: 8 * MiB, mke2fs: [] }).path, mountPoint, 'ro');
if (!mountable) console.warn('not run: journals that the kernel wrote, which need root and loop mounts');

const seeds = Array.from({ length: LAST - FIRST + 1 }, (_, i) => FIRST + i);

describe.skipIf(!mountable)('a filesystem that was in use', () => {
  for (const [
    title,
    { features, operations = 250, folderTimes = true, notes, mayBeRefused = false, ...options },
  ] of Object.entries(KINDS)) {
    const said: string[] = [];
    it.each(
      notes === undefined ? seeds : [...seeds, LAST + 1],
    )(`with ${title} is walked as the kernel replays it, seed %d`, async (seed) => {
      const image = makeDirty(folder, { ...options, operations, seed });
      const text = execFileSync('dumpe2fs', ['-h', image.path], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      expect(text).toMatch(/needs_recovery/);
      expect(/Journal features: +(.*)/.exec(text)?.[1]).toMatch(features);
      said.push(...(await expectAsReplayed(image, folderTimes, mayBeRefused)));
    });
    if (notes !== undefined) {
      it(`with ${title} was there to be seen, and judged`, () => {
        expect(said.join()).toMatch(notes);
        expect(said).toContain('judged');
      });
    }
  }
});

async function expectAsReplayed(image: Image, folderTimes: boolean, mayBeRefused: boolean): Promise<readonly string[]> {
  const filesystem = await openImage(image);
  expect(filesystem.notes.join()).toMatch(/the journal was replayed in memory: [1-9]/);
  expect(filesystem.damage).toEqual([]);
  const walked = await walkToMap(filesystem);
  const ours = await asDumped(walked, image.readAt, filesystem.identity.blockSize);
  const truth = kernelTree(image.path, folder);
  if (truth !== undefined) {
    expect(truth.length).toBeGreaterThan(20);
    expect(differences(ours, truth, { folderTimes }).slice(0, 2)).toEqual([]);
  } else expect(mayBeRefused, 'the kernel refuses the image').toBe(true);
  expect((await expectWalkConforms(await openImage(image), image.byteLength)).problems).toEqual([]);
  return [...filesystem.notes, truth === undefined ? 'refused by the kernel' : 'judged'];
}
