/**
 * What a full backup copies: everything but what the free space btree of each group calls free. The log, the groups'
 * headers and the free list that the btrees keep for themselves are not in it, and so are copied. A group whose btree
 * cannot be trusted is copied as a whole. Linux fs/xfs/libxfs/xfs_alloc.c.
 */
import { type Runs, RunsBuilder, unionRuns } from '../../bytes/extents.ts';
import type { Bytes } from '../../bytes/units.ts';
import { ascendingOrder } from '../ext4/read-pieces.ts';
import type { ReadAt } from '../volume.ts';
import { readGroupTree } from './group-tree.ts';
import type { Group } from './groups.ts';
import { ABTB_MAGIC, xfs_alloc_rec } from './layouts.ts';
import { agBlocksOf, agFirstBlock, fsBlockAddress, type Geometry } from './superblock.ts';

/** Byte runs of all that may hold something. `notes` gets what could not be trusted. Memory: the free runs of one group. */
export async function readAllocated(
  g: Geometry,
  groups: readonly Group[],
  readAt: ReadAt,
  volumeBytes: Bytes,
  notes: string[],
  signal?: AbortSignal,
): Promise<Runs> {
  const used = new RunsBuilder();
  for (const group of groups) {
    const free = await readFree(g, group, readAt, signal);
    const base = agFirstBlock(g, group.ag) * g.blockSize;
    const bytes = agBlocksOf(g, group.ag) * g.blockSize;
    if (typeof free === 'string') {
      notes.push(`free space of group ${group.ag}: ${free}: all of the group is copied`);
      used.add(base, bytes);
    } else addUsed(used, base, bytes, free, g.blockSize);
  }
  const end = g.blocksCount * g.blockSize;
  used.add(end, volumeBytes - end);
  return unionRuns(used.finish(), logRun(g));
}

/**
 * What was in use before the log was replayed, as far as it can be told: a machine that stopped leaves btrees of several
 * ages, and in a group where they do not fit together nothing is known.
 */
export async function readAllocatedBefore(
  g: Geometry,
  groups: readonly Group[],
  readAt: ReadAt,
  signal?: AbortSignal,
): Promise<Runs> {
  const used = new RunsBuilder();
  for (const group of groups) {
    const free = await readFree(g, group, readAt, signal);
    const base = agFirstBlock(g, group.ag) * g.blockSize;
    if (typeof free !== 'string') addUsed(used, base, agBlocksOf(g, group.ag) * g.blockSize, free, g.blockSize);
  }
  return used.finish();
}

/** The log, whatever the btree says of it: a restored volume replays it. */
function logRun(g: Geometry): Runs {
  const run = new RunsBuilder();
  const at = g.logStart === 0 ? -1 : fsBlockAddress(g, g.logStart, g.logBlocks);
  if (at >= 0) run.add(at, g.logBlocks * g.blockSize);
  return run.finish();
}

/** Superblock, AGF, AGI and AGFL. */
const HEADER_SECTORS = 4;

/** Free runs of a group in blocks, ascending. */
interface FreeRuns {
  readonly start: Float64Array;
  readonly length: Float64Array;
}

async function readFree(
  g: Geometry,
  group: Group,
  readAt: ReadAt,
  signal: AbortSignal | undefined,
): Promise<FreeRuns | string> {
  if (typeof group.freeSpace === 'string') return group.freeSpace;
  const blocks = agBlocksOf(g, group.ag);
  let start = new Float64Array(256);
  let length = new Float64Array(256);
  let count = 0;
  let wrong: string | undefined;
  const tree = { ag: group.ag, root: group.freeSpace, magic: ABTB_MAGIC, keyBytes: 8, recordBytes: 8 };
  await readGroupTree(
    g,
    readAt,
    tree,
    (view, at, records) => {
      if (count + records > blocks) return 'more free runs than the group has blocks';
      while (count + records > start.length) {
        start = twice(start);
        length = twice(length);
      }
      for (let i = 0; i < records; i++) {
        start[count] = xfs_alloc_rec.ar_startblock.get(view, at + i * xfs_alloc_rec.byteLength);
        length[count++] = xfs_alloc_rec.ar_blockcount.get(view, at + i * xfs_alloc_rec.byteLength);
      }
      return undefined;
    },
    (what) => {
      wrong ??= what;
    },
    signal,
  );
  return wrong ?? inOrder(start, length, count, Math.ceil((HEADER_SECTORS * g.sectorSize) / g.blockSize), blocks);
}

/** The runs sorted, or why they cannot be right. */
function inOrder(
  start: Float64Array,
  length: Float64Array,
  count: number,
  first: number,
  blocks: number,
): FreeRuns | string {
  const order = ascendingOrder(start, count);
  const sorted = { start: new Float64Array(count), length: new Float64Array(count) };
  let end = first;
  for (let i = 0; i < count; i++) {
    const from = start[order[i]];
    const run = length[order[i]];
    if (run === 0 || from < end || from + run > blocks) return `free run of ${run} blocks at ${from} cannot be`;
    sorted.start[i] = from;
    sorted.length[i] = run;
    end = from + run;
  }
  return sorted;
}

/** What lies between the free runs. */
function addUsed(used: RunsBuilder, base: Bytes, bytes: Bytes, free: FreeRuns, blockSize: Bytes): void {
  let from = base;
  for (let i = 0; i < free.start.length; i++) {
    const to = base + free.start[i] * blockSize;
    used.add(from, to - from);
    from = to + free.length[i] * blockSize;
  }
  used.add(from, base + bytes - from);
}

function twice(old: Float64Array): Float64Array<ArrayBuffer> {
  const bigger = new Float64Array(old.length * 2);
  bigger.set(old);
  return bigger;
}
