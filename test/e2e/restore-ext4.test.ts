/**
 * The way back, whole but for the mover: a known tree in an ext4 volume made by mke2fs, walked, indexed in a real store, laid
 * out on a tape in memory as the tape format says, and brought back by the command line. `diff` and `find` judge.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it, vi } from 'vitest';
import { toHex } from '../../src/bytes/random.ts';
import { openIndexService } from '../../src/cli/index-service.ts';
import { main } from '../../src/cli/main.ts';
import type { Services } from '../../src/cli/services.ts';
import { openExt4 } from '../../src/filesystem/ext4/ext4.ts';
import type { TapeDrive, TapeRead } from '../../src/initiator/tape-drive.ts';
import { cutChunks } from '../../src/plan/chunk.ts';
import { storedRuns } from '../../src/plan/stored-runs.ts';
import { putChunkExtents } from '../../src/tape-index/chunks.ts';
import { openStore } from '../../src/tape-index/level-store.ts';
import type { ChunkRecord } from '../../src/tape-index/manifest.ts';
import { sealSet } from '../../src/tape-index/sets.ts';
import { createIndexWriter } from '../../src/tape-index/writer.ts';
import { filesystem, setRecord } from '../support/memory-services.ts';
import { describeWithTools, tempFolder } from '../support/tools.ts';
import { mustWalk } from '../support/walked.ts';

// The commands' own output is of no interest here.
vi.mock(import('node:fs'), async (original) => {
  const real = await original();
  const writeSync = ((descriptor: number, data: Uint8Array, at = 0, ...rest: number[]) =>
    descriptor <= 2
      ? data.length - Number(at)
      : real.writeSync(descriptor, data, at, ...rest)) as typeof real.writeSync;
  return { ...real, writeSync, default: { ...real, writeSync } } as never;
});

const SET = 'c0ffee'.padEnd(32, '5');
const RECORD = 65_536;
const work = tempFolder();
const source = join(work, 'source');
const store = join(work, 'home/index');
const tape: (Uint8Array | 'filemark')[] = [];

/** Content that no compressor and no zero page explains. */
function noise(length: number, seed: number): Buffer {
  const out = Buffer.alloc(length);
  let x = seed * 2654435761 + 1;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    out[i] = x >>> 24;
  }
  return out;
}

function makeTree(): void {
  mkdirSync(join(source, 'deep/er/and/deeper'), { recursive: true });
  for (let i = 0; i < 120; i++) writeFileSync(join(source, `deep/er/file-${i}`), noise((i * 997) % 40_000, i));
  writeFileSync(join(source, 'large'), noise(3_000_000, 7));
  writeFileSync(join(source, 'empty'), '');
  writeFileSync(join(source, 'tiny'), 'x');
  writeFileSync(join(source, 'sparse'), noise(5000, 9));
  truncateSync(join(source, 'sparse'), 20_000_000);
  symlinkSync('deep/er', join(source, 'short-link'));
  symlinkSync(`/${'long/'.repeat(40)}end`, join(source, 'long-link'));
  linkSync(join(source, 'large'), join(source, 'deep/again'));
  writeFileSync(Buffer.concat([Buffer.from(`${source}/bad-`), Buffer.from([0xff, 0x0a, 0xfe])]), 'odd name');
  chmodSync(join(source, 'tiny'), 0o4711);
  utimesSync(join(source, 'tiny'), 1_000_000_000, 1_234_567_890);
  utimesSync(join(source, 'deep'), 1_111_111_111, 1_222_222_222);
}

function layOut(
  image: Uint8Array,
  extents: { count: number; starts: Float64Array; lengths: Float64Array },
): { dataObject: number; firstObject: number; records: number } {
  const firstObject = tape.length;
  tape.push(new Uint8Array(RECORD));
  const parts = Array.from({ length: extents.count }, (_, i) =>
    image.subarray(extents.starts[i], extents.starts[i] + extents.lengths[i]),
  );
  const data = Buffer.concat(parts);
  for (let at = 0; at < data.length; at += RECORD) {
    const record = new Uint8Array(RECORD);
    record.set(data.subarray(at, at + RECORD));
    tape.push(record);
  }
  const records = tape.length - firstObject;
  tape.push('filemark');
  return { firstObject, dataObject: firstObject + 1, records };
}

async function backUp(path: string): Promise<void> {
  const image = readFileSync(path);
  const readAt = async (offset: number, length: number): Promise<DataView> =>
    new DataView(new Uint8Array(image.subarray(offset, offset + length)).buffer);
  const walker = mustWalk(await openExt4(readAt, image.length));
  await using kv = await openStore(store, { create: true, command: 'test' });
  const id = new Uint8Array(Buffer.from(SET, 'hex'));
  const { blockSize } = walker.identity;
  const writer = createIndexWriter({ store: kv, set: id, filesystem: 0, rootInode: walker.rootInode, blockSize });
  for await (const batch of walker.walk()) {
    if (batch.kind === 'inodes') writer.addInodes(batch);
    else writer.addNames(batch);
  }
  const summary = await writer.finish();
  const runs = storedRuns(await walker.allocated(), { volumeBytes: image.length, blockLength: 512, gapBytes: 0 });
  const limits = {
    recordSize: RECORD,
    storedBytesMax: 2_000_000,
    extentsMax: 1000,
    piecesMax: Number.POSITIVE_INFINITY,
    pieceBytesMax: 1 << 30,
  };
  const chunks: ChunkRecord[] = [];
  for (const chunk of cutChunks(runs, image.length, image.length, limits)) {
    const number = chunks.length;
    await putChunkExtents(kv, SET, number, chunk.extents);
    const copies = [{ cartridge: 'A', ...layOut(image, chunk.extents) }];
    const { volumeOffset, byteLength, storedBytes, extents } = chunk;
    chunks.push({
      number,
      volumeOffset,
      byteLength,
      storedBytes,
      extentCount: extents.count,
      sha256: null,
      planDigest: '',
      copies,
    });
  }
  const manifest = setRecord(SET, 'tree', '2026-03-14T10:00:00.000Z', {
    recordSize: RECORD,
    volume: { name: 'tree', identity: 'test', byteLength: image.length, source: path },
    filesystems: [filesystem({ blockSize, rootInode: walker.rootInode, entries: summary.entries })],
    indexDigest: toHex(summary.digest),
    indexRows: summary.rows,
  });
  await sealSet(kv, { ...manifest, chunks });
}

let reads = 0;
const services: Services = {
  openIndex: async (home) => openIndexService(join(home, 'index'), 'test'),
  async openTapes() {
    let position = 0;
    const read = async (into: Uint8Array): Promise<TapeRead> => {
      const found = tape[position++];
      if (found === undefined || found === 'filemark') return { kind: 'filemark' };
      reads++;
      into.set(found);
      return { kind: 'record', length: found.length, data: into.subarray(0, found.length) };
    };
    const locate = async (object: number): Promise<boolean> => {
      position = object;
      return true;
    };
    return {
      model: { bytesPerSecond: 1e9, repositionSeconds: 0, loadSeconds: 0 },
      rank: () => 0,
      labelOf: (cartridge) => cartridge,
      load: async () => ({
        drive: { read, locate } as unknown as TapeDrive,
        label: 'cartridge A',
        async [Symbol.asyncDispose]() {},
      }),
      async [Symbol.asyncDispose]() {},
    };
  },
  restoreVolume: async () => {
    throw new Error('not here');
  },
};
const run = (...words: string[]): Promise<number> =>
  main([...words, '--home', join(work, 'home'), '--json'], async () => services);

/** Names, types, modes, owners, sizes, times, link targets and counts, as find(1) tells them; mke2fs -d drops fractions of seconds. */
const listing = (folder: string): string =>
  execFileSync(
    'sh',
    [
      '-c',
      `cd "$1" && find . -mindepth 1 -path ./lost+found -prune -o -mindepth 1 -printf '%P %y %m %U:%G %n %T@ %l ' \\( -type f -printf %s -o -true \\) -printf '\\n' | sort`,
      'sh',
      folder,
    ],
    { encoding: 'latin1' },
  ).replaceAll(/(?<= \d+)\.\d{10}(?= )/g, '');

describeWithTools(['mke2fs', 'diff', 'find'], 'an ext4 tree restored by the command line', () => {
  beforeAll(async () => {
    makeTree();
    const image = join(work, 'volume.img');
    writeFileSync(image, '');
    truncateSync(image, 64 * 1024 * 1024);
    execFileSync('mke2fs', ['-q', '-t', 'ext4', '-F', '-d', source, image]);
    await backUp(image);
  });

  it('is the tree that was put in: content, names, attributes, links', async () => {
    const to = join(work, 'all');
    expect(await run('restore', 'tree', '/', '--to', to)).toBe(0);
    execFileSync('diff', ['-r', '--no-dereference', '-x', 'lost+found', source, to]);
    expect(listing(to)).toBe(listing(source));
  });

  it('gives one file back from its own records only', async () => {
    const to = join(work, 'one');
    reads = 0;
    expect(await run('restore', 'latest', '/deep/er/file-119', '--to', to)).toBe(0);
    const { length } = readFileSync(join(source, 'deep/er/file-119'));
    expect(readFileSync(join(to, 'file-119')).equals(readFileSync(join(source, 'deep/er/file-119')))).toBe(true);
    expect(reads).toBeLessThanOrEqual(Math.ceil(length / RECORD) + 1);
  });

  it('is listed, found and described from the real store', async () => {
    for (const words of [
      ['sets'],
      ['ls', 'tree', '/deep'],
      ['find', 'file-11*'],
      ['stat', 'tree', '/large'],
      ['plan', 'tree', '/deep'],
    ])
      expect(await run(...words)).toBe(0);
  });

  it('is forgotten by sets drop, and then nothing is there', async () => {
    expect(await run('sets', 'drop', 'tree')).toBe(0);
    expect(await run('ls', 'tree')).toBe(1);
  });
});
