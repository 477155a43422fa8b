// The metadata walk of a volume of small files, beside e2fsck -fn or xfs_repair -n: a process each, order at random, medians.
// Run: node bench/filesystem/walk.bench.ts [FILES | IMAGE] [RUNS] [ext4 | xfs]   (Node 22.18 or newer; older: through esbuild)
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, fstatSync, mkdtempSync, openSync, readSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { totalBytes } from '../../src/bytes/extents.ts';
import { openExt4 } from '../../src/filesystem/ext4/ext4.ts';
import type { ReadAt } from '../../src/filesystem/volume.ts';
import { openXfs } from '../../src/filesystem/xfs/xfs.ts';
import { makeSmallFilesImage, type SmallFilesFormat } from '../support/small-files.ts';

export interface WalkResult {
  readonly inodes: number;
  readonly names: number;
  readonly extents: number;
  readonly problems: number;
  readonly allocatedBytes: number;
  readonly reads: number;
  readonly readBytes: number;
  /** Open, allocated runs and walk. */
  readonly seconds: number;
}

/** Walks an image once, in this process. */
export async function benchWalk(path: string): Promise<WalkResult> {
  const file = openSync(path, 'r');
  const counts = { reads: 0, readBytes: 0, inodes: 0, names: 0, extents: 0, problems: 0 };
  const readAt: ReadAt = (offset, length, _signal, into) => {
    const bytes = into ?? new Uint8Array(length);
    counts.reads++;
    counts.readBytes += readSync(file, bytes, 0, length, offset);
    return Promise.resolve(new DataView(bytes.buffer, bytes.byteOffset, length));
  };
  const begin = performance.now();
  const { size } = fstatSync(file);
  const filesystem = (await openExt4(readAt, size)) ?? (await openXfs(readAt, size));
  if (filesystem === undefined || !('walk' in filesystem))
    throw new Error(`${path}: ${filesystem?.reason ?? 'neither ext4 nor XFS'}`);
  const allocatedBytes = totalBytes(await filesystem.allocated());
  for await (const batch of filesystem.walk()) {
    counts.problems += batch.problems.length;
    if (batch.kind === 'inodes') {
      counts.inodes += batch.count;
      counts.extents += batch.extentStart[batch.count];
    } else counts.names += batch.count;
  }
  const seconds = (performance.now() - begin) / 1000;
  closeSync(file);
  return { ...counts, allocatedBytes, seconds };
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1];

/** Whether the page cache could be dropped: only root may. */
function dropCaches(): boolean {
  spawnSync('sync');
  try {
    writeFileSync('/proc/sys/vm/drop_caches', '3');
    return true;
  } catch {
    return false;
  }
}

interface Times {
  readonly program: string;
  readonly cold: number[];
  readonly warm: number[];
}

/** Whole processes, `runs` times cold (where allowed) and warm, in an order drawn anew each time. */
function compare(image: string, runs: number, format: SmallFilesFormat): Times[] {
  const [checker, ...args] = format === 'xfs' ? ['xfs_repair', '-n', '-f'] : ['e2fsck', '-fn'];
  const competitors: { times: Times; run: () => number | null }[] = [
    {
      times: { program: 'walk', cold: [], warm: [] },
      run: () => spawnSync(process.execPath, [...process.execArgv, process.argv[1], '--once', image]).status,
    },
    {
      times: { program: [checker, ...args].join(' '), cold: [], warm: [] },
      run: () => spawnSync(checker, [...args, image], { env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` } }).status,
    },
  ];
  for (let i = 0; i < runs; i++) {
    for (const { times, run } of competitors.sort(() => Math.random() - 0.5)) {
      const isCold = dropCaches();
      const coldSeconds = timed(run);
      if (isCold) times.cold.push(coldSeconds);
      times.warm.push(timed(run));
    }
  }
  return competitors.map(({ times }) => times);
}

function timed(run: () => number | null): number {
  const begin = performance.now();
  const status = run();
  if (status !== 0) throw new Error(`ended with ${status}`);
  return (performance.now() - begin) / 1000;
}

async function main(what = '200000', runs = '5', format: SmallFilesFormat = 'ext4'): Promise<void> {
  const folder = existsSync(what) ? undefined : mkdtempSync(join(tmpdir(), 'walk-bench-'));
  try {
    const image = folder === undefined ? what : join(folder, 'small.img');
    if (folder !== undefined) console.log(JSON.stringify(makeSmallFilesImage(image, { files: Number(what), format })));
    const result = await benchWalk(image);
    console.log(JSON.stringify(result));
    for (const { program, cold, warm } of compare(image, Number(runs), format)) {
      const shown = (list: number[]): string => (list.length === 0 ? 'not measured' : `${median(list).toFixed(2)} s`);
      console.log(`${program.padEnd(16)} cold ${shown(cold)}, warm ${shown(warm)} (whole process)`);
    }
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1]?.includes('walk.bench')) {
  if (process.argv[2] === '--once') console.log(JSON.stringify(await benchWalk(process.argv[3])));
  else await main(process.argv[2], process.argv[3], process.argv[4] === 'xfs' ? 'xfs' : 'ext4');
}
