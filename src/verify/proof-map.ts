/** Proofs as tilings of the volume: of one copy of a chunk, of the best of its copies, and of what earlier looks had found. Pure. */
import type { Bytes } from '../bytes/units.ts';
import { type Proof, type ProvenRange, proofRank, type SetProof, UNREAD } from '../tape-index/proofs.ts';

/** Ranges that follow each other without a gap, ascending. */
export type Tiling = readonly ProvenRange[];

const same = (a: Proof, b: Proof): boolean => a.level === b.level && a.at === b.at && a.reason === b.reason;

/** Appends a range, joined with the last one where they tell the same. */
function append(out: ProvenRange[], from: Bytes, to: Bytes, { level, at, reason }: Proof): void {
  if (to <= from) return;
  const last = out.at(-1);
  if (last !== undefined && last.to === from && same(last, { level, at, reason }))
    out[out.length - 1] = { ...last, to };
  else out.push({ from, to, level, at, reason });
}

/** `from` to `to`, proven as `rest` says but for `exceptions`: ascending, apart; what reaches out is cut. */
export function tile(from: Bytes, to: Bytes, rest: Proof, exceptions: Iterable<ProvenRange>): ProvenRange[] {
  const out: ProvenRange[] = [];
  let at = from;
  for (const one of exceptions) {
    if (one.to <= at) continue;
    if (one.from >= to) break;
    append(out, at, Math.max(at, one.from), rest);
    append(out, Math.max(at, one.from), Math.min(to, one.to), one);
    at = Math.min(to, one.to);
  }
  append(out, at, to, rest);
  return out;
}

/** Of two tilings of the same bytes the better proof everywhere. */
export function bestOf(a: Tiling, b: Tiling): ProvenRange[] {
  const out: ProvenRange[] = [];
  let i = 0;
  let j = 0;
  let at = a[0]?.from ?? 0;
  while (i < a.length && j < b.length) {
    const to = Math.min(a[i].to, b[j].to);
    append(out, at, to, proofRank(b[j]) > proofRank(a[i]) ? b[j] : a[i]);
    at = to;
    if (a[i].to === to) i++;
    if (b[j].to === to) j++;
  }
  return out;
}

/**
 * What is known of a whole volume: what was found now, ascending and apart, and for all else what an earlier look had found.
 * The proof that most bytes have needs no ranges.
 */
export function proofOfSet(volumeBytes: Bytes, found: Tiling, earlier: SetProof | undefined, index: Proof): SetProof {
  const before = earlier === undefined ? [] : tile(0, volumeBytes, earlier.rest, earlier.ranges);
  const all: ProvenRange[] = [];
  let i = 0;
  const fill = (from: Bytes, to: Bytes): void => {
    while (i < before.length && before[i].to <= from) i++;
    const parts = tile(from, to, UNREAD, before.slice(i, i + countUntil(before, i, to)));
    for (const part of parts) append(all, part.from, part.to, part);
  };
  let at = 0;
  for (const one of found) {
    fill(at, one.from);
    append(all, one.from, one.to, one);
    at = one.to;
  }
  fill(at, volumeBytes);
  const rest = mostOf(all);
  return { rest, index, ranges: all.filter((one) => !same(one, rest)) };
}

function countUntil(ranges: Tiling, from: number, to: Bytes): number {
  let end = from;
  while (end < ranges.length && ranges[end].from < to) end++;
  return end - from;
}

/** The proof that the most bytes have. */
function mostOf(all: Tiling): Proof {
  const bytes = new Map<string, { proof: Proof; bytes: number }>();
  for (const { from, to, level, at, reason } of all) {
    const key = JSON.stringify([level, at, reason]);
    const one = bytes.get(key) ?? { proof: { level, at, reason }, bytes: 0 };
    one.bytes += to - from;
    bytes.set(key, one);
  }
  let most: { proof: Proof; bytes: number } = { proof: UNREAD, bytes: -1 };
  for (const one of bytes.values()) if (one.bytes > most.bytes) most = one;
  return most.proof;
}
