/**
 * A page's protobuf message as columns, checked: whatever the bytes hold, what comes out keeps the invariants of PageRows
 * or it is a FormatError. index-format/FORMAT.md, "Pages".
 */
import { FormatError } from '../bytes/errors.ts';
import { ExtentKind } from '../bytes/walk-batch.ts';
import { decodeFrame, REMEDY } from './frame.ts';
import { Page, type PageMessage } from './messages.ts';
import { expectedLength, NIBBLE_MORE } from './page-encode.ts';
import { PAGE_ENTRIES_MAX, PageRows, usualExtentCount, usualExtentKind, usualLinkCount } from './page-rows.ts';

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
  let page: PageMessage;
  try {
    page = Page.decode(raw);
  } catch (cause) {
    throw new FormatError('corrupt', where, `is no protobuf message ${REMEDY}`, { cause });
  }
  return new Decoder(page, where).rows();
}

class Decoder {
  readonly #page: PageMessage;
  readonly #where: string;

  constructor(page: PageMessage, where: string) {
    this.#page = page;
    this.#where = where;
  }

  rows(): PageRows {
    const page = this.#page;
    const rowCount = this.#countRows();
    const rows = new PageRows(rowCount, 0);
    rows.rowCount = rowCount;
    rows.pageCount = page.pageCount;
    rows.nextName = page.nextName ?? null;
    this.#need(rows.nextName === null || rows.nextName.length <= NAME_MAX, 'next name too long');
    if (page.nameLead.length > 0) this.#names(rows);
    this.#inodes(rows);
    if (rows.ownCount === 0) return rows;
    this.#attributes(rows);
    this.#sparse(rows);
    this.#extents(rows);
    this.#tables(rows);
    return rows;
  }

  #countRows(): number {
    const { inodeStep } = this.#page;
    let count = 0;
    for (let i = 0; i < inodeStep.length && count <= PAGE_ENTRIES_MAX; i++)
      count += inodeStep[i] < 0 ? -inodeStep[i] : 1;
    this.#need(count <= PAGE_ENTRIES_MAX, 'too many rows');
    return count;
  }

  #need(condition: boolean, what: string): asserts condition {
    if (!condition) throw new FormatError('corrupt', this.#where, `${what} ${REMEDY}`);
  }

  #safe(value: number, what: string): number {
    if (!Number.isSafeInteger(value)) this.#need(false, `${what} beyond 2^53`);
    return value;
  }

  #names(rows: PageRows): void {
    const { nameLead, nameMore, nameBytes } = this.#page;
    const count = nameLead.length;
    this.#need(count === rows.rowCount, 'names and rows differ in number');
    const { nameStart } = rows;
    const names = new Uint8Array(count * NAME_MAX);
    let total = 0;
    let from = 0;
    let more = 0;
    for (let i = 0; i < count; i++) {
      let shared = nameLead[i] >>> 4;
      let own = nameLead[i] & 0xf;
      if (shared === NIBBLE_MORE) shared += this.#more(nameMore, more++);
      if (own === NIBBLE_MORE) own += this.#more(nameMore, more++);
      this.#need(shared + own > 0 && shared + own <= NAME_MAX, 'name of a wrong length');
      const before = i === 0 ? 0 : nameStart[i - 1];
      this.#need(shared <= total - before, 'name shares more than there is');
      this.#need(from + own <= nameBytes.length, 'names cut');
      nameStart[i] = total;
      for (let k = 0; k < shared; k++) names[total++] = names[before + k];
      for (let k = 0; k < own; k++) names[total++] = nameBytes[from++];
    }
    nameStart[count] = total;
    this.#need(from === nameBytes.length && more === nameMore.length, 'bytes after the last name');
    rows.names = names.slice(0, total);
    rows.nameCount = count;
    this.#order(rows.nameRow, count);
  }

  #more(values: readonly number[], index: number): number {
    this.#need(index < values.length, 'names cut');
    return values[index];
  }

  #order(nameRow: Uint16Array, count: number): void {
    const { nameRow: steps, namePlace } = this.#page;
    if (namePlace.length > 0) {
      this.#need(steps.length === 0, 'order of names twice');
      this.#places(nameRow, count, namePlace);
      return;
    }
    this.#need(steps.length === 0 || steps.length === count, 'order of names cut');
    const seen = new Uint8Array(count);
    let row = -1;
    for (let i = 0; i < count; i++) {
      row = (row + 1 + (steps.length > 0 ? steps[i] : 0)) & 0xff;
      this.#need(row < count && seen[row] === 0, 'order of names is no order');
      seen[row] = 1;
      nameRow[i] = row;
    }
  }

  /** Positions among the rows left, each in as few bits as the largest one needs. */
  #places(nameRow: Uint16Array, count: number, places: Uint8Array): void {
    const rest = new Uint8Array(count);
    for (let i = 0; i < count; i++) rest[i] = i;
    let at = 0;
    for (let i = 0; i < count; i++) {
      const left = count - i;
      const width = 32 - Math.clz32(left - 1);
      this.#need(at + width <= places.length * 8, 'order of names cut');
      const low = places[at >>> 3] | ((places[(at >>> 3) + 1] ?? 0) << 8);
      const place = (low >>> (at & 7)) & ((1 << width) - 1);
      this.#need(place < left, 'order of names is no order');
      at += width;
      nameRow[i] = rest[place];
      rest.copyWithin(place, place + 1, left);
    }
    this.#need(places.length === (at + 7) >>> 3, 'order of names too long');
  }

  #inodes(rows: PageRows): void {
    const { inodeStep, recordRow } = this.#page;
    let inode = 0;
    let next = 0;
    for (let i = 0; i < inodeStep.length; i++) {
      const step = inodeStep[i];
      for (let run = step < 0 ? -step : 1; run > 0; run--) {
        inode = this.#safe(inode + (step < 0 ? 1 : step), 'inode number');
        rows.inode[next++] = inode;
      }
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

  #column(values: readonly number[], count: number, what: string): boolean {
    this.#need(values.length === 0 || values.length === count, `column of ${what} cut`);
    return values.length > 0;
  }

  #attributes(rows: PageRows): void {
    const page = this.#page;
    const n = rows.ownCount;
    const classes = page.classMode.length;
    this.#need(classes > 0, 'classes cut');
    const owned = this.#column(page.classUid, classes, 'owners');
    const grouped = this.#column(page.classGid, classes, 'groups');
    this.#need(page.classOf.length === 0 || page.classOf.length === n, 'column of classes cut');
    const generation = this.#column(page.generation, n, 'generations');
    const size = this.#column(page.size, n, 'sizes');
    for (let i = 0; i < n; i++) {
      const k = page.classOf.length > 0 ? page.classOf[i] : 0;
      this.#need(k < classes, 'class that is not there');
      rows.mode[i] = page.classMode[k];
      rows.uid[i] = owned ? page.classUid[k] : 0;
      rows.gid[i] = grouped ? page.classGid[k] : rows.uid[i];
      rows.linkCount[i] = usualLinkCount(rows.mode[i]);
      if (generation) rows.generation[i] = page.generation[i];
      if (size) rows.size[i] = this.#safe(page.size[i], 'size');
    }
    this.#times(rows);
  }

  #times(rows: PageRows): void {
    const page = this.#page;
    const { ctime, ctimeNs, mtime, mtimeNs, atime, atimeNs, ownCount: n } = rows;
    if (this.#column(page.ctimeStepNs, n, 'times')) {
      this.#need(page.ctimeStep.length + page.ctimeNs.length === 0, 'times twice');
      this.#stepsNs(ctime, ctimeNs, page.ctimeBase, page.ctimeStepNs);
    } else {
      this.#seconds(ctime, null, [], page.ctimeStep, n);
      this.#fractions(ctimeNs, null, [], page.ctimeNs, n);
    }
    if (this.#column(page.mtimeOffsetNs, n, 'times')) this.#offsetsNs(mtime, mtimeNs, rows, page.mtimeOffsetNs);
    else {
      this.#seconds(mtime, ctime, page.mtimeOffset, page.mtimeStep, n);
      this.#fractions(mtimeNs, ctimeNs, page.mtimeNsOffset, page.mtimeNs, n);
    }
    if (this.#column(page.atimeOffsetNs, n, 'times')) this.#offsetsNs(atime, atimeNs, rows, page.atimeOffsetNs);
    else {
      this.#seconds(atime, ctime, page.atimeOffset, page.atimeStep, n);
      this.#fractions(atimeNs, ctimeNs, page.atimeNsOffset, page.atimeNs, n);
    }
  }

  #stepsNs(seconds: Float64Array, ns: Uint32Array, base: number, steps: readonly number[]): void {
    let before = this.#safe(base, 'time');
    let beforeNs = 0;
    for (let i = 0; i < steps.length; i++) {
      const sum = this.#safe(this.#safe(steps[i], 'time') + beforeNs, 'time');
      const whole = Math.floor(sum / BILLION);
      before = this.#safe(before + whole, 'time');
      beforeNs = sum - whole * BILLION;
      seconds[i] = before;
      ns[i] = beforeNs;
    }
  }

  #offsetsNs(seconds: Float64Array, ns: Uint32Array, rows: PageRows, offsets: readonly number[]): void {
    for (let i = 0; i < offsets.length; i++) {
      const sum = this.#safe(this.#safe(offsets[i], 'time') + rows.ctimeNs[i], 'time');
      const whole = Math.floor(sum / BILLION);
      seconds[i] = this.#safe(rows.ctime[i] + whole, 'time');
      ns[i] = sum - whole * BILLION;
    }
  }

  /** A column of seconds: steps from row to row, else offsets from `base`, else equal to it (without a base: 0). */
  #seconds(
    out: Float64Array,
    base: Float64Array | null,
    offsets: readonly number[],
    steps: readonly number[],
    n: number,
  ): void {
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

  #fractions(
    out: Uint32Array,
    base: Uint32Array | null,
    offsets: readonly number[],
    plain: readonly number[],
    n: number,
  ): void {
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
    steps: readonly number[],
    columns: readonly (readonly unknown[])[],
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
      rows.problems.push({ own, text: page.problemText[index] });
    });
  }
}

const BILLION = 1_000_000_000;
