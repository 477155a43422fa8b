import { execFileSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError, UserError } from '../../src/bytes/errors.ts';
import { quote } from '../../src/cli/quoting.ts';
import { planFiles, type RestoreOutcome, restoreFiles } from '../../src/restore/restore.ts';
import { FileType, type IndexEntry } from '../../src/tape-index/entry.ts';
import { directory, entry, file, MemorySet, stored, symlink, utf8 } from '../support/memory-set.ts';
import { requireRoot, requireTools, tempFolder } from '../support/tools.ts';

const RECORD = 4096;
const volume = Uint8Array.from({ length: 64 * 1024 }, (_, i) => (i * 31 + (i >> 7) * 17) & 0xff);
const part = (from: number, length: number): Buffer => Buffer.from(volume.subarray(from, from + length));

const setOf = (...tree: ConstructorParameters<typeof MemorySet>[0]['tree'] & object): MemorySet =>
  new MemorySet({ volume, recordSize: RECORD, tree });

interface Options {
  readonly paths?: readonly (string | Uint8Array)[];
  readonly fullPaths?: boolean;
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal;
}

function restore(set: MemorySet, to: string, options: Options = {}): Promise<RestoreOutcome> {
  const { paths = ['/'], fullPaths = false, overwrite = false, signal } = options;
  return restoreFiles({
    index: set,
    cartridges: set,
    set: 'ab'.repeat(16),
    selection: { paths: paths.map((one) => (typeof one === 'string' ? utf8(one) : one)), fullPaths, print: quote },
    destination: utf8(to),
    overwrite,
    gapBytesMax: 0,
    ...(signal === undefined ? {} : { signal }),
  });
}

const content = (...path: string[]): Buffer => readFileSync(join(...path));
const names = (folder: string): string[] => readdirSync(folder).sort();
const reasons = (outcome: RestoreOutcome): string[] =>
  outcome.problems.map(({ path, kind, reason }) => `${kind} ${quote(path)}: ${reason}`);

describe('restored content', () => {
  it('is what the volume had, in pieces, with holes and a short last block', async () => {
    const extents = [stored(0, 5000, 3000), stored(8192, 40_000, 1024)];
    const to = tempFolder();
    const outcome = await restore(setOf(file('f', 9000, extents)), to);
    const expected = Buffer.alloc(9000);
    part(5000, 3000).copy(expected, 0);
    part(40_000, 808).copy(expected, 8192);
    expect(content(to, 'f')).toEqual(expected);
    expect(outcome).toMatchObject({ files: 1, lost: 0, inexact: 0, bytes: 3808 });
  });

  it('keeps holes as holes', async () => {
    const to = tempFolder();
    await restore(setOf(file('sparse', 64 * 1024 * 1024, [stored(32 * 1024 * 1024, 0, 4096)])), to);
    const { size, blocks } = statSync(join(to, 'sparse'));
    expect(size).toBe(64 * 1024 * 1024);
    expect(blocks * 512).toBeLessThan(1024 * 1024);
  });

  it('unwritten extents read as zeros and literal ones come from the index', async () => {
    const literal = utf8('inline data');
    const to = tempFolder();
    await restore(
      setOf(
        file('zero', 100, [{ kind: 'zero', fileOffset: 0, byteLength: 4096, volumeOffset: 0 }]),
        file('inline', 11, [{ kind: 'literal', fileOffset: 0, byteLength: 11, volumeOffset: 0, literal }]),
        file('empty', 0, []),
      ),
      to,
    );
    expect(content(to, 'zero')).toEqual(Buffer.alloc(100));
    expect(content(to, 'inline')).toEqual(Buffer.from(literal));
    expect(content(to, 'empty')).toHaveLength(0);
  });

  it('an escaped journal copy gets its four bytes back in every block, also across records', async () => {
    const set = new MemorySet({
      volume,
      recordSize: 1000, // block starts fall on either side of record boundaries
      tree: [file('j', 4096, [{ kind: 'escaped', fileOffset: 0, byteLength: 4096, volumeOffset: 998 }])],
    });
    const to = tempFolder();
    await restore(set, to);
    const expected = part(998, 4096);
    for (let block = 0; block < 4096; block += 1024) expected.set([0xc0, 0x3b, 0x39, 0x98], block);
    expect(content(to, 'j')).toEqual(expected);
  });

  it('two files that share blocks both get them, from one read', async () => {
    const set = setOf(file('a', 4096, [stored(0, 0, 4096)]), file('b', 2000, [stored(0, 1000, 2000)]));
    const to = tempFolder();
    await restore(set, to);
    expect(content(to, 'a')).toEqual(part(0, 4096));
    expect(content(to, 'b')).toEqual(part(1000, 2000));
    expect(set.reads).toBe(1);
  });

  it('what lies past the size (verity) is no content, and is told', async () => {
    const to = tempFolder();
    const outcome = await restore(setOf(file('v', 10, [stored(0, 0, 8192)], { verity: true })), to);
    expect(content(to, 'v')).toEqual(part(0, 10));
    expect(reasons(outcome)).toEqual(['inexact v: fs-verity is not switched on again']);
  });

  it('for any scattering over records, chunks and cartridges every file is whole', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.array(fc.tuple(fc.nat(60_000), fc.integer({ min: 1, max: 4000 }), fc.nat(3000)), { maxLength: 6 }),
          {
            minLength: 1,
            maxLength: 8,
          },
        ),
        fc.constantFrom(512, 1000, 4096),
        fc.integer({ min: 1000, max: 30_000 }),
        async (files, recordSize, chunkBytes) => {
          const expected: Buffer[] = [];
          const tree = files.map((pieces, number) => {
            let at = 0;
            const extents = [];
            const parts: Buffer[] = [];
            for (const [from, wish, hole] of pieces) {
              const length = Math.min(wish, volume.length - from);
              extents.push(stored(at, from, length));
              parts.push(part(from, length), Buffer.alloc(hole));
              at += length + hole;
            }
            expected.push(Buffer.concat(parts));
            return file(`f${number}`, at, extents);
          });
          const set = new MemorySet({ volume, recordSize, chunkBytes, cartridges: ['A', 'B', 'C'], tree });
          const to = tempFolder();
          expect((await restore(set, to)).lost).toBe(0);
          for (const [number, data] of expected.entries()) expect(content(to, `f${number}`).equals(data)).toBe(true);
          expect(set.log.filter((line) => line.startsWith('load')).length).toBeLessThanOrEqual(3);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('restored names and attributes', () => {
  it('come back as cp -a has it: /a/b becomes b, / fills the folder, --full-paths keeps a/b', async () => {
    const tree = () =>
      setOf({ entry: directory('a'), children: [{ entry: directory('b'), children: [file('c', 0, [])] }] });
    const [one, two, three] = [tempFolder(), tempFolder(), tempFolder()];
    await restore(tree(), one, { paths: ['/a/b'] });
    await restore(tree(), two);
    await restore(tree(), three, { paths: ['/a/b/c'], fullPaths: true });
    expect(existsSync(join(one, 'b/c'))).toBe(true);
    expect(existsSync(join(two, 'a/b/c'))).toBe(true);
    expect(existsSync(join(three, 'a/b/c'))).toBe(true);
  });

  it('mode and times to the nanosecond, of directories too, also of read-only ones', async () => {
    const set = setOf({
      entry: directory('d', { mode: FileType.directory | 0o2511 }),
      children: [file('f', 0, [], { mode: FileType.regular | 0o4751 }), symlink('l', 'nowhere')],
    });
    const to = tempFolder();
    const outcome = await restore(set, to);
    expect(reasons(outcome)).toEqual([]);
    for (const name of ['d', 'd/f', 'd/l']) {
      const { mtimeNs, atimeNs } = lstatSync(join(to, name), { bigint: true });
      expect([name, mtimeNs]).toEqual([name, 1_500_000_000_987_654_321n]);
      if (name !== 'd') expect([name, atimeNs]).toEqual([name, 1_600_000_000_123_456_789n]);
    }
    expect(statSync(join(to, 'd')).mode & 0o7777).toBe(0o2511);
    expect(statSync(join(to, 'd/f')).mode & 0o7777).toBe(0o4751);
  });

  it('times before 1970 are kept', async () => {
    const to = tempFolder();
    await restore(setOf(file('old', 0, [], { mtime: { seconds: -5, nanoseconds: 250_000_000 } })), to);
    expect(lstatSync(join(to, 'old'), { bigint: true }).mtimeNs).toBe(-4_750_000_000n);
  });

  it('links of both kinds: hard ones share an inode, symbolic ones are not followed', async () => {
    const hard = { inode: 77, linkCount: 3 };
    const set = setOf(
      file('one', 100, [stored(0, 0, 100)], hard),
      { entry: directory('d'), children: [file('two', 100, [stored(0, 0, 100)], hard)] },
      file('three', 100, [stored(0, 0, 100)], hard),
      symlink('s', '/etc/passwd'),
    );
    const to = tempFolder();
    const outcome = await restore(set, to);
    const inode = statSync(join(to, 'one')).ino;
    expect([statSync(join(to, 'd/two')).ino, statSync(join(to, 'three')).ino]).toEqual([inode, inode]);
    expect(readlinkSync(join(to, 's'))).toBe('/etc/passwd');
    expect(set.reads).toBe(1);
    expect(outcome).toMatchObject({ files: 1, links: 3 });
  });

  it('a symbolic link with two names is one inode again', async () => {
    const to = tempFolder();
    const more = { inode: 5, linkCount: 2 };
    await restore(setOf(symlink('a', 'x', more), symlink('b', 'x', more)), to);
    expect(lstatSync(join(to, 'a')).ino).toBe(lstatSync(join(to, 'b')).ino);
  });

  it('names are bytes: newlines, bad UTF-8, 255 bytes', async () => {
    const odd = [Uint8Array.of(0x61, 0x0a, 0x62), Uint8Array.of(0xff, 0xfe), new Uint8Array(255).fill(0x78)];
    const to = tempFolder();
    await restore(setOf(...odd.map((name) => file(name, 0, []))), to);
    const found = readdirSync(to, { encoding: 'buffer' }).map((name) => name.toString('hex'));
    expect(found.sort()).toEqual(odd.map((name) => Buffer.from(name).toString('hex')).sort());
  });

  it('pipes and sockets are made again', async () => {
    const to = tempFolder();
    const outcome = await restore(setOf(entry('p', FileType.fifo | 0o640), entry('s', FileType.socket | 0o600)), to);
    expect(lstatSync(join(to, 'p')).isFIFO()).toBe(true);
    expect(lstatSync(join(to, 'p')).mode & 0o777).toBe(0o640);
    expect(lstatSync(join(to, 's')).isSocket()).toBe(true);
    expect(outcome.specials).toBe(2);
  });

  it('owners and devices, as root', async (context) => {
    requireRoot(context);
    const to = tempFolder();
    const device = { major: 259, minor: 70_000 };
    const outcome = await restore(
      setOf(
        file('f', 0, [], { uid: 12_345, gid: 54_321, mode: FileType.regular | 0o6755 }),
        symlink('l', 'x', { uid: 4_000_000_000, gid: 7 }),
        entry('b', FileType.blockDevice | 0o660, { device, uid: 0, gid: 6 }),
      ),
      to,
    );
    expect(reasons(outcome)).toEqual([]);
    expect(lstatSync(join(to, 'f'))).toMatchObject({ uid: 12_345, gid: 54_321 });
    expect(lstatSync(join(to, 'f')).mode & 0o7777).toBe(0o6755);
    expect(lstatSync(join(to, 'l'))).toMatchObject({ uid: 4_000_000_000, gid: 7 });
    const { rdev } = lstatSync(join(to, 'b'));
    expect(
      execFileSync('stat', ['-c', '%t:%T', join(to, 'b')])
        .toString()
        .trim(),
    ).toBe(`${device.major.toString(16)}:${device.minor.toString(16)}`);
    expect(rdev).toBeGreaterThan(0);
  });

  it('extended attributes and ACLs, judged by getfattr and getfacl', async (context) => {
    requireTools(context, 'getfattr', 'getfacl');
    // posix_acl_xattr: version 2, then tag, permissions, id: user::rw-, user:1000:r--, group::r--, mask::r--, other::---
    const acl = Buffer.from(
      '0200000001000600ffffffff02000400e803000004000400ffffffff10000400ffffffff20000000ffffffff',
      'hex',
    );
    const xattrs = [
      { name: utf8('user.tag'), value: Uint8Array.of(0, 1, 0xff) },
      { name: utf8('user.empty'), value: new Uint8Array(0) },
      { name: utf8('system.posix_acl_access'), value: new Uint8Array(acl) },
    ];
    const to = tempFolder('reelmap-xattr-');
    const outcome = await restore(setOf(file('f', 0, [], { xattrs, mode: FileType.regular | 0o640 })), to);
    expect(reasons(outcome)).toEqual([]);
    const path = join(to, 'f');
    expect(execFileSync('getfattr', ['-e', 'hex', '-d', '--absolute-names', path]).toString()).toContain(
      'user.tag=0x0001ff',
    );
    expect(execFileSync('getfattr', ['-d', '--absolute-names', path]).toString()).toContain('user.empty');
    expect(execFileSync('getfacl', ['-cn', '--absolute-names', path]).toString().trim().split('\n')).toEqual([
      'user::rw-',
      'user:1000:r--',
      'group::r--',
      'mask::r--',
      'other::---',
    ]);
  });

  it('an attribute that the file system does not admit is recorded, and the file is there', async () => {
    const xattrs = [{ name: utf8('nonsense.x'), value: utf8('v') }];
    const to = tempFolder();
    const outcome = await restore(setOf(file('f', 10, [stored(0, 0, 10)], { xattrs })), to);
    expect(content(to, 'f')).toEqual(part(0, 10));
    expect(reasons(outcome)).toEqual([
      'inexact f: xattr nonsense.x not set: the file system there has no such attribute',
    ]);
  });

  it('what the backup could not save exactly comes back as far as it goes, with the reason', async () => {
    const to = tempFolder();
    const outcome = await restore(
      setOf(
        file('enc', 10, [stored(0, 0, 10)], { encrypted: true }),
        file('dam', 10, [stored(0, 0, 10)], { problems: ['extent tree block 4711: checksum wrong'] }),
      ),
      to,
    );
    expect(names(to)).toEqual(['dam', 'enc']);
    expect(reasons(outcome)).toEqual([
      'inexact enc: encrypted by its file system: the content is ciphertext',
      'inexact dam: extent tree block 4711: checksum wrong',
    ]);
  });
});

describe('a hostile index', () => {
  it('cannot write outside the folder by names', async () => {
    const bad = ['..', '.', '', 'a/b', '../x', '/etc/x', 'nul\0', 'x'.repeat(256)];
    const outer = tempFolder();
    const to = join(outer, 'in');
    const outcome = await restore(setOf(...bad.map((name) => file(name, 0, [])), file('good', 0, [])), to);
    expect(names(outer)).toEqual(['in']);
    expect(names(to)).toEqual(['good'].concat(names(to).filter((name) => name.startsWith('.reelmap-restore'))));
    expect(outcome.lost).toBe(bad.length);
  });

  it('cannot write through a link that it restored under the same name', async () => {
    const outer = tempFolder();
    const to = join(outer, 'in');
    mkdirSync(join(outer, 'victim'));
    const set = setOf(symlink('d', '../victim'), { entry: directory('d'), children: [file('f', 0, [])] });
    await restore(set, to);
    expect(names(join(outer, 'victim'))).toEqual([]);
    expect(lstatSync(join(to, 'd')).isDirectory()).toBe(true);
  });

  it('cannot write through a link that is there, even with overwrite', async () => {
    const outer = tempFolder();
    const to = join(outer, 'in');
    mkdirSync(join(outer, 'victim'));
    mkdirSync(to);
    symlinkSync('../victim', join(to, 'd'));
    writeFileSync(join(outer, 'victim/target'), 'mine');
    symlinkSync('../victim/target', join(to, 'f'));
    const set = () => setOf({ entry: directory('d'), children: [file('g', 0, [])] }, file('f', 10, [stored(0, 0, 10)]));
    await restore(set(), to, { overwrite: true });
    expect(names(join(outer, 'victim'))).toEqual(['target']);
    expect(readFileSync(join(outer, 'victim/target'), 'utf8')).toBe('mine');
    expect(content(to, 'f')).toEqual(part(0, 10));
    expect(lstatSync(join(to, 'd')).isDirectory()).toBe(true);
  });

  it('with a directory that is in itself ends, and says so', async () => {
    const loop = directory('loop');
    const set = setOf({ entry: loop, children: [loop, file('f', 0, [])] });
    const outcome = await restore(set, tempFolder());
    expect(reasons(outcome).join()).toContain('in the index twice');
  });

  it('with content past the volume, lying literals, odd types or times loses only those', async () => {
    const to = tempFolder();
    const outcome = await restore(
      setOf(
        file('past', 10, [stored(0, 1e9, 10)]),
        file('short', 10, [{ kind: 'literal', fileOffset: 0, byteLength: 10, volumeOffset: 0, literal: utf8('abc') }]),
        entry('odd', 0o170000 | 0o644),
        entry('link', FileType.symlink | 0o777, { size: 3 }),
        file('time', 0, [], { mtime: { seconds: 5, nanoseconds: 4e9 } }),
        file('good', 10, [stored(0, 0, 10)]),
      ),
      to,
    );
    expect(names(to).filter((name) => !name.startsWith('.'))).toEqual(['good', 'time']);
    expect(reasons(outcome).map((line) => line.slice(0, 12))).toEqual([
      'lost short: ',
      'lost odd: un',
      'lost link: i',
      'lost past: p',
    ]);
  });
});

describe('damage on tape', () => {
  const tree = (): IndexEntry[] => [
    file('before', 4096, [stored(0, 0, 4096)]),
    file('hit', 8192, [stored(0, 4096, 8192)]),
    file('after', 4096, [stored(0, 12_288, 4096)]),
  ];

  it('costs only the files that have it', async () => {
    const set = setOf(...tree());
    set.damaged.add('A:3'); // second record of `hit`
    const to = tempFolder();
    const outcome = await restore(set, to);
    expect(names(to).filter((name) => !name.startsWith('.'))).toEqual(['after', 'before']);
    expect(content(to, 'after')).toEqual(part(12_288, 4096));
    expect(reasons(outcome)).toEqual(['lost hit: cartridge A, object 3: the record cannot be read']);
  });

  it('is made good from another copy', async () => {
    const set = new MemorySet({ volume, recordSize: RECORD, copies: ['B'], tree: tree() });
    set.damaged.add('A:3');
    const to = tempFolder();
    const outcome = await restore(set, to);
    expect(outcome).toMatchObject({ lost: 0, files: 3, cartridges: ['A', 'B'] });
    expect(content(to, 'hit')).toEqual(part(4096, 8192));
    expect(set.log.filter((line) => line.includes(' B'))).toEqual(['load B', 'locate B:3']);
  });

  it('in a record that is only read through harms nobody', async () => {
    const set = setOf(file('ends', 8192, [stored(0, 0, 4096), stored(4096, 8192, 4096)]));
    set.damaged.add('A:2');
    const to = tempFolder();
    const selection = { paths: [utf8('/ends')], fullPaths: false, print: quote };
    const outcome = await restoreFiles({
      index: set,
      cartridges: set,
      set: '00',
      selection,
      destination: utf8(to),
      overwrite: false,
      gapBytesMax: 1e6,
    });
    expect(outcome).toMatchObject({ lost: 0, records: 3, gapRecords: 1 });
  });

  it.each([
    [
      'a record of another length',
      (set: MemorySet) => set.tape('A').splice(2, 1, new Uint8Array(100)),
      /a record of 100 bytes where one of 4096 should be/,
    ],
    ['a longer record', (set: MemorySet) => set.tape('A').splice(2, 1, new Uint8Array(9000)), /a record of 9000 bytes/],
    [
      'a filemark',
      (set: MemorySet) => set.tape('A').splice(2, 1, 'filemark'),
      /a filemark where a record of the set should be/,
    ],
    ['the end of data', (set: MemorySet) => set.tape('A').splice(2), /the end of data|data ends before/],
  ])('%s in place of a record is noticed', async (_, spoil, expected) => {
    const set = setOf(...tree());
    spoil(set);
    const to = tempFolder();
    const outcome = await restore(set, to);
    expect(reasons(outcome).join()).toMatch(expected);
    expect(content(to, 'before')).toEqual(part(0, 4096));
    expect(existsSync(join(to, 'hit'))).toBe(false);
  });

  it('a drive that fails costs what it had left, and other cartridges are read', async () => {
    const set = new MemorySet({ volume, recordSize: RECORD, chunkBytes: 8192, cartridges: ['A', 'B'], tree: tree() });
    set.beforeRead = (cartridge, object) => {
      if (cartridge === 'A' && object === 2) throw new FormatError('io', 'drive 1', 'hardware error');
    };
    const to = tempFolder();
    const outcome = await restore(set, to);
    expect(reasons(outcome)).toEqual(['lost hit: drive 1: hardware error']);
    expect(names(to).filter((name) => !name.startsWith('.'))).toEqual(['after', 'before']);
  });

  it('a cartridge that is not here costs only what is on it', async () => {
    const set = new MemorySet({ volume, recordSize: RECORD, chunkBytes: 4096, cartridges: ['A', 'B'], tree: tree() });
    set.absent.set('B', 'cartridge B: not in the library');
    const outcome = await restore(set, tempFolder());
    expect(reasons(outcome)).toEqual([
      'lost hit: cartridge B: not in the library',
      'lost after: cartridge B: not in the library',
    ]);
  });
});

describe('a destination', () => {
  const one = (): MemorySet =>
    setOf(file('f', 10, [stored(0, 0, 10)]), { entry: directory('d'), children: [file('g', 0, [])] });

  it('that has the name already is refused before any tape moves, and left as it was', async () => {
    for (const taken of ['f', 'd']) {
      const to = tempFolder();
      writeFileSync(join(to, taken), 'mine');
      const set = one();
      await expect(restore(set, to)).rejects.toThrow(
        new RegExp(`^${taken}: exists in the destination; use --overwrite`),
      );
      expect(names(to)).toEqual([taken]);
      expect(set.reads).toBe(0);
    }
  });

  it('is replaced with overwrite: files by files, and directories are filled', async () => {
    const to = tempFolder();
    writeFileSync(join(to, 'f'), 'mine');
    mkdirSync(join(to, 'd'));
    writeFileSync(join(to, 'd/other'), 'stays');
    await restore(one(), to, { overwrite: true });
    expect(content(to, 'f')).toEqual(part(0, 10));
    expect(names(join(to, 'd'))).toEqual(['g', 'other']);
  });

  it('with a directory where a file should go keeps it, also with overwrite', async () => {
    const to = tempFolder();
    mkdirSync(join(to, 'f'));
    const outcome = await restore(one(), to, { overwrite: true });
    expect(reasons(outcome)).toEqual(['lost f: cannot be written: a directory is in the way']);
  });

  it('that is a file is refused', async () => {
    const to = join(tempFolder(), 'file');
    writeFileSync(to, '');
    await expect(restore(one(), to)).rejects.toThrow(/is not a directory; name a folder/);
  });

  it('is made when it is not there, with its parents and, for /, with the attributes of the root', async () => {
    const to = join(tempFolder(), 'a/b');
    const set = new MemorySet({
      volume,
      recordSize: RECORD,
      root: directory('', { mode: FileType.directory | 0o711 }),
      tree: [file('f', 0, [])],
    });
    await restore(set, to);
    expect(statSync(to).mode & 0o777).toBe(0o711);
  });

  it('that was there keeps its own attributes', async () => {
    const to = tempFolder();
    utimesSync(to, 1, 1);
    const { mode } = statSync(to);
    await restore(one(), to);
    expect(statSync(to).mode).toBe(mode);
  });

  it('gets a file only when it is whole', async () => {
    const to = tempFolder();
    const set = setOf(file('big', 40_000, [stored(0, 0, 40_000)]));
    const seen: string[][] = [];
    set.beforeRead = () => seen.push(names(to));
    await restore(set, to);
    expect(seen.flat().filter((name) => !name.startsWith('.reelmap-'))).toEqual([]);
    expect(seen.flat().length).toBeGreaterThan(0);
    expect(names(to)).toEqual(['big']);
  });

  it('with a name that appeared meanwhile keeps the newcomer', async () => {
    const to = tempFolder();
    const set = setOf(file('f', 5000, [stored(0, 0, 5000)]));
    set.beforeRead = () => writeFileSync(join(to, 'f'), 'mine');
    const outcome = await restore(set, to);
    expect(readFileSync(join(to, 'f'), 'utf8')).toBe('mine');
    expect(reasons(outcome)).toEqual(['lost f: cannot be written: something of that name is there']);
    expect(names(to)).toEqual(['f']);
  });

  it('without space is one clear error', async (context) => {
    requireRoot(context);
    const to = tempFolder();
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', to], { stdio: 'ignore' });
    } catch {
      context.skip('no mount here');
    }
    try {
      const set = setOf(
        file(
          'big',
          200_000,
          Array.from({ length: 4 }, (_, i) => stored(i * 50_000, 0, 50_000)),
        ),
        file('x', 0, []),
      );
      const failure = await restore(set, to).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(UserError);
      expect((failure as Error).message).toMatch(/no space left; put that right and run the same command again/);
      expect(names(to).filter((name) => !name.startsWith('.reelmap-restore-'))).toEqual(
        ['x'].filter((name) => existsSync(join(to, name))),
      );
    } finally {
      execFileSync('umount', [to]);
    }
  });
});

describe('a selection', () => {
  const set = (): MemorySet =>
    setOf(
      { entry: directory('a'), children: [file('x', 0, [])] },
      { entry: directory('b'), children: [file('x', 0, [])] },
    );

  it.each([
    [['/nope'], /^\/nope: no such file or directory in the set/],
    [['/a/x/y'], /no such file or directory in the set/],
    [['/a/x', '/b/x'], /would both become the same name; use --full-paths/],
    [['/a/../b'], /`\.\.` has no meaning in a set/],
    [[''], /is no path/],
  ])('%j is refused before anything is made', async (paths, expected) => {
    const to = join(tempFolder(), 'new');
    await expect(restore(set(), to, { paths })).rejects.toThrow(expected);
    expect(existsSync(to)).toBe(false);
  });

  it('with the same path twice, slashes and dots is one', async () => {
    const to = tempFolder();
    const outcome = await restore(set(), to, { paths: ['/a/x', '//a/./x/'] });
    expect(outcome.files).toBe(1);
  });

  it('with full paths takes what lies in another of its paths once', async () => {
    const to = tempFolder();
    const outcome = await restore(set(), to, { paths: ['/a/x', '/a', '/b/x'], fullPaths: true });
    expect(outcome.files).toBe(2);
    expect(names(to)).toEqual(['a', 'b']);
  });

  it('is planned without touching tape or disk', async () => {
    const memory = setOf(file('f', 5000, [stored(0, 4000, 5000)]));
    const { plan } = await planFiles(
      memory,
      { paths: [utf8('/f')], fullPaths: false, print: quote },
      { gapBytesMax: 0 },
    );
    expect(plan).toMatchObject({ records: 3, bytes: 5000 });
    expect(memory.log).toEqual([]);
  });
});

describe('an interrupted restore', () => {
  const many = (): MemorySet =>
    new MemorySet({
      volume,
      recordSize: RECORD,
      tree: [
        {
          entry: directory('d'),
          children: Array.from({ length: 12 }, (_, i) =>
            file(`f${i}`, 4096, [stored(0, i * 4096, 4096)], { inode: 1000 + i }),
          ),
        },
        symlink('l', 'd'),
      ],
    });
  const checkAll = (to: string): void => {
    for (let i = 0; i < 12; i++) expect(content(to, `d/f${i}`)).toEqual(part(i * 4096, 4096));
    expect(names(to)).toEqual(['d', 'l']);
    expect(names(join(to, 'd'))).toHaveLength(12);
  };

  it('goes on when asked again, without reading what is there', async () => {
    const to = tempFolder();
    const first = many();
    const stop = new AbortController();
    first.beforeRead = (_, object) => {
      if (object === 6) stop.abort(new Error('stop'));
    };
    await expect(restore(first, to, { signal: stop.signal })).rejects.toThrow('stop');
    const left = names(join(to, 'd'));
    expect(left.length).toBeGreaterThan(0);
    expect(left.length).toBeLessThan(12);
    expect(left.filter((name) => name.startsWith('.'))).toEqual([]);
    const second = many();
    const outcome = await restore(second, to);
    expect(outcome.kept).toBe(left.length);
    expect(second.reads).toBe(12 - left.length);
    checkAll(to);
  });

  it('does not take a file that was changed meanwhile for its own', async () => {
    const to = tempFolder();
    const first = many();
    const stop = new AbortController();
    first.beforeRead = (_, object) => {
      if (object === 6) stop.abort(new Error('stop'));
    };
    await expect(restore(first, to, { signal: stop.signal })).rejects.toThrow('stop');
    writeFileSync(join(to, 'd/f0'), 'changed');
    const outcome = await restore(many(), to);
    expect(reasons(outcome)).toEqual(['lost d/f0: cannot be written: something of that name is there']);
    expect(readFileSync(join(to, 'd/f0'), 'utf8')).toBe('changed');
  });

  it('goes on after one that lost something, and ends clean when it can be had', async () => {
    const to = tempFolder();
    const first = many();
    first.damaged.add('A:4');
    expect((await restore(first, to)).lost).toBe(1);
    const second = many();
    const outcome = await restore(second, to);
    expect(outcome).toMatchObject({ lost: 0, files: 1 });
    expect(second.reads).toBe(1);
    checkAll(to);
  });

  it('of something else in the same folder is no excuse to take what is there', async () => {
    const to = tempFolder();
    const first = many();
    first.damaged.add('A:4');
    await restore(first, to);
    await expect(restore(many(), to, { paths: ['/d'] })).rejects.toThrow(/exists in the destination/);
  });

  it('leaves temporary names that the next run clears away, also hard links', async () => {
    const to = tempFolder();
    writeFileSync(join(to, '.reelmap-0-1234'), 'left over');
    const hard = { inode: 1234, linkCount: 2 };
    linkSync(join(to, '.reelmap-0-1234'), join(to, '.reelmap-0-1234-2'));
    await restore(setOf(file('a', 10, [stored(0, 0, 10)], hard), file('b', 10, [stored(0, 0, 10)], hard)), to);
    expect(names(to)).toEqual(['a', 'b']);
    expect(content(to, 'b')).toEqual(part(0, 10));
  });
});
