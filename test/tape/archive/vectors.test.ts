// The golden tape files of index-format/vectors: read as its README says, and written the same by this release.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chunkHeader, parseChunkHeader } from '../../../src/tape/archive/chunk.ts';
import { classifyFile } from '../../../src/tape/archive/classify.ts';
import { endOfCartridgeMembers, readEndOfCartridge } from '../../../src/tape/archive/end-of-cartridge.ts';
import { type IndexFilePart, indexFileMembers, readIndexFile } from '../../../src/tape/archive/index-file.ts';
import { labelMembers, readLabel } from '../../../src/tape/archive/label.ts';
import { archiveRecords, type Member } from '../../../src/tape/archive/members.ts';
import { describeWithTools, tempFolder } from '../../support/tools.ts';
import { CARTRIDGE, manifestOf, OTHER_CARTRIDGE } from './support/sets.ts';
import {
  type ChunkInput,
  chunkSpec,
  collect,
  recordsOfFile,
  SET,
  volumeBytes,
  writeChunkFile,
} from './support/tape-files.ts';
import { twinParts, twinText } from './support/twin.ts';

const FOLDER = resolve(import.meta.dirname, '../../../index-format/vectors');
const path = (name: string): string => join(FOLDER, name);
const records = (name: string, recordSize = 1024) => recordsOfFile(path(name), recordSize);

const VOLUME = 20_001;
const CHUNKS: Record<string, ChunkInput> = {
  'chunk-0.tar': {
    recordSize: 1024,
    realSize: 16_384,
    extents: [
      [512, 1024],
      [8192, 512],
    ],
    comment: { volumeBytes: VOLUME },
  },
  'chunk-1.tar': {
    recordSize: 1024,
    realSize: 3617,
    extents: [[3072, 545]],
    comment: { volumeBytes: VOLUME, volumeOffset: 16_384, chunk: 1 },
  },
  'chunk-empty.tar': {
    recordSize: 512,
    realSize: VOLUME,
    extents: [],
    comment: { volumeBytes: VOLUME, kind: 'incremental' },
  },
};

const label = {
  format: 1,
  cartridge: CARTRIDGE,
  barcode: 'RM0001L9',
  createdAt: '2026-03-14T01:00:00.000Z',
  program: 'reelmap 0.1.0',
  recordSize: 1024,
  pool: 'default',
} as const;

const end = {
  format: 1,
  cartridge: CARTRIDGE,
  barcode: 'RM0001L9',
  closedAt: '2026-03-14T03:00:00.000Z',
  next: { id: OTHER_CARTRIDGE, barcode: 'RM0002L9' },
  previousIndexObject: 16,
  files: [
    { object: 0, kind: 'label', set: null, chunk: null },
    { object: 5, kind: 'chunk', set: SET, chunk: 0 },
    { object: 11, kind: 'chunk', set: SET, chunk: 1 },
    { object: 16, kind: 'index', set: SET, chunk: null },
  ],
} as const;

// By sha256sum of the files.
const SHA256_0 = '962c53aaf8f23f05096ba56c3736d85aa5c2d18b412ac8b3a30927f74823eef0';
const SHA256_1 = '902f97088f85b4a8e8e433c24d04198519fa5b1e41ff8db8384e1e3181cb31ee';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const pages = [[[utf8('k1'), utf8('v1')] as const, [utf8('k2'), utf8('')] as const]];
const extents = [[[utf8('e'), utf8('map')] as const]];

const twin = (): Buffer =>
  twinText([
    { path: '/', type: 'd', size: 1024, mode: '0755', inode: 2 },
    { path: '/a', type: 'f', size: 1500, extents: 's512+1024@0,s8192+512@1024' },
    { path: '/b\\n', type: 'l', size: 1, extents: 'lYQ==@0', mode: '0777', mtime: '-1.999999999', inode: 13 },
  ]);

const manifest = manifestOf({
  recordSize: 1024,
  volume: { ...manifestOf().volume, byteLength: VOLUME },
  chunks: Object.values(CHUNKS)
    .slice(0, 2)
    .map((input, number) => {
      const spec = chunkSpec(input);
      return {
        ...manifestOf().chunks[0],
        number,
        sha256: [SHA256_0, SHA256_1][number],
        copies: [
          [{ cartridge: CARTRIDGE, firstObject: 5, dataObject: 7, records: 5 }],
          [{ cartridge: CARTRIDGE, firstObject: 11, dataObject: 13, records: 4 }],
        ][number],
        volumeOffset: spec.comment.volumeOffset,
        byteLength: input.realSize,
        storedBytes: [1536, 545][number],
        planDigest: spec.comment.planDigest,
        extentCount: spec.extents.count,
      };
    }),
});

const archive = (members: Iterable<Member> | AsyncIterable<Member>): Promise<Uint8Array> =>
  collect(archiveRecords(members, 1024));

function changed(data: Uint8Array, at: number, mask: number): Uint8Array {
  const out = Uint8Array.from(data);
  out[at] ^= mask;
  return out;
}

/** What this release writes for each vector. */
const WRITTEN: Record<string, () => Promise<Uint8Array>> = {
  'label.tar': () =>
    archive(
      labelMembers(label, { format: utf8('# Reelmap\n'), restore: utf8('#!/usr/bin/env python3\n') }).filter(
        ({ name }) => !name.endsWith('.txt'),
      ),
    ),
  ...Object.fromEntries(
    Object.entries(CHUNKS).map(([name, input]) => [
      name,
      async () => {
        const file = join(tempFolder(), name);
        writeChunkFile(file, chunkSpec(input));
        return readFileSync(file);
      },
    ]),
  ),
  'index.tar': () => archive(indexFileMembers({ manifest, pages, extents, files: twinParts(twin(), 200) })),
  'end.tar': () => archive(endOfCartridgeMembers(end)),
  'bad-map.tar': async () => {
    const good = readFileSync(path('chunk-0.tar'));
    return changed(good, good.indexOf('8192\n512\n') + 3, 1);
  },
  'bad-header.tar': async () => changed(readFileSync(path('chunk-0.tar')), 20, 1),
  'bad-end.tar': async () => changed(readFileSync(path('end.tar')), readFileSync(path('end.tar')).length - 1, 1),
  'bad-row.tar': async () =>
    changed(readFileSync(path('index.tar')), readFileSync(path('index.tar')).indexOf('k1v1'), 1),
};

describe('the vectors of the tape format', () => {
  for (const [name, write] of Object.entries(WRITTEN)) {
    it(`${name} is what this release writes`, async () => {
      if (process.env.REELMAP_WRITE_VECTORS === '1' && !existsSync(path(name)))
        writeFileSync(path(name), await write());
      const kept = readFileSync(path(name));
      // Another zlib may compress the text twin differently: up to there, at least, bytes are the same.
      const gzip = kept.indexOf('.tsv.gz');
      const same = gzip < 0 ? kept.length : gzip;
      expect(
        Buffer.from(await write())
          .subarray(0, same)
          .equals(kept.subarray(0, same)),
      ).toBe(true);
    });
  }

  it('label, end and chunks are read', async () => {
    expect(await readLabel(records('label.tar'))).toEqual(label);
    expect(await readEndOfCartridge(records('end.tar'))).toEqual(end);
    for (const [name, input] of Object.entries(CHUNKS)) {
      const { storedBytes, headerRecords, ...spec } = await parseChunkHeader(records(name, input.recordSize));
      expect(spec).toEqual(chunkSpec(input));
      expect(headerRecords * input.recordSize).toBe(chunkHeader(spec).length);
    }
    expect((await parseChunkHeader(records('chunk-0.tar'))).headerRecords).toBe(2);
  });

  it('the index file is read', async () => {
    const parts: IndexFilePart[] = [];
    for await (const part of readIndexFile(records('index.tar'))) parts.push(part);
    expect(parts.map(({ kind }) => kind)).toEqual(['manifest', 'chunks', 'extents', 'pages', 'files', 'files']);
    expect(parts[0]).toEqual({ kind: 'manifest', manifest });
    const text = (data: Uint8Array): string => Buffer.from(data).toString();
    const rows = parts.flatMap((part) => ('rows' in part ? part.rows.map((row) => row.map(text)) : []));
    expect(rows).toEqual([
      ['e', 'map'],
      ['k1', 'v1'],
      ['k2', ''],
    ]);
    const files = parts.flatMap((part) => (part.kind === 'files' ? [part.text] : []));
    expect(Buffer.concat(files).equals(twin())).toBe(true);
  });

  it('the damaged ones are refused', async () => {
    await expect(parseChunkHeader(records('bad-map.tar'))).rejects.toThrow(/plan digest/);
    await expect(parseChunkHeader(records('bad-header.tar'))).rejects.toThrow(/checksum/);
    await expect(readEndOfCartridge(records('bad-end.tar'))).rejects.toThrow(/other than zero behind the end/);
    await expect(
      (async () => {
        for await (const _ of readIndexFile(records('bad-row.tar')));
      })(),
    ).rejects.toThrow(/checksum wrong/);
  });

  it('their kinds show in their first bytes', () => {
    const kinds = Object.keys(WRITTEN).map((name) => classifyFile(readFileSync(path(name)).subarray(0, 512)).kind);
    expect(kinds).toEqual(['label', 'chunk', 'chunk', 'chunk', 'index', 'end', 'chunk', 'unknown', 'end', 'index']);
  });
});

describeWithTools(['tar', 'cat', 'python3'], 'the vectors in the hands of others', () => {
  const expected = Buffer.alloc(VOLUME);
  for (const [at, length] of [
    [512, 1024],
    [8192, 512],
    [16_384 + 3072, 545],
  ])
    expected.set(volumeBytes(at, length), at);

  it('give back the volume by restore.py', () => {
    const folder = tempFolder();
    for (const name of ['label.tar', 'chunk-0.tar', 'chunk-1.tar', 'index.tar', 'end.tar'])
      copyFileSync(path(name), join(folder, name));
    const out = join(tempFolder(), 'volume');
    execFileSync('python3', ['-B', join(FOLDER, '../restore.py'), folder, 'volume', out]);
    expect(readFileSync(out).equals(expected)).toBe(true);
  });

  it('give back the volume by GNU tar', () => {
    const folder = tempFolder();
    for (const name of ['chunk-0.tar', 'chunk-1.tar'])
      execFileSync('tar', ['-b', '2', '-xSf', path(name), '-C', folder]);
    const volume = execFileSync('sh', ['-c', 'cat "$0"/home/*/chunk-*.img', folder]);
    expect(volume.equals(expected)).toBe(true);
  });
});
