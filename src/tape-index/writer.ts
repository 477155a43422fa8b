/**
 * Builds the index of one filesystem from the batches of its walk: joins inodes and names, sorts names by directory, cuts
 * them into pages and writes those to the store, to the index file on tape and, as text, to its twin.
 *
 * Memory: at most 100 bytes a file (see inode-columns.ts and name-columns.ts), 12 more for each directory, 20 for each
 * name of the largest directory, and 16 MiB of pages and text under way.
 */

import { loadNativeCrc32c } from '../bytes/crc32c.ts';
import type { InodeBatch, NameBatch } from '../bytes/walk-batch.ts';
import { Breather } from './breather.ts';
import { type Compress, loadCompressor } from './codec.ts';
import { DirectoryTree, NOTHING } from './directory-tree.ts';
import { encodeFrame } from './frame.ts';
import { InodeColumns } from './inode-columns.ts';
import { KeyKind, pageKey, recordKey } from './keys.ts';
import type { KvStore } from './kv-store.ts';
import { NameColumns } from './name-columns.ts';
import { NameSorter } from './name-sort.ts';
import { encodePage } from './page-encode.ts';
import { MISSING, SECOND_NAME } from './page-entry.ts';
import { PageFlag, PageRows } from './page-rows.ts';
import { writeRoster } from './roster.ts';
import { type OnRow, RowSink } from './row-sink.ts';
import { type TextSink, TextTwin } from './text-twin.ts';

export interface IndexWriterOptions {
  readonly store: KvStore;
  /** 16 bytes. */
  readonly set: Uint8Array;
  /** FilesystemRecord.number. */
  readonly filesystem: number;
  readonly rootInode: number;
  /** Of the filesystem: most files are one run of whole blocks and cost least if this is right. Default 4096. */
  readonly blockSize?: number;
  /** About how many inodes come (Filesystem.inodeEstimate); saves copying. */
  readonly inodesExpected?: number;
  /** Every row in key order, for the index file on tape; keep neither array. */
  readonly onRow?: OnRow;
  /** Parts of files.tsv.gz in order, at most 8 MiB each. */
  readonly text?: TextSink;
  /**
   * For a set that builds on a base: inode numbers of the directories that changed. Only these are written, and a roster
   * of what the set holds itself.
   */
  readonly changedDirectories?: ReadonlySet<number>;
}

export interface IndexSummary {
  /** Names, without the root's. */
  readonly entries: number;
  readonly inodes: number;
  /** Entries and directories of which something could not be indexed or backed up exactly. */
  readonly problems: number;
  /** The reasons, most frequent first: at most REASONS_MAX, the rest as one. */
  readonly reasons: readonly { readonly reason: string; readonly count: number }[];
  /** Inodes that no name leads to. */
  readonly orphans: number;
  /** Directories that the root does not lead to: lost, or in a cycle. Their pages are in the index, under their numbers. */
  readonly unreachable: number;
  readonly pages: number;
  /** Bytes of keys and values. */
  readonly bytes: number;
  /** SHA-256 over the rows in key order. */
  readonly digest: Uint8Array;
  readonly rows: number;
}

export interface IndexWriter {
  addInodes(batch: InodeBatch): void;
  addNames(batch: NameBatch): void;
  finish(signal?: AbortSignal): Promise<IndexSummary>;
}

/** Names in a page, and about how many bytes before compression, at most. */
const PAGE_NAMES = 128;
const PAGE_BYTES = 12 * 1024;
/** Bytes that a row takes beside its name, extents, literal bytes and attributes. */
const ROW_BYTES = 24;
/** Extents in one part of an inode record. */
const PART_EXTENTS = 4096;
const PART_BYTES = 64 * 1024;
const REASONS_MAX = 100;

export function createIndexWriter(options: IndexWriterOptions): IndexWriter {
  return new Writer(options);
}

class Writer implements IndexWriter {
  readonly #options: IndexWriterOptions;
  readonly #inodes: InodeColumns;
  readonly #names: NameColumns;
  readonly #breather = new Breather();
  readonly #sink: RowSink;
  readonly #twin: TextTwin | undefined;
  readonly #page = new PageRows(256, 256);
  readonly #single = new PageRows(1, 256);
  readonly #directoryProblems = new Map<number, string[]>();
  readonly #reasons = new Map<string, number>();
  #problems = 0;
  #pages = 0;
  #entries = 0;
  #compress: Compress | undefined;

  constructor(options: IndexWriterOptions) {
    this.#options = options;
    const expected = options.inodesExpected ?? 0;
    this.#inodes = new InodeColumns(expected, options.blockSize ?? 4096);
    this.#names = new NameColumns(expected);
    this.#sink = new RowSink(options.store, options.onRow);
    this.#twin = options.text && new TextTwin(options.text, options.filesystem, this.#inodes);
    this.#page.names = new Uint8Array(256 * 255);
    loadCompressor().catch(() => {}); // 30 ms at once; `finish` awaits it and hears of a failure
  }

  addInodes(batch: InodeBatch): void {
    this.#inodes.add(batch);
  }

  addNames(batch: NameBatch): void {
    this.#names.add(batch);
    for (const { inode, reason } of batch.problems) {
      const list = this.#directoryProblems.get(inode);
      if (list === undefined) this.#directoryProblems.set(inode, [reason]);
      else if (!list.includes(reason)) list.push(reason);
    }
  }

  async finish(signal?: AbortSignal): Promise<IndexSummary> {
    loadNativeCrc32c();
    this.#compress = await loadCompressor();
    await this.#inodes.finish(this.#breather);
    this.#noteDirectoryProblems();
    const tree = await DirectoryTree.create(this.#inodes, this.#names, this.#options.rootInode, this.#breather);
    const named = new Uint8Array(this.#inodes.count);
    await tree.resolve(named, this.#breather);
    const incremental = this.#options.changedDirectories !== undefined;
    const unreached = incremental ? await this.#connectPart(tree) : await tree.connect(this.#breather);
    const root = this.#inodes.rowOf(this.#options.rootInode);
    if (root >= 0) this.#rootLine(root);
    const written = await this.#writeDirectories(tree, signal);
    const records = await this.#writeRecords(root, named, signal);
    if (incremental) {
      await this.#roster(KeyKind.directoryRoster, written);
      await this.#roster(KeyKind.recordRoster, records);
    }
    await this.#twin?.finish();
    const digest = await this.#sink.finish();
    return this.#summary(digest, named, root, unreached.length);
  }

  /** In part of a tree, directories are reached from outside: names still tell which is whose child. */
  async #connectPart(tree: DirectoryTree): Promise<readonly number[]> {
    await tree.connect(this.#breather);
    return [];
  }

  #noteDirectoryProblems(): void {
    for (const [inode, reasons] of this.#directoryProblems) {
      const row = this.#inodes.rowOf(inode);
      if (row >= 0) for (const reason of reasons) this.#inodes.addProblem(row, reason);
      else this.#countProblem(reasons);
    }
    const root = this.#inodes.rowOf(this.#options.rootInode);
    const reasons = root >= 0 ? this.#inodes.problems(root) : ['the root directory cannot be read'];
    if (reasons !== undefined && this.#options.changedDirectories === undefined) this.#countProblem(reasons);
  }

  #countProblem(reasons: readonly string[]): void {
    this.#problems++;
    for (const reason of reasons) {
      const known = this.#reasons.has(reason) || this.#reasons.size < REASONS_MAX;
      const key = known ? reason : 'other reasons';
      this.#reasons.set(key, (this.#reasons.get(key) ?? 0) + 1);
    }
  }

  #rootLine(root: number): void {
    if (this.#twin === undefined) return;
    this.#twin.directory([], true);
    this.#twin.self(root, this.#inodes.inode(root));
  }

  /** Pages of all directories in ascending order; the numbers of those written. */
  async #writeDirectories(tree: DirectoryTree, signal: AbortSignal | undefined): Promise<number[]> {
    const sorter = new NameSorter(this.#names, this.#breather);
    const changed = this.#options.changedDirectories;
    const written: number[] = [];
    for (let d = 0; d < tree.numbers.length; d++) {
      if (changed !== undefined && !changed.has(tree.numbers[d])) continue;
      signal?.throwIfAborted();
      sorter.clear();
      for (let k = tree.runsStart[d]; k < tree.runsStart[d + 1]; k++) {
        sorter.add(this.#names.runStart[tree.runs[k]], this.#names.runEnd(tree.runs[k]));
      }
      if (this.#twin !== undefined) {
        const { names, fromRoot } = tree.pathOf(d);
        this.#twin.directory(names, fromRoot);
      }
      await this.#writeDirectory(tree, d, this.#dropRepeated(await sorter.sorted()));
      if (changed !== undefined) written.push(tree.numbers[d]);
      if (this.#breather.due) await this.#breather.breathe();
    }
    return written;
  }

  /** A damaged directory may hold a name twice; the first inode keeps it, the others are noted with it. */
  #dropRepeated(entries: Uint32Array): Uint32Array {
    let kept = 0;
    for (let i = 0; i < entries.length; i++) {
      if (kept > 0 && this.#names.compare(entries[kept - 1], entries[i]) === 0) {
        const row = this.#inodes.rowOf(this.#names.child[entries[kept - 1]]);
        const other = this.#names.child[entries[i]];
        const reason = `inode ${other} has the same name in the same directory`;
        if (row >= 0) this.#inodes.addProblem(row, reason);
        else this.#countProblem([reason]);
      } else entries[kept++] = entries[i];
    }
    return entries.subarray(0, kept);
  }

  async #writeDirectory(tree: DirectoryTree, d: number, entries: Uint32Array): Promise<void> {
    const { set, filesystem } = this.#options;
    const ends = await this.#pageEnds(tree, entries);
    let from = 0;
    for (let p = 0; p < ends.length; p++) {
      const page = this.#page;
      page.clear();
      if (p === 0) page.pageCount = ends.length;
      this.#fill(page, tree, entries, from, ends[p]);
      if (p + 1 < ends.length) page.nextName = this.#names.name(entries[ends[p]]);
      const firstName = p === 0 ? new Uint8Array(0) : this.#names.name(entries[from]);
      const key = pageKey(set, filesystem, tree.numbers[d], firstName);
      const { raw, tail } = encodePage(page);
      await this.#sink.put(key, encodeFrame(key, raw, this.#compress, tail));
      this.#pages++;
      from = ends[p];
      if (this.#twin?.full) await this.#twin.flush();
      if (this.#breather.due) await this.#breather.breathe();
    }
  }

  /** Where each page of the directory ends. An empty directory has one empty page. */
  async #pageEnds(tree: DirectoryTree, entries: Uint32Array): Promise<number[]> {
    const ends: number[] = [];
    let bytes = 0;
    let count = 0;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i];
      const row = tree.childRow[entry];
      const own = row === NOTHING || this.#inodes.needsRecord(row) ? 0 : this.#inodes.variableBytes(row);
      const size = ROW_BYTES + this.#names.end(entry) - this.#names.start[entry] + own;
      if (count > 0 && (count === PAGE_NAMES || bytes + size > PAGE_BYTES)) {
        ends.push(i);
        bytes = 0;
        count = 0;
      }
      bytes += size;
      count++;
      if (i % 4096 === 4095 && this.#breather.due) await this.#breather.breathe();
    }
    ends.push(entries.length);
    return ends;
  }

  #fill(page: PageRows, tree: DirectoryTree, entries: Uint32Array, from: number, to: number): void {
    const names = this.#names;
    const count = to - from;
    page.nameCount = count;
    page.rowCount = count;
    this.#entries += count;
    const order = rowOrder(names, entries, from, count);
    copyNames(page, names, entries, from, count);
    for (let i = 0; i < count; i++) page.nameRow[order[i]] = i;
    for (let row = 0; row < count; row++) {
      const entry = entries[from + order[row]];
      page.inode[row] = names.child[entry];
      this.#fillRow(page, tree, row, entry);
    }
    this.#twin?.lines(names, tree.childRow, entries, from, to);
  }

  #fillRow(page: PageRows, tree: DirectoryTree, row: number, entry: number): void {
    const inode = tree.childRow[entry];
    if (inode === NOTHING) {
      page.own[row] = addMissing(page);
      this.#countProblem([MISSING]);
      return;
    }
    const reasons = this.#inodes.problems(inode);
    if (reasons !== undefined) this.#countProblem(reasons);
    const second = tree.isSecondName(entry);
    if (second) this.#countProblem([SECOND_NAME]);
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
    if (this.#inodes.hasXattrs(inode))
      for (const { name, value } of this.#inodes.xattrs(inode)) page.xattrs.push({ own, name, value });
    const problems = this.#inodes.problems(inode);
    if (problems !== undefined) for (const text of problems) page.problems.push({ own, text });
  }

  /** Records of the inodes that need one, ascending; their numbers. */
  async #writeRecords(root: number, named: Uint8Array, signal: AbortSignal | undefined): Promise<number[]> {
    const incremental = this.#options.changedDirectories !== undefined;
    const written: number[] = [];
    for (let row = 0; row < this.#inodes.count; row++) {
      if (row % 4096 === 0) {
        signal?.throwIfAborted();
        if (this.#breather.due) await this.#breather.breathe();
      }
      if (row !== root && (named[row] === 0 || !this.#inodes.needsRecord(row))) continue;
      await this.#writeRecord(row);
      if (incremental) written.push(this.#inodes.inode(row));
    }
    return written;
  }

  /** One record in as many parts as its extents and attributes need; each part has all fixed columns. */
  async #writeRecord(row: number): Promise<void> {
    const inode = this.#inodes.inode(row);
    const parts = this.#parts(row);
    for (let part = 0; part < parts.length; part++) {
      const page = this.#single;
      page.clear();
      page.rowCount = 1;
      page.inode[0] = inode;
      page.own[0] = this.#inodes.appendFixed(page, row);
      if (part === 0) page.pageCount = parts.length;
      const { extentsFrom, extentsTo, xattrs } = parts[part];
      this.#inodes.appendExtents(page, 0, row, extentsFrom, extentsTo);
      for (const { name, value } of xattrs) page.xattrs.push({ own: 0, name, value });
      if (part === 0) for (const text of this.#inodes.problems(row) ?? []) page.problems.push({ own: 0, text });
      const key = recordKey(this.#options.set, this.#options.filesystem, inode, part);
      const { raw, tail } = encodePage(page);
      await this.#sink.put(key, encodeFrame(key, raw, this.#compress, tail));
      if (this.#breather.due) await this.#breather.breathe();
    }
  }

  #parts(row: number): RecordPart[] {
    const parts: RecordPart[] = [];
    const extents = this.#inodes.extentCount(row);
    // A literal extent has at most 64 KiB, so few of them go into one part.
    const step = this.#inodes.variableBytes(row) > extents * 8 + PART_BYTES ? 8 : PART_EXTENTS;
    for (let from = 0; from < extents; from += step)
      parts.push({ extentsFrom: from, extentsTo: Math.min(extents, from + step), xattrs: [] });
    let list: { name: Uint8Array; value: Uint8Array }[] = [];
    let bytes = 0;
    for (const xattr of this.#inodes.xattrs(row)) {
      const size = xattr.name.length + xattr.value.length;
      if (list.length > 0 && bytes + size > PART_BYTES) {
        parts.push({ extentsFrom: 0, extentsTo: 0, xattrs: list });
        list = [];
        bytes = 0;
      }
      list.push(xattr);
      bytes += size;
    }
    if (list.length > 0 || parts.length === 0) parts.push({ extentsFrom: 0, extentsTo: 0, xattrs: list });
    return parts;
  }

  async #roster(kind: typeof KeyKind.directoryRoster | typeof KeyKind.recordRoster, numbers: number[]): Promise<void> {
    const { set, filesystem } = this.#options;
    await writeRoster(kind, set, filesystem, numbers, (key, raw) =>
      this.#sink.put(key, encodeFrame(key, raw, this.#compress)),
    );
  }

  #summary(digest: Uint8Array, named: Uint8Array, root: number, unreachable: number): IndexSummary {
    let orphans = 0;
    for (let row = 0; row < named.length; row++) if (named[row] === 0 && row !== root) orphans++;
    const reasons = [...this.#reasons].map(([reason, count]) => ({ reason, count }));
    if (unreachable > 0)
      reasons.push({ reason: 'directory that the root directory does not lead to', count: unreachable });
    return {
      entries: this.#entries,
      inodes: this.#inodes.count,
      problems: this.#problems + unreachable,
      reasons: reasons.sort((a, b) => b.count - a.count),
      orphans,
      unreachable,
      pages: this.#pages,
      bytes: this.#sink.bytes,
      digest,
      rows: this.#sink.rows,
    };
  }
}

interface RecordPart {
  readonly extentsFrom: number;
  readonly extentsTo: number;
  readonly xattrs: readonly { readonly name: Uint8Array; readonly value: Uint8Array }[];
}

function copyNames(page: PageRows, names: NameColumns, entries: Uint32Array, from: number, count: number): void {
  const { bytes } = names;
  const { names: out, nameStart } = page;
  let at = 0;
  for (let i = 0; i < count; i++) {
    const end = names.end(entries[from + i]);
    nameStart[i] = at;
    for (let k = names.start[entries[from + i]]; k < end; k++) out[at++] = bytes[k];
  }
  nameStart[count] = at;
}

const orderKeys = new Float64Array(256);
const orderOut = new Uint8Array(256);

/**
 * Positions of a page's names in the order of their inode numbers; names of one inode in the order of the names. Good until
 * the next call.
 */
function rowOrder(names: NameColumns, entries: Uint32Array, from: number, count: number): Uint8Array {
  const order = orderOut;
  for (let i = 0; i < count; i++) {
    const inode = names.child[entries[from + i]];
    orderKeys[i] = inode;
    let k = i - 1;
    while (k >= 0 && orderKeys[order[k]] > inode) {
      order[k + 1] = order[k];
      k--;
    }
    order[k + 1] = i;
  }
  return order;
}

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
