// Many mutations of partition tables and LVM metadata, what `npm test` does with some hundreds: node tools/nightly/fuzz-disks.mjs
// [COUNT [FIRST-SEED]]. Exit status 0 when none fails; else the seed is in the output, for the test's list of regressions.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const [count = '100000', seed = String(1 + (Math.floor(Date.now() / 86_400_000) % 1000) * 1_000_000)] =
  process.argv.slice(2);
const { status } = spawnSync(
  process.execPath,
  [join(root, 'node_modules/vitest/vitest.mjs'), 'run', 'test/filesystem/partition/fuzz.test.ts'],
  { cwd: root, stdio: 'inherit', env: { ...process.env, REELMAP_FUZZ: count, REELMAP_FUZZ_SEED: seed } },
);
process.exit(status ?? 1);
