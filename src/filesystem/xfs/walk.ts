/**
 * The walk: group by group the inode btree and then its inodes in large reads, then directory blocks in disk order. File
 * data is never read.
 *
 * Memory: one batch, reads under way, the chunk records of one group, the directory list, and half a byte an inode.
 */
import { loadNativeCrc32c } from '../../bytes/crc32c.ts';
import { FormatError } from '../../bytes/errors.ts';
import type { Runs } from '../../bytes/extents.ts';
import type { Bytes } from '../../bytes/units.ts';
import { InodeRows } from '../ext4/inode-rows.ts';
import { readAhead } from '../ext4/read-pieces.ts';
import type { InodeBatch, WalkBatch } from '../filesystem.ts';
import { markUncopied } from '../uncopied.ts';
import type { ReadAt } from '../volume.ts';
import { AttributeReader } from './attributes.ts';
import { DirectoryList } from './directory-list.ts';
import type { Group } from './groups.ts';
import { addInode, coreTrouble, type InodePlace, linksOf, modeOf } from './inode.ts';
import { type CheckInodes, inodeChecker } from './inode-checksum.ts';
import { InodeChunks, Mark } from './inode-chunks.ts';
import { type ChunkRecords, readChunks } from './inode-tree.ts';
import { INODES_PER_CHUNK } from './layouts.ts';
import { readNames } from './names.ts';
import { resolveBatch } from './resolve.ts';
import { agFirstBlock, type Geometry } from './superblock.ts';
import { Pending, type WalkState } from './walk-state.ts';

/** Bytes of inodes read at once, bytes read in vain rather than starting another read, and reads under way. */
const READ_MAX = 1024 * 1024;
const GAP_MAX = 32 * 1024;
const READS = 3;
/** A batch is closed once its rows lead to about this many bytes of extents and attributes. */
const BATCH_WEIGHT_MAX = 64 * 1024 * 1024;
/** Notes told one by one about inodes that are not there. */
const NOTES_MAX = 20;

/**
 * @param allocated what is copied: a file with blocks elsewhere is told
 * @throws FormatError when there is no root directory, so that nothing has a name; other damage is told in batches and `notes`
 */
export async function* walkXfs(
  g: Geometry,
  groups: readonly Group[],
  readAt: ReadAt,
  notes: string[],
  { unfinished, reowned }: Pick<WalkState, 'unfinished' | 'reowned'>,
  allocated: Runs,
  signal?: AbortSignal,
): AsyncGenerator<WalkBatch> {
  loadNativeCrc32c();
  const walk: WalkState = {
    g,
    groups,
    readAt,
    signal,
    directories: new DirectoryList(g.blocksCount),
    chunks: new InodeChunks(),
    attributes: new AttributeReader(),
    notes,
    unfinished,
    reowned,
    treeBlocksLeft: g.blocksCount,
  };
  for await (const batch of readInodes(walk)) yield markUncopied(batch, allocated);
  if (!walk.chunks.has(g.rootInode, Mark.directory)) {
    throw new FormatError('corrupt', 'XFS', ['the root directory cannot be read', ...notes.slice(-3)].join('; '));
  }
  yield* readNames(walk);
}

async function* readInodes(walk: WalkState): AsyncGenerator<InodeBatch> {
  const { g } = walk;
  const rows = new InodeRows();
  const pending = new Pending();
  const scan = new Scanner(walk, rows, pending);
  for (const group of walk.groups) {
    const lost = (what: string): number => walk.notes.push(`inodes of group ${group.ag}: ${what}`);
    if (typeof group.inodes === 'string') {
      lost(group.inodes);
      continue;
    }
    const chunks = await readChunks(g, walk.readAt, group.ag, group.inodes, lost, walk.signal);
    const firstInode = group.ag * 2 ** (g.agBlockLog + g.inodesPerBlockLog);
    for (let i = 0; i < chunks.count; i++) walk.chunks.add(firstInode + chunks.start[i]);
    for await (const read of readAhead(walk.readAt, chunkReads(g, group.ag, chunks), READS, walk.signal)) {
      for await (const { run, view, base } of readableRuns(walk, read)) {
        for (let done = 0; ; ) {
          done = scan.inodes(chunks, run, firstInode, view, run.address - base, done);
          if (done === run.count) break;
          yield await finishBatch(walk, rows, pending);
          rows.reset();
        }
      }
    }
  }
  if (rows.count > 0) yield await finishBatch(walk, rows, pending);
}

async function finishBatch(walk: WalkState, rows: InodeRows, pending: Pending): Promise<InodeBatch> {
  if (!pending.isEmpty) await resolveBatch(walk, rows, pending);
  return rows.finish();
}

/** Neighbouring inodes of one chunk that are on disk. */
interface InodeRun {
  readonly address: Bytes;
  readonly chunk: number;
  /** Of the 64. */
  readonly first: number;
  readonly count: number;
}

interface ChunkRead {
  readonly offset: Bytes;
  readonly length: Bytes;
  readonly runs: readonly InodeRun[];
}

/** The chunks with inodes in use, near ones in one read. */
function* chunkReads(g: Geometry, ag: number, chunks: ChunkRecords): Generator<ChunkRead> {
  let runs: InodeRun[] = [];
  let from = 0;
  let end = 0;
  for (const run of inodeRuns(g, ag, chunks)) {
    const length = run.count * g.inodeSize;
    const isNear = run.address <= end + GAP_MAX && run.address + length <= from + READ_MAX;
    if (runs.length > 0 && !isNear) {
      yield { offset: from, length: end - from, runs };
      runs = [];
    }
    if (runs.length === 0) from = run.address;
    runs.push(run);
    end = run.address + length;
  }
  if (runs.length > 0) yield { offset: from, length: end - from, runs };
}

function* inodeRuns(g: Geometry, ag: number, chunks: ChunkRecords): Generator<InodeRun> {
  const base = agFirstBlock(g, ag) * g.blockSize;
  for (let chunk = 0; chunk < chunks.count; chunk++) {
    if ((chunks.usedLow[chunk] | chunks.usedHigh[chunk]) === 0) continue;
    const address = base + chunks.start[chunk] * g.inodeSize; // numbers within a group are places within it
    for (let first = 0; first < INODES_PER_CHUNK; ) {
      const isPresent = bitOf(chunks.presentLow, chunks.presentHigh, chunk, first);
      let next = first + 1;
      while (next < INODES_PER_CHUNK && bitOf(chunks.presentLow, chunks.presentHigh, chunk, next) === isPresent) next++;
      if (isPresent) yield { address: address + first * g.inodeSize, chunk, first, count: next - first };
      first = next;
    }
  }
}

const bitOf = (low: Int32Array, high: Int32Array, chunk: number, index: number): boolean =>
  (((index < 32 ? low[chunk] : high[chunk]) >>> (index & 31)) & 1) === 1;

/** Takes the inodes of a run into the batch. */
class Scanner {
  readonly #walk: WalkState;
  readonly #rows: InodeRows;
  readonly #pending: Pending;
  readonly #check: CheckInodes | undefined;
  readonly #wrong = new Uint8Array(INODES_PER_CHUNK);
  readonly #place: InodePlace = { view: new DataView(new ArrayBuffer(0)), at: 0, address: 0 };
  #noted = 0;

  constructor(walk: WalkState, rows: InodeRows, pending: Pending) {
    this.#walk = walk;
    this.#rows = rows;
    this.#pending = pending;
    this.#check = walk.g.version === 5 ? inodeChecker(walk.g.inodeSize) : undefined;
  }

  /** Goes through inodes `from` to the last of a run until they or the batch end; returns the first one not looked at. */
  inodes(chunks: ChunkRecords, run: InodeRun, firstInode: number, view: DataView, at: number, from: number): number {
    const { g } = this.#walk;
    const place = this.#place;
    if (from === 0) this.#check?.(view, at, run.count, this.#wrong);
    place.view = view;
    for (let i = from; i < run.count; i++) {
      if (!bitOf(chunks.usedLow, chunks.usedHigh, run.chunk, run.first + i)) continue;
      if (this.#rows.count === this.#rows.capacity || this.#pending.weight > BATCH_WEIGHT_MAX) return i;
      place.at = at + i * g.inodeSize;
      place.address = run.address + i * g.inodeSize;
      this.#take(firstInode + chunks.start[run.chunk] + run.first + i, this.#wrong[i] === 0);
    }
    return run.count;
  }

  #take(inode: number, intact: boolean): void {
    const walk = this.#walk;
    const { view, at } = this.#place;
    const trouble = coreTrouble(walk.g, view, at, inode);
    if (trouble !== undefined) {
      if (this.#noted++ < NOTES_MAX) walk.notes.push(`inode ${inode}: ${trouble}`);
      return;
    }
    // Without a link it is open and has no name, and is freed when the volume is next mounted.
    if (linksOf(view, at) === 0 || modeOf(view, at) === 0 || walk.g.hiddenInodes.has(inode)) return;
    walk.chunks.mark(inode, Mark.listed);
    addInode(walk, this.#rows, this.#pending, this.#place, inode, intact);
  }
}

/** The runs of a read as they are, or, when it failed, those that can be read by themselves. */
async function* readableRuns(
  walk: WalkState,
  read: { readonly view: DataView | undefined; readonly reason: string; readonly request: ChunkRead },
): AsyncGenerator<{ readonly run: InodeRun; readonly view: DataView; readonly base: Bytes }> {
  const { request } = read;
  if (read.view !== undefined) {
    for (const run of request.runs) yield { run, view: read.view, base: request.offset };
    return;
  }
  const { g } = walk;
  const perBlock = Math.max(1, g.blockSize / g.inodeSize);
  for (const run of request.runs) {
    for (let done = 0; done < run.count; done += perBlock) {
      const count = Math.min(perBlock, run.count - done);
      const offset = run.address + done * g.inodeSize;
      const single = [{ offset, length: count * g.inodeSize }][Symbol.iterator]();
      for await (const { view, reason } of readAhead(walk.readAt, single, 1, walk.signal)) {
        const part = { address: offset, chunk: run.chunk, first: run.first + done, count };
        if (view !== undefined) yield { run: part, view, base: offset };
        else walk.notes.push(`inodes at byte ${offset}, ${count} of them, cannot be read: ${reason}`);
      }
    }
  }
}
