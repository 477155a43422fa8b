/**
 * Members of Linux software RAID arrays. include/uapi/linux/raid/md_p.h; where a superblock stands: drivers/md/md.c,
 * `super_90_load`, `super_1_load`.
 *
 * A mirror with its superblock at the end holds its filesystem from the first byte on, whole: it is left to the walkers.
 */
import { type Bytes, bytes, KiB } from '../../bytes/units.ts';
import type { NotWalkable } from '../filesystem.ts';
import { mdp_super, mdp_superblock_1 } from './layouts.ts';
import { type Look, peek, textOf, uuidOf } from './peek.ts';

const MAGIC = 0xa92b4efc;
const SECTOR = 512;
const MIRROR = 1;
const OLD_BYTES = 64 * KiB;

export async function recogniseMdMember(look: Look): Promise<NotWalkable | undefined> {
  return (await versionOne(look)) ?? versionZero(look);
}

/** Versions 1.1 (first byte), 1.2 (4 KiB on) and 1.0 (at least 8 KiB from the end). */
async function versionOne(look: Look): Promise<NotWalkable | undefined> {
  const S = mdp_superblock_1;
  const atEnd = endOf(look.volumeBytes);
  for (const sector of [0, 8, atEnd]) {
    const view = await peek(look, bytes(sector * SECTOR), S.byteLength);
    if (view === undefined || S.magic.get(view, 0) !== MAGIC || S.major_version.get(view, 0) !== 1) continue;
    const level = S.level.get(view, 0);
    if (S.super_offset.get(view, 0) !== sector) continue;
    if (level === MIRROR && sector === atEnd && S.data_offset.get(view, 0) === 0) return undefined;
    return member(look, level, uuidOf(S.set_uuid.get(view, 0)), textOf(S.set_name.get(view, 0)));
  }
  return undefined;
}

/** Sector of a superblock of version 1.0. */
const endOf = (volumeBytes: Bytes): number => {
  const sector = Math.floor(volumeBytes / SECTOR) - 16;
  return sector - (sector % 8);
};

async function versionZero(look: Look): Promise<NotWalkable | undefined> {
  const S = mdp_super;
  const at = Math.floor(look.volumeBytes / OLD_BYTES) * OLD_BYTES - OLD_BYTES;
  const view = await peek(look, bytes(at), S.byteLength);
  if (view === undefined || S.md_magic.get(view, 0) !== MAGIC || S.major_version.get(view, 0) !== 0) return undefined;
  const level = S.level.get(view, 0);
  if (level === MIRROR) return undefined;
  const uuid = Buffer.alloc(16);
  for (let word = 0; word < 4; word++) {
    // Four words of the machine that wrote them, printed highest byte first.
    const from = word === 0 ? S.set_uuid0.get(view, 0) : S.set_uuid1.get(view, 0).subarray(word * 4 - 4, word * 4);
    uuid.set(Buffer.from(from).reverse(), word * 4);
  }
  return member(look, level, uuidOf(uuid), '');
}

const member = (look: Look, level: number, uuid: string, label: string): NotWalkable => ({
  identity: { type: 'linux_raid_member', uuid, label, blockSize: bytes(SECTOR), byteLength: look.volumeBytes },
  reason: `it is a member of a Linux RAID array (${level < 0 ? 'linear' : `RAID${level}`}); back up the array to index its files`,
});
