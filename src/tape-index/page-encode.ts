/**
 * A page's columns as its protobuf message. The meaning of each column: index-format/FORMAT.md, "Pages".
 *
 * Written by hand into one buffer, field by field in the order of their numbers, and last the columns that do not compress:
 * generations, and sizes, addresses and the order of names where they look random. The frame leaves those as they are,
 * which spares zstd those bytes, and random ones in its literals make its Huffman codes worse for the rest.
 */
import { ExtentKind } from '../bytes/walk-batch.ts';
import { expectedLength, NIBBLE_MORE, PageField } from './page-fields.ts';
import {
  PAGE_ENTRIES_MAX,
  type PageRows,
  type PageXattr,
  usualExtentCount,
  usualExtentKind,
  usualLinkCount,
} from './page-rows.ts';
import { signedBytes, WireWriter } from './wire-writer.ts';

const F = PageField;

/** A page as bytes, before the frame. */
export interface EncodedPage {
  /** Good until the next page. */
  readonly raw: Uint8Array;
  /** So many bytes at the end of `raw` do not compress. */
  readonly tail: number;
}

const out = new WireWriter();

/** The raw bytes of a page, before the frame. */
export function encodePage(rows: PageRows): EncodedPage {
  out.clear();
  if (rows.pageCount > 0) out.varintField(F.pageCount, rows.pageCount);
  if (rows.nextName !== null) out.bytesField(F.nextName, rows.nextName);
  encodeNames(rows);
  encodeRows(rows);
  const places = encodeOrder(rows);
  let randomSizes = false;
  let starts = 0;
  let randomStarts = false;
  if (rows.ownCount > 0) {
    encodeClasses(rows);
    randomSizes = encodeSizes(rows);
    encodeTimes(rows);
    encodeSparse(rows);
    starts = encodeExtents(rows);
    randomStarts = isRandom(startColumn, starts);
    if (!randomStarts && starts > 0) out.zigzags(F.extentStart, startColumn, starts);
    encodeTables(rows);
  }
  const compressible = out.length;
  if (places > 0) out.bytesField(F.namePlace, bits, places);
  if (rows.ownCount > 0) encodeTail(rows, randomSizes, randomStarts ? starts : 0);
  return { raw: out.finish(), tail: out.length - compressible };
}

function encodeTail(rows: PageRows, randomSizes: boolean, randomStarts: number): void {
  const { generation, size, ownCount } = rows;
  let used = false;
  for (let i = 0; i < ownCount && !used; i++) used = generation[i] !== 0;
  if (used) out.fixed32s(F.generation, generation, ownCount);
  if (randomSizes) out.varints(F.size, size, ownCount);
  if (randomStarts > 0) out.zigzags(F.extentStart, startColumn, randomStarts);
}

/** Whether few of the values are zero or equal to the one before: nothing that a compressor would find. */
function isRandom(values: Float64Array, count: number): boolean {
  let plain = 0;
  let before = 0;
  for (let i = 0; i < count; i++) {
    if (values[i] === 0 || values[i] === before) plain++;
    before = values[i];
  }
  return plain * 4 < count;
}

// Columns under construction: one page at a time, and none is kept.
const numbers = new Float64Array(PAGE_ENTRIES_MAX * 2);
const others = new Float64Array(PAGE_ENTRIES_MAX);
const small = new Uint8Array(PAGE_ENTRIES_MAX);
const bits = new Uint8Array(PAGE_ENTRIES_MAX);
let ownNames: Uint8Array = new Uint8Array(4096);

function encodeNames(rows: PageRows): void {
  const count = rows.nameCount;
  if (count === 0) return;
  const { names, nameStart } = rows;
  if (ownNames.length < nameStart[count]) ownNames = new Uint8Array(nameStart[count] * 2);
  let at = 0;
  let more = 0;
  for (let i = 0; i < count; i++) {
    const start = nameStart[i];
    const end = nameStart[i + 1];
    let same = 0;
    if (i > 0) {
      const before = nameStart[i - 1];
      const most = Math.min(end - start, start - before);
      while (same < most && names[before + same] === names[start + same]) same++;
    }
    const length = end - start - same;
    small[i] = (Math.min(same, NIBBLE_MORE) << 4) | Math.min(length, NIBBLE_MORE);
    if (same >= NIBBLE_MORE) numbers[more++] = same - NIBBLE_MORE;
    if (length >= NIBBLE_MORE) numbers[more++] = length - NIBBLE_MORE;
    for (let k = start + same; k < end; k++) ownNames[at++] = names[k];
  }
  out.bytesField(F.nameLead, small, count);
  if (more > 0) out.varints(F.nameMore, numbers, more);
  if (at > 0) out.bytesField(F.nameBytes, ownNames, at);
}

/** Writes `name_row` or makes ready `name_place` in `bits`, whichever is likely smaller; the bytes of the latter, 0: none. */
function encodeOrder(rows: PageRows): number {
  const { nameCount, nameRow } = rows;
  let moved = 0;
  let before = -1;
  for (let i = 0; i < nameCount; i++) {
    small[i] = nameRow[i] - before - 1; // modulo 256
    if (small[i] !== 0) moved++;
    before = nameRow[i];
  }
  if (moved === 0) return 0;
  let bitCount = 0;
  for (let left = nameCount; left > 1; left--) bitCount += 32 - Math.clz32(left - 1);
  const bytes = (bitCount + 7) >>> 3;
  if (moved <= bytes) {
    out.bytesField(F.nameRow, small, nameCount);
    return 0;
  }
  bits.fill(0, 0, bytes);
  placesInto(nameRow, nameCount);
  return bytes;
}

/** For each name the position of its row among the rows left, in as few bits as the largest position needs. */
function placesInto(nameRow: Uint16Array, count: number): void {
  taken.fill(0);
  let at = 0;
  for (let i = 0; i < count - 1; i++) {
    const row = nameRow[i];
    let place = row;
    for (let word = 0; word < row >>> 5; word++) place -= bitCount(taken[word]);
    place -= bitCount(taken[row >>> 5] & ~(-1 << (row & 31)));
    taken[row >>> 5] |= 1 << (row & 31);
    const width = 32 - Math.clz32(count - i - 1);
    const value = place << (at & 7);
    bits[at >>> 3] |= value;
    if ((at & 7) + width > 8) bits[(at >>> 3) + 1] |= value >>> 8;
    at += width;
  }
}
/** Rows that names before have taken, a bit each. */
const taken = new Int32Array(PAGE_ENTRIES_MAX / 32);

function bitCount(word: number): number {
  const pairs = word - ((word >>> 1) & 0x5555_5555);
  const fours = (pairs & 0x3333_3333) + ((pairs >>> 2) & 0x3333_3333);
  return Math.imul((fours + (fours >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

function encodeRows(rows: PageRows): void {
  let before = 0;
  let steps = 0;
  let lastRecord = 0;
  let records = 0;
  for (let row = 0; row < rows.rowCount; row++) {
    const step = rows.inode[row] - before;
    before = rows.inode[row];
    if (row === 0 || step !== 1) numbers[steps++] = step;
    else if (numbers[steps - 1] < 0) numbers[steps - 1]--;
    else numbers[steps++] = -1;
    if (rows.own[row] >= 0) continue;
    others[records++] = row - lastRecord;
    lastRecord = row;
  }
  out.zigzags(F.inodeStep, numbers, steps);
  if (records > 0) out.varints(F.recordRow, others, records);
}

const classMode = new Float64Array(PAGE_ENTRIES_MAX);
const classUid = new Float64Array(PAGE_ENTRIES_MAX);
const classGid = new Float64Array(PAGE_ENTRIES_MAX);

function encodeClasses(rows: PageRows): void {
  const { ownCount, mode, uid, gid } = rows;
  let classes = 0;
  let owned = false;
  let grouped = false;
  for (let i = 0; i < ownCount; i++) {
    let k = 0;
    while (k < classes && (classMode[k] !== mode[i] || classUid[k] !== uid[i] || classGid[k] !== gid[i])) k++;
    if (k === classes) {
      classMode[k] = mode[i];
      classUid[k] = uid[i];
      classGid[k] = gid[i];
      classes++;
      if (uid[i] !== 0) owned = true;
      if (gid[i] !== uid[i]) grouped = true;
    }
    small[i] = k;
  }
  out.varints(F.classMode, classMode, classes);
  if (owned) out.varints(F.classUid, classUid, classes);
  if (grouped) out.varints(F.classGid, classGid, classes);
  if (classes > 1) out.bytesField(F.classOf, small, ownCount);
}

/** Writes the sizes unless they are all zero or look random; whether the latter. */
function encodeSizes(rows: PageRows): boolean {
  const { size, ownCount } = rows;
  if (isRandom(size, ownCount)) return true;
  for (let i = 0; i < ownCount; i++) {
    if (size[i] === 0) continue;
    out.varints(F.size, size, ownCount);
    break;
  }
  return false;
}

const BILLION = 1_000_000_000;

function encodeTimes(rows: PageRows): void {
  const { ctime, ctimeNs, ownCount } = rows;
  encodeCtime(ctime, ctimeNs, ownCount);
  encodeOffset(rows, rows.mtime, rows.mtimeNs, MTIME);
  encodeOffset(rows, rows.atime, rows.atimeNs, ATIME);
}

/** Fields of a time that is told by its distance from ctime. */
interface TimeFields {
  readonly offsetNs: number;
  readonly offset: number;
  readonly step: number;
  readonly nsOffset: number;
  readonly ns: number;
}
const MTIME: TimeFields = {
  offsetNs: F.mtimeOffsetNs,
  offset: F.mtimeOffset,
  step: F.mtimeStep,
  nsOffset: F.mtimeNsOffset,
  ns: F.mtimeNs,
};
const ATIME: TimeFields = {
  offsetNs: F.atimeOffsetNs,
  offset: F.atimeOffset,
  step: F.atimeStep,
  nsOffset: F.atimeNsOffset,
  ns: F.atimeNs,
};

/** Seconds of difference whose nanoseconds are a safe integer: 104 days. */
const SPAN_SECONDS_MAX = 9_000_000;

/** Steps in nanoseconds, if all are safe integers and they are not larger than seconds and nanoseconds apart. */
function encodeCtime(ctime: Float64Array, ctimeNs: Uint32Array, n: number): void {
  let near = Math.abs(ctime[0]) < 2 ** 52; // zigzag must stay exact
  let before = 0;
  let beforeNs = 0;
  let nonzero = false;
  for (let i = 0; i < n; i++) {
    const seconds = i === 0 ? 0 : ctime[i] - before;
    if (seconds > SPAN_SECONDS_MAX || seconds < -SPAN_SECONDS_MAX) near = false;
    if (ctimeNs[i] !== 0) nonzero = true;
    numbers[i] = seconds * BILLION + (ctimeNs[i] - beforeNs);
    others[i] = i === 0 ? ctime[0] : seconds;
    before = ctime[i];
    beforeNs = ctimeNs[i];
  }
  if (nonzero && near && signedBytes(numbers, n) < signedBytes(others, n) + n * 4) {
    if (ctime[0] !== 0) out.varintField(F.ctimeBase, ctime[0] < 0 ? -ctime[0] * 2 - 1 : ctime[0] * 2);
    out.zigzags(F.ctimeStepNs, numbers, n);
    return;
  }
  if (!allZero(others, n)) out.zigzags(F.ctimeStep, others, n);
  if (nonzero) out.fixed32s(F.ctimeNs, ctimeNs, n);
}

function encodeOffset(rows: PageRows, values: Float64Array, valuesNs: Uint32Array, fields: TimeFields): void {
  const { ctime, ctimeNs, ownCount: n } = rows;
  let near = true;
  let equal = true;
  let apart = false;
  for (let i = 0; i < n; i++) {
    const seconds = values[i] - ctime[i];
    const ns = valuesNs[i] - ctimeNs[i];
    if (seconds > SPAN_SECONDS_MAX || seconds < -SPAN_SECONDS_MAX) near = false;
    if (seconds !== 0) equal = false;
    if (ns !== 0) apart = true;
    others[i] = seconds;
    numbers[i] = seconds * BILLION + ns;
  }
  if (equal && !apart) return;
  if (apart && near && signedBytes(numbers, n) < signedBytes(others, n) + n * 4) {
    out.zigzags(fields.offsetNs, numbers, n);
    return;
  }
  if (!equal) encodeSeconds(values, others, n, fields);
  if (apart) encodeFractions(valuesNs, ctimeNs, n, fields);
}

/** Seconds against the row's ctime, or against the row before: whichever is smaller. */
function encodeSeconds(values: Float64Array, offsets: Float64Array, n: number, fields: TimeFields): void {
  let before = 0;
  for (let i = 0; i < n; i++) {
    numbers[i] = values[i] - before;
    before = values[i];
  }
  if (signedBytes(numbers, n) < signedBytes(offsets, n)) out.zigzags(fields.step, numbers, n);
  else out.zigzags(fields.offset, offsets, n);
}

const fractions = new Uint32Array(PAGE_ENTRIES_MAX);

/** Nanoseconds against the row's ctime, or as they are. */
function encodeFractions(values: Uint32Array, ctimeNs: Uint32Array, n: number, fields: TimeFields): void {
  let equal = 0;
  let zero = 0;
  for (let i = 0; i < n; i++) {
    const offset = values[i] - ctimeNs[i];
    fractions[i] = offset < 0 ? offset + BILLION : offset;
    if (offset === 0) equal++;
    if (values[i] === 0) zero++;
  }
  if (zero > equal) out.fixed32s(fields.ns, values, n);
  else out.fixed32s(fields.nsOffset, fractions, n);
}

function allZero(values: Float64Array, count: number): boolean {
  for (let i = 0; i < count; i++) if (values[i] !== 0) return false;
  return true;
}

function encodeSparse(rows: PageRows): void {
  const { ownCount, linkCount, mode, deviceMajor, deviceMinor, flags } = rows;
  let links = 0;
  let devices = 0;
  let flagged = 0;
  for (let i = 0; i < ownCount; i++) {
    if (linkCount[i] !== usualLinkCount(mode[i])) small[links++] = i;
    if (deviceMajor[i] !== 0 || deviceMinor[i] !== 0) devices++;
    if (flags[i] !== 0) flagged++;
  }
  if (links > 0) {
    encodePicked(F.linkRow, links);
    encodeValues(F.linkCount, linkCount, links);
  }
  if (devices > 0) {
    devices = 0;
    for (let i = 0; i < ownCount; i++) if (deviceMajor[i] !== 0 || deviceMinor[i] !== 0) small[devices++] = i;
    encodePicked(F.deviceRow, devices);
    encodeValues(F.deviceMajor, deviceMajor, devices);
    encodeValues(F.deviceMinor, deviceMinor, devices);
  }
  if (flagged > 0) {
    flagged = 0;
    for (let i = 0; i < ownCount; i++) if (flags[i] !== 0) small[flagged++] = i;
    encodePicked(F.flagRow, flagged);
    encodeValues(F.flagBits, flags, flagged);
  }
}

/** The rows in `small`, each less the one before. */
function encodePicked(field: number, count: number): void {
  let before = 0;
  for (let i = 0; i < count; i++) {
    numbers[i] = small[i] - before;
    before = small[i];
  }
  out.varints(field, numbers, count);
}

/** The values of the rows in `small`. */
function encodeValues(field: number, values: Uint32Array, count: number): void {
  for (let i = 0; i < count; i++) numbers[i] = values[small[i]];
  out.varints(field, numbers, count);
}

/** Zero bits at the end of a positive integer below 2^53. */
function trailingZeros(value: number): number {
  const low = value >>> 0;
  if (low !== 0) return 31 - Math.clz32(low & -low);
  const high = (value / 0x1_0000_0000) >>> 0;
  return high === 0 ? 53 : 63 - Math.clz32(high & -high);
}

/** The largest unit in which every address, length and gap of extents is whole, as a power of two; 0 without any. */
function unitShift(rows: PageRows): number {
  let shift = 53;
  for (let own = 0; own < rows.ownCount; own++) {
    let end = 0;
    let afterLiteral = false;
    for (let e = rows.extentStart[own]; e < rows.extentStart[own + 1]; e++) {
      const kind = rows.extentKind[e];
      const literal = kind === ExtentKind.literal;
      const length = rows.extentLength[e];
      if (!literal) {
        shift = Math.min(shift, trailingZeros(length));
        if (!afterLiteral) shift = Math.min(shift, trailingZeros(Math.abs(rows.extentFileOffset[e] - end)));
        if (kind !== ExtentKind.zero) shift = Math.min(shift, trailingZeros(rows.extentVolumeOffset[e]));
      }
      end = rows.extentFileOffset[e] + length;
      afterLiteral = literal;
    }
  }
  return shift >= 53 ? 0 : shift;
}

let countColumn = new Float64Array(PAGE_ENTRIES_MAX);
let gapColumn = new Float64Array(1024);
let lengthColumn = new Float64Array(1024);
let startColumn = new Float64Array(1024);

function reserveExtents(rows: number, extents: number): void {
  if (countColumn.length < rows) countColumn = new Float64Array(rows);
  if (gapColumn.length >= extents) return;
  gapColumn = new Float64Array(extents * 2);
  lengthColumn = new Float64Array(extents * 2);
  startColumn = new Float64Array(extents * 2);
}

/** All columns of extents but the addresses, which stand in `startColumn` then; how many those are. */
function encodeExtents(rows: PageRows): number {
  const total = rows.extentStart[rows.ownCount];
  const shift = unitShift(rows);
  const unit = 2 ** shift;
  reserveExtents(rows.ownCount, total);
  const counts = countColumn;
  const gap = gapColumn;
  const length = lengthColumn;
  const start = startColumn;
  let starts = 0;
  let usualCounts = true;
  let usualKinds = true;
  let volumeEnd = 0;
  for (let own = 0; own < rows.ownCount; own++) {
    const last = rows.extentStart[own + 1] - 1;
    counts[own] = last + 1 - rows.extentStart[own];
    if (counts[own] !== usualExtentCount(rows.mode[own], rows.size[own])) usualCounts = false;
    const usualKind = usualExtentKind(rows.mode[own]);
    let end = 0;
    let afterLiteral = false;
    for (let e = rows.extentStart[own]; e <= last; e++) {
      const kind = rows.extentKind[e];
      if (kind !== usualKind) usualKinds = false;
      const literal = kind === ExtentKind.literal;
      const fileOffset = rows.extentFileOffset[e];
      const scale = literal ? 1 : unit;
      gap[e] = (fileOffset - end) / (literal || afterLiteral ? 1 : unit);
      const expected = e === last ? expectedLength(rows.size[own], fileOffset, literal, unit) : 0;
      length[e] = rows.extentLength[e] / scale - expected;
      if (kind === ExtentKind.stored || kind === ExtentKind.escaped) {
        start[starts++] = (rows.extentVolumeOffset[e] - volumeEnd) / unit;
        volumeEnd = rows.extentVolumeOffset[e] + rows.extentLength[e];
      }
      end = fileOffset + rows.extentLength[e];
      afterLiteral = literal;
    }
  }
  if (shift > 0) out.varintField(F.unitShift, shift);
  if (!usualCounts) out.varints(F.extentCount, counts, rows.ownCount);
  if (!usualKinds) out.bytesField(F.extentKind, rows.extentKind, total);
  if (!allZero(gap, total)) out.zigzags(F.extentGap, gap, total);
  if (!allZero(length, total)) out.zigzags(F.extentLength, length, total);
  if (rows.literalBytes > 0) out.bytesField(F.literals, rows.literals, rows.literalBytes);
  return starts;
}

function encodeTables(rows: PageRows): void {
  if (rows.xattrs.length > 0) encodeXattrs(rows);
  if (rows.problems.length > 0) encodeProblems(rows);
}

function encodeXattrs({ xattrs }: PageRows): void {
  const steps: number[] = [];
  const indices: number[] = [];
  const table: PageXattr[] = [];
  const seen = new Map<string, number>();
  let last = 0;
  for (const xattr of xattrs) {
    const key = `${latin1(xattr.name)}\0${latin1(xattr.value)}`;
    let index = seen.get(key);
    if (index === undefined) {
      index = table.push(xattr) - 1;
      seen.set(key, index);
    }
    steps.push(xattr.own - last);
    indices.push(index);
    last = xattr.own;
  }
  out.varints(F.xattrRow, Float64Array.from(steps), steps.length);
  out.varints(F.xattrIndex, Float64Array.from(indices), indices.length);
  for (const { name } of table) out.bytesField(F.xattrName, name);
  for (const { value } of table) out.bytesField(F.xattrValue, value);
}

const latin1 = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');

function encodeProblems({ problems }: PageRows): void {
  const steps: number[] = [];
  const indices: number[] = [];
  const table: string[] = [];
  let last = 0;
  for (const { own, text } of problems) {
    let index = table.indexOf(text);
    if (index < 0) index = table.push(text) - 1;
    steps.push(own - last);
    indices.push(index);
    last = own;
  }
  out.varints(F.problemRow, Float64Array.from(steps), steps.length);
  out.varints(F.problemIndex, Float64Array.from(indices), indices.length);
  for (const text of table) {
    const bytes = Buffer.from(text, 'utf8');
    out.bytesField(F.problemText, bytes);
  }
}
