// Files, memory and the crash store keep bytes alike.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { alignedBuffer } from '../../src/bytes/aligned.ts';
import type { BlockStore } from '../../src/bytes/block-store.ts';
import { FormatError } from '../../src/bytes/errors.ts';
import { bytes, KiB } from '../../src/bytes/units.ts';
import { CrashStore, PowerSwitch, seededPick } from '../../src/storage/crash-store.ts';
import { openFileStore, readableBytes } from '../../src/storage/file-store.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { punchHole } from '../../src/storage/punch-hole.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'reelmap-store-'));
afterAll(() => fs.rmSync(folder, { recursive: true }));
let files = 0;
const newPath = (): string => path.join(folder, `file${files++}`);

const SPACE = 1024 * KiB;
const STEP = 4 * KiB;
// Aligned and long requests go direct in a file, the others do not: both must see the same bytes.
const range = fc.oneof(
  fc.record({ at: fc.nat(SPACE), length: fc.nat(300 * KiB) }),
  fc
    .record({ at: fc.nat(SPACE / STEP), length: fc.integer({ min: 32, max: 64 }) })
    .map(({ at, length }) => ({ at: at * STEP, length: length * STEP })),
);
const step = fc.record({
  op: fc.constantFrom('write', 'write', 'write', 'read', 'truncate', 'unmap', 'flush'),
  range,
  seed: fc.nat(255),
});

const stores: [string, () => Promise<BlockStore>][] = [
  ['memory', async () => new MemoryStore()],
  ['a crash store', async () => new CrashStore()],
  ['a file, direct in bulk', () => openFileStore(newPath(), { writable: true, create: true })],
  ['a file, never direct', () => openFileStore(newPath(), { writable: true, create: true, direct: 'never' })],
];

describe.each(stores)('%s', (_, open) => {
  it('holds what an array of bytes holds, whatever is done', async () => {
    const buffer = alignedBuffer(300 * KiB);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        await using store = await open();
        const model = new Uint8Array(2 * SPACE);
        let size = 0;
        for (const { op, range, seed } of steps) {
          const { at, length } = range;
          const part = buffer.subarray(0, length);
          if (op === 'write') {
            part.fill(seed);
            await store.write(bytes(at), part);
            model.set(part, at);
            if (length > 0) size = Math.max(size, at + length);
          } else if (op === 'read') {
            part.fill(1);
            await store.read(bytes(at), part);
            expect(Buffer.compare(part, model.subarray(at, at + length))).toBe(0);
          } else if (op === 'truncate') {
            await store.truncate(bytes(at));
            if (at < size) model.fill(0, at, size);
            size = at;
          } else if (op === 'unmap') {
            await store.unmap(bytes(at), bytes(length));
            model.fill(0, at, at + length);
          } else await store.flush();
          expect(store.byteLength).toBe(size);
        }
        const all = new Uint8Array(2 * SPACE);
        await store.read(bytes(0), all);
        expect(Buffer.compare(all, model)).toBe(0);
      }),
      { numRuns: 25 },
    );
  });
});

describe('a file store', () => {
  it('writes the bytes of the file and nothing else', async () => {
    const file = newPath();
    const store = await openFileStore(file, { writable: true, create: true });
    const big = alignedBuffer(256 * KiB).fill(7);
    await Promise.all([store.write(bytes(0), big), store.write(bytes(256 * KiB), new Uint8Array(10).fill(8))]);
    await store[Symbol.asyncDispose]();
    const content = fs.readFileSync(file);
    expect(content.length).toBe(256 * KiB + 10);
    expect(content.subarray(0, 256 * KiB).every((b) => b === 7)).toBe(true);
    expect(content.subarray(256 * KiB).every((b) => b === 8)).toBe(true);
  });

  it('says what could not be opened and why', async () => {
    const missing = newPath();
    await expect(openFileStore(missing)).rejects.toMatchObject({
      name: 'FormatError',
      kind: 'io',
      where: missing,
      cause: { code: 'ENOENT' },
    });
    await expect(openFileStore('/dev/null')).rejects.toThrow('neither a file nor a block device');
  });

  it('a full device is recognised by its code', async () => {
    const full = fs.openSync('/dev/full', 'r+');
    const { FileStore } = await import('../../src/storage/file-store.ts');
    await using store = new FileStore(full, 0, { writable: true, name: 'the tape' });
    await expect(store.write(bytes(0), new Uint8Array(10))).rejects.toMatchObject({
      kind: 'io',
      where: 'the tape',
      cause: { code: 'ENOSPC' },
    });
  });

  it.each([
    'open',
    'write',
  ] as const)('goes buffered, one write at a time, where O_DIRECT is refused at %s', async (when) => {
    const file = newPath();
    const refusal = Object.assign(new Error('EINVAL: invalid argument'), { code: 'EINVAL' });
    const directs = new Set<number>();
    const [open, write] = [fs.open, fs.write] as unknown as ((...args: unknown[]) => void)[];
    let underWay = 0;
    let most = 0;
    vi.spyOn(fs, 'open').mockImplementation(((...args: unknown[]) => {
      const done = args.pop() as (error: Error | null, fd?: number) => void;
      const direct = ((args[1] as number) & fs.constants.O_DIRECT) !== 0;
      if (direct && when === 'open') return done(refusal);
      return open(...args, (error: Error | null, fd: number) => {
        if (direct) directs.add(fd);
        done(error, fd);
      });
    }) as unknown as typeof fs.open);
    vi.spyOn(fs, 'write').mockImplementation(((...args: unknown[]) => {
      const done = args.pop() as (error: Error | null, count?: number) => void;
      if (directs.has(args[0] as number)) return done(refusal);
      most = Math.max(most, ++underWay);
      return write(...args, (error: Error | null, count: number) => {
        underWay--;
        done(error, count);
      });
    }) as unknown as typeof fs.write);
    try {
      await using store = await openFileStore(file, { writable: true, create: true });
      const big = alignedBuffer(256 * KiB).fill(7);
      await Promise.all([0, 1, 2, 3].map((i) => store.write(bytes(i * big.length), big)));
      expect(directs.size).toBe(when === 'open' ? 0 : 1);
    } finally {
      vi.restoreAllMocks();
    }
    expect(most).toBe(1);
    const content = fs.readFileSync(file);
    expect(content.length).toBe(1024 * KiB);
    expect(content.every((b) => b === 7)).toBe(true);
  });

  it('opened for reading refuses to write', async () => {
    const file = newPath();
    fs.writeFileSync(file, 'abc');
    await using store = await openFileStore(file);
    await expect(store.write(bytes(0), new Uint8Array(1))).rejects.toMatchObject({ kind: 'io' });
    await expect(store.unmap(bytes(0), bytes(1))).rejects.toMatchObject({ kind: 'io' });
    expect(fs.readFileSync(file, 'utf8')).toBe('abc');
  });

  it('the size of a device without sysfs is found by reading', async () => {
    for (const size of [0, 1, 511, 5_000_000]) {
      const file = newPath();
      fs.writeFileSync(file, '');
      fs.truncateSync(file, size);
      const fd = fs.openSync(file, 'r');
      expect(await readableBytes(fd)).toBe(size);
      fs.closeSync(fd);
    }
  });

  it('unmapped blocks take no room where the file system punches holes', async () => {
    const file = newPath();
    await using store = await openFileStore(file, { writable: true, create: true });
    await store.write(bytes(0), new Uint8Array(1024 * KiB).fill(9));
    await store.flush();
    const before = fs.statSync(file).blocks;
    const fd = fs.openSync(file, 'r+');
    const punches = await punchHole(fd, 0, 4096);
    fs.closeSync(fd);
    await store.unmap(bytes(64 * KiB), bytes(512 * KiB));
    const into = new Uint8Array(512 * KiB).fill(1);
    await store.read(bytes(64 * KiB), into);
    expect(into.every((b) => b === 0)).toBe(true);
    if (punches) expect(fs.statSync(file).blocks).toBeLessThan(before - 900);
  });
});

describe('a memory store', () => {
  it('with a limit is full as a disk is', async () => {
    const store = new MemoryStore({ byteLengthMax: bytes(100) });
    await store.write(bytes(90), new Uint8Array(10));
    const failure = store.write(bytes(95), new Uint8Array(10));
    await expect(failure).rejects.toMatchObject({ kind: 'io', cause: { code: 'ENOSPC' } });
  });
});

describe('a crash store', () => {
  const filled = (value: number, length = 1536): Uint8Array => new Uint8Array(length).fill(value);

  it('keeps what was flushed, and any of the sectors that were not', async () => {
    const store = new CrashStore();
    await store.write(bytes(0), filled(1));
    await store.flush();
    await store.write(bytes(0), filled(2));
    const seen = new Set<string>();
    for (let seed = 0; seed < 300; seed++) {
      const after = store.afterCrash(seededPick(seed)).content();
      expect(after.length).toBe(1536);
      for (let i = 0; i < 1536; i += 512) {
        expect(new Set(after.subarray(i, i + 512)).size).toBe(1); // a sector is whole
      }
      seen.add([after[0], after[512], after[1024]].join(''));
    }
    expect([...seen].sort()).toEqual(['111', '112', '121', '122', '211', '212', '221', '222']);
  });

  it('a flush does not cover a write that had not ended when it began', async () => {
    const store = new CrashStore();
    const write = store.write(bytes(0), filled(3));
    await Promise.all([store.flush(), write]);
    const lengths = new Set<number>();
    for (let seed = 0; seed < 50; seed++) lengths.add(store.afterCrash(seededPick(seed)).byteLength);
    expect(lengths.has(0)).toBe(true);
    await store.flush();
    expect(store.afterCrash(seededPick(1)).byteLength).toBe(1536);
  });

  it('a cut that was not flushed may be undone', async () => {
    const store = new CrashStore();
    await store.write(bytes(0), filled(1));
    await store.flush();
    await store.truncate(bytes(10));
    const lengths = new Set<number>();
    for (let seed = 0; seed < 50; seed++) lengths.add(store.afterCrash(seededPick(seed)).byteLength);
    expect([...lengths].sort()).toEqual([10, 1536]);
  });

  it('all stores of a switch fail together from the chosen write on', async () => {
    const power = new PowerSwitch();
    const a = new CrashStore({ power });
    const b = new CrashStore({ power });
    power.stopAfter(2);
    await a.write(bytes(0), filled(1)); // the power is still on when this ends
    await expect(b.write(bytes(0), filled(1))).rejects.toThrow(FormatError); // done, but nobody hears of it
    await expect(a.write(bytes(0), filled(1))).rejects.toMatchObject({ kind: 'io' });
    await expect(b.flush()).rejects.toMatchObject({ kind: 'io' });
    await expect(b.read(bytes(0), filled(1))).rejects.toMatchObject({ kind: 'io' });
    expect(power.writes).toBe(2);
  });
});
