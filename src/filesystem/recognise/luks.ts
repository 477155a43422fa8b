/** Encrypted volumes of cryptsetup. LUKS On-Disk Format 1.2.3; LUKS2 On-Disk Format 1.0. */
import { bytes } from '../../bytes/units.ts';
import type { NotWalkable } from '../filesystem.ts';
import { LuksHeader } from './layouts.ts';
import { type Look, latin1, peek } from './peek.ts';

const MAGIC = 'LUKS\xba\xbe';

export async function recogniseLuks(look: Look): Promise<NotWalkable | undefined> {
  const view = await peek(look, 0, LuksHeader.byteLength);
  if (view === undefined || latin1(LuksHeader.magic.get(view, 0)) !== MAGIC) return undefined;
  const version = LuksHeader.version.get(view, 0);
  if (version !== 1 && version !== 2) return undefined;
  return {
    identity: {
      type: 'crypto_LUKS',
      uuid: LuksHeader.uuid.get(view, 0),
      label: version === 2 ? LuksHeader.label.get(view, 0) : '',
      blockSize: bytes(512),
      byteLength: look.volumeBytes,
    },
    reason: `it is encrypted (LUKS${version}); back up the opened volume to index its files`,
  };
}
