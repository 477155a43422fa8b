// The walk's benchmark at a small size, so that it never rots, and the tree that it walks.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { benchWalk } from '../../bench/filesystem/walk.bench.ts';
import { makeSmallFilesImage } from '../../bench/support/small-files.ts';
import { makeTree } from '../../tools/fixtures/make-tree.ts';
import { describeWithTools, tempFolder } from '../support/tools.ts';

describeWithTools(['mke2fs'], 'the walk benchmark', () => {
  const folder = tempFolder();

  it('counts every name and inode of the tree it made without root', async () => {
    const { path, tree, madeBy } = makeSmallFilesImage(join(folder, 'small.img'), { files: 1500, withoutRoot: true });
    expect(madeBy).toBe('mke2fs');
    const result = await benchWalk(path);
    expect(result.names).toBe(tree.names + tree.directories + 1); // lost+found
    expect(result.inodes).toBe(tree.names - tree.hardLinks + tree.directories + 2);
    expect(result.problems).toBe(0);
    expect(result.allocatedBytes).toBeGreaterThan(tree.bytes);
    expect(result.readBytes).toBeLessThan(result.allocatedBytes / 2);
  });

  it('makes the same tree from the same seed, and another from another', () => {
    const summaries = [1, 1, 2].map((seed, i) => {
      const root = join(folder, `tree${i}`);
      mkdirSync(root);
      return makeTree(root, { files: 200, seed });
    });
    expect(summaries[0]).toEqual(summaries[1]);
    expect(summaries[0]).not.toEqual(summaries[2]);
    expect(summaries[0].names).toBe(200);
    expect(summaries[0].symlinks).toBeGreaterThan(0);
  });
});
