/**
 * Journal replay in memory: finds the journal, scans its log, and lays the copies in it over the volume. The volume itself
 * is never written; restored with its journal, it replays by itself at the first mount. DESIGN decision 3.
 */
import { FormatError } from '../../../bytes/errors.ts';
import { viewOf } from '../../../bytes/layout.ts';
import { Overlay } from '../../overlay.ts';
import type { ReadAt } from '../../volume.ts';
import { type ContentRuns, contentRuns, readInode } from '../content-runs.ts';
import type { Groups } from '../groups.ts';
import { EXT4_EXT_MAGIC, Ext4InodeFlag, ext4_inode, ext4_super_block, GOOD_OLD_INODE_SIZE } from '../layouts.ts';
import type { Geometry } from '../superblock.ts';
import { JBD2_MAGIC_BYTES, journal_superblock } from './layouts.ts';
import { LogReader } from './log-reader.ts';
import { scanLog } from './scan.ts';
import { decodeJournalSuperblock, type JournalGeometry } from './superblock.ts';

export interface Replayed {
  readonly overlay: Overlay;
  readonly journal: JournalGeometry;
  readonly log: LogReader;
  /** Where the journal lies: copied whatever the bitmaps say. */
  readonly journalRuns: ContentRuns;
  readonly transactions: number;
  /** The transaction that fast commits would belong to. */
  readonly endSequence: number;
  readonly notes: readonly string[];
  /** What stopped the replay short, if anything. */
  readonly damage: string | undefined;
}

/**
 * Replays the journal of a filesystem that needs recovery.
 * @param superblock its 1024 bytes, for the copy of the journal's block list in it
 * @throws FormatError when the journal is missing or cannot be used: the volume can then only be copied whole
 */
export async function replayJournal(
  g: Geometry,
  groups: Groups,
  superblock: DataView,
  readAt: ReadAt,
  signal?: AbortSignal,
): Promise<Replayed> {
  const external = externalJournal(g, superblock);
  if (external !== undefined) throw new FormatError('unsupported', 'ext4 journal', external);
  const notes: string[] = [];
  const runs = await journalRuns(g, groups, superblock, readAt, notes, signal);
  const log = new LogReader(readAt, runs, g.blockSize, signal);
  const journal = decodeJournalSuperblock(await log.block(0), g.blockSize, Math.floor(runs.size / g.blockSize));
  const overlay = new Overlay(readAt, g.blockSize);
  const base = { overlay, journal, log, journalRuns: runs, notes };
  if (journal.start === 0) return { ...base, transactions: 0, endSequence: journal.sequence, damage: undefined };
  const { copies, transactions, endSequence, damage } = await scanLog(journal, log, g.blocksCount);
  for (const [block, { logBlock, escaped }] of copies) {
    const at = log.address(logBlock);
    overlay.redirect(block * g.blockSize, escaped ? { at, head: JBD2_MAGIC_BYTES } : { at });
  }
  return { ...base, transactions, endSequence, damage };
}

/** What to say of a journal on another device. */
function externalJournal(g: Geometry, superblock: DataView): string | undefined {
  const { s_journal_uuid, s_journal_dev } = ext4_super_block;
  if (g.journalInode !== 0 || s_journal_dev.get(superblock, 0) === 0) return undefined;
  const uuid = Buffer.from(s_journal_uuid.get(superblock, 0)).toString('hex');
  return `lies on another device (UUID ${uuid.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')}), which is missing here`;
}

/** The journal's blocks by its inode or, when that is damaged, by the superblock's copy of its block list, as e2fsck does. */
async function journalRuns(
  g: Geometry,
  groups: Groups,
  superblock: DataView,
  readAt: ReadAt,
  notes: string[],
  signal?: AbortSignal,
): Promise<ContentRuns> {
  if (g.journalInode === 0) throw new FormatError('corrupt', 'ext4 journal', 'the superblock names no inode for it');
  try {
    const inode = await readInode(g, groups, readAt, g.journalInode, signal);
    check(g, viewOf(inode));
    return await contentRuns(g, groups, readAt, g.journalInode, inode, signal);
  } catch (error) {
    const copy = inodeFromBackup(g, superblock);
    if (!(error instanceof FormatError) || copy === undefined) throw error;
    notes.push(`the journal's inode is damaged (${error.what}): its copy in the superblock was used`);
    return contentRuns(g, groups, readAt, g.journalInode, copy, signal, false);
  }
}

function check(g: Geometry, inode: DataView): void {
  const isFile = (ext4_inode.i_mode.get(inode, 0) & 0o170000) === 0o100000;
  if (isFile && ext4_inode.i_links_count.get(inode, 0) > 0) return;
  throw new FormatError('corrupt', `ext4 inode ${g.journalInode}`, 'is no file, and should be the journal');
}

/** s_jnl_blocks: i_block, then the upper and the lower half of the size. */
function inodeFromBackup(g: Geometry, superblock: DataView): Uint8Array | undefined {
  const { s_jnl_backup_type, s_jnl_blocks } = ext4_super_block;
  if (s_jnl_backup_type.get(superblock, 0) !== 1) return undefined;
  const saved = viewOf(s_jnl_blocks.get(superblock, 0));
  const size = saved.getUint32(64, true);
  if (size < journal_superblock.byteLength) return undefined;
  const isMapped = saved.getUint16(0, true) === EXT4_EXT_MAGIC;
  const inode = new Uint8Array(Math.max(g.inodeSize, GOOD_OLD_INODE_SIZE));
  ext4_inode.write(viewOf(inode), 0, {
    i_mode: 0o100600,
    i_links_count: 1,
    i_size_lo: size,
    i_size_high: saved.getUint32(60, true),
    i_flags: isMapped ? Ext4InodeFlag.extents : 0,
    i_block: s_jnl_blocks.get(superblock, 0).subarray(0, 60),
  });
  return inode;
}
