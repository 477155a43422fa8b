/** The journal's superblock, checked. Linux fs/jbd2/journal.c `journal_check_superblock`, `journal_load_superblock`. */
import { crc32cRaw } from '../../../bytes/crc32c.ts';
import { FormatError } from '../../../bytes/errors.ts';
import { bytesOf } from '../../../bytes/layout.ts';
import type { Bytes } from '../../../bytes/units.ts';
import { crcWithHole } from '../checksum.ts';
import {
  BlockType,
  CHECKSUM_CRC32C,
  FAST_COMMIT_BLOCKS_DEFAULT,
  JBD2_MAGIC,
  JournalCompat,
  JournalIncompat,
  journal_block_tag,
  journal_block_tag3,
  journal_superblock,
  LOG_BLOCKS_LEAST,
} from './layouts.ts';

const S = journal_superblock;
const WHERE = 'ext4 journal superblock';

export interface JournalGeometry {
  readonly blockSize: Bytes;
  /** The log is the blocks `first` to `last` - 1, a ring. */
  readonly first: number;
  readonly last: number;
  /** Block where the log begins; 0: it is empty. */
  readonly start: number;
  /** Transaction expected there. */
  readonly sequence: number;
  readonly is64bit: boolean;
  readonly asyncCommit: boolean;
  /** Version of the checksums; 0: none. */
  readonly checksums: 0 | 1 | 2 | 3;
  /** Seed of those of versions 2 and 3. */
  readonly seed: number;
  /** Bytes of a tag, its UUID not counted. */
  readonly tagBytes: number;
  /** Blocks with fast commits, or undefined when there are none. */
  readonly fastCommits: { readonly first: number; readonly end: number } | undefined;
}

const KNOWN_INCOMPAT = Object.values(JournalIncompat).reduce((all, bit) => all | bit, 0);

/**
 * @param blockSize of the filesystem, which the journal's must be
 * @param fileBlocks blocks that the journal's inode has
 * @throws FormatError
 */
export function decodeJournalSuperblock(view: DataView, blockSize: Bytes, fileBlocks: number): JournalGeometry {
  const s = S.decodeAll(view);
  must(s.h_magic === JBD2_MAGIC, 'wrong magic');
  const dynamic = s.h_blocktype === BlockType.superblockV2;
  must(dynamic || s.h_blocktype === BlockType.superblockV1, `block type ${s.h_blocktype}`);
  must(s.s_blocksize === blockSize, `block size ${s.s_blocksize}, the filesystem's is ${blockSize}`);
  must(s.s_maxlen <= fileBlocks, `${s.s_maxlen} blocks, its file has ${fileBlocks}`);
  must(s.s_first > 0 && s.s_first < s.s_maxlen, `the log begins at block ${s.s_first} of ${s.s_maxlen}`);
  const compat = dynamic ? s.s_feature_compat : 0;
  const incompat = dynamic ? s.s_feature_incompat : 0;
  const unknown = (incompat & ~KNOWN_INCOMPAT) >>> 0;
  if (unknown !== 0) throw new FormatError('unsupported', WHERE, `unknown features ${unknown.toString(16)}h`);
  const checksums = checksumVersion(compat, incompat);
  if (checksums >= 2) checkChecksum(view, s.s_checksum_type, s.s_checksum);
  const is64bit = (incompat & JournalIncompat.is64bit) !== 0;
  const fast = (incompat & JournalIncompat.fastCommit) !== 0;
  const fastBlocks = s.s_num_fc_blks || FAST_COMMIT_BLOCKS_DEFAULT;
  const last = fast && s.s_maxlen - fastBlocks >= LOG_BLOCKS_LEAST ? s.s_maxlen - fastBlocks : s.s_maxlen;
  must(s.s_start < last && (s.s_start === 0 || s.s_start >= s.s_first), `the log starts at block ${s.s_start}`);
  return {
    blockSize,
    first: s.s_first,
    last,
    start: s.s_start,
    sequence: s.s_sequence,
    is64bit,
    asyncCommit: (incompat & JournalIncompat.asyncCommit) !== 0,
    checksums,
    seed: crc32cRaw(0xffff_ffff, s.s_uuid),
    tagBytes: tagBytesOf(checksums, is64bit),
    fastCommits: fast ? { first: last + 1, end: s.s_maxlen } : undefined,
  };
}

function checksumVersion(compat: number, incompat: number): 0 | 1 | 2 | 3 {
  const v1 = (compat & JournalCompat.checksum) !== 0;
  const v2 = (incompat & JournalIncompat.checksumV2) !== 0;
  const v3 = (incompat & JournalIncompat.checksumV3) !== 0;
  must([v1, v2, v3].filter(Boolean).length <= 1, 'checksums of several versions at once');
  return v3 ? 3 : v2 ? 2 : v1 ? 1 : 0;
}

function tagBytesOf(checksums: number, is64bit: boolean): number {
  if (checksums === 3) return journal_block_tag3.byteLength;
  const bytes = journal_block_tag.byteLength + (checksums === 2 ? 2 : 0);
  return is64bit ? bytes : bytes - 4;
}

function checkChecksum(view: DataView, type: number, stored: number): void {
  must(type === CHECKSUM_CRC32C, `checksum type ${type}, only ${CHECKSUM_CRC32C} (crc32c) is known`);
  const found = crcWithHole(0xffff_ffff, bytesOf(view, 0, S.byteLength), S.s_checksum.offset);
  must(found === stored, 'checksum wrong');
}

function must(condition: boolean, what: string): asserts condition {
  if (!condition) throw new FormatError('corrupt', WHERE, what);
}
