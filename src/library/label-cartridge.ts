/** Knowing a cartridge by its label, and labelling a blank one. */

import { FormatError } from '../bytes/errors.ts';
import { FORMAT_VERSION } from '../bytes/manifest.ts';
import type { Clock, Random } from '../bytes/random.ts';
import { toHex } from '../bytes/random.ts';
import type { Bytes, TapeObject } from '../bytes/units.ts';
import type { TapeDrive } from '../initiator/tape-drive.ts';
import { classifyFile } from '../tape/archive/classify.ts';
import { type Label, type LabelDocuments, labelMembers, readLabel } from '../tape/archive/label.ts';
import { archiveRecords } from '../tape/archive/members.ts';
import { nextRecordOf, withFirst } from './tape-file.ts';

export type CartridgeContent =
  | { readonly kind: 'blank' }
  /** `labelEnd`: the first object behind the label file. */
  | { readonly kind: 'labelled'; readonly label: Label; readonly labelEnd: TapeObject }
  /** Something that is not ours, or a label that cannot be read or believed (`damaged`). */
  | { readonly kind: 'foreign'; readonly what: string; readonly damaged: boolean };

/** Reads what stands at the beginning of the cartridge in the drive. */
export async function readCartridge(drive: TapeDrive, barcode: string): Promise<CartridgeContent> {
  await drive.rewind();
  const next = nextRecordOf(drive, barcode, 0);
  let first: Uint8Array | undefined;
  try {
    first = await next();
  } catch (error) {
    if (error instanceof FormatError) return { kind: 'foreign', what: error.what, damaged: true };
    throw error;
  }
  const foreign = (what: string): CartridgeContent => ({ kind: 'foreign', what, damaged: false });
  if (first === undefined) {
    const { object } = await drive.position();
    return object === 0 ? { kind: 'blank' } : foreign('it begins with a filemark');
  }
  const kind = classifyFile(first);
  if (kind.kind === 'foreign-tar') return foreign(`a tar archive that begins with ${kind.firstMember}`);
  if (kind.kind !== 'label')
    return foreign(kind.kind === 'unknown' ? kind.reason : `a ${kind.kind} where the label should be`);
  try {
    const label = await readLabel(withFirst(first.slice(), next), `label of cartridge ${barcode}`);
    const { object, file } = await drive.position();
    if (file === 1) return { kind: 'labelled', label, labelEnd: object };
    return { kind: 'foreign', what: 'a label that no filemark closes', damaged: true };
  } catch (error) {
    if (error instanceof FormatError) return { kind: 'foreign', what: `a damaged label: ${error.what}`, damaged: true };
    throw error;
  }
}

export interface LabelRequest {
  readonly barcode: string;
  readonly recordSize: Bytes;
  readonly pool: string;
  readonly program: string;
  /** Its id, if that was promised already; else a new one. */
  readonly cartridge?: string;
}

/** Writes the label at the beginning of the cartridge, synchronously; whatever was on it is gone. Answers it and the object behind it. */
export async function labelCartridge(
  drive: TapeDrive,
  request: LabelRequest,
  documents: LabelDocuments,
  clock: Clock,
  random: Random,
): Promise<{ readonly label: Label; readonly labelEnd: TapeObject }> {
  const label: Label = {
    format: FORMAT_VERSION,
    cartridge: request.cartridge ?? toHex(random(16)),
    barcode: request.barcode,
    createdAt: new Date(clock()).toISOString(),
    program: request.program,
    recordSize: request.recordSize,
    pool: request.pool,
  };
  await drive.rewind();
  for await (const record of archiveRecords(labelMembers(label, documents), request.recordSize)) {
    await writeOrFail(await drive.write(record), request.barcode);
  }
  await writeOrFail(await drive.writeFilemarks(1, { immediate: false }), request.barcode);
  return { label, labelEnd: (await drive.position()).object };
}

async function writeOrFail(outcome: string, barcode: string): Promise<void> {
  if (outcome !== 'written')
    throw new FormatError('io', `cartridge ${barcode}`, 'too small to hold even its label; use a larger one');
}
