/** Swap space, and a machine's memory that was suspended to it. Linux include/linux/swap.h; kernel/power/swap.c. */
import { bytesOf } from '../../bytes/layout.ts';
import { bytes } from '../../bytes/units.ts';
import type { NotWalkable } from '../filesystem.ts';
import { swap_header_info } from './layouts.ts';
import { type Look, latin1, peek, textOf, uuidOf } from './peek.ts';

/** The mark stands at the end of the first page, whose size is the machine's. */
const PAGE_BYTES = [4096, 8192, 16_384, 32_768, 65_536];
const MARK_BYTES = 10;
const INFO_AT = 1024;
const SWAP = ['SWAPSPACE2', 'SWAP-SPACE'];
const SUSPENDED = ['S1SUSPEND', 'S2SUSPEND', 'ULSUSPEND', 'LINHIB0001'];

export async function recogniseSwap(look: Look): Promise<NotWalkable | undefined> {
  for (const page of PAGE_BYTES) {
    const view = await peek(look, 0, page);
    if (view === undefined) return undefined;
    const mark = latin1(bytesOf(view, page - MARK_BYTES, MARK_BYTES));
    const suspended = SUSPENDED.some((one) => mark.startsWith(one));
    if (!suspended && !SWAP.includes(mark)) continue;
    const named = mark === SWAP[0] && swap_header_info.version.get(view, INFO_AT) === 1;
    return {
      identity: {
        type: suspended ? 'swsuspend' : 'swap',
        uuid: named ? uuidOf(swap_header_info.sws_uuid.get(view, INFO_AT)) : '',
        label: named ? textOf(swap_header_info.sws_volume.get(view, INFO_AT)) : '',
        blockSize: bytes(page),
        byteLength: look.volumeBytes,
      },
      reason: suspended ? 'it is the memory of a suspended machine' : 'it is swap space',
      holdsNoFiles: true,
    };
  }
  return undefined;
}
