/**
 * Extended attributes of XFS: all inside the inode, or in leaf blocks, long values in blocks of their own. Linux
 * fs/xfs/libxfs/xfs_attr_leaf.c, xfs_attr_remote.c, fs/xfs/xfs_xattr.c, xfs_acl.c. What comes out is what listxattr(2) and
 * getxattr(2) give root.
 */
import { FormatError } from '../../bytes/errors.ts';
import { bytesOf, viewOf } from '../../bytes/layout.ts';
import type { Bytes } from '../../bytes/units.ts';
import type { Xattr } from '../filesystem.ts';
import { equalsU64, selfTrouble } from './checksum.ts';
import {
  ATTR_LEAF_HEADER,
  ATTR_LEAF_MAGIC,
  AttrFlag,
  DA_BLKINFO,
  DA_NODE_DEPTH_MAX,
  DA_NODE_ENTRY,
  DA_NODE_HEADER,
  DA_NODE_MAGIC,
  XFS_ATTR3_RMT_MAGIC,
  xfs_attr_leaf_entry,
  xfs_da3_blkinfo,
  xfs_remote_hdr,
} from './layouts.ts';
import type { Geometry } from './superblock.ts';

/** Longest value that Linux takes (XATTR_SIZE_MAX). */
const VALUE_MAX = 65536;

/** A value kept in blocks of the attribute fork. */
export interface RemoteValue {
  readonly name: Uint8Array;
  readonly flags: number;
  /** First block of the fork. */
  readonly block: number;
  readonly size: Bytes;
}

export interface ParsedAttributes {
  readonly list: readonly Xattr[];
  /** One clause for each entry that could not be used. */
  readonly problems: readonly string[];
}

/** Parses attributes inside inodes, remembering the last few: with security labels every inode has the same ones. */
export class AttributeReader {
  readonly #known = new Map<string, ParsedAttributes>();

  /** The short form in `room` bytes at `at`. */
  inInode(view: DataView, at: number, room: number): ParsedAttributes {
    const bytes = room < SHORT_HEADER ? 0 : Math.min(room, view.getUint16(at));
    const key = Buffer.from(view.buffer, view.byteOffset + at, bytes).toString('latin1');
    let parsed = this.#known.get(key);
    if (parsed === undefined) {
      parsed = parseShort(view, at, room);
      if (this.#known.size >= KNOWN_MAX) this.#known.clear();
      this.#known.set(key, parsed);
    }
    return parsed;
  }
}
/** Forms remembered: at most 256 of 2 KiB each. */
const KNOWN_MAX = 256;

/** `struct xfs_attr_sf_hdr`: total size, count. */
const SHORT_HEADER = 4;
/** `struct xfs_attr_sf_entry`: lengths of name and value, flags. */
const SHORT_ENTRY = 3;

function parseShort(view: DataView, at: number, room: number): ParsedAttributes {
  const list: Xattr[] = [];
  const problems: string[] = [];
  const bytes = room < SHORT_HEADER ? 0 : view.getUint16(at);
  if (bytes < SHORT_HEADER || bytes > room) {
    return { list, problems: [`extended attributes of ${bytes} bytes in an inode's ${room}`] };
  }
  const count = view.getUint8(at + 2);
  const end = at + bytes;
  let entry = at + SHORT_HEADER;
  for (let i = 0; i < count; i++) {
    const nameLength = entry + SHORT_ENTRY <= end ? view.getUint8(entry) : 0;
    const valueLength = entry + SHORT_ENTRY <= end ? view.getUint8(entry + 1) : 0;
    const next = entry + SHORT_ENTRY + nameLength + valueLength;
    if (nameLength === 0 || next > end) {
      problems.push(`extended attribute ${i} of ${count} ends past the others`);
      break;
    }
    const name = bytesOf(view, entry + SHORT_ENTRY, nameLength);
    const value = bytesOf(view, entry + SHORT_ENTRY + nameLength, valueLength);
    takeAttribute(list, problems, view.getUint8(entry + 2), name, value);
    entry = next;
  }
  return { list, problems };
}

/** What a block of the attribute fork is, its header checked. */
export function attributeBlockKind(
  g: Geometry,
  view: DataView,
  at: number,
  address: Bytes,
  inode: number,
): 'leaf' | 'node' | { readonly trouble: string } {
  const I = xfs_da3_blkinfo;
  const magic = I.magic.get(view, at);
  const version = g.version - 4;
  if (magic !== ATTR_LEAF_MAGIC[version] && magic !== DA_NODE_MAGIC[version]) return { trouble: 'wrong magic' };
  if (g.version === 5) {
    const trouble = selfTrouble(view, at, g.blockSize, address, I, g.metaUuid);
    if (trouble !== undefined) return { trouble };
    if (!equalsU64(view, at + I.owner.offset, inode)) return { trouble: 'belongs to another inode' };
  }
  return magic === ATTR_LEAF_MAGIC[version] ? 'leaf' : 'node';
}

/** Gives the blocks below a node to `take`. @param depth nodes above it. */
export function readAttributeNode(
  g: Geometry,
  view: DataView,
  at: number,
  depth: number,
  take: (block: number) => void,
): string | undefined {
  const info = DA_BLKINFO[g.version - 4];
  const count = view.getUint16(at + info);
  const level = view.getUint16(at + info + 2);
  const header = DA_NODE_HEADER[g.version - 4];
  const room = Math.floor((g.blockSize - header) / DA_NODE_ENTRY);
  if (count > room) return `${count} entries, room for ${room}`;
  if (level === 0 || level + depth > DA_NODE_DEPTH_MAX) return `level ${level} at depth ${depth}`;
  for (let i = 0; i < count; i++) take(view.getUint32(at + header + i * DA_NODE_ENTRY + 4));
  return undefined;
}

/** The attributes of a leaf; those with their values elsewhere go to `remote`. */
export function readAttributeLeaf(
  g: Geometry,
  view: DataView,
  at: number,
  remote: (value: RemoteValue) => void,
): ParsedAttributes {
  const list: Xattr[] = [];
  const problems: string[] = [];
  const E = xfs_attr_leaf_entry;
  const header = ATTR_LEAF_HEADER[g.version - 4];
  const count = view.getUint16(at + DA_BLKINFO[g.version - 4]);
  const room = Math.floor((g.blockSize - header) / E.byteLength);
  if (count > room) return { list, problems: [`${count} attributes in a block, room for ${room}`] };
  for (let i = 0; i < count; i++) {
    const entry = at + header + i * E.byteLength;
    const flags = E.flags.get(view, entry);
    const trouble = readLeafValue(g, view, at, E.nameidx.get(view, entry), flags, list, problems, remote);
    if (trouble !== undefined) problems.push(`extended attribute ${i} of ${count}: ${trouble}`);
  }
  return { list, problems };
}

/** `struct xfs_attr_leaf_name_local`: length of value, of name. `xfs_attr_leaf_name_remote`: block, length of value, of name. */
const LOCAL_NAME = 3;
const REMOTE_NAME = 9;

function readLeafValue(
  g: Geometry,
  view: DataView,
  block: number,
  index: number,
  flags: number,
  list: Xattr[],
  problems: string[],
  remote: (value: RemoteValue) => void,
): string | undefined {
  const at = block + index;
  const end = block + g.blockSize;
  const isLocal = (flags & AttrFlag.local) !== 0;
  const fixed = isLocal ? LOCAL_NAME : REMOTE_NAME;
  if (at + fixed > end) return 'outside its block';
  const nameLength = view.getUint8(at + fixed - 1);
  if (nameLength === 0 || at + fixed + nameLength > end) return `name of ${nameLength} bytes`;
  const name = bytesOf(view, at + fixed, nameLength);
  if (!isLocal) {
    const size = view.getUint32(at + 4);
    if (size > VALUE_MAX) return `value of ${size} bytes`;
    if (isShown(flags)) remote({ name: name.slice(), flags, block: view.getUint32(at), size });
    return undefined;
  }
  const size = view.getUint16(at);
  if (at + fixed + nameLength + size > end) return `value of ${size} bytes`;
  takeAttribute(list, problems, flags, name, bytesOf(view, at + fixed + nameLength, size));
  return undefined;
}

/** Parent pointers are the filesystem's own; an incomplete attribute was being set when the machine stopped. */
const isShown = (flags: number): boolean => (flags & (AttrFlag.parent | AttrFlag.incomplete)) === 0;

/** Bytes of a value that each of its blocks holds. */
export const valueBytesPerBlock = (g: Geometry): Bytes =>
  g.version === 5 ? g.blockSize - xfs_remote_hdr.byteLength : g.blockSize;

/** Copies the part of a remote value that begins at byte `done` of it from its block to `value`; says what is wrong. */
export function takeValueBlock(
  g: Geometry,
  view: DataView,
  at: number,
  address: Bytes,
  inode: number,
  done: Bytes,
  value: Uint8Array,
): string | undefined {
  const take = Math.min(value.length - done, valueBytesPerBlock(g));
  if (g.version === 4) {
    value.set(bytesOf(view, at, take), done);
    return undefined;
  }
  const H = xfs_remote_hdr;
  if (H.magic.get(view, at) !== XFS_ATTR3_RMT_MAGIC) return 'wrong magic';
  const trouble = selfTrouble(view, at, g.blockSize, address, H, g.metaUuid);
  if (trouble !== undefined) return trouble;
  if (!equalsU64(view, at + H.owner.offset, inode)) return 'belongs to another inode';
  if (H.offset.get(view, at) !== done) return `holds byte ${H.offset.get(view, at)}, expected ${done}`;
  if (H.bytes.get(view, at) < take) return `holds ${H.bytes.get(view, at)} bytes, expected ${take}`;
  value.set(bytesOf(view, at + H.byteLength, take), done);
  return undefined;
}

const encoder = new TextEncoder();
const USER = encoder.encode('user.');
const TRUSTED = encoder.encode('trusted.');
const SECURITY = encoder.encode('security.');
/** Names under which the kernel keeps ACLs, and the names that it shows them by, besides. */
const ACLS: Readonly<Record<string, Uint8Array>> = {
  SGI_ACL_FILE: encoder.encode('system.posix_acl_access'),
  SGI_ACL_DEFAULT: encoder.encode('system.posix_acl_default'),
};

/** Adds an attribute by the names that the kernel shows it by: an ACL has two. Copies. */
export function takeAttribute(
  list: Xattr[],
  problems: string[],
  flags: number,
  name: Uint8Array,
  value: Uint8Array,
): void {
  if (!isShown(flags)) return;
  if (name.includes(0)) {
    problems.push(`extended attribute ${printable(name)} has a NUL in its name`);
    return;
  }
  const isRoot = (flags & AttrFlag.root) !== 0;
  const acl = isRoot ? ACLS[printable(name)] : undefined;
  if (acl !== undefined) {
    try {
      list.push({ name: acl, value: aclForSetxattr(value) });
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      problems.push(`${printable(acl)}: ${error.what}`);
    }
  }
  const prefix = isRoot ? TRUSTED : (flags & AttrFlag.secure) !== 0 ? SECURITY : USER;
  if (prefix.length + name.length > NAME_MAX) {
    problems.push(`extended attribute ${printable(name)} has a name of ${prefix.length + name.length} bytes`);
    return;
  }
  const full = new Uint8Array(prefix.length + name.length);
  full.set(prefix);
  full.set(name, prefix.length);
  list.push({ name: full, value: value.slice() });
}
/** XATTR_NAME_MAX. */
const NAME_MAX = 255;

const printable = (name: Uint8Array): string => JSON.stringify(new TextDecoder().decode(name)).slice(1, -1);

const ACL_XATTR_VERSION = 2;
const ACL_USER = 0x02;
const ACL_GROUP = 0x08;
const ACL_UNDEFINED_ID = 0xffff_ffff;
/** `struct xfs_acl_entry`: tag, id, permissions, padding. */
const ACL_ENTRY = 12;

/**
 * XFS's ACL (a count, then entries of 12 bytes, big-endian) as setxattr(2) takes it (linux/posix_acl_xattr.h: version 2,
 * entries of 8 bytes). @throws FormatError
 */
export function aclForSetxattr(onDisk: Uint8Array): Uint8Array {
  const from = viewOf(onDisk);
  const count = onDisk.length < 4 ? 0 : from.getUint32(0);
  if (onDisk.length !== 4 + count * ACL_ENTRY) {
    throw new FormatError('corrupt', 'XFS ACL', `${count} entries in ${onDisk.length} bytes`);
  }
  const out = new Uint8Array(4 + count * 8);
  const to = viewOf(out);
  to.setUint32(0, ACL_XATTR_VERSION, true);
  for (let i = 0; i < count; i++) {
    const entry = 4 + i * ACL_ENTRY;
    const tag = from.getUint32(entry);
    const isNamed = tag === ACL_USER || tag === ACL_GROUP;
    to.setUint16(4 + i * 8, tag & 0xffff, true);
    to.setUint16(6 + i * 8, from.getUint16(entry + 8), true);
    to.setUint32(8 + i * 8, isNamed ? from.getUint32(entry + 4) : ACL_UNDEFINED_ID, true);
  }
  return out;
}
