// restore.py, run by python3 alone, brings back files and volumes from tape files, drives and several cartridges.
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { type Runs, runsOf, totalBytes } from '../../../src/bytes/extents.ts';
import type { ChunkRecord, Manifest } from '../../../src/bytes/manifest.ts';
import { openFileStore } from '../../../src/storage/file-store.ts';
import { chunkHeader } from '../../../src/tape/archive/chunk.ts';
import { endOfCartridgeMembers } from '../../../src/tape/archive/end-of-cartridge.ts';
import { indexFileMembers } from '../../../src/tape/archive/index-file.ts';
import { labelMembers } from '../../../src/tape/archive/label.ts';
import { archiveRecords, type Member } from '../../../src/tape/archive/members.ts';
import { formatMedium, openMedium } from '../../../src/tape/file-medium.ts';
import { describeWithTools, tempFolder } from '../../support/tools.ts';
import { CARTRIDGE, manifestOf, OTHER_CARTRIDGE } from './support/sets.ts';
import { chunkSpec, collect, SET, volumeBytes, writeChunkFile } from './support/tape-files.ts';
import { twinParts, twinText } from './support/twin.ts';

const RESTORE = resolve(import.meta.dirname, '../../../index-format/restore.py');
const FAKE_DRIVE = resolve(import.meta.dirname, 'support/fake-drive.py');
const R = 2048;
const VOLUME = 409_601; // odd
const SET_2 = '2'.repeat(32);
const documents = { format: Buffer.from('format\n'), restore: Buffer.from('restore\n') };
const barcodes: Record<string, string> = { [CARTRIDGE]: 'RM0001L9', [OTHER_CARTRIDGE]: 'RM0002L9' };

/** A cartridge as a folder: tape files in order, objects counted as on tape. */
class Cartridge {
  readonly folder = tempFolder();
  readonly id: string;
  object = 0;
  #files = 0;

  constructor(id: string) {
    this.id = id;
  }

  async add(members: AsyncIterable<Member> | Iterable<Member>): Promise<void> {
    const data = await collect(archiveRecords(members, R));
    writeFileSync(this.#next(), data);
    this.object += data.length / R + 1;
  }

  async label(): Promise<this> {
    const label = {
      format: 1,
      cartridge: this.id,
      barcode: barcodes[this.id],
      pool: 'default',
      recordSize: R,
    } as const;
    await this.add(
      labelMembers({ ...label, createdAt: '2026-03-14T01:00:00.000Z', program: 'reelmap 0.1.0' }, documents),
    );
    return this;
  }

  /** The chunk's record for the manifest. `extents` are relative to the range. */
  chunk(number: number, range: [number, number], extents: Runs, set = SET, volume = volumeBytes): ChunkRecord {
    const [volumeOffset, byteLength] = range;
    const kind = set === SET ? 'full' : 'incremental';
    const comment = { chunk: number, set, volumeOffset, volumeBytes: VOLUME, kind } as const;
    const spec = chunkSpec({ recordSize: R, realSize: byteLength, extents, comment });
    const path = this.#next();
    const sha256 = writeChunkFile(path, spec, volume);
    const records = statSync(path).size / R;
    const firstObject = this.object;
    this.object += records + 1;
    const dataObject = firstObject + chunkHeader(spec).length / R;
    return {
      number,
      volumeOffset,
      byteLength,
      storedBytes: totalBytes(extents),
      extentCount: extents.count,
      sha256,
      planDigest: spec.comment.planDigest,
      copies: [{ cartridge: this.id, firstObject, dataObject, records }],
    };
  }

  async index(manifest: Partial<Manifest>, files: Uint8Array): Promise<void> {
    const cartridges = [
      ...new Set((manifest.chunks ?? []).flatMap(({ copies }) => copies.map((copy) => copy.cartridge))),
    ];
    const whole = manifestOf({
      recordSize: R,
      volume: { ...manifestOf().volume, byteLength: VOLUME },
      cartridges: cartridges.map((id) => ({ id, barcode: barcodes[id] })),
      ...manifest,
    });
    await this.add(indexFileMembers({ manifest: whole, pages: [], extents: [], files: twinParts(files) }));
  }

  /** A part of a tape file, as a cut-off run leaves it. */
  fragment(bytes: Uint8Array): void {
    writeFileSync(this.#next(), bytes);
    this.object += Math.ceil(bytes.length / R) + 1;
  }

  #next(): string {
    return join(this.folder, `${String(this.#files++).padStart(4, '0')}.tar`);
  }
}

const extents0 = runsOf([
  [0, 4096],
  [65_536, 8192],
]);
const extents1 = runsOf([
  [512, 1024],
  [163_840, 40_961],
]);
const RANGES: [number, number][] = [
  [0, 204_800],
  [204_800, 204_801],
];

const twin = (): Uint8Array =>
  Buffer.concat([
    twinText([
      { path: '/dir', type: 'd', size: 0, mode: '0755' },
      { path: '/dir/two\\nextents', type: 'f', size: 6000, extents: 's65536+4096@0,s0+4096@4096', mode: '0640' },
      {
        path: '/sparse \xff\\x01',
        type: 'f',
        size: 100_000,
        extents: `l${Buffer.from('first').toString('base64')}@0,z+4096@512,s205312+1024@50000`,
      },
      { path: '/escaped', type: 'f', size: 3000, extents: 'e368640+4096@0', mtime: '-2.500000000' },
      { path: '/link', type: 'l', size: 5, extents: `l${Buffer.from('dir/a').toString('base64')}@0`, mtime: '7' },
      { path: '/across', type: 'f', size: 2048, extents: 's203776+2048@0' },
    ]),
    twinText([{ path: '/across', type: 'f', size: 512, extents: 's0+512@0' }], 2),
  ]);

/** The volume that the chunks hold, and the bytes that files have. */
function volumeOf(parts: [number, Runs, typeof volumeBytes][]): Buffer {
  const volume = Buffer.alloc(VOLUME);
  for (const [offset, extents, bytes] of parts) {
    for (let i = 0; i < extents.count; i++) {
      const at = offset + extents.starts[i];
      volume.set(bytes(at, extents.lengths[i]), at);
    }
  }
  return volume;
}
const fullVolume = volumeOf([
  [0, extents0, volumeBytes],
  [RANGES[1][0], extents1, volumeBytes],
]);

const python = (args: string[], options: { input?: string } = {}): SpawnSyncReturns<Buffer> =>
  spawnSync('python3', ['-B', ...args], { input: options.input ?? '' });

function restore(...args: (string | Buffer)[]): void {
  const { status, stderr } = python([RESTORE, ...(args as string[])]);
  expect(stderr.toString()).toBe('');
  expect(status).toBe(0);
}

describeWithTools(['python3'], 'restore.py', () => {
  let one: Cartridge; // a full set
  let first: Cartridge; // the same set over two cartridges
  let second: Cartridge;
  let chain: Cartridge; // a full set and an incremental one
  let out: string;
  const changed = runsOf([[1024, 1024]]);
  const newBytes: typeof volumeBytes = (offset, length) => volumeBytes(offset, length).map((byte) => byte ^ 0x80);

  beforeAll(async () => {
    out = tempFolder();
    one = await new Cartridge(CARTRIDGE).label();
    one.fragment(volumeBytes(0, 3 * R));
    one.fragment(chunkHeader(chunkSpec({ recordSize: R, realSize: RANGES[0][1], extents: extents0 })));
    const chunks = [one.chunk(0, RANGES[0], extents0), one.chunk(1, RANGES[1], extents1)];
    await one.index({ chunks }, twin());

    first = await new Cartridge(CARTRIDGE).label();
    second = await new Cartridge(OTHER_CARTRIDGE).label();
    const spanned = [first.chunk(0, RANGES[0], extents0)];
    const previousIndexObject = first.object;
    await first.index({ chunks: spanned, complete: false }, twin());
    const end = { format: 1, cartridge: CARTRIDGE, barcode: 'RM0001L9', closedAt: '2026-03-14T03:00:00.000Z' } as const;
    const next = { id: OTHER_CARTRIDGE, barcode: 'RM0002L9' };
    await first.add(endOfCartridgeMembers({ ...end, next, previousIndexObject, files: [] }));
    spanned.push(second.chunk(1, RANGES[1], extents1));
    await second.index({ chunks: spanned }, twin());

    chain = await new Cartridge(CARTRIDGE).label();
    const base = [chain.chunk(0, RANGES[0], extents0), chain.chunk(1, RANGES[1], extents1)];
    const baseIndex = chain.object;
    await chain.index({ chunks: base }, twin());
    const changes = [chain.chunk(0, [0, VOLUME], changed, SET_2, newBytes)];
    const incremental = { set: SET_2, kind: 'incremental', base: SET, startedAt: '2026-03-15T02:00:00.000Z' } as const;
    await chain.index({ ...incremental, chunks: changes, previousIndexObject: baseIndex }, twin());
    chain.fragment(chunkHeader(chunkSpec({ recordSize: R, realSize: RANGES[0][1], extents: extents0 })));
  });

  it('lists cartridges, sets and files', () => {
    const sets = python([RESTORE, one.folder, 'list']).stdout.toString();
    expect(sets).toContain(`cartridge RM0001L9 (${CARTRIDGE})`);
    expect(sets).toContain(`set ${SET}  2026-03-14T02:00:00.000Z  full  home`);
    const files = python([RESTORE, one.folder, 'list', '--files']).stdout.toString('latin1').split('\n');
    expect(files).toContain('f\t6000\t1600000000.250000000\t/dir/two\\nextents');
    expect(files.length).toBe(8);
  });

  it('brings back the volume, sparse, from a folder of tape files, past fragments of the same chunk', () => {
    const target = join(out, 'volume');
    restore(one.folder, 'volume', target);
    expect(readFileSync(target).equals(fullVolume)).toBe(true);
    expect(statSync(target).blocks * 512).toBeLessThan(VOLUME / 2);
  });

  it('brings back a file of several extents, with mode and time', () => {
    const target = join(out, 'two');
    restore(one.folder, 'file', '/dir/two\nextents', target);
    const expected = Buffer.concat([volumeBytes(65_536, 4096), volumeBytes(0, 6000 - 4096)]);
    expect(readFileSync(target).equals(expected)).toBe(true);
    expect(statSync(target).mode & 0o7777).toBe(0o640);
    expect(statSync(target).mtimeMs).toBe(1_600_000_000_250);
  });

  it('brings back inline bytes, zeros and holes of a file whose name is no UTF-8', () => {
    const target = join(out, 'sparse');
    // The name as bytes: through a shell, since argv of spawn is text.
    const { status, stderr } = spawnSync('sh', [
      '-c',
      `python3 -B "$0" "$1" file "$(printf '/sparse \\377\\001')" "$2"`,
      RESTORE,
      one.folder,
      target,
    ]);
    expect(stderr.toString()).toBe('');
    expect(status).toBe(0);
    const expected = Buffer.alloc(100_000);
    expected.write('first');
    expected.set(volumeBytes(205_312, 1024), 50_000);
    expect(readFileSync(target).equals(expected)).toBe(true);
  });

  it('puts back the four bytes that a journal had escaped, in each block', () => {
    const target = join(out, 'escaped');
    restore(one.folder, 'file', 'escaped', target);
    const expected = Buffer.from(volumeBytes(368_640, 3000));
    for (const at of [0, 1024, 2048]) expected.writeUInt32BE(0xc03b_3998, at);
    expect(readFileSync(target).equals(expected)).toBe(true);
    expect(statSync(target).mtimeMs).toBe(-1500); // nanoseconds count upward, also before 1970
  });

  it('makes symbolic links', () => {
    restore(one.folder, 'file', '/link', join(out, 'link'));
    expect(readlinkSync(join(out, 'link'))).toBe('dir/a');
  });

  it('reads a file over the border of two chunks on two cartridges', () => {
    const target = join(out, 'across');
    restore(second.folder, '--also', first.folder, 'file', '/across', target, '--filesystem', '0');
    expect(readFileSync(target).equals(fullVolume.subarray(203_776, 205_824))).toBe(true);
  });

  it('brings back a set over two cartridges, given in any order', () => {
    restore(first.folder, '--also', second.folder, 'volume', join(out, 'spanned'));
    expect(readFileSync(join(out, 'spanned')).equals(fullVolume)).toBe(true);
  });

  it('says which cartridge it needs', () => {
    const lacks = python([RESTORE, second.folder, 'volume', join(out, 'lacks')]);
    expect(lacks.status).toBe(1);
    expect(lacks.stderr.toString()).toBe(
      `restore.py: needs cartridge RM0001L9, for chunk 0 of set ${SET}: give it with --also\n`,
    );
    const half = python([RESTORE, first.folder, 'volume', join(out, 'half')]);
    expect(half.stderr.toString()).toContain('no complete set');
    const named = python([RESTORE, first.folder, 'volume', join(out, 'half'), '--set', '1a']);
    expect(named.stderr.toString()).toContain('is not complete: give the cartridge that it ends on too');
  });

  it('applies an incremental set by its map: a hole means unchanged', () => {
    restore(chain.folder, 'volume', join(out, 'chain'));
    const expected = Buffer.from(fullVolume);
    expected.set(newBytes(1024, 1024), 1024);
    expect(readFileSync(join(out, 'chain')).equals(expected)).toBe(true);
    restore(chain.folder, 'volume', join(out, 'base'), '--set', SET.slice(0, 4));
    expect(readFileSync(join(out, 'base')).equals(fullVolume)).toBe(true);
  });

  it('reads a file of an incremental set from both sets', () => {
    restore(chain.folder, 'file', '/dir/two\nextents', join(out, 'mixed'));
    const expected = Buffer.concat([volumeBytes(65_536, 4096), volumeBytes(0, 1904)]);
    expected.set(newBytes(1024, 880), 4096 + 1024);
    expect(readFileSync(join(out, 'mixed')).equals(expected)).toBe(true);
  });

  it('finds sets on a drive from the end of data backwards and reads by objects', () => {
    const target = join(out, 'by-drive');
    const listed = python([FAKE_DRIVE, RESTORE, String(R), chain.folder, 'drive', 'list']);
    expect(listed.stderr.toString()).toBe('');
    expect(listed.stdout.toString().split('\n').length).toBe(4);
    const { status, stderr } = python([FAKE_DRIVE, RESTORE, String(R), chain.folder, 'drive', 'volume', target]);
    expect(stderr.toString()).toBe('');
    expect(status).toBe(0);
    const expected = Buffer.from(fullVolume);
    expected.set(newBytes(1024, 1024), 1024);
    expect(readFileSync(target).equals(expected)).toBe(true);
  });

  it('asks a drive for the other cartridge, and asks again when it is the wrong one', () => {
    const target = join(out, 'asked');
    const cartridges = [second.folder, second.folder, first.folder, second.folder].join(',');
    const { status, stderr } = python([FAKE_DRIVE, RESTORE, String(R), cartridges, 'drive', 'volume', target], {
      input: '\n\n\n',
    });
    expect(stderr.toString()).toBe(
      'Put cartridge RM0001L9, for chunk 0 of set SET into drive and press Enter: '.replace('SET', SET).repeat(2) +
        `Put cartridge RM0002L9, for chunk 1 of set ${SET} into drive and press Enter: `,
    );
    expect(status).toBe(0);
    expect(readFileSync(target).equals(fullVolume)).toBe(true);
  });

  /** The folder's tape files on a virtual cartridge, as Reelmap's own library keeps it. */
  async function virtual(cartridge: Cartridge, flushed = true): Promise<string> {
    const folder = tempFolder();
    const open = (name: string) => openFileStore(join(folder, name), { writable: true, create: true });
    const stores = { data: await open('data'), map: await open('map'), name: 'test' };
    await formatMedium(stores, { capacity: 16 * 1024 * 1024 });
    const medium = await openMedium(stores);
    for (const name of readdirSync(cartridge.folder).sort()) {
      const bytes = readFileSync(join(cartridge.folder, name));
      for (let at = 0; at < bytes.length; at += R) await medium.append(bytes.subarray(at, at + R));
      await medium.writeFilemarks(1);
      if (flushed) await medium.flush();
    }
    await medium[Symbol.asyncDispose]();
    return folder;
  }

  it('reads virtual cartridges, one file and the volume', async () => {
    const folder = await virtual(chain);
    restore(folder, 'file', '/dir/two\nextents', join(out, 'virtual-file'));
    expect(
      readFileSync(join(out, 'virtual-file'))
        .subarray(0, 4096)
        .equals(Buffer.from(volumeBytes(65_536, 4096))),
    ).toBe(true);
    restore(folder, 'volume', join(out, 'virtual-volume'), '--set', SET);
    expect(readFileSync(join(out, 'virtual-volume')).equals(fullVolume)).toBe(true);
  });

  it('reads virtual cartridges whose commit slots are torn, or behind, by the entries alone', async () => {
    const folder = await virtual(chain, false);
    const path = join(folder, 'map');
    const map = readFileSync(path);
    const listed = python([RESTORE, folder, 'list']).stdout.toString();
    for (const slots of [[4096], [8192], [4096, 8192]]) {
      const torn = Buffer.from(map);
      for (const at of slots) torn[at] ^= 1;
      writeFileSync(path, torn);
      expect(python([RESTORE, folder, 'list']).stdout.toString()).toBe(listed);
    }
    expect(listed.split('\n').length).toBe(4);
  });

  it('names the object of a virtual cartridge whose record is damaged', async () => {
    const folder = await virtual(one);
    const path = join(folder, 'data');
    const data = readFileSync(path);
    data[data.indexOf(volumeBytes(65_536, 512))] ^= 1;
    writeFileSync(path, data);
    const { status, stderr } = python([RESTORE, folder, 'file', '/dir/two\nextents', join(out, 'x2')]);
    expect(stderr.toString()).toMatch(/object [0-9]+ is damaged \(checksum\)/);
    expect(status).toBe(1);
    expect(existsSync(join(out, 'x2'))).toBe(false);
  });

  it('says which bytes not to trust when a chunk is damaged, and brings back the rest', async () => {
    const bad = await new Cartridge(CARTRIDGE).label();
    const chunks = [bad.chunk(0, RANGES[0], extents0), bad.chunk(1, RANGES[1], extents1)];
    await bad.index({ chunks }, twin());
    const path = join(bad.folder, '0001.tar');
    const bytes = readFileSync(path);
    bytes[(chunks[0].copies[0].dataObject - chunks[0].copies[0].firstObject) * R + 5000] ^= 1;
    writeFileSync(path, bytes);
    const { status, stderr } = python([RESTORE, bad.folder, 'volume', join(out, 'damaged')]);
    expect(status).toBe(3);
    expect(stderr.toString()).toMatch(
      /chunk 0 \(bytes 0 to 204800 of the volume\): the SHA-256 is not that of the index/,
    );
    expect(readFileSync(join(out, 'damaged')).subarray(204_800).equals(fullVolume.subarray(204_800))).toBe(true);
  });

  it('refuses a damaged header, an empty folder, what is not there, and what would be replaced', async () => {
    const bad = await new Cartridge(CARTRIDGE).label();
    const chunks = [bad.chunk(0, RANGES[0], extents0), bad.chunk(1, RANGES[1], extents1)];
    await bad.index({ chunks }, twin());
    const path = join(bad.folder, '0001.tar');
    const bytes = readFileSync(path);
    bytes[bytes.indexOf('65536\n')] ^= 1;
    writeFileSync(path, bytes);
    const failures: [string[], RegExp][] = [
      [[bad.folder, 'file', '/dir/two\nextents', join(out, 'x')], /the header of the chunk is damaged/],
      [[bad.folder, 'file', '/dir/two\nextents', join(out, 'x')], /no whole copy of it is there: .*0001.tar/],
      [[tempFolder(), 'list'], /no tape file of Reelmap in this folder/],
      [['/nonexistent', 'list'], /no such file or folder/],
      [[RESTORE, 'list'], /neither a tape drive nor a folder/],
      [[one.folder, 'file', '/across', join(out, 'x')], /in several filesystems: choose with --filesystem \(0, 2\)/],
      [[one.folder, 'file', '/nothing', join(out, 'x')], /\/nothing: not in set/],
      [[one.folder, 'file', '/dir', join(out, 'x')], /is no regular file \(type d\)/],
      [[one.folder, 'file', '/link', out], /exists \(--overwrite replaces it\)/],
      [[one.folder, 'volume', join(out, 'x'), '--set', 'ff'], /no such set/],
    ];
    for (const [args, message] of failures) {
      const { status, stderr } = python([RESTORE, ...args]);
      expect(stderr.toString()).toMatch(message);
      expect(status).toBe(1);
    }
    expect(existsSync(join(out, 'x.partial'))).toBe(false);
    const volume = python([RESTORE, bad.folder, 'volume', join(out, 'y')]);
    expect(volume.stderr.toString()).toMatch(/chunk 0 .*: no whole copy of it is there/);
    expect(volume.status).toBe(3);
    expect(readFileSync(join(out, 'y')).subarray(204_800).equals(fullVolume.subarray(204_800))).toBe(true);
    expect(python([RESTORE]).status).toBe(2);
  });

  it('replaces a file with --overwrite', () => {
    const target = join(out, 'there');
    mkdirSync(join(out, 'sub'));
    writeFileSync(target, 'old');
    restore(one.folder, 'file', '/link', target, '--overwrite');
    expect(lstatSync(target).isSymbolicLink()).toBe(true);
  });
});
