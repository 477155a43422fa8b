/** What restore and plan share: a set's view as the restore sees it, and the paths that were asked for. */
import { readFileSync } from 'node:fs';
import { UserError } from '../bytes/errors.ts';
import type { RestoreIndex, Selection } from '../restore/collect.ts';
import { notIndexed, pathOf } from './open-set.ts';
import { quote, unquote } from './quoting.ts';
import type { SetView } from './services.ts';

export interface SelectionOptions {
  readonly fullPaths?: boolean;
  readonly filesFrom?: string;
  readonly null?: boolean;
}

/** One filesystem of a set, for the restore. */
export function restoreIndexOf(view: SetView, filesystem: number | undefined): RestoreIndex {
  return {
    recordSize: view.recordSize,
    chunkAt: (volumeOffset) => view.chunkAt(volumeOffset),
    chunkExtents: (chunk, from, to) => view.chunkExtents(chunk, from, to),
    list: (directory, damaged) => view.list(directory, damaged),
    blockSize: (number) => view.record.filesystems.find((one) => one.number === number)?.blockSize ?? 4096,
    async lookup(names) {
      const root = await view.root(filesystem);
      if (root === undefined) throw notIndexed(view.record, filesystem);
      return names.length === 0 ? root : view.resolve(names, root.filesystem);
    },
  };
}

/** The paths of the command line and of --files-from. @throws UserError when there are none */
export function selectionOf(paths: readonly string[], options: SelectionOptions): Selection {
  const all = paths.map(pathOf);
  if (options.filesFrom !== undefined) {
    // One by one: a list may be longer than a call's arguments.
    for (const path of filesFrom(options.filesFrom, options.null === true)) all.push(path);
  } else if (options.null) {
    throw new UserError('-0', 'goes with --files-from', 'see --help', { kind: 'usage' });
  }
  if (all.length === 0)
    throw new UserError('restore', 'no path was given', 'write / for everything', { kind: 'usage' });
  return { paths: all, fullPaths: options.fullPaths === true, print: quote };
}

/** Paths of a file, or of standard input for `-`: lines (quoted forms are understood), or bytes ended by NUL. */
function filesFrom(name: string, nul: boolean): Uint8Array[] {
  const data = readFileSync(name === '-' ? 0 : name);
  const end = nul ? 0 : 0x0a;
  const out: Uint8Array[] = [];
  for (let start = 0; start < data.length; ) {
    const found = data.indexOf(end, start);
    const stop = found < 0 ? data.length : found;
    if (stop > start) out.push(nul ? data.subarray(start, stop) : unquote(data.subarray(start, stop)));
    start = stop + 1;
  }
  return out;
}
