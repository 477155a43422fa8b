/**
 * The map of a virtual cartridge: where each logical object lies in its data file. Our own format, version 1; prose for
 * other readers in index-format/FORMAT.virtual-tape.md. Little-endian.
 *
 *     map                                               data
 *     0      header      4096  id, capacity, ...        record, record, ... contiguous from byte 0, nothing else;
 *     4096   commit slot 4096  } the valid one with     a filemark takes no room
 *     8192   commit slot 4096  } the higher sequence
 *     12288  header      4096  the same again
 *     16384  entry 0       32  object 0
 *     16416  entry 1       32  object 1: object n is entry n
 *     ...
 *
 * Invariants
 * - An entry's checksum covers the cartridge id and its own index: entries moved or of another cartridge are not believed.
 * - `epoch` grows with each shortening of the tape and each session that writes. Entries from the committed count on are
 *   believed only in the newest slot's epoch, so that what a shortening dropped never comes back, torn writes or not.
 */
import { crc32c } from '../bytes/crc32c.ts';
import { check, FormatError } from '../bytes/errors.ts';
import { asciiField, bit, byteField, bytesOf, layout, u8, u32le, u64le, viewOf } from '../bytes/layout.ts';

export const MAP_MAGIC = 'RMVTAPE1';
export const MAP_VERSION = 1;
export const MAP_BLOCK = 4096;
export const MAP_SLOT_OFFSETS = [4096, 8192] as const;
export const MAP_HEADER_COPY = 12288;
export const MAP_ENTRIES = 16384;
export const MAP_ENTRY_BYTES = 32;
/** Longest record: the 24-bit lengths of SSC's READ(6) and WRITE(6). */
export const RECORD_BYTES_MAX = 0xff_ffff;

/** Header block, also at `MAP_HEADER_COPY`. Bytes not named are zero. */
export const MapHeader = layout(MAP_BLOCK, {
  magic: asciiField(0, 8),
  version: u32le(8),
  worm: bit(12, 0),
  id: byteField(16, 16), // random; seeds every other checksum of the map
  capacity: u64le(32), // bytes of record data
  earlyWarningZone: u64le(40), // bytes before the capacity
  crc: u32le(4092), // CRC-32C of bytes 0 to 4091
});

/** Commit slot, at the start of its block; the rest of the block is zero. */
export const MapSlot = layout(64, {
  sequence: u64le(0),
  objects: u64le(8), // that many were on stable storage
  dataEnd: u64le(16), // bytes of record data in them
  files: u32le(24), // filemarks in them
  epoch: u32le(28),
  crc: u32le(60), // CRC-32C of the id and bytes 0 to 59
});

/** Entry of one logical object. */
export const MapEntry = layout(MAP_ENTRY_BYTES, {
  dataOffset: u64le(0),
  length: u32le(8), // filemark: 0
  recordCrc: u32le(12), // CRC-32C of the record; filemark: 0
  file: u32le(16), // filemarks before it
  kind: u8(20), // 1 record, 2 filemark, 3 record encrypted by the drive
  epoch: u32le(24),
  crc: u32le(28), // CRC-32C of the id, the index as u64, and bytes 0 to 27
});
const { dataOffset, length, recordCrc, file, kind, epoch, crc } = MapEntry;

export interface Header {
  readonly id: Uint8Array;
  readonly capacity: number;
  readonly earlyWarningZone: number;
  readonly worm: boolean;
}

export interface Slot {
  readonly sequence: number;
  readonly objects: number;
  readonly dataEnd: number;
  readonly files: number;
  readonly epoch: number;
}

export interface Entry {
  readonly kind: 'record' | 'filemark';
  /** Of a record: what is stored is not the host's data but what the drive made of it. */
  readonly encrypted: boolean;
  readonly offset: number;
  readonly length: number;
  readonly recordCrc: number;
  readonly file: number;
  readonly epoch: number;
}

const HEADER_CRC_AT = MAP_BLOCK - 4;
const SLOT_CRC_AT = 60;
const ENTRY_CRC_AT = 28;

export function encodeHeader(header: Header): Uint8Array {
  const block = MapHeader.encode({ ...header, magic: MAP_MAGIC, version: MAP_VERSION });
  MapHeader.crc.set(viewOf(block), 0, crc32c(block.subarray(0, HEADER_CRC_AT)));
  return block;
}

/** @throws FormatError `corrupt` or `unsupported` (a later version) */
export function decodeHeader(block: Uint8Array, where: string): Header {
  const view = viewOf(block);
  check(MapHeader.magic.get(view, 0) === MAP_MAGIC, where, 'not the map of a virtual cartridge');
  const sum = crc32c(block.subarray(0, HEADER_CRC_AT));
  check(MapHeader.crc.get(view, 0) === sum, where, 'header checksum does not match');
  const version = MapHeader.version.get(view, 0);
  if (version !== MAP_VERSION) {
    throw new FormatError('unsupported', where, `map version ${version}, this program reads ${MAP_VERSION}`);
  }
  for (const field of [MapHeader.capacity, MapHeader.earlyWarningZone]) {
    check(fitsNumber(view, field.offset), where, 'size above 2^53');
  }
  const fields = MapHeader.decodeAll(view);
  check(fields.earlyWarningZone <= fields.capacity, where, 'early warning zone larger than the capacity');
  const { capacity, earlyWarningZone, worm } = fields;
  return { id: fields.id.slice(), capacity, earlyWarningZone, worm };
}

/** Checksum that every slot and entry of a cartridge goes on from. */
export const idSeed = (id: Uint8Array): number => crc32c(id);

/** A slot's whole block. */
export function encodeSlot(slot: Slot, seed: number): Uint8Array {
  const block = new Uint8Array(MAP_BLOCK);
  const view = viewOf(block);
  MapSlot.write(view, 0, slot);
  MapSlot.crc.set(view, 0, crc32c(block.subarray(0, SLOT_CRC_AT), seed));
  return block;
}

/** `undefined`: torn or damaged. */
export function decodeSlot(block: Uint8Array, seed: number): Slot | undefined {
  const view = viewOf(block);
  if (MapSlot.crc.get(view, 0) !== crc32c(block.subarray(0, SLOT_CRC_AT), seed)) return undefined;
  for (const field of [MapSlot.sequence, MapSlot.objects, MapSlot.dataEnd]) {
    if (!fitsNumber(view, field.offset)) return undefined;
  }
  const { sequence, objects, dataEnd, files, epoch } = MapSlot.decodeAll(view);
  return { sequence, objects, dataEnd, files, epoch };
}

/** Whether the little-endian 64 bits at byte `at` are below 2^53. */
const fitsNumber = (view: DataView, at: number): boolean => view.getUint32(at + 4, true) < 0x20_0000;

const checked = new Uint8Array(8 + ENTRY_CRC_AT);
const checkedView = viewOf(checked);
const indexField = u64le(0);

function entryCrc(view: DataView, at: number, index: number, seed: number): number {
  indexField.set(checkedView, 0, index);
  checked.set(bytesOf(view, at, ENTRY_CRC_AT), 8);
  return crc32c(checked, seed);
}

/** Writes entry `index` at byte `at`. */
export function writeEntry(view: DataView, at: number, index: number, entry: Entry, seed: number): void {
  bytesOf(view, at, MAP_ENTRY_BYTES).fill(0);
  dataOffset.set(view, at, entry.offset);
  length.set(view, at, entry.length);
  recordCrc.set(view, at, entry.recordCrc);
  file.set(view, at, entry.file);
  kind.set(view, at, entry.kind === 'filemark' ? 2 : entry.encrypted ? 3 : 1);
  epoch.set(view, at, entry.epoch);
  crc.set(view, at, entryCrc(view, at, index, seed));
}

/** Entry `index` at byte `at`; `undefined`: its checksum does not match or it makes no sense. */
export function readEntry(view: DataView, at: number, index: number, seed: number): Entry | undefined {
  if (crc.get(view, at) !== entryCrc(view, at, index, seed) || !fitsNumber(view, at + dataOffset.offset))
    return undefined;
  const k = kind.get(view, at);
  const bytes = length.get(view, at);
  const isRecord = k === 1 || k === 3;
  if (isRecord ? bytes === 0 || bytes > RECORD_BYTES_MAX : k !== 2 || bytes !== 0) return undefined;
  return {
    kind: isRecord ? 'record' : 'filemark',
    encrypted: k === 3,
    offset: dataOffset.get(view, at),
    length: bytes,
    recordCrc: recordCrc.get(view, at),
    file: file.get(view, at),
    epoch: epoch.get(view, at),
  };
}
