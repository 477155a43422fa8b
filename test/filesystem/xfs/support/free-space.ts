/** Which blocks are free: xfs_db's list of the free space btrees, against what the walker says is in use. */
import { runsOf } from '../../../../src/bytes/extents.ts';
import type { Filesystem } from '../../../../src/filesystem/filesystem.ts';
import { type Image, xfsDb } from './images.ts';

/** Byte runs that are not free, by `freesp -d`; but the blocks that the btrees keep for themselves count as in use. */
export function notFree(image: Image): (readonly [start: number, length: number])[] {
  const number = (name: string): number => {
    const found = new RegExp(`^${name} = (\\d+)`, 'm').exec(text);
    return Number(found?.[1]);
  };
  const text = xfsDb(image.path, ['sb 0', 'print blocksize agblocks agcount']);
  const [blockSize, agBlocks] = [number('blocksize'), number('agblocks')];
  const kept = keptBlocks(image, number('agcount'));
  const free = xfsDb(image.path, ['freesp -d'])
    .split('\n')
    .flatMap((line) => {
      const found = /^ *(\d+) +(\d+) +(\d+) *$/.exec(line);
      if (found === null) return [];
      const [ag, block, length] = found.slice(1).map(Number);
      if (length === 1 && kept.has(`${ag} ${block}`)) return [];
      return [[(ag * agBlocks + block) * blockSize, length * blockSize] as const];
    })
    .sort((a, b) => a[0] - b[0]);
  const used: [number, number][] = [];
  let at = 0;
  for (const [start, length] of free) {
    if (start > at) used.push([at, start - at]);
    at = start + length;
  }
  if (at < image.byteLength) used.push([at, image.byteLength - at]);
  const runs = runsOf(used);
  return Array.from({ length: runs.count }, (_, i) => [runs.starts[i], runs.lengths[i]] as const);
}

/** Byte runs that the walker copies. */
export async function usedRuns(filesystem: Filesystem): Promise<(readonly [start: number, length: number])[]> {
  const runs = await filesystem.allocated();
  return Array.from({ length: runs.count }, (_, i) => [runs.starts[i], runs.lengths[i]] as const);
}

/** Blocks of the groups' free lists, `group block`. */
function keptBlocks(image: Image, agCount: number): ReadonlySet<string> {
  const kept = new Set<string>();
  for (let ag = 0; ag < agCount; ag++) {
    const text = xfsDb(image.path, [`agf ${ag}`, 'print flfirst fllast flcount', `agfl ${ag}`, 'print']);
    const [first, last, count] = ['flfirst', 'fllast', 'flcount'].map((name) =>
      Number(new RegExp(`^${name} = (\\d+)`, 'm').exec(text)?.[1]),
    );
    const list = [...(/bno\[.*?\] = (.*)$/m.exec(text)?.[1] ?? '').matchAll(/(\d+):(\d+|null)/g)];
    for (const [, index, block] of list) {
      const i = Number(index);
      const isUsed = first <= last ? i >= first && i <= last : i >= first || i <= last;
      if (count > 0 && isUsed) kept.add(`${ag} ${block}`);
    }
  }
  return kept;
}
