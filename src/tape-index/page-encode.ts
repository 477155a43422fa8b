/** A page's columns as its protobuf message. The meaning of each column: index-format/FORMAT.md, "Pages". */
import { ExtentKind } from '../bytes/walk-batch.ts';
import { Page, type PageMessage } from './messages.ts';
import { type PageRows, usualExtentCount, usualExtentKind, usualLinkCount } from './page-rows.ts';

/** The raw bytes of a page, before the frame. */
export function encodePage(rows: PageRows): Uint8Array {
  const page = new Page();
  if (rows.pageCount > 0) page.pageCount = rows.pageCount;
  if (rows.nextName !== null) page.nextName = rows.nextName;
  encodeNames(page, rows);
  encodeRows(page, rows);
  if (rows.ownCount > 0) {
    encodeClasses(page, rows);
    encodeTimes(page, rows);
    encodeSparse(page, rows);
    encodeExtents(page, rows);
    encodeTables(page, rows);
  }
  return Page.encode(page).finish();
}

// protobufjs takes any array of numbers; its types know only number[].
const column = (values: ArrayLike<number>): number[] => values as unknown as number[];

/** `undefined` when all values are zero. */
function unlessZero(values: Uint8Array | Uint32Array | Float64Array): number[] | undefined {
  for (let i = 0; i < values.length; i++) if (values[i] !== 0) return column(values);
  return undefined;
}

type ColumnName = {
  [K in keyof PageMessage]-?: PageMessage[K] extends number[] ? K : never;
}[keyof PageMessage];

function set(page: PageMessage, name: ColumnName, values: number[] | undefined): void {
  if (values !== undefined) page[name] = values;
}

function encodeNames(page: PageMessage, rows: PageRows): void {
  const count = rows.nameCount;
  if (count === 0) return;
  const { names, nameStart, nameRow } = rows;
  const shared = new Uint32Array(count);
  const length = new Uint32Array(count);
  const own = new Uint8Array(nameStart[count] - nameStart[0]);
  const order = new Uint8Array(count);
  let at = 0;
  let inOrder = true;
  for (let i = 0; i < count; i++) {
    const start = nameStart[i];
    const end = nameStart[i + 1];
    let same = 0;
    if (i > 0) {
      const before = nameStart[i - 1];
      const most = Math.min(end - start, start - before);
      while (same < most && names[before + same] === names[start + same]) same++;
    }
    shared[i] = same;
    length[i] = end - start - same;
    for (let k = start + same; k < end; k++) own[at++] = names[k];
    order[i] = nameRow[i] - (i === 0 ? 0 : nameRow[i - 1] + 1); // modulo 256
    if (order[i] !== 0) inOrder = false;
  }
  page.nameShared = column(shared);
  page.nameLength = column(length);
  if (at > 0) page.nameBytes = own.subarray(0, at);
  if (!inOrder) page.nameRow = order;
}

function encodeRows(page: PageMessage, rows: PageRows): void {
  const steps = new Float64Array(rows.rowCount);
  const records: number[] = [];
  let before = 0;
  let lastRecord = 0;
  for (let row = 0; row < rows.rowCount; row++) {
    steps[row] = rows.inode[row] - before;
    before = rows.inode[row];
    if (rows.own[row] >= 0) continue;
    records.push(row - lastRecord);
    lastRecord = row;
  }
  page.inodeStep = column(steps);
  if (records.length > 0) page.recordRow = records;
}

function encodeClasses(page: PageMessage, rows: PageRows): void {
  const { ownCount, mode, uid, gid } = rows;
  const modes: number[] = [];
  const uids: number[] = [];
  const gids: number[] = [];
  const classOf = new Uint8Array(ownCount);
  for (let i = 0; i < ownCount; i++) {
    let k = 0;
    while (k < modes.length && (modes[k] !== mode[i] || uids[k] !== uid[i] || gids[k] !== gid[i])) k++;
    if (k === modes.length) {
      modes.push(mode[i]);
      uids.push(uid[i]);
      gids.push(gid[i]);
    }
    classOf[i] = k;
  }
  page.classMode = modes;
  page.classUid = uids;
  page.classGid = gids;
  if (modes.length > 1) page.classOf = classOf;
}

const BILLION = 1_000_000_000;

function encodeTimes(page: PageMessage, rows: PageRows): void {
  const n = rows.ownCount;
  set(page, 'size', unlessZero(rows.size.subarray(0, n)));
  set(page, 'generation', unlessZero(rows.generation.subarray(0, n)));
  set(page, 'ctimeStep', unlessZero(steps(rows.ctime, n)));
  chooseSeconds(page, 'mtimeOffset', 'mtimeStep', rows.mtime, rows.ctime, n);
  chooseSeconds(page, 'atimeOffset', 'atimeStep', rows.atime, rows.ctime, n);
  set(page, 'ctimeNs', unlessZero(rows.ctimeNs.subarray(0, n)));
  chooseNanoseconds(page, 'mtimeNsOffset', 'mtimeNs', rows.mtimeNs, rows.ctimeNs, n);
  chooseNanoseconds(page, 'atimeNsOffset', 'atimeNs', rows.atimeNs, rows.ctimeNs, n);
}

/** Each value less the one before, the first as it is. */
function steps(values: Float64Array, n: number): Float64Array {
  const out = new Float64Array(n);
  let before = 0;
  for (let i = 0; i < n; i++) {
    out[i] = values[i] - before;
    before = values[i];
  }
  return out;
}

/** About how many bytes the values take as varints. */
function varintBytes(values: Float64Array): number {
  let bytes = 0;
  for (let i = 0; i < values.length; i++) {
    const size = Math.abs(values[i]);
    bytes += size === 0 ? 0 : size < 64 ? 1 : size < 8192 ? 2 : size < 1_048_576 ? 3 : size < 134_217_728 ? 4 : 5;
  }
  return bytes;
}

/** A time against the row's ctime, or against the row before: whichever is smaller. */
function chooseSeconds(
  page: PageMessage,
  offsetName: ColumnName,
  stepName: ColumnName,
  values: Float64Array,
  ctime: Float64Array,
  n: number,
): void {
  const offsets = new Float64Array(n);
  for (let i = 0; i < n; i++) offsets[i] = values[i] - ctime[i];
  const bytes = varintBytes(offsets);
  if (bytes === 0) return;
  const step = steps(values, n);
  if (varintBytes(step) < bytes) page[stepName] = column(step);
  else page[offsetName] = column(offsets);
}

function chooseNanoseconds(
  page: PageMessage,
  offsetName: ColumnName,
  plainName: ColumnName,
  values: Uint32Array,
  ctimeNs: Uint32Array,
  n: number,
): void {
  const offsets = new Uint32Array(n);
  let equal = 0;
  let zero = 0;
  for (let i = 0; i < n; i++) {
    const offset = values[i] - ctimeNs[i];
    offsets[i] = offset < 0 ? offset + BILLION : offset;
    if (offset === 0) equal++;
    if (values[i] === 0) zero++;
  }
  if (equal === n) return;
  if (zero > equal) page[plainName] = column(values.subarray(0, n));
  else page[offsetName] = column(offsets);
}

function encodeSparse(page: PageMessage, rows: PageRows): void {
  let lastLink = 0;
  let lastDevice = 0;
  let lastFlag = 0;
  for (let i = 0; i < rows.ownCount; i++) {
    if (rows.linkCount[i] !== usualLinkCount(rows.mode[i])) {
      page.linkRow.push(i - lastLink);
      page.linkCount.push(rows.linkCount[i]);
      lastLink = i;
    }
    if (rows.deviceMajor[i] !== 0 || rows.deviceMinor[i] !== 0) {
      page.deviceRow.push(i - lastDevice);
      page.deviceMajor.push(rows.deviceMajor[i]);
      page.deviceMinor.push(rows.deviceMinor[i]);
      lastDevice = i;
    }
    if (rows.flags[i] !== 0) {
      page.flagRow.push(i - lastFlag);
      page.flagBits.push(rows.flags[i]);
      lastFlag = i;
    }
  }
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

/** The length that a row's last extent has if nothing else is said; in units, of a literal in bytes. */
export const expectedLength = (size: number, fileOffset: number, literal: boolean, unit: number): number =>
  Math.max(0, literal ? size - fileOffset : Math.ceil((size - fileOffset) / unit));

function encodeExtents(page: PageMessage, rows: PageRows): void {
  const total = rows.extentStart[rows.ownCount];
  const shift = unitShift(rows);
  const unit = 2 ** shift;
  const counts = new Uint32Array(rows.ownCount);
  const gap = new Float64Array(total);
  const length = new Float64Array(total);
  const start = new Float64Array(total);
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
  if (shift > 0) page.unitShift = shift;
  if (!usualCounts) page.extentCount = column(counts);
  if (!usualKinds) page.extentKind = rows.extentKind.subarray(0, total);
  set(page, 'extentGap', unlessZero(gap));
  set(page, 'extentLength', unlessZero(length));
  page.extentStart = column(start.subarray(0, starts));
  if (rows.literalBytes > 0) page.literals = rows.literals.subarray(0, rows.literalBytes);
}

function encodeTables(page: PageMessage, rows: PageRows): void {
  let last = 0;
  const seen = new Map<string, number>();
  for (const { own, name, value } of rows.xattrs) {
    const key = `${Buffer.from(name).toString('latin1')}\0${Buffer.from(value).toString('latin1')}`;
    let index = seen.get(key);
    if (index === undefined) {
      index = page.xattrName.length;
      seen.set(key, index);
      page.xattrName.push(name);
      page.xattrValue.push(value);
    }
    page.xattrRow.push(own - last);
    page.xattrIndex.push(index);
    last = own;
  }
  last = 0;
  for (const { own, text } of rows.problems) {
    let index = page.problemText.indexOf(text);
    if (index < 0) index = page.problemText.push(text) - 1;
    page.problemRow.push(own - last);
    page.problemIndex.push(index);
    last = own;
  }
}
