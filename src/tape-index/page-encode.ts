/** A page's columns as its protobuf message. The meaning of each column: index-format/FORMAT.md, "Pages". */
import { ExtentKind } from '../bytes/walk-batch.ts';
import { grown } from './inode-columns.ts';
import { expectedLength, PageField } from './page-fields.ts';
import { PAGE_ENTRIES_MAX, type PageRows, usualExtentCount, usualExtentKind, usualLinkCount } from './page-rows.ts';
import { WireWriter } from './wire-writer.ts';

const F = PageField;
const BILLION = 1_000_000_000;

// Used again for every page: one page is encoded at a time, and nothing in between awaits.
const out = new WireWriter();
const bytesA = new Uint8Array(PAGE_ENTRIES_MAX);
const wordsA = new Uint32Array(PAGE_ENTRIES_MAX);
const wordsB = new Uint32Array(PAGE_ENTRIES_MAX);
const numbersA = new Float64Array(PAGE_ENTRIES_MAX);
const numbersB = new Float64Array(PAGE_ENTRIES_MAX);
let nameBytes: Uint8Array = new Uint8Array(4096);
let gaps: Float64Array = new Float64Array(PAGE_ENTRIES_MAX);
let lengths: Float64Array = new Float64Array(PAGE_ENTRIES_MAX);
let starts: Float64Array = new Float64Array(PAGE_ENTRIES_MAX);

/** The raw bytes of a page, before the frame; a view that the next call overwrites. */
export function encodePage(rows: PageRows): Uint8Array {
  out.clear();
  if (rows.pageCount > 0) out.varintField(F.pageCount, rows.pageCount);
  if (rows.nextName !== null) out.bytesField(F.nextName, rows.nextName);
  encodeNames(rows);
  encodeRows(rows);
  if (rows.ownCount > 0) {
    encodeClasses(rows);
    encodeTimes(rows);
    encodeSparse(rows);
    encodeExtents(rows);
    encodeTables(rows);
  }
  return out.finish();
}

function encodeNames(rows: PageRows): void {
  const count = rows.nameCount;
  if (count === 0) return;
  const { names, nameStart, nameRow } = rows;
  nameBytes = grown(nameBytes, nameStart[count]);
  let at = 0;
  let inOrder = true;
  let before = 0;
  let beforeLength = 0;
  for (let i = 0; i < count; i++) {
    const start = nameStart[i];
    const length = nameStart[i + 1] - start;
    const most = length < beforeLength ? length : beforeLength;
    let same = 0;
    while (same < most && names[before + same] === names[start + same]) same++;
    wordsA[i] = same;
    wordsB[i] = length - same;
    for (let k = start + same; k < start + length; k++) nameBytes[at++] = names[k];
    bytesA[i] = nameRow[i] - (i === 0 ? 0 : nameRow[i - 1] + 1); // modulo 256
    if (bytesA[i] !== 0) inOrder = false;
    before = start;
    beforeLength = length;
  }
  out.varints(F.nameShared, wordsA, count);
  out.varints(F.nameLength, wordsB, count);
  if (at > 0) out.bytesField(F.nameBytes, nameBytes.subarray(0, at));
  if (!inOrder) out.bytesField(F.nameRow, bytesA.subarray(0, count));
}

function encodeRows(rows: PageRows): void {
  let before = 0;
  let records = 0;
  let lastRecord = 0;
  for (let row = 0; row < rows.rowCount; row++) {
    numbersA[row] = rows.inode[row] - before;
    before = rows.inode[row];
    if (rows.own[row] >= 0) continue;
    wordsA[records++] = row - lastRecord;
    lastRecord = row;
  }
  out.varints(F.inodeStep, numbersA, rows.rowCount);
  out.varints(F.recordRow, wordsA, records);
}

function encodeClasses(rows: PageRows): void {
  const { ownCount, mode, uid, gid } = rows;
  let classes = 0;
  for (let i = 0; i < ownCount; i++) {
    let k = 0;
    // wordsA holds the row that a class was first seen in.
    while (k < classes && (mode[wordsA[k]] !== mode[i] || uid[wordsA[k]] !== uid[i] || gid[wordsA[k]] !== gid[i])) k++;
    if (k === classes) wordsA[classes++] = i;
    bytesA[i] = k;
  }
  for (const [field, values] of [
    [F.classMode, mode],
    [F.classUid, uid],
    [F.classGid, gid],
  ] as const) {
    for (let k = 0; k < classes; k++) wordsB[k] = values[wordsA[k]];
    out.varints(field, wordsB, classes);
  }
  if (classes > 1) out.bytesField(F.classOf, bytesA.subarray(0, ownCount));
}

/** Whether any of the first `count` values is not zero: columns of zeros are left out. */
function any(values: ArrayLike<number>, count: number): boolean {
  for (let i = 0; i < count; i++) if (values[i] !== 0) return true;
  return false;
}

function encodeTimes(rows: PageRows): void {
  const n = rows.ownCount;
  if (any(rows.generation, n)) out.fixed32s(F.generation, rows.generation, n);
  if (any(rows.size, n)) out.varints(F.size, rows.size, n);
  steps(rows.ctime, n, numbersA);
  if (any(numbersA, n)) out.zigzags(F.ctimeStep, numbersA, n);
  encodeSeconds(F.mtimeOffset, F.mtimeStep, rows.mtime, rows.ctime, n);
  encodeSeconds(F.atimeOffset, F.atimeStep, rows.atime, rows.ctime, n);
  if (any(rows.ctimeNs, n)) out.fixed32s(F.ctimeNs, rows.ctimeNs, n);
  encodeNanoseconds(F.mtimeNsOffset, F.mtimeNs, rows.mtimeNs, rows.ctimeNs, n);
  encodeNanoseconds(F.atimeNsOffset, F.atimeNs, rows.atimeNs, rows.ctimeNs, n);
}

/** Each value less the one before, the first as it is. */
function steps(values: Float64Array, n: number, into: Float64Array): void {
  let before = 0;
  for (let i = 0; i < n; i++) {
    into[i] = values[i] - before;
    before = values[i];
  }
}

/** About how many bytes the values take as varints, those that are zero not counted. */
function varintBytes(values: Float64Array, n: number): number {
  let bytes = 0;
  for (let i = 0; i < n; i++) {
    const size = Math.abs(values[i]);
    bytes += size === 0 ? 0 : size < 64 ? 1 : size < 8192 ? 2 : size < 1_048_576 ? 3 : size < 134_217_728 ? 4 : 5;
  }
  return bytes;
}

/** A time against the row's ctime, or against the row before: whichever is smaller. */
function encodeSeconds(offset: number, step: number, values: Float64Array, ctime: Float64Array, n: number): void {
  for (let i = 0; i < n; i++) numbersA[i] = values[i] - ctime[i];
  const bytes = varintBytes(numbersA, n);
  if (bytes === 0) return;
  steps(values, n, numbersB);
  if (varintBytes(numbersB, n) < bytes) out.zigzags(step, numbersB, n);
  else out.zigzags(offset, numbersA, n);
}

function encodeNanoseconds(
  offsetField: number,
  plain: number,
  values: Uint32Array,
  ctime: Uint32Array,
  n: number,
): void {
  let equal = 0;
  let zero = 0;
  for (let i = 0; i < n; i++) {
    const offset = values[i] - ctime[i];
    wordsA[i] = offset < 0 ? offset + BILLION : offset;
    if (offset === 0) equal++;
    if (values[i] === 0) zero++;
  }
  if (equal === n) return;
  if (zero > equal) out.fixed32s(plain, values, n);
  else out.fixed32s(offsetField, wordsA, n);
}

function encodeSparse(rows: PageRows): void {
  let count = 0;
  for (let i = 0; i < rows.ownCount; i++) if (rows.linkCount[i] !== usualLinkCount(rows.mode[i])) wordsA[count++] = i;
  encodeSparseRows(F.linkRow, count);
  encodeSparseValues(F.linkCount, rows.linkCount, count);
  count = 0;
  for (let i = 0; i < rows.ownCount; i++)
    if (rows.deviceMajor[i] !== 0 || rows.deviceMinor[i] !== 0) wordsA[count++] = i;
  encodeSparseRows(F.deviceRow, count);
  encodeSparseValues(F.deviceMajor, rows.deviceMajor, count);
  encodeSparseValues(F.deviceMinor, rows.deviceMinor, count);
  count = 0;
  for (let i = 0; i < rows.ownCount; i++) if (rows.flags[i] !== 0) wordsA[count++] = i;
  encodeSparseRows(F.flagRow, count);
  encodeSparseValues(F.flagBits, rows.flags, count);
}

/** The first `count` rows in wordsA, each less the one before. */
function encodeSparseRows(field: number, count: number): void {
  for (let i = 0; i < count; i++) wordsB[i] = wordsA[i] - (i === 0 ? 0 : wordsA[i - 1]);
  out.varints(field, wordsB, count);
}

function encodeSparseValues(field: number, values: Uint32Array, count: number): void {
  for (let i = 0; i < count; i++) wordsB[i] = values[wordsA[i]];
  out.varints(field, wordsB, count);
}

/** Zero bits at the end of an integer from 0 to 2^53. */
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

function encodeExtents(rows: PageRows): void {
  const total = rows.extentStart[rows.ownCount];
  const shift = unitShift(rows);
  const unit = 2 ** shift;
  gaps = grown(gaps, total);
  lengths = grown(lengths, total);
  starts = grown(starts, total);
  let startCount = 0;
  let usualCounts = true;
  let usualKinds = true;
  let volumeEnd = 0;
  for (let own = 0; own < rows.ownCount; own++) {
    const last = rows.extentStart[own + 1] - 1;
    wordsA[own] = last + 1 - rows.extentStart[own];
    if (wordsA[own] !== usualExtentCount(rows.mode[own], rows.size[own])) usualCounts = false;
    const usualKind = usualExtentKind(rows.mode[own]);
    let end = 0;
    let afterLiteral = false;
    for (let e = rows.extentStart[own]; e <= last; e++) {
      const kind = rows.extentKind[e];
      if (kind !== usualKind) usualKinds = false;
      const literal = kind === ExtentKind.literal;
      const fileOffset = rows.extentFileOffset[e];
      const byteLength = rows.extentLength[e];
      gaps[e] = (fileOffset - end) / (literal || afterLiteral ? 1 : unit);
      const expected = e === last ? expectedLength(rows.size[own], fileOffset, literal, unit) : 0;
      lengths[e] = byteLength / (literal ? 1 : unit) - expected;
      if (kind === ExtentKind.stored || kind === ExtentKind.escaped) {
        starts[startCount++] = (rows.extentVolumeOffset[e] - volumeEnd) / unit;
        volumeEnd = rows.extentVolumeOffset[e] + byteLength;
      }
      end = fileOffset + byteLength;
      afterLiteral = literal;
    }
  }
  if (shift > 0) out.varintField(F.unitShift, shift);
  if (!usualCounts) out.varints(F.extentCount, wordsA, rows.ownCount);
  if (!usualKinds) out.bytesField(F.extentKind, rows.extentKind.subarray(0, total));
  if (any(gaps, total)) out.zigzags(F.extentGap, gaps, total);
  if (any(lengths, total)) out.zigzags(F.extentLength, lengths, total);
  out.zigzags(F.extentStart, starts, startCount);
  if (rows.literalBytes > 0) out.bytesField(F.literals, rows.literals.subarray(0, rows.literalBytes));
}

function encodeTables(rows: PageRows): void {
  if (rows.xattrs.length > 0) encodeXattrs(rows);
  if (rows.problems.length > 0) encodeProblems(rows);
}

function encodeXattrs(rows: PageRows): void {
  const seen = new Map<string, number>();
  const table: { readonly name: Uint8Array; readonly value: Uint8Array }[] = [];
  const indexes: number[] = [];
  for (const { name, value } of rows.xattrs) {
    const key = `${Buffer.from(name).toString('latin1')}\0${Buffer.from(value).toString('latin1')}`;
    let index = seen.get(key);
    if (index === undefined) {
      index = table.push({ name, value }) - 1;
      seen.set(key, index);
    }
    indexes.push(index);
  }
  out.varints(F.xattrRow, rowSteps(rows.xattrs));
  out.varints(F.xattrIndex, indexes);
  for (const { name } of table) out.bytesField(F.xattrName, name);
  for (const { value } of table) out.bytesField(F.xattrValue, value);
}

function encodeProblems(rows: PageRows): void {
  const texts: string[] = [];
  const indexes = rows.problems.map(({ text }) => {
    const index = texts.indexOf(text);
    return index >= 0 ? index : texts.push(text) - 1;
  });
  out.varints(F.problemRow, rowSteps(rows.problems));
  out.varints(F.problemIndex, indexes);
  for (const text of texts) out.bytesField(F.problemText, Buffer.from(text, 'utf8'));
}

function rowSteps(list: readonly { readonly own: number }[]): number[] {
  return list.map(({ own }, i) => own - (i === 0 ? 0 : list[i - 1].own));
}
