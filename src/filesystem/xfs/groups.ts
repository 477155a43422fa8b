/** The headers of the allocation groups: where the free space and inode btrees begin. Linux fs/xfs/libxfs/xfs_alloc.c, xfs_ialloc.c. */
import { FormatError } from '../../bytes/errors.ts';
import type { Bytes } from '../../bytes/units.ts';
import type { ReadAt } from '../volume.ts';
import { selfTrouble } from './checksum.ts';
import { AGI_UNLINKED_BUCKETS, NULLAGINO, XFS_AGF_MAGIC, XFS_AGI_MAGIC, xfs_agf, xfs_agi } from './layouts.ts';
import { agBlocksOf, agFirstBlock, type Geometry } from './superblock.ts';

/** Root of a btree within its group. */
export interface TreeRoot {
  readonly block: number;
  readonly levels: number;
}

/** One group as its headers have it; a header that cannot be used is its reason. */
export interface Group {
  readonly ag: number;
  readonly freeSpace: TreeRoot | string;
  readonly inodes: TreeRoot | string;
  /** Inodes in use. */
  readonly usedInodes: number;
  /** Inodes are open that have no name. */
  readonly hasUnlinked: boolean;
}

/** No btree of XFS has more levels. */
const LEVELS_MAX = 9;

/** Reads AGF and AGI of a group, in one read. */
export async function readGroup(g: Geometry, readAt: ReadAt, ag: number, signal?: AbortSignal): Promise<Group> {
  const base = agFirstBlock(g, ag) * g.blockSize;
  let view: DataView;
  try {
    view = await readAt(base + g.sectorSize, 2 * g.sectorSize, signal);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    const reason = `headers cannot be read: ${error.what}`;
    return { ag, freeSpace: reason, inodes: reason, usedInodes: 0, hasUnlinked: false };
  }
  const inodes = readAgi(g, view, g.sectorSize, ag, base + 2 * g.sectorSize);
  const isAgi = typeof inodes !== 'string';
  const count = isAgi ? xfs_agi.agi_count.get(view, g.sectorSize) : 0;
  const free = isAgi ? xfs_agi.agi_freecount.get(view, g.sectorSize) : 0;
  return {
    ag,
    freeSpace: readAgf(g, view, 0, ag, base + g.sectorSize),
    inodes,
    usedInodes: Math.max(0, count - free),
    hasUnlinked: isAgi && hasUnlinked(view, g.sectorSize),
  };
}

function readAgf(g: Geometry, view: DataView, at: number, ag: number, address: Bytes): TreeRoot | string {
  const F = xfs_agf;
  if (F.agf_magicnum.get(view, at) !== XFS_AGF_MAGIC) return 'AGF: wrong magic';
  const trouble = headerTrouble(g, view, at, ag, address, { uuid: F.agf_uuid, crc: F.agf_crc });
  if (trouble !== undefined) return `AGF: ${trouble}`;
  return rootOf(g, ag, F.agf_bno_root.get(view, at), F.agf_bno_level.get(view, at)) ?? 'AGF: root outside the group';
}

function readAgi(g: Geometry, view: DataView, at: number, ag: number, address: Bytes): TreeRoot | string {
  const I = xfs_agi;
  if (I.agi_magicnum.get(view, at) !== XFS_AGI_MAGIC) return 'AGI: wrong magic';
  const trouble = headerTrouble(g, view, at, ag, address, { uuid: I.agi_uuid, crc: I.agi_crc });
  if (trouble !== undefined) return `AGI: ${trouble}`;
  return rootOf(g, ag, I.agi_root.get(view, at), I.agi_level.get(view, at)) ?? 'AGI: root outside the group';
}

/** AGF and AGI begin alike: magic, version, number of the group, its length. */
function headerTrouble(
  g: Geometry,
  view: DataView,
  at: number,
  ag: number,
  address: Bytes,
  fields: { readonly uuid: { readonly offset: number }; readonly crc: { readonly offset: number } },
): string | undefined {
  if (g.version === 5) {
    const trouble = selfTrouble(view, at, g.sectorSize, address, fields, g.metaUuid);
    if (trouble !== undefined) return trouble;
  }
  const F = xfs_agf;
  if (F.agf_versionnum.get(view, at) !== 1) return `version ${F.agf_versionnum.get(view, at)}`;
  if (F.agf_seqno.get(view, at) !== ag) return `says it is of group ${F.agf_seqno.get(view, at)}`;
  const length = F.agf_length.get(view, at);
  return length === agBlocksOf(g, ag) ? undefined : `${length} blocks, expected ${agBlocksOf(g, ag)}`;
}

function rootOf(g: Geometry, ag: number, block: number, levels: number): TreeRoot | undefined {
  const isInside = block > 0 && block < agBlocksOf(g, ag) && levels >= 1 && levels <= LEVELS_MAX;
  return isInside ? { block, levels } : undefined;
}

function hasUnlinked(view: DataView, at: number): boolean {
  for (let i = 0; i < AGI_UNLINKED_BUCKETS; i++) {
    if (view.getUint32(at + xfs_agi.agi_unlinked.offset + 4 * i) !== NULLAGINO) return true;
  }
  return false;
}
