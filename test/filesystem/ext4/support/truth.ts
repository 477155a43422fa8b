/** What debugfs and dumpe2fs say about an image: the other opinion. */
import { debugfs, run } from './images.ts';

export interface TrueInode {
  readonly inode: number;
  readonly type: string;
  readonly mode: number;
  readonly flags: number;
  readonly generation: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly links: number;
  readonly fileAcl: number;
  /** Raw seconds and the extra word. */
  readonly times: Readonly<Record<'atime' | 'mtime' | 'ctime', readonly [seconds: number, extra: number]>>;
  /** File block -> [disk block, unwritten]. */
  readonly blocks: ReadonlyMap<number, readonly [block: number, unwritten: boolean]>;
  /** Extent and indirect blocks. */
  readonly treeBlocks: readonly number[];
  readonly device: readonly [major: number, minor: number] | undefined;
  readonly fastLink: string | undefined;
}

/** `stat` of all inodes from 1 to `count`. */
export function statAll(path: string, count: number): Map<number, TrueInode> {
  const out = debugfs(
    path,
    Array.from({ length: count }, (_, i) => `stat <${i + 1}>`),
  );
  const inodes = new Map<number, TrueInode>();
  for (const part of out.split(/^debugfs: stat /m).slice(1)) {
    const inode = Number(/^<(\d+)>/.exec(part)?.[1]);
    const number = (pattern: RegExp, radix = 10): number => Number.parseInt(pattern.exec(part)?.[1] ?? '0', radix);
    if (!part.includes('Inode: ')) continue;
    const time = (name: string): readonly [number, number] => {
      const found = new RegExp(`^ ?${name}: 0x([0-9a-f]+)(?::([0-9a-f]+))?`, 'm').exec(part);
      return [Number.parseInt(found?.[1] ?? '0', 16) | 0, Number.parseInt(found?.[2] ?? '0', 16)];
    };
    const device = /Device major\/minor number: (\d+):(\d+)/.exec(part);
    inodes.set(inode, {
      inode,
      type: /Type: ([a-zA-Z ]+?) +Mode:/.exec(part)?.[1] ?? '',
      mode: number(/Mode: +(\d+)/, 8),
      flags: number(/Flags: 0x([0-9a-f]+)/, 16),
      generation: number(/Generation: (\d+)/),
      uid: number(/User: +(\d+)/),
      gid: number(/Group: +(\d+)/),
      size: number(/Size: (\d+)/),
      links: number(/Links: (\d+)/),
      fileAcl: number(/File ACL: (\d+)/),
      times: { atime: time('atime'), mtime: time('mtime'), ctime: time('ctime') },
      ...blocksOf(part),
      device: device === null ? undefined : [Number(device[1]), Number(device[2])],
      fastLink: /Fast link dest: "(.*)"/.exec(part)?.[1],
    });
  }
  return inodes;
}

function blocksOf(part: string): Pick<TrueInode, 'blocks' | 'treeBlocks'> {
  const blocks = new Map<number, readonly [number, boolean]>();
  const treeBlocks: number[] = [];
  for (const line of part.split('\n').filter((text) => text.startsWith('('))) {
    for (const [, key, from, to] of line.matchAll(/\(([^)]*)\):(\d+)(?:-(\d+))?/g)) {
      const first = Number(from);
      const last = to === undefined ? first : Number(to);
      if (!/^\d/.test(key)) {
        treeBlocks.push(first);
        continue;
      }
      const start = Number.parseInt(key, 10);
      for (let i = 0; i <= last - first; i++) blocks.set(start + i, [first + i, key.includes('[u]')]);
    }
  }
  return { blocks, treeBlocks };
}

export interface TrueLayout {
  readonly blockSize: number;
  readonly clusterBlocks: number;
  readonly blockCount: number;
  readonly firstBlock: number;
  readonly inodeCount: number;
  /** Every block that no bitmap calls free. */
  readonly used: ReadonlySet<number>;
  /** Superblocks, descriptors, bitmaps and inode tables. */
  readonly groupMetadata: ReadonlySet<number>;
  readonly text: string;
}

/** dumpe2fs: geometry, the complement of its free blocks, and the fixed metadata of the groups. */
export function layoutOf(path: string): TrueLayout {
  const text = run('dumpe2fs', [path]);
  const number = (name: string): number => Number(new RegExp(`^${name}: +(\\d+)`, 'm').exec(text)?.[1]);
  const blockSize = number('Block size');
  const clusterBlocks = /^Cluster size/m.test(text) ? number('Cluster size') / blockSize : 1;
  const blockCount = number('Block count');
  const firstBlock = number('First block');
  const used = new Set<number>();
  for (let block = firstBlock; block < blockCount; block++) used.add(block);
  for (const [, list] of text.matchAll(/^ {2}Free blocks: (.*)$/gm)) {
    for (const [, from, to] of list.matchAll(/(\d+)(?:-(\d+))?/g)) {
      // With clusters the end of a range is printed as the first block of its last cluster.
      const last = Number(to ?? from) + clusterBlocks - 1;
      for (let block = Number(from); block <= last; block++) used.delete(block);
    }
  }
  const groupMetadata = new Set<number>();
  const places = /(?:superblock at|descriptors? at|GDT blocks at|bitmap at|table at) (\d+)(?:-(\d+))?/g;
  for (const [, from, to] of text.matchAll(places)) {
    for (let block = Number(from); block <= Number(to ?? from); block++) groupMetadata.add(block);
  }
  return {
    blockSize,
    clusterBlocks,
    blockCount,
    firstBlock,
    inodeCount: number('Inode count'),
    used,
    groupMetadata,
    text,
  };
}
