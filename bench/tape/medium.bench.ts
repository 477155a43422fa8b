/**
 * Appending records to a virtual cartridge on files, flushed, against dd writing as many bytes with O_DIRECT. Reading them
 * back in a row. Bytes differ from record to record, so that nothing on the way can take a short cut.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { bytes, KiB, MiB, tapeObject } from '../../src/bytes/units.ts';
import { openFileStore } from '../../src/storage/file-store.ts';
import { type FileMedium, formatMedium, openMedium } from '../../src/tape/file-medium.ts';

export interface MediumBenchOptions {
  /** An existing folder on the disk to be measured. */
  readonly folder: string;
  readonly bytes: number;
  readonly recordBytes?: number;
  /** Runs of each kind, in turn; medians are told. */
  readonly runs: number;
}

export interface MediumBenchResult {
  readonly name: string;
  readonly gigabytesPerSecond: number;
  /** Of this process's main thread for a GB (its user and system time); missing for other programs. */
  readonly mainThreadSecondsPerGigabyte?: number;
}

/** What `npm test` runs, so that the benchmark does not rot. */
export const small = { bytes: 8 * MiB, runs: 1 } as const;
export const real = { bytes: 2048 * MiB, runs: 5 } as const;

export async function benchMedium(options: MediumBenchOptions): Promise<MediumBenchResult[]> {
  const kinds: [string, () => Promise<Sample>][] = [
    ['dd bs=4M oflag=direct conv=fsync', async () => runDd(options)],
    ['append', () => runAppend(options, false)],
    ['append with digest', () => runAppend(options, true)],
    ['read in a row', () => runRead(options)],
  ];
  const samples = new Map<string, Sample[]>(kinds.map(([name]) => [name, []]));
  for (let run = 0; run < options.runs; run++) {
    for (const [name, measure] of shuffled(kinds)) samples.get(name)?.push(await measure());
  }
  return [...samples].map(([name, list]) => {
    const { seconds, cpuSeconds } = list.sort((a, b) => a.seconds - b.seconds)[Math.floor(list.length / 2)];
    const gigabytes = options.bytes / 1e9;
    return {
      name,
      gigabytesPerSecond: gigabytes / seconds,
      ...(cpuSeconds === undefined ? {} : { mainThreadSecondsPerGigabyte: cpuSeconds / gigabytes }),
    };
  });
}

interface Sample {
  readonly seconds: number;
  readonly cpuSeconds?: number;
}

async function timed(action: () => Promise<void>): Promise<Sample> {
  const start = performance.now();
  const before = mainThreadSeconds();
  await action();
  const seconds = (performance.now() - start) / 1000;
  return { seconds, cpuSeconds: mainThreadSeconds() - before };
}

/** process.cpuUsage would count the pool's and the digest's threads in. The first field is nanoseconds on a processor. */
const mainThreadSeconds = (): number =>
  Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'ascii').split(' ')[0]) / 1e9;

async function withCartridge<T>(options: MediumBenchOptions, use: (open: Open) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(options.folder, 'reelmap-bench-'));
  const stores = async (): Promise<Parameters<typeof openMedium>[0]> => ({
    data: await openFileStore(join(folder, 'data'), { writable: true, create: true }),
    map: await openFileStore(join(folder, 'map'), { writable: true, create: true }),
    name: 'bench',
  });
  const blank = await stores();
  await formatMedium(blank, { capacity: bytes(options.bytes) });
  await blank.data[Symbol.asyncDispose]();
  await blank.map[Symbol.asyncDispose]();
  try {
    return await use(async (digest) => openMedium({ ...(await stores()), digest }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
type Open = (digest: boolean) => Promise<FileMedium>;

async function fill(medium: FileMedium, options: MediumBenchOptions): Promise<void> {
  const { recordBytes = 256 * KiB } = options;
  const source = new Uint8Array(4 * recordBytes).map((_, i) => (i * 2654435761) >>> 13);
  for (let written = 0, i = 0; written < options.bytes; written += recordBytes, i++) {
    const at = (i * 64) % (3 * recordBytes);
    await medium.append(source.subarray(at, at + recordBytes));
  }
  await medium.writeFilemarks(1);
  await medium.flush();
}

function runAppend(options: MediumBenchOptions, digest: boolean): Promise<Sample> {
  return withCartridge(options, async (open) => {
    await using medium = await open(digest);
    return await timed(async () => {
      await fill(medium, options);
      await medium.fileDigest(0);
    });
  });
}

function runRead(options: MediumBenchOptions): Promise<Sample> {
  const { recordBytes = 256 * KiB } = options;
  return withCartridge(options, async (open) => {
    await using medium = await open(false);
    await fill(medium, options);
    await medium.locate(tapeObject(0));
    const into = new Uint8Array(recordBytes);
    return await timed(async () => {
      for (;;) {
        const outcome = await medium.read(into);
        if (outcome.kind === 'filemark') return;
        if (outcome.kind !== 'record') throw new Error(outcome.kind);
      }
    });
  });
}

function runDd(options: MediumBenchOptions): Sample {
  const folder = mkdtempSync(join(options.folder, 'reelmap-bench-'));
  const start = performance.now();
  const count = Math.ceil(options.bytes / (4 * MiB));
  execFileSync(
    'dd',
    ['if=/dev/zero', `of=${join(folder, 'x')}`, 'bs=4M', `count=${count}`, 'oflag=direct', 'conv=fsync'],
    {
      stdio: 'ignore',
    },
  );
  const seconds = (performance.now() - start) / 1000;
  rmSync(folder, { recursive: true });
  return { seconds };
}

function shuffled<T>(list: readonly T[]): T[] {
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}
