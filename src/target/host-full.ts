/** A write that failed because the disk below a unit is full: no fault of the unit's medium. errno(3). */

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Whether that is behind an error. */
export function hostIsFull(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (code !== undefined && FULL.has(code)) return true;
  }
  return false;
}
