/**
 * A page's protobuf message as columns, checked: whatever the bytes hold, what comes out keeps the invariants of PageRows
 * or it is a FormatError. index-format/FORMAT.md, "Pages".
 */
import { FormatError } from '../bytes/errors.ts';
import { ExtentKind } from '../bytes/walk-batch.ts';
import { decodeFrame, REMEDY } from './frame.ts';
import { expectedLength, PageField } from './page-fields.ts';
import { PAGE_ENTRIES_MAX, PageRows, usualExtentCount, usualExtentKind, usualLinkCount } from './page-rows.ts';
import { WireMessage } from './wire-reader.ts';

/** Bytes of a name, at most. */
const NAME_MAX = 255;
/** Addresses below 2^53 have no larger unit. */
const UNIT_SHIFT_MAX = 52;

/**
 * The page in a row's value.
 * @param where names the row for errors: `set 3f2a... directory 12`
 * @throws FormatError
 */
export function decodePage(key: Uint8Array, value: Uint8Array, where: string): PageRows {
  return decodePageBytes(decodeFrame(key, value, where), where);
}

/** As `decodePage`, of raw bytes without their frame. */
export function decodePageBytes(raw: Uint8Array, where: string): PageRows {
  let page: PageColumns;
  try {
    page = readColumns(new WireMessage(raw));
  } catch (cause) {
    throw new FormatError('corrupt', where, `is no protobuf message ${REMEDY}`, { cause });
  }
  return new Decoder(page, where).rows();
}

/** A column as it was read: values of any size, nothing checked. */
type Numbers = Float64Array | Uint32Array;
const NOTHING = new Float64Array(0);

type PageColumns = ReturnType<typeof readColumns>;

/** The message's columns by the names of tape-index.proto. */
function readColumns(message: WireMessage) {
  const none = new Uint8Array(0);
  const F = PageField;
  return {
    pageCount: message.number(F.pageCount) ?? 0,
    nextName: message.bytes(F.nextName) ?? null,
    nameShared: message.varints(F.nameShared),
    nameLength: message.varints(F.nameLength),
    nameBytes: message.bytes(F.nameBytes) ?? none,
    nameRow: message.bytes(F.nameRow) ?? none,
    inodeStep: message.varints(F.inodeStep),
    recordRow: message.varints(F.recordRow),
    classMode: message.varints(F.classMode),
    classUid: message.varints(F.classUid),
    classGid: message.varints(F.classGid),
    classOf: message.bytes(F.classOf) ?? none,
    generation: message.fixed32s(F.generation),
    size: message.varints(F.size),
    ctimeStep: message.zigzags(F.ctimeStep),
    mtimeOffset: message.zigzags(F.mtimeOffset),
    mtimeStep: message.zigzags(F.mtimeStep),
    atimeOffset: message.zigzags(F.atimeOffset),
    atimeStep: message.zigzags(F.atimeStep),
    ctimeNs: message.fixed32s(F.ctimeNs),
    mtimeNsOffset: message.fixed32s(F.mtimeNsOffset),
    mtimeNs: message.fixed32s(F.mtimeNs),
    atimeNsOffset: message.fixed32s(F.atimeNsOffset),
    atimeNs: message.fixed32s(F.atimeNs),
    linkRow: message.varints(F.linkRow),
    linkCount: message.varints(F.linkCount),
    deviceRow: message.varints(F.deviceRow),
    deviceMajor: message.varints(F.deviceMajor),
    deviceMinor: message.varints(F.deviceMinor),
    flagRow: message.varints(F.flagRow),
    flagBits: message.varints(F.flagBits),
    unitShift: message.number(F.unitShift) ?? 0,
    extentCount: message.varints(F.extentCount),
    extentKind: message.bytes(F.extentKind) ?? none,
    extentGap: message.zigzags(F.extentGap),
    extentLength: message.zigzags(F.extentLength),
    extentStart: message.zigzags(F.extentStart),
    literals: message.bytes(F.literals) ?? none,
    xattrRow: message.varints(F.xattrRow),
    xattrIndex: message.varints(F.xattrIndex),
    xattrName: message.list(F.xattrName),
    xattrValue: message.list(F.xattrValue),
    problemRow: message.varints(F.problemRow),
    problemIndex: message.varints(F.problemIndex),
    problemText: message.list(F.problemText),
  };
}

class Decoder {
  readonly #page: PageColumns;
  readonly #where: string;

  constructor(page: PageColumns, where: string) {
    this.#page = page;
    this.#where = where;
  }

  rows(): PageRows {
    const page = this.#page;
    const rowCount = page.inodeStep.length;
    this.#need(rowCount <= PAGE_ENTRIES_MAX, 'too many rows');
    const rows = new PageRows(rowCount, 0);
    rows.rowCount = rowCount;
    rows.pageCount = page.pageCount;
    rows.nextName = page.nextName ?? null;
    this.#need(rows.nextName === null || rows.nextName.length <= NAME_MAX, 'next name too long');
    if (page.nameLength.length > 0) this.#names(rows);
    this.#inodes(rows);
    if (rows.ownCount === 0) return rows;
    this.#attributes(rows);
    this.#sparse(rows);
    this.#extents(rows);
    this.#tables(rows);
    return rows;
  }

  #need(condition: boolean, what: string): asserts condition {
    if (!condition) throw new FormatError('corrupt', this.#where, `${what} ${REMEDY}`);
  }

  #safe(value: number, what: string): number {
    if (!Number.isSafeInteger(value)) this.#need(false, `${what} beyond 2^53`);
    return value;
  }

  #names(rows: PageRows): void {
    const { nameShared, nameLength, nameBytes, nameRow } = this.#page;
    const count = nameLength.length;
    this.#need(count === rows.rowCount && nameShared.length === count, 'names and rows differ in number');
    this.#need(nameRow.length === 0 || nameRow.length === count, 'order of names cut');
    const { nameStart } = rows;
    let total = 0;
    for (let i = 0; i < count; i++) {
      const length = nameShared[i] + nameLength[i];
      this.#need(length > 0 && length <= NAME_MAX, 'name of a wrong length');
      this.#need(nameShared[i] <= (i === 0 ? 0 : total - nameStart[i - 1]), 'name shares more than there is');
      nameStart[i] = total;
      total += length;
    }
    nameStart[count] = total;
    const names = new Uint8Array(total);
    const seen = new Uint8Array(count);
    let from = 0;
    let row = -1;
    for (let i = 0; i < count; i++) {
      const shared = nameShared[i];
      names.copyWithin(nameStart[i], i === 0 ? 0 : nameStart[i - 1], (i === 0 ? 0 : nameStart[i - 1]) + shared);
      this.#need(from + nameLength[i] <= nameBytes.length, 'names cut');
      names.set(nameBytes.subarray(from, from + nameLength[i]), nameStart[i] + shared);
      from += nameLength[i];
      row = (row + 1 + (nameRow.length > 0 ? nameRow[i] : 0)) & 0xff;
      this.#need(row < count && seen[row] === 0, 'order of names is no order');
      seen[row] = 1;
      rows.nameRow[i] = row;
    }
    this.#need(from === nameBytes.length, 'bytes after the last name');
    rows.names = names;
    rows.nameCount = count;
  }

  #inodes(rows: PageRows): void {
    const { inodeStep, recordRow } = this.#page;
    let inode = 0;
    for (let row = 0; row < rows.rowCount; row++) {
      inode = this.#safe(inode + inodeStep[row], 'inode number');
      rows.inode[row] = inode;
    }
    let row = 0;
    for (let i = 0; i < recordRow.length; i++) {
      row += recordRow[i];
      this.#need(row < rows.rowCount && (i === 0 || recordRow[i] > 0), 'record rows out of order');
      rows.own[row] = -1;
    }
    let own = 0;
    for (let i = 0; i < rows.rowCount; i++) if (rows.own[i] === 0) rows.own[i] = own++;
    rows.ownCount = own;
  }

  #column(values: Numbers, count: number, what: string): boolean {
    this.#need(values.length === 0 || values.length === count, `column of ${what} cut`);
    return values.length > 0;
  }

  #attributes(rows: PageRows): void {
    const page = this.#page;
    const n = rows.ownCount;
    const classes = page.classMode.length;
    this.#need(classes > 0 && page.classUid.length === classes && page.classGid.length === classes, 'classes cut');
    this.#need(page.classOf.length === 0 || page.classOf.length === n, 'column of classes cut');
    const generation = this.#column(page.generation, n, 'generations');
    const size = this.#column(page.size, n, 'sizes');
    for (let i = 0; i < n; i++) {
      const k = page.classOf.length > 0 ? page.classOf[i] : 0;
      this.#need(k < classes, 'class that is not there');
      rows.mode[i] = page.classMode[k];
      rows.uid[i] = page.classUid[k];
      rows.gid[i] = page.classGid[k];
      rows.linkCount[i] = usualLinkCount(rows.mode[i]);
      if (generation) rows.generation[i] = page.generation[i];
      if (size) rows.size[i] = this.#safe(page.size[i], 'size');
    }
    this.#seconds(rows.ctime, null, NOTHING, page.ctimeStep, n);
    this.#seconds(rows.mtime, rows.ctime, page.mtimeOffset, page.mtimeStep, n);
    this.#seconds(rows.atime, rows.ctime, page.atimeOffset, page.atimeStep, n);
    this.#fractions(rows.ctimeNs, null, NOTHING, page.ctimeNs, n);
    this.#fractions(rows.mtimeNs, rows.ctimeNs, page.mtimeNsOffset, page.mtimeNs, n);
    this.#fractions(rows.atimeNs, rows.ctimeNs, page.atimeNsOffset, page.atimeNs, n);
  }

  /** A column of seconds: steps from row to row, else offsets from `base`, else equal to it (without a base: 0). */
  #seconds(out: Float64Array, base: Float64Array | null, offsets: Numbers, steps: Numbers, n: number): void {
    const byOffset = this.#column(offsets, n, 'times');
    const byStep = this.#column(steps, n, 'times');
    this.#need(!byOffset || !byStep, 'times twice');
    let before = 0;
    for (let i = 0; i < n; i++) {
      const value = byStep ? before + steps[i] : (base?.[i] ?? 0) + (byOffset ? offsets[i] : 0);
      before = this.#safe(value, 'time');
      out[i] = value;
    }
  }

  #fractions(out: Uint32Array, base: Uint32Array | null, offsets: Numbers, plain: Numbers, n: number): void {
    const byOffset = this.#column(offsets, n, 'nanoseconds');
    const asTheyAre = this.#column(plain, n, 'nanoseconds');
    this.#need(!byOffset || !asTheyAre, 'nanoseconds twice');
    for (let i = 0; i < n; i++) {
      if (asTheyAre) out[i] = this.#nanoseconds(plain[i]);
      else out[i] = ((base?.[i] ?? 0) + (byOffset ? this.#nanoseconds(offsets[i]) : 0)) % BILLION;
    }
  }

  #nanoseconds(value: number): number {
    this.#need(value < BILLION, 'a billion nanoseconds or more');
    return value;
  }

  #sparse(rows: PageRows): void {
    const page = this.#page;
    this.#each(page.linkRow, [page.linkCount], rows.ownCount, false, (own, i) => {
      rows.linkCount[own] = page.linkCount[i];
    });
    this.#each(page.deviceRow, [page.deviceMajor, page.deviceMinor], rows.ownCount, false, (own, i) => {
      rows.deviceMajor[own] = page.deviceMajor[i];
      rows.deviceMinor[own] = page.deviceMinor[i];
    });
    this.#each(page.flagRow, [page.flagBits], rows.ownCount, false, (own, i) => {
      rows.flags[own] = page.flagBits[i];
    });
  }

  /** Rows of a sparse column in order. `repeat`: a row may have several values. */
  #each(
    steps: Numbers,
    columns: readonly Numbers[],
    count: number,
    repeat: boolean,
    take: (own: number, index: number) => void,
  ): void {
    for (const values of columns) this.#need(values.length === steps.length, 'sparse column cut');
    let own = 0;
    for (let i = 0; i < steps.length; i++) {
      this.#need(repeat || i === 0 || steps[i] > 0, 'sparse rows out of order');
      own += steps[i];
      this.#need(own < count, 'sparse row that is not there');
      take(own, i);
    }
  }

  #extents(rows: PageRows): void {
    const page = this.#page;
    this.#need(page.unitShift <= UNIT_SHIFT_MAX, 'unit of extents too large');
    const unit = 2 ** page.unitShift;
    const total = this.#countExtents(rows);
    const gaps = this.#column(page.extentGap, total, 'extent gaps');
    const lengths = this.#column(page.extentLength, total, 'extent lengths');
    this.#need(page.extentKind.length === 0 || page.extentKind.length === total, 'column of extent kinds cut');
    rows.extentKind = new Uint8Array(total);
    rows.extentFileOffset = new Float64Array(total);
    rows.extentLength = new Float64Array(total);
    rows.extentVolumeOffset = new Float64Array(total);
    rows.literals = page.literals;
    rows.literalBytes = page.literals.length;
    let starts = 0;
    let volumeEnd = 0;
    let literalEnd = 0;
    for (let own = 0; own < rows.ownCount; own++) {
      const last = rows.extentStart[own + 1] - 1;
      let end = 0;
      let afterLiteral = false;
      for (let e = rows.extentStart[own]; e <= last; e++) {
        const kind = page.extentKind.length > 0 ? page.extentKind[e] : usualExtentKind(rows.mode[own]);
        this.#need(kind <= ExtentKind.escaped, 'unknown kind of extent');
        const literal = kind === ExtentKind.literal;
        const gap = gaps ? page.extentGap[e] * (literal || afterLiteral ? 1 : unit) : 0;
        const fileOffset = this.#safe(end + gap, 'extent');
        const expected = e === last ? expectedLength(rows.size[own], fileOffset, literal, unit) : 0;
        const length = this.#safe(((lengths ? page.extentLength[e] : 0) + expected) * (literal ? 1 : unit), 'extent');
        this.#need(fileOffset >= 0 && length > 0, 'extent of no length');
        let volumeOffset = 0;
        if (literal) {
          volumeOffset = literalEnd;
          literalEnd += length;
          this.#need(literalEnd <= page.literals.length, 'literal bytes cut');
        } else if (kind !== ExtentKind.zero) {
          this.#need(starts < page.extentStart.length, 'column of extent starts cut');
          volumeOffset = this.#safe(volumeEnd + page.extentStart[starts++] * unit, 'extent');
          this.#need(volumeOffset >= 0, 'extent before the volume');
          volumeEnd = this.#safe(volumeOffset + length, 'extent');
        }
        rows.extentKind[e] = kind;
        rows.extentFileOffset[e] = fileOffset;
        rows.extentLength[e] = length;
        rows.extentVolumeOffset[e] = volumeOffset;
        end = this.#safe(fileOffset + length, 'extent');
        afterLiteral = literal;
      }
    }
    this.#need(starts === page.extentStart.length, 'extent starts left over');
    this.#need(literalEnd === page.literals.length, 'literal bytes left over');
  }

  #countExtents(rows: PageRows): number {
    const { extentCount, extentStart, literals } = this.#page;
    const counts = this.#column(extentCount, rows.ownCount, 'extent counts');
    let total = 0;
    for (let own = 0; own < rows.ownCount; own++) {
      rows.extentStart[own] = total;
      total += counts ? extentCount[own] : usualExtentCount(rows.mode[own], rows.size[own]);
    }
    rows.extentStart[rows.ownCount] = total;
    // Each extent has a start, literal bytes, or (zero) at least a value in the column of lengths or kinds.
    const most = extentStart.length + literals.length + this.#page.extentLength.length + this.#page.extentKind.length;
    this.#need(total <= most, 'more extents than there is room for');
    return total;
  }

  #tables(rows: PageRows): void {
    const page = this.#page;
    this.#need(page.xattrName.length === page.xattrValue.length, 'table of attributes cut');
    this.#each(page.xattrRow, [page.xattrIndex], rows.ownCount, true, (own, i) => {
      const index = page.xattrIndex[i];
      this.#need(index < page.xattrName.length, 'attribute that is not in the table');
      rows.xattrs.push({ own, name: page.xattrName[index], value: page.xattrValue[index] });
    });
    this.#each(page.problemRow, [page.problemIndex], rows.ownCount, true, (own, i) => {
      const index = page.problemIndex[i];
      this.#need(index < page.problemText.length, 'problem that is not in the table');
      rows.problems.push({ own, text: Buffer.from(page.problemText[index]).toString('utf8') });
    });
  }
}

const BILLION = 1_000_000_000;
