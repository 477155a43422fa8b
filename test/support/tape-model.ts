// A tape as an array, and random operations on it: what every TapeMedium must agree with.
import fc from 'fast-check';
import { expect } from 'vitest';
import { tapeFile, tapeObject } from '../../src/bytes/units.ts';
import type { TapeMedium } from '../../src/tape/medium.ts';

/** A record's content follows from its seed, so that a model need not keep it. */
export function recordOf(seed: number, length: number): Uint8Array {
  const out = new Uint8Array(length);
  let x = (seed * 2654435761 + 1) >>> 0;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    out[i] = x >>> 24;
  }
  return out;
}

export type ModelObject = { readonly seed: number; readonly length: number } | 'mark';

export type Operation =
  | { readonly op: 'append'; readonly length: number; readonly seed: number }
  | { readonly op: 'marks'; readonly count: number }
  | { readonly op: 'flush' }
  | { readonly op: 'read'; readonly count: number; readonly room: number }
  | { readonly op: 'locate'; readonly object: number }
  | { readonly op: 'locateFile'; readonly file: number }
  | { readonly op: 'end' }
  | { readonly op: 'space'; readonly what: 'records' | 'filemarks'; readonly count: number }
  | { readonly op: 'erase' };

export const operations: fc.Arbitrary<Operation[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        op: fc.constant('append' as const),
        length: fc.oneof(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 9000 }), fc.constant(4096)),
        seed: fc.nat(1e6),
      }),
    },
    { weight: 3, arbitrary: fc.record({ op: fc.constant('marks' as const), count: fc.integer({ min: 0, max: 3 }) }) },
    { weight: 2, arbitrary: fc.constant({ op: 'flush' } as const) },
    {
      weight: 3,
      arbitrary: fc.record({
        op: fc.constant('read' as const),
        count: fc.nat(6),
        room: fc.constantFrom(0, 10, 5000, 9000),
      }),
    },
    { weight: 2, arbitrary: fc.record({ op: fc.constant('locate' as const), object: fc.nat(30) }) },
    { weight: 2, arbitrary: fc.record({ op: fc.constant('locateFile' as const), file: fc.nat(8) }) },
    { weight: 2, arbitrary: fc.constant({ op: 'end' } as const) },
    {
      weight: 3,
      arbitrary: fc.record({
        op: fc.constant('space' as const),
        what: fc.constantFrom('records' as const, 'filemarks' as const),
        count: fc.integer({ min: -6, max: 6 }),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ op: 'erase' } as const) },
  ),
  { minLength: 1, maxLength: 40 },
);

/** SSC in a few lines: objects in an array and a position between them. */
export class TapeModel {
  objects: ModelObject[] = [];
  at = 0;
  /** Objects that a flush or the start of an overwrite made durable. */
  durable = 0;

  get file(): number {
    return this.objects.slice(0, this.at).filter((o) => o === 'mark').length;
  }

  get used(): number {
    return this.objects.slice(0, this.at).reduce((sum, o) => sum + (o === 'mark' ? 0 : o.length), 0);
  }

  cut(): void {
    this.objects.length = this.at;
    this.durable = Math.min(this.durable, this.at);
  }

  /** Index behind filemark number `file`; undefined: there is none. */
  startOfFile(file: number): number | undefined {
    if (file === 0) return 0;
    let marks = 0;
    for (let i = 0; i < this.objects.length; i++) if (this.objects[i] === 'mark' && ++marks === file) return i + 1;
    return undefined;
  }

  space(what: 'records' | 'filemarks', count: number): unknown {
    const step = Math.sign(count);
    for (let left = Math.abs(count); left > 0; ) {
      const next = step > 0 ? this.at : this.at - 1;
      if (next < 0) return { kind: 'beginning', left };
      if (next >= this.objects.length) return { kind: 'end-of-data', left };
      this.at += step;
      const mark = this.objects[next] === 'mark';
      if (mark && what === 'records') return { kind: 'filemark', left };
      if (mark === (what === 'filemarks')) left--;
    }
    return { kind: 'done' };
  }
}

/** Applies one operation to both and compares the answers and the positions. */
export async function applyBoth(medium: TapeMedium, model: TapeModel, operation: Operation): Promise<void> {
  switch (operation.op) {
    case 'append':
      model.cut();
      model.objects.push({ seed: operation.seed, length: operation.length });
      model.at++;
      expect(await medium.append(recordOf(operation.seed, operation.length))).toBe('written');
      break;
    case 'marks':
      if (operation.count > 0) model.cut();
      for (let i = 0; i < operation.count; i++) model.objects.push('mark');
      model.at += operation.count;
      expect(await medium.writeFilemarks(operation.count)).toBe('written');
      break;
    case 'flush':
      await medium.flush();
      model.durable = model.objects.length;
      break;
    case 'read':
      for (let i = 0; i < operation.count; i++) await readBoth(medium, model, operation.room);
      break;
    case 'locate':
      expect(await medium.locate(tapeObject(operation.object))).toBe(operation.object <= model.objects.length);
      model.at = Math.min(operation.object, model.objects.length);
      break;
    case 'locateFile': {
      const start = model.startOfFile(operation.file);
      expect(await medium.locateFile(tapeFile(operation.file))).toBe(start !== undefined);
      model.at = start ?? model.objects.length;
      break;
    }
    case 'end':
      await medium.locateEndOfData();
      model.at = model.objects.length;
      break;
    case 'space':
      expect(await medium.space(operation.what, operation.count)).toEqual(model.space(operation.what, operation.count));
      break;
    case 'erase':
      model.cut();
      await medium.erase();
      break;
  }
  expect(medium.position).toEqual({
    object: model.at,
    file: model.file,
    atBeginning: model.at === 0,
    atEndOfData: model.at === model.objects.length,
    pastEarlyWarning: false,
  });
  expect(medium.used).toBe(model.used);
}

async function readBoth(medium: TapeMedium, model: TapeModel, room: number): Promise<void> {
  const into = new Uint8Array(room);
  const outcome = await medium.read(into);
  const object = model.objects[model.at];
  if (object === undefined) {
    expect(outcome).toEqual({ kind: 'end-of-data' });
    return;
  }
  model.at++;
  if (object === 'mark') {
    expect(outcome).toEqual({ kind: 'filemark' });
    return;
  }
  const { seed, length } = object;
  expect(outcome.kind === 'record' && outcome.length).toBe(length);
  const data = outcome.kind === 'record' ? outcome.data : new Uint8Array(0);
  expect(data.buffer).toBe(into.buffer);
  expect(Buffer.compare(data, recordOf(seed, length).subarray(0, room))).toBe(0);
}

/** The whole tape from its beginning equals the model. */
export async function expectSame(medium: TapeMedium, model: TapeModel): Promise<void> {
  await medium.locate(tapeObject(0));
  model.at = 0;
  for (let i = 0; i <= model.objects.length; i++) await readBoth(medium, model, 9000);
}
