/**
 * A walk of a tree that is nowhere: directories of Zipf-like sizes in nested trees, names as programs and people make
 * them, some long, some links, some attributes. Deterministic, in batches as a walker gives them, no object per file.
 */
import type { InodeBatch, NameBatch } from '../../src/bytes/walk-batch.ts';

export interface SyntheticOptions {
  readonly files: number;
  /** Unlike a fresh tree: random nanoseconds and generations, three different times, inodes and blocks scattered. */
  readonly aged: boolean;
}

const EXTENSIONS = ['.txt', '.c', '.h', '.js', '.json', '.log', '.png', '.md', '.pdf', '.py', '.o', ''];
const WORDS = [
  'src',
  'lib',
  'docs',
  'test',
  'build',
  'data',
  'img',
  'util',
  'core',
  'api',
  'vendor',
  'cache',
  'ünïcode',
  '日本',
];
const BATCH = 512;

/** xorshift32: the same numbers everywhere. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 0x1_0000_0000;
  };
}

export const SYNTHETIC_ROOT = 2;

/** Batches of the tree: inodes ascending, names in the order of their directories. */
export function* syntheticWalk({ files, aged }: SyntheticOptions): Generator<InodeBatch | NameBatch> {
  const random = randomNumbers(42);
  const inodes = new InodeSide(aged, random);
  const names = new NameSide();
  const directories: number[] = [SYNTHETIC_ROOT];
  inodes.add(SYNTHETIC_ROOT, 0o040755, 4096);
  let next = 12;
  let made = 0;
  while (made < files) {
    const recent = random() < 0.8 ? Math.max(0, directories.length - 200) : 0;
    const parent = directories[recent + Math.floor(random() * (directories.length - recent))];
    const directory = next++;
    inodes.add(directory, 0o040755, 4096);
    names.add(parent, directory, `${WORDS[Math.floor(random() * WORDS.length)]}${directories.length}`);
    directories.push(directory);
    const count = Math.min(files - made, 20_000, Math.floor((1 - random()) ** (-1 / 1.1) * 4));
    for (let i = 0; i < count; i++) {
      const long = random() < 0.02 ? 'L'.repeat(100 + Math.floor(random() * 100)) : '';
      const word = WORDS[Math.floor(random() * WORDS.length)];
      const extension = EXTENSIONS[Math.floor(random() * EXTENSIONS.length)];
      const gap = aged && random() < 0.3 ? Math.floor(random() * 20) : 0;
      next += gap;
      const kind = random();
      const size = Math.min(300_000, Math.floor(Math.exp(7.2 + 1.3 * normal(random))));
      inodes.add(next, kind < 0.02 ? 0o120777 : 0o100644, size);
      names.add(directory, next++, `${long}${word}_${i}${extension}`);
      if (inodes.count >= BATCH) yield inodes.take();
      if (names.count >= BATCH) yield names.take();
    }
    made += count;
  }
  yield inodes.take();
  yield names.take();
}

const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

class InodeSide {
  count = 0;
  readonly #aged: boolean;
  readonly #random: () => number;
  readonly #batch: { -readonly [K in keyof InodeBatch]: InodeBatch[K] };
  #block = 10_000;
  #clock = 1_700_000_000;
  #literalBytes = 0;
  #extents = 0;

  constructor(aged: boolean, random: () => number) {
    this.#aged = aged;
    this.#random = random;
    const size = BATCH * 2;
    const f64 = (): Float64Array => new Float64Array(size);
    const u32 = (): Uint32Array => new Uint32Array(size);
    this.#batch = {
      kind: 'inodes',
      count: 0,
      inode: f64(),
      generation: u32(),
      mode: new Uint16Array(size),
      linkCount: u32(),
      uid: u32(),
      gid: u32(),
      size: f64(),
      atimeSeconds: f64(),
      atimeNanoseconds: u32(),
      mtimeSeconds: f64(),
      mtimeNanoseconds: u32(),
      ctimeSeconds: f64(),
      ctimeNanoseconds: u32(),
      device: f64(),
      flags: new Uint16Array(size),
      extentStart: new Uint32Array(size + 1),
      extentKind: new Uint8Array(size),
      extentFileOffset: f64(),
      extentLength: f64(),
      extentVolumeOffset: f64(),
      literals: new Uint8Array(size * 64),
      xattrs: [],
      problems: [],
    };
  }

  add(inode: number, mode: number, size: number): void {
    const b = this.#batch;
    const row = this.count++;
    const random = this.#random;
    const symlink = (mode & 0o170000) === 0o120000;
    const target = 8 + Math.floor(random() * 40);
    b.inode[row] = inode;
    b.mode[row] = mode;
    b.linkCount[row] = (mode & 0o170000) === 0o040000 ? 2 + Math.floor(random() * 3) : 1;
    b.uid[row] = 1000;
    b.gid[row] = 1000;
    b.size[row] = symlink ? target : size;
    this.#times(row);
    const regular = (mode & 0o170000) === 0o100000;
    if (symlink) this.#extent(2, target, this.#literal(target, inode));
    else if (regular && size > 0) {
      if (this.#aged && random() < 0.3) this.#block += Math.floor(random() * 3000) - 1000;
      this.#extent(0, Math.ceil(size / 4096) * 4096, Math.abs(this.#block) * 4096);
      this.#block += Math.ceil(size / 4096);
    } else this.#block++;
    b.extentStart[row + 1] = this.#extents;
    if (random() > 0.98)
      (b.xattrs as { row: number; list: { name: Uint8Array; value: Uint8Array }[] }[]).push({
        row,
        list: [{ name: Buffer.from('user.tag'), value: Buffer.alloc(4 + Math.floor(random() * 116), 0x76) }],
      });
  }

  take(): InodeBatch {
    const batch = { ...this.#batch, count: this.count };
    this.#batch.xattrs = [];
    this.count = 0;
    this.#extents = 0;
    this.#literalBytes = 0;
    return batch;
  }

  #times(row: number): void {
    const b = this.#batch;
    const random = this.#random;
    this.#clock += random() < 0.01 ? 1 : 0;
    const ns = this.#aged ? Math.floor(random() * 1e9) : Math.floor(random() * 250) * 4_000_000;
    b.generation[row] = this.#aged ? Math.floor(random() * 0x1_0000_0000) : 0;
    b.mtimeSeconds[row] = this.#aged ? 1_500_000_000 + Math.floor(random() * 2e8) : this.#clock;
    b.mtimeNanoseconds[row] = ns;
    b.atimeSeconds[row] = this.#clock;
    b.atimeNanoseconds[row] = this.#aged ? Math.floor(random() * 1e9) : ns;
    b.ctimeSeconds[row] = this.#clock;
    b.ctimeNanoseconds[row] = this.#aged && random() < 0.5 ? Math.floor(random() * 1e9) : ns;
  }

  #literal(length: number, seed: number): number {
    const at = this.#literalBytes;
    for (let i = 0; i < length; i++) this.#batch.literals[at + i] = 0x61 + ((seed * 7 + i * i) % 26);
    this.#literalBytes += length;
    return at;
  }

  #extent(kind: number, length: number, at: number): void {
    const b = this.#batch;
    const e = this.#extents++;
    b.extentKind[e] = kind;
    b.extentFileOffset[e] = 0;
    b.extentLength[e] = length;
    b.extentVolumeOffset[e] = at;
  }
}

class NameSide {
  count = 0;
  readonly #parent = new Float64Array(BATCH * 2);
  readonly #child = new Float64Array(BATCH * 2);
  readonly #start = new Uint32Array(BATCH * 2 + 1);
  readonly #bytes = Buffer.alloc(BATCH * 2 * 256);

  add(parent: number, child: number, name: string): void {
    const row = this.count++;
    this.#parent[row] = parent;
    this.#child[row] = child;
    this.#start[row + 1] = this.#start[row] + this.#bytes.write(name, this.#start[row], 'utf8');
  }

  take(): NameBatch {
    const count = this.count;
    this.count = 0;
    return {
      kind: 'names',
      count,
      parent: this.#parent,
      child: this.#child,
      nameStart: this.#start,
      names: this.#bytes,
      problems: [],
    };
  }
}
