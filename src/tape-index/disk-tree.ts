/**
 * The directories above the filesystems of a divided volume: `/`, and the names of volume groups. They are in no row of the
 * index; the manifest's `path` of each filesystem makes them. index-format/FORMAT.md, "Several filesystems".
 */
import type { FilesystemRecord } from '../bytes/manifest.ts';
import { FileType } from './entry.ts';
import { compareBytes } from './keys.ts';
import type { StoredEntry } from './page-entry.ts';

/** Stands for the tree itself where a filesystem's number is asked for. No filesystem of a set has it. */
export const DISK_FILESYSTEM = 0xffff;

const ROOT_INODE = 1;

/** What of a filesystem's record the tree needs. */
export type PlacedFilesystem = Pick<FilesystemRecord, 'number' | 'indexed' | 'path'> & {
  readonly reason?: string | null;
};

interface Directory {
  readonly entry: StoredEntry;
  readonly children: Map<string, Child>;
}

/** A name of the tree: another of its directories, or the root of a filesystem. */
export interface Child {
  readonly name: Uint8Array;
  /** Of a filesystem that is not indexed: an empty directory with the reason. */
  readonly entry?: StoredEntry;
  readonly filesystem?: number;
}

export class DiskTree {
  readonly #directories: Directory[] = [];

  /** The tree of a set's filesystems; undefined when its one filesystem has no path. */
  static of(filesystems: readonly PlacedFilesystem[], startedAt?: string): DiskTree | undefined {
    const placed = filesystems.filter(({ path }) => path !== undefined);
    return placed.length === 0 ? undefined : new DiskTree(placed, startedAt);
  }

  private constructor(filesystems: readonly PlacedFilesystem[], startedAt: string | undefined) {
    const seconds = startedAt === undefined ? 0 : Math.floor(Date.parse(startedAt) / 1000) || 0;
    this.#add(new Uint8Array(0), seconds, []);
    for (const one of filesystems) this.#place(one, seconds);
  }

  get root(): StoredEntry {
    return this.#directories[0].entry;
  }

  /** What is in a directory of the tree, in the order of the names' bytes. */
  list(inode: number): Child[] {
    const children = this.#directories[inode - ROOT_INODE]?.children.values() ?? [];
    return [...children].sort((a, b) => compareBytes(a.name, b.name));
  }

  child(inode: number, name: Uint8Array): Child | undefined {
    return this.#directories[inode - ROOT_INODE]?.children.get(keyOf(name));
  }

  #place({ number, indexed, path = '', reason }: PlacedFilesystem, seconds: number): void {
    const names = path.split('/').filter((name) => name !== '');
    const last = names.pop();
    if (last === undefined) return;
    let above = this.#directories[0];
    for (const word of names) {
      const name = Buffer.from(word);
      const there = above.children.get(keyOf(name))?.entry;
      const entry = there ?? this.#add(name, seconds, []);
      if (there === undefined) above.children.set(keyOf(name), { name, entry });
      above = this.#directories[entry.inode - ROOT_INODE];
    }
    const name = Buffer.from(last);
    const problems = [`stored but not indexed file by file: ${reason ?? 'no reason recorded'}`];
    const child = indexed ? { name, filesystem: number } : { name, entry: this.#add(name, seconds, problems) };
    above.children.set(keyOf(name), child);
  }

  #add(name: Uint8Array, seconds: number, problems: readonly string[]): StoredEntry {
    const inode = ROOT_INODE + this.#directories.length;
    const time = { seconds, nanoseconds: 0 };
    const entry: StoredEntry = {
      name,
      filesystem: DISK_FILESYSTEM,
      inode,
      generation: 0,
      mode: FileType.directory | 0o755,
      linkCount: 2,
      uid: 0,
      gid: 0,
      size: 0,
      atime: time,
      mtime: time,
      ctime: time,
      device: null,
      encrypted: false,
      compressed: false,
      verity: false,
      problems,
      extents: [],
      xattrs: [],
      secondName: false,
    };
    this.#directories.push({ entry, children: new Map() });
    return entry;
  }
}

const keyOf = (name: Uint8Array): string => Buffer.from(name).toString('latin1');
