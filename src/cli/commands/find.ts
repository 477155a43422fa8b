/** `reelmap find [PATTERN]`: names in all sets, by glob or regular expression, or what could not be backed up exactly; no tape moves. */
import { FormatError, UserError } from '../../bytes/errors.ts';
import type { UnreadableSet } from '../../tape-index/sets.ts';
import { decodeArgument } from '../argv.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { entryJson } from '../entry-text.ts';
import { ExitStatus, problemOf } from '../exit.ts';
import { noProgress } from '../progress.ts';
import { jsonBytes, quote, safeText } from '../quoting.ts';
import type { ListedEntry, SetRecord, SetView } from '../services.ts';
import { resolveSet, SHORT_ID } from '../set-spec.ts';

interface Options {
  readonly set?: string;
  readonly volume?: string;
  readonly since?: string;
  readonly regex?: boolean;
  readonly null?: boolean;
  readonly problems?: boolean;
}

export const define: CommandModule['define'] = (command, act) => {
  command
    .argument('[pattern]', 'a glob; of the whole path when there is a / in it, else of the name')
    .option('--set <set>', 'only in this set')
    .option('--volume <name>', 'only in sets of this volume')
    .option('--since <date>', 'only in sets begun on or after this date')
    .option('--regex', 'the pattern is a regular expression (JavaScript), of the whole path')
    .option('--problems', 'only entries that could not be backed up exactly, with the reasons')
    .option('-0, --null', 'paths as they are, each ended by a NUL byte')
    .addHelpText(
      'after',
      "\nExample:\n  reelmap find '*.odt' --volume home\n  reelmap find --regex '/2026-0[1-3]/.*\\.jpe?g$'\n  reelmap find --problems --set home@latest",
    )
    .action((pattern: string | undefined, options: Options) => {
      act((context) => find(context, pattern, options));
    });
};

/** Whether an entry is meant: by its path from the root, as text in which bad bytes stand as lone surrogates, and its name. */
export type Matches = (path: string, name: string) => boolean;

/** @throws UserError when the pattern cannot be understood */
export async function matcherOf(pattern: string, regex: boolean): Promise<Matches> {
  if (pattern === '')
    throw new UserError('find', 'the pattern is empty', "write '*' for everything", { kind: 'usage' });
  if (regex) {
    try {
      const expression = new RegExp(pattern);
      return (path) => expression.test(path);
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      throw new UserError('find', words, 'see --help', { kind: 'usage', cause: error });
    }
  }
  const { default: picomatch } = await import('picomatch');
  const match = picomatch(pattern, { dot: true, nonegate: true, posix: true });
  return pattern.includes('/') ? (path) => match(path) : (_, name) => match(name);
}

function chosen(
  sets: readonly SetRecord[],
  options: Options,
  unreadable: readonly UnreadableSet[],
): readonly SetRecord[] {
  if (options.set !== undefined) return [resolveSet(options.set, sets, unreadable)];
  let out = sets;
  if (options.volume !== undefined) {
    out = out.filter((one) => one.volume.name === options.volume);
    if (out.length === 0) throw new UserError(`volume ${options.volume}`, 'has no sets', '`reelmap sets` lists them');
  }
  if (options.since === undefined) return out;
  const start = /^\d{4}-\d\d-\d\d$/.test(options.since) ? Date.parse(`${options.since}T00:00:00`) : Number.NaN;
  if (Number.isNaN(start))
    throw new UserError(`--since ${options.since}`, 'is no date', 'write 2026-03-14', { kind: 'usage' });
  return out.filter((one) => Date.parse(one.startedAt) >= start);
}

interface Found {
  readonly record: SetRecord;
  readonly path: Uint8Array;
  readonly entry: ListedEntry;
}

async function find(context: CommandContext, pattern: string | undefined, options: Options): Promise<ExitStatus> {
  const { output } = context;
  if (pattern === undefined && !options.problems)
    throw new UserError('find', 'no pattern was given', "write '*' for everything", { kind: 'usage' });
  const matches = pattern === undefined ? () => true : await matcherOf(pattern, options.regex === true);
  const wanted = (entry: ListedEntry): boolean => !options.problems || entry.problems.length > 0;
  await using index = await (await context.services()).openIndex(context.home);
  const unreadable: UnreadableSet[] = [];
  const all = await index.sets((set) => unreadable.push(set));
  if (all.length + unreadable.length === 0)
    throw new UserError('find', 'there are no sets yet', '`reelmap backup VOLUME` makes one');
  const sets = chosen(all, options, unreadable);
  if (options.set === undefined) for (const { reason } of unreadable) output.error(problemOf(reason));
  let unread = options.set === undefined ? unreadable.length : 0;
  const skipped = (record: SetRecord): void => {
    unread++;
    output.note(
      `set ${record.set.slice(0, SHORT_ID)} is not wholly indexed file by file: not all of it was looked through`,
    );
  };
  const damaged = (error: FormatError): void => {
    unread++;
    output.error(problemOf(error));
  };
  // With --json the result is one value, which has no room for progress.
  const progress = output.json ? noProgress : context.progress();
  let entries = 0;
  const looked = (more: number): void => {
    entries += more;
    progress.update({ phase: 'looking through', done: entries, unit: 'entries' });
  };
  async function* found(): AsyncGenerator<Found> {
    for (const record of sets) {
      if (record.filesystems.some((one) => !one.indexed)) skipped(record);
      if (!record.filesystems.some((one) => one.indexed && mayHave(one, options))) continue;
      try {
        yield* inSet(await index.open(record), matches, wanted, { damaged, looked });
      } catch (error) {
        if (!(error instanceof FormatError)) throw error;
        damaged(error);
      }
    }
  }
  if (output.json) await output.array(asJson(found()));
  else {
    for await (const { record, path, entry } of found()) {
      const why = options.problems ? `: ${safeText(entry.problems.join('; '))}` : '';
      const line = `${quote(path)}${why}`;
      if (options.null) output.raw(Buffer.concat([path, Buffer.from([0])]));
      else output.line(options.set === undefined ? `${record.set.slice(0, SHORT_ID)}  ${line}` : line);
      if (output.closed) break;
    }
  }
  return unread > 0 ? ExitStatus.partial : ExitStatus.done;
}

async function* asJson(found: AsyncIterable<Found>): AsyncIterable<unknown> {
  for await (const { record, path, entry } of found)
    yield { set: record.set, volume: record.volume.name, ...jsonBytes('path', path), ...entryJson(entry) };
}

const SLASH = Buffer.from('/');

/** A filesystem without problems need not be walked to find none. */
const mayHave = ({ problems }: SetRecord['filesystems'][number], options: Options): boolean =>
  !options.problems || problems > 0;

async function* inSet(
  view: SetView,
  matches: Matches,
  wanted: (entry: ListedEntry) => boolean,
  told: { readonly damaged: (error: FormatError) => void; readonly looked: (entries: number) => void },
): AsyncGenerator<Found> {
  for (const { number, indexed, path = '' } of view.record.filesystems) {
    const root = indexed ? await view.root(number) : undefined;
    if (root === undefined) continue;
    const top = path === '' ? '/' : path;
    if (wanted(root) && matches(top, path.slice(path.lastIndexOf('/') + 1)))
      yield { record: view.record, path: Buffer.from(top), entry: root };
    for await (const { parents, entries } of view.walk(root, told.damaged)) {
      const above = Buffer.concat([Buffer.from(path), ...parents.flatMap((name) => [SLASH, name]), SLASH]);
      const text = decodeArgument(above);
      told.looked(entries.length);
      for (const entry of entries) {
        const name = decodeArgument(entry.name);
        if (wanted(entry) && matches(text + name, name))
          yield { record: view.record, path: Buffer.concat([above, entry.name]), entry };
      }
    }
  }
}
