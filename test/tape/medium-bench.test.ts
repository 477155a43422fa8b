import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { benchMedium, small } from '../../bench/tape/medium.bench.ts';

it('the benchmark of the medium runs, and leaves nothing behind', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'reelmap-bench-test-'));
  try {
    const results = await benchMedium({ folder, ...small });
    expect(results.map(({ name }) => name)).toContain('append with digest');
    for (const { gigabytesPerSecond } of results) expect(gigabytesPerSecond).toBeGreaterThan(0);
    expect(readdirSync(folder)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
