/**
 * Attributes outside inodes, for all rows of a batch: the first block of each fork, the blocks that nodes lead to, then long
 * values; each round in disk order. Memory: the values of a batch, which its scan bounds.
 */
import type { Bytes } from '../../bytes/units.ts';
import type { InodeRows } from '../ext4/inode-rows.ts';
import type { Xattr } from '../filesystem.ts';
import {
  attributeBlockKind,
  type RemoteValue,
  readAttributeLeaf,
  readAttributeNode,
  takeAttribute,
  takeValueBlock,
  valueBytesPerBlock,
} from './attributes.ts';
import { DA_NODE_DEPTH_MAX } from './layouts.ts';
import { readBlocks } from './read-blocks.ts';
import type { ForkMap, WalkState } from './walk-state.ts';

interface AttributeBlock {
  readonly address: Bytes;
  readonly row: number;
  readonly block: number;
}

interface WantedValue extends RemoteValue {
  readonly row: number;
  readonly bytes: Uint8Array;
  trouble: string | undefined;
}

interface ValueBlock {
  readonly address: Bytes;
  readonly value: WantedValue;
  readonly done: Bytes;
}

/** Reads the attributes of all rows that have a fork here. */
export async function resolveAttributes(
  walk: WalkState,
  rows: InodeRows,
  forks: ReadonlyMap<number, ForkMap>,
): Promise<void> {
  const values: WantedValue[] = [];
  let round: AttributeBlock[] = [];
  const seen = new Map<number, Set<number>>();
  const want = (row: number, map: ForkMap, block: number): void => {
    const blocks = seen.get(row) ?? new Set();
    seen.set(row, blocks);
    if (blocks.has(block)) return; // each once: a tree that names a block again is damaged, and must end
    blocks.add(block);
    const address = map.addressOf(block);
    if (address < 0) rows.problem(row, `extended attributes: block ${block} of the fork is missing`);
    else round.push({ address, row, block });
  };
  for (const [row, map] of forks) want(row, map, 0);
  for (let depth = 0; round.length > 0 && depth <= DA_NODE_DEPTH_MAX; depth++) {
    const current = round;
    round = [];
    const visit = (request: AttributeBlock, view: DataView | undefined, at: number, reason: string): void => {
      const { row, block } = request;
      const map = forks.get(row) as ForkMap;
      const below = (child: number): void => want(row, map, child);
      const trouble =
        view === undefined
          ? `cannot be read: ${reason}`
          : takeBlock(walk, rows, request, view, at, depth, below, values);
      if (trouble !== undefined) rows.problem(row, `extended attributes: block ${block} of the fork: ${trouble}`);
    };
    await readBlocks(walk.readAt, current, walk.g.blockSize, visit, walk.signal);
  }
  await resolveValues(walk, rows, forks, values);
}

function takeBlock(
  walk: WalkState,
  rows: InodeRows,
  { row, address }: AttributeBlock,
  view: DataView,
  at: number,
  depth: number,
  below: (block: number) => void,
  values: WantedValue[],
): string | undefined {
  const { g } = walk;
  const kind = attributeBlockKind(g, view, at, address, rows.inode[row]);
  if (typeof kind === 'object') return kind.trouble;
  if (kind === 'node') return readAttributeNode(g, view, at, depth, below);
  const parsed = readAttributeLeaf(g, view, at, (value) => {
    values.push({ ...value, row, bytes: new Uint8Array(value.size), trouble: undefined });
  });
  if (parsed.list.length > 0) rows.addXattrs(row, parsed.list);
  for (const problem of parsed.problems) rows.problem(row, problem);
  return undefined;
}

async function resolveValues(
  walk: WalkState,
  rows: InodeRows,
  forks: ReadonlyMap<number, ForkMap>,
  values: readonly WantedValue[],
): Promise<void> {
  const { g } = walk;
  const perBlock = valueBytesPerBlock(g);
  const blocks: ValueBlock[] = [];
  for (const value of values) {
    const map = forks.get(value.row) as ForkMap;
    for (let done = 0, i = 0; done < value.size; done += perBlock, i++) {
      const address = map.addressOf(value.block + i);
      if (address < 0) value.trouble = `block ${value.block + i} of the fork is missing`;
      else blocks.push({ address, value, done });
    }
  }
  const visit = (
    { value, address, done }: ValueBlock,
    view: DataView | undefined,
    at: number,
    reason: string,
  ): void => {
    value.trouble ??=
      view === undefined
        ? `cannot be read: ${reason}`
        : takeValueBlock(g, view, at, address, rows.inode[value.row], done, value.bytes);
  };
  await readBlocks(walk.readAt, blocks, g.blockSize, visit, walk.signal);
  for (const { row, name, flags, bytes, trouble } of values) {
    const list: Xattr[] = [];
    const problems: string[] = trouble === undefined ? [] : [`extended attribute value: ${trouble}`];
    if (trouble === undefined) takeAttribute(list, problems, flags, name, bytes);
    if (list.length > 0) rows.addXattrs(row, list);
    for (const problem of problems) rows.problem(row, problem);
  }
}
