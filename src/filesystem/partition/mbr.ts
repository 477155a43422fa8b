/**
 * Master boot records with their chains of logical partitions. UEFI Specification 2.10, 5.2 "LBA 0 Format"; what the standard
 * leaves open (extended partitions, numbers) is as in Linux block/partitions/msdos.c.
 *
 * A boot sector of FAT, NTFS or exFAT looks like one and is none. A superblock that lies behind the first sector (ext4) beside
 * a sane table is what was there before: mke2fs clears the first sector.
 */
import { FormatError } from '../../bytes/errors.ts';
import { bytesOf } from '../../bytes/layout.ts';
import { type Bytes, bytes } from '../../bytes/units.ts';
import type { ReadAt } from '../volume.ts';
import { MasterBootRecord, MbrPartition } from './layouts.ts';
import { DOS_SECTOR_BYTES, PARTITIONS_MAX, type Partition, type PartitionTable } from './table.ts';

const SIGNATURE = 0xaa55;
const RECORDS = 4;
const FIRST_LOGICAL = 5;
/** Extended: DOS, Windows 95 with LBA, Linux. */
const EXTENDED: ReadonlySet<number> = new Set([0x05, 0x0f, 0x85]);
const GPT_PROTECTIVE = 0xee;

/** One record in use, in sectors. */
export interface MbrRecord {
  /** 0 to 3. */
  readonly slot: number;
  readonly type: number;
  readonly start: number;
  readonly sectors: number;
}

const isExtended = ({ type }: MbrRecord): boolean => EXTENDED.has(type);

/** The records of a boot record that are in use, or undefined when it is none. */
export function decodeBootRecord(sector: DataView): MbrRecord[] | undefined {
  if (MasterBootRecord.signature.get(sector, 0) !== SIGNATURE) return undefined;
  const out: MbrRecord[] = [];
  for (let slot = 0; slot < RECORDS; slot++) {
    const at = MasterBootRecord.partitionRecords.offset + slot * MbrPartition.byteLength;
    if ((MbrPartition.bootIndicator.get(sector, at) & 0x7f) !== 0) return undefined; // code or text, no record
    const type = MbrPartition.osType.get(sector, at);
    const sectors = MbrPartition.sizeInLba.get(sector, at);
    if (sectors > 0 && type !== 0) out.push({ slot, type, start: MbrPartition.startingLba.get(sector, at), sectors });
  }
  return out;
}

/** The disk's master boot record; undefined: it has none that names a partition. */
export async function readMbr(
  readAt: ReadAt,
  volumeBytes: Bytes,
  sectorSize: Bytes,
  signal?: AbortSignal,
): Promise<PartitionTable | undefined> {
  if (volumeBytes < DOS_SECTOR_BYTES) return undefined;
  const sector = await readAt(0, DOS_SECTOR_BYTES, signal);
  const records = decodeBootRecord(sector);
  if (records === undefined || records.length === 0 || isFilesystemBootSector(sector)) return undefined;
  if (records.some(({ start }) => start * sectorSize >= volumeBytes)) return undefined;
  if (records.some(({ type, start }) => type === GPT_PROTECTIVE && start === 1)) return undefined;
  const notes: string[] = [];
  const logical = new LogicalReader(readAt, volumeBytes, sectorSize, notes, signal);
  const partitions = records
    .filter((record) => !isExtended(record))
    .map((record) => partitionOf(record, record.slot + 1, 0, sectorSize));
  for (const record of records.filter(isExtended)) await logical.read(record);
  const signature = MasterBootRecord.uniqueMbrSignature.get(sector, 0);
  return {
    type: 'dos',
    id: `0x${signature.toString(16).padStart(8, '0')}`,
    sectorSize,
    partitions: [...partitions, ...logical.partitions],
    notes,
    doubtful: !isSane(records, Math.floor(volumeBytes / sectorSize)),
  };
}

/** Names that FAT, NTFS and exFAT put into their boot sectors. Microsoft FAT specification, 3.1 to 3.3; Linux fs/ntfs3, fs/exfat. */
function isFilesystemBootSector(sector: DataView): boolean {
  const text = String.fromCharCode(...bytesOf(sector, 0, 96));
  const names: readonly (readonly [number, string])[] = [
    [3, 'NTFS    '],
    [3, 'EXFAT   '],
    [0x36, 'FAT'],
    [0x52, 'FAT32'],
  ];
  return names.some(([at, name]) => text.startsWith(name, at));
}

/** The records lie on the disk and apart from each other. */
function isSane(records: readonly MbrRecord[], diskSectors: number): boolean {
  const ordered = [...records].sort((a, b) => a.start - b.start);
  return ordered.every(({ start, sectors }, i) => {
    const end = ordered[i + 1]?.start ?? diskSectors;
    return start > 0 && start + sectors <= end;
  });
}

function partitionOf(record: MbrRecord, number: number, base: number, sectorSize: Bytes): Partition {
  return {
    number,
    start: bytes((base + record.start) * sectorSize),
    byteLength: bytes(record.sectors * sectorSize),
    type: record.type.toString(16),
    uuid: '',
    name: '',
  };
}

/** Follows chains of extended boot records; each is read once, so that a chain that bites its tail ends. */
class LogicalReader {
  readonly partitions: Partition[] = [];
  readonly #readAt: ReadAt;
  readonly #volumeBytes: Bytes;
  readonly #sectorSize: Bytes;
  readonly #notes: string[];
  readonly #signal: AbortSignal | undefined;
  readonly #seen = new Set<number>();

  constructor(readAt: ReadAt, volumeBytes: Bytes, sectorSize: Bytes, notes: string[], signal: AbortSignal | undefined) {
    this.#readAt = readAt;
    this.#volumeBytes = volumeBytes;
    this.#sectorSize = sectorSize;
    this.#notes = notes;
    this.#signal = signal;
  }

  async read(extended: MbrRecord): Promise<void> {
    for (let lba: number | undefined = extended.start; lba !== undefined; ) {
      const records = await this.#recordsAt(lba);
      if (records === undefined) return;
      for (const record of records) if (this.#belongs(record, lba, extended)) this.#add(record, lba);
      const next = records.find(isExtended);
      lba = next === undefined ? undefined : extended.start + next.start;
    }
  }

  async #recordsAt(lba: number): Promise<MbrRecord[] | undefined> {
    const broken = (why: string): undefined => {
      this.#notes.push(`the chain of logical partitions breaks at sector ${lba}: ${why}`);
      return undefined;
    };
    if (this.#seen.has(lba)) return broken('it leads there again');
    if (this.#seen.size === PARTITIONS_MAX) return broken(`${PARTITIONS_MAX} partitions are all that is read`);
    this.#seen.add(lba);
    const offset = lba * this.#sectorSize;
    if (offset + DOS_SECTOR_BYTES > this.#volumeBytes) return broken('behind the end of the disk');
    try {
      return decodeBootRecord(await this.#readAt(offset, DOS_SECTOR_BYTES, this.#signal)) ?? broken('no boot record');
    } catch (error) {
      if (error instanceof FormatError) return broken(error.message);
      throw error;
    }
  }

  /** The first two records are believed; in others some systems left nonsense. */
  #belongs(record: MbrRecord, lba: number, extended: MbrRecord): boolean {
    if (isExtended(record)) return false;
    if (record.slot < 2) return true;
    const end = lba + record.start + record.sectors;
    return lba + record.start >= extended.start && end <= extended.start + extended.sectors;
  }

  #add(record: MbrRecord, lba: number): void {
    if (this.partitions.length === PARTITIONS_MAX) return;
    const number = FIRST_LOGICAL + this.partitions.length;
    this.partitions.push(partitionOf(record, number, lba, this.#sectorSize));
  }
}
