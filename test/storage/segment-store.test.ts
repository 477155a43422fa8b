// A store of pieces of another: reads, writes and unmaps reach the pieces and nothing beside them.
import { expect, it } from 'vitest';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { segmentStore } from '../../src/storage/segment-store.ts';
import { patterned } from '../support/mover.ts';

const SEGMENTS = [
  { volumeOffset: 4096, byteLength: 1024 },
  { volumeOffset: 512, byteLength: 512 },
  { volumeOffset: 8192, byteLength: 2048 },
];
const gathered = (content: Uint8Array): Buffer =>
  Buffer.concat(SEGMENTS.map((one) => content.subarray(one.volumeOffset, one.volumeOffset + one.byteLength)));

it('reads and writes go to the pieces in order, and nowhere else', async () => {
  const whole = new MemoryStore({ content: patterned(12_000, 1) });
  const before = whole.content();
  const store = segmentStore(whole, SEGMENTS, 'part');
  expect(store.byteLength).toBe(3584);
  const all = new Uint8Array(4000).fill(7);
  await store.read(0, all);
  expect(Buffer.from(all.subarray(0, 3584)).equals(gathered(before))).toBe(true);
  expect(all.subarray(3584).every((byte) => byte === 0)).toBe(true); // behind the end: zeros
  const data = patterned(2000, 9);
  await store.write(1000, data);
  const after = whole.content();
  expect(gathered(after).subarray(1000, 3000).equals(Buffer.from(data))).toBe(true);
  const touched = before.map((byte, i) => (byte === after[i] ? 0 : 1)).reduce((sum, one) => sum + one, 0);
  expect(touched).toBeLessThanOrEqual(2000);
  for (const [start, end] of [
    [0, 512],
    [1024, 4096],
    [5120, 8192],
    [10_240, 12_000],
  ])
    expect(Buffer.compare(before.subarray(start, end), after.subarray(start, end))).toBe(0);
});

it('unmaps its own bytes alone, and does not grow', async () => {
  const whole = new MemoryStore({ content: patterned(12_000, 1) });
  const before = whole.content();
  const store = segmentStore(whole, SEGMENTS, 'part');
  await store.unmap(0, 1 << 20);
  const after = whole.content();
  expect(gathered(after).every((byte) => byte === 0)).toBe(true);
  expect(Buffer.compare(before.subarray(1024, 4096), after.subarray(1024, 4096))).toBe(0);
  await expect(store.write(3584, Uint8Array.of(1))).rejects.toThrow(/part: has 3584 bytes and cannot have 3585/);
  await expect(store.truncate(10)).rejects.toThrow(/cannot have 10/);
  await store.truncate(3584);
  await store.write(3584, new Uint8Array(0));
  await store.flush();
  await store[Symbol.asyncDispose]();
});
