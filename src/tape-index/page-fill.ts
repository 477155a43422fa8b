/**
 * The rows of a directory's page from the columns of the walk. Most files are plain (InodeColumns.isPlain) and take one
 * short loop; what the others have is put beside it.
 */
import type { DirectoryTree } from './directory-tree.ts';
import { type InodeColumns, NOTHING } from './inode-columns.ts';
import type { NameColumns } from './name-columns.ts';
import { MISSING, SECOND_NAME } from './page-entry.ts';
import { PAGE_ENTRIES_MAX, PageFlag, type PageRows } from './page-rows.ts';

/** Names in a page, and about how many bytes before compression, at most. */
const PAGE_NAMES = 128;
const PAGE_BYTES = 12 * 1024;
/** Bytes that a row takes beside its name, extents, literal bytes and attributes. */
const ROW_BYTES = 24;

const PAGES_AT_ONCE = 64;

/** What went wrong with one entry. */
export type OnProblem = (reasons: readonly string[]) => void;

export class PageFiller {
  readonly #inodes: InodeColumns;
  readonly #names: NameColumns;
  readonly #tree: DirectoryTree;
  readonly #onProblem: OnProblem;
  /** The entry of each row of the page. */
  readonly #entryOf = new Uint32Array(PAGE_ENTRIES_MAX);

  constructor(inodes: InodeColumns, names: NameColumns, tree: DirectoryTree, onProblem: OnProblem) {
    this.#inodes = inodes;
    this.#names = names;
    this.#tree = tree;
    this.#onProblem = onProblem;
  }

  /**
   * Adds the ends of the next pages of a directory to `ends`, some thousand names at once; whether there are more. An
   * empty directory has one empty page.
   */
  addPageEnds(entries: Uint32Array, ends: number[]): boolean {
    let end = ends.length === 0 ? 0 : ends[ends.length - 1];
    for (let pages = 0; pages < PAGES_AT_ONCE; pages++) {
      end = this.#pageEnd(entries, end, entries.length);
      ends.push(end);
      if (end === entries.length) return false;
    }
    return true;
  }

  /** Where the page that begins at `entries[from]` ends, or `count`. */
  #pageEnd(entries: Uint32Array, from: number, count: number): number {
    const { start } = this.#names;
    const { childRow } = this.#tree;
    const inodes = this.#inodes;
    const most = Math.min(count, from + PAGE_NAMES);
    let bytes = 0;
    for (let i = from; i < most; i++) {
      const entry = entries[i];
      const row = childRow[entry];
      bytes += ROW_BYTES + start[entry + 1] - start[entry];
      if (row !== NOTHING && !inodes.isPlain(row) && !inodes.needsRecord(row)) bytes += inodes.variableBytes(row);
      if (bytes > PAGE_BYTES && i > from) return i;
    }
    return most;
  }

  /** Fills an empty page with names `entries[from]` to `entries[to - 1]` and what belongs to them. */
  fill(page: PageRows, entries: Uint32Array, from: number, to: number): void {
    page.nameCount = to - from;
    page.rowCount = to - from;
    fillNames(page, this.#names, entries, from, to);
    orderRows(page, this.#names.child, entries, from, this.#entryOf);
    this.#fillRows(page);
  }

  #fillRows(page: PageRows): void {
    const inodes = this.#inodes;
    const { childRow } = this.#tree;
    const entryOf = this.#entryOf;
    for (let row = 0; row < page.rowCount; row++) {
      const entry = entryOf[row];
      const inode = childRow[entry];
      if (inode === NOTHING || !inodes.isPlain(inode) || this.#tree.isSecondName(entry)) {
        this.#fillOther(page, row, entry);
        continue;
      }
      const own = inodes.appendFixed(page, inode);
      page.own[row] = own;
      const place = inodes.place[inode];
      if (place >= 0) page.addExtent(own, 0, 0, inodes.onlyRunLength(inode), place);
    }
  }

  #fillOther(page: PageRows, row: number, entry: number): void {
    const inode = this.#tree.childRow[entry];
    if (inode === NOTHING) {
      page.own[row] = addMissing(page);
      this.#onProblem([MISSING]);
      return;
    }
    const reasons = this.#inodes.problems(inode);
    if (reasons !== undefined) this.#onProblem(reasons);
    const second = this.#tree.isSecondName(entry);
    if (second) this.#onProblem([SECOND_NAME]);
    if (this.#inodes.needsRecord(inode) && !second) {
      page.own[row] = -1;
      return;
    }
    const own = this.#inodes.appendFixed(page, inode);
    page.own[row] = own;
    if (second) page.flags[own] |= PageFlag.secondName;
    if (!this.#inodes.needsRecord(inode)) this.#appendRest(page, own, inode);
  }

  #appendRest(page: PageRows, own: number, inode: number): void {
    this.#inodes.appendExtents(page, own, inode);
    for (const { name, value } of this.#inodes.xattrs(inode)) page.xattrs.push({ own, name, value });
    const problems = this.#inodes.problems(inode);
    if (problems !== undefined) for (const text of problems) page.problems.push({ own, text });
  }
}

function fillNames(page: PageRows, names: NameColumns, entries: Uint32Array, from: number, to: number): void {
  const { bytes, start } = names;
  const { names: out, nameStart } = page;
  let at = 0;
  for (let i = from; i < to; i++) {
    const end = start[entries[i] + 1];
    nameStart[i - from] = at;
    for (let k = start[entries[i]]; k < end; k++) out[at++] = bytes[k];
  }
  nameStart[to - from] = at;
}

/** Rows are in the order of inode numbers; names of one inode in the order of the names. */
function orderRows(
  page: PageRows,
  child: Float64Array,
  entries: Uint32Array,
  from: number,
  entryOf: Uint32Array,
): void {
  const { inode, nameRow, rowCount } = page;
  const nameOf = order;
  for (let i = 0; i < rowCount; i++) {
    const number = child[entries[from + i]];
    let k = i - 1;
    for (; k >= 0 && inode[k] > number; k--) {
      inode[k + 1] = inode[k];
      nameOf[k + 1] = nameOf[k];
    }
    inode[k + 1] = number;
    nameOf[k + 1] = i;
  }
  for (let row = 0; row < rowCount; row++) {
    nameRow[nameOf[row]] = row;
    entryOf[row] = entries[from + nameOf[row]];
  }
}
/** The name of each row. */
const order = new Uint8Array(PAGE_ENTRIES_MAX);

/** An own row for a name whose inode is not there: all zero, and flagged. */
function addMissing(page: PageRows): number {
  const own = page.ownCount++;
  for (const column of [page.mode, page.uid, page.gid, page.generation, page.size, page.mtime, page.atime, page.ctime])
    column[own] = 0;
  for (const column of [page.mtimeNs, page.atimeNs, page.ctimeNs, page.deviceMajor, page.deviceMinor]) column[own] = 0;
  page.linkCount[own] = 1;
  page.flags[own] = PageFlag.missingInode;
  page.extentStart[own + 1] = page.extentStart[own];
  return own;
}
