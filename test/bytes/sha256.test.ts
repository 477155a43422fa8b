import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { sha256 } from '../../src/bytes/sha256.ts';

test('is what OpenSSL makes of messages of every length up to four blocks, and of long ones', () => {
  for (const length of [...Array(257).keys(), 16_384, 16_385, 100_000]) {
    const message = Uint8Array.from({ length }, (_, i) => (i * 167 + length * 31) & 0xff);
    expect(Buffer.from(sha256(message)).toString('hex')).toBe(createHash('sha256').update(message).digest('hex'));
  }
});
