import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { syntheticWalk } from '../../bench/tape-index/synthetic-walk.ts';
import { FormatError } from '../../src/bytes/errors.ts';
import { CodecId } from '../../src/tape-index/codec.ts';
import { decodeFrame, encodeFrame } from '../../src/tape-index/frame.ts';
import { KeyKind } from '../../src/tape-index/keys.ts';
import { MemoryStore } from '../../src/tape-index/memory-store.ts';
import { Page } from '../../src/tape-index/messages.ts';
import { decodePage } from '../../src/tape-index/page-decode.ts';
import { encodePage } from '../../src/tape-index/page-encode.ts';
import { extentsOf, nameAt } from '../../src/tape-index/page-entry.ts';
import type { PageRows } from '../../src/tape-index/page-rows.ts';
import { createIndexWriter } from '../../src/tape-index/writer.ts';
import { type Vector, vectorRows } from '../../tools/fixtures/index-vectors.ts';
import { describeWithTools, hasTools } from '../support/tools.ts';

const folder = resolve(import.meta.dirname, '../../index-format/vectors');
const vectors = JSON.parse(readFileSync(join(folder, 'vectors.json'), 'utf8')) as Vector[];
const keyOf = (vector: Vector): Uint8Array => Buffer.from(vector.key, 'hex');
const rowBytes = (vector: Vector): Uint8Array => readFileSync(join(folder, vector.file));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** A decoded page in the shape that read_page.py prints. */
function shown(page: PageRows): object {
  const row = (r: number): object => {
    const own = page.own[r];
    if (own < 0) return { inode: page.inode[r], record: true };
    return {
      inode: page.inode[r],
      mode: page.mode[own],
      uid: page.uid[own],
      gid: page.gid[own],
      generation: page.generation[own],
      linkCount: page.linkCount[own],
      size: page.size[own],
      ctime: [page.ctime[own], page.ctimeNs[own]],
      mtime: [page.mtime[own], page.mtimeNs[own]],
      atime: [page.atime[own], page.atimeNs[own]],
      device: [page.deviceMajor[own], page.deviceMinor[own]],
      flags: page.flags[own],
      extents: extentsOf(page, own).map(({ kind, fileOffset, byteLength, volumeOffset, literal }) => ({
        kind,
        fileOffset,
        byteLength,
        ...(literal !== undefined && { literal: hex(literal) }),
        ...((kind === 'stored' || kind === 'escaped') && { volumeOffset }),
      })),
      xattrs: page.xattrs.filter((x) => x.own === own).map(({ name, value }) => [hex(name), hex(value)]),
      problems: page.problems.filter((p) => p.own === own).map(({ text }) => text),
    };
  };
  const named = Array.from({ length: page.nameCount }, (_, i) => ({
    name: hex(nameAt(page, i)),
    ...row(page.nameRow[i]),
  }));
  return {
    pageCount: page.pageCount,
    nextName: page.nextName && hex(page.nextName),
    rows: page.nameCount > 0 ? named : Array.from({ length: page.rowCount }, (_, r) => row(r)),
  };
}

describe('the vectors', () => {
  it.each(vectors.filter(({ good }) => good))('are read: $what', (vector) => {
    expect(() => decodePage(keyOf(vector), rowBytes(vector), vector.file)).not.toThrow();
  });

  it.each(vectors.filter(({ good }) => !good))('are refused: $what', (vector) => {
    expect(() => decodePage(keyOf(vector), rowBytes(vector), vector.file)).toThrow(FormatError);
  });

  it('are what the writer makes today of the same tree, byte for byte', async () => {
    const today = new Map((await vectorRows()).map(([key, value]) => [hex(key), value]));
    for (const vector of vectors.filter(({ good }) => good)) {
      const row = today.get(vector.key) as Uint8Array;
      const raw = decodeFrame(keyOf(vector), row, 'today');
      expect(hex(raw)).toBe(hex(decodeFrame(keyOf(vector), rowBytes(vector), vector.file)));
      if (rowBytes(vector)[1] === CodecId.zstd) expect(hex(row)).toBe(hex(rowBytes(vector)));
    }
  });

  it('encode again to the same bytes', () => {
    for (const vector of vectors.filter(({ good }) => good)) {
      const raw = decodeFrame(keyOf(vector), rowBytes(vector), vector.file);
      expect(hex(encodePage(decodePage(keyOf(vector), rowBytes(vector), vector.file)))).toBe(hex(raw));
    }
  });
});

/** Reads many rows with the functions of read_page.py: lines of key and value in, lines of JSON out. */
const MANY = `
import json, sys
sys.path.insert(0, sys.argv[1])
from read_page import read_page
for line in open(sys.argv[2]):
    key, value = line.split()
    print(json.dumps(read_page(bytes.fromhex(key), bytes.fromhex(value))))
`;

function readInPython(rows: readonly (readonly [Uint8Array, Uint8Array])[]): unknown[] {
  const work = mkdtempSync(join(tmpdir(), 'reelmap-vectors-'));
  try {
    const file = join(work, 'rows');
    writeFileSync(file, rows.map(([key, value]) => `${hex(key)} ${hex(value)}\n`).join(''));
    const output = execFileSync('python3', ['-B', '-c', MANY, folder, file], { encoding: 'utf8', maxBuffer: 1 << 28 });
    return output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

describeWithTools(['python3'], 'a reader in Python that knows only the format', () => {
  const readable = (vector: Vector): boolean =>
    vector.good && (rowBytes(vector)[1] === CodecId.raw || hasTools('zstd'));

  it('reads the same from the vectors', () => {
    const good = vectors.filter(readable);
    expect(good.length).toBeGreaterThan(0);
    const read = readInPython(good.map((vector) => [keyOf(vector), rowBytes(vector)]));
    expect(read).toEqual(good.map((vector) => shown(decodePage(keyOf(vector), rowBytes(vector), vector.file))));
  });

  it('refuses the damaged ones', () => {
    for (const vector of vectors.filter(({ good, file }) => !good && !file.includes('zstd'))) {
      const run = (): string =>
        execFileSync('python3', ['-B', join(folder, 'read_page.py'), vector.key, join(folder, vector.file)], {
          stdio: 'pipe',
          encoding: 'utf8',
        });
      expect(run).toThrow(/damaged/);
    }
  });

  it.each([false, true])('reads the same from the pages of a synthetic tree (aged: %s)', async (aged) => {
    const rows: [Uint8Array, Uint8Array][] = [];
    const onRow = (key: Uint8Array, value: Uint8Array): void => {
      if (key[0] === KeyKind.page || key[0] === KeyKind.inodeRecord)
        rows.push([key, encodeFrame(key, decodeFrame(key, value, 'row'))]); // codec 0: no program for each row
    };
    const writer = createIndexWriter({
      store: new MemoryStore(),
      set: new Uint8Array(16),
      filesystem: 0,
      rootInode: 2,
      onRow,
    });
    for (const batch of syntheticWalk({ files: 1500, aged })) {
      if (batch.kind === 'inodes') writer.addInodes(batch);
      else writer.addNames(batch);
    }
    await writer.finish();
    for (const [key, value] of rows) {
      const raw = decodeFrame(key, value, 'row');
      expect(Buffer.compare(Page.encode(Page.decode(raw)).finish(), raw)).toBe(0); // the generated code agrees too
    }
    const read = readInPython(rows);
    expect(read).toHaveLength(rows.length);
    for (let i = 0; i < rows.length; i++) expect(read[i]).toEqual(shown(decodePage(rows[i][0], rows[i][1], 'row')));
  });
});
