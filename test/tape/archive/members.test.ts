// Archives of small members: label, end of cartridge, and what a tape file is from its first bytes.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../../src/bytes/errors.ts';
import { chunkHeader } from '../../../src/tape/archive/chunk.ts';
import { classifyFile } from '../../../src/tape/archive/classify.ts';
import {
  type EndOfCartridge,
  endOfCartridgeMembers,
  parseEndOfCartridge,
  readEndOfCartridge,
} from '../../../src/tape/archive/end-of-cartridge.ts';
import { indexFileMembers } from '../../../src/tape/archive/index-file.ts';
import { type Label, labelMembers, parseLabel, readLabel } from '../../../src/tape/archive/label.ts';
import { readLabelDocuments } from '../../../src/tape/archive/label-documents.ts';
import { archiveRecords, type Member, memberBytes, memberOf, readArchive } from '../../../src/tape/archive/members.ts';
import { encodeUstar, paxRecord } from '../../../src/tape/archive/pax.ts';
import { describeWithTools, tempFolder } from '../../support/tools.ts';
import { CARTRIDGE, manifestOf, OTHER_CARTRIDGE } from './support/sets.ts';
import { chunkSpec, collect, recordsOf, SET, writeChunkFile } from './support/tape-files.ts';

const label: Label = {
  format: 1,
  cartridge: CARTRIDGE,
  barcode: 'RM0001L9',
  createdAt: '2026-03-14T01:00:00.000Z',
  program: 'reelmap 0.1.0',
  recordSize: 262_144,
  pool: 'default',
};
const documents = { format: Buffer.from('the format\n'), restore: Buffer.from('the program\n') };
const end: EndOfCartridge = {
  format: 1,
  cartridge: CARTRIDGE,
  barcode: 'RM0001L9',
  closedAt: '2026-03-14T03:00:00.000Z',
  next: { id: OTHER_CARTRIDGE, barcode: 'RM0002L9' },
  previousIndexObject: 40,
  files: [
    { object: 0, kind: 'label', set: null, chunk: null },
    { object: 3, kind: 'chunk', set: SET, chunk: 0 },
    { object: 40, kind: 'index', set: SET, chunk: null },
  ],
};

type Plain = { name: string; data: string; mtime: number };

async function membersOf(archive: Uint8Array, recordSize: number): Promise<Plain[]> {
  const all: Plain[] = [];
  for await (const member of readArchive(recordsOf(archive, recordSize))) {
    const data = Buffer.from(await memberBytes(member, 1 << 20, 'test')).toString('latin1');
    all.push({ name: member.name, data, mtime: member.mtime });
  }
  return all;
}

const names = fc.stringMatching(/^[a-z]{1,20}(\/[a-z0-9.]{1,60}){0,2}$/);

describe('an archive of members', () => {
  it('comes back as it went in, whatever the sizes and the record size', async () => {
    const member = fc.record({ name: names, data: fc.uint8Array({ maxLength: 3000 }), mtime: fc.nat(2 ** 31) });
    await fc.assert(
      fc.asyncProperty(fc.array(member, { maxLength: 8 }), fc.integer({ min: 1, max: 20 }), async (members, blocks) => {
        const given: Member[] = members.map(({ name, data, mtime }) => memberOf(name, data, mtime));
        const archive = await collect(archiveRecords(given, blocks * 512));
        expect(archive.length % (blocks * 512)).toBe(0);
        expect(await membersOf(archive, blocks * 512)).toEqual(
          members.map(({ name, data, mtime }) => ({ name, data: Buffer.from(data).toString('latin1'), mtime })),
        );
      }),
      { numRuns: 100 },
    );
  });

  it('streams: data comes in pieces and members that nobody reads are passed over', async () => {
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 5; i++) yield new Uint8Array(1000).fill(i);
    }
    const given = [
      { name: 'a', size: 5000, data: pieces(), mtime: 1 },
      { name: 'b', size: 2, data: Buffer.from('bb'), mtime: 2 },
    ];
    const archive = await collect(archiveRecords(given, 1024));
    const seen: string[] = [];
    for await (const member of readArchive(recordsOf(archive, 1024))) {
      seen.push(member.name);
      for await (const part of member.data) {
        seen.push(String(part.length));
        break; // the rest is passed over
      }
    }
    expect(seen).toEqual(['a', '512', 'b', '2']);
  });

  it('is a mistake of the caller when a member is not as long as it says', async () => {
    const given = [{ name: 'a', size: 3, data: Buffer.from('bb'), mtime: 2 }];
    await expect(collect(archiveRecords(given, 512))).rejects.toThrow(/2 bytes of data, 3 announced/);
  });

  it('splits a long name at a slash, and refuses one that does not fit', async () => {
    const fits = `${'d'.repeat(150)}/${'f'.repeat(100)}`;
    const archive = await collect(archiveRecords([memberOf(fits, new Uint8Array(0), 0)], 512));
    expect((await membersOf(archive, 512))[0].name).toBe(fits);
    for (const name of ['x'.repeat(101), `${'d'.repeat(156)}/f`.repeat(2), `a/${'f'.repeat(101)}`]) {
      await expect(collect(archiveRecords([memberOf(name, new Uint8Array(0), 0)], 512))).rejects.toThrow(RangeError);
    }
  });

  const good = async (): Promise<Uint8Array> =>
    collect(archiveRecords([memberOf('a', Buffer.from('abc'), 0), memberOf('b', Buffer.from('de'), 0)], 1024));

  it.each<[string, (archive: Uint8Array) => Uint8Array, RegExp]>([
    ['it has no end', (archive) => archive.subarray(0, 2048), /without an end of archive/],
    ['it ends in a member', (archive) => archive.subarray(0, 512), /the tape file ends at byte 512, in a member/],
    ['only one zero block ends it', (archive) => archive.subarray(0, 2560), /has 512 zero bytes, at least 1024/],
    ['something stands behind its end', (archive) => changed(archive, 3000, 1), /other than zero behind the end/],
    ['padding is not zero', (archive) => changed(archive, 600, 1), /padding before byte 1024 is not zero/],
    ['a header is cut out', (archive) => Buffer.concat([archive.subarray(0, 1024), archive.subarray(1536)]), /magic/],
  ])('is corrupt when %s', async (_, damage, message) => {
    await expect(membersOf(damage(await good()), 512)).rejects.toThrow(message);
  });

  it.each<[string, Uint8Array[], RegExp]>([
    ['a GNU long name', [encodeUstar({ path: 'x', size: 0, mtime: 0, typeflag: 'L' })], /member type "L"/],
    ['a global header', [encodeUstar({ path: 'x', size: 0, mtime: 0, typeflag: 'g' })], /member type "g"/],
  ])('is unsupported with %s', async (_, blocks, message) => {
    await expect(membersOf(Buffer.concat(blocks), 512)).rejects.toThrow(message);
  });

  it('reads path and size from an extended header, and refuses one that belongs to nothing', async () => {
    const records = Buffer.concat([paxRecord('path', 'ä/long'), paxRecord('size', '3')]);
    const extended = [encodeUstar({ path: 'x', size: records.length, mtime: 0, typeflag: 'x' }), padded(records)];
    const file = [encodeUstar({ path: 'short', size: 0, mtime: 0, typeflag: '0' }), padded(Buffer.from('abc'))];
    const tail = new Uint8Array(1024);
    const archive = Buffer.concat([...extended, ...file, tail]);
    expect(await membersOf(archive, 512)).toEqual([{ name: 'ä/long', data: 'abc', mtime: 0 }]);
    await expect(membersOf(Buffer.concat([...extended, tail]), 512)).rejects.toThrow(/belongs to no member/);
    await expect(membersOf(Buffer.concat([...extended, ...extended, tail]), 512)).rejects.toThrow(
      /second extended header/,
    );
  });

  it('does not hold a member that is larger than the caller admits', async () => {
    const archive = await good();
    const member = (await readArchive(recordsOf(archive, 1024)).next()).value;
    expect(member).toBeDefined();
    if (member) await expect(memberBytes(member, 2, 'test')).rejects.toThrow(/3 bytes, at most 2 are read/);
  });

  it('of random bytes ends in a FormatError', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 512, maxLength: 4096 }), fc.nat(3), async (noise, cut) => {
        const start = await good();
        const bytes = Buffer.concat([start.subarray(0, cut * 512), noise]);
        await expect(membersOf(bytes, 512)).rejects.toThrow(FormatError);
      }),
      { numRuns: 100 },
    );
  });

  function changed(archive: Uint8Array, at: number, value: number): Uint8Array {
    const bytes = Uint8Array.from(archive);
    bytes[at] = value;
    return bytes;
  }
  function padded(data: Uint8Array): Uint8Array {
    const out = new Uint8Array(Math.ceil(data.length / 512) * 512);
    out.set(data);
    return out;
  }
});

describe('the label', () => {
  it('comes back as it went in', async () => {
    const archive = await collect(archiveRecords(labelMembers(label, documents), label.recordSize));
    expect(await readLabel(recordsOf(archive, label.recordSize))).toEqual(label);
    expect((await membersOf(archive, label.recordSize)).map(({ name }) => name)).toEqual([
      'reelmap/label.json',
      'reelmap/README.txt',
      'reelmap/FORMAT.md',
      'reelmap/restore.py',
    ]);
  });

  it('carries the real documents of the package', async () => {
    const { format, restore } = await readLabelDocuments();
    expect(format.toString()).toContain('# Reelmap');
    expect(restore.toString()).toContain('#!/usr/bin/env python3');
  });

  it('finds them beside dist/ as well, and says so when they are not there', async () => {
    const folder = tempFolder();
    mkdirSync(join(folder, 'dist', 'chunks'), { recursive: true });
    await expect(readLabelDocuments(join(folder, 'dist', 'chunks'))).rejects.toThrow(
      /not found above .*install reelmap again/,
    );
    mkdirSync(join(folder, 'index-format'));
    writeFileSync(join(folder, 'index-format', 'FORMAT.md'), 'f');
    writeFileSync(join(folder, 'index-format', 'restore.py'), 'r');
    expect((await readLabelDocuments(join(folder, 'dist', 'chunks'))).restore.toString()).toBe('r');
  });

  it('has a README of plain ASCII, 78 columns, with the record size of this cartridge', async () => {
    const readme = labelMembers({ ...label, recordSize: 65_536 }, documents)[1].data;
    const lines = Buffer.from(readme as Uint8Array)
      .toString('latin1')
      .split('\n');
    expect(lines.filter((line) => line.length > 78 || /[^\x20-\x7e]/.test(line))).toEqual([]);
    expect(lines.join('\n')).toContain('tar -b 128 -xSf /dev/nst0');
    expect(lines.join('\n')).toContain('bs=65536');
  });

  it.each<[string, object, RegExp]>([
    ['a later format', { format: 2 }, /this program reads version 1/],
    ['no cartridge', { cartridge: undefined }, /"cartridge" is missing/],
    ['a cartridge id of another kind', { cartridge: 'x' }, /32 hexadecimal digits/],
    ['records that no block fills', { recordSize: 1000 }, /no multiple of 512/],
    ['a time that is none', { createdAt: 'yesterday' }, /no time/],
  ])('is refused with %s', (_, change, message) => {
    expect(() => parseLabel(Buffer.from(JSON.stringify({ ...label, ...change })))).toThrow(message);
  });

  it('is refused when it is another archive', async () => {
    const archive = await collect(archiveRecords([memberOf('a', Buffer.from('{}'), 0)], 512));
    await expect(readLabel(recordsOf(archive, 512))).rejects.toThrow(/the first member is a, no label/);
    await expect(readLabel(recordsOf(new Uint8Array(1024), 512))).rejects.toThrow(/an empty archive, no label/);
  });
});

describe('the end of a cartridge', () => {
  it('comes back as it went in', async () => {
    const archive = await collect(archiveRecords(endOfCartridgeMembers(end), 4096));
    expect(await readEndOfCartridge(recordsOf(archive, 4096))).toEqual(end);
    const bare = { ...end, next: null, previousIndexObject: null, files: [] };
    const other = await collect(archiveRecords(endOfCartridgeMembers(bare), 4096));
    expect(await readEndOfCartridge(recordsOf(other, 4096))).toEqual(bare);
  });

  it.each<[string, object, RegExp]>([
    ['tape files in disorder', { files: [end.files[1], end.files[0]] }, /tape file 1 begins at object 0/],
    ['a kind of tape file that is none', { files: [{ ...end.files[0], kind: 'x' }] }, /"kind" is none of/],
    ['no word on the next one', { next: undefined }, /"next" is missing/],
    ['a list that is none', { files: {} }, /"files" is not a list/],
  ])('is refused with %s', (_, change, message) => {
    expect(() => parseEndOfCartridge(Buffer.from(JSON.stringify({ ...end, ...change })))).toThrow(message);
  });

  it('is refused when it is another archive', async () => {
    const archive = await collect(archiveRecords([memberOf('a', Buffer.from('{}'), 0)], 512));
    await expect(readEndOfCartridge(recordsOf(archive, 512))).rejects.toThrow(/the first member is a/);
    await expect(readEndOfCartridge(recordsOf(new Uint8Array(1024), 512))).rejects.toThrow(/an empty archive/);
  });
});

describe('what a tape file is', () => {
  const first = async (members: Iterable<Member> | AsyncIterable<Member>): Promise<Uint8Array> =>
    (await collect(archiveRecords(members, 512))).subarray(0, 512);

  it('shows in its first 512 bytes', async () => {
    const chunk = chunkHeader(chunkSpec({ recordSize: 512, realSize: 512, extents: [], comment: { chunk: 12 } }));
    expect(classifyFile(chunk.subarray(0, 512))).toEqual({ kind: 'chunk', set: SET, chunk: 12 });
    expect(classifyFile(await first(labelMembers(label, documents)))).toEqual({ kind: 'label' });
    expect(classifyFile(await first(endOfCartridgeMembers(end)))).toEqual({ kind: 'end' });
    const content = { manifest: manifestOf(), pages: [], extents: [], files: [] };
    expect(classifyFile(await first(indexFileMembers(content)))).toEqual({ kind: 'index', set: SET });
    expect(classifyFile(await first([memberOf('etc/passwd', new Uint8Array(0), 0)]))).toEqual({
      kind: 'foreign-tar',
      firstMember: 'etc/passwd',
    });
  });

  it('is unknown for anything else, and never an exception', () => {
    expect(classifyFile(new Uint8Array(80))).toEqual({ kind: 'unknown', reason: 'a first record of 80 bytes' });
    expect(classifyFile(new Uint8Array(512)).kind).toBe('unknown');
    const good = encodeUstar({ path: 'reelmap/label.json', size: 3, mtime: 0, typeflag: '0' });
    fc.assert(
      fc.property(fc.nat(511), fc.nat(255), (at, value) => {
        const bytes = Uint8Array.from(good);
        bytes[at] = value;
        expect(['label', 'unknown']).toContain(classifyFile(bytes).kind);
      }),
    );
  });
});

describeWithTools(['tar', 'bsdtar', 'python3', 'dd', 'sha256sum'], 'small archives in the hands of stock tools', () => {
  const LIST = 'import sys, tarfile\nfor m in tarfile.open(sys.argv[1]).getmembers(): print(m.name, m.size)';

  it('GNU tar, bsdtar and Python list and extract the label as it is', async () => {
    const folder = tempFolder();
    const archive = join(folder, 'label.tar');
    const real = await readLabelDocuments();
    writeFileSync(archive, await collect(archiveRecords(labelMembers(label, real), label.recordSize)));
    expect(execFileSync('tar', ['-b', '512', '-tf', archive]).toString().split('\n').length).toBe(5);
    execFileSync('bsdtar', ['-b', '512', '-xf', archive, '-C', folder]);
    expect(readFileSync(join(folder, 'reelmap', 'restore.py')).equals(real.restore)).toBe(true);
    const listed = execFileSync('python3', ['-c', LIST, archive]).toString();
    expect(listed).toContain(`reelmap/FORMAT.md ${real.format.length}`);
  });

  it('other tars write archives that are read', async () => {
    const folder = tempFolder();
    const long = `${'d'.repeat(120)}/${'f'.repeat(120)}`;
    mkdirSync(join(folder, 'd'.repeat(120)));
    writeFileSync(join(folder, long), 'text');
    for (const [tool, ...options] of [
      ['tar', '--format=pax'],
      ['bsdtar', '--format=pax'],
    ]) {
      const archive = join(folder, `${tool}.tar`);
      execFileSync(tool, [...options, '-b', '20', '-cf', archive, '-C', folder, 'd'.repeat(120)]);
      const members = await membersOf(readFileSync(archive), 10_240);
      expect(members.map(({ name, data }) => [name, data])).toEqual([
        [`${'d'.repeat(120)}/`, ''],
        [long, 'text'],
      ]);
    }
  });

  it("an exported tape file has the manifest's chunk hash", () => {
    const folder = tempFolder();
    const path = join(folder, '0001.tar');
    const hash = writeChunkFile(path, chunkSpec({ recordSize: 4096, realSize: 8192, extents: [[512, 1024]] }));
    expect(execFileSync('sha256sum', [path]).toString().slice(0, 64)).toBe(hash);
  });
});
