/** The second half of a walk: short directories, then all directory blocks in disk order, as batches of names. */
import { bytesOf, viewOf } from '../../bytes/layout.ts';
import type { Bytes } from '../../bytes/units.ts';
import { ascendingOrder, readAhead, readPieces } from '../ext4/read-pieces.ts';
import type { NameBatch } from '../filesystem.ts';
import { directoryBlockTrouble, readDirectoryBlock, readShortDirectory } from './directory.ts';
import { shortDirectoryOf } from './inode.ts';
import { Mark } from './inode-chunks.ts';
import { NameRows } from './name-rows.ts';
import { readOne } from './read-blocks.ts';
import type { WalkState } from './walk-state.ts';

/** Bytes of one read, bytes read in vain rather than starting another, and reads under way at once. */
const READ_MAX = 1024 * 1024;
const GAP_MAX = 24 * 1024;
const READS_MAX = 4;

/** @throws whatever is not a FormatError */
export async function* readNames(walk: WalkState): AsyncGenerator<NameBatch> {
  const { directories, g } = walk;
  const rows = new NameRows(walk.chunks, directories);
  walk.chunks.mark(g.rootInode, Mark.named); // the root has no name
  yield* readShortForms(walk, rows);
  const split: SplitBlocks = new Map();
  for await (const read of readAhead(walk.readAt, spans(walk, split), READS_MAX, walk.signal)) {
    const { view, request } = read;
    if (view === undefined) {
      yield* readOneByOne(walk, rows, request);
      continue;
    }
    const bytes = bytesOf(view);
    for (const { directory, offset, length } of request.parts) {
      rows.startDirectory(directory);
      for (let address = offset; address < offset + length; address += g.dirBlockSize) {
        readBlock(walk, rows, bytes, view, address - request.offset, address, directory);
        if (rows.isFull) yield rows.take();
      }
    }
  }
  yield* readSplitBlocks(walk, rows, split);
  if (rows.count > 0 || directories.problems.length > 0) yield rows.take();
}

/** The directory block at byte `at`; its address in the volume is `address`. */
function readBlock(
  walk: WalkState,
  rows: NameRows,
  bytes: Uint8Array,
  view: DataView,
  at: number,
  address: Bytes,
  directory: number,
): void {
  const { g, directories } = walk;
  const trouble =
    directoryBlockTrouble(g, view, at, address, directories.inode[directory]) ??
    readDirectoryBlock(g, bytes, view, at, rows);
  if (trouble !== undefined) unreadable(walk, rows, address, trouble);
}

const unreadable = (walk: WalkState, rows: NameRows, address: Bytes, why: string): void =>
  rows.problem(`directory block ${address / walk.g.blockSize}: ${why}`);

/** The directory blocks of a read that failed, each by itself. */
async function* readOneByOne(walk: WalkState, rows: NameRows, { parts }: Span): AsyncGenerator<NameBatch> {
  const step = walk.g.dirBlockSize;
  for (const { directory, offset, length } of parts) {
    rows.startDirectory(directory);
    for (let address = offset; address < offset + length; address += step) {
      const { view, reason } = await readOne(walk.readAt, address, step, walk.signal);
      if (view === undefined) unreadable(walk, rows, address, `cannot be read: ${reason}`);
      else readBlock(walk, rows, bytesOf(view), view, 0, address, directory);
      if (rows.isFull) yield rows.take();
    }
  }
}

async function* readShortForms(walk: WalkState, rows: NameRows): AsyncGenerator<NameBatch> {
  const { directories, g } = walk;
  const { short, shortStart, shortOwner } = directories;
  const shortView = viewOf(short);
  for (let i = 0; i < directories.shortCount; i++) {
    readShortForm(walk, rows, shortOwner[i], short, shortView, shortStart[i], shortStart[i + 1]);
    if (rows.isFull) yield rows.take();
  }
  const at = directories.againAt;
  const order = ascendingOrder(at, directories.againCount);
  const pieces = { at, count: directories.againCount, length: g.inodeSize, order };
  for await (const { view, from, to, base, reason } of readPieces(walk.readAt, pieces, walk.signal)) {
    for (let i = from; i < to; i++) {
      const directory = directories.againOwner[order[i]];
      if (view === undefined) directories.problem(directory, `cannot be read: ${reason}`);
      else {
        const form = shortDirectoryOf(g, view, at[order[i]] - base);
        readShortForm(walk, rows, directory, form, viewOf(form), 0, form.length);
      }
      if (rows.isFull) yield rows.take();
    }
  }
}

function readShortForm(
  walk: WalkState,
  rows: NameRows,
  directory: number,
  bytes: Uint8Array,
  view: DataView,
  start: number,
  end: number,
): void {
  rows.startDirectory(directory);
  const trouble = readShortDirectory(walk.g, bytes, view, start, end, rows);
  if (trouble !== undefined) rows.problem(`short directory: ${trouble}`);
}

/** Whole directory blocks of one directory, next to each other on disk. */
interface Part {
  readonly directory: number;
  readonly offset: Bytes;
  readonly length: Bytes;
}

interface Span {
  readonly offset: Bytes;
  readonly length: Bytes;
  readonly parts: readonly Part[];
}

/** Directory blocks that lie in pieces, by directory and number of the block: the addresses of their blocks, as far as found. */
type SplitBlocks = Map<string, { readonly directory: number; readonly addresses: Float64Array }>;

/** All directory blocks in disk order, near ones in one read. Pieces of blocks go to `split`. */
function* spans(walk: WalkState, split: SplitBlocks): Generator<Span> {
  let parts: Part[] = [];
  let from = 0;
  let end = 0;
  for (const part of wholeParts(walk, split)) {
    const isNear = part.offset <= end + GAP_MAX && part.offset + part.length <= from + READ_MAX;
    if (parts.length > 0 && !isNear) {
      yield { offset: from, length: end - from, parts };
      parts = [];
    }
    if (parts.length === 0) from = end = part.offset;
    parts.push(part);
    end = Math.max(end, part.offset + part.length);
  }
  if (parts.length > 0) yield { offset: from, length: end - from, parts };
}

function* wholeParts(walk: WalkState, split: SplitBlocks): Generator<Part> {
  const { directories, g } = walk;
  const perBlock = g.dirBlockSize / g.blockSize;
  const readBlocksMax = Math.floor(READ_MAX / g.dirBlockSize) * perBlock;
  for (const i of ascendingOrder(directories.at, directories.extentCount)) {
    const directory = directories.owner[i];
    const first = directories.fileBlock[i];
    const count = directories.blocks[i];
    const head = Math.min(count, (perBlock - (first % perBlock)) % perBlock);
    const tail = (count - head) % perBlock;
    for (let b = 0; b < head; b++) addPiece(walk, split, directory, first + b, directories.at[i] + b * g.blockSize);
    for (let b = head; b < count - tail; b += readBlocksMax) {
      const blocks = Math.min(readBlocksMax, count - tail - b);
      yield { directory, offset: directories.at[i] + b * g.blockSize, length: blocks * g.blockSize };
    }
    for (let b = count - tail; b < count; b++) {
      addPiece(walk, split, directory, first + b, directories.at[i] + b * g.blockSize);
    }
  }
}

function addPiece(walk: WalkState, split: SplitBlocks, directory: number, fileBlock: number, address: Bytes): void {
  const perBlock = walk.g.dirBlockSize / walk.g.blockSize;
  const key = `${directory} ${Math.floor(fileBlock / perBlock)}`;
  let block = split.get(key);
  if (block === undefined) {
    block = { directory, addresses: new Float64Array(perBlock).fill(-1) };
    split.set(key, block);
  }
  block.addresses[fileBlock % perBlock] = address;
}

/** Directory blocks in several pieces: only where a directory block is larger than a block, and then few. */
async function* readSplitBlocks(walk: WalkState, rows: NameRows, split: SplitBlocks): AsyncGenerator<NameBatch> {
  const { blockSize, dirBlockSize } = walk.g;
  for (const { directory, addresses } of split.values()) {
    rows.startDirectory(directory);
    const block = new Uint8Array(dirBlockSize);
    const first = addresses.find((at) => at >= 0) ?? 0;
    let trouble = addresses.includes(-1) ? 'a piece of it is missing' : '';
    for (let i = 0; i < addresses.length && trouble === ''; i++) {
      const { view, reason } = await readOne(walk.readAt, addresses[i], blockSize, walk.signal);
      if (view === undefined) trouble = `cannot be read: ${reason}`;
      else block.set(bytesOf(view, 0, blockSize), i * blockSize);
    }
    if (trouble !== '') unreadable(walk, rows, first, trouble);
    else readBlock(walk, rows, block, viewOf(block), 0, first, directory);
    if (rows.isFull) yield rows.take();
  }
}
