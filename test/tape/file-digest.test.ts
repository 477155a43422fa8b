import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { bytes, tapeFile, tapeObject } from '../../src/bytes/units.ts';
import { memoryMedium } from '../../src/target/virtual-library/memory-cartridge.ts';
import { recordOf } from '../support/tape-model.ts';

const sha256 = (...parts: Uint8Array[]): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
};
const hex = (digest: Uint8Array | undefined): string | undefined => digest && Buffer.from(digest).toString('hex');
const open = () => memoryMedium({ digest: true, bufferBytes: bytes(8192) });

describe('file digests', () => {
  it('are the SHA-256 of the records of each tape file, of the one being written too', async () => {
    await using medium = await open();
    const files = [[3000, 9000, 20_000], [], [1], [4096, 4096, 4096, 50_000]].map((lengths, f) =>
      lengths.map((length, i) => recordOf(f * 10 + i, length)),
    );
    for (const [f, records] of files.entries()) {
      for (const record of records) await medium.append(record);
      expect(hex(await medium.fileDigest(tapeFile(f)))).toBe(sha256(...records));
      await medium.writeFilemarks(1);
    }
    for (const [f, records] of files.entries()) {
      expect(hex(await medium.fileDigest(tapeFile(f)))).toBe(sha256(...records));
    }
    expect(await medium.fileDigest(tapeFile(9))).toBeUndefined();
  });

  it('go on over flushes and reading in between', async () => {
    await using medium = await open();
    const records = Array.from({ length: 20 }, (_, i) => recordOf(i, 5000 + i));
    const into = new Uint8Array(6000);
    for (const [i, record] of records.entries()) {
      await medium.append(record);
      if (i % 3 === 0) await medium.flush();
      if (i % 4 !== 1) continue;
      await medium.locate(tapeObject(0));
      for (let k = 0; k < i; k++) await medium.read(into);
      await medium.locateEndOfData();
    }
    expect(hex(await medium.fileDigest(tapeFile(0)))).toBe(sha256(...records));
  });

  it('are not given for a file that went on from its middle, nor for what was overwritten', async () => {
    await using medium = await open();
    for (let i = 0; i < 4; i++) {
      await medium.append(recordOf(i, 1000));
      await medium.append(recordOf(i, 1001));
      await medium.writeFilemarks(1);
    }
    await medium.locate(tapeObject(4)); // in the middle of file 1
    await medium.append(recordOf(9, 10));
    await medium.writeFilemarks(1);
    await medium.append(recordOf(10, 10));
    expect(hex(await medium.fileDigest(tapeFile(0)))).toBe(sha256(recordOf(0, 1000), recordOf(0, 1001)));
    expect(await medium.fileDigest(tapeFile(1))).toBeUndefined();
    expect(hex(await medium.fileDigest(tapeFile(2)))).toBe(sha256(recordOf(10, 10)));
    expect(await medium.fileDigest(tapeFile(3))).toBeUndefined();
    await medium.locateFile(tapeFile(1)); // anew from its first object
    await medium.append(recordOf(11, 10));
    expect(hex(await medium.fileDigest(tapeFile(1)))).toBe(sha256(recordOf(11, 10)));
    expect(await medium.fileDigest(tapeFile(2))).toBeUndefined();
  });

  it('are kept for the last 64 files', async () => {
    await using medium = await open();
    for (let i = 0; i < 70; i++) {
      await medium.append(recordOf(i, 10));
      await medium.writeFilemarks(1);
    }
    expect(await medium.fileDigest(tapeFile(5))).toBeUndefined();
    expect(hex(await medium.fileDigest(tapeFile(6)))).toBe(sha256(recordOf(6, 10)));
    expect(hex(await medium.fileDigest(tapeFile(69)))).toBe(sha256(recordOf(69, 10)));
  });
});
