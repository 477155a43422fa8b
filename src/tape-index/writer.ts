/**
 * Builds the index of one filesystem from the batches of its walk: joins inodes and names, sorts names by directory, cuts
 * them into pages and writes those to the store, to the index file on tape and, as text, to its twin.
 *
 * Memory: at most 100 bytes a file (see inode-columns.ts and name-columns.ts), 12 more for each directory, 24 for each
 * name of the largest directory, and 16 MiB of pages and text under way.
 */

import { loadNativeCrc32c } from '../bytes/crc32c.ts';
import type { InodeBatch, NameBatch } from '../bytes/walk-batch.ts';
import { Breather } from './breather.ts';
import { type Compress, loadCompressor } from './codec.ts';
import { DirectoryTree } from './directory-tree.ts';
import { encodeFrame } from './frame.ts';
import { InodeColumns } from './inode-columns.ts';
import { KeyKind, pageKey, recordKey } from './keys.ts';
import type { KvStore } from './kv-store.ts';
import { NameColumns } from './name-columns.ts';
import { NameSorter } from './name-sort.ts';
import { encodePage } from './page-encode.ts';
import { PageFiller } from './page-fill.ts';
import { PageRows } from './page-rows.ts';
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
  /**
   * Of the filesystem: the last extent of a file is noted as whole blocks, so that a page counts in blocks and not in
   * bytes (measured: 20.8 bytes a file instead of 22.2). Default 4096.
   */
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

const NO_NAME = new Uint8Array(0);
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
    this.#twin.directory(this.#names, new Uint32Array(0), 0, true);
    this.#twin.self(root, this.#inodes.numbers[root]);
  }

  /** Pages of all directories in ascending order; the numbers of those written. */
  async #writeDirectories(tree: DirectoryTree, signal: AbortSignal | undefined): Promise<number[]> {
    const sorter = new NameSorter(this.#names, this.#breather);
    const filler = new PageFiller(this.#inodes, this.#names, tree, (reasons) => this.#countProblem(reasons));
    const changed = this.#options.changedDirectories;
    const written: number[] = [];
    for (let d = 0; d < tree.numbers.length; d++) {
      if (changed !== undefined && !changed.has(tree.numbers[d])) continue;
      if (changed !== undefined) written.push(tree.numbers[d]);
      signal?.throwIfAborted();
      this.#beginDirectory(tree, d, sorter);
      const sorted = sorter.sorted();
      const entries = this.#dropRepeated(sorted instanceof Promise ? await sorted : sorted, sorter.repeated);
      const pages: number[] = [];
      while (filler.addPageEnds(entries, pages)) if (this.#breather.due) await this.#breather.breathe();
      for (let p = 0; p < pages.length; p++) {
        const told = this.#writePage(tree, filler, d, entries, pages, p);
        if (told !== undefined) await told;
        if (this.#twin?.full) await this.#twin.flush();
        if (this.#breather.due) await this.#breather.breathe();
      }
    }
    return written;
  }

  #beginDirectory(tree: DirectoryTree, d: number, sorter: NameSorter): void {
    const { runStart } = this.#names;
    sorter.clear();
    for (let k = tree.runsStart[d]; k < tree.runsStart[d + 1]; k++)
      sorter.add(runStart[tree.runs[k]], runStart[tree.runs[k] + 1]);
    if (this.#twin === undefined) return;
    const { path, length, fromRoot } = tree.pathOf(d);
    this.#twin.directory(this.#names, path, length, fromRoot);
  }

  /** A damaged directory may hold a name twice; the first inode keeps it, the others are noted with it. */
  #dropRepeated(entries: Uint32Array, repeated: boolean): Uint32Array {
    if (!repeated) return entries;
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

  #writePage(
    tree: DirectoryTree,
    filler: PageFiller,
    d: number,
    entries: Uint32Array,
    ends: readonly number[],
    p: number,
  ): Promise<void> | undefined {
    const from = p === 0 ? 0 : ends[p - 1];
    const page = this.#page;
    page.clear();
    if (p === 0) page.pageCount = ends.length;
    if (p + 1 < ends.length) page.nextName = this.#names.name(entries[ends[p]]);
    filler.fill(page, entries, from, ends[p]);
    this.#twin?.lines(this.#names, tree.childRow, entries, from, ends[p]);
    this.#pages++;
    this.#entries += ends[p] - from;
    const firstName = p === 0 ? NO_NAME : this.#names.name(entries[from]);
    return this.#put(pageKey(this.#options.set, this.#options.filesystem, tree.numbers[d], firstName), page);
  }

  #put(key: Uint8Array, page: PageRows): Promise<void> | undefined {
    const { raw, tail } = encodePage(page);
    return this.#sink.put(key, encodeFrame(key, raw, this.#compress, tail));
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
      if (incremental) written.push(this.#inodes.numbers[row]);
    }
    return written;
  }

  /** One record in as many parts as its extents and attributes need; each part has all fixed columns. */
  async #writeRecord(row: number): Promise<void> {
    const inode = this.#inodes.numbers[row];
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
      const told = this.#put(key, page);
      if (told !== undefined) await told;
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
    await writeRoster(kind, set, filesystem, numbers, async (key, raw) => {
      await this.#sink.put(key, encodeFrame(key, raw, this.#compress));
    });
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
