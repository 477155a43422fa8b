/**
 * Fast commits: small records of what changed since the last transaction, in blocks of their own behind the log. Here they
 * are read and checked; fast-replay.ts applies them. Linux fs/ext4/fast_commit.c `ext4_fc_replay_scan`.
 *
 * The records are tags; a tail tag with the right transaction and checksum makes those before it count. Memory: the
 * journal's fast commit blocks.
 */
import { crc32cRaw } from '../../../bytes/crc32c.ts';
import { bytesOf, viewOf } from '../../../bytes/layout.ts';
import type { Bytes } from '../../../bytes/units.ts';
import { EXT_INIT_MAX_LEN, ext4_extent, GOOD_OLD_INODE_SIZE } from '../layouts.ts';
import {
  ext4_fc_add_range,
  ext4_fc_del_range,
  ext4_fc_dentry_info,
  ext4_fc_head,
  ext4_fc_inode,
  ext4_fc_tail,
  FastTag,
  FC_TAG_BYTES,
} from './layouts.ts';
import type { LogReader } from './log-reader.ts';
import type { JournalGeometry } from './superblock.ts';

export type FastOperation =
  | { readonly kind: 'map'; readonly inode: number; readonly extent: FileExtent }
  | { readonly kind: 'unmap'; readonly inode: number; readonly fileBlock: number; readonly count: number }
  | {
      readonly kind: 'create' | 'link' | 'unlink';
      readonly parent: number;
      readonly inode: number;
      readonly name: Uint8Array;
    }
  /** The inode's first bytes. */
  | { readonly kind: 'inode'; readonly inode: number; readonly bytes: Uint8Array };

/** Blocks of a file, all in blocks of the filesystem. */
export interface FileExtent {
  readonly fileBlock: number;
  readonly count: number;
  readonly block: number;
  readonly written: boolean;
}

export interface FastCommits {
  readonly operations: readonly FastOperation[];
  /** One clause when there is a fast commit that does not count. */
  readonly torn: string | undefined;
}

const NAME_MAX = 255;

/** The operations of all whole fast commits of transaction `sequence`, in order. @throws FormatError when they cannot be read */
export async function readFastCommits(
  journal: JournalGeometry,
  log: LogReader,
  sequence: number,
  inodeSize: Bytes,
): Promise<FastCommits> {
  if (journal.fastCommits === undefined) return { operations: [], torn: undefined };
  const reader = new FastReader(sequence, inodeSize);
  const { first, end } = journal.fastCommits;
  for (let block = first; block < end; block++) {
    const view = await log.block(block);
    if (!reader.takeBlock(new DataView(bytesOf(view).slice().buffer))) break;
  }
  return { operations: reader.operations, torn: reader.torn };
}

class FastReader {
  /** Those that count, and those since the last tail. */
  readonly operations: FastOperation[] = [];
  torn: string | undefined;
  readonly #sequence: number;
  readonly #inodeSize: Bytes;
  #waiting: FastOperation[] = [];
  #crc = 0;
  #begun = false;

  constructor(sequence: number, inodeSize: Bytes) {
    this.#sequence = sequence;
    this.#inodeSize = inodeSize;
  }

  /** `false`: there is no more to come. */
  takeBlock(view: DataView): boolean {
    if (!this.#begun && view.getUint16(0, true) !== FastTag.head) return false;
    for (let at = 0; at + FC_TAG_BYTES <= view.byteLength; ) {
      const tag = view.getUint16(at, true);
      const length = view.getUint16(at + 2, true);
      const value = at + FC_TAG_BYTES;
      if (value + length > view.byteLength || !this.#lengthRight(tag, length)) return this.#end();
      if (tag === FastTag.tail) {
        const upToChecksum = FC_TAG_BYTES + ext4_fc_tail.fc_crc.offset;
        this.#crc = crc32cRaw(this.#crc, bytesOf(view, at, upToChecksum));
        if (!this.#tailRight(view, value)) return this.#end();
        this.operations.push(...this.#waiting);
        this.#waiting = [];
        this.#crc = 0;
      } else {
        if (tag === FastTag.head && !this.#headRight(view, value)) return this.#end();
        this.#begun = true;
        this.#crc = crc32cRaw(this.#crc, bytesOf(view, at, FC_TAG_BYTES + length));
        const operation = operationOf(tag, bytesOf(view, value, length));
        if (operation !== undefined) this.#waiting.push(operation);
      }
      at = value + length;
    }
    return true;
  }

  /** Whatever is not what must come ends the commits: an older one, or the one in which the crash was. */
  #end(): false {
    if (this.#waiting.length > 0 && this.operations.length === 0) {
      this.torn = 'the only fast commit is not whole and was left out';
    }
    return false;
  }

  #tailRight(view: DataView, at: number): boolean {
    return ext4_fc_tail.fc_tid.get(view, at) === this.#sequence && ext4_fc_tail.fc_crc.get(view, at) === this.#crc;
  }

  #headRight(view: DataView, at: number): boolean {
    if (ext4_fc_head.fc_tid.get(view, at) !== this.#sequence) return false;
    if (ext4_fc_head.fc_features.get(view, at) === 0) return true;
    this.torn = 'fast commits have features that are not known and were left out';
    return false;
  }

  #lengthRight(tag: number, length: number): boolean {
    const name = length - ext4_fc_dentry_info.byteLength;
    const inode = length - ext4_fc_inode.byteLength;
    switch (tag) {
      case FastTag.addRange:
        return length === ext4_fc_add_range.byteLength;
      case FastTag.delRange:
        return length === ext4_fc_del_range.byteLength;
      case FastTag.create:
      case FastTag.link:
      case FastTag.unlink:
        return name >= 1 && name <= NAME_MAX;
      case FastTag.inode:
        return inode >= GOOD_OLD_INODE_SIZE && inode <= this.#inodeSize;
      case FastTag.pad:
        return true;
      case FastTag.tail:
        return length >= ext4_fc_tail.byteLength;
      case FastTag.head:
        return length === ext4_fc_head.byteLength;
      default:
        return false;
    }
  }
}

const DENTRY_KINDS = {
  [FastTag.create]: 'create',
  [FastTag.link]: 'link',
  [FastTag.unlink]: 'unlink',
} as const;

function operationOf(tag: number, value: Uint8Array): FastOperation | undefined {
  const view = viewOf(value);
  switch (tag) {
    case FastTag.addRange:
      return { kind: 'map', inode: ext4_fc_add_range.fc_ino.get(view, 0), extent: extentOf(view) };
    case FastTag.delRange: {
      const { fc_ino, fc_lblk, fc_len } = ext4_fc_del_range.decodeAll(view);
      return { kind: 'unmap', inode: fc_ino, fileBlock: fc_lblk, count: fc_len };
    }
    case FastTag.create:
    case FastTag.link:
    case FastTag.unlink: {
      const { fc_parent_ino, fc_ino } = ext4_fc_dentry_info.decodeAll(view);
      const name = value.subarray(ext4_fc_dentry_info.byteLength);
      return { kind: DENTRY_KINDS[tag], parent: fc_parent_ino, inode: fc_ino, name };
    }
    case FastTag.inode: {
      const bytes = value.subarray(ext4_fc_inode.byteLength);
      return { kind: 'inode', inode: ext4_fc_inode.fc_ino.get(view, 0), bytes };
    }
    default:
      return undefined;
  }
}

function extentOf(view: DataView): FileExtent {
  const at = ext4_fc_add_range.fc_ex.offset;
  const length = ext4_extent.ee_len.get(view, at);
  const written = length <= EXT_INIT_MAX_LEN;
  return {
    fileBlock: ext4_extent.ee_block.get(view, at),
    count: written ? length : length - EXT_INIT_MAX_LEN,
    block: ext4_extent.ee_start_hi.get(view, at) * 0x1_0000_0000 + ext4_extent.ee_start_lo.get(view, at),
    written,
  };
}
