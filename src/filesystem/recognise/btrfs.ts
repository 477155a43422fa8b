/** btrfs, by its first superblock. Linux Documentation on btrfs, "On-disk Format"; include/uapi/linux/btrfs_tree.h. */
import { bytes, KiB } from '../../bytes/units.ts';
import type { NotWalkable } from '../filesystem.ts';
import { btrfs_super_block } from './layouts.ts';
import { type Look, latin1, peek, textOf, uuidOf } from './peek.ts';

const SB = btrfs_super_block;
const SUPER_AT = 64 * KiB;

export async function recogniseBtrfs(look: Look): Promise<NotWalkable | undefined> {
  const view = await peek(look, bytes(SUPER_AT), SB.byteLength);
  if (view === undefined || latin1(SB.magic.get(view, 0)) !== '_BHRfS_M') return undefined;
  const devices = SB.num_devices.get(view, 0);
  return {
    identity: {
      type: 'btrfs',
      uuid: uuidOf(SB.fsid.get(view, 0)),
      label: textOf(SB.label.get(view, 0)),
      blockSize: bytes(SB.sectorsize.get(view, 0)),
      byteLength: look.volumeBytes,
    },
    reason:
      devices > 1
        ? `files of btrfs are not indexed yet (it has ${devices} devices)`
        : 'files of btrfs are not indexed yet',
  };
}
