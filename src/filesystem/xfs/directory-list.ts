/**
 * The directories met among the inodes and where their names are, kept until all inodes are known and then read in disk
 * order. Memory: 8 bytes a directory, 28 an extent of a directory, and SHORT_BYTES_MAX of directories inside inodes; those
 * beyond are read again.
 */
import type { Bytes } from '../../bytes/units.ts';

/** Bytes of short-form directories kept: about 500,000 of them. */
const SHORT_BYTES_MAX = 64 * 1024 * 1024;

export class DirectoryList {
  inode = new Float64Array(1024);
  count = 0;

  /** Extents: byte address, blocks, first file block, and the directory they belong to. */
  at = new Float64Array(1024);
  blocks = new Uint32Array(1024);
  fileBlock = new Float64Array(1024);
  owner = new Uint32Array(1024);
  extentCount = 0;
  /** Blocks of all extents. */
  blockCount = 0;

  /** Short forms: bytes shortStart[i] to shortStart[i + 1] of `short` belong to shortOwner[i]. */
  short = new Uint8Array(64 * 1024);
  shortStart = new Float64Array(1025);
  shortOwner = new Uint32Array(1024);
  shortCount = 0;
  /** Addresses of inodes whose short forms are read again, and their directories. */
  againAt = new Float64Array(64);
  againOwner = new Uint32Array(64);
  againCount = 0;

  readonly problems: { readonly inode: number; readonly reason: string }[] = [];
  readonly #blocksMax: number;
  readonly #shortBytesMax: number;

  /** @param blocksMax of the volume: there cannot be more directory blocks */
  constructor(blocksMax: number, shortBytesMax = SHORT_BYTES_MAX) {
    this.#blocksMax = blocksMax;
    this.#shortBytesMax = shortBytesMax;
  }

  add(inode: number): number {
    if (this.count === this.inode.length) this.inode = twice(this.inode);
    this.inode[this.count] = inode;
    return this.count++;
  }

  addExtent(directory: number, fileBlock: number, count: number, address: Bytes): string | undefined {
    if (this.blockCount + count > this.#blocksMax) return 'the directories claim more blocks than the volume has';
    this.blockCount += count;
    if (this.extentCount === this.at.length) {
      this.at = twice(this.at);
      this.blocks = twiceWords(this.blocks);
      this.fileBlock = twice(this.fileBlock);
      this.owner = twiceWords(this.owner);
    }
    const i = this.extentCount++;
    this.at[i] = address;
    this.blocks[i] = count;
    this.fileBlock[i] = fileBlock;
    this.owner[i] = directory;
    return undefined;
  }

  /** A directory inside the inode at byte `inodeAt` of the volume. */
  addShort(directory: number, data: Uint8Array, inodeAt: Bytes): void {
    const from = this.shortStart[this.shortCount];
    if (from + data.length > this.#shortBytesMax) {
      this.#readAgain(directory, inodeAt);
      return;
    }
    while (from + data.length > this.short.length) {
      const old = this.short;
      this.short = new Uint8Array(old.length * 2);
      this.short.set(old);
    }
    if (this.shortCount === this.shortOwner.length) {
      this.shortOwner = twiceWords(this.shortOwner);
      const old = this.shortStart;
      this.shortStart = new Float64Array(this.shortOwner.length + 1);
      this.shortStart.set(old);
    }
    this.short.set(data, from);
    this.shortOwner[this.shortCount++] = directory;
    this.shortStart[this.shortCount] = from + data.length;
  }

  problem(directory: number, reason: string): void {
    this.problems.push({ inode: this.inode[directory], reason });
  }

  #readAgain(directory: number, inodeAt: Bytes): void {
    if (this.againCount === this.againAt.length) {
      this.againAt = twice(this.againAt);
      this.againOwner = twiceWords(this.againOwner);
    }
    this.againAt[this.againCount] = inodeAt;
    this.againOwner[this.againCount++] = directory;
  }
}

function twice(old: Float64Array): Float64Array<ArrayBuffer> {
  const bigger = new Float64Array(old.length * 2);
  bigger.set(old);
  return bigger;
}

function twiceWords(old: Uint32Array): Uint32Array<ArrayBuffer> {
  const bigger = new Uint32Array(old.length * 2);
  bigger.set(old);
  return bigger;
}
