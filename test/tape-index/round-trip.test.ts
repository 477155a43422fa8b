import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ExtentKind } from '../../src/bytes/walk-batch.ts';
import { checkSet, sealDigest } from '../../src/tape-index/check.ts';
import { compareBytes } from '../../src/tape-index/keys.ts';
import { MemoryStore } from '../../src/tape-index/memory-store.ts';
import { openSetIndex, type SetIdentity, type StoredEntry } from '../../src/tape-index/reader.ts';
import { createIndexWriter, type IndexSummary } from '../../src/tape-index/writer.ts';
import { inodeBatch, nameBatch, plainInode, type TestExtent, type TestInode, type TestName } from './trees.ts';

const SET = new Uint8Array(16).fill(0xa5);
const identity: SetIdentity = {
  set: 'a5'.repeat(16),
  base: null,
  filesystems: [{ number: 3, rootInode: 2, indexed: true }],
};

const time = fc.tuple(
  fc.oneof(fc.integer({ min: -(2 ** 31), max: 2 ** 31 }), fc.integer({ min: -(2 ** 50), max: 2 ** 50 })),
  fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 999_999_999 })),
);
const xattr = fc.record({
  name: fc.uint8Array({ minLength: 1, maxLength: 20 }),
  value: fc.oneof(
    { weight: 9, arbitrary: fc.uint8Array({ maxLength: 30 }) },
    { weight: 1, arbitrary: fc.uint8Array({ minLength: 1500, maxLength: 70_000 }) },
  ),
});

const extents = fc
  .tuple(
    fc.constantFrom(1, 512, 4096, 65536),
    fc.array(
      fc.record({
        kind: fc.constantFrom(0, 0, 0, 1, 2, 3),
        gap: fc.constantFrom(0, 0, 1, 7),
        length: fc.integer({ min: 1, max: 2000 }),
        at: fc.integer({ min: 0, max: 2 ** 31 }),
      }),
      { maxLength: 300 },
    ),
  )
  .map(([unit, list]): TestExtent[] => {
    let end = 0;
    return list.map(({ kind, gap, length, at }) => {
      const literal = kind === ExtentKind.literal ? Uint8Array.from({ length }, (_, i) => i * 7 + at) : undefined;
      const extent = {
        kind,
        fileOffset: end + gap * unit,
        length: literal === undefined ? length * unit : length,
        volumeOffset: literal === undefined && kind !== ExtentKind.zero ? at * unit : 0,
        ...(literal && { literal }),
      };
      end = extent.fileOffset + extent.length;
      return extent;
    });
  });
const oneRun = fc
  .tuple(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 0, max: 1e9 }))
  .map(([size, block]) => ({
    size,
    list: [
      { kind: 0, fileOffset: 0, length: Math.ceil(size / 4096) * 4096, volumeOffset: block * 4096 },
    ] as TestExtent[],
  }));
const content = fc.oneof(
  { weight: 6, arbitrary: oneRun },
  { weight: 1, arbitrary: extents.chain((list) => fc.nat(2 ** 40).map((size) => ({ size, list }))) },
);

const attributes = fc.record({
  generation: fc.oneof(fc.constant(0), fc.nat(2 ** 32 - 1)),
  permissions: fc.constantFrom(0o644, 0o755, 0o7777, 0),
  uid: fc.constantFrom(0, 1000, 4_294_967_295),
  gid: fc.constantFrom(0, 5),
  times: fc.tuple(time, time, time),
  flags: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(15) }),
  xattrs: fc.oneof(
    { weight: 8, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(xattr, { maxLength: 4 }) },
  ),
  problems: fc.oneof(
    { weight: 9, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.constant(['extent tree damaged']) },
  ),
  content,
  type: fc.constantFrom(0o100000, 0o100000, 0o100000, 0o040000, 0o120000, 0o060000, 0o020000, 0o010000, 0o140000),
  step: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 2 ** 40 })),
});

/** A tree: every inode but the root gets a parent directory that came before it and a name; some get more names. */
const tree = fc
  .record({
    inodes: fc.array(attributes, { maxLength: 400, size: 'max' }),
    seeds: fc.infiniteStream(fc.nat(2 ** 30)),
    flat: fc.boolean(),
  })
  .map(({ inodes: list, seeds, flat }) => {
    const next = (n: number): number => (seeds.next().value as number) % n;
    const inodes: TestInode[] = [plainInode(2, 0o040755, { linkCount: 3 })];
    const names: TestName[] = [];
    const directories = [2];
    const used = new Set<string>();
    let number = 2;
    for (const a of list) {
      number += a.step;
      const device = a.type === 0o060000 || a.type === 0o020000 ? 5 * 2 ** 32 + 17 : 0;
      const hasContent = a.type === 0o100000 || a.type === 0o120000;
      const links = a.type !== 0o040000 && next(12) === 0 ? 2 + next(3) : 1;
      inodes.push({
        inode: number,
        generation: a.generation,
        mode: a.type | a.permissions,
        linkCount: a.type === 0o040000 ? 2 + next(3) : links,
        uid: a.uid,
        gid: a.gid,
        size: hasContent ? a.content.size : next(3) * 4096,
        times: a.times,
        device,
        flags: a.flags,
        extents: hasContent ? a.content.list : [],
        xattrs: a.xattrs,
        problems: a.problems,
      });
      for (let k = 0; k < (links > 1 ? links : 1); k++) {
        const parent = flat ? 2 : directories[next(directories.length)];
        let name: Uint8Array;
        do {
          const length = next(30) === 0 ? 255 : 1 + next(20);
          name = Uint8Array.from({ length }, () => 0x30 + next(next(4) === 0 ? 200 : 4)).map((c) =>
            c === 0x2f ? 1 : c,
          );
        } while (used.has(`${parent} ${Buffer.from(name).toString('hex')}`));
        used.add(`${parent} ${Buffer.from(name).toString('hex')}`);
        names.push({ parent, child: number, name });
      }
      if (a.type === 0o040000) directories.push(number);
    }
    for (let i = names.length - 1; i > 0; i--) {
      const k = next(4) === 0 ? next(i + 1) : i;
      [names[i], names[k]] = [names[k], names[i]];
    }
    return { inodes, names };
  });

async function build(
  store: MemoryStore,
  inodes: readonly TestInode[],
  names: readonly TestName[],
): Promise<{ summary: IndexSummary; text: Uint8Array[]; rows: [Uint8Array, Uint8Array][] }> {
  const text: Uint8Array[] = [];
  const rows: [Uint8Array, Uint8Array][] = [];
  const writer = createIndexWriter({
    store,
    set: SET,
    filesystem: 3,
    rootInode: 2,
    onRow: (key, value) => {
      rows.push([key.slice(), value.slice()]);
    },
    text: async (part) => {
      text.push(part);
    },
  });
  const half = Math.floor(names.length / 2);
  writer.addNames(nameBatch(names.slice(0, half)));
  for (let at = 0; at < inodes.length; at += 37) writer.addInodes(inodeBatch(inodes.slice(at, at + 37)));
  writer.addNames(nameBatch(names.slice(half)));
  return { summary: await writer.finish(), text, rows };
}

function expectSame(entry: StoredEntry, want: TestInode, name: Uint8Array): void {
  const extents = want.extents.map(({ kind, fileOffset, length, volumeOffset, literal }) => ({
    kind: ['stored', 'zero', 'literal', 'escaped'][kind],
    fileOffset,
    byteLength: length,
    volumeOffset,
    ...(literal && { literal: Buffer.from(literal).toString('hex') }),
  }));
  const type = want.mode & 0o170000;
  expect({
    ...entry,
    name: Buffer.from(entry.name).toString('hex'),
    extents: entry.extents.map((e) => (e.literal ? { ...e, literal: Buffer.from(e.literal).toString('hex') } : e)),
    xattrs: entry.xattrs.map((x) => [Buffer.from(x.name).toString('hex'), Buffer.from(x.value).toString('hex')]),
  }).toEqual({
    name: Buffer.from(name).toString('hex'),
    filesystem: 3,
    inode: want.inode,
    generation: want.generation,
    mode: want.mode,
    linkCount: want.linkCount,
    uid: want.uid,
    gid: want.gid,
    size: want.size,
    atime: { seconds: want.times[0][0], nanoseconds: want.times[0][1] },
    mtime: { seconds: want.times[1][0], nanoseconds: want.times[1][1] },
    ctime: { seconds: want.times[2][0], nanoseconds: want.times[2][1] },
    device: type === 0o060000 || type === 0o020000 ? { major: 5, minor: 17 } : null,
    encrypted: (want.flags & 1) !== 0,
    compressed: (want.flags & 2) !== 0,
    verity: (want.flags & 4) !== 0,
    problems: want.problems,
    extents,
    xattrs: want.xattrs.map((x) => [Buffer.from(x.name).toString('hex'), Buffer.from(x.value).toString('hex')]),
    secondName: false,
  });
}

describe('the index', () => {
  it('gives back every name, attribute and extent of any tree', { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(tree, async ({ inodes, names }) => {
        const store = new MemoryStore();
        const { summary } = await build(store, inodes, names);
        const byNumber = new Map(inodes.map((inode) => [inode.inode, inode]));
        const byParent = new Map<number, TestName[]>();
        for (const name of names) byParent.set(name.parent, [...(byParent.get(name.parent) ?? []), name]);
        const index = await openSetIndex(store, identity);
        const root = await index.resolve([]);
        expectSame(root as StoredEntry, inodes[0], new Uint8Array(0));
        let seen = 0;
        for await (const { parents, entries } of index.walk(root as StoredEntry)) {
          const parent = (await index.resolve(parents)) as StoredEntry;
          for (const entry of entries) {
            const want = byParent.get(parent.inode)?.find((name) => compareBytes(name.name, entry.name) === 0);
            expect(want?.child).toBe(entry.inode);
            expectSame(entry, byNumber.get(entry.inode) as TestInode, entry.name);
            seen++;
          }
        }
        expect(seen).toBe(names.length);
        expect(summary).toMatchObject({ entries: names.length, inodes: inodes.length, orphans: 0, unreachable: 0 });
        const seal = { indexDigest: sealDigest([{ filesystem: 3, ...summary }]), indexRows: summary.rows };
        expect(await checkSet(store, { ...identity, ...seal })).toEqual({
          whole: true,
          rows: store.size,
          problems: [],
        });
      }),
      { numRuns: 25 },
    );
  });
});
