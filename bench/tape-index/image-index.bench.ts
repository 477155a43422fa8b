/**
 * Walk and index of a real image, without the copy: processor time of the whole process (all threads) for the walk alone
 * and for both, bytes a file in LevelDB, peak memory. The index goes into a fresh LevelDB folder, the text twin is counted.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openExt4 } from '../../src/filesystem/ext4/ext4.ts';
import type { Filesystem } from '../../src/filesystem/filesystem.ts';
import { readAtOf } from '../../src/filesystem/volume.ts';
import { openFileStore } from '../../src/storage/file-store.ts';
import { openStore } from '../../src/tape-index/level-store.ts';
import { createIndexWriter } from '../../src/tape-index/writer.ts';
import { folderBytes } from './index-writer.bench.ts';

export interface ImageIndexResult {
  readonly files: number;
  /** Processor time, user and system, all threads. */
  readonly walkCpuSeconds: number;
  readonly indexCpuSeconds: number;
  readonly wallSeconds: number;
  readonly bytesPerFile: number;
  /** Keys and values alone. */
  readonly rowBytesPerFile: number;
  readonly pages: number;
  readonly textBytesPerFile: number;
  readonly peakMiB: number;
  readonly digest: string;
}

const cpuSeconds = (since?: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1e6;
};

async function openImage(image: string): Promise<Filesystem & AsyncDisposable> {
  const store = await openFileStore(image);
  const filesystem = await openExt4(readAtOf(store, image), store.byteLength);
  if (filesystem === undefined || !('walk' in filesystem)) throw new Error(`${image} is no ext4 volume`);
  return { ...filesystem, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
}

/** `what`: `walk` alone; `index` without the text twin; `all`. */
export async function benchImageIndex(image: string, what: 'walk' | 'index' | 'all'): Promise<ImageIndexResult> {
  const folder = mkdtempSync(join(tmpdir(), 'reelmap-bench-'));
  try {
    const begin = performance.now();
    const cpu = process.cpuUsage();
    await using filesystem = await openImage(image);
    const result = what === 'walk' ? await walkOnly(filesystem) : await index(filesystem, folder, what === 'all');
    return {
      ...result,
      ...(what === 'walk' ? { walkCpuSeconds: cpuSeconds(cpu) } : { indexCpuSeconds: cpuSeconds(cpu) }),
      wallSeconds: (performance.now() - begin) / 1000,
      peakMiB: Math.round(process.resourceUsage().maxRSS / 1024),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const nothing: ImageIndexResult = {
  files: 0,
  walkCpuSeconds: 0,
  indexCpuSeconds: 0,
  wallSeconds: 0,
  bytesPerFile: 0,
  rowBytesPerFile: 0,
  pages: 0,
  textBytesPerFile: 0,
  peakMiB: 0,
  digest: '',
};

async function walkOnly(filesystem: Filesystem): Promise<ImageIndexResult> {
  let files = 0;
  for await (const batch of filesystem.walk()) if (batch.kind === 'names') files += batch.count;
  return { ...nothing, files };
}

async function index(filesystem: Filesystem, folder: string, withText: boolean): Promise<ImageIndexResult> {
  let textBytes = 0;
  const text = async (part: Uint8Array): Promise<void> => {
    textBytes += part.length;
  };
  const store = await openStore(folder, { create: true, command: 'bench' });
  const writer = createIndexWriter({
    store,
    set: new Uint8Array(16).fill(1),
    filesystem: 0,
    rootInode: filesystem.rootInode,
    blockSize: filesystem.identity.blockSize,
    inodesExpected: filesystem.inodeEstimate,
    ...(withText && { text }),
  });
  for await (const batch of filesystem.walk()) {
    if (batch.kind === 'inodes') writer.addInodes(batch);
    else writer.addNames(batch);
  }
  const summary = await writer.finish();
  await store[Symbol.asyncDispose]();
  return {
    ...nothing,
    files: summary.entries,
    bytesPerFile: folderBytes(join(folder, 'db')) / summary.entries,
    rowBytesPerFile: summary.bytes / summary.entries,
    pages: summary.pages,
    textBytesPerFile: textBytes / summary.entries,
    digest: Buffer.from(summary.digest).toString('hex').slice(0, 16),
  };
}

/** `node .../image-index.bench.js IMAGE walk|index|all` prints one JSON line. */
if (process.argv[1]?.includes('image-index.bench')) {
  const [image, what] = process.argv.slice(2);
  console.log(JSON.stringify(await benchImageIndex(image, what as 'walk' | 'index' | 'all')));
}
