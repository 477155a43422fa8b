/**
 * The log from its start to the last whole transaction: which blocks of the filesystem have a newer copy, and where.
 * Linux fs/jbd2/recovery.c `do_one_pass`; its three passes are one here, since copies are not written but remembered.
 *
 * A transaction counts when its commit block is there and every checksum of it is right. The first that does not count ends
 * the log: most often that is where the crash was, and nothing is to be said of it; a wrong checksum before that is damage.
 * Memory: bounded by OVERLAY_BLOCKS_MAX blocks that have a copy; every step reads a block, and there are no more steps than
 * the log has blocks.
 */
import { crc32cRaw } from '../../../bytes/crc32c.ts';
import { FormatError } from '../../../bytes/errors.ts';
import { bytesOf } from '../../../bytes/layout.ts';
import { crcWithHole } from '../checksum.ts';
import { crc32Be } from './crc32-be.ts';
import {
  BlockType,
  COMMIT_CRC32,
  commit_header,
  JBD2_MAGIC,
  journal_block_tag,
  journal_block_tag3,
  journal_block_tail,
  journal_header,
  journal_revoke_header,
  TAG_UUID_BYTES,
  TagFlag,
} from './layouts.ts';
import type { LogReader } from './log-reader.ts';
import type { JournalGeometry } from './superblock.ts';

/** Most blocks with a copy: a log of 8 GiB in blocks of 4 KiB; 100 bytes each. */
export const OVERLAY_BLOCKS_MAX = 2 * 1024 * 1024;

/** The newest copy of a block of the filesystem. */
export interface BlockCopy {
  /** Block of the journal. */
  readonly logBlock: number;
  /** Its first four bytes are zeros there and the journal's magic in truth. */
  readonly escaped: boolean;
}

export interface ScannedLog {
  /** By block of the filesystem. */
  readonly copies: ReadonlyMap<number, BlockCopy>;
  readonly transactions: number;
  /** The transaction that would have been next: fast commits belong to it. */
  readonly endSequence: number;
  /** What stopped the log short, if it was not just the crash. */
  readonly damage: string | undefined;
}

/** @throws FormatError when the log cannot be read or holds more than OVERLAY_BLOCKS_MAX blocks */
export async function scanLog(journal: JournalGeometry, log: LogReader, blocksCount: number): Promise<ScannedLog> {
  return new LogScan(journal, log, blocksCount).run();
}

/** What one transaction has said so far. */
interface Transaction {
  readonly tags: { readonly block: number; readonly copy: BlockCopy }[];
  /** Blocks of the log that hold its revokes. */
  readonly revokes: number[];
  /** The first thing that is wrong in a descriptor or revoke block: perhaps they are older than the transaction. */
  suspicion: string | undefined;
  /** The first copy whose checksum is wrong. */
  trouble: string | undefined;
  crc: number;
}

const newTransaction = (): Transaction => ({
  tags: [],
  revokes: [],
  suspicion: undefined,
  trouble: undefined,
  crc: 0xffff_ffff,
});

type Verdict = 'good' | 'end' | { readonly damage: string };

class LogScan {
  readonly #j: JournalGeometry;
  readonly #log: LogReader;
  readonly #blocksCount: number;
  readonly #copies = new Map<number, BlockCopy>();
  /** Next block of the log, and how many may still be looked at. */
  #at: number;
  #left: number;
  #transaction = newTransaction();
  #lastCommitTime = 0;

  constructor(journal: JournalGeometry, log: LogReader, blocksCount: number) {
    this.#j = journal;
    this.#log = log;
    this.#blocksCount = blocksCount;
    this.#at = journal.start;
    this.#left = journal.last - journal.first;
  }

  async run(): Promise<ScannedLog> {
    let sequence = this.#j.sequence;
    let transactions = 0;
    let damage: string | undefined;
    while (this.#left > 0) {
      const block = this.#take();
      const view = await this.#log.block(block);
      if (journal_header.h_magic.get(view, 0) !== JBD2_MAGIC) break;
      if (journal_header.h_sequence.get(view, 0) !== sequence) break;
      const type = journal_header.h_blocktype.get(view, 0);
      if (type === BlockType.descriptor) await this.#descriptor(view, sequence);
      else if (type === BlockType.revoke) this.#revoke(view, block);
      else if (type === BlockType.commit) {
        const verdict = this.#judge(view);
        if (verdict !== 'good') {
          const reason = verdict === 'end' ? await this.#interrupted(sequence) : verdict.damage;
          if (reason !== undefined) damage = `transaction ${sequence}: ${reason}`;
          break;
        }
        await this.#commit();
        sequence = (sequence + 1) >>> 0;
        transactions++;
      } else break;
    }
    return { copies: this.#copies, transactions, endSequence: sequence, damage };
  }

  /** The next block of the ring. */
  #take(): number {
    const block = this.#at;
    this.#at = block + 1 >= this.#j.last ? this.#j.first : block + 1;
    this.#left--;
    return block;
  }

  /** A descriptor block and the copies behind it. */
  async #descriptor(view: DataView, sequence: number): Promise<void> {
    const t = this.#transaction;
    if (!this.#tailRight(view)) t.suspicion ??= 'a descriptor block has a wrong checksum';
    if (this.#j.checksums === 1) t.crc = crc32Be(t.crc, bytesOf(view));
    for (const tag of this.#tags(view)) {
      if (this.#left <= 0) return; // without a commit block these count for nothing
      const logBlock = this.#take();
      if (this.#j.checksums > 0) await this.#checkCopy(tag, logBlock, sequence);
      if (tag.block >= this.#blocksCount) t.trouble ??= `a copy is for block ${tag.block}, outside the filesystem`;
      t.tags.push({ block: tag.block, copy: { logBlock, escaped: tag.escaped } });
      if (t.tags.length > OVERLAY_BLOCKS_MAX) tooMany();
    }
  }

  async #checkCopy(tag: Tag, logBlock: number, sequence: number): Promise<void> {
    const t = this.#transaction;
    const data = bytesOf(await this.#log.block(logBlock));
    if (this.#j.checksums === 1) {
      t.crc = crc32Be(t.crc, data);
      return;
    }
    const number = new Uint8Array(4);
    new DataView(number.buffer).setUint32(0, sequence);
    const found = crc32cRaw(crc32cRaw(this.#j.seed, number), data);
    const mask = this.#j.checksums === 3 ? 0xffff_ffff : 0xffff;
    if ((found & mask) >>> 0 !== tag.checksum) t.trouble ??= `the copy of block ${tag.block} has a wrong checksum`;
  }

  /** The tags of a descriptor block, read before the block goes. */
  #tags(view: DataView): Tag[] {
    const { tagBytes, checksums, is64bit, blockSize } = this.#j;
    const end = blockSize - (checksums >= 2 ? journal_block_tail.byteLength : 0);
    const tags: Tag[] = [];
    for (let at = journal_header.byteLength; at + tagBytes <= end; ) {
      const three = checksums === 3;
      const layout = three ? journal_block_tag3 : journal_block_tag;
      const flags = layout.t_flags.get(view, at) & 0xffff;
      const high = is64bit ? layout.t_blocknr_high.get(view, at) : 0;
      tags.push({
        block: high * 0x1_0000_0000 + layout.t_blocknr.get(view, at), // above 2^53 it is outside of every volume
        checksum: layout.t_checksum.get(view, at),
        escaped: (flags & TagFlag.escape) !== 0,
      });
      if ((flags & TagFlag.last) !== 0) break;
      at += tagBytes + ((flags & TagFlag.sameUuid) === 0 ? TAG_UUID_BYTES : 0);
    }
    return tags;
  }

  #revoke(view: DataView, block: number): void {
    const t = this.#transaction;
    if (!this.#tailRight(view)) t.suspicion ??= 'a revoke block has a wrong checksum';
    const tail = this.#j.checksums >= 2 ? journal_block_tail.byteLength : 0;
    const used = journal_revoke_header.r_count.get(view, 0);
    if (used > this.#j.blockSize - tail) t.trouble ??= `a revoke block of ${used} bytes`;
    t.revokes.push(block);
  }

  /** Whether a descriptor or revoke block has the checksum of its version. */
  #tailRight(view: DataView): boolean {
    if (this.#j.checksums < 2) return true;
    const tail = this.#j.blockSize - journal_block_tail.byteLength;
    return crcWithHole(this.#j.seed, bytesOf(view), tail) === journal_block_tail.t_checksum.get(view, tail);
  }

  /** What a commit block makes of its transaction. `end`: perhaps just the crash. */
  #judge(view: DataView): Verdict {
    const { suspicion, trouble } = this.#transaction;
    const time =
      commit_header.h_commit_sec_high.get(view, 0) * 0x1_0000_0000 + commit_header.h_commit_sec_low.get(view, 0);
    // An older log of this journal may go on behind the newest one, with the numbers expected: its times are earlier.
    const isOlder = time < this.#lastCommitTime;
    if (suspicion !== undefined) return isOlder ? 'end' : { damage: suspicion };
    if (!this.#commitRight(view)) {
      if (isOlder || this.#j.asyncCommit) return 'end';
      return { damage: 'its commit block has a wrong checksum' };
    }
    if (trouble !== undefined) return this.#j.asyncCommit ? 'end' : { damage: trouble };
    this.#lastCommitTime = time;
    return 'good';
  }

  #commitRight(view: DataView): boolean {
    const { checksums, seed } = this.#j;
    const stored = commit_header.h_chksum.get(view, 0);
    if (checksums === 0) return true;
    if (checksums === 1) {
      const type = commit_header.h_chksum_type.get(view, 0);
      const size = commit_header.h_chksum_size.get(view, 0);
      const isCrc = type === COMMIT_CRC32.type && size === COMMIT_CRC32.size && stored === this.#transaction.crc;
      return isCrc || (type === 0 && size === 0 && stored === 0);
    }
    const at = commit_header.h_chksum.offset;
    if (crcWithHole(seed, bytesOf(view), at) === stored) return true;
    const headAlone = new Uint8Array(this.#j.blockSize); // what some kernels left behind the header is not under the checksum
    headAlone.set(bytesOf(view, 0, commit_header.byteLength));
    return crcWithHole(seed, headAlone, at) === stored;
  }

  /** With async commits a torn transaction is the crash itself, unless the log goes on behind it. */
  async #interrupted(sequence: number): Promise<string | undefined> {
    if (!this.#j.asyncCommit || this.#left <= 0) return undefined;
    const view = await this.#log.block(this.#at);
    const goesOn =
      journal_header.h_magic.get(view, 0) === JBD2_MAGIC &&
      journal_header.h_sequence.get(view, 0) === (sequence + 1) >>> 0;
    return goesOn ? 'it has a wrong checksum, and the log goes on behind it' : undefined;
  }

  /** Takes the transaction's copies, then its revokes: what is revoked is not replayed up to this transaction. */
  async #commit(): Promise<void> {
    const { tags, revokes } = this.#transaction;
    for (const { block, copy } of tags) this.#copies.set(block, copy);
    if (this.#copies.size > OVERLAY_BLOCKS_MAX) tooMany();
    for (const block of revokes) this.#forgetRevoked(await this.#log.block(block));
    this.#transaction = newTransaction();
  }

  #forgetRevoked(view: DataView): void {
    const used = journal_revoke_header.r_count.get(view, 0);
    const bytes = this.#j.is64bit ? 8 : 4;
    for (let at = journal_revoke_header.byteLength; at + bytes <= used; at += bytes) {
      const block = bytes === 8 ? view.getUint32(at) * 0x1_0000_0000 + view.getUint32(at + 4) : view.getUint32(at);
      this.#copies.delete(block);
    }
  }
}

interface Tag {
  readonly block: number;
  readonly checksum: number;
  readonly escaped: boolean;
}

function tooMany(): never {
  throw new FormatError('unsupported', 'ext4 journal', `copies of more than ${OVERLAY_BLOCKS_MAX} blocks`);
}
