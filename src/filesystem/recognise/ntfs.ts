/** NTFS, by its boot sector; its label from the file $Volume. Linux fs/ntfs3/super.c, `ntfs_init_from_boot`. */
import { bytesOf } from '../../bytes/layout.ts';
import { bytes } from '../../bytes/units.ts';
import type { NotWalkable } from '../filesystem.ts';
import { NtfsAttribute, NtfsBootSector, NtfsRecord } from './layouts.ts';
import { isPowerOfTwo, type Look, latin1, peek, textOf } from './peek.ts';

/** Record 3 of the file table. */
const VOLUME_RECORD = 3;
const VOLUME_NAME = 0x60;
const RECORD_BYTES_MAX = 4096;

export async function recogniseNtfs(look: Look): Promise<NotWalkable | undefined> {
  const boot = await peek(look, 0, NtfsBootSector.byteLength);
  if (boot === undefined || latin1(NtfsBootSector.system_id.get(boot, 0)) !== 'NTFS    ') return undefined;
  const sectorBytes = NtfsBootSector.bytes_per_sector.get(boot, 0);
  const perCluster = NtfsBootSector.sectors_per_clusters.get(boot, 0);
  const sectors = perCluster > 0x80 ? 2 ** (0x100 - perCluster) : perCluster;
  if (!isPowerOfTwo(sectorBytes) || sectorBytes < 256 || !isPowerOfTwo(sectors)) return undefined;
  const serial = Buffer.from(NtfsBootSector.serial_num.get(boot, 0)).reverse().toString('hex').toUpperCase();
  const clusterBytes = sectorBytes * sectors;
  return {
    identity: {
      type: 'ntfs',
      uuid: serial,
      label: (await labelOf(look, boot, clusterBytes)) ?? '',
      blockSize: bytes(clusterBytes),
      byteLength: look.volumeBytes,
    },
    reason: 'files of NTFS are not indexed yet',
  };
}

async function labelOf(look: Look, boot: DataView, clusterBytes: number): Promise<string | undefined> {
  const raw = NtfsBootSector.record_size.get(boot, 0);
  const recordBytes = raw > 0x80 ? 2 ** (0x100 - raw) : raw * clusterBytes;
  if (recordBytes < 256 || recordBytes > RECORD_BYTES_MAX) return undefined;
  const table = firstCluster(boot);
  if (table === undefined) return undefined;
  const record = await peek(look, bytes(table * clusterBytes + VOLUME_RECORD * recordBytes), bytes(recordBytes));
  if (record === undefined || latin1(NtfsRecord.sign.get(record, 0)) !== 'FILE') return undefined;
  for (let at = NtfsRecord.attr_off.get(record, 0); at + NtfsAttribute.byteLength <= recordBytes; ) {
    const size = NtfsAttribute.size.get(record, at);
    if (size < NtfsAttribute.byteLength || at + size > recordBytes) return undefined;
    if (NtfsAttribute.type.get(record, at) === VOLUME_NAME && NtfsAttribute.non_res.get(record, at) === 0) {
      const from = NtfsAttribute.data_off.get(record, at);
      const length = NtfsAttribute.data_size.get(record, at);
      return from + length > size ? undefined : textOf(bytesOf(record, at + from, length), 'utf-16le');
    }
    at += size;
  }
  return undefined;
}

/** Cluster of the file table; undefined when it is a number that no volume has. */
function firstCluster(boot: DataView): number | undefined {
  try {
    return NtfsBootSector.mft_clst.get(boot, 0);
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
