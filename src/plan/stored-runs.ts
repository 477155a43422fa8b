/** Which bytes of a volume go to tape: the allocated runs, widened to the disk's blocks, small gaps read through. */
import { type Runs, RunsBuilder } from '../bytes/extents.ts';
import { alignDown, alignUp, type Bytes } from '../bytes/units.ts';

export interface StoredRunsOptions {
  readonly volumeBytes: Bytes;
  /** Logical block length of the disk unit: runs are widened to it. */
  readonly blockLength: Bytes;
  /** Gaps up to this are read through: a descriptor and a seek cost more than the bytes. */
  readonly gapBytes: Bytes;
}

/** Gaps of up to 64 KiB are read through: at a drive's floor of 180 MB/s that is 0.4 ms, less than one disk seek. */
export const GAP_BYTES_DEFAULT = 64 * 1024;

/** Allocated runs widened to whole blocks, with small gaps closed. The last may end past an odd-sized volume, at a block boundary. */
export function storedRuns(allocated: Runs, options: StoredRunsOptions): Runs {
  const { blockLength, gapBytes } = options;
  const end = alignUp(options.volumeBytes, blockLength);
  const builder = new RunsBuilder();
  let start = -1;
  let stop = -1;
  for (let i = 0; i < allocated.count; i++) {
    const from = alignDown(allocated.starts[i], blockLength);
    const to = Math.min(end, alignUp(allocated.starts[i] + allocated.lengths[i], blockLength));
    if (start >= 0 && from - stop <= gapBytes) {
      stop = Math.max(stop, to);
      continue;
    }
    if (start >= 0) builder.add(start, stop - start);
    start = from;
    stop = to;
  }
  if (start >= 0) builder.add(start, stop - start);
  return builder.finish();
}
