import {
  closeSync,
  cpSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Level } from 'level';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SYNTHETIC_ROOT, syntheticWalk } from '../../bench/tape-index/synthetic-walk.ts';
import { checkSet, sealDigest } from '../../src/tape-index/check.ts';
import { setBytes, setKey } from '../../src/tape-index/keys.ts';
import { openStore, type Store } from '../../src/tape-index/level-store.ts';
import { listSets, sealSet } from '../../src/tape-index/sets.ts';
import { assessFiles, endSession, readMarker, writeMarker } from '../../src/tape-index/store-files.ts';
import { createIndexWriter } from '../../src/tape-index/writer.ts';
import { removeChildren, startChild } from './children.ts';
import { putMaps, testManifest } from './manifests.ts';

let folder = '';
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'reelmap-store-')), 'index');
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true, force: true }));
afterAll(removeChildren);

/** A file that a child waits for. */
const signal = (): string => join(folder, '../go');
const bytes = (text: string): Uint8Array => Buffer.from(text);
const open = (more: { create?: boolean; replaceDamaged?: boolean; waitMs?: number } = {}): Promise<Store> =>
  openStore(folder, { command: 'test', ...more });

async function fill(store: Store, count: number): Promise<void> {
  for (let i = 0; i < count; i += 100) {
    await store.batch(
      Array.from({ length: 100 }, (_, k) => ({
        type: 'put' as const,
        key: bytes(`fill ${String(i + k).padStart(8, '0')}`),
        value: Buffer.alloc(500, i + k),
      })),
    );
  }
}

async function made(count = 1000): Promise<void> {
  await using store = await open({ create: true });
  await fill(store, count);
  await store.batch([{ type: 'put', key: bytes('last'), value: bytes('one') }], { sync: true });
}

const database = (name: RegExp): string => {
  const found = readdirSync(join(folder, 'db')).filter((file) => name.test(file));
  return join(folder, 'db', found.sort()[found.length - 1] ?? 'none');
};

function flip(path: string, at: number): void {
  const content = readFileSync(path);
  const file = openSync(path, 'r+');
  writeSync(file, Uint8Array.of(content[at] ^ 0x10), 0, 1, at);
  closeSync(file);
}

describe('a store', () => {
  it('that does not exist is made only when that was asked for', async () => {
    await expect(open()).rejects.toThrow(/is not there/);
    expect(existsSync(folder)).toBe(false);
    await (await open({ create: true }))[Symbol.asyncDispose]();
    await (await open())[Symbol.asyncDispose]();
  });

  it('gives back rows by key, by range, in reverse and up to a limit', async () => {
    await using store = await open({ create: true });
    await fill(store, 5000);
    expect(Buffer.from((await store.get(bytes('fill 00000123'))) ?? []).toString('latin1')).toBe(
      Buffer.alloc(500, 123).toString('latin1'),
    );
    expect(await store.get(bytes('none'))).toBeUndefined();
    expect((await store.getMany([bytes('none'), bytes('fill 00000001')])).map((value) => value?.length)).toEqual([
      undefined,
      500,
    ]);
    const keys: string[] = [];
    for await (const rows of store.scan({ gte: bytes('fill 00001000'), lt: bytes('fill 00004000') }))
      for (const [key] of rows) keys.push(Buffer.from(key).toString());
    expect(keys).toHaveLength(3000);
    expect(keys[2999]).toBe('fill 00003999');
    const back: string[] = [];
    for await (const rows of store.scan({ lt: bytes('fill 00001000'), reverse: true, limit: 2 }))
      for (const [key] of rows) back.push(Buffer.from(key).toString());
    expect(back).toEqual(['fill 00000999', 'fill 00000998']);
  });

  it.each([
    ['CURRENT deleted', () => rmSync(database(/^CURRENT$/)), /CURRENT is missing/],
    ['MANIFEST deleted', () => rmSync(database(/^MANIFEST/)), /MANIFEST-\d+ is missing/],
    ['MANIFEST cut', () => truncateSync(database(/^MANIFEST/), 40), /MANIFEST-\d+ has 40 bytes/],
    ['MANIFEST damaged', () => flip(database(/^MANIFEST/), 20), /MANIFEST-\d+ is damaged/],
    ['log damaged in the middle', () => flip(database(/\.log$/), 50_000), /\.log is damaged/],
    ['log cut', () => truncateSync(database(/\.log$/), 50_000), /\.log has 50000 bytes/],
    ['log deleted', () => rmSync(database(/\.log$/)), /\.log is missing/],
    ['CURRENT damaged', () => writeFileSync(database(/^CURRENT$/), 'MANIFEST-999999\n'), /CURRENT|MANIFEST/],
  ])('whose files were changed after a clean end is refused: %s', async (_, damage, message) => {
    await made();
    damage();
    const before = readdirSync(join(folder, 'db')).filter((name) => /ldb|MANIFEST|log$/.test(name));
    const error = await open().then(
      () => new Error('opened'),
      (reason: Error) => reason,
    );
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/reelmap index rebuild/);
    // and nothing was made worse
    expect(readdirSync(join(folder, 'db')).filter((name) => /ldb|MANIFEST|log$/.test(name))).toEqual(before);
  });

  it('whose table was deleted is refused', async () => {
    await made(20_000); // more than a write buffer
    rmSync(database(/\.ldb$/));
    await expect(open()).rejects.toThrow(/\.ldb is missing.*reelmap index rebuild/);
  });

  it('that was put back from an older copy shows that its last records are lost', async () => {
    await made();
    const { id } = readMarker(folder) as { id: string };
    writeMarker(folder, { id, generation: 99, sets: [] });
    await expect(open()).rejects.toThrow(/last records are lost.*reelmap index rebuild/);
  });

  it('of another installation is refused', async () => {
    await made();
    writeMarker(folder, { id: '0'.repeat(32), generation: 1, sets: [] });
    await expect(open()).rejects.toThrow(/records of another store/);
  });

  it('with a marker of a later format is not touched', async () => {
    await made();
    writeFileSync(join(folder, 'store.json'), `${JSON.stringify({ format: 2 })}\n`);
    await expect(open()).rejects.toThrow(/store format 2/);
  });

  it('that cannot be opened is moved aside for a rebuild, not deleted', async () => {
    await made();
    rmSync(database(/^CURRENT$/));
    await using store = await open({ replaceDamaged: true });
    expect(await store.get(bytes('last'))).toBeUndefined();
    expect(readdirSync(folder).some((name) => name.startsWith('db.damaged-'))).toBe(true);
  });

  it('of which LevelDB is gone altogether is made anew for a rebuild', async () => {
    await made();
    rmSync(join(folder, 'db'), { recursive: true });
    await expect(open()).rejects.toThrow(/LevelDB is missing.*reelmap index rebuild/);
    await using store = await open({ replaceDamaged: true });
    expect(await store.get(bytes('last'))).toBeUndefined();
  });

  it('whose marker is damaged anywhere is refused, and a rebuild goes on with what LevelDB has', async () => {
    await made();
    const path = join(folder, 'store.json');
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at++) {
      writeFileSync(path, whole);
      flip(path, at);
      expect(() => readMarker(folder), `byte ${at}`).toThrow(/store.json is damaged .*reelmap index rebuild/);
    }
    await expect(open()).rejects.toThrow(/store.json is damaged/);
    {
      await using store = await open({ replaceDamaged: true });
      expect(Buffer.from((await store.get(bytes('last'))) ?? []).toString()).toBe('one');
    }
    await using again = await open();
    expect(Buffer.from((await again.get(bytes('last'))) ?? []).toString()).toBe('one');
  });

  it('takes a damaged note of its clean end for none', async () => {
    await made();
    const path = join(folder, 'clean.json');
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at += 7) {
      writeFileSync(path, whole);
      flip(path, at);
      expect(assessFiles(folder), `byte ${at}`).toEqual({ state: 'unclean', since: 0 });
    }
    truncateSync(path, 0);
    expect(assessFiles(folder)).toEqual({ state: 'unclean', since: 0 });
    await using store = await open();
    expect(Buffer.from((await store.get(bytes('last'))) ?? []).toString()).toBe('one');
  });

  it('in which the record of a sealed set has vanished is refused after a clean end, too', async () => {
    const id = 'a'.repeat(32);
    {
      await using store = await open({ create: true });
      await sealSet(store, testManifest(id));
    }
    {
      // As a flipped bit in a table has it that makes of the record a deleted one: LevelDB alone knows.
      const database = new Level<Uint8Array, Uint8Array>(join(folder, 'db'), { keyEncoding: 'view' });
      await database.del(setKey(setBytes(id)));
      await database.close();
      endSession(folder, readFileSync(join(folder, 'session'), 'latin1'), 2);
    }
    await expect(open()).rejects.toThrow(/records of 1 sets are lost \(aaaaaaaa\).*reelmap index rebuild/);
    await using store = await open({ replaceDamaged: true });
    expect(await listSets(store)).toEqual([]);
  });

  it('survives the loss of its marker', async () => {
    await made();
    rmSync(join(folder, 'store.json'));
    await using store = await open();
    expect(Buffer.from((await store.get(bytes('last'))) ?? []).toString()).toBe('one');
  });
});

describe('several processes', () => {
  it('use one store at once: the first serves the others', async () => {
    const holder = await startChild(folder, ['put', 'a', '1'], ['fill', 3000], ['until', signal()]);
    expect(await holder.next()).toMatchObject({ opened: true, shared: false });
    await holder.next();
    await holder.next();
    const clients = await Promise.all(
      [1, 2, 3].map((i) => startChild(folder, ['get', 'a'], ['count'], ['sync', `c${i}`, 'x'], ['get', `c${i}`])),
    );
    for (const client of clients) {
      expect(await client.next()).toMatchObject({ opened: true, shared: true });
      expect(await client.next()).toMatchObject({ value: '1' });
      expect(await client.next()).toMatchObject({ count: 3000 });
      expect((await client.rest()).slice(1)).toMatchObject([{ value: 'x' }, { closed: true }]);
    }
    writeFileSync(signal(), '');
    expect((await holder.rest()).pop()).toEqual({ closed: true });
    expect(existsSync(join(folder, 'holder.json'))).toBe(false);
  });

  it('go on when the holder leaves: one of them takes over, a scan in the middle goes on', async () => {
    const holder = await startChild(folder, ['fill', 3000], ['serve'], ['until', signal()]);
    await holder.next();
    await holder.next();
    await holder.next();
    const slow = await startChild(folder, ['count', 100], ['get', 'none']);
    expect(await slow.next()).toMatchObject({ shared: true });
    writeFileSync(signal(), '');
    expect((await holder.rest()).pop()).toEqual({ closed: true });
    expect(await slow.rest()).toMatchObject([{ count: 3000 }, { value: null, shared: false }, { closed: true }]);
  });

  it('go on when the holder is killed, and acknowledged rows are there', async () => {
    const holder = await startChild(
      folder,
      ['sync', 'kept', 'yes'],
      ['fill', 2000],
      ['serve'],
      ['until', signal()],
      ['kill'],
    );
    for (let i = 0; i < 4; i++) await holder.next();
    const killed = join(folder, '../killed');
    const client = await startChild(folder, ['get', 'kept'], ['until', killed], ['get', 'kept'], ['count']);
    expect(await client.next()).toMatchObject({ shared: true });
    expect(await client.next()).toMatchObject({ value: 'yes', shared: true });
    writeFileSync(signal(), '');
    await holder.rest();
    writeFileSync(killed, '');
    expect(await client.rest()).toMatchObject([
      { until: killed },
      { value: 'yes', shared: false },
      { count: 2000 },
      { closed: true },
    ]);
  });

  it('that end at once leave a store that opens, and the next one knows of the unclean end', async () => {
    const first = await startChild(folder, ['sync', 'a', '1'], ['kill']);
    await first.rest();
    const second = await startChild(folder, ['get', 'a']);
    const [opened, got] = await second.rest();
    expect(opened).toMatchObject({ shared: false, unclean: 0 });
    expect(got).toMatchObject({ value: '1' });
    const third = await startChild(folder, ['get', 'a']);
    expect((await third.rest())[0]).toMatchObject({ unclean: null });
  });

  it('that come at the same instant all get in', async () => {
    const children = await Promise.all(Array.from({ length: 6 }, (_, i) => startChild(folder, ['sync', `k${i}`, 'v'])));
    const all = await Promise.all(children.map((child) => child.rest()));
    for (const lines of all) expect(lines.at(-1)).toEqual({ closed: true });
    await using store = await open();
    for (let i = 0; i < 6; i++) expect(await store.get(bytes(`k${i}`))).toBeDefined();
  });

  it('say who has the store when that one does not answer', async () => {
    const holder = await startChild(folder, ['serve'], ['spin', 1500]);
    await holder.next();
    await holder.next();
    process.kill(holder.process.pid ?? 0, 'SIGSTOP');
    try {
      await expect(open({ waitMs: 300 })).rejects.toThrow(/process \d+ \(child \["serve"\]\) has it since/);
    } finally {
      process.kill(holder.process.pid ?? 0, 'SIGCONT');
    }
    await holder.rest();
  });
});

describe('after a sudden end with a log damaged in its middle', () => {
  it('the sets that lost rows are marked, or the store says that its records are lost; never is a set whole that is not', async () => {
    const ids = ['a', 'b', 'c'].map((letter) => letter.repeat(32));
    const crashed = join(folder, '../crashed');
    {
      await using store = await open({ create: true });
      for (const id of ids) {
        const writer = createIndexWriter({ store, set: setBytes(id), filesystem: 0, rootInode: SYNTHETIC_ROOT });
        for (const batch of syntheticWalk({ files: 3000, aged: true })) {
          if (batch.kind === 'inodes') writer.addInodes(batch);
          else writer.addNames(batch);
        }
        const summary = await writer.finish();
        const indexDigest = sealDigest([{ filesystem: 0, ...summary }]);
        await putMaps(store, testManifest(id));
        await sealSet(store, testManifest(id, { indexDigest, indexRows: summary.rows }));
      }
      cpSync(folder, crashed, { recursive: true }); // as a killed process would leave it
    }
    const logs = readdirSync(join(crashed, 'db')).filter((name) => name.endsWith('.log'));
    expect(logs).toHaveLength(1);
    const log = join(crashed, 'db', logs[0]);
    const whole = readFileSync(log);
    let marked = 0;
    let refused = 0;
    for (const share of [0.1, 0.25, 0.4, 0.5, 0.66, 0.75, 0.9, 0.9999]) {
      writeFileSync(log, whole);
      const work = join(folder, `../work-${share}`);
      cpSync(crashed, work, { recursive: true });
      flip(join(work, 'db', logs[0]), Math.floor(whole.length * share));
      const store = await openStore(work, { command: 'test' }).catch((error: Error) => {
        expect(error.message).toMatch(/lost.*reelmap index rebuild/);
        refused++;
        return null;
      });
      if (store === null) continue;
      const sets = await listSets(store);
      for (const set of sets) {
        const { whole: good } = await checkSet(store, set.manifest);
        if (set.damaged === null) expect(good).toBe(true);
        else marked++;
      }
      expect(sets).toHaveLength(ids.length);
      expect(sets.some((set) => set.damaged !== null)).toBe(true);
      expect(sets.some((set) => set.damaged === null)).toBe(true);
      await store[Symbol.asyncDispose]();
    }
    expect(marked).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
  });
});
