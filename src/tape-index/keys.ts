/**
 * Keys of the store. Binary, big-endian, so that byte order is the order of numbers; index-format/FORMAT.md, "Keys".
 *
 *     kind  set             then
 *     01                                                        the store itself
 *     10    set[16]                                             set record (the seal)
 *     11    set[16]         volume offset u64                   chunk
 *     12    set[16]         chunk u32, first run's start u64    chunk extent map; first page: start 0
 *     20    set[16]         filesystem u16, directory u64, name directory page; first page: empty name
 *     21    set[16]         filesystem u16, inode u64, part u32 inode record
 *     22    set[16]         filesystem u16, first number u64    roster of directories; first page: 0
 *     23    set[16]         filesystem u16, first number u64    roster of inode records; first page: 0
 *     28    set[16]         0, or 1 first range's start u64     proof of the set; of ranges of its volume
 *     29    set[16]                                             damage found in a sealed set
 *     30                    cartridge id                        cartridge
 *     31                    run id                              run in progress
 */
import { FormatError } from '../bytes/errors.ts';

export const KeyKind = {
  store: 0x01,
  set: 0x10,
  chunk: 0x11,
  chunkExtents: 0x12,
  page: 0x20,
  inodeRecord: 0x21,
  directoryRoster: 0x22,
  recordRoster: 0x23,
  proof: 0x28,
  damage: 0x29,
  cartridge: 0x30,
  run: 0x31,
} as const;

/** Kinds whose rows are under the seal's digest, in the order in which it takes them. */
export const SEALED_KINDS = [KeyKind.page, KeyKind.inodeRecord, KeyKind.directoryRoster, KeyKind.recordRoster] as const;

export const SET_BYTES = 16;
/** Bytes before the name in the key of a page. */
export const PAGE_PREFIX = 1 + SET_BYTES + 2 + 8;

/** The set id of a manifest (32 hexadecimal digits) as bytes. @throws FormatError */
export function setBytes(id: string): Uint8Array {
  if (!/^[0-9a-f]{32}$/.test(id)) throw new FormatError('corrupt', `set "${id.slice(0, 40)}"`, 'is no set id');
  return new Uint8Array(Buffer.from(id, 'hex'));
}

/** A key with room for `extra` bytes. Numbers go in byte by byte: a DataView takes a small array out of V8's heap. */
function start(kind: number, set: Uint8Array, extra: number): Uint8Array {
  if (set.length !== SET_BYTES) throw new RangeError(`a set id of ${set.length} bytes`);
  const out = new Uint8Array(1 + SET_BYTES + extra);
  out[0] = kind;
  for (let i = 0; i < SET_BYTES; i++) out[1 + i] = set[i];
  return out;
}

function setU16(out: Uint8Array, at: number, value: number): void {
  out[at] = value >>> 8;
  out[at + 1] = value;
}

function setU32(out: Uint8Array, at: number, value: number): void {
  out[at] = value >>> 24;
  out[at + 1] = value >>> 16;
  out[at + 2] = value >>> 8;
  out[at + 3] = value;
}

function setU64(out: Uint8Array, at: number, value: number): void {
  setU32(out, at, Math.floor(value / 0x1_0000_0000));
  setU32(out, at + 4, value >>> 0);
}

/** Above 2^53, in a damaged key, it is not exact; the row's checksum, which is over the key too, tells. Cut short it is -1. */
export function getU64(key: Uint8Array, at: number): number {
  if (key.length < at + 8) return -1;
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  return view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4);
}

export const setKey = (set: Uint8Array): Uint8Array => start(KeyKind.set, set, 0);

export function chunkKey(set: Uint8Array, volumeOffset: number): Uint8Array {
  const out = start(KeyKind.chunk, set, 8);
  setU64(out, 17, volumeOffset);
  return out;
}

export function chunkExtentsKey(set: Uint8Array, chunk: number, firstStart: number): Uint8Array {
  const out = start(KeyKind.chunkExtents, set, 12);
  setU32(out, 17, chunk);
  setU64(out, 21, firstStart);
  return out;
}

export function pageKey(set: Uint8Array, filesystem: number, directory: number, name: Uint8Array): Uint8Array {
  const out = start(KeyKind.page, set, 10 + name.length);
  setU16(out, 17, filesystem);
  setU64(out, 19, directory);
  out.set(name, PAGE_PREFIX);
  return out;
}

export function recordKey(set: Uint8Array, filesystem: number, inode: number, part: number): Uint8Array {
  const out = start(KeyKind.inodeRecord, set, 14);
  setU16(out, 17, filesystem);
  setU64(out, 19, inode);
  setU32(out, 27, part);
  return out;
}

export function rosterKey(
  kind: typeof KeyKind.directoryRoster | typeof KeyKind.recordRoster,
  set: Uint8Array,
  filesystem: number,
  first: number,
): Uint8Array {
  const out = start(kind, set, 10);
  setU16(out, 17, filesystem);
  setU64(out, 19, first);
  return out;
}

export const damageKey = (set: Uint8Array): Uint8Array => start(KeyKind.damage, set, 0);

export function setProofKey(set: Uint8Array): Uint8Array {
  return start(KeyKind.proof, set, 1);
}

export function provenRangesKey(set: Uint8Array, firstStart: number): Uint8Array {
  const out = start(KeyKind.proof, set, 9);
  out[17] = 1;
  setU64(out, 18, firstStart);
  return out;
}

/** Key of a thing known by a text id (cartridge, run): the kind and the id's UTF-8. */
export function textKey(kind: number, id: string): Uint8Array {
  const text = Buffer.from(id, 'utf8');
  if (text.length === 0 || text.length > 200) throw new RangeError(`an id of ${text.length} bytes`);
  const out = new Uint8Array(1 + text.length);
  out[0] = kind;
  out.set(text, 1);
  return out;
}

/** All keys of one kind of one set (and filesystem). */
export function keysOf(kind: number, set: Uint8Array, filesystem?: number): { gte: Uint8Array; lt: Uint8Array } {
  const out = start(kind, set, filesystem === undefined ? 0 : 2);
  if (filesystem !== undefined) setU16(out, 17, filesystem);
  return { gte: out, lt: successorOfPrefix(out) };
}

/** The least key above every key that starts with `prefix`. */
export function successorOfPrefix(prefix: Uint8Array): Uint8Array {
  const out = prefix.slice();
  for (let i = out.length - 1; i >= 0; i--) {
    if (out[i] < 0xff) {
      out[i]++;
      return out.subarray(0, i + 1);
    }
  }
  throw new RangeError('no key is above FFh...');
}

/** The least key above `key`. */
export function successor(key: Uint8Array): Uint8Array {
  const out = new Uint8Array(key.length + 1);
  out.set(key);
  return out;
}

/** Byte order, as the store's. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const end = Math.min(a.length, b.length);
  for (let i = 0; i < end; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

export const equalBytes = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && compareBytes(a, b) === 0;
