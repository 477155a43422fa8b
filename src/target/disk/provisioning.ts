/** UNMAP and WRITE SAME. SBC-4, 5.35, 5.50 to 5.52. */
import { viewOf } from '../../bytes/layout.ts';
import { type Bytes, MiB } from '../../bytes/units.ts';
import { Block16, decodeUnmapList, Unmap } from '../../scsi/block/commands.ts';
import {
  invalidFieldInCdb,
  invalidFieldInParameterList,
  lbaOutOfRange,
  parameterListLengthError,
} from '../../scsi/common/sense.ts';
import { checkCondition, good, type ScsiCommand, type ScsiResult } from '../../scsi/execute.ts';
import type { CommandContext } from '../handler.ts';
import { attempt, type Disk, Failure, isSense, offsetOf, rangeOf, storeAt, writeRefused } from './state.ts';

/** Ranges of one UNMAP. */
export const UNMAP_RANGES_MAX = 256;
export const UNMAP_BLOCKS_MAX = 0xffff_ffff;
/** Written at a time by WRITE SAME. */
const PATTERN_BYTES: Bytes = 1 * MiB;

export async function unmapRanges(disk: Disk, command: ScsiCommand): Promise<ScsiResult> {
  const view = viewOf(command.cdb);
  if (Unmap.anchor.get(view, 0)) return checkCondition(invalidFieldInCdb(1, 0));
  const refused = writeRefused(disk);
  if (refused !== undefined) return refused;
  const length = Unmap.parameterListLength.get(view, 0);
  if (length === 0) return good();
  const data = command.dataOut?.subarray(0, length);
  const ranges = data === undefined ? undefined : decodeUnmapList(data);
  if (ranges === undefined) return checkCondition(parameterListLengthError());
  if (ranges.length > UNMAP_RANGES_MAX) return checkCondition(invalidFieldInParameterList(2));
  if (ranges.some(({ lba, blocks }) => lba + blocks > disk.blocks)) return checkCondition(lbaOutOfRange());
  for (const { lba, blocks } of ranges) {
    const trouble = await attempt(lba, Failure.write, () => unmapAt(disk, lba, blocks));
    if (trouble !== undefined) return trouble;
  }
  return good();
}

function unmapAt(disk: Disk, lba: number, blocks: number): Promise<void> {
  const offset = offsetOf(disk, lba);
  const end = Math.min(disk.byteLength, offset + blocks * disk.blockLength);
  return end > offset ? disk.turns.together(() => disk.store.unmap(offset, end - offset)) : Promise.resolve();
}

/** Flags of WRITE SAME. UNMAP makes no difference: zeros are let go of in any case, anything else is written. */
function flagsOf(cdb: Uint8Array): { anchor: boolean; noData: boolean } {
  const noData = cdb[0] >>> 5 === 4 && Block16.ndob.get(viewOf(cdb), 0);
  return { anchor: (cdb[1] & 0x10) !== 0, noData };
}

export async function writeSame(disk: Disk, command: ScsiCommand, { signal }: CommandContext): Promise<ScsiResult> {
  const range = rangeOf(disk, command.cdb);
  if (isSense(range)) return checkCondition(range);
  const { anchor, noData } = flagsOf(command.cdb);
  if (anchor) return checkCondition(invalidFieldInCdb(1, 4));
  const refused = writeRefused(disk);
  if (refused !== undefined) return refused;
  const { blockLength } = disk;
  const block = noData ? new Uint8Array(blockLength) : command.dataOut;
  if (block?.length !== blockLength) return checkCondition(invalidFieldInCdb(command.cdb[0] >>> 5 === 4 ? 10 : 7));
  const zeros = block.every((byte) => byte === 0);
  const { lba } = range;
  const blocks = range.blocks === 0 ? disk.blocks - lba : range.blocks; // WSNZ=0: none is all that follow
  const fill = (): Promise<void> => (zeros ? unmapAt(disk, lba, blocks) : repeat(disk, lba, blocks, block, signal));
  const trouble = await attempt(range.lba, Failure.write, fill);
  if (signal?.aborted) return { status: 'task-aborted' };
  return trouble ?? good();
}

async function repeat(
  disk: Disk,
  lba: number,
  blocks: number,
  block: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { blockLength } = disk;
  const perWrite = Math.max(1, Math.min(blocks, Math.floor(PATTERN_BYTES / blockLength)));
  const pattern = new Uint8Array(perWrite * blockLength);
  for (let at = 0; at < pattern.length; at += blockLength) pattern.set(block, at);
  for (let done = 0; done < blocks && !signal?.aborted; done += perWrite) {
    const part = pattern.subarray(0, Math.min(perWrite, blocks - done) * blockLength);
    await disk.turns.together(() => storeAt(disk, offsetOf(disk, lba + done), part));
  }
}
