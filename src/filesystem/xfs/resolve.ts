/**
 * Makes a batch whole: reads what its rows wait for (nodes of extent trees, attribute blocks and values, symbolic links) in
 * rounds, each in disk order.
 */
import { bytesOf } from '../../bytes/layout.ts';
import type { Bytes } from '../../bytes/units.ts';
import type { InodeRows } from '../ext4/inode-rows.ts';
import { InodeFlag } from '../filesystem.ts';
import { equalsU64, selfTrouble } from './checksum.ts';
import { readTreeBlock, type TakeExtent } from './extents.ts';
import { attributeTaker, directoryTaker, editedTaker } from './inode.ts';
import { XFS_SYMLINK_MAGIC, xfs_remote_hdr } from './layouts.ts';
import { applyEdits, type MappedRun } from './map-edits.ts';
import { readBlocks } from './read-blocks.ts';
import { resolveAttributes } from './resolve-attributes.ts';
import type { ForkMap, Pending, PendingNode, WalkState } from './walk-state.ts';

/** Nodes waiting at once; no tree within the bound on extents has more. */
const WAITING_MAX = 256 * 1024;

/** Reads all that the rows wait for. */
export async function resolveBatch(walk: WalkState, rows: InodeRows, pending: Pending): Promise<void> {
  await resolveTrees(walk, rows, pending);
  for (const [row, left] of pending.extentsLeft) {
    const isDamaged = (rows.flags[row] & InodeFlag.damaged) !== 0;
    if (left !== 0 && !isDamaged) rows.problem(row, `the extent tree has ${-left} extents more than the inode says`);
  }
  for (const [row, runs] of pending.edited) finishEdited(walk, rows, row, runs);
  await resolveAttributes(walk, rows, pending.attributeForks);
  await resolveLinks(walk, rows, pending);
  pending.reset();
}

/** Makes the log's changes to the extents of a file, and gives them to the row. */
function finishEdited(walk: WalkState, rows: InodeRows, row: number, runs: readonly MappedRun[]): void {
  const bs = walk.g.blockSize;
  const edited = applyEdits(walk.g, runs, walk.unfinished.edits.get(rows.inode[row]) ?? []);
  if (typeof edited === 'string') rows.problem(row, edited);
  else if (edited.length > 0 && rows.startSegment(row, 0)) {
    for (const run of edited) rows.addLaterExtent(run.kind, run.fileBlock * bs, run.count * bs, run.address);
  }
}

/** Levels go down, so there are at most as many rounds. */
async function resolveTrees(walk: WalkState, rows: InodeRows, pending: Pending): Promise<void> {
  while (pending.nodes.length > 0) {
    const round = pending.nodes;
    pending.nodes = [];
    const visit = (node: PendingNode, view: DataView | undefined, at: number, reason: string): void => {
      const block = node.address / walk.g.blockSize;
      const trouble = view === undefined ? `cannot be read: ${reason}` : takeNode(walk, rows, pending, node, view, at);
      if (trouble !== undefined) rows.problem(node.row, `${nameOf(node)} ${block}: ${trouble}`);
    };
    await readBlocks(walk.readAt, round, walk.g.blockSize, visit, walk.signal);
  }
}

const nameOf = (node: PendingNode): string =>
  node.isAttributeFork ? 'extended attributes: extent tree block' : 'extent tree block';

function takeNode(
  walk: WalkState,
  rows: InodeRows,
  pending: Pending,
  node: PendingNode,
  view: DataView,
  at: number,
): string | undefined {
  const { g } = walk;
  const { row, address, level, first, limit, isAttributeFork } = node;
  if (walk.treeBlocksLeft <= 0 || pending.nodes.length > WAITING_MAX) {
    return 'the files claim more of them than the volume has blocks';
  }
  walk.treeBlocksLeft--;
  const isFile = !isAttributeFork && rows.directory[row] < 0 && !pending.links.has(row) && !pending.edited.has(row);
  if (level === 0 && isFile && !rows.startSegment(row, first * g.blockSize)) return 'the file has too many extents';
  return readTreeBlock(
    g,
    view,
    at,
    address,
    walk.reowned.has(rows.inode[row]) ? undefined : rows.inode[row],
    level,
    first,
    limit,
    (below, belowLevel, from, end) => {
      pending.nodes.push({ row, address: below, level: belowLevel, first: from, limit: end, isAttributeFork });
      return undefined;
    },
    isAttributeFork ? attributeExtents(walk, pending, row) : dataExtents(walk, rows, pending, row),
  );
}

function attributeExtents(walk: WalkState, pending: Pending, row: number): TakeExtent {
  const map = pending.attributeForks.get(row);
  return map === undefined ? () => 'no fork of attributes' : attributeTaker(walk, pending, map);
}

/** Extents of the data fork: to the file, the directory, or the symbolic link. */
function dataExtents(walk: WalkState, rows: InodeRows, pending: Pending, row: number): TakeExtent {
  const bs = walk.g.blockSize;
  const link = pending.links.get(row);
  const toEdited = pending.edited.has(row) ? editedTaker(pending, row) : undefined;
  const toDirectory = rows.directory[row] < 0 ? undefined : directoryTaker(walk, rows.directory[row]);
  return (fileBlock, count, address, kind) => {
    pending.extentsLeft.set(row, (pending.extentsLeft.get(row) ?? 0) - 1);
    if (toDirectory !== undefined) return toDirectory(fileBlock, count, address);
    if (toEdited !== undefined) return toEdited(fileBlock, count, address, kind);
    if (link !== undefined) link.add(fileBlock, count, address);
    else rows.addLaterExtent(kind, fileBlock * bs, count * bs, address);
    return undefined;
  };
}

interface LinkRun {
  readonly address: Bytes;
  readonly row: number;
  /** Byte of the target that the run begins with. */
  readonly done: number;
  readonly bytes: Bytes;
}

/** Reads targets: with version 5, each run of blocks has one header. Few and short: one read a run. */
async function resolveLinks(walk: WalkState, rows: InodeRows, pending: Pending): Promise<void> {
  const { g } = walk;
  const header = g.version === 5 ? xfs_remote_hdr.byteLength : 0;
  const targets = new Map<number, Uint8Array>();
  const runs: LinkRun[] = [];
  for (const [row, map] of pending.links) {
    if ((rows.flags[row] & InodeFlag.damaged) !== 0) continue;
    const covered = linkRuns(map, row, rows.size[row], g.blockSize, header, runs);
    if (covered < rows.size[row]) rows.problem(row, `symbolic link of ${rows.size[row]} bytes, blocks for ${covered}`);
    else targets.set(row, new Uint8Array(rows.size[row]));
  }
  for (const bytes of new Set(runs.map((run) => run.bytes))) {
    const alike = runs.filter((run) => run.bytes === bytes);
    const visit = (run: LinkRun, view: DataView | undefined, at: number, reason: string): void => {
      const target = targets.get(run.row);
      if (target === undefined) return;
      const inode = rows.inode[run.row];
      const trouble =
        view === undefined ? `cannot be read: ${reason}` : takeTarget(walk, view, at, run, inode, header, target);
      if (trouble === undefined) return;
      rows.problem(run.row, `symbolic link block ${run.address / g.blockSize}: ${trouble}`);
      targets.delete(run.row);
    };
    await readBlocks(walk.readAt, alike, bytes, visit, walk.signal);
  }
  for (const [row, target] of targets) {
    if (target.includes(0)) rows.problem(row, 'symbolic link target has a NUL in it');
    else rows.addLiteral(row, target);
  }
}

/** Adds the runs that hold the target; returns how many of its bytes they hold. */
function linkRuns(map: ForkMap, row: number, size: Bytes, blockSize: Bytes, header: number, runs: LinkRun[]): number {
  let done = 0;
  for (const { address, count } of map.runs()) {
    if (done >= size) break;
    const bytes = count * blockSize;
    const needed = Math.min(bytes, Math.ceil((size - done + header) / blockSize) * blockSize);
    runs.push({ address, row, done, bytes: header === 0 ? needed : Math.min(bytes, LINK_RUN_MAX) });
    done += Math.min(bytes, LINK_RUN_MAX) - header;
  }
  return Math.min(size, done);
}
/** The longest run that a target's blocks can be: XFS_SYMLINK_MAXLEN and a header in each of the largest blocks. */
const LINK_RUN_MAX = 128 * 1024;

function takeTarget(
  walk: WalkState,
  view: DataView,
  at: number,
  run: LinkRun,
  inode: number,
  header: number,
  target: Uint8Array,
): string | undefined {
  const { g } = walk;
  const take = Math.min(run.bytes - header, target.length - run.done);
  if (g.version === 5) {
    const H = xfs_remote_hdr;
    if (H.magic.get(view, at) !== XFS_SYMLINK_MAGIC) return 'wrong magic';
    const trouble = selfTrouble(view, at, run.bytes, run.address, H, g.metaUuid);
    if (trouble !== undefined) return trouble;
    if (!equalsU64(view, at + H.owner.offset, inode)) return 'belongs to another inode';
    if (H.offset.get(view, at) !== run.done) return `holds byte ${H.offset.get(view, at)}, expected ${run.done}`;
    if (H.bytes.get(view, at) < take) return `holds ${H.bytes.get(view, at)} bytes, expected ${take}`;
  }
  target.set(bytesOf(view, at + header, take), run.done);
  return undefined;
}
