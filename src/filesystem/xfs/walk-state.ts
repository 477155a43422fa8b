/** What the parts of one walk share, and what a batch still has to read before it is whole. */
import type { Bytes } from '../../bytes/units.ts';
import type { ReadAt } from '../volume.ts';
import type { AttributeReader } from './attributes.ts';
import type { DirectoryList } from './directory-list.ts';
import type { Group } from './groups.ts';
import type { InodeChunks } from './inode-chunks.ts';
import type { Unfinished } from './log/intents.ts';
import type { MappedRun } from './map-edits.ts';
import type { Geometry } from './superblock.ts';

export interface WalkState {
  readonly g: Geometry;
  readonly groups: readonly Group[];
  readonly readAt: ReadAt;
  readonly signal: AbortSignal | undefined;
  readonly directories: DirectoryList;
  readonly chunks: InodeChunks;
  readonly attributes: AttributeReader;
  readonly damage: string[];
  /** What the log said would be done and was not. */
  readonly unfinished: Unfinished;
  /** Inodes whose extent trees may say that they are another's: see the replay. */
  readonly reowned: ReadonlySet<number>;
  /** Tree blocks that may still be read: each belongs to one file, so there are fewer than the volume has blocks. */
  treeBlocksLeft: number;
}

/** A run of blocks of a fork. */
export interface ForkRun {
  readonly fileBlock: number;
  readonly count: number;
  readonly address: Bytes;
}

/** Runs of blocks of a fork: for the few bytes that the walk itself reads. Those of tree leaves come in disk order. */
export class ForkMap {
  readonly #runs: ForkRun[] = [];
  readonly #blockSize: Bytes;
  #isSorted = true;
  /** Blocks of all runs. */
  blocks = 0;

  constructor(blockSize: Bytes) {
    this.#blockSize = blockSize;
  }

  add(fileBlock: number, count: number, address: Bytes): void {
    this.#isSorted &&= this.#runs.length === 0 || this.#runs[this.#runs.length - 1].fileBlock < fileBlock;
    this.#runs.push({ fileBlock, count, address });
    this.blocks += count;
  }

  /** In the order of the file. */
  runs(): readonly ForkRun[] {
    if (!this.#isSorted) this.#runs.sort((a, b) => a.fileBlock - b.fileBlock);
    this.#isSorted = true;
    return this.#runs;
  }

  /** Byte address of a file block; -1 in a hole. */
  addressOf(fileBlock: number): Bytes {
    const runs = this.runs();
    let low = 0;
    let high = runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (runs[middle].fileBlock <= fileBlock) low = middle + 1;
      else high = middle;
    }
    const run = runs[low - 1];
    if (run === undefined || fileBlock >= run.fileBlock + run.count) return -1;
    return run.address + (fileBlock - run.fileBlock) * this.#blockSize;
  }
}

/** A node of an extent tree that a row waits for. */
export interface PendingNode {
  readonly row: number;
  readonly address: Bytes;
  readonly level: number;
  readonly first: number;
  readonly limit: number;
  readonly isAttributeFork: boolean;
}

/** Everything a batch waits for. */
export class Pending {
  nodes: PendingNode[] = [];
  /** Attribute forks outside inodes, by row. */
  readonly attributeForks = new Map<number, ForkMap>();
  /** Symbolic links outside inodes, by row. */
  readonly links = new Map<number, ForkMap>();
  /** Extents that the data fork of a row should have in its tree and that were not met yet. */
  readonly extentsLeft = new Map<number, number>();
  /** Extents of files that the log has changes for, by row. */
  readonly edited = new Map<number, MappedRun[]>();
  /** About how many bytes of memory will come of it all. */
  weight = 0;

  get isEmpty(): boolean {
    return this.nodes.length === 0 && this.attributeForks.size === 0 && this.links.size === 0 && this.edited.size === 0;
  }

  reset(): void {
    this.nodes = [];
    this.attributeForks.clear();
    this.links.clear();
    this.edited.clear();
    this.extentsLeft.clear();
    this.weight = 0;
  }
}
