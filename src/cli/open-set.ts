/** From a command's words to an open set and the entry at a path. */
import { UserError } from '../bytes/errors.ts';
import { splitPath } from '../restore/split-path.ts';
import type { UnreadableSet } from '../tape-index/sets.ts';
import { encodeArgument } from './argv.ts';
import { quote, unquote } from './quoting.ts';
import type { IndexService, ListedEntry, SetRecord, SetView } from './services.ts';
import { resolveSet, SHORT_ID } from './set-spec.ts';

export interface OpenSet extends AsyncDisposable {
  readonly index: IndexService;
  readonly record: SetRecord;
  readonly view: SetView;
}

/** Opens the set that `word` means. @throws UserError */
export async function openSet(open: () => Promise<IndexService>, word: string): Promise<OpenSet> {
  const index = await open();
  try {
    const record = await findSet(index, word);
    const view = await index.open(record);
    return { index, record, view, [Symbol.asyncDispose]: () => index[Symbol.asyncDispose]() };
  } catch (error) {
    await index[Symbol.asyncDispose]();
    throw error;
  }
}

/** The set that `word` means. @throws UserError when there is none, or it cannot be told for damage */
export async function findSet(index: IndexService, word: string): Promise<SetRecord> {
  const unreadable: UnreadableSet[] = [];
  const sets = await index.sets((set) => unreadable.push(set));
  return resolveSet(word, sets, unreadable);
}

/** The path that an argument means, quotes undone. */
export const pathOf = (argument: string): Uint8Array => unquote(encodeArgument(argument));

/**
 * The filesystem that `--partition` means, by its number or its path in the set (`2`, `vg/lv`); undefined without: the tree of
 * all, or the only one. @throws UserError
 */
export function filesystemNumber(record: SetRecord, option: string | undefined): number | undefined {
  if (option === undefined) return undefined;
  const path = `/${option.replace(/^\/+/, '')}`;
  const found = record.filesystems.find((one) => one.path === path || String(one.number) === option);
  if (found !== undefined) return found.number;
  if (/^\d{1,5}$/.test(option)) return Number(option); // told by whoever looks for its root
  const names = record.filesystems.flatMap((one) => (one.path === undefined ? [] : [one.path.slice(1)]));
  const remedy = names.length === 0 ? 'the set is one filesystem: leave the option out' : `it has ${names.join(', ')}`;
  const thing = `set ${record.set.slice(0, SHORT_ID)}`;
  throw new UserError(thing, `has no partition or logical volume ${option}`, remedy, { kind: 'usage' });
}

/** Why the set's files cannot be named; undefined: they can. */
export function notIndexed(record: SetRecord, filesystem: number | undefined): UserError {
  const found = record.filesystems.find((one) => one.number === (filesystem ?? one.number) && !one.indexed);
  const set = `set ${record.set.slice(0, SHORT_ID)}`;
  const remedy = `\`reelmap restore-volume ${record.set.slice(0, SHORT_ID)} TARGET\` brings the whole volume back`;
  if (found !== undefined)
    return new UserError(
      set,
      `is stored but not indexed file by file (${found.reason ?? 'no reason recorded'})`,
      remedy,
    );
  return new UserError(set, filesystem === undefined ? 'has no filesystem' : `has no partition ${filesystem}`, remedy);
}

/** The entry at a path. @throws UserError when there is none */
export async function entryAt(view: SetView, path: Uint8Array, filesystem: number | undefined): Promise<ListedEntry> {
  const names = splitPath(path, quote);
  const root = await view.root(filesystem);
  if (root === undefined) throw notIndexed(view.record, filesystem);
  const entry = names.length === 0 ? root : await view.resolve(names, root.filesystem);
  if (entry !== undefined) return entry;
  throw new UserError(
    quote(path),
    `no such file or directory in set ${view.record.set.slice(0, SHORT_ID)}`,
    '`reelmap find NAME` looks for it in all sets',
  );
}
