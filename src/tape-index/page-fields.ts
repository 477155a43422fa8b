/** What writing and reading a page have in common: tape-index.proto in TypeScript. */

/** Field numbers of tape-index.proto, `Page`. */
export const PageField = {
  pageCount: 1,
  nextName: 2,
  nameLead: 3,
  nameMore: 4,
  nameBytes: 5,
  nameRow: 6,
  inodeStep: 7,
  extentStart: 8,
  classMode: 9,
  classUid: 10,
  classGid: 11,
  classOf: 12,
  generation: 13,
  size: 14,
  ctimeStep: 15,
  mtimeOffset: 16,
  mtimeStep: 17,
  atimeOffset: 18,
  atimeStep: 19,
  ctimeNs: 20,
  mtimeNsOffset: 21,
  mtimeNs: 22,
  atimeNsOffset: 23,
  atimeNs: 24,
  linkRow: 25,
  linkCount: 26,
  deviceRow: 27,
  deviceMajor: 28,
  deviceMinor: 29,
  flagRow: 30,
  flagBits: 31,
  unitShift: 32,
  extentCount: 33,
  extentKind: 34,
  extentGap: 35,
  extentLength: 36,
  recordRow: 37,
  literals: 38,
  xattrRow: 39,
  xattrIndex: 40,
  xattrName: 41,
  xattrValue: 42,
  problemRow: 43,
  problemIndex: 44,
  problemText: 45,
  namePlace: 46,
  ctimeBase: 47,
  ctimeStepNs: 48,
  mtimeOffsetNs: 49,
  atimeOffsetNs: 50,
} as const;

/** The length that a row's last extent has if nothing else is said; in units, of a literal in bytes. */
export const expectedLength = (size: number, fileOffset: number, literal: boolean, unit: number): number =>
  Math.max(0, literal ? size - fileOffset : Math.ceil((size - fileOffset) / unit));

/** The value of half a byte of `name_lead` after which `name_more` goes on. */
export const NIBBLE_MORE = 15;
