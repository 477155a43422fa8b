/** What a crash left behind the last object that the store knows of: whole chunks of a run, read and checked record by record. */
import { FormatError } from '../bytes/errors.ts';
import type { ChunkRecord } from '../bytes/manifest.ts';
import type { TapeObject } from '../bytes/units.ts';
import type { TapeDrive } from '../initiator/tape-drive.ts';
import { nextRecordOf, withFirst } from '../library/tape-file.ts';
import { type ChunkHeader, chunkTrailer, parseChunkHeader } from '../tape/archive/chunk.ts';
import { classifyFile, type TapeFileKind } from '../tape/archive/classify.ts';

export type FoundFile =
  | { readonly kind: 'chunk'; readonly header: ChunkHeader; readonly records: number; readonly end: TapeObject }
  | { readonly kind: 'other'; readonly what: TapeFileKind }
  /** End of data, a file cut short, or one that cannot be read. */
  | { readonly kind: 'nothing' };

/**
 * Reads the tape file that begins at `object`. A chunk counts only when every one of its records can be read and its
 * closing filemark is there. Leaves the drive anywhere.
 */
export async function readFileAt(drive: TapeDrive, barcode: string, object: TapeObject): Promise<FoundFile> {
  if (!(await drive.locate(object))) return { kind: 'nothing' };
  const next = nextRecordOf(drive, barcode, object);
  try {
    const first = (await next())?.slice();
    if (first === undefined) return { kind: 'nothing' };
    const what = classifyFile(first);
    if (what.kind !== 'chunk') return { kind: 'other', what };
    const header = await parseChunkHeader(withFirst(first, next), `cartridge ${barcode}, object ${object}`);
    const records = chunkRecords(header);
    for (let i = header.headerRecords; i < records; i++) {
      if ((await next()) === undefined) return { kind: 'nothing' };
    }
    if ((await next()) !== undefined) return { kind: 'nothing' };
    const end = (await drive.position()).object;
    return end === object + records + 1 ? { kind: 'chunk', header, records, end } : { kind: 'nothing' };
  } catch (error) {
    if (error instanceof FormatError) return { kind: 'nothing' };
    throw error;
  }
}

/** Records of the chunk's tape file, its filemark left out. */
export const chunkRecords = (header: ChunkHeader): number =>
  header.headerRecords + chunkTrailer(header.storedBytes, header.recordSize).records;

/** The index's record of a chunk found on tape. */
export function chunkRecordOf(
  header: ChunkHeader,
  cartridge: string,
  firstObject: TapeObject,
  records: number,
  sha256: string | null,
): ChunkRecord {
  return {
    number: header.comment.chunk,
    volumeOffset: header.comment.volumeOffset,
    byteLength: header.realSize,
    storedBytes: header.storedBytes,
    extentCount: header.extents.count,
    sha256,
    planDigest: header.comment.planDigest,
    copies: [{ cartridge, firstObject, dataObject: firstObject + header.headerRecords, records }],
  };
}
