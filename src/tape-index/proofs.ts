/**
 * How well each byte of a set's volume is proven, and when that was found: by ranges of the volume, so that any number of
 * files costs nothing, and what a file's proof is follows from its extents. index-format/FORMAT.md, "Proofs".
 *
 * Invariants
 * - Ranges ascend and are apart. What none of them has is proven as the set's own row says.
 * - The set's row is written last and says where the first page begins, each page where the next does: a lost one is noticed.
 */
import { FormatError } from '../bytes/errors.ts';
import type { IndexEntry } from './entry.ts';
import { REMEDY } from './frame.ts';
import { deleteRange, getJson, parseJson, putJson } from './json-row.ts';
import { getU64, KeyKind, keysOf, provenRangesKey, setBytes, setProofKey, successor } from './keys.ts';
import type { KvOperation, KvStore } from './kv-store.ts';

/**
 * Worst first: damaged: no copy gives it back; unread since it was written; record-checked: its tape records were read and
 * their checksums right; hash-equal: so is the chunk's SHA-256; equal-to-snapshot: compared with the volume.
 */
export const PROOF_LEVELS = ['damaged', 'unread', 'record-checked', 'hash-equal', 'equal-to-snapshot'] as const;
export type ProofLevel = (typeof PROOF_LEVELS)[number];

export interface Proof {
  readonly level: ProofLevel;
  /** ISO 8601; null: nobody has looked. */
  readonly at: string | null;
  /** What was found where it is damaged, or differs from what it was compared with; else null. */
  readonly reason: string | null;
}

/** Proof of the bytes `from` to `to` - 1 of the volume. */
export interface ProvenRange extends Proof {
  readonly from: number;
  readonly to: number;
}

export interface SetProof {
  /** Of all bytes that no range has. */
  readonly rest: Proof;
  /** Of what stands in the index itself: names, attributes, links, the content of the smallest files. */
  readonly index: Proof;
  readonly ranges: readonly ProvenRange[];
}

export const UNREAD: Proof = { level: 'unread', at: null, reason: null };
export const proofRank = ({ level }: Proof): number => PROOF_LEVELS.indexOf(level);

/** Ranges in one row. */
const PAGE_RANGES = 256;

interface ProofRow extends Proof {
  readonly index: Proof;
  /** Start of the first page's first range; null: there are no ranges. */
  readonly first: number | null;
}

interface RangesRow {
  readonly ranges: readonly (readonly [
    from: number,
    to: number,
    ProofLevel,
    at: string | null,
    reason: string | null,
  ])[];
  readonly next: number | null;
}

/** Writes a set's proof; all of an earlier one goes. */
export async function putProof(store: KvStore, set: string, proof: SetProof): Promise<void> {
  const id = setBytes(set);
  const { ranges, rest, index } = proof;
  await deleteRange(store, keysOf(KeyKind.proof, id));
  for (let from = 0; from < ranges.length; from += PAGE_RANGES) {
    const page = ranges.slice(from, from + PAGE_RANGES);
    const row: RangesRow = {
      ranges: page.map((one) => [one.from, one.to, one.level, one.at, one.reason]),
      next: ranges[from + PAGE_RANGES]?.from ?? null,
    };
    await store.batch([putJson(provenRangesKey(id, page[0].from), row)]);
  }
  const { level, at, reason } = rest;
  const row: ProofRow = { level, at, reason, index, first: ranges[0]?.from ?? null };
  const operations: KvOperation[] = [putJson(setProofKey(id), row)];
  await store.batch(operations, { sync: true });
}

/** All of a set's proof; undefined: it was never verified, or what was found is lost. */
export async function getProof(store: KvStore, set: string): Promise<SetProof | undefined> {
  try {
    const row = await proofRow(store, set);
    if (row === undefined) return undefined;
    const ranges: ProvenRange[] = [];
    for await (const one of rangesFrom(store, set, row, 0)) ranges.push(one);
    return { rest: restOf(row), index: row.index, ranges };
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/** The proof of an entry: that of its worst byte, of equal ones the oldest. Undefined: the set was never verified. */
export async function proofOf(
  store: KvStore,
  set: string,
  entry: Pick<IndexEntry, 'extents' | 'size'>,
): Promise<Proof | undefined> {
  try {
    const row = await proofRow(store, set);
    if (row === undefined) return undefined;
    const wanted = entry.extents
      .filter(({ kind, fileOffset }) => (kind === 'stored' || kind === 'escaped') && fileOffset < entry.size)
      .map(({ volumeOffset, fileOffset, byteLength }) => ({
        from: volumeOffset,
        to: volumeOffset + Math.min(byteLength, entry.size - fileOffset),
      }))
      .sort((a, b) => a.from - b.from);
    if (wanted.length === 0) return row.index;
    return await worstOf(store, set, row, wanted);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return { ...UNREAD, reason: `what was found by the last \`reelmap verify\` is lost: ${error.message}` };
  }
}

async function worstOf(
  store: KvStore,
  set: string,
  row: ProofRow,
  wanted: readonly { readonly from: number; readonly to: number }[],
): Promise<Proof> {
  let worst: Proof | undefined;
  const take = (proof: Proof): void => {
    const rank = proofRank(proof);
    const before = worst === undefined ? Number.POSITIVE_INFINITY : proofRank(worst);
    if (rank < before || (rank === before && (proof.at ?? '') < (worst?.at ?? '')))
      worst = { level: proof.level, at: proof.at, reason: proof.reason };
  };
  const ranges = rangesFrom(store, set, row, wanted[0].from);
  let range = await ranges.next();
  let at = 0;
  for (const { from, to } of wanted) {
    for (at = Math.max(at, from); at < to; ) {
      while (range.done !== true && range.value.to <= at) range = await ranges.next();
      if (range.done === true || range.value.from >= to) {
        take(restOf(row));
        at = to;
        continue;
      }
      if (range.value.from > at) take(restOf(row));
      take(range.value);
      at = range.value.to;
    }
  }
  return worst ?? restOf(row);
}

const restOf = ({ level, at, reason }: ProofRow): Proof => ({ level, at, reason });

const whereOf = (set: string): string => `set ${set.slice(0, 8)} proof`;
const proofRow = (store: KvStore, set: string): Promise<ProofRow | undefined> =>
  getJson<ProofRow>(store, setProofKey(setBytes(set)), whereOf(set));

/** Ranges that end behind `at`, ascending. @throws FormatError when a page is lost or damaged */
async function* rangesFrom(store: KvStore, set: string, row: ProofRow, at: number): AsyncGenerator<ProvenRange> {
  if (row.first === null) return;
  const id = setBytes(set);
  let next: number | null = row.first;
  let start = provenRangesKey(id, next);
  // The page that has `at`, if it is not before all of them.
  if (at > next) {
    const range = { gte: start, lt: successor(provenRangesKey(id, at)), reverse: true, limit: 1 };
    for await (const rows of store.scan(range)) {
      for (const [key, value] of rows) {
        start = key.slice();
        const page = parsePage(set, key, value);
        if (page.next !== null && at >= page.next) throw lost(set);
        next = getU64(key, 18);
      }
    }
  }
  for await (const rows of store.scan({ gte: start, lt: provenRangesKey(id, Number.MAX_SAFE_INTEGER) })) {
    for (const [key, value] of rows) {
      if (getU64(key, 18) !== next) throw lost(set);
      const page = parsePage(set, key, value);
      next = page.next;
      for (const [from, to, level, found, reason] of page.ranges) {
        if (to > at) yield { from, to, level, at: found, reason };
      }
    }
  }
  if (next !== null) throw lost(set);
}

function parsePage(set: string, key: Uint8Array, value: Uint8Array): RangesRow {
  const page = parseJson<RangesRow>(key, value, whereOf(set));
  if (page.ranges[0]?.[0] !== getU64(key, 18))
    throw new FormatError('corrupt', whereOf(set), `a page is out of place ${REMEDY}`);
  return page;
}

const lost = (set: string): FormatError => new FormatError('corrupt', whereOf(set), 'a page is lost');
