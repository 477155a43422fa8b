import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../src/bytes/errors.ts';
import { checkSet, sealDigest } from '../../src/tape-index/check.ts';
import { decodeFrame, encodeFrame } from '../../src/tape-index/frame.ts';
import { KeyKind, setBytes } from '../../src/tape-index/keys.ts';
import { MemoryStore } from '../../src/tape-index/memory-store.ts';
import { Page } from '../../src/tape-index/messages.ts';
import { decodePageBytes } from '../../src/tape-index/page-decode.ts';
import { openSetIndex, type StoredEntry } from '../../src/tape-index/reader.ts';
import { createIndexWriter } from '../../src/tape-index/writer.ts';
import { bytesOfText, inodeBatch, nameBatch, plainInode, type TestInode, type TestName } from './trees.ts';

const SET = 'a'.repeat(32);
const identity = { set: SET, base: null, filesystems: [{ number: 0, rootInode: 2, indexed: true }] };

/** A directory of several pages, hard links, a file of many extents, small directories. */
async function damageable(): Promise<{
  rows: [Uint8Array, Uint8Array][];
  seal: { indexDigest: string; indexRows: number };
}> {
  const inodes: TestInode[] = [plainInode(2, 0o040755)];
  const names: TestName[] = [];
  for (let i = 0; i < 500; i++) {
    const inode = 100 + i;
    const directory = i % 50 === 0;
    const extents = Array.from({ length: i === 77 ? 9000 : 1 }, (_, k) => ({
      kind: 0,
      fileOffset: k * 8192,
      length: 4096,
      volumeOffset: (i * 10_000 + k * 3) * 4096,
    }));
    inodes.push(
      plainInode(inode, directory ? 0o040755 : 0o100644, {
        size: directory ? 4096 : 3000 + i,
        extents: directory ? [] : extents,
        linkCount: directory ? 2 : i % 90 === 7 ? 2 : 1,
      }),
    );
    names.push({ parent: 2, child: inode, name: bytesOfText(`entry ${i}`) });
    if (!directory && i % 90 === 7) names.push({ parent: 100, child: inode, name: bytesOfText(`link ${i}`) });
  }
  const store = new MemoryStore();
  const writer = createIndexWriter({ store, set: setBytes(SET), filesystem: 0, rootInode: 2 });
  writer.addInodes(inodeBatch(inodes));
  writer.addNames(nameBatch(names));
  const summary = await writer.finish();
  const rows: [Uint8Array, Uint8Array][] = [];
  for await (const batch of store.scan({})) for (const [key, value] of batch) rows.push([key, value]);
  return { rows, seal: { indexDigest: sealDigest([{ filesystem: 0, ...summary }]), indexRows: summary.rows } };
}

async function storeOf(rows: readonly (readonly [Uint8Array, Uint8Array])[]): Promise<MemoryStore> {
  const store = new MemoryStore();
  await store.batch(rows.map(([key, value]) => ({ type: 'put', key, value })));
  return store;
}

/** Every path and what is known of it, as text; the error when the walk meets one. */
async function everything(store: MemoryStore): Promise<{ seen: Map<string, string>; error: unknown }> {
  const seen = new Map<string, string>();
  try {
    const index = await openSetIndex(store, identity);
    const root = (await index.root()) as StoredEntry;
    seen.set('', JSON.stringify(root));
    for await (const { parents, entries } of index.walk(root)) {
      const at = parents.map((part) => Buffer.from(part).toString()).join('/');
      for (const entry of entries) seen.set(`${at}/${Buffer.from(entry.name).toString()}`, JSON.stringify(entry));
    }
    return { seen, error: null };
  } catch (error) {
    return { seen, error };
  }
}

describe('a damaged index', () => {
  it('is named, and never gives wrong data: any byte of any value flipped', async () => {
    const { rows, seal } = await damageable();
    const good = (await everything(await storeOf(rows))).seen;
    expect(good.size).toBe(507);
    await fc.assert(
      fc.asyncProperty(fc.nat(rows.length - 1), fc.nat(), fc.integer({ min: 1, max: 255 }), async (row, at, mask) => {
        const damaged = rows.map(([key, value], i): [Uint8Array, Uint8Array] => {
          if (i !== row) return [key, value];
          const copy = value.slice();
          copy[at % copy.length] ^= mask;
          return [key, copy];
        });
        const store = await storeOf(damaged);
        const { seen, error } = await everything(store);
        for (const [path, entry] of seen) expect(entry).toBe(good.get(path));
        expect(error).toBeInstanceOf(FormatError);
        expect((error as FormatError).message).toMatch(/reelmap index rebuild/);
        expect((await checkSet(store, { ...identity, ...seal })).problems).not.toEqual([]);
      }),
      { numRuns: 150 },
    );
  });

  it('is noticed: any one row lost', async () => {
    const { rows, seal } = await damageable();
    const good = (await everything(await storeOf(rows))).seen;
    for (let lost = 0; lost < rows.length; lost++) {
      const store = await storeOf(rows.filter((_, i) => i !== lost));
      const { seen, error } = await everything(store);
      for (const [path, entry] of seen) expect(entry).toBe(good.get(path));
      expect(error).toBeInstanceOf(FormatError);
      expect((error as FormatError).message).toMatch(/(is|are) lost \(run `reelmap index rebuild`\)/);
      const { whole, problems } = await checkSet(store, { ...identity, ...seal });
      expect({ whole, problems }).toEqual({
        whole: false,
        problems: [`${rows.length - 1} index rows instead of ${rows.length}`],
      });
    }
  });

  it('is noticed by the single look-up that needs the lost page', async () => {
    const { rows } = await damageable();
    const pages = rows.filter(([key]) => key[0] === KeyKind.page && key[26] === 2);
    expect(pages.length).toBeGreaterThan(3);
    for (const [lost] of pages) {
      const store = await storeOf(rows.filter(([key]) => key !== lost));
      const index = await openSetIndex(store, identity);
      let failed = 0;
      for (let i = 0; i < 500; i++) {
        const entry = await index.resolve([bytesOfText(`entry ${i}`)]).catch((error: Error) => {
          expect(error.message).toMatch(/directory 2 .*is lost/);
          failed++;
          return null;
        });
        if (entry !== null) expect(entry?.inode).toBe(100 + i); // never "not found"
      }
      expect(failed).toBeGreaterThan(0);
    }
  });

  it('is noticed: a row under another key', async () => {
    const { rows } = await damageable();
    const [a, b] = rows.filter(([key]) => key[0] === KeyKind.page && key[26] !== 2);
    const store = await storeOf(rows.map(([key, value]) => (key === a[0] ? [key, b[1]] : [key, value])));
    expect((await everything(store)).error).toMatchObject({ kind: 'corrupt' });
  });
});

describe('a frame', () => {
  const key = Uint8Array.of(1, 2, 3);
  const raw = Uint8Array.from({ length: 100 }, (_, i) => i);
  const good = encodeFrame(key, raw);

  it('gives back its bytes', () => {
    expect(Buffer.from(decodeFrame(key, good, 'row')).equals(raw)).toBe(true);
  });

  /** Damages one field and makes the checksum right again, as a hostile writer would. */
  const forged = (change: (bytes: Uint8Array) => Uint8Array): Uint8Array => {
    const body = change(good.slice());
    return resealed(key, body);
  };

  it.each([
    ['a later version', (b: Uint8Array) => b.fill(9, 0, 1), 'unsupported', /index format version 9/],
    ['an unknown codec', (b: Uint8Array) => b.fill(7, 1, 2), 'unsupported', /codec 7/],
    ['another length', (b: Uint8Array) => b.fill(99, 6, 7), 'corrupt', /100 bytes instead of 99/],
    ['a length without end', (b: Uint8Array) => b.fill(0xff, 6, 12), 'corrupt', /raw length is too long/],
    ['zstd that is none', (b: Uint8Array) => b.fill(1, 1, 2), 'corrupt', /zstd frame of another length/],
    ['too few bytes', (b: Uint8Array) => b.slice(0, 6), 'corrupt', /6 bytes are no index row/],
  ])('with %s is refused', (_, change, kind, message) => {
    expect(() => decodeFrame(key, forged(change), 'row')).toThrow(expect.objectContaining({ kind }));
    expect(() => decodeFrame(key, forged(change), 'row')).toThrow(message);
  });

  it('with a length over the bound is refused before anything is reserved', () => {
    const long = Uint8Array.of(1, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0x7f, 0x28);
    expect(() => decodeFrame(key, resealed(key, long), 'row')).toThrow(/raw length 268435455, at most/);
  });
});

function resealed(key: Uint8Array, frame: Uint8Array): Uint8Array {
  if (frame.length < 7) return frame;
  new DataView(frame.buffer, frame.byteOffset).setUint32(2, crcOfFrame(key, frame), true);
  return frame;
}

/** CRC-32C by bits, not by our tables. */
function crcOfFrame(key: Uint8Array, frame: Uint8Array): number {
  let c = 0xffff_ffff;
  for (const byte of [...key, ...frame.subarray(0, 2), ...frame.subarray(6)]) {
    c ^= byte;
    for (let k = 0; k < 8; k++) c = (c & 1) !== 0 ? (c >>> 1) ^ 0x82f6_3b78 : c >>> 1;
  }
  return ~c >>> 0;
}

describe('a page whose checksum is right and whose content is not', () => {
  const good = (): InstanceType<typeof Page> =>
    Object.assign(new Page(), {
      pageCount: 1,
      nameLead: Uint8Array.of(0x02, 0x11), // shared, own
      nameBytes: bytesOfText('abc'),
      inodeStep: [10, 1],
      classMode: [0o100644],
      classUid: [0],
      classGid: [0],
      size: [5, 6],
      extentStart: [100, 0],
      unitShift: 12,
    });

  it('starts from a good one', () => {
    const page = decodePageBytes(Page.encode(good()).finish(), 'page');
    expect(Buffer.from(page.names).toString()).toBe('abac');
    expect([...page.extentVolumeOffset]).toEqual([100 * 4096, 101 * 4096]);
  });

  it.each<[string, object, RegExp]>([
    ['too many rows', { inodeStep: Array(257).fill(1), nameLead: new Uint8Array(0) }, /too many rows/],
    ['too many rows in runs', { inodeStep: [1, -200, -200] }, /too many rows/],
    ['next name too long', { nextName: new Uint8Array(256) }, /next name too long/],
    ['names and rows differ', { inodeStep: [1] }, /differ in number/],
    ['order cut', { nameRow: Uint8Array.of(1) }, /order of names cut/],
    ['order that is none', { nameRow: Uint8Array.of(1, 255) }, /order of names is no order/],
    ['order twice', { nameRow: Uint8Array.of(1, 254), namePlace: Uint8Array.of(1) }, /order of names twice/],
    [
      'places that are none',
      {
        inodeStep: [10, -2],
        nameLead: Uint8Array.of(2, 0x11, 0x11),
        nameBytes: bytesOfText('abcd'),
        namePlace: Uint8Array.of(3),
      },
      /order of names is no order/,
    ],
    [
      'places cut',
      {
        inodeStep: [10, -2],
        nameLead: Uint8Array.of(2, 0x11, 0x11),
        nameBytes: bytesOfText('abcd'),
        namePlace: new Uint8Array(0),
        nameRow: Uint8Array.of(0),
      },
      /order of names cut/,
    ],
    ['places too long', { namePlace: Uint8Array.of(1, 0) }, /order of names too long/],
    ['empty name', { nameLead: Uint8Array.of(0, 2), nameBytes: bytesOfText('ab') }, /wrong length/],
    ['long name', { nameLead: Uint8Array.of(2, 0x1f), nameMore: [240] }, /wrong length/],
    ['long name without its length', { nameLead: Uint8Array.of(2, 0x1f) }, /names cut/],
    ['length of no name', { nameMore: [1] }, /bytes after the last name/],
    ['shares too much', { nameLead: Uint8Array.of(2, 0x31) }, /shares more/],
    ['names cut', { nameBytes: bytesOfText('ab') }, /names cut/],
    ['bytes left', { nameBytes: bytesOfText('abcd') }, /bytes after the last name/],
    ['inode beyond 2^53', { inodeStep: [2 ** 53 - 1, 5] }, /beyond 2\^53/],
    ['record rows', { recordRow: [2] }, /record rows out of order/],
    ['record rows twice', { recordRow: [0, 0] }, /record rows out of order/],
    ['no class', { classMode: [], classUid: [], classGid: [] }, /classes cut/],
    ['half a class', { classMode: [0o100644, 0o100600], classUid: [1] }, /column of owners cut/],
    ['half a group', { classMode: [0o100644, 0o100600], classUid: [1, 2], classGid: [1] }, /column of groups cut/],
    ['classes cut', { classOf: Uint8Array.of(0) }, /column of classes cut/],
    ['class missing', { classOf: Uint8Array.of(0, 1) }, /class that is not there/],
    ['sizes cut', { size: [5] }, /column of sizes cut/],
    ['times cut', { ctimeStep: [5] }, /column of times cut/],
    ['times twice', { mtimeStep: [5, 5], mtimeOffset: [1, 1] }, /times twice/],
    ['times of both kinds', { ctimeStep: [5, 5], ctimeStepNs: [5, 5] }, /times twice/],
    ['times beyond 2^53', { ctimeBase: 2 ** 53 - 1, ctimeStepNs: [5e9, 5] }, /time beyond/],
    ['nanoseconds', { ctimeNs: [1_000_000_000, 0] }, /a billion/],
    ['nanoseconds twice', { mtimeNs: [1, 1], mtimeNsOffset: [1, 1] }, /nanoseconds twice/],
    ['sparse cut', { linkRow: [0], linkCount: [] }, /sparse column cut/],
    ['sparse order', { linkRow: [0, 0], linkCount: [1, 1] }, /sparse rows out of order/],
    ['sparse row', { flagRow: [2], flagBits: [1] }, /not there/],
    ['unit', { unitShift: 53 }, /unit of extents/],
    ['extent counts', { extentCount: [1_000_000, 1] }, /more extents than/],
    ['extent kinds cut', { extentKind: Uint8Array.of(0) }, /extent kinds cut/],
    ['extent kind', { extentKind: Uint8Array.of(0, 4) }, /unknown kind/],
    ['extent starts cut', { extentStart: [100] }, /extent starts cut|more extents/],
    ['extent starts left', { extentStart: [100, 0, 0] }, /starts left over/],
    ['extent before the volume', { extentStart: [-1, 0] }, /before the volume/],
    ['extent of no length', { extentLength: [-1, 0] }, /no length/],
    ['literal cut', { extentKind: Uint8Array.of(2, 0), extentStart: [100] }, /literal bytes cut/],
    ['literal left', { literals: Uint8Array.of(1) }, /literal bytes left over/],
    ['xattr table', { xattrName: [Uint8Array.of(1)] }, /table of attributes cut/],
    ['xattr index', { xattrRow: [0], xattrIndex: [0] }, /not in the table/],
    ['problem index', { problemRow: [0], problemIndex: [0] }, /not in the table/],
  ])('is refused: %s', (_, change, message) => {
    const raw = Page.encode(Object.assign(good(), change)).finish();
    expect(() => decodePageBytes(raw, 'page')).toThrow(expect.objectContaining({ kind: 'corrupt' }));
    expect(() => decodePageBytes(raw, 'page')).toThrow(message);
  });

  it('is refused or harmless whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), fc.nat(), (noise, at, length) => {
        const raw = Page.encode(good()).finish();
        const mixed = Buffer.concat([
          raw.subarray(0, at % raw.length),
          noise,
          raw.subarray((at + length) % raw.length),
        ]);
        try {
          const page = decodePageBytes(mixed, 'page');
          expect(page.rowCount).toBeLessThanOrEqual(256);
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
