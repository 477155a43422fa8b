// The benchmark runs small, so that it never rots.
import { expect, it } from 'vitest';
import { benchCopy } from '../../bench/target/copy-manager.bench.ts';
import { KiB, MiB } from '../../src/bytes/units.ts';

it('the copy manager benchmark moves every record', async () => {
  const result = await benchCopy({ bytes: 8 * MiB, extentBytes: 192 * KiB, recordBytes: 256 * KiB });
  expect(result.records).toBe(Math.ceil(result.bytes / (256 * KiB)));
  expect(result.seconds).toBeGreaterThan(0);
});
