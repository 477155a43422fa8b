/** What holds for every walk of every filesystem, whatever is on it: run on each walker's images. */
import { expect } from 'vitest';
import { type Runs, runAt } from '../../src/bytes/extents.ts';
import {
  ExtentKind,
  type Filesystem,
  type InodeBatch,
  InodeFlag,
  type NameBatch,
} from '../../src/filesystem/filesystem.ts';

const TYPES = [0o010000, 0o020000, 0o040000, 0o060000, 0o100000, 0o120000, 0o140000];
const SYMLINK = 0o120000;
const DIRECTORY = 0o040000;
const isDevice = (type: number): boolean => type === 0o020000 || type === 0o060000;

export interface Conformance {
  readonly inodes: number;
  readonly names: number;
  readonly problems: readonly string[];
}

/** Walks all of it and expects the contract of src/filesystem/filesystem.ts to hold; returns what there was. */
export async function expectWalkConforms(filesystem: Filesystem, volumeBytes: number): Promise<Conformance> {
  const allocated = await filesystem.allocated();
  expectRuns(allocated, volumeBytes);
  expect(filesystem.identity.byteLength).toBeLessThanOrEqual(volumeBytes);
  const seen = {
    last: 0,
    types: new Map<number, number>(),
    directoryNames: new Set<number>(),
    names: 0,
    wrong: [] as string[],
    missing: [] as string[],
  };
  const problems: string[] = [];
  for await (const batch of filesystem.walk()) {
    if (batch.kind === 'inodes') checkInodes(batch, allocated, volumeBytes, seen);
    else checkNames(batch, seen, filesystem.rootInode);
    problems.push(...batch.problems.map(({ reason }) => reason));
  }
  problems.push(...seen.missing);
  expect(seen.wrong.slice(0, 5)).toEqual([]);
  if (problems.length === 0) expect(seen.types.get(filesystem.rootInode)).toBe(DIRECTORY);
  return { inodes: seen.types.size, names: seen.names, problems };
}

interface Seen {
  last: number;
  readonly types: Map<number, number>;
  readonly directoryNames: Set<number>;
  names: number;
  readonly wrong: string[];
  /** Names of inodes that were not listed: lost files. */
  readonly missing: string[];
}

function expectRuns(runs: Runs, volumeBytes: number): void {
  let end = -1;
  for (let i = 0; i < runs.count; i++) {
    expect(runs.starts[i]).toBeGreaterThan(end);
    expect(runs.lengths[i]).toBeGreaterThan(0);
    end = runs.starts[i] + runs.lengths[i];
  }
  expect(end).toBeLessThanOrEqual(volumeBytes);
}

function checkInodes(batch: InodeBatch, allocated: Runs, volumeBytes: number, seen: Seen): void {
  const must = (condition: boolean, what: string): void => {
    if (!condition) seen.wrong.push(what);
  };
  must(batch.count > 0 && batch.extentStart[0] === 0, 'a batch has rows and its extents start at 0');
  let lastProblem = -1;
  for (const { row } of batch.problems) {
    must(row >= lastProblem && row < batch.count, `problems ascend by row: ${row}`);
    must((batch.flags[row] & InodeFlag.damaged) !== 0, `row ${row} has a problem and is flagged`);
    lastProblem = row;
  }
  let lastXattr = -1;
  for (const { row, list } of batch.xattrs) {
    must(row > lastXattr && row < batch.count && list.length > 0, `xattrs ascend by row: ${row}`);
    must(
      list.every(({ name }) => name.length > 0 && name.length <= 255 && !name.includes(0)),
      `names of xattrs: ${row}`,
    );
    lastXattr = row;
  }
  for (let row = 0; row < batch.count; row++) {
    const inode = batch.inode[row];
    const what = `inode ${inode}`;
    const type = batch.mode[row] & 0o170000;
    const whole = (batch.flags[row] & InodeFlag.damaged) === 0;
    must(Number.isSafeInteger(inode) && inode > seen.last, `${what}: inodes ascend`);
    seen.last = inode;
    seen.types.set(inode, type);
    must(!whole || TYPES.includes(type), `${what}: type ${type.toString(8)}`);
    must(Number.isSafeInteger(batch.size[row]) && batch.size[row] >= 0, `${what}: size ${batch.size[row]}`);
    for (const column of [batch.atimeNanoseconds, batch.mtimeNanoseconds, batch.ctimeNanoseconds]) {
      must(column[row] < 1_000_000_000, `${what}: nanoseconds`);
    }
    must(batch.device[row] === 0 || isDevice(type), `${what}: only device nodes have a device`);
    checkExtents(batch, row, allocated, volumeBytes, whole, must);
  }
}

function checkExtents(
  batch: InodeBatch,
  row: number,
  allocated: Runs,
  volumeBytes: number,
  whole: boolean,
  must: (condition: boolean, what: string) => void,
): void {
  const what = `inode ${batch.inode[row]}`;
  const type = batch.mode[row] & 0o170000;
  const first = batch.extentStart[row];
  const last = batch.extentStart[row + 1];
  must(last >= first, `${what}: extentStart ascends`);
  const past = (batch.flags[row] & (InodeFlag.verity | InodeFlag.encrypted)) !== 0;
  let end = 0;
  for (let i = first; i < last; i++) {
    const from = batch.extentFileOffset[i];
    const length = batch.extentLength[i];
    const at = batch.extentVolumeOffset[i];
    must(from >= end && length > 0, `${what}: extents ascend: ${from} + ${length} after ${end}`);
    end = from + length;
    must(past || end <= batch.size[row], `${what}: extents end with the file: ${end}`);
    if (batch.extentKind[i] === ExtentKind.literal)
      must(at + length <= batch.literals.length, `${what}: literal in its pool`);
    if (batch.extentKind[i] !== ExtentKind.stored) continue;
    must(at >= 0 && at + length <= volumeBytes, `${what}: extent at ${at} inside the volume`);
    const run = runAt(allocated, at);
    const inside = run >= 0 && at + length <= allocated.starts[run] + allocated.lengths[run];
    must(!whole || inside, `${what}: extent at ${at} + ${length} is allocated`);
  }
  if (type === SYMLINK && whole) {
    const literal = last - first === 1 && batch.extentKind[first] === ExtentKind.literal;
    must(literal && batch.extentFileOffset[first] === 0 && end === batch.size[row], `${what}: a target is one literal`);
  }
}

function checkNames(batch: NameBatch, seen: Seen, root: number): void {
  const must = (condition: boolean, what: string): void => {
    if (!condition) seen.wrong.push(what);
  };
  must(batch.nameStart[0] === 0, 'names start at 0');
  for (let row = 0; row < batch.count; row++) {
    const name = batch.names.subarray(batch.nameStart[row], batch.nameStart[row + 1]);
    const what = `name ${JSON.stringify(Buffer.from(name).toString('latin1'))} in ${batch.parent[row]}`;
    must(name.length >= 1 && name.length <= 255 && !name.includes(0) && !name.includes(0x2f), `${what}: valid`);
    must(!(name[0] === 0x2e && (name.length === 1 || (name.length === 2 && name[1] === 0x2e))), `${what}: no dots`);
    must(seen.types.get(batch.parent[row]) === DIRECTORY, `${what}: in a directory`);
    const child = batch.child[row];
    must(child !== root, `${what}: names another inode than the root`);
    if (!seen.types.has(child)) seen.missing.push(`${what} names inode ${child}, which is not in use`);
    if (seen.types.get(child) === DIRECTORY) {
      must(!seen.directoryNames.has(child), `${what}: a directory has one name`);
      seen.directoryNames.add(child);
    }
  }
  seen.names += batch.count;
}
