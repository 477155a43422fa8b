/** The extents of one file while fast commits change them: ascending, never overlapping. */
import type { FileExtent } from './fast-commits.ts';

/** `list` without file blocks `from` to `from + count - 1`. */
export function unmapped(list: readonly FileExtent[], from: number, count: number): FileExtent[] {
  const end = from + count;
  const out: FileExtent[] = [];
  for (const extent of list) {
    const extentEnd = extent.fileBlock + extent.count;
    if (extentEnd <= from || extent.fileBlock >= end) {
      out.push(extent);
      continue;
    }
    if (extent.fileBlock < from) out.push({ ...extent, count: from - extent.fileBlock });
    if (extentEnd > end) {
      const cut = end - extent.fileBlock;
      out.push({ ...extent, fileBlock: end, count: extentEnd - end, block: extent.block + cut });
    }
  }
  return out;
}

/** `list` with `extent` in the place of whatever was there. */
export function mapped(list: readonly FileExtent[], extent: FileExtent): FileExtent[] {
  const out = unmapped(list, extent.fileBlock, extent.count);
  const next = out.findIndex(({ fileBlock }) => fileBlock > extent.fileBlock);
  out.splice(next < 0 ? out.length : next, 0, extent);
  return out;
}
