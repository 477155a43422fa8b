/**
 * Content of files that the set will not hold: in blocks that a damaged bitmap calls free, where the filesystem has no checksum
 * that would tell. A file is never lost in silence: each is noted with its place.
 */
import { type Runs, runAt } from '../bytes/extents.ts';
import type { Bytes } from '../bytes/units.ts';
import { ExtentKind, type InodeBatch, type Problem } from '../bytes/walk-batch.ts';

export class StoredCheck {
  readonly #stored: Runs;
  readonly #until: Bytes;
  #run = 0;

  /** @param until volume byte from which on nothing is known of what is stored */
  constructor(stored: Runs, until: Bytes = Number.POSITIVE_INFINITY) {
    this.#stored = stored;
    this.#until = until;
  }

  /** The batch, with a problem for each inode of which some content is not stored. */
  check(batch: InodeBatch): InodeBatch {
    const found: Problem[] = [];
    for (let row = 0; row < batch.count; row++) {
      const end = batch.extentStart[row + 1];
      for (let i = batch.extentStart[row]; i < end; i++) {
        const kind = batch.extentKind[i];
        if (kind !== ExtentKind.stored && kind !== ExtentKind.escaped) continue;
        const length = Math.min(batch.extentLength[i], batch.size[row] - batch.extentFileOffset[i]);
        const from = batch.extentVolumeOffset[i];
        if (length <= 0 || from >= this.#until || this.#holds(from, from + length)) continue;
        const reason = `content at volume bytes ${from} to ${from + length} is not copied: the filesystem calls them free`;
        found.push({ row, reason });
        break;
      }
    }
    if (found.length === 0) return batch;
    return { ...batch, problems: [...batch.problems, ...found].sort((a, b) => a.row - b.row) };
  }

  /** Whether all of it is stored. Extents mostly follow each other: the run of the one before is tried first. */
  #holds(from: Bytes, to: Bytes): boolean {
    const { starts, lengths, count } = this.#stored;
    if (count === 0) return false;
    let run = this.#run;
    if (from < starts[run] || from >= starts[run] + lengths[run]) run = Math.max(0, runAt(this.#stored, from));
    this.#run = run;
    return starts[run] <= from && Math.min(to, this.#until) <= starts[run] + lengths[run];
  }
}
