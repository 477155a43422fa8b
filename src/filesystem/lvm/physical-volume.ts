/**
 * A physical volume of LVM2: its label, and the volume group's metadata that stands on it.
 * lvm2 lib/label/label.c, lib/format_text/format-text.c, `vgname_from_mda`, `raw_read_mda_header`.
 */
import { crc32 } from 'node:zlib';
import { FormatError } from '../../bytes/errors.ts';
import { bytesOf } from '../../bytes/layout.ts';
import { type Bytes, bytes } from '../../bytes/units.ts';
import type { ReadAt } from '../volume.ts';
import { disk_locn, label_header, mda_header, pv_header, raw_locn } from './layouts.ts';
import { parseText, type Section, TEXT_BYTES_MAX } from './text.ts';

const SECTOR = 512;
/** The label stands in one of these. */
const LABEL_SECTORS = 4;
export const LABEL_BYTES = bytes(LABEL_SECTORS * SECTOR);
const MDA_HEADER_BYTES = 512;
const MDA_MAGIC = ' LVM2 x[5A%r0N*>';
const IGNORED = 1;
/** Metadata areas of one physical volume: LVM makes two at most. */
const AREAS_MAX = 8;

export interface PhysicalVolumeLabel {
  /** With dashes, as `pvs` prints it. */
  readonly uuid: string;
  readonly metadataAreas: readonly { readonly offset: Bytes; readonly size: Bytes }[];
}

/** The label in the first sectors of a volume; undefined: it is no physical volume, or its label is damaged. */
export function decodeLabel(head: DataView): PhysicalVolumeLabel | undefined {
  for (let sector = 0; sector < LABEL_SECTORS && (sector + 1) * SECTOR <= head.byteLength; sector++) {
    const view = new DataView(head.buffer, head.byteOffset + sector * SECTOR, SECTOR);
    if (ascii(label_header.id.get(view, 0)) !== 'LABELONE' || ascii(label_header.type.get(view, 0)) !== 'LVM2 001')
      continue;
    const from = label_header.offset_xl.offset;
    const offset = label_header.offset_xl.get(view, 0);
    const right =
      lvmCrc(bytesOf(view, from)) === label_header.crc_xl.get(view, 0) &&
      view.getBigUint64(label_header.sector_xl.offset, true) === BigInt(sector) &&
      offset >= label_header.byteLength &&
      offset + pv_header.byteLength <= SECTOR;
    if (right) return decodePvHeader(view, offset);
  }
  return undefined;
}

function decodePvHeader(view: DataView, at: number): PhysicalVolumeLabel {
  const uuid = dashed(ascii(pv_header.pv_uuid.get(view, at)));
  const lists: { offset: Bytes; size: Bytes }[][] = [[]];
  for (let next = at + pv_header.byteLength; lists.length <= 2 && next + disk_locn.byteLength <= SECTOR; ) {
    if (view.getBigUint64(next, true) === 0n) lists.push([]);
    else lists[lists.length - 1].push(locationAt(view, next));
    next += disk_locn.byteLength;
  }
  return { uuid, metadataAreas: (lists[1] ?? []).slice(0, AREAS_MAX) };
}

/** A place above 2^53 is behind the end of every volume. */
function locationAt(view: DataView, at: number): { offset: Bytes; size: Bytes } {
  try {
    return { offset: bytes(disk_locn.offset.get(view, at)), size: bytes(disk_locn.size.get(view, at)) };
  } catch (error) {
    if (error instanceof RangeError) return { offset: Number.MAX_SAFE_INTEGER, size: 0 };
    throw error;
  }
}

/** The label of a volume; undefined: it is no physical volume. @throws FormatError `io` */
export async function readLabel(
  readAt: ReadAt,
  volumeBytes: Bytes,
  signal?: AbortSignal,
): Promise<PhysicalVolumeLabel | undefined> {
  return volumeBytes < LABEL_BYTES ? undefined : decodeLabel(await readAt(0, LABEL_BYTES, signal));
}

/** Bytes of metadata that may still be read of a disk: thousands of labels could name the same area. */
export interface MetadataBudget {
  bytesLeft: number;
}

/**
 * The volume group's metadata, one for each area that has some. `damaged`: told of each area that cannot be used.
 * @throws FormatError never: what cannot be read is damaged
 */
export async function readMetadata(
  readAt: ReadAt,
  volumeBytes: Bytes,
  { uuid, metadataAreas }: PhysicalVolumeLabel,
  budget: MetadataBudget,
  damaged: (words: string) => void,
  signal?: AbortSignal,
): Promise<Section[]> {
  const out: Section[] = [];
  for (const area of metadataAreas) {
    const where = `metadata of physical volume ${uuid} at byte ${area.offset}`;
    try {
      const text = await readArea(readAt, volumeBytes, area, where, budget, signal);
      if (text !== undefined) out.push(parseText(text, where));
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      damaged(error.message);
    }
  }
  return out;
}

/** The committed text of a metadata area; undefined when it has none. @throws FormatError when it is damaged */
async function readArea(
  readAt: ReadAt,
  volumeBytes: Bytes,
  { offset, size }: { readonly offset: Bytes; readonly size: Bytes },
  where: string,
  budget: MetadataBudget,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const must = (condition: boolean, what: string): void => {
    if (!condition) throw new FormatError('corrupt', where, what);
  };
  must(size > MDA_HEADER_BYTES && offset + size <= volumeBytes, `an area of ${size} bytes ends past the volume`);
  const header = await readAt(offset, bytes(MDA_HEADER_BYTES), signal);
  const from = mda_header.magic.offset;
  must(lvmCrc(bytesOf(header, from)) === mda_header.checksum_xl.get(header, 0), 'checksum of its header wrong');
  must(ascii(mda_header.magic.get(header, 0)) === MDA_MAGIC, 'no metadata header');
  must(mda_header.version.get(header, 0) === 1, `version ${mda_header.version.get(header, 0)}, only 1 is known`);
  const location = rawLocation(header, where);
  if (location === undefined) return undefined;
  const { start, length, checksum } = location;
  must(start >= MDA_HEADER_BYTES && start < size && length <= size - MDA_HEADER_BYTES, 'its text lies outside it');
  must(length <= TEXT_BYTES_MAX, `its text has ${length} bytes`);
  if (length > budget.bytesLeft) throw new FormatError('unsupported', where, 'more metadata than is read of one disk');
  budget.bytesLeft -= length;
  const text = new Uint8Array(length);
  // The area is a ring behind its header.
  const first = Math.min(length, size - start);
  text.set(bytesOf(await readAt(bytes(offset + start), bytes(first), signal)));
  if (first < length)
    text.set(bytesOf(await readAt(bytes(offset + MDA_HEADER_BYTES), bytes(length - first), signal)), first);
  must(lvmCrc(text) === checksum, 'checksum of its text wrong');
  return new TextDecoder().decode(text);
}

interface RawLocation {
  readonly start: number;
  readonly length: number;
  readonly checksum: number;
}

/** The first location is that of the committed text. */
function rawLocation(header: DataView, where: string): RawLocation | undefined {
  const at = mda_header.byteLength;
  if ((raw_locn.flags.get(header, at) & IGNORED) !== 0) return undefined;
  try {
    const start = raw_locn.offset.get(header, at);
    if (start === 0) return undefined;
    return { start, length: raw_locn.size.get(header, at), checksum: raw_locn.checksum.get(header, at) };
  } catch (cause) {
    if (cause instanceof RangeError) throw new FormatError('corrupt', where, 'its text lies outside it', { cause });
    throw cause;
  }
}

/** CRC-32 with LVM's start value and without the inversions. lib/misc/crc.c, INITIAL_CRC. */
export const lvmCrc = (data: Uint8Array): number => ~crc32(data, ~0xf597_a6cf >>> 0) >>> 0;

const ascii = (data: Uint8Array): string => Buffer.from(data).toString('latin1');

/** 32 characters as LVM prints an id. */
export const dashed = (id: string): string =>
  id.replace(/^(.{6})(.{4})(.{4})(.{4})(.{4})(.{4})(.{6})$/, '$1-$2-$3-$4-$5-$6-$7');
