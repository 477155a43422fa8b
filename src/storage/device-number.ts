/** Device numbers: dev_t as glibc packs it, below 2^32. */

/** `8:1`, as sysfs and mountinfo write it. */
export function majorMinor(device: number): string {
  const major = (device >>> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  return `${major}:${minor}`;
}
