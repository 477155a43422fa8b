/**
 * A chunk: one tape file, an archive with one sparse member that is one address range of a volume. index-format/FORMAT.md,
 * "Chunk". Header and trailer are whole records of ours; between them lie volume blocks that only the data mover sees.
 *
 *     | extended header, map, filled up by the pax comment | stored bytes, extent after extent | zeros |
 *     |<-------------- whole records -------------------->|<-- records of volume data -->|<- records of zeros
 */
import { AssertionError, assert, check, FormatError } from '../../bytes/errors.ts';
import { type Runs, totalBytes } from '../../bytes/extents.ts';
import { Fields } from '../../bytes/json-fields.ts';
import { FORMAT_VERSION } from '../../bytes/manifest.ts';
import { alignUp, KiB } from '../../bytes/units.ts';
import { readHeader } from './members.ts';
import {
  encodeUstar,
  PAX_RECORDS_MAX,
  paxRecord,
  paxRecordOfLength,
  TAR_BLOCK,
  TAR_END,
  textBytes,
  USTAR_SIZE_MAX,
} from './pax.ts';
import { type NextRecord, RecordStream } from './record-stream.ts';
import { isSparse, paddedMapSize, readSparse, SPARSE_EXTENTS_MAX, sparseMap } from './sparse.ts';

/** Largest record: the comment that fills the header up to whole records stays under the 1 MiB that tar readers admit. */
export const RECORD_SIZE_MAX = 512 * KiB;
export const RECORD_SIZE_DEFAULT = 256 * KiB;
/** Most extents of a chunk. A planner ends the chunk there. */
export const CHUNK_EXTENTS_MAX = SPARSE_EXTENTS_MAX;

/** What stands in the pax comment: enough to put the chunk in its place without any index. */
export interface ChunkComment {
  /** 32 hexadecimal digits. */
  readonly set: string;
  /** 0, 1, 2, ... in volume order. */
  readonly chunk: number;
  /** Of an incremental set holes mean: unchanged. */
  readonly kind: 'full' | 'incremental';
  readonly volumeName: string;
  /** Bytes of the whole volume. */
  readonly volumeBytes: number;
  /** Byte address in the volume of the member's first byte. */
  readonly volumeOffset: number;
  /** See `planDigest`. */
  readonly planDigest: string;
}

export interface ChunkPlan {
  readonly volumeOffset: number;
  /** Bytes of the range. */
  readonly byteLength: number;
  readonly recordSize: number;
  /** Relative to the range's start. */
  readonly extents: Runs;
}

export interface ChunkHeaderSpec {
  readonly recordSize: number;
  readonly memberName: string;
  /** Bytes of the range. */
  readonly realSize: number;
  /** What is stored, relative to the range's start; starts and lengths are multiples of 512 but for a last one that ends the range. */
  readonly extents: Runs;
  readonly comment: ChunkComment;
  /** Seconds since 1970. */
  readonly mtime: number;
}

export interface ChunkHeader extends ChunkHeaderSpec {
  /** Sum of the extents' lengths. */
  readonly storedBytes: number;
  /** Records before the first record of data. */
  readonly headerRecords: number;
}

export interface ChunkTrailer {
  /** Zero bytes behind the stored bytes that complete the last data record (a rest of a last 512-byte block included). */
  readonly padding: number;
  /** Records of zeros behind it, so that at least 1,024 zero bytes end the archive: 0, 1, or at 512-byte records up to 2. */
  readonly extraRecords: number;
  /** Records of data, the padded last one included. */
  readonly dataRecords: number;
  /** Data and extra records. */
  readonly records: number;
}

/** @throws RangeError when no chunk can have records of this size */
export function checkRecordSize(recordSize: number): void {
  if (Number.isInteger(recordSize) && recordSize > 0 && recordSize <= RECORD_SIZE_MAX && recordSize % TAR_BLOCK === 0)
    return;
  throw new RangeError(
    `record size ${recordSize}: must be a multiple of 512 up to ${RECORD_SIZE_MAX} (tar readers refuse the longer header that larger records need)`,
  );
}

/**
 * Member name: volume, set time, first digits of the set, chunk number and byte address, so that names are unique and sort.
 * `NAME/20260314T020000Z-1a2b3c4d/chunk-000012-at-0000051539607552.img`
 */
export function chunkMemberName(
  volumeName: string,
  setTime: string,
  set: string,
  chunk: number,
  volumeOffset: number,
): string {
  const time = setTime.replace(/\.[0-9]+/, '').replace(/[^0-9TZ]/g, '');
  const place = `${String(chunk).padStart(6, '0')}-at-${String(volumeOffset).padStart(16, '0')}`;
  return `${safeName(volumeName)}/${time}-${set.slice(0, 8)}/chunk-${place}.img`;
}

/** A volume's name as a path component for any system: letters, digits, `.`, `_`, `-`; at most 40. */
export function safeName(name: string): string {
  const safe = name.replace(/[^A-Za-z0-9._-]/g, '_').replace(/^[.-]/, '_');
  return safe === '' ? 'volume' : safe.slice(0, 40);
}

/**
 * Hexadecimal SHA-256 of what a chunk holds, whichever set it is of: the line
 * `reelmap-plan 1 VOLUMEOFFSET BYTELENGTH RECORDSIZE` and the text of the sparse map, as it stands on tape without padding.
 */
export const planDigest = (plan: ChunkPlan): string => digestOfMap(plan, sparseMap(plan.extents, plan.byteLength));

/**
 * The records before the data. @throws RangeError when the record size, number of extents or stored size is not admitted
 */
export function chunkHeader(spec: ChunkHeaderSpec): Uint8Array {
  const { recordSize, realSize, extents, comment } = spec;
  checkRecordSize(recordSize);
  checkExtents(extents, realSize);
  const map = sparseMap(extents, realSize);
  const mapSize = paddedMapSize(map);
  const size = mapSize + totalBytes(extents);
  if (size > USTAR_SIZE_MAX)
    throw new RangeError(`${size} bytes of map and extents: a chunk stays below 8 GiB, which tar readers need`);
  const plan = { volumeOffset: comment.volumeOffset, byteLength: realSize, recordSize, extents };
  assert(comment.planDigest === digestOfMap(plan, map), 'the plan digest is not that of the extents');

  const records = paxHeaderRecords(spec, mapSize);
  const header = new Uint8Array(TAR_BLOCK + records.length + TAR_BLOCK + mapSize);
  const { mtime } = spec;
  header.set(encodeUstar({ path: chunkHeaderName(comment), size: records.length, mtime, typeflag: 'x' }));
  header.set(records, TAR_BLOCK);
  header.set(encodeUstar({ path: plainName(spec.memberName), size, mtime, typeflag: '0' }), TAR_BLOCK + records.length);
  header.set(map, TAR_BLOCK * 2 + records.length);
  assert(header.length % recordSize === 0, 'the chunk header is not whole records');
  return header;
}

/** What follows `storedBytes` bytes of data in records of `recordSize`. */
export function chunkTrailer(storedBytes: number, recordSize: number): ChunkTrailer {
  checkRecordSize(recordSize);
  const dataRecords = Math.ceil(storedBytes / recordSize);
  const padding = dataRecords * recordSize - storedBytes;
  const zeros = padding - (alignUp(storedBytes, TAR_BLOCK) - storedBytes);
  const extraRecords = Math.ceil(Math.max(0, TAR_END - zeros) / recordSize);
  return { padding, extraRecords, dataRecords, records: dataRecords + extraRecords };
}

/**
 * Reads a chunk's header from its first records. Any bytes may come: everything is bounded and the plan digest must be that of
 * the map. @throws FormatError
 */
export async function parseChunkHeader(nextRecord: NextRecord, where = 'chunk'): Promise<ChunkHeader> {
  const stream = new RecordStream(nextRecord, where);
  const header = await readHeader(stream);
  const text = header?.pax.get('comment');
  if (header === undefined || text === undefined || !isSparse(header))
    throw new FormatError('corrupt', where, 'no chunk: the first member has no sparse map and comment');
  const { recordSize } = stream;
  if (recordSize > RECORD_SIZE_MAX) throw new FormatError('unsupported', where, `records of ${recordSize} bytes`);
  const comment = parseComment(text, recordSize, where);
  const { name, realSize, extents } = await readSparse(stream, header);
  const volumeEnd = comment.volumeOffset + realSize;
  check(
    volumeEnd <= comment.volumeBytes,
    where,
    `the range ends at ${volumeEnd}, the volume at ${comment.volumeBytes}`,
  );
  check(stream.atRecordBoundary, where, `data starts at byte ${stream.offset}, not at a record's start`);
  const digest = planDigest({ volumeOffset: comment.volumeOffset, byteLength: realSize, recordSize, extents });
  check(digest === comment.planDigest, where, 'the plan digest is not that of the map');
  return {
    recordSize,
    memberName: name,
    realSize,
    extents,
    comment,
    mtime: header.mtime,
    storedBytes: totalBytes(extents),
    headerRecords: stream.records,
  };
}

/** Name of the extended header: what a chunk is shows in the first 512 bytes of its first record. */
const chunkHeaderName = (comment: ChunkComment): string =>
  `reelmap/chunk/${comment.set}/${String(comment.chunk).padStart(8, '0')}`;

/** Set and chunk number from the name of a chunk's extended header. */
export function parseChunkHeaderName(path: string): { readonly set: string; readonly chunk: number } | undefined {
  const match = /^reelmap\/chunk\/([0-9a-f]{32})\/([0-9]{8})$/.exec(path);
  return match === null ? undefined : { set: match[1], chunk: Number(match[2]) };
}

/** What a tar that knows no sparse files sees, named as GNU tar names it. */
function plainName(memberName: string): string {
  const slash = memberName.lastIndexOf('/') + 1;
  return `${memberName.slice(0, slash)}GNUSparseFile.0/${memberName.slice(slash)}`;
}

/** The extended records, a multiple of 512 bytes, the comment as long as it takes to end the header with a record. */
function paxHeaderRecords(spec: ChunkHeaderSpec, mapSize: number): Uint8Array {
  const fixed = Buffer.concat([
    paxRecord('GNU.sparse.major', '1'),
    paxRecord('GNU.sparse.minor', '0'),
    paxRecord('GNU.sparse.name', spec.memberName),
    paxRecord('GNU.sparse.realsize', String(spec.realSize)),
  ]);
  const text = commentText(spec.comment, spec.recordSize);
  const least = fixed.length + textBytes(text).length + ' comment=\n'.length + 7; // at most 7 digits of length
  const around = TAR_BLOCK * 2 + mapSize;
  const length = alignUp(around + alignUp(least, TAR_BLOCK), spec.recordSize) - around;
  if (length > PAX_RECORDS_MAX)
    throw new RangeError(`an extended header of ${length} bytes: the volume's name is too long`);
  return Buffer.concat([fixed, paxRecordOfLength('comment', text, length - fixed.length)]);
}

const commentText = (comment: ChunkComment, recordSize: number): string =>
  `${JSON.stringify({
    reelmap: 'chunk',
    format: FORMAT_VERSION,
    set: comment.set,
    chunk: comment.chunk,
    kind: comment.kind,
    volumeName: comment.volumeName,
    volumeBytes: comment.volumeBytes,
    volumeOffset: comment.volumeOffset,
    recordSize,
    planDigest: comment.planDigest,
  })}\n`;

function parseComment(text: string, recordSize: number, where: string): ChunkComment {
  const fields = Fields.parse(text, `${where}, comment`);
  fields.constant('reelmap', 'chunk');
  fields.version('format', FORMAT_VERSION);
  const size = fields.integer('recordSize');
  check(size === recordSize, where, `the comment says records of ${size} bytes, they have ${recordSize}`);
  return {
    set: fields.hex('set', 32),
    chunk: fields.integer('chunk'),
    kind: fields.oneOf('kind', ['full', 'incremental']),
    volumeName: fields.string('volumeName'),
    volumeBytes: fields.integer('volumeBytes'),
    volumeOffset: fields.integer('volumeOffset'),
    planDigest: fields.hex('planDigest', 64),
  };
}

function checkExtents(extents: Runs, realSize: number): void {
  if (extents.count > CHUNK_EXTENTS_MAX)
    throw new RangeError(`${extents.count} extents, a chunk has at most ${CHUNK_EXTENTS_MAX}`);
  for (let i = 0; i < extents.count; i++) {
    const start = extents.starts[i];
    const end = start + extents.lengths[i];
    // Readers disagree on where the next extent's bytes are when one is no whole number of blocks.
    const fits = end <= realSize && start % TAR_BLOCK === 0 && (end % TAR_BLOCK === 0 || end === realSize);
    if (!fits)
      throw new AssertionError(`extent ${i}, ${start} to ${end}, is not whole blocks of a range of ${realSize} bytes`);
  }
}

function digestOfMap(plan: ChunkPlan, map: Uint8Array): string {
  const { createHash } = process.getBuiltinModule('node:crypto'); // 4 ms to load; classifying an archive does without
  return createHash('sha256')
    .update(`reelmap-plan 1 ${plan.volumeOffset} ${plan.byteLength} ${plan.recordSize}\n`)
    .update(map)
    .digest('hex');
}
