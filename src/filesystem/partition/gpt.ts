/**
 * GUID partition tables: header and entries of the primary, or of the backup where the primary is damaged.
 * UEFI Specification 2.10, chapter 5. What is checked and in which order follows Linux block/partitions/efi.c.
 */
import { crc32 } from 'node:zlib';
import { FormatError } from '../../bytes/errors.ts';
import { bytesOf } from '../../bytes/layout.ts';
import { type Bytes, bytes, MiB } from '../../bytes/units.ts';
import type { ReadAt } from '../volume.ts';
import { GptEntry, GptHeader, MasterBootRecord, MbrPartition } from './layouts.ts';
import { DOS_SECTOR_BYTES, PARTITIONS_MAX, type Partition, type PartitionTable } from './table.ts';

const SIGNATURE = 'EFI PART';
const PROTECTIVE = 0xee;
/** Bytes of an entry array at most: 128 entries of 128 bytes are usual, 16 KiB. */
const ENTRIES_BYTES_MAX = 2 * MiB;

/** What of a header is needed to read its entries. */
export interface GptHeaderFields {
  readonly diskGuid: string;
  readonly alternateLba: number;
  readonly firstUsableLba: number;
  readonly lastUsableLba: number;
  readonly entriesLba: number;
  readonly entryCount: number;
  readonly entryBytes: Bytes;
  readonly entriesCrc32: number;
}

/** The header in the block at `lba`. @throws FormatError `corrupt` when it is none, or is damaged */
export function decodeGptHeader(block: DataView, lba: number): GptHeaderFields {
  const where = `GPT header in block ${lba}`;
  const must = (condition: boolean, what: string): void => {
    if (!condition) throw new FormatError('corrupt', where, what);
  };
  const H = GptHeader;
  must(latin1(H.signature.get(block, 0)) === SIGNATURE, 'no GPT signature');
  const size = H.headerSize.get(block, 0);
  must(size >= H.byteLength && size <= block.byteLength, `a header of ${size} bytes`);
  must(H.headerCrc32.get(block, 0) === headerCrc(block, size), 'checksum wrong');
  must(numberAt(H.myLba, block) === lba, 'says that it stands elsewhere');
  const count = H.numberOfPartitionEntries.get(block, 0);
  const entryBytes = H.sizeOfPartitionEntry.get(block, 0);
  must(entryBytes >= GptEntry.byteLength && entryBytes % 8 === 0, `entries of ${entryBytes} bytes`);
  must(count > 0 && count * entryBytes <= ENTRIES_BYTES_MAX, `${count} entries of ${entryBytes} bytes`);
  return {
    diskGuid: guidText(H.diskGuid.get(block, 0)),
    alternateLba: numberAt(H.alternateLba, block),
    firstUsableLba: numberAt(H.firstUsableLba, block),
    lastUsableLba: numberAt(H.lastUsableLba, block),
    entriesLba: numberAt(H.partitionEntryLba, block),
    entryCount: count,
    entryBytes: bytes(entryBytes),
    entriesCrc32: H.partitionEntryArrayCrc32.get(block, 0),
  };
}

function headerCrc(block: DataView, size: Bytes): number {
  const copy = bytesOf(block, 0, size).slice();
  copy.fill(0, GptHeader.headerCrc32.offset, GptHeader.headerCrc32.offset + 4);
  return crc32(copy);
}

/** A block number above 2^53 is none of this disk's, whatever its checksum says. */
function numberAt(field: { get(view: DataView, at: number): number }, block: DataView): number {
  try {
    return field.get(block, 0);
  } catch (cause) {
    if (cause instanceof RangeError) return Number.MAX_SAFE_INTEGER;
    throw cause;
  }
}

/** The entries in use. @throws FormatError `corrupt` when their checksum is wrong or there are too many */
export function decodeGptEntries(array: DataView, header: GptHeaderFields, sectorSize: Bytes): Partition[] {
  const where = 'GPT partition entries';
  const { entryCount, entryBytes } = header;
  if (crc32(bytesOf(array, 0, entryCount * entryBytes)) !== header.entriesCrc32)
    throw new FormatError('corrupt', where, 'checksum wrong');
  const out: Partition[] = [];
  for (let i = 0; i < entryCount; i++) {
    const entry = new DataView(array.buffer, array.byteOffset + i * entryBytes, entryBytes);
    const type = GptEntry.partitionTypeGuid.get(entry, 0);
    if (type.every((byte) => byte === 0)) continue;
    if (out.length === PARTITIONS_MAX)
      throw new FormatError('unsupported', where, `more than ${PARTITIONS_MAX} partitions`);
    const first = numberAt({ get: (view) => GptEntry.startingLba.get(view, 0) }, entry);
    const last = numberAt({ get: (view) => GptEntry.endingLba.get(view, 0) }, entry);
    out.push({
      number: i + 1,
      start: bytes(first * sectorSize),
      byteLength: bytes(last < first ? 0 : (last - first + 1) * sectorSize),
      type: guidText(type),
      uuid: guidText(GptEntry.uniquePartitionGuid.get(entry, 0)),
      name: utf16Text(GptEntry.partitionName.get(entry, 0)),
    });
  }
  return out;
}

/**
 * The disk's GUID partition table; undefined: it has none.
 * @param sectorSizes bytes of a logical block, those to try
 */
export async function readGpt(
  readAt: ReadAt,
  volumeBytes: Bytes,
  sectorSizes: readonly Bytes[],
  signal?: AbortSignal,
): Promise<PartitionTable | undefined> {
  if (volumeBytes < 3 * DOS_SECTOR_BYTES) return undefined;
  const first = await readAt(0, DOS_SECTOR_BYTES, signal);
  const guard = guardOf(first);
  if (guard === 'none') return undefined;
  for (const sectorSize of sectorSizes) {
    const found = await new GptReader(readAt, volumeBytes, sectorSize, signal).read(guard);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What stands in the first sector: the protective record that a GPT has, nothing at all, or something else. */
function guardOf(sector: DataView): 'protective' | 'blank' | 'none' {
  if (bytesOf(sector).every((byte) => byte === 0)) return 'blank';
  if (MasterBootRecord.signature.get(sector, 0) !== 0xaa55) return 'none';
  const from = MasterBootRecord.partitionRecords.offset;
  for (let i = 0; i < 4; i++)
    if (MbrPartition.osType.get(sector, from + i * MbrPartition.byteLength) === PROTECTIVE) return 'protective';
  return 'none';
}

interface Copy {
  readonly header: GptHeaderFields;
  readonly partitions: readonly Partition[];
}

class GptReader {
  readonly #readAt: ReadAt;
  readonly #volumeBytes: Bytes;
  readonly #sectorSize: Bytes;
  readonly #lastLba: number;
  readonly #signal: AbortSignal | undefined;

  constructor(readAt: ReadAt, volumeBytes: Bytes, sectorSize: Bytes, signal: AbortSignal | undefined) {
    this.#readAt = readAt;
    this.#volumeBytes = volumeBytes;
    this.#sectorSize = sectorSize;
    this.#lastLba = Math.floor(volumeBytes / sectorSize) - 1;
    this.#signal = signal;
  }

  async read(guard: 'protective' | 'blank'): Promise<PartitionTable | undefined> {
    const primary = await this.#copyAt(1);
    if (typeof primary !== 'string') {
      const notes = await this.#notesOn(primary);
      if (guard === 'blank') notes.push('the protective record in the first sector is blank');
      return this.#table(primary, notes, guard === 'blank');
    }
    const backup = await this.#copyAt(this.#lastLba);
    if (typeof backup === 'string') return undefined;
    const note = `the primary partition table is damaged (${primary}): its backup at the end of the disk was read`;
    return this.#table(backup, [note], guard === 'blank');
  }

  #table({ header, partitions }: Copy, notes: readonly string[], doubtful: boolean): PartitionTable {
    return { type: 'gpt', id: header.diskGuid, sectorSize: this.#sectorSize, partitions, notes, doubtful };
  }

  /** Header and entries of the copy with its header at `lba`, or what is wrong with it. */
  async #copyAt(lba: number): Promise<Copy | string> {
    try {
      const header = decodeGptHeader(await this.#blocks(lba, this.#sectorSize, 'GPT header'), lba);
      const length = header.entryCount * header.entryBytes;
      const array = await this.#blocks(header.entriesLba, length, 'GPT partition entries');
      return { header, partitions: decodeGptEntries(array, header, this.#sectorSize) };
    } catch (error) {
      if (error instanceof FormatError) return error.message;
      throw error;
    }
  }

  async #blocks(lba: number, length: Bytes, what: string): Promise<DataView> {
    const offset = lba * this.#sectorSize;
    if (lba < 1 || offset + length > this.#volumeBytes)
      throw new FormatError('corrupt', what, `would stand in block ${lba} of a disk of ${this.#lastLba + 1}`);
    return this.#readAt(offset, length, this.#signal);
  }

  /** The primary serves; is the backup as good? */
  async #notesOn({ header, partitions }: Copy): Promise<string[]> {
    const backup = await this.#copyAt(header.alternateLba);
    if (typeof backup === 'string') return [`the backup partition table cannot be used: ${backup}`];
    const same = JSON.stringify(backup.partitions) === JSON.stringify(partitions);
    return same ? [] : ['the backup partition table says something else than the primary, which was read'];
  }
}

const latin1 = (data: Uint8Array): string => String.fromCharCode(...data);

/** A GUID as text: its first three fields are little-endian. UEFI Specification 2.10, appendix A. */
export function guidText(guid: Uint8Array): string {
  const order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
  const hex = order.map((i) => guid[i].toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5').toUpperCase();
}

function utf16Text(data: Uint8Array): string {
  const text = new TextDecoder('utf-16le').decode(data);
  const end = text.indexOf('\0');
  return end < 0 ? text : text.slice(0, end);
}
