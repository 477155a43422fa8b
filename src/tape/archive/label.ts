/** Tape file 0 of a cartridge: who it is and how to read it. index-format/FORMAT.md, "Label". */
import { check } from '../../bytes/errors.ts';
import { Fields } from '../../bytes/json-fields.ts';
import { FORMAT_VERSION } from '../../bytes/manifest.ts';
import { checkRecordSize } from './chunk.ts';
import { type Member, memberBytes, memberOf, readArchive } from './members.ts';
import { TAR_BLOCK, textBytes } from './pax.ts';
import { readmeText } from './readme.ts';
import type { NextRecord } from './record-stream.ts';

export interface Label {
  readonly format: typeof FORMAT_VERSION;
  /** 128 random bits, 32 hexadecimal digits. What the index knows the cartridge by. */
  readonly cartridge: string;
  /** As on the cartridge's side; what people know it by. */
  readonly barcode: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  /** `reelmap 0.1.0` */
  readonly program: string;
  /** Bytes of every record on the cartridge. */
  readonly recordSize: number;
  readonly pool: string;
}

/** Texts that go onto every cartridge beside the label: `readLabelDocuments`. */
export interface LabelDocuments {
  /** index-format/FORMAT.md */
  readonly format: Uint8Array;
  /** index-format/restore.py */
  readonly restore: Uint8Array;
}

export const LABEL_NAME = 'reelmap/label.json';
const LABEL_BYTES_MAX = 64 * 1024;

/** The members of the label archive, `label.json` first. For `archiveRecords(labelMembers(...), label.recordSize)`. */
export function labelMembers(label: Label, documents: LabelDocuments): Member[] {
  checkRecordSize(label.recordSize);
  const mtime = Math.floor(Date.parse(label.createdAt) / 1000);
  return [
    memberOf(LABEL_NAME, textBytes(`${JSON.stringify(label, undefined, 1)}\n`), mtime),
    memberOf('reelmap/README.txt', textBytes(readmeText(label)), mtime),
    memberOf('reelmap/FORMAT.md', documents.format, mtime),
    memberOf('reelmap/restore.py', documents.restore, mtime),
  ];
}

/** `label.json`. @throws FormatError */
export function parseLabel(text: Uint8Array, where = 'label'): Label {
  const fields = Fields.parse(text, where);
  fields.version('format', FORMAT_VERSION);
  const recordSize = fields.integer('recordSize');
  check(recordSize > 0 && recordSize % TAR_BLOCK === 0, where, `record size ${recordSize} is no multiple of 512`);
  const createdAt = fields.string('createdAt');
  check(!Number.isNaN(Date.parse(createdAt)), where, '"createdAt" is no time');
  return {
    format: FORMAT_VERSION,
    cartridge: fields.hex('cartridge', 32),
    barcode: fields.string('barcode'),
    createdAt,
    program: fields.string('program'),
    recordSize,
    pool: fields.string('pool'),
  };
}

/** The label out of tape file 0, read to its end. @throws FormatError: also when the first member is no label */
export async function readLabel(nextRecord: NextRecord, where = 'label'): Promise<Label> {
  let label: Label | undefined;
  for await (const member of readArchive(nextRecord, where)) {
    check(label !== undefined || member.name === LABEL_NAME, where, `the first member is ${member.name}, no label`);
    label ??= parseLabel(await memberBytes(member, LABEL_BYTES_MAX, where), where);
  }
  check(label !== undefined, where, 'an empty archive, no label');
  return label;
}
