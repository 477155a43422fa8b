/** The records of one tape file, read through the drive: what the archive readers are fed with. */
import { FormatError } from '../bytes/errors.ts';
import type { Bytes, TapeObject } from '../bytes/units.ts';
import type { TapeDrive } from '../initiator/tape-drive.ts';
import type { NextRecord } from '../tape/archive/record-stream.ts';

/** Records longer than this are nobody's of ours; the buffer for them is the only one a reader keeps. */
export const RECORD_BYTES_MAX: Bytes = 1024 * 1024;

/**
 * Reads records from the drive's position to the filemark or end of data. Each record's bytes live until the next call.
 * @throws FormatError `io` for a record that cannot be read, naming cartridge and object
 */
export function nextRecordOf(drive: TapeDrive, cartridge: string, from: TapeObject, signal?: AbortSignal): NextRecord {
  const buffer = new Uint8Array(RECORD_BYTES_MAX);
  let object = from;
  let ended = false;
  return async () => {
    if (ended) return undefined;
    signal?.throwIfAborted();
    const where = `cartridge ${cartridge}, object ${object}`;
    const read = await drive.read(buffer);
    object++;
    switch (read.kind) {
      case 'record':
        if (read.length > read.data.length)
          throw new FormatError('unsupported', where, `a record of ${read.length} bytes`);
        return read.data;
      case 'filemark':
      case 'end-of-data':
        ended = true;
        return undefined;
      case 'damaged':
        throw new FormatError('io', where, 'the record is damaged and cannot be read');
    }
  };
}

/** Positions before `object` and answers a reader of the tape file that begins there. @throws FormatError when there is no such object */
export async function openTapeFile(
  drive: TapeDrive,
  cartridge: string,
  object: TapeObject,
  signal?: AbortSignal,
): Promise<NextRecord> {
  if (!(await drive.locate(object))) {
    throw new FormatError('corrupt', `cartridge ${cartridge}, object ${object}`, 'past the end of data');
  }
  return nextRecordOf(drive, cartridge, object, signal);
}

/** A reader that gives `first` again before it goes on. */
export function withFirst(first: Uint8Array, next: NextRecord): NextRecord {
  let given = false;
  return async () => {
    if (given) return next();
    given = true;
    return first;
  };
}
