/** exFAT, by its boot sector; its label from the root directory's first cluster. Microsoft exFAT file system specification. */
import { bytesOf } from '../../bytes/layout.ts';
import { bytes, KiB } from '../../bytes/units.ts';
import type { NotWalkable } from '../filesystem.ts';
import { ExfatBootSector, ExfatLabelEntry } from './layouts.ts';
import { type Look, latin1, peek, serialOf, textOf } from './peek.ts';

const B = ExfatBootSector;
const LABEL_ENTRY = 0x83;
const ROOT_BYTES_MAX = 64 * KiB;

export async function recogniseExfat(look: Look): Promise<NotWalkable | undefined> {
  const boot = await peek(look, 0, B.byteLength);
  if (boot === undefined || latin1(B.FileSystemName.get(boot, 0)) !== 'EXFAT   ') return undefined;
  const sectorShift = B.BytesPerSectorShift.get(boot, 0);
  const clusterShift = B.SectorsPerClusterShift.get(boot, 0);
  if (B.BootSignature.get(boot, 0) !== 0xaa55 || sectorShift < 9 || sectorShift > 12 || clusterShift > 25 - sectorShift)
    return undefined;
  const sectorBytes = 2 ** sectorShift;
  const clusterBytes = sectorBytes * 2 ** clusterShift;
  const cluster = B.FirstClusterOfRootDirectory.get(boot, 0);
  const at = B.ClusterHeapOffset.get(boot, 0) * sectorBytes + (cluster - 2) * clusterBytes;
  const root = await peek(look, bytes(at), bytes(Math.min(clusterBytes, ROOT_BYTES_MAX)));
  return {
    identity: {
      type: 'exfat',
      uuid: serialOf(B.VolumeSerialNumber.get(boot, 0)),
      label: root === undefined ? '' : labelOf(root),
      blockSize: bytes(clusterBytes),
      byteLength: look.volumeBytes,
    },
    reason: 'files of exFAT are not indexed yet',
  };
}

function labelOf(root: DataView): string {
  for (let at = 0; at + ExfatLabelEntry.byteLength <= root.byteLength; at += ExfatLabelEntry.byteLength) {
    const type = ExfatLabelEntry.EntryType.get(root, at);
    if (type === 0) return '';
    const length = ExfatLabelEntry.CharacterCount.get(root, at) * 2;
    const name = ExfatLabelEntry.VolumeLabel.get(root, at);
    if (type === LABEL_ENTRY && length <= name.length) return textOf(bytesOf(root, at + 2, length), 'utf-16le');
  }
  return '';
}
