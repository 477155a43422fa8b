/** Feature bits of ext2/3/4 and what this walker makes of them. Linux fs/ext4/ext4.h, "Feature set definitions". */

export const Compat = { hasJournal: 0x4, dirIndex: 0x20, sparseSuper2: 0x200, orphanFile: 0x1000 } as const;

export const Incompat = {
  compression: 0x1,
  filetype: 0x2,
  recover: 0x4,
  journalDev: 0x8,
  metaBg: 0x10,
  extents: 0x40,
  is64bit: 0x80,
  mmp: 0x100,
  flexBg: 0x200,
  eaInode: 0x400,
  dirdata: 0x1000,
  csumSeed: 0x2000,
  largedir: 0x4000,
  inlineData: 0x8000,
  encrypt: 0x1_0000,
  casefold: 0x2_0000,
} as const;

export const RoCompat = {
  sparseSuper: 0x1,
  gdtCsum: 0x10,
  quota: 0x100,
  bigalloc: 0x200,
  metadataCsum: 0x400,
  orphanPresent: 0x1_0000,
} as const;

/** As tune2fs prints them. */
const INCOMPAT_NAMES: Readonly<Record<number, string>> = {
  [Incompat.compression]: 'compression',
  [Incompat.journalDev]: 'journal_dev',
};

/** Read here, each with a test. */
const READ =
  Incompat.filetype |
  Incompat.recover |
  Incompat.metaBg |
  Incompat.extents |
  Incompat.is64bit |
  Incompat.mmp |
  Incompat.flexBg |
  Incompat.eaInode |
  Incompat.dirdata | // Lustre: what follows a name in its entry is passed over
  Incompat.csumSeed |
  Incompat.largedir |
  Incompat.inlineData |
  Incompat.encrypt |
  Incompat.casefold;

/** Names of the features in `incompat` that forbid reading, unknown ones as `FEATURE_I18` as e2fsprogs has them. */
export function unreadFeatures(incompat: number): string[] {
  const names: string[] = [];
  for (let bit = 0; bit < 32; bit++) {
    const mask = 2 ** bit;
    if ((incompat & mask) >>> 0 === 0 || (READ & mask) >>> 0 !== 0) continue;
    names.push(INCOMPAT_NAMES[mask] ?? `FEATURE_I${bit}`);
  }
  return names;
}

const EXT3_INCOMPAT = Incompat.filetype | Incompat.recover | Incompat.metaBg;
const EXT3_RO_COMPAT = 0x1 | 0x2 | 0x4; // sparse_super, large_file, btree_dir

/** What blkid calls it: the least of the three that knows its features. */
export function ext4Type(compat: number, incompat: number, roCompat: number): 'ext2' | 'ext3' | 'ext4' {
  if ((incompat & ~EXT3_INCOMPAT) !== 0 || (roCompat & ~EXT3_RO_COMPAT) !== 0) return 'ext4';
  return (compat & Compat.hasJournal) !== 0 ? 'ext3' : 'ext2';
}
