/** The archive that closes a full cartridge: what is on it and which one is next. index-format/FORMAT.md, "End of cartridge". */
import { check } from '../../bytes/errors.ts';
import { Fields } from '../../bytes/json-fields.ts';
import { FORMAT_VERSION } from '../../bytes/manifest.ts';
import { type Member, memberBytes, memberOf, readArchive } from './members.ts';
import { textBytes } from './pax.ts';
import type { NextRecord } from './record-stream.ts';

export interface EndOfCartridge {
  readonly format: typeof FORMAT_VERSION;
  readonly cartridge: string;
  readonly barcode: string;
  /** ISO 8601, UTC. */
  readonly closedAt: string;
  /** Where the set goes on; null when that was not known yet. */
  readonly next: { readonly id: string; readonly barcode: string } | null;
  /** First object of the last index file or earlier end file on this cartridge. */
  readonly previousIndexObject: number | null;
  /** Every whole tape file before this one, ascending. */
  readonly files: readonly CartridgeFile[];
}

export interface CartridgeFile {
  /** Logical object of its first record. */
  readonly object: number;
  readonly kind: 'label' | 'chunk' | 'index' | 'end' | 'other';
  /** Of chunks and index files. */
  readonly set: string | null;
  /** Of chunks. */
  readonly chunk: number | null;
}

export const END_NAME = 'reelmap/end-of-cartridge.json';
/** Some 600,000 tape files. */
const END_BYTES_MAX = 64 * 1024 * 1024;

/** The members of the archive. */
export function endOfCartridgeMembers(end: EndOfCartridge): Member[] {
  const { files, ...rest } = end;
  const head = JSON.stringify(rest, undefined, 1).slice(0, -2);
  const lines = files.map((file) => `  ${JSON.stringify(file)}`).join(',\n');
  const text = `${head},\n "files": [\n${lines}\n ]\n}\n`;
  return [memberOf(END_NAME, textBytes(text), Math.floor(Date.parse(end.closedAt) / 1000))];
}

/** @throws FormatError */
export function parseEndOfCartridge(text: Uint8Array, where = 'end of cartridge'): EndOfCartridge {
  const fields = Fields.parse(text, where);
  fields.version('format', FORMAT_VERSION);
  const files = fields.objects('files', readFile);
  for (let i = 1; i < files.length; i++)
    check(
      files[i].object > files[i - 1].object,
      where,
      `tape file ${i} begins at object ${files[i].object}, not behind the one before`,
    );
  return {
    format: FORMAT_VERSION,
    cartridge: fields.hex('cartridge', 32),
    barcode: fields.string('barcode'),
    closedAt: fields.string('closedAt'),
    next: fields.nullable('next', (key) => {
      const next = fields.object(key);
      return { id: next.hex('id', 32), barcode: next.string('barcode') };
    }),
    previousIndexObject: fields.nullable('previousIndexObject', (key) => fields.integer(key)),
    files,
  };
}

/** Reads the archive to its end. @throws FormatError */
export async function readEndOfCartridge(nextRecord: NextRecord, where = 'end of cartridge'): Promise<EndOfCartridge> {
  let end: EndOfCartridge | undefined;
  for await (const member of readArchive(nextRecord, where)) {
    check(end !== undefined || member.name === END_NAME, where, `the first member is ${member.name}`);
    end ??= parseEndOfCartridge(await memberBytes(member, END_BYTES_MAX, where), where);
  }
  check(end !== undefined, where, 'an empty archive');
  return end;
}

const readFile = (fields: Fields): CartridgeFile => ({
  object: fields.integer('object'),
  kind: fields.oneOf('kind', ['label', 'chunk', 'index', 'end', 'other']),
  set: fields.nullable('set', (key) => fields.hex(key, 32)),
  chunk: fields.nullable('chunk', (key) => fields.integer(key)),
});
