/** What every partition table says, in our words and units. */
import type { Bytes } from '../../bytes/units.ts';

export interface Partition {
  /** As the kernel counts: 1 to 4 for a master boot record's own, 5 and up for logical ones. */
  readonly number: number;
  readonly start: Bytes;
  readonly byteLength: Bytes;
  /** Type as `sfdisk --json` prints it: a GUID in capitals, or hexadecimal digits without a prefix. */
  readonly type: string;
  /** Unique id and name of a GPT entry; empty in a master boot record. */
  readonly uuid: string;
  readonly name: string;
}

export interface PartitionTable {
  readonly type: 'gpt' | 'dos';
  /** As `sfdisk` prints it: a GUID in capitals, or `0x` and eight digits. */
  readonly id: string;
  readonly sectorSize: Bytes;
  /** Ascending by number. */
  readonly partitions: readonly Partition[];
  /** For the user: what was damaged and what was read in its place. */
  readonly notes: readonly string[];
  /** True when bytes alone cannot tell whether it is one: a filesystem that fits in its place is believed instead. */
  readonly doubtful: boolean;
}

/** Partitions of one disk at most, so that a hostile table costs little; `parted` stops at 128. */
export const PARTITIONS_MAX = 1024;

export const DOS_SECTOR_BYTES = 512;
