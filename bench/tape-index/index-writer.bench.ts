/** The index writer on synthetic trees: files a second, bytes a file on disk, peak memory, longest stretch without a turn of the event loop. */
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { openStore } from '../../src/tape-index/level-store.ts';
import { createIndexWriter } from '../../src/tape-index/writer.ts';
import { SYNTHETIC_ROOT, syntheticWalk } from './synthetic-walk.ts';

export interface IndexWriterResult {
  readonly files: number;
  readonly aged: boolean;
  readonly text: boolean;
  /** Wall clock, and processor time of all threads, without the synthetic walk. */
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly filesPerSecond: number;
  /** In LevelDB, keys and all. */
  readonly bytesPerFile: number;
  readonly textBytesPerFile: number;
  /** More than before the walk. */
  readonly memoryBytes: number;
  readonly longestStretchMs: number;
  readonly pages: number;
}

export async function benchIndexWriter(files: number, aged: boolean, text: boolean): Promise<IndexWriterResult> {
  const folder = mkdtempSync(join(tmpdir(), 'reelmap-bench-'));
  try {
    return await run(folder, files, aged, text);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function run(folder: string, files: number, aged: boolean, text: boolean): Promise<IndexWriterResult> {
  const store = await openStore(folder, { create: true, command: 'bench' });
  let peak = 0;
  const memoryBefore = process.memoryUsage.rss();
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 5);
  let textBytes = 0;
  const sink = async (part: Uint8Array): Promise<void> => {
    textBytes += part.length;
  };
  const writer = createIndexWriter({
    store,
    set: new Uint8Array(16).fill(1),
    filesystem: 0,
    rootInode: SYNTHETIC_ROOT,
    inodesExpected: files * 1.1,
    ...(text && { text: sink }),
  });
  let walking = 0;
  const begin = performance.now();
  const cpuBefore = process.cpuUsage();
  const walk = syntheticWalk({ files, aged });
  for (;;) {
    const before = performance.now();
    const { value, done } = walk.next();
    walking += performance.now() - before;
    if (done === true) break;
    if (value.kind === 'inodes') writer.addInodes(value);
    else writer.addNames(value);
  }
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const summary = await writer.finish();
  delay.disable();
  const seconds = (performance.now() - begin - walking) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  clearInterval(timer);
  peak = Math.max(peak, process.memoryUsage.rss());
  await store[Symbol.asyncDispose]();
  return {
    files: summary.entries,
    aged,
    text,
    seconds: Math.round(seconds * 1000) / 1000,
    cpuSeconds: Math.round((cpu.user + cpu.system - walking * 1000) / 1000) / 1000,
    filesPerSecond: Math.round(summary.entries / seconds),
    bytesPerFile: Math.round((folderBytes(join(folder, 'db')) / summary.entries) * 100) / 100,
    textBytesPerFile: Math.round((textBytes / summary.entries) * 100) / 100,
    memoryBytes: peak - memoryBefore,
    longestStretchMs: Math.round(delay.max / 1e5) / 10,
    pages: summary.pages,
  };
}

export function folderBytes(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

/** `node .../index-writer.bench.js FILES aged|fresh text|index` prints one JSON line. */
if (process.argv[1]?.includes('index-writer.bench')) {
  const [files, aged, text] = process.argv.slice(2);
  console.log(JSON.stringify(await benchIndexWriter(Number(files), aged === 'aged', text === 'text')));
}
