/**
 * Applies fast commits in memory, one operation after the other, as the kernel does when it mounts. Linux
 * fs/ext4/fast_commit.c `ext4_fc_replay_inode` and its neighbours, namei.c `__ext4_link`, `__ext4_unlink`.
 *
 * Inodes go into the overlay, as blocks of the inode table. Extents and names do not become blocks, for which the kernel
 * allocates anew: the walk takes them from here (patches.ts). Times that the kernel sets to the moment of its replay
 * stay as they were. Memory: an inode for each one named, and the names of the directories that change, at most NAMES_MAX.
 */
import { FormatError } from '../../../bytes/errors.ts';
import { type Runs, runsOf } from '../../../bytes/extents.ts';
import { bytesOf, viewOf } from '../../../bytes/layout.ts';
import { ExtentKind } from '../../filesystem.ts';
import type { Overlay } from '../../overlay.ts';
import { sealInode } from '../checksum.ts';
import { contentRuns, readInode } from '../content-runs.ts';
import { directoryNames } from '../directory-names.ts';
import { GroupFlag, type Groups, inodeAddress } from '../groups.ts';
import { EXT4_EXT_MAGIC, Ext4InodeFlag, ext4_extent_header, ext4_inode } from '../layouts.ts';
import type { Patches } from '../patches.ts';
import type { Geometry } from '../superblock.ts';
import { blocksInside } from '../walk-state.ts';
import { mapped, unmapped } from './extent-list.ts';
import type { FastOperation, FileExtent } from './fast-commits.ts';

const I = ext4_inode;
const NAMES_MAX = 1_000_000;
const EXTENTS_MAX = 1_000_000;
/** Inodes between those in use and new ones: the kernel takes the next free one, so that there are hardly any. */
const UNCOVERED_MAX = 100_000;
const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;

export interface FastReplayed {
  readonly patches: Patches;
  /** Where the content of changed files lies: no bitmap says so yet. */
  readonly allocated: Runs;
}

/**
 * Changes `overlay` and `groups`. @throws FormatError when an operation cannot be applied truly: the volume is then copied
 * whole
 */
export async function replayFast(
  g: Geometry,
  groups: Groups,
  overlay: Overlay,
  operations: readonly FastOperation[],
  signal?: AbortSignal,
): Promise<FastReplayed> {
  const replay = new FastReplay(g, groups, overlay, signal);
  for (const operation of operations) await replay.apply(operation);
  return replay.finish();
}

class FastReplay {
  readonly #g: Geometry;
  readonly #groups: Groups;
  readonly #overlay: Overlay;
  readonly #signal: AbortSignal | undefined;
  readonly #inodes = new Map<number, Uint8Array>();
  readonly #changed = new Set<number>();
  readonly #extents = new Map<number, readonly FileExtent[]>();
  readonly #names = new Map<number, Map<string, number>>();

  constructor(g: Geometry, groups: Groups, overlay: Overlay, signal?: AbortSignal) {
    this.#g = g;
    this.#groups = groups;
    this.#overlay = overlay;
    this.#signal = signal;
  }

  async apply(operation: FastOperation): Promise<void> {
    switch (operation.kind) {
      case 'inode':
        return this.#setInode(operation.inode, operation.bytes);
      case 'map':
      case 'unmap':
        return this.#changeExtents(operation.inode, operation);
      case 'create':
      case 'link':
      case 'unlink':
        return this.#changeNames(operation);
    }
  }

  async #inode(inode: number): Promise<Uint8Array> {
    let bytes = this.#inodes.get(inode);
    if (bytes === undefined) {
      bytes = await readInode(this.#g, this.#groups, this.#overlay.readAt, inode, this.#signal);
      this.#inodes.set(inode, bytes);
    }
    return bytes;
  }

  /** All but i_block, which the ranges tell of; that of inline data comes along. */
  async #setInode(inode: number, now: Uint8Array): Promise<void> {
    const bytes = await this.#inode(inode);
    const after = I.i_generation.offset;
    bytes.set(now.subarray(0, I.i_block.offset));
    bytes.set(now.subarray(after), after);
    const view = viewOf(bytes);
    const flags = I.i_flags.get(view, 0);
    const block = I.i_block.get(view, 0);
    if ((flags & Ext4InodeFlag.extents) !== 0) {
      if (ext4_extent_header.eh_magic.get(view, I.i_block.offset) !== EXT4_EXT_MAGIC) {
        ext4_extent_header.write(view, I.i_block.offset, {
          eh_magic: EXT4_EXT_MAGIC,
          eh_entries: 0,
          eh_max: 4,
          eh_depth: 0,
          eh_generation: 0,
        });
      }
    } else if ((flags & Ext4InodeFlag.inlineData) !== 0) {
      block.set(now.subarray(I.i_block.offset, I.i_block.offset + block.length));
    }
    this.#changed.add(inode);
  }

  async #changeExtents(inode: number, operation: FastOperation & { kind: 'map' | 'unmap' }): Promise<void> {
    const bytes = await this.#inode(inode);
    if (I.i_links_count.get(viewOf(bytes), 0) === 0) return; // the kernel finds no such inode and passes over it
    const list = this.#extents.get(inode) ?? (await this.#extentsOf(inode, bytes));
    const next =
      operation.kind === 'map' ? mapped(list, operation.extent) : unmapped(list, operation.fileBlock, operation.count);
    if (next.length > EXTENTS_MAX) this.#fail(inode, `has more than ${EXTENTS_MAX} extents`);
    this.#extents.set(inode, next);
  }

  /** The extents that an inode had before the first change to them. */
  async #extentsOf(inode: number, bytes: Uint8Array): Promise<FileExtent[]> {
    const { blockSize } = this.#g;
    const copy = bytes.slice();
    const view = viewOf(copy);
    if ((I.i_flags.get(view, 0) & Ext4InodeFlag.extents) === 0) this.#fail(inode, 'has ranges and no extents');
    I.i_size_high.set(view, 0, 0x10_0000); // those past the end too
    const runs = await contentRuns(this.#g, this.#groups, this.#overlay.readAt, inode, copy, this.#signal, false);
    return Array.from({ length: runs.count }, (_, i) => ({
      fileBlock: runs.fileOffset[i] / blockSize,
      count: runs.length[i] / blockSize,
      block: runs.volumeOffset[i] / blockSize,
      written: runs.kind[i] !== ExtentKind.zero,
    }));
  }

  async #changeNames(operation: FastOperation & { kind: 'create' | 'link' | 'unlink' }): Promise<void> {
    const { kind, parent, inode } = operation;
    const view = viewOf(await this.#inode(inode));
    const links = I.i_links_count.get(view, 0);
    const parentLinks = I.i_links_count.get(viewOf(await this.#inode(parent)), 0);
    if (links === 0 || parentLinks === 0) return; // the kernel finds no such inode and passes over it
    const isDirectory = (I.i_mode.get(view, 0) & S_IFMT) === S_IFDIR;
    if (kind === 'create' && isDirectory) this.#names.set(inode, new Map());
    const names = await this.#namesOf(parent);
    const name = Buffer.from(operation.name).toString('latin1');
    const setLinks = (count: number): void => {
      I.i_links_count.set(view, 0, Math.min(count, 0xffff));
      this.#changed.add(inode);
    };
    if (kind === 'unlink') {
      if (!names.has(name)) return;
      if (names.get(name) === inode) names.delete(name); // else it has been renamed over
      setLinks(isDirectory ? 0 : links - 1);
      return;
    }
    const isNew = !names.has(name);
    if (isNew) names.set(name, inode);
    if (isDirectory) return;
    if (kind === 'create') setLinks(1);
    else if (isNew) setLinks(links + 1);
  }

  async #namesOf(directory: number): Promise<Map<string, number>> {
    let names = this.#names.get(directory);
    if (names === undefined) {
      let room = NAMES_MAX;
      for (const other of this.#names.values()) room -= other.size;
      const bytes = (await this.#inode(directory)).slice();
      if ((I.i_mode.get(viewOf(bytes), 0) & S_IFMT) !== S_IFDIR) this.#fail(directory, 'is no directory');
      const { readAt } = this.#overlay;
      names = await directoryNames(this.#g, this.#groups, readAt, directory, bytes, room, this.#signal);
      this.#names.set(directory, names);
    }
    return names;
  }

  async finish(): Promise<FastReplayed> {
    this.#uncoverInodes();
    for (const inode of this.#changed) await this.#putInode(inode);
    const runs: [number, number][] = [];
    const { blockSize } = this.#g;
    for (const list of this.#extents.values()) {
      for (const { block, count } of list) {
        if (blocksInside(this.#g, block, count)) runs.push([block * blockSize, count * blockSize]);
      }
    }
    return { patches: { extents: this.#extents, names: this.#names }, allocated: runsOf(runs) };
  }

  /** Lays a changed inode over its table. */
  async #putInode(inode: number): Promise<void> {
    const bytes = await this.#inode(inode);
    if (this.#g.checksumSeed !== undefined) sealInode(bytes, inode, this.#g.checksumSeed);
    await this.#write(inodeAddress(this.#g, this.#groups, inode), bytes);
  }

  async #write(address: number, bytes: Uint8Array): Promise<void> {
    const { unit, readAt } = this.#overlay;
    const start = address - (address % unit);
    const block = bytesOf(await readAt(start, unit, this.#signal)).slice();
    block.set(bytes, address - start);
    this.#overlay.put(start, block);
  }

  /**
   * New inodes may lie behind those that the group's descriptor calls used. The walk must go so far, and what lies between
   * was never written: it is only looked at inode by inode.
   */
  #uncoverInodes(): void {
    const { inodesPerGroup } = this.#g;
    let uncovered = 0;
    for (const inode of this.#changed) {
      const group = Math.floor((inode - 1) / inodesPerGroup);
      const isNew = (this.#groups.flags[group] & GroupFlag.inodeUninit) !== 0;
      const used = isNew ? 0 : inodesPerGroup - this.#groups.unusedInodes[group];
      const place = (inode - 1) % inodesPerGroup;
      if (place < used) continue;
      this.#groups.flags[group] &= ~GroupFlag.inodeUninit;
      this.#groups.unusedInodes[group] = inodesPerGroup - place - 1;
      for (let between = used; between < place; between++) {
        const number = group * inodesPerGroup + between + 1;
        if (this.#inodes.has(number)) continue;
        if (++uncovered > UNCOVERED_MAX) this.#fail(inode, 'lies far behind the inodes in use');
        this.#inodes.set(number, new Uint8Array(this.#g.inodeSize));
        this.#changed.add(number);
      }
    }
  }

  #fail(inode: number, what: string): never {
    throw new FormatError('unsupported', `fast commit, ext4 inode ${inode}`, what);
  }
}
