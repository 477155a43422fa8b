/**
 * The directories met in the inode tables and the blocks that hold their names, kept until all inodes are known and then
 * read in disk order. Memory: 17 bytes a directory, 16 bytes a directory block, the bytes of inline directories, and two
 * bits for each inode of the filesystem.
 */

export const NamesFlag = {
  /** Names are ciphertext. */
  ciphertext: 1,
  /** The kernel shows them with their hash: it reads the directory by its index. */
  hashed: 2,
  /** The hash stands behind each name. */
  hashInEntry: 4,
} as const;

export class DirectoryList {
  inode = new Uint32Array(1024);
  generation = new Uint32Array(1024);
  blocksExpected = new Uint32Array(1024);
  blocksFound = new Uint32Array(1024);
  /** NamesFlag bits. */
  flags = new Uint8Array(1024);
  count = 0;
  /** Byte address of a directory block, and the directory it belongs to. */
  blockAt = new Float64Array(1024);
  blockOwner = new Uint32Array(1024);
  blockCount = 0;
  /** Names inside inodes: few, small. */
  readonly inline: { readonly directory: number; readonly bytes: Uint8Array }[] = [];
  readonly problems: { readonly inode: number; readonly reason: string }[] = [];

  add(inode: number, generation: number, blocksExpected: number, flags: number): number {
    if (this.count === this.inode.length) {
      this.inode = twice(this.inode);
      this.generation = twice(this.generation);
      this.blocksExpected = twice(this.blocksExpected);
      this.blocksFound = twice(this.blocksFound);
      const old = this.flags;
      this.flags = new Uint8Array(old.length * 2);
      this.flags.set(old);
    }
    const row = this.count++;
    this.inode[row] = inode;
    this.generation[row] = generation;
    this.blocksExpected[row] = blocksExpected;
    this.blocksFound[row] = 0;
    this.flags[row] = flags;
    return row;
  }

  addBlock(directory: number, at: number): void {
    if (this.blockCount === this.blockAt.length) {
      const old = this.blockAt;
      this.blockAt = new Float64Array(old.length * 2);
      this.blockAt.set(old);
      this.blockOwner = twice(this.blockOwner);
    }
    this.blockAt[this.blockCount] = at;
    this.blockOwner[this.blockCount] = directory;
    this.blockCount++;
    this.blocksFound[directory]++;
  }

  problem(directory: number, reason: string): void {
    this.problems.push({ inode: this.inode[directory], reason });
  }
}

function twice(old: Uint32Array): Uint32Array<ArrayBuffer> {
  const bigger = new Uint32Array(old.length * 2);
  bigger.set(old);
  return bigger;
}

/** One bit for each inode number. Pages of it that are never touched take no memory. */
export class InodeSet {
  readonly #words: Uint32Array;
  constructor(inodesCount: number) {
    this.#words = new Uint32Array((inodesCount >>> 5) + 1);
  }
  add(inode: number): void {
    this.#words[inode >>> 5] |= 1 << (inode & 31);
  }
  has(inode: number): boolean {
    return inode >>> 5 < this.#words.length && ((this.#words[inode >>> 5] >>> (inode & 31)) & 1) === 1;
  }
}
