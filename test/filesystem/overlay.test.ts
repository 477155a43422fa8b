// The overlay that a replayed journal makes: what a read through it gives, against a plain copy with the changes made.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { bytesOf } from '../../src/bytes/layout.ts';
import { Overlay } from '../../src/filesystem/overlay.ts';
import { memoryVolume } from '../support/memory-volume.ts';

const UNIT = 8;
const UNITS = 32;
const noise = (seed: number, length: number): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (Math.imul(seed + i, 2654435761) >>> 13) & 0xff));

it('any read gives the volume with every unit replaced, and leaves the volume alone', async () => {
  const change = fc.record({
    unit: fc.nat(UNITS - 1),
    copy: fc.option(fc.nat(UNITS - 1)),
    head: fc.boolean(),
    seed: fc.nat(1000),
  });
  const read = fc.tuple(fc.nat(UNIT * UNITS), fc.nat(UNIT * UNITS));
  await fc.assert(
    fc.asyncProperty(fc.array(change, { maxLength: 20 }), fc.array(read, { maxLength: 8 }), async (changes, reads) => {
      const raw = noise(7, UNIT * UNITS);
      const expected = Buffer.from(raw);
      const overlay = new Overlay(memoryVolume(raw).readAt, UNIT);
      for (const { unit, copy, head, seed } of changes) {
        const data = copy === null ? noise(seed, UNIT) : Buffer.from(raw.subarray(copy * UNIT, (copy + 1) * UNIT));
        if (copy === null) overlay.put(unit * UNIT, data);
        else {
          const first = noise(seed, 4);
          overlay.redirect(unit * UNIT, { at: copy * UNIT, ...(head && { head: first }) });
          if (head) first.copy(data);
        }
        data.copy(expected, unit * UNIT);
      }
      const before = Buffer.from(raw);
      for (const [from, length] of [...reads, [0, UNIT * UNITS]]) {
        const end = Math.min(UNIT * UNITS, from + length);
        const view = await overlay.readAt(from, end - from);
        expect(Buffer.from(bytesOf(view))).toEqual(expected.subarray(from, end));
      }
      expect(raw).toEqual(before);
      expect(overlay.count).toBe(new Set(changes.map(({ unit }) => unit)).size);
    }),
    { numRuns: 300 },
  );
});

it('copies that follow each other in the log are read at once', async () => {
  const { readAt } = memoryVolume(noise(1, UNIT * UNITS));
  const reads: number[] = [];
  const overlay = new Overlay((offset, length, signal, into) => {
    reads.push(length);
    return readAt(offset, length, signal, into);
  }, UNIT);
  for (let i = 0; i < 4; i++) overlay.redirect(i * UNIT, { at: (20 + i) * UNIT });
  await overlay.readAt(0, 6 * UNIT);
  expect(reads).toEqual([6 * UNIT, 4 * UNIT]);
});

it('knows where a byte is now, and which overlaid unit comes next', () => {
  const overlay = new Overlay(memoryVolume(noise(1, UNIT * UNITS)).readAt, UNIT);
  expect(overlay.nextFrom(0)).toBe(Number.POSITIVE_INFINITY);
  overlay.redirect(5 * UNIT, { at: 9 * UNIT });
  overlay.put(3 * UNIT, noise(2, 2 * UNIT));
  expect(overlay.sourceOf(5 * UNIT + 7)).toEqual({ at: 9 * UNIT });
  expect(overlay.sourceOf(6 * UNIT)).toBe(undefined);
  expect([0, 3, 4, 5, 6].map((unit) => overlay.nextFrom(unit * UNIT) / UNIT)).toEqual([3, 3, 4, 5, Infinity]);
  expect([...overlay.runs().starts]).toEqual([3 * UNIT]);
  expect([...overlay.runs().lengths]).toEqual([3 * UNIT]);
});
