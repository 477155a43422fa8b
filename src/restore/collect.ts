/** From the paths that a user named to the entries of a restore, as `cp -a` would have it: `/a/b` becomes `b`, `/` fills the folder. */
import { FormatError, UserError } from '../bytes/errors.ts';
import type { Bytes } from '../bytes/units.ts';
import type { ChunkSource } from '../plan/restore-plan.ts';
import { FileType, fileTypeOf, type IndexEntry } from '../tape-index/entry.ts';
import { createBreath } from './breath.ts';
import { RestoreJob } from './job.ts';
import { splitPath } from './split-path.ts';

/** One filesystem of one set, as a restore needs it. */
export interface RestoreIndex extends ChunkSource {
  /** The entry at a path of names, the root directory for none; undefined: nothing is there. */
  lookup(names: readonly Uint8Array[]): Promise<IndexEntry | undefined>;
  /**
   * What is in a directory, in batches of a page or so. `secondName`: a directory that has its place elsewhere.
   * @param damaged told of entries that are lost in the index; the rest comes
   */
  list(
    directory: IndexEntry,
    damaged: (error: FormatError) => void,
  ): AsyncIterable<readonly (IndexEntry & { readonly secondName?: boolean })[]>;
  /** Bytes of a block of the filesystem. */
  blockSize(filesystem: number): Bytes;
}

export interface Selection {
  /** Absolute paths, bytes. */
  readonly paths: readonly Uint8Array[];
  /** `/a/b` becomes `a/b`. */
  readonly fullPaths: boolean;
  /** A path as it can be printed. */
  readonly print: (path: Uint8Array) => string;
}

export interface Collected {
  readonly job: RestoreJob;
  /** The nodes that the user named (for `/`: what is in it). What is in their place is never replaced unasked. */
  readonly targets: readonly number[];
}

const keyOf = (names: readonly Uint8Array[]): string =>
  names.map((name) => Buffer.from(name).toString('latin1')).join('/');

/**
 * Everything that the selection names, with what is under it.
 * @throws UserError when a path is not in the set, or two would become one
 */
export async function collect(
  index: RestoreIndex,
  selection: Selection,
  signal?: AbortSignal,
  found: (entries: number) => void = () => {},
): Promise<Collected> {
  const paths = uniquePaths(selection);
  const root = await index.lookup([]);
  if (root === undefined) throw new UserError('/', 'the set has no root directory', 'run `reelmap index check`');
  const job = new RestoreJob();
  job.add(0, root, new Uint8Array(0), index.blockSize(root.filesystem));
  const targets: number[] = [];
  const ancestors = new Map<string, number>([['', 0]]);
  const taken = new Map<string, Uint8Array>();
  for (const { names, path } of paths) {
    signal?.throwIfAborted();
    const entry = await index.lookup(names).catch((error: unknown) => damagedPath(error, paths.length));
    if (entry instanceof FormatError) {
      job.problem(0, 'lost', `${selection.print(path)}: ${entry.message}`);
      continue;
    }
    if (entry === undefined) {
      throw new UserError(
        selection.print(path),
        'no such file or directory in the set',
        '`reelmap ls` and `reelmap find` tell what there is',
      );
    }
    if (names.length === 0) {
      await addTree(index, job, { node: 0, entry }, found, signal);
      for (let node = 1; node < job.count; node++) if (job.parent(node) === 0) targets.push(node);
      continue;
    }
    const name = names[names.length - 1];
    if (!selection.fullPaths) claim(taken, name, path, selection);
    const parent = selection.fullPaths ? await addAncestors(index, job, ancestors, names) : 0;
    const node = job.add(parent, entry, name, index.blockSize(entry.filesystem));
    if (node === undefined) continue;
    targets.push(node);
    await addTree(index, job, { node, entry }, found, signal);
  }
  return { job, targets };
}

/** A path that the index cannot lead to any more costs only itself, unless it is the only one. */
function damagedPath(error: unknown, paths: number): FormatError {
  if (!(error instanceof FormatError) || paths === 1) throw error;
  return error;
}

interface NamedPath {
  readonly path: Uint8Array;
  readonly names: readonly Uint8Array[];
}

/** Without repetitions; shorter paths first; with full paths, nothing that lies in another one of them. */
function uniquePaths(selection: Selection): NamedPath[] {
  const found = new Map<string, NamedPath>();
  for (const path of selection.paths) {
    const names = splitPath(path, selection.print);
    found.set(keyOf(names), { path, names });
  }
  const sorted = [...found.values()].sort((a, b) => a.names.length - b.names.length);
  if (!selection.fullPaths) return sorted;
  return sorted.filter(({ names }) => !names.some((_, i) => found.has(keyOf(names.slice(0, i)))));
}

function claim(taken: Map<string, Uint8Array>, name: Uint8Array, path: Uint8Array, selection: Selection): void {
  const key = keyOf([name]);
  const other = taken.get(key);
  if (other !== undefined) {
    throw new UserError(
      `${selection.print(other)} and ${selection.print(path)}`,
      'would both become the same name',
      'use --full-paths, or restore them to two folders',
      { kind: 'usage' },
    );
  }
  taken.set(key, path);
}

/** The directories above the last name, made if they are not there yet. @returns the node of the last */
async function addAncestors(
  index: RestoreIndex,
  job: RestoreJob,
  ancestors: Map<string, number>,
  names: readonly Uint8Array[],
): Promise<number> {
  let node = 0;
  for (let depth = 1; depth < names.length; depth++) {
    const above = names.slice(0, depth);
    const known = ancestors.get(keyOf(above));
    if (known !== undefined) {
      node = known;
      continue;
    }
    const entry = await index.lookup(above);
    const added = entry && job.add(node, entry, names[depth - 1], index.blockSize(entry.filesystem));
    if (added === undefined) break;
    node = added;
    ancestors.set(keyOf(above), node);
  }
  return node;
}

interface Branch {
  readonly node: number;
  readonly entry: IndexEntry;
}

/** Everything under a directory. A directory that is met twice (a damaged or hostile index) is entered once. */
async function addTree(
  index: RestoreIndex,
  job: RestoreJob,
  top: Branch,
  found: (entries: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  if (fileTypeOf(top.entry.mode) !== FileType.directory) return;
  const seen = new Set<string>([`${top.entry.filesystem}:${top.entry.inode}`]);
  const waiting: Branch[] = [top];
  const breath = createBreath(signal);
  for (let branch = waiting.pop(); branch !== undefined; branch = waiting.pop()) {
    const damaged = (error: FormatError): void =>
      job.problem(branch.node, 'lost', `a part of what is in it cannot be listed: ${error.message}`);
    for await (const entries of index.list(branch.entry, damaged)) {
      await breath();
      found(job.count);
      for (const entry of entries) {
        const node = job.add(branch.node, entry, entry.name, index.blockSize(entry.filesystem));
        if (node === undefined || fileTypeOf(entry.mode) !== FileType.directory || entry.secondName === true) continue;
        const key = `${entry.filesystem}:${entry.inode}`;
        if (seen.has(key))
          job.problem(node, 'lost', 'this directory is in the index twice; what is in it is restored once');
        else {
          seen.add(key);
          waiting.push({ node, entry });
        }
      }
    }
  }
}
