/** Physical volumes of LVM that are no part of a volume group that could be read. */
import { bytes } from '../../bytes/units.ts';
import type { NotWalkable } from '../filesystem.ts';
import { decodeLabel, LABEL_BYTES } from '../lvm/physical-volume.ts';
import { type Look, peek } from './peek.ts';

export async function recogniseLvm(look: Look): Promise<NotWalkable | undefined> {
  const head = await peek(look, 0, LABEL_BYTES);
  const label = head && decodeLabel(head);
  if (label === undefined) return undefined;
  return {
    identity: {
      type: 'LVM2_member',
      uuid: label.uuid,
      label: '',
      blockSize: bytes(512),
      byteLength: look.volumeBytes,
    },
    reason: 'it is a physical volume of LVM without a volume group that can be read here',
  };
}
