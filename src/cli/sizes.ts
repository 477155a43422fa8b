/** Sizes as people write them: 64K, 4M, 4GiB. */
import { UserError } from '../bytes/errors.ts';

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };

/** Bytes. @throws UserError when it is no size or below `least` */
export function parseSize(text: string, option: string, least = 1): number {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text.trim());
  const value = match === null ? Number.NaN : Math.round(Number(match[1]) * UNITS[match[2].toUpperCase()]);
  if (!Number.isSafeInteger(value) || value < least) {
    throw new UserError(
      `${option} ${text}`,
      least > 1 ? `is no size of at least ${least} bytes` : 'is no size',
      'write 64K, 16M, 4G',
      { kind: 'usage' },
    );
  }
  return value;
}
