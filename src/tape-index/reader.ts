/**
 * Look-up in the index of one set: a path component by component, one page read each; listings; a walk; an inode.
 *
 * Nothing is believed: a page that is lost is noticed by the look-up that needs it, because each page names the first name
 * of the next, a directory's first page counts them all, and a set that builds on another has a roster of what it holds
 * itself. Every such finding is a FormatError `corrupt` that names the row and the remedy.
 */
import { FormatError } from '../bytes/errors.ts';
import { type Child, DISK_FILESYSTEM, DiskTree, type PlacedFilesystem } from './disk-tree.ts';
import { FileType, fileTypeOf, type IndexEntry } from './entry.ts';
import { REMEDY } from './frame.ts';
import {
  compareBytes,
  equalBytes,
  KeyKind,
  PAGE_PREFIX,
  pageKey,
  recordKey,
  setBytes,
  successor,
  successorOfPrefix,
} from './keys.ts';
import type { KvStore } from './kv-store.ts';
import type { Manifest } from './manifest.ts';
import { decodePage } from './page-decode.ts';
import { compareName, entryAt, findName, nameAt, type StoredEntry } from './page-entry.ts';
import type { PageRows } from './page-rows.ts';

export type { StoredEntry } from './page-entry.ts';

/** What of a manifest look-ups need. */
export type SetIdentity = Pick<Manifest, 'set' | 'base'> & {
  readonly startedAt?: string;
  readonly filesystems: readonly (PlacedFilesystem & Pick<Manifest['filesystems'][number], 'rootInode'>)[];
};

/** Decoded pages kept, at most; about 40 KiB each. */
const CACHED_PAGES_MAX = 64;
/** Sets in a chain of bases, at most. */
const CHAIN_MAX = 4096;
/** Parts of an inode record, at most: 4096 extents each. */
const PARTS_MAX = 1 << 16;
const PARTS_AT_ONCE = 64;
/** Directories between the root and an entry, at most. */
const DEPTH_MAX = 65_536;

const NO_NAME = new Uint8Array(0);

/** A walk's batch: entries of one directory, each directory among them before what is in it. */
export interface WalkedEntries {
  /** Names from the root of the walk down to the directory. */
  readonly parents: readonly Uint8Array[];
  readonly entries: readonly StoredEntry[];
}

/**
 * The index of a set.
 * @param baseOf gives the base of a set id in the chain; needed only by sets that build on another
 */
export async function openSetIndex(
  store: KvStore,
  set: SetIdentity,
  baseOf?: (set: string) => Promise<SetIdentity | undefined>,
): Promise<SetIndex> {
  const chain = [setBytes(set.set)];
  const seen = new Set([set.set]);
  for (let at = set; at.base !== null; ) {
    const where = `set ${at.set.slice(0, 8)}`;
    const base = await baseOf?.(at.base);
    if (base === undefined)
      throw new FormatError('corrupt', where, `its base ${at.base.slice(0, 8)} is not in the index ${REMEDY}`);
    if (seen.has(base.set) || chain.length >= CHAIN_MAX)
      throw new FormatError('corrupt', where, `its chain of bases has no end ${REMEDY}`);
    seen.add(base.set);
    chain.push(setBytes(base.set));
    at = base;
  }
  return new SetIndex(store, set, chain);
}

export class SetIndex {
  readonly #store: KvStore;
  readonly #set: SetIdentity;
  /** This set, its base, the base's base, ... */
  readonly #chain: readonly Uint8Array[];
  /** Of a volume that is divided. */
  readonly #disk: DiskTree | undefined;
  readonly #cache = new Map<string, PageRows>();

  constructor(store: KvStore, set: SetIdentity, chain: readonly Uint8Array[]) {
    this.#store = store;
    this.#set = set;
    this.#chain = chain;
    this.#disk = DiskTree.of(set.filesystems, set.startedAt);
  }

  /** Of a volume that is divided the tree above its filesystems, else the one that is indexed. */
  get defaultFilesystem(): number | undefined {
    if (this.#disk !== undefined) return DISK_FILESYSTEM;
    return this.#set.filesystems.find((filesystem) => filesystem.indexed)?.number;
  }

  /**
   * The entry at a path of names from the root; the root itself for none. `undefined`: there is no such path.
   * @throws FormatError when the index that would tell is lost or damaged
   */
  async resolve(
    components: readonly Uint8Array[],
    filesystem = this.defaultFilesystem,
  ): Promise<StoredEntry | undefined> {
    let entry = await this.root(filesystem);
    for (const name of components) {
      if (entry === undefined || fileTypeOf(entry.mode) !== FileType.directory) return undefined;
      entry = await this.lookUp(entry, name);
    }
    return entry;
  }

  /** The root directory; `undefined` when the filesystem is not in the set or not indexed. */
  async root(filesystem = this.defaultFilesystem): Promise<StoredEntry | undefined> {
    if (filesystem === DISK_FILESYSTEM) return this.#disk?.root;
    return this.#rootOf(filesystem, NO_NAME);
  }

  async #rootOf(filesystem: number | undefined, name: Uint8Array): Promise<StoredEntry | undefined> {
    const found = this.#set.filesystems.find(({ number, indexed }) => number === filesystem && indexed);
    return found && this.#record(found.number, found.rootInode, name);
  }

  /** A name of the tree above the filesystems. */
  async #diskEntry({ name, entry, filesystem }: Child): Promise<StoredEntry> {
    const found = entry ?? (await this.#rootOf(filesystem, name));
    if (found === undefined)
      throw new FormatError('corrupt', `filesystem ${filesystem}`, `is not in the set ${REMEDY}`);
    return found;
  }

  /** The entry `name` of a directory. */
  async lookUp(directory: IndexEntry, name: Uint8Array): Promise<StoredEntry | undefined> {
    if (name.length === 0 || name.length > 255) return undefined;
    if (directory.filesystem === DISK_FILESYSTEM) {
      const child = this.#disk?.child(directory.inode, name);
      return child && this.#diskEntry(child);
    }
    const set = await this.#holder(KeyKind.directoryRoster, directory);
    const page = await this.#pageFor(set, directory, name);
    const index = findName(page, name);
    return index < 0 ? undefined : this.#entry(page, index, directory.filesystem);
  }

  /** As `list`; what is lost or damaged is told, and all else of the directory comes. */
  async *listReadable(
    directory: IndexEntry,
    damaged: (error: FormatError) => void,
  ): AsyncGenerator<readonly StoredEntry[]> {
    let last: Uint8Array = NO_NAME;
    try {
      for await (const entries of this.list(directory)) {
        yield entries;
        last = entries[entries.length - 1].name;
      }
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      yield* this.#salvage(directory, last, error, damaged);
    }
  }

  /** The pages of a directory by their keys, those behind the name `last`, each for itself. `found`: what is known to be wrong. */
  async *#salvage(
    directory: IndexEntry,
    last: Uint8Array,
    found: FormatError,
    damaged: (error: FormatError) => void,
  ): AsyncGenerator<readonly StoredEntry[]> {
    let told = false;
    const tell = (error: unknown): void => {
      if (!(error instanceof FormatError)) throw error;
      told = true;
      damaged(error);
    };
    try {
      const set = await this.#holder(KeyKind.directoryRoster, directory);
      const gte = pageKey(set, directory.filesystem, directory.inode, NO_NAME);
      let next: Uint8Array | null = NO_NAME;
      for await (const rows of this.#store.scan({ gte, lt: successorOfPrefix(gte) })) {
        for (const [key, value] of rows) {
          const firstName = key.slice(PAGE_PREFIX);
          if (next !== null && compareBytes(next, firstName) < 0) tell(lost(set, directory, next));
          next = null;
          try {
            const page = this.#decode(set, directory, key, firstName, value);
            next = page.nextName;
            const entries = await this.#entries(page, directory.filesystem, last, tell);
            if (entries.length > 0) yield entries;
          } catch (error) {
            tell(error);
          }
        }
      }
      if (next !== null) tell(lost(set, directory, next));
    } catch (error) {
      tell(error);
    }
    if (!told) damaged(found);
  }

  /** Entries of a directory in the order of their bytes, a page at a time, those after the name `after` if given. */
  async *list(directory: IndexEntry, after: Uint8Array = NO_NAME): AsyncGenerator<readonly StoredEntry[]> {
    if (directory.filesystem === DISK_FILESYSTEM) {
      const children = this.#disk?.list(directory.inode) ?? [];
      for (const child of children) if (compareBytes(child.name, after) > 0) yield [await this.#diskEntry(child)];
      return;
    }
    const set = await this.#holder(KeyKind.directoryRoster, directory);
    let page = await this.#pageFor(set, directory, after);
    let pages = 1;
    for (;;) {
      const entries = await this.#entries(page, directory.filesystem, after);
      if (entries.length > 0) yield entries;
      if (page.nextName === null) break;
      const next = await this.#page(set, directory, page.nextName);
      if (next === undefined) throw lost(set, directory, page.nextName);
      checkOrder(page, next, where(set, directory, page.nextName));
      page = next;
      pages++;
    }
    if (after.length > 0) return;
    const first = await this.#page(set, directory, NO_NAME);
    if (first?.pageCount !== pages)
      throw new FormatError('corrupt', where(set, directory, NO_NAME), `pages are lost ${REMEDY}`);
  }

  /**
   * Everything below a directory, depth first, in the order of a sorted listing of paths.
   * @param damaged told of what is lost, with the names down to its directory; without it that ends the walk
   */
  async *walk(
    directory: IndexEntry,
    damaged?: (error: FormatError, parents: readonly Uint8Array[]) => void,
  ): AsyncGenerator<WalkedEntries> {
    const list = (of: IndexEntry, names: readonly Uint8Array[]): AsyncGenerator<readonly StoredEntry[]> =>
      damaged === undefined ? this.list(of) : this.listReadable(of, (error) => damaged(error, names));
    const stack: { pages: AsyncGenerator<readonly StoredEntry[]>; rest: readonly StoredEntry[] }[] = [];
    const parents: Uint8Array[] = [];
    const open = new Set<string>([numberOf(directory)]);
    const numbers: string[] = [numberOf(directory)];
    stack.push({ pages: list(directory, []), rest: [] });
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      if (top.rest.length === 0) {
        const next = await top.pages.next();
        if (next.done === true) {
          stack.pop();
          parents.pop();
          open.delete(numbers.pop() ?? '');
          continue;
        }
        top.rest = next.value;
      }
      const at = top.rest.findIndex((entry) => fileTypeOf(entry.mode) === FileType.directory && !entry.secondName);
      const entries = at < 0 ? top.rest : top.rest.slice(0, at + 1);
      yield { parents: [...parents], entries };
      top.rest = at < 0 ? [] : top.rest.slice(at + 1);
      if (at < 0) continue;
      const down = entries[at];
      if (open.has(numberOf(down)) || stack.length >= DEPTH_MAX) {
        const error = new FormatError('corrupt', `directory ${down.inode}`, `is inside itself in the index ${REMEDY}`);
        if (damaged === undefined) throw error;
        damaged(error, [...parents, down.name]);
        continue;
      }
      open.add(numberOf(down));
      numbers.push(numberOf(down));
      parents.push(down.name);
      stack.push({ pages: list(down, [...parents]), rest: [] });
    }
  }

  /**
   * The entry of an inode number, found at once (and without a name) when the inode has a record, else by looking
   * through all pages.
   */
  async entryOf(inode: number, filesystem = this.defaultFilesystem): Promise<StoredEntry | undefined> {
    const root = await this.root(filesystem);
    if (root === undefined || root.inode === inode) return root;
    const isDisk = root.filesystem === DISK_FILESYSTEM;
    const set = isDisk ? undefined : await this.#holder(KeyKind.recordRoster, { filesystem: root.filesystem, inode });
    if (set !== undefined && (await this.#store.get(recordKey(set, root.filesystem, inode, 0))) !== undefined)
      return this.#record(root.filesystem, inode, NO_NAME);
    for await (const { entries } of this.walk(root)) {
      const found = entries.find((entry) => entry.inode === inode && entry.filesystem === root.filesystem);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The set of the chain that holds the directory, or the record of the inode. */
  async #holder(
    kind: typeof KeyKind.directoryRoster | typeof KeyKind.recordRoster,
    of: { readonly filesystem: number; readonly inode: number },
  ): Promise<Uint8Array> {
    const last = this.#chain.length - 1;
    if (last === 0) return this.#chain[0];
    const { isOnRoster } = await import('./roster.ts');
    for (let i = 0; i < last; i++) {
      if (await isOnRoster(this.#store, kind, this.#chain[i], of.filesystem, of.inode)) return this.#chain[i];
    }
    return this.#chain[last];
  }

  /** The page of a directory that has `name` or would have it; the first page for the empty name. */
  async #pageFor(set: Uint8Array, directory: IndexEntry, name: Uint8Array): Promise<PageRows> {
    const first = await this.#page(set, directory, NO_NAME);
    if (first === undefined) throw lost(set, directory, NO_NAME);
    if (first.nextName === null || compareBytes(name, first.nextName) < 0) return first;
    const range = {
      gte: pageKey(set, directory.filesystem, directory.inode, first.nextName),
      lt: successor(pageKey(set, directory.filesystem, directory.inode, name)),
    };
    for await (const rows of this.#store.scan({ ...range, reverse: true, limit: 1 })) {
      for (const [key, value] of rows) {
        const firstName = key.subarray(PAGE_PREFIX);
        const page = this.#decode(set, directory, key, firstName, value);
        if (page.nextName !== null && compareBytes(name, page.nextName) >= 0) throw lost(set, directory, page.nextName);
        return page;
      }
    }
    throw lost(set, directory, first.nextName);
  }

  async #page(set: Uint8Array, directory: IndexEntry, firstName: Uint8Array): Promise<PageRows | undefined> {
    const key = pageKey(set, directory.filesystem, directory.inode, firstName);
    const cached = this.#cache.get(cacheKey(key));
    if (cached !== undefined) return cached;
    const value = await this.#store.get(key);
    return value && this.#decode(set, directory, key, firstName, value);
  }

  #decode(set: Uint8Array, directory: IndexEntry, key: Uint8Array, firstName: Uint8Array, value: Uint8Array): PageRows {
    const at = where(set, directory, firstName);
    const page = decodePage(key, value, at);
    if (firstName.length === 0 ? page.pageCount === 0 : page.nameCount === 0 || compareName(page, 0, firstName) !== 0)
      throw new FormatError('corrupt', at, `is not the page that its key says ${REMEDY}`);
    if (page.nameCount !== page.rowCount) throw new FormatError('corrupt', at, `rows without names ${REMEDY}`);
    for (let i = 1; i < page.nameCount; i++)
      if (compareName(page, i - 1, nameAt(page, i)) >= 0)
        throw new FormatError('corrupt', at, `names out of order ${REMEDY}`);
    if (this.#cache.size >= CACHED_PAGES_MAX) {
      const oldest = this.#cache.keys().next();
      if (oldest.done !== true) this.#cache.delete(oldest.value);
    }
    this.#cache.set(cacheKey(key), page);
    return page;
  }

  /** The page's entries behind `after`, those with records completed from them. `tell`: of those whose record is lost. */
  async #entries(
    page: PageRows,
    filesystem: number,
    after: Uint8Array,
    tell?: (error: unknown) => void,
  ): Promise<StoredEntry[]> {
    const out: StoredEntry[] = [];
    for (let i = 0; i < page.nameCount; i++) {
      if (after.length > 0 && compareName(page, i, after) <= 0) continue;
      try {
        out.push(await this.#entry(page, i, filesystem));
      } catch (error) {
        if (tell === undefined || !(error instanceof FormatError)) throw error;
        const name = JSON.stringify(Buffer.from(nameAt(page, i)).toString('utf8'));
        tell(new FormatError(error.kind, `${name}, ${error.where}`, error.what, { cause: error }));
      }
    }
    return out;
  }

  async #entry(page: PageRows, index: number, filesystem: number): Promise<StoredEntry> {
    const row = page.nameRow[index];
    const own = page.own[row];
    const name = nameAt(page, index);
    if (own < 0) return this.#record(filesystem, page.inode[row], name);
    return entryAt(page, own, name, page.inode[row], filesystem);
  }

  /** An inode from its record. @throws FormatError when it is lost: whoever asks knows that there is one */
  async #record(filesystem: number, inode: number, name: Uint8Array): Promise<StoredEntry> {
    const set = await this.#holder(KeyKind.recordRoster, { filesystem, inode });
    const at = `set ${idOf(set)} inode ${inode}`;
    const first = await this.#part(set, filesystem, inode, 0, at);
    if (first.pageCount < 1 || first.pageCount > PARTS_MAX)
      throw new FormatError('corrupt', at, `record of ${first.pageCount} parts ${REMEDY}`);
    const entry = entryAt(first, 0, name, inode, filesystem);
    if (first.pageCount === 1) return entry;
    const extents = [...entry.extents];
    const xattrs = [...entry.xattrs];
    for (let from = 1; from < first.pageCount; from += PARTS_AT_ONCE) {
      const to = Math.min(first.pageCount, from + PARTS_AT_ONCE);
      const numbers = Array.from({ length: to - from }, (_, i) => from + i);
      const parts = await Promise.all(numbers.map((part) => this.#part(set, filesystem, inode, part, at)));
      for (const part of parts) {
        const more = entryAt(part, 0, name, inode, filesystem);
        for (const extent of more.extents) extents.push(extent);
        for (const xattr of more.xattrs) xattrs.push(xattr);
      }
    }
    return { ...entry, extents, xattrs };
  }

  async #part(set: Uint8Array, filesystem: number, inode: number, part: number, at: string): Promise<PageRows> {
    const key = recordKey(set, filesystem, inode, part);
    const value = await this.#store.get(key);
    if (value === undefined) throw new FormatError('corrupt', at, `part ${part} of its record is lost ${REMEDY}`);
    const page = decodePage(key, value, at);
    if (page.rowCount !== 1 || page.ownCount !== 1 || page.inode[0] !== inode)
      throw new FormatError('corrupt', at, `is not the record that its key says ${REMEDY}`);
    return page;
  }
}

/** An inode's number is its own only within its filesystem. */
const numberOf = ({ filesystem, inode }: IndexEntry): string => `${filesystem}:${inode}`;
const idOf = (set: Uint8Array): string => Buffer.from(set).toString('hex', 0, 4);
const cacheKey = (key: Uint8Array): string => Buffer.from(key).toString('latin1');

function where(set: Uint8Array, directory: IndexEntry, firstName: Uint8Array): string {
  const page =
    firstName.length === 0 ? 'first page' : `page ${JSON.stringify(Buffer.from(firstName).toString('utf8'))}`;
  return `set ${idOf(set)} directory ${directory.inode} ${page}`;
}

const lost = (set: Uint8Array, directory: IndexEntry, firstName: Uint8Array): FormatError =>
  new FormatError('corrupt', where(set, directory, firstName), `is lost ${REMEDY}`);

function checkOrder(page: PageRows, next: PageRows, at: string): void {
  const last = nameAt(page, page.nameCount - 1);
  if (
    page.nameCount === 0 ||
    page.nextName === null ||
    compareBytes(last, page.nextName) >= 0 ||
    !equalBytes(nameAt(next, 0), page.nextName)
  )
    throw new FormatError('corrupt', at, `pages out of order ${REMEDY}`);
}
