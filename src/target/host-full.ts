/** Whether a write failed because whatever keeps the medium is full, and not because the medium is bad. errno(3). */

const HOST_IS_FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

export function isHostFull(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    const { code } = at as NodeJS.ErrnoException;
    if (code !== undefined && HOST_IS_FULL.has(code)) return true;
  }
  return false;
}
