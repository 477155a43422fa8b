// A volume of 20 TiB with block numbers beyond 2^32: sparse, made by mke2fs, judged by debugfs and dumpe2fs.
import { closeSync, ftruncateSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { totalBytes } from '../../../src/bytes/extents.ts';
import { expectWalkConforms } from '../../conformance/filesystem.ts';
import { describeWithTools } from '../../support/tools.ts';
import { pathsOf, type Walked, walkToMap } from '../../support/walked.ts';
import { debugfs, type Image, imageFolder, makeImage, openImage, run } from './support/images.ts';

const TIB = 2 ** 40;
const SIZE = 20 * TIB;
const folder = imageFolder();

/** ext4 on the host has files of 16 TiB at most; tmpfs and XFS take it. */
function hostTakes(byteLength: number): boolean {
  const path = join(folder, 'probe');
  const file = openSync(path, 'w');
  try {
    ftruncateSync(file, byteLength);
    return true;
  } catch {
    return false;
  } finally {
    closeSync(file);
    rmSync(path);
  }
}

if (!hostTakes(SIZE)) it.skip('a volume of 20 TiB: the file system here has no files of that size');
else {
  describeWithTools(['mke2fs', 'debugfs', 'dumpe2fs'], 'a volume of 20 TiB', () => {
    let image: Image;
    let walked: Walked;
    let paths: Map<string, number>;
    beforeAll(async () => {
      image = makeImage(folder, { size: SIZE, mke2fs: ['-t', 'ext4', '-T', 'hugefiles'] });
      walked = await walkToMap(await openImage(image));
      paths = pathsOf(walked, 2);
    });

    it('has the files and the blocks that debugfs has', () => {
      const names = [...paths.keys()].filter((path) => path.startsWith('/store/'));
      expect(names.length).toBeGreaterThan(4);
      let highest = 0;
      for (const name of names) {
        const ours = walked.inodes.get(paths.get(name) ?? 0);
        const blocks: [number, number, number][] = [];
        const lines = debugfs(image.path, [`ex ${name}`]).matchAll(
          /^ *(\d+)\/ *(\d+) +\d+\/ *\d+ +(\d+) - +(\d+) +(\d+) - +(\d+)/gm,
        );
        for (const [, level, depth, from, to, at] of lines) {
          if (level !== depth) continue; // an index
          const last = blocks.at(-1);
          const count = Number(to) - Number(from) + 1;
          if (last !== undefined && last[0] + last[2] === Number(from) && last[1] + last[2] === Number(at))
            last[2] += count;
          else blocks.push([Number(from), Number(at), count]);
        }
        expect(ours?.extents.map((e) => [e.fileOffset / 4096, e.volumeOffset / 4096, e.length / 4096])).toEqual(blocks);
        const [, start, count] = blocks[blocks.length - 1];
        highest = Math.max(highest, start + count);
      }
      expect(highest).toBeGreaterThan(2 ** 32);
    });

    it('conforms, and calls allocated what dumpe2fs does not call free', async () => {
      expect((await expectWalkConforms(await openImage(image), SIZE)).problems).toEqual([]);
      // The lists of the groups; the sum in the superblock is a cluster off (mke2fs 1.47.0).
      let free = 0;
      for (const [, list] of run('dumpe2fs', [image.path]).matchAll(/^ {2}Free blocks: (.*)$/gm)) {
        for (const [, from, to] of list.matchAll(/(\d+)(?:-(\d+))?/g)) free += Number(to ?? from) - Number(from) + 16;
      }
      expect(totalBytes(await (await openImage(image)).allocated())).toBe(SIZE - free * 4096);
    });
  });
}
