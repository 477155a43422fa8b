/**
 * What is on a cartridge, from end of data backwards: index and end files by their chain, and whatever lies behind the last
 * one. Reads labels and first records, no data.
 */
import { FormatError } from '../bytes/errors.ts';
import type { Manifest } from '../bytes/manifest.ts';
import type { TapeObject } from '../bytes/units.ts';
import type { TapeDrive } from '../initiator/tape-drive.ts';
import { nextRecordOf, withFirst } from '../library/tape-file.ts';
import { classifyFile, type TapeFileKind } from '../tape/archive/classify.ts';
import { type EndOfCartridge, readEndOfCartridge } from '../tape/archive/end-of-cartridge.ts';
import { readIndexFile } from '../tape/archive/index-file.ts';

export interface ScannedFile {
  /** Its first object. */
  readonly object: TapeObject;
  readonly what: TapeFileKind;
  /** Of a readable index file. */
  readonly manifest?: Manifest;
  /** Of a readable end file. */
  readonly end?: EndOfCartridge;
  /** Why it cannot be used. */
  readonly damage?: string;
}

/** Files of a cartridge that a backward scan reads one by one when no chain leads on: 4 GiB chunks of a large cartridge. */
const FILES_MAX = 1_000_000;

/** First object of the tape file that ends before `object`; undefined at the label. Leaves the drive there. */
async function fileBefore(drive: TapeDrive, object: TapeObject): Promise<TapeObject | undefined> {
  if (object === 0) return undefined;
  if (!(await drive.locate(object))) return undefined;
  // Behind the filemark that closes the file: back over it and over the one before the file, then forward again.
  const left = await drive.spaceFilemarks(-2);
  if (left > 0) {
    await drive.rewind();
    return 0;
  }
  if ((await drive.spaceFilemarks(1)) !== 0) return undefined;
  return (await drive.position()).object;
}

/** Reads what a tape file is, and of index and end files the head that the chain needs. */
export async function scanFile(drive: TapeDrive, barcode: string, object: TapeObject): Promise<ScannedFile> {
  const where = `cartridge ${barcode}, object ${object}`;
  if (!(await drive.locate(object))) return { object, what: { kind: 'unknown', reason: 'past the end of data' } };
  const next = nextRecordOf(drive, barcode, object);
  let what: TapeFileKind = { kind: 'unknown', reason: 'empty' };
  try {
    const first = (await next())?.slice();
    if (first === undefined) return { object, what };
    what = classifyFile(first);
    const again = withFirst(first, next);
    if (what.kind === 'end') return { object, what, end: await readEndOfCartridge(again, where) };
    if (what.kind !== 'index') return { object, what };
    for await (const part of readIndexFile(again, where)) {
      if (part.kind === 'manifest') return { object, what, manifest: part.manifest };
    }
    return { object, what, damage: 'no manifest' };
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { object, what, damage: error.what };
  }
}

/**
 * Every index and end file, last one first, and the chunks that lie behind the last of them. Where the chain is broken by
 * damage, goes on file by file.
 */
export async function* scanBackwards(
  drive: TapeDrive,
  barcode: string,
  labelEnd: TapeObject,
): AsyncGenerator<ScannedFile, void, void> {
  await drive.locateEndOfData();
  let at: TapeObject | undefined = (await drive.position()).object;
  at = await openEnd(drive, at);
  for (let files = 0; at !== undefined && at > labelEnd && files < FILES_MAX; files++) {
    const object: TapeObject | undefined = await fileBefore(drive, at);
    if (object === undefined || object < labelEnd) return;
    const file = await scanFile(drive, barcode, object);
    yield file;
    const previous = file.manifest?.previousIndexObject ?? file.end?.previousIndexObject;
    // The chain names the start of the file; what lies between holds chunks of sets already known from here on.
    if (previous !== undefined && previous !== null && previous < object && previous >= labelEnd) {
      yield* chainFrom(drive, barcode, previous, labelEnd);
      return;
    }
    if (file.manifest !== undefined || file.end !== undefined) return;
    at = object;
  }
}

/** Follows the chain; at a damaged link goes back file by file. */
async function* chainFrom(
  drive: TapeDrive,
  barcode: string,
  start: TapeObject,
  labelEnd: TapeObject,
): AsyncGenerator<ScannedFile, void, void> {
  let object: TapeObject | undefined = start;
  while (object !== undefined && object >= labelEnd) {
    const file = await scanFile(drive, barcode, object);
    yield file;
    const previous: TapeObject | null | undefined =
      file.manifest !== undefined ? file.manifest.previousIndexObject : file.end?.previousIndexObject;
    if (previous === null) return;
    object = previous !== undefined && previous < object ? previous : await fileBefore(drive, object);
  }
}

/** Where the last whole file ends: behind the last filemark. A file cut short by a crash has none. */
async function openEnd(drive: TapeDrive, end: TapeObject): Promise<TapeObject | undefined> {
  if ((await drive.spaceFilemarks(-1)) > 0) return undefined;
  if ((await drive.spaceFilemarks(1)) !== 0) return undefined;
  return Math.min(end, (await drive.position()).object);
}

/** Every tape file from `labelEnd` on, in order, by first records and filemarks. */
export async function* scanForwards(
  drive: TapeDrive,
  barcode: string,
  labelEnd: TapeObject,
): AsyncGenerator<ScannedFile, void, void> {
  let object = labelEnd;
  for (let files = 0; files < FILES_MAX; files++) {
    const file = await scanFile(drive, barcode, object);
    if (file.what.kind === 'unknown' && (await atEnd(drive, object))) return;
    yield file;
    await drive.locate(object);
    if ((await drive.spaceFilemarks(1)) !== 0) return;
    object = (await drive.position()).object;
  }
}

async function atEnd(drive: TapeDrive, object: TapeObject): Promise<boolean> {
  await drive.locateEndOfData();
  return (await drive.position()).object <= object;
}
