// The index tape file: what went in comes out, parts are bounded, and any damage is named.
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeManifest, parseManifest } from '../../../src/bytes/manifest.ts';
import {
  chunkTable,
  type IndexFilePart,
  indexFileMembers,
  parseRows,
  ROW_BYTES_MAX,
  ROWS_PART_BYTES,
  type Row,
  readIndexFile,
} from '../../../src/tape/archive/index-file.ts';
import { archiveRecords, type Member } from '../../../src/tape/archive/members.ts';
import { describeWithTools, tempFolder } from '../../support/tools.ts';
import { CARTRIDGE, DIGEST, manifestOf } from './support/sets.ts';
import { collect, recordsOf, SET } from './support/tape-files.ts';
import { twinParts, twinText } from './support/twin.ts';

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

async function partsOf(archive: Uint8Array, recordSize = 4096): Promise<IndexFilePart[]> {
  const parts: IndexFilePart[] = [];
  for await (const part of readIndexFile(recordsOf(archive, recordSize))) parts.push(part);
  return parts;
}

const rowsOfKind = (parts: IndexFilePart[], kind: 'pages' | 'extents'): Row[] =>
  parts.flatMap((part) => (part.kind === kind && 'rows' in part ? [...part.rows] : []));

const twin = (): Buffer =>
  twinText([
    { path: '/etc/motd', type: 'f', size: 286, extents: 's1048576+200@0,z+50@200,e4096+30@250,laW5saW5l@280' },
    { path: '/a\\tb\\nc\\\\d \xff', type: 'l', size: 4, extents: 'lbW90ZA==@0' },
  ]);

const rows: Row[] = [
  [bytesOf('a'), bytesOf('value of a')],
  [bytesOf('b'), new Uint8Array(0)],
];
const content = (): Parameters<typeof indexFileMembers>[0] => ({
  manifest: manifestOf(),
  pages: [rows],
  extents: [[rows[0]]],
  files: twinParts(twin()),
});

describe('the index file', () => {
  it('gives back manifest, rows and text', async () => {
    const parts = await partsOf(await collect(archiveRecords(indexFileMembers(content()), 4096)));
    expect([...new Set(parts.map(({ kind }) => kind))]).toEqual(['manifest', 'chunks', 'extents', 'pages', 'files']);
    expect(parts[0]).toEqual({ kind: 'manifest', manifest: manifestOf() });
    expect(rowsOfKind(parts, 'pages').map(([key, value]) => [...key, ...value])).toEqual(
      rows.map(([key, value]) => [...key, ...value]),
    );
    const texts = parts.flatMap((part) => (part.kind === 'files' ? [part.text] : []));
    expect(texts.length).toBeGreaterThan(1);
    expect(Buffer.concat(texts).equals(twin())).toBe(true);
  });

  it('refuses a part of text that is too large for it', async () => {
    const files = [new Uint8Array(ROWS_PART_BYTES + 1)];
    await expect(collect(archiveRecords(indexFileMembers({ ...content(), files }), 512))).rejects.toThrow(RangeError);
  });

  it('keeps parts of rows to 8 MiB, but for one longer row', async () => {
    const large: Row[] = [3, 4, 4, 20, 1].map((mib, i) => [
      bytesOf(String(i)),
      new Uint8Array(mib * 1024 * 1024).fill(i),
    ]);
    const members: Member[] = [];
    for await (const member of indexFileMembers({ ...content(), pages: [large], extents: [], files: [] }))
      members.push(member);
    const sizes = members.filter(({ name }) => name.includes('pages')).map(({ size }) => size);
    expect(sizes.length).toBe(4);
    expect(sizes.filter((size) => size > ROWS_PART_BYTES).length).toBe(1);
    const parts = await partsOf(await collect(archiveRecords(members, 65_536)), 65_536);
    expect(rowsOfKind(parts, 'pages').map(([, value]) => value.length)).toEqual(large.map(([, value]) => value.length));
  });

  it('refuses a row that no reader would take', async () => {
    const pages: Row[][] = [[[bytesOf('k'), new Uint8Array(ROW_BYTES_MAX)]]];
    await expect(collect(archiveRecords(indexFileMembers({ ...content(), pages }), 512))).rejects.toThrow(RangeError);
  });

  it('gives no wrong row and no wrong text, whichever bit flips', async () => {
    const archive = await collect(archiveRecords(indexFileMembers(content()), 512));
    const good = JSON.stringify(await partsOf(archive, 512));
    await fc.assert(
      fc.asyncProperty(fc.nat(archive.length * 8 - 1), async (bit) => {
        const damaged = Uint8Array.from(archive);
        damaged[bit >> 3] ^= 1 << (bit & 7);
        // Free text of the manifest and its twin chunks.tsv has no checksum of its own; the tape's records have.
        const parts = await partsOf(damaged, 512).catch((error: Error) => {
          expect(error.name).toBe('FormatError');
          return undefined;
        });
        if (parts === undefined) return;
        const rest = parts.slice(2);
        expect(JSON.stringify(rest)).toBe(JSON.stringify(JSON.parse(good).slice(2)));
      }),
      { numRuns: 300 },
    );
  });

  const members = async (): Promise<Member[]> => {
    const all: Member[] = [];
    for await (const member of indexFileMembers(content())) all.push(member);
    return all;
  };
  const renamed = (all: Member[], from: string, to: string): Member[] =>
    all.map((member) => ({ ...member, name: member.name.replace(from, to) }));

  it.each<[string, (all: Member[]) => Member[], RegExp]>([
    ['the manifest is missing', (all) => all.slice(1), /no manifest/],
    ['there is no member at all', () => [], /empty archive/],
    ['the manifest is of another set', (all) => renamed(all, SET, '0'.repeat(32)), /stands under/],
    ['a part is missing', (all) => renamed(all, 'pages-000000', 'pages-000001'), /part 000000 of pages is missing/],
    ['a member is of another folder', (all) => [all[0], ...renamed(all.slice(1), SET, '1'.repeat(32))], /of no part/],
    [
      'text cannot be decompressed',
      (all) => all.map((one) => (one.name.endsWith('.gz') ? { ...one, size: 3, data: bytesOf('abc') } : one)),
      /cannot be decompressed/,
    ],
  ])('is corrupt when %s', async (_, change, message) => {
    const archive = await collect(archiveRecords(change(await members()), 4096));
    await expect(partsOf(archive)).rejects.toThrow(message);
  });

  it('names a member of a later version instead of hiding it', async () => {
    const all = [
      ...(await members()),
      { name: `reelmap/sets/${SET}/new.bin`, size: 1, data: new Uint8Array(1), mtime: 0 },
    ];
    const parts = await partsOf(await collect(archiveRecords(all, 4096)));
    expect(parts.at(-1)).toEqual({ kind: 'other', name: `reelmap/sets/${SET}/new.bin` });
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['a row header is cut', new Uint8Array(11), /ends past the part/],
    ['a key ends past the part', new Uint8Array([0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0]), /ends at byte 21/],
    ['lengths are huge', new Uint8Array(24).fill(255), /past the part/],
    ['the checksum is wrong', new Uint8Array(12), /checksum wrong/],
  ])('rows are corrupt when %s', (_, part, message) => {
    expect(() => parseRows(part, 'part')).toThrow(message);
  });

  it('has the row layout of the format description', async () => {
    let part = new Uint8Array(0);
    for (const member of await members())
      if (member.name.includes('pages')) part = member.data as Uint8Array<ArrayBuffer>;
    // The CRC-32C is that of a bit-by-bit one in Python, checked with RFC 3720's "123456789".
    expect(Buffer.from(part.subarray(0, 12)).toString('hex')).toBe('000000010000000a02856336');
    expect(Buffer.from(part.subarray(12, 23)).toString()).toBe('avalue of a');
  });

  it('the chunk table has a line for each copy', () => {
    expect(chunkTable(manifestOf()).split('\n')[1]).toBe(
      `0\t${CARTRIDGE}\tRM0001L9\t4\t5\t0\t8192\t4096\t${DIGEST}\t3\t${DIGEST}`,
    );
  });
});

describe('the manifest', () => {
  it('survives the round trip', () => {
    expect(parseManifest(encodeManifest(manifestOf()), 'test')).toEqual(manifestOf());
  });

  it('names each field that is missing or of another type', () => {
    const check = (value: unknown, path: string[]): void => {
      if (typeof value !== 'object' || value === null) return;
      for (const key of Object.keys(value)) {
        const changed = structuredClone(manifestOf()) as unknown as Record<string, unknown>;
        let at = changed;
        for (const step of path) at = at[step] as Record<string, unknown>;
        at[key] = undefined;
        if (!/^[0-9]+$/.test(key))
          expect(() => parseManifest(JSON.stringify(changed), 'test'), [...path, key].join('.')).toThrow(
            /is missing|no JSON object/,
          );
        at[key] = { wrong: true };
        expect(() => parseManifest(JSON.stringify(changed), 'test'), [...path, key].join('.')).toThrow(
          /test, manifest/,
        );
        check((value as Record<string, unknown>)[key], [...path, key]);
      }
    };
    check(manifestOf(), []);
  });

  it.each<[string, object, RegExp]>([
    ['a later version', { format: 2 }, /"format" is 2; this program reads version 1/],
    [
      'chunks with a gap',
      { chunks: [{ ...manifestOf().chunks[0], volumeOffset: 512 }] },
      /starts at byte 512, not at 0/,
    ],
    ['chunks in disorder', { chunks: [{ ...manifestOf().chunks[0], number: 1 }] }, /has number 1/],
    ['a complete set with a part of its volume', { chunks: [] }, /the chunks end at byte 0 of 8192/],
    ['chunks past the volume', { chunks: [{ ...manifestOf().chunks[0], byteLength: 9000 }] }, /behind the volume/],
    ['a full set with a base', { base: SET }, /a full set has a base/],
    ['records of no bytes', { recordSize: 0 }, /records of 0 bytes/],
    ['a number below 0', { storedBytes: -1 }, /not an integer/],
    ['an id with other characters', { set: 'x'.repeat(32) }, /not 32 hexadecimal digits/],
  ])('is refused with %s', (_, change, message) => {
    expect(() => parseManifest(JSON.stringify({ ...manifestOf(), ...change }), 'test')).toThrow(message);
  });

  it('is refused when it is no JSON', () => {
    expect(() => parseManifest('{', 'test')).toThrow(/not JSON/);
    expect(() => parseManifest('[]', 'test')).toThrow(/no JSON object/);
    expect(() => parseManifest(new Uint8Array([0x22, 0xff, 0x22]), 'test')).toThrow(/not JSON/);
  });
});

describeWithTools(['tar', 'zcat', 'sha256sum'], 'the index file in the hands of stock tools', () => {
  it('tar and zcat show manifest, chunks and files', async () => {
    const folder = tempFolder();
    const archive = join(folder, 'index.tar');
    writeFileSync(archive, await collect(archiveRecords(indexFileMembers(content()), 4096)));
    const said = execFileSync('sh', ['-c', `tar -b 8 -xf "$0" -C "$1" 2>&1`, archive, folder]).toString();
    expect(said).toBe('');
    const text = execFileSync('sh', ['-c', `zcat "$0"/reelmap/sets/*/files-*.tsv.gz`, folder]);
    expect(text.equals(twin())).toBe(true);
  });
});
