/**
 * What is on a volume that no walker reads: named by its magic number, with label and id, and copied whole for that reason.
 * In two parts, since a member of an array may begin with bytes that look like a filesystem.
 */
import type { NotWalkable, OpenFilesystem } from '../filesystem.ts';
import { recogniseBtrfs } from './btrfs.ts';
import { recogniseExfat } from './exfat.ts';
import { recogniseFat } from './fat.ts';
import { recogniseLuks } from './luks.ts';
import { recogniseLvm } from './lvm.ts';
import { recogniseMagic } from './magics.ts';
import { recogniseMdMember } from './md.ts';
import { recogniseNtfs } from './ntfs.ts';
import type { Look } from './peek.ts';
import { recogniseSwap } from './swap.ts';
import { recogniseZfs } from './zfs.ts';

type Recognise = (look: Look) => Promise<NotWalkable | undefined>;

const first =
  (all: readonly Recognise[]): OpenFilesystem =>
  async (readAt, volumeBytes, signal) => {
    for (const recognise of all) {
      const found = await recognise({ readAt, volumeBytes, signal }).catch(nonsense);
      if (found !== undefined) return found;
    }
    return undefined;
  };

/** A number that no volume has (a layout throws above 2^53): the magic number was a coincidence. */
function nonsense(error: unknown): undefined {
  if (error instanceof RangeError) return undefined;
  throw error;
}

/** Before the walkers: what only looks like a filesystem. */
export const recogniseMember: OpenFilesystem = first([recogniseMdMember, recogniseLuks, recogniseLvm]);

/** After them: everything else that is known by name. */
export const recogniseOther: OpenFilesystem = first([
  recogniseSwap,
  recogniseNtfs,
  recogniseExfat,
  recogniseBtrfs,
  recogniseZfs,
  recogniseMagic,
  recogniseFat,
]);
