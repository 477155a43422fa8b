/**
 * Attribute values that lie in inodes of their own (feature ea_inode), several attributes sharing one. Linux
 * fs/ext4/xattr.c `ext4_xattr_inode_get`: the inode's flag, its size and the hash of the value are checked.
 */
import { crc32cRaw } from '../../bytes/crc32c.ts';
import { FormatError } from '../../bytes/errors.ts';
import { ExtentKind, type InodeBatch, InodeFlag, type Xattr } from '../filesystem.ts';
import { inodeTableChecker } from './checksum.ts';
import { GroupFlag, inodeAddress } from './groups.ts';
import { addInode, flagsOf, type PendingValue, tablePiece } from './inode.ts';
import { InodeRows } from './inode-rows.ts';
import { Ext4InodeFlag } from './layouts.ts';
import { ascendingOrder, readPieces } from './read-pieces.ts';
import { resolveBlocks } from './resolve.ts';
import { PendingBlocks, type WalkState } from './walk-state.ts';
import { takeValue } from './xattr.ts';

/** Inodes of values looked at together: at most 4 MiB of values. */
const VALUES_AT_ONCE = 64;

/** A value, or why it cannot be had. */
interface Value {
  readonly bytes: Uint8Array | undefined;
  readonly reason: string;
  readonly hash: number;
  /** Lustre's form has no hash but names its owner. */
  readonly parent: number;
  readonly generation: number;
}

/** Reads the values that rows wait for and gives them to the rows. */
export async function resolveValues(walk: WalkState, rows: InodeRows, pending: PendingValue[]): Promise<void> {
  const byInode = new Map<number, PendingValue[]>();
  for (const wanted of pending) {
    const same = byInode.get(wanted.value.inode);
    if (same === undefined) byInode.set(wanted.value.inode, [wanted]);
    else same.push(wanted);
  }
  const inodes = [...byInode.keys()].sort((a, b) => a - b);
  for (let i = 0; i < inodes.length; i += VALUES_AT_ONCE) {
    const slice = inodes.slice(i, i + VALUES_AT_ONCE);
    const values = await readValues(walk, slice);
    for (const inode of slice) {
      for (const wanted of byInode.get(inode) ?? []) giveValue(walk, rows, wanted, values.get(inode));
    }
  }
  pending.length = 0;
}

function giveValue(walk: WalkState, rows: InodeRows, wanted: PendingValue, value: Value | undefined): void {
  const { row } = wanted;
  const { inode, size, name, nameIndex } = wanted.value;
  const where = `extended attribute value in inode ${inode}`;
  if (value?.bytes === undefined) {
    rows.problem(row, `${where}: ${value?.reason ?? 'no such inode'}`);
    return;
  }
  const isOwners = value.parent === rows.inode[row] && value.generation === rows.generation[row];
  if (value.bytes.length !== size) rows.problem(row, `${where}: ${value.bytes.length} bytes, its entry says ${size}`);
  else if (crc32cRaw(walk.g.valueHashSeed, value.bytes) !== value.hash && !isOwners) {
    rows.problem(row, `${where}: hash wrong`);
  } else {
    const list: Xattr[] = [];
    const problems: string[] = [];
    takeValue(list, problems, name, nameIndex, value.bytes);
    rows.addXattrs(row, list);
    for (const problem of problems) rows.problem(row, problem);
  }
}

/** By inode. Values are read through the overlay, so their extents are not to be moved to the copies in the journal. */
async function readValues(outer: WalkState, inodes: readonly number[]): Promise<Map<number, Value>> {
  const walk = { ...outer, overlay: undefined };
  const rows = new InodeRows(VALUES_AT_ONCE);
  const pending = { blocks: new PendingBlocks(), values: [] };
  const at = new Float64Array(inodes.length);
  const known: number[] = [];
  for (const inode of inodes) {
    if (inode > walk.g.inodesCount || hasNoTable(walk, inode)) continue;
    at[known.length] = inodeAddress(walk.g, walk.groups, inode);
    known.push(inode);
  }
  const { inodeSize } = walk.g;
  const check = walk.g.checksumSeed === undefined ? undefined : inodeTableChecker(inodeSize >>> 2, walk.g.checksumSeed);
  const wrong = new Uint8Array(1);
  const order = ascendingOrder(at, known.length);
  for await (const piece of readPieces(
    walk.readAt,
    { at, count: known.length, length: inodeSize, order },
    walk.signal,
  )) {
    if (piece.view === undefined) continue;
    for (let i = piece.from; i < piece.to; i++) {
      const byte = at[order[i]] - piece.base;
      const one = tablePiece(new DataView(piece.view.buffer, piece.view.byteOffset + byte, inodeSize));
      const { words } = one;
      const inode = known[order[i]];
      const isRegular = (words[0] & 0o170000) === 0o100000;
      if ((flagsOf(words, 0) & Ext4InodeFlag.eaInode) === 0 || !isRegular) continue;
      check?.(one, inode, 0, 1, wrong);
      addInode(walk, rows, pending, one, 0, inode, wrong[0] === 0);
    }
  }
  await resolveBlocks(walk, rows, pending);
  outer.treeBlocksLeft = walk.treeBlocksLeft;
  const batch = rows.finish();
  const values = new Map<number, Value>();
  for (let row = 0; row < batch.count; row++) values.set(batch.inode[row], await readValue(walk, batch, row));
  return values;
}

const hasNoTable = (walk: WalkState, inode: number): boolean =>
  (walk.groups.flags[Math.floor((inode - 1) / walk.g.inodesPerGroup)] & GroupFlag.lost) !== 0;

async function readValue(walk: WalkState, batch: InodeBatch, row: number): Promise<Value> {
  const rest = {
    hash: batch.atimeSeconds[row] >>> 0,
    parent: batch.mtimeSeconds[row] >>> 0,
    generation: batch.generation[row],
  };
  const size = batch.size[row];
  const problem = batch.problems.find((p) => p.row === row)?.reason;
  if (problem !== undefined || (batch.flags[row] & InodeFlag.damaged) !== 0 || size > 65536) {
    return { ...rest, bytes: undefined, reason: problem ?? `${size} bytes long` };
  }
  const bytes = new Uint8Array(size);
  try {
    for (let i = batch.extentStart[row]; i < batch.extentStart[row + 1]; i++) {
      if (batch.extentKind[i] !== ExtentKind.stored) continue;
      const length = batch.extentLength[i];
      const view = await walk.readAt(batch.extentVolumeOffset[i], length, walk.signal);
      bytes.set(new Uint8Array(view.buffer, view.byteOffset, length), batch.extentFileOffset[i]);
    }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { ...rest, bytes: undefined, reason: error.what };
  }
  return { ...rest, bytes, reason: '' };
}
