/**
 * Members of ZFS pools, by the ring of uberblocks in the first label; pool and its id from the label's name-value list.
 * OpenZFS module/zfs/vdev_label.c; sys/vdev_impl.h; the list is XDR (RFC 4506) as in module/nvpair/nvpair.c.
 */
import { bytesOf } from '../../bytes/layout.ts';
import { bytes, KiB } from '../../bytes/units.ts';
import type { NotWalkable } from '../filesystem.ts';
import { type Look, peek } from './peek.ts';

const UBERBLOCK_MAGIC = 0x00ba_b10cn;
const RING_AT = 128 * KiB;
const RING_BYTES = 128 * KiB;
const SLOT_BYTES = KiB;
/** blkid wants as many: a stray one is no pool. */
const UBERBLOCKS_MIN = 4;
const LIST_AT = 16 * KiB;
const LIST_BYTES = 112 * KiB;

export async function recogniseZfs(look: Look): Promise<NotWalkable | undefined> {
  const ring = await peek(look, bytes(RING_AT), bytes(RING_BYTES));
  if (ring === undefined) return undefined;
  let found = 0;
  for (let at = 0; at < RING_BYTES; at += SLOT_BYTES)
    if (ring.getBigUint64(at, true) === UBERBLOCK_MAGIC || ring.getBigUint64(at) === UBERBLOCK_MAGIC) found++;
  if (found < UBERBLOCKS_MIN) return undefined;
  const list = await look.readAt(bytes(LIST_AT), bytes(LIST_BYTES), look.signal);
  const { name = '', guid = '' } = poolOf(list);
  return {
    identity: { type: 'zfs_member', uuid: guid, label: name, blockSize: bytes(512), byteLength: look.volumeBytes },
    reason: 'it is a member of a ZFS pool, whose files cannot be indexed',
  };
}

const TYPE_UINT64 = 8;
const TYPE_STRING = 9;
const XDR_ENCODING = 1;

/** Name and id of the pool: pairs of the outermost list. What does not parse is left out. */
function poolOf(list: DataView): { readonly name?: string; readonly guid?: string } {
  const out: { name?: string; guid?: string } = {};
  if (list.getUint8(0) !== XDR_ENCODING) return out;
  // Four bytes of encoding, then version and flags of the list; each pair begins with its size.
  for (let at = 12; at + 12 <= list.byteLength; ) {
    const size = list.getUint32(at);
    if (size < 20 || at + size > list.byteLength) return out;
    const nameLength = list.getUint32(at + 8);
    const valueAt = at + 12 + 4 * Math.ceil(nameLength / 4);
    if (valueAt + 16 > at + size) return out;
    const name = textAt(list, at + 12, nameLength);
    const type = list.getUint32(valueAt);
    if (name === 'name' && type === TYPE_STRING) {
      const length = list.getUint32(valueAt + 8);
      if (valueAt + 12 + length <= at + size) out.name = textAt(list, valueAt + 12, length);
    }
    if (name === 'pool_guid' && type === TYPE_UINT64) out.guid = list.getBigUint64(valueAt + 8).toString();
    at += size;
  }
  return out;
}

const textAt = (view: DataView, at: number, length: number): string =>
  new TextDecoder().decode(bytesOf(view, at, length));
