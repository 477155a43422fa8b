/** One path of six names looked up by a fresh process, as a restore of one file begins: against `node -e 0` in the same run. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runsOf } from '../../src/bytes/extents.ts';
import { sealDigest } from '../../src/tape-index/check.ts';
import { putChunkExtents } from '../../src/tape-index/chunks.ts';
import { setBytes } from '../../src/tape-index/keys.ts';
import { openStore } from '../../src/tape-index/level-store.ts';
import { getSet, openSet, type StoredSet, sealSet } from '../../src/tape-index/sets.ts';
import { createIndexWriter } from '../../src/tape-index/writer.ts';
import { bundleScript, plainEnvironment } from '../../test/support/bundle.ts';
import { testChunk, testManifest } from '../../test/tape-index/manifests.ts';
import { SYNTHETIC_ROOT, syntheticWalk } from './synthetic-walk.ts';

export interface LookUpResult {
  readonly files: number;
  readonly depth: number;
  /** Medians of whole processes. */
  readonly nodeMs: number;
  readonly processMs: number;
  /** Medians inside: import, open, look up, close. */
  readonly insideMs: readonly number[];
}

const SET = 'a'.repeat(32);
const VOLUME = 2 ** 40;

export async function benchLookUp(files: number, rounds: number): Promise<LookUpResult> {
  const folder = mkdtempSync(join(tmpdir(), 'reelmap-bench-'));
  const { program, folder: bundle } = await bundleScript('bench/tape-index/look-up-child.ts');
  try {
    const path = await makeStore(folder, files);
    const whole: number[] = [];
    const bare: number[] = [];
    const inside: number[][] = [];
    for (let i = 0; i < rounds; i++) {
      bare.push(timed(['-e', '0']).ms);
      const { ms, output } = timed([program, folder, SET, path.join('/')]);
      whole.push(ms);
      inside.push((JSON.parse(output) as { milliseconds: number[] }).milliseconds);
    }
    const insideMs = inside[0].map((_, k) => median(inside.map((one) => one[k])));
    return { files, depth: path.length, nodeMs: median(bare), processMs: median(whole), insideMs };
  } finally {
    rmSync(folder, { recursive: true, force: true });
    rmSync(bundle, { recursive: true, force: true });
  }
}

/** A sealed set; a path of six names in it, or the deepest there is. */
async function makeStore(folder: string, files: number): Promise<string[]> {
  await using store = await openStore(folder, { create: true, command: 'bench' });
  const writer = createIndexWriter({ store, set: setBytes(SET), filesystem: 0, rootInode: SYNTHETIC_ROOT });
  for (const batch of syntheticWalk({ files, aged: false })) {
    if (batch.kind === 'inodes') writer.addInodes(batch);
    else writer.addNames(batch);
  }
  const summary = await writer.finish();
  const pairs = Array.from({ length: 20_000 }, (_, i): [number, number] => [i * 65_536, 32_768]);
  await putChunkExtents(store, SET, 0, runsOf(pairs));
  const indexDigest = sealDigest([{ filesystem: 0, ...summary }]);
  const chunks = [testChunk(0, 0, VOLUME)];
  await sealSet(store, testManifest(SET, { chunks, indexDigest, indexRows: summary.rows }));
  const index = await openSet(store, (await getSet(store, SET)) as StoredSet);
  const root = await index.root();
  if (root === undefined) throw new Error('no root');
  let best: string[] = [];
  for await (const { parents, entries } of index.walk(root)) {
    const file = entries.find((entry) => entry.extents.length > 0);
    if (file === undefined || parents.length + 1 <= best.length) continue;
    best = [...parents, file.name].map((name) => Buffer.from(name).toString());
    if (best.length >= 6) break;
  }
  return best;
}

function timed(command: string[]): { ms: number; output: string } {
  const begin = performance.now();
  const output = execFileSync(process.execPath, command, { env: plainEnvironment(), encoding: 'utf8' });
  return { ms: performance.now() - begin, output };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round(sorted[Math.floor(sorted.length / 2)] * 10) / 10;
}

/** `node .../look-up.bench.js FILES ROUNDS` prints one JSON line. */
if (process.argv[1]?.includes('look-up.bench'))
  console.log(JSON.stringify(await benchLookUp(Number(process.argv[2] ?? 200_000), Number(process.argv[3] ?? 15))));
