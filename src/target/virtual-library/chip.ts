/**
 * The chip of a virtual cartridge: what hosts have written with WRITE ATTRIBUTE.
 *
 *     <cartridge>/chip.json   { "format": 1, "attributes": [{ "identifier": 2048, "format": 1, "value": "<hex>" }] }
 *
 * Invariant: the file is replaced whole, durably. There is none until something is written.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FormatError } from '../../bytes/errors.ts';
import { fromHex, toHex } from '../../bytes/random.ts';
import type { Attribute } from '../../scsi/common/attribute.ts';
import { replaceFile } from '../../storage/atomic-file.ts';
import type { CartridgeChip } from '../tape-drive-state.ts';

const CHIP_FORMAT = 1;

/** The chip of the cartridge in `folder`. @throws FormatError when its file is damaged */
export function openChip(folder: string): CartridgeChip {
  const path = join(folder, 'chip.json');
  let attributes = load(path);
  return {
    read: () => attributes,
    write(next) {
      const stored = next.map(({ identifier, format, value }) => ({ identifier, format, value: toHex(value) }));
      replaceFile(path, `${JSON.stringify({ format: CHIP_FORMAT, attributes: stored }, undefined, 1)}\n`);
      attributes = next;
    },
  };
}

function load(path: string): readonly Attribute[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new FormatError('io', path, `cannot be read: ${(cause as Error).message}`, { cause });
  }
  try {
    return attributesIn(JSON.parse(text));
  } catch (cause) {
    throw new FormatError('corrupt', path, 'is damaged; remove it, and the attributes that hosts wrote are gone', {
      cause,
    });
  }
}

function attributesIn(json: unknown): Attribute[] {
  const { format, attributes } = json as { format?: unknown; attributes?: unknown };
  if (format !== CHIP_FORMAT || !Array.isArray(attributes)) throw new TypeError('another format');
  return attributes.map((one: Record<string, unknown>) => {
    if (!isByte(one.format, 3) || !isByte(one.identifier, 0xffff)) throw new TypeError('an attribute is malformed');
    return { identifier: one.identifier, format: one.format, value: fromHex(String(one.value)), readOnly: false };
  });
}

const isByte = (value: unknown, max: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max;
