// The tape medium over stores that lose power: at any write, with any of the unflushed sectors lost.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../src/bytes/errors.ts';
import { bytes, tapeObject } from '../../src/bytes/units.ts';
import { CrashStore, PowerSwitch, seededPick } from '../../src/storage/crash-store.ts';
import { type FileMedium, formatMedium, openMedium } from '../../src/tape/file-medium.ts';
import { applyBoth, type ModelObject, type Operation, operations, recordOf, TapeModel } from '../support/tape-model.ts';

interface Disk {
  readonly power: PowerSwitch;
  readonly data: CrashStore;
  readonly map: CrashStore;
}

/** `intact` objects must be there and right; those after them may be missing from the end or damaged, never different. */
interface State {
  readonly objects: readonly ModelObject[];
  readonly intact: number;
}
type Found = ModelObject | 'damaged' | 'different';

const stateOf = (model: TapeModel): State => ({ objects: [...model.objects], intact: model.durable });

async function newDisk(): Promise<Disk> {
  const power = new PowerSwitch();
  const disk = { power, data: new CrashStore({ power, name: 'data' }), map: new CrashStore({ power, name: 'map' }) };
  await formatMedium({ ...disk, name: 'tape' }, { capacity: bytes(1e9), id: new Uint8Array(16).fill(5) });
  return disk;
}

const open = (disk: Disk): Promise<FileMedium> => openMedium({ ...disk, name: 'tape', bufferBytes: bytes(4096) });

function diskAfterCrash(disk: Disk, seed: number): Disk {
  const pick = seededPick(seed);
  const sector = pick(2) === 0 ? 512 : 4096;
  const power = new PowerSwitch();
  const after = (store: CrashStore): CrashStore => new CrashStore({ power, content: store.afterCrash(pick, sector) });
  return { power, data: after(disk.data), map: after(disk.map) };
}

/** Runs operations until the power goes. Answers the states that a reader may then find. */
async function runUntilStop(disk: Disk, model: TapeModel, list: readonly Operation[], stop: number): Promise<State[]> {
  const medium = await open(disk);
  await medium.locateEndOfData();
  model.at = model.objects.length;
  disk.power.stopAfter(stop);
  for (const operation of list) {
    const before = stateOf(model);
    try {
      await applyBoth(medium, model, operation);
    } catch (error) {
      if (!(error instanceof FormatError) || error.kind !== 'io') throw error;
      await new Promise((resolve) => setImmediate(resolve)); // what was under way fails
      return [before, stateOf(model)];
    }
  }
  await new Promise((resolve) => setImmediate(resolve));
  return [stateOf(model)];
}

async function readAll(medium: FileMedium, candidates: readonly State[]): Promise<Found[]> {
  const into = new Uint8Array(10_000);
  const found: Found[] = [];
  await medium.locate(tapeObject(0));
  for (;;) {
    const outcome = await medium.read(into);
    if (outcome.kind === 'end-of-data') return found;
    if (outcome.kind === 'filemark') found.push('mark');
    else if (outcome.kind === 'damaged') found.push('damaged');
    else {
      const same = candidates
        .map((state) => state.objects[found.length])
        .find((o) => o && o !== 'mark' && Buffer.compare(recordOf(o.seed, o.length), outcome.data) === 0);
      found.push(same ?? 'different');
    }
  }
}

const equal = (a: Found, b: ModelObject): boolean =>
  a === b || (typeof a === 'object' && typeof b === 'object' && a.seed === b.seed && a.length === b.length);

function explains(state: State, found: readonly Found[]): boolean {
  if (found.length < state.intact || found.length > state.objects.length) return false;
  return found.every((f, i) => equal(f, state.objects[i]) || (f === 'damaged' && i >= state.intact));
}

/** Opens the disk, checks it against what may be there, and cuts it at the first damaged object. */
async function reopen(disk: Disk, states: readonly State[], durable: number): Promise<TapeModel> {
  const medium = await open(disk);
  const found = await readAll(medium, states);
  const explained = states.some((state) => explains(state, found));
  expect(explained, JSON.stringify({ found, states })).toBe(true);
  const model = new TapeModel();
  const damaged = found.indexOf('damaged');
  model.objects = found.slice(0, damaged < 0 ? undefined : damaged) as ModelObject[];
  model.durable = Math.min(durable, model.objects.length);
  if (damaged >= 0) {
    await medium.locate(tapeObject(damaged));
    await medium.erase();
  }
  return model;
}

const session = fc.record({
  list: operations,
  stop: fc.oneof(fc.nat(60), fc.nat(12)),
  power: fc.boolean(),
  seed: fc.nat(),
});

describe('the medium after a crash', () => {
  it('every object before the last flush is intact, and nothing after it is ever different', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(session, { minLength: 1, maxLength: 4 }), async (sessions) => {
        let disk = await newDisk();
        let model = new TapeModel();
        for (const { list, stop, power, seed } of sessions) {
          const states = await runUntilStop(disk, model, list, stop);
          disk.power.restore();
          const intact = Math.min(...states.map((state) => state.intact));
          // Several crashes of the same moment, then go on from the last; or only the process dies, and the disk lives.
          for (let i = 1; power && i < 4; i++) await reopen(diskAfterCrash(disk, seed + i), states, 0);
          if (power) disk = diskAfterCrash(disk, seed);
          model = await reopen(disk, states, power ? Number.POSITIVE_INFINITY : intact);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('an overwrite that is stopped at any write shows the old tape or the new one, never a mix', async () => {
    const list: Operation[] = [
      { op: 'locate', object: 2 },
      { op: 'append', seed: 50, length: 3000 },
      { op: 'append', seed: 51, length: 3000 },
      { op: 'flush' },
    ];
    for (let stop = 0; ; stop++) {
      const disk = await newDisk();
      const model = new TapeModel();
      const first = [1, 2, 3, 4, 5, 6].map((seed): Operation => ({ op: 'append', seed, length: 3000 }));
      await runUntilStop(disk, model, [...first, { op: 'flush' }], Number.POSITIVE_INFINITY);
      const before = disk.power.writes;
      const states = await runUntilStop(disk, model, list, stop);
      const done = disk.power.writes - before < stop;
      disk.power.restore();
      for (let seed = 0; seed < 20; seed++) await reopen(diskAfterCrash(disk, stop * 100 + seed), states, 0);
      if (done) return;
    }
  });
});
