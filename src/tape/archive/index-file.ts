/**
 * The tape file that ends a set: manifest, chunk table, the index store's rows, and the text twin. index-format/FORMAT.md,
 * "Index file". Rows are opaque here. Memory: one part (8 MiB; one row may be longer) and one record.
 *
 *     manifest.json   chunks.tsv   extents-000000.bin ...   pages-000000.bin ...   files-000000.tsv.gz ...
 */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { crc32c } from '../../bytes/crc32c.ts';
import { check, FormatError } from '../../bytes/errors.ts';
import { layout, u32be, viewOf } from '../../bytes/layout.ts';
import { encodeManifest, type Manifest, parseManifest } from '../../bytes/manifest.ts';
import { KiB, MiB } from '../../bytes/units.ts';
import { type Member, memberBytes, memberOf, type ReadMember, readArchive } from './members.ts';
import { textBytes } from './pax.ts';
import type { NextRecord } from './record-stream.ts';

export type Row = readonly [key: Uint8Array, value: Uint8Array];
/** Rows in key order, in batches: what a store's `scan` gives. */
export type Rows = AsyncIterable<readonly Row[]> | Iterable<readonly Row[]>;

export interface IndexFileContent {
  readonly manifest: Manifest;
  /** The rows under the manifest's digest. */
  readonly pages: Rows;
  /** The chunks' extent maps. */
  readonly extents: Rows;
  /** The text twin in gzip parts as the index writer makes them (`TextSink`), each at most ROWS_PART_BYTES; lines may go on in the next. */
  readonly files: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export type IndexFilePart =
  /** Always the first. */
  | { readonly kind: 'manifest'; readonly manifest: Manifest }
  /** Views of one part; copy what is kept. */
  | { readonly kind: 'pages' | 'extents'; readonly rows: readonly Row[] }
  /** A part of the text twin, decompressed; its last line may go on in the next part. */
  | { readonly kind: 'files'; readonly text: Uint8Array }
  /** `chunks.tsv`, the same as the manifest's chunks. */
  | { readonly kind: 'chunks'; readonly text: Uint8Array }
  /** A member that this version does not know; its content is passed over. */
  | { readonly kind: 'other'; readonly name: string };

/** In front of each row's key and value. The CRC-32C is over the two lengths, the key and the value. */
export const rowHeader = layout(12, { keyLength: u32be(0), valueLength: u32be(4), crc: u32be(8) });

/** A part of rows ends before it grows longer, but holds one row at least. */
export const ROWS_PART_BYTES = 8 * MiB;
/** Most bytes of one row, and so of a part. */
export const ROW_BYTES_MAX = 64 * MiB;
const MANIFEST_BYTES_MAX = 256 * MiB;

/** Most bytes of one part of the text twin, decompressed. */
export const TWIN_PART_BYTES_MAX = 16 * MiB;

const PREFIX = 'reelmap/sets/';
const gunzipAsync = promisify<Uint8Array, { maxOutputLength: number }, Uint8Array>(gunzip);

/** The set whose index file begins with a member of this name. */
export function parseManifestName(path: string): string | undefined {
  return /^reelmap\/sets\/([0-9a-f]{32})\/manifest\.json$/.exec(path)?.[1];
}

/** The members of a set's index file, for `archiveRecords`. */
export async function* indexFileMembers(content: IndexFileContent): AsyncGenerator<Member, void, void> {
  const { manifest } = content;
  const folder = `${PREFIX}${manifest.set}/`;
  const mtime = Math.floor(Date.parse(manifest.finishedAt) / 1000);
  yield memberOf(`${folder}manifest.json`, encodeManifest(manifest), mtime);
  yield memberOf(`${folder}chunks.tsv`, textBytes(chunkTable(manifest)), mtime);
  for (const kind of ['extents', 'pages'] as const) {
    let part = 0;
    for await (const data of rowParts(content[kind])) {
      yield memberOf(`${folder}${kind}-${sixDigits(part++)}.bin`, data, mtime);
    }
  }
  let part = 0;
  for await (const packed of content.files) {
    if (packed.length > ROWS_PART_BYTES) throw new RangeError(`a part of ${packed.length} bytes of the text twin`);
    yield memberOf(`${folder}files-${sixDigits(part++)}.tsv.gz`, packed, mtime);
  }
}

/**
 * The parts of an index file in the order of the tape, manifest first.
 * @throws FormatError at the first damage; parts given before it were whole
 */
export async function* readIndexFile(
  nextRecord: NextRecord,
  where = 'index file',
): AsyncGenerator<IndexFilePart, void, void> {
  let folder: string | undefined;
  const counts = new Map<string, number>();
  for await (const member of readArchive(nextRecord, where)) {
    if (folder === undefined) {
      const manifest = await readManifest(member, where);
      folder = `${PREFIX}${manifest.set}/`;
      yield { kind: 'manifest', manifest };
      continue;
    }
    check(member.name.startsWith(folder), where, `member ${member.name} is of no part of the set`);
    yield await readPart(member, member.name.slice(folder.length), counts, where);
  }
  check(folder !== undefined, where, 'an empty archive, no index file');
}

/** `chunks.tsv`: a header line, then a line for each copy of each chunk. */
export function chunkTable(manifest: Manifest): string {
  const barcodes = new Map(manifest.cartridges.map(({ id, barcode }) => [id, barcode]));
  const lines = [
    '#chunk\tcartridge\tbarcode\tobject\tdata_object\tvolume_offset\tlength\tstored_bytes\tsha256\trecords\tplan\n',
  ];
  for (const chunk of manifest.chunks) {
    for (const copy of chunk.copies) {
      const barcode = (barcodes.get(copy.cartridge) ?? '').replace(/[^\x20-\x7e]/g, '?');
      const place = `${copy.cartridge}\t${barcode}\t${copy.firstObject}\t${copy.dataObject}`;
      const range = `${chunk.volumeOffset}\t${chunk.byteLength}\t${chunk.storedBytes}`;
      lines.push(`${chunk.number}\t${place}\t${range}\t${chunk.sha256 ?? '-'}\t${copy.records}\t${chunk.planDigest}\n`);
    }
  }
  return lines.join('');
}

/** Rows with their headers, in parts. */
async function* rowParts(rows: Rows): AsyncGenerator<Uint8Array, void, void> {
  let part = new Uint8Array(ROWS_PART_BYTES_MIN);
  let at = 0;
  for await (const batch of rows) {
    for (const [key, value] of batch) {
      const length = rowHeader.byteLength + key.length + value.length;
      if (length > ROW_BYTES_MAX) throw new RangeError(`a row of ${length} bytes, at most ${ROW_BYTES_MAX}`);
      if (at > 0 && at + length > ROWS_PART_BYTES) {
        yield part.subarray(0, at);
        part = new Uint8Array(ROWS_PART_BYTES);
        at = 0;
      }
      if (at + length > part.length) part = grown(part, at, at + length);
      at = putRow(part, at, key, value);
    }
  }
  if (at > 0) yield part.subarray(0, at);
}

/** A small index needs no buffer of a whole part. */
const ROWS_PART_BYTES_MIN = 64 * KiB;

function grown(part: Uint8Array<ArrayBuffer>, used: number, needed: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(Math.max(needed, Math.min(ROWS_PART_BYTES, part.length * 4)));
  out.set(part.subarray(0, used));
  return out;
}

function putRow(part: Uint8Array, at: number, key: Uint8Array, value: Uint8Array): number {
  const view = viewOf(part);
  rowHeader.keyLength.set(view, at, key.length);
  rowHeader.valueLength.set(view, at, value.length);
  part.set(key, at + rowHeader.byteLength);
  part.set(value, at + rowHeader.byteLength + key.length);
  const end = at + rowHeader.byteLength + key.length + value.length;
  rowHeader.crc.set(view, at, rowCrc(part, at, end));
  return end;
}

const rowCrc = (part: Uint8Array, at: number, end: number): number =>
  crc32c(part.subarray(at + rowHeader.byteLength, end), crc32c(part.subarray(at, at + rowHeader.crc.offset)));

/** The rows of one part; views of it. @throws FormatError `corrupt` */
export function parseRows(part: Uint8Array, where: string): Row[] {
  const view = viewOf(part);
  const rows: Row[] = [];
  for (let at = 0; at < part.length; ) {
    const place = `${where}, row ${rows.length} at byte ${at}`;
    check(at + rowHeader.byteLength <= part.length, place, 'ends past the part');
    const keyEnd = at + rowHeader.byteLength + rowHeader.keyLength.get(view, at);
    const end = keyEnd + rowHeader.valueLength.get(view, at);
    check(end <= part.length, place, `ends at byte ${end}, past the part`);
    check(rowHeader.crc.get(view, at) === rowCrc(part, at, end), place, 'checksum wrong');
    rows.push([part.subarray(at + rowHeader.byteLength, keyEnd), part.subarray(keyEnd, end)]);
    at = end;
  }
  return rows;
}

async function readManifest(member: ReadMember, where: string): Promise<Manifest> {
  const set = parseManifestName(member.name);
  check(set !== undefined, where, `the first member is ${member.name}, no manifest`);
  const manifest = parseManifest(await memberBytes(member, MANIFEST_BYTES_MAX, where), where);
  check(manifest.set === set, where, `the manifest of set ${manifest.set} stands under ${set}`);
  return manifest;
}

async function readPart(
  member: ReadMember,
  name: string,
  counts: Map<string, number>,
  where: string,
): Promise<IndexFilePart> {
  if (name === 'chunks.tsv') return { kind: 'chunks', text: await memberBytes(member, MANIFEST_BYTES_MAX, where) };
  const match = /^(extents|pages|files)-([0-9]{6})\.(?:bin|tsv\.gz)$/.exec(name);
  if (match === null) return { kind: 'other', name: member.name };
  const kind = match[1] as 'extents' | 'pages' | 'files';
  const expected = counts.get(kind) ?? 0;
  check(
    Number(match[2]) === expected,
    where,
    `part ${sixDigits(expected)} of ${kind} is missing before ${member.name}`,
  );
  counts.set(kind, expected + 1);
  const data = await memberBytes(member, ROW_BYTES_MAX, where);
  const place = `${where}, ${member.name}`;
  if (kind === 'files') return { kind, text: await unpack(data, place) };
  return { kind, rows: parseRows(data, place) };
}

async function unpack(data: Uint8Array, where: string): Promise<Uint8Array> {
  try {
    return await gunzipAsync(data, { maxOutputLength: TWIN_PART_BYTES_MAX });
  } catch (cause) {
    throw new FormatError('corrupt', where, 'cannot be decompressed', { cause });
  }
}

const sixDigits = (part: number): string => String(part).padStart(6, '0');
