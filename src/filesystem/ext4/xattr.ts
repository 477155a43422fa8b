/**
 * Extended attributes of ext4: entries in the inode after its fields, in a block shared by inodes, values in inodes of
 * their own (ea_inode). Linux fs/ext4/xattr.c, acl.c. What comes out is what setxattr(2) takes: whole names, and ACLs in
 * the form of linux/posix_acl_xattr.h.
 */
import { FormatError } from '../../bytes/errors.ts';
import { bytesOf, viewOf } from '../../bytes/layout.ts';
import type { Xattr } from '../filesystem.ts';
import { ext4_xattr_entry } from './layouts.ts';

const E = ext4_xattr_entry;

/** Longest value that Linux takes (XATTR_SIZE_MAX). */
export const XATTR_VALUE_MAX = 65536;

/** Prefixes by e_name_index; those of 2, 3 and 8 are whole names. */
const PREFIXES: Readonly<Record<number, string>> = {
  1: 'user.',
  2: 'system.posix_acl_access',
  3: 'system.posix_acl_default',
  4: 'trusted.',
  5: 'lustre.',
  6: 'security.',
  7: 'system.',
  8: 'system.richacl',
  9: 'encryption.',
  10: 'gnu.',
};
const ACL_ACCESS = 2;
const ACL_DEFAULT = 3;
const INDEX_SYSTEM = 7;

/** A value kept in inode `inode`. */
export interface ValueInInode {
  readonly name: Uint8Array;
  readonly nameIndex: number;
  readonly inode: number;
  readonly size: number;
}

export interface ParsedXattrs {
  readonly list: readonly Xattr[];
  readonly elsewhere: readonly ValueInInode[];
  /** The rest of inline data: `system.data`, which is not an attribute to the user. */
  readonly inlineData: Uint8Array | undefined;
  /** One clause for each entry that could not be used. */
  readonly problems: readonly string[];
}

/**
 * The entries in `area` from byte `first`; values lie at their offset from byte `valuesFrom`. Copies what it returns.
 * Ends at four zero bytes, at the end of the area, or at the first entry that is out of bounds.
 */
export function parseXattrs(area: DataView, first: number, valuesFrom: number): ParsedXattrs {
  const list: Xattr[] = [];
  const elsewhere: ValueInInode[] = [];
  const problems: string[] = [];
  let inlineData: Uint8Array | undefined;
  let at = first;
  while (at + 4 <= area.byteLength && area.getUint32(at, true) !== 0) {
    const nameLength = at + E.byteLength <= area.byteLength ? E.e_name_len.get(area, at) : Number.POSITIVE_INFINITY;
    if (at + E.byteLength + nameLength > area.byteLength) {
      problems.push(`extended attribute entry at byte ${at} ends past its area`);
      break;
    }
    const nameIndex = E.e_name_index.get(area, at);
    const suffix = bytesOf(area, at + E.byteLength, nameLength);
    const name = fullName(nameIndex, suffix);
    const size = E.e_value_size.get(area, at);
    const inode = E.e_value_inum.get(area, at);
    const offset = valuesFrom + E.e_value_offs.get(area, at);
    at += (E.byteLength + nameLength + 3) & ~3;
    if (name === undefined) problems.push(`extended attribute with unknown name index ${nameIndex}`);
    else if (size > XATTR_VALUE_MAX) problems.push(`extended attribute ${printable(name)} of ${size} bytes`);
    else if (inode !== 0) elsewhere.push({ name, nameIndex, inode, size });
    else if (size > 0 && offset + size > area.byteLength) {
      problems.push(`extended attribute ${printable(name)}: value ends past its area`);
    } else {
      const value = size === 0 ? new Uint8Array(0) : bytesOf(area, offset, size).slice();
      if (nameIndex === INDEX_SYSTEM && isData(suffix)) inlineData = value;
      else takeValue(list, problems, name, nameIndex, value);
    }
  }
  return { list, elsewhere, inlineData, problems };
}

/** Adds an attribute, its ACL converted. */
export function takeValue(
  list: Xattr[],
  problems: string[],
  name: Uint8Array,
  nameIndex: number,
  value: Uint8Array,
): void {
  if (nameIndex !== ACL_ACCESS && nameIndex !== ACL_DEFAULT) {
    list.push({ name, value });
    return;
  }
  try {
    list.push({ name, value: aclForSetxattr(value) });
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    problems.push(`${printable(name)}: ${error.what}`);
  }
}

function fullName(index: number, suffix: Uint8Array): Uint8Array | undefined {
  const prefix = PREFIXES[index];
  if (prefix === undefined) return undefined;
  const name = new Uint8Array(prefix.length + suffix.length);
  for (let i = 0; i < prefix.length; i++) name[i] = prefix.charCodeAt(i);
  name.set(suffix, prefix.length);
  return name;
}

const isData = (suffix: Uint8Array): boolean =>
  suffix.length === 4 && suffix[0] === 0x64 && suffix[1] === 0x61 && suffix[2] === 0x74 && suffix[3] === 0x61;

const printable = (name: Uint8Array): string => JSON.stringify(new TextDecoder().decode(name)).slice(1, -1);

const ACL_ON_DISK_VERSION = 1;
const ACL_XATTR_VERSION = 2;
const ACL_USER = 0x02;
const ACL_GROUP = 0x08;
const ACL_UNDEFINED_ID = 0xffff_ffff;

/**
 * ext4's ACL (fs/ext4/acl.h: version 1; entries of 4 bytes, 8 where they name a user or group) as setxattr(2) takes it
 * (version 2; entries of 8 bytes). @throws FormatError
 */
export function aclForSetxattr(onDisk: Uint8Array): Uint8Array {
  const view = viewOf(onDisk);
  if (onDisk.length < 4 || view.getUint32(0, true) !== ACL_ON_DISK_VERSION) {
    throw new FormatError('corrupt', 'ext4 ACL', 'version is not 1');
  }
  const entries: [tag: number, perm: number, id: number][] = [];
  for (let at = 4; at < onDisk.length; ) {
    const named = at + 4 <= onDisk.length && [ACL_USER, ACL_GROUP].includes(view.getUint16(at, true));
    const end = at + (named ? 8 : 4);
    if (end > onDisk.length) throw new FormatError('corrupt', 'ext4 ACL', `entry at byte ${at} is cut short`);
    entries.push([
      view.getUint16(at, true),
      view.getUint16(at + 2, true),
      named ? view.getUint32(at + 4, true) : ACL_UNDEFINED_ID,
    ]);
    at = end;
  }
  const out = new Uint8Array(4 + entries.length * 8);
  const to = viewOf(out);
  to.setUint32(0, ACL_XATTR_VERSION, true);
  entries.forEach(([tag, perm, id], i) => {
    to.setUint16(4 + i * 8, tag, true);
    to.setUint16(6 + i * 8, perm, true);
    to.setUint32(8 + i * 8, id, true);
  });
  return out;
}

/**
 * Parses the areas inside inodes, remembering the last few: on a volume with security labels every inode has the same one.
 */
export class XattrReader {
  readonly #known = new Map<string, ParsedXattrs>();

  /** `area`: from the first entry to the end of the inode; values count from the same byte. */
  inInode(area: DataView): ParsedXattrs {
    const data = bytesOf(area);
    const key = Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1');
    let parsed = this.#known.get(key);
    if (parsed === undefined) {
      parsed = parseXattrs(area, 0, 0);
      if (this.#known.size >= AREAS_KNOWN_MAX) this.#known.clear();
      this.#known.set(key, parsed);
    }
    return parsed;
  }
}
/** Areas remembered: at most 256 of 1 KiB each at usual inode sizes. */
const AREAS_KNOWN_MAX = 256;
