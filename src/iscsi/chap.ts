/** CHAP as iSCSI uses it, one way or mutual. RFC 1994, RFC 7143, 12.1.3. Secrets never leave this file but hashed. */
import { createHash, timingSafeEqual } from 'node:crypto';

/** One side's name and secret. */
export interface ChapAccount {
  readonly name: string;
  /** 12 bytes or more where IPsec is not used; RFC 7143, 9.2.1. */
  readonly secret: Uint8Array;
}

/** CHAP_A: MD5 is the one that every initiator has. RFC 7143, 12.1.3; SHA-256 by IANA's registry. */
const ALGORITHMS: Readonly<Record<string, string>> = { '7': 'sha256', '6': 'sha1', '5': 'md5' };
/** CHAP_C is at most this long. RFC 7143, 12.1.3. */
export const CHALLENGE_BYTES_MAX = 1024;
/** Of our own challenges: as long as MD5's result; SHA's are longer, which does no harm. */
export const CHALLENGE_BYTES = 32;
/** No algorithm's response is longer. */
export const RESPONSE_BYTES_MAX = 64;
/** RFC 7143, 9.2.1. */
export const SECRET_BYTES_MIN = 12;

/** All algorithms, the best first. */
export const chapAlgorithms = (): string[] => Object.keys(ALGORITHMS).sort((a, b) => Number(b) - Number(a));

/** The first algorithm of the initiator's list that is known here. */
export const chooseAlgorithm = (list: string): string | undefined =>
  list.split(',').find((one) => Object.hasOwn(ALGORITHMS, one));

/** Hash of identifier, secret and challenge. RFC 1994, 4.1. `algorithm` is one that `chooseAlgorithm` gave. */
export function chapResponse(
  algorithm: string,
  identifier: number,
  secret: Uint8Array,
  challenge: Uint8Array,
): Uint8Array {
  const hash = createHash(ALGORITHMS[algorithm]);
  return new Uint8Array(hash.update(Uint8Array.of(identifier)).update(secret).update(challenge).digest());
}

/** Whether two responses are the same, in a time that does not tell where they differ. */
export const sameResponse = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && timingSafeEqual(a, b);
