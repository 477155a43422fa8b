/** Feature bits of XFS and what this walker makes of them. Linux fs/xfs/libxfs/xfs_format.h. */

/** sb_versionnum, version 4 only. */
export const Version4 = { sharedVersion: 0x0200, logV2: 0x0400, dirV2: 0x2000, moreBits: 0x8000 } as const;
/** sb_features2, version 4 only. */
export const Features2 = { lazyCount: 0x2, attr2: 0x8, projid32: 0x80, ftype: 0x200 } as const;
const FEATURES2_READ = 0x1 | 0x4 | Features2.lazyCount | Features2.attr2 | Features2.projid32 | Features2.ftype;

/** sb_features_incompat. */
export const Incompat = {
  ftype: 0x1,
  sparseInodes: 0x2,
  metaUuid: 0x4,
  bigtime: 0x8,
  needsRepair: 0x10,
  nrext64: 0x20,
  exchange: 0x40,
  parent: 0x80,
  metadir: 0x100,
  zoned: 0x200,
  zoneGaps: 0x400,
} as const;

/** As xfs_info and mkfs.xfs name them. */
const INCOMPAT_NAMES: Readonly<Record<number, string>> = {
  [Incompat.metadir]: 'metadir',
  [Incompat.zoned]: 'zoned',
  [Incompat.zoneGaps]: 'zone_gaps',
};
const INCOMPAT_READ =
  Incompat.ftype |
  Incompat.sparseInodes |
  Incompat.metaUuid |
  Incompat.bigtime |
  Incompat.needsRepair | // refused by a reason of its own
  Incompat.nrext64 |
  Incompat.exchange |
  Incompat.parent;

/** sb_features_log_incompat: what a log may hold besides. Attribute intents are read. */
export const LogIncompat = { xattrs: 0x1 } as const;

/** Names of the features that forbid reading, unknown ones as `incompat bit 18`. */
export function unreadFeatures(version: number, features2: number, incompat: number): string[] {
  if (version === 5) return bitNames(incompat, INCOMPAT_READ, 'incompat');
  return bitNames(features2, FEATURES2_READ, 'features2');
}

/** Names of the bits of `mask` that are not in `known`. */
export function bitNames(mask: number, known: number, word: string): string[] {
  const names: string[] = [];
  for (let bit = 0; bit < 32; bit++) {
    const one = 2 ** bit;
    if ((mask & one) >>> 0 === 0 || (known & one) >>> 0 !== 0) continue;
    names.push((word === 'incompat' ? INCOMPAT_NAMES[one] : undefined) ?? `${word} bit ${bit}`);
  }
  return names;
}
