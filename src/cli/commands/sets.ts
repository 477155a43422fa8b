/** `reelmap sets`: the backup sets; `sets drop SET` forgets one. */
import { UserError } from '../../bytes/errors.ts';
import type { FilesystemRecord } from '../../bytes/manifest.ts';
import type { CommandContext, CommandModule } from '../command.ts';
import { filesystemText } from '../entry-text.ts';
import { ExitStatus, problemOf } from '../exit.ts';
import { findSet } from '../open-set.ts';
import { formatBytes } from '../progress.ts';
import { safeText } from '../quoting.ts';
import type { SetRecord } from '../services.ts';
import { SHORT_ID } from '../set-spec.ts';

export const define: CommandModule['define'] = (command, act) => {
  command
    .argument('[action]', '`drop`: forget a set (its tape is not touched)')
    .argument('[set]', 'for `drop`: an id, a prefix of one, NAME@latest, NAME@DATE')
    .addHelpText('after', '\nExample:\n  reelmap sets\n  reelmap sets drop home@2026-03-14')
    .action((action: string | undefined, set: string | undefined) => {
      act(async (context) => {
        if (action === undefined) return list(context);
        if (action === 'drop' && set !== undefined) return drop(context, set);
        throw new UserError(`sets ${action}`, 'is no such command', 'write `reelmap sets` or `reelmap sets drop SET`', {
          kind: 'usage',
        });
      });
    });
};

const total = (record: SetRecord, field: 'entries' | 'problems'): number =>
  record.filesystems.reduce((sum, one) => sum + one[field], 0);

async function list({ services, home, output }: CommandContext): Promise<ExitStatus> {
  await using index = await (await services()).openIndex(home);
  let status: ExitStatus = ExitStatus.done;
  const sets = await index.sets(({ reason }) => {
    output.error(problemOf(reason));
    status = ExitStatus.partial;
  });
  if (output.json) {
    await output.array(sets.map(setJson));
    return status;
  }
  if (sets.length === 0) output.note('no sets yet; `reelmap backup VOLUME` makes one');
  else output.line('set       volume            time                  kind         files       bytes  cartridges');
  for (const record of sets) {
    const columns = [
      record.set.slice(0, SHORT_ID),
      safeText(record.volume.name).padEnd(16),
      record.startedAt.slice(0, 19).padEnd(20),
      record.kind.padEnd(11),
      String(total(record, 'entries')).padStart(6),
      formatBytes(record.storedBytes).padStart(11),
      record.cartridges.map((one) => safeText(one.barcode)).join(','),
    ];
    if (record.filesystems.some((one) => !one.indexed)) columns.push('(not all indexed)');
    if (record.damaged) columns.push(safeText(`(index damaged: ${record.damaged})`));
    output.line(columns.join('  '));
    for (const filesystem of record.filesystems) output.line(filesystemLine(filesystem));
  }
  return status;
}

/** Indented under its set. */
function filesystemLine(filesystem: FilesystemRecord): string {
  const { path = '/', entries, reason } = filesystem;
  const what = reason === null ? `${entries} files` : `copied whole: ${safeText(reason)}`;
  return `          ${safeText(path).padEnd(16)}  ${filesystemText(filesystem)}, ${what}`;
}

/** A set for programs; `filesystems` has the reason where one is not indexed. */
function setJson(record: SetRecord): Readonly<Record<string, unknown>> {
  return {
    set: record.set,
    volume: record.volume.name,
    identity: record.volume.identity,
    source: record.volume.source,
    volumeBytes: record.volume.byteLength,
    startedAt: record.startedAt,
    finishedAt: record.finishedAt,
    kind: record.kind,
    base: record.base,
    files: total(record, 'entries'),
    problems: total(record, 'problems'),
    damaged: record.damaged ?? null,
    disk: record.disk ?? null,
    storedBytes: record.storedBytes,
    cartridges: record.cartridges,
    filesystems: record.filesystems,
  };
}

async function drop({ services, home, output }: CommandContext, word: string): Promise<ExitStatus> {
  await using index = await (await services()).openIndex(home);
  const record = await findSet(index, word);
  await index.drop(record);
  if (output.json) output.value({ dropped: record.set });
  else output.line(`dropped set ${record.set.slice(0, SHORT_ID)} of ${safeText(record.volume.name)}`);
  return ExitStatus.done;
}
