// The tree above the filesystems of a disk, from the manifest's paths: what is where, and what a hostile manifest makes of it.
import { describe, expect, it } from 'vitest';
import { DISK_FILESYSTEM, DiskTree, type PlacedFilesystem } from '../../src/tape-index/disk-tree.ts';

const placed = (number: number, path: string, indexed = true): PlacedFilesystem => ({
  number,
  path,
  indexed,
  reason: indexed ? null : 'no reason to speak of',
});
const names = (tree: DiskTree | undefined, inode = 1): string[] =>
  (tree?.list(inode) ?? []).map(({ name }) => Buffer.from(name).toString());

describe('the tree above several filesystems', () => {
  it('is none for a set of one filesystem without a path', () => {
    expect(DiskTree.of([{ number: 0, indexed: true }])).toBeUndefined();
  });

  it('has partitions and volume groups by name, in the order of bytes', () => {
    const tree = DiskTree.of(
      [
        placed(2, '/2'),
        placed(10, '/10'),
        placed(32_768, '/vg/root'),
        placed(32_769, '/vg/home/1'),
        placed(1, '/1', false),
      ],
      '2026-03-14T02:00:00.000Z',
    );
    expect(names(tree)).toEqual(['1', '10', '2', 'vg']);
    expect(tree?.child(1, Buffer.from('2'))).toEqual({ name: Buffer.from('2'), filesystem: 2 });
    const vg = tree?.child(1, Buffer.from('vg'))?.entry;
    expect(vg).toMatchObject({ filesystem: DISK_FILESYSTEM, mode: 0o040755, mtime: { seconds: 1_773_453_600 } });
    expect(names(tree, vg?.inode)).toEqual(['home', 'root']);
    const home = tree?.child(vg?.inode ?? 0, Buffer.from('home'))?.entry;
    expect(names(tree, home?.inode)).toEqual(['1']);
    expect(tree?.child(1, Buffer.from('3'))).toBeUndefined();
    expect(tree?.child(99, Buffer.from('1'))).toBeUndefined();
  });

  it('one that is not indexed is an empty directory with the reason', () => {
    const tree = DiskTree.of([placed(1, '/1', false)]);
    const entry = tree?.child(1, Buffer.from('1'))?.entry;
    expect(entry?.problems).toEqual(['stored but not indexed file by file: no reason to speak of']);
    expect(names(tree, entry?.inode)).toEqual([]);
  });

  it('paths that contradict each other, or are none, break nothing', () => {
    const tree = DiskTree.of([
      placed(1, '/1'),
      placed(2, '/1/2'),
      placed(3, '//'),
      placed(4, '1'),
      placed(5, '/a/../b'),
    ]);
    expect(names(tree)).toContain('1');
    expect(names(tree)).toContain('a');
  });
});
