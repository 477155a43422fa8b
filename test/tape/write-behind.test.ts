import { describe, expect, test } from 'vitest';
import { alignedBuffer } from '../../src/bytes/aligned.ts';
import type { BlockStore } from '../../src/bytes/block-store.ts';
import { FormatError } from '../../src/bytes/errors.ts';
import { bytes, KiB, MiB } from '../../src/bytes/units.ts';
import { seededPick } from '../../src/storage/crash-store.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { WriteBehind } from '../../src/tape/write-behind.ts';

/** Lent memory that turns to FFh as soon as nobody holds it, as a reader would fill it anew. */
class Loan {
  readonly memory: Uint8Array;
  holds = 1;

  constructor(byteLength: number) {
    this.memory = alignedBuffer(byteLength);
  }
  retain(): void {
    expect(this.holds).toBeGreaterThan(0);
    this.holds++;
  }
  release(): void {
    this.holds--;
    expect(this.holds).toBeGreaterThanOrEqual(0);
    if (this.holds === 0) this.memory.fill(0xff);
  }
}

/** A store that takes what is written when it gets round to it. */
function slowStore(inner: BlockStore, writes: { offset: number; byteLength: number }[], failAt = Infinity): BlockStore {
  return {
    get byteLength() {
      return inner.byteLength;
    },
    writable: true,
    read: (offset, into) => inner.read(offset, into),
    write: async (offset, from) => {
      writes.push({ offset, byteLength: from.length });
      const number = writes.length;
      await new Promise((resolve) => setTimeout(resolve, 1 + (number % 3)));
      if (number >= failAt) throw new FormatError('io', 'slow store', 'broken');
      await inner.write(offset, from);
    },
    flush: () => inner.flush(),
    truncate: (byteLength) => inner.truncate(byteLength),
    unmap: (offset, length) => inner.unmap(offset, length),
    [Symbol.asyncDispose]: async () => {},
  };
}

const ring = (size: number): Uint8Array[] => Array.from({ length: 4 }, () => alignedBuffer(size));
const RECORD = 256 * KiB;

/** Pushes records of slabs, as a copy does: those that lie whole in one are lent, others are not. */
async function pushAll(behind: WriteBehind, expected: Uint8Array[], seed: number): Promise<Loan[]> {
  const pick = seededPick(seed);
  const loans: Loan[] = [];
  for (let slab = 0; slab < 12; slab++) {
    const loan = new Loan(2 * MiB);
    loans.push(loan);
    for (let i = 0; i < loan.memory.length; i += 512) loan.memory.fill(pick(255), i, i + 512);
    for (let at = 0; at < loan.memory.length; ) {
      const length = [RECORD, RECORD, RECORD, 64 * KiB, 4096, 512, 100][pick(7)];
      const record = loan.memory.subarray(at, Math.min(at + length, loan.memory.length));
      expected.push(record.slice());
      await behind.push(record, pick(5) === 0 ? undefined : loan);
      at += record.length;
      if (pick(4) === 0) at = Math.min(loan.memory.length, Math.ceil(at / 4096) * 4096 + 4096 * pick(3));
    }
    loan.release();
  }
  return loans;
}

describe('write-behind of lent memory', () => {
  test.each([
    1, 2, 3, 4, 5, 6,
  ])('stores what was pushed, whatever is lent and however late it is written (seed %i)', async (seed) => {
    const store = new MemoryStore();
    const expected: Uint8Array[] = [];
    const behind = new WriteBehind(slowStore(store, []), ring(MiB));
    await behind.start(0);
    const loans = await pushAll(behind, expected, seed);
    await behind.drain();
    await behind.idle();
    const whole = Buffer.concat(expected);
    const stored = new Uint8Array(whole.length);
    await store.read(bytes(0), stored);
    expect(store.byteLength).toBe(whole.length);
    expect(Buffer.compare(stored, whole)).toBe(0);
    expect(behind.written).toBe(whole.length);
    expect(loans.map(({ holds }) => holds)).toEqual(loans.map(() => 0));
  });

  test('records side by side go out as one write each 4 MiB, without a copy', async () => {
    const writes: { offset: number; byteLength: number }[] = [];
    const store = new MemoryStore();
    const behind = new WriteBehind(slowStore(store, writes), ring(MiB));
    await behind.start(0);
    for (let slab = 0; slab < 4; slab++) {
      const loan = new Loan(4 * MiB);
      for (let at = 0; at < loan.memory.length; at += RECORD)
        await behind.push(loan.memory.subarray(at, at + RECORD), loan);
      loan.release();
    }
    await behind.drain();
    expect(writes.every(({ byteLength }) => byteLength >= MiB)).toBe(true);
    expect(writes.length).toBeLessThanOrEqual(6);
  });

  test('lets go of everything after a failed write', async () => {
    const behind = new WriteBehind(slowStore(new MemoryStore(), [], 3), ring(MiB));
    await behind.start(0);
    const loans = await pushAll(behind, [], 7);
    await behind.drain();
    expect(behind.error).toBeInstanceOf(FormatError);
    expect(loans.map(({ holds }) => holds)).toEqual(loans.map(() => 0));
  });
});
