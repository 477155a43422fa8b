// The power goes at every write of a backup, and what was not synced is lost: no set that was reported is ever lost or wrong,
// no half set is ever shown, and the same command goes on and ends right. Seeds name the failing case.
import { expect, it } from 'vitest';
import { runsOf } from '../../src/bytes/extents.ts';
import type { VolumeSource } from '../../src/catalog/source.ts';
import { seededPick } from '../../src/storage/crash-store.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { expectRestores, expectSetWhole, expectTapesWellFormed } from '../support/judge.ts';
import { patterned } from '../support/mover.ts';
import { type BackupOptions, RECORD, Site, type SiteCartridge, sourceOf } from '../support/site.ts';

interface Volume {
  readonly store: MemoryStore;
  readonly content: Uint8Array;
  readonly source: VolumeSource;
}

async function volumeOf(seed: number, ranges: readonly (readonly [number, number])[], size: number): Promise<Volume> {
  const store = new MemoryStore({ byteLength: size });
  for (const [start, length] of ranges) store.writeSync(start, patterned(length, start + seed));
  const source = { ...(await sourceOf(store)), allocated: runsOf(ranges) };
  return { store, content: store.content(), source };
}

const first = (): Promise<Volume> => volumeOf(1, [[0, 5 * RECORD]], 5 * RECORD);
const second = (): Promise<Volume> =>
  volumeOf(
    2,
    [
      [0, 9 * RECORD],
      [150_016, 4 * RECORD + 512],
    ],
    160_001,
  );

/** A set that is known to be there, and its volume. */
interface Committed {
  readonly set: string;
  readonly content: Uint8Array;
}

async function backup(site: Site, volume: Volume, options: BackupOptions) {
  await using session = await site.open(volume.store);
  return { ...(await session.backup(volume.source, options)), notes: session.notes };
}

/** Backs up until the power goes, at the latest when it is reported as done. Answers the set that was. */
async function backupUntil(
  site: Site,
  volume: Volume,
  options: BackupOptions,
  stop: number,
): Promise<string | undefined> {
  site.power.stopAfter(stop);
  let set: string | undefined;
  try {
    await using session = await site.open(volume.store);
    set = (await session.backup(volume.source, options)).manifest.set;
    site.power.stopAfter(0);
  } catch (error) {
    if (site.power.on) throw error;
  }
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve)); // what was under way fails
  return set;
}

async function expectShown(site: Site, committed: readonly Committed[], content: Uint8Array): Promise<string[]> {
  const shown = (await site.sets()).map(({ manifest }) => manifest.set);
  for (const { set } of committed) expect(shown, 'a committed set is there').toContain(set);
  const more = shown.filter((set) => !committed.some((one) => one.set === set));
  expect(more.length).toBeLessThanOrEqual(1);
  if (shown.length === 0) return more;
  const reader = await site.copy();
  for (const { set, content: was } of committed) await expectRestores(reader, set, was);
  for (const set of more) await expectRestores(reader, set, content);
  return more;
}

/** The cartridges alone give back every set that was reported. */
async function expectRebuilt(site: Site, committed: readonly Committed[]): Promise<void> {
  const fresh = await site.copy({ newIndex: true });
  {
    await using session = await fresh.open();
    const { incomplete } = await session.rebuild([...fresh.media.keys()]);
    // A half set is shown only where an end file or a copy of the index says that it went on, and then as what it is.
    for (const { manifest } of await fresh.sets())
      if (!manifest.complete) expect(incomplete.join('\n')).toContain(manifest.set.slice(0, 12));
  }
  for (const { set, content } of committed) await expectRestores(fresh, set, content);
}

async function expectGoesOn(site: Site, volume: Volume, options: BackupOptions, committed: readonly Committed[]) {
  const { manifest } = await backup(site, volume, options);
  for (const { set, content } of committed) await expectRestores(site, set, content);
  await expectSetWhole(site, manifest.set, volume.content);
  if (site.options.cartridges.some(({ worm }) => worm)) return;
  await expectTapesWellFormed(site);
}

interface Scenario {
  readonly title: string;
  readonly cartridges: readonly SiteCartridge[];
  readonly options: BackupOptions;
  /** An earlier set is on the first cartridge. */
  readonly earlier: boolean;
  /** Stops that are tried; missing: every one. */
  readonly sample?: number;
}

const cartridges = (count: number, more: Omit<SiteCartridge, 'barcode'> = {}): SiteCartridge[] =>
  Array.from({ length: count }, (_, i) => ({ barcode: `RM${i + 1}`, ...more }));

const small = { chunkBytes: 4 * RECORD, commitBytes: 6 * RECORD };
const SCENARIOS: readonly Scenario[] = [
  { title: 'the first backup to a blank cartridge', cartridges: cartridges(2), options: {}, earlier: false },
  {
    title: 'a backup in several chunks behind an earlier set',
    cartridges: cartridges(2),
    options: small,
    earlier: true,
  },
  {
    title: 'a backup over several cartridges',
    cartridges: cartridges(8, { capacity: 42 * RECORD, earlyWarningZone: 14 * RECORD }),
    options: small,
    earlier: true,
    sample: 40,
  },
  {
    title: 'a backup to write-once cartridges',
    cartridges: cartridges(12, { capacity: 50 * RECORD, earlyWarningZone: 10 * RECORD, worm: true }),
    options: small,
    earlier: true,
    sample: 25,
  },
];

async function prepared(scenario: Scenario): Promise<{ site: Site; committed: Committed[] }> {
  const site = await Site.make({ cartridges: scenario.cartridges });
  if (!scenario.earlier) return { site, committed: [] };
  const volume = await first();
  const { manifest } = await backup(site, volume, scenario.options);
  return { site, committed: [{ set: manifest.set, content: volume.content }] };
}

for (const scenario of SCENARIOS) {
  it(`${scenario.title}: stopped at any write, it goes on`, async () => {
    const { site: base, committed } = await prepared(scenario);
    const volume = await second();
    const trial = await base.copy();
    const { power } = trial;
    const before = power.writes;
    await backup(trial, volume, scenario.options);
    const writes = power.writes - before;
    const pick = seededPick(writes);
    const all = Array.from({ length: writes }, (_, i) => i + 1);
    const sampled = all.filter(() => scenario.sample === undefined || pick(writes) < scenario.sample);
    // The last ones: power until it is reported as done, with several choices of what was lost.
    const stops = [...sampled, writes + 1, writes + 2, writes + 3, writes + 4];
    for (const stop of stops) {
      const seed = stop * 7919;
      try {
        const site = await base.copy();
        const done = await backupUntil(site, volume, scenario.options, stop);
        const reported = done === undefined ? [] : [{ set: done, content: volume.content }];
        const found = site.afterCrash(seed);
        await expectShown(found, [...committed, ...reported], volume.content);
        if (stop > writes || stop % 7 === 0) await expectRebuilt(found, [...committed, ...reported]);
        await expectGoesOn(found, volume, scenario.options, [...committed, ...reported]);
      } catch (error) {
        throw new Error(`${scenario.title}, stop ${stop} of ${writes}, seed ${seed}: ${(error as Error).stack}`);
      }
    }
  });
}

it('stopped again and again, a backup still ends right', async () => {
  const scenario = SCENARIOS[2];
  const { site: base, committed } = await prepared(scenario);
  const volume = await second();
  for (let seed = 1; seed <= 5; seed++) {
    const pick = seededPick(seed);
    let site = await base.copy();
    try {
      for (let i = 0; i < 6; i++) {
        const done = await backupUntil(site, volume, scenario.options, 1 + pick(60));
        site = site.afterCrash(pick(1_000_000));
        await expectShown(site, committed, volume.content);
        if (done !== undefined) break;
      }
      await expectGoesOn(site, volume, scenario.options, committed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).stack}`);
    }
  }
});
