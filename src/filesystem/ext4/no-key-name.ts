/**
 * What the kernel shows for an encrypted name without the key: two words of hash and the ciphertext in base64url; long
 * ciphertext is cut, with a SHA-256 of the rest. Linux fs/crypto/fname.c, `struct fscrypt_nokey_name`.
 */
import { createHash } from 'node:crypto';
import type { DirectoryHash } from './directory-hash.ts';

/** Bytes of ciphertext that are shown as they are. */
const SHOWN_MAX = 149;

export function noKeyName(ciphertext: Uint8Array, hash: DirectoryHash): string {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(hash.major, 0);
  head.writeUInt32LE(hash.minor, 4);
  const parts: Uint8Array[] = [head, ciphertext.subarray(0, SHOWN_MAX)];
  if (ciphertext.length > SHOWN_MAX) parts.push(createHash('sha256').update(ciphertext.subarray(SHOWN_MAX)).digest());
  return Buffer.concat(parts).toString('base64url');
}

/** The target of an encrypted symbolic link: 16 bits of length, then ciphertext. Undefined when it is not so. */
export function noKeyTarget(data: Uint8Array): Uint8Array | undefined {
  const length = data.length < 2 ? 0 : data[0] + data[1] * 256;
  if (length === 0 || 2 + length > data.length) return undefined;
  return Buffer.from(noKeyName(data.subarray(2, 2 + length), { major: 0, minor: 0 }), 'latin1');
}
