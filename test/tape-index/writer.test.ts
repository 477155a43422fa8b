import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ExtentKind } from '../../src/bytes/walk-batch.ts';
import { setBytes } from '../../src/tape-index/keys.ts';
import { MemoryStore } from '../../src/tape-index/memory-store.ts';
import { openSetIndex, type SetIndex, type StoredEntry } from '../../src/tape-index/reader.ts';
import { createIndexWriter, type IndexSummary } from '../../src/tape-index/writer.ts';
import { bytesOfText, inodeBatch, nameBatch, plainInode, type TestInode, type TestName } from './trees.ts';

const SET = 'a'.repeat(32);
const name = (parent: number, child: number, text: string): TestName => ({ parent, child, name: bytesOfText(text) });
const path = (text: string): Uint8Array[] => text.split('/').map(bytesOfText);

interface Built {
  readonly summary: IndexSummary;
  readonly index: SetIndex;
  readonly text: string;
  readonly parts: number[];
}

async function build(
  inodes: TestInode[],
  names: TestName[],
  problems: { inode: number; reason: string }[] = [],
): Promise<Built> {
  const store = new MemoryStore();
  const parts: Uint8Array[] = [];
  const writer = createIndexWriter({
    store,
    set: setBytes(SET),
    filesystem: 0,
    rootInode: 2,
    text: async (part) => {
      parts.push(part);
    },
  });
  writer.addNames(nameBatch(names, problems));
  writer.addInodes(inodeBatch(inodes));
  const summary = await writer.finish();
  const index = await openSetIndex(store, {
    set: SET,
    base: null,
    filesystems: [{ number: 0, rootInode: 2, indexed: true }],
  });
  const text = gunzipSync(Buffer.concat(parts)).toString('latin1');
  return { summary, index, text, parts: parts.map(({ length }) => length) };
}

async function pathsOf(index: SetIndex): Promise<string[]> {
  const out: string[] = [];
  for await (const { parents, entries } of index.walk((await index.root()) as StoredEntry))
    for (const entry of entries)
      out.push([...parents, entry.name].map((part) => Buffer.from(part).toString()).join('/'));
  return out;
}

describe('a file in the index', () => {
  it('ends with its last block, wherever the walk lets its last extent end', async () => {
    const extent = { kind: ExtentKind.stored, fileOffset: 0, length: 5000, volumeOffset: 40_960 };
    const two = [
      { ...extent, length: 8192 },
      { ...extent, fileOffset: 16_384, length: 10, volumeOffset: 81_920 },
    ];
    const inodes = [
      plainInode(2, 0o040755),
      plainInode(11, 0o100644, { size: 5000, extents: [extent] }),
      plainInode(12, 0o100644, { size: 16_394, extents: two }),
      plainInode(13, 0o100644, { size: 6000, extents: [extent] }),
    ];
    const { index } = await build(inodes, [name(2, 11, 'one'), name(2, 12, 'two'), name(2, 13, 'cut')]);
    const lengths = async (text: string): Promise<number[] | undefined> =>
      (await index.resolve(path(text)))?.extents.map(({ byteLength }) => byteLength);
    expect(await lengths('one')).toEqual([8192]);
    expect(await lengths('two')).toEqual([8192, 4096]);
    expect(await lengths('cut')).toEqual([5000]);
  });
});

describe('the index of a damaged tree', () => {
  it('keeps a name whose inode is not there, with the reason', async () => {
    const { summary, index } = await build([plainInode(2, 0o040755)], [name(2, 77, 'lost')]);
    expect(await index.resolve(path('lost'))).toMatchObject({
      inode: 77,
      mode: 0,
      problems: [expect.stringMatching(/not in use/)],
    });
    expect(summary).toMatchObject({ entries: 1, problems: 1, reasons: [{ count: 1 }] });
  });

  it('counts inodes that no name leads to', async () => {
    const { summary } = await build(
      [plainInode(2, 0o040755), plainInode(8, 0o100600), plainInode(9, 0o100600)],
      [name(2, 9, 'a')],
    );
    expect(summary).toMatchObject({ orphans: 1, problems: 0 });
  });

  it('counts directories in a cycle, ends, and lists the rest', async () => {
    const directories = [2, 10, 11, 12].map((inode) => plainInode(inode, 0o040755));
    const { summary, index, text } = await build(directories, [name(2, 10, 'a'), name(11, 12, 'x'), name(12, 11, 'y')]);
    expect(summary).toMatchObject({ unreachable: 2, problems: 2 });
    expect(summary.reasons[0].reason).toMatch(/does not lead to/);
    expect(await pathsOf(index)).toEqual(['a']);
    expect(text).toMatch(/^\?\/x\td/m);
  });

  it('goes down into a directory of two names once, and into itself never', async () => {
    const directories = [2, 10, 11].map((inode) => plainInode(inode, 0o040755));
    const names = [name(10, 11, 'deep'), name(2, 10, 'a'), name(11, 10, 'up'), name(11, 2, 'root'), name(2, 11, 'b')];
    const { summary, index } = await build(directories, names);
    expect(await pathsOf(index)).toEqual(['a', 'a/deep', 'b', 'b/root', 'b/up']);
    expect(await index.resolve(path('a/deep'))).toMatchObject({
      secondName: true,
      problems: [expect.stringMatching(/another name/)],
    });
    expect(summary).toMatchObject({ unreachable: 0, problems: 3, entries: 5 });
  });

  it('keeps one of two equal names and says what the other was', async () => {
    const inodes = [plainInode(2, 0o040755), plainInode(10, 0o100644), plainInode(11, 0o100644)];
    const { summary, index } = await build(inodes, [name(2, 10, 'a'), name(2, 11, 'a')]);
    expect(await pathsOf(index)).toEqual(['a']);
    expect((await index.resolve(path('a')))?.problems).toEqual(['inode 11 has the same name in the same directory']);
    expect(summary).toMatchObject({ entries: 1, problems: 1 });
  });

  it('has the reason why a directory could not be read with the directory, the root included', async () => {
    const problems = [
      { inode: 10, reason: 'block 7: checksum wrong' },
      { inode: 2, reason: 'block 8: checksum wrong' },
    ];
    const { summary, index } = await build(
      [plainInode(2, 0o040755), plainInode(10, 0o040755)],
      [name(2, 10, 'a')],
      problems,
    );
    expect((await index.resolve(path('a')))?.problems).toEqual(['block 7: checksum wrong']);
    expect((await index.resolve([]))?.problems).toEqual(['block 8: checksum wrong']);
    expect(summary.problems).toBe(2);
  });

  it('keeps names in a directory whose inode is not there, under its number', async () => {
    const { summary } = await build([plainInode(2, 0o040755), plainInode(10, 0o100644)], [name(55, 10, 'a')]);
    expect(summary).toMatchObject({ entries: 1, unreachable: 1, orphans: 0 });
  });

  it('without its root says so', async () => {
    const { summary, index } = await build([plainInode(10, 0o100644)], [name(2, 10, 'a')]);
    expect(summary.reasons).toContainEqual({ reason: 'the root directory cannot be read', count: 1 });
    await expect(index.resolve(path('a'))).rejects.toThrow(/inode 2: part 0 of its record is lost/);
  });
});

describe('look-ups', () => {
  it('give hard links as one inode', async () => {
    const inodes = [
      plainInode(2, 0o040755),
      plainInode(10, 0o100644, { linkCount: 2, size: 5 }),
      plainInode(11, 0o040755),
    ];
    const { index } = await build(inodes, [name(2, 10, 'a'), name(2, 11, 'd'), name(11, 10, 'b')]);
    const [a, b] = [await index.resolve(path('a')), await index.resolve(path('d/b'))];
    expect({ ...a, name: null }).toEqual({ ...b, name: null });
    expect(await index.entryOf(10)).toMatchObject({ size: 5, linkCount: 2 });
    expect(await index.entryOf(11)).toMatchObject({ inode: 11 });
    expect(await index.entryOf(12)).toBeUndefined();
  });

  it('find nothing where nothing is: below a file, beyond the last name, under an empty or too long name', async () => {
    const { index } = await build(
      [plainInode(2, 0o040755), plainInode(10, 0o100644), plainInode(11, 0o040755)],
      [name(2, 10, 'a'), name(2, 11, 'e')],
    );
    for (const none of ['b', 'a/b', 'e/x', '', 'x'.repeat(256), 'A', 'zz'])
      expect(await index.resolve(path(none))).toBeUndefined();
    expect(await index.resolve([], 7)).toBeUndefined();
    expect(await pathsOf(index)).toEqual(['a', 'e']);
  });

  it('list a large directory in byte order, from any name on, while others run', async () => {
    const count = 30_000;
    const inodes = [plainInode(2, 0o040755)];
    const names: TestName[] = [];
    for (let i = 0; i < count; i++) {
      inodes.push(plainInode(10 + i, 0o100644));
      names.push(name(2, 10 + i, `file_${(i * 7919) % count}`));
    }
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const { index, summary } = await build(inodes, names);
    clearInterval(timer);
    expect(turns).toBeGreaterThan(5);
    expect(summary.pages).toBe(Math.ceil(count / 128));
    const root = (await index.root()) as StoredEntry;
    const want = names.map((n) => Buffer.from(n.name).toString()).sort();
    const seen: string[] = [];
    for await (const entries of index.list(root))
      for (const entry of entries) seen.push(Buffer.from(entry.name).toString());
    expect(seen).toEqual(want);
    for (const from of ['file_0', 'file_2', 'file_29999', 'g', want[128], want[127]]) {
      const rest: string[] = [];
      for await (const entries of index.list(root, bytesOfText(from)))
        for (const entry of entries) rest.push(Buffer.from(entry.name).toString());
      expect(rest).toEqual(want.filter((one) => one > from));
    }
  });
});

describe('the text twin', () => {
  it('has a line for every name, with what a restore needs', async () => {
    const target = bytesOfText('a\\b');
    const inodes = [
      plainInode(2, 0o040755),
      plainInode(10, 0o100640, {
        uid: 1000,
        gid: 4_294_967_295,
        size: 5000,
        times: [
          [0, 0],
          [1_700_000_000, 42],
          [0, 0],
        ],
        extents: [{ kind: ExtentKind.stored, fileOffset: 0, length: 8192, volumeOffset: 2 ** 43 }],
      }),
      plainInode(11, 0o040755),
      plainInode(12, 0o120777, {
        size: 3,
        extents: [{ kind: ExtentKind.literal, fileOffset: 0, length: 3, volumeOffset: 0, literal: target }],
      }),
      plainInode(13, 0o104755, {
        size: 2 ** 40,
        extents: [
          { kind: ExtentKind.zero, fileOffset: 0, length: 4096, volumeOffset: 0 },
          { kind: ExtentKind.escaped, fileOffset: 8192, length: 4096, volumeOffset: 12_288 },
        ],
      }),
      plainInode(14, 0o020600, {
        device: 2 ** 32,
        times: [
          [0, 0],
          [-7, 5],
          [0, 0],
        ],
      }),
    ];
    const names = [
      name(2, 11, 'dir\twith \\ \n'),
      name(11, 10, 'ünï'),
      name(11, 12, 'link'),
      { parent: 11, child: 13, name: Uint8Array.of(0xff, 0x1b, 0x7f) },
      name(2, 14, 'null'),
      name(2, 99, 'gone'),
    ];
    const { text } = await build(inodes, names);
    const latin = (utf8: string): string => Buffer.from(utf8).toString('latin1');
    expect(text.split('\n').sort()).toEqual(
      [
        '#reelmap files.tsv 1\tfilesystem 0',
        '#path\ttype\tsize\textents\tmode\tuid\tgid\tmtime\tinode',
        '/\td\t0\t\t0755\t0\t0\t1700000000\t2',
        '/dir\\twith \\\\ \\n\td\t0\t\t0755\t0\t0\t1700000000\t11',
        latin(
          '/dir\\twith \\\\ \\n/ünï\tf\t5000\ts8796093022208+8192@0\t0640\t1000\t4294967295\t1700000000.000000042\t10',
        ),
        '/dir\\twith \\\\ \\n/link\tl\t3\tlYVxi@0\t0777\t0\t0\t1700000000\t12',
        '/dir\\twith \\\\ \\n/\xff\\x1b\\x7f\tf\t1099511627776\tz+4096@0,e12288+4096@8192\t4755\t0\t0\t1700000000\t13',
        '/null\tc\t0\t\t0600\t0\t0\t-7.000000005\t14',
        '/gone\t?\t0\t\t0000\t0\t0\t0\t99',
        '',
      ].sort(),
    );
  });

  it('comes in parts of at most 8 MiB, gzip members that join, even of one endless line', async () => {
    const extents = Array.from({ length: 400_000 }, (_, i) => ({
      kind: ExtentKind.stored,
      fileOffset: i * 8192,
      length: 4096,
      volumeOffset: ((i * 2_654_435_761) % 2 ** 32) * 4096,
    }));
    const { text, parts } = await build(
      [plainInode(2, 0o040755), plainInode(10, 0o100644, { size: 400_000 * 8192, extents })],
      [name(2, 10, 'a')],
    );
    expect(parts.length).toBeGreaterThan(2);
    expect(Math.max(...parts)).toBeLessThanOrEqual(8 << 20);
    expect(text.match(/\+4096@/g)).toHaveLength(400_000);
    expect(text.split('\n')).toHaveLength(5);
  });
});
