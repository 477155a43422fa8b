/**
 * Records as an encrypting drive keeps them: AES-256-GCM, each with its own vector, its key-associated data beside it. The
 * format is in index-format/FORMAT.virtual-tape.md. NIST SP 800-38D; IEEE 1619.1.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { byteField, bytesOf, layout, u8, viewOf } from '../bytes/layout.ts';
import type { Random } from '../bytes/random.ts';
import type { Bytes } from '../bytes/units.ts';
import {
  AUTHENTICATED_KAD_MAX,
  KadType,
  type KeyAssociatedData,
  UNAUTHENTICATED_KAD_MAX,
} from '../scsi/stream/encryption.ts';

const Sealed = layout(32, {
  version: u8(0),
  algorithm: u8(1),
  unauthenticatedLength: u8(2),
  authenticatedLength: u8(3),
  vector: byteField(4, 12),
  tag: byteField(16, 16),
});
const VERSION = 1;
const AES_256_GCM = 1;
const VECTOR_BYTES = 12;
const HEAD_COVERED = 4; // bytes of the head that the tag covers

/** Most that a record grows by. */
export const SEAL_BYTES_MAX: Bytes = Sealed.byteLength + UNAUTHENTICATED_KAD_MAX + AUTHENTICATED_KAD_MAX;

const kadOf = (kad: readonly KeyAssociatedData[], type: number): Uint8Array =>
  kad.find((one) => one.type === type)?.value ?? new Uint8Array(0);

/** A record as it is stored. */
export function sealRecord(
  record: Uint8Array,
  key: Uint8Array,
  kad: readonly KeyAssociatedData[],
  random: Random,
): Uint8Array {
  const open = kadOf(kad, KadType.unauthenticated);
  const covered = kadOf(kad, KadType.authenticated);
  const dataAt = Sealed.byteLength + open.length + covered.length;
  const out = new Uint8Array(dataAt + record.length);
  const vector = random(VECTOR_BYTES);
  const view = viewOf(out);
  const lengths = { unauthenticatedLength: open.length, authenticatedLength: covered.length };
  Sealed.write(view, 0, { version: VERSION, algorithm: AES_256_GCM, ...lengths, vector });
  out.set(open, Sealed.byteLength);
  out.set(covered, Sealed.byteLength + open.length);
  const cipher = createCipheriv('aes-256-gcm', key, vector);
  cipher.setAAD(Buffer.concat([out.subarray(0, HEAD_COVERED), covered]));
  out.set(cipher.update(record), dataAt);
  cipher.final();
  Sealed.tag.set(view, 0, cipher.getAuthTag());
  return out;
}

/** What is told of a stored record without its key; `undefined`: it is none of ours. */
export function sealedParts(
  stored: Uint8Array,
): { readonly kad: readonly KeyAssociatedData[]; readonly length: Bytes; readonly dataAt: Bytes } | undefined {
  if (stored.length <= Sealed.byteLength) return undefined;
  const view = viewOf(stored);
  const { version, algorithm, unauthenticatedLength, authenticatedLength } = Sealed.decodeAll(view);
  const dataAt = Sealed.byteLength + unauthenticatedLength + authenticatedLength;
  if (version !== VERSION || algorithm !== AES_256_GCM || stored.length <= dataAt) return undefined;
  const open = bytesOf(view, Sealed.byteLength, unauthenticatedLength);
  const covered = bytesOf(view, Sealed.byteLength + unauthenticatedLength, authenticatedLength);
  const kad = [
    { type: KadType.unauthenticated, authenticated: 1, value: open },
    { type: KadType.authenticated, authenticated: 2, value: covered },
  ].filter(({ value }) => value.length > 0);
  return { kad, length: stored.length - dataAt, dataAt };
}

/** The record; `undefined`: another key, or not what was stored. */
export function openRecord(stored: Uint8Array, key: Uint8Array): Uint8Array | undefined {
  const parts = sealedParts(stored);
  if (parts === undefined) return undefined;
  const view = viewOf(stored);
  const decipher = createDecipheriv('aes-256-gcm', key, Sealed.vector.get(view, 0));
  decipher.setAAD(Buffer.concat([stored.subarray(0, HEAD_COVERED), kadOf(parts.kad, KadType.authenticated)]));
  decipher.setAuthTag(Sealed.tag.get(view, 0));
  const record = decipher.update(stored.subarray(parts.dataAt));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return record;
}
