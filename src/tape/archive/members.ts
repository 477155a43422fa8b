/**
 * Archives of ordinary members (label, index file, end of cartridge), written and read as streams of records.
 * POSIX.1-2017 pax; memory is one record and one block, whatever the members' sizes.
 */
import { check, FormatError } from '../../bytes/errors.ts';
import { viewOf } from '../../bytes/layout.ts';
import {
  decodeUstar,
  encodeUstar,
  isZero,
  PAX_RECORDS_MAX,
  paddedSize,
  parseDecimal,
  parsePaxRecords,
  TAR_BLOCK,
  TAR_END,
  type UstarHeader,
} from './pax.ts';
import { type NextRecord, RecordStream } from './record-stream.ts';

/** A member to write. */
export interface Member {
  /** At most 100 bytes, or to be split at a slash (ustar name and prefix). */
  readonly name: string;
  /** Bytes of `data` in all, below 8 GiB. */
  readonly size: number;
  readonly data: Uint8Array | AsyncIterable<Uint8Array>;
  /** Seconds since 1970. */
  readonly mtime: number;
}

/** A member as read. `data` can be read once, before the next member is asked for; what is left is passed over. */
export interface ReadMember {
  readonly name: string;
  readonly size: number;
  readonly mtime: number;
  /** `0` file, `5` directory, ... */
  readonly typeflag: string;
  /** Views, good until the next one. */
  readonly data: AsyncIterable<Uint8Array>;
}

/** A header with the extended records before it. */
export interface MemberHeader extends UstarHeader {
  readonly pax: ReadonlyMap<string, string>;
}

/** A member whose bytes are at hand. */
export const memberOf = (name: string, data: Uint8Array, mtime: number): Member => ({
  name,
  size: data.length,
  data,
  mtime,
});

/**
 * The archive as records of `recordSize` bytes, each its own buffer, end of archive included.
 * @throws RangeError when a member's data is not `size` bytes
 */
export async function* archiveRecords(
  members: AsyncIterable<Member> | Iterable<Member>,
  recordSize: number,
): AsyncGenerator<Uint8Array, void, void> {
  let record = new Uint8Array(recordSize);
  let at = 0;
  for await (const part of archiveBytes(members)) {
    for (let taken = 0; taken < part.length; ) {
      const count = Math.min(part.length - taken, recordSize - at);
      record.set(part.subarray(taken, taken + count), at);
      taken += count;
      at += count;
      if (at < recordSize) continue;
      yield record;
      record = new Uint8Array(recordSize);
      at = 0;
    }
  }
  if (at > 0) yield record;
}

/** The members in order. @throws FormatError at the first thing that is not as the format says, up to the last record's last byte */
export async function* readArchive(nextRecord: NextRecord, where = 'archive'): AsyncGenerator<ReadMember, void, void> {
  const stream = new RecordStream(nextRecord, where);
  for (;;) {
    const header = await readHeader(stream);
    if (header === undefined) return;
    const left = { bytes: header.size };
    yield {
      name: header.path,
      size: header.size,
      mtime: header.mtime,
      typeflag: header.typeflag,
      data: memberData(stream, left),
    };
    await skip(stream, left.bytes);
    await readPadding(stream, header.size);
  }
}

/** All of a member's data. @throws FormatError `unsupported` above `bytesMax` */
export async function memberBytes(member: ReadMember, bytesMax: number, where: string): Promise<Uint8Array> {
  if (member.size > bytesMax)
    throw new FormatError(
      'unsupported',
      `${where}, ${member.name}`,
      `${member.size} bytes, at most ${bytesMax} are read`,
    );
  const out = new Uint8Array(member.size);
  let at = 0;
  for await (const part of member.data) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** The next member's header; `undefined` behind the end of the archive, which is then checked to the last byte. */
export async function readHeader(stream: RecordStream): Promise<MemberHeader | undefined> {
  let pax: ReadonlyMap<string, string> = new Map();
  for (;;) {
    const at = stream.offset;
    const block = await stream.block();
    if (block === undefined)
      throw new FormatError('corrupt', stream.where, `ends at byte ${at} without an end of archive`);
    if (isZero(block)) {
      check(pax.size === 0, stream.where, `extended header before byte ${at} belongs to no member`);
      await readEnd(stream);
      return undefined;
    }
    const header = decodeUstar(viewOf(block), 0, `${stream.where}, byte ${at}`);
    if (header.typeflag !== 'x') return withPax(header, pax, stream.where);
    check(pax.size === 0, stream.where, `second extended header at byte ${at}`);
    pax = await readPax(stream, header.size);
  }
}

/** Reads what fills the last block of `size` bytes of data. @throws FormatError `corrupt` when it is not zero */
export async function readPadding(stream: RecordStream, size: number): Promise<void> {
  const padding = paddedSize(size) - size;
  if (padding === 0) return;
  check(isZero(await stream.bytes(padding)), stream.where, `padding before byte ${stream.offset} is not zero`);
}

async function* archiveBytes(
  members: AsyncIterable<Member> | Iterable<Member>,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const { name, size, data, mtime } of members) {
    yield encodeUstar({ path: name, size, mtime, typeflag: '0' });
    let written = 0;
    for await (const part of data instanceof Uint8Array ? [data] : data) {
      written += part.length;
      yield part;
    }
    if (written !== size) throw new RangeError(`${name}: ${written} bytes of data, ${size} announced`);
    yield new Uint8Array(paddedSize(size) - size);
  }
  yield new Uint8Array(TAR_END);
}

async function readPax(stream: RecordStream, size: number): Promise<ReadonlyMap<string, string>> {
  const at = stream.offset;
  check(size > 0 && size <= PAX_RECORDS_MAX, stream.where, `extended header at byte ${at} has ${size} bytes`);
  const records = await stream.bytes(size);
  await readPadding(stream, size);
  return parsePaxRecords(records, `${stream.where}, byte ${at}`);
}

function withPax(header: UstarHeader, pax: ReadonlyMap<string, string>, where: string): MemberHeader {
  if (!/^[0-7]$/.test(header.typeflag))
    throw new FormatError('unsupported', `${where}, ${header.path}`, `member type "${header.typeflag}"`);
  const size = pax.get('size');
  return {
    path: pax.get('path') ?? header.path,
    size: size === undefined ? header.size : parseDecimal(size, where, 'size'),
    mtime: header.mtime,
    typeflag: header.typeflag,
    pax,
  };
}

async function* memberData(stream: RecordStream, left: { bytes: number }): AsyncGenerator<Uint8Array, void, void> {
  while (left.bytes > 0) {
    const part = await stream.needSome(left.bytes);
    left.bytes -= part.length;
    yield part;
  }
}

async function skip(stream: RecordStream, count: number): Promise<void> {
  for (let left = count; left > 0; ) left -= (await stream.needSome(left)).length;
}

/** After one zero block: at least one more, and nothing but zeros to the end of the tape file. */
async function readEnd(stream: RecordStream): Promise<void> {
  let zeros = TAR_BLOCK;
  for (;;) {
    const part = await stream.some(Number.MAX_SAFE_INTEGER);
    if (part === undefined) break;
    check(
      isZero(part),
      stream.where,
      `bytes other than zero behind the end of the archive, before byte ${stream.offset}`,
    );
    zeros += part.length;
  }
  check(
    zeros >= TAR_END,
    stream.where,
    `the end of the archive has ${zeros} zero bytes, at least ${TAR_END} belong there`,
  );
}
