import { describe, expect, it } from 'vitest';
import { benchIndexWriter } from '../../../bench/tape-index/index-writer.bench.ts';
import { benchLookUp } from '../../../bench/tape-index/look-up.bench.ts';

describe('the benchmarks of the index run', () => {
  it('writer: a small tree stays under 24 bytes a file, or 40 where nothing repeats', async () => {
    const fresh = await benchIndexWriter(20_000, false, true);
    expect(fresh.files).toBeGreaterThan(20_000);
    expect(fresh.bytesPerFile).toBeLessThan(24);
    const aged = await benchIndexWriter(20_000, true, false);
    expect(aged.bytesPerFile).toBeLessThan(40);
  });

  it('look-up by a fresh process', async () => {
    const result = await benchLookUp(2_000, 1);
    expect(result.depth).toBeGreaterThan(2);
    expect(result.insideMs).toHaveLength(4);
  });
});
