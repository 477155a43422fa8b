/** `reelmap ls SET [PATH]`: a directory of a set, from the index alone. */
import type { FormatError } from '../../bytes/errors.ts';
import { FileType, fileTypeOf } from '../../tape-index/entry.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { entryJson, filesystemAt, filesystemJson, filesystemText, longLine } from '../entry-text.ts';
import { ExitStatus, problemOf } from '../exit.ts';
import { entryAt, filesystemNumber, openSet, pathOf } from '../open-set.ts';
import { jsonBytes, quote } from '../quoting.ts';
import type { ListedEntry, SetView } from '../services.ts';

interface Options {
  readonly long?: boolean;
  readonly null?: boolean;
  readonly partition?: string;
}

export const define: CommandModule['define'] = (command, act) => {
  command
    .argument('<set>', 'an id, a prefix of one, NAME, NAME@latest, NAME@DATE, or latest')
    .argument('[path]', 'a directory or file', '/')
    .option('-l, --long', 'mode, links, owner, group, size, time')
    .option('-0, --null', 'names as they are, each ended by a NUL byte')
    .option('--partition <part>', 'the filesystem of one partition (2) or logical volume (vg/lv), as if it were all')
    .addHelpText('after', '\nExample:\n  reelmap ls home@latest /etc -l')
    .action((set: string, path: string, options: Options) => {
      act((context) => list(context, set, path, options));
    });
};

async function list(context: CommandContext, word: string, path: string, options: Options): Promise<ExitStatus> {
  const { output } = context;
  await using open = await openSet(async () => (await context.services()).openIndex(context.home), word);
  const wanted = pathOf(path);
  const entry = await entryAt(open.view, wanted, filesystemNumber(open.record, options.partition));
  let status: ExitStatus = ExitStatus.done;
  const damaged = (error: FormatError): void => {
    output.error(problemOf(error));
    status = ExitStatus.partial;
  };
  if (output.json) {
    await output.array(values(open.view, listing(open.view, entry, wanted, damaged)));
    return status;
  }
  for await (const entries of listing(open.view, entry, wanted, damaged)) {
    for (const one of entries) {
      if (options.null) output.raw(Buffer.concat([one.name, Buffer.from([0])]));
      else output.line(options.long ? `${longLine(one, one.name)}${filesystemMark(open.view, one)}` : quote(one.name));
    }
    if (output.closed) break;
  }
  return status;
}

/** What is in a directory; anything else is itself, under the path that was asked for. */
async function* listing(
  view: SetView,
  entry: ListedEntry,
  path: Uint8Array,
  damaged: (error: FormatError) => void,
): AsyncIterable<readonly ListedEntry[]> {
  if (fileTypeOf(entry.mode) === FileType.directory) yield* view.list(entry, damaged);
  else yield [{ ...entry, name: path }];
}

async function* values(view: SetView, listed: AsyncIterable<readonly ListedEntry[]>): AsyncIterable<unknown> {
  for await (const entries of listed)
    for (const one of entries) {
      const root = filesystemAt(view.record.filesystems, one);
      const mounted = root === undefined ? {} : { filesystemRoot: filesystemJson(root) };
      yield { ...jsonBytes('name', one.name), ...entryJson(one), ...mounted };
    }
}

/** What a name of the tree above several filesystems stands for. */
function filesystemMark({ record }: SetView, entry: ListedEntry): string {
  const root = filesystemAt(record.filesystems, entry);
  return root === undefined ? '' : `  (${filesystemText(root)})`;
}
