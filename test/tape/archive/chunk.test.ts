// Chunk headers: what went in comes out, data starts on a record, and bytes that lie are refused.
import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../../src/bytes/errors.ts';
import { RunsBuilder, runsOf, totalBytes } from '../../../src/bytes/extents.ts';
import { viewOf } from '../../../src/bytes/layout.ts';
import { GiB, KiB } from '../../../src/bytes/units.ts';
import {
  CHUNK_EXTENTS_MAX,
  chunkHeader,
  chunkMemberName,
  chunkTrailer,
  parseChunkHeader,
  planDigest,
  safeName,
} from '../../../src/tape/archive/chunk.ts';
import { readHeader } from '../../../src/tape/archive/members.ts';
import { ustar } from '../../../src/tape/archive/pax.ts';
import { RecordStream } from '../../../src/tape/archive/record-stream.ts';
import { readSparse } from '../../../src/tape/archive/sparse.ts';
import { describeWithTools, tempFolder } from '../../support/tools.ts';
import { chunkSpec, recordsOf, recordsOfFile, SET } from './support/tape-files.ts';

const parse = (header: Uint8Array, recordSize: number): ReturnType<typeof parseChunkHeader> =>
  parseChunkHeader(recordsOf(header, recordSize));

const recordSizes = fc.integer({ min: 1, max: 1024 }).map((blocks) => blocks * 512);

/** Runs of whole blocks, ascending and apart, and a size behind them, odd or not. */
const ranges = fc
  .tuple(
    fc.array(fc.tuple(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 1000 })), { maxLength: 60 }),
    fc.nat(5000),
    fc.nat(511),
  )
  .map(([steps, rest, odd]) => {
    const runs = new RunsBuilder();
    let at = -512;
    for (const [gap, length] of steps) {
      runs.add(at + gap * 512, length * 512);
      at += (gap + length) * 512;
    }
    // An odd size with the last extent up to it, or a hole at the end.
    const extents = runs.finish();
    const last = extents.count - 1;
    const end = last < 0 ? 0 : extents.starts[last] + extents.lengths[last];
    if (rest % 3 !== 0 || last < 0) return { extents, realSize: end + rest };
    extents.lengths[last] -= odd;
    return { extents, realSize: end - odd };
  });

describe('a chunk header', () => {
  it('comes back as it went in, whatever the extents and the record size, and ends with a record', async () => {
    await fc.assert(
      fc.asyncProperty(
        ranges,
        recordSizes,
        fc.nat(2 ** 40),
        fc.string(),
        async (range, recordSize, block, volumeName) => {
          const volumeOffset = block * 512;
          const comment = { volumeOffset, volumeName, volumeBytes: volumeOffset + range.realSize + 7, chunk: 3 };
          const spec = chunkSpec({ ...range, recordSize, comment });
          const header = chunkHeader(spec);
          expect(header.length % recordSize).toBe(0);
          const parsed = await parse(header, recordSize);
          const { storedBytes, headerRecords, ...same } = parsed;
          expect(same).toEqual(spec);
          expect(storedBytes).toBe(totalBytes(range.extents));
          expect(headerRecords).toBe(header.length / recordSize);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('never makes the parser throw anything but FormatError, whichever bytes are changed', async () => {
    const good = chunkHeader(chunkSpec({ recordSize: 2048, realSize: 100_000 * 512, extents: [[512, 4096]] }));
    const change = fc.tuple(fc.nat(good.length - 1), fc.nat(255));
    await fc.assert(
      fc.asyncProperty(
        fc.array(change, { minLength: 1, maxLength: 4 }),
        fc.constantFrom(512, 2048),
        async (changes, size) => {
          const bytes = Uint8Array.from(good);
          for (const [at, value] of changes) bytes[at] = value;
          await parse(bytes, size).catch((error: unknown) => expect(error).toBeInstanceOf(FormatError));
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('never makes the parser throw anything but FormatError or wait for ever, on random bytes behind good headers', async () => {
    const good = chunkHeader(chunkSpec({ recordSize: 512, realSize: 8192, extents: [[512, 512]] }));
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 4096 }), fc.nat(good.length), async (noise, kept) => {
        const bytes = Buffer.concat([good.subarray(0, kept), noise]);
        await parse(bytes, 512).then(
          () => expect(Buffer.compare(bytes.subarray(0, good.length), good), 'noise that is the header itself').toBe(0),
          (error: unknown) => expect(error).toBeInstanceOf(FormatError),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('with a flipped bit in map or second header is refused, or says the same', async () => {
    const good = chunkHeader(chunkSpec({ recordSize: 512, realSize: 8192, extents: [[512, 512]] }));
    const truth = await parse(good, 512);
    for (let bit = (good.length - 1024) * 8; bit < good.length * 8; bit += 3) {
      const bytes = Uint8Array.from(good);
      bytes[bit >> 3] ^= 1 << (bit & 7);
      // Zeros and spaces around the digits of the checksum itself mean the same.
      const parsed = await parse(bytes, 512).catch((error: unknown) => {
        expect(error).toBeInstanceOf(FormatError);
      });
      if (parsed === undefined) continue;
      expect(parsed).toEqual(truth);
      expect(Math.floor(((bit >> 3) - (good.length - 1024) - 148) / 8)).toBe(0);
    }
  });

  it('is built for 100,000 extents in well under the time of one record on tape', () => {
    const builder = new RunsBuilder();
    for (let i = 0; i < 100_000; i++) builder.add(i * 40_960, 4096);
    const spec = chunkSpec({ recordSize: 256 * KiB, realSize: 4 * GiB, extents: builder.finish() });
    const start = performance.now();
    const header = chunkHeader(spec);
    expect(performance.now() - start).toBeLessThan(1000); // measured: 25 to 35 ms
    expect(header.length % (256 * KiB)).toBe(0);
  });

  it.each([
    0,
    100,
    513,
    524_800,
    1024 * 1024,
    Number.NaN,
  ])('refuses records of %d bytes with a reason', (recordSize) => {
    const spec = chunkSpec({ recordSize: 512, realSize: 512, extents: [[0, 512]] });
    expect(() => chunkHeader({ ...spec, recordSize })).toThrow(/multiple of 512 up to 524288/);
  });

  it('refuses 8 GiB of stored bytes and takes what just fits', () => {
    const size = 8 * GiB - 512;
    const spec = (stored: number) => chunkSpec({ recordSize: 512, realSize: 16 * GiB, extents: [[0, stored]] });
    expect(() => chunkHeader(spec(size))).toThrow(/below 8 GiB/);
    expect(chunkHeader(spec(size - 512)).length).toBeGreaterThan(0);
  });

  it('refuses more extents than readers hold', () => {
    const extents = { count: CHUNK_EXTENTS_MAX + 1, starts: new Float64Array(0), lengths: new Float64Array(0) };
    const spec = chunkSpec({ recordSize: 512, realSize: 512, extents: [] });
    expect(() => chunkHeader({ ...spec, extents })).toThrow(/a chunk has at most/);
  });

  it.each<[string, [number, number][]]>([
    ['starts inside a block', [[100, 412]]],
    ['ends inside a block', [[512, 100]]],
    ['ends behind the range', [[7680, 1024]]],
  ])('is a mistake of the caller when an extent %s', (_, extents) => {
    expect(() => chunkHeader(chunkSpec({ recordSize: 512, realSize: 8192, extents }))).toThrow(/internal error/);
  });
});

describe('the plan digest', () => {
  it('is that of the text in the format description', () => {
    // printf 'reelmap-plan 1 1048576 8192 512\n2\n512\n1024\n8192\n0\n' | sha256sum
    const plan = { volumeOffset: 1_048_576, byteLength: 8192, recordSize: 512, extents: runsOf([[512, 1024]]) };
    expect(planDigest(plan)).toBe('3fe4afe8f3e7935169f4a98f64b6d9c8bf22355fc7578a4ea5a253fb0a066842');
  });
});

describe('the trailer', () => {
  it.each<[stored: number, recordSize: number, padding: number, extra: number, dataRecords: number]>([
    [0, 4096, 0, 1, 0],
    [0, 512, 0, 2, 0],
    [512, 512, 0, 2, 1],
    [4096, 4096, 0, 1, 1],
    [3584, 4096, 512, 1, 1],
    [3072, 4096, 1024, 0, 1],
    [3073, 4096, 1023, 1, 1],
    [4097, 4096, 4095, 0, 2],
    [512, 1024, 512, 1, 1],
    [1, 1024, 1023, 1, 1],
  ])('of %d bytes in records of %d', (stored, recordSize, padding, extraRecords, dataRecords) => {
    expect(chunkTrailer(stored, recordSize)).toEqual({
      padding,
      extraRecords,
      dataRecords,
      records: dataRecords + extraRecords,
    });
  });

  it('always leaves at least 1,024 zero bytes behind the last block, in whole records, and never a record too many', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 32), recordSizes, (stored, recordSize) => {
        const { padding, extraRecords, dataRecords } = chunkTrailer(stored, recordSize);
        expect(stored + padding).toBe(dataRecords * recordSize);
        const zeros = padding - ((512 - (stored % 512)) % 512) + extraRecords * recordSize;
        expect(zeros).toBeGreaterThanOrEqual(1024);
        if (extraRecords > 0) expect(zeros - recordSize).toBeLessThan(1024);
      }),
    );
  });
});

describe('a chunk header that lies', () => {
  /** Changes text in a header and mends the checksums of tar headers, so that only the lie is left. */
  function forge(spec: Parameters<typeof chunkSpec>[0], changes: [from: string, to: string][]): Uint8Array {
    let text = Buffer.from(chunkHeader(chunkSpec(spec))).toString('latin1');
    for (const [from, to] of changes) {
      expect(text).toContain(from);
      expect(to.length).toBe(from.length);
      text = text.replace(from, to);
    }
    const bytes = new Uint8Array(Buffer.from(text, 'latin1'));
    const paxSize = Number.parseInt(text.slice(124, 135), 8);
    for (const at of [0, 512 + Math.ceil(paxSize / 512) * 512]) {
      let sum = 8 * 32;
      for (let i = 0; i < 512; i++) if (i < 148 || i >= 156) sum += bytes[at + i];
      ustar.chksum.set(viewOf(bytes), at, Buffer.from(`${sum.toString(8).padStart(6, '0')}\0 `));
    }
    return bytes;
  }
  const spec = { recordSize: 512, realSize: 8192, extents: [[512, 1024]] as [number, number][] };
  const map = '2\n512\n1024\n8192\n0\n';

  it.each<[string, [string, string][], RegExp]>([
    ['no sparse map', [['GNU.sparse.major', 'XXX.sparse.major']], /no chunk/],
    ['another sparse format', [['GNU.sparse.minor=0', 'GNU.sparse.minor=1']], /not GNU sparse format 1.0/],
    ['no name', [['GNU.sparse.name', 'GNU.sparse.mane']], /GNU.sparse.name is missing/],
    ['no real size', [['GNU.sparse.realsize', 'GNU.sparse.realsite']], /realsize is not a decimal number/],
    ['a real size that is no number', [['realsize=8192', 'realsize=8x92']], /realsize is not a decimal number/],
    ['no comment', [['comment={', 'commend={']], /no chunk/],
    ['a comment that is no JSON', [['{"reelmap"', '["reelmap"']], /not JSON/],
    ['a comment of something else', [['"reelmap":"chunk"', '"reelmap":"chump"']], /"reelmap" is not "chunk"/],
    ['a later version', [['"format":1', '"format":2']], /this program reads version 1/],
    ['another record size', [['"recordSize":512', '"recordSize":513']], /the comment says records of 513 bytes/],
    ['a range behind the volume', [['"volumeBytes":8192', '"volumeBytes":8191']], /the range ends at 8192/],
    ['another plan digest', [['"planDigest":"', '"planDigesd":"']], /"planDigest" is missing/],
    ['another offset', [['"volumeOffset":0', '"volumeOffset":7']], /the range ends at 8199/],
    ['a bad record length', [['22 GNU', '0x GNU']], /no length/],
    ['a record length of 0', [['22 GNU', '00 GNU']], /no length/],
    ['a record without a newline', [['22 GNU', '21 GNU']], /does not end with a newline/],
    ['a record past the header', [['22 GNU', '99 GNU']], /does not end with a newline|no keyword|past the header/],
    ['a record without a keyword', [['GNU.sparse.major=1', 'GNU.sparse.major:1']], /no keyword/],
    ['text that is not UTF-8', [['"kind"', '"k\xffnd"']], /not valid UTF-8/],
    ['more extents than there are', [[map, '3\n512\n1024\n8192\n0\n']], /is no number|ends past the member/],
    ['fewer extents than there are', [[map, '1\n512\n1024\n8192\n0\n']], /bytes other than zero/],
    ['millions of extents', [[map, '9999999\n12\n4\n819\n0\n']], /at most 1048576 are read/],
    ['an extent behind the end', [[map, '2\n512\n9216\n8192\n0\n']], /behind the file's 8192 bytes/],
    ['extents out of order', [[map, '2\n7680\n512\n512\n512\n']], /starts at 512, before byte 8192/],
    ['an extent within a block', [[map, '2\n512\n1023\n8192\n0\n']], /no multiple of 512/],
    ['an extent less', [[map, '2\n512\n0512\n8192\n0\n']], /the header says/],
    ['another start', [[map, '2\n513\n1024\n8192\n0\n']], /plan digest/],
    ['a word in the map', [[map, '2\n51a\n1024\n8192\n0\n']], /is no number/],
    ['an empty line in the map', [[map, '2\n\n120\n1024\n8192\n0']], /is no number/],
  ])('with %s is refused', async (_, changes, message) => {
    await expect(parse(forge(spec, changes.map(fitted)), 512)).rejects.toThrow(message);
  });

  /** Maps of other lengths push the padding, which is cut or grown to fit. */
  function fitted([from, to]: [string, string]): [string, string] {
    const length = Math.max(from.length, to.length);
    return [from.padEnd(length, '\0'), to.padEnd(length, '\0')];
  }

  it.each<[string, (view: DataView, second: number) => void, RegExp]>([
    ['magic', (view) => ustar.magic.set(view, 0, Buffer.from('vstar\0')), /magic/],
    ['checksum', (view) => ustar.name.set(view, 0, Buffer.from('other')), /checksum is/],
    ['checksum field', (view) => ustar.chksum.set(view, 0, Buffer.from('zzzzzz\0 ')), /checksum is not an octal/],
    ['second magic', (view, second) => ustar.magic.set(view, second, Buffer.from('\0\0\0\0\0\0')), /magic/],
  ])('with a damaged %s is refused', async (_, damage, message) => {
    const bytes = chunkHeader(chunkSpec(spec));
    damage(viewOf(bytes), bytes.length - 1024);
    await expect(parse(bytes, 512)).rejects.toThrow(message);
  });

  it('with numbers that are no octal text, negative or too large is refused', async () => {
    const cases: [Uint8Array, RegExp][] = [
      [Buffer.from('00000000zzz\0'), /size is not an octal number/],
      [new Uint8Array(12), /size is not an octal number/],
      [new Uint8Array(12).fill(0xff), /negative or above/],
      [Uint8Array.from([0x80, ...new Uint8Array(11).fill(0xff)]), /above 2\^53/],
      [Buffer.from('77777777777\0'), /extended header at byte 512 has/],
      [Buffer.from('00000000000\0'), /extended header at byte 512 has 0 bytes/],
    ];
    for (const [size, message] of cases) {
      const bytes = chunkHeader(chunkSpec(spec));
      ustar.size.set(viewOf(bytes), 0, size);
      await expect(parse(mendFirst(bytes), 512)).rejects.toThrow(message);
    }
  });

  it('with a size in base 256 is read, as other tars write it', async () => {
    const bytes = chunkHeader(chunkSpec(spec));
    const size = Number.parseInt(Buffer.from(bytes.subarray(124, 135)).toString(), 8);
    ustar.size.set(viewOf(bytes), 0, Uint8Array.from([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, size >> 8, size & 255]));
    expect((await parse(mendFirst(bytes), 512)).realSize).toBe(8192);
  });

  function mendFirst(bytes: Uint8Array): Uint8Array {
    let sum = 8 * 32;
    for (let i = 0; i < 512; i++) if (i < 148 || i >= 156) sum += bytes[i];
    ustar.chksum.set(viewOf(bytes), 0, Buffer.from(`${sum.toString(8).padStart(6, '0')}\0 `));
    return bytes;
  }

  it('with data in the middle of a record is refused', async () => {
    const header = chunkHeader(chunkSpec({ ...spec, recordSize: 512 }));
    const text = Buffer.from(header).toString('latin1').replace('"recordSize":512', '"recordSize":768');
    await expect(parse(Buffer.concat([Buffer.from(text, 'latin1'), new Uint8Array(512)]), 768)).rejects.toThrow(
      /no multiple of 512/,
    );
    const larger = Buffer.concat([header, new Uint8Array(header.length % 1024)]);
    await expect(parse(larger, 1024)).rejects.toThrow(/the comment says records of 512/);
  });

  it('with records of several sizes, or none, is refused', async () => {
    const header = chunkHeader(chunkSpec(spec));
    let count = 0;
    const records = async (): Promise<Uint8Array> => header.subarray(0, count++ === 0 ? 512 : 1024);
    await expect(parseChunkHeader(records)).rejects.toThrow(/record 1 has 1024 bytes, the first 512/);
    await expect(parseChunkHeader(async () => undefined)).rejects.toThrow(/without an end of archive/);
    await expect(parseChunkHeader(async () => new Uint8Array(0))).rejects.toThrow(/has 0 bytes/);
    await expect(parse(header.subarray(0, 1024), 512)).rejects.toThrow(/ends at byte 1024 without/);
    await expect(parse(header.subarray(0, 512), 512)).rejects.toThrow(/the tape file ends at byte 512, in a member/);
    await expect(parse(header.subarray(0, -512), 512)).rejects.toThrow(/the tape file ends in the map/);
    await expect(parse(new Uint8Array(2048), 512)).rejects.toThrow(/no chunk/);
  });
});

describe('member names', () => {
  it('tell volume, time, set, number and address, and sort', () => {
    expect(chunkMemberName('home', '2026-03-14T02:00:00.123Z', SET, 12, 51_539_607_552)).toBe(
      'home/20260314T020000Z-1a2b3c4d/chunk-000012-at-0000051539607552.img',
    );
  });
  it.each([
    ['Büro/data', 'B_ro_data'],
    ['..', '_.'],
    ['-x', '_x'],
    ['', 'volume'],
    ['a'.repeat(99), 'a'.repeat(40)],
  ])('are safe for %j', (name, safe) => expect(safeName(name)).toBe(safe));
});

describeWithTools(['tar'], 'sparse archives that GNU tar makes', () => {
  it.each<[string, [number, number][], number]>([
    ['a hole at the end', [[0, 4096]], 1_048_576],
    [
      'extents in the middle and at the end',
      [
        [65_536, 4096],
        [1_044_480, 4096],
      ],
      1_048_576,
    ],
    ['an odd size', [[65_536, 1001]], 66_537],
  ])('are read with %s', async (_, pairs, size) => {
    const folder = tempFolder();
    const file = openSync(join(folder, 'file'), 'w');
    for (const [start, length] of pairs) writeSync(file, Buffer.alloc(length, 7), 0, length, start);
    ftruncateSync(file, size);
    closeSync(file);
    const archive = join(folder, 'a.tar');
    execFileSync('tar', ['--format=pax', '-b', '20', '-cSf', archive, '-C', folder, 'file']);
    const stream = new RecordStream(recordsOfFile(archive, 10_240), 'GNU archive');
    const header = await readHeader(stream);
    expect(header).toBeDefined();
    if (header === undefined) return;
    const { name, realSize, extents } = await readSparse(stream, header);
    expect(name).toBe('file');
    expect(realSize).toBe(size);
    // tar looks for data in blocks of its own or the file system's: stored bytes must cover ours and hold nothing else.
    const stored = Buffer.alloc(size);
    for (let i = 0; i < extents.count; i++) stored.set(await stream.bytes(extents.lengths[i]), extents.starts[i]);
    expect(stored.equals(readFileSync(join(folder, 'file')))).toBe(true);
    expect(totalBytes(extents)).toBeLessThanOrEqual(16_384);
  });

  it('are no chunks', async () => {
    const folder = tempFolder();
    writeFileSync(join(folder, 'file'), 'x');
    const archive = join(folder, 'a.tar');
    execFileSync('tar', ['--format=pax', '-cSf', archive, '-C', folder, 'file']);
    await expect(parseChunkHeader(recordsOfFile(archive, 10_240))).rejects.toThrow(/no chunk/);
  });
});
