/**
 * The inodes of one walk, kept until their names are known: typed arrays, at most 100 bytes a file with the names.
 *
 *     bytes a file   column
 *      8             inode number
 *      4             class: mode, owner and group, interned
 *      4             generation
 *      4             link count
 *      8             size
 *     24             atime, mtime, ctime: 32 bits of seconds; 30 of nanoseconds with 2 of epoch
 *      8             place: the volume address of a file that is one run of whole blocks, or where its list of extents begins
 *      2             flags
 *      0 or 4        extended attributes (lists interned); only once one file has some
 *      0.5           buckets over the inode numbers
 *     62 to 67       and 25 for each extent of a file that is not one run, and literal bytes and attribute lists as they are
 *
 * name-columns.ts adds 12 bytes and the name itself, the writer 4 while it works. Columns grow by doubling; what is not
 * used yet is not resident.
 *
 * Columns are open to the loops that go over all of them; they are replaced as they grow, so nobody keeps one.
 *
 * Invariant: inode numbers ascend strictly; row r of every column is the r-th inode.
 */
import { assert } from '../bytes/errors.ts';
import { ExtentKind, type InodeBatch, type Xattr } from '../bytes/walk-batch.ts';
import type { Breather } from './breather.ts';
import { FileType, fileTypeOf } from './entry.ts';
import type { PageRows } from './page-rows.ts';

const NONE = -1;
const BILLION = 1_000_000_000;
/** Marks a time whose seconds stand in the overflow map: before 1901 or after 2446. */
export const TIME_ELSEWHERE = 0x3fff_ffff;
/** Attribute lists that are compared with later ones, at most, and their bytes each. */
const INTERNED_LISTS_MAX = 16_384;
const INTERNED_LIST_BYTES_MAX = 256;
/** A literal extent is cut into pieces of this size, so that every piece fits a page. */
const LITERAL_PIECE = 65_536;

/** In place of a row: there is none. */
export const NOTHING = 0xffff_ffff;

type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;

/** A copy of twice the length (at least `least`), or the column itself if it is long enough. */
export function grown<T extends Column>(column: T, least: number): T {
  if (column.length >= least) return column;
  const Type = column.constructor as new (length: number) => T;
  const out = new Type(Math.max(least, column.length * 2));
  out.set(column);
  return out;
}

export class InodeColumns {
  count = 0;
  /** Inode numbers. */
  numbers: Float64Array;
  classOf: Uint32Array;
  generation: Uint32Array;
  linkCount: Uint32Array;
  size: Float64Array;
  /** atime, mtime, ctime of row r: 3 r, 3 r + 1, 3 r + 2. */
  seconds: Int32Array;
  nanoseconds: Uint32Array;
  place: Float64Array;
  flags: Uint16Array;
  /** Number of the row's attribute list and 1, 0: none; of no length while no row has any. */
  xattrList = new Uint32Array(0);

  readonly blockSize: number;
  readonly classes = new ClassTable();
  readonly #timeOverflow = new Map<number, number>();
  readonly #devices = new Map<number, number>();
  readonly #problems = new Map<number, string[]>();
  readonly extents = new ExtentLists();
  readonly #xattrs = new XattrLists();
  #bucketWidth = 1;
  #bucketStart = new Uint32Array(0);

  /** @param expected about how many inodes come */
  constructor(expected: number, blockSize: number) {
    const size = Math.max(1024, Math.ceil(expected));
    this.blockSize = blockSize;
    this.numbers = new Float64Array(size);
    this.classOf = new Uint32Array(size);
    this.generation = new Uint32Array(size);
    this.linkCount = new Uint32Array(size);
    this.size = new Float64Array(size);
    this.seconds = new Int32Array(size * 3);
    this.nanoseconds = new Uint32Array(size * 3);
    this.place = new Float64Array(size);
    this.flags = new Uint16Array(size);
  }

  add(batch: InodeBatch): void {
    const from = this.count;
    const n = batch.count;
    this.#grow(from + n);
    assert(ascends(batch.inode, n, from > 0 ? this.numbers[from - 1] : -1), 'a walker gave inodes out of order');
    this.numbers.set(batch.inode.subarray(0, n), from);
    this.generation.set(batch.generation.subarray(0, n), from);
    this.linkCount.set(batch.linkCount.subarray(0, n), from);
    this.size.set(batch.size.subarray(0, n), from);
    this.flags.set(batch.flags.subarray(0, n), from);
    this.#addClasses(batch, from);
    this.#addTimes(batch.atimeSeconds, batch.atimeNanoseconds, n, from * 3);
    this.#addTimes(batch.mtimeSeconds, batch.mtimeNanoseconds, n, from * 3 + 1);
    this.#addTimes(batch.ctimeSeconds, batch.ctimeNanoseconds, n, from * 3 + 2);
    this.#addPlaces(batch, from);
    for (const { row, list } of batch.xattrs) this.#addXattrs(from + row, list);
    for (const { row, reason } of batch.problems) this.addProblem(from + row, reason);
    this.count += n;
  }

  #addClasses(batch: InodeBatch, from: number): void {
    const { mode, uid, gid, device, count } = batch;
    const { classes, classOf } = this;
    let last = -1;
    for (let i = 0; i < count; i++) {
      if (last < 0 || classes.mode[last] !== mode[i] || classes.uid[last] !== uid[i] || classes.gid[last] !== gid[i])
        last = classes.intern(mode[i], uid[i], gid[i]);
      classOf[from + i] = last;
      if (device[i] !== 0) this.#devices.set(from + i, device[i]);
    }
  }

  /** Times of one kind; `first` is the place of the batch's first. */
  #addTimes(seconds: Float64Array, nanoseconds: Uint32Array, count: number, first: number): void {
    const toSeconds = this.seconds;
    const toNanoseconds = this.nanoseconds;
    let at = first;
    for (let i = 0; i < count; i++, at += 3) {
      const near = seconds[i] | 0;
      if (near === seconds[i] && nanoseconds[i] < BILLION) {
        toSeconds[at] = near;
        toNanoseconds[at] = nanoseconds[i];
      } else this.#setFarTime(at, seconds[i], nanoseconds[i]);
    }
  }

  #addPlaces(batch: InodeBatch, from: number): void {
    const { extentStart, extentKind, extentFileOffset, extentLength, extentVolumeOffset, size, count } = batch;
    const { place, blockSize } = this;
    let end = extentStart[0];
    for (let i = 0; i < count; i++) {
      const start = end;
      end = extentStart[i + 1];
      if (end === start) place[from + i] = NONE;
      else if (
        end === start + 1 &&
        extentKind[start] === ExtentKind.stored &&
        extentFileOffset[start] === 0 &&
        (extentLength[start] === size[i] || extentLength[start] === Math.ceil(size[i] / blockSize) * blockSize)
      )
        place[from + i] = extentVolumeOffset[start];
      else place[from + i] = -2 - this.extents.add(batch, start, end, size[i], blockSize);
    }
  }

  addProblem(row: number, reason: string): void {
    const list = this.#problems.get(row);
    if (list === undefined) this.#problems.set(row, [reason]);
    else if (!list.includes(reason)) list.push(reason);
  }

  /** Call once after the last batch: `rowOf` works from then on. */
  async finish(breather: Breather): Promise<void> {
    const top = this.count === 0 ? 0 : this.numbers[this.count - 1];
    this.#bucketWidth = Math.max(1, Math.ceil(((top + 1) * 8) / Math.max(1, this.count)));
    const buckets = Math.floor(top / this.#bucketWidth) + 1;
    const start = new Uint32Array(buckets + 1);
    let row = 0;
    for (let bucket = 0; bucket <= buckets; bucket++) {
      while (row < this.count && this.numbers[row] < bucket * this.#bucketWidth) row++;
      start[bucket] = row;
      if (bucket % 1024 === 0 && breather.due) await breather.breathe();
    }
    this.#bucketStart = start;
  }

  /** Row of an inode number, or -1. */
  rowOf(inode: number): number {
    const bucket = Math.floor(inode / this.#bucketWidth);
    if (!(bucket >= 0 && bucket + 1 < this.#bucketStart.length)) return NONE;
    let low = this.#bucketStart[bucket];
    let high = this.#bucketStart[bucket + 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.numbers[middle] < inode) low = middle + 1;
      else high = middle;
    }
    return low < this.count && this.numbers[low] === inode ? low : NONE;
  }

  /** Rows of the inode numbers `of[from]` to `of[to - 1]`; NOTHING where there is none. */
  rowsOf(of: Float64Array, rows: Uint32Array, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      const row = this.rowOf(of[i]);
      rows[i] = row < 0 ? NOTHING : row;
    }
  }

  mode(row: number): number {
    return this.classes.mode[this.classOf[row]];
  }

  isDirectory(row: number): boolean {
    return fileTypeOf(this.mode(row)) === FileType.directory;
  }

  /** Whether the row is what most are: nothing in the maps and lists beside the columns, and no record of its own. */
  isPlain(row: number): boolean {
    return (
      this.place[row] >= NONE &&
      (this.xattrList.length === 0 || this.xattrList[row] === 0) &&
      (this.#problems.size === 0 || !this.#problems.has(row)) &&
      (this.linkCount[row] <= 1 || this.isDirectory(row))
    );
  }

  problems(row: number): readonly string[] | undefined {
    return this.#problems.get(row);
  }

  mtimeSeconds(row: number): number {
    return this.#getSeconds(row * 3 + 1);
  }

  mtimeNanoseconds(row: number): number {
    return this.#getNanoseconds(row * 3 + 1);
  }

  /** Bytes of the run of a file that is one. */
  onlyRunLength(row: number): number {
    return Math.ceil(this.size[row] / this.blockSize) * this.blockSize;
  }

  /** About how many bytes of a page the row takes beside its fixed columns. */
  variableBytes(row: number): number {
    const place = this.place[row];
    return (place >= NONE ? 0 : this.extents.bytes(-2 - place)) + this.#xattrBytes(row);
  }

  /** Whether the inode has a record of its own: several links, or much beside its fixed columns. */
  needsRecord(row: number): boolean {
    if (this.linkCount[row] > 1 && !this.isDirectory(row)) return true;
    const place = this.place[row];
    return (place < NONE && this.extents.bytes(-2 - place) > INLINE_MAX) || this.#xattrBytes(row) > INLINE_MAX;
  }

  extentCount(row: number): number {
    const place = this.place[row];
    return place >= 0 ? 1 : place === NONE ? 0 : this.extents.count(-2 - place);
  }

  /** Appends the row's fixed columns to a page as its next own row, without extents and attributes. */
  appendFixed(page: PageRows, row: number): number {
    const own = page.ownCount++;
    const ofClass = this.classOf[row];
    page.mode[own] = this.classes.mode[ofClass];
    page.uid[own] = this.classes.uid[ofClass];
    page.gid[own] = this.classes.gid[ofClass];
    page.generation[own] = this.generation[row];
    page.linkCount[own] = this.linkCount[row];
    page.size[own] = this.size[row];
    page.flags[own] = this.flags[row];
    page.atime[own] = this.#getSeconds(row * 3);
    page.mtime[own] = this.#getSeconds(row * 3 + 1);
    page.ctime[own] = this.#getSeconds(row * 3 + 2);
    page.atimeNs[own] = this.#getNanoseconds(row * 3);
    page.mtimeNs[own] = this.#getNanoseconds(row * 3 + 1);
    page.ctimeNs[own] = this.#getNanoseconds(row * 3 + 2);
    page.deviceMajor[own] = 0;
    page.deviceMinor[own] = 0;
    if (this.#devices.size > 0) this.#appendDevice(page, own, row);
    page.extentStart[own + 1] = page.extentStart[own];
    return own;
  }

  #appendDevice(page: PageRows, own: number, row: number): void {
    const device = this.#devices.get(row) ?? 0;
    page.deviceMajor[own] = Math.floor(device / 0x1_0000_0000);
    page.deviceMinor[own] = device >>> 0;
  }

  /** Appends extents `from` to `to - 1` of the row to own row `own`. */
  appendExtents(page: PageRows, own: number, row: number, from = 0, to = Number.POSITIVE_INFINITY): void {
    const place = this.place[row];
    if (place >= 0 && from === 0 && to > 0) page.addExtent(own, ExtentKind.stored, 0, this.onlyRunLength(row), place);
    else if (place < NONE) this.extents.append(page, own, -2 - place, from, to);
  }

  xattrs(row: number): readonly Xattr[] {
    const list = this.xattrList.length === 0 ? 0 : this.xattrList[row];
    return list === 0 ? [] : this.#xattrs.get(list - 1);
  }

  #xattrBytes(row: number): number {
    const list = this.xattrList.length === 0 ? 0 : this.xattrList[row];
    return list === 0 ? 0 : this.#xattrs.bytes(list - 1);
  }

  #addXattrs(row: number, list: readonly Xattr[]): void {
    if (this.xattrList.length < this.numbers.length) this.xattrList = grown(this.xattrList, this.numbers.length);
    this.xattrList[row] = this.#xattrs.intern(list) + 1;
  }

  #grow(least: number): void {
    this.numbers = grown(this.numbers, least);
    this.classOf = grown(this.classOf, least);
    this.generation = grown(this.generation, least);
    this.linkCount = grown(this.linkCount, least);
    this.size = grown(this.size, least);
    this.seconds = grown(this.seconds, least * 3);
    this.nanoseconds = grown(this.nanoseconds, least * 3);
    this.place = grown(this.place, least);
    this.flags = grown(this.flags, least);
    if (this.xattrList.length > 0) this.xattrList = grown(this.xattrList, this.numbers.length);
  }

  /** A time outside 1901 to 2038, or a wrong one. */
  #setFarTime(at: number, seconds: number, nanoseconds: number): void {
    const epoch = Math.floor((seconds + 0x8000_0000) / 0x1_0000_0000);
    const fits = epoch >= 0 && epoch <= 3 && nanoseconds < BILLION;
    this.seconds[at] = fits ? seconds : nanoseconds;
    this.nanoseconds[at] = fits ? nanoseconds + epoch * 0x4000_0000 : TIME_ELSEWHERE;
    if (!fits) this.#timeOverflow.set(at, seconds);
  }

  #getSeconds(at: number): number {
    const packed = this.nanoseconds[at];
    if (packed === TIME_ELSEWHERE) return this.#timeOverflow.get(at) ?? 0;
    return this.seconds[at] + (packed >>> 30) * 0x1_0000_0000;
  }

  #getNanoseconds(at: number): number {
    const packed = this.nanoseconds[at];
    return packed === TIME_ELSEWHERE ? (this.seconds[at] >>> 0) % BILLION : packed & 0x3fff_ffff;
  }
}

function ascends(numbers: Float64Array, count: number, after: number): boolean {
  let before = after;
  for (let i = 0; i < count; i++) {
    if (!(numbers[i] > before)) return false;
    before = numbers[i];
  }
  return true;
}

/** Extents or attributes of more bytes than this stand in a record of their own. */
const INLINE_MAX = 1024;
/** Bytes that an extent is reckoned to take in a page. */
const EXTENT_BYTES = 8;

/** Mode, owner and group, once each. */
class ClassTable {
  mode: Uint32Array = new Uint32Array(64);
  uid: Uint32Array = new Uint32Array(64);
  gid: Uint32Array = new Uint32Array(64);
  #count = 0;
  readonly #byKey = new Map<string, number>();
  /** Last class seen of each hash; most look-ups end here. */
  readonly #recent = new Uint32Array(256).fill(0xffff_ffff);

  intern(mode: number, uid: number, gid: number): number {
    const hash = (mode ^ (mode >>> 8) ^ (uid * 31) ^ (gid * 17)) & 0xff;
    const recent = this.#recent[hash];
    if (recent < this.#count && this.mode[recent] === mode && this.uid[recent] === uid && this.gid[recent] === gid)
      return recent;
    const key = `${mode} ${uid} ${gid}`;
    let id = this.#byKey.get(key);
    if (id === undefined) {
      id = this.#count++;
      this.#byKey.set(key, id);
      this.mode = grown(this.mode, this.#count);
      this.uid = grown(this.uid, this.#count);
      this.gid = grown(this.gid, this.#count);
      this.mode[id] = mode;
      this.uid[id] = uid;
      this.gid[id] = gid;
    }
    this.#recent[hash] = id;
    return id;
  }
}

/** Extents of the files that are not one run. */
class ExtentLists {
  #lists = 0;
  #extents = 0;
  #literalBytes = 0;
  start: Uint32Array = new Uint32Array(256);
  kind: Uint8Array = new Uint8Array(1024);
  fileOffset: Float64Array = new Float64Array(1024);
  length: Float64Array = new Float64Array(1024);
  volumeOffset: Float64Array = new Float64Array(1024);
  literals: Uint8Array = new Uint8Array(4096);

  /** Extents `start` to `end - 1` of a file; one that ends with the file ends with its block, which is its as well. */
  add(batch: InodeBatch, start: number, end: number, size: number, blockSize: number): number {
    for (let e = start; e < end; e++) {
      const kind = batch.extentKind[e];
      const length = batch.extentLength[e];
      if (kind === ExtentKind.literal) {
        const at = batch.extentVolumeOffset[e];
        this.#addLiteral(batch.extentFileOffset[e], batch.literals.subarray(at, at + length));
        continue;
      }
      const fileOffset = batch.extentFileOffset[e];
      const whole = fileOffset + length === size ? Math.ceil(size / blockSize) * blockSize - fileOffset : length;
      this.#add(kind, fileOffset, whole, batch.extentVolumeOffset[e]);
    }
    this.start = grown(this.start, this.#lists + 2);
    this.start[this.#lists + 1] = this.#extents;
    return this.#lists++;
  }

  count(list: number): number {
    return this.start[list + 1] - this.start[list];
  }

  bytes(list: number): number {
    const start = this.start[list];
    const end = this.start[list + 1];
    let bytes = (end - start) * EXTENT_BYTES;
    if (end - start > INLINE_MAX / EXTENT_BYTES) return bytes;
    for (let e = start; e < end; e++) if (this.kind[e] === ExtentKind.literal) bytes += this.length[e];
    return bytes;
  }

  append(page: PageRows, own: number, list: number, from: number, to: number): void {
    const end = Math.min(this.start[list + 1], this.start[list] + to);
    for (let e = this.start[list] + from; e < end; e++) {
      const at = this.volumeOffset[e];
      if (this.kind[e] === ExtentKind.literal)
        page.addLiteral(own, this.fileOffset[e], this.literals.subarray(at, at + this.length[e]));
      else page.addExtent(own, this.kind[e], this.fileOffset[e], this.length[e], at);
    }
  }

  #add(kind: number, fileOffset: number, length: number, volumeOffset: number): void {
    if (length <= 0) return;
    const at = this.#extents++;
    if (at === this.kind.length) this.#growExtents(at + 1);
    this.kind[at] = kind;
    this.fileOffset[at] = fileOffset;
    this.length[at] = length;
    this.volumeOffset[at] = kind === ExtentKind.zero ? 0 : volumeOffset;
  }

  #growExtents(least: number): void {
    this.kind = grown(this.kind, least);
    this.fileOffset = grown(this.fileOffset, least);
    this.length = grown(this.length, least);
    this.volumeOffset = grown(this.volumeOffset, least);
  }

  #addLiteral(fileOffset: number, content: Uint8Array): void {
    this.literals = grown(this.literals, this.#literalBytes + content.length);
    this.literals.set(content, this.#literalBytes);
    for (let done = 0; done < content.length; done += LITERAL_PIECE) {
      const length = Math.min(LITERAL_PIECE, content.length - done);
      this.#add(ExtentKind.literal, fileOffset + done, length, this.#literalBytes + done);
    }
    this.#literalBytes += content.length;
  }
}

/** Lists of extended attributes as bytes: count u16, then name length u16, name, value length u32, value each. */
class XattrLists {
  #count = 0;
  #used = 0;
  #start: Float64Array = new Float64Array(64);
  #bytes: Uint8Array = new Uint8Array(4096);
  readonly #byContent = new Map<string, number>();

  intern(list: readonly Xattr[]): number {
    const packed = packXattrs(list);
    const key = packed.length <= INTERNED_LIST_BYTES_MAX ? packed.toString('latin1') : undefined;
    const known = key === undefined ? undefined : this.#byContent.get(key);
    if (known !== undefined) return known;
    this.#bytes = grown(this.#bytes, this.#used + packed.length);
    this.#bytes.set(packed, this.#used);
    this.#used += packed.length;
    const id = this.#count++;
    this.#start = grown(this.#start, this.#count + 1);
    this.#start[this.#count] = this.#used;
    if (key !== undefined && this.#byContent.size < INTERNED_LISTS_MAX) this.#byContent.set(key, id);
    return id;
  }

  bytes(list: number): number {
    return this.#start[list + 1] - this.#start[list];
  }

  get(list: number): readonly Xattr[] {
    const view = Buffer.from(this.#bytes.buffer, this.#start[list], this.bytes(list));
    const out: Xattr[] = [];
    let at = 2;
    for (let i = view.readUInt16LE(0); i > 0; i--) {
      const nameEnd = at + 2 + view.readUInt16LE(at);
      const valueEnd = nameEnd + 4 + view.readUInt32LE(nameEnd);
      out.push({ name: view.subarray(at + 2, nameEnd), value: view.subarray(nameEnd + 4, valueEnd) });
      at = valueEnd;
    }
    return out;
  }
}

function packXattrs(list: readonly Xattr[]): Buffer {
  const out = Buffer.alloc(list.reduce((sum, { name, value }) => sum + 6 + name.length + value.length, 2));
  let at = out.writeUInt16LE(list.length, 0);
  for (const { name, value } of list) {
    at = out.writeUInt16LE(name.length, at);
    out.set(name, at);
    at = out.writeUInt32LE(value.length, at + name.length);
    out.set(value, at);
    at += value.length;
  }
  return out;
}
