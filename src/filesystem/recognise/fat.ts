/** FAT12, FAT16 and FAT32 by their boot sector. Microsoft FAT specification (2005), 3 "Boot sector and BPB"; what makes one valid as in Linux fs/fat/inode.c. */
import { bytesOf } from '../../bytes/layout.ts';
import { type Bytes, bytes } from '../../bytes/units.ts';
import type { NotWalkable } from '../filesystem.ts';
import { FatBootSector, FatDirectoryEntry } from './layouts.ts';
import { isPowerOfTwo, type Look, latin1, peek, serialOf } from './peek.ts';

const B = FatBootSector;
const FAT32_CLUSTERS = 65_525;
const ATTR_VOLUME_ID = 0x08;
const ATTR_LONG_NAME = 0x0f;
/** Bytes of a root directory that are looked through for the label. */
const ROOT_BYTES_MAX = 64 * 1024;

export async function recogniseFat(look: Look): Promise<NotWalkable | undefined> {
  const boot = await peek(look, 0, B.byteLength);
  if (boot === undefined) return undefined;
  const fat = shapeOf(boot);
  if (fat === undefined || fat.sectors * fat.sectorBytes > look.volumeBytes) return undefined;
  const is32 = fat.rootEntries === 0;
  const own = (is32 ? B.BS_VolLab32 : B.BS_VolLab).get(boot, 0);
  const label = (await labelOf(look, boot, fat)) ?? labelText(own);
  return {
    identity: {
      type: 'vfat',
      uuid: serialOf((is32 ? B.BS_VolID32 : B.BS_VolID).get(boot, 0)),
      label: label === 'NO NAME' ? '' : label,
      blockSize: bytes(fat.clusterBytes),
      byteLength: bytes(fat.sectors * fat.sectorBytes),
    },
    reason: 'files of FAT are not indexed yet',
  };
}

interface Shape {
  readonly sectorBytes: Bytes;
  readonly clusterBytes: Bytes;
  readonly reserved: number;
  /** Sectors of all tables together. */
  readonly tables: number;
  readonly rootEntries: number;
  readonly sectors: number;
}

/** What the boot sector says, if it is one: there is no magic number, so every field must make sense. */
function shapeOf(boot: DataView): Shape | undefined {
  const sectorBytes = B.BPB_BytsPerSec.get(boot, 0);
  const perCluster = B.BPB_SecPerClus.get(boot, 0);
  const reserved = B.BPB_RsvdSecCnt.get(boot, 0);
  const media = B.BPB_Media.get(boot, 0);
  const tableSectors = B.BPB_FATSz16.get(boot, 0) || B.BPB_FATSz32.get(boot, 0);
  const tables = B.BPB_NumFATs.get(boot, 0) * tableSectors;
  const rootEntries = B.BPB_RootEntCnt.get(boot, 0);
  const sectors = B.BPB_TotSec16.get(boot, 0) || B.BPB_TotSec32.get(boot, 0);
  const sane =
    B.Signature.get(boot, 0) === 0xaa55 &&
    isPowerOfTwo(sectorBytes) &&
    sectorBytes >= 512 &&
    sectorBytes <= 4096 &&
    isPowerOfTwo(perCluster) &&
    reserved > 0 &&
    (media === 0xf0 || media >= 0xf8) &&
    tables > 0;
  if (!sane) return undefined;
  const root = Math.ceil((rootEntries * FatDirectoryEntry.byteLength) / sectorBytes);
  const clusters = Math.floor((sectors - reserved - tables - root) / perCluster);
  if (clusters < 1 || (rootEntries === 0 && B.BPB_FATSz16.get(boot, 0) !== 0)) return undefined;
  if (rootEntries > 0 && clusters >= FAT32_CLUSTERS) return undefined;
  return { sectorBytes, clusterBytes: bytes(sectorBytes * perCluster), reserved, tables, rootEntries, sectors };
}

/** The label in the root directory, or in the first cluster of it; undefined: none there. */
async function labelOf(look: Look, boot: DataView, fat: Shape): Promise<string | undefined> {
  const tablesEnd = (fat.reserved + fat.tables) * fat.sectorBytes;
  const is32 = fat.rootEntries === 0;
  const at = is32 ? tablesEnd + (B.BPB_RootClus.get(boot, 0) - 2) * fat.clusterBytes : tablesEnd;
  const length = is32 ? fat.clusterBytes : fat.rootEntries * FatDirectoryEntry.byteLength;
  const root = await peek(look, bytes(at), bytes(Math.min(length, ROOT_BYTES_MAX)));
  if (root === undefined) return undefined;
  for (let entry = 0; entry + FatDirectoryEntry.byteLength <= root.byteLength; entry += FatDirectoryEntry.byteLength) {
    const name = FatDirectoryEntry.DIR_Name.get(root, entry);
    if (name[0] === 0) return undefined;
    const attributes = FatDirectoryEntry.DIR_Attr.get(root, entry);
    const isLabel = (attributes & ATTR_VOLUME_ID) !== 0 && (attributes & ATTR_LONG_NAME) !== ATTR_LONG_NAME;
    if (isLabel && name[0] !== 0xe5) return labelText(name);
  }
  return undefined;
}

/** A label's bytes are of no stated code page: what is not ASCII is shown as Latin-1. */
const labelText = (name: Uint8Array): string =>
  latin1(bytesOf(new DataView(name.buffer, name.byteOffset, name.length))).trimEnd();
