/**
 * What a restore will make, in columns: objects by the million cost more than the tape. About 110 bytes an entry and its
 * name, 33 an extent; content kept in the index (symlink targets, inline files) stays in one arena.
 *
 * Invariants
 * - Node 0 is the destination folder itself. A directory has a lower number than what is in it.
 * - Names are single, checked path components: what the index says is never trusted to be one.
 */
import { assert } from '../bytes/errors.ts';
import type { Bytes } from '../bytes/units.ts';
import { ExtentKind } from '../filesystem/filesystem.ts';
import { WantedExtents } from '../plan/restore-plan.ts';
import { FileType, fileTypeOf, type IndexEntry, type IndexedExtent } from '../tape-index/entry.ts';
import { Arena, Float64List, Uint32List } from './columns.ts';

/** Something that will not be, or is not, as it was. */
export interface RestoreProblem {
  readonly node: number;
  /** `lost`: it is not there. `inexact`: it is, but not exactly as it was. */
  readonly kind: 'lost' | 'inexact';
  readonly reason: string;
}

/** Problems kept with their words; more are only counted. */
export const PROBLEMS_MAX = 100_000;
/** Bytes of one file name, Linux NAME_MAX. */
export const NAME_BYTES_MAX = 255;
/** Bytes that one file may have in the index itself: inline data and symlink targets; bounded by PATH_MAX and inode size. */
export const LITERAL_BYTES_MAX = 65_536;

const KNOWN_TYPES: ReadonlySet<number> = new Set(Object.values(FileType));

export type XattrList = IndexEntry['xattrs'];

/** Why bytes are no name of a directory entry; undefined: they are one. */
export function nameProblem(name: Uint8Array): string | undefined {
  if (name.length === 0) return 'an empty name';
  if (name.length > NAME_BYTES_MAX) return `a name of ${name.length} bytes, at most ${NAME_BYTES_MAX}`;
  if (name.includes(0)) return 'a name with a NUL byte';
  if (name.includes(0x2f)) return 'a name with a slash';
  if (name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e)))
    return 'a name that means another directory';
  return undefined;
}

export class RestoreJob {
  readonly wanted = new WantedExtents();
  readonly problems: RestoreProblem[] = [];
  lostCount = 0;
  inexactCount = 0;
  /** Literal content, by row: node, offset in the file, start and end in `literalBytes`. */
  readonly literalNode = new Uint32List();
  readonly literalOffset = new Float64List();
  readonly literalStart = new Float64List();
  readonly literalBytes = new Arena();
  readonly #parent = new Uint32List();
  readonly #nameStart = new Float64List();
  readonly #names = new Arena();
  readonly #mode = new Uint32List();
  readonly #uid = new Uint32List();
  readonly #gid = new Uint32List();
  readonly #size = new Float64List();
  readonly #times = [new Float64List(), new Uint32List(), new Float64List(), new Uint32List()] as const;
  readonly #inode = new Float64List();
  readonly #filesystem = new Uint32List();
  /** Into #xattrLists; 0: none. Lists that repeat (security labels) are kept once. */
  readonly #xattrs = new Uint32List();
  readonly #xattrLists: XattrList[] = [[]];
  readonly #xattrNumbers = new Map<string, number>();
  readonly #devices = new Map<number, { readonly major: number; readonly minor: number }>();
  readonly #blockSizes = new Map<number, number>();
  /** First node of an inode with several names. */
  readonly #firstNames = new Map<string, number>();
  /** Nodes that are further names: node -> first node. */
  readonly hardLinks = new Map<number, number>();
  /** Bytes that still have to come from tape, by node. */
  readonly remaining = new Float64List();
  /** Nodes that will not be there. */
  readonly lost = new Set<number>();

  get count(): number {
    return this.#parent.length;
  }

  /** Puts an entry under `parent`. @returns its node, or undefined when its name cannot be one (recorded) */
  add(parent: number, entry: IndexEntry, name: Uint8Array, blockSize: Bytes): number | undefined {
    const wrong = parent === 0 && this.count === 0 ? undefined : nameProblem(name);
    if (wrong !== undefined) {
      this.problem(parent, 'lost', `an entry in it has ${wrong}; not restored`);
      return undefined;
    }
    const node = this.#append(parent, entry, name);
    this.#blockSizes.set(entry.filesystem, blockSize);
    const type = fileTypeOf(entry.mode);
    if (entry.device !== null && (type === FileType.blockDevice || type === FileType.characterDevice))
      this.#devices.set(node, entry.device);
    for (const reason of entry.problems) this.problem(node, 'inexact', reason);
    if (type !== FileType.directory && entry.linkCount > 1 && this.#isFurtherName(node, entry)) return node;
    if (entry.encrypted) this.problem(node, 'inexact', 'encrypted by its file system: the content is ciphertext');
    if (entry.compressed)
      this.problem(node, 'inexact', 'compressed by its file system: the content is as it was stored');
    if (entry.verity) this.problem(node, 'inexact', 'fs-verity is not switched on again');
    if (type === FileType.regular || type === FileType.symlink) this.#content(node, entry);
    else if (!KNOWN_TYPES.has(type)) this.lose(node, `unknown type of file (mode ${entry.mode.toString(8)})`);
    if (type === FileType.symlink && this.literalNode.last !== node) this.lose(node, 'its target is not in the index');
    return node;
  }

  #append(parent: number, entry: IndexEntry, name: Uint8Array): number {
    const node = this.#parent.length;
    this.#parent.push(parent);
    this.#nameStart.push(this.#names.length);
    this.#names.append(name);
    this.#mode.push(entry.mode);
    this.#uid.push(entry.uid);
    this.#gid.push(entry.gid);
    this.#size.push(entry.size);
    this.#times[0].push(entry.atime.seconds);
    this.#times[1].push(entry.atime.nanoseconds);
    this.#times[2].push(entry.mtime.seconds);
    this.#times[3].push(entry.mtime.nanoseconds);
    this.#inode.push(entry.inode);
    this.#filesystem.push(entry.filesystem);
    this.#xattrs.push(this.#xattrNumber(entry.encrypted ? entry.xattrs.filter(isNoContext) : entry.xattrs));
    this.remaining.push(0);
    return node;
  }

  #xattrNumber(list: XattrList): number {
    if (list.length === 0) return 0;
    const key = list.map(({ name, value }) => `${latin1(name)}\0${value.length}\0${latin1(value)}`).join('');
    let number = this.#xattrNumbers.get(key);
    if (number === undefined) {
      // Copies: an entry's bytes are views of a page that would else stay in memory.
      number = this.#xattrLists.push(list.map(({ name, value }) => ({ name: name.slice(), value: value.slice() }))) - 1;
      this.#xattrNumbers.set(key, number);
    }
    return number;
  }

  #isFurtherName(node: number, entry: IndexEntry): boolean {
    const key = `${entry.filesystem}:${entry.inode}`;
    const first = this.#firstNames.get(key);
    if (first === undefined) this.#firstNames.set(key, node);
    else this.hardLinks.set(node, first);
    return first !== undefined;
  }

  #content(node: number, entry: IndexEntry): void {
    let remaining = 0;
    for (const extent of entry.extents) {
      // Past the size lie a block's rest and a verity tree: no part of the content.
      const length = Math.min(extent.byteLength, entry.size - extent.fileOffset);
      if (length <= 0 || extent.kind === 'zero') continue;
      if (extent.kind === 'literal') this.#literal(node, extent, length);
      else {
        const kind = extent.kind === 'escaped' ? ExtentKind.escaped : ExtentKind.stored;
        this.wanted.add(node, kind, extent.fileOffset, extent.volumeOffset, length);
        remaining += length;
      }
    }
    this.remaining.set(node, remaining);
  }

  #literal(node: number, extent: IndexedExtent, length: Bytes): void {
    const data = extent.literal?.subarray(0, length);
    if (data === undefined || data.length < length || length > LITERAL_BYTES_MAX) {
      this.lose(node, 'its content in the index is damaged');
      return;
    }
    this.literalNode.push(node);
    this.literalOffset.push(extent.fileOffset);
    this.literalStart.push(this.literalBytes.length);
    this.literalBytes.append(data);
  }

  problem(node: number, kind: RestoreProblem['kind'], reason: string): void {
    if (kind === 'lost') this.lostCount++;
    else this.inexactCount++;
    if (this.problems.length < PROBLEMS_MAX) this.problems.push({ node, kind, reason });
  }

  /** The node will not be restored. The first reason counts. */
  lose(node: number, reason: string): void {
    if (this.lost.has(node)) return;
    this.lost.add(node);
    this.problem(node, 'lost', reason);
  }

  parent(node: number): number {
    return this.#parent.get(node);
  }
  name(node: number): Uint8Array {
    const end = node + 1 < this.count ? this.#nameStart.get(node + 1) : this.#names.length;
    return this.#names.view(this.#nameStart.get(node), end);
  }
  mode(node: number): number {
    return this.#mode.get(node);
  }
  type(node: number): number {
    return fileTypeOf(this.#mode.get(node));
  }
  uid(node: number): number {
    return this.#uid.get(node);
  }
  gid(node: number): number {
    return this.#gid.get(node);
  }
  size(node: number): Bytes {
    return this.#size.get(node);
  }
  inode(node: number): number {
    return this.#inode.get(node);
  }
  filesystem(node: number): number {
    return this.#filesystem.get(node);
  }
  /** Of the node's filesystem. */
  blockSize(node: number): Bytes {
    return this.#blockSizes.get(this.#filesystem.get(node)) ?? 4096;
  }
  atime(node: number): { readonly seconds: number; readonly nanoseconds: number } {
    return { seconds: this.#times[0].get(node), nanoseconds: this.#times[1].get(node) };
  }
  mtime(node: number): { readonly seconds: number; readonly nanoseconds: number } {
    return { seconds: this.#times[2].get(node), nanoseconds: this.#times[3].get(node) };
  }
  xattrs(node: number): XattrList {
    return this.#xattrLists[this.#xattrs.get(node)];
  }
  device(node: number): { readonly major: number; readonly minor: number } | undefined {
    return this.#devices.get(node);
  }
  /** Names from the destination folder to the node, without the folder itself. */
  names(node: number): Uint8Array[] {
    const out: Uint8Array[] = [];
    for (let at = node; at > 0; at = this.#parent.get(at)) {
      assert(out.length <= this.count, 'a directory is in itself');
      out.push(this.name(at));
    }
    return out.reverse();
  }
  /** The path under the destination folder; empty for the folder. */
  path(node: number): Uint8Array {
    const slash = Buffer.from('/');
    return Buffer.concat(this.names(node).flatMap((name, i) => (i === 0 ? [name] : [slash, name])));
  }
}

const latin1 = (data: Uint8Array): string =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('latin1');

/** A cipher's context belongs to the filesystem: no other takes it as an attribute. */
const isNoContext = ({ name }: XattrList[number]): boolean =>
  Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1', 0, CONTEXT_PREFIX.length) !==
  CONTEXT_PREFIX;
const CONTEXT_PREFIX = 'encryption.';
